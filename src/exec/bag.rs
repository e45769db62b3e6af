//! Calls that come one by one, from anywhere, for as long as the pool lives.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::crew::Crew;
use super::parking::Parking;
use super::{Apart, inside, locked};

/// How often a worker without calls looks again before it leaves: waking a thread costs more.
const SPINS: u32 = 40;
const YIELDS: u32 = 10;

/// A worker moves so many calls into its own queue at once that they take about this long.
const STRETCH: Duration = Duration::from_micros(50);
const MOST_AT_ONCE: usize = 256;

/// Something to be done once.
pub trait Call: Send + Sync {
    /// Does it, and never panics.
    fn run(self: Arc<Self>, worker: usize);
}

type Queue = Mutex<VecDeque<Arc<dyn Call>>>;

/// A queue of calls; first in, first out, as far as several threads can tell.
pub struct Bag {
    /// The most threads that work here at once.
    limit: usize,
    shared: Apart<Queue>,
    /// Per worker; others steal from it, so that no call waits behind one that takes long.
    own: Vec<Apart<Queue>>,
    /// Calls in all queues; raised before a call is pushed, so never less than there are.
    count: Apart<AtomicUsize>,
    workers: AtomicUsize,
    finished: AtomicU64,
    parking: Parking,
}

impl Bag {
    /// For a pool of `threads`, of which at most `limit` work here at once.
    pub fn new(threads: usize, limit: usize) -> Bag {
        Bag {
            limit: limit.max(1),
            shared: Apart::default(),
            own: (0..=threads).map(|_| Apart::default()).collect(),
            count: Apart::default(),
            workers: AtomicUsize::new(0),
            finished: AtomicU64::new(0),
            parking: Parking::default(),
        }
    }

    /// Adds a call; the pool is to be called then.
    pub fn push(&self, call: Arc<dyn Call>) {
        self.count.fetch_add(1, Ordering::SeqCst);
        locked(&self.shared).push_back(call);
    }

    /// The next call of this worker: its own, else of the shared ones, else another worker's.
    fn take(&self, worker: usize, at_once: usize) -> Option<Arc<dyn Call>> {
        if self.count.load(Ordering::SeqCst) == 0 {
            return None;
        }
        let own = locked(&self.own[worker]).pop_front();
        let found = own
            .or_else(|| self.refill(worker, &self.shared, at_once))
            .or_else(|| {
                let n = self.own.len();
                (1..n).find_map(|step| self.refill(worker, &self.own[(worker + step) % n], at_once))
            })?;
        self.count.fetch_sub(1, Ordering::SeqCst);
        Some(found)
    }

    /// Takes one call from a queue, and up to `at_once` in all, but no more than this worker's share.
    fn refill(&self, worker: usize, from: &Queue, at_once: usize) -> Option<Arc<dyn Call>> {
        let mut queue = locked(from);
        let first = queue.pop_front()?;
        let share = queue.len() / self.own.len();
        let more: VecDeque<_> = queue.drain(..share.min(at_once - 1)).collect();
        drop(queue);
        if !more.is_empty() {
            locked(&self.own[worker]).extend(more);
        }
        Some(first)
    }

    fn find(&self, worker: usize, at_once: usize) -> Option<Arc<dyn Call>> {
        for round in 0..SPINS + YIELDS {
            if let Some(call) = self.take(worker, at_once) {
                return Some(call);
            }
            if round < SPINS {
                std::hint::spin_loop();
            } else {
                std::thread::yield_now();
            }
        }
        None
    }
}

impl Crew for Bag {
    fn wants_workers(&self) -> bool {
        self.count.load(Ordering::SeqCst) > 0 && self.workers.load(Ordering::SeqCst) < self.limit
    }

    fn is_abandoned(&self) -> bool {
        self.count.load(Ordering::SeqCst) > 0 && self.workers.load(Ordering::SeqCst) == 0
    }

    fn work(&self, worker: usize, enough: &mut dyn FnMut() -> bool) {
        let more = |workers| (workers < self.limit).then_some(workers + 1);
        if self
            .workers
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, more)
            .is_err()
        {
            return;
        }
        let inside = inside();
        let mut at_once = 1;
        let (mut n, mut since) = (0, Instant::now());
        while let Some(call) = self.find(worker, at_once) {
            call.run(worker);
            n += 1;
            if n >= at_once {
                self.finished.fetch_add(n as u64, Ordering::Relaxed);
                let now = Instant::now();
                let took = now - since;
                if took < STRETCH / 2 {
                    at_once = MOST_AT_ONCE.min(2 * at_once);
                } else if took > 2 * STRETCH {
                    at_once = (at_once / 2).max(1);
                }
                (n, since) = (0, now);
                if enough() {
                    break;
                }
            }
        }
        drop(inside);
        self.finished.fetch_add(n as u64, Ordering::Relaxed);
        self.workers.fetch_sub(1, Ordering::SeqCst);
    }

    fn n_finished(&self) -> u64 {
        self.finished.load(Ordering::Relaxed)
    }

    fn parking(&self) -> &Parking {
        &self.parking
    }
}
