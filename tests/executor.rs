//! The executor through the public API: computations inside of tasks and loops, closures that use the
//! pool, locks around parallel work, several computations that do not fit side by side.
//!
//! A deadlock would show as a test that never ends; everything here takes milliseconds.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};

use flagstone::{Array, Engine, Reducer, s};
use ndarray::ArrayD;
use rayon::prelude::*;

/// Engines with pools of 1, 2 and 8 threads, and on a pool of the user's.
fn engines(memory: &str) -> Vec<(String, Engine)> {
    let mut engines = Vec::new();
    for threads in [1, 2, 8] {
        let own = Engine::builder()
            .threads(threads)
            .memory(memory)
            .build()
            .unwrap();
        engines.push((format!("{threads} threads"), own));
        let pool = Arc::new(
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap(),
        );
        let shared = Engine::builder()
            .rayon_pool(pool)
            .memory(memory)
            .build()
            .unwrap();
        assert_eq!(shared.threads(), threads);
        engines.push((format!("a user's pool of {threads}"), shared));
    }
    engines
}

/// 64 blocks of 64.
fn numbers() -> Array<f64> {
    Array::arange(0.0, 4096.0, 1.0, 64)
}

const SUM: f64 = 4096.0 * 4095.0 / 2.0;

#[test]
fn computing_inside_a_block_function() {
    for (name, engine) in engines("64 MiB") {
        let inner = engine.clone();
        let y = numbers().map_blocks(move |block| {
            let doubled = Array::from_ndarray(block.to_owned(), 16) * 2.0;
            let total = inner.item(&doubled.sum(..)).unwrap();
            assert_eq!(total, 2.0 * block.sum());
            inner.compute(&doubled).unwrap()
        });
        assert_eq!(engine.item(&y.sum(..)).unwrap(), 2.0 * SUM, "{name}");
        // Several levels, and on the global engine.
        let inner = engine.clone();
        let nested = y.map_blocks(move |block| {
            let again = Array::from_ndarray(block.to_owned(), 32).map_blocks(|part| {
                assert_eq!(
                    Array::from_ndarray(part.to_owned(), 8)
                        .max(..)
                        .item()
                        .unwrap(),
                    part[part.len() - 1]
                );
                part.to_owned()
            });
            inner.compute(&again).unwrap()
        });
        let (sum, _) = engine.measure(&nested.sum(..)).unwrap();
        assert_eq!(sum.sum(), 2.0 * SUM, "{name}");
    }
}

/// What runs inside of a task never waits for memory: where there is none it does without, and says so.
#[test]
fn a_computation_inside_of_a_task_never_waits() {
    let job = |seen: Arc<AtomicUsize>, inner: Engine| {
        let x = Array::arange(0.0, 524_288.0, 1.0, 65_536) + 1.0;
        x.map_blocks(move |block| {
            let (sum, report) = inner
                .measure(&Array::<f64>::ones(100, 10).map(|v| v).sum(..))
                .unwrap();
            assert_eq!(sum.sum(), 100.0);
            seen.fetch_add(usize::from(report.outside_promise), Ordering::SeqCst);
            block.to_owned()
        })
    };
    let ample = Engine::builder()
        .threads(2)
        .memory("16 MiB")
        .build()
        .unwrap();
    let outside = Arc::new(AtomicUsize::new(0));
    let array = job(outside.clone(), ample.clone());
    let floor = ample.explain(&array).unwrap().floor_bytes();
    let (_, report) = ample.measure(&array).unwrap();
    assert!(!report.outside_promise);
    assert_eq!(outside.load(Ordering::SeqCst), 0);
    let tight = Engine::builder().threads(2).memory(floor).build().unwrap();
    let (_, report) = tight.measure(&job(outside.clone(), tight.clone())).unwrap();
    assert!(
        !report.outside_promise,
        "the outer computation is within its promise"
    );
    assert_eq!(outside.load(Ordering::SeqCst), 8);
}

/// Nobody knows what a call costs: a few calls over few elements are work for several threads.
#[test]
fn calls_with_few_elements_run_at_the_same_time() {
    let engine = Engine::builder().threads(2).build().unwrap();
    let threads = Arc::new(Mutex::new(Vec::new()));
    let seen = threads.clone();
    let x = Array::<f64>::from_blocks([64], 1, move |region| {
        let me = std::thread::current().id();
        let met = || {
            let mut seen = seen.lock().unwrap();
            if !seen.contains(&me) {
                seen.push(me);
            }
            seen.len() > 1
        };
        // The first one waits for another thread to come, at most for a while.
        let mut patience = 5000;
        while !met() && patience > 0 {
            std::thread::sleep(std::time::Duration::from_millis(1));
            patience = if region.start()[0] == 0 {
                patience - 1
            } else {
                0
            };
        }
        ArrayD::ones(region.shape())
    });
    assert_eq!(engine.item(&x.sum(..)).unwrap(), 64.0);
    assert_eq!(threads.lock().unwrap().len(), 2);
}

