//! A reduction of one's own: a histogram of ten bins, for each column, in one pass.
//!
//! ```text
//! cargo run --release --example custom_reducer
//! ```

use flagstone::{Reducer, random};

/// Counts how many values of 0 … 1 fall into the fullest of ten bins.
struct FullestBin;

impl Reducer<f64> for FullestBin {
    type State = [u32; 10];
    type Output = u32;

    fn identity(&self) -> [u32; 10] {
        [0; 10]
    }

    fn step(&self, bins: &mut [u32; 10], value: f64) {
        let bin = (value * 10.0) as usize;
        bins[bin.min(9)] += 1;
    }

    fn merge(&self, left: &mut [u32; 10], right: &[u32; 10]) {
        for (left, right) in left.iter_mut().zip(right) {
            *left += right;
        }
    }

    fn finish(&self, bins: &[u32; 10]) -> u32 {
        bins.iter().copied().max().unwrap_or(0)
    }
}

fn main() -> flagstone::Result<()> {
    let x = random::Generator::new(7).uniform::<f64>([100_000, 8], [10_000, 8]);
    let fullest = x.reduce(FullestBin, 0).compute()?;
    println!(
        "of 100,000 values a bin should hold 10,000; the fullest of each column holds\n{fullest}"
    );
    let all = x.reduce(FullestBin, ..).item()?;
    println!("and of all 800,000 values {all}");
    Ok(())
}
