//! A loop over an iterator whose items are given to threads in batches.
//!
//! Whoever visits takes the iterator, pulls a batch, puts the iterator back, and runs the batch; so no two
//! threads are in the iterator at once, none waits for a lock while a generator is slow, and nothing is
//! pulled that there is no room for.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::watch::Watch;
use crate::error::{Error, Kind, Result};
use crate::exec::{self, Cancel, Crew, Parking, inside};

/// Batches of automatic size grow until they take about this long.
const STRETCH: Duration = Duration::from_micros(200);
const MOST_IN_BATCH: usize = 4096;
/// Batches in flight per thread, if nothing else was said.
const AHEAD: usize = 4;
/// How often a worker that finds the iterator taken looks again before it leaves.
const SPINS: u32 = 40;
const YIELDS: u32 = 10;

/// How a loop is to be run.
#[derive(Clone, Copy)]
pub struct Pace {
    /// The most threads at once.
    pub n_jobs: usize,
    /// Items per batch, if not automatic.
    pub batch: Option<usize>,
    /// The most items that are pulled and not yet consumed.
    pub in_flight: Option<usize>,
    /// Someone consumes results as they come; else all are kept.
    pub streams: bool,
    pub ordered: bool,
    /// An error is that of its item; else it ends the loop.
    pub keep_going: bool,
}

/// The loop of `function` over the items of an iterator `I`.
pub struct Loop<I: Iterator, F, R> {
    pool: exec::Pool,
    pace: Pace,
    function: F,
    cancel: Option<Cancel>,
    watch: Watch,
    /// Nothing starts any more.
    over: AtomicBool,
    /// A thread that comes finds an iterator and room.
    open: AtomicBool,
    workers: AtomicUsize,
    finished: AtomicU64,
    parking: Parking,
    state: Mutex<State<I, R>>,
}

struct State<I, R> {
    /// Away while a worker pulls, gone when it has ended.
    items: Option<I>,
    ended: bool,
    next_item: usize,
    next_batch: u64,
    /// Items in the next batch.
    size: usize,
    /// Items and batches that were pulled and are not consumed.
    items_out: usize,
    batches_out: usize,
    running: usize,
    /// Finished batches; if ordered, those that are not finished have their places.
    done: VecDeque<Option<Vec<Result<R>>>>,
    /// The number of the first batch in `done`, if ordered.
    first: u64,
    error: Option<Error>,
}

/// Items that one worker runs.
struct Batch<T> {
    number: u64,
    first: usize,
    items: Vec<T>,
    /// The iterator panicked after them.
    broken: Option<Error>,
    since: Instant,
}

