//! Calls of any function on an engine's threads.

use std::panic::Location;
use std::sync::{Arc, Mutex};

use super::future::{Future, Home, Inputs};
use super::imap::Imap;
use super::loops::{Loop, Pace};
use super::scope;
use super::spread::Spread;
use super::watch::{Watch, Watchers};
use crate::error::{BoxError, Error, Kind, Result};
use crate::exec::{self, Cancel};

/// An engine's threads, for calls of any function; made by [`Engine::pool`](crate::Engine::pool).
///
/// What Python has in `multiprocessing.Pool`, `concurrent.futures` and joblib, on the threads that compute arrays. A
/// call inside a task (a loop in a loop, a loop in a block function) uses the same threads, and never blocks them.
/// Clones and settings are cheap; the settings are those of this handle.
///
/// A panic in a function is an error that names the item; it ends the loop, and items that have not started never do,
/// unless results are asked for one by one ([`map_each`](Pool::map_each), [`imap`](Pool::imap)). What functions allocate is
/// outside of the promised memory. Arrays that they compute are within it as far as there is room: inside a call nothing
/// waits for memory, and [`Engine::measure`](crate::Engine::measure) says if a computation went beyond.
///
/// ```
/// use flagstone::Engine;
///
/// let pool = Engine::builder().threads(2).build()?.pool();
/// let words = ["one", "two", "three"];
/// assert_eq!(pool.map(&words, |word| word.len())?, [3, 3, 5]); // functions may borrow
/// let slow = pool.submit(|| 6 * 7);
/// assert_eq!(slow.get()?, 42);
/// # Ok::<(), flagstone::Error>(())
/// ```
#[derive(Clone)]
pub struct Pool {
    home: Arc<Home>,
    n_jobs: usize,
    batch: Option<usize>,
    in_flight: Option<usize>,
    cancel: Option<Cancel>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("n_jobs", &self.n_jobs)
            .field("batch", &self.batch)
            .field("in_flight", &self.in_flight)
            .finish_non_exhaustive()
    }
}

impl Pool {
    pub(crate) fn new(pool: &exec::Pool, observers: &Watchers, cancel: Option<Cancel>) -> Pool {
        Pool {
            n_jobs: pool.threads(),
            home: Arc::new(Home::new(pool, Arc::clone(observers))),
            batch: None,
            in_flight: None,
            cancel,
        }
    }

    fn exec(&self) -> &exec::Pool {
        self.home.pool()
    }

    fn pace(&self, streams: bool, ordered: bool, keep_going: bool) -> Pace {
        Pace {
            n_jobs: self.n_jobs,
            batch: self.batch,
            in_flight: self.in_flight,
            streams,
            ordered,
            keep_going,
        }
    }

    /// A loop's events: how many batches there will be is known if their size and the number of items are.
    fn watch(&self, items: &impl Iterator) -> Watch {
        let tasks = match (self.batch, items.size_hint()) {
            (Some(batch), (n, Some(most))) if n == most => n.div_ceil(batch) as u64,
            _ => 0,
        };
        Watch::start(&self.home, "map", tasks)
    }
}

/// # Settings
impl Pool {
    /// At most so many calls at once; by default, and at most, as many as the engine has threads. 0 is taken for 1.
    ///
    /// A limit holds for each loop by itself, and for all that is submitted to this handle and its clones; for
    /// [blocking](Pool::submit_blocking) calls it may be larger than the number of threads.
    ///
    /// ```
    /// use flagstone::task;
    ///
    /// let two = task::Pool::global()?.n_jobs(2);
    /// assert_eq!(two.map(0..5, |i| i * i)?, [0, 1, 4, 9, 16]);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[must_use]
    pub fn n_jobs(mut self, n_jobs: usize) -> Pool {
        self.n_jobs = n_jobs.clamp(1, self.exec().threads());
        self.home = Arc::new(self.home.limited(n_jobs.max(1)));
        self
    }

    /// So many items per batch, in loops. By default batches grow until one takes about 0.2 ms, so that functions of
    /// some nanoseconds scale, and slow ones are handed out one by one. 0 is taken for 1.
    ///
    /// ```
    /// let pool = flagstone::task::Pool::global()?.batch(100);
    /// assert_eq!(pool.map(0..1000, |i| i + 1)?.len(), 1000);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[must_use]
    pub fn batch(mut self, items: usize) -> Pool {
        self.batch = Some(items.max(1));
        self
    }

