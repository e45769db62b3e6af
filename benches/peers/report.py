"""What is printed, and what goes into the documentation."""

from chart import chart
from jobs import JOBS, SWEEP

TITLES = {
    "flagstone": "Flagstone", "dask": "dask", "dask-array": "dask-array",
    "numpy": "NumPy", "numexpr": "numexpr", "jax": "JAX",
    "joblib": "joblib", "multiprocessing": "multiprocessing", "concurrent.futures": "concurrent.futures",
}
BEGIN = "<!-- The lines from here to the end mark are written by benches/peers/run.py --write-docs. -->"
END = "<!-- End of the measured lines. -->"


def number(value):
    """Three digits, or all before the point."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def ratio(value):
    return f"{value:.0f}×" if value >= 100 else f"{value:.2g}×"


def machine_lines(results):
    """Where, with what, and when not all is the default."""
    machine, versions = results["machine"], results["versions"]
    libraries = ", ".join(f"{TITLES.get(name, name)} {versions[name]}" for name in versions)
    settings = results["settings"]
    rows, columns = settings["shape"]
    return [
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']:.0f} GiB, {machine['system']}; {libraries}.",
        f"x is {rows:,} × {columns:,} `float64`, chunks are {' × '.join(f'{c:,}' for c in settings['chunks']['main'])}; "
        f"a and b are {' × '.join(f'{n:,}' for n in settings['matrix'])}; calls are {settings.get('calls', 0):,}.",
    ]


def table(results, jobs):
    """Markdown: a row for each job that was measured, a column for each engine that has one of them."""
    cells = {job.name: results["cells"][job.name] for job in jobs if job.name in results["cells"]}
    if not cells:
        return []
    engines = [name for name in TITLES if any(name in row for row in cells.values())]
    lines = [
        "| job | " + " | ".join(TITLES[name] for name in engines) + " |",
        "|---|" + "---:|" * len(engines),
    ]
    for job in jobs:
        row = cells.get(job.name)
        if not row:
            continue
        own = row.get("flagstone")
        texts = []
        for name in engines:
            if name not in row:
                texts.append("")
                continue
            text = f"{number(row[name] * 1e6)} µs" if job.micro else f"{number(row[name] * 1e3)} ms"
            if name != "flagstone" and own:
                text += f" ({ratio(row[name] / own)})"
            texts.append(text)
        lines.append(f"| {job.what} | " + " | ".join(texts) + " |")
    return lines


def markdown(results):
    """The table with what it takes to read it."""
    arrays = table(results, [job for job in JOBS if not job.calls])
    calls = table(results, [job for job in JOBS if job.calls])
    return "\n".join([*machine_lines(results), "", *arrays, "", *calls]).rstrip()


def plot(results):
    """The sweep over chunk sizes."""
    colors = {"flagstone": "#1f77b4", "dask": "#d62728"}
    lines = []
    for name, what in SWEEP:
        for engine, points in results["sweep"].get(name, {}).items():
            dash = "" if name == "mean0" else "6 3"
            at = [(int(chunk), seconds * 1e3) for chunk, seconds in points.items()]
            lines.append((f"{TITLES[engine]}: {what}", colors[engine], dash, at))
    rows, columns = results["settings"]["shape"]
    title = f"Column means of {rows:,} × {columns:,} float64 in memory, by chunk size"
    return chart(title, lines, "side of the square chunks", "milliseconds")


def write_docs(results, performance, picture):
    """Replaces the measured lines and the plot. All jobs must have been measured."""
    missing = [job.name for job in JOBS if job.name not in results["cells"] and job.name != "matmul"]
    missing += [name for name, _ in SWEEP if name not in results["sweep"]]
    if missing:
        raise SystemExit(f"nothing is written: {', '.join(missing)} not measured yet")
    text = performance.read_text()
    begin, end = text.find(BEGIN), text.find(END)
    if not 0 <= begin < end:
        raise SystemExit(f"{performance} has not the two marks between which the table belongs")
    performance.write_text(f"{text[:begin]}{BEGIN}\n\n{markdown(results)}\n\n{text[end:]}")
    picture.write_text(plot(results))
