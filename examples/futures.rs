//! Futures: Python's `concurrent.futures`.
//!
//! ```text
//! cargo run --release --example futures
//! ```
//!
//! ```python
//! import time
//! from concurrent.futures import ThreadPoolExecutor, as_completed
//!
//! def fetch(n):
//!     time.sleep(1)
//!     return n
//!
//! for n in range(10):                                      # ten seconds
//!     fetch(n)
//! with ThreadPoolExecutor(10) as executor:                 # one second
//!     futures = {executor.submit(fetch, n): n for n in range(10)}
//!     for future in as_completed(futures):
//!         print(futures[future], future.result())
//!     print(sum(executor.map(lambda n: n * n, range(10))))
//! ```

use std::time::{Duration, Instant};

use flagstone::{Result, task};

/// What waits for something else: a disk, the network, a sleep.
fn fetch(n: u32) -> u32 {
    std::thread::sleep(Duration::from_secs(1));
    n
}

fn main() -> Result<()> {
    // Blocking calls have threads of their own: the ten wait at the same time, on a machine of any number of cores.
    let start = Instant::now();
    let futures: Vec<_> = (0..10)
        .map(|n| task::submit_blocking(move || fetch(n)))
        .collect();
    let mut order = Vec::new();
    for (number, result) in task::as_completed(futures) {
        assert_eq!(result? as usize, number);
        order.push(number);
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("finished in the order {order:?}");
    println!(
        "ten items of a second: {seconds:.2} s, {:.1} times as fast as one after another",
        10.0 / seconds
    );

    // Futures compose: what follows is submitted now and runs when its arguments are there.
    let pool = task::Pool::global()?;
    let words = pool.submit(|| "to be or not to be".split(' ').count());
    let letters = pool.submit(|| "to be or not to be".replace(' ', "").len());
    let mean = pool.submit_with((letters, words), |(letters, words)| {
        letters as f64 / words as f64
    });
    println!(
        "letters per word: {:.2}",
        mean.then(|mean| mean + 0.0).get()?
    );

    // `executor.map`.
    let squares = pool.map(0..10, |n| n * n)?;
    println!("sum of squares: {}", squares.into_iter().sum::<i32>());

    // A panic is an error of its future.
    let bad = pool.submit(|| -> u32 { panic!("no such file") });
    println!("error: {}", bad.get().unwrap_err());
    Ok(())
}
