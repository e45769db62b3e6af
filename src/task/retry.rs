//! Trying again.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// A function that is called again, up to `times` more, if it returns an error or panics.
///
/// The last error, or the last panic, is the one that counts. Each try gets a clone of the argument.
///
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// use flagstone::task;
///
/// let calls = AtomicU32::new(0);
/// let unsteady = task::retry(2, |x: u32| match calls.fetch_add(1, Ordering::Relaxed) {
///     0 => Err("not yet"),
///     1 => panic!("really not"),
///     _ => Ok(2 * x),
/// });
/// assert_eq!(task::try_map([21], unsteady)?, [42]);
/// # Ok::<(), flagstone::Error>(())
/// ```
pub fn retry<T: Clone, R, E>(
    times: u32,
    function: impl Fn(T) -> Result<R, E>,
) -> impl Fn(T) -> Result<R, E> {
    move |argument| {
        for _ in 0..times {
            let one = argument.clone();
            if let Ok(Ok(result)) = catch_unwind(AssertUnwindSafe(|| function(one))) {
                return Ok(result);
            }
        }
        catch_unwind(AssertUnwindSafe(|| function(argument)))
            .unwrap_or_else(|payload| resume_unwind(payload))
    }
}
