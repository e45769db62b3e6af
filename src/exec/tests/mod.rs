//! The executor against an independent count of everything it promises.

mod closures;
mod failures;
mod joining;
mod lane;
mod memory;
mod random;
mod share;
mod sizes;
mod streams;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use super::{Executor, Ledger, Pool, Work};
use crate::error::{Error, Kind, Result};
use crate::graph::tasks::{Order, StageTasks, Tasks, order};

/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same everywhere.
pub struct Dice(pub u64);

impl Dice {
    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

pub fn executor(threads: usize, budget: u64) -> Executor {
    Executor::new(Pool::new(threads).unwrap(), Ledger::new(budget))
}

/// `n` tasks of one stage; `inputs` lists each task's.
pub fn uniform(
    n: u32,
    output_bytes: u64,
    scratch_bytes: u64,
    inputs: impl Fn(u32) -> Vec<u32>,
) -> Tasks {
    let mut starts = vec![0];
    let mut list = Vec::new();
    for task in 0..n {
        list.extend(inputs(task));
        starts.push(list.len() as u32);
    }
    let stage = StageTasks {
        first: 0,
        count: n,
        output_bytes,
        scratch_bytes,
        delivered: false,
        fetches: false,
    };
    Tasks::new(vec![stage], starts, list)
}

/// Up to 40 tasks in a few stages with up to four inputs each, which may repeat; some without bytes.
pub fn random_tasks(dice: &mut Dice) -> Tasks {
    let n = 1 + dice.below(40) as u32;
    let mut stages = Vec::new();
    let mut first = 0;
    while first < n {
        let count = 1 + dice.below(u64::from(n - first)) as u32;
        let mut bytes = || dice.below(4) * dice.below(10);
        stages.push(StageTasks {
            first,
            count,
            output_bytes: bytes(),
            scratch_bytes: bytes(),
            delivered: false,
            fetches: false,
        });
        first += count;
    }
    let mut starts = vec![0];
    let mut inputs = Vec::new();
    let reach = 1 + dice.below(40);
    for task in 0..n {
        if task > 0 {
            for _ in 0..dice.below(5) {
                let back = 1 + dice.below(reach.min(u64::from(task))) as u32;
                inputs.push(task - back);
            }
        }
        starts.push(inputs.len() as u32);
    }
    Tasks::new(stages, starts, inputs)
}

/// Bytes that several runs hold together, counted by what their tasks do.
pub struct Meter {
    held: AtomicI64,
    limit: i64,
}

impl Meter {
    pub fn new(limit: u64) -> Arc<Meter> {
        Arc::new(Meter {
            held: AtomicI64::new(0),
            limit: limit as i64,
        })
    }

    fn add(&self, bytes: i64) {
        let held = self.held.fetch_add(bytes, Ordering::SeqCst) + bytes;
        assert!(held <= self.limit, "{held} of {} bytes", self.limit);
    }

    pub fn held(&self) -> i64 {
        self.held.load(Ordering::SeqCst)
    }
}

type Action = Box<dyn Fn(u32) -> Result<()> + Send + Sync>;

/// Checks each task's life and does something in its middle.
pub struct Checked {
    pub tasks: Arc<Tasks>,
    meter: Arc<Meter>,
    action: Action,
    /// 0 new, 1 running, 2 done, 3 released, 4 failed.
    states: Vec<AtomicU32>,
}

impl Checked {
    pub fn new(
        tasks: &Arc<Tasks>,
        meter: &Arc<Meter>,
        action: impl Fn(u32) -> Result<()> + Send + Sync + 'static,
    ) -> Arc<Checked> {
        Arc::new(Checked {
            states: (0..tasks.len()).map(|_| AtomicU32::new(0)).collect(),
            tasks: Arc::clone(tasks),
            meter: Arc::clone(meter),
            action: Box::new(action),
        })
    }

    fn step(&self, task: u32, from: u32, to: u32) {
        let was = self.states[task as usize].swap(to, Ordering::SeqCst);
        assert_eq!(was, from, "task {task} on its way to {to}");
    }

    pub fn count(&self, state: u32) -> usize {
        let is = |other: &&AtomicU32| other.load(Ordering::SeqCst) == state;
        self.states.iter().filter(is).count()
    }

    /// Every task ran and was released.
    pub fn assert_complete(&self) {
        assert_eq!(self.count(3), self.tasks.len());
    }

    /// No task runs, no output is held.
    pub fn assert_clean(&self) {
        assert_eq!(self.count(1) + self.count(2), 0);
    }
}

impl Work for Checked {
    fn run(&self, task: u32) -> Result<()> {
        self.step(task, 0, 1);
        for &input in self.tasks.inputs(task) {
            let state = self.states[input as usize].load(Ordering::SeqCst);
            assert_eq!(state, 2, "input {input} of {task}");
        }
        let (output, scratch) = (
            self.tasks.output_bytes(task) as i64,
            self.tasks.scratch_bytes(task) as i64,
        );
        self.meter.add(output + scratch);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (self.action)(task)));
        self.meter.add(-scratch);
        if !matches!(result, Ok(Ok(()))) {
            self.meter.add(-output);
            self.step(task, 1, 4);
        } else {
            self.step(task, 1, 2);
        }
        match result {
            Ok(result) => result,
            Err(payload) => std::panic::resume_unwind(payload),
        }
    }

    fn release(&self, task: u32) {
        self.step(task, 2, 3);
        self.meter.add(-(self.tasks.output_bytes(task) as i64));
    }

    fn describe(&self, task: u32) -> String {
        format!("block [{task}]")
    }
}

pub fn planned(tasks: Tasks) -> (Arc<Tasks>, Arc<Order>) {
    let order = order(&tasks, None);
    (Arc::new(tasks), Arc::new(order))
}

pub fn failure() -> Error {
    Error::new(Kind::Value, "made to fail")
}
