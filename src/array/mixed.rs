//! One graph of array tasks and delayed calls.
//!
//! An array may be made of delayed blocks, whose calls may read blocks of other arrays, and so on. Each array whose
//! blocks are read is planned by itself, once for all of its blocks; then what is needed of all plans, and the calls
//! between them, becomes one graph of tasks, so that nothing runs twice and everything counts in one budget.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::compute::{Takes, host, spill_file};
use super::delayed::{Block, Blocks};
use super::engine::Engine;
use super::outline::outline;
use super::planning::{Planned, plan};
use crate::base::chunks::{Chunks, unravel};
use crate::base::dtype::DType;
use crate::base::few::Few;
use crate::base::memory::RawViewMut;
use crate::base::region::Region;
use crate::base::source::ErasedSource;
use crate::error::Result;
use crate::exec::{Outline, StageOutline, Work};
use crate::graph::expand::each_index;
use crate::graph::stage::{Job, LoadFrom, Place};
use crate::graph::tasks::{Order, StageTasks, Tasks, order_delivered};
use crate::plan::node::{Value, ValueKey};
use crate::task::{DelayedNode, Held, Making};
use crate::work::{self, GraphWork, Places, ResultPlace};

/// Whether a plan, or what is asked for beside it, has delayed calls at all.
pub(super) fn is_mixed(planned: &Planned, roots: &[Arc<DelayedNode>]) -> bool {
    !roots.is_empty()
        || planned
            .env
            .sources
            .iter()
            .any(|source| blocks_of(&**source).is_some())
}

fn blocks_of(source: &dyn ErasedSource) -> Option<&Arc<Blocks>> {
    source.as_any()?.downcast_ref()
}

/// What a task of the graph is.
#[derive(Clone, Copy)]
enum Entry {
    Array { part: u32, task: u32 },
    Call(u32),
}

/// A graph that is ready to run.
pub(super) struct Mixed {
    pub tasks: Arc<Tasks>,
    pub order: Arc<Order>,
    parts: Vec<Part>,
    calls: Vec<Call>,
    entries: Vec<Entry>,
    roots: Vec<u32>,
}

/// A plan, and which of its tasks are needed.
struct Part {
    planned: Planned,
    needed: Vec<bool>,
    /// Of a task that loads delayed blocks: the calls that make them.
    loads: HashMap<u32, Vec<u32>>,
}

struct Call {
    node: Arc<DelayedNode>,
    inputs: Vec<u32>,
    /// The task that makes the block, if it is one.
    block: Option<(u32, u32)>,
}

/// Finds what is needed, from the results backwards.
struct Search<'a> {
    engine: &'a Engine,
    parts: Vec<Part>,
    part_of: HashMap<ValueKey, u32>,
    calls: Vec<Call>,
    number_of: HashMap<*const DelayedNode, u32>,
    todo: Vec<Entry>,
}

