//! Threads: Rayon's, visited by *tickets*.
//!
//! A ticket is a Rayon job that runs tasks of whichever runs have ready ones and returns when there
//! are none. A pool has at most as many tickets as threads.
//!
//! Rayon executes jobs wherever a thread waits: inside a closure's `par_iter`, thread 2 may be in the
//! stolen half of task A, wait there, and find a ticket. If it ran task B on top of A's frames, and B
//! locked a mutex that A's closure holds around its `par_iter`, neither would ever end. So a ticket
//! works only at the top level of its thread, which it knows by the address of its own frame: the path
//! from a thread's start to a top-level ticket is always the same, and anything in between makes the
//! address lower (stacks grow downwards on every system that Rust has threads on). A ticket found
//! deeper returns at once and is lost; those who wait for a run replace it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::bag::Bag;
use super::crew::Crew;
use super::gate::Gate;
use super::lane::{BLOCKING_THREADS, Lane};
use super::locked;
use super::share::Offer;
use super::watchers::Watchers;
use crate::error::{Error, Kind, Result};

/// How long a ticket stays with one run while others have ready tasks.
const SLICE: Duration = Duration::from_millis(10);
/// How long to wait at most until every thread has shown where its top level is: a pool of our own
/// has nothing else to do, a user's may be busy.
const OWN_MEETING: Duration = Duration::from_secs(1);
const SHARED_MEETING: Duration = Duration::from_millis(20);

/// The threads that computations share; clones are the same pool.
#[derive(Clone)]
pub struct Pool(Arc<Inner>);

struct Inner {
    threads: usize,
    rayon: Arc<rayon::ThreadPool>,
    /// Observers of all that runs here, besides those of each run.
    watchers: Watchers,
    /// Nobody else's code runs on these threads, except inside tasks.
    own: bool,
    /// Per thread: the address at which a top-level ticket's frame lies; 0 while unknown.
    tops: Vec<AtomicUsize>,
    /// Tickets spawned that have not ended.
    tickets: AtomicUsize,
    /// Threads that run tasks.
    computing: AtomicUsize,
    runs: Mutex<Runs>,
    /// Of tasks that idle threads may help with, the oldest first.
    offers: Mutex<Vec<Arc<Gate<Offer>>>>,
    bag: OnceLock<Arc<Bag>>,
    lane: Lane,
    /// Length of `runs.list`, to be read without the lock.
    n_runs: AtomicUsize,
}

#[derive(Default)]
struct Runs {
    list: Vec<Arc<Gate<dyn Crew>>>,
    /// Where the next ticket looks first.
    next: usize,
    /// Tasks that ended in runs that are no longer listed, and those runs themselves.
    ended: u64,
}

impl Pool {
    /// A pool of its own with `threads` threads.
    pub fn new(threads: usize) -> Result<Pool> {
        let rayon = rayon::ThreadPoolBuilder::new()
            .num_threads(threads.max(1))
            .thread_name(|number| format!("flagstone-{number}"))
            .build()
            .map_err(|error| {
                Error::wrap(
                    Kind::Io,
                    format!("starting {threads} threads"),
                    Box::new(error),
                )
            })?;
        Ok(Pool::with(Arc::new(rayon), true))
    }

    /// The user's pool, which may run other work too.
    pub fn shared(rayon: Arc<rayon::ThreadPool>) -> Pool {
        Pool::with(rayon, false)
    }

    fn with(rayon: Arc<rayon::ThreadPool>, own: bool) -> Pool {
        let threads = rayon.current_num_threads();
        let inner = Arc::new(Inner {
            threads,
            rayon,
            watchers: Watchers::default(),
            own,
            tops: (0..threads).map(|_| AtomicUsize::new(0)).collect(),
            tickets: AtomicUsize::new(0),
            computing: AtomicUsize::new(0),
            runs: Mutex::default(),
            offers: Mutex::default(),
            bag: OnceLock::new(),
            lane: Lane::new(BLOCKING_THREADS, threads),
            n_runs: AtomicUsize::new(0),
        });
        inner.find_tops();
        Pool(inner)
    }

    pub fn threads(&self) -> usize {
        self.0.threads
    }

    /// The number of this thread in the pool, if it is one of its threads.
    pub fn current_thread(&self) -> Option<usize> {
        self.0.rayon.current_thread_index()
    }

    /// Whether no other code uses the threads.
    pub fn is_own(&self) -> bool {
        self.0.own
    }

    pub fn watchers(&self) -> &Watchers {
        &self.0.watchers
    }

    /// Lets tickets into a run.
    pub fn add(&self, run: &Arc<Gate<dyn Crew>>) {
        let mut runs = locked(&self.0.runs);
        runs.list.push(Arc::clone(run));
        self.0.n_runs.store(runs.list.len(), Ordering::Relaxed);
    }

