//! Observers that come and go while an engine lives.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use super::events::Observer;
use super::locked;

/// Observers of all computations of an executor, as long as somebody else keeps them. Clones are the same list.
#[derive(Clone, Default)]
pub struct Watchers(Arc<Inner>);

#[derive(Default)]
struct Inner {
    list: Mutex<Vec<Weak<dyn Observer>>>,
    /// Length of `list`, to be read without the lock.
    count: AtomicUsize,
}

impl Watchers {
    #[cfg_attr(
        not(feature = "serve"),
        expect(dead_code, reason = "the live page is the one that comes and goes")
    )]
    pub fn add(&self, observer: &Arc<dyn Observer>) {
        let mut list = locked(&self.0.list);
        list.retain(|known| known.strong_count() > 0);
        list.push(Arc::downgrade(observer));
        self.0.count.store(list.len(), Ordering::Release);
    }

    /// Whether there may be any.
    pub fn is_empty(&self) -> bool {
        self.0.count.load(Ordering::Acquire) == 0
    }

    /// Those that are there now.
    pub fn current(&self) -> Vec<Arc<dyn Observer>> {
        if self.is_empty() {
            return Vec::new();
        }
        let mut list = locked(&self.0.list);
        let current: Vec<_> = list.iter().filter_map(Weak::upgrade).collect();
        if current.is_empty() {
            list.clear();
            self.0.count.store(0, Ordering::Release);
        }
        current
    }
}
