//! From stages to tasks: which tasks read which blocks.

use std::ops::Range;

use super::env::Env;
use super::stage::{Fused, Graph, Job, LeafSource, LoadFrom, Place, Stage};
use super::tasks::{StageTasks, Tasks};
use crate::base::few::Few;
use crate::base::region::Region;
use crate::base::shape::c_strides;

/// Where the tasks of each stage begin, in the order of [`Graph::order`].
pub struct Numbering {
    /// By the stage's index in the DAG.
    first: Few<u32>,
    /// First task and position in the order, for the way back.
    starts: Few<(u32, usize), 2>,
    /// How many tasks there are.
    tasks: u32,
}

impl Numbering {
    pub fn new(graph: &Graph) -> Numbering {
        let mut first = Few::from_elem(0, graph.dag.node_count());
        let mut starts = Few::new();
        let mut next = 0;
        for (position, &stage) in graph.order.iter().enumerate() {
            first[stage.index()] = next;
            starts.push((next, position));
            next += graph.dag[stage].tasks() as u32;
        }
        Numbering {
            first,
            starts,
            tasks: next,
        }
    }

    /// The task of a cell and a part.
    pub fn task(
        &self,
        graph: &Graph,
        stage: super::stage::StageId,
        cell: usize,
        part: usize,
    ) -> u32 {
        self.first[stage.index()] + (cell * graph.dag[stage].parts() + part) as u32
    }

    /// The stage, cell and part of a task.
    pub fn locate(&self, graph: &Graph, task: u32) -> (super::stage::StageId, usize, usize) {
        let at = self.starts.partition_point(|&(first, _)| first <= task) - 1;
        let (first, position) = self.starts[at];
        let stage = graph.order[position];
        let number = (task - first) as usize;
        let parts = graph.dag[stage].parts();
        (stage, number / parts, number % parts)
    }
}

/// The flat form that the executor runs.
pub fn expand(graph: &Graph, env: &Env) -> (Tasks, Numbering) {
    let numbering = Numbering::new(graph);
    let mut stages = Few::with_capacity(graph.order.len());
    let mut starts: Few<u32> = Few::with_capacity(numbering.tasks as usize + 1);
    starts.push(0);
    let mut inputs: Vec<u32> = Vec::new();
    for &id in &graph.order {
        let stage = &graph.dag[id];
        let (cells, parts) = (stage.cells(), stage.parts());
        stages.push(StageTasks {
            first: numbering.first[id.index()],
            count: (cells * parts) as u32,
            output_bytes: stage.output_bytes,
            scratch_bytes: stage.scratch_bytes,
            delivered: stage
                .outputs
                .iter()
                .any(|output| output.place == Place::Stream),
            fetches: match stage.job {
                Job::Load(LoadFrom::Source(number)) => env.sources[number].fetches(),
                _ => false,
            },
        });
        for cell in 0..cells {
            for part in 0..parts {
                let from = inputs.len();
                collect_inputs(graph, &numbering, stage, cell, part, &mut inputs);
                inputs[from..].sort_unstable();
                let mut kept = from;
                for at in from..inputs.len() {
                    if at == from || inputs[at] != inputs[kept - 1] {
                        inputs[kept] = inputs[at];
                        kept += 1;
                    }
                }
                inputs.truncate(kept);
                starts.push(inputs.len() as u32);
            }
        }
    }
    let asked = |number: usize| {
        let outputs = &graph.dag[graph.order[number]].outputs;
        let mut places = outputs.iter().map(|output| output.place);
        places.any(|place| matches!(place, Place::Result(_) | Place::Stream))
    };
    (Tasks::needed(stages, starts, inputs, asked), numbering)
}

