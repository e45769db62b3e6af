//! Evaluates tiles of the input of a reduction, for the folds.

use std::ops::Range;

use super::super::Stop;
use super::super::bind::{Binding, Bound, bind};
use super::super::blocks::Inputs;
use super::super::prepare::Prepared;
use super::super::tile::{Evaluator, TileShape};
use super::crossed::KnownSums;
use super::levels::Levels;
use crate::base::aligned::AlignedBytes;
use crate::base::few::{Few, few};
use crate::base::region::Region;
use crate::graph::env::Env;
use crate::graph::stage::ReduceJob;
use crate::kernel::copy::copy_2d;
use crate::op::fold::Rows;
use crate::op::tree::{BATCH, Cell, Mode, RUN, Tree, WIDTH};

/// Rows of fewer elements are not worth a call each.
const SHORT: usize = 64;

/// Evaluates the input tile by tile, and knows where in it a row of the tree is.
pub struct Driver<'a> {
    pub evaluator: Evaluator<'a>,
    pub tree: &'a Tree,
    pub stop: &'a Stop,
    /// Lengths of the dimensions.
    pub lens: Few<usize>,
    /// The position of the tile at hand, per dimension.
    pub index: Few<usize>,
    /// No program, or one that is a chain and folded: the values are read where they lie.
    pub in_place: bool,
    /// The only fold is a sum that takes its terms from a chain's registers.
    pub sums: bool,
    /// The only fold is a sum of numbers drawn along rows, which takes them from the registers they are drawn in.
    pub drawn: bool,
    /// Narrow rows of which the sum takes any number at once.
    pub wide: bool,
    /// Elements of a leaf lie side by side across rows: several rows are evaluated at once, so that all
    /// of a cache line is used.
    pub crossed: bool,
    /// The only fold is a sum of a chain, of which an operand is the same for all rows.
    pub shared: bool,
    /// The last kept dimension.
    pub last_kept: Option<usize>,
    /// For each dimension, whether it is kept.
    kept: Few<bool>,
    /// For each outer axis its dimension.
    pub dim_of_rank: Few<usize>,
    /// The start of the region.
    start: Few<usize>,
    /// The runs at hand: their elements along the line, and the end of each, from the first one's
    /// start.
    pub line: Range<usize>,
    pub ends: Few<usize>,
    pub known: Option<KnownSums>,
    /// Values that are put together before they are folded.
    buffers: Few<Option<AlignedBytes>, 2>,
}