impl Search<'_> {
    fn part(&mut self, planned: Planned) -> u32 {
        let needed = vec![false; planned.tasks.len()];
        self.parts.push(Part {
            planned,
            needed,
            loads: HashMap::new(),
        });
        self.parts.len() as u32 - 1
    }

    fn task(&mut self, part: u32, task: u32) {
        let needed = &mut self.parts[part as usize].needed;
        need(needed, &mut self.todo, part, task);
    }

    fn call(&mut self, node: &Arc<DelayedNode>) -> u32 {
        let next = self.calls.len() as u32;
        let number = *self.number_of.entry(Arc::as_ptr(node)).or_insert(next);
        if number == next {
            self.calls.push(Call {
                node: Arc::clone(node),
                inputs: Vec::new(),
                block: None,
            });
            self.todo.push(Entry::Call(number));
        }
        number
    }

    fn run(&mut self) {
        while let Some(entry) = self.todo.pop() {
            match entry {
                Entry::Array { part, task } => self.task_inputs(part, task),
                Entry::Call(number) => self.call_inputs(number),
            }
        }
    }

    fn task_inputs(&mut self, number: u32, task: u32) {
        let Part {
            planned, needed, ..
        } = &mut self.parts[number as usize];
        let (stage, cell, _) = planned.numbering.locate(&planned.graph, task);
        let stage = &planned.graph.dag[stage];
        let mut loaded = None;
        if let Job::Load(LoadFrom::Source(source)) = stage.job
            && let Some(blocks) = blocks_of(&*planned.env.sources[source])
        {
            let region = stage.outputs[0].region(&stage.cell_index(cell));
            loaded = Some((Arc::clone(blocks), region));
        }
        for &input in planned.tasks.inputs(task) {
            need(needed, &mut self.todo, number, input);
        }
        if let Some((blocks, region)) = loaded {
            let mut calls = Vec::new();
            for_each_block(&blocks.chunks, &region, |block, _| {
                calls.push(self.call(&blocks.nodes[block]));
            });
            self.parts[number as usize].loads.insert(task, calls);
        }
    }

    fn call_inputs(&mut self, number: u32) {
        let node = Arc::clone(&self.calls[number as usize].node);
        let inputs = node.inputs.iter().map(|input| self.call(input)).collect();
        self.calls[number as usize].inputs = inputs;
        if let Making::Foreign(foreign) = &node.making
            && let Some(block) = foreign.downcast_ref::<Block>()
        {
            let part = self.part_for(&block.value);
            let stages = &self.parts[part as usize].planned.tasks.stages;
            let first = stages.iter().find(|stage| stage.delivered);
            let task = first.map_or(0, |stage| stage.first) + block.number as u32;
            self.task(part, task);
            self.calls[number as usize].block = Some((part, task));
        }
    }

    /// The plan of an array whose blocks are read.
    fn part_for(&mut self, value: &Value) -> u32 {
        if let Some(&part) = self.part_of.get(&value.key()) {
            return part;
        }
        let planned = plan(self.engine, std::slice::from_ref(value), &[Place::Stream]);
        let part = self.part(planned);
        self.part_of.insert(value.key(), part);
        part
    }
}

/// Notes that a task of a part is needed; the first time there is more to do.
fn need(needed: &mut [bool], todo: &mut Vec<Entry>, part: u32, task: u32) {
    if !std::mem::replace(&mut needed[task as usize], true) {
        todo.push(Entry::Array { part, task });
    }
}

/// The blocks of a grid that meet a region: their numbers and regions.
fn for_each_block(chunks: &Chunks, region: &Region, mut f: impl FnMut(usize, &Region)) {
    if region.is_empty() {
        return;
    }
    let ranges: Vec<_> = (0..region.ndim())
        .map(|axis| chunks.0[axis].meeting(&region.range(axis)))
        .collect();
    let counts = chunks.counts();
    each_index(&ranges, |index| {
        let number = index
            .iter()
            .zip(&counts)
            .fold(0, |n, (&i, &count)| n * count + i);
        f(number, &chunks.region(index));
    });
}

