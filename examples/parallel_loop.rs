//! Loops with options: joblib's `Parallel` and `delayed`.
//!
//! ```text
//! cargo run --release --example parallel_loop
//! ```
//!
//! ```python
//! from math import sqrt
//! from joblib import Parallel, delayed
//!
//! roots = Parallel(n_jobs=2)(delayed(sqrt)(n) for n in range(1_000_000))
//! roots = Parallel(n_jobs=2, batch_size=1000)(delayed(sqrt)(n) for n in range(1_000_000))
//! for root in Parallel(n_jobs=2, return_as="generator")(delayed(sqrt)(n) for n in range(10)):
//!     print(root)
//! ```

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use flagstone::task;

fn main() -> flagstone::Result<()> {
    let pool = task::Pool::global()?;

    // Batches grow until they take long enough: tiny functions scale.
    let start = Instant::now();
    let roots = pool.map(0..1_000_000, |n| f64::from(n).sqrt())?;
    let each = start.elapsed().as_secs_f64() * 1e9 / roots.len() as f64;
    println!("a million square roots: {each:.1} ns each");

    let two = pool.clone().n_jobs(2).batch(1000);
    assert_eq!(two.map(0..1_000_000, |n| f64::from(n).sqrt())?, roots);

    // Results while the loop runs.
    for root in pool.imap(0..5, |n| f64::from(n).sqrt()) {
        println!("{:.3}", root?);
    }

    // The first error ends the loop and names its item; or each item has its own result.
    let texts = ["1", "2", "three", "4"];
    println!(
        "error: {}",
        pool.try_map(texts, str::parse::<i32>).unwrap_err()
    );
    let each = pool.map_each(texts, |text| text.parse::<i32>().ok());
    println!(
        "{} of {} items",
        each.into_iter().flatten().flatten().count(),
        texts.len()
    );

    // Retries.
    let tries = AtomicU32::new(0);
    let unsteady = task::retry(3, |n: u32| match tries.fetch_add(1, Ordering::Relaxed) {
        0 | 1 => Err("busy"),
        _ => Ok(n),
    });
    println!("after two errors: {:?}", pool.try_map([7], unsteady)?);
    Ok(())
}
