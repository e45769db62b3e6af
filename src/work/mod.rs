//! Runs one task: binds leaves, runs kernels, hands blocks on. Pure in the graph, the environment, the
//! task and its inputs.

mod bind;
mod block_fn;
mod blocks;
mod chain;
mod contract;
mod generate;
mod map;
mod pieced;
mod prepare;
mod reduce;
mod scaled;
mod spill;
mod tile;

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use smallvec::smallvec;

use crate::base::aligned::AlignedBytes;
use crate::base::few::{Few, few};
use crate::base::memory::RawViewMut;
use crate::base::region::Region;
use crate::base::shape::{c_strides, element};
use crate::base::sharing::Threads;
use crate::base::spill::SpillStore;
use crate::error::{Error, Kind, Result};
use crate::graph::env::Env;
use crate::graph::expand::Numbering;
use crate::graph::stage::{Graph, Job, LoadFrom, Output, Pair, Place, Stage};
use crate::op::fold::States;
pub use blocks::Block;
use blocks::{Inputs, Made, Store};
use chain::End;
use map::Destination;
use prepare::Prepared;

/// Memory that a result is written to.
#[derive(Clone)]
pub struct ResultPlace {
    pub first: *mut u8,
    /// In elements, per axis of the value (of the kept axes, for reductions).
    pub strides: Few<isize>,
}

/// Where values go that tasks do not hold.
#[derive(Default)]
pub struct Places {
    pub results: Few<ResultPlace, 1>,
    /// The temporary file, if anything is spilled.
    pub spill: Option<Box<dyn SpillStore>>,
}

/// A question that long tasks ask between tiles and blocks: whether to give up.
pub struct Stop(Option<Box<dyn Fn() -> bool + Send + Sync>>);

impl Stop {
    pub fn never() -> Stop {
        Stop(None)
    }

    pub fn when(asked: impl Fn() -> bool + Send + Sync + 'static) -> Stop {
        Stop(Some(Box::new(asked)))
    }

    /// An error once the run was cancelled.
    pub fn check(&self) -> Result<()> {
        match &self.0 {
            Some(asked) if asked() => {
                Err(Error::new(Kind::Cancelled, "the computation was cancelled"))
            }
            _ => Ok(()),
        }
    }
}

/// What tasks ask of whoever runs them.
pub struct Host {
    pub stop: Stop,
    /// Threads that help with long tasks.
    pub threads: Arc<dyn Threads>,
}

/// The tasks of one graph.
pub struct GraphWork {
    graph: Graph,
    env: Env,
    numbering: Numbering,
    store: Store,
    /// Stage after stage, the programs in the order of [`Stage::fused`].
    prepared: Vec<Prepared>,
    /// By stage, the number of its first program, and in the end that of all.
    first_prepared: Few<usize>,
    places: Places,
    host: Host,
    /// By task, what was fetched and is not decoded yet.
    fetched: Mutex<HashMap<u32, Box<dyn Any + Send>>>,
}

// SAFETY: result places are written by tasks only, each its own region, and whoever made the work
// keeps them alive and untouched until the run has ended; everything else is `Send + Sync`.
unsafe impl Send for GraphWork {}
// SAFETY: as above.
unsafe impl Sync for GraphWork {}

impl GraphWork {
    /// # Safety
    /// Each result place must have room for its value and be touched by nobody else while the work
    /// is run.
    pub unsafe fn new(
        graph: Graph,
        env: Env,
        numbering: Numbering,
        tasks: usize,
        places: Places,
        host: Host,
    ) -> GraphWork {
        let mut prepared = Vec::with_capacity(graph.dag.node_count());
        let mut first_prepared: Few<usize> = smallvec![0];
        for stage in graph.dag.node_weights() {
            let in_place = matches!(stage.job, Job::Map(_) | Job::Contract(_) | Job::BlockFn(_));
            let end = End::of(&stage.job, &env);
            for fused in stage.fused() {
                let mut program = Prepared::new(fused, &env);
                if in_place {
                    program.write_in_place();
                }
                program.join(fused, end);
                prepared.push(program);
            }
            first_prepared.push(prepared.len());
        }
        GraphWork {
            store: Store::new(tasks),
            graph,
            env,
            numbering,
            prepared,
            first_prepared,
            places,
            host,
            fetched: Mutex::default(),
        }
    }

