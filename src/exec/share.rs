//! Tasks that idle threads help with.
//!
//! Near the end of a run threads find no ready task while others are at long ones. A task that falls into pieces puts
//! them up here; a ticket that finds no ready task in any run takes pieces, at the top level of its thread as ever. The
//! task's own thread works on, too, and waits in the end for pieces that others have begun, never for ones that nobody
//! has. Pieces wait for nothing, so this always ends.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use super::gate::Gate;
use super::locked;
use super::pool::Pool;
use crate::base::sharing::{Pieces, Threads};
use crate::error::{Error, Result};

/// Pieces that threads may take.
pub struct Offer {
    /// Borrowed from the task that shares them, which closes the offer's gate before it goes on.
    pieces: &'static dyn Pieces,
    error: Mutex<Option<Error>>,
}

impl Offer {
    pub fn any_left(&self) -> bool {
        self.pieces.any_left() && locked(&self.error).is_none()
    }

    /// Works on pieces until none is left, or one panics: what the task makes is lost then.
    pub fn work(&self) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| self.pieces.work())) {
            locked(&self.error).get_or_insert_with(|| Error::from_panic(payload));
        }
    }
}

impl Threads for Pool {
    fn count(&self) -> usize {
        self.threads()
    }

    fn share(&self, pieces: &dyn Pieces) -> Result<()> {
        // SAFETY: only the lifetime changes. Other threads reach the pieces through the gate alone; it is closed before
        // this returns, which waits until nobody is inside, and nothing in between panics: `work` catches.
        let pieces = unsafe { std::mem::transmute::<&dyn Pieces, &'static dyn Pieces>(pieces) };
        let offer = Arc::new(Offer {
            pieces,
            error: Mutex::default(),
        });
        let gate = Arc::new(Gate::new(Arc::clone(&offer)));
        self.put_up(&gate);
        offer.work();
        self.take_down(&gate);
        gate.close();
        locked(&offer.error).take().map_or(Ok(()), Err)
    }
}
