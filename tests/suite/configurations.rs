//! Runs a case under every rule, thread count, budget and chunk grid: the bits must never differ.

use flagstone::{Array, Engine, Report, Result, Rule};
use ndarray::{ArrayD, IxDyn};

use crate::twin::Twin;
use crate::value::Value;

/// How a case cuts its arrays into chunks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Grid {
    /// Equal chunks.
    Even,
    /// Chunks of 1, 3, 2 and so on, and of lengths that do not divide their axes.
    Odd,
}

impl Grid {
    /// Chunks for an array; about `parts` along each axis.
    pub fn cut(self, shape: &[usize], parts: usize) -> flagstone::Chunks {
        let sizes: Vec<Vec<usize>> = shape
            .iter()
            .enumerate()
            .map(|(axis, &len)| self.axis(len, parts, axis))
            .collect();
        explicit(shape, &sizes)
    }

    fn axis(self, len: usize, parts: usize, axis: usize) -> Vec<usize> {
        let even = len.div_ceil(parts).max(1);
        let mut sizes = Vec::new();
        let mut left = len;
        let mut turn = axis;
        while left > 0 {
            let size = match self {
                Grid::Even => even,
                Grid::Odd => [even * 2 / 3 + 1, even + 1, 1 + even / 7][turn % 3],
            };
            turn += 1;
            sizes.push(size.min(left));
            left -= size.min(left);
        }
        sizes
    }
}

/// A grid from lists of sizes: any public way to make one goes through an array.
fn explicit(shape: &[usize], sizes: &[Vec<usize>]) -> flagstone::Chunks {
    // `Chunks` has no constructor for lists, tuples have: one per number of axes.
    let array = Array::<bool>::zeros(shape, ..);
    let of = |axis: usize| sizes[axis].clone();
    let cut = match shape.len() {
        0 => array.rechunk(()),
        1 => array.rechunk((of(0),)),
        2 => array.rechunk((of(0), of(1))),
        3 => array.rechunk((of(0), of(1), of(2))),
        4 => array.rechunk((of(0), of(1), of(2), of(3))),
        _ => array.rechunk((of(0), of(1), of(2), of(3), of(4))),
    };
    cut.chunks().clone()
}

/// What a case is for: results that can be computed and compared.
pub trait Check {
    /// The fewest bytes that an engine needs.
    fn floor(&self, engine: &Engine) -> Result<u64>;

    /// Computes; the first difference is returned as text.
    fn run(&self, engine: &Engine) -> Result<(Option<String>, Report)>;
}

/// The first element that differs.
pub fn difference<T: Value>(got: &ArrayD<T>, wanted: &ArrayD<T>) -> Option<String> {
    if got.shape() != wanted.shape() {
        return Some(format!(
            "shape {:?} instead of {:?}",
            got.shape(),
            wanted.shape()
        ));
    }
    let mut differ = got
        .indexed_iter()
        .zip(wanted.iter())
        .filter(|((_, got), wanted)| got.bits() != wanted.bits());
    let ((index, got), wanted) = differ.next()?;
    let more = differ.count();
    Some(format!(
        "{got:?} instead of {wanted:?} at {:?}, and {more} more",
        ndarray::Dimension::slice(&index)
    ))
}

impl<T: Value> Check for Twin<T> {
    fn floor(&self, engine: &Engine) -> Result<u64> {
        Ok(engine.explain(&self.lazy)?.floor_bytes())
    }

    fn run(&self, engine: &Engine) -> Result<(Option<String>, Report)> {
        let (result, report) = engine.measure(&self.lazy)?;
        Ok((difference(&result, &self.value), report))
    }
}

/// Several arrays in one computation.
macro_rules! together {
    ($(($($T:ident $at:tt)+))*) => {$(
        impl<$($T: Value),+> Check for ($(Twin<$T>,)+) {
            fn floor(&self, engine: &Engine) -> Result<u64> {
                Ok(engine.explain(&($(&self.$at.lazy,)+))?.floor_bytes())
            }

            fn run(&self, engine: &Engine) -> Result<(Option<String>, Report)> {
                let (results, report) = engine.measure(&($(&self.$at.lazy,)+))?;
                let differences = [$(difference(&results.$at, &self.$at.value)),+];
                let found = differences.into_iter().enumerate().find_map(|(i, text)| Some(format!("output {i}: {}", text?)));
                Ok((found, report))
            }
        }
    )*};
}
together! { (A 0 B 1) (A 0 B 1 C 2) (A 0 B 1 C 2 D 3) (A 0 B 1 C 2 D 3 E 4) }

/// Several checks as one: each is a computation of its own.
pub struct Each(pub Vec<Box<dyn Check>>);

