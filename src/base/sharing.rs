//! Long tasks that fall into pieces, and threads that take some of them.

use crate::error::Result;

/// Work that falls into pieces, whose number and results do not depend on who takes which.
pub trait Pieces: Sync {
    /// Whether one more thread finds something to do.
    fn any_left(&self) -> bool;

    /// Takes pieces, one at a time, and works on each, until none is left. A piece waits for nothing.
    fn work(&self);
}

/// Threads that may help a task.
pub trait Threads: Send + Sync {
    /// How many there are, the task's own included.
    fn count(&self) -> usize;

    /// Works on all pieces: on this thread, and on those others that find nothing else to do meanwhile. When it returns,
    /// no thread touches the pieces any more.
    ///
    /// # Errors
    /// If a piece panicked, on whatever thread.
    fn share(&self, pieces: &dyn Pieces) -> Result<()>;
}