    pub fn remove(&self, run: &Arc<Gate<dyn Crew>>) {
        let mut runs = locked(&self.0.runs);
        runs.list.retain(|other| !Arc::ptr_eq(other, run));
        runs.ended += 1 + run.enter().map_or(0, |crew| crew.n_finished());
        self.0.n_runs.store(runs.list.len(), Ordering::Relaxed);
    }

    /// Lets tickets that find no ready task take pieces of one that runs.
    pub fn put_up(&self, offer: &Arc<Gate<Offer>>) {
        locked(&self.0.offers).push(Arc::clone(offer));
        self.call();
    }

    pub fn take_down(&self, offer: &Arc<Gate<Offer>>) {
        locked(&self.0.offers).retain(|other| !Arc::ptr_eq(other, offer));
    }

    /// A run has ended that no ticket visits.
    pub fn note_end(&self, tasks: u64) {
        locked(&self.0.runs).ended += 1 + tasks;
    }

    /// The queue of calls that all handles of this pool share.
    pub fn bag(&self) -> Arc<Bag> {
        let bag = self.0.bag.get_or_init(|| {
            let bag = Arc::new(Bag::new(self.threads(), self.threads()));
            self.add(&Arc::new(Gate::new(Arc::clone(&bag) as Arc<dyn Crew>)));
            bag
        });
        Arc::clone(bag)
    }

    /// The threads for calls that block.
    pub fn lane(&self) -> &Lane {
        &self.0.lane
    }

    /// There is work: spawns one more ticket, unless there are as many as threads.
    pub fn call(&self) {
        self.0.call();
    }

    /// For a thread that is neither of the pool nor inside a task: takes the place of one of its threads, unless all are
    /// taken. Not in a user's pool: who brings one has chosen the threads.
    pub fn join(&self) -> Option<Seat> {
        let stranger = self.current_thread().is_none() && !super::inside_task();
        if !self.0.own || !stranger || !self.0.take_ticket() {
            return None;
        }
        let Some(computing) = self.0.claim() else {
            self.0.end_ticket(false);
            return None;
        };
        // Until the seat is given up.
        std::mem::forget(computing);
        Some(Seat {
            pool: self.clone(),
            since: Instant::now(),
        })
    }

    /// Grows whenever a task or a run ends.
    pub fn moves(&self) -> u64 {
        let runs = locked(&self.0.runs);
        let listed = runs.list.iter().filter_map(|run| run.enter());
        runs.ended + listed.map(|crew| crew.n_finished()).sum::<u64>()
    }

    /// For a thread that is not of the pool: the right to run tasks while no other thread does.
    pub fn compute_alone(&self) -> Option<Computing<'_>> {
        self.0
            .computing
            .compare_exchange(0, 1, Ordering::SeqCst, Ordering::SeqCst)
            .ok()
            .map(|_| Computing(&self.0))
    }

    /// For a thread that must run tasks whatever others do, because they may be waiting for it.
    pub fn compute(&self) -> Computing<'_> {
        self.0.computing.fetch_add(1, Ordering::SeqCst);
        Computing(&self.0)
    }
}

/// A thread that counts as computing.
pub struct Computing<'a>(&'a Inner);

