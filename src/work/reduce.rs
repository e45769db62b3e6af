//! Tasks of reductions: complete subtrees over a range of the kept axes, in the order of the tree.

use std::ops::Range;
use std::sync::Arc;

use super::bind::bind;
use super::blocks::Inputs;
use super::prepare::Prepared;
use super::tile::{Evaluator, TileShape};
use crate::base::aligned::AlignedBytes;
use crate::base::chunks::unravel;
use crate::base::region::Region;
use crate::error::Result;
use crate::graph::env::Env;
use crate::graph::stage::{FoldUse, ReduceJob, Stage};
use crate::kernel::copy::copy_2d;
use crate::op::fold::{Fold, States};
use crate::op::tree::{Cell, Counter, Mode, PIECE_BYTES, Part, Tree, WIDTH};

/// Where the states of a tile of outputs go when their subtree is complete: `(fold, states, position
/// among the cell's outputs, number of outputs)`.
pub type Deliver<'a> = &'a mut dyn FnMut(usize, &States, usize, usize) -> Result<()>;

/// The partial states of one fold, level by level.
struct Levels {
    fold: Arc<dyn Fold>,
    usage: (usize, Option<usize>),
    pieces: Counter<States>,
    /// One per digit of the tree, the leaf number last.
    digits: Vec<Counter<States>>,
    spare: Vec<States>,
    width: usize,
}

impl Levels {
    fn new(fold: Arc<dyn Fold>, usage: &FoldUse, digits: usize, width: usize) -> Levels {
        Levels {
            fold,
            usage: (usage.value, usage.mask),
            pieces: Counter::default(),
            digits: (0..=digits).map(|_| Counter::default()).collect(),
            spare: Vec::new(),
            width,
        }
    }

    /// States at the identity.
    fn fresh(&mut self, n: usize) -> States {
        match self.spare.pop() {
            Some(mut states) => {
                self.fold.reset(&mut states, n);
                states
            }
            None => self.fold.states(self.width),
        }
    }

    fn push_piece(&mut self, states: States, n: usize) {
        let fold = &self.fold;
        self.pieces.push(states, &mut self.spare, |left, right| {
            fold.merge(left, 0, right, 0, n)
        });
    }

    fn push(&mut self, digit: usize, states: States, n: usize) {
        let fold = &self.fold;
        self.digits[digit].push(states, &mut self.spare, |left, right| {
            fold.merge(left, 0, right, 0, n)
        });
    }

    fn close_leaf(&mut self, digit: usize, n: usize) {
        let fold = self.fold.clone();
        let done = self.pieces.finish(&mut self.spare, |left, right| {
            fold.merge(left, 0, right, 0, n)
        });
        // A leaf without elements is the identity.
        let states = done.unwrap_or_else(|| self.fresh(n));
        self.push(digit, states, n);
    }

    fn close(&mut self, digit: usize, n: usize) -> States {
        let fold = self.fold.clone();
        let done = self.digits[digit].finish(&mut self.spare, |left, right| {
            fold.merge(left, 0, right, 0, n)
        });
        done.unwrap_or_else(|| self.fresh(n))
    }
}

/// Reduces one part of the tree for all outputs of a cell of the kept axes.
pub fn part(
    inputs: &Inputs<'_>,
    env: &Env,
    job: &ReduceJob,
    prepared: &Prepared,
    part: &Part,
    kept: &Region,
    deliver: Deliver<'_>,
) -> Result<()> {
    if kept.is_empty() {
        return Ok(());
    }
    let tree = &*job.tree;
    let region = Stage::reduce_region(job, part, kept);
    let groups = groups(tree);
    // Reduced regions may be empty, and then nothing may be bound.
    let mut driver = Driver::new(inputs, env, job, prepared, &region, &groups);
    let digits = tree.axes().len();
    let kept_dims = driver.kept_dims();
    let lens: Vec<usize> = kept_dims.iter().map(|&dim| driver.lens[dim]).collect();
    // Tiles of outputs: ranges of the last kept dimension.
    let last = lens.last().copied().unwrap_or(1);
    let outer: usize = lens[..lens.len().saturating_sub(1)].iter().product();
    let width = driver.width(last);
    let mut levels: Vec<Levels> = job
        .folds
        .iter()
        .map(|usage| Levels::new(env.folds[usage.fold].clone(), usage, digits, width))
        .collect();
    for number in 0..outer {
        let place = unravel(number, &lens[..lens.len().saturating_sub(1)]);
        for start in (0..last).step_by(width) {
            let n = width.min(last - start);
            for (&dim, &at) in kept_dims.iter().zip(place.iter().chain([&start])) {
                driver.index[dim] = at;
            }
            inputs.stop.check()?;
            subtree(
                &mut driver,
                &mut levels,
                tree,
                part,
                number * last + start,
                n,
                deliver,
            )?;
        }
    }
    Ok(())
}

