//! Rows of runs: each run is folded by itself.

use std::ops::Range;

use super::super::tile::TileShape;
use super::driver::Driver;
use super::levels::Levels;
use crate::base::few::{Few, few};
use crate::op::fold::{Rows, States};
use crate::op::tree::{BATCH, BATCH_STATES, Cell, Mode};

impl Driver<'_> {
    /// How many states are side by side at most, if a row has `n`.
    pub fn room(&self, n: usize) -> usize {
        let outer = self.tree.outer_axes().iter();
        let rows: usize = outer.map(|&axis| self.tree.shape()[axis]).product();
        let batch = BATCH.min(rows.max(1));
        match self.tree.mode() {
            Mode::Lines { .. } if n <= BATCH_STATES => n * batch,
            // A last strip may have fewer.
            Mode::Lines { .. } => n.max(BATCH_STATES * batch),
            Mode::Rows => n * self.tree.lanes(),
        }
    }

    /// Folds the rows of a leaf for `n` outputs from the current position on, for the runs at hand.
    pub fn fold_lines(&mut self, cell: &Cell, leaf: Range<usize>, n: usize, levels: &mut [Levels]) {
        let most = if n * self.runs() <= BATCH_STATES {
            BATCH
        } else {
            1
        };
        let mut row = leaf.start;
        while row < leaf.end {
            let (number, follow) = self.seek(cell, row);
            let mut rows = 1;
            while rows < most
                && (row - leaf.start).is_multiple_of(2 * rows)
                && 2 * rows <= follow.min(leaf.end - row)
            {
                rows *= 2;
            }
            self.batch(number, rows, n, levels);
            row += rows;
        }
    }

    /// Folds `rows` rows from the current position on, a complete subtree.
    fn batch(&mut self, number: usize, rows: usize, n: usize, levels: &mut [Levels]) {
        let states_of_row = n * self.runs();
        let mut states: Few<States, 1> = few(levels.iter_mut().map(Levels::unset));
        let row_dim = self.dim_of_rank.last().copied();
        let start = row_dim.map_or(0, |dim| self.index[dim]);
        // Neighbours have to meet first when halves are merged: the bits in reverse.
        let unused = usize::BITS - rows.trailing_zeros();
        let slot = |row: usize| row.reverse_bits().checked_shr(unused).unwrap_or(0);
        if self.crossed && rows > 1 && n == 1 && self.is_even() {
            self.crossed_lines(number, rows, levels, &mut states, slot);
        } else if self.shared && rows > 1 && n == 1 && self.is_even() {
            self.shared_lines(rows, levels, &mut states, slot);
        } else if self.in_place && rows > 1 && n == 1 && self.is_even() && self.has_terms() {
            self.whole_lines(number, rows, levels, &mut states, slot);
        } else {
            for row in 0..rows {
                if let Some(dim) = row_dim {
                    self.index[dim] = start + row;
                }
                let at = slot(row) * states_of_row;
                self.line(number + row, n, levels, &mut states, at);
            }
        }
        for (level, mut states) in levels.iter_mut().zip(states) {
            let mut half = rows / 2;
            while half > 0 {
                level.fold.merge_halves(&mut states, half * states_of_row);
                half /= 2;
            }
            level.push_pieces(states, rows, states_of_row);
        }
    }

    /// Whether the runs at hand have elements.
    fn has_terms(&self) -> bool {
        self.ends.last().is_some_and(|&end| end > 0)
    }

    /// Folds the runs at hand of neighbouring rows that are read where they lie; the states of row `r` go to `slot(r)`.
    fn whole_lines(
        &mut self,
        number: usize,
        rows: usize,
        levels: &[Levels],
        states: &mut [States],
        slot: impl Fn(usize) -> usize,
    ) {
        let column_dim = self.lens.len().checked_sub(1);
        if let Some(dim) = column_dim {
            self.index[dim] = self.line_at();
        }
        let row_dim = self.dim_of_rank.last().copied();
        let tile = TileShape {
            row_dim,
            column_dim,
            rows,
            columns: self.ends.last().copied().unwrap_or(0),
        };
        let stride = self.ends.len();
        if self.sums
            && let ([level], [states]) = (levels, &mut *states)
            && let Some(sums) = level.fold.sums(states)
        {
            // SAFETY: as below; each row has as many elements as the last end says.
            unsafe {
                self.evaluator.run_before_fold(&self.index, tile);
                for row in 0..rows {
                    let sums = &mut sums[slot(row) * stride..][..stride];
                    self.evaluator
                        .sum_runs(tile, row, row_dim, &self.ends, sums);
                }
            }
            return;
        }
        // SAFETY: the rows lie within the bound region, and nothing is copied.
        unsafe { self.evaluator.run(&self.index, tile, &[]) };
        let whole: Few<(Rows, usize), 1> = few(levels.iter().map(|level| {
            let size = self.evaluator.prepared.outputs[level.value].size;
            (self.tile_rows(level, tile), size)
        }));
        let runs = self.tree.runs().len();
        // Row by row: each is in a near cache for all folds but the first.
        for row in 0..rows {
            let first = (number + row) * runs + self.line.start;
            for ((level, states), (all, size)) in levels.iter().zip(&mut *states).zip(&whole) {
                let at = slot(row) * stride;
                // SAFETY: the row holds values of the fold's type, up to the last end.
                unsafe {
                    let row = all.row(row, *size);
                    level
                        .fold
                        .runs(&row, &self.ends, first as i64, states, at, stride);
                }
            }
        }
    }

    /// Whether a line is one dimension: all leaves walk its axes evenly.
    pub fn is_even(&self) -> bool {
        let Mode::Lines { from } = self.tree.mode() else {
            unreachable!("only lines have runs")
        };
        let dims = &self.evaluator.binding.dims;
        dims.last().is_some_and(|dim| dim.axis <= from)
    }

    /// Folds the runs at hand of the lines of `n` outputs into the states from `at` on.
    fn line(
        &mut self,
        number: usize,
        n: usize,
        levels: &[Levels],
        states: &mut [States],
        at: usize,
    ) {
        let Mode::Lines { from } = self.tree.mode() else {
            unreachable!("only lines have runs")
        };
        let first = (number * self.tree.runs().len() + self.line.start) as i64;
        let stride = self.runs();
        let column_dim = self.lens.len().checked_sub(1);
        let row_dim = self.last_kept;
        let first_row = row_dim.map_or(0, |dim| self.index[dim]);
        if !self.is_even() {
            self.uneven(first, n, levels, states, at);
            return;
        }
        let all_ends = std::mem::take(&mut self.ends);
        let mut some_ends = Vec::new();
        let tile = self.evaluator.tile;
        let origin = self.origin(from) * self.tree.runs().inner();
        let next = row_dim.or(self.dim_of_rank.last().copied());
        let next = next.filter(|&dim| Some(dim) != column_dim);
        let (mut run, mut done) = (0, 0);
        while run < stride {
            // As many runs as fit into a tile, and as many lines.
            let mut end_run = run + 1;
            if self.in_place {
                end_run = stride;
            } else {
                while end_run < stride && all_ends[end_run] - done <= tile {
                    end_run += 1;
                }
            }
            let columns = all_ends[end_run - 1] - done;
            if columns > 0
                && let Some(dim) = column_dim
            {
                self.index[dim] = self.line.start + done - origin;
            }
            let most_rows = if self.in_place {
                n
            } else {
                (tile / columns.max(1)).max(1)
            };
            let ends = if done == 0 {
                &all_ends[..end_run]
            } else {
                some_ends.clear();
                some_ends.extend(all_ends[run..end_run].iter().map(|end| end - done));
                &some_ends
            };
            for row in (0..n).step_by(most_rows) {
                if let Some(dim) = row_dim {
                    self.index[dim] = first_row + row;
                }
                let tile = TileShape {
                    row_dim,
                    column_dim,
                    rows: most_rows.min(n - row),
                    columns,
                };
                if columns > 0 {
                    if tile.rows == n {
                        self.prefetch_after(tile, (end_run == stride).then_some(done));
                    }
                    let (first, at) = (first + done as i64, at + row * stride + run);
                    // SAFETY: the tile lies within the bound region, and is small unless nothing is copied; a row has
                    // as many elements as the last end.
                    unsafe {
                        self.fold_tile(tile, next, ends, first, levels, states, [at, stride])
                    };
                    continue;
                }
                for (level, states) in levels.iter().zip(&mut *states) {
                    let (first, at) = (first + done as i64, at + row * stride + run);
                    // SAFETY: there are no elements.
                    unsafe {
                        let rows = Rows::none(tile.rows);
                        level.fold.runs(&rows, ends, first, states, at, stride);
                    }
                }
            }
            done = all_ends[end_run - 1];
            run = end_run;
        }
        self.ends = all_ends;
        if let Some(dim) = row_dim {
            self.index[dim] = first_row;
        }
    }

    /// Lets the evaluation of a tile ask for the memory of the next one: what follows in its line, or the next
    /// line if it ends its own, of which so many columns are `before` it.
    fn prefetch_after(&mut self, tile: TileShape, before: Option<usize>) {
        // Where nothing is computed meanwhile, to ask for memory takes as long as to read it.
        let Some(column) = tile.column_dim.filter(|_| !self.in_place) else {
            return;
        };
        let here = self.index[column];
        match before {
            None => {
                self.index[column] += tile.columns;
                self.evaluator.prefetch(&self.index, tile);
            }
            Some(before) => {
                if let Some(&row) = self.dim_of_rank.last()
                    && row != column
                    && self.index[row] + 1 < self.lens[row]
                {
                    self.index[column] -= before;
                    self.index[row] += 1;
                    self.evaluator.prefetch(&self.index, tile);
                    self.index[row] -= 1;
                }
            }
        }
        self.index[column] = here;
    }

    /// Folds the runs of a tile, which end there in each of its rows, into the states from `at` on, each row `stride` further
    /// on. The next row of memory will be the next along a dimension.
    ///
    /// # Safety
    /// The tile must lie within the bound region at the current position, be no larger than the evaluator's unless it
    /// reads all in place, and have as many columns as the last end says.
    #[expect(clippy::too_many_arguments)]
    unsafe fn fold_tile(
        &mut self,
        tile: TileShape,
        next: Option<usize>,
        ends: &[usize],
        first: i64,
        levels: &[Levels],
        states: &mut [States],
        [at, stride]: [usize; 2],
    ) {
        if self.sums
            && let ([level], [states]) = (levels, &mut *states)
            && let Some(sums) = level.fold.sums(states)
        {
            // SAFETY: the caller's promise.
            unsafe {
                self.evaluator.run_before_fold(&self.index, tile);
                for row in 0..tile.rows {
                    let sums = &mut sums[at + row * stride..][..ends.len()];
                    self.evaluator.sum_runs(tile, row, next, ends, sums);
                }
            }
            return;
        }
        // SAFETY: the caller's promise.
        unsafe { self.evaluator.run(&self.index, tile, &[]) };
        for (level, states) in levels.iter().zip(states) {
            let rows = self.tile_rows(level, tile);
            // SAFETY: the tile's rows hold values of the fold's type, up to the last end.
            unsafe { level.fold.runs(&rows, ends, first, states, at, stride) };
        }
    }

    /// Runs whose elements may lie in several stretches of the last axis.
    fn uneven(
        &mut self,
        first: i64,
        n: usize,
        levels: &[Levels],
        states: &mut [States],
        at: usize,
    ) {
        let Mode::Lines { from } = self.tree.mode() else {
            unreachable!("only lines have runs")
        };
        let row_dim = self.last_kept;
        let first_row = row_dim.map_or(0, |dim| self.index[dim]);
        let all_ends = std::mem::take(&mut self.ends);
        let mut ends: Few<usize> = Few::new();
        for row in 0..n {
            if let Some(dim) = row_dim {
                self.index[dim] = first_row + row;
            }
            let (mut run, mut start) = (0, 0);
            while run < all_ends.len() {
                let at = at + row * all_ends.len() + run;
                let len = all_ends[run] - start;
                let follow = match len {
                    0 => 0,
                    _ => self.seek_line(from, self.line.start + start),
                };
                if len > follow || len == 0 {
                    self.stretched(start..all_ends[run], first, levels, states, at);
                    start = all_ends[run];
                    run += 1;
                    continue;
                }
                // As many runs as lie in one stretch and fit into a tile.
                let most = match self.in_place {
                    true => follow,
                    false => follow.min(self.evaluator.tile.max(len)),
                };
                ends.clear();
                ends.extend(
                    all_ends[run..]
                        .iter()
                        .map(|end| end - start)
                        .take_while(|&end| end <= most),
                );
                let columns = ends.last().copied().unwrap_or(0);
                let tile = TileShape {
                    row_dim: None,
                    column_dim: self.lens.len().checked_sub(1),
                    rows: 1,
                    columns,
                };
                let first = first + start as i64;
                let places = [at, ends.len()];
                // SAFETY: the tile lies within the bound region, and is small unless nothing is copied.
                unsafe { self.fold_tile(tile, None, &ends, first, levels, states, places) };
                start += columns;
                run += ends.len();
            }
        }
        self.ends = all_ends;
        if let Some(dim) = row_dim {
            self.index[dim] = first_row;
        }
    }

    /// Folds a run that may lie in several stretches of the last axis into the state `at`: they are put together.
    fn stretched(
        &mut self,
        run: Range<usize>,
        first: i64,
        levels: &[Levels],
        states: &mut [States],
        at: usize,
    ) {
        let Mode::Lines { from } = self.tree.mode() else {
            unreachable!("only lines have runs")
        };
        let mut done = 0;
        while done < run.len() {
            let follow = self.seek_line(from, self.line.start + run.start + done);
            let columns = follow.min(run.len() - done);
            let tile = TileShape {
                row_dim: None,
                column_dim: self.lens.len().checked_sub(1),
                rows: 1,
                columns,
            };
            // SAFETY: the tile lies within the bound region; it is no longer than a run.
            unsafe { self.evaluator.run(&self.index, tile, &[]) };
            for output in 0..self.outputs() {
                self.append(output, tile, done, run.len());
            }
            done += columns;
        }
        for (level, states) in levels.iter().zip(states) {
            let mut rows = Rows::none(1);
            if !run.is_empty() {
                rows.values = self.buffered(level.value);
                rows.width = run.len();
                if let Some(mask) = level.mask {
                    rows.mask = self.buffered(mask);
                }
            }
            let first = first + run.start as i64;
            // SAFETY: the buffers hold the whole run.
            unsafe { level.fold.runs(&rows, &[run.len()], first, states, at, 1) };
        }
    }

    /// Moves to an element of the line, whose axes begin at `from`; gives how many elements follow along
    /// the last dimension.
    fn seek_line(&mut self, from: usize, element: usize) -> usize {
        let mut left = element;
        let mut follow = 1;
        let shape = self.tree.shape();
        for dim in (0..self.lens.len()).rev() {
            let dims = self.evaluator.binding.dims[dim].clone();
            if dims.axis < from {
                break;
            }
            // Merged axes count in C order; the region spans all but the first axis of a line whole.
            let len: usize = shape[dims.axis..dims.axis + dims.axes].iter().product();
            let inner: usize = shape[dims.axis + 1..dims.axis + dims.axes].iter().product();
            let place = if dims.axis == from { left } else { left % len };
            left /= len.max(1);
            self.index[dim] = place - self.origin(dims.axis) * inner;
            if dim == self.lens.len() - 1 {
                follow = len - place % len.max(1);
            }
        }
        follow
    }
}