/// A task takes as many blocks as are small together: those that go in count, too.
#[test]
fn small_results_of_large_blocks() {
    let engine = Engine::builder().threads(2).build().unwrap();
    let x = flagstone::random::Generator::new(1).uniform::<f64>([2000, 2000], 500);
    let y = x.map_blocks_to([4, 4], 1, |block| {
        ArrayD::from_elem(ndarray::IxDyn(&[1, 1]), block.sum())
    });
    let explained = engine.explain(&y).unwrap();
    assert_eq!(explained.tasks(), 16, "{explained}");
    assert!(explained.floor_bytes() < 3 << 20, "{explained}");
}

#[test]
fn an_error_inside_of_a_task_keeps_its_facts() {
    let y = numbers().map_blocks(|block| {
        let bad = Array::from_ndarray(block.to_owned(), 16).sum(3);
        match bad.compute() {
            Ok(sum) => sum,
            Err(error) => std::panic::panic_any(error),
        }
    });
    let error = y.compute().unwrap_err();
    assert!(error.is_axis(), "{error}");
    assert!(error.to_string().contains("map_blocks"), "{error}");
}

#[test]
fn computing_inside_a_loop_over_blocks() {
    for (name, engine) in engines("4 MiB") {
        let x = numbers().map_blocks(|block| block.mapv(|v| v + 1.0));
        let mut total = 0.0;
        for (number, block) in engine.blocks(&x).enumerate() {
            let block = block.unwrap();
            assert_eq!(block.index(), [number], "{name}");
            let array = Array::from_ndarray(block.into_array(), 16);
            total += engine.item(&array.sum(..)).unwrap();
            if number % 16 == 0 {
                let kept = engine.persist(&(array * 2.0)).unwrap();
                total += engine.item(&(kept.sum(..) * 0.0)).unwrap();
            }
        }
        assert_eq!(total, SUM + 4096.0, "{name}");
    }
}

#[test]
fn loops_inside_of_loops() {
    for (name, engine) in engines("4 MiB") {
        let x = numbers().rechunk(1024).map_blocks(|block| block.to_owned());
        let mut pairs = 0;
        for outer in engine.blocks(&x) {
            let outer = outer.unwrap();
            for inner in engine.blocks(&(&x - outer.values()[0])) {
                let inner = inner.unwrap();
                pairs += 1;
                assert_eq!(
                    inner.values()[0],
                    inner.region().start()[0] as f64 - outer.values()[0],
                    "{name}"
                );
            }
        }
        assert_eq!(pairs, 16);
    }
}

#[test]
fn a_half_consumed_stream_is_dropped() {
    for (name, engine) in engines("2 MiB") {
        let calls = Arc::new(AtomicUsize::new(0));
        let seen = calls.clone();
        // 8 MB of blocks on 2 MiB: the stream must wait for its consumer.
        let x = Array::<f64>::from_blocks([1 << 20], 1 << 14, move |region| {
            seen.fetch_add(1, Ordering::SeqCst);
            ArrayD::ones(region.shape())
        });
        for taken in [0, 1, 5] {
            let blocks: Vec<_> = engine.blocks(&x).take(taken).map(Result::unwrap).collect();
            assert_eq!(blocks.len(), taken);
            drop(blocks);
            assert_eq!(
                engine.item(&x.slice(s![..40_000]).sum(..)).unwrap(),
                40_000.0,
                "{name}"
            );
        }
        assert_eq!(
            engine
                .blocks(&x)
                .map(|block| block.unwrap().values().sum())
                .sum::<f64>(),
            (1 << 20) as f64
        );
        assert_eq!(engine.blocks(&x).count(), 64);
    }
}

/// A stream never runs ahead of its consumer by more than the budget holds.
#[test]
fn streams_wait_for_their_consumer() {
    let engine = Engine::builder()
        .threads(2)
        .memory("1 MiB")
        .build()
        .unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = calls.clone();
    let x = Array::<f64>::from_blocks([100, 10_000], (1, ..), move |region| {
        seen.fetch_add(1, Ordering::SeqCst);
        ArrayD::ones(region.shape())
    });
    for (number, block) in engine.blocks(&x).enumerate() {
        assert_eq!(block.unwrap().region().start()[0], number);
        // 80 kB each: at most 13 fit, and the one that was handed out is the consumer's.
        let ahead = calls.load(Ordering::SeqCst).saturating_sub(number + 1);
        assert!(ahead <= 13, "{ahead} blocks ahead");
    }
}

