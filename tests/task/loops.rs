//! Loops over items: their order, errors, limits, and what they leave behind.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flagstone::{Array, Cancel, Engine, Error, task};
use proptest::prelude::*;

use super::{on_every_engine, within};

#[test]
fn results_keep_the_order_of_items() {
    on_every_engine(|engine| {
        for batch in [None, Some(1), Some(7), Some(100_000)] {
            for n in [0, 1, 2, 3, 100, 20_000] {
                let pool = match batch {
                    None => engine.pool(),
                    Some(batch) => engine.pool().batch(batch),
                };
                let expected: Vec<usize> = (0..n).map(|i| 3 * i).collect();
                assert_eq!(pool.map(0..n, |i| 3 * i).unwrap(), expected);
                // An iterator that does not know its length.
                let odd = (0..n).filter(|i| i % 2 == 1);
                let expected: Vec<usize> = odd.clone().collect();
                assert_eq!(pool.map(odd.clone(), |i| i).unwrap(), expected);
                let streamed: Result<Vec<_>, _> = pool.imap(odd.clone(), |i| i).collect();
                assert_eq!(streamed.unwrap(), expected);
                let streamed: Result<HashSet<_>, _> = pool.imap_unordered(odd, |i| i).collect();
                assert_eq!(streamed.unwrap(), expected.into_iter().collect());
            }
        }
    });
}

#[test]
fn functions_and_items_may_borrow() {
    let texts: Vec<String> = (0..1000).map(|i| i.to_string()).collect();
    let offset = 5;
    let lengths = task::map(&texts, |text| text.len() + offset).unwrap();
    assert_eq!(lengths[999], 8);
    let mut numbers = vec![0; 1000];
    let filled = task::map(numbers.iter_mut().zip(&texts), |(number, text)| {
        *number = text.parse::<i32>().unwrap();
    });
    filled.unwrap();
    assert_eq!(numbers[17], 17);
    // Results may borrow too.
    let firsts: Vec<&str> = task::map(&texts, |text| &text[..1]).unwrap();
    assert_eq!(firsts[42], "4");
}

/// Counts what lives.
#[derive(Debug)]
struct Live(Arc<AtomicUsize>);

