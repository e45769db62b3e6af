#!/usr/bin/env python3
"""Measures Flagstone in turn with dask, dask-array, NumPy, numexpr and JAX: see README.md beside this file.

    python3 benches/peers/run.py
    python3 benches/peers/run.py --shape 2000x2000 --rounds 2 --jobs mean0,trig
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))
# Only folders under `target` are written.
sys.dont_write_bytecode = True

from engines import EngineError, Flagstone, Library  # noqa: E402
from jobs import JOBS, SWEEP, SWEEP_CHUNKS  # noqa: E402
from measure import Disagreement, measure, medians  # noqa: E402
from report import TITLES, markdown, plot, write_docs  # noqa: E402

PEERS = ["dask", "dask-array", "numpy", "numexpr", "jax", "joblib", "multiprocessing", "concurrent.futures"]
# These have no version of their own.
STANDARD = ["multiprocessing", "concurrent.futures"]
SEED = 42


def arguments():
    names = [job.name for job in JOBS] + ["sweep"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", default="10000x10000", type=lengths, help="of x, square (default 10000x10000)")
    parser.add_argument("--rounds", default=5, type=int, help="samples of each engine, in turn (default 5)")
    parser.add_argument("--jobs", type=one_of(names), help=f"some of {','.join(names)} (default all)")
    parser.add_argument("--only", type=one_of(PEERS), help=f"some of {','.join(PEERS)} (default all)")
    parser.add_argument("--patience", default=6.0, type=float, help="seconds for an engine and a job (default 6)")
    parser.add_argument("--sweep-chunks", type=sizes, default=SWEEP_CHUNKS,
                        help=f"chunk sizes of the sweep (default {','.join(map(str, SWEEP_CHUNKS))})")
    parser.add_argument("--calls", type=int, default=1_000_000,
                        help="calls in the jobs that are calls, in thousands' steps (default 1000000)")
    parser.add_argument("--output", type=Path, help="folder of results (default target/peers/results)")
    parser.add_argument("--write-docs", action="store_true", help="rewrite docs/performance.md and the plot")
    parser.add_argument("--no-measure", action="store_true", help="only print, or write, what was measured before")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error(f"--rounds needs a positive number, and {options.rounds} is none")
    if options.calls < 1000 or options.calls % 1000:
        parser.error(f"--calls needs a multiple of 1000, and {options.calls} is none")
    options.jobs = options.jobs or names
    options.only = options.only or PEERS
    return options


def lengths(text):
    parts = text.split("x")
    if len(parts) != 2 or not all(part.isdecimal() and int(part) for part in parts) or parts[0] != parts[1]:
        raise argparse.ArgumentTypeError(f"a square shape such as 2000x2000 is needed, and {text!r} is none")
    return [int(part) for part in parts]


def sizes(text):
    if not all(part.isdecimal() and int(part) for part in text.split(",")):
        raise argparse.ArgumentTypeError(f"sizes such as 50,100 are needed, and {text!r} are none")
    return [int(part) for part in text.split(",")]


def one_of(names):
    def parse(text):
        for name in text.split(","):
            if name not in names:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(names)}")
        return text.split(",")

    return parse


def target_folder():
    """Cargo's, wherever it is set to be."""
    asked = ["cargo", "metadata", "--format-version", "1", "--no-deps"]
    metadata = json.loads(subprocess.run(asked, cwd=ROOT, check=True, capture_output=True).stdout)
    return Path(metadata["target_directory"])