/// One tile of outputs over the whole part.
fn subtree(
    driver: &mut Driver<'_>,
    levels: &mut [Levels],
    tree: &Tree,
    part: &Part,
    position: usize,
    n: usize,
    deliver: Deliver<'_>,
) -> Result<()> {
    let digits = tree.axes().len();
    let first = part.prefix.len();
    let levels = std::cell::RefCell::new(levels);
    part.walk(
        tree,
        &mut |cell: &Cell, leaf: usize| -> Result<()> {
            driver.stop.check()?;
            let mut levels = levels.borrow_mut();
            for piece in cell.pieces(cell.leaf(leaf), tree.mode()) {
                driver.piece(cell, piece, n, &mut levels);
            }
            for level in levels.iter_mut() {
                level.close_leaf(digits, n);
            }
            Ok(())
        },
        &mut |digit: usize| -> Result<()> {
            let mut levels = levels.borrow_mut();
            for (number, level) in levels.iter_mut().enumerate() {
                let states = level.close(digit, n);
                if digit == first {
                    deliver(number, &states, position, n)?;
                    level.spare.push(states);
                } else {
                    level.push(digit - 1, states, n);
                }
            }
            Ok(())
        },
    )
}

/// Merges the parts of a reduction for one cell; `parts` gives the states of each.
pub fn merge(
    env: &Env,
    job: &ReduceJob,
    kept: &Region,
    mut parts: impl FnMut(usize) -> Vec<States>,
    deliver: Deliver<'_>,
) -> Result<()> {
    let n = kept.size();
    if n == 0 {
        return Ok(());
    }
    let digits = job.tree.axes().len();
    let mut levels: Vec<Levels> = job
        .folds
        .iter()
        .map(|usage| Levels::new(env.folds[usage.fold].clone(), usage, digits, n))
        .collect();
    for (number, part) in job.parts.iter().enumerate() {
        let digit = part.prefix.len();
        // The digits that this part completes, but for the first.
        let common = match job.parts.get(number + 1) {
            Some(next) => part
                .prefix
                .iter()
                .zip(&next.prefix)
                .take_while(|(a, b)| a == b)
                .count(),
            None => 0,
        };
        for (level, states) in levels.iter_mut().zip(parts(number)) {
            level.push(digit, states, n);
            for digit in (common + 1..=digit).rev() {
                let states = level.close(digit, n);
                level.push(digit - 1, states, n);
            }
        }
    }
    for (number, level) in levels.iter_mut().enumerate() {
        let states = level.close(0, n);
        deliver(number, &states, 0, n)?;
    }
    Ok(())
}

/// Which axes may become one dimension: neighbours that are all kept, or the axes of a line.
fn groups(tree: &Tree) -> Vec<Range<usize>> {
    let ndim = tree.shape().len();
    let mut groups: Vec<Range<usize>> = Vec::new();
    let mut previous_kept = false;
    for axis in 0..ndim {
        let kept = !tree.axes().contains(&axis);
        let line = matches!(tree.mode(), Mode::Lines { from } if axis > from);
        match groups.last_mut() {
            Some(group) if (kept && previous_kept) || line => group.end = axis + 1,
            _ => groups.push(axis..axis + 1),
        }
        previous_kept = kept;
    }
    groups
}

