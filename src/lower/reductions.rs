//! Stages of reductions: complete subtrees, and what merges them.

use std::sync::Arc;

use super::Build;
use super::compile::{Wanted, compile};
use super::grid::{bands, least_reduced, reduce_grid};
use super::pairs::{pair_bytes, pairs};
use super::stages::{TASK_COST, fused_cost, held_bytes, is_opaque};
use crate::base::chunks::Chunks;
use crate::base::dtype::DType;
use crate::base::few::{Few, few};
use crate::base::index_map::AxisMap;
use crate::base::region::Region;
use crate::base::shape::c_strides;
use crate::graph::env::Env;
use crate::graph::stage::{FoldUse, Fused, Job, LeafSource, Output, Place, ReduceJob, Stage};
use crate::op::fold::Fold;
use crate::op::tree::{BATCH, BATCH_STATES, Mode, Part, RUN, STRIP, Tree, WIDTH};
use crate::plan::node::{NodeKind, Reduce, Reduction};

impl Build<'_> {
    /// Reductions with one tree, side by side: a stage of parts and one that merges them, or a single
    /// stage if nothing has to be divided.
    pub(super) fn reduce_stage(&mut self, tree: &Arc<Tree>, group: &[usize]) {
        let mut wanted: Few<Wanted<'_>, 1> = Few::new();
        let mut folds = Few::new();
        for &at in group {
            let made = &self.reach.made[at];
            let NodeKind::Reduce(reduce) = &made.value.node.kind else {
                unreachable!("a group of reductions")
            };
            let fold = self.fold(reduce, made.value.node.inputs[0].dtype());
            let state_bytes = self.env.folds[fold].state_bytes();
            let value = wanted.len();
            for &cone in &made.cones {
                wanted.push(self.wanted(cone));
            }
            folds.push(FoldUse {
                fold,
                value,
                mask: reduce.masked.then_some(value + 1),
                state_bytes,
            });
        }
        let fused = compile(self, wanted, self.reach.made[group[0]].depth);
        let mut kept = self.kept_region(group[0]);
        for &at in &group[1..] {
            kept = kept.hull(&self.kept_region(at));
        }
        let state_bytes: usize = folds.iter().map(|fold| fold.state_bytes).sum();
        let opaque = is_opaque(&fused, self);
        let (mut grid, split) = reduce_grid(
            &self.graph,
            tree,
            &kept,
            &fused.leaves,
            state_bytes,
            least_reduced(fused_cost(&fused, self), opaque),
            self.options,
        );
        if group.iter().any(|&at| self.place(at) == Place::Stream) {
            let input = &self.reach.made[group[0]].value.node.inputs[0];
            grid = Chunks(
                tree.kept()
                    .iter()
                    .map(|&axis| input.chunks().0[axis].clone())
                    .collect(),
            );
        } else if group.iter().any(|&at| self.reach.made[at].flat) {
            // The cells may be the blocks of what is read, which need not be consecutive.
            grid = bands(kept.shape(), grid.largest_block());
        }
        let mirrored = pairs(tree, &fused, state_bytes, self.options);
        let (split, pairs) = match mirrored {
            Some((split, pairs)) if !opaque => (split, Some(pairs)),
            _ => (split, None),
        };
        let parts = split.parts(tree);
        let outputs = self.reduce_outputs(tree, group, &kept, &grid);
        let cell = grid.largest_block();
        let levels = levels(tree);
        // Scalars are spread over a tile, and uneven runs are put together.
        let crossed = is_crossed(tree, &fused, &self.env);
        let tile = if crossed {
            fused.program.tile().max(BATCH * RUN)
        } else {
            fused.program.tile() * tree.tiles()
        };
        let buffer = tile * fused.program.widest();
        let scratch = fused.scratch(tile)
            + buffer * fused.program.outputs.len()
            + levels * side_by_side(tree, cell) * state_bytes;
        let most_states = parts.iter().map(Part::states).max();
        let most_states = cell * most_states.unwrap_or(1);
        let (most_states, columns) = match &pairs {
            // Two parts, with partial states for each run.
            Some(_) => (2 * most_states, 2 * most_states),
            None => (most_states, 0),
        };
        let halves = scratch * (1 + usize::from(pairs.is_some()));
        let lanes = match &pairs {
            Some(_) => pair_bytes(tree, &parts),
            None => 0,
        };
        let scratch = halves + lanes + levels * columns * BATCH * state_bytes;
        let tasks = pairs.as_ref().map_or(parts.len(), Vec::len);
        let elements = cell as f64 * (tree.count() as f64 / tasks as f64);
        let cost = TASK_COST + fused_cost(&fused, self) * elements;
        let name = self.names(group);
        let output_bytes = held_bytes(&outputs);
        let partial = parts.len() > 1;
        let job = Job::Reduce(ReduceJob {
            fused,
            tree: tree.clone(),
            parts,
            pairs,
            crossed,
            folds,
        });
        if !partial {
            let scratch_bytes = scratch as u64;
            self.push_for(
                group,
                Stage {
                    name,
                    job,
                    outputs,
                    output_bytes,
                    scratch_bytes,
                    cost,
                },
            );
            return;
        }
        let held = outputs.iter().map(|output| Output {
            place: Place::Held,
            ..output.clone()
        });
        let parts = self.push(Stage {
            name: format!("{name}: parts").into(),
            job,
            outputs: held.collect(),
            output_bytes: (most_states * state_bytes) as u64,
            scratch_bytes: scratch as u64,
            cost,
        });
        let merge = Stage {
            name: format!("{name}: merge").into(),
            job: Job::Merge { of: parts },
            outputs,
            output_bytes,
            scratch_bytes: (levels * most_states * state_bytes) as u64,
            cost: TASK_COST + cell as f64,
        };
        self.push_for(group, merge);
    }

    /// In the space of the kept axes.
    fn reduce_outputs(
        &self,
        tree: &Tree,
        group: &[usize],
        kept: &Region,
        grid: &Chunks,
    ) -> Few<Output, 1> {
        let shape: Few<usize> = few(tree.kept().iter().map(|&axis| tree.shape()[axis]));
        let outputs = group.iter().map(|&at| Output {
            dtype: self.reach.made[at].value.dtype(),
            shape: shape.clone(),
            domain: kept.clone(),
            grid: grid.clone(),
            place: self.place(at),
        });
        few(outputs)
    }

    fn fold(&mut self, reduce: &Reduce, dtype: DType) -> usize {
        let fold: Arc<dyn Fold> = match &reduce.reducer {
            Reduction::Custom(fold) => fold.clone(),
            Reduction::Op(op) => (self.options.fold)(*op, dtype, reduce.masked)
                .expect("a reduction that has no meaning was refused when it was built"),
        };
        self.env.folds.push(fold);
        self.env.folds.len() - 1
    }

    /// The needed part of a reduction in the space of its kept axes.
    fn kept_region(&self, at: usize) -> Region {
        let made = &self.reach.made[at];
        let NodeKind::Reduce(reduce) = &made.value.node.kind else {
            return made.needed.clone();
        };
        if !reduce.keep {
            return made.needed.clone();
        }
        let kept = reduce.tree.kept();
        kept.iter().map(|&axis| made.needed.range(axis)).collect()
    }
}