    /// Fetches what a task that loads needs from afar.
    pub fn fetch(&self, task: u32) -> Result<()> {
        let (id, cell, _) = self.numbering.locate(&self.graph, task);
        let stage = &self.graph.dag[id];
        let Job::Load(LoadFrom::Source(source)) = stage.job else {
            return Ok(());
        };
        let region = stage.outputs[0].region(&stage.cell_index(cell));
        if !region.is_empty() {
            let fetched = self.env.sources[source].fetch(&region)?;
            let mut all = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
            all.insert(task, fetched);
        }
        Ok(())
    }

    /// Takes the block that a delivered task has made.
    pub fn take_block(&self, task: u32) -> Option<Arc<Block>> {
        match self.store.take(task) {
            Some(Made::Blocks(mut blocks)) => blocks.iter_mut().find_map(Option::take),
            _ => None,
        }
    }

    /// The block that a task has made, while it is held.
    pub fn block(&self, task: u32) -> Option<Arc<Block>> {
        self.store.only_block(task)
    }

    fn inputs(&self) -> Inputs<'_> {
        Inputs {
            graph: &self.graph,
            numbering: &self.numbering,
            store: &self.store,
            stop: &self.host.stop,
        }
    }

    /// Where an output's elements of one cell go, and the block, if that is a new one.
    fn destination(
        &self,
        output: &Output,
        region: &Region,
        zeroed: bool,
    ) -> (Destination, Option<Block>) {
        let size = output.dtype.size();
        match output.place {
            Place::Result(number) => {
                let place = &self.places.results[number];
                let offset = element(region.start(), &place.strides);
                let first = place.first.wrapping_offset(offset * size as isize);
                (
                    Destination {
                        first,
                        strides: place.strides.clone(),
                        size,
                    },
                    None,
                )
            }
            Place::Held | Place::Stream | Place::Spill(_) => {
                let bytes = region.size() * size;
                let bytes = if zeroed {
                    AlignedBytes::zeroed(bytes)
                } else {
                    AlignedBytes::new(bytes)
                };
                let strides = c_strides(&output.shape);
                let origin = element(region.start(), &strides);
                let block = Block {
                    dtype: output.dtype,
                    region: region.clone(),
                    origin: origin as usize,
                    bytes,
                };
                let first = block.bytes.as_ptr();
                (
                    Destination {
                        first,
                        strides: c_strides(region.shape()),
                        size,
                    },
                    Some(block),
                )
            }
        }
    }

    fn run_task(&self, task: u32) -> Result<Made> {
        let (id, cell, part) = self.numbering.locate(&self.graph, task);
        let stage = &self.graph.dag[id];
        let number = id.index();
        let prepared = &self.prepared[self.first_prepared[number]..self.first_prepared[number + 1]];
        let index = stage.cell_index(cell);
        match &stage.job {
            Job::Load(from) => self.load(task, stage, *from, &index),
            Job::Map(pieces) => {
                let region = stage.outputs[0].region(&index);
                let (mut destinations, mut blocks) = (Few::<Destination, 1>::new(), Few::new());
                for output in &stage.outputs {
                    let (destination, block) = self.destination(output, &region, false);
                    destinations.push(destination);
                    blocks.push(block.map(Arc::new));
                }
                for (piece, prepared) in pieces.iter().zip(prepared) {
                    if let Some(inside) = region.intersect(&piece.region) {
                        let shifted: Few<Destination, 1> =
                            few(destinations.iter().map(|to| to.shifted(&inside, &region)));
                        let inside = inside.relative_to(piece.region.start());
                        // SAFETY: tasks write disjoint regions of places that have room for them.
                        unsafe {
                            map::write(
                                &self.inputs(),
                                &self.env,
                                &piece.fused,
                                prepared,
                                &inside,
                                &shifted,
                            )
                        }?;
                    }
                }
                Ok(Made::Blocks(blocks))
            }
            Job::Reduce(job) if !stage.is_partial() => {
                let kept = stage.outputs[0].region(&index);
                let mut made = self.finisher(stage, &kept, job.tree.count() as u64, job);
                reduce::part(
                    &self.inputs(),
                    &self.env,
                    job,
                    &prepared[0],
                    &job.parts[0],
                    &kept,
                    &mut |fold, states, position, n| made.finish(fold, states, position, n),
                )?;
                Ok(made.blocks())
            }
            Job::Reduce(job) => {
                let kept = stage.outputs[0].region(&index);
                let Pair { first, second } = job.parts_of(part);
                let mut states: Vec<States> = [Some(first), second]
                    .into_iter()
                    .flatten()
                    .flat_map(|part| {
                        let n = kept.size() * job.parts[part].states();
                        let folds = job.folds.iter();
                        folds.map(move |usage| self.env.folds[usage.fold].states(n))
                    })
                    .collect();
                let mut deliver = |fold: usize, from: &States, position: usize, n: usize| {
                    let kernel = &self.env.folds[job.folds[fold % job.folds.len()].fold];
                    kernel.copy(from, 0, &mut states[fold], position, n);
                    Ok(())
                };
                let (inputs, prepared) = (self.inputs(), &prepared[0]);
                let first = &job.parts[first];
                if job.pairs.is_some() {
                    let parts = [first, second.map_or(first, |second| &job.parts[second])];
                    reduce::pair(&inputs, &self.env, job, prepared, parts, &mut deliver)?;
                } else {
                    reduce::part(
                        &inputs,
                        &self.env,
                        job,
                        prepared,
                        first,
                        &kept,
                        &mut deliver,
                    )?;
                }
                Ok(Made::Partial(states))
            }
            Job::Contract(job) => contract::run(self, stage, job, prepared, &index, part),
            Job::Merge { of } => {
                let job = match &self.graph.dag[*of].job {
                    Job::Reduce(job) => job,
                    Job::Contract(job) => {
                        return Ok(contract::merge(self, stage, *of, job, cell, &index));
                    }
                    _ => unreachable!("parts are of a reduction or of products"),
                };
                let kept = stage.outputs[0].region(&index);
                let mut made = self.finisher(stage, &kept, job.tree.count() as u64, job);
                let inputs = self.inputs();
                reduce::merge(
                    &self.env,
                    job,
                    &kept,
                    inputs.partials(*of, cell, job),
                    &mut |fold, states, position, n| made.finish(fold, states, position, n),
                )?;
                Ok(made.blocks())
            }
            Job::BlockFn(job) => block_fn::run(self, stage, job, prepared, &index),
        }
    }

    fn load(&self, task: u32, stage: &Stage, from: LoadFrom, index: &[usize]) -> Result<Made> {
        let output = &stage.outputs[0];
        let region = output.region(index);
        let (destination, block) = self.destination(output, &region, true);
        if !region.is_empty() {
            match from {
                LoadFrom::Source(source) => {
                    // SAFETY: the block is ours alone, zeroed, and has the region's shape.
                    let view = unsafe {
                        RawViewMut::new(
                            output.dtype,
                            region.shape(),
                            &destination.strides,
                            destination.first,
                        )
                    };
                    let source = &self.env.sources[source];
                    let fetched = source.fetches().then(|| {
                        let mut all = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
                        all.remove(&task)
                    });
                    match fetched.flatten() {
                        Some(fetched) => source.decode(&region, fetched, view)?,
                        None => source.read(&region, view)?,
                    }
                }
                LoadFrom::Spill { number, .. } => {
                    let spill = &self.env.spills[number];
                    // SAFETY: as above.
                    unsafe { spill::read(self.spill()?, spill, &region, destination.first) }?;
                }
            }
        }
        Ok(Made::Blocks(smallvec![block.map(Arc::new)]))
    }

    fn finisher<'a>(
        &'a self,
        stage: &'a Stage,
        kept: &'a Region,
        count: u64,
        job: &'a crate::graph::stage::ReduceJob,
    ) -> Finisher<'a> {
        let (mut destinations, mut blocks) = (Few::new(), Few::new());
        for output in &stage.outputs {
            let (destination, block) = self.destination(output, kept, false);
            destinations.push(destination);
            blocks.push(block);
        }
        Finisher {
            work: self,
            job,
            kept,
            count,
            destinations,
            blocks,
        }
    }
}