impl<I, F, R> Loop<I, F, R>
where
    I: Iterator + Send,
    I::Item: Send,
    F: Fn(I::Item) -> Result<R> + Sync + Send,
    R: Send,
{
    pub fn new(
        pool: exec::Pool,
        pace: Pace,
        cancel: Option<Cancel>,
        watch: Watch,
        items: I,
        function: F,
    ) -> Self {
        Loop {
            pool,
            pace,
            function,
            cancel,
            watch,
            over: AtomicBool::new(false),
            open: AtomicBool::new(true),
            workers: AtomicUsize::new(0),
            finished: AtomicU64::new(0),
            parking: Parking::default(),
            state: Mutex::new(State {
                items: Some(items),
                ended: false,
                next_item: 0,
                next_batch: 0,
                size: 1,
                items_out: 0,
                batches_out: 0,
                running: 0,
                done: VecDeque::new(),
                first: 0,
                error: None,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State<I, R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Ends the loop; what runs is finished, and its results are lost.
    pub fn fail(&self, error: Error) {
        let mut state = self.state();
        state.error.get_or_insert(error);
        self.end(state);
    }

    fn end(&self, state: MutexGuard<'_, State<I, R>>) {
        self.over.store(true, Ordering::SeqCst);
        self.open.store(false, Ordering::SeqCst);
        drop(state);
        self.parking.wake_all();
    }

    /// How many items the next batch has; 0 if there is no room for it.
    fn next_size(&self, state: &State<I, R>, items: &I) -> usize {
        let size = self.pace.batch.unwrap_or_else(|| {
            // The last batches are small, so that all threads end at about the same time.
            let left = items.size_hint().0;
            match left {
                0 => state.size,
                _ => state.size.min(left / (2 * self.pace.n_jobs) + 1),
            }
        });
        if !self.pace.streams {
            return size;
        }
        match self.pace.in_flight {
            None if state.batches_out >= AHEAD * self.pace.n_jobs => 0,
            None => size,
            Some(most) if self.pace.batch.is_some() => match state.items_out {
                0 => size.min(most),
                out => size.min(most.saturating_sub(out)),
            },
            // So that every thread gets some of them.
            Some(most) => size
                .min(most / (2 * self.pace.n_jobs) + 1)
                .min(most.saturating_sub(state.items_out)),
        }
    }

    /// Whether a thread finds something to do, for those who only look.
    fn look(&self, state: &State<I, R>) -> bool {
        let open = !self.is_over()
            && match &state.items {
                Some(items) => self.next_size(state, items) > 0,
                None => false,
            };
        self.open.store(open, Ordering::SeqCst);
        open
    }

    /// Takes the next items of the iterator; `None` if it is taken, has ended, or there is no room.
    fn pull(&self) -> Option<Batch<I::Item>> {
        let since = Instant::now();
        let (mut items, size) = {
            let mut state = self.state();
            if self.is_over() {
                return None;
            }
            let size = self.next_size(&state, state.items.as_ref()?);
            if size == 0 {
                self.open.store(false, Ordering::SeqCst);
                return None;
            }
            self.open.store(false, Ordering::SeqCst);
            (state.items.take()?, size)
        };
        // The iterator is the user's: it may panic, and what has panicked is not asked again.
        let hint = items.size_hint().0;
        let mut pulled = Vec::with_capacity(size.min(hint.max(16)));
        let mut ended = false;
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            while pulled.len() < size {
                match items.next() {
                    Some(item) => pulled.push(item),
                    None => {
                        ended = true;
                        break;
                    }
                }
                // A slow generator's items do not wait for those after them.
                if self.pace.batch.is_none() && pulled.len() % 16 == 0 && since.elapsed() > STRETCH
                {
                    break;
                }
            }
        }));
        let broken = outcome.err().map(|payload| {
            ended = true;
            Error::from_panic(payload).context(format!(
                "in the iterator, after {} items",
                self.state().next_item + pulled.len()
            ))
        });
        let mut finished = None;
        let (batch, more) = {
            let mut state = self.state();
            if ended {
                state.ended = true;
                finished = Some(items);
            } else {
                state.items = Some(items);
            }
            let batch = (!pulled.is_empty() || broken.is_some()).then(|| {
                let batch = Batch {
                    number: state.next_batch,
                    first: state.next_item,
                    items: pulled,
                    broken,
                    since,
                };
                state.next_batch += 1;
                state.next_item += batch.items.len();
                state.items_out += batch.items.len();
                state.batches_out += 1;
                state.running += 1;
                if self.pace.ordered {
                    state.done.push_back(None);
                }
                batch
            });
            let more = self.look(&state);
            if batch.is_none() && state.ended && state.running == 0 {
                self.end(state);
            }
            (batch, more)
        };
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(finished))) {
            self.fail(Error::from_panic(payload).context("while the iterator was dropped"));
        }
        if more && self.workers.load(Ordering::SeqCst) < self.pace.n_jobs {
            self.pool.call();
        }
        batch
    }

    fn run(&self, batch: Batch<I::Item>, worker: usize) {
        let Batch {
            number,
            first,
            items,
            broken,
            since,
        } = batch;
        self.watch.started(number, worker);
        let n = items.len();
        let mut results: Vec<Result<R>> = Vec::with_capacity(n);
        let mut items = items.into_iter();
        let stops = !self.pace.keep_going;
        let name = |at: usize| format!("in item {}", first + at);
        loop {
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                for item in items.by_ref() {
                    if self.over.load(Ordering::Relaxed) {
                        return true;
                    }
                    match (self.function)(item) {
                        Ok(result) => results.push(Ok(result)),
                        Err(error) => {
                            results.push(Err(error.context(name(results.len()))));
                            if stops {
                                return true;
                            }
                        }
                    }
                }
                true
            }));
            match outcome {
                Ok(_) => break,
                Err(payload) => {
                    results.push(Err(Error::from_panic(payload).context(name(results.len()))));
                    if stops {
                        break;
                    }
                }
            }
        }
        results.extend(broken.map(Err));
        drop(items);
        match results.last() {
            Some(Err(error)) if stops => self.watch.failed(number, worker, || error.to_string()),
            _ => self.watch.finished(number, worker),
        }
        self.deliver(number, n, results, since);
    }

    fn deliver(&self, number: u64, n: usize, results: Vec<Result<R>>, since: Instant) {
        let failure = match results.last() {
            Some(Err(error)) if !self.pace.keep_going => Some(error.clone()),
            _ => None,
        };
        let took = since.elapsed();
        let mut state = self.state();
        state.running -= 1;
        self.finished.fetch_add(1, Ordering::Relaxed);
        if let Some(error) = failure {
            state.error.get_or_insert(error);
            return self.end(state);
        }
        if took < STRETCH / 2 && n >= state.size {
            state.size = MOST_IN_BATCH.min(2 * state.size);
        } else if took > 2 * STRETCH {
            let fit = n as f64 * STRETCH.as_secs_f64() / took.as_secs_f64();
            state.size = state.size.min((fit as usize).max(1));
        }
        let next = if self.pace.ordered {
            let at = (number - state.first) as usize;
            state.done[at] = Some(results);
            at == 0
        } else {
            state.done.push_back(Some(results));
            true
        };
        if state.ended && state.running == 0 {
            return self.end(state);
        }
        drop(state);
        if next && self.pace.streams {
            self.parking.wake_all();
        }
    }

    /// The next finished batch; `None` if it is not there.
    pub fn take(&self) -> Option<Vec<Result<R>>> {
        let mut state = self.state();
        let results = state.done.front_mut()?.take()?;
        state.done.pop_front();
        state.first += 1;
        state.batches_out -= 1;
        state.items_out = state.items_out.saturating_sub(results.len());
        let more = self.look(&state);
        drop(state);
        if more {
            self.pool.call();
        }
        Some(results)
    }

    /// Whether `take` would find something, or never will.
    pub fn is_settled(&self) -> bool {
        self.is_over() || matches!(self.state().done.front(), Some(Some(_)))
    }

    /// Why it ended early.
    pub fn error(&self) -> Option<Error> {
        self.state().error.take()
    }

    /// The batches up to the first that is missing, and why it is, once it is over and nobody is inside.
    pub fn into_results(self) -> (Vec<Vec<Result<R>>>, Option<Error>) {
        let state = self
            .state
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        self.watch.ended(state.error.is_none());
        let batches = state.done.into_iter().map_while(|batch| batch).collect();
        (batches, state.error)
    }

    /// Tells observers that nobody wants any more.
    pub fn ended(&self) {
        self.watch.ended(self.state().error.is_none());
    }

    fn find(&self) -> Option<Batch<I::Item>> {
        for round in 0..SPINS + YIELDS {
            if let Some(batch) = self.pull() {
                return Some(batch);
            }
            if self.is_over() || self.pace.n_jobs == 1 {
                break;
            }
            if round < SPINS {
                std::hint::spin_loop();
            } else {
                std::thread::yield_now();
            }
        }
        None
    }
}

