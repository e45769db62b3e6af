//! One stage for each group of values that are materialized together.

use std::borrow::Cow;

use smallvec::smallvec;

use super::Build;
use super::compile::Wanted;
use super::spills::SPILL_WRITE;
use crate::base::few::{Few, few};
use crate::graph::spill::staging;
use crate::graph::stage::{Fused, Job, Leaf, LeafSource, LoadFrom, Output, Place, Stage, StageId};
use crate::op::generate::Generate;
use crate::op::program::Func;
use crate::plan::node::{NodeKind, Reduce, ValueKey};

/// What a task does beyond its elements, in nanoseconds.
pub(super) const TASK_COST: f64 = 500.0;

impl<'a> Build<'a> {
    /// Producers first: by depth, and among equals in the order of the plan.
    pub(super) fn stages(&mut self) {
        let reach = self.reach;
        let mut order: Few<usize> = few((0..reach.made.len()).rev());
        order.sort_by_key(|&at| reach.made[at].depth);
        for (position, &at) in order.iter().enumerate() {
            if self.made.contains(&at) {
                continue;
            }
            match &reach.made[at].value.node.kind {
                // Loads are made when a reader asks, one for each depth of readers.
                NodeKind::Source(_) if reach.made[at].root.is_none() => {}
                NodeKind::Reduce(reduce) if self.computes(at) => {
                    let group = self.group(&order[position..], at, |other| {
                        self.same_tree(reduce, other)
                    });
                    self.reduce_stage(&reduce.tree, &group);
                }
                NodeKind::Contract(contract) if self.computes(at) => {
                    self.contract_stage(at, &contract.contraction)
                }
                NodeKind::Pieces(pieces) if self.computes(at) => self.pieces_stage(at, pieces),
                NodeKind::BlockFn(_) if self.computes(at) => self.block_fn_stage(at),
                _ => {
                    let group =
                        self.group(&order[position..], at, |other| self.same_map(at, other));
                    self.map_stage(&group);
                }
            }
        }
    }

    /// Whether a made value is where its node runs, and not a copy of a held one.
    pub(super) fn computes(&self, at: usize) -> bool {
        let made = &self.reach.made[at];
        let copies = made.cones.len() == 1 && {
            let cone = &self.reach.cones[made.cones[0]];
            cone.value.key() == made.value.key()
        };
        !copies
    }

    /// This value and those that may share its stage: same depth, same space, a shared leaf.
    fn group(&self, candidates: &[usize], at: usize, fits: impl Fn(usize) -> bool) -> Few<usize> {
        let mut group: Few<usize> = smallvec![at];
        if self.options.share_stages {
            let depth = self.reach.made[at].depth;
            for &other in candidates {
                if other != at
                    && self.reach.made[other].depth == depth
                    && !self.made.contains(&other)
                    && self.shares_leaf(at, other)
                    && fits(other)
                {
                    group.push(other);
                }
            }
        }
        group
    }

    fn shares_leaf(&self, one: usize, other: usize) -> bool {
        let cones = |at: usize| {
            self.reach.made[at]
                .cones
                .iter()
                .map(|&cone| &self.reach.cones[cone])
        };
        cones(one).any(|a| cones(other).any(|b| a.reads.keys().any(|key| b.reads.contains(key))))
    }

    fn same_tree(&self, reduce: &Reduce, other: usize) -> bool {
        match &self.reach.made[other].value.node.kind {
            NodeKind::Reduce(candidate) => self.computes(other) && candidate.tree == reduce.tree,
            _ => false,
        }
    }

    /// Whole results of one shape may be written side by side.
    fn same_map(&self, at: usize, other: usize) -> bool {
        let (one, two) = (&self.reach.made[at], &self.reach.made[other]);
        let plain = |at: usize| {
            let made = &self.reach.made[at];
            made.cones.len() == 1
                && !made.flat
                && self.place(at) != Place::Stream
                && self.is_plain_map(at)
        };
        plain(at)
            && plain(other)
            && one.value.shape() == two.value.shape()
            && one.needed == two.needed
    }

    fn is_plain_map(&self, at: usize) -> bool {
        match &self.reach.made[at].value.node.kind {
            NodeKind::Reduce(_)
            | NodeKind::Pieces(_)
            | NodeKind::Contract(_)
            | NodeKind::BlockFn(_) => !self.computes(at),
            NodeKind::Source(_) => self.reach.made[at].root.is_some(),
            _ => true,
        }
    }

    pub(super) fn place(&self, at: usize) -> Place {
        match (self.reach.made[at].root, self.spilled.get(&at)) {
            (Some(root), _) => self.places[root],
            (None, Some(spilled)) => Place::Spill(spilled.number),
            (None, None) => Place::Held,
        }
    }

