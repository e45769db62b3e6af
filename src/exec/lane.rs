//! Threads for calls that block: made when needed, at most so many, ended when idle.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::bag::Call;
use super::{inside, locked};

/// The most threads of a lane, if nothing else is said: what waits needs no core, but each has a stack.
pub const BLOCKING_THREADS: usize = 64;
/// An idle thread ends after so long.
const IDLE: Duration = Duration::from_secs(2);

/// A queue of blocking calls and its threads. Clones are the same.
#[derive(Clone)]
pub struct Lane(Arc<Inner>);

struct Inner {
    most: usize,
    /// What threads of a pool are numbered below.
    outsider: usize,
    state: Mutex<State>,
    pushed: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Arc<dyn Call>>,
    threads: usize,
    idle: usize,
}

impl Lane {
    pub fn new(most: usize, outsider: usize) -> Lane {
        Lane(Arc::new(Inner {
            most,
            outsider,
            state: Mutex::default(),
            pushed: Condvar::new(),
        }))
    }

    /// The most threads, hence calls at once.
    pub fn most(&self) -> usize {
        self.0.most
    }

    /// Runs a call on a thread of the lane, after those that were pushed before.
    pub fn push(&self, call: Arc<dyn Call>) {
        let mut state = locked(&self.0.state);
        state.queue.push_back(call);
        if state.idle >= state.queue.len() {
            drop(state);
            self.0.pushed.notify_one();
            return;
        }
        if state.threads == self.0.most {
            return;
        }
        state.threads += 1;
        drop(state);
        let inner = Arc::clone(&self.0);
        let spawned = std::thread::Builder::new()
            .name("flagstone-io".to_owned())
            .spawn(move || inner.serve());
        if spawned.is_err() {
            // The system gives no more threads: those there are take the call, or else this one does.
            let mut state = locked(&self.0.state);
            state.threads -= 1;
            let own = match state.threads {
                0 => state.queue.pop_front(),
                _ => None,
            };
            drop(state);
            if let Some(call) = own {
                call.run(self.0.outsider);
            }
        }
    }

    /// Threads that live now.
    #[cfg(test)]
    pub fn threads(&self) -> usize {
        locked(&self.0.state).threads
    }
}

impl Inner {
    fn serve(&self) {
        // Whoever waits for a call may hold memory that a computation in it would wait for.
        let _inside = inside();
        let mut state = locked(&self.state);
        loop {
            if let Some(call) = state.queue.pop_front() {
                drop(state);
                call.run(self.outsider);
                state = locked(&self.state);
                continue;
            }
            state.idle += 1;
            let waited = self.pushed.wait_timeout(state, IDLE);
            let timeout;
            (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
            if timeout.timed_out() && state.queue.is_empty() {
                state.threads -= 1;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use super::*;

    #[derive(Default)]
    struct Nap {
        now: AtomicUsize,
        most: AtomicUsize,
        done: AtomicUsize,
    }

    impl Call for Nap {
        fn run(self: Arc<Self>, worker: usize) {
            assert_eq!(worker, 7);
            self.most
                .fetch_max(self.now.fetch_add(1, SeqCst) + 1, SeqCst);
            // The first wait for each other: a lane of fewer threads would hang.
            while self.most.load(SeqCst) < 3 {
                std::thread::yield_now();
            }
            self.now.fetch_sub(1, SeqCst);
            self.done.fetch_add(1, SeqCst);
        }
    }

    #[test]
    fn threads_are_made_when_needed_and_end_when_idle() {
        let lane = Lane::new(3, 7);
        assert_eq!(lane.threads(), 0);
        let nap = Arc::new(Nap::default());
        for round in 1..=2 {
            for _ in 0..20 {
                lane.push(Arc::clone(&nap) as Arc<dyn Call>);
            }
            assert!((1..=3).contains(&lane.threads()));
            while nap.done.load(SeqCst) < 20 * round || lane.threads() > 0 {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        assert_eq!(nap.most.load(SeqCst), 3);
    }
}