impl Mixed {
    /// The tasks of a plan, and what they and `roots` need.
    pub fn new(engine: &Engine, planned: Planned, roots: &[Arc<DelayedNode>]) -> Mixed {
        let mut search = Search {
            engine,
            parts: Vec::new(),
            part_of: HashMap::new(),
            calls: Vec::new(),
            number_of: HashMap::new(),
            todo: Vec::new(),
        };
        let sequence = planned.order.sequence.clone();
        let first = search.part(planned);
        for task in sequence {
            search.task(first, task);
        }
        let roots: Vec<u32> = roots.iter().map(|root| search.call(root)).collect();
        search.run();
        let Search { parts, calls, .. } = search;

        // Tasks of arrays keep their order; those of the first plan keep their numbers.
        let mut entries = Vec::new();
        let mut stages: Vec<StageTasks> = Vec::new();
        let mut of_task: Vec<Vec<u32>> = Vec::new();
        for (number, part) in parts.iter().enumerate() {
            let mut numbers = vec![u32::MAX; part.needed.len()];
            for stage in &part.planned.tasks.stages {
                let first = entries.len() as u32;
                let all = stage.first..stage.first + stage.count;
                for task in all.filter(|&task| part.needed[task as usize]) {
                    numbers[task as usize] = entries.len() as u32;
                    let part = number as u32;
                    entries.push(Entry::Array { part, task });
                }
                stages.push(StageTasks {
                    first,
                    count: entries.len() as u32 - first,
                    delivered: stage.delivered && number == 0,
                    ..stage.clone()
                });
            }
            of_task.push(numbers);
        }
        // Calls of one name and size are a stage.
        let mut groups: HashMap<(&str, u64), usize> = HashMap::new();
        let mut members: Vec<(u64, Vec<u32>)> = Vec::new();
        for (number, call) in calls.iter().enumerate() {
            let bytes = call.node.bytes.unwrap_or(0);
            let group = *groups.entry((&call.node.name, bytes)).or_insert_with(|| {
                members.push((bytes, Vec::new()));
                members.len() - 1
            });
            members[group].1.push(number as u32);
        }
        let mut of_call = vec![0; calls.len()];
        for (bytes, members) in members {
            stages.push(StageTasks {
                first: entries.len() as u32,
                count: members.len() as u32,
                output_bytes: bytes,
                scratch_bytes: 0,
                delivered: false,
                fetches: false,
            });
            for number in members {
                of_call[number as usize] = entries.len() as u32;
                entries.push(Entry::Call(number));
            }
        }

        let mut starts = vec![0];
        let mut inputs: Vec<u32> = Vec::new();
        for entry in &entries {
            let from = inputs.len();
            match *entry {
                Entry::Array { part, task } => {
                    let numbers = &of_task[part as usize];
                    let part = &parts[part as usize];
                    let of_tasks = part.planned.tasks.inputs(task).iter();
                    inputs.extend(of_tasks.map(|&input| numbers[input as usize]));
                    let loads = part.loads.get(&task).into_iter().flatten();
                    inputs.extend(loads.map(|&call| of_call[call as usize]));
                }
                Entry::Call(number) => {
                    let call = &calls[number as usize];
                    inputs.extend(call.inputs.iter().map(|&input| of_call[input as usize]));
                    let block = call.block.iter();
                    inputs.extend(block.map(|&(part, task)| of_task[part as usize][task as usize]));
                }
            }
            let mut own = inputs.split_off(from);
            own.sort_unstable();
            own.dedup();
            inputs.append(&mut own);
            starts.push(inputs.len() as u32);
        }
        let tasks = Tasks::new(stages, starts, inputs).count_own_bytes();
        let order = order_delivered(&tasks);
        Mixed {
            tasks: Arc::new(tasks),
            order: Arc::new(order),
            parts,
            calls,
            entries,
            roots,
        }
    }

    /// Calls, and those of them whose results' bytes were not declared.
    pub fn calls(&self) -> (usize, usize) {
        let undeclared = self.calls.iter().filter(|call| call.node.bytes.is_none());
        (self.calls.len(), undeclared.count())
    }