impl Live {
    fn new(count: &Arc<AtomicUsize>) -> Live {
        count.fetch_add(1, SeqCst);
        Live(Arc::clone(count))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

#[test]
fn a_panic_names_its_item_and_ends_the_loop() {
    on_every_engine(|engine| {
        let live = Arc::new(AtomicUsize::new(0));
        let started = AtomicUsize::new(0);
        let error = engine.pool().batch(1).map(0..1_000_000, |i| {
            started.fetch_add(1, SeqCst);
            let _live = Live::new(&live);
            assert!(i != 700, "seven hundred");
            Live::new(&live)
        });
        let error = error.map(|_| ()).unwrap_err();
        assert!(error.is_panic());
        let text = error.to_string();
        assert!(text.contains("seven hundred, in item 700"), "{text}");
        assert!(text.contains("loops.rs"), "{text}");
        assert!(started.load(SeqCst) < 1_000_000);
        assert_eq!(live.load(SeqCst), 0, "results of a failed loop are dropped");
        // The engine goes on.
        assert_eq!(engine.pool().map(0..3, |i| i).unwrap(), [0, 1, 2]);
    });
}

#[test]
fn errors_of_functions_end_the_loop_and_keep_their_source() {
    on_every_engine(|engine| {
        let result = engine.pool().try_map(0.., |i: u64| match i {
            5000 => Err("x".parse::<i32>().unwrap_err()),
            _ => Ok(i),
        });
        let error = result.unwrap_err();
        assert!(error.is_task(), "{error}");
        assert!(error.to_string().contains("in item 5000"), "{error}");
        assert!(std::error::Error::source(&error).is_some());
        // An error of our own keeps its kind.
        let shape = engine.pool().try_map([3, 4], |n| {
            (Array::<f64>::ones(n, ..) + Array::<f64>::ones(3, ..)).compute()
        });
        assert!(shape.unwrap_err().is_shape());
    });
}

#[test]
fn one_by_one_no_error_ends_anything() {
    on_every_engine(|engine| {
        for pool in [engine.pool(), engine.pool().batch(13)] {
            let function = |i: usize| {
                assert!(i % 3 != 1, "bad");
                i
            };
            let each = pool.map_each(0..1000, function);
            let streamed: Vec<Result<usize, Error>> = pool.imap(0..1000, function).collect();
            for results in [each, streamed] {
                assert_eq!(results.len(), 1000);
                for (i, result) in results.iter().enumerate() {
                    match result {
                        Ok(value) => assert!(i % 3 != 1 && *value == i),
                        Err(error) => {
                            assert!(i % 3 == 1);
                            assert!(
                                error.to_string().contains(&format!("in item {i}")),
                                "{error}"
                            );
                        }
                    }
                }
            }
        }
    });
}

#[test]
fn an_iterator_that_panics_is_an_error_and_is_not_asked_again() {
    on_every_engine(|engine| {
        let items = || (0..).inspect(|&i| assert!(i != 50, "no more"));
        let error = engine.pool().map(items(), |i| i).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("no more, in the iterator, after 50 items"),
            "{text}"
        );
        let results: Vec<_> = engine.pool().imap(items(), |i| i).collect();
        assert_eq!(results.len(), 51);
        assert!(
            results[..50]
                .iter()
                .enumerate()
                .all(|(i, r)| *r.as_ref().unwrap() == i as i32)
        );
        assert!(results[50].as_ref().unwrap_err().is_panic());
        let each = engine.pool().map_each(items(), |i| i);
        assert_eq!((each.len(), each[50].is_err()), (51, true));
    });
}

#[test]
fn panics_of_drops_harm_nothing() {
    struct Bomb(bool);
    impl Drop for Bomb {
        fn drop(&mut self) {
            if self.0 && !std::thread::panicking() {
                panic!("a bomb");
            }
        }
    }
    on_every_engine(|engine| {
        // An item that is dropped by the function.
        let error = engine
            .pool()
            .map((0..100).map(|i| Bomb(i == 40)), drop)
            .unwrap_err();
        assert!(error.to_string().contains("a bomb, in item 40"), "{error}");
        // Items that never reach it.
        let result = engine
            .pool()
            .batch(50)
            .map((0..100).map(|i| Bomb(i == 40)), |bomb| {
                std::mem::forget(bomb);
                panic!("first");
            });
        let result: Result<Vec<()>, Error> = result;
        assert!(result.is_err());
        // What a function holds, dropped by whoever is the last.
        let bomb = Bomb(true);
        let mut streamed = engine.pool().batch(1).imap(0_u64.., move |i| {
            let _ = &bomb;
            i
        });
        assert_eq!(streamed.next().unwrap().unwrap(), 0);
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(streamed)));
        assert_eq!(engine.pool().map(0..3, |i| i).unwrap(), [0, 1, 2]);
    });
}

#[test]
fn no_more_run_at_once_than_n_jobs() {
    on_every_engine(|engine| {
        for n_jobs in [1, 2, 3, 100] {
            let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let pool = engine.pool().n_jobs(n_jobs).batch(1);
            let call = |_| {
                most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
                std::thread::sleep(Duration::from_micros(200));
                now.fetch_sub(1, SeqCst);
            };
            pool.map(0..50, call).unwrap();
            assert!(most.load(SeqCst) <= n_jobs.min(engine.threads()));
        }
    });
}

#[test]
fn loops_in_loops_in_loops() {
    on_every_engine(|engine| {
        let sum = engine.pool().map(0..12, |i| {
            let inner = engine.pool().map(0..12, |j| {
                let innermost = engine.pool().map(0..12, |k| i * 144 + j * 12 + k).unwrap();
                innermost.into_iter().sum::<usize>()
            });
            inner.unwrap().into_iter().sum::<usize>()
        });
        assert_eq!(
            sum.unwrap().into_iter().sum::<usize>(),
            (0..1728).sum::<usize>()
        );
    });
}