    /// Adds a stage; `group` says which made values are its outputs.
    pub(super) fn push_for(&mut self, group: &[usize], stage: Stage) {
        let id = self.push(stage);
        for (output, &at) in group.iter().enumerate() {
            self.made.insert(at, (id, output));
        }
    }

    pub(super) fn push(&mut self, mut stage: Stage) -> StageId {
        stage.scratch_bytes += written_bytes(&stage.outputs);
        stage.cost += spilling_cost(&stage.outputs);
        let mut producers: Few<StageId> = Few::new();
        match &stage.job {
            Job::Merge { of } => producers.push(*of),
            Job::Load(LoadFrom::Spill { stage, .. }) => producers.push(*stage),
            _ => {
                for fused in stage.fused() {
                    for leaf in &fused.leaves {
                        producers.extend(producer(leaf));
                    }
                }
            }
        }
        let id = self.graph.dag.add_node(stage);
        for producer in producers {
            self.graph.dag.update_edge(producer, id, ());
        }
        id
    }

    /// The stage and output that hold a value for a reader of this depth.
    pub(super) fn held(&mut self, key: ValueKey, depth: usize) -> (StageId, usize) {
        let at = self.reach.held[&key];
        if let NodeKind::Source(_) = self.reach.made[at].value.node.kind {
            return (self.load(at, depth), 0);
        }
        match self.spilled.get(&at) {
            Some(_) => (self.read_back(at, depth), 0),
            None => *self.made.get(&at).expect("producers are made first"),
        }
    }

    /// The ops that a stage computes.
    pub(super) fn names(&self, group: &[usize]) -> Cow<'static, str> {
        if let [at] = *group {
            return self.reach.made[at].value.node.name().into();
        }
        let mut names = String::new();
        for &at in group {
            if !names.is_empty() {
                names += ", ";
            }
            names += self.reach.made[at].value.node.name();
        }
        names.into()
    }

    /// The depth of the stage that a cone belongs to.
    pub(super) fn depth_of(&self, cone: usize) -> usize {
        self.reach
            .made
            .iter()
            .filter(|made| made.cones.contains(&cone))
            .map(|made| made.depth)
            .max()
            .unwrap_or(1)
    }

    pub(super) fn wanted(&self, cone: usize) -> Wanted<'a> {
        let cone = &self.reach.cones[cone];
        Wanted {
            value: &cone.value,
            map: &cone.map,
            expand: cone.expand,
        }
    }
}

fn producer(leaf: &Leaf) -> Option<StageId> {
    match leaf.source {
        LeafSource::Held { stage, .. } => Some(stage),
        _ => None,
    }
}

/// Bytes that a task's outputs take until they are read or taken; results are the caller's.
pub(super) fn held_bytes(outputs: &[Output]) -> u64 {
    let held = outputs
        .iter()
        .filter(|output| matches!(output.place, Place::Held | Place::Stream));
    held.map(block_bytes).sum()
}

/// A block of so many bytes, and the buffer through which it goes to the temporary file.
pub(super) fn with_staging(block: u64) -> u64 {
    block.saturating_add(staging(block as usize) as u64)
}

/// The bytes of an output's largest block.
fn block_bytes(output: &Output) -> u64 {
    (output.grid.largest_block() as u64).saturating_mul(output.dtype.size() as u64)
}

/// What a task needs for blocks that it spills before it ends.
fn written_bytes(outputs: &[Output]) -> u64 {
    let written = outputs.iter().map(|output| match output.place {
        Place::Spill(_) => with_staging(block_bytes(output)),
        _ => 0,
    });
    written.sum()
}

/// The nanoseconds that a task takes to write to the temporary file.
fn spilling_cost(outputs: &[Output]) -> f64 {
    let spilled = outputs
        .iter()
        .filter(|output| matches!(output.place, Place::Spill(_)));
    spilled
        .map(|output| SPILL_WRITE * block_bytes(output) as f64)
        .sum()
}

/// The nanoseconds of one element: arithmetic, generated leaves, and a pass over what is read.
pub(super) fn fused_cost(fused: &Fused, build: &Build<'_>) -> f64 {
    let leaves = fused.leaves.iter().map(|leaf| match leaf.source {
        LeafSource::Generate { number } => build.env.generates[number].cost(),
        _ => 0.2,
    });
    0.2 + fused.program.cost() + leaves.sum::<f64>()
}

/// Whether users' functions are called for the elements.
pub(super) fn is_opaque(fused: &Fused, build: &Build<'_>) -> bool {
    let mapped = fused
        .program
        .instrs
        .iter()
        .any(|instr| matches!(instr.func, Func::Map(_)));
    mapped
        || fused.leaves.iter().any(|leaf| match leaf.source {
            LeafSource::Generate { number } => {
                matches!(build.env.generates[number], Generate::Closure { .. })
            }
            _ => false,
        })
}
