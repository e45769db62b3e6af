//! What tickets visit, and how a thread waits for it.

use std::time::{Duration, Instant};

use super::parking::Parking;
use super::pool::Pool;
use super::{FAST_POLL, SLOW_POLL, inside_task};
use crate::error::{Error, Result};

/// When nothing has moved for so long and no thread computes, a user's pool is busy with other things.
const BUSY: Duration = Duration::from_millis(30);
/// When nothing has moved for so long, the threads of the pool may be waiting for what this one waits
/// for: a closure may have spread computations over threads that we cannot know of.
const BLOCKED: Duration = Duration::from_secs(2);

/// Something that has work for threads: a run of a graph, a loop over items, a queue of calls.
pub trait Crew: Send + Sync {
    /// Whether a thread finds something to do here.
    fn wants_workers(&self) -> bool;

    /// Whether it would, and none is here.
    fn is_abandoned(&self) -> bool;

    /// Works until there is nothing to do or `enough` says so, which is asked between pieces. `worker` is
    /// the thread's number in the pool; the number of threads, if it is not of the pool.
    fn work(&self, worker: usize, enough: &mut dyn FnMut() -> bool);

    /// Grows whenever a piece of work ends.
    fn n_finished(&self) -> u64;

    /// Where those sleep who wait for it.
    fn parking(&self) -> &Parking;

    /// Asked by those who wait, from time to time: whether it was cancelled, for example.
    fn look_around(&self) {}

    /// Why it will never end, though nothing failed.
    fn stalled(&self) -> Option<Error> {
        None
    }
}

/// Waits until `until` holds, which it must in the end if threads work. Works meanwhile if nobody else does
/// (`alone`), or if this is a thread of the pool or inside a task, which would otherwise be one less.
pub fn drive(pool: &Pool, crew: &dyn Crew, alone: bool, until: &dyn Fn() -> bool) -> Result<()> {
    let takes_part = alone || inside_task() || pool.current_thread().is_some();
    let worker = || match pool.current_thread() {
        Some(thread) if !alone => thread,
        _ if alone => 1,
        _ => pool.threads(),
    };
    let mut poll = FAST_POLL;
    let mut last_move = (pool.moves(), Instant::now());
    loop {
        if takes_part {
            let _computing = (!alone && !inside_task()).then(|| pool.compute());
            crew.work(worker(), &mut || until());
        }
        crew.look_around();
        if until() {
            return Ok(());
        }
        if let Some(error) = crew.stalled()
            && !until()
        {
            return Err(error);
        }
        let before = crew.n_finished();
        crew.parking().park(takes_part, poll, || {
            until() || (takes_part && crew.wants_workers())
        });
        poll = match crew.n_finished() == before {
            true => SLOW_POLL.min(2 * poll),
            false => FAST_POLL,
        };
        if takes_part || !crew.wants_workers() || until() {
            continue;
        }
        // Tickets get lost when Rayon executes them in a wait.
        pool.call();
        let moves = pool.moves();
        if moves != last_move.0 || !crew.is_abandoned() {
            last_move = (moves, Instant::now());
        } else {
            stand_in(pool, crew, worker(), last_move.1.elapsed(), until);
        }
    }
}

/// Nothing has moved for a while though there is work: this thread does some, and the loop above asks
/// again from time to time.
fn stand_in(
    pool: &Pool,
    crew: &dyn Crew,
    worker: usize,
    still: Duration,
    until: &dyn Fn() -> bool,
) {
    let blocked = still > BLOCKED;
    let computing = if blocked {
        Some(pool.compute())
    } else if still > BUSY && !pool.is_own() {
        pool.compute_alone()
    } else {
        None
    };
    let Some(computing) = computing else { return };
    let start = Instant::now();
    crew.work(worker, &mut || {
        until() || (!blocked && start.elapsed() > SLOW_POLL)
    });
    drop(computing);
    if crew.wants_workers() {
        pool.call();
    }
}
