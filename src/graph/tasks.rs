//! Tasks as numbers: which stage, which inputs, how many bytes; the order in which they are
//! activated; the smallest budget in which that order runs.
//!
//! A graph of a million blocks is a million of these, so a task has no struct of its own: 8 bytes of
//! offsets here, 4 in the order, 8 of state while it runs, and 8 bytes per dependency (each is listed
//! at both of its ends).

use std::cmp::Reverse;

use crate::base::few::{Few, few};
use crate::error::{Error, Kind, Result};

/// A run of tasks that have the same program and so the same number of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageTasks {
    pub first: u32,
    pub count: u32,
    /// Held from a task's start until its last consumer finished.
    pub output_bytes: u64,
    /// Held only while a task runs.
    pub scratch_bytes: u64,
    /// The consumer of a stream takes the output: it counts as one more reader.
    pub delivered: bool,
    /// A task waits for something from afar before it runs; it has no inputs.
    pub fetches: bool,
}

impl StageTasks {
    /// What one of its tasks needs to start: its output and its scratch.
    pub fn running_bytes(&self) -> u64 {
        self.output_bytes.saturating_add(self.scratch_bytes)
    }
}

/// A graph of tasks, numbered from 0, stage after stage.
#[derive(Debug)]
pub struct Tasks {
    pub stages: Few<StageTasks, 1>,
    /// Where the inputs of each task start in `inputs`; one more entry than tasks.
    pub input_starts: Few<u32>,
    pub inputs: Vec<u32>,
    /// Empty if no task has inputs.
    consumer_starts: Vec<u32>,
    consumers: Vec<u32>,
    /// Tasks that nobody needs, which never run and have no inputs; empty if there are none.
    idle: Vec<bool>,
    /// What the plan and the run keep per task and dependency; booked as long as the run lasts.
    pub own_bytes: u64,
}

/// The numbers (12 bytes) and states (8) of a task, and the slot of its output (40).
const TASK_BYTES: u64 = 60;
/// A dependency is listed at both of its ends.
const DEPENDENCY_BYTES: u64 = 8;

impl Tasks {
    /// Stages must follow each other without gaps, from task 0 on.
    pub fn new(
        stages: impl Into<Few<StageTasks, 1>>,
        input_starts: impl Into<Few<u32>>,
        inputs: Vec<u32>,
    ) -> Tasks {
        let mut tasks = Tasks {
            stages: stages.into(),
            input_starts: input_starts.into(),
            inputs,
            consumer_starts: Vec::new(),
            consumers: Vec::new(),
            idle: Vec::new(),
            own_bytes: 0,
        };
        tasks.list_consumers();
        if cfg!(debug_assertions)
            && let Err(error) = tasks.validate()
        {
            panic!("{error}");
        }
        tasks
    }

    /// As [`Tasks::new`], with the numbers of those stages whose results are `asked` for: of the others, tasks that no
    /// task needs are left out. Tasks must be numbered after their inputs.
    ///
    /// A stage makes a box of a value, and its readers may want parts of it that lie apart.
    pub fn needed(
        stages: impl Into<Few<StageTasks, 1>>,
        input_starts: impl Into<Few<u32>>,
        mut inputs: Vec<u32>,
        asked: impl Fn(usize) -> bool,
    ) -> Tasks {
        let (stages, mut input_starts) = (stages.into(), input_starts.into());
        if (0..stages.len()).all(&asked) {
            return Tasks::new(stages, input_starts, inputs);
        }
        let mut needed = vec![false; input_starts.len().saturating_sub(1)];
        for (number, stage) in stages.iter().enumerate().rev() {
            let asked = asked(number);
            for task in (stage.first as usize..(stage.first + stage.count) as usize).rev() {
                needed[task] |= asked;
                if needed[task] {
                    let of_task = input_starts[task] as usize..input_starts[task + 1] as usize;
                    for &input in &inputs[of_task] {
                        needed[input as usize] = true;
                    }
                }
            }
        }
        if needed.iter().all(|&needed| needed) {
            return Tasks::new(stages, input_starts, inputs);
        }
        let mut kept = 0;
        for (task, needed) in needed.iter().enumerate() {
            let of_task = input_starts[task] as usize..input_starts[task + 1] as usize;
            input_starts[task] = kept as u32;
            if *needed {
                let len = of_task.len();
                inputs.copy_within(of_task, kept);
                kept += len;
            }
        }
        input_starts[needed.len()] = kept as u32;
        inputs.truncate(kept);
        let mut tasks = Tasks::new(stages, input_starts, inputs);
        tasks.idle = needed.iter().map(|needed| !needed).collect();
        tasks
    }

