//! A graph of calls, with arrays in and out: `dask.delayed`.
//!
//! ```text
//! cargo run --release --example delayed
//! ```
//!
//! ```python
//! import dask
//! import dask.array as da
//! import numpy as np
//!
//! @dask.delayed
//! def load(day):
//!     return np.full((1000, 1000), float(day))
//!
//! days = [load(day) for day in range(8)]
//! x = da.concatenate([da.from_delayed(day, (1000, 1000), dtype=float) for day in days])
//! total = x.sum()
//! means = [dask.delayed(np.mean)(block) for block in (x - x.mean(axis=0)).to_delayed().ravel()]
//! largest = dask.delayed(max)(means)
//! print(dask.compute(total, largest))                      # one graph: each day is loaded once
//! ```

use flagstone::Array;
use flagstone::task::{Delayed, combine, delayed};
use ndarray::ArrayD;

/// A file that takes long to load, of known size.
fn load(day: usize) -> Delayed<ArrayD<f64>> {
    delayed(move || ArrayD::from_elem(vec![1000, 1000], day as f64))
        .bytes(8_000_000)
        .named(format!("load of day {day}"))
}

fn main() -> flagstone::Result<()> {
    // Delayed blocks become an array, and its blocks delayed values again.
    let x = Array::from_delayed((0..8).map(load), [8000, 1000], [1000, 1000]);
    let total = x.sum(..);
    let anomaly = &x - &x.mean(0);
    let means: Vec<_> = anomaly
        .to_delayed()?
        .iter()
        .map(|block| block.map(|block| block.mean().unwrap_or(f64::NAN)).bytes(8))
        .collect();
    let largest = combine(&means, |means| {
        means.into_iter().copied().fold(f64::MIN, f64::max)
    });

    // One graph of all of it: within the budget, and each day is loaded once.
    println!("{}\n", largest.explain()?);
    let (total, largest) = flagstone::compute((&total, &largest))?;
    println!("total {}, largest mean {largest}", total.sum());

    // A call that fails is named.
    let bad = load(3)
        .try_map(|_| Err::<u8, _>("the file is broken"))
        .named("check of day 3");
    println!("error: {}", bad.compute().unwrap_err());
    Ok(())
}
