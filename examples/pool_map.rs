//! Loops over all cores: Python's `multiprocessing.Pool`.
//!
//! ```text
//! cargo run --release --example pool_map
//! ```
//!
//! ```python
//! from multiprocessing import Pool
//!
//! def fib(n):
//!     return n if n < 2 else fib(n - 1) + fib(n - 2)
//!
//! if __name__ == "__main__":
//!     numbers = [fib(n) for n in range(35)]                # one after another
//!     with Pool(2) as pool:
//!         numbers = pool.map(fib, range(35))
//!         powers = pool.starmap(pow, [(2, 5), (3, 2)])
//!         one = pool.apply(fib, (10,))
//!         later = pool.map_async(fib, range(30))
//!         later.wait(0.001)
//!         print(later.ready(), sum(later.get()))
//!         another = pool.apply_async(fib, (20,))
//!         print(another.get())
//! ```

use std::time::{Duration, Instant};

use flagstone::Engine;

fn fib(n: u64) -> u64 {
    if n < 2 { n } else { fib(n - 1) + fib(n - 2) }
}

fn main() -> flagstone::Result<()> {
    let pool = Engine::global()?.pool();

    let start = Instant::now();
    let one_by_one: Vec<u64> = (0..35).map(|n| fib(std::hint::black_box(n))).collect();
    let alone = start.elapsed();
    let start = Instant::now();
    let numbers = pool.map(0..35, fib)?;
    let together = start.elapsed();
    assert_eq!(numbers, one_by_one);
    println!(
        "fib(0..35): {:.1} ms one after another, {:.1} ms on all cores: {:.2} times as fast",
        alone.as_secs_f64() * 1e3,
        together.as_secs_f64() * 1e3,
        alone.as_secs_f64() / together.as_secs_f64()
    );

    println!(
        "powers: {:?}",
        pool.starmap([(2_u64, 5), (3, 2)], u64::pow)?
    );
    println!("one: {}", pool.apply(|| fib(10))?);

    // In the background; the handle waits, looks and cancels.
    let later = pool.map_async(0..30, fib);
    later.wait_timeout(Duration::from_millis(1));
    println!("ready after a millisecond: {}", later.is_ready());
    println!("sum: {}", later.get()?.into_iter().sum::<u64>());
    println!("another: {}", pool.submit(|| fib(20)).get()?);

    // A loop over a deep structure is a loop in a loop; both use the same threads.
    let deep = vec![vec![1, 2, 3], vec![4], vec![]];
    let sums = pool.try_map(&deep, |row| {
        let squares = pool.map(row, |x| x * x)?;
        Ok::<i32, flagstone::Error>(squares.into_iter().sum())
    })?;
    println!("sums of squares: {sums:?}");
    Ok(())
}
