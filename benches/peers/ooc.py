#!/usr/bin/env python3
"""Runs the jobs of `workloads ooc` with dask, dask-array and Cubed too: time and peak memory, each job in a process of
its own.

    python3 benches/peers/ooc.py --dir /tmp/ooc --side 256 --unit 64       # a look
    python3 benches/peers/ooc.py --dir /tmp/ooc --write-docs               # 8 GiB, and rewrite docs/performance.md

Flagstone makes x, as Zarr, and all read that. Results must agree with Flagstone's within 1e-9.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True

from run import environment, machine, one_of, target_folder  # noqa: E402

PEERS = ["dask", "dask-array", "cubed"]
JOBS = {
    "ooc_anomaly": "((x − x.mean())²).mean()",
    "ooc_residual": "((x − x.mean(0))²).sum()",
    "ooc_std": "x.std(0)",
    "ooc_transpose": "x + x with its axes reversed, stored",
    "ooc_rechunk": "x in chunks whole along the first axis, stored",
    "ooc_moments": "x.mean(0) and x.std(0), stored together",
}
TOLERANCE = 1e-9
REQUIREMENTS = HERE / "requirements-ooc.txt"
BEGIN = "<!-- The lines from here to the next mark are written by benches/peers/ooc.py --write-docs. -->"
END = "<!-- The end of those lines. -->"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path, required=True, help="folder of x, of outputs and of temporary files")
    parser.add_argument("--side", type=int, default=1024, help="the length of x's three axes (default 1024: 8 GiB)")
    parser.add_argument("--unit", type=int, default=128, help="the length of its chunks (default 128)")
    parser.add_argument("--codec", choices=["none", "zstd"], default="none")
    parser.add_argument("--memory", type=int, default=512, help="MiB for those who can be told (default 512)")
    parser.add_argument("--jobs", type=one_of(list(JOBS)), help=f"some of {','.join(JOBS)} (default all)")
    parser.add_argument("--only", type=one_of(PEERS), help=f"some of {','.join(PEERS)} (default all)")
    parser.add_argument("--patience", type=float, default=1200, help="seconds for a job (default 1200)")
    parser.add_argument("--drop", action="store_true", help="remove x at the end")
    parser.add_argument("--write-docs", action="store_true", help="rewrite the table in docs/performance.md")
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.jobs = options.jobs or list(JOBS)
    options.only = options.only or PEERS
    return options


# What follows, up to the driver, runs in the processes that measure, with the libraries there.


def peak_bytes():
    """The most resident bytes of this process, or of one of its children if that was more."""
    import resource

    scale = 1 if sys.platform == "darwin" else 1024
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * scale
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        own = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
    return max(own, children)


def weighted(x):
    """The sum of all elements, each times its index along the first axis: places that were mixed up show."""
    import numpy as np

    total = 0.0
    step = max(1, x.chunks[0]) if hasattr(x, "chunks") else 64
    for first in range(0, x.shape[0], step):
        part = np.asarray(x[first : first + step])
        index = np.arange(first, first + part.shape[0], dtype="f8")
        total += float((part.reshape(part.shape[0], -1).sum(1) * index).sum())
    return total


def with_dask(module, job, path, out, options):
    import importlib

    import dask

    da = importlib.import_module(module)
    x = da.from_zarr(str(path))
    start = time.perf_counter()
    value = None
    if job == "ooc_anomaly":
        value = float(((x - x.mean()) ** 2).mean().compute())
    elif job == "ooc_residual":
        value = float(((x - x.mean(axis=0)) ** 2).sum().compute())
    elif job == "ooc_std":
        value = x.std(axis=0).compute()
    elif job == "ooc_transpose":
        da.to_zarr(x + x.T, str(out / "sum"))
    elif job == "ooc_rechunk":
        da.to_zarr(x.rechunk((options.side, options.unit, options.unit)), str(out / "columns"))
    else:
        stores = [da.to_zarr(x.mean(axis=0), str(out / "mean"), compute=False),
                  da.to_zarr(x.std(axis=0), str(out / "std"), compute=False)]
        dask.compute(*stores)
    return time.perf_counter() - start, value


def with_cubed(job, path, out, options):
    import cubed
    import cubed.array_api as xp

    # What a task may take: there is one for each core.
    memory = options.memory * 2**20 // max(1, len(os.sched_getaffinity(0)))
    spec = cubed.Spec(work_dir=str(options.dir / "cubed"), allowed_mem=memory, reserved_mem=0)
    x = cubed.from_zarr(str(path), spec=spec)
    start = time.perf_counter()
    value = None
    if job == "ooc_anomaly":
        value = float(xp.mean((x - xp.mean(x)) ** 2).compute())
    elif job == "ooc_residual":
        value = float(xp.sum((x - xp.mean(x, axis=0)) ** 2).compute())
    elif job == "ooc_std":
        value = xp.std(x, axis=0).compute() if hasattr(xp, "std") else deviation(xp, x).compute()
    elif job == "ooc_transpose":
        cubed.to_zarr(x + xp.permute_dims(x, (2, 1, 0)), str(out / "sum"))
    elif job == "ooc_rechunk":
        cubed.to_zarr(x.rechunk((options.side, options.unit, options.unit)), str(out / "columns"))
    else:
        std = xp.std(x, axis=0) if hasattr(xp, "std") else deviation(xp, x)
        cubed.store([xp.mean(x, axis=0), std], [str(out / "mean"), str(out / "std")])
    return time.perf_counter() - start, value


def deviation(xp, x):
    """The standard deviation, for a library that has none."""
    return xp.sqrt(xp.mean((x - xp.mean(x, axis=0)) ** 2, axis=0))


def work(options):
    library, job, path, out = options.worker
    path, out = Path(path), Path(out)
    if library == "cubed":
        seconds, value = with_cubed(job, path, out, options)
    else:
        module = {"dask": "dask.array", "dask-array": "dask_array"}[library]
        seconds, value = with_dask(module, job, path, out, options)
    peak = peak_bytes()
    if value is None:
        import zarr

        value = sum(weighted(zarr.open_array(str(stored), mode="r")) for stored in sorted(out.iterdir()))
    elif not isinstance(value, float):
        value = weighted(value)
    print(json.dumps({"seconds": seconds, "measured_peak_bytes": peak, "check": value}))


# The driver.


def flagstone(options, program, job):
    """Flagstone's own figures of a job, or a text that says that it was refused; makes x if it is not there."""
    command = [program, "ooc", job, "--dir", options.dir, "--memory", f"{options.memory}MiB", "--codec", options.codec,
               "--side", str(options.side), "--unit", str(options.unit), "--keep"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    result = json.loads(output.strip().splitlines()[-1])
    return f"refused: needs {result['needed_bytes']:,} bytes" if "refused" in result else result


def peer(options, python, library, job):
    """A library's figures; a text that says why there are none."""
    out = options.dir / f"{job}-{library}"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    codec = "zstd" if options.codec == "zstd" else "raw"
    path = options.dir / f"x-{options.side}-{options.unit}-{codec}.zarr"
    command = [python, "-W", "ignore", __file__, "--dir", options.dir, "--side", str(options.side), "--unit",
               str(options.unit), "--memory", str(options.memory), "--worker", library, job, path, out]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=options.patience)
    except subprocess.TimeoutExpired:
        return f"> {options.patience:.0f} s"
    finally:
        shutil.rmtree(out, ignore_errors=True)
        shutil.rmtree(options.dir / "cubed", ignore_errors=True)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1]
        print(f"{job}: {library}: {last}", file=sys.stderr)
        return "killed" if done.returncode < 0 else "refused" if "exceed" in last else "failed"
    return json.loads(done.stdout.strip().splitlines()[-1])


