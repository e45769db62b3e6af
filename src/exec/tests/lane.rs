//! Tasks that are fetched before they run.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::exec::{Cancel, RunOptions};

/// Loads that are fetched, and tasks that read some of them each.
fn loads_and_readers(dice: &mut Dice) -> Tasks {
    let loads = 1 + dice.below(30) as u32;
    let readers = dice.below(20) as u32;
    let mut bytes = || dice.below(40);
    let stage = |first, count, output_bytes, scratch_bytes, fetches| StageTasks {
        first,
        count,
        output_bytes,
        scratch_bytes,
        delivered: false,
        fetches,
    };
    let stages = vec![
        stage(0, loads, bytes(), bytes(), true),
        stage(loads, readers, bytes(), bytes(), false),
    ];
    let mut starts = vec![0; loads as usize + 1];
    let mut inputs = Vec::new();
    for _ in 0..readers {
        for _ in 0..dice.below(4) {
            inputs.push(dice.below(u64::from(loads)) as u32);
        }
        starts.push(inputs.len() as u32);
    }
    Tasks::new(stages, starts, inputs).count_own_bytes()
}

/// Checks that what is fetched is fetched once, and before it runs; what was fetched takes the task's scratch.
struct Fetched {
    inner: Arc<Checked>,
    meter: Arc<Meter>,
    fetched: Mutex<Vec<bool>>,
    now: AtomicUsize,
    most: AtomicUsize,
    /// Fetches wait until so many have been under way at once.
    meet: usize,
    fault: Option<(u32, u64)>,
}

impl Fetched {
    fn new(tasks: &Arc<Tasks>, meter: &Arc<Meter>, meet: usize) -> Fetched {
        Fetched {
            inner: Checked::new(tasks, meter, |_| Ok(())),
            meter: Arc::clone(meter),
            fetched: Mutex::new(vec![false; tasks.len()]),
            now: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            meet,
            fault: None,
        }
    }
}

impl Work for Fetched {
    fn fetch(&self, task: u32) -> Result<()> {
        assert!(self.inner.tasks.fetches(task));
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        // Without the others the assertion below fails, instead of this waiting for ever.
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.most.load(Ordering::SeqCst) < self.meet && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        let before = std::mem::replace(&mut self.fetched.lock().unwrap()[task as usize], true);
        assert!(!before, "task {task} is fetched twice");
        self.now.fetch_sub(1, Ordering::SeqCst);
        match self.fault {
            Some((at, 0)) if at == task => return Err(failure()),
            Some((at, 1)) if at == task => std::panic::panic_any("made to panic"),
            _ => {}
        }
        self.meter.add(self.inner.tasks.scratch_bytes(task) as i64);
        Ok(())
    }

    fn run(&self, task: u32) -> Result<()> {
        if self.inner.tasks.fetches(task) {
            assert!(
                self.fetched.lock().unwrap()[task as usize],
                "task {task} runs too early"
            );
            self.meter
                .add(-(self.inner.tasks.scratch_bytes(task) as i64));
        }
        self.inner.run(task)
    }

    fn release(&self, task: u32) {
        self.inner.release(task);
    }

    fn describe(&self, task: u32) -> String {
        self.inner.describe(task)
    }
}

#[test]
fn everything_is_fetched_once_and_within_the_floor() {
    for threads in [1, 2, 8] {
        let pool = Pool::new(threads).unwrap();
        for seed in 0..300 {
            let mut dice = Dice(seed);
            let (tasks, order) = planned(loads_and_readers(&mut dice));
            let budget = order.floor + dice.below(2) * dice.below(500);
            let executor = Executor::new(pool.clone(), Ledger::new(budget))
                .with_fetches(1 + dice.below(6) as usize);
            let meter = Meter::new(budget);
            let work = Arc::new(Fetched::new(&tasks, &meter, 0));
            let options = RunOptions {
                serial: dice.below(4) == 0,
                joins: dice.below(2) == 0,
                ..RunOptions::default()
            };
            let report = executor
                .run(tasks, order, Arc::clone(&work) as _, &options)
                .unwrap_or_else(|error| panic!("graph {seed}: {error}"));
            assert_eq!(Arc::strong_count(&work), 1, "someone still has the work");
            work.inner.assert_complete();
            assert_eq!(meter.held(), 0);
            assert!(report.held_peak <= budget && !report.outside_promise);
            assert_eq!(executor.ledger.usage(), Default::default());
        }
    }
}

