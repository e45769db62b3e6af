//! Loops whose functions and items borrow from the caller.

use std::sync::Arc;

use super::loops::Loop;
use crate::error::{Error, Kind, Result};
use crate::exec::{self, Crew, Gate, drive};

/// A loop that threads visit; none does any more once this is dropped.
struct Open<'a> {
    pool: &'a exec::Pool,
    gate: Arc<Gate<dyn Crew>>,
}

impl<'a> Open<'a> {
    /// # Safety
    /// The value must be dropped before anything ends that the crew borrows.
    unsafe fn new<'b>(pool: &'a exec::Pool, crew: Arc<dyn Crew + 'b>) -> Open<'a> {
        // SAFETY: only the lifetime changes. Threads reach the crew through the gate alone; dropping `Open`
        // closes it, which waits until nobody is inside and drops the gate's own handle.
        let crew = unsafe { std::mem::transmute::<Arc<dyn Crew + 'b>, Arc<dyn Crew>>(crew) };
        let gate = Arc::new(Gate::new(crew));
        pool.add(&gate);
        pool.call();
        Open { pool, gate }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.pool.remove(&self.gate);
        self.gate.close();
    }
}

/// Runs a loop and waits for its end; its batches, and why some of them are missing.
pub fn run<I, F, R>(pool: &exec::Pool, body: Loop<I, F, R>) -> (Vec<Vec<Result<R>>>, Option<Error>)
where
    I: Iterator + Send,
    I::Item: Send,
    F: Fn(I::Item) -> Result<R> + Sync + Send,
    R: Send,
{
    let body = Arc::new(body);
    /// Ends the loop, so that closing it does not wait for all items, should waiting for it panic.
    struct Ends<'a, T: Fn()>(&'a T);
    impl<T: Fn()> Drop for Ends<'_, T> {
        fn drop(&mut self) {
            (self.0)();
        }
    }
    {
        // SAFETY: dropped at the end of this block, also by a panic, before `body` and what it borrows.
        let _open = unsafe { Open::new(pool, Arc::clone(&body) as Arc<dyn Crew + '_>) };
        let abandon = || {
            if !body.is_over() {
                body.fail(Error::new(Kind::Internal, "a loop was abandoned"));
            }
        };
        let _ends = Ends(&abandon);
        if let Err(error) = drive(pool, &*body, false, &|| body.is_over()) {
            body.fail(error);
        }
    }
    let body = Arc::into_inner(body).expect("nobody is inside of a closed gate");
    body.into_results()
}
