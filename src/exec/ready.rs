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

/// A task that a worker is to run.
#[derive(Clone, Copy)]
pub struct Taken {
    pub task: u32,
    /// From another worker's queue.
    pub stolen: bool,
}

impl Taken {
    /// One that nobody else had.
    pub fn own(task: u32) -> Taken {
        Taken {
            task,
            stolen: false,
        }
    }
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
    pub fn take(&self, worker: usize) -> Option<Taken> {
        if self.count() == 0 {
            return None;
        }
        let taken = self.find(worker)?;
        self.shared.count.fetch_sub(1, Ordering::SeqCst);
        Some(taken)
    }

    fn find(&self, worker: usize) -> Option<Taken> {
        // One lock at a time: a guard lives to the end of its statement.
        let newest = locked(&self.own[worker]).pop_back();
        if let Some(task) = newest {
            return Some(Taken::own(task));
        }
        let oldest = locked(&self.shared.activated).pop_front();
        if let Some(task) = oldest {
            return Some(Taken::own(task));
        }
        let n = self.own.len();
        let task = (1..n).find_map(|step| locked(&self.own[(worker + step) % n]).pop_front())?;
        Some(Taken { task, stolen: true })
    }
}
