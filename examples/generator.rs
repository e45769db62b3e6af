//! An endless generator, worked on in batches and in constant memory.
//!
//! ```text
//! cargo run --release --example generator
//! ```
//!
//! ```python
//! from itertools import count, islice
//! from multiprocessing import Pool
//!
//! def collatz(n):
//!     steps = 0
//!     while n != 1:
//!         n = n // 2 if n % 2 == 0 else 3 * n + 1
//!         steps += 1
//!     return steps
//!
//! if __name__ == "__main__":
//!     with Pool() as pool:
//!         # Pool.imap takes everything from its iterator at once: an endless one needs a limit by hand.
//!         print(max(pool.imap(collatz, islice(count(1), 1_000_000), chunksize=1000)))
//! ```

use flagstone::task;

fn collatz(mut n: u64) -> (u32, u64) {
    let (start, mut steps) = (n, 0);
    while n != 1 {
        n = if n.is_multiple_of(2) {
            n / 2
        } else {
            3 * n + 1
        };
        steps += 1;
    }
    (steps, start)
}

fn main() -> flagstone::Result<()> {
    // Numbers are only taken from the generator as far ahead as results are consumed; batches grow by themselves.
    let mut longest = (0, 0);
    for result in task::imap(1.., collatz).take(1_000_000) {
        longest = longest.max(result?);
    }
    println!("the longest way below a million: {longest:?}");

    // In any order, at most 100 numbers at once, in batches of 10; and loops feed loops.
    let pool = task::Pool::global()?.batch(10).in_flight(100);
    let steps = pool.imap_unordered(1_u64..=1000, |n| collatz(n).0);
    let even = pool.imap(steps, |steps| steps.map(|steps| steps.is_multiple_of(2)));
    let mut count = 0;
    for is_even in even {
        count += u32::from(is_even??);
    }
    println!("{count} of the first thousand numbers have an even number of steps");
    Ok(())
}