    /// The most items that [`imap`](Pool::imap) and its like take from their iterator before their results are consumed;
    /// by default some batches per thread. 0 is taken for 1.
    ///
    /// ```
    /// let pool = flagstone::task::Pool::global()?.in_flight(10);
    /// let squares: Vec<u64> = pool.imap(1.., |i: u64| i * i).take(4).collect::<Result<_, _>>()?;
    /// assert_eq!(squares, [1, 4, 9, 16]);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[must_use]
    pub fn in_flight(mut self, items: usize) -> Pool {
        self.in_flight = Some(items.max(1));
        self
    }
}

/// # Loops that wait for their results
///
/// Their functions and items may borrow from the caller.
impl Pool {
    /// The results of a function of each item, in the order of the items: Python's `Pool.map`, and joblib's
    /// `Parallel()(delayed(f)(x) for x in xs)`.
    ///
    /// The iterator may be any; the pool's threads take turns in asking it.
    ///
    /// # Errors
    /// The first panic, of the function or the iterator, with the item's number; a cancelled engine.
    ///
    /// ```
    /// use flagstone::task;
    ///
    /// let deep = vec![vec![1, 2], vec![], vec![3]];
    /// // Loops in loops use the same threads.
    /// let sums = task::map(&deep, |row| task::map(row, |x| x * 10).map(|row| row.iter().sum::<i32>()))?;
    /// assert_eq!(sums.into_iter().collect::<Result<Vec<_>, _>>()?, [30, 0, 30]);
    ///
    /// let error = task::map(0..10, |i| 10 / (3 - i)).unwrap_err();
    /// assert!(error.is_panic() && error.to_string().contains("in item 3"));
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn map<I, R>(
        &self,
        items: I,
        function: impl Fn(I::Item) -> R + Send + Sync,
    ) -> Result<Vec<R>>
    where
        I: IntoIterator<IntoIter: Send, Item: Send>,
        R: Send,
    {
        self.collect(items, |item| Ok(function(item)), Location::caller())
    }

    /// As [`map`](Pool::map), of a function that may fail: the first error ends the loop.
    ///
    /// # Errors
    /// As [`map`](Pool::map), and the function's, with the item's number;
    /// [`source`](std::error::Error::source) has the function's own.
    ///
    /// ```
    /// let error = flagstone::task::try_map(["1", "x"], |text| text.parse::<i32>()).unwrap_err();
    /// assert!(error.to_string().contains("invalid digit found in string, in item 1"));
    /// ```
    #[track_caller]
    pub fn try_map<I, R, E>(
        &self,
        items: I,
        function: impl Fn(I::Item) -> Result<R, E> + Send + Sync,
    ) -> Result<Vec<R>>
    where
        I: IntoIterator<IntoIter: Send, Item: Send>,
        R: Send,
        E: Into<BoxError>,
    {
        let fails = |error: E| Error::wrap(Kind::Task, "a function failed", error.into());
        self.collect(
            items,
            |item| function(item).map_err(fails),
            Location::caller(),
        )
    }

    /// As [`map`](Pool::map), with a result of its own for each item: one that panics ends no other.
    ///
    /// If the iterator panics or the engine is cancelled, that error is the last element.
    ///
    /// ```
    /// let results = flagstone::task::map_each([3, 0, 5], |n| 15 / n);
    /// assert_eq!(results[0].as_ref().ok(), Some(&5));
    /// assert!(results[1].as_ref().unwrap_err().to_string().contains("divide by zero, in item 1"));
    /// assert_eq!(results[2].as_ref().ok(), Some(&3));
    /// ```
    #[track_caller]
    pub fn map_each<I, R>(
        &self,
        items: I,
        function: impl Fn(I::Item) -> R + Send + Sync,
    ) -> Vec<Result<R>>
    where
        I: IntoIterator<IntoIter: Send, Item: Send>,
        R: Send,
    {
        let at = Location::caller();
        let function = |item| Ok(function(item));
        let (results, error) = self.run(items, function, true);
        let mut flat = flatten(results);
        for result in &mut flat {
            if let Err(error) = result {
                *error = error.clone().at(at);
            }
        }
        flat.extend(error.map(|error| Err(error.at(at))));
        flat
    }

    /// As [`map`](Pool::map), of a function of several arguments, which are given as tuples.
    ///
    /// # Errors
    /// As [`map`](Pool::map).
    ///
    /// ```
    /// assert_eq!(flagstone::task::starmap([(2_u32, 5), (3, 2)], u32::pow)?, [32, 9]);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn starmap<I, F>(&self, items: I, function: F) -> Result<Vec<F::Output>>
    where
        I: IntoIterator<IntoIter: Send, Item: Send>,
        F: Spread<I::Item> + Send + Sync,
        F::Output: Send,
    {
        self.collect(items, |item| Ok(function.spread(item)), Location::caller())
    }

