//! Stages: one iteration space, one program, several sinks. Data only; what is opaque lies in the
//! [`Env`](super::env::Env) under a number.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use petgraph::graph::{DiGraph, NodeIndex};

use crate::base::chunks::{Chunks, unravel};
use crate::base::dtype::DType;
use crate::base::few::Few;
use crate::base::index_map::{AxisMap, IndexMap};
use crate::base::region::Region;
use crate::op::contract::Contraction;
use crate::op::program::{Arg, Program};
use crate::op::tree::{Part, Tree};

pub type StageId = NodeIndex<u32>;

/// The DAG of stages: an edge goes from a producer to its reader.
#[derive(Default)]
pub struct Graph {
    pub dag: DiGraph<Stage, (), u32>,
    /// Stages, producers before their readers.
    pub order: Few<StageId>,
}

impl Graph {
    /// No stages yet, and room for some.
    pub fn with_capacity(stages: usize) -> Graph {
        Graph {
            dag: DiGraph::with_capacity(stages, 0),
            order: Few::new(),
        }
    }
}

/// What is materialized together. Its tasks are the cells of the outputs' grid, each as many times
/// as the job has parts.
pub struct Stage {
    pub name: Cow<'static, str>,
    pub job: Job,
    /// On grids of the same number of cells.
    pub outputs: Few<Output, 1>,
    /// Held by a task's result until its last reader has run.
    pub output_bytes: u64,
    /// Used by a task while it runs.
    pub scratch_bytes: u64,
    /// The nanoseconds of a task, roughly.
    pub cost: f64,
}

/// One value that a stage makes.
#[derive(Clone)]
pub struct Output {
    pub dtype: DType,
    /// The whole value's shape.
    pub shape: Few<usize>,
    /// The part of the value that is needed.
    pub domain: Region,
    /// The tasks' cells: a partition of the domain, counted from its start.
    pub grid: Chunks,
    pub place: Place,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// In blocks, until the last reader has run.
    #[default]
    Held,
    /// In the result with this number.
    Result(usize),
    /// In blocks that the caller takes one by one.
    Stream,
    /// In the temporary file, as the environment's spilled value with this number.
    Spill(usize),
}

pub enum Job {
    /// Elements of boxes, each by a program of its own; what no box covers is filled.
    Map(Vec<MapPiece>),
    /// Partial (or, with a single part, whole) reductions of a program's outputs.
    Reduce(ReduceJob),
    /// Sums of products of two programs' outputs.
    Contract(ContractJob),
    /// The rest of the reduction or of the products whose parts are another stage's tasks.
    Merge {
        of: StageId,
    },
    BlockFn(BlockFnJob),
    /// One region of a source, or of what was spilled, per task.
    Load(LoadFrom),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadFrom {
    Source(usize),
    /// A value that a stage has written to the temporary file.
    Spill {
        stage: StageId,
        output: usize,
        number: usize,
    },
}

pub struct MapPiece {
    /// In the iteration space.
    pub region: Region,
    pub fused: Fused,
}

pub struct ReduceJob {
    pub fused: Fused,
    pub tree: Arc<Tree>,
    pub parts: Few<Part, 1>,
    /// The parts of each task, where tasks have two; else a task has one.
    pub pairs: Option<Vec<Pair>>,
    /// A leaf may lie across the lines: there is scratch for many rows at once.
    pub crossed: bool,
    pub folds: Few<FoldUse, 1>,
}

/// The numbers of the parts that a task computes side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    pub first: usize,
    pub second: Option<usize>,
}

impl ReduceJob {
    /// How many tasks the parts make.
    pub fn tasks(&self) -> usize {
        self.pairs.as_ref().map_or(self.parts.len(), Vec::len)
    }

    /// The parts of a task.
    pub fn parts_of(&self, task: usize) -> Pair {
        match &self.pairs {
            Some(pairs) => pairs[task],
            None => Pair {
                first: task,
                second: None,
            },
        }
    }
}

/// One reducer: its number in the environment, and which outputs of the program it reads.
#[derive(Default)]
pub struct FoldUse {
    pub fold: usize,
    pub value: usize,
    pub mask: Option<usize>,
    pub state_bytes: usize,
}

pub struct ContractJob {
    /// The operands, each over its own axes.
    pub fused: [Fused; 2],
    pub contraction: Arc<Contraction>,
    /// The parts of the sum that each task of a cell takes.
    pub parts: Vec<Range<usize>>,
}

pub struct BlockFnJob {
    pub function: usize,
    /// The user's grid of each output: a task's cell is a box of whole blocks.
    pub blocks: Vec<Chunks>,
    pub inputs: Vec<BlockInput>,
}

pub struct BlockInput {
    pub fused: Fused,
    /// The user's grid of the input.
    pub blocks: Chunks,
    /// Whether what a task needs lies in one block of another stage, and is given to the function from there.
    pub in_place: bool,
}

impl BlockInput {
    /// The bytes of a block if blocks are so small that each is copied, row after row, before the function gets it:
    /// what walks over a strided block costs more.
    pub fn dense_bytes(&self) -> usize {
        const MOST: usize = 4096;
        let bytes = self.blocks.largest_block() * self.fused.program_dtype().size();
        if self.blocks.0.len() > 1 && bytes <= MOST {
            bytes
        } else {
            0
        }
    }
}

/// A program and its leaves: a function from a region of the iteration space to values.
pub struct Fused {
    pub program: Program,
    pub leaves: Vec<Leaf>,
}

impl Fused {
    /// The dtype of the program's first output.
    pub fn program_dtype(&self) -> DType {
        self.program.output_dtype(0)
    }

