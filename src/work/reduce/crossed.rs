//! Runs of neighbouring rows, where a leaf is read across them.

use std::ops::Range;

use super::super::tile::TileShape;
use super::driver::Driver;
use super::levels::Levels;
use crate::kernel::chain::RowLanes;
use crate::kernel::prefetch::Asking;
use crate::kernel::prefetch::Prefetches;
use crate::kernel::reduce::sum_of_lanes;
use crate::op::fold::States;
use crate::op::reducer::LANES;
use crate::op::tree::{BATCH, Mode};

/// The lanes of a run to which nothing has been added.
pub const NO_TERMS: RowLanes = RowLanes([-0.0; LANES]);

/// Rows whose runs are added up side by side, if they share an operand.
const SHARING: usize = 8;

/// The sums of runs that were taken before their rows are folded.
pub struct KnownSums {
    /// The number of the first row among all rows.
    pub first: usize,
    pub sums: Vec<f64>,
}

impl Driver<'_> {
    /// Adds up the runs at hand of neighbouring rows, as `crossed_lines`, some rows at a time: what they share is loaded
    /// once for these, and each of them is read in the order in which it lies.
    pub fn shared_lines(
        &mut self,
        rows: usize,
        levels: &[Levels],
        states: &mut [States],
        slot: impl Fn(usize) -> usize,
    ) {
        let ([level], [states]) = (levels, states) else {
            unreachable!("rows that share are for a single sum")
        };
        let sums = level.fold.sums(states);
        let sums = sums.expect("rows that share are for a sum");
        let (row_dim, column_dim) = (self.dim_of_rank.last().copied(), self.lens.len() - 1);
        let row_of = row_dim.expect("rows that share are along a dimension");
        let (first_row, first) = (self.index[row_of], self.line_at());
        let mut lanes = [NO_TERMS; SHARING];
        for some in (0..rows).step_by(SHARING) {
            let lanes = &mut lanes[..SHARING.min(rows - some)];
            self.index[row_of] = first_row + some;
            let mut start = 0;
            for (run, &end) in self.ends.iter().enumerate() {
                self.index[column_dim] = first + start;
                let tile = TileShape {
                    row_dim,
                    column_dim: Some(column_dim),
                    rows: lanes.len(),
                    columns: end - start,
                };
                start = end;
                lanes.fill(NO_TERMS);
                // SAFETY: the rows lie within the bound region; the evaluator was asked for all of them.
                unsafe {
                    self.evaluator
                        .add_crossed(&self.index, tile, Asking::default(), lanes)
                };
                for (row, &lanes) in lanes.iter().enumerate() {
                    sums[slot(some + row) * self.ends.len() + run] = sum_of_lanes(lanes.0);
                }
            }
        }
        self.index[row_of] = first_row;
    }

    /// Where the runs at hand begin, along the last dimension.
    pub fn line_at(&self) -> usize {
        let Mode::Lines { from } = self.tree.mode() else {
            unreachable!("only lines have runs")
        };
        self.line.start - self.origin(from) * self.tree.runs().inner()
    }

    /// Folds the runs at hand of neighbouring rows; the states of row `r` go to `slot(r)`. Each column of
    /// runs is evaluated for all rows at once.
    pub fn crossed_lines(
        &mut self,
        number: usize,
        rows: usize,
        levels: &[Levels],
        states: &mut [States],
        slot: impl Fn(usize) -> usize,
    ) {
        let row_dim = self.dim_of_rank.last().copied();
        let column_dim = self.lens.len().checked_sub(1);
        let first = self.line_at();
        let mut start = 0;
        for run in 0..self.runs() {
            let columns = self.ends[run] - start;
            let tile = TileShape {
                row_dim,
                column_dim,
                rows,
                columns,
            };
            if let Some(dim) = column_dim {
                self.index[dim] = first + start;
            }
            start = self.ends[run];
            if self.sums
                && let ([level], [states]) = (levels, &mut *states)
                && let Some(sums) = level.fold.sums(states)
            {
                let at = |row: usize| slot(row) * self.ends.len() + run;
                if let Some(known) = self.known_sums(number, rows) {
                    for (row, &sum) in known.iter().enumerate() {
                        sums[at(row)] = sum;
                    }
                } else if self.evaluator.adds_crossed(row_dim, column_dim) {
                    let mut lanes = [NO_TERMS; BATCH];
                    let lanes = &mut lanes[..rows];
                    // SAFETY: the rows lie within the bound region.
                    unsafe {
                        self.evaluator
                            .add_crossed(&self.index, tile, Asking::default(), lanes)
                    };
                    for (row, &lanes) in lanes.iter().enumerate() {
                        sums[at(row)] = sum_of_lanes(lanes.0);
                    }
                } else {
                    // SAFETY: as below; every row is one run.
                    unsafe {
                        self.evaluator.run_before_fold(&self.index, tile);
                        for row in 0..rows {
                            let sum = &mut sums[at(row)..][..1];
                            self.evaluator.sum_runs(tile, row, None, &[columns], sum);
                        }
                    }
                }
                continue;
            }
            // SAFETY: the tile lies within the bound region, and is made for a batch of runs.
            unsafe { self.evaluator.run(&self.index, tile, &[]) };
            for (level, states) in levels.iter().zip(&mut *states) {
                let start = start - columns;
                let all = self.tile_rows(level, tile);
                let size = self.evaluator.prepared.outputs[level.value].size;
                for row in 0..rows {
                    let element = (number + row) * self.tree.runs().len() + self.line.start + start;
                    let at = slot(row) * self.runs() + run;
                    let one = all.row(row, size);
                    // SAFETY: a row of the tile, of the fold's type.
                    unsafe {
                        let first = element as i64;
                        level.fold.runs(&one, &[columns], first, states, at, 1);
                    }
                }
            }
        }
    }

    /// The sums of such rows, for the run at hand, if they are known already.
    fn known_sums(&self, number: usize, rows: usize) -> Option<&[f64]> {
        let known = self.known.as_ref()?;
        let start = number.checked_sub(known.first)?;
        known.sums.get(start..start + rows)
    }

    /// Whether sums of runs are taken from where the leaves lie, across or not.
    pub fn adds_crossed(&self) -> bool {
        let (row_dim, column_dim) = (self.dim_of_rank.last(), self.lens.len().checked_sub(1));
        self.sums
            && self.crossed
            && self.is_even()
            && self.evaluator.adds_crossed(row_dim.copied(), column_dim)
    }

    /// A tile of some rows and some columns of the run at hand, and what is now aimed at.
    fn box_of(&mut self, [rows, columns]: [Range<usize>; 2]) -> TileShape {
        let (axis, dim) = (self.tree.outer_axes()[0], self.dim_of_rank[0]);
        self.index[dim] = rows.start - self.origin(axis);
        let column_dim = self.lens.len().checked_sub(1);
        if let Some(dim) = column_dim {
            self.index[dim] = self.line_at() + columns.start;
        }
        TileShape {
            row_dim: Some(dim),
            column_dim,
            rows: rows.len(),
            columns: columns.len(),
        }
    }

    /// Aims at some rows, of the only outer axis, and some columns of the run at hand, whose terms are then
    /// added to the lanes of the rows; see [`add_crossed_parts`](super::super::tile::Evaluator::add_crossed_parts).
    pub fn aim_box(&mut self, part: [Range<usize>; 2]) -> TileShape {
        let tile = self.box_of(part);
        self.evaluator.aim_crossed(&self.index, tile);
        tile
    }

    /// Adds the memory that a box is read from.
    pub fn add_reads(&mut self, part: [Range<usize>; 2], upcoming: &mut Prefetches) {
        let tile = self.box_of(part);
        self.evaluator.add_reads(&self.index, tile, upcoming);
    }
}
