//! Threads that wait, so that those that compute need not: requests to servers, for example.
//!
//! A task whose input comes from afar is *fetched* first, as soon as it is activated, and ready when that is done. Its
//! bytes are booked by then, so what is under way is part of the promise. How many fetches run at once is a
//! number of its own, which has nothing to do with cores; threads are started when they are needed, and end when
//! they had nothing to do for a while.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::gate::Gate;
use super::job::Job;
use super::locked;

/// How long a thread waits for another fetch.
const IDLE: Duration = Duration::from_secs(2);
/// Fetching needs little stack; encryption needs some.
const STACK: usize = 1 << 20;

/// The fetches of all runs of an executor; clones are the same lane.
#[derive(Clone)]
pub struct Lane(Arc<Inner>);

struct Inner {
    most: usize,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    /// Weak: a run that is over takes its fetches with it.
    queue: VecDeque<(Weak<Gate<Job>>, u32)>,
    threads: usize,
    idle: usize,
}

impl Lane {
    /// At most `most` fetches run at once, and at least one.
    pub fn new(most: usize) -> Lane {
        Lane(Arc::new(Inner {
            most: most.max(1),
            state: Mutex::default(),
            wake: Condvar::new(),
        }))
    }

    pub fn most(&self) -> usize {
        self.0.most
    }

    /// Fetches tasks of a run, first come, first served, and makes them ready.
    ///
    /// # Errors
    /// If the system gives no thread at all.
    pub fn fetch(&self, run: &Weak<Gate<Job>>, tasks: &[u32]) -> std::io::Result<()> {
        let mut state = locked(&self.0.state);
        state
            .queue
            .extend(tasks.iter().map(|&task| (Weak::clone(run), task)));
        let free = self.0.most - state.threads;
        let missing = state.queue.len().saturating_sub(state.idle).min(free);
        for _ in 0..missing {
            let inner = Arc::clone(&self.0);
            let started = std::thread::Builder::new()
                .name("flagstone-fetch".to_owned())
                .stack_size(STACK)
                .spawn(move || inner.serve());
            match started {
                Ok(_) => state.threads += 1,
                // With fewer threads it takes longer.
                Err(_) if state.threads > 0 => break,
                Err(error) => return Err(error),
            }
        }
        drop(state);
        self.0.wake.notify_all();
        Ok(())
    }
}

impl Inner {
    fn serve(&self) {
        let mut state = locked(&self.state);
        loop {
            let Some((run, task)) = state.queue.pop_front() else {
                state.idle += 1;
                let (again, waited) = self
                    .wake
                    .wait_timeout(state, IDLE)
                    .unwrap_or_else(PoisonError::into_inner);
                state = again;
                state.idle -= 1;
                if waited.timed_out() && state.queue.is_empty() {
                    state.threads -= 1;
                    return;
                }
                continue;
            };
            drop(state);
            // The visit keeps the run from ending while it is fetched for.
            if let Some(gate) = run.upgrade()
                && let Some(job) = gate.enter()
            {
                job.fetch(task);
            }
            state = locked(&self.state);
        }
    }
}