def environment(folder, requirements=HERE / "requirements.txt"):
    """The Python of a virtual environment with exactly the pinned libraries."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    wanted = requirements.read_text()
    installed = folder / "installed.txt"
    if not installed.exists() or installed.read_text() != wanted:
        print(f"installing the libraries into {folder}", file=sys.stderr)
        venv.create(folder, clear=True, with_pip=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--requirement", requirements], check=True)
        installed.write_text(wanted)
    return python


def make_arrays(python, folder, shapes):
    """Uniform numbers, one file for each shape and seed."""
    script = (
        "import sys, numpy, os\n"
        "path, rows, columns, seed = sys.argv[1:]\n"
        "values = numpy.random.default_rng(int(seed)).random((int(rows), int(columns)))\n"
        "numpy.save(path + '.part.npy', values)\n"
        "os.replace(path + '.part.npy', path)\n"
    )
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, shape) in enumerate(shapes.items(), SEED):
        path = folder / f"{name}.npy"
        if not path.exists():
            subprocess.run([python, "-c", script, path, *map(str, shape), str(seed)], check=True)


def versions(python):
    """Of all that is measured."""
    script = (
        "import importlib.metadata, platform, json, sys\n"
        "print(json.dumps({name: importlib.metadata.version(name) for name in sys.argv[1:]} "
        "| {'Python': platform.python_version()}))"
    )
    names = [name for name in PEERS if name not in STANDARD]
    output = subprocess.run([python, "-c", script, *names], check=True, capture_output=True, text=True).stdout
    rustc = subprocess.run(["rustc", "--version"], check=True, capture_output=True, text=True).stdout.split()[1]
    return {"Rust": rustc, **json.loads(output)}


def machine():
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = models[0] if models else model
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = f"{platform.system()} {platform.machine()}"
    return {"cpu": model, "cores": cores, "memory_gib": memory, "system": system}


def earlier(path, header):
    """Results of runs with the same settings, to which this one adds its own."""
    if path.exists():
        results = json.loads(path.read_text())
        if all(results[key] == header[key] for key in header):
            return results
        print(f"{path} is of other settings, and starts anew", file=sys.stderr)
    return {**header, "cells": {}, "sweep": {}}


def save(path, results):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")


def run_jobs(options, engines, settings, results, path):
    rows = settings["shape"][0]
    for job in JOBS:
        if job.name not in options.jobs:
            continue
        if job.workload not in engines[0].workloads:
            print(f"{job.name}: left out, Flagstone has no such workload", file=sys.stderr)
            continue
        chunks = settings["chunks"][job.chunks]
        row = medians(measure(job, engines, chunks, options.rounds, options.patience, rows))
        results["cells"].setdefault(job.name, {}).update(row)
        save(path, results)
        print(f"{job.name}: " + ", ".join(f"{name} {s * 1e3:.4g} ms" for name, s in row.items()), file=sys.stderr)


def run_sweep(options, engines, settings, results, path):
    engines = [engine for engine in engines if engine.name in ("flagstone", "dask")]
    rows = settings["shape"][0]
    by_name = {job.name: job for job in JOBS}
    for chunk in options.sweep_chunks:
        if chunk > rows:
            continue
        for name, _ in SWEEP:
            row = medians(measure(by_name[name], engines, [chunk] * 2, options.rounds, options.patience, rows))
            for engine, seconds in row.items():
                results["sweep"].setdefault(name, {}).setdefault(engine, {})[str(chunk)] = seconds
            print(f"{name} in {chunk} × {chunk}: "
                  + ", ".join(f"{e} {s * 1e3:.4g} ms" for e, s in row.items()), file=sys.stderr)
        save(path, results)


def main():
    options = arguments()
    target = target_folder()
    output = options.output or target / "peers" / "results"
    path = output / "results.json"
    if options.no_measure:
        if not path.exists():
            sys.exit(f"nothing was measured yet: there is no {path}")
        return finish(options, output, json.loads(path.read_text()))
    python = environment(target / "peers" / "venv")
    rows = options.shape[0]
    settings = {
        "shape": options.shape,
        "matrix": [min(3000, rows)] * 2,
        "calls": options.calls,
        "chunks": {"main": [min(1000, rows)] * 2, "small": [min(100, rows)] * 2},
    }
    header = {"machine": machine(), "versions": versions(python), "settings": settings}
    results = earlier(path, header)
    build = ["cargo", "build", "--quiet", "--release", "--example", "workloads"]
    subprocess.run(build, cwd=ROOT, check=True)
    program = target / "release" / "examples" / ("workloads.exe" if os.name == "nt" else "workloads")
    data = target / "peers" / f"data-{rows}"
    make_arrays(python, data, {"x": options.shape, "a": settings["matrix"], "b": settings["matrix"]})
    engines = [Flagstone(program, data, options.shape, options.calls)]
    engines += [Library(name, python, data, options.shape, SEED, options.calls) for name in PEERS if name in options.only]
    run_jobs(options, engines, settings, results, path)
    if "sweep" in options.jobs:
        run_sweep(options, engines, settings, results, path)
    for engine in engines:
        engine.close()
    finish(options, output, results)


def finish(options, output, results):
    """Prints and writes what is known."""
    (output / "table.md").write_text(markdown(results) + "\n")
    if results["sweep"]:
        (output / "chunk-sizes.svg").write_text(plot(results))
    print(markdown(results))
    if options.write_docs:
        write_docs(results, ROOT / "docs" / "performance.md", ROOT / "docs" / "chunk-sizes.svg")


if __name__ == "__main__":
    try:
        main()
    except (Disagreement, EngineError) as error:
        sys.exit(str(error))
    except subprocess.CalledProcessError as error:
        said = (error.stderr or b"").strip()
        said = said.decode(errors="replace") if isinstance(said, bytes) else said
        sys.exit(f"{' '.join(map(str, error.cmd))} ended with {error.returncode}" + (f":\n{said}" if said else ""))
