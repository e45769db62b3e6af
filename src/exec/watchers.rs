//! Observers that come and go while an engine lives.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use super::events::Observer;
use super::locked;

/// Observers of all computations of a pool, as long as somebody else keeps them.
#[derive(Default)]
pub struct Watchers {
    list: Mutex<Vec<Weak<dyn Observer>>>,
    /// Length of `list`, to be read without the lock.
    count: AtomicUsize,
}

impl Watchers {
    pub fn add(&self, observer: &Arc<dyn Observer>) {
        let mut list = locked(&self.list);
        list.retain(|known| known.strong_count() > 0);
        list.push(Arc::downgrade(observer));
        self.count.store(list.len(), Ordering::Release);
    }

    /// Whether there may be any.
    pub fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// Those that are there now.
    pub fn current(&self) -> Vec<Arc<dyn Observer>> {
        if self.is_empty() {
            return Vec::new();
        }
        let mut list = locked(&self.list);
        let current: Vec<_> = list.iter().filter_map(Weak::upgrade).collect();
        if current.is_empty() {
            list.clear();
            self.count.store(0, Ordering::Release);
        }
        current
    }
}