fn collect_inputs(
    graph: &Graph,
    numbering: &Numbering,
    stage: &Stage,
    cell: usize,
    part: usize,
    inputs: &mut Vec<u32>,
) {
    // Most stages read nothing that other tasks make.
    let reads_blocks = |fused: &Fused| {
        fused
            .leaves
            .iter()
            .any(|leaf| matches!(leaf.source, LeafSource::Held { .. }))
    };
    match &stage.job {
        Job::Load(LoadFrom::Source(_)) => {}
        Job::Load(LoadFrom::Spill {
            stage: of, output, ..
        }) => {
            let region = stage.outputs[0].region(&stage.cell_index(cell));
            if !region.is_empty() {
                let made = &graph.dag[*of].outputs[*output];
                each_cell(&made.meeting(&region), &made.grid.counts(), |cell| {
                    inputs.push(numbering.task(graph, *of, cell, 0))
                });
            }
        }
        Job::Merge { of } => {
            let parts = graph.dag[*of].parts();
            inputs.extend((0..parts).map(|part| numbering.task(graph, *of, cell, part)));
        }
        Job::Map(pieces) => {
            if !pieces.iter().any(|piece| reads_blocks(&piece.fused)) {
                return;
            }
            let region = stage.outputs[0].region(&stage.cell_index(cell));
            for piece in pieces {
                if let Some(inside) = region.intersect(&piece.region) {
                    let inside = inside.relative_to(piece.region.start());
                    fused_inputs(graph, numbering, &piece.fused, &inside, inputs);
                }
            }
        }
        Job::Reduce(reduce) => {
            if reads_blocks(&reduce.fused) {
                let kept = stage.outputs[0].region(&stage.cell_index(cell));
                let region =
                    Stage::reduce_region(reduce, &reduce.parts[reduce.parts_of(part).first], &kept);
                fused_inputs(graph, numbering, &reduce.fused, &region, inputs);
            }
        }
        Job::Contract(job) => {
            let kept = stage.outputs[0].region(&stage.cell_index(cell));
            if kept.is_empty() {
                return;
            }
            let depth = job.contraction.depth_of(&job.parts[part]);
            for (number, fused) in job.fused.iter().enumerate() {
                if reads_blocks(fused) {
                    let region = job.contraction.operand_region(number, &kept, &depth);
                    fused_inputs(graph, numbering, fused, &region, inputs);
                }
            }
        }
        Job::BlockFn(job) => {
            let region = stage.outputs[0].region(&stage.cell_index(cell));
            for input in &job.inputs {
                if reads_blocks(&input.fused) {
                    let region = block_input_region(&job.blocks[0], &input.blocks, &region);
                    fused_inputs(graph, numbering, &input.fused, &region, inputs);
                }
            }
        }
    }
}

/// What a box of whole blocks of the result needs of an input: the same blocks; all along axes
/// where the input has a single one.
pub fn block_input_region(
    result: &crate::base::chunks::Chunks,
    input: &crate::base::chunks::Chunks,
    region: &Region,
) -> Region {
    let skip = result.ndim() - input.ndim();
    let mut wanted = Region::whole(&input.shape());
    for axis in 0..input.ndim() {
        let blocks = result.0[axis + skip].meeting(&region.range(axis + skip));
        if input.0[axis].count() > 1 && !blocks.is_empty() {
            let range =
                input.0[axis].range(blocks.start).start..input.0[axis].range(blocks.end - 1).end;
            wanted = wanted.with_range(axis, range);
        }
    }
    wanted
}

fn fused_inputs(
    graph: &Graph,
    numbering: &Numbering,
    fused: &Fused,
    region: &Region,
    inputs: &mut Vec<u32>,
) {
    for leaf in &fused.leaves {
        if let LeafSource::Held {
            stage,
            output,
            flat,
        } = leaf.source
        {
            let made = &graph.dag[stage].outputs[output];
            let image = leaf.map.image(region);
            if image.is_empty() {
                continue;
            }
            let ranges = if flat {
                made.meeting_flat(&flat_range(&image, &leaf.shape))
            } else {
                made.meeting(&image)
            };
            each_cell(&ranges, &made.grid.counts(), |cell| {
                inputs.push(numbering.task(graph, stage, cell, 0))
            });
        }
    }
}

/// The C-order numbers from a region's first to its last element.
pub fn flat_range(region: &Region, shape: &[usize]) -> Range<usize> {
    let strides = c_strides(shape);
    let first: usize = region
        .start()
        .iter()
        .zip(&strides)
        .map(|(i, s)| i * *s as usize)
        .sum();
    let last: usize = (0..shape.len())
        .map(|axis| (region.end(axis) - 1) * strides[axis] as usize)
        .sum();
    first..last + 1
}

/// Calls `f` with the C-order number of each cell in a box of cells.
pub fn each_cell(ranges: &[Range<usize>], counts: &[usize], mut f: impl FnMut(usize)) {
    each_index(ranges, |index| {
        let number = index
            .iter()
            .zip(counts)
            .fold(0, |number, (&i, &count)| number * count + i);
        f(number);
    });
}

/// Calls `f` with each index of a box, in C order.
pub fn each_index(ranges: &[Range<usize>], mut f: impl FnMut(&[usize])) {
    if ranges.iter().any(Range::is_empty) {
        return;
    }
    let mut index: Vec<usize> = ranges.iter().map(|range| range.start).collect();
    loop {
        f(&index);
        let mut axis = index.len();
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            index[axis] += 1;
            if index[axis] < ranges[axis].end {
                break;
            }
            index[axis] = ranges[axis].start;
        }
    }
}