    /// Whether nobody needs a task, so that it never runs.
    pub fn is_idle(&self, task: u32) -> bool {
        self.idle.get(task as usize).is_some_and(|&idle| idle)
    }

    /// The tasks of a stage that run.
    pub fn running_in(&self, stage: usize) -> usize {
        let stage = &self.stages[stage];
        let all = stage.first..stage.first + stage.count;
        match self.idle.is_empty() {
            true => all.len(),
            false => all.filter(|&task| !self.is_idle(task)).count(),
        }
    }

    /// Turns "inputs of" around, by counting; consumers come out ascending.
    fn list_consumers(&mut self) {
        if self.inputs.is_empty() {
            return;
        }
        let n = self.len();
        let mut starts = vec![0_u32; n + 1];
        for &input in &self.inputs {
            starts[input as usize + 1] += 1;
        }
        for task in 0..n {
            starts[task + 1] += starts[task];
        }
        let mut consumers = vec![0_u32; self.inputs.len()];
        // Filling moves each start to its end, which is the next one's start.
        for task in 0..n as u32 {
            for &input in self.inputs(task) {
                let at = &mut starts[input as usize];
                consumers[*at as usize] = task;
                *at += 1;
            }
        }
        starts.rotate_right(1);
        starts[0] = 0;
        self.consumer_starts = starts;
        self.consumers = consumers;
    }

    /// Books the arrays of the run itself, which are part of every floor from then on.
    pub fn count_own_bytes(mut self) -> Tasks {
        self.own_bytes =
            self.len() as u64 * TASK_BYTES + self.inputs.len() as u64 * DEPENDENCY_BYTES;
        self
    }

    pub fn len(&self) -> usize {
        self.input_starts.len().saturating_sub(1)
    }

    pub fn stage_of(&self, task: u32) -> usize {
        self.stages
            .partition_point(|stage| stage.first <= task)
            .saturating_sub(1)
    }

    fn stage(&self, task: u32) -> &StageTasks {
        &self.stages[self.stage_of(task)]
    }

    pub fn output_bytes(&self, task: u32) -> u64 {
        self.stage(task).output_bytes
    }

    pub fn scratch_bytes(&self, task: u32) -> u64 {
        self.stage(task).scratch_bytes
    }

    /// What a task needs to start: its output and its scratch.
    pub fn running_bytes(&self, task: u32) -> u64 {
        self.stage(task).running_bytes()
    }

    /// Whether any task waits for something from afar.
    pub fn any_fetches(&self) -> bool {
        self.stages
            .iter()
            .any(|stage| stage.fetches && stage.count > 0)
    }

    pub fn fetches(&self, task: u32) -> bool {
        self.stage(task).fetches
    }

    pub fn delivered(&self, task: u32) -> bool {
        self.stage(task).delivered
    }

    /// How many readers an output has; it is held until the last of them is done.
    pub fn readers(&self, task: u32) -> u32 {
        self.consumers(task).len() as u32 + u32::from(self.delivered(task))
    }

    pub fn inputs(&self, task: u32) -> &[u32] {
        let task = task as usize;
        &self.inputs[self.input_starts[task] as usize..self.input_starts[task + 1] as usize]
    }

    pub fn consumers(&self, task: u32) -> &[u32] {
        if self.consumer_starts.is_empty() {
            return &[];
        }
        let task = task as usize;
        &self.consumers
            [self.consumer_starts[task] as usize..self.consumer_starts[task + 1] as usize]
    }

    /// A task of the stage that needs the most bytes to start, and those bytes.
    pub fn largest(&self) -> Option<(u32, u64)> {
        self.stages
            .iter()
            .filter(|stage| stage.count > 0)
            .map(|stage| (stage.first, stage.running_bytes()))
            .max_by_key(|&(first, bytes)| (bytes, Reverse(first)))
    }

