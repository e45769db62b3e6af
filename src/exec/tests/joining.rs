//! The thread that calls `run` works, too: as one of the pool's, and not longer than others can bear.

use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use super::*;
use crate::exec::{RunOptions, inside};

/// Nobody waits longer for what comes at once.
const PATIENCE: Duration = Duration::from_secs(60);

fn joins() -> RunOptions {
    RunOptions {
        joins: true,
        ..RunOptions::default()
    }
}

/// The threads that ran the tasks of a run.
fn threads_of(
    executor: &Executor,
    options: &RunOptions,
    tasks: Tasks,
    action: impl Fn(u32) + Send + Sync + 'static,
) -> Vec<ThreadId> {
    let (tasks, order) = planned(tasks);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sees = Arc::clone(&seen);
    let work = Checked::new(&tasks, &Meter::new(u64::MAX / 2), move |task| {
        sees.lock().unwrap().push(thread::current().id());
        action(task);
        Ok(())
    });
    executor
        .run(tasks, order, Arc::clone(&work) as _, options)
        .unwrap();
    work.assert_complete();
    std::mem::take(&mut *seen.lock().unwrap())
}

fn independent(n: u32) -> Tasks {
    uniform(n, 8, 8, |_| vec![])
}

#[test]
fn the_caller_is_one_of_as_many_threads_as_the_pool_has() {
    for threads in [1, 2, 8] {
        let executor = executor(threads, 1_000_000);
        let at_work = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        let caller = thread::current().id();
        let mut joined = 0;
        for _ in 0..50 {
            let both = Arc::clone(&at_work);
            let ran = threads_of(&executor, &joins(), independent(40), move |_| {
                let [now, most] = &*both;
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                thread::sleep(Duration::from_micros(20));
                now.fetch_sub(1, Ordering::SeqCst);
            });
            joined += usize::from(ran.contains(&caller));
            assert!(threads > 1 || ran.iter().all(|&thread| thread == caller));
        }
        // On a busy machine others may have done all before it begins.
        assert!(joined > 0, "never, with {threads} threads");
        let most = at_work[1].load(Ordering::SeqCst);
        assert!(most <= threads, "{most} of {threads} threads");
    }
}

#[test]
fn others_help_the_caller() {
    let executor = executor(2, 1_000_000);
    // The first two tasks wait for each other: they cannot be on one thread.
    let inside = Arc::new(AtomicUsize::new(0));
    let ran = threads_of(&executor, &joins(), independent(2), move |_| {
        inside.fetch_add(1, Ordering::SeqCst);
        let start = Instant::now();
        while inside.load(Ordering::SeqCst) < 2 {
            assert!(start.elapsed() < PATIENCE, "nobody came");
            thread::yield_now();
        }
    });
    assert_ne!(ran[0], ran[1]);
}

#[test]
fn a_caller_that_may_not_join_runs_nothing() {
    let caller = thread::current().id();
    let own = executor(2, 1_000_000);
    let ran = threads_of(&own, &RunOptions::default(), independent(100), |_| ());
    assert!(!ran.contains(&caller), "nobody asked it to");

    let rayon = rayon::ThreadPoolBuilder::new().num_threads(2).build();
    let shared = Pool::shared(Arc::new(rayon.unwrap()));
    assert!(shared.join().is_none(), "a user's pool");
}

#[test]
fn seats_are_the_pools_threads_and_come_back() {
    let pool = Pool::new(2).unwrap();
    {
        let _inside = inside();
        assert!(pool.join().is_none(), "inside a task");
    }
    for _ in 0..3 {
        let first = pool.join().expect("a seat");
        let second = pool.join().expect("another seat");
        assert!(pool.join().is_none(), "two are all");
        drop((first, second));
    }
    // On a thread of the pool there is none.
    let executor = Executor::new(pool.clone(), Ledger::new(1_000_000));
    let refused = Arc::new(AtomicUsize::new(0));
    let (counts, asked) = (Arc::clone(&refused), pool);
    threads_of(
        &executor,
        &RunOptions::default(),
        independent(10),
        move |_| {
            counts.fetch_add(usize::from(asked.join().is_none()), Ordering::SeqCst);
        },
    );
    assert_eq!(refused.load(Ordering::SeqCst), 10);
}

/// Two callers share a pool of one thread: the second one's short run must not wait for all of the first one's.
#[test]
fn a_caller_leaves_its_seat_to_others() {
    let executor = executor(1, 1_000_000);
    let (sender, started) = std::sync::mpsc::channel();
    let over = Arc::new(AtomicUsize::new(0));
    thread::scope(|scope| {
        let (long, ends) = (executor.clone(), Arc::clone(&over));
        scope.spawn(move || {
            let sender = Mutex::new(sender);
            let ended = Arc::clone(&ends);
            threads_of(&long, &joins(), independent(10_000), move |task| {
                if task == 0 {
                    sender.lock().unwrap().send(()).unwrap();
                }
                // Until the short run is over; then there is nothing to see any more.
                if ended.load(Ordering::SeqCst) == 0 {
                    thread::sleep(Duration::from_millis(1));
                }
            });
            ends.fetch_add(2, Ordering::SeqCst);
        });
        started.recv_timeout(PATIENCE).unwrap();
        threads_of(&executor, &joins(), independent(3), |_| ());
        assert_eq!(
            over.fetch_add(1, Ordering::SeqCst),
            0,
            "it was made to wait"
        );
    });
}

/// A queue of calls is listed for ever, and is empty most of the time.
#[test]
fn a_caller_keeps_its_seat_from_nobody() {
    let executor = executor(1, 1_000_000);
    let _bag = executor.pool.bag();
    let ran = threads_of(&executor, &joins(), independent(40), |_| {
        thread::sleep(Duration::from_millis(1));
    });
    assert_eq!(ran, vec![thread::current().id(); 40]);
}

#[test]
fn many_callers_share_a_pool() {
    for threads in [1, 2, 8] {
        let executor = executor(threads, 200);
        thread::scope(|scope| {
            for caller in 0..8 {
                let executor = executor.clone();
                scope.spawn(move || {
                    let mut dice = Dice(caller);
                    for _ in 0..100 {
                        let options = RunOptions {
                            joins: dice.below(4) > 0,
                            ..RunOptions::default()
                        };
                        let depth = 1 + dice.below(9) as u32;
                        let tasks = uniform(30, 8, 8, |task| match task < depth {
                            true => vec![],
                            false => vec![task - depth],
                        });
                        threads_of(&executor, &options, tasks, |_| ());
                    }
                });
            }
        });
    }
}

#[test]
fn what_fails_on_the_caller_is_the_runs_error() {
    // One thread: all tasks are the caller's.
    let executor = executor(1, 1_000_000);
    for panics in [false, true] {
        let (tasks, order) = planned(independent(10));
        let work = Checked::new(&tasks, &Meter::new(u64::MAX / 2), move |task| match task {
            4 if panics => panic!("made to panic"),
            4 => Err(failure()),
            _ => Ok(()),
        });
        let error = executor
            .run(tasks, order, Arc::clone(&work) as _, &joins())
            .unwrap_err();
        assert_eq!(error.is_panic(), panics);
        let what = if panics {
            "panicked: made to panic"
        } else {
            "made to fail"
        };
        assert_eq!(error.to_string(), format!("{what}, block [4]"));
        work.assert_clean();
    }
}
