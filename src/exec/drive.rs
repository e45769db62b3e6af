//! Starting runs, waiting for them, ending them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::alone::Alone;
use super::cancel::Cancel;
use super::crew::{self, Crew};
use super::events::{Event, Observer, Observers};
use super::fetch::Door;
use super::gate::Gate;
use super::job::Job;
use super::lane::Lane;
use super::ledger::{Account, Ledger, Patience, Purpose};
use super::outline::Outline;
use super::pool::{Pool, Seat};
use super::stream::Stream;
use super::{DOUBT, Work, inside, inside_task};
use crate::error::{Error, Kind, Result};
use crate::graph::tasks::{Order, Tasks};

/// As `DOUBT`, on a thread of another Rayon pool: less likely.
const LITTLE_DOUBT: Duration = Duration::from_secs(10);
/// How long a thread that works on its own run looks for tasks before it sleeps.
const LINGER: Duration = Duration::from_micros(50);

/// Threads and memory: what an engine owns. Clones share both.
#[derive(Clone)]
pub struct Executor {
    pub pool: Pool,
    pub ledger: Ledger,
    lane: Lane,
}

/// Fetches that run at once, unless something else is asked for.
const FETCHES: usize = 32;

#[derive(Clone, Default)]
pub struct RunOptions {
    pub cancel: Option<Cancel>,
    pub observers: Vec<Arc<dyn Observer>>,
    /// On the calling thread only: for jobs so small that waking another thread costs more.
    pub serial: bool,
    /// The calling thread works, too, instead of one of the pool's: it need not be woken. Not for code of users, which may
    /// depend on the thread that it is called on, if only by using Rayon.
    pub joins: bool,
    /// What observers are told of the stages; without it, what the tasks' numbers say.
    pub outline: Option<Outline>,
}

/// What a run was promised and what it took.
#[derive(Clone, Copy, Debug)]
pub struct RunReport {
    pub tasks: u64,
    /// C: the most that the run was allowed to hold.
    pub planned_peak: u64,
    /// The most that it held, by its own bookings.
    pub held_peak: u64,
    /// It ran inside a task for which the ledger had no bytes left: what it held is not in the ledger.
    pub outside_promise: bool,
    /// Observers that panicked.
    pub lost_observers: u32,
}

impl Executor {
    pub fn new(pool: Pool, ledger: Ledger) -> Executor {
        let lane = Lane::new(FETCHES, pool.threads());
        Executor { pool, ledger, lane }
    }

    /// As many fetches run at once, whatever the number of threads.
    pub fn with_fetches(mut self, most: usize) -> Executor {
        self.lane = Lane::new(most.max(1), self.pool.threads());
        self
    }

    /// The most fetches that run at once.
    pub fn concurrent_fetches(&self) -> usize {
        self.lane.most()
    }

    /// C: enough for two of the largest tasks per thread above the floor, or one for each fetch that may be under way,
    /// within the budget.
    pub fn plan_peak(&self, order: &Order) -> u64 {
        let mut ahead = 2 * self.pool.threads();
        if order.fetches {
            ahead = ahead.max(self.lane.most());
        }
        order
            .floor
            .saturating_add(order.largest.saturating_mul(ahead as u64))
            .min(self.ledger.budget())
    }

    /// Runs all tasks and returns when no thread touches `work` any more, whatever happened.
    ///
    /// # Errors
    /// The first error of a task, with its name; [`Kind::Memory`] if the floor does not fit the budget or
    /// what is not pinned of it, and then nothing ran; [`Kind::Cancelled`].
    pub fn run(
        &self,
        tasks: Arc<Tasks>,
        order: Arc<Order>,
        work: Arc<dyn Work>,
        options: &RunOptions,
    ) -> Result<RunReport> {
        if options.serial && !order.fetches {
            return self.run_alone(&tasks, &order, &*work, options);
        }
        check_delivered(&tasks)?;
        let mut run = self.start(Purpose::Run, tasks, order, work, options)?;
        run.join();
        run.drive(|job| job.is_over())?;
        run.end()
    }

