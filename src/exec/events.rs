//! What a computation tells those who watch it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

/// Something that happened in a computation.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The memory is reserved and tasks are about to start.
    Planned {
        /// Distinguishes computations that run at the same time.
        run: u64,
        tasks: u64,
        /// The most bytes that will be held at once.
        planned_peak: u64,
    },
    Started {
        run: u64,
        task: u32,
        stage: usize,
        worker: usize,
    },
    /// A task ended without an error.
    Finished {
        run: u64,
        task: u32,
        stage: usize,
        worker: usize,
        /// Bytes that the computation holds now.
        held: u64,
    },
    Ended {
        run: u64,
        /// Whether every task finished.
        ok: bool,
        /// The most bytes that were held at once.
        held_peak: u64,
    },
}

/// Watches computations; called by the threads that compute, with no lock held.
///
/// An observer that panics is not called again in that computation, which ends with an error.
pub trait Observer: Send + Sync {
    fn event(&self, event: &Event);
}

/// The observers of one run, without those that panicked.
pub struct Observers(Vec<(Arc<dyn Observer>, AtomicBool)>);

impl Observers {
    pub fn new(observers: &[Arc<dyn Observer>]) -> Observers {
        Observers(
            observers
                .iter()
                .map(|observer| (Arc::clone(observer), AtomicBool::new(false)))
                .collect(),
        )
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells everyone, whatever one of them does.
    pub fn tell(&self, event: &Event) -> Result<()> {
        let mut result = Ok(());
        for (observer, broken) in &self.0 {
            if broken.load(Ordering::Relaxed) {
                continue;
            }
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| observer.event(event))) {
                broken.store(true, Ordering::Relaxed);
                result = Err(Error::from_panic(payload).context("in an observer"));
            }
        }
        result
    }
}
