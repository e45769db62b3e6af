//! Tasks that may run now.
//!
//! Plain locked queues: each is held for a few nanoseconds, and the executor takes one of them per
//! task. What a task's end makes ready stays with the worker, newest first, because its inputs are in
//! that worker's cache and running it returns bytes soonest.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::locked;

pub struct Ready {
    /// Tasks in all queues; raised before a task is pushed, so never less than there are.
    count: AtomicUsize,
    /// Tasks without inputs, in the order of activation.
    activated: Queue,
    /// Per worker.
    own: Vec<Queue>,
}

/// On cache lines of its own (prefetchers fetch them in pairs).
#[repr(align(128))]
#[derive(Default)]
struct Queue(Mutex<VecDeque<u32>>);

impl Ready {
    pub fn new(workers: usize) -> Ready {
        Ready {
            count: AtomicUsize::new(0),
            activated: Queue::default(),
            own: (0..workers).map(|_| Queue::default()).collect(),
        }
    }

    pub fn workers(&self) -> usize {
        self.own.len()
    }

    pub fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    pub fn push_activated(&self, tasks: &[u32]) {
        if !tasks.is_empty() {
            self.count.fetch_add(tasks.len(), Ordering::SeqCst);
            locked(&self.activated.0).extend(tasks);
        }
    }

    /// The last one is the first to be taken.
    pub fn push_own(&self, worker: usize, tasks: &[u32]) {
        if !tasks.is_empty() {
            self.count.fetch_add(tasks.len(), Ordering::SeqCst);
            locked(&self.own[worker].0).extend(tasks);
        }
    }

    /// The worker's newest, else the oldest of those activated, else the oldest of another worker.
    pub fn take(&self, worker: usize) -> Option<u32> {
        if self.count() == 0 {
            return None;
        }
        let task = self.find(worker)?;
        self.count.fetch_sub(1, Ordering::SeqCst);
        Some(task)
    }

    fn find(&self, worker: usize) -> Option<u32> {
        // One lock at a time: a guard lives to the end of its statement.
        let newest = locked(&self.own[worker].0).pop_back();
        if newest.is_some() {
            return newest;
        }
        let oldest = locked(&self.activated.0).pop_front();
        if oldest.is_some() {
            return oldest;
        }
        let n = self.own.len();
        (1..n).find_map(|step| locked(&self.own[(worker + step) % n].0).pop_front())
    }
}
