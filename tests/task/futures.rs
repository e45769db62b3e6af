//! Submitted calls: order, errors, cancelling, waiting from everywhere.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use flagstone::{Engine, task};

use super::{on_every_engine, within};

/// The smallest executor of async code.
fn block_on<F: std::future::Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park_timeout(Duration::from_secs(1)),
        }
    }
}

#[test]
fn many_submits_from_outside() {
    on_every_engine(|engine| {
        let pool = engine.pool();
        let futures: Vec<_> = (0..100_000_u64)
            .map(|i| pool.submit(move || 2 * i))
            .collect();
        let sum: u64 = futures.into_iter().map(|one| one.get().unwrap()).sum();
        assert_eq!(sum, (0..100_000).map(|i| 2 * i).sum::<u64>());
    });
}

#[test]
fn a_million_submits() {
    let pool = Engine::builder().threads(2).build().unwrap().pool();
    let count = Arc::new(AtomicUsize::new(0));
    let futures: Vec<_> = (0..1_000_000)
        .map(|_| {
            let count = Arc::clone(&count);
            pool.submit(move || count.fetch_add(1, SeqCst))
        })
        .collect();
    for future in futures {
        future.get().unwrap();
    }
    assert_eq!(count.load(SeqCst), 1_000_000);
}

#[test]
fn submits_from_many_threads_and_tasks() {
    on_every_engine(|engine| {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let pool = engine.pool();
                    let futures: Vec<_> = (0..200_u64)
                        .map(|i| {
                            let pool = pool.clone();
                            pool.clone().submit(move || {
                                let inner: Vec<_> =
                                    (0..10).map(|j| pool.submit(move || i * j)).collect();
                                inner.into_iter().map(|one| one.get().unwrap()).sum::<u64>()
                            })
                        })
                        .collect();
                    for (i, future) in futures.into_iter().enumerate() {
                        assert_eq!(future.get().unwrap(), 45 * i as u64);
                    }
                });
            }
        });
    });
}

#[test]
fn futures_compose() {
    on_every_engine(|engine| {
        let pool = engine.pool();
        let a = pool.submit(|| 1_u64);
        let b = pool.submit(|| "two".to_owned());
        let both = pool.submit_with((a, b.clone()), |(a, b)| a + b.len() as u64);
        let all = pool.submit_with(vec![both.clone(), both.clone(), both], |all| all);
        assert_eq!(all.get().unwrap(), [4, 4, 4]);
        assert_eq!(b.get().unwrap(), "two");
        // Deep.
        let mut chain = pool.submit(|| 0_u64);
        for _ in 0..100_000 {
            chain = chain.then(|n| n + 1);
        }
        assert_eq!(chain.get().unwrap(), 100_000);
        // Nothing to wait for.
        let nothing: Vec<task::Future<u8>> = Vec::new();
        assert_eq!(
            pool.submit_with(nothing, |none| none.len()).get().unwrap(),
            0
        );
    });
}

#[test]
fn errors_go_on_without_calls() {
    on_every_engine(|engine| {
        let pool = engine.pool();
        let called = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&called);
        let bad = pool.submit(|| -> u32 { panic!("at the root") });
        let after = bad.clone().then(move |n| {
            count.fetch_add(1, SeqCst);
            n
        });
        let error = pool
            .submit_with((after, pool.submit(|| 1)), |(a, b)| a + b)
            .get()
            .unwrap_err();
        assert!(
            error.is_panic() && error.to_string().contains("at the root"),
            "{error}"
        );
        assert!(error.to_string().contains("futures.rs"), "{error}");
        assert_eq!(called.load(SeqCst), 0);
        assert!(bad.get().is_err());
    });
}

/// An engine whose only thread is kept busy until the sender is dropped.
fn busy() -> (Engine, mpsc::Sender<()>, task::Future<()>) {
    let engine = Engine::builder().threads(1).build().unwrap();
    let (send, wait) = mpsc::channel::<()>();
    let (started, starts) = mpsc::channel();
    let busy = engine.pool().submit(move || {
        started.send(()).unwrap();
        let _ = wait.recv();
    });
    starts.recv().unwrap();
    (engine, send, busy)
}

