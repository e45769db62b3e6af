//! Runs tasks on all cores within a promised amount of memory.
//!
//! Sees numbers only: tasks, their dependencies and bytes. What a task does is behind [`Work`]. The
//! protocol, and why it cannot deadlock, stands in `README.md` beside this file.

mod alone;
mod bag;
mod calls;
mod cancel;
mod crew;
mod drive;
mod events;
mod fetch;
mod gate;
mod job;
mod lane;
mod ledger;
mod outline;
mod parking;
mod pool;
mod ready;
mod share;
mod stream;
#[cfg(test)]
mod tests;
mod watchers;

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use bag::{Bag, Call};
pub use cancel::Cancel;
pub use crew::{Crew, drive};
pub use drive::{Executor, RunOptions, RunReport};
pub use events::{Event, Observer, Observers};
pub use gate::Gate;
pub use lane::{BLOCKING_THREADS, Lane};
pub use ledger::{Hold, Ledger};
pub use outline::{Outline, StageOutline};
pub use parking::Parking;
pub use pool::Pool;
pub use stream::Stream;

use crate::error::Result;

/// What tasks do.
///
/// After `run` returned `Ok`, `release` is called for that task exactly once, when its last reader has
/// finished (at once, if it has none) or the run ends. It is not called for tasks that failed, nor for
/// ones that never started.
pub trait Work: Send + Sync {
    /// Computes a task's output; may panic. The outputs of the task's inputs are held meanwhile.
    fn run(&self, task: u32) -> Result<()>;

    /// Drops a task's output.
    fn release(&self, task: u32);

    /// Gets what the task needs from afar, on a thread that may wait, before it is run. Called for tasks of stages that
    /// fetch, and for no others.
    fn fetch(&self, task: u32) -> Result<()> {
        let _ = task;
        Ok(())
    }

    /// What the task is called in errors: "block [0, 3] of map_blocks".
    fn describe(&self, task: u32) -> String;

    /// The bytes that a task, which has run, wrote to the run's temporary file. Only asked for observers.
    fn spilled(&self, _task: u32) -> u64 {
        0
    }
}

/// A number that no other run of the process has.
pub fn next_run() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// How often those who wait look around, at the least; what they wait for wakes them, this is for what
/// cannot: cancelling, and tickets that were lost.
const SLOW_POLL: Duration = Duration::from_millis(20);
const FAST_POLL: Duration = Duration::from_millis(1);

/// A thread of a user's pool may run part of a task, which would wait for it, or not: it waits for
/// memory as long as others move, and then does without.
const DOUBT: Duration = Duration::from_secs(2);

thread_local! {
    /// How many runs' tasks are on this thread's stack.
    static INSIDE: Cell<u32> = const { Cell::new(0) };
}

/// Whether this thread is running a task, of whatever executor.
pub fn inside_task() -> bool {
    INSIDE.get() > 0
}

/// Marks this thread as running tasks while the guard lives.
pub fn inside() -> impl Drop {
    struct Inside;
    impl Drop for Inside {
        fn drop(&mut self) {
            INSIDE.set(INSIDE.get() - 1);
        }
    }
    INSIDE.set(INSIDE.get() + 1);
    Inside
}

/// A value on cache lines of its own (prefetchers fetch them in pairs): what all workers write for every
/// task must not share a line with what they only read.
#[repr(align(128))]
#[derive(Default)]
struct Apart<T>(T);

impl<T> std::ops::Deref for Apart<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// Locks. No code of others runs under our locks, so a poisoned one is as good as any.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