    /// Whether the arrays describe a graph: stages without gaps, numbers in range, no cycle.
    pub fn validate(&self) -> Result<()> {
        let wrong = |what: String| Err(Error::new(Kind::Internal, format!("task graph: {what}")));
        let n = self.len();
        let mut next = 0_u32;
        for (number, stage) in self.stages.iter().enumerate() {
            if stage.first != next {
                return wrong(format!(
                    "stage {number} starts at task {} instead of {next}",
                    stage.first
                ));
            }
            next += stage.count;
        }
        if next as usize != n {
            return wrong(format!(
                "stages have {next} tasks, {n} tasks have input lists"
            ));
        }
        if self.input_starts.first().is_some_and(|&start| start != 0)
            || self.input_starts.last().map_or(0, |&end| end as usize) != self.inputs.len()
            || !self.input_starts.is_sorted()
        {
            return wrong("input lists do not cover the inputs".to_owned());
        }
        if let Some(input) = self.inputs.iter().find(|&&input| input as usize >= n) {
            return wrong(format!("input {input} of {n} tasks"));
        }
        let mut sorted = 0;
        for_each_after_inputs(self, |_| sorted += 1);
        if sorted < n {
            return wrong(format!("{} tasks wait for each other", n - sorted));
        }
        Ok(())
    }
}

/// Visits every task after all of its inputs; tasks on a cycle are never reached.
fn for_each_after_inputs(tasks: &Tasks, mut visit: impl FnMut(u32)) {
    let n = tasks.len() as u32;
    let mut left: Vec<u32> = (0..n).map(|task| tasks.inputs(task).len() as u32).collect();
    let mut ready: Vec<u32> = (0..n).filter(|&task| left[task as usize] == 0).collect();
    while let Some(task) = ready.pop() {
        visit(task);
        for &consumer in tasks.consumers(task) {
            left[consumer as usize] -= 1;
            if left[consumer as usize] == 0 {
                ready.push(consumer);
            }
        }
    }
}

/// The order in which tasks are activated, and what it costs.
#[derive(Debug)]
pub struct Order {
    pub sequence: Few<u32>,
    /// M₁: the most bytes held when the tasks run one after another in this order, the run's own arrays
    /// included.
    pub floor: u64,
    /// The most bytes that one task needs to start.
    pub largest: u64,
    /// Whether some tasks wait for something from afar, so that many of them are best under way at once.
    pub fetches: bool,
}

/// Depth-first from the roots, inputs that need the most for the least result first.
///
/// The roots are the tasks without consumers that somebody needs, by number, or `roots_in_order`, which is the order in
/// which a stream delivers (roots it leaves out follow). Which of a task's inputs goes first follows
/// Liu ("On the generalization of the Sethi–Ullman algorithm", 1986): by descending difference
/// between the peak of computing an input and the bytes that it leaves behind. That is the best
/// depth-first order of a tree. Where outputs have several readers the figures are estimates, so the
/// order in which inputs are listed is simulated too and the cheaper one wins: a moving window over
/// neighbours is listed well.
pub fn order(tasks: &Tasks, roots_in_order: Option<&[u32]>) -> Order {
    let largest = tasks.largest().map_or(0, |(_, bytes)| bytes);
    if tasks.inputs.is_empty() && roots_in_order.is_none() {
        // Nobody reads what others make: each task returns all of its bytes when it ends.
        return Order {
            sequence: few((0..tasks.len() as u32).filter(|&task| !tasks.is_idle(task))),
            floor: largest.saturating_add(tasks.own_bytes),
            largest,
            fetches: tasks.any_fetches(),
        };
    }
    let mut roots = roots_in_order.map_or_else(Vec::new, <[u32]>::to_vec);
    let last = |&task: &u32| tasks.consumers(task).is_empty() && !tasks.is_idle(task);
    roots.extend((0..tasks.len() as u32).filter(last));

    let takes = roots_in_order.unwrap_or(&[]);
    let mut sequence = depth_first(tasks, &roots, Some(&spare_bytes(tasks)), false);
    let mut floor = simulate(tasks, &sequence, takes);
    if (0..tasks.len() as u32).any(|task| tasks.readers(task) > 1) {
        for eager in [false, true] {
            let listed = depth_first(tasks, &roots, None, eager);
            let listed_floor = simulate(tasks, &listed, takes);
            if listed_floor < floor {
                (sequence, floor) = (listed, listed_floor);
            }
        }
    }
    Order {
        sequence: sequence.into(),
        floor: floor.saturating_add(tasks.own_bytes),
        largest,
        fetches: tasks.any_fetches(),
    }
}

