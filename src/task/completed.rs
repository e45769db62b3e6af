//! Several futures, in the order in which they are done.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

use super::future::{Future, Node};
use super::waiting::{Sleeper, wait_until};
use crate::error::Result;

/// Calls that a thread of the pool runs itself while it waits: the first so many that are left.
const LOOKS: usize = 64;

/// The results of several futures, each with its number in what was given, as they are finished.
///
/// Dropping the iterator drops the futures that are left.
///
/// ```
/// use std::time::Duration;
///
/// use flagstone::task;
///
/// let naps = [200, 1].map(|ms| task::submit_blocking(move || std::thread::sleep(Duration::from_millis(ms))));
/// let order: Vec<usize> = task::as_completed(naps).map(|(number, _)| number).collect();
/// assert_eq!(order, [1, 0]);
/// ```
pub fn as_completed<R: Send + 'static>(
    futures: impl IntoIterator<Item = Future<R>>,
) -> AsCompleted<R> {
    let futures: Vec<Option<Future<R>>> = futures.into_iter().map(Some).collect();
    let arrivals = Arc::new(Arrivals::default());
    for (number, future) in futures.iter().flatten().enumerate() {
        let arrival = Arc::new(Arrival {
            number,
            arrivals: Arc::clone(&arrivals),
        });
        if !future.node().listen(&Waker::from(Arc::clone(&arrival))) {
            arrival.wake();
        }
    }
    AsCompleted {
        left: futures.len(),
        start: 0,
        futures,
        arrivals,
    }
}

/// The iterator of [`as_completed`].
#[must_use = "an iterator that is dropped drops its futures"]
pub struct AsCompleted<R> {
    futures: Vec<Option<Future<R>>>,
    /// Those before were handed out.
    start: usize,
    left: usize,
    arrivals: Arc<Arrivals>,
}

impl<R> std::fmt::Debug for AsCompleted<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AsCompleted")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

/// Numbers of futures that are done and were not handed out.
#[derive(Default)]
struct Arrivals {
    numbers: Mutex<VecDeque<usize>>,
    sleeper: Arc<Sleeper>,
}

impl Arrivals {
    fn numbers(&self) -> std::sync::MutexGuard<'_, VecDeque<usize>> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Arrival {
    number: usize,
    arrivals: Arc<Arrivals>,
}

impl Wake for Arrival {
    fn wake(self: Arc<Self>) {
        self.arrivals.numbers().push_back(self.number);
        Arc::clone(&self.arrivals.sleeper).wake();
    }
}

impl<R: Send + 'static> Iterator for AsCompleted<R> {
    type Item = (usize, Result<R>);

    fn next(&mut self) -> Option<(usize, Result<R>)> {
        if self.left == 0 {
            return None;
        }
        let mut next = self.arrivals.numbers().pop_front();
        if next.is_none() {
            let taken = self.futures[self.start..]
                .iter()
                .take_while(|one| one.is_none());
            self.start += taken.count();
            let left = self.futures[self.start..].iter().flatten();
            let nodes: Vec<Arc<dyn Node>> = left.take(LOOKS).map(Future::node).collect();
            let sleeper = &self.arrivals.sleeper;
            let waker = Waker::from(Arc::clone(sleeper));
            wait_until(&nodes, sleeper, &waker, None, &|| {
                !self.arrivals.numbers().is_empty()
            });
            next = self.arrivals.numbers().pop_front();
        }
        let number = next?;
        self.left -= 1;
        let future = self.futures[number].take()?;
        Some((number, future.take_now()))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}
