//! Any function, on the threads of an engine: loops over any iterator, futures, delayed values.
//!
//! The functions of this module use the [global](crate::Engine::global) engine; [`Engine::pool`](crate::Engine::pool) gives
//! the same for another one, and settings: how many calls at once, how many items per batch.
//!
//! | in Python | here |
//! |---|---|
//! | `Pool.map`, `Parallel()(delayed(f)(x) for x in xs)` | [`map`], [`try_map`], [`map_each`] |
//! | `Pool.starmap`, `Pool.apply` | [`starmap`], [`apply`] |
//! | `Pool.imap`, `imap_unordered`, generators in batches | [`imap`], [`imap_unordered`] |
//! | `map_async`, `apply_async`, `executor.submit` | [`map_async`], [`submit`], [`Future`] |
//! | `as_completed` | [`as_completed`] |
//! | `dask.delayed` | [`delayed()`], [`Delayed`] |
//! | `Process`, `ProcessPoolExecutor` | `task::process`, behind the Cargo feature `process`, on Unix |
//!
//! ```
//! use flagstone::task;
//!
//! fn fib(n: u64) -> u64 {
//!     if n < 2 { n } else { fib(n - 1) + fib(n - 2) }
//! }
//!
//! assert_eq!(task::map(0..10, fib)?, [0, 1, 1, 2, 3, 5, 8, 13, 21, 34]);
//! # Ok::<(), flagstone::Error>(())
//! ```

mod completed;
mod delayed;
mod future;
mod home;
mod imap;
mod loops;
mod pool;
#[cfg(all(feature = "process", unix))]
pub mod process;
mod retry;
mod scope;
mod spread;
mod waiting;
mod watch;

pub use completed::{AsCompleted, as_completed};
pub use delayed::{Delayed, Join, combine, delayed, try_combine, try_delayed};
pub(crate) use delayed::{Held, Making, Node as DelayedNode};
pub use future::{Future, Inputs};
pub use imap::Imap;
pub use pool::Pool;
pub use retry::retry;
pub use spread::Spread;

use crate::error::{BoxError, Result};
pub use crate::exec::BLOCKING_THREADS;

/// [`Pool::map`] on the global engine.
///
/// # Errors
/// As [`Pool::map`].
///
/// ```
/// assert_eq!(flagstone::task::map(["a", "bc"], str::len)?, [1, 2]);
/// # Ok::<(), flagstone::Error>(())
/// ```
#[track_caller]
pub fn map<I, R>(items: I, function: impl Fn(I::Item) -> R + Send + Sync) -> Result<Vec<R>>
where
    I: IntoIterator<IntoIter: Send, Item: Send>,
    R: Send,
{
    Pool::global()?.map(items, function)
}

/// [`Pool::try_map`] on the global engine.
///
/// # Errors
/// As [`Pool::try_map`].
///
/// ```
/// assert_eq!(flagstone::task::try_map(["1", "2"], str::parse::<i32>)?, [1, 2]);
/// # Ok::<(), flagstone::Error>(())
/// ```
#[track_caller]
pub fn try_map<I, R, E>(
    items: I,
    function: impl Fn(I::Item) -> Result<R, E> + Send + Sync,
) -> Result<Vec<R>>
where
    I: IntoIterator<IntoIter: Send, Item: Send>,
    R: Send,
    E: Into<BoxError>,
{
    Pool::global()?.try_map(items, function)
}

/// [`Pool::map_each`] on the global engine.
///
/// ```
/// let results = flagstone::task::map_each([1, 0], |n| 1 / n);
/// assert!(results[0].is_ok() && results[1].is_err());
/// ```
#[track_caller]
pub fn map_each<I, R>(items: I, function: impl Fn(I::Item) -> R + Send + Sync) -> Vec<Result<R>>
where
    I: IntoIterator<IntoIter: Send, Item: Send>,
    R: Send,
{
    match Pool::global() {
        Ok(pool) => pool.map_each(items, function),
        Err(error) => vec![Err(error)],
    }
}

/// [`Pool::starmap`] on the global engine.
///
/// # Errors
/// As [`Pool::map`].
///
/// ```
/// assert_eq!(flagstone::task::starmap([("a", 1), ("b", 3)], str::repeat)?, ["a", "bbb"]);
/// # Ok::<(), flagstone::Error>(())
/// ```
#[track_caller]
pub fn starmap<I, F>(items: I, function: F) -> Result<Vec<F::Output>>
where
    I: IntoIterator<IntoIter: Send, Item: Send>,
    F: Spread<I::Item, Output: Send> + Send + Sync,
{
    Pool::global()?.starmap(items, function)
}

