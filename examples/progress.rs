//! Progress bars, of several computations at once.
//!
//! ```text
//! cargo run --release --features progress --example progress
//! ```
//!
//! In Python:
//!
//! ```python
//! from dask.diagnostics import ProgressBar
//!
//! with ProgressBar():
//!     x.mean(axis=0).compute()
//! ```
//!
//! Without a change of the program: `FLAGSTONE_PROGRESS=1`.

use std::thread::sleep;
use std::time::Duration;

use flagstone::{Array, Engine, Result};

fn main() -> Result<()> {
    let engine = Engine::builder().progress().build()?;
    // Slow on purpose: each of 100 blocks takes some hundredths of a second.
    let slow = |milliseconds: u64| {
        Array::<f64>::ones([1_000, 1_000], 100).map_blocks(move |block| {
            sleep(Duration::from_millis(milliseconds));
            &block * 2.0
        })
    };
    let (one, two) = (slow(60), slow(30));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| engine.item(&one.sum(..)));
        let second = scope.spawn(|| engine.item(&two.max(..)));
        let sum = first.join().expect("no panic")?;
        let max = second.join().expect("no panic")?;
        println!("sum {sum}, largest {max}");
        Ok(())
    })
}