    /// What observers are told of the stages: those of the plans, and calls of one name.
    pub fn outline(&self) -> Outline {
        let plans: Vec<Outline> = self
            .parts
            .iter()
            .map(|part| outline(&part.planned))
            .collect();
        let mut known = plans.iter().flat_map(|plan| &plan.stages);
        let stages = self.tasks.stages.iter().map(|stage| {
            let described = match (known.next(), self.entries.get(stage.first as usize)) {
                (Some(known), _) => {
                    let mut described = known.clone();
                    if stage.count < known.tasks {
                        // Only some blocks are needed.
                        let running = u64::from(known.running().max(1));
                        let part = |bytes: u64| bytes / running * u64::from(stage.count);
                        described.grid = Vec::new();
                        described.parts = 1;
                        described.idle = 0;
                        described.bytes_read = part(known.bytes_read);
                        described.bytes_taken = part(known.bytes_taken);
                        described.bytes_written = part(known.bytes_written);
                    }
                    described
                }
                (None, Some(Entry::Call(call))) => StageOutline {
                    name: self.calls[*call as usize].node.name.to_string(),
                    parts: 1,
                    output_bytes: stage.output_bytes,
                    ..StageOutline::default()
                },
                (None, _) => StageOutline::default(),
            };
            let mut inputs: Vec<usize> = (stage.first..stage.first + stage.count)
                .flat_map(|task| self.tasks.inputs(task))
                .map(|&input| self.tasks.stage_of(input))
                .collect();
            inputs.sort_unstable();
            inputs.dedup();
            StageOutline {
                first_task: stage.first,
                tasks: stage.count,
                inputs,
                ..described
            }
        });
        let stages = stages.collect();
        let name = match self.roots.first() {
            Some(&root) if self.parts[0].planned.roots.is_empty() => {
                self.calls[root as usize].node.name.to_string()
            }
            _ => plans[0].name.clone(),
        };
        Outline::new(name, stages)
    }

    /// What the tasks are, in their order.
    pub fn describe(&self) -> Vec<String> {
        let entries = self.entries.iter().map(|entry| match *entry {
            Entry::Array { part, task } => {
                let planned = &self.parts[part as usize].planned;
                work::describe(&planned.graph, &planned.numbering, task)
            }
            Entry::Call(number) => self.calls[number as usize].node.name.to_string(),
        });
        entries.collect()
    }

    /// What runs the tasks.
    ///
    /// # Safety
    /// As [`GraphWork::new`], for the results of the first plan.
    pub unsafe fn work(
        self,
        engine: &Engine,
        results: Few<ResultPlace, 1>,
    ) -> Result<Arc<MixedWork>> {
        let values: Values = self.calls.iter().map(|_| Mutex::new(None)).collect();
        let values = Arc::new(values);
        let number_of: HashMap<*const DelayedNode, u32> = self
            .calls
            .iter()
            .enumerate()
            .map(|(number, call)| (Arc::as_ptr(&call.node), number as u32))
            .collect();
        let mut results = Some(results);
        let mut parts = Vec::with_capacity(self.parts.len());
        for part in self.parts {
            let mut planned = part.planned;
            for source in &mut planned.env.sources {
                if let Some(blocks) = blocks_of(&**source) {
                    let calls = blocks.nodes.iter();
                    *source = Arc::new(Bound {
                        calls: calls
                            .map(|node| number_of.get(&Arc::as_ptr(node)).copied())
                            .collect(),
                        blocks: Arc::clone(blocks),
                        values: Arc::clone(&values),
                    });
                }
            }
            let places = Places {
                results: results.take().unwrap_or_default(),
                spill: spill_file(engine, planned.env.spilled_bytes())?,
            };
            let n_tasks = planned.tasks.len();
            // SAFETY: the first plan's results are the caller's; others have none.
            parts.push(unsafe {
                GraphWork::new(
                    planned.graph,
                    planned.env,
                    planned.numbering,
                    n_tasks,
                    places,
                    host(engine),
                )
            });
        }
        let mut is_root = vec![false; self.calls.len()];
        for &root in &self.roots {
            is_root[root as usize] = true;
        }
        Ok(Arc::new(MixedWork {
            parts,
            calls: self.calls,
            entries: self.entries,
            roots: self.roots,
            is_root,
            values,
        }))
    }
}

/// The values of calls, by number, from the call to its last reader.
type Values = Vec<Mutex<Option<Held>>>;

fn value(values: &Values, call: u32) -> Held {
    slot(values, call)
        .clone()
        .expect("a call runs after those that it reads")
}

fn slot(values: &Values, call: u32) -> std::sync::MutexGuard<'_, Option<Held>> {
    values[call as usize]
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

/// Runs the tasks of a [`Mixed`] graph.
pub(super) struct MixedWork {
    parts: Vec<GraphWork>,
    calls: Vec<Call>,
    entries: Vec<Entry>,
    roots: Vec<u32>,
    is_root: Vec<bool>,
    values: Arc<Values>,
}

