//! The documented order in which a reduction adds up, written down a second time and independently:
//! lines cut into runs, columns of runs or of elements reduced across rows, in cells, leaves and pieces,
//! binary trees all the way up.
//!
//! Everything here is as slow and as literal as it can be.

use std::ops::Range;

use flagstone::Chunks;

/// Chunks are grouped until a block has so many elements.
const CELL: usize = 16_384;
/// The most elements of a run.
const RUN: usize = 256;
/// The most elements of a leaf of a column of runs, and of a column of single elements.
const RUN_LEAF: usize = 32_768;
const LEAF: usize = 65_536;
/// The rows of a piece of single elements; and of narrow rows those of each lane.
const ROWS: usize = 128;
/// Rows of fewer kept elements are narrow.
const NARROW: usize = 16;

/// How a reduction treats the elements of one piece, and how it merges pieces.
pub trait Fold {
    type State;

    /// The state of a piece: a run, or the rows of one column, or of one of the lanes that a narrow
    /// column is dealt out to. `items` are the elements, each with its place in the C-order array and its
    /// number among the reduced elements.
    fn piece(&self, run: bool, items: &[Item]) -> Self::State;

    /// Whether narrow rows are not dealt out to lanes: users' reducers see them one after the other.
    fn is_sequential(&self) -> bool {
        false
    }

    fn identity(&self) -> Self::State;

    fn merge(&self, left: Self::State, right: Self::State) -> Self::State;
}

/// One element that is reduced.
#[derive(Clone, Copy)]
pub struct Item {
    /// The C-order number in the whole array.
    pub at: usize,
    /// The C-order number among the reduced elements.
    pub number: usize,
}

/// The partition of an array that decides about the order.
pub struct Order {
    shape: Vec<usize>,
    axes: Vec<usize>,
    /// The cells along each reduced axis that is no part of the line.
    cells: Vec<Vec<Range<usize>>>,
    /// The runs of a line; where the last axis stays a single one.
    runs: Vec<Range<usize>>,
    /// Whether the last axis is reduced.
    lines: bool,
    narrow: bool,
}

impl Order {
    pub fn new(chunks: &Chunks, axes: &[usize]) -> Order {
        let shape = chunks.shape();
        let ndim = shape.len();
        let lines = !shape.is_empty() && axes.last() == Some(&(ndim - 1));
        let mut elements: usize = (0..ndim)
            .map(|axis| chunks.sizes(axis).max().unwrap_or(0))
            .product::<usize>()
            .max(1);
        let mut cells = vec![Vec::new(); axes.len()];
        for (rank, &axis) in axes.iter().enumerate().rev() {
            let sizes: Vec<usize> = chunks.sizes(axis).collect();
            let mut factor = CELL.div_ceil(elements).min(sizes.len());
            if lines && axis == ndim - 1 {
                factor = factor.min(RUN / sizes.iter().max().unwrap().max(&1));
            }
            let factor = factor.max(1);
            let mut start = 0;
            for group in sizes.chunks(factor) {
                let end = start + group.iter().sum::<usize>();
                cells[rank].push(start..end);
                start = end;
            }
            elements *= factor;
        }
        let mut runs = Vec::new();
        if lines {
            // The last axis, and one more while it is the next one and those inside of it are one cell.
            let mut chunks = cells.pop().unwrap();
            let mut inner = 1;
            while chunks.len() == 1
                && let Some(outer) = cells.last()
                && axes[cells.len() - 1] + 1 == axes[cells.len()]
            {
                inner *= shape[axes[cells.len()]];
                chunks = outer.clone();
                cells.pop();
            }
            for chunk in chunks {
                let end = chunk.end * inner;
                let mut start = chunk.start * inner;
                while start < end {
                    runs.push(start..(start + RUN).min(end));
                    start += RUN;
                }
            }
        } else {
            runs.push(0..1);
        }
        let kept_inside: usize = match axes.last() {
            Some(&axis) => shape[axis + 1..].iter().product(),
            None => shape.iter().product(),
        };
        Order {
            axes: axes.to_vec(),
            cells,
            runs,
            lines,
            narrow: !lines && kept_inside < NARROW,
            shape,
        }
    }

    /// The state of the output whose reduced indices are 0 in the array at `base`.
    pub fn fold<F: Fold>(&self, fold: &F, base: usize) -> F::State {
        let columns = self.runs.iter().map(|run| {
            let column = Column { fold, base, run };
            self.cells_from(&column, &mut Vec::new())
        });
        tree(fold, columns.collect())
    }

    /// Cells are merged axis by axis, the last axis first: it is the innermost level here.
    fn cells_from<F: Fold>(&self, column: &Column<F>, cell: &mut Vec<Range<usize>>) -> F::State {
        let rank = cell.len();
        if rank == self.cells.len() {
            return self.leaves(column, cell);
        }
        let mut states = Vec::new();
        for range in &self.cells[rank] {
            cell.push(range.clone());
            states.push(self.cells_from(column, cell));
            cell.pop();
        }
        tree(column.fold, states)
    }