impl<'a> Driver<'a> {
    pub fn new(
        inputs: &Inputs<'a>,
        env: &'a Env,
        job: &'a ReduceJob,
        prepared: &'a Prepared,
        region: &Region,
        groups: &[Range<usize>],
    ) -> Driver<'a> {
        let tree = &*job.tree;
        let binding = bind(
            inputs.graph,
            env,
            inputs,
            &job.fused,
            region,
            groups,
            Few::new(),
        );
        let crossed = job.crossed && crossed(tree, &binding);
        let tile = if crossed {
            prepared.tile.max(BATCH * RUN)
        } else {
            prepared.tile * tree.tiles()
        };
        let mut evaluator = Evaluator::new(binding, prepared, &job.fused, env, tile);
        let dims = &evaluator.binding.dims;
        let kept: Few<bool> = few(dims.iter().map(|dim| !tree.axes().contains(&dim.axis)));
        let lens: Few<usize> = few(dims.iter().map(|dim| dim.len));
        let outputs = prepared.outputs.len();
        let alone = prepared.steps.is_empty() && evaluator.binding.leaves.len() == 1;
        let column_dim = lens.len().checked_sub(1);
        let mut in_place =
            alone && (0..outputs).all(|output| evaluator.in_place(output, column_dim));
        let (mut sums, mut drawn, mut wide, mut shared) = (false, false, false, false);
        let row_dim = tree
            .outer_axes()
            .last()
            .and_then(|&axis| dims.iter().position(|dim| dim.axis == axis));
        if let [usage] = &job.folds[..]
            && usage.mask.is_none()
            && env.folds[usage.fold].has_sums()
        {
            drawn = tree.lanes() == 1 && evaluator.draws_rows(usage.value, column_dim);
            if let Some(folded) = &prepared.folded {
                sums = true;
                // Short rows are put together first.
                let long = column_dim.is_some_and(|dim| lens[dim] >= SHORT);
                in_place |= long && folded.before == 0 && evaluator.reads_in_place(column_dim);
                let is_lines = matches!(tree.mode(), Mode::Lines { .. });
                shared = long && is_lines && evaluator.shares_along(row_dim, column_dim);
            }
        }
        evaluator.in_place = in_place;
        if sums && tree.lanes() > 1 {
            wide = evaluator.has_wide_rows(row_dim, column_dim);
        }
        let dim_of_rank = few(tree.outer_axes().iter().map(|&axis| {
            let dim = dims.iter().position(|dim| dim.axis == axis);
            dim.expect("an outer axis is a dimension of its own")
        }));
        Driver {
            index: Few::from_elem(0, lens.len()),
            in_place,
            sums,
            drawn,
            wide,
            crossed,
            shared,
            last_kept: kept.iter().rposition(|&kept| kept),
            dim_of_rank,
            start: Few::from_slice(region.start()),
            line: 0..0,
            ends: Few::new(),
            known: None,
            buffers: few((0..outputs).map(|_| None)),
            evaluator,
            tree,
            stop: inputs.stop,
            lens,
            kept,
        }
    }

    pub fn kept_dims(&self) -> Few<usize> {
        few((0..self.kept.len()).filter(|&dim| self.kept[dim]))
    }

    /// How many outputs are folded side by side, of `last` along the last kept dimension and `runs` runs
    /// each.
    pub fn width(&self, last: usize, runs: usize) -> usize {
        let tile = self.evaluator.tile;
        let most = match self.tree.mode() {
            // As many lines as make the work around them small.
            Mode::Lines { .. } => (WIDTH / runs).min((1 << 16) / self.tree.runs().len().max(1)),
            Mode::Rows if self.in_place => WIDTH,
            Mode::Rows => tile.min(WIDTH / 2),
        };
        last.min(most).max(1)
    }

    /// Aims at some runs of the line.
    pub fn aim(&mut self, runs: Range<usize>) {
        let line = self.tree.runs();
        self.line = line.span(&runs);
        line.ends(runs, &mut self.ends);
    }

    /// How many runs are at hand.
    pub fn runs(&self) -> usize {
        self.ends.len()
    }

    /// Moves to a row of a cell: sets the outer dimensions, and gives the number of the row among all
    /// rows and how many follow along the last outer axis.
    pub fn seek(&mut self, cell: &Cell, row: usize) -> (usize, usize) {
        let mut number = 0;
        let mut left = row;
        let mut follow = 1;
        for (rank, &axis) in self.tree.outer_axes().iter().enumerate() {
            let place = left / cell.strides[rank];
            left %= cell.strides[rank];
            let global = cell.ranges[rank].start + place;
            follow = cell.ranges[rank].len() - place;
            number = number * self.tree.shape()[axis] + global;
            self.index[self.dim_of_rank[rank]] = global - self.start[axis];
        }
        (number, follow)
    }

    /// The start of the region along an axis.
    pub fn origin(&self, axis: usize) -> usize {
        self.start[axis]
    }

    /// The values and the mask of a fold in the tile that was run.
    pub fn tile_rows(&mut self, level: &Levels, tile: TileShape) -> Rows {
        let (values, stride) = self.values(level.value, tile);
        let (mask, mask_stride) = match level.mask {
            Some(mask) => self.values(mask, tile),
            None => (std::ptr::null(), 0),
        };
        Rows {
            values,
            stride,
            mask,
            mask_stride,
            rows: tile.rows,
            width: tile.columns,
        }
    }

    /// The values of an output as whole rows: scalars are spread first.
    fn values(&mut self, output: usize, tile: TileShape) -> (*const u8, isize) {
        if self.evaluator.prepared.outputs[output].scalar {
            self.append(output, tile, 0, tile.rows * tile.columns);
            return (self.buffered(output), tile.columns as isize);
        }
        let operand = self.evaluator.output(output, tile);
        (operand.first, operand.row_stride)
    }

    /// Puts the tile's values into the output's buffer, from element `at` of `total` on.
    pub fn append(&mut self, output: usize, tile: TileShape, at: usize, total: usize) {
        let known = self.evaluator.prepared.outputs[output];
        let operand = self.evaluator.output(output, tile);
        let bytes = total * known.size;
        let buffer = match &self.buffers[output] {
            Some(buffer) if buffer.len() >= bytes => buffer,
            _ => self.buffers[output]
                .insert(AlignedBytes::new(bytes.max(self.evaluator.tile_bytes()))),
        };
        let strides = if known.scalar {
            [0, 0]
        } else {
            [operand.row_stride, 1]
        };
        let target = buffer.as_ptr().wrapping_add(at * known.size);
        // SAFETY: the operand holds the tile, and the buffer all that is put together.
        unsafe {
            copy_2d(
                known.size,
                tile.rows,
                tile.columns,
                operand.first,
                strides,
                target,
                [tile.columns as isize, 1],
            );
        }
    }

    pub fn outputs(&self) -> usize {
        self.buffers.len()
    }

    pub fn buffered(&self, output: usize) -> *const u8 {
        self.buffers[output]
            .as_ref()
            .map_or(std::ptr::null(), |buffer| buffer.as_ptr().cast_const())
    }
}

/// Whether a leaf's elements lie side by side along the last outer axis, and not along the line.
fn crossed(tree: &Tree, binding: &Binding) -> bool {
    let (Mode::Lines { .. }, Some(&axis)) = (tree.mode(), tree.outer_axes().last()) else {
        return false;
    };
    let dims = &binding.dims;
    let (Some(row), Some(column)) = (
        dims.iter().position(|dim| dim.axis == axis),
        dims.len().checked_sub(1),
    ) else {
        return false;
    };
    binding.leaves.iter().any(|leaf| match leaf {
        Bound::Place { linear, .. } => {
            let (across, along) = (linear.terms[row].stride(), linear.terms[column].stride());
            matches!(across, Some(1 | -1)) && !matches!(along, Some(0 | 1))
        }
        _ => false,
    })
}