#[test]
fn streams_are_sent_to_other_threads() {
    let engine = Engine::builder()
        .threads(2)
        .memory("4 MiB")
        .build()
        .unwrap();
    let blocks = engine.blocks(&numbers());
    let sum: f64 =
        std::thread::spawn(move || blocks.map(|block| block.unwrap().values().sum()).sum())
            .join()
            .unwrap();
    assert_eq!(sum, SUM);
}

#[test]
fn closures_that_use_the_pool() {
    for (name, engine) in engines("16 MiB") {
        let y = numbers().map_blocks(|block| {
            let mut out = block.to_owned();
            let elements = out.as_slice_mut().unwrap();
            elements.par_iter_mut().for_each(|v| *v += 1.0);
            let (left, right) = rayon::join(|| elements[0], || elements[1]);
            assert_eq!(left + 1.0, right);
            out
        });
        assert_eq!(
            engine.item(&(y + 1.0).sum(..)).unwrap(),
            SUM + 2.0 * 4096.0,
            "{name}"
        );
    }
}

/// The thread that computes works, too, but not on code of users: there, Rayon is the engine's pool.
#[test]
fn rayon_is_the_engines_pool_in_code_of_users() {
    // As no machine has by itself.
    const THREADS: usize = 3;
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    fn see() {
        CALLS.fetch_add(1, Ordering::Relaxed);
        assert_eq!(rayon::current_num_threads(), THREADS);
    }

    struct Sum;

    impl Reducer<f64> for Sum {
        type State = f64;
        type Output = f64;

        fn identity(&self) -> f64 {
            0.0
        }

        fn step(&self, state: &mut f64, value: f64) {
            see();
            *state += value;
        }

        fn merge(&self, left: &mut f64, right: &f64) {
            *left += right;
        }

        fn finish(&self, state: &f64) -> f64 {
            *state
        }
    }

    let engine = Engine::builder().threads(THREADS).build().unwrap();
    let (shape, chunks) = ([400, 1000], [100, 1000]);
    let x = || Array::<f64>::ones(shape, chunks);
    let made = Array::from_fn(shape, chunks, |_| {
        see();
        1.0
    });
    let mapped = x().map(|value: f64| {
        see();
        value
    });
    let paired = x().zip_map(x(), |left: f64, _: f64| {
        see();
        left
    });
    let blocks = x().map_blocks(|block| {
        see();
        block.to_owned()
    });
    let sums = [made, mapped, paired, blocks].map(|y| y.sum(..));
    for sum in sums.into_iter().chain([x().reduce(Sum, ..)]) {
        CALLS.store(0, Ordering::Relaxed);
        assert_eq!(engine.item(&sum).unwrap(), 400_000.0);
        assert!(CALLS.load(Ordering::Relaxed) > 0);
    }
}

/// Rayon steals inside of a nested `par_iter`: were tasks Rayon's own jobs, one task could begin on top of
/// another that holds the lock.
#[test]
fn a_lock_around_parallel_work() {
    for (name, engine) in engines("16 MiB") {
        let lock = Arc::new(Mutex::new(0.0));
        let held = lock.clone();
        let y = numbers().map_blocks(move |block| {
            let mut total = held.lock().unwrap();
            let sum: f64 = block
                .as_slice()
                .unwrap()
                .par_iter()
                .with_min_len(1)
                .map(|v| v * 2.0)
                .sum();
            *total += sum;
            block.to_owned()
        });
        for _ in 0..4 {
            engine.compute(&y).unwrap();
        }
        assert_eq!(*lock.lock().unwrap(), 8.0 * SUM, "{name}");
    }
}

#[test]
fn a_lock_around_a_computation() {
    for (name, engine) in engines("16 MiB") {
        let lock = Arc::new(Mutex::new(()));
        let (held, inner) = (lock.clone(), engine.clone());
        let y = numbers().map_blocks(move |block| {
            let _guard = held.lock().unwrap();
            inner
                .compute(&(Array::from_ndarray(block.to_owned(), 8) + 1.0))
                .unwrap()
        });
        assert_eq!(engine.item(&y.sum(..)).unwrap(), SUM + 4096.0, "{name}");
    }
}

/// A once-cell that is filled by a computation.
#[test]
fn a_once_cell_around_a_computation() {
    for (name, engine) in engines("16 MiB") {
        let (cell, inner) = (Arc::new(std::sync::OnceLock::new()), engine.clone());
        let y = numbers().map_blocks(move |block| {
            let mean = *cell.get_or_init(|| {
                inner
                    .item(&numbers().map_blocks(|b| b.to_owned()).mean(..))
                    .unwrap()
            });
            block.mapv(|v| v - mean)
        });
        assert_eq!(engine.item(&y.sum(..)).unwrap(), 0.0, "{name}");
    }
}