impl MixedWork {
    /// The values that were asked for, once all has run; the others are gone then.
    pub fn into_results(self: Arc<Self>) -> Vec<Held> {
        let results = self
            .roots
            .iter()
            .map(|&root| value(&self.values, root))
            .collect();
        self.values.iter().for_each(|slot| {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = None;
        });
        results
    }

    fn call(&self, number: u32) -> Result<Held> {
        let call = &self.calls[number as usize];
        match &call.node.making {
            Making::Value(value) => Ok(Arc::clone(value)),
            Making::Call(function) => {
                let inputs = call.inputs.iter();
                let inputs: Vec<Held> = inputs.map(|&input| value(&self.values, input)).collect();
                call.node.call(&**function, &inputs)
            }
            Making::Foreign(foreign) => {
                let block = foreign.downcast_ref::<Block>().zip(call.block);
                let (block, (part, task)) = block.expect("foreign values are blocks of arrays");
                let made = self.parts[part as usize].block(task);
                Ok((block.copy)(
                    &made.expect("a call runs after the task that it reads"),
                ))
            }
        }
    }
}

impl Work for MixedWork {
    fn run(&self, task: u32) -> Result<()> {
        match self.entries[task as usize] {
            Entry::Array { part, task } => self.parts[part as usize].run(task),
            Entry::Call(number) => {
                let value = self.call(number)?;
                *slot(&self.values, number) = Some(value);
                Ok(())
            }
        }
    }

    fn release(&self, task: u32) {
        match self.entries[task as usize] {
            Entry::Array { part, task } => self.parts[part as usize].release(task),
            Entry::Call(number) if self.is_root[number as usize] => {}
            Entry::Call(number) => {
                // Dropped after the lock is released: it is a value of the user's.
                let value = slot(&self.values, number).take();
                drop(value);
            }
        }
    }

    fn fetch(&self, task: u32) -> Result<()> {
        match self.entries[task as usize] {
            Entry::Array { part, task } => self.parts[part as usize].fetch(task),
            Entry::Call(_) => Ok(()),
        }
    }

    fn spilled(&self, task: u32) -> u64 {
        match self.entries[task as usize] {
            Entry::Array { part, task } => self.parts[part as usize].spilled_bytes(task),
            Entry::Call(_) => 0,
        }
    }

    fn describe(&self, task: u32) -> String {
        match self.entries[task as usize] {
            Entry::Array { part, task } => {
                format!("in {}", self.parts[part as usize].describe(task))
            }
            Entry::Call(number) => format!("in {}", self.calls[number as usize].node.name),
        }
    }
}

impl Takes for MixedWork {
    fn take_block(&self, task: u32) -> Option<Arc<work::Block>> {
        match self.entries[task as usize] {
            Entry::Array { part, task } => self.parts[part as usize].take_block(task),
            Entry::Call(_) => None,
        }
    }
}

/// Delayed blocks as a source, in one run.
struct Bound {
    blocks: Arc<Blocks>,
    /// By block: the call that makes it, if it is needed.
    calls: Vec<Option<u32>>,
    values: Arc<Values>,
}

impl ErasedSource for Bound {
    fn dtype(&self) -> DType {
        self.blocks.dtype
    }

    fn read(&self, region: &Region, mut out: RawViewMut) -> Result<()> {
        let mut result = Ok(());
        for_each_block(&self.blocks.chunks, region, |number, block| {
            if result.is_err() {
                return;
            }
            let call = self.calls[number].expect("a block that is loaded was found to be needed");
            let index = unravel(number, &self.blocks.chunks.counts());
            let value = value(&self.values, call);
            result = (self.blocks.fill)(&value, block, region, &mut out)
                .map_err(|error| error.context(format!("in block {index:?} of from_delayed")));
        });
        result
    }

    fn storage_grid(&self) -> Option<Chunks> {
        Some(self.blocks.chunks.clone())
    }

    fn describe(&self) -> String {
        "delayed blocks".to_owned()
    }
}
