//! One run: which tasks are activated, which are ready, what ends when a task ends.
//!
//! See the README of this folder for the states of a task and why this cannot deadlock.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use super::cancel::Cancel;
use super::crew::Crew;
use super::events::{Event, Observers};
use super::fetch::{Door, Fetch};
use super::lane::Lane;
use super::ledger::{Account, Booking};
use super::parking::Parking;
use super::pool::Pool;
use super::ready::{Ready, Taken};
use super::{Apart, Work, calls, inside, locked, next_run};
use crate::error::{Error, Kind, Result};
use crate::graph::tasks::{Order, Tasks};

/// Values of `inputs_left` of tasks that ran.
const FINISHED: u32 = u32::MAX;
const TAKEN: u32 = u32::MAX - 1;

/// Activated tasks per thread that have not finished, at most: enough to keep threads busy, few enough
/// for short queues where tasks book no bytes.
const WINDOW: usize = 64;

/// How often a worker without tasks looks again before it leaves.
const SPINS: u32 = 40;
const YIELDS: u32 = 10;

pub struct Job {
    pub id: u64,
    tasks: Arc<Tasks>,
    order: Arc<Order>,
    work: Arc<dyn Work>,
    observers: Observers,
    cancel: Option<Cancel>,
    pool: Pool,
    lane: Lane,
    /// Where fetches come in.
    door: OnceLock<Door>,
    /// Some tasks are fetched before they run.
    fetches: bool,
    /// Nobody but the caller runs tasks.
    serial: bool,
    pub account: Arc<Account>,

    /// Per task: inputs that have not finished, and one more until it is activated.
    inputs_left: Vec<AtomicU32>,
    /// Per task: consumers that have not finished, and one more until it is taken.
    readers_left: Vec<AtomicU32>,
    ready: Ready,
    counts: Apart<Counts>,
    window: usize,

    /// All tasks finished, or the run has failed.
    over: AtomicBool,
    error: Mutex<Option<Error>>,
    pub parking: Parking,
    /// Threads inside of `work`.
    workers: AtomicUsize,
}

/// What changes with every task.
#[derive(Default)]
struct Counts {
    progress: Mutex<Progress>,
    finished: AtomicU32,
}

#[derive(Default)]
struct Progress {
    /// Tasks of the sequence that are activated: a prefix of it.
    activated: usize,
    /// Of those, the ones that have not finished.
    active: usize,
    /// The window is full; it is filled again when half of it is free.
    full: bool,
}

/// What a worker needs, kept between its tasks.
struct Worker {
    number: usize,
    /// Tasks that an end made ready.
    fresh: Vec<u32>,
}

impl Job {
    #[expect(clippy::too_many_arguments, reason = "called once, by `Executor`")]
    pub fn new(
        tasks: Arc<Tasks>,
        order: Arc<Order>,
        work: Arc<dyn Work>,
        observers: Observers,
        cancel: Option<Cancel>,
        pool: Pool,
        lane: Lane,
        serial: bool,
        account: Arc<Account>,
    ) -> Job {
        let each = |value: &dyn Fn(u32) -> u32| -> Vec<AtomicU32> {
            (0..tasks.len() as u32)
                .map(|task| AtomicU32::new(value(task)))
                .collect()
        };
        let threads = if serial { 1 } else { pool.threads() };
        let fetches = tasks.any_fetches();
        // The window must not keep fetches back.
        let wanted = if fetches { 4 * lane.most() } else { 0 };
        Job {
            id: next_run(),
            inputs_left: each(&|task| tasks.inputs(task).len() as u32 + 1),
            readers_left: each(&|task| tasks.readers(task)),
            ready: Ready::new(threads + 1),
            counts: Apart::default(),
            window: (WINDOW * threads).max(wanted),
            over: AtomicBool::new(order.sequence.is_empty()),
            error: Mutex::new(None),
            parking: Parking::default(),
            workers: AtomicUsize::new(0),
            tasks,
            order,
            work,
            observers,
            cancel,
            pool,
            lane,
            door: OnceLock::new(),
            fetches,
            serial,
            account,
        }
    }