    fn leaves<F: Fold>(&self, column: &Column<F>, cell: &[Range<usize>]) -> F::State {
        let mut rest: Vec<usize> = cell.iter().map(Range::len).collect();
        let rows: usize = rest.iter().product();
        if rows == 0 {
            return column.fold.identity();
        }
        let most = if self.lines {
            RUN_LEAF / self.runs.iter().map(Range::len).max().unwrap()
        } else {
            LEAF
        };
        // Whole trailing axes as long as they fit, then so many steps of the next one.
        let mut leaf = 1;
        while rest.len() > 1 && leaf * rest[rest.len() - 1] <= most {
            leaf *= rest.pop().unwrap();
        }
        let length = rest.pop().unwrap_or(1) * leaf;
        let step = (most / leaf).max(1) * leaf;
        let mut states = Vec::new();
        for block in 0..rows / length {
            let mut start = block * length;
            let end = start + length;
            while start < end {
                let stop = (start + step).min(end);
                states.push(self.pieces(column, cell, start..stop));
                start = stop;
            }
        }
        tree(column.fold, states)
    }

    fn pieces<F: Fold>(
        &self,
        column: &Column<F>,
        cell: &[Range<usize>],
        leaf: Range<usize>,
    ) -> F::State {
        let most = match (self.lines, self.narrow) {
            (true, _) => 1,
            (false, true) => ROWS * LANES,
            (false, false) => ROWS,
        };
        let mut states = Vec::new();
        for start in leaf.clone().step_by(most) {
            let rows = start..(start + most).min(leaf.end);
            states.push(if self.lines {
                let items: Vec<Item> = column
                    .run
                    .clone()
                    .map(|element| self.item(column.base, cell, start, element))
                    .collect();
                column.fold.piece(true, &items)
            } else if self.narrow && !column.fold.is_sequential() {
                let lanes = (0..LANES).map(|lane| {
                    let rows = rows.clone().skip(lane).step_by(LANES);
                    let items: Vec<Item> = rows
                        .map(|row| self.item(column.base, cell, row, 0))
                        .collect();
                    column.fold.piece(false, &items)
                });
                merge_lanes(lanes.collect(), |left, right| {
                    column.fold.merge(left, right)
                })
            } else {
                let items: Vec<Item> = rows
                    .map(|row| self.item(column.base, cell, row, 0))
                    .collect();
                column.fold.piece(false, &items)
            });
        }
        tree(column.fold, states)
    }

    /// An element of a line, in a row of a cell.
    fn item(&self, base: usize, cell: &[Range<usize>], mut row: usize, mut element: usize) -> Item {
        let mut item = Item {
            at: base,
            number: 0,
        };
        let mut below = 1;
        for (rank, &axis) in self.axes.iter().enumerate().rev() {
            let len = self.shape[axis];
            let index = if rank >= cell.len() {
                // The first axis of a line takes all that is left.
                let index = if rank == cell.len() {
                    element
                } else {
                    element % len
                };
                element /= len;
                index
            } else {
                let index = cell[rank].start + row % cell[rank].len();
                row /= cell[rank].len();
                index
            };
            let stride: usize = self.shape[axis + 1..].iter().product();
            item.at += index * stride;
            item.number += index * below;
            below *= len;
        }
        item
    }
}

/// One column: what is reduced across rows.
struct Column<'a, F> {
    fold: &'a F,
    base: usize,
    run: &'a Range<usize>,
}

/// A binary tree aligned at powers of two: the left half is the largest power of two that leaves
/// something for the right one.
fn tree<F: Fold>(fold: &F, mut states: Vec<F::State>) -> F::State {
    match states.len() {
        0 => fold.identity(),
        1 => states.pop().unwrap(),
        n => {
            let mut half = 1;
            while half * 2 < n {
                half *= 2;
            }
            let right = states.split_off(half);
            fold.merge(tree(fold, states), tree(fold, right))
        }
    }
}

const LANES: usize = 16;

/// Folds the items of a piece: a run in 16 lanes, others one after the other.
pub fn in_lanes<S: Copy>(
    run: bool,
    items: &[Item],
    identity: S,
    step: impl Fn(S, Item) -> S,
    merge: impl Fn(S, S) -> S,
) -> S {
    if !run {
        return items
            .iter()
            .fold(identity, |state, &item| step(state, item));
    }
    let mut states = [identity; LANES];
    for (i, &item) in items.iter().enumerate() {
        states[i % LANES] = step(states[i % LANES], item);
    }
    merge_lanes(states.to_vec(), merge)
}

/// Lane `j` with lane `j + 8`, then `+ 4`, `+ 2`, `+ 1`.
fn merge_lanes<S>(mut states: Vec<S>, merge: impl Fn(S, S) -> S) -> S {
    while states.len() > 1 {
        let right = states.split_off(states.len() / 2);
        states = states
            .into_iter()
            .zip(right)
            .map(|(left, right)| merge(left, right))
            .collect();
    }
    states.pop().expect("there are lanes")
}
