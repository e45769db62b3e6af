//! A switch that ends computations.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Ends the computations that were given a clone of it.
///
/// Tasks that run are finished, no further ones start, and the computation returns an error for which
/// [`is_cancelled`](crate::Error::is_cancelled) holds. Cancelling is final.
///
/// ```
/// use flagstone::{Cancel, Engine, random};
///
/// let cancel = Cancel::new();
/// let engine = Engine::global()?.cancelled_by(&cancel);
/// let long = random::Generator::new(1).normal::<f64>([100_000, 100_000], 1000).std(..);
/// let computing = std::thread::spawn(move || engine.compute(&long));
/// cancel.cancel();
/// assert!(computing.join().unwrap().unwrap_err().is_cancelled());
/// # Ok::<(), flagstone::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<Switch>);

#[derive(Debug, Default)]
struct Switch {
    pulled: AtomicBool,
    /// Pulled with it.
    outer: Option<Cancel>,
}

impl Cancel {
    /// A switch that is not pulled yet. Clones are the same switch.
    pub fn new() -> Cancel {
        Cancel::default()
    }

    /// A switch of its own that is also pulled with `outer`.
    pub(crate) fn within(outer: Option<&Cancel>) -> Cancel {
        Cancel(Arc::new(Switch {
            pulled: AtomicBool::new(false),
            outer: outer.cloned(),
        }))
    }

    /// Pulls the switch, from any thread; returns at once.
    pub fn cancel(&self) {
        self.0.pulled.store(true, Ordering::Relaxed);
    }

    /// Whether the switch was pulled.
    pub fn is_cancelled(&self) -> bool {
        self.0.pulled.load(Ordering::Relaxed)
            || self.0.outer.as_ref().is_some_and(Cancel::is_cancelled)
    }
}
