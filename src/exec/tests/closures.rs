//! Closures that use Rayon, hold mutexes while they do, and compute: nothing runs on top of a task.

use std::cell::Cell;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rayon::prelude::*;

use super::*;
use crate::exec::RunOptions;

/// Every kind of pool, own and the user's, with a limit after which a hang is a failure.
fn on_every_pool(test: impl Fn(Executor) + Send + Sync + Clone + 'static) {
    for threads in [1, 2, 8] {
        for own in [true, false] {
            let pool = match own {
                true => Pool::new(threads).unwrap(),
                false => Pool::shared(Arc::new(
                    rayon::ThreadPoolBuilder::new()
                        .num_threads(threads)
                        .build()
                        .unwrap(),
                )),
            };
            let test = test.clone();
            let (done, ends) = std::sync::mpsc::channel();
            std::thread::spawn(move || {
                test(Executor::new(pool, Ledger::new(10_000)));
                done.send(()).unwrap();
            });
            match ends.recv_timeout(Duration::from_secs(120)) {
                Ok(()) => {}
                Err(error) => panic!("{threads} threads, own {own}: {error}"),
            }
        }
    }
}

fn graph(n: u32) -> Tasks {
    uniform(n, 8, 8, |task| match task {
        0..10 => vec![],
        _ => vec![task - 10, task - 7],
    })
}

fn run(executor: &Executor, n: u32, action: impl Fn(u32) -> Result<()> + Send + Sync + 'static) {
    let (tasks, order) = planned(graph(n));
    let meter = Meter::new(u64::MAX / 2);
    let work = Checked::new(&tasks, &meter, action);
    executor
        .run(tasks, order, Arc::clone(&work) as _, &RunOptions::default())
        .unwrap();
    work.assert_complete();
}

thread_local! {
    /// Frames of a task or of a part of one on this thread.
    static BELOW: Cell<u32> = const { Cell::new(0) };
}

fn on_top<R>(f: impl FnOnce() -> R) -> R {
    BELOW.set(BELOW.get() + 1);
    let result = f();
    BELOW.set(BELOW.get() - 1);
    result
}

/// Takes long enough for other threads to steal, and sleeps, so that threads wait for each other even
/// where cores are few.
fn parts(n: u32) -> u64 {
    let nap = |i: u64| {
        if i % 4 == 1 {
            std::thread::sleep(Duration::from_micros(200));
        }
        spin(i)
    };
    (0..n)
        .into_par_iter()
        .with_max_len(1)
        .map(|i| {
            on_top(|| {
                let (a, b) = rayon::join(|| nap(i.into()), || nap(u64::from(i) + 1));
                a + b
            })
        })
        .sum()
}

fn spin(n: u64) -> u64 {
    (0..2000).fold(n, |sum, i| std::hint::black_box(sum ^ i))
}

#[test]
fn no_task_runs_on_top_of_a_part_of_another() {
    on_every_pool(|executor| {
        // Many short runs, so that tickets are spawned while threads wait inside of parallel loops.
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        run(&executor, 6, |_| {
                            assert_eq!(BELOW.get(), 0, "a task inside of another");
                            on_top(|| std::hint::black_box(parts(8)));
                            Ok(())
                        });
                    }
                });
            }
        });
    });
}

#[test]
fn a_mutex_around_a_parallel_loop() {
    on_every_pool(|executor| {
        let shared = Arc::new(Mutex::new(0_u64));
        run(&executor, 100, move |_| {
            let mut sum = shared.lock().unwrap();
            *sum ^= parts(8);
            Ok(())
        });
    });
}

#[test]
fn computations_in_tasks_and_in_parts_of_them() {
    on_every_pool(|executor| {
        let inner = executor.clone();
        run(&executor, 40, move |task| {
            if task % 3 == 0 {
                run(&inner, 20, |_| {
                    std::hint::black_box(parts(2));
                    Ok(())
                });
            }
            (0..4_u32)
                .into_par_iter()
                .for_each(|_| run(&inner, 12, |_| Ok(())));
            Ok(())
        });
    });
}

