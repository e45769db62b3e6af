//! Tasks that may run now.
//!
//! Plain locked queues: each is held for a few nanoseconds, and the executor takes one of them per
//! task. What a task's end makes ready stays with the worker, newest first, because its inputs are in
//! that worker's cache and running it returns bytes soonest.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Apart, locked};

pub struct Ready {
    shared: Apart<Shared>,
    /// Per worker.
    own: Vec<Apart<Queue>>,
}

type Queue = Mutex<VecDeque<u32>>;

#[derive(Default)]
struct Shared {
    /// Tasks in all queues; raised before a task is pushed, so never less than there are.
    count: AtomicUsize,
    /// Tasks that were ready when they were activated, in that order.
    activated: Queue,
}

impl Ready {
    pub fn new(workers: usize) -> Ready {
        Ready {
            shared: Apart::default(),
            own: (0..workers).map(|_| Apart::default()).collect(),
        }
    }

    pub fn count(&self) -> usize {
        self.shared.count.load(Ordering::SeqCst)
    }

    pub fn push_activated(&self, tasks: &[u32]) {
        if !tasks.is_empty() {
            self.shared.count.fetch_add(tasks.len(), Ordering::SeqCst);
            locked(&self.shared.activated).extend(tasks);
        }
    }

    /// The last one is the first to be taken.
    pub fn push_own(&self, worker: usize, tasks: &[u32]) {
        if !tasks.is_empty() {
            self.shared.count.fetch_add(tasks.len(), Ordering::SeqCst);
            locked(&self.own[worker]).extend(tasks);
        }
    }

    /// The worker's newest, else the oldest of those activated, else the oldest of another worker.
    pub fn take(&self, worker: usize) -> Option<u32> {
        if self.count() == 0 {
            return None;
        }
        let task = self.find(worker)?;
        self.shared.count.fetch_sub(1, Ordering::SeqCst);
        Some(task)
    }

    fn find(&self, worker: usize) -> Option<u32> {
        // One lock at a time: a guard lives to the end of its statement.
        let newest = locked(&self.own[worker]).pop_back();
        if newest.is_some() {
            return newest;
        }
        let oldest = locked(&self.shared.activated).pop_front();
        if oldest.is_some() {
            return oldest;
        }
        let n = self.own.len();
        (1..n).find_map(|step| locked(&self.own[(worker + step) % n]).pop_front())
    }
}
