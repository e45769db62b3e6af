//! Pieces across rows: each column is folded in turn.

use std::ops::Range;

use super::super::tile::TileShape;
use super::driver::Driver;
use super::levels::Levels;
use crate::op::fold::{Numbers, Rows, States};
use crate::op::tree::Cell;

/// Several folds of values in place take turns on so many rows and columns: they stay in the first-level
/// cache until all have seen them.
const SHARED_ROWS: usize = 8;
const SHARED_COLUMNS: usize = 256;
/// Columns whose states stay there, if all folds take each value at once.
const TOGETHER_COLUMNS: usize = 512;

impl Driver<'_> {
    /// Folds the rows of a leaf for `n` outputs from the current position on.
    pub fn fold_rows(&mut self, cell: &Cell, leaf: Range<usize>, n: usize, levels: &mut [Levels]) {
        let most = self.tree.piece();
        let mut at = leaf.start;
        while at < leaf.end {
            let pieces = self.wide_pieces(cell, &leaf, at, n, levels);
            if pieces == 0 {
                self.piece(cell, at..(at + most).min(leaf.end), n, levels);
            }
            at += pieces.max(1) * most;
        }
    }

    /// Folds some whole pieces at once, a complete subtree, if their rows are [wide](Driver::wide): a piece of few
    /// columns is soon done, and what belongs to it would take as long. Gives how many.
    fn wide_pieces(
        &mut self,
        cell: &Cell,
        leaf: &Range<usize>,
        at: usize,
        n: usize,
        levels: &mut [Levels],
    ) -> usize {
        let column_dim = self.lens.len().checked_sub(1);
        let ([level], true) = (levels, self.wide) else {
            return 0;
        };
        if Some(n) != column_dim.map(|dim| self.lens[dim]) {
            return 0;
        }
        let (_, follow) = self.seek(cell, at);
        let (lanes, piece) = (self.tree.lanes(), self.tree.piece());
        let whole = follow.min(leaf.end - at) / piece;
        let number = (at - leaf.start) / piece;
        // As many results as there are lanes have room where those are.
        let mut pieces = 1;
        while 2 * pieces <= whole.min(lanes) && number.is_multiple_of(2 * pieces) {
            pieces *= 2;
        }
        let mut states = level.unset();
        let sums = (pieces > 1).then(|| level.fold.sums(&mut states)).flatten();
        let Some(sums) = sums else {
            level.give_back(states);
            return 0;
        };
        let tile = TileShape {
            row_dim: self.dim_of_rank.last().copied(),
            column_dim,
            rows: piece,
            columns: n,
        };
        // Neighbours have to meet first when halves are merged: the bits in reverse.
        let unused = usize::BITS - pieces.trailing_zeros();
        let keep = |number: usize, lanes: &[f64]| {
            let slot = number.reverse_bits() >> unused;
            sums[slot * n..][..n].copy_from_slice(lanes);
        };
        // SAFETY: rows of whole pieces, which are all wide.
        unsafe { (self.evaluator).add_wide_pieces(&self.index, tile, lanes, pieces, keep) };
        let mut half = pieces / 2;
        while half > 0 {
            level.fold.merge_halves(&mut states, half * n);
            half /= 2;
        }
        level.push_pieces(states, pieces, n);
        pieces
    }

    fn piece(&mut self, cell: &Cell, piece: Range<usize>, n: usize, levels: &mut [Levels]) {
        let lanes = self.tree.lanes();
        let mut states: Vec<States> = levels
            .iter_mut()
            .map(|level| level.fresh(n * lanes))
            .collect();
        let column_dim = self.lens.len().checked_sub(1);
        let row_dim = self.dim_of_rank.last().copied();
        let together = self.folds_together(levels, &mut states);
        let (most_rows, most_columns) = if !self.in_place {
            let rows = (self.evaluator.tile / n).max(1);
            // A power of two divides a piece: tiles of one shape are prepared once.
            let rows = if lanes > 1 { 1 << rows.ilog2() } else { rows };
            (rows, n)
        } else if together {
            (usize::MAX, TOGETHER_COLUMNS)
        } else if levels.len() > 1 && lanes == 1 {
            (SHARED_ROWS, SHARED_COLUMNS)
        } else {
            (usize::MAX, n)
        };
        let first_column = self.last_kept.map_or(0, |dim| self.index[dim]);
        let mut at = piece.start;
        while at < piece.end {
            let (number, follow) = self.seek(cell, at);
            let rows = follow.min(piece.end - at);
            let tile = TileShape {
                row_dim,
                column_dim,
                rows,
                columns: n,
            };
            if self.wide
                && (at - piece.start).is_multiple_of(lanes)
                && Some(n) == column_dim.map(|dim| self.lens[dim])
                && let ([level], [states]) = (&*levels, &mut states[..])
                && let Some(sums) = level.fold.sums(states)
            {
                // SAFETY: rows of the piece, which are all wide; there is a sum for each column of a lane.
                unsafe { self.evaluator.add_wide_rows(&self.index, tile, lanes, sums) };
                at += rows;
                continue;
            }
            if self.drawn
                && let ([level], [states]) = (&*levels, &mut states[..])
                && let Some(sums) = level.fold.sums(states)
            {
                (self.evaluator).add_drawn_rows(level.value, &self.index, tile, sums);
                at += rows;
                continue;
            }
            let rows = rows.min(most_rows);
            for column in (0..n).step_by(most_columns) {
                if let Some(dim) = self.last_kept {
                    self.index[dim] = first_column + column;
                }
                let tile = TileShape {
                    row_dim,
                    column_dim,
                    rows,
                    columns: most_columns.min(n - column),
                };
                self.prefetch_below(tile, follow.min(piece.end - at));
                if self.sums
                    && let ([level], [states]) = (&*levels, &mut states[..])
                    && let Some(sums) = level.fold.sums(states)
                {
                    let offset = at - piece.start;
                    // SAFETY: the tile lies within the bound region, and is small unless nothing is copied.
                    unsafe { self.evaluator.run_before_fold(&self.index, tile) };
                    if self.add_rows(tile, lanes, offset, &mut sums[column..]) {
                        continue;
                    }
                    // SAFETY: as above.
                    unsafe { self.evaluator.run_after(tile) };
                } else {
                    // SAFETY: as above.
                    unsafe { self.evaluator.run(&self.index, tile, &[]) };
                }
                if together && let Some(fold) = self.evaluator.prepared.together {
                    let rows = self.tile_rows(&levels[0], tile);
                    let states = levels.iter().zip(&mut states);
                    let mut columns: Vec<_> = states
                        .filter_map(|(level, states)| level.fold.columns(states))
                        .collect();
                    // SAFETY: the rows hold `float64` values, of which all take part.
                    unsafe { fold(&rows, &mut columns, column) };
                    continue;
                }
                for (level, states) in levels.iter().zip(&mut states) {
                    let all = self.tile_rows(level, tile);
                    if lanes > 1 && !level.fold.is_sequential() {
                        let size = self.evaluator.prepared.outputs[level.value].size;
                        let dealt = Dealt {
                            lanes,
                            size,
                            number,
                            offset: at - piece.start,
                        };
                        // SAFETY: the tile's rows hold values of the fold's type.
                        unsafe { dealt.fold(level, &all, states) };
                    } else {
                        let numbers = Numbers {
                            first: number as i64,
                            step: 1,
                            lane: n,
                        };
                        // SAFETY: as above.
                        unsafe { level.fold.rows(&all, numbers, states, column) };
                    }
                }
            }
            at += rows;
        }
        if let Some(dim) = self.last_kept {
            self.index[dim] = first_column;
        }
        for (level, mut states) in levels.iter_mut().zip(states) {
            level.fold.seal(&mut states, n * lanes);
            let mut half = if level.fold.is_sequential() {
                0
            } else {
                lanes / 2
            };
            while half > 0 {
                level.fold.merge_halves(&mut states, half * n);
                half /= 2;
            }
            level.push_pieces(states, 1, n);
        }
    }

    /// Whether all folds take the same values, at once: sums alone have a loop of their own.
    fn folds_together(&self, levels: &[Levels], states: &mut [States]) -> bool {
        // Outputs of the program may be the same value.
        let value = |level: &Levels| self.evaluator.prepared.outputs[level.value].arg;
        let first = value(&levels[0]);
        let alike = |level: &Levels| level.mask.is_none() && value(level) == first;
        if self.evaluator.prepared.together.is_none()
            || self.tree.lanes() > 1
            || !levels.iter().all(alike)
        {
            return false;
        }
        let mut kinds = Vec::with_capacity(levels.len());
        for (level, states) in levels.iter().zip(states) {
            match level.fold.columns(states) {
                Some(columns) => kinds.push(std::mem::discriminant(&columns)),
                None => return false,
            }
        }
        let differ = (1..kinds.len()).all(|i| !kinds[..i].contains(&kinds[i]));
        differ && !(kinds.len() == 1 && levels[0].fold.has_sums())
    }

    /// Adds the rows of a tile to the sums of their columns, if they lie so that it is simple: rows that follow
    /// one another are as many lanes side by side. The first is row `offset` of its piece.
    fn add_rows(&mut self, tile: TileShape, lanes: usize, offset: usize, sums: &mut [f64]) -> bool {
        if lanes == 1 {
            // SAFETY: there is a sum for each column.
            unsafe { self.evaluator.add_rows(tile, sums) };
            return true;
        }
        if !offset.is_multiple_of(lanes) || !self.evaluator.folds_dense_rows(tile) {
            return false;
        }
        // SAFETY: there is a sum for each column of each lane.
        unsafe { self.evaluator.add_dense_rows(tile, lanes, sums) };
        true
    }

    /// Lets the evaluation of a tile ask for the memory of the one below it, if it is among the rows that
    /// `follow` the tile's first.
    fn prefetch_below(&mut self, tile: TileShape, follow: usize) {
        let Some(dim) = tile.row_dim else { return };
        let rows = tile.rows.min(follow - tile.rows);
        if rows > 0 {
            self.index[dim] += tile.rows;
            self.evaluator
                .prefetch(&self.index, TileShape { rows, ..tile });
            self.index[dim] -= tile.rows;
        }
    }
}