#[test]
fn every_form_inside_every_other() {
    on_every_engine(|engine| {
        let outer = engine.clone();
        let inner = move |i: u64| -> u64 {
            let pool = outer.pool();
            let mapped: u64 = pool.map(0..i % 5, |j| j).unwrap().into_iter().sum();
            let streamed: u64 = pool.imap(0..i % 7, |j| j).map(Result::unwrap).sum();
            let submitted = pool.submit(move || i).then(|i| i + 1).get().unwrap();
            let blocking = pool.submit_blocking(move || i).get().unwrap();
            let ones = Array::<f64>::ones([4, i as usize + 1], [2, 2]).map_blocks({
                let pool = pool.clone();
                move |block| {
                    let n = pool.map(0..3, |j| j).unwrap().len();
                    block.mapv(|v| v * n as f64)
                }
            });
            let computed = outer.compute(&ones.sum(..)).unwrap().sum() as u64;
            mapped + streamed + submitted + blocking + computed
        };
        let expected: Vec<u64> = (0..40u64)
            .map(|i| {
                let sum = |n: u64| (0..n).sum::<u64>();
                sum(i % 5) + sum(i % 7) + i + 1 + i + 12 * (i + 1)
            })
            .collect();
        let pool = engine.pool();
        assert_eq!(pool.map(0..40, &inner).unwrap(), expected);
        let streamed: Result<Vec<_>, _> = pool.imap(0..40, inner.clone()).collect();
        assert_eq!(streamed.unwrap(), expected);
        let submitted: Vec<_> = (0..40)
            .map(|i| {
                let inner = inner.clone();
                pool.submit(move || inner(i))
            })
            .collect();
        let submitted: Vec<u64> = submitted
            .into_iter()
            .map(|one| one.get().unwrap())
            .collect();
        assert_eq!(submitted, expected);
        let background = pool.map_async(0..40, inner.clone());
        assert_eq!(background.get().unwrap(), expected);
    });
}

#[test]
fn inside_of_rayon_s_own_loops() {
    use rayon::prelude::*;
    on_every_engine(|engine| {
        let sums: Vec<i32> = (0..30)
            .into_par_iter()
            .map(|i| engine.pool().map(0..i, |j| j).unwrap().into_iter().sum())
            .collect();
        assert_eq!(sums[29], (0..29).sum::<i32>());
    });
    // On the shared pool's own threads, all of them busy.
    let rayon = Arc::new(
        rayon::ThreadPoolBuilder::new()
            .num_threads(2)
            .build()
            .unwrap(),
    );
    within("a shared pool that is busy", move || {
        let engine = Engine::builder()
            .rayon_pool(Arc::clone(&rayon))
            .build()
            .unwrap();
        rayon.install(|| {
            let sums: Vec<i32> = (0..20)
                .into_par_iter()
                .map(|i| {
                    let future = engine.pool().submit(move || i);
                    engine
                        .pool()
                        .map(0..i, |j| j)
                        .unwrap()
                        .into_iter()
                        .sum::<i32>()
                        + future.get().unwrap()
                })
                .collect();
            assert_eq!(sums[19], (0..19).sum::<i32>() + 19);
        });
    });
}

#[test]
fn an_endless_generator_runs_in_constant_memory() {
    on_every_engine(|engine| {
        let live = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let (count, peak) = (Arc::clone(&live), Arc::clone(&most));
        let generator = std::iter::repeat_with(move || {
            let item = Live::new(&count);
            peak.fetch_max(count.load(SeqCst), SeqCst);
            item
        });
        let mut results = engine.pool().imap(generator, |item| item);
        for _ in 0..100_000 {
            results.next().unwrap().unwrap();
        }
        // A consumer that pauses stops the generator.
        std::thread::sleep(Duration::from_millis(20));
        drop(results);
        let bound = 4 * 4096 * (engine.threads() + 1);
        assert!(most.load(SeqCst) <= bound, "{} items", most.load(SeqCst));
        let mut looks = 0;
        while live.load(SeqCst) > 0 {
            std::thread::sleep(Duration::from_millis(1));
            looks += 1;
            assert!(looks < 60_000, "{} items live on", live.load(SeqCst));
        }
    });
}

#[test]
fn ten_million_items_of_an_endless_generator() {
    let engine = Engine::builder().threads(2).build().unwrap();
    let resident = || {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let pages = statm
            .split_whitespace()
            .nth(1)
            .and_then(|n| n.parse::<u64>().ok());
        pages.unwrap_or(0) * 4096
    };
    for ordered in [true, false] {
        let pool = engine.pool();
        let mut results = match ordered {
            true => pool.imap(0_u64.., |i| i ^ 1),
            false => pool.imap_unordered(0_u64.., |i| i ^ 1),
        };
        let (mut sum, mut warm) = (0_u64, 0);
        for n in 0..10_000_000_u64 {
            let i = results.next().unwrap().unwrap();
            if ordered {
                assert_eq!(i, n ^ 1);
            }
            sum = sum.wrapping_add(i);
            if n == 100_000 {
                warm = resident();
            }
        }
        let grown = resident().saturating_sub(warm);
        // The items alone would take 80 MB. (Other tests of this process run meanwhile.)
        assert!(
            grown < 64 << 20,
            "{grown} bytes more than after 100,000 items"
        );
        assert!(sum > 0);
    }
}