/// Turns complete states into values, and writes them.
struct Finisher<'a> {
    work: &'a GraphWork,
    job: &'a crate::graph::stage::ReduceJob,
    kept: &'a Region,
    count: u64,
    destinations: Few<Destination, 1>,
    blocks: Few<Option<Block>, 1>,
}

impl Finisher<'_> {
    /// `position` counts the cell's outputs in C order.
    fn finish(&mut self, fold: usize, states: &States, position: usize, n: usize) -> Result<()> {
        let to = &self.destinations[fold];
        let folds = &self.work.env.folds[self.job.folds[fold].fold];
        let shape = self.kept.shape();
        let mut done = 0;
        while done < n {
            let index = crate::base::chunks::unravel(position + done, shape);
            let offset = element(&index, &to.strides);
            let contiguous = to.strides.last().is_none_or(|&stride| stride == 1);
            let run = match (shape.last(), index.last()) {
                (Some(len), Some(i)) if contiguous => (len - i).min(n - done),
                _ => 1,
            };
            let out = to.first.wrapping_offset(offset * to.size as isize);
            // SAFETY: `run` outputs from here on lie side by side within this task's own region.
            unsafe { folds.finish(states, done, run, self.count, out)? };
            done += run;
        }
        Ok(())
    }

    fn blocks(self) -> Made {
        let mut blocks = Few::new();
        for block in self.blocks {
            blocks.push(block.map(Arc::new));
        }
        Made::Blocks(blocks)
    }
}

