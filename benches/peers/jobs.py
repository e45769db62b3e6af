"""What is measured: one row per job."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Job:
    """One job, for all engines."""

    name: str
    # As the table prints it.
    what: str
    # The workload of Flagstone's measuring program.
    workload: str
    # The files that it works on.
    arrays: tuple = ("x",)
    chunks: str = "main"
    # Of random numbers: mean and variance of the result's elements, from the number of rows.
    # Engines have generators of their own, so that their results agree in these only.
    distribution: object = None
    # Whether the table has microseconds.
    micro: bool = False
    # Calls of a function, not arrays: measured with libraries of their own, in a table of their own.
    calls: bool = False


JOBS = [
    Job("affine_random", "2·U + 1, the whole result", "affine_random", (),
        distribution=lambda rows: (2.0, 1 / 3)),
    Job("mean0_random", "U.mean(0)", "mean0_random", (), distribution=lambda rows: (0.5, 1 / (12 * rows))),
    Job("mean0_normal", "N.mean(0)", "mean0_normal", (), distribution=lambda rows: (0.0, 1 / rows)),
    Job("affine", "2·x + 1, the whole result", "affine"),
    Job("sum", "x.sum()", "sum"),
    Job("mean0", "x.mean(0)", "mean0"),
    Job("std", "x.std()", "std"),
    Job("trig", "(sin²x + cos²x).sum()", "trig"),
    Job("residual", "((x − x.mean(0))²).sum()", "residual"),
    Job("transpose_sum", "(x + xᵀ).sum()", "transpose_sum"),
    Job("rechunk_sum", "x in chunks of (N/100, N), then sum(1)", "rechunk_sum"),
    Job("matmul", "a @ b", "matmul", ("a", "b")),
    Job("affine_mean0", "(2·x + 1).mean(0), chunks of 100 × 100", "affine_mean0", chunks="small"),
    Job("overhead", "((ones + 1)·2).sum(), one block of 10 × 10", "overhead", (), micro=True),
    Job("task_map", "a tiny function, mapped over numbers", "task_map", (), calls=True),
    Job("task_submit", "as many calls of it, submitted one by one", "task_submit", (), calls=True),
]

# The jobs of the sweep over chunk sizes, by the name of their workload.
SWEEP = [("mean0", "x.mean(0)"), ("affine_mean0", "(2·x + 1).mean(0)")]
SWEEP_CHUNKS = [50, 100, 250, 500, 1000, 2000, 5000, 10_000]