#[test]
fn no_more_are_pulled_than_may_be_in_flight() {
    on_every_engine(|engine| {
        for (limit, batch) in [
            (1, None),
            (5, None),
            (5, Some(2)),
            (5, Some(100)),
            (64, Some(8)),
        ] {
            let pulled = Arc::new(AtomicUsize::new(0));
            let counter = Arc::clone(&pulled);
            let generator = std::iter::repeat_with(move || counter.fetch_add(1, SeqCst));
            let mut pool = engine.pool().in_flight(limit);
            if let Some(batch) = batch {
                pool = pool.batch(batch);
            }
            let mut results = pool.imap(generator, |i| i);
            std::thread::sleep(Duration::from_millis(5));
            assert!(pulled.load(SeqCst) <= limit);
            for taken in 1..200 {
                results.next().unwrap().unwrap();
                // What is in the consumer's batch counts as consumed.
                let most = taken + limit + batch.unwrap_or(limit).min(limit);
                assert!(
                    pulled.load(SeqCst) <= most,
                    "{} of {most}",
                    pulled.load(SeqCst)
                );
            }
        }
    });
}

#[test]
fn pipelines_of_loops() {
    on_every_engine(|engine| {
        let pool = engine.pool();
        let first = pool.imap(0..5000_u64, |i| i + 1);
        let second = pool.imap(first, |i| i.unwrap() * 2);
        let third = pool.imap_unordered(second, |i| i.unwrap() + 1);
        let mut all: Vec<u64> = third.map(Result::unwrap).collect();
        all.sort_unstable();
        assert_eq!(all, (0..5000).map(|i| 2 * (i + 1) + 1).collect::<Vec<_>>());
    });
}

#[test]
fn a_slow_generator_is_in_nobody_s_way() {
    let engine = Engine::builder().threads(2).build().unwrap();
    within("a loop over a channel", move || {
        let (send, receive) = std::sync::mpsc::channel::<u32>();
        let mut results = engine.pool().batch(1).imap(receive, |i| i);
        // One thread waits in the channel; the other computes.
        let sum = engine
            .pool()
            .map(0..1000_u32, |i| i)
            .unwrap()
            .into_iter()
            .sum::<u32>();
        assert_eq!(sum, 499_500);
        for i in 0..10 {
            send.send(i).unwrap();
            assert_eq!(results.next().unwrap().unwrap(), i);
        }
        drop(send);
        assert!(results.next().is_none());
    });
}

#[test]
fn cancelled_loops_end() {
    on_every_engine(|engine| {
        let cancel = Cancel::new();
        let pool = engine.cancelled_by(&cancel).pool();
        let error = pool.map(0_u64.., |i| {
            if i == 10_000 {
                cancel.cancel();
            }
        });
        assert!(error.unwrap_err().is_cancelled());
        assert!(pool.map(0..3, |i| i).unwrap_err().is_cancelled());
        let last = pool.imap(0.., |i: u64| i).last().unwrap();
        assert!(last.unwrap_err().is_cancelled());
        assert!(
            pool.map_each(0..10, |i| i)
                .pop()
                .unwrap()
                .unwrap_err()
                .is_cancelled()
        );
        assert!(pool.submit(|| 1).get().unwrap_err().is_cancelled());
        // The engine itself is not cancelled.
        assert_eq!(engine.pool().submit(|| 1).get().unwrap(), 1);
    });
}

#[test]
fn a_background_loop_ends_when_its_future_does() {
    on_every_engine(|engine| {
        for drops in [false, true] {
            let started = Arc::new(AtomicBool::new(false));
            let flag = Arc::clone(&started);
            let (gone, ends) = std::sync::mpsc::channel::<()>();
            let gone = Mutex::new(gone);
            let future = engine.pool().map_async(0_u64.., move |_| {
                flag.store(true, SeqCst);
                let _ = &gone;
            });
            while !started.load(SeqCst) {
                std::thread::yield_now();
            }
            if drops {
                drop(future);
            } else {
                assert!(!future.cancel(), "it has started");
                assert!(future.get().unwrap_err().is_cancelled());
            }
            // The function is dropped once the loop has ended.
            let ended = ends.recv_timeout(Duration::from_secs(60));
            assert_eq!(ended, Err(std::sync::mpsc::RecvTimeoutError::Disconnected));
        }
    });
}