    /// The blocks that the program gives as they are: stage, output, and where the iteration space begins in them.
    pub fn window(&self) -> Option<(StageId, usize, Vec<isize>)> {
        let [leaf] = &self.leaves[..] else {
            return None;
        };
        let LeafSource::Held {
            stage,
            output,
            flat: false,
        } = leaf.source
        else {
            return None;
        };
        let whole = self.program.outputs[..] == [Arg::Leaf(0)] && self.program.instrs.is_empty();
        let axes = leaf.map.axes();
        if !whole || axes.len() != leaf.map.shape().len() {
            return None;
        }
        let starts = axes.iter().enumerate().map(|(axis, map)| match map {
            AxisMap::Affine { start, terms } if **terms == [(axis, 1)] => Some(*start),
            _ => None,
        });
        Some((stage, output, starts.collect::<Option<_>>()?))
    }

    /// The scratch bytes of one task, with tiles of so many elements.
    pub fn scratch(&self, tile: usize) -> usize {
        let together = self.leaves.iter().filter_map(|leaf| match leaf.source {
            LeafSource::Held { .. } => {
                let elements: usize = leaf.shape.iter().product();
                Some(
                    elements
                        .saturating_mul(leaf.dtype.size())
                        .min(TOGETHER_BYTES),
                )
            }
            _ => None,
        });
        self.program.scratch(tile) + together.sum::<usize>()
    }
}

/// What a task needs of several blocks is put together beforehand if it has at most so many bytes.
pub const TOGETHER_BYTES: usize = 96 << 10;

/// An operand of a program.
#[derive(Clone)]
pub struct Leaf {
    pub source: LeafSource,
    /// From the iteration space to the array below.
    pub map: IndexMap,
    /// The shape of the array that the map indexes.
    pub shape: Few<usize>,
    pub dtype: DType,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeafSource {
    /// A strided array, with the strides of the environment's entry or, reshaped, in C order.
    Memory { number: usize, c_order: bool },
    /// A function of the C-order number of an element.
    Generate { number: usize },
    /// Blocks of another stage. `flat`: they are consecutive in C order, and are read by C-order
    /// numbers of the leaf's own shape.
    Held {
        stage: StageId,
        output: usize,
        flat: bool,
    },
}

impl Stage {
    /// Cells of the grid.
    pub fn cells(&self) -> usize {
        self.outputs[0].grid.count()
    }

    /// Tasks of one cell.
    pub fn parts(&self) -> usize {
        match &self.job {
            Job::Reduce(reduce) => reduce.tasks(),
            Job::Contract(contract) => contract.parts.len(),
            _ => 1,
        }
    }

    pub fn tasks(&self) -> usize {
        self.cells() * self.parts()
    }

    /// Whether a task gives states of a reduction, or some of a sum, instead of values.
    pub fn is_partial(&self) -> bool {
        self.parts() > 1
    }

    /// The cell's index in the grid.
    pub fn cell_index(&self, cell: usize) -> Few<usize> {
        unravel(cell, &self.outputs[0].grid.counts())
    }

    /// All programs of the stage.
    pub fn fused(&self) -> impl Iterator<Item = &Fused> {
        let (mut pieces, mut inputs) = (&[][..], &[][..]);
        let mut others: &[Fused] = &[];
        match &self.job {
            Job::Map(all) => pieces = all,
            Job::Reduce(reduce) => others = std::slice::from_ref(&reduce.fused),
            Job::Contract(contract) => others = &contract.fused,
            Job::BlockFn(block_fn) => inputs = &block_fn.inputs,
            Job::Merge { .. } | Job::Load(_) => {}
        }
        let pieces = pieces.iter().map(|piece: &MapPiece| &piece.fused);
        let inputs = inputs.iter().map(|input: &BlockInput| &input.fused);
        pieces.chain(others).chain(inputs)
    }

    /// The region of the input space that one part of a reduction reads in one cell of kept axes.
    pub fn reduce_region(reduce: &ReduceJob, part: &Part, kept: &Region) -> Region {
        let mut region = Region::whole(reduce.tree.shape());
        for (rank, &axis) in reduce.tree.kept().iter().enumerate() {
            region.set_range(axis, kept.range(rank));
        }
        for (&axis, range) in reduce.tree.axes().iter().zip(part.hull(&reduce.tree)) {
            region.set_range(axis, range);
        }
        region
    }
}

impl Output {
    /// The region of a cell, in the value's own coordinates.
    pub fn region(&self, index: &[usize]) -> Region {
        let cell = self.grid.region(index);
        cell.moved_by(self.domain.start())
    }

    /// The cells that meet a region of the value, as a range of indices per axis.
    pub fn meeting(&self, region: &Region) -> Vec<std::ops::Range<usize>> {
        let Some(inside) = region.intersect(&self.domain) else {
            return vec![0..0; region.ndim().max(1)];
        };
        let inside = inside.relative_to(self.domain.start());
        (0..inside.ndim())
            .map(|axis| self.grid.0[axis].meeting(&inside.range(axis)))
            .collect()
    }

    /// The cells that may hold elements with these C-order numbers.
    pub fn meeting_flat(&self, range: &std::ops::Range<usize>) -> Vec<std::ops::Range<usize>> {
        self.meeting(&flat_hull(range, &self.shape))
    }
}

/// The smallest box known to hold all elements with these C-order numbers.
pub fn flat_hull(range: &std::ops::Range<usize>, shape: &[usize]) -> Region {
    let mut hull = Region::whole(shape);
    if range.is_empty() {
        return hull;
    }
    let first = unravel(range.start, shape);
    let last = unravel(range.end - 1, shape);
    for axis in 0..shape.len() {
        hull.set_range(axis, first[axis]..last[axis] + 1);
        if first[axis] != last[axis] {
            break;
        }
    }
    hull
}