    /// Calls a function on one of the pool's threads, and waits for its result.
    ///
    /// # Errors
    /// Its panic; a cancelled engine.
    ///
    /// ```
    /// let text = String::from("abc");
    /// assert_eq!(flagstone::task::apply(|| text.len())?, 3);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn apply<R: Send>(&self, function: impl FnOnce() -> R + Send) -> Result<R> {
        let at = Location::caller();
        let once = Mutex::new(Some(function));
        let call = |()| {
            let function = once.lock().ok().and_then(|mut once| once.take());
            Ok(function.expect("one item is called once")())
        };
        let mut results = self.collect([()], call, at)?;
        Ok(results.pop().expect("one item has one result"))
    }

    fn collect<I, R>(
        &self,
        items: I,
        function: impl Fn(I::Item) -> Result<R> + Send + Sync,
        at: &'static Location<'static>,
    ) -> Result<Vec<R>>
    where
        I: IntoIterator<IntoIter: Send, Item: Send>,
        R: Send,
    {
        let (results, error) = self.run(items, function, false);
        match error {
            Some(error) => Err(error.at(at)),
            None => flatten(results).into_iter().collect(),
        }
    }

    fn run<I, R>(
        &self,
        items: I,
        function: impl Fn(I::Item) -> Result<R> + Send + Sync,
        keep_going: bool,
    ) -> (Vec<Vec<Result<R>>>, Option<Error>)
    where
        I: IntoIterator<IntoIter: Send, Item: Send>,
        R: Send,
    {
        let items = items.into_iter();
        let watch = self.watch(&items);
        let pace = self.pace(false, true, keep_going);
        let cancel = self.cancel.clone();
        scope::run(
            self.exec(),
            Loop::new(self.exec().clone(), pace, cancel, watch, items, function),
        )
    }
}

fn flatten<R>(mut batches: Vec<Vec<R>>) -> Vec<R> {
    match batches.len() {
        1 => batches.remove(0),
        _ => {
            let mut flat = Vec::with_capacity(batches.iter().map(Vec::len).sum());
            for batch in batches {
                flat.extend(batch);
            }
            flat
        }
    }
}

/// # Loops whose results come while they run
impl Pool {
    /// The results of a function of each item, in the order of the items, as an iterator: Python's `Pool.imap`.
    ///
    /// Items are taken from the iterator only so far ahead of the consumer as [`in_flight`](Pool::in_flight) says, so an
    /// endless generator runs in constant memory. Starts at once, in the background. Each item has a result of its own:
    /// an error ends nothing else.
    ///
    /// # Cost
    /// Some tens of nanoseconds per item. Results become visible batch by batch; [`batch(1)`](Pool::batch) shows each as
    /// soon as possible.
    ///
    /// ```
    /// use flagstone::task;
    ///
    /// let primes = task::imap(2_u64.., |n| (n, (2..n).take_while(|d| d * d <= n).all(|d| n % d != 0)));
    /// let first: Vec<u64> = primes.flatten().filter(|p| p.1).map(|p| p.0).take(5).collect();
    /// assert_eq!(first, [2, 3, 5, 7, 11]);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    pub fn imap<I, R>(
        &self,
        items: I,
        function: impl Fn(I::Item) -> R + Send + Sync + 'static,
    ) -> Imap<R>
    where
        I: IntoIterator<IntoIter: Send + 'static, Item: Send + 'static>,
        R: Send + 'static,
    {
        self.stream(items, function, true)
    }

    /// As [`imap`](Pool::imap), with results in the order in which they are finished.
    ///
    /// ```
    /// use flagstone::task;
    ///
    /// let mut squares: Vec<i32> = task::imap_unordered(0..100, |i| i * i).collect::<Result<_, _>>()?;
    /// squares.sort();
    /// assert_eq!(squares[99], 99 * 99);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    pub fn imap_unordered<I, R>(
        &self,
        items: I,
        function: impl Fn(I::Item) -> R + Send + Sync + 'static,
    ) -> Imap<R>
    where
        I: IntoIterator<IntoIter: Send + 'static, Item: Send + 'static>,
        R: Send + 'static,
    {
        self.stream(items, function, false)
    }

    fn stream<I, R>(
        &self,
        items: I,
        function: impl Fn(I::Item) -> R + Send + Sync + 'static,
        ordered: bool,
    ) -> Imap<R>
    where
        I: IntoIterator<IntoIter: Send + 'static, Item: Send + 'static>,
        R: Send + 'static,
    {
        let items = items.into_iter();
        let watch = self.watch(&items);
        let pace = self.pace(true, ordered, true);
        let cancel = self.cancel.clone();
        Imap::start(self.exec(), pace, cancel, watch, items, move |item| {
            Ok(function(item))
        })
    }
}

