//! Where submitted calls go.

use std::sync::Arc;

use super::watch::Watchers;
use crate::exec::{self, BLOCKING_THREADS, Bag, Call, Crew, Gate, Lane};

/// The queues of a [`Pool`](super::Pool) and its clones: the engine's, or those of a limit.
pub struct Home {
    pool: exec::Pool,
    bag: Arc<Bag>,
    /// Of a bag of our own, which the pool visits as long as calls or handles of it live.
    gate: Option<Arc<Gate<dyn Crew>>>,
    lane: Lane,
    observers: Watchers,
}

impl Home {
    pub fn new(pool: &exec::Pool, observers: Watchers) -> Home {
        Home {
            bag: pool.bag(),
            gate: None,
            lane: pool.lane().clone(),
            pool: pool.clone(),
            observers,
        }
    }

    /// With queues of its own, of which at most `limit` calls run at once.
    pub fn limited(&self, limit: usize) -> Home {
        let threads = self.pool.threads();
        let bag = Arc::new(Bag::new(threads, limit));
        let gate = Arc::new(Gate::new(Arc::clone(&bag) as Arc<dyn Crew>));
        self.pool.add(&gate);
        Home {
            bag,
            gate: Some(gate),
            lane: Lane::new(limit.min(BLOCKING_THREADS), threads),
            pool: self.pool.clone(),
            observers: Arc::clone(&self.observers),
        }
    }

    pub fn pool(&self) -> &exec::Pool {
        &self.pool
    }

    pub fn bag(&self) -> &Bag {
        &self.bag
    }

    pub fn observers(&self) -> &Watchers {
        &self.observers
    }

    pub fn push(&self, call: Arc<dyn Call>) {
        self.bag.push(call);
        self.pool.call();
    }

    pub fn push_blocking(&self, call: Arc<dyn Call>) {
        self.lane.push(call);
    }

    /// Lets a thread look whether there is something to do.
    pub fn call(&self) {
        if self.bag.wants_workers() {
            self.pool.call();
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Some(gate) = &self.gate {
            self.pool.remove(gate);
        }
    }
}
