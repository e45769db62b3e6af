//! Calls of work, whose panics become errors.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Work;
use crate::error::{Error, Result};

/// Runs a task; an error says which one.
pub fn run(work: &dyn Work, task: u32) -> Result<()> {
    caught(|| work.run(task)).map_err(|error| named(work, task, error))
}

/// Fetches what a task needs; an error says which one.
pub fn fetch(work: &dyn Work, task: u32) -> Result<()> {
    caught(|| work.fetch(task)).map_err(|error| named(work, task, error))
}

/// Releases a task's output; an error says whose.
pub fn release(work: &dyn Work, task: u32) -> Result<()> {
    let released = caught(|| {
        work.release(task);
        Ok(())
    });
    released.map_err(|error| {
        let what = describe(work, task).unwrap_or_default();
        error.context(format!("while releasing {what}"))
    })
}

/// The bytes that a task has written to the temporary file.
pub fn spilled(work: &dyn Work, task: u32) -> u64 {
    caught(|| Ok(work.spilled(task))).unwrap_or(0)
}

fn caught<T>(call: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|payload| Err(Error::from_panic(payload)))
}

fn named(work: &dyn Work, task: u32, error: Error) -> Error {
    match describe(work, task) {
        Some(what) => error.context(what),
        None => error,
    }
}

/// What a task is called in errors; nothing if even that panics.
fn describe(work: &dyn Work, task: u32) -> Option<String> {
    caught(|| Ok(work.describe(task))).ok()
}
