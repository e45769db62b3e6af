//! Tasks that idle threads help with: each piece once, nobody inside afterwards, panics are errors.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use super::*;
use crate::base::sharing::{Pieces, Threads};
use crate::exec::RunOptions;

/// Numbered pieces, and what is done with each.
struct Numbered<F> {
    next: AtomicUsize,
    done: Vec<AtomicU32>,
    inside: AtomicUsize,
    piece: F,
}

impl<F: Fn(usize) + Sync> Numbered<F> {
    fn new(n: usize, piece: F) -> Numbered<F> {
        Numbered {
            next: AtomicUsize::new(0),
            done: (0..n).map(|_| AtomicU32::new(0)).collect(),
            inside: AtomicUsize::new(0),
            piece,
        }
    }

    /// After everybody has left.
    fn check(&self) {
        assert_eq!(self.inside.load(Ordering::SeqCst), 0);
        assert!(
            self.done
                .iter()
                .all(|done| done.load(Ordering::SeqCst) == 1)
        );
    }
}

/// Counts who is inside, also when a piece panics.
struct Inside<'a>(&'a AtomicUsize);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl<F: Fn(usize) + Sync> Pieces for Numbered<F> {
    fn any_left(&self) -> bool {
        self.next.load(Ordering::SeqCst) < self.done.len()
    }

    fn work(&self) {
        self.inside.fetch_add(1, Ordering::SeqCst);
        let _inside = Inside(&self.inside);
        loop {
            let piece = self.next.fetch_add(1, Ordering::SeqCst);
            let Some(done) = self.done.get(piece) else {
                return;
            };
            (self.piece)(piece);
            done.fetch_add(1, Ordering::SeqCst);
        }
    }
}

fn run(
    executor: &Executor,
    n: u32,
    action: impl Fn(u32) -> Result<()> + Send + Sync + 'static,
) -> Result<()> {
    let (tasks, order) = planned(uniform(n, 8, 8, |_| vec![]));
    let work = Checked::new(&tasks, &Meter::new(u64::MAX / 2), action);
    let result = executor.run(tasks, order, Arc::clone(&work) as _, &RunOptions::default());
    work.assert_clean();
    result.map(|_| ())
}

#[test]
fn an_idle_thread_helps_with_the_last_task() {
    let executor = executor(2, 1000);
    let pool = executor.pool.clone();
    let seen = Arc::new(Mutex::new(HashSet::<ThreadId>::new()));
    let all = Arc::clone(&seen);
    run(&executor, 1, move |_| {
        // No thread goes on alone for a long time, so a second one has to come.
        let pieces = Numbered::new(8, |_| {
            let begin = Instant::now();
            all.lock().unwrap().insert(thread::current().id());
            while all.lock().unwrap().len() < 2 && begin.elapsed() < Duration::from_secs(20) {
                thread::yield_now();
            }
        });
        pool.share(&pieces)?;
        pieces.check();
        Ok(())
    })
    .unwrap();
    assert_eq!(seen.lock().unwrap().len(), 2);
}

#[test]
fn each_piece_is_done_once_whoever_is_idle() {
    for threads in [1, 2, 7] {
        let executor = executor(threads, 10_000);
        let pool = executor.pool.clone();
        let total = Arc::new(AtomicUsize::new(0));
        let sum = Arc::clone(&total);
        run(&executor, 60, move |task| {
            for round in 0..5 {
                let pieces = Numbered::new((task as usize * 7 + round) % 23, |piece| {
                    if piece % 5 == 2 {
                        thread::sleep(Duration::from_micros(100));
                    }
                    sum.fetch_add(1, Ordering::SeqCst);
                });
                pool.share(&pieces)?;
                pieces.check();
            }
            Ok(())
        })
        .unwrap();
        let wanted: usize = (0..60)
            .flat_map(|task| (0..5).map(move |round| (task * 7 + round) % 23))
            .sum();
        assert_eq!(total.load(Ordering::SeqCst), wanted, "{threads} threads");
    }
}

#[test]
fn a_piece_that_panics_is_the_tasks_error() {
    let executor = executor(3, 1000);
    for bad in 0..12 {
        let pool = executor.pool.clone();
        let error = run(&executor, 2, move |_| {
            let pieces = Numbered::new(12, |piece| {
                thread::sleep(Duration::from_micros(300));
                assert!(piece != bad, "made to fail");
            });
            let shared = pool.share(&pieces);
            assert_eq!(pieces.inside.load(Ordering::SeqCst), 0);
            shared
        })
        .unwrap_err();
        assert!(error.to_string().contains("made to fail"), "{error}");
        assert!(error.to_string().contains("block ["), "{error}");
    }
    // The threads are still there.
    let pool = executor.pool.clone();
    run(&executor, 9, move |_| pool.share(&Numbered::new(5, |_| {}))).unwrap();
}

/// What it throws panics again when it is dropped.
struct Undroppable;

impl Drop for Undroppable {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[test]
fn pieces_that_throw_what_cannot_be_dropped_are_an_error() {
    let executor = executor(3, 1000);
    for _ in 0..20 {
        let pool = executor.pool.clone();
        let result = run(&executor, 2, move |_| {
            let pieces = Numbered::new(12, |_| {
                thread::sleep(Duration::from_micros(300));
                std::panic::panic_any(Undroppable);
            });
            pool.share(&pieces)
        });
        assert!(result.is_err());
    }
    let pool = executor.pool.clone();
    run(&executor, 9, move |_| pool.share(&Numbered::new(5, |_| {}))).unwrap();
}
