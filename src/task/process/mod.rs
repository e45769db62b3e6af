//! Functions in processes of their own, so that a crash harms nothing else: Python's `multiprocessing.Pool` of
//! processes.
//!
//! The processes run the same program. Its functions are [`Function`]s, which have names; arguments and results cross
//! by serde. [`init`] must be the first line of `main`: in a worker process it serves the functions and never
//! returns.
//!
//! ```no_run
//! use flagstone::task::process::{self, Function};
//!
//! static SQUARE: Function<i64, i64> = Function::new("square", |x| x * x);
//!
//! fn main() -> flagstone::Result<()> {
//!     process::init(&[&SQUARE]);
//!     let pool = process::Pool::new(2)?;
//!     assert_eq!(pool.map(&SQUARE, 0..4)?, [0, 1, 4, 9]);
//!     Ok(())
//! }
//! ```
//!
//! A worker that crashes or is killed is an error of the item that it had, and is replaced; a panic is an error of its
//! item, and the worker goes on. What functions print goes where the program's own output goes. For work that does not
//! crash, threads ([`task::Pool`](super::Pool)) are cheaper: a call costs some tens of microseconds here, and a process
//! some milliseconds and a program's memory.

mod function;
mod pool;
mod wire;
mod worker;

pub use function::Function;
pub use pool::{Imap, Pool};

use function::Registered;

/// Makes the program's functions known, and turns worker processes into workers: there it never returns.
///
/// It must be the first line of `main`, before anything that a worker should not do again.
///
/// # Panics
/// If two functions have the same name, or it is called twice.
pub fn init(functions: &[&'static dyn Registered]) {
    worker::init(functions);
}