    /// Lets fetches in.
    pub fn open(&self, door: Door) {
        let _ = self.door.set(door);
    }

    /// Nothing will start any more. Tasks may still be running if it failed.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    pub fn n_tasks(&self) -> u64 {
        self.order.sequence.len() as u64
    }

    pub fn has_ready(&self) -> bool {
        self.ready.count() > 0
    }

    /// Whether a ticket finds something to do here.
    pub fn wants_workers(&self) -> bool {
        self.has_ready() && !self.is_over()
    }

    /// Whether there are ready tasks and no thread that would run them.
    pub fn is_abandoned(&self) -> bool {
        self.wants_workers() && self.workers.load(Ordering::SeqCst) == 0
    }

    pub fn n_finished(&self) -> u32 {
        self.counts.finished.load(Ordering::Relaxed)
    }

    /// Whether a task ran to its end.
    pub fn is_finished(&self, task: u32) -> bool {
        self.inputs_left[task as usize].load(Ordering::SeqCst) >= TAKEN
    }

    /// Whether nothing runs or can be activated, though tasks are left: a stream whose consumer does
    /// not take what is delivered.
    pub fn is_stalled(&self) -> bool {
        let progress = locked(&self.counts.progress);
        progress.active == 0 && progress.activated < self.order.sequence.len() && !self.is_over()
    }

    /// Ends the run; the first error is the one that is returned.
    pub fn fail(&self, error: Error) {
        locked(&self.error).get_or_insert(error);
        self.over.store(true, Ordering::SeqCst);
        self.parking.wake_all();
    }

    pub fn fail_if_cancelled(&self) {
        if self.cancel.as_ref().is_some_and(Cancel::is_cancelled) && !self.is_over() {
            self.fail(Error::new(Kind::Cancelled, "the computation was cancelled"));
        }
    }

    pub fn result(&self) -> Result<()> {
        match &*locked(&self.error) {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// Whether events are for anybody; if not, nothing is to be done for them.
    pub fn is_observed(&self) -> bool {
        !self.observers.is_empty()
    }

    pub fn tell(&self, event: &Event) {
        self.observers.tell(event);
    }

    /// Observers that panicked.
    pub fn lost_observers(&self) -> u32 {
        self.observers.lost()
    }

    fn tell_held(&self, held: u64) {
        if self.is_observed() {
            // Observers may compute, and must not wait for the memory of the run that calls them.
            let _inside = inside();
            self.tell(&Event::Held { run: self.id, held });
        }
    }

    /// Activates the first tasks.
    pub fn start(&self) {
        let mut fresh = Vec::new();
        let held = {
            let mut progress = locked(&self.counts.progress);
            let mut booking = self.account.booking();
            // Part of the floor, so it is there; it returns when the account is closed.
            booking.book(self.tasks.own_bytes);
            self.activate(&mut progress, &mut booking, &mut fresh);
            booking.held()
        };
        self.tell_held(held);
        self.send(&mut fresh);
        self.offer(&fresh);
    }

    /// Activates the next tasks of the sequence while their bytes can be booked.
    fn activate(&self, progress: &mut Progress, booking: &mut Booking<'_>, fresh: &mut Vec<u32>) {
        if self.is_over() || (progress.full && progress.active > self.window / 2) {
            return;
        }
        progress.full = false;
        while let Some(&task) = self.order.sequence.get(progress.activated) {
            if progress.active == self.window {
                progress.full = true;
                break;
            }
            if !booking.book(self.tasks.running_bytes(task)) {
                break;
            }
            progress.activated += 1;
            progress.active += 1;
            if self.inputs_left[task as usize].fetch_sub(1, Ordering::AcqRel) == 1 {
                fresh.push(task);
            }
        }
    }

    /// Sends away those of the activated tasks that have to be fetched.
    fn send(&self, fresh: &mut Vec<u32>) {
        if !self.fetches {
            return;
        }
        let Some(door) = self.door.get() else { return };
        for task in fresh.extract_if(.., |task| self.tasks.fetches(*task)) {
            let door = door.clone();
            self.lane.push(Arc::new(Fetch { door, task }));
        }
    }

    /// Fetches what a task needs, and makes it ready.
    pub fn fetch(&self, task: u32) {
        self.fail_if_cancelled();
        if self.is_over() {
            return;
        }
        match calls::fetch(&*self.work, task) {
            Ok(()) => self.offer(&[task]),
            Err(error) => self.fail(error),
        }
    }

    /// Makes activated tasks known to all who may run them.
    fn offer(&self, fresh: &[u32]) {
        if fresh.is_empty() {
            return;
        }
        self.ready.push_activated(fresh);
        self.parking.wake_workers();
        if !self.serial {
            for _ in 0..fresh.len().min(self.pool.threads()) {
                self.pool.call();
            }
        }
    }

    /// Runs ready tasks until there are none, the run is over, or `enough` says so, which is asked
    /// between tasks.
    pub fn work(&self, number: usize, enough: &mut dyn FnMut() -> bool) {
        let _inside = inside();
        self.workers.fetch_add(1, Ordering::SeqCst);
        let mut worker = Worker {
            number,
            fresh: Vec::new(),
        };
        let end = catch_unwind(AssertUnwindSafe(|| {
            let mut next = None;
            loop {
                self.fail_if_cancelled();
                if self.is_over() {
                    break;
                }
                let Some(taken) = next.take().map(Taken::own).or_else(|| self.find(number)) else {
                    break;
                };
                if !self.serial && self.has_ready() {
                    self.pool.call();
                }
                next = self.execute(taken, &mut worker);
                if enough() {
                    self.ready.push_own(number, next.as_slice());
                    break;
                }
            }
        }));
        self.workers.fetch_sub(1, Ordering::SeqCst);
        if let Err(payload) = end {
            // Not a task's panic, those are caught closer. It must neither kill the process, as it
            // would in Rayon's hands, nor leave the caller waiting.
            self.fail(Error::from_panic(payload).context("in the executor"));
        }
    }

    /// Looks for a task for some microseconds: waking a thread costs more.
    fn find(&self, worker: usize) -> Option<Taken> {
        for round in 0..SPINS + YIELDS {
            if let Some(taken) = self.ready.take(worker) {
                return Some(taken);
            }
            if self.is_over() || self.serial {
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

    /// Runs a task; what the same worker had best run next, if its end made something ready.
    fn execute(&self, taken: Taken, worker: &mut Worker) -> Option<u32> {
        let task = taken.task;
        let observed = self.is_observed();
        if observed {
            self.tell(&Event::Started {
                run: self.id,
                task,
                stage: self.tasks.stage_of(task),
                worker: self.known_as(worker),
                stolen: taken.stolen,
            });
        }
        if let Err(error) = calls::run(&*self.work, task) {
            self.fail(error.clone());
            if observed {
                self.tell(&Event::Failed {
                    run: self.id,
                    task,
                    stage: self.tasks.stage_of(task),
                    worker: self.known_as(worker),
                    message: error.to_string().into(),
                });
            }
            return None;
        }
        if observed {
            self.tell_spilled(task);
        }
        let (next, held) = self.finish(task, worker);
        if observed {
            self.tell(&Event::Finished {
                run: self.id,
                task,
                stage: self.tasks.stage_of(task),
                worker: self.known_as(worker),
                held,
            });
        }
        next
    }

    fn tell_spilled(&self, task: u32) {
        let bytes = calls::spilled(&*self.work, task);
        if bytes > 0 {
            self.tell(&Event::Spilled {
                run: self.id,
                task,
                bytes,
            });
        }
    }

    /// The number of a worker in events. A serial run has one, which is not of the pool.
    fn known_as(&self, worker: &Worker) -> usize {
        match self.serial {
            true => self.pool.threads(),
            false => worker.number,
        }
    }

    /// Releases what nobody reads any more, makes consumers ready, returns bytes and activates others
    /// with them: in this order, so that bytes are only returned when they are free.
    fn finish(&self, task: u32, worker: &mut Worker) -> (Option<u32>, u64) {
        let mut returned = self.tasks.scratch_bytes(task);
        for &input in self.tasks.inputs(task) {
            returned += self.read(input);
        }
        if self.tasks.readers(task) == 0 {
            self.release(task);
            returned += self.tasks.output_bytes(task);
        }
        self.inputs_left[task as usize].store(FINISHED, Ordering::SeqCst);

        // Descending, so that the worker, which takes the last, takes the first consumer first.
        worker.fresh.clear();
        for &consumer in self.tasks.consumers(task).iter().rev() {
            if self.inputs_left[consumer as usize].fetch_sub(1, Ordering::AcqRel) == 1 {
                worker.fresh.push(consumer);
            }
        }
        let mut next = worker.fresh.pop();
        if !worker.fresh.is_empty() {
            self.ready.push_own(worker.number, &worker.fresh);
            self.parking.wake_workers();
        }

        worker.fresh.clear();
        let (held, ended) = {
            let mut progress = locked(&self.counts.progress);
            progress.active -= 1;
            let mut booking = self.account.booking();
            booking.unbook(returned);
            self.activate(&mut progress, &mut booking, &mut worker.fresh);
            let held = booking.held();
            self.counts.finished.fetch_add(1, Ordering::Relaxed);
            let ended = progress.active == 0 && progress.activated == self.order.sequence.len();
            (held, ended)
        };
        self.send(&mut worker.fresh);
        if next.is_none() && !worker.fresh.is_empty() && !self.has_ready() {
            // It would be the first in the queue.
            next = Some(worker.fresh.remove(0));
        }
        self.offer(&worker.fresh);
        if ended {
            self.over.store(true, Ordering::SeqCst);
        }
        if ended || self.tasks.delivered(task) {
            self.parking.wake_all();
        }
        (next, held)
    }

    /// One reader of an output is done; the bytes that are free now.
    fn read(&self, task: u32) -> u64 {
        if self.readers_left[task as usize].fetch_sub(1, Ordering::AcqRel) > 1 {
            return 0;
        }
        self.release(task);
        self.tasks.output_bytes(task)
    }

    fn release(&self, task: u32) {
        if let Err(error) = calls::release(&*self.work, task) {
            self.fail(error);
        }
    }

    /// The consumer of a stream has the data: its bytes return.
    pub fn take(&self, task: u32) {
        let state = &self.inputs_left[task as usize];
        let taken = state.compare_exchange(FINISHED, TAKEN, Ordering::SeqCst, Ordering::SeqCst);
        if !self.tasks.delivered(task) || taken.is_err() {
            return;
        }
        let returned = self.read(task);
        let mut fresh = Vec::new();
        let held = {
            let mut progress = locked(&self.counts.progress);
            let mut booking = self.account.booking();
            booking.unbook(returned);
            self.activate(&mut progress, &mut booking, &mut fresh);
            booking.held()
        };
        self.tell_held(held);
        self.send(&mut fresh);
        self.offer(&fresh);
    }

    /// Releases the outputs that a run which ended early still holds. Nobody may run tasks any more.
    pub fn release_all(&self) {
        let activated = locked(&self.counts.progress).activated;
        for &task in &self.order.sequence[..activated] {
            if self.is_finished(task)
                && self.readers_left[task as usize].swap(0, Ordering::AcqRel) > 0
            {
                self.release(task);
            }
        }
    }
}

impl Crew for Job {
    fn wants_workers(&self) -> bool {
        Job::wants_workers(self)
    }

    fn is_abandoned(&self) -> bool {
        Job::is_abandoned(self)
    }

    fn work(&self, worker: usize, enough: &mut dyn FnMut() -> bool) {
        Job::work(self, worker, enough);
    }

    fn n_finished(&self) -> u64 {
        u64::from(Job::n_finished(self))
    }

    fn parking(&self) -> &Parking {
        &self.parking
    }

    fn look_around(&self) {
        self.fail_if_cancelled();
    }

    fn stalled(&self) -> Option<Error> {
        self.is_stalled().then(|| {
            Error::new(
                Kind::Internal,
                "a computation's memory does not let it go on: what was delivered must be taken, in order",
            )
        })
    }
}
