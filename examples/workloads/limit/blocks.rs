//! An opaque function on every block.

use std::hint::black_box;

use ndarray::{ArrayD, ArrayView2, ArrayViewD, s};
use rayon::prelude::*;

/// What the user's function looks like, whatever runs it: a view in, an array out.
pub type BlockFunction = fn(ArrayViewD<'_, f64>) -> ArrayD<f64>;

pub fn add_one(block: ArrayViewD<'_, f64>) -> ArrayD<f64> {
    &block + 1.0
}

/// The sum of what the function makes of every block.
pub fn sum_of_blocks(x: &[f64], shape: [usize; 2], chunks: [usize; 2]) -> f64 {
    let [rows, columns] = shape;
    let x = ArrayView2::from_shape((rows, columns), x).expect("the input has the shape");
    // Nobody may know what the function does, or the blocks would not matter.
    let function: BlockFunction = black_box(add_one);
    let parts: Vec<f64> = (0..rows.div_ceil(chunks[0]))
        .into_par_iter()
        .map(|i| {
            let band = x.slice(s![i * chunks[0]..((i + 1) * chunks[0]).min(rows), ..]);
            let mut sum = 0.0;
            for first in (0..columns).step_by(chunks[1]) {
                let block = band.slice(s![.., first..(first + chunks[1]).min(columns)]);
                sum += function(block.into_dyn()).sum();
            }
            sum
        })
        .collect();
    parts.iter().sum()
}

/// The sum of (1 + 1) · 2 over ones that lie in memory, as few as fit one core's caches.
pub fn sum_of_ones(len: usize) -> f64 {
    let ones = black_box(vec![1.0; len]);
    ones.iter().map(|one| (one + 1.0) * 2.0).sum()
}
