//! Results of a loop, one by one, while it runs.

use std::fmt;
use std::sync::Arc;

use super::loops::{Loop, Pace};
use super::watch::Watch;
use crate::error::{Error, Result};
use crate::exec::{self, Cancel, Crew, Gate, drive};

/// What a loop is to an iterator over its results.
trait Running<R>: Send + Sync {
    fn take(&self) -> Option<Vec<Result<R>>>;
    fn is_settled(&self) -> bool;
    fn error(&self) -> Option<Error>;
    fn abandon(&self);
    fn crew(&self) -> &dyn Crew;
}

impl<I, F, R> Running<R> for Loop<I, F, R>
where
    I: Iterator + Send,
    I::Item: Send,
    F: Fn(I::Item) -> Result<R> + Sync + Send,
    R: Send,
{
    fn take(&self) -> Option<Vec<Result<R>>> {
        Loop::take(self)
    }

    fn is_settled(&self) -> bool {
        Loop::is_settled(self)
    }

    fn error(&self) -> Option<Error> {
        Loop::error(self)
    }

    fn abandon(&self) {
        if !self.is_over() {
            let kind = crate::error::Kind::Cancelled;
            self.fail(Error::new(kind, "the loop was dropped"));
        }
        self.ended();
    }

    fn crew(&self) -> &dyn Crew {
        self
    }
}

/// The results of [`Pool::imap`](super::Pool::imap) and
/// [`imap_unordered`](super::Pool::imap_unordered), while the loop runs.
///
/// An `Err` is that of one item, and further items follow; unless the iterator panicked or the loop was cancelled: then
/// it is the last. Dropping the iterator ends the loop: items that are being worked on are finished in the background,
/// and nothing else starts.
#[must_use = "an iterator that is dropped ends its loop"]
pub struct Imap<R> {
    ready: std::vec::IntoIter<Result<R>>,
    /// Until its last result was taken.
    open: Option<Open<R>>,
}

struct Open<R> {
    pool: exec::Pool,
    running: Arc<dyn Running<R>>,
    gate: Arc<Gate<dyn Crew>>,
}

impl<R> fmt::Debug for Imap<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Imap").finish_non_exhaustive()
    }
}

impl<R: Send + 'static> Imap<R> {
    pub(super) fn start<I, F>(
        pool: &exec::Pool,
        pace: Pace,
        cancel: Option<Cancel>,
        watch: Watch,
        items: I,
        function: F,
    ) -> Imap<R>
    where
        I: Iterator + Send + 'static,
        I::Item: Send + 'static,
        F: Fn(I::Item) -> Result<R> + Send + Sync + 'static,
    {
        let running = Arc::new(Loop::new(
            pool.clone(),
            pace,
            cancel,
            watch,
            items,
            function,
        ));
        let gate = Arc::new(Gate::new(Arc::clone(&running) as Arc<dyn Crew>));
        pool.add(&gate);
        pool.call();
        Imap {
            ready: Vec::new().into_iter(),
            open: Some(Open {
                pool: pool.clone(),
                running,
                gate,
            }),
        }
    }

    pub(super) fn failed(error: Error) -> Imap<R> {
        Imap {
            ready: vec![Err(error)].into_iter(),
            open: None,
        }
    }
}

impl<R> Iterator for Imap<R> {
    type Item = Result<R>;

    fn next(&mut self) -> Option<Result<R>> {
        loop {
            if let Some(result) = self.ready.next() {
                return Some(result);
            }
            match self.open.as_ref()?.next_batch() {
                Ok(Some(results)) => self.ready = results.into_iter(),
                Ok(None) => self.open = None,
                Err(error) => {
                    self.open = None;
                    return Some(Err(error));
                }
            }
        }
    }
}

impl<R> Open<R> {
    /// Waits for the next batch; `None` after the last.
    fn next_batch(&self) -> Result<Option<Vec<Result<R>>>> {
        let running = &self.running;
        if !running.is_settled() {
            drive(&self.pool, running.crew(), false, &|| running.is_settled())?;
        }
        match running.take() {
            Some(results) => Ok(Some(results)),
            None => running.error().map_or(Ok(None), Err),
        }
    }
}

impl<R> Drop for Open<R> {
    fn drop(&mut self) {
        self.running.abandon();
        self.pool.remove(&self.gate);
    }
}