impl Destination {
    /// The place of `inside`, which lies in `region`, whose place this is.
    fn shifted(&self, inside: &Region, region: &Region) -> Destination {
        let moved = inside.start().iter().zip(region.start()).zip(&self.strides);
        let offset: isize = moved
            .map(|((&a, &b), stride)| (a - b) as isize * stride)
            .sum();
        Destination {
            first: self.first.wrapping_offset(offset * self.size as isize),
            ..self.clone()
        }
    }
}

impl GraphWork {
    /// Runs a task; its output stays until it is released or taken.
    pub fn run(&self, task: u32) -> Result<()> {
        let mut made = self.run_task(task)?;
        self.spill_blocks(task, &mut made)?;
        self.store.put(task, made);
        Ok(())
    }

    /// Writes blocks to the temporary file that are spilled; nothing of them is held any more.
    fn spill_blocks(&self, task: u32, made: &mut Made) -> Result<()> {
        let Made::Blocks(blocks) = made else {
            return Ok(());
        };
        if self.env.spills.is_empty() {
            return Ok(());
        }
        let (id, _, _) = self.numbering.locate(&self.graph, task);
        for (output, slot) in self.graph.dag[id].outputs.iter().zip(blocks) {
            if let Place::Spill(number) = output.place
                && let Some(block) = slot.take()
                && !block.region.is_empty()
            {
                let spill = &self.env.spills[number];
                // SAFETY: the block is whole and in C order.
                unsafe { spill::write(self.spill()?, spill, &block.region, block.first()) }?;
            }
        }
        Ok(())
    }

    /// What `spill_blocks` wrote for a task.
    pub fn spilled_bytes(&self, task: u32) -> u64 {
        let (id, cell, _) = self.numbering.locate(&self.graph, task);
        let stage = &self.graph.dag[id];
        let spilled = stage.outputs.iter().filter_map(|output| {
            let Place::Spill(number) = output.place else {
                return None;
            };
            let elements = output.region(&stage.cell_index(cell)).size();
            Some((elements * self.env.spills[number].item) as u64)
        });
        spilled.sum()
    }

    fn spill(&self) -> Result<&dyn SpillStore> {
        let missing = || Error::new(Kind::Internal, "there is no temporary file to spill to");
        self.places.spill.as_deref().ok_or_else(missing)
    }

    /// Drops a task's output.
    pub fn release(&self, task: u32) {
        self.store.take(task);
    }

    /// What a task is called in errors.
    pub fn describe(&self, task: u32) -> String {
        describe(&self.graph, &self.numbering, task)
    }
}

/// A task's stage, the region that it makes, and which part of a reduction it is.
pub fn describe(graph: &Graph, numbering: &Numbering, task: u32) -> String {
    let (id, cell, part) = numbering.locate(graph, task);
    let stage = &graph.dag[id];
    let region = stage.outputs[0].region(&stage.cell_index(cell));
    let part = if stage.is_partial() {
        format!(", part {part} of {}", stage.parts())
    } else {
        String::new()
    };
    format!("{} at {region}{part}", stage.name)
}