#[test]
fn computations_nest_though_memory_is_short() {
    on_every_pool(|executor| {
        // The outer run's floor is the whole budget: inner ones are told so and run all the same.
        let (tasks, order) = planned(uniform(20, 8, 8, |_| vec![]));
        let executor = Executor::new(executor.pool, Ledger::new(order.floor));
        let inner = executor.clone();
        let (inner_tasks, inner_order) = (Arc::clone(&tasks), Arc::clone(&order));
        let outer = Checked::new(&tasks, &Meter::new(1 << 40), move |_| {
            let work = Checked::new(&inner_tasks, &Meter::new(1 << 40), |_| Ok(()));
            let compute = || {
                let (tasks, order) = (Arc::clone(&inner_tasks), Arc::clone(&inner_order));
                let report = inner
                    .run(tasks, order, Arc::clone(&work) as _, &RunOptions::default())
                    .unwrap();
                assert!(report.outside_promise);
            };
            compute();
            work.assert_complete();
            Ok(())
        });
        let report = executor
            .run(
                tasks,
                order,
                Arc::clone(&outer) as _,
                &RunOptions::default(),
            )
            .unwrap();
        assert!(!report.outside_promise);
        assert_eq!(executor.ledger.usage(), Default::default());
    });
}

#[test]
fn computing_from_a_thread_of_the_pool() {
    for threads in [1, 2] {
        let rayon = Arc::new(
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap(),
        );
        let (_, order) = planned(graph(300));
        // Floors of two runs do not fit: one waits on a thread of the pool, which the other needs.
        let executor = Executor::new(
            Pool::shared(Arc::clone(&rayon)),
            Ledger::new(order.floor * 3 / 2),
        );
        std::thread::scope(|scope| {
            for outside in [true, false, true, false] {
                let (executor, rayon) = (&executor, &rayon);
                scope.spawn(move || {
                    let compute = || run(executor, 300, |_| Ok(()));
                    for _ in 0..20 {
                        match outside {
                            true => compute(),
                            false => rayon.install(compute),
                        }
                    }
                });
            }
        });
    }
}

#[test]
fn a_pool_that_others_block_computes_all_the_same() {
    let rayon = Arc::new(
        rayon::ThreadPoolBuilder::new()
            .num_threads(2)
            .build()
            .unwrap(),
    );
    let executor = Executor::new(Pool::shared(Arc::clone(&rayon)), Ledger::new(10_000));
    let block = Arc::new(Mutex::new(()));
    let blocked = block.lock().unwrap();
    for _ in 0..2 {
        let block = Arc::clone(&block);
        rayon.spawn(move || drop(block.lock()));
    }
    run(&executor, 300, |_| Ok(()));
    drop(blocked);
    run(&executor, 300, |_| Ok(()));
}

/// Whose threads we cannot know: two seconds, then the callers help themselves.
#[test]
fn a_closure_that_waits_for_threads_that_compute() {
    let executor = executor(1, 10_000);
    let inner = executor.clone();
    run(&executor, 3, move |task| {
        if task == 1 {
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| run(&inner, 30, |_| Ok(())));
                }
            });
        }
        Ok(())
    });
}

#[test]
fn as_many_threads_compute_as_the_pool_has() {
    on_every_pool(|executor| {
        let threads = executor.pool.threads();
        // Nobody gets through alone.
        let barrier = std::sync::Barrier::new(threads);
        let (tasks, order) = planned(uniform(20 * threads as u32, 8, 8, |_| vec![]));
        let work = Checked::new(&tasks, &Meter::new(10_000), move |_| {
            barrier.wait();
            Ok(())
        });
        executor
            .run(tasks, order, Arc::clone(&work) as _, &RunOptions::default())
            .unwrap();
        work.assert_complete();
    });
}

#[test]
fn no_more_threads_compute_than_the_pool_has() {
    on_every_pool(|executor| {
        let threads = executor.pool.threads() as u32;
        let computing = Arc::new(AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..3 {
                let (executor, computing) = (&executor, Arc::clone(&computing));
                scope.spawn(move || {
                    run(executor, 500, move |_| {
                        let now = computing.fetch_add(1, Ordering::SeqCst) + 1;
                        assert!(now <= threads, "{now} of {threads} threads");
                        std::hint::black_box(spin(1));
                        computing.fetch_sub(1, Ordering::SeqCst);
                        Ok(())
                    });
                });
            }
        });
    });
}