#[test]
fn dropping_cancels_what_nobody_waits_for() {
    let (engine, send, busy) = busy();
    let pool = engine.pool();
    let called = Arc::new(Mutex::new(Vec::new()));
    let call = |name: &'static str| {
        let called = Arc::clone(&called);
        pool.submit(move || called.lock().unwrap().push(name))
    };
    drop(call("dropped"));
    let kept = call("kept");
    let cloned = call("cloned");
    drop(cloned.clone());
    let read = call("read");
    let reader = read.then(|()| 7);
    drop(call("read by what is dropped").then(|()| 8));
    call("detached").detach();
    let cancelled = call("cancelled");
    assert!(cancelled.cancel() && !cancelled.cancel());
    drop(send);
    busy.get().unwrap();
    kept.get().unwrap();
    cloned.get().unwrap();
    assert_eq!(reader.get().unwrap(), 7);
    assert!(cancelled.get().unwrap_err().is_cancelled());
    pool.submit(|| ()).get().unwrap();
    let mut called = called.lock().unwrap().clone();
    called.sort_unstable();
    assert_eq!(called, ["cloned", "detached", "kept", "read"]);
}

#[test]
fn a_million_deep_chain_is_dropped() {
    within("dropping a chain", || {
        let (engine, send, busy) = busy();
        let mut chain = engine.pool().submit(|| 0_u64);
        for _ in 0..1_000_000 {
            chain = chain.then(|n| n + 1);
        }
        drop(chain);
        // The same in the functions' captures.
        let mut chain = engine.pool().submit(|| 0_u64);
        for _ in 0..1_000_000 {
            chain = engine.pool().submit(move || chain.get().unwrap());
        }
        drop(chain);
        drop(send);
        busy.get().unwrap();
    });
}

#[test]
fn a_deep_chain_is_run_by_whoever_waits() {
    // The only thread waits inside a task for a chain that nobody has started.
    within("waiting inside the only thread", || {
        let engine = Engine::builder().threads(1).build().unwrap();
        let pool = engine.pool();
        let inner = pool.clone();
        let sum = pool.submit(move || {
            let mut chain = inner.submit(|| 0_u64);
            for _ in 0..100_000 {
                chain = chain.then(|n| n + 1);
            }
            chain.get().unwrap()
        });
        assert_eq!(sum.get().unwrap(), 100_000);
    });
}

#[test]
fn waiting_has_limits() {
    let (engine, send, busy) = busy();
    let later = engine.pool().submit(|| 1);
    assert!(!later.wait_timeout(Duration::from_millis(2)));
    assert!(!later.is_ready() && !busy.is_ready());
    drop(send);
    later.wait();
    assert!(later.is_ready() && later.wait_timeout(Duration::ZERO));
    assert_eq!(later.get().unwrap(), 1);
    busy.get().unwrap();
}

#[test]
fn futures_are_awaited() {
    on_every_engine(|engine| {
        let pool = engine.pool();
        let answer = block_on(async {
            let six = pool.submit(|| {
                std::thread::sleep(Duration::from_millis(2));
                6
            });
            let seven = pool.submit_blocking(|| 7);
            let product = six.await? * seven.await?;
            pool.submit(move || product).then(|n| n.to_string()).await
        });
        assert_eq!(answer.unwrap(), "42");
        let error = block_on(pool.submit(|| -> u8 { panic!("awaited") })).unwrap_err();
        assert!(error.is_panic());
    });
}

