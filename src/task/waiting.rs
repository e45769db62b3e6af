//! Waiting for calls.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use super::future::Node;
use crate::exec::{Crew, Parking, drive};

/// Wakes a thread that waits.
#[derive(Default)]
pub struct Sleeper(Parking);

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.0.wake_all();
    }
}

/// Calls that a thread waits for. It runs none but those and what they need, so that nothing stranger ever runs on
/// top of its stack.
struct Awaited<'a> {
    calls: &'a [Arc<dyn Node>],
    sleeper: &'a Sleeper,
    /// This thread did what it could; the rest runs elsewhere.
    stuck: AtomicBool,
}

impl Crew for Awaited<'_> {
    fn wants_workers(&self) -> bool {
        !self.stuck.load(Ordering::SeqCst) && self.calls.iter().any(|call| !call.is_claimed())
    }

    fn is_abandoned(&self) -> bool {
        let mut homes = self.calls.iter().filter_map(|call| call.home());
        homes.any(|home| home.bag().is_abandoned())
    }

    fn work(&self, worker: usize, enough: &mut dyn FnMut() -> bool) {
        for call in self.calls {
            if enough() {
                return;
            }
            run_with_inputs(call, worker);
        }
        self.stuck.store(true, Ordering::SeqCst);
    }

    fn n_finished(&self) -> u64 {
        let homes = self.calls.iter().take(1).filter_map(|call| call.home());
        homes.map(|home| home.bag().n_finished()).sum()
    }

    fn parking(&self) -> &Parking {
        &self.sleeper.0
    }
}

/// Runs a call here, after those of its inputs that nobody runs yet; not if one runs elsewhere. With a stack of
/// our own: calls may be a million deep.
fn run_with_inputs(call: &Arc<dyn Node>, worker: usize) {
    let mut stack = vec![Arc::clone(call)];
    let mut seen = HashSet::new();
    let mut inputs = Vec::new();
    while let Some(call) = stack.last() {
        if call.is_claimed() {
            stack.pop();
            continue;
        }
        inputs.clear();
        call.inputs(&mut inputs);
        inputs.retain(|input| !input.is_done());
        if inputs.is_empty() {
            let call = Arc::clone(call);
            stack.pop();
            let _inside = crate::exec::inside();
            call.run_here(worker);
        } else if seen.insert(Arc::as_ptr(call).cast::<()>()) {
            stack.append(&mut inputs);
        } else {
            stack.pop();
        }
    }
}

/// Waits until all calls are done, or for so long.
pub fn wait(calls: &[Arc<dyn Node>], timeout: Option<Duration>) {
    let sleeper = Arc::new(Sleeper::default());
    let waker = Waker::from(Arc::clone(&sleeper));
    wait_until(calls, &sleeper, &waker, timeout, &|| {
        calls.iter().all(|call| call.is_done())
    });
}

/// Waits until `until` holds, which is asked whenever one of the calls ends.
pub fn wait_until(
    calls: &[Arc<dyn Node>],
    sleeper: &Arc<Sleeper>,
    waker: &Waker,
    timeout: Option<Duration>,
    until: &dyn Fn() -> bool,
) {
    if until() {
        return;
    }
    calls.iter().for_each(|call| {
        call.listen(waker);
    });
    let Some(home) = calls.iter().find_map(|call| call.home()) else {
        return;
    };
    let awaited = Awaited {
        calls,
        sleeper,
        stuck: AtomicBool::new(false),
    };
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    let late = || deadline.is_some_and(|deadline| Instant::now() >= deadline);
    // It fails only for runs that stall, which calls do not.
    let _ = drive(home.pool(), &awaited, false, &|| until() || late());
}