/// Evaluates pieces and hands them to the folds.
struct Driver<'a> {
    evaluator: Evaluator<'a>,
    tree: &'a Tree,
    /// Lengths of the dimensions.
    lens: Vec<usize>,
    /// For each dimension, whether it is kept.
    kept: Vec<bool>,
    /// For each reduced axis its dimension, and whether it is the first axis of it.
    dim_of_rank: Vec<(usize, bool)>,
    /// The position of the tile at hand, per dimension.
    index: Vec<usize>,
    /// The start of the region along each reduced axis.
    origin: Vec<usize>,
    region: Region,
    /// No program: the values are folded where they lie.
    in_place: bool,
    two_pass: bool,
    /// Values and masks of a piece that does not lie in one tile.
    buffers: Vec<Option<AlignedBytes>>,
    outputs: usize,
    last_kept: Option<usize>,
    stop: &'a super::Stop,
}

impl<'a> Driver<'a> {
    fn new(
        inputs: &Inputs<'a>,
        env: &'a Env,
        job: &'a ReduceJob,
        prepared: &'a Prepared,
        region: &Region,
        groups: &[Range<usize>],
    ) -> Driver<'a> {
        let tree = &*job.tree;
        let binding = bind(inputs.graph, env, inputs, &job.fused, region, groups, &[]);
        let evaluator = Evaluator::new(binding, prepared, &job.fused, env);
        let dims = &evaluator.binding.dims;
        let kept: Vec<bool> = dims
            .iter()
            .map(|dim| !tree.axes().contains(&dim.axis))
            .collect();
        let lens: Vec<usize> = dims.iter().map(|dim| dim.len).collect();
        let column_dim = lens.len().checked_sub(1);
        let last_kept = kept.iter().rposition(|&kept| kept);
        let outputs = prepared.outputs.len();
        let alone = prepared.steps.is_empty() && evaluator.binding.leaves.len() == 1;
        let in_place = alone && (0..outputs).all(|output| evaluator.in_place(output, column_dim));
        let origin = tree
            .axes()
            .iter()
            .map(|&axis| region.start()[axis])
            .collect();
        let dim_of_rank = tree
            .axes()
            .iter()
            .map(|&axis| {
                let dim = dims
                    .iter()
                    .position(|dim| dim.axis <= axis && axis < dim.axis + dim.axes);
                let dim = dim.expect("every axis is part of a dimension");
                (dim, dims[dim].axis == axis)
            })
            .collect();
        let two_pass = job
            .folds
            .iter()
            .any(|usage| env.folds[usage.fold].two_pass());
        Driver {
            index: vec![0; lens.len()],
            evaluator,
            tree,
            lens,
            kept,
            dim_of_rank,
            origin,
            region: region.clone(),
            in_place,
            two_pass,
            buffers: (0..outputs).map(|_| None).collect(),
            outputs,
            last_kept,
            stop: inputs.stop,
        }
    }

    fn kept_dims(&self) -> Vec<usize> {
        (0..self.kept.len()).filter(|&dim| self.kept[dim]).collect()
    }

    /// How many outputs are folded side by side.
    fn width(&self, last: usize) -> usize {
        let tile = self.evaluator.prepared.tile;
        let widest = self.evaluator.prepared.widest.max(1);
        let most = match self.tree.mode() {
            // As many rows as share a tile; a single one if a line fills it.
            Mode::Lines { .. } => {
                let line = self
                    .lens
                    .last()
                    .copied()
                    .unwrap_or(1)
                    .clamp(1, crate::op::tree::RUN);
                (tile / line).max(1)
            }
            Mode::Rows if self.two_pass => PIECE_BYTES / (crate::op::tree::ROWS * widest),
            Mode::Rows if self.in_place => WIDTH,
            Mode::Rows => tile.min(WIDTH / 2),
        };
        last.min(most).max(1)
    }

    /// Folds one piece for `n` outputs from the current position on.
    fn piece(&mut self, cell: &Cell, piece: Range<usize>, n: usize, levels: &mut [Levels]) {
        match self.tree.mode() {
            Mode::Rows => self.rows(cell, piece, n, levels),
            Mode::Lines { .. } => self.lines(cell, piece, n, levels),
        }
    }

    /// Moves to the flat position `at` of a cell: sets the reduced dimensions, and gives the number
    /// of the element among all reduced ones and how many follow along the last reduced axis.
    fn seek(&mut self, cell: &Cell, at: usize) -> (i64, usize) {
        let mut number = 0;
        let mut left = at;
        let mut follow = 1;
        for (rank, &axis) in self.tree.axes().iter().enumerate() {
            let place = left / cell.strides[rank];
            left %= cell.strides[rank];
            let global = cell.ranges[rank].start + place;
            follow = cell.ranges[rank].len() - place;
            number = number * self.tree.shape()[axis] + global;
            // A merged dimension counts its axes in C order.
            let (dim, first) = self.dim_of_rank[rank];
            let before = if first { 0 } else { self.index[dim] };
            self.index[dim] = before * self.region.shape()[axis] + global - self.origin[rank];
        }
        (number as i64, follow)
    }

    /// Asks for the memory of the piece that begins at `at`, while the one before is folded: pieces of
    /// chunks are short runs, which the processor does not see coming.
    fn prefetch(&mut self, cell: &Cell, at: usize, tile: TileShape) {
        if at < cell.size() {
            self.seek(cell, at);
            self.evaluator.prefetch(&self.index, tile);
        }
    }

    fn rows(&mut self, cell: &Cell, piece: Range<usize>, n: usize, levels: &mut [Levels]) {
        let column_dim = self.lens.len().checked_sub(1);
        let row_dim = self.dim_of_rank.last().map(|&(dim, _)| dim);
        let mut states: Vec<States> = levels.iter_mut().map(|level| level.fresh(n)).collect();
        let whole = self.two_pass;
        let mut buffered = 0;
        let number = self.seek(cell, piece.start).0;
        let mut at = piece.start;
        while at < piece.end {
            let (first, follow) = self.seek(cell, at);
            let mut rows = follow.min(piece.end - at);
            let direct = self.in_place && (!whole || rows == piece.len());
            if !direct {
                rows = rows.min((self.evaluator.prepared.tile / n).max(1));
            }
            let tile = TileShape {
                row_dim,
                column_dim,
                rows,
                columns: n,
            };
            // SAFETY: the tile lies within the bound region, and is small unless nothing is copied.
            unsafe { self.evaluator.run(&self.index, tile, &[]) };
            if whole && !direct {
                self.buffer(tile, buffered, piece.len());
                buffered += rows;
            } else {
                for (level, states) in levels.iter().zip(&mut states) {
                    let (value, value_stride) = self.values(level.usage.0, tile);
                    let (mask, mask_stride) = match level.usage.1 {
                        Some(mask) => self.values(mask, tile),
                        None => (std::ptr::null(), 0),
                    };
                    // SAFETY: outputs hold the tile.
                    unsafe {
                        level.fold.rows(
                            value,
                            value_stride,
                            mask,
                            mask_stride,
                            rows,
                            n,
                            first,
                            1,
                            states,
                        );
                    }
                }
            }
            at += rows;
        }
        if buffered > 0 {
            for (level, states) in levels.iter().zip(&mut states) {
                let value = self.buffered(level.usage.0);
                let mask = level
                    .usage
                    .1
                    .map_or(std::ptr::null(), |mask| self.buffered(mask));
                let stride = n as isize;
                // SAFETY: the buffers hold the whole piece.
                unsafe {
                    level
                        .fold
                        .rows(value, stride, mask, stride, buffered, n, number, 1, states)
                };
            }
        }
        for (level, states) in levels.iter_mut().zip(states) {
            level.push_piece(states, n);
        }
    }

    /// The values of an output as a whole tile of rows: scalars are spread first.
    fn values(&mut self, output: usize, tile: TileShape) -> (*const u8, isize) {
        if self.evaluator.prepared.outputs[output].scalar {
            let rows = tile.rows;
            self.buffer_one(output, tile, 0, rows);
            return (self.buffered(output), tile.columns as isize);
        }
        let operand = self.evaluator.output(output, tile);
        (operand.first, operand.row_stride)
    }

    /// Appends the tile's values to the piece's buffers, from row `at` of `total` on.
    fn buffer(&mut self, tile: TileShape, at: usize, total: usize) {
        for output in 0..self.outputs {
            self.buffer_one(output, tile, at, total);
        }
    }

    fn buffer_one(&mut self, output: usize, tile: TileShape, at: usize, total: usize) {
        let known = self.evaluator.prepared.outputs[output];
        let operand = self.evaluator.output(output, tile);
        let bytes = total * tile.columns * known.size;
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
        let target = buffer.as_ptr().wrapping_add(at * tile.columns * known.size);
        // SAFETY: the operand holds the tile, and the buffer the whole piece.
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

    fn buffered(&self, output: usize) -> *const u8 {
        self.buffers[output]
            .as_ref()
            .map_or(std::ptr::null(), |buffer| buffer.as_ptr().cast_const())
    }

    fn lines(&mut self, cell: &Cell, piece: Range<usize>, n: usize, levels: &mut [Levels]) {
        let column_dim = self.lens.len().checked_sub(1);
        let row_dim = self.last_kept;
        let mut states: Vec<States> = levels.iter_mut().map(|level| level.fresh(n)).collect();
        let number = self.seek(cell, piece.start).0;
        // A line of several axes is one dimension if all leaves walk it evenly; else its segments
        // are put together.
        let merged = match self.tree.mode() {
            Mode::Lines { from } => self
                .evaluator
                .binding
                .dims
                .last()
                .is_some_and(|dim| dim.axis <= from),
            Mode::Rows => false,
        };
        let len = piece.len();
        if merged {
            let tile = TileShape {
                row_dim,
                column_dim,
                rows: n,
                columns: len,
            };
            self.prefetch(cell, piece.end, tile);
            self.seek(cell, piece.start);
            // SAFETY: the tile lies within the bound region; `width` keeps it small.
            unsafe { self.evaluator.run(&self.index, tile, &[]) };
            for (level, states) in levels.iter().zip(&mut states) {
                let (value, stride) = self.values(level.usage.0, tile);
                let mask = level.usage.1.map(|mask| self.values(mask, tile));
                let size = self.evaluator.prepared.outputs[level.usage.0].size as isize;
                for row in 0..n {
                    let values = value.wrapping_offset(row as isize * stride * size);
                    let mask = mask.map_or(std::ptr::null(), |(mask, stride)| {
                        mask.wrapping_offset(row as isize * stride)
                    });
                    // SAFETY: each row of the tile holds `len` values.
                    unsafe { level.fold.run(values, mask, len, number, states, row) };
                }
            }
        } else {
            let start = row_dim.map_or(0, |dim| self.index[dim]);
            for row in 0..n {
                if let Some(dim) = row_dim {
                    self.index[dim] = start + row;
                }
                let mut done = 0;
                while done < len {
                    let follow = self.seek(cell, piece.start + done).1;
                    let columns = follow.min(len - done);
                    let tile = TileShape {
                        row_dim: None,
                        column_dim,
                        rows: 1,
                        columns,
                    };
                    // SAFETY: as above; a segment is no longer than a run.
                    unsafe { self.evaluator.run(&self.index, tile, &[]) };
                    for output in 0..self.outputs {
                        self.append(output, tile, done, len);
                    }
                    done += columns;
                }
                for (level, states) in levels.iter().zip(&mut states) {
                    let value = self.buffered(level.usage.0);
                    let mask = level
                        .usage
                        .1
                        .map_or(std::ptr::null(), |mask| self.buffered(mask));
                    // SAFETY: the buffers hold the whole run.
                    unsafe { level.fold.run(value, mask, len, number, states, row) };
                }
            }
            if let Some(dim) = row_dim {
                self.index[dim] = start;
            }
        }
        for (level, states) in levels.iter_mut().zip(states) {
            level.push_piece(states, n);
        }
    }

    /// Appends a segment to the run's buffer, from element `at` of `total` on.
    fn append(&mut self, output: usize, tile: TileShape, at: usize, total: usize) {
        let known = self.evaluator.prepared.outputs[output];
        let operand = self.evaluator.output(output, tile);
        let bytes = total * known.size;
        let buffer = match &self.buffers[output] {
            Some(buffer) if buffer.len() >= bytes => buffer,
            _ => self.buffers[output]
                .insert(AlignedBytes::new(bytes.max(self.evaluator.tile_bytes()))),
        };
        let step = if known.scalar { 0 } else { 1 };
        let target = buffer.as_ptr().wrapping_add(at * known.size);
        // SAFETY: the operand holds the segment, and the buffer the whole run.
        unsafe {
            copy_2d(
                known.size,
                1,
                tile.columns,
                operand.first,
                [0, step],
                target,
                [tile.columns as isize, 1],
            )
        };
    }
}
