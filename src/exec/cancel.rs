//! A switch that ends computations.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Ends the computations that were given a clone of it.
///
/// Tasks that run are finished, no further ones start, and the computation returns an error for which
/// [`is_cancelled`](crate::Error::is_cancelled) holds. Cancelling is final.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    pub fn new() -> Cancel {
        Cancel::default()
    }

    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