#[test]
fn as_completed_gives_each_once() {
    on_every_engine(|engine| {
        let pool = engine.pool();
        let futures = (0..500_usize).map(|i| {
            pool.submit(move || {
                assert!(i % 100 != 50, "bad");
                i
            })
        });
        let mut seen = vec![false; 500];
        for (number, result) in task::as_completed(futures) {
            assert!(!std::mem::replace(&mut seen[number], true));
            match result {
                Ok(i) => assert_eq!(i, number),
                Err(_) => assert_eq!(number % 100, 50),
            }
        }
        assert!(seen.into_iter().all(|one| one));
        assert!(
            task::as_completed(Vec::<task::Future<u8>>::new())
                .next()
                .is_none()
        );
    });
    // In the order of their ends.
    let pool = Engine::builder().threads(2).build().unwrap().pool();
    let (send, wait) = mpsc::channel::<()>();
    let slow = pool.submit(move || wait.recv().is_err());
    let fast = pool.submit(|| true);
    let mut completed = task::as_completed([slow, fast]);
    assert_eq!(completed.next().unwrap().0, 1);
    drop(send);
    assert_eq!(completed.next().unwrap().0, 0);
    assert!(completed.next().is_none());
}

#[test]
fn blocking_calls_do_not_keep_threads_from_computing() {
    on_every_engine(|engine| {
        let pool = engine.pool();
        let (send, wait) = mpsc::channel::<()>();
        let wait = Arc::new(Mutex::new(wait));
        // More than the engine has threads, all of them stuck.
        let stuck: Vec<_> = (0..20)
            .map(|_| {
                let wait = Arc::clone(&wait);
                pool.submit_blocking(move || wait.lock().unwrap().recv().is_err())
            })
            .collect();
        assert_eq!(pool.map(0..100, |i| i).unwrap().len(), 100);
        assert!(stuck.iter().all(|one| !one.is_ready()));
        drop(send);
        assert!(stuck.into_iter().all(|one| one.get().unwrap()));
        // More than there are threads of the lane, each waiting for another one of it.
        let nested: Vec<_> = (0..200)
            .map(|i| {
                let pool = pool.clone();
                pool.clone()
                    .submit_blocking(move || pool.submit_blocking(move || i).get().unwrap())
            })
            .collect();
        let sum: i32 = nested.into_iter().map(|one| one.get().unwrap()).sum();
        assert_eq!(sum, (0..200).sum::<i32>());
    });
}

#[test]
fn limits_hold_for_what_is_submitted() {
    on_every_engine(|engine| {
        for blocking in [false, true] {
            let pool = engine.pool().n_jobs(1);
            let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let call = || {
                let (now, most) = (Arc::clone(&now), Arc::clone(&most));
                move || {
                    most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
                    std::thread::yield_now();
                    now.fetch_sub(1, SeqCst);
                }
            };
            let futures: Vec<_> = (0..200)
                .map(|_| match blocking {
                    true => pool.submit_blocking(call()),
                    false => pool.submit(call()),
                })
                .collect();
            drop(pool);
            futures.into_iter().for_each(|one| one.get().unwrap());
            assert_eq!(most.load(SeqCst), 1);
        }
    });
}

#[test]
fn the_engine_may_be_gone_before_its_calls_are() {
    within("an engine that is dropped", || {
        for n_jobs in [1, 2] {
            let (sent, received) = mpsc::channel();
            let future = {
                let pool = Engine::builder()
                    .threads(2)
                    .build()
                    .unwrap()
                    .pool()
                    .n_jobs(n_jobs);
                for i in 0..100 {
                    let sent = sent.clone();
                    pool.submit(move || sent.send(i).unwrap()).detach();
                }
                pool.submit(|| 5)
            };
            drop(sent);
            assert_eq!(future.get().unwrap(), 5);
            assert_eq!(received.iter().sum::<i32>(), 4950);
        }
    });
}

#[test]
fn one_task_may_wait_for_what_another_sends() {
    // Two threads, two tasks that talk: neither may be queued behind the other.
    within("tasks that talk", || {
        let pool = Engine::builder().threads(2).build().unwrap().pool();
        for _ in 0..200 {
            let warm: Vec<_> = (0..50).map(|i| pool.submit(move || i)).collect();
            let (send, wait) = mpsc::channel();
            let first = pool.submit(move || wait.recv().unwrap());
            let second = pool.submit(move || send.send(3).unwrap());
            assert_eq!(first.get().unwrap(), 3);
            second.get().unwrap();
            for one in warm {
                one.get().unwrap();
            }
        }
    });
}
