//! Where threads that wait for a run sleep.

use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::locked;

/// Nobody parked costs those who wake one load.
#[derive(Default)]
pub struct Parking {
    /// Threads that wait for an end: of the run, or of a task that is delivered.
    for_end: AtomicUsize,
    /// Threads that would run a task themselves.
    for_ready: AtomicUsize,
    lock: Mutex<()>,
    wake: Condvar,
}

impl Parking {
    /// Sleeps until woken or `timeout`, unless `unless` holds already.
    ///
    /// Whoever makes `unless` true does so before it looks whether anyone is parked, and this announces
    /// itself before it asks `unless`: one of the two sees the other.
    pub fn park(&self, to_run_tasks: bool, timeout: Duration, unless: impl FnOnce() -> bool) {
        let guard = locked(&self.lock);
        let parked = if to_run_tasks {
            &self.for_ready
        } else {
            &self.for_end
        };
        parked.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if !unless() {
            drop(
                self.wake
                    .wait_timeout(guard, timeout)
                    .unwrap_or_else(PoisonError::into_inner),
            );
        }
        parked.fetch_sub(1, Ordering::SeqCst);
    }

    /// Something ended.
    pub fn wake_all(&self) {
        fence(Ordering::SeqCst);
        if self.for_end.load(Ordering::SeqCst) + self.for_ready.load(Ordering::SeqCst) > 0 {
            drop(locked(&self.lock));
            self.wake.notify_all();
        }
    }

    /// Tasks became ready.
    pub fn wake_workers(&self) {
        if self.for_ready.load(Ordering::SeqCst) > 0 {
            drop(locked(&self.lock));
            self.wake.notify_all();
        }
    }
}
