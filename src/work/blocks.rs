//! Finished blocks, from the task that made them to the last that reads them.

use std::sync::{Arc, Mutex};

use crate::base::aligned::AlignedBytes;
use crate::base::dtype::DType;
use crate::base::few::{Few, few};
use crate::base::region::Region;
use crate::base::shape::{c_strides, element};
use crate::graph::expand::Numbering;
use crate::graph::stage::{Graph, Pair, ReduceJob, StageId};
use crate::op::fold::States;

/// The elements of one cell of a stage's grid, in C order.
pub struct Block {
    pub dtype: DType,
    /// Where it lies in the value.
    pub region: Region,
    /// The C-order number of its first element in the whole value.
    pub origin: usize,
    pub bytes: AlignedBytes,
}

impl Block {
    pub fn first(&self) -> *const u8 {
        self.bytes.as_ptr()
    }

    /// The strides by which indices of the value (or, `flat`, of an array of another shape with the
    /// same elements) give an element number, and what to subtract from it.
    pub fn addressing(&self, flat: Option<&[usize]>) -> (Few<isize>, isize) {
        match flat {
            Some(shape) => (c_strides(shape), self.origin as isize),
            None => {
                let strides = c_strides(self.region.shape());
                let origin = element(self.region.start(), &strides);
                (strides, origin)
            }
        }
    }
}

/// What a task leaves behind.
pub enum Made {
    /// One per output; `None` for what went into a result.
    Blocks(Few<Option<Arc<Block>>, 2>),
    /// Of a part of a reduction: one per fold, a state for each element of the cell.
    Partial(Vec<States>),
}

/// What all tasks of a run leave behind, by task number.
pub struct Store {
    made: Few<Mutex<Option<Made>>, 1>,
}

impl Store {
    pub fn new(tasks: usize) -> Store {
        Store {
            made: few((0..tasks).map(|_| Mutex::new(None))),
        }
    }

    fn cell(&self, task: u32) -> std::sync::MutexGuard<'_, Option<Made>> {
        // A panic while the lock is held cannot leave half a value.
        self.made[task as usize]
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub fn put(&self, task: u32, made: Made) {
        *self.cell(task) = Some(made);
    }

    pub fn take(&self, task: u32) -> Option<Made> {
        self.cell(task).take()
    }

    /// The block of a task that makes one.
    pub fn only_block(&self, task: u32) -> Option<Arc<Block>> {
        match &*self.cell(task) {
            Some(Made::Blocks(blocks)) => blocks.iter().find_map(Clone::clone),
            _ => None,
        }
    }

    fn block(&self, task: u32, output: usize) -> Option<Arc<Block>> {
        match &*self.cell(task) {
            Some(Made::Blocks(blocks)) => blocks[output].clone(),
            _ => None,
        }
    }
}

/// The blocks that a task may read.
pub struct Inputs<'a> {
    pub graph: &'a Graph,
    pub numbering: &'a Numbering,
    pub store: &'a Store,
    pub stop: &'a super::Stop,
}

impl Inputs<'_> {
    pub fn block(&self, stage: StageId, cell: usize, output: usize) -> Arc<Block> {
        let task = self.numbering.task(self.graph, stage, cell, 0);
        self.store
            .block(task, output)
            .expect("a task runs after the tasks that it reads")
    }

    /// One part of sums of products; a merge is their only reader.
    pub fn part(&self, stage: StageId, cell: usize, part: usize) -> Arc<Block> {
        let task = self.numbering.task(self.graph, stage, cell, part);
        match self.store.take(task) {
            Some(Made::Blocks(mut blocks)) => blocks.pop().flatten(),
            _ => None,
        }
        .expect("a merge runs after the parts that it merges")
    }

    /// The states of all parts of a reduction; a merge is their only reader.
    pub fn partials(&self, stage: StageId, cell: usize, job: &ReduceJob) -> Vec<Vec<States>> {
        let mut partials: Vec<Vec<States>> = job.parts.iter().map(|_| Vec::new()).collect();
        for number in 0..job.tasks() {
            let task = self.numbering.task(self.graph, stage, cell, number);
            let Some(Made::Partial(mut states)) = self.store.take(task) else {
                panic!("a merge runs after the parts that it merges")
            };
            let Pair { first, second } = job.parts_of(number);
            if let Some(second) = second {
                partials[second] = states.split_off(job.folds.len());
            }
            partials[first] = states;
        }
        partials
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the plan books for the slot of a task (`graph::tasks`).
    #[test]
    fn a_slot_is_as_large_as_it_is_booked() {
        assert!(size_of::<Mutex<Option<Made>>>() <= 40);
    }
}