/// The [`order`] of tasks whose results are delivered, if they are, stage by stage: a stream's blocks come in
/// the order of its stage's tasks.
pub fn order_delivered(tasks: &Tasks) -> Order {
    let delivered = tasks.stages.iter().filter(|stage| stage.delivered);
    let delivered: Vec<u32> = delivered
        .flat_map(|stage| stage.first..stage.first + stage.count)
        .collect();
    order(tasks, (!delivered.is_empty()).then_some(&delivered[..]))
}

/// For each task, the peak of computing it with all it depends on, less the bytes it leaves: what
/// Liu sorts by. Shared inputs are counted at each of their readers.
fn spare_bytes(tasks: &Tasks) -> Vec<u64> {
    let mut spare = vec![0_u64; tasks.len()];
    let mut inputs = Vec::new();
    for_each_after_inputs(tasks, |task| {
        inputs.clear();
        inputs.extend_from_slice(tasks.inputs(task));
        inputs.sort_by_key(|&input| Reverse(spare[input as usize]));
        let (mut held, mut peak) = (0_u64, 0_u64);
        for &input in &inputs {
            let output = tasks.output_bytes(input);
            peak = peak.max(
                held.saturating_add(output)
                    .saturating_add(spare[input as usize]),
            );
            held = held.saturating_add(output);
        }
        peak = peak.max(held.saturating_add(tasks.running_bytes(task)));
        spare[task as usize] = peak - tasks.output_bytes(task).min(peak);
    });
    spare
}

/// Every task after its inputs, with a stack of our own: graphs may be a million deep.
///
/// `eager` readers that leave less than they read go as soon as their last input is there, whoever asked
/// for it: what several stages read of a source is then let go before the next of it is loaded.
fn depth_first(tasks: &Tasks, roots: &[u32], spare: Option<&[u64]>, eager: bool) -> Vec<u32> {
    const NEW: u8 = 0;
    const OPEN: u8 = 1;
    const LISTED: u8 = 2;
    let mut state = vec![NEW; tasks.len()];
    let mut sequence = Vec::with_capacity(tasks.len());
    let mut stack = Vec::new();
    let mut ready: Vec<u32> = Vec::new();
    let mut missing: Vec<u32> = match eager {
        true => (0..tasks.len() as u32)
            .map(|task| tasks.inputs(task).len() as u32)
            .collect(),
        false => Vec::new(),
    };
    for &root in roots {
        stack.push(root);
        while let Some(&task) = stack.last() {
            match state[task as usize] {
                NEW => {
                    state[task as usize] = OPEN;
                    let first = stack.len();
                    let inputs = tasks.inputs(task).iter().rev();
                    stack.extend(inputs.filter(|&&input| state[input as usize] == NEW));
                    if let Some(spare) = spare {
                        // The top of the stack goes first; the sort is stable, so that equals keep
                        // the order in which they are listed.
                        stack[first..].sort_by_key(|&input| spare[input as usize]);
                    }
                }
                OPEN => {
                    state[task as usize] = LISTED;
                    sequence.push(task);
                    stack.pop();
                    if eager {
                        ready.push(task);
                    }
                    while let Some(done) = ready.pop() {
                        for &reader in tasks.consumers(done) {
                            missing[reader as usize] -= 1;
                            let shrinks = tasks.output_bytes(reader) < tasks.output_bytes(done);
                            if missing[reader as usize] == 0
                                && shrinks
                                && !tasks.delivered(reader)
                                && state[reader as usize] != LISTED
                            {
                                state[reader as usize] = LISTED;
                                sequence.push(reader);
                                ready.push(reader);
                            }
                        }
                    }
                }
                _ => {
                    stack.pop();
                }
            }
        }
    }
    let idle = tasks.idle.iter().filter(|&&idle| idle).count();
    assert_eq!(
        sequence.len() + idle,
        tasks.len(),
        "a task graph has a cycle"
    );
    sequence
}

/// For each stage, the bytes of its outputs that are held when the most bytes are.
pub fn held_at_peak(tasks: &Tasks, order: &Order) -> Vec<u64> {
    let mut readers: Vec<u32> = (0..tasks.len() as u32)
        .map(|task| tasks.readers(task))
        .collect();
    let mut held = vec![0u64; tasks.stages.len()];
    let (mut total, mut peak) = (0u64, 0u64);
    let mut at_peak = held.clone();
    for &task in &order.sequence {
        let stage = tasks.stage_of(task);
        held[stage] += tasks.output_bytes(task);
        total += tasks.output_bytes(task);
        if total + tasks.scratch_bytes(task) > peak {
            peak = total + tasks.scratch_bytes(task);
            at_peak.copy_from_slice(&held);
        }
        let mut gone = |of: u32| {
            held[tasks.stage_of(of)] -= tasks.output_bytes(of);
            total -= tasks.output_bytes(of);
        };
        for &input in tasks.inputs(task) {
            readers[input as usize] -= 1;
            if readers[input as usize] == 0 {
                gone(input);
            }
        }
        // What is delivered is taken at once here, which is not quite so in a stream.
        if tasks.consumers(task).is_empty() {
            gone(task);
        }
    }
    at_peak
}

