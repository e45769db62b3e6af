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
        /// Tells computations apart that run at the same time.
        run: u64,
        /// The number of tasks.
        tasks: u64,
        /// The most bytes that will be held at once.
        planned_peak: u64,
    },
    /// A task began.
    Started {
        /// As in [`Event::Planned`].
        run: u64,
        /// The task's number, from 0; see [`Array::task_graph`](crate::Array::task_graph).
        task: u32,
        /// The stage that the task belongs to, from 0, in the order in which
        /// [`explain`](crate::Array::explain) lists them.
        stage: usize,
        /// The number of the thread; the last one stands for all threads that are not the pool's.
        worker: usize,
    },
    /// A task ended without an error.
    Finished {
        /// As in [`Event::Planned`].
        run: u64,
        /// As in [`Event::Started`].
        task: u32,
        /// As in [`Event::Started`].
        stage: usize,
        /// As in [`Event::Started`].
        worker: usize,
        /// Bytes that the computation holds now.
        held: u64,
    },
    /// The computation is over, whether it succeeded or not.
    Ended {
        /// As in [`Event::Planned`].
        run: u64,
        /// Whether every task finished.
        ok: bool,
        /// The most bytes that were held at once.
        held_peak: u64,
    },
}

/// Watches the computations of an engine: for progress, profiles, tests.
///
/// It is called by the threads that compute, with no lock held, so it should be quick. An observer that
/// panics is not called again in that computation, which ends with an error.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use flagstone::{Array, Engine, Event, Observer};
///
/// #[derive(Default)]
/// struct Count(AtomicU64);
///
/// impl Observer for Count {
///     fn event(&self, event: &Event) {
///         if let Event::Finished { .. } = event {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
///
/// let count = Arc::new(Count::default());
/// let engine = Engine::builder().threads(2).observer(count.clone()).build()?;
/// let (_, report) = engine.measure(&Array::<f64>::ones([100, 100], 10).sum(..))?;
/// assert_eq!(count.0.load(Ordering::Relaxed), report.tasks);
/// # Ok::<(), flagstone::Error>(())
/// ```
pub trait Observer: Send + Sync {
    /// Takes note of an event.
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