/// How rows are dealt out to lanes, whose columns lie one lane after the other: row `r` of a tile is row
/// `offset + r` of its piece, and goes to lane `(offset + r) % lanes`.
struct Dealt {
    lanes: usize,
    /// The bytes of a value.
    size: usize,
    /// The number of the tile's first row among all rows.
    number: usize,
    offset: usize,
}

impl Dealt {
    /// # Safety
    /// The rows must hold values of the fold's type.
    unsafe fn fold(&self, level: &Levels, rows: &Rows, states: &mut States) {
        let &Dealt {
            lanes,
            size,
            number,
            offset,
        } = self;
        let n = rows.width;
        let from = |row: usize| Rows {
            values: rows
                .values
                .wrapping_offset(row as isize * rows.stride * size as isize),
            mask: if rows.mask.is_null() {
                rows.mask
            } else {
                rows.mask.wrapping_offset(row as isize * rows.mask_stride)
            },
            stride: rows.stride * lanes as isize,
            mask_stride: rows.mask_stride * lanes as isize,
            ..*rows
        };
        let numbers = |row: usize| Numbers {
            first: (number + row) as i64,
            step: lanes as i64,
            lane: n,
        };
        let contiguous = |stride: isize| stride == n as isize;
        if offset.is_multiple_of(lanes)
            && contiguous(rows.stride)
            && (rows.mask.is_null() || contiguous(rows.mask_stride))
        {
            // Rows that follow one another are as many lanes side by side.
            let whole = rows.rows / lanes;
            let rest = rows.rows % lanes;
            let wide = Rows {
                rows: whole,
                width: n * lanes,
                ..from(0)
            };
            let last = Rows {
                rows: 1,
                width: n * rest,
                ..from(whole * lanes)
            };
            // SAFETY: the same values.
            unsafe {
                if whole > 0 {
                    level.fold.rows(&wide, numbers(0), states, 0);
                }
                if rest > 0 {
                    level.fold.rows(&last, numbers(whole * lanes), states, 0);
                }
            }
            return;
        }
        for lane in 0..lanes {
            let first = (lanes + lane - offset % lanes) % lanes;
            if first < rows.rows {
                let of_lane = Rows {
                    rows: (rows.rows - first).div_ceil(lanes),
                    ..from(first)
                };
                // SAFETY: some of the rows.
                unsafe { level.fold.rows(&of_lane, numbers(first), states, lane * n) };
            }
        }
    }
}