/// The most bytes held when the tasks run one after another.
///
/// A task books its output and scratch and returns the scratch, then the outputs whose last reader it
/// was. Whoever takes delivered outputs does so as soon as possible, in the order of `takes`.
fn simulate(tasks: &Tasks, sequence: &[u32], takes: &[u32]) -> u64 {
    let mut readers: Vec<u32> = (0..tasks.len() as u32)
        .map(|task| tasks.readers(task))
        .collect();
    let mut takes = takes
        .iter()
        .copied()
        .filter(|&task| tasks.delivered(task))
        .peekable();
    let in_given_order = takes.peek().is_some();
    let mut done = vec![false; if in_given_order { tasks.len() } else { 0 }];
    let (mut held, mut peak) = (0_u64, 0_u64);
    for &task in sequence {
        held = held.saturating_add(tasks.running_bytes(task));
        peak = peak.max(held);
        held -= tasks.scratch_bytes(task);
        let mut read = |input: u32| {
            readers[input as usize] -= 1;
            if readers[input as usize] == 0 {
                held -= tasks.output_bytes(input);
            }
        };
        for &input in tasks.inputs(task) {
            read(input);
        }
        if in_given_order {
            done[task as usize] = true;
            while let Some(taken) = takes.next_if(|&root| done[root as usize]) {
                read(taken);
            }
        } else if tasks.delivered(task) {
            read(task);
        }
        if tasks.readers(task) == 0 {
            held -= tasks.output_bytes(task);
        }
    }
    peak
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One stage per task: `(output, scratch, inputs)`.
    fn graph(list: &[(u64, u64, &[u32])]) -> Tasks {
        let mut stages = Vec::new();
        let mut starts = vec![0];
        let mut inputs = Vec::new();
        for (task, &(output_bytes, scratch_bytes, list)) in list.iter().enumerate() {
            stages.push(StageTasks {
                first: task as u32,
                count: 1,
                output_bytes,
                scratch_bytes,
                delivered: false,
                fetches: false,
            });
            inputs.extend_from_slice(list);
            starts.push(inputs.len() as u32);
        }
        Tasks::new(stages, starts, inputs)
    }

    #[test]
    fn consumers_turn_inputs_around() {
        let tasks = graph(&[(1, 0, &[]), (1, 0, &[0]), (1, 0, &[0, 1]), (1, 0, &[])]);
        assert_eq!(tasks.consumers(0), [1, 2]);
        assert_eq!(tasks.consumers(1), [2]);
        assert!(tasks.consumers(2).is_empty() && tasks.consumers(3).is_empty());
    }

    /// Two readers want the ends of what a stage makes of another one's blocks.
    #[test]
    fn what_nobody_needs_is_left_out() {
        let stage = |first, count| StageTasks {
            first,
            count,
            output_bytes: 8,
            scratch_bytes: 0,
            delivered: false,
            fetches: false,
        };
        let inputs: [&[u32]; 10] = [&[], &[], &[], &[], &[0], &[0, 1], &[2], &[3], &[4], &[7]];
        let mut starts = vec![0];
        for list in inputs {
            starts.push(starts[starts.len() - 1] + list.len() as u32);
        }
        let make = |asked: &[usize]| {
            let stages = vec![stage(0, 4), stage(4, 4), stage(8, 2)];
            Tasks::needed(stages, starts.clone(), inputs.concat(), |number| {
                asked.contains(&number)
            })
        };
        let tasks = make(&[2]);
        tasks.validate().unwrap();
        let idle: Vec<u32> = (0..10).filter(|&task| tasks.is_idle(task)).collect();
        assert_eq!(idle, [1, 2, 5, 6]);
        assert_eq!(
            tasks.consumers(0),
            [4],
            "a task that is left out reads nothing"
        );
        assert_eq!([0, 1, 2].map(|stage| tasks.running_in(stage)), [2, 2, 2]);
        let order = order(&tasks, None);
        assert_eq!(order.sequence[..], [0, 4, 8, 3, 7, 9]);
        assert_eq!(order.floor, 16);
        // Who asks for everything gets it.
        for asked in [&[1, 2][..], &[0, 1, 2]] {
            let all = make(asked);
            assert!(!(0..10).any(|task| all.is_idle(task)));
            assert_eq!(all.running_in(1), 4);
            assert_eq!(super::order(&all, None).sequence.len(), 10);
        }
    }

    #[test]
    fn the_costly_input_goes_first() {
        // Input 1 needs 100 bytes for a moment and leaves 1; input 0 leaves 10.
        let tasks = graph(&[(10, 0, &[]), (1, 99, &[]), (0, 0, &[0, 1])]);
        let order = order(&tasks, None);
        assert_eq!(order.sequence[..], [1, 0, 2]);
        assert_eq!((order.floor, order.largest), (100, 100));
    }

    #[test]
    fn a_wide_sum_is_held_in_pairs() {
        // A binary tree over 1,024 leaves of 8 bytes needs one output per level, not 1,024.
        let mut list: Vec<(u64, u64, Vec<u32>)> = vec![(8, 0, vec![]); 1024];
        let (mut first, mut count) = (0, 1024);
        while count > 1 {
            for pair in 0..count / 2 {
                list.push((8, 0, vec![first + 2 * pair, first + 2 * pair + 1]));
            }
            first += count;
            count /= 2;
        }
        let list: Vec<_> = list
            .iter()
            .map(|(o, s, inputs)| (*o, *s, inputs.as_slice()))
            .collect();
        assert_eq!(order(&graph(&list), None).floor, 8 * 12);
    }

    #[test]
    fn neighbours_make_a_moving_window() {
        let n = 1000_u32;
        let mut list: Vec<(u64, u64, Vec<u32>)> = vec![(8, 0, vec![]); n as usize];
        for i in 0..n {
            list.push((0, 0, (i.saturating_sub(1)..=(i + 1).min(n - 1)).collect()));
        }
        let list: Vec<_> = list
            .iter()
            .map(|(o, s, inputs)| (*o, *s, inputs.as_slice()))
            .collect();
        assert_eq!(order(&graph(&list), None).floor, 8 * 3);
    }

    #[test]
    fn delivered_roots_are_held_until_those_before_them_are_taken() {
        let mut tasks = graph(&[(8, 0, &[]), (8, 0, &[0])]);
        for stage in &mut tasks.stages {
            stage.delivered = true;
        }
        // Task 0 must run first but is taken last, so both are held at once either way.
        assert_eq!(order(&tasks, Some(&[0, 1])).floor, 16);
        let lone = graph(&[(8, 0, &[]), (8, 0, &[])]);
        assert_eq!(order(&lone, Some(&[1, 0])).sequence[..], [1, 0]);
        assert_eq!(order(&lone, Some(&[1, 0])).floor, 8);
    }

    #[test]
    fn a_million_deep_is_no_deeper() {
        let n = 1_000_000_u32;
        let stages = vec![StageTasks {
            first: 0,
            count: n,
            output_bytes: 8,
            scratch_bytes: 1,
            delivered: false,
            fetches: false,
        }];
        let starts: Vec<u32> = (0..=n).map(|task| task.saturating_sub(1)).collect();
        let tasks = Tasks::new(stages, starts, (0..n - 1).collect());
        let order = order(&tasks, None);
        assert_eq!(order.sequence.len(), n as usize);
        assert_eq!(order.floor, 17);
    }

    #[test]
    fn broken_graphs_are_named() {
        let valid = graph(&[(1, 0, &[]), (1, 0, &[0])]);
        let cycle = Tasks {
            inputs: vec![1],
            input_starts: [0, 1, 1][..].into(),
            consumer_starts: vec![0, 0, 1],
            consumers: vec![0],
            ..valid
        };
        assert!(cycle.validate().is_ok());
        let cycle = Tasks {
            inputs: vec![1, 0],
            input_starts: [0, 1, 2][..].into(),
            consumer_starts: vec![0, 1, 2],
            consumers: vec![1, 0],
            ..cycle
        };
        assert!(
            cycle
                .validate()
                .unwrap_err()
                .to_string()
                .contains("2 tasks wait")
        );
    }
}
