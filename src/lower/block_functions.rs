//! Stages of opaque block functions: tasks of whole blocks.

use super::Build;
use super::compile::compile;
use super::grid::block_groups;
use super::stages::{TASK_COST, held_bytes};
use crate::base::chunks::{AxisChunks, Chunks};
use crate::base::few::Few;
use crate::base::region::Region;
use crate::graph::expand::block_input_region;
use crate::graph::stage::{BlockFnJob, BlockInput, Fused, Job, Output, Place, Stage};
use crate::plan::node::NodeKind;

/// What a function does per element, in nanoseconds, if nobody says otherwise.
const ELEMENT_COST: f64 = 50.0;
/// What a call does beside, however few its elements: enough to be worth another thread.
const CALL_COST: f64 = 20_000.0;

impl Build<'_> {
    pub(super) fn block_fn_stage(&mut self, at: usize) {
        let node = self.reach.made[at].value.node.clone();
        let NodeKind::BlockFn(block_fn) = &node.kind else {
            return;
        };
        self.env.block_fns.push(block_fn.function.clone());
        let members: Vec<(usize, usize)> = (0..self.reach.made.len())
            .filter(|&other| {
                let made = &self.reach.made[other];
                made.value.node.id == node.id && self.computes(other)
            })
            .map(|other| (self.reach.made[other].value.output, other))
            .collect();
        let made = &self.reach.made[at];
        let mut domain = made.needed.clone();
        let stream = members
            .iter()
            .any(|&(_, other)| self.place(other) == Place::Stream);
        let flat = members
            .iter()
            .any(|&(_, other)| self.reach.made[other].flat);
        if node.outputs.len() > 1 {
            domain = Region::whole(made.value.shape());
        }
        let item: usize = node.outputs.iter().map(|spec| spec.dtype.size()).sum();
        let taken: usize = node
            .inputs
            .iter()
            .map(|input| {
                input
                    .chunks()
                    .largest_block()
                    .saturating_mul(input.dtype().size())
            })
            .sum();
        let block_bytes = made
            .value
            .chunks()
            .largest_block()
            .saturating_mul(item)
            .saturating_add(taken);
        let grid = if stream {
            made.value.chunks().clone()
        } else {
            block_groups(
                made.value.chunks(),
                &domain,
                block_bytes,
                flat,
                self.options,
            )
        };
        let calls: usize = (0..grid.ndim())
            .map(|axis| {
                made.value.chunks().0[axis]
                    .meeting(&domain.range(axis))
                    .len()
            })
            .product();
        let depth = made.depth;
        let mut inputs = Vec::with_capacity(node.inputs.len());
        let mut scratch = block_fn.function.scratch_bytes();
        for (number, input) in node.inputs.iter().enumerate() {
            let cone = self.reach.made[at].cones[number];
            let fused = compile(self, [self.wanted(cone)], depth);
            let made = &self.reach.made[at];
            let cells = input_cells(&grid, made.value.chunks(), input.chunks(), &domain);
            let whole = block_input_region(made.value.chunks(), input.chunks(), &domain);
            self.align_loads(&fused.leaves, &whole, &cells);
            self.load_as_taken(&fused, &whole, &cells);
            let in_place = self.lies_in_blocks(&fused, &whole, &cells);
            // What lies there is not computed.
            if !in_place {
                scratch += fused.scratch(fused.program.tile());
                scratch += cells.largest_block() * input.dtype().size();
            }
            let input = BlockInput {
                fused,
                blocks: input.chunks().clone(),
                in_place,
            };
            scratch += input.dense_bytes();
            inputs.push(input);
        }
        let made = &self.reach.made[at];
        let mut outputs: Few<Output, 1> = Few::new();
        for (number, spec) in node.outputs.iter().enumerate() {
            let member = members
                .iter()
                .find(|&&(output, _)| output == number)
                .map(|&(_, other)| other);
            let same = spec.chunks == *made.value.chunks();
            outputs.push(Output {
                dtype: spec.dtype,
                shape: spec.shape.clone(),
                domain: if same {
                    domain.clone()
                } else {
                    Region::whole(&spec.shape)
                },
                grid: if same {
                    grid.clone()
                } else {
                    matching_groups(&grid, made.value.chunks(), &spec.chunks)
                },
                place: member.map_or(Place::Held, |member| self.place(member)),
            });
        }
        let stage = Stage {
            name: block_fn.name.into(),
            output_bytes: held_bytes(&outputs),
            scratch_bytes: scratch as u64,
            cost: TASK_COST
                + CALL_COST * calls as f64 / grid.count() as f64
                + ELEMENT_COST * grid.largest_block() as f64,
            job: Job::BlockFn(BlockFnJob {
                function: self.env.block_fns.len() - 1,
                blocks: node
                    .outputs
                    .iter()
                    .map(|spec| spec.chunks.clone())
                    .collect(),
                inputs,
            }),
            outputs,
        };
        let id = self.push(stage);
        for (output, other) in members {
            self.made.insert(other, (id, output));
        }
    }
}

impl Build<'_> {
    /// Whether each cell is a block of the stage that makes it, whole.
    fn lies_in_blocks(&self, fused: &Fused, domain: &Region, cells: &Chunks) -> bool {
        let Some((stage, output, starts)) = fused.window() else {
            return false;
        };
        let made = &self.graph.dag[stage].outputs[output];
        (0..cells.ndim()).all(|axis| {
            let (blocks, cells) = (&made.grid.0[axis], &cells.0[axis]);
            let ahead = domain.start()[axis] as isize + starts[axis];
            let ahead = ahead - made.domain.start()[axis] as isize;
            (0..cells.count()).all(|index| {
                let cell = cells.range(index);
                let start = cell.start as isize + ahead;
                let Ok(start) = usize::try_from(start) else {
                    return false;
                };
                let range = start..start + cell.len();
                let met = blocks.meeting(&range);
                met.len() == 1 && blocks.range(met.start) == range
            })
        })
    }
}

/// What each task reads of an input, counted from the first element that any reads: as many of its blocks as the
/// task makes, all where it has a single one.
fn input_cells(groups: &Chunks, blocks: &Chunks, input: &Chunks, domain: &Region) -> Chunks {
    let skip = groups.ndim() - input.ndim();
    let axes = (0..input.ndim()).map(|axis| {
        let (chunks, of) = (&input.0[axis], axis + skip);
        if chunks.count() == 1 {
            return chunks.clone();
        }
        let first = domain.start()[of];
        let sizes: Vec<usize> = (0..groups.0[of].count())
            .map(|group| {
                let range = groups.0[of].range(group);
                let members = blocks.0[of].meeting(&(first + range.start..first + range.end));
                members.map(|block| chunks.range(block).len()).sum()
            })
            .collect();
        AxisChunks::from_sizes(&sizes)
    });
    Chunks(axes.collect())
}

/// The grid of another output whose blocks pair with those that `groups` puts together.
fn matching_groups(groups: &Chunks, blocks: &Chunks, other: &Chunks) -> Chunks {
    let axes = (0..other.ndim()).map(|axis| {
        let sizes: Vec<usize> = (0..groups.0[axis].count())
            .map(|group| {
                let members = blocks.0[axis].meeting(&groups.0[axis].range(group));
                members.map(|block| other.0[axis].range(block).len()).sum()
            })
            .collect();
        AxisChunks::from_sizes(&sizes)
    });
    Chunks(axes.collect())
}
