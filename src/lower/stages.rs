//! One stage for each group of values that are materialized together.

use std::sync::Arc;

use super::Build;
use super::compile::{Wanted, compile};
use super::grid::{block_groups, load_grid, map_grid, reduce_grid};
use crate::base::chunks::Chunks;
use crate::base::region::Region;
use crate::graph::expand::block_input_region;
use crate::graph::stage::{
    BlockFnJob, BlockInput, FoldUse, Fused, Job, Leaf, LeafSource, MapPiece, Output, Place, ReduceJob, Stage, StageId,
};
use crate::op::fold::Fold;
use crate::op::program::ProgramBuilder;
use crate::op::tree::{PIECE_BYTES, ROWS, RUN, WIDTH};
use crate::plan::node::{NodeKind, Pieces, Reduce, Reduction, ValueKey};

/// What a task does beyond its elements, in nanoseconds.
const TASK_COST: f64 = 500.0;

impl Build<'_> {
    /// Producers first: by depth, and among equals in the order of the plan.
    pub(super) fn stages(&mut self) {
        let reach = self.reach;
        let mut order: Vec<usize> = (0..reach.made.len()).rev().collect();
        order.sort_by_key(|&at| reach.made[at].depth);
        for (position, &at) in order.iter().enumerate() {
            if self.made.contains_key(&at) {
                continue;
            }
            match &reach.made[at].value.node.kind {
                // Loads are made when a reader asks, one for each depth of readers.
                NodeKind::Source(_) if reach.made[at].root.is_none() => {}
                NodeKind::Reduce(reduce) if self.computes(at) => {
                    let group = self.group(&order[position..], at, |other| self.same_tree(reduce, other));
                    self.reduce_stage(&group);
                }
                NodeKind::Pieces(pieces) if self.computes(at) => self.pieces_stage(at, pieces),
                NodeKind::BlockFn(_) if self.computes(at) => self.block_fn_stage(at),
                _ => {
                    let group = self.group(&order[position..], at, |other| self.same_map(at, other));
                    self.map_stage(&group);
                }
            }
        }
    }

    /// Whether a made value is where its node runs, and not a copy of a held one.
    fn computes(&self, at: usize) -> bool {
        let made = &self.reach.made[at];
        let copies = made.cones.len() == 1 && {
            let cone = &self.reach.cones[made.cones[0]];
            cone.value.key() == made.value.key()
        };
        !copies
    }

    /// This value and those that may share its stage: same depth, same space, a shared leaf.
    fn group(&self, candidates: &[usize], at: usize, fits: impl Fn(usize) -> bool) -> Vec<usize> {
        let mut group = vec![at];
        if self.options.share_stages {
            let depth = self.reach.made[at].depth;
            group.extend(candidates.iter().copied().filter(|&other| {
                other != at
                    && self.reach.made[other].depth == depth
                    && !self.made.contains_key(&other)
                    && self.shares_leaf(at, other)
                    && fits(other)
            }));
        }
        group
    }

    fn shares_leaf(&self, one: usize, other: usize) -> bool {
        let cones = |at: usize| self.reach.made[at].cones.iter().map(|&cone| &self.reach.cones[cone]);
        cones(one).any(|a| cones(other).any(|b| a.reads.iter().any(|key| b.reads.contains(key))))
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
            made.cones.len() == 1 && !made.flat && self.place(at) != Place::Stream && self.is_plain_map(at)
        };
        plain(at) && plain(other) && one.value.shape() == two.value.shape() && one.needed == two.needed
    }

    fn is_plain_map(&self, at: usize) -> bool {
        match &self.reach.made[at].value.node.kind {
            NodeKind::Reduce(_) | NodeKind::Pieces(_) | NodeKind::BlockFn(_) => !self.computes(at),
            NodeKind::Source(_) => self.reach.made[at].root.is_some(),
            _ => true,
        }
    }

    fn place(&self, at: usize) -> Place {
        self.reach.made[at].root.map_or(Place::Held, |root| self.places[root])
    }

    fn push(&mut self, stage: Stage) -> StageId {
        let producers: Vec<StageId> = match &stage.job {
            Job::Merge { of } => vec![*of],
            _ => stage.fused().into_iter().flat_map(|fused| &fused.leaves).filter_map(producer).collect(),
        };
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
        self.made[&at]
    }

    fn load(&mut self, at: usize, depth: usize) -> StageId {
        let made = &self.reach.made[at];
        let key = made.value.key();
        // Without recomputation one load serves readers of all depths.
        let depth = if self.options.recompute { depth } else { usize::MAX };
        if self.options.share_loads
            && let Some(&stage) = self.loads.get(&(key, depth))
        {
            return stage;
        }
        let mut needed: Option<Region> = None;
        for (cone, image) in &made.images {
            if depth == usize::MAX || self.depth_of(*cone) == depth {
                needed = Some(needed.map_or_else(|| image.clone(), |region| region.hull(image)));
            }
        }
        let domain = match needed {
            Some(region) if !made.flat => region,
            _ => made.needed.clone(),
        };
        let NodeKind::Source(source) = &made.value.node.kind else { unreachable!("only sources are loaded") };
        self.env.sources.push(source.clone());
        let dtype = made.value.dtype();
        let grid = if made.flat {
            super::grid::bands(domain.shape(), (4 << 20) / dtype.size())
        } else {
            load_grid(source.storage_grid().as_ref(), made.value.chunks(), &domain, dtype.size(), self.options)
        };
        let bytes = grid.largest_block() * dtype.size();
        let stage = Stage {
            name: format!("load {}", source.describe()),
            job: Job::Load { source: self.env.sources.len() - 1 },
            output_bytes: bytes as u64,
            scratch_bytes: 0,
            cost: TASK_COST + source.cost() * grid.largest_block() as f64,
            outputs: vec![Output { dtype, shape: made.value.shape().to_vec(), domain, grid, place: Place::Held }],
        };
        let id = self.push(stage);
        self.loads.insert((key, depth), id);
        id
    }

    /// The depth of the stage that a cone belongs to.
    fn depth_of(&self, cone: usize) -> usize {
        self.reach.made.iter().filter(|made| made.cones.contains(&cone)).map(|made| made.depth).max().unwrap_or(1)
    }

    fn wanted(&self, cone: usize) -> Wanted {
        let cone = &self.reach.cones[cone];
        Wanted { value: cone.value.clone(), map: cone.map.clone(), expand: cone.expand }
    }

    fn map_stage(&mut self, group: &[usize]) {
        let first = &self.reach.made[group[0]];
        let wanted = group.iter().map(|&at| self.wanted(self.reach.made[at].cones[0])).collect();
        let fused = compile(self, wanted, first.depth);
        let region = Region::whole(first.value.shape());
        self.push_map(group, vec![MapPiece { region, fused }]);
    }

    fn pieces_stage(&mut self, at: usize, pieces: &Pieces) {
        let made = &self.reach.made[at];
        let mut result = Vec::with_capacity(pieces.pieces.len() + 1);
        if let Some(fill) = pieces.fill {
            let mut program = ProgramBuilder::default();
            let arg = program.constant(fill);
            program.output(arg);
            let fused = Fused { program: program.finish(), leaves: Vec::new() };
            result.push(MapPiece { region: Region::whole(made.value.shape()), fused });
        }
        for (piece, &cone) in pieces.pieces.iter().zip(&made.cones) {
            if !self.reach.cones[cone].region.is_empty() {
                let fused = compile(self, vec![self.wanted(cone)], made.depth);
                result.push(MapPiece { region: piece.region.clone(), fused });
            }
        }
        self.push_map(&[at], result);
    }

    /// A stage that writes one output per member of the group.
    fn push_map(&mut self, group: &[usize], pieces: Vec<MapPiece>) {
        let made = &self.reach.made[group[0]];
        let domain = made.needed.clone();
        let place = self.place(group[0]);
        let leaves: Vec<&Leaf> = match &pieces[..] {
            [single] => single.fused.leaves.iter().collect(),
            _ => Vec::new(),
        };
        let grid = if place == Place::Stream {
            made.value.chunks().clone()
        } else if made.flat {
            super::grid::bands(domain.shape(), 1 << 17)
        } else {
            map_grid(&self.graph, &domain, &leaves, self.options)
        };
        let elements = grid.largest_block();
        let outputs: Vec<Output> = group
            .iter()
            .map(|&at| Output {
                dtype: self.reach.made[at].value.dtype(),
                shape: made.value.shape().to_vec(),
                domain: domain.clone(),
                grid: grid.clone(),
                place: self.place(at),
            })
            .collect();
        let cost = pieces.iter().map(|piece| fused_cost(&piece.fused, self)).fold(0.0, f64::max);
        let stage = Stage {
            name: group.iter().map(|&at| self.reach.made[at].value.node.name()).collect::<Vec<_>>().join(", "),
            output_bytes: held_bytes(&outputs),
            scratch_bytes: pieces.iter().map(|piece| piece.fused.program.scratch()).max().unwrap_or(0) as u64,
            cost: TASK_COST + cost * elements as f64,
            job: Job::Map(pieces),
            outputs,
        };
        let id = self.push(stage);
        for (output, &at) in group.iter().enumerate() {
            self.made.insert(at, (id, output));
        }
    }

    fn reduce_stage(&mut self, group: &[usize]) {
        let mut wanted = Vec::new();
        let mut folds = Vec::new();
        let mut tree = None;
        for &at in group {
            let made = &self.reach.made[at];
            let NodeKind::Reduce(reduce) = &made.value.node.kind else { unreachable!("a group of reductions") };
            tree = Some(reduce.tree.clone());
            let fold = self.fold(reduce, made.value.node.inputs[0].dtype());
            let state_bytes = self.env.folds[fold].state_bytes();
            let value = wanted.len();
            wanted.extend(made.cones.iter().map(|&cone| self.wanted(cone)));
            folds.push(FoldUse { fold, value, mask: reduce.masked.then_some(value + 1), state_bytes });
        }
        let Some(tree) = tree else { return };
        let fused = compile(self, wanted, self.reach.made[group[0]].depth);
        let kept = group.iter().map(|&at| self.kept_region(at)).reduce(|a, b| a.hull(&b));
        let Some(kept) = kept else { return };
        let state_bytes: usize = folds.iter().map(|fold| fold.state_bytes).sum();
        let leaves: Vec<&Leaf> = fused.leaves.iter().collect();
        let (mut grid, split) = reduce_grid(&self.graph, &tree, &kept, &leaves, state_bytes, self.options);
        if let [at] = group[..]
            && self.place(at) == Place::Stream
        {
            grid = Chunks(
                tree.kept().iter().map(|&axis| self.reach.made[at].value.node.inputs[0].chunks().0[axis].clone()).collect(),
            );
        }
        let parts = split.parts(&tree);
        let kept_shape: Vec<usize> = tree.kept().into_iter().map(|axis| tree.shape()[axis]).collect();
        let cell = grid.largest_block();
        // Per fold and digit, as many states as the digit's count has bits, each of a tile's width.
        let leaf_pieces = tree.count().min(crate::op::tree::LEAF).div_ceil(ROWS.min(RUN)).max(1);
        let digits = tree.cell_counts().into_iter().chain([leaf_pieces, leaf_pieces]);
        let levels: usize = digits.map(|count| count.max(1).ilog2() as usize + 2).sum();
        let width = cell.min(WIDTH);
        let scratch = fused.program.scratch() + PIECE_BYTES * folds.len() + levels * width * state_bytes;
        let elements = cell as f64 * (tree.count() as f64 / parts.len() as f64);
        let cost = TASK_COST + fused_cost(&fused, self) * elements;
        let name: Vec<&str> = group.iter().map(|&at| self.reach.made[at].value.node.name()).collect();
        let name = name.join(", ");
        let partial = parts.len() > 1;
        let outputs: Vec<Output> = group
            .iter()
            .map(|&at| Output {
                dtype: self.reach.made[at].value.dtype(),
                shape: kept_shape.clone(),
                domain: kept.clone(),
                grid: grid.clone(),
                place: self.place(at),
            })
            .collect();
        let bytes = held_bytes(&outputs);
        let job = Job::Reduce(ReduceJob { fused, tree, parts, folds });
        let mut id = if partial {
            let outputs = outputs.iter().map(|output| Output {
                dtype: output.dtype,
                shape: output.shape.clone(),
                domain: output.domain.clone(),
                grid: output.grid.clone(),
                place: Place::Held,
            });
            self.push(Stage {
                name: format!("{name}: parts"),
                job,
                outputs: outputs.collect(),
                output_bytes: (cell * state_bytes) as u64,
                scratch_bytes: scratch as u64,
                cost,
            })
        } else {
            return self.finish_reduce(group, Stage {
                name,
                job,
                outputs,
                output_bytes: bytes,
                scratch_bytes: (scratch + cell * state_bytes) as u64,
                cost,
            });
        };
        id = self.push(Stage {
            name: format!("{name}: merge"),
            job: Job::Merge { of: id },
            outputs,
            output_bytes: bytes,
            scratch_bytes: (levels * cell * state_bytes) as u64,
            cost: TASK_COST + cell as f64,
        });
        for (output, &at) in group.iter().enumerate() {
            self.made.insert(at, (id, output));
        }
    }

    fn finish_reduce(&mut self, group: &[usize], stage: Stage) {
        let id = self.push(stage);
        for (output, &at) in group.iter().enumerate() {
            self.made.insert(at, (id, output));
        }
    }

    fn fold(&mut self, reduce: &Reduce, dtype: crate::base::dtype::DType) -> usize {
        let fold: Arc<dyn Fold> = match &reduce.reducer {
            Reduction::Custom(fold) => fold.clone(),
            Reduction::Op(op) => (self.options.fold)(*op, dtype, reduce.masked)
                .expect("a reduction that has no meaning was refused when it was built")
                .into(),
        };
        self.env.folds.push(fold);
        self.env.folds.len() - 1
    }

    /// The needed part of a reduction in the space of its kept axes.
    fn kept_region(&self, at: usize) -> Region {
        let made = &self.reach.made[at];
        let NodeKind::Reduce(reduce) = &made.value.node.kind else { return made.needed.clone() };
        if !reduce.keep {
            return made.needed.clone();
        }
        let (start, len): (Vec<_>, Vec<_>) =
            reduce.tree.kept().into_iter().map(|axis| (made.needed.start()[axis], made.needed.shape()[axis])).unzip();
        Region::new(start, len)
    }

    fn block_fn_stage(&mut self, at: usize) {
        let node = self.reach.made[at].value.node.clone();
        let NodeKind::BlockFn(block_fn) = &node.kind else { return };
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
        let stream = members.iter().any(|&(_, other)| self.place(other) == Place::Stream);
        let flat = members.iter().any(|&(_, other)| self.reach.made[other].flat);
        if node.outputs.len() > 1 {
            domain = Region::whole(made.value.shape());
        }
        let item: usize = node.outputs.iter().map(|spec| spec.dtype.size()).sum();
        let grid = if stream {
            made.value.chunks().clone()
        } else {
            block_groups(made.value.chunks(), &domain, item, flat)
        };
        let depth = made.depth;
        let mut inputs = Vec::with_capacity(node.inputs.len());
        let mut scratch = 0;
        for (input, &cone) in node.inputs.iter().zip(&made.cones) {
            let fused = compile(self, vec![self.wanted(cone)], depth);
            scratch += fused.program.scratch();
            let first = Output {
                dtype: node.outputs[0].dtype,
                shape: made.value.shape().to_vec(),
                domain: domain.clone(),
                grid: grid.clone(),
                place: Place::Held,
            };
            let region = first.region(&vec![0; grid.ndim()]);
            let largest = block_input_region(made.value.chunks(), input.chunks(), &region).size();
            scratch += largest.max(grid.largest_block()) * input.dtype().size();
            inputs.push(BlockInput { fused, blocks: input.chunks().clone() });
        }
        let mut outputs = Vec::with_capacity(node.outputs.len());
        for (number, spec) in node.outputs.iter().enumerate() {
            let member = members.iter().find(|&&(output, _)| output == number).map(|&(_, other)| other);
            let same = spec.chunks == *made.value.chunks();
            outputs.push(Output {
                dtype: spec.dtype,
                shape: spec.shape.clone(),
                domain: if same { domain.clone() } else { Region::whole(&spec.shape) },
                grid: if same { grid.clone() } else { matching_groups(&grid, made.value.chunks(), &spec.chunks) },
                place: member.map_or(Place::Held, |member| self.place(member)),
            });
        }
        let stage = Stage {
            name: block_fn.name.to_owned(),
            output_bytes: held_bytes(&outputs),
            scratch_bytes: scratch as u64,
            cost: TASK_COST + 50.0 * grid.largest_block() as f64,
            job: Job::BlockFn(BlockFnJob {
                function: self.env.block_fns.len() - 1,
                blocks: node.outputs.iter().map(|spec| spec.chunks.clone()).collect(),
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

/// The grid of another output whose blocks pair with those that `groups` puts together.
fn matching_groups(groups: &Chunks, blocks: &Chunks, other: &Chunks) -> Chunks {
    let axes = (0..other.ndim()).map(|axis| {
        let sizes: Vec<usize> = (0..groups.0[axis].count())
            .map(|group| {
                let members = blocks.0[axis].meeting(&groups.0[axis].range(group));
                members.map(|block| other.0[axis].range(block).len()).sum()
            })
            .collect();
        crate::base::chunks::AxisChunks::from_sizes(&sizes)
    });
    Chunks(axes.collect())
}

fn producer(leaf: &Leaf) -> Option<StageId> {
    match leaf.source {
        LeafSource::Held { stage, .. } => Some(stage),
        _ => None,
    }
}

/// Bytes that a task's outputs take until they are read or taken; results are the caller's.
fn held_bytes(outputs: &[Output]) -> u64 {
    let held = outputs.iter().filter(|output| !matches!(output.place, Place::Result(_)));
    held.map(|output| (output.grid.largest_block() * output.dtype.size()) as u64).sum()
}

/// The nanoseconds of one element: arithmetic, generated leaves, and a pass over what is read.
fn fused_cost(fused: &Fused, build: &Build<'_>) -> f64 {
    let leaves = fused.leaves.iter().map(|leaf| match leaf.source {
        LeafSource::Generate { number } => build.env.generates[number].cost(),
        _ => 0.2,
    });
    0.2 + fused.program.cost() + leaves.sum::<f64>()
}