/// The states that a task has side by side.
fn side_by_side(tree: &Tree, cell: usize) -> usize {
    match tree.mode() {
        Mode::Rows => cell.min(WIDTH) * tree.lanes(),
        Mode::Lines { .. } => {
            let states = cell.saturating_mul(tree.runs().count()).min(WIDTH);
            if states <= BATCH_STATES {
                states * BATCH
            } else {
                states.max(BATCH_STATES * BATCH)
            }
        }
    }
}

/// The states that wait at once for their neighbours: on each level of the tree as many as its count has
/// bits, and one that is being folded.
fn levels(tree: &Tree) -> usize {
    let counts = tree.cell_counts();
    let first = tree.cell(&Few::<_>::from_elem(0, counts.len()));
    let pieces = first.leaf(0).len().div_ceil(tree.piece());
    let strips = tree.runs().count().div_ceil(STRIP);
    let waiting = |count: &usize| count.max(&1).ilog2() as usize + 2;
    let across: usize = counts.iter().map(waiting).sum();
    across + waiting(&first.leaves()) + waiting(&pieces) + waiting(&strips)
}

/// Whether elements of a leaf may lie side by side across rows, and not along the line: then several rows
/// are evaluated at once.
fn is_crossed(tree: &Tree, fused: &Fused, env: &Env) -> bool {
    let (Mode::Lines { .. }, Some(&row)) = (tree.mode(), tree.outer_axes().last()) else {
        return false;
    };
    fused.leaves.iter().any(|leaf| {
        let strides = match leaf.source {
            LeafSource::Memory {
                number,
                c_order: false,
            } => Few::from_slice(env.memories[number].strides()),
            LeafSource::Memory { .. } | LeafSource::Held { .. } => c_strides(&leaf.shape),
            LeafSource::Generate { .. } => return false,
        };
        let stride = |axis: usize| -> isize {
            let terms = leaf.map.axes().iter().zip(&strides);
            let along = terms.map(|(map, stride)| match map {
                AxisMap::Affine { terms, .. } => terms
                    .iter()
                    .filter(|(of, _)| *of == axis)
                    .map(|(_, by)| by * stride)
                    .sum(),
                AxisMap::Table { .. } => 0,
            });
            along.sum()
        };
        let along = stride(tree.shape().len() - 1);
        stride(row).abs() == 1 && along != 0 && along != 1
    })
}