def cell(result):
    if isinstance(result, str):
        return result
    return f"{result['seconds']:.1f} s, {result['measured_peak_bytes'] / 2**20:,.0f} MiB"


def table(options, rows, versions):
    about = machine()
    size = options.side**3 * 8 / 2**30
    codec = "uncompressed" if options.codec == "none" else "Zstandard"
    head = (f"{about['cpu']}, {about['cores']} cores, {about['memory_gib']:.0f} GiB, {about['system']}; "
            + ", ".join(f"{name} {version}" for name, version in versions.items())
            + f".\nx has {size:.3g} GiB, {options.side:,}³ `float64` in chunks of {options.unit}³, {codec}. Flagstone and "
            + f"Cubed are told to keep to {options.memory} MiB (Cubed's is divided among its tasks); the others cannot be told."
            + " What is stored has the codec of x with Flagstone, and the library's own (Zstandard) with the others."
            + " Each cell: time, and the process's peak.")
    lines = [head, "", "| job | Flagstone | " + " | ".join(PEERS) + " |", "|---|" + "---:|" * (1 + len(PEERS))]
    for job, results in rows.items():
        cells = [cell(results[name]) if name in results else "" for name in ["Flagstone", *PEERS]]
        lines.append(f"| {JOBS[job]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write_docs(text, performance):
    page = performance.read_text()
    begin, end = page.find(BEGIN), page.find(END)
    if not 0 <= begin < end:
        raise SystemExit(f"{performance} has not the two marks between which the table belongs")
    performance.write_text(f"{page[:begin]}{BEGIN}\n\n{text}\n\n{page[end:]}")


def main():
    options = arguments()
    if options.worker:
        return work(options)
    if options.write_docs and (len(options.jobs) < len(JOBS) or len(options.only) < len(PEERS)):
        raise SystemExit("--write-docs needs all jobs of all libraries")
    options.dir.mkdir(parents=True, exist_ok=True)
    target = target_folder()
    python = environment(target / "peers" / "venv-ooc", REQUIREMENTS)
    subprocess.run(["cargo", "build", "--quiet", "--release", "--example", "workloads"], cwd=ROOT, check=True)
    program = target / "release" / "examples" / "workloads"
    rows = {}
    for job in options.jobs:
        ours = flagstone(options, program, job)
        rows[job] = {"Flagstone": ours}
        print(f"{job}: Flagstone: {cell(ours)}", file=sys.stderr)
        for library in options.only:
            found = rows[job][library] = peer(options, python, library, job)
            print(f"{job}: {library}: {cell(found)}", file=sys.stderr)
            if isinstance(found, dict) and isinstance(ours, dict):
                a, b = found["check"], ours["check"]
                # Not `>`: with a NaN, every comparison is false.
                if not abs(a - b) <= TOLERANCE * abs(b):
                    raise SystemExit(f"{job}: the check of {library} is {a!r}, of Flagstone {b!r}")
    asked = ("import importlib.metadata, json, sys\n"
             "print(json.dumps({name: importlib.metadata.version(name) for name in sys.argv[1:]}))")
    output = subprocess.run([python, "-c", asked, *PEERS, "zarr", "numpy"], check=True, capture_output=True, text=True)
    text = table(options, rows, json.loads(output.stdout))
    print(text)
    if options.write_docs:
        write_docs(text, ROOT / "docs" / "performance.md")
    if options.drop:
        for path in options.dir.glob("x-*.zarr"):
            shutil.rmtree(path)


if __name__ == "__main__":
    main()