#[test]
fn retries_count() {
    let calls = AtomicUsize::new(0);
    let flaky = |i: usize| {
        calls.fetch_add(1, SeqCst);
        match i {
            3 => Err("always"),
            4 => panic!("always"),
            _ => Ok(i),
        }
    };
    assert_eq!(task::try_map([1], task::retry(5, flaky)).unwrap(), [1]);
    assert_eq!(calls.swap(0, SeqCst), 1);
    assert!(
        task::try_map([3], task::retry(2, flaky))
            .unwrap_err()
            .is_task()
    );
    assert_eq!(calls.swap(0, SeqCst), 3);
    assert!(
        task::try_map([4], task::retry(0, flaky))
            .unwrap_err()
            .is_panic()
    );
    assert_eq!(calls.swap(0, SeqCst), 1);
}

#[test]
fn observers_see_loops() {
    use flagstone::{Event, Observer};
    #[derive(Default)]
    struct Log(Mutex<Vec<String>>);
    impl Observer for Log {
        fn event(&self, event: &Event) {
            let name = match event {
                Event::Planned { tasks, .. } => format!("planned {tasks}"),
                Event::Started { .. } => "started".to_owned(),
                Event::Finished { .. } => "finished".to_owned(),
                Event::Ended { ok, .. } => format!("ended {ok}"),
                _ => return,
            };
            self.0.lock().unwrap().push(name);
        }
    }
    let log = Arc::new(Log::default());
    let engine = Engine::builder()
        .threads(2)
        .observer(log.clone())
        .build()
        .unwrap();
    engine.pool().batch(10).map(0..95, |i| i).unwrap();
    let seen = std::mem::take(&mut *log.0.lock().unwrap());
    let count = |name: &str| seen.iter().filter(|one| *one == name).count();
    assert_eq!(
        (seen[0].as_str(), seen.last().unwrap().as_str()),
        ("planned 10", "ended true")
    );
    assert_eq!((count("started"), count("finished")), (10, 10));
    engine
        .pool()
        .submit(|| -> u8 { panic!("x") })
        .get()
        .unwrap_err();
    let seen = std::mem::take(&mut *log.0.lock().unwrap());
    assert_eq!(seen.last().unwrap(), "ended false");
}

#[test]
fn an_observer_that_panics_harms_no_call() {
    use flagstone::{Event, Observer};
    struct Broken;
    impl Observer for Broken {
        fn event(&self, event: &Event) {
            if let Event::Started { .. } = event {
                panic!("broken");
            }
        }
    }
    let engine = Engine::builder()
        .threads(2)
        .observer(Arc::new(Broken))
        .build()
        .unwrap();
    let same = engine.pool().map(0..100, |i| i).unwrap();
    assert!(same.into_iter().eq(0..100));
    assert_eq!(engine.pool().submit(|| 1).get().unwrap(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Against a plain loop, whatever the settings, with items that fail.
    #[test]
    fn as_a_plain_loop(
        items in prop::collection::vec(0_u32..1000, 0..300),
        n_jobs in 1_usize..5,
        batch in prop::option::of(1_usize..50),
        in_flight in prop::option::of(1_usize..50),
        bad in 1_u32..50,
    ) {
        let mut pool = task::Pool::global().unwrap().n_jobs(n_jobs);
        if let Some(batch) = batch {
            pool = pool.batch(batch);
        }
        if let Some(in_flight) = in_flight {
            pool = pool.in_flight(in_flight);
        }
        let plain = move |i: u32| if i % 50 == bad { Err("bad") } else { Ok(i + 1) };
        let expected: Vec<Result<u32, &str>> = items.iter().map(|&i| plain(i)).collect();
        prop_assert_eq!(&pool.map(&items, |&i| plain(i)).unwrap(), &expected);
        let streamed: Vec<_> = pool.imap(items.clone(), plain).map(Result::unwrap).collect();
        prop_assert_eq!(&streamed, &expected);
        let tried = pool.try_map(&items, |&i| plain(i));
        match expected.into_iter().collect::<Result<Vec<u32>, &str>>() {
            Ok(values) => prop_assert_eq!(tried.unwrap(), values),
            Err(_) => prop_assert!(tried.unwrap_err().is_task()),
        }
    }
}