/// [`Pool::apply`] on the global engine.
///
/// # Errors
/// As [`Pool::apply`].
///
/// ```
/// assert_eq!(flagstone::task::apply(|| 6 * 7)?, 42);
/// # Ok::<(), flagstone::Error>(())
/// ```
#[track_caller]
pub fn apply<R: Send>(function: impl FnOnce() -> R + Send) -> Result<R> {
    Pool::global()?.apply(function)
}

/// [`Pool::imap`] on the global engine.
///
/// ```
/// let squares: Vec<u64> = flagstone::task::imap(0.., |i: u64| i * i).take(3).collect::<Result<_, _>>()?;
/// assert_eq!(squares, [0, 1, 4]);
/// # Ok::<(), flagstone::Error>(())
/// ```
pub fn imap<I, R>(items: I, function: impl Fn(I::Item) -> R + Send + Sync + 'static) -> Imap<R>
where
    I: IntoIterator<IntoIter: Send + 'static, Item: Send + 'static>,
    R: Send + 'static,
{
    match Pool::global() {
        Ok(pool) => pool.imap(items, function),
        Err(error) => Imap::failed(error),
    }
}

/// [`Pool::imap_unordered`] on the global engine.
///
/// ```
/// let sum: i32 = flagstone::task::imap_unordered(0..10, |i| 2 * i).map(|one| one.unwrap()).sum();
/// assert_eq!(sum, 90);
/// ```
pub fn imap_unordered<I, R>(
    items: I,
    function: impl Fn(I::Item) -> R + Send + Sync + 'static,
) -> Imap<R>
where
    I: IntoIterator<IntoIter: Send + 'static, Item: Send + 'static>,
    R: Send + 'static,
{
    match Pool::global() {
        Ok(pool) => pool.imap_unordered(items, function),
        Err(error) => Imap::failed(error),
    }
}

/// [`Pool::submit`] on the global engine.
///
/// ```
/// assert_eq!(flagstone::task::submit(|| 6 * 7).get()?, 42);
/// # Ok::<(), flagstone::Error>(())
/// ```
#[track_caller]
pub fn submit<R: Send + 'static>(function: impl FnOnce() -> R + Send + 'static) -> Future<R> {
    match Pool::global() {
        Ok(pool) => pool.submit(function),
        Err(error) => Future::failed(error),
    }
}

/// [`Pool::submit_blocking`] on the global engine.
///
/// ```
/// use std::time::Duration;
///
/// flagstone::task::submit_blocking(|| std::thread::sleep(Duration::from_millis(1))).get()?;
/// # Ok::<(), flagstone::Error>(())
/// ```
#[track_caller]
pub fn submit_blocking<R: Send + 'static>(
    function: impl FnOnce() -> R + Send + 'static,
) -> Future<R> {
    match Pool::global() {
        Ok(pool) => pool.submit_blocking(function),
        Err(error) => Future::failed(error),
    }
}

/// [`Pool::map_async`] on the global engine.
///
/// ```
/// assert_eq!(flagstone::task::map_async(0..3, |i| i + 1).get()?, [1, 2, 3]);
/// # Ok::<(), flagstone::Error>(())
/// ```
#[track_caller]
pub fn map_async<I, R>(
    items: I,
    function: impl Fn(I::Item) -> R + Send + Sync + 'static,
) -> Future<Vec<R>>
where
    I: IntoIterator<IntoIter: Send + 'static, Item: Send + 'static>,
    R: Send + 'static,
{
    match Pool::global() {
        Ok(pool) => pool.map_async(items, function),
        Err(error) => Future::failed(error),
    }
}

/// [`Pool::starmap_async`] on the global engine.
///
/// ```
/// assert_eq!(flagstone::task::starmap_async([(1, 2)], |a, b| a + b).get()?, [3]);
/// # Ok::<(), flagstone::Error>(())
/// ```
#[track_caller]
pub fn starmap_async<I, F>(items: I, function: F) -> Future<Vec<F::Output>>
where
    I: IntoIterator<IntoIter: Send + 'static, Item: Send + 'static>,
    F: Spread<I::Item, Output: Send + 'static> + Send + Sync + 'static,
{
    match Pool::global() {
        Ok(pool) => pool.starmap_async(items, function),
        Err(error) => Future::failed(error),
    }
}