/// # Futures
impl Pool {
    /// Calls a function on one of the pool's threads, some time: Python's `executor.submit` and `apply_async`.
    ///
    /// # Cost
    /// One allocation, and some hundred nanoseconds; for many tiny calls, loops are cheaper.
    ///
    /// ```
    /// use flagstone::task;
    ///
    /// let length = task::submit(|| "abc".len());
    /// let doubled = length.then(|n| 2 * n);
    /// assert_eq!(doubled.get()?, 6);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn submit<R: Send + 'static>(
        &self,
        function: impl FnOnce() -> R + Send + 'static,
    ) -> Future<R> {
        Future::submit(&self.home, self.cancel.clone(), (), move |()| function())
    }

    /// Calls a function of the results of other futures, as soon as all of them are there: of a future, a tuple or a
    /// `Vec` of futures. If one fails, that is the result.
    ///
    /// ```
    /// use flagstone::task;
    ///
    /// let pool = task::Pool::global()?;
    /// let (a, b) = (pool.submit(|| 6), pool.submit(|| 7.0));
    /// let product = pool.submit_with((a, b), |(a, b)| f64::from(a) * b);
    /// assert_eq!(product.get()?, 42.0);
    ///
    /// let many: Vec<_> = (0..10).map(|i| pool.submit(move || i)).collect();
    /// assert_eq!(pool.submit_with(many, |many| many.iter().sum::<i32>()).get()?, 45);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn submit_with<A: Inputs, R: Send + 'static>(
        &self,
        futures: A,
        function: impl FnOnce(A::Values) -> R + Send + 'static,
    ) -> Future<R> {
        Future::submit(&self.home, self.cancel.clone(), futures, function)
    }

    /// Calls a function that blocks (sleeps, waits for a device, a lock, the network) on a thread of its own kind, so
    /// that it keeps no thread from computing.
    ///
    /// These threads are made when they are needed, [at most 64](super::BLOCKING_THREADS) (or as many as
    /// [`n_jobs`](Pool::n_jobs) says), and end when they have been idle for some seconds.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use flagstone::task;
    ///
    /// let slept: Vec<_> = (0..10)
    ///     .map(|_| task::submit_blocking(|| std::thread::sleep(Duration::from_millis(50))))
    ///     .collect();
    /// for one in slept {
    ///     one.get()?; // all of them slept at the same time
    /// }
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn submit_blocking<R: Send + 'static>(
        &self,
        function: impl FnOnce() -> R + Send + 'static,
    ) -> Future<R> {
        Future::submit_blocking(&self.home, self.cancel.clone(), move || Ok(function()))
    }

    /// A blocking call whose errors are the future's own.
    #[cfg(all(feature = "process", unix))]
    #[track_caller]
    pub(super) fn submit_fallible<R: Send + 'static>(
        &self,
        function: impl FnOnce() -> Result<R> + Send + 'static,
    ) -> Future<R> {
        Future::submit_blocking(&self.home, self.cancel.clone(), function)
    }

    /// [`map`](Pool::map) in the background: Python's `map_async`.
    ///
    /// Cancelling or dropping the future ends the loop.
    ///
    /// ```
    /// let squares = flagstone::task::map_async(0..4, |i| i * i);
    /// assert_eq!(squares.get()?, [0, 1, 4, 9]);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn map_async<I, R>(
        &self,
        items: I,
        function: impl Fn(I::Item) -> R + Send + Sync + 'static,
    ) -> Future<Vec<R>>
    where
        I: IntoIterator<IntoIter: Send + 'static, Item: Send + 'static>,
        R: Send + 'static,
    {
        let items = items.into_iter();
        self.background(move |pool, at| pool.collect(items, |item| Ok(function(item)), at))
    }

    /// [`starmap`](Pool::starmap) in the background; see [`map_async`](Pool::map_async).
    #[track_caller]
    pub fn starmap_async<I, F>(&self, items: I, function: F) -> Future<Vec<F::Output>>
    where
        I: IntoIterator<IntoIter: Send + 'static, Item: Send + 'static>,
        F: Spread<I::Item, Output: Send + 'static> + Send + Sync + 'static,
    {
        let items = items.into_iter();
        self.background(move |pool, at| pool.collect(items, |item| Ok(function.spread(item)), at))
    }

    /// A loop as a call that can be cancelled while it runs.
    #[track_caller]
    fn background<R: Send + 'static>(
        &self,
        call: impl FnOnce(&Pool, &'static Location<'static>) -> Result<R> + Send + 'static,
    ) -> Future<R> {
        let at = Location::caller();
        let stop = Cancel::within(self.cancel.as_ref());
        let mut inner = self.clone();
        inner.cancel = Some(stop.clone());
        Future::start(&self.home, self.cancel.clone(), Some(stop), move || {
            call(&inner, at)
        })
    }
}