    /// Starts tasks in the background; the stream's consumer waits for those that are delivered.
    ///
    /// # Errors
    /// As [`run`](Executor::run), before anything starts.
    pub fn stream(
        &self,
        tasks: Arc<Tasks>,
        order: Arc<Order>,
        work: Arc<dyn Work>,
        options: &RunOptions,
    ) -> Result<Stream> {
        let run = self.start(Purpose::Stream, tasks, order, work, options)?;
        Ok(Stream::new(run))
    }

    fn start(
        &self,
        purpose: Purpose,
        tasks: Arc<Tasks>,
        order: Arc<Order>,
        work: Arc<dyn Work>,
        options: &RunOptions,
    ) -> Result<Running> {
        self.check_floor(&tasks, &order, &*work)?;
        // One thread never needs more than the floor.
        let cap = match options.serial {
            true => order.floor,
            false => self.plan_peak(&order),
        };
        let observers = Observers::new(&options.observers, self.pool.watchers());
        let outline = self.outline(&tasks, &order, &observers, options);
        let joins = options.joins && purpose == Purpose::Run && !order.fetches;
        let account = Account::open(
            &self.ledger,
            purpose,
            order.floor,
            cap,
            self.patience(),
            options.cancel.as_ref(),
        )?;
        let job = Arc::new(Job::new(
            tasks,
            order,
            work,
            observers,
            options.cancel.clone(),
            self.pool.clone(),
            self.lane.clone(),
            options.serial,
            account,
        ));
        Ok(Running::start(
            job,
            self.pool.clone(),
            options.serial,
            joins,
            outline,
        ))
    }

    /// As [`run`](Executor::run), on this thread and without others; no task may fetch.
    pub fn run_alone(
        &self,
        tasks: &Tasks,
        order: &Order,
        work: &dyn Work,
        options: &RunOptions,
    ) -> Result<RunReport> {
        check_delivered(tasks)?;
        self.check_floor(tasks, order, work)?;
        let observers = Observers::new(&options.observers, self.pool.watchers());
        let outline = self.outline(tasks, order, &observers, options);
        let cancel = options.cancel.as_ref();
        let floor = self.ledger.floor(order.floor, self.patience(), cancel)?;
        let worker = self.pool.threads();
        let mut run = Alone::new(tasks, order, work, &observers, cancel, worker);
        if let Some(outline) = outline {
            // Observers may compute; they must not wait for the memory of the run that calls them.
            let _inside = inside();
            observers.tell(&planned(run.id, order.floor, outline));
        }
        let result = run.run();
        let outside = floor.outside;
        drop(floor);
        self.pool.note_end(run.finished);
        if !observers.is_empty() {
            let _inside = inside();
            observers.tell(&Event::Ended {
                run: run.id,
                ok: result.is_ok(),
                held_peak: run.peak,
            });
        }
        result.map(|()| RunReport {
            tasks: order.sequence.len() as u64,
            planned_peak: order.floor,
            held_peak: run.peak,
            outside_promise: outside,
            lost_observers: observers.lost(),
        })
    }

    /// What observers are told of the tasks; nothing if there are none.
    fn outline(
        &self,
        tasks: &Tasks,
        order: &Order,
        observers: &Observers,
        options: &RunOptions,
    ) -> Option<Outline> {
        if observers.is_empty() {
            return None;
        }
        let mut outline = match &options.outline {
            Some(outline) => outline.clone(),
            None => Outline::of_tasks(tasks),
        };
        outline.tasks = order.sequence.len() as u64;
        outline.floor = order.floor;
        outline.budget = self.ledger.budget();
        outline.threads = self.pool.threads();
        Some(outline)
    }

    /// A floor above the whole budget is an error that nothing will mend: it names the task.
    fn check_floor(&self, tasks: &Tasks, order: &Order, work: &dyn Work) -> Result<()> {
        let budget = self.ledger.budget();
        if order.floor <= budget {
            return Ok(());
        }
        let mut message = format!(
            "the computation needs {} bytes at once, the memory budget is {budget} bytes",
            order.floor
        );
        if let Some((task, bytes)) = tasks.largest() {
            message += &format!("; its largest task, {}, needs {bytes}", work.describe(task));
        }
        Err(Error::new(Kind::Memory, message))
    }