#[test]
fn fetches_do_not_wait_for_cores() {
    let tasks = uniform(64, 10, 10, |_| Vec::new());
    let mut stages = tasks.stages.clone();
    stages[0].fetches = true;
    let tasks = Tasks::new(stages, tasks.input_starts.clone(), tasks.inputs.clone());
    let (tasks, order) = planned(tasks);
    for (most, budget, expected) in [
        (16, 1 << 20, 16),
        (3, 1 << 20, 3),
        (16, 20, 1),
        (16, 105, 5),
    ] {
        let executor = executor(1, budget).with_fetches(most);
        let meter = Meter::new(budget);
        let work = Arc::new(Fetched::new(&tasks, &meter, expected));
        let run = Arc::clone(&work) as Arc<dyn Work>;
        let options = RunOptions::default();
        executor
            .run(Arc::clone(&tasks), Arc::clone(&order), run, &options)
            .unwrap();
        work.inner.assert_complete();
        assert_eq!(
            work.most.load(Ordering::SeqCst),
            expected,
            "{most} in {budget} bytes"
        );
    }
}

#[test]
fn whatever_fails_while_fetching_leaves_nothing_behind() {
    let pool = Pool::new(2).unwrap();
    for seed in 0..300 {
        let mut dice = Dice(seed);
        let (tasks, order) = planned(loads_and_readers(&mut dice));
        let executor = Executor::new(pool.clone(), Ledger::new(order.floor + 200)).with_fetches(4);
        let meter = Meter::new(u64::MAX / 4);
        let mut work = Fetched::new(&tasks, &meter, 0);
        let victim = dice.below(u64::from(tasks.stages[0].count)) as u32;
        let way = dice.below(3);
        work.fault = Some((victim, way));
        let cancel = Cancel::new();
        if way == 2 {
            cancel.cancel();
        }
        let work = Arc::new(work);
        let options = RunOptions {
            cancel: Some(cancel),
            serial: dice.below(4) == 0,
            joins: dice.below(2) == 0,
            ..RunOptions::default()
        };
        let error = executor
            .run(tasks, order, Arc::clone(&work) as _, &options)
            .unwrap_err();
        assert_eq!(Arc::strong_count(&work), 1, "someone still has the work");
        work.inner.assert_clean();
        let text = error.to_string();
        match way {
            0 => assert!(
                error.is_value() && text.contains(&format!("block [{victim}]")),
                "{text}"
            ),
            1 => assert!(text.contains("made to panic"), "{text}"),
            _ => assert!(error.is_cancelled(), "{text}"),
        }
        assert_eq!(executor.ledger.usage(), Default::default());
    }
}

/// One run that waits for a slow server does not keep another from its own fetches for ever.
#[test]
fn runs_share_the_lane() {
    let executor = executor(2, 1 << 20).with_fetches(2);
    let done = Arc::new(AtomicBool::new(false));
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let executor = executor.clone();
            let done = Arc::clone(&done);
            scope.spawn(move || {
                let (tasks, order) = planned(loads_and_readers(&mut Dice(seed)));
                let meter = Meter::new(1 << 20);
                let work = Arc::new(Fetched::new(&tasks, &meter, 1));
                let run = Arc::clone(&work) as Arc<dyn Work>;
                executor
                    .run(tasks, order, run, &RunOptions::default())
                    .unwrap();
                work.inner.assert_complete();
                done.store(true, Ordering::SeqCst);
            });
        }
    });
    assert!(done.load(Ordering::SeqCst));
}
