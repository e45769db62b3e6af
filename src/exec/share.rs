//! Tasks that idle threads help with.
//!
//! Near the end of a run threads find no ready task while others are at long ones. A task that falls into pieces puts
//! them up here; a ticket that finds no ready task in any run takes pieces, at the top level of its thread as ever. The
//! task's own thread works on, too, and waits in the end for pieces that others have begun, never for ones that nobody
//! has. Pieces wait for nothing, so this always ends.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use super::events::drop_quietly;
use super::gate::Gate;
use super::locked;
use super::pool::Pool;
use crate::base::sharing::{Pieces, Threads};
use crate::error::{Error, Result};

/// Pieces that threads may take.
pub struct Offer {
    /// Borrowed from the task that shares them, which closes the offer's gate before it goes on.
    pieces: &'static dyn Pieces,
    /// With what the first piece panicked, if one did.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Offer {
    pub fn any_left(&self) -> bool {
        self.pieces.any_left() && locked(&self.panic).is_none()
    }

    /// Works on pieces until none is left, or one panics: what the task makes is lost then.
    pub fn work(&self) {
        let Err(payload) = catch_unwind(AssertUnwindSafe(|| self.pieces.work())) else {
            return;
        };
        let mut first = locked(&self.panic);
        if first.is_none() {
            *first = Some(payload);
            return;
        }
        drop(first);
        drop_quietly(payload);
    }
}

/// An offer that threads may find.
struct PutUp<'a> {
    pool: &'a Pool,
    gate: Arc<Gate<Offer>>,
}

impl<'a> PutUp<'a> {
    fn new(pool: &'a Pool, offer: &Arc<Offer>) -> PutUp<'a> {
        let gate = Arc::new(Gate::new(Arc::clone(offer)));
        pool.put_up(&gate);
        PutUp { pool, gate }
    }
}

impl Drop for PutUp<'_> {
    fn drop(&mut self) {
        self.pool.take_down(&self.gate);
        self.gate.close();
    }
}

impl Threads for Pool {
    fn count(&self) -> usize {
        self.threads()
    }

    fn share(&self, pieces: &dyn Pieces) -> Result<()> {
        // SAFETY: only the lifetime changes. Other threads reach the pieces through the gate alone; it is closed before
        // this ends, also by a panic, which waits until nobody is inside.
        let pieces = unsafe { std::mem::transmute::<&dyn Pieces, &'static dyn Pieces>(pieces) };
        let offer = Arc::new(Offer {
            pieces,
            panic: Mutex::default(),
        });
        let up = PutUp::new(self, &offer);
        offer.work();
        drop(up);
        let panic = locked(&offer.panic).take();
        panic.map_or(Ok(()), |payload| Err(Error::from_panic(payload)))
    }
}
