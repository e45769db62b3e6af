//! What a computation tells those who watch it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::outline::Outline;
use super::watchers::Watchers;
use crate::error::Error;

/// Something that happened in a computation.
///
/// The events of one computation carry its number, `run`. [`Planned`](Event::Planned) comes first and
/// [`Ended`](Event::Ended) last, with every thread's events between them in the order in which they happened on that
/// thread. Each [`Started`](Event::Started) is followed by one [`Finished`](Event::Finished) or
/// [`Failed`](Event::Failed) of the same task on the same thread. Nothing says when an event happened: an observer that
/// wants to know looks at the clock.
#[derive(Clone, Debug)]
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
        /// What is about to run: stages, their tasks and bytes; the budget.
        outline: Arc<Outline>,
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
        /// The number of the thread; the last one stands for all that are not the pool's: who calls for a short computation
        /// works in place of one of the pool's, unless code of users is called.
        worker: usize,
        /// Another thread's queue had it: one that ran an input of it.
        stolen: bool,
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
        /// Bytes that the computation has booked now: blocks that are held, and what tasks that run or are
        /// about to run need.
        held: u64,
    },
    /// A task ended with an error, which ends the computation unless another error came first.
    Failed {
        /// As in [`Event::Planned`].
        run: u64,
        /// As in [`Event::Started`].
        task: u32,
        /// As in [`Event::Started`].
        stage: usize,
        /// As in [`Event::Started`].
        worker: usize,
        /// The error, in words.
        message: Arc<str>,
    },
    /// The bytes that the computation has booked changed while no task ended: before the first one starts, and
    /// when the consumer of a stream has taken a block.
    Held {
        /// As in [`Event::Planned`].
        run: u64,
        /// As in [`Event::Finished`].
        held: u64,
    },
    /// A task wrote what it made to the temporary file; told before that task's [`Event::Finished`].
    Spilled {
        /// As in [`Event::Planned`].
        run: u64,
        /// As in [`Event::Started`].
        task: u32,
        /// The bytes written.
        bytes: u64,
    },
    /// One of the other observers panicked, and hears nothing more of this computation.
    ObserverLost {
        /// As in [`Event::Planned`].
        run: u64,
        /// What it panicked with.
        message: Arc<str>,
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

impl Event {
    /// The number of the computation, by which those that run at the same time are told apart.
    pub fn run(&self) -> u64 {
        match self {
            Event::Planned { run, .. }
            | Event::Started { run, .. }
            | Event::Finished { run, .. }
            | Event::Failed { run, .. }
            | Event::Held { run, .. }
            | Event::Spilled { run, .. }
            | Event::ObserverLost { run, .. }
            | Event::Ended { run, .. } => *run,
        }
    }
}

/// Watches the computations of an engine: for progress, profiles, tests.
///
/// It is called by the threads that compute, with no lock held, so it should be quick. An observer that
/// panics harms nothing but itself: it is not called again in that computation, whose results are those that they
/// would have been. [`Report::lost_observers`](crate::Report::lost_observers) counts it, and the other observers hear
/// of it ([`Event::ObserverLost`]).
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
pub struct Observers {
    all: Vec<(Arc<dyn Observer>, AtomicBool)>,
    lost: AtomicU32,
}

impl Observers {
    /// Those of the run, and those who watch all runs.
    pub fn new(own: &[Arc<dyn Observer>], watchers: &Watchers) -> Observers {
        let all = own.iter().cloned().chain(watchers.current());
        Observers {
            all: all
                .map(|observer| (observer, AtomicBool::new(false)))
                .collect(),
            lost: AtomicU32::new(0),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// How many panicked.
    pub fn lost(&self) -> u32 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Tells everyone, whatever one of them does.
    pub fn tell(&self, event: &Event) {
        for (observer, broken) in &self.all {
            if broken.load(Ordering::Relaxed) {
                continue;
            }
            let Err(payload) = catch_unwind(AssertUnwindSafe(|| observer.event(event))) else {
                continue;
            };
            // Another thread may have been in it at the same time, and panicked too.
            if broken.swap(true, Ordering::Relaxed) {
                drop_quietly(payload);
                continue;
            }
            self.lost.fetch_add(1, Ordering::Relaxed);
            let message = message_of(payload);
            // Nothing follows the end. The number of those who listen shrinks each time, so this ends too.
            if !matches!(event, Event::Ended { .. }) {
                let run = event.run();
                self.tell(&Event::ObserverLost { run, message });
            }
        }
    }
}

/// What a panic said. Even dropping what was thrown may panic.
fn message_of(payload: Box<dyn Any + Send>) -> Arc<str> {
    catch_unwind(AssertUnwindSafe(|| Error::from_panic(payload).to_string()))
        .unwrap_or_else(|again| {
            // No third time: what is thrown while a thrown value is dropped is kept for ever.
            std::mem::forget(again);
            "panicked".to_owned()
        })
        .into()
}

pub fn drop_quietly(payload: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(again);
    }
}
