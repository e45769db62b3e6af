//! A number of worker processes.

use std::collections::VecDeque;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::function::Function;
use super::wire;
use super::worker::{Lost, Worker, functions};
use crate::error::{Error, Kind, Result};
use crate::task::{self, Future};

/// Worker processes that run the program's [`Function`]s; see the [module](super).
///
/// They are started when they are first needed and ended with the last handle of the pool.
#[derive(Clone)]
pub struct Pool {
    workers: Arc<Workers>,
    tasks: task::Pool,
    retries: u32,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("processes", &self.workers.most)
            .finish_non_exhaustive()
    }
}

struct Workers {
    most: usize,
    /// Those that have no item.
    idle: Mutex<Vec<Worker>>,
    /// The ids of all that live.
    ids: Mutex<Vec<u32>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A worker with an item; back among the idle ones when it is returned, else gone.
struct Busy<'a> {
    workers: &'a Workers,
    worker: Option<Worker>,
}

impl Busy<'_> {
    fn give_back(mut self) {
        if let Some(worker) = self.worker.take() {
            locked(&self.workers.idle).push(worker);
        }
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        if let Some(worker) = self.worker.take() {
            locked(&self.workers.ids).retain(|&id| id != worker.id());
        }
    }
}

impl Workers {
    fn take(&self) -> Result<Busy<'_>> {
        let idle = locked(&self.idle).pop();
        let worker = match idle {
            Some(worker) => worker,
            None => {
                let worker = Worker::spawn()?;
                locked(&self.ids).push(worker.id());
                worker
            }
        };
        Ok(Busy {
            workers: self,
            worker: Some(worker),
        })
    }

    /// Calls in one worker after the other until one was asked: an idle one may have been killed.
    fn call(&self, name: &[u8], argument: &[u8]) -> Result<Vec<u8>> {
        let mut tries = self.most + 2;
        loop {
            let mut busy = self.take()?;
            let Some(worker) = &mut busy.worker else {
                continue;
            };
            match worker.call(name, argument) {
                Ok(answer) => {
                    busy.give_back();
                    return answer;
                }
                Err(Lost::Running(error)) => return Err(error),
                Err(Lost::Unasked) if tries > 0 => tries -= 1,
                Err(Lost::Unasked) => {
                    let message = "worker processes end before they are asked anything: \
                                   is `task::process::init` the first line of `main`?";
                    return Err(Error::new(Kind::Task, message));
                }
            }
        }
    }
}

impl Pool {
    /// A pool of so many processes at most.
    ///
    /// # Errors
    /// If [`init`](super::init) was not called, or `processes` is 0; an engine that cannot be made.
    pub fn new(processes: usize) -> Result<Pool> {
        if functions().is_none() {
            let message =
                "a pool of processes needs `task::process::init` as the first line of `main`";
            return Err(Error::new(Kind::Value, message));
        }
        if processes == 0 {
            let message = "a pool of 0 processes: at least 1 is needed";
            return Err(Error::new(Kind::Value, message));
        }
        Ok(Pool {
            workers: Arc::new(Workers {
                most: processes,
                idle: Mutex::default(),
                ids: Mutex::default(),
            }),
            tasks: task::Pool::global()?.n_jobs(processes),
            retries: 0,
        })
    }

    /// Calls again, so many times at most, if the function panics or its process ends.
    #[must_use]
    pub fn retries(mut self, times: u32) -> Pool {
        self.retries = times;
        self
    }

    /// The system's numbers of the processes that live.
    pub fn process_ids(&self) -> Vec<u32> {
        locked(&self.workers.ids).clone()
    }

    /// Calls a function in a worker process, some time.
    #[track_caller]
    pub fn submit<A, R>(&self, function: &'static Function<A, R>, argument: A) -> Future<R>
    where
        A: Serialize,
        R: DeserializeOwned + Send + 'static,
    {
        let encoded = wire::encode(&argument, "an argument");
        self.submit_encoded(function, encoded, String::new(), Location::caller())
    }

    fn submit_encoded<A, R>(
        &self,
        function: &'static Function<A, R>,
        argument: Result<Vec<u8>>,
        item: String,
        at: &'static Location<'static>,
    ) -> Future<R>
    where
        R: DeserializeOwned + Send + 'static,
    {
        let (workers, retries, name) = (Arc::clone(&self.workers), self.retries, function.name());
        self.tasks.submit_fallible(move || {
            let call = || -> Result<R> {
                let argument = argument.as_ref().map_err(Error::clone)?;
                let name = wire::encode(name, "a function's name")?;
                wire::decode(&workers.call(&name, argument)?, "a result")
            };
            let mut result = call();
            for _ in 0..retries {
                if result.is_ok() {
                    break;
                }
                result = call();
            }
            result.map_err(|error| error.context(format!("in {name}{item}")).at(at))
        })
    }

    /// The results of a function of each item, in the order of the items.
    ///
    /// # Errors
    /// The first error: a panic, or a process that ended. Items that have not started never do.
    #[track_caller]
    pub fn map<A, R>(
        &self,
        function: &'static Function<A, R>,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>>
    where
        A: Serialize,
        R: DeserializeOwned + Send + 'static,
    {
        self.imap(function, items).collect()
    }

    /// As [`map`](Pool::map), with a result of its own for each item: a process that crashes is an error of its item
    /// alone.
    #[track_caller]
    pub fn map_each<A, R>(
        &self,
        function: &'static Function<A, R>,
        items: impl IntoIterator<Item = A>,
    ) -> Vec<Result<R>>
    where
        A: Serialize,
        R: DeserializeOwned + Send + 'static,
    {
        self.imap(function, items).collect()
    }

    /// The results in the order of the items, as an iterator, two items per process ahead of the consumer.
    #[track_caller]
    pub fn imap<A, R, I>(
        &self,
        function: &'static Function<A, R>,
        items: I,
    ) -> Imap<I::IntoIter, A, R>
    where
        I: IntoIterator<Item = A>,
        A: Serialize,
        R: DeserializeOwned + Send + 'static,
    {
        Imap {
            pool: self.clone(),
            function,
            items: items.into_iter(),
            next: 0,
            ahead: VecDeque::new(),
            at: Location::caller(),
        }
    }
}

/// The results of [`Pool::imap`].
#[must_use = "an iterator that is dropped cancels what has not started"]
pub struct Imap<I, A: 'static, R: 'static> {
    pool: Pool,
    function: &'static Function<A, R>,
    items: I,
    next: usize,
    ahead: VecDeque<Future<R>>,
    at: &'static Location<'static>,
}

impl<I, A, R> std::fmt::Debug for Imap<I, A, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Imap")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

impl<I, A, R> Iterator for Imap<I, A, R>
where
    I: Iterator<Item = A>,
    A: Serialize,
    R: DeserializeOwned + Send + 'static,
{
    type Item = Result<R>;

    fn next(&mut self) -> Option<Result<R>> {
        while self.ahead.len() < 2 * self.pool.workers.most {
            let Some(item) = self.items.next() else { break };
            let argument = wire::encode(&item, "an argument");
            let name = format!(", item {}", self.next);
            self.next += 1;
            let future = self
                .pool
                .submit_encoded(self.function, argument, name, self.at);
            self.ahead.push_back(future);
        }
        Some(self.ahead.pop_front()?.get())
    }
}