/// Computing from inside the user's own parallel loops, on the pool that the engine shares.
#[test]
fn computing_on_the_threads_of_the_pool() {
    for threads in [1, 2, 8] {
        let pool = Arc::new(
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap(),
        );
        let engine = Engine::builder()
            .rayon_pool(pool.clone())
            .memory("8 MiB")
            .build()
            .unwrap();
        let sums: Vec<f64> = pool.install(|| {
            (0..20)
                .into_par_iter()
                .map(|k| {
                    engine
                        .item(&(numbers().map_blocks(|b| b.to_owned()) * k as f64).sum(..))
                        .unwrap()
                })
                .collect()
        });
        let expected: Vec<f64> = (0..20).map(|k| SUM * k as f64).collect();
        assert_eq!(sums, expected);
    }
}

/// A job whose floor is about 3 MiB: its blocks are all needed at once.
fn heavy(calls: &Arc<AtomicUsize>) -> Array<f64> {
    let calls = calls.clone();
    Array::from_blocks([3, 1 << 17], (1, ..), move |region| {
        calls.fetch_add(1, Ordering::SeqCst);
        ArrayD::from_elem(region.shape(), region.start()[0] as f64)
    })
    .rechunk((.., 1 << 16))
    .map_blocks(|block| block.mapv(|v| v + 1.0))
}

#[test]
fn computations_whose_floors_do_not_fit_together() {
    let calls = Arc::new(AtomicUsize::new(0));
    let probe = Engine::builder()
        .threads(2)
        .memory("1 GiB")
        .build()
        .unwrap();
    let floor = probe.explain(&heavy(&calls).sum(..)).unwrap().floor_bytes();
    for (name, engine) in engines(&format!("{}", floor * 3 / 2)) {
        let barrier = Barrier::new(4);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (engine, barrier, calls) = (&engine, &barrier, &calls);
                let name = &name;
                scope.spawn(move || {
                    barrier.wait();
                    for round in 0..5 {
                        let sum = engine
                            .item(&(heavy(calls) * f64::from(thread)).sum(..))
                            .unwrap();
                        assert_eq!(
                            sum,
                            6.0 * (1 << 17) as f64 * f64::from(thread),
                            "{name}, round {round}"
                        );
                    }
                });
            }
        });
    }
}

/// Two engines at once: each task of one computes on the other.
#[test]
fn two_engines_that_call_each_other() {
    let a = Engine::builder()
        .threads(2)
        .memory("4 MiB")
        .build()
        .unwrap();
    let b = Engine::builder()
        .threads(2)
        .memory("4 MiB")
        .build()
        .unwrap();
    let job = |inner: Engine| {
        numbers().map_blocks(move |block| {
            let y = Array::from_ndarray(block.to_owned(), 8).map_blocks(|b| b.to_owned());
            inner.compute(&(y + 1.0)).unwrap()
        })
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| assert_eq!(a.item(&job(b.clone()).sum(..)).unwrap(), SUM + 4096.0));
            scope.spawn(|| assert_eq!(b.item(&job(a.clone()).sum(..)).unwrap(), SUM + 4096.0));
        }
    });
}

#[test]
fn many_threads_compute_on_one_engine() {
    for (name, engine) in engines("8 MiB") {
        std::thread::scope(|scope| {
            for k in 0..8 {
                let (engine, name) = (&engine, &name);
                scope.spawn(move || {
                    for i in 0..30 {
                        let x = numbers() + f64::from(k * i);
                        let got = engine.compute(&(x.sum(..), x.max(..))).unwrap();
                        assert_eq!(got.0.sum(), SUM + 4096.0 * f64::from(k * i), "{name}");
                        assert_eq!(got.1.sum(), 4095.0 + f64::from(k * i), "{name}");
                    }
                });
            }
        });
    }
}

/// Streams hold memory that never moves: who cannot fit beside them is told so, and does not wait.
#[test]
fn an_open_stream_leaves_too_little() {
    let calls = Arc::new(AtomicUsize::new(0));
    let probe = Engine::builder()
        .threads(2)
        .memory("1 GiB")
        .build()
        .unwrap();
    let job = heavy(&calls).sum(..);
    let floor = probe.explain(&job).unwrap().floor_bytes();
    let engine = Engine::builder()
        .threads(2)
        .memory(floor + floor / 8)
        .build()
        .unwrap();
    let x = Array::<f64>::from_blocks([64, 1 << 15], (1, ..), |region| {
        ArrayD::ones(region.shape())
    });
    let mut blocks = engine.blocks(&x);
    assert!(blocks.next().unwrap().is_ok());
    match engine.compute(&job) {
        // It may be that the stream keeps to so little that both fit.
        Ok(sum) => assert_eq!(sum.sum(), 6.0 * (1 << 17) as f64),
        Err(error) => assert!(
            error.is_memory() && error.to_string().contains("stream"),
            "{error}"
        ),
    }
    drop(blocks);
    assert_eq!(engine.item(&job).unwrap(), 6.0 * (1 << 17) as f64);
}
