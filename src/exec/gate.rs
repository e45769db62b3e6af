//! The door to a run, which threads may still knock at after the run is over.
//!
//! Tickets wait in Rayon's queues for as long as the pool is busy. They must not keep a finished run's
//! arrays, and above all its work, alive: the work borrows buffers of whoever called `run`.

use std::sync::{Arc, Condvar, Mutex};

use super::locked;

/// Shared access to a `T` until it is closed; closing waits for all who are inside.
pub struct Gate<T: ?Sized> {
    state: Mutex<State<T>>,
    left: Condvar,
}

struct State<T: ?Sized> {
    what: Option<Arc<T>>,
    inside: usize,
}

impl<T: ?Sized> Gate<T> {
    pub fn new(what: Arc<T>) -> Gate<T> {
        Gate {
            state: Mutex::new(State {
                what: Some(what),
                inside: 0,
            }),
            left: Condvar::new(),
        }
    }

    /// `None` once closed.
    pub fn enter(&self) -> Option<Visit<'_, T>> {
        let mut state = locked(&self.state);
        let what = Arc::clone(state.what.as_ref()?);
        state.inside += 1;
        Some(Visit {
            gate: self,
            what: Some(what),
        })
    }

    /// Lets nobody in any more and waits until nobody is inside.
    pub fn close(&self) {
        let mut state = locked(&self.state);
        let what = state.what.take();
        while state.inside > 0 {
            state = self
                .left
                .wait(state)
                .unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        drop(state);
        drop(what);
    }
}

/// Being inside.
pub struct Visit<'a, T: ?Sized> {
    gate: &'a Gate<T>,
    what: Option<Arc<T>>,
}

impl<T: ?Sized> std::ops::Deref for Visit<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.what.as_ref().expect("taken only by drop")
    }
}

impl<T: ?Sized> Drop for Visit<'_, T> {
    fn drop(&mut self) {
        // Before leaving, so that the last clone is dropped by whoever closes.
        self.what = None;
        let mut state = locked(&self.gate.state);
        state.inside -= 1;
        if state.inside == 0 && state.what.is_none() {
            self.gate.left.notify_all();
        }
    }
}