impl Check for Each {
    fn floor(&self, engine: &Engine) -> Result<u64> {
        self.0
            .iter()
            .try_fold(0, |most, check| Ok(check.floor(engine)?.max(most)))
    }

    fn run(&self, engine: &Engine) -> Result<(Option<String>, Report)> {
        let mut last = None;
        for (number, check) in self.0.iter().enumerate() {
            let (difference, report) = check.run(engine)?;
            if let Some(difference) = difference {
                return Ok((Some(format!("part {number}: {difference}")), report));
            }
            last = Some((None, report));
        }
        Ok(last.expect("there is something to check"))
    }
}

/// The same array computed block by block, and put together.
pub struct Streamed<T>(pub Twin<T>);

impl<T: Value> Check for Streamed<T> {
    fn floor(&self, engine: &Engine) -> Result<u64> {
        // Streams hold their blocks: their floor is found by trying. See `tight`.
        Ok(engine.explain(&self.0.lazy)?.floor_bytes() + (8 << 20))
    }

    fn run(&self, engine: &Engine) -> Result<(Option<String>, Report)> {
        let mut got = ArrayD::from_elem(IxDyn(self.0.shape()), T::default());
        for block in engine.blocks(&self.0.lazy) {
            let block = block?;
            let region = block.region().clone();
            got.slice_each_axis_mut(|axis| region.range(axis.axis.index()).into())
                .assign(&block.values());
        }
        let report = engine.measure(&Array::<bool>::zeros(1, ..))?.1;
        Ok((difference(&got, &self.0.value), report))
    }
}

/// How many configurations a case runs under: large ones take fewer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Effort {
    Every,
    Few,
}

/// Each rule off alone, none, and all.
fn rule_sets(effort: Effort) -> Vec<Vec<Rule>> {
    let mut sets = vec![Vec::new(), Rule::ALL.to_vec()];
    if effort == Effort::Every {
        sets.extend(Rule::ALL.iter().map(|&rule| vec![rule]));
    } else {
        sets.push(vec![Rule::FuseReductions]);
        sets.push(vec![Rule::FuseElementwise]);
    }
    sets
}

fn engine(off: &[Rule], threads: usize, memory: u64) -> Engine {
    let builder = Engine::builder().threads(threads).memory(memory);
    off.iter()
        .fold(builder, |builder, &rule| builder.without(rule))
        .build()
        .unwrap()
}

/// Ample memory for all cases.
const AMPLE: u64 = 1 << 30;

/// Runs one case, built for each grid, under all configurations; collects what went wrong.
pub fn run(name: &str, effort: Effort, case: impl Fn(Grid) -> Box<dyn Check>) -> Vec<String> {
    let mut failures = Vec::new();
    for grid in [Grid::Even, Grid::Odd] {
        let check = case(grid);
        for off in rule_sets(effort) {
            for threads in [1, 2, 7] {
                if effort == Effort::Few && threads == 7 && off.len() == 1 {
                    continue;
                }
                let ample = engine(&off, threads, AMPLE);
                let mut fail = |memory: &str, what: String| {
                    failures.push(format!("{name}, {grid:?} chunks, without {off:?}, {threads} threads, {memory}: {what}"));
                };
                if let Some(what) = once(&*check, &ample) {
                    fail("ample memory", what);
                    continue;
                }
                match check.floor(&ample) {
                    Err(error) => fail("explain", error.to_string()),
                    Ok(floor) => {
                        let tight = engine(&off, threads, floor);
                        if let Some(what) = once(&*check, &tight) {
                            fail(&format!("{floor} bytes"), what);
                        }
                    }
                }
            }
        }
    }
    failures
}

fn once(check: &dyn Check, engine: &Engine) -> Option<String> {
    match check.run(engine) {
        Err(error) => Some(format!("error: {error}")),
        Ok((Some(difference), _)) => Some(difference),
        Ok((None, report)) => {
            let promise = report.planned_peak_bytes;
            let kept = report.held_peak_bytes <= promise && promise <= engine.memory();
            (!kept).then(|| {
                format!(
                    "held {} of {promise} of {} bytes",
                    report.held_peak_bytes,
                    engine.memory()
                )
            })
        }
    }
}

/// Makes the arrays of a case, in the chunks of a grid.
type Case = fn(Grid) -> Box<dyn Check>;

/// Runs a table of cases and reports every failure at once.
pub fn run_all(effort: Effort, cases: &[(&str, Case)]) {
    let mut failures = Vec::new();
    for &(name, case) in cases {
        let of_case = run(name, effort, case);
        // The first failures of a case say most.
        let more = of_case.len().saturating_sub(3);
        failures.extend(of_case.into_iter().take(3));
        if more > 0 {
            failures.push(format!("{name}: {more} more configurations fail"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
