"""Runs jobs with all engines in turn, and checks that they did the same."""

import math
import mmap
import statistics
import time

# What the order of additions may change, relative to the values.
TOLERANCE = 1e-9
# The period of the weights by place, in `worker.py` and in Flagstone's measuring program.
PERIOD = 1009
# How far the sums of random numbers may be from what is expected, in standard deviations.
DEVIATIONS = 6
# Shorter jobs are repeated within a sample.
SAMPLE_SECONDS = 0.05
MOST_REPEATS = 1000
# Before each sample: a library's threads may go on waiting busily for a while when their job is done (those of OpenBLAS for
# a tenth of a second), and would have a core of whoever comes next.
PAUSE = 0.2
# After the pause as much memory as so many of x is touched and given back. The host of a virtual machine may take away
# what has been free for a second, and the next one who touches it would pay: 800 MB took 74 to 93 ms when they had just been
# given back, and 500 to 1,900 when they had been free for one to five seconds.
TOUCHED = 2
PAGE = 4096
# A job that takes longer is not run a second time to warm up.
LONG_SECONDS = 2


class Disagreement(Exception):
    """Two engines' results differ."""


def measure(job, engines, chunks, rounds, patience, rows):
    """The samples of each engine that has the job, in seconds: a dictionary of lists.

    An engine that has spent `patience` seconds on the job stops at the samples that it has; if the run that warms up
    took that long, it is the only sample.
    """
    samples, repeats, spent, first = {}, {}, {}, {}
    for engine in engines:
        answer = engine.run(job, chunks)
        if answer is None:
            continue
        name = engine.name
        check(job, name, answer, first, rows)
        samples[name], spent[name] = [], answer["seconds"]
        if spent[name] < LONG_SECONDS:
            answer = engine.run(job, chunks)
            spent[name] += answer["seconds"]
        elif spent[name] >= patience:
            samples[name].append(answer["seconds"])
        repeats[name] = min(max(1, round(SAMPLE_SECONDS / answer["seconds"])), MOST_REPEATS)
    for _ in range(rounds):
        for engine in engines:
            name = engine.name
            if name not in samples or samples[name] and spent[name] >= patience:
                continue
            time.sleep(PAUSE)
            if not (job.micro or job.calls):
                touch(TOUCHED * 8 * rows * rows)
            answer = engine.run(job, chunks, repeats[name])
            check(job, name, answer, first, rows)
            samples[name].append(answer["seconds"])
            spent[name] += answer["seconds"] * repeats[name]
    return samples


def touch(size):
    """Writes to so many bytes of new memory, and gives them back."""
    with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        if hasattr(mmap, "MADV_HUGEPAGE"):
            memory.madvise(mmap.MADV_HUGEPAGE)
        memory[::PAGE] = bytes(len(range(0, size, PAGE)))


def check(job, name, answer, first, rows):
    """Compares with the job's first answer, or with the distribution of random numbers."""
    reference = first.setdefault("answer", {"engine": name, **answer})
    if answer["size"] != reference["size"]:
        raise Disagreement(f"{job.name}: {name} gave {answer['size']} values, "
                           f"{reference['engine']} {reference['size']}")
    if job.distribution is not None:
        return check_random(job, name, answer, rows)
    for key in ("sum", "weighted", "squares"):
        a, b = answer[key], reference[key]
        # Not `>`: with a NaN, every comparison is false.
        if not abs(a - b) <= TOLERANCE * abs(b):
            raise Disagreement(f"{job.name}: the {key} of {name} is {a!r}, of {reference['engine']} {b!r}")


def check_random(job, name, answer, rows):
    """Holds mean and variance against the distribution's.

    The variance of a sample's variance is that of normal numbers; of uniform ones it is less.
    """
    n = answer["size"]
    mean, variance = job.distribution(rows)
    # Weights run evenly from 1 to just below 2: their mean, and nearly the mean of their squares.
    weight, square = 1 + (PERIOD - 1) / (2 * PERIOD), 7 / 3
    found = {
        "mean": (answer["sum"] / n, mean, math.sqrt(variance / n)),
        "weighted mean": (answer["weighted"] / n, weight * mean, math.sqrt(square * variance / n)),
        "variance": (answer["squares"] / n - (answer["sum"] / n) ** 2, variance, variance * math.sqrt(2 / n)),
    }
    for key, (value, expected, deviation) in found.items():
        # The last, incomplete period of weights shifts their mean.
        slack = DEVIATIONS * deviation + PERIOD * abs(expected) / n
        if not abs(value - expected) <= slack:
            raise Disagreement(f"{job.name}: the {key} of {name} is {value!r}, and {expected!r} ± {slack:.2g} expected")


def medians(samples):
    """The median seconds of each engine."""
    return {name: statistics.median(values) for name, values in samples.items()}
