//! The yardstick: for each workload, the best loop that we can write by hand.
//!
//! It knows the whole job: it fuses everything into one pass (two where a mean must be known first),
//! chooses the order of the loops, and needs no plan. Rayon spreads it over the cores, the instruction
//! set is chosen at run time, results lie on huge pages. Nothing of Flagstone's is used here; random
//! numbers are its, by definition, but made by code of their own.

pub mod blocks;
pub mod buffer;
pub mod calls;
pub mod columns;
pub mod math;
pub mod philox;
pub mod product;
pub mod random;
pub mod stream;
pub mod transpose;
pub mod vector;

#[cfg(test)]
mod tests;

use ndarray::ArcArray1;

use crate::checksum::Checksum;
use crate::table::{Second, Workload};
use philox::Stream;

/// What a workload works on.
#[derive(Clone, Debug)]
pub struct Input {
    pub shape: Vec<usize>,
    pub chunks: Vec<usize>,
    pub seed: u64,
    /// Uniform numbers of stream 0, if the workload has an array in memory; or those of a file.
    pub x: Option<ArcArray1<f64>>,
    /// Uniform numbers of stream 1: a second array of the same shape, or a row.
    pub y: Option<ArcArray1<f64>>,
}

impl Input {
    /// Takes the arrays that are given, and makes what else a workload needs.
    pub fn new(
        workload: &Workload,
        shape: Vec<usize>,
        chunks: Vec<usize>,
        seed: u64,
        [x, y]: [Option<ArcArray1<f64>>; 2],
        pool: &rayon::ThreadPool,
    ) -> Input {
        let size = shape.iter().product();
        let uniform = |stream, len| {
            let values = pool.install(|| random::uniform(&Stream::new(seed, stream), len));
            Some(ArcArray1::from_vec(values))
        };
        let x = x.or_else(|| {
            if workload.reads_x {
                uniform(0, size)
            } else {
                None
            }
        });
        let y = y.or_else(|| match workload.second {
            Second::None => None,
            Second::Same => uniform(1, size),
            Second::Row => uniform(1, shape[1]),
        });
        Input {
            shape,
            chunks,
            seed,
            x,
            y,
        }
    }

    fn x(&self) -> &[f64] {
        self.x
            .as_ref()
            .and_then(|x| x.as_slice())
            .expect("the workload's row in the table says that it reads x")
    }

    fn y(&self) -> &[f64] {
        self.y
            .as_ref()
            .and_then(|y| y.as_slice())
            .expect("the workload's row in the table says that it reads y")
    }
}

/// What a workload computes.
#[derive(Clone, Debug)]
pub enum Answer {
    Whole(Vec<f64>),
    Reduced(Vec<f64>),
}

/// One run: what came out, and how long it took without the checksum.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub seconds: f64,
    pub checksum: Checksum,
}

pub fn run(name: &str, input: &Input, pool: &rayon::ThreadPool) -> Outcome {
    let start = std::time::Instant::now();
    let answer = compute(name, input, pool);
    let seconds = start.elapsed().as_secs_f64();
    Outcome {
        seconds,
        checksum: checksum(name, input, &answer),
    }
}

/// The timed part.
///
/// # Panics
/// If there is no workload of this name, or it has no meaning for the input's shape.
pub fn compute(name: &str, input: &Input, pool: &rayon::ThreadPool) -> Answer {
    pool.install(|| compute_here(name, input))
}

fn compute_here(name: &str, input: &Input) -> Answer {
    let &[rows, columns] = &input.shape[..] else {
        panic!(
            "workloads are of two axes, and the shape is {:?}",
            input.shape
        )
    };
    let stream = || Stream::new(input.seed, 0);
    let one = |value| Answer::Reduced(vec![value]);
    match name {
        "affine_random" => Answer::Whole(random::affine(&stream(), rows * columns, 2.0, 1.0)),
        "mean0_random" => Answer::Reduced(random::mean0_uniform(&stream(), rows, columns)),
        "mean0_normal" => Answer::Reduced(random::mean0_normal(&stream(), rows, columns)),
        "affine" => Answer::Whole(stream::affine(input.x())),
        "sum" => one(stream::sum(input.x())),
        "mean0" => Answer::Reduced(columns::mean0(input.x(), columns)),
        "affine_mean0" => Answer::Reduced(columns::affine_mean0(input.x(), columns)),
        "mean1" => {
            let mut means = stream::row_sums(input.x(), columns);
            means.iter_mut().for_each(|mean| *mean /= columns as f64);
            Answer::Reduced(means)
        }
        "std" => one(stream::std(input.x())),
        "trig" => one(stream::trig(input.x())),
        "softplus" => one(stream::softplus(input.x())),
        "residual" => one(columns::residual(input.x(), columns)),
        "global_anomaly" => one(stream::global_anomaly(input.x())),
        "transpose_sum" => {
            assert_eq!(
                rows, columns,
                "only a square matrix can be added to its transpose"
            );
            one(transpose::transpose_sum(input.x(), rows))
        }
        "matmul" => {
            assert_eq!(rows, columns, "both matrices have this shape");
            Answer::Reduced(product::matmul(input.x(), input.y(), rows))
        }
        "rechunk_sum" => Answer::Reduced(stream::row_sums(input.x(), columns)),
        "mismatched" => one(stream::sum_of_sums(input.x(), input.y())),
        "moments" => Answer::Reduced(columns::moments(input.x(), columns)),
        "double_diff" => one(stream::double_diff(input.x(), input.y(), columns)),
        "tall" => Answer::Reduced(columns::tall(input.x(), input.y())),
        "tiny_blocks" => one(stream::sum_shifted(input.x())),
        "opaque_blocks" => {
            let chunks = [input.chunks[0], input.chunks[1]];
            one(blocks::sum_of_blocks(input.x(), [rows, columns], chunks))
        }
        "overhead" => one(blocks::sum_of_ones(rows * columns)),
        "slice_of_huge" => Answer::Whole(random::corner(&stream(), rows, columns)),
        "task_map" | "task_submit" => Answer::Whole(calls::all(rows * columns)),
        _ => panic!("no workload is named {name}"),
    }
}

/// What is compared: not timed.
pub fn checksum(name: &str, input: &Input, answer: &Answer) -> Checksum {
    match answer {
        Answer::Whole(values) => Checksum::of_bits(values),
        Answer::Reduced(values) => {
            let size = input.shape.iter().product::<usize>() as f64;
            let scales = match name {
                // The expected |a − b| of uniform a and b, and |N|.
                "double_diff" => vec![size / 3.0],
                "mean0_normal" => vec![(2.0 / std::f64::consts::PI).sqrt(); values.len()],
                // All terms are positive.
                _ => values.iter().map(|value| value.abs()).collect(),
            };
            Checksum::Values {
                values: values.clone(),
                scales,
            }
        }
    }
}
