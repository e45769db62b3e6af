//! The table of workloads: one row per job.

/// What a workload has beside x.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Second {
    None,
    /// Another array of x's shape.
    Same,
    /// One row of x's length.
    Row,
}

#[derive(Clone, Copy, Debug)]
pub struct Workload {
    pub name: &'static str,
    pub what: &'static str,
    pub shape: &'static [usize],
    pub chunks: &'static [usize],
    /// Whether it works on an array in memory; else on random numbers that it makes.
    pub reads_x: bool,
    pub second: Second,
}

const SQUARE: &[usize] = &[10_000, 10_000];
const CHUNKS: &[usize] = &[1_000, 1_000];

const fn random(name: &'static str, what: &'static str) -> Workload {
    Workload {
        name,
        what,
        shape: SQUARE,
        chunks: CHUNKS,
        reads_x: false,
        second: Second::None,
    }
}

const fn reads(name: &'static str, what: &'static str) -> Workload {
    Workload {
        reads_x: true,
        ..random(name, what)
    }
}

const fn reads_two(name: &'static str, what: &'static str) -> Workload {
    Workload {
        second: Second::Same,
        ..reads(name, what)
    }
}

/// As many calls as elements.
const fn calls(name: &'static str, what: &'static str) -> Workload {
    Workload {
        shape: &[1_000, 1_000],
        ..random(name, what)
    }
}

/// All workloads. x, y: uniform numbers in memory; U, N: uniform and normal numbers made on the way.
pub const WORKLOADS: &[Workload] = &[
    random("affine_random", "2·U + 1, the whole result"),
    random("mean0_random", "U.mean(0)"),
    random("mean0_normal", "N.mean(0)"),
    reads("affine", "2·x + 1, the whole result"),
    reads("sum", "x.sum()"),
    reads("mean0", "x.mean(0)"),
    Workload {
        chunks: &[100, 100],
        ..reads("affine_mean0", "(2·x + 1).mean(0)")
    },
    reads("mean1", "x.mean(1)"),
    reads("std", "x.std()"),
    reads("trig", "(sin²x + cos²x).sum()"),
    reads("softplus", "log(1 + exp x).mean()"),
    reads("residual", "((x − x.mean(0))²).sum()"),
    reads("global_anomaly", "((x − x.mean())²).mean()"),
    reads(
        "transpose_sum",
        "(x + xᵀ).sum(), every x[i, j] + x[j, i] computed",
    ),
    reads("rechunk_sum", "x.rechunk((N/100, N)).sum(1)"),
    reads_two("mismatched", "(x in row strips + y in column strips).sum()"),
    reads("moments", "mean, std, min, max over axis 0 in one call"),
    reads_two("double_diff", "(x[1:, 1:] − y[:−1, :−1]).sum()"),
    Workload {
        shape: &[3_000, 3_000],
        ..reads_two("matmul", "x @ y")
    },
    Workload {
        shape: &[100_000_000, 3],
        chunks: &[1_000_000, 3],
        second: Second::Row,
        ..reads("tall", "(x + row).mean(0)")
    },
    Workload {
        chunks: &[10, 10],
        ..reads("tiny_blocks", "((x + 1)·2).sum()")
    },
    Workload {
        chunks: &[10, 10],
        ..reads("opaque_blocks", "x.map_blocks(+1).sum()")
    },
    Workload {
        shape: &[10, 10],
        chunks: &[10, 10],
        ..random("overhead", "((ones + 1)·2).sum(), of one block")
    },
    Workload {
        shape: &[1_000_000, 1_000_000],
        ..random("slice_of_huge", "(U + 1)[:10, :10]")
    },
    calls(
        "task_map",
        "a function of some nanoseconds, mapped over 10⁶ numbers",
    ),
    calls(
        "task_submit",
        "10⁶ calls of it submitted one by one, and their results",
    ),
];

pub fn find(name: &str) -> Option<&'static Workload> {
    WORKLOADS.iter().find(|workload| workload.name == name)
}