    /// Whether this thread may wait for the end of other runs: not if one of them may be waiting for it.
    fn patience(&self) -> Patience {
        if inside_task() {
            Patience::None
        } else if rayon::current_thread_index().is_none() {
            Patience::Endless
        } else if self.pool.current_thread().is_none() {
            Patience::WhileOthersMove(LITTLE_DOUBT)
        } else if self.pool.is_own() {
            // Only tasks bring others' code there: this is a stolen part of one.
            Patience::None
        } else {
            Patience::WhileOthersMove(DOUBT)
        }
    }
}

fn check_delivered(tasks: &Tasks) -> Result<()> {
    if tasks.stages.iter().any(|stage| stage.delivered) {
        return Err(Error::new(
            Kind::Internal,
            "tasks that are delivered need a stream",
        ));
    }
    Ok(())
}

/// What observers are told first.
fn planned(run: u64, planned_peak: u64, mut outline: Outline) -> Event {
    outline.run = run;
    outline.planned_peak = planned_peak;
    Event::Planned {
        run,
        tasks: outline.tasks,
        planned_peak,
        outline: Arc::new(outline),
    }
}

/// A run that has its floor. Dropped early it is cancelled.
pub struct Running {
    pub job: Arc<Job>,
    gate: Arc<Gate<dyn Crew>>,
    pool: Pool,
    serial: bool,
    n_tasks: u64,
    /// The place of this thread, which works itself.
    seat: Option<Seat>,
    ended: bool,
}

impl Running {
    fn start(
        job: Arc<Job>,
        pool: Pool,
        serial: bool,
        joins: bool,
        outline: Option<Outline>,
    ) -> Running {
        let mut run = Running {
            gate: Arc::new(Gate::new(Arc::clone(&job) as Arc<dyn Crew>)),
            n_tasks: job.n_tasks(),
            job,
            pool,
            serial,
            seat: None,
            ended: false,
        };
        if let Some(outline) = outline {
            run.tell(&planned(run.job.id, run.job.account.cap(), outline));
        }
        if !serial {
            run.pool.add(&run.gate);
        }
        // First, so that one thread less is called.
        if joins && !serial {
            run.seat = run.pool.join();
        }
        run.job.open(Door::new(&run.gate, &run.job));
        run.job.start();
        run
    }

    /// Observers may compute; they must not wait for the memory of the run that calls them.
    fn tell(&self, event: &Event) {
        let _inside = inside();
        self.job.tell(event);
    }

    /// Works on this thread, if it has a place: until nothing is ready for some time, or others wait for the place.
    fn join(&mut self) {
        let Some(seat) = self.seat.take() else {
            return;
        };
        let worker = self.pool.threads();
        loop {
            self.job.work(worker, &mut || seat.is_due());
            let idle = Instant::now();
            // To be woken takes longer than the last tasks of other threads often do.
            while !self.job.is_over() && !self.job.has_ready() && idle.elapsed() < LINGER {
                std::thread::yield_now();
            }
            if self.job.is_over() || !self.job.has_ready() || seat.is_due() {
                return;
            }
        }
    }

    /// Waits until `until` holds, which it must once the run is over; see [`drive`](crew::drive).
    pub fn drive(&self, until: impl Fn(&Job) -> bool) -> Result<()> {
        crew::drive(&self.pool, &*self.job, self.serial, &|| until(&self.job))
    }

    /// Lets nobody in any more, releases what is held, returns all bytes.
    pub fn end(mut self) -> Result<RunReport> {
        self.close();
        self.job.result()?;
        Ok(RunReport {
            tasks: self.n_tasks,
            planned_peak: self.job.account.cap(),
            held_peak: self.job.account.peak(),
            outside_promise: self.job.account.outside(),
            lost_observers: self.job.lost_observers(),
        })
    }

    fn close(&mut self) {
        if self.ended {
            return;
        }
        self.ended = true;
        if !self.job.is_over() {
            self.job
                .fail(Error::new(Kind::Cancelled, "the computation was abandoned"));
        }
        self.pool.remove(&self.gate);
        self.gate.close();
        self.job.release_all();
        self.job.account.close();
        self.tell(&Event::Ended {
            run: self.job.id,
            ok: self.job.result().is_ok(),
            held_peak: self.job.account.peak(),
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.close();
    }
}