impl<I, F, R> Crew for Loop<I, F, R>
where
    I: Iterator + Send,
    I::Item: Send,
    F: Fn(I::Item) -> Result<R> + Sync + Send,
    R: Send,
{
    fn wants_workers(&self) -> bool {
        self.open.load(Ordering::SeqCst) && self.workers.load(Ordering::SeqCst) < self.pace.n_jobs
    }

    fn is_abandoned(&self) -> bool {
        self.open.load(Ordering::SeqCst) && self.workers.load(Ordering::SeqCst) == 0
    }

    fn work(&self, worker: usize, enough: &mut dyn FnMut() -> bool) {
        let more = |workers| (workers < self.pace.n_jobs).then_some(workers + 1);
        let workers = &self.workers;
        if workers
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, more)
            .is_err()
        {
            return;
        }
        let inside = inside();
        // Batches catch panics item by item; what is left is a panic of a drop.
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            loop {
                self.look_around();
                let Some(batch) = self.find() else { break };
                self.run(batch, worker);
                if enough() {
                    break;
                }
            }
        }));
        if let Err(payload) = outcome {
            self.fail(Error::from_panic(payload).context("while items were dropped"));
        }
        drop(inside);
        self.workers.fetch_sub(1, Ordering::SeqCst);
        // The last to leave may have been the one that kept others out.
        if self.wants_workers() {
            self.pool.call();
        }
    }

    fn n_finished(&self) -> u64 {
        self.finished.load(Ordering::Relaxed)
    }

    fn parking(&self) -> &Parking {
        &self.parking
    }

    fn look_around(&self) {
        if self.cancel.as_ref().is_some_and(Cancel::is_cancelled) && !self.is_over() {
            self.fail(Error::new(Kind::Cancelled, "the loop was cancelled"));
        }
    }
}