impl Drop for Computing<'_> {
    fn drop(&mut self) {
        self.0.computing.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A place among the threads of a pool, for a thread that is none of them: it counts as one and holds a ticket.
pub struct Seat {
    pool: Pool,
    since: Instant,
}

impl Seat {
    /// Whether other runs have waited long enough.
    pub fn is_due(&self) -> bool {
        self.pool.0.is_due(self.since)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        drop(Computing(&self.pool.0));
        self.pool.0.end_ticket(true);
    }
}

/// What a Rayon job of ours does.
enum Errand {
    /// Shows where the top level of its thread is.
    Meet(Arc<Meeting>),
    Work,
}

impl Inner {
    fn call(self: &Arc<Inner>) {
        if self.take_ticket() {
            self.spawn(Errand::Work);
        }
    }

    /// Whether there was one.
    fn take_ticket(&self) -> bool {
        let more = |tickets| (tickets < self.threads).then_some(tickets + 1);
        self.tickets
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, more)
            .is_ok()
    }

    /// `looked`: whether its holder has found nothing more to do.
    fn end_ticket(self: &Arc<Inner>, looked: bool) {
        self.tickets.fetch_sub(1, Ordering::SeqCst);
        // Someone may have made tasks ready after we looked and before we ceased to be counted. A
        // lost ticket leaves that to those who wait: it would only be found here again.
        if looked && (self.next_run().is_some() || self.next_offer().is_some()) {
            self.call();
        }
    }

    /// Whether a thread that has been at one run since then should go to another one, which also has ready tasks.
    fn is_due(&self, since: Instant) -> bool {
        self.n_runs.load(Ordering::Relaxed) > 1 && since.elapsed() > SLICE && self.several_wait()
    }

    fn several_wait(&self) -> bool {
        let runs = locked(&self.runs);
        let waiting =
            |run: &&Arc<Gate<dyn Crew>>| run.enter().is_some_and(|crew| crew.wants_workers());
        runs.list.iter().filter(waiting).nth(1).is_some()
    }

    /// The only place that spawns, so that all errands have the same frames beneath them.
    fn spawn(self: &Arc<Inner>, errand: Errand) {
        // Weak, so that what waits in Rayon's queues does not keep the pool alive.
        let pool = Arc::downgrade(self);
        self.rayon.spawn(move || run_errand(&pool, errand));
    }

    fn find_tops(self: &Arc<Inner>) {
        let limit = if self.own {
            OWN_MEETING
        } else {
            SHARED_MEETING
        };
        let meeting = Arc::new(Meeting::new(self.threads, limit));
        for _ in 0..self.threads {
            self.spawn(Errand::Meet(Arc::clone(&meeting)));
        }
        meeting.wait();
    }

    /// Whether a frame at `here` lies at the top level of this thread. A shallower one than ever seen
    /// shows where that is.
    fn is_top(&self, here: usize) -> bool {
        let Some(thread) = self.rayon.current_thread_index() else {
            return false;
        };
        let top = &self.tops[thread];
        // Only the thread itself writes its entry.
        let known = top.load(Ordering::Relaxed);
        if here > known {
            top.store(here, Ordering::Relaxed);
        }
        here >= known
    }

    /// The next run, in turn, that has ready tasks.
    fn next_run(&self) -> Option<Arc<Gate<dyn Crew>>> {
        let mut runs = locked(&self.runs);
        let n = runs.list.len();
        let found = (0..n).map(|step| (runs.next + step) % n).find(|&at| {
            runs.list[at]
                .enter()
                .is_some_and(|crew| crew.wants_workers())
        })?;
        runs.next = found + 1;
        Some(Arc::clone(&runs.list[found]))
    }

    /// A task that runs and has pieces that nobody has taken.
    fn next_offer(&self) -> Option<Arc<Gate<Offer>>> {
        let offers = locked(&self.offers);
        let open = |gate: &&Arc<Gate<Offer>>| gate.enter().is_some_and(|offer| offer.any_left());
        offers.iter().find(open).map(Arc::clone)
    }

    /// Runs tasks until no run has ready ones, and helps with those that others are at; `false` if enough threads compute
    /// already.
    fn work(self: &Arc<Inner>) -> bool {
        let (Some(worker), Some(_computing)) = (self.rayon.current_thread_index(), self.claim())
        else {
            return false;
        };
        loop {
            if let Some(run) = self.next_run() {
                // What crews run catches its panics; this is for drops of a user's, if this thread is the last
                // that knows of a crew. They must not end the process, as they would in Rayon's hands.
                let _ = catch_unwind(AssertUnwindSafe(move || {
                    if let Some(crew) = run.enter() {
                        let start = Instant::now();
                        crew.work(worker, &mut || self.is_due(start));
                    }
                    drop(run);
                }));
            } else if let Some(gate) = self.next_offer() {
                if let Some(offer) = gate.enter() {
                    if offer.any_left() {
                        self.call();
                    }
                    offer.work();
                }
            } else {
                return true;
            }
        }
    }

    /// At most as many threads compute as the pool has, those who stand in included.
    fn claim(&self) -> Option<Computing<'_>> {
        let more = |computing| (computing < self.threads).then_some(computing + 1);
        self.computing
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, more)
            .ok()
            .map(|_| Computing(self))
    }
}

/// Never inlined: its frame's address is what tells a top-level ticket from others.
#[inline(never)]
fn run_errand(pool: &Weak<Inner>, errand: Errand) {
    let frame = 0_u8;
    let here = std::ptr::from_ref(std::hint::black_box(&frame)).addr();
    let Some(pool) = pool.upgrade() else { return };
    match errand {
        Errand::Meet(meeting) => {
            pool.is_top(here);
            // The pool may end while its threads meet.
            drop(pool);
            meeting.arrive();
        }
        Errand::Work => {
            let worked = !super::inside_task() && pool.is_top(here) && pool.work();
            pool.end_ticket(worked);
        }
    }
}

/// Holds each thread of a pool until all are there, so that each shows its own top level once.
struct Meeting {
    state: Mutex<usize>,
    all: usize,
    deadline: Instant,
    arrived: Condvar,
}

impl Meeting {
    fn new(all: usize, limit: Duration) -> Meeting {
        Meeting {
            state: Mutex::new(0),
            all,
            deadline: Instant::now() + limit,
            arrived: Condvar::new(),
        }
    }

    fn arrive(&self) {
        *locked(&self.state) += 1;
        self.arrived.notify_all();
        self.wait();
    }

    fn wait(&self) {
        let state = locked(&self.state);
        let left = self.deadline.saturating_duration_since(Instant::now());
        let (state, _) = self
            .arrived
            .wait_timeout_while(state, left, |arrived| *arrived < self.all)
            .unwrap_or_else(PoisonError::into_inner);
        drop(state);
    }
}
