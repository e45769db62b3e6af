//! Functions in processes of their own: a crash is an error of one item. Python's `multiprocessing.Process` and `Pool`.
//!
//! ```text
//! cargo run --release --features process --example processes
//! ```
//!
//! ```python
//! import os
//! from concurrent.futures import ProcessPoolExecutor
//!
//! def risky(n):
//!     if n == 3:
//!         os.abort()                                       # takes the whole pool with it: BrokenProcessPool
//!     return n * n
//!
//! if __name__ == "__main__":
//!     with ProcessPoolExecutor(2) as pool:
//!         for future in [pool.submit(risky, n) for n in range(6)]:
//!             print(future.exception() or future.result())
//! ```

use flagstone::task::process::{self, Function};

static RISKY: Function<u32, u32> = Function::new("risky", |n| {
    if n == 3 {
        std::process::abort(); // takes this worker alone
    }
    n * n
});

fn main() -> flagstone::Result<()> {
    // In a worker process, this serves the functions and never returns.
    process::init(&[&RISKY]);

    let pool = process::Pool::new(2)?;
    for result in pool.map_each(&RISKY, 0..6) {
        match result {
            Ok(square) => println!("{square}"),
            Err(error) => println!("{error}"),
        }
    }
    println!("one: {}", pool.submit(&RISKY, 12).get()?);
    Ok(())
}
