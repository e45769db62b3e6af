//! The documented order in which a reduction adds up, written down a second time and independently:
//! chunks grouped into cells, cells cut into leaves, leaves into pieces, binary trees all the way up.
//!
//! Everything here is as slow and as literal as it can be.

use std::ops::Range;

use flagstone::Chunks;

/// Chunks are grouped until a block has so many elements.
const CELL: usize = 16_384;
/// The most reduced elements of a leaf.
const LEAF: usize = 65_536;
/// A piece of a line, and the rows of a piece across rows.
const RUN: usize = 2048;
const ROWS: usize = 128;

/// How a reduction treats the elements of one piece, and how it merges pieces.
pub trait Fold {
    type State;

    /// The state of a piece. `lanes` says whether its elements lie side by side; `items` are the
    /// elements, each with its place in the C-order array and its number among the reduced elements.
    fn piece(&self, lanes: bool, items: &[Item]) -> Self::State;

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
    /// The cells along each reduced axis.
    cells: Vec<Vec<Range<usize>>>,
    /// How many trailing reduced axes make a line; 0 where the last axis stays.
    line_axes: usize,
}

impl Order {
    pub fn new(chunks: &Chunks, axes: &[usize]) -> Order {
        let shape = chunks.shape();
        let mut elements: usize = (0..shape.len())
            .map(|axis| chunks.sizes(axis).max().unwrap_or(0))
            .product::<usize>()
            .max(1);
        let mut cells = vec![Vec::new(); axes.len()];
        for (rank, &axis) in axes.iter().enumerate().rev() {
            let sizes: Vec<usize> = chunks.sizes(axis).collect();
            let factor = CELL.div_ceil(elements).min(sizes.len()).max(1);
            let mut start = 0;
            for group in sizes.chunks(factor) {
                let end = start + group.iter().sum::<usize>();
                cells[rank].push(start..end);
                start = end;
            }
            elements *= factor;
        }
        let mut line_axes = 0;
        if !shape.is_empty() && axes.last() == Some(&(shape.len() - 1)) {
            line_axes = 1;
            // One more axis joins while it is the next one and those inside of it are one cell.
            while line_axes < axes.len() {
                let rank = axes.len() - line_axes;
                if axes[rank - 1] + 1 != axes[rank] || cells[rank].len() != 1 {
                    break;
                }
                line_axes += 1;
            }
        }
        Order {
            shape,
            axes: axes.to_vec(),
            cells,
            line_axes,
        }
    }

    /// The state of the output whose reduced indices are 0 in the array at `base`.
    pub fn fold<F: Fold>(&self, fold: &F, base: usize) -> F::State {
        self.cells_from(fold, base, &mut Vec::new())
    }

    /// Cells are merged axis by axis, the last axis first: it is the innermost level here.
    fn cells_from<F: Fold>(&self, fold: &F, base: usize, cell: &mut Vec<Range<usize>>) -> F::State {
        let rank = cell.len();
        if rank == self.axes.len() {
            return self.leaves(fold, base, cell);
        }
        let mut states = Vec::new();
        for range in &self.cells[rank] {
            cell.push(range.clone());
            states.push(self.cells_from(fold, base, cell));
            cell.pop();
        }
        tree(fold, states)
    }

    fn leaves<F: Fold>(&self, fold: &F, base: usize, cell: &[Range<usize>]) -> F::State {
        let lens: Vec<usize> = cell.iter().map(Range::len).collect();
        let size: usize = lens.iter().product();
        if size == 0 {
            return fold.identity();
        }
        // The axes of a line are one axis to those who cut.
        let mut cut_lens = lens.clone();
        let line = match self.line_axes {
            0 => size,
            n => {
                let line = cut_lens.split_off(lens.len() - n).iter().product();
                cut_lens.push(line);
                line
            }
        };
        // Whole trailing axes as long as they fit, then so many steps of the next one.
        let mut leaf = 1;
        let mut rest = cut_lens;
        while rest.len() > 1 && leaf * rest[rest.len() - 1] <= LEAF {
            leaf *= rest.pop().unwrap();
        }
        let length = rest.pop().unwrap_or(1) * leaf;
        let step = (LEAF / leaf).max(1) * leaf;
        let mut states = Vec::new();
        for block in 0..size / length {
            let mut start = block * length;
            let end = start + length;
            while start < end {
                let stop = (start + step).min(end);
                states.push(self.pieces(fold, base, cell, start..stop, line));
                start = stop;
            }
        }
        tree(fold, states)
    }

    fn pieces<F: Fold>(
        &self,
        fold: &F,
        base: usize,
        cell: &[Range<usize>],
        leaf: Range<usize>,
        line: usize,
    ) -> F::State {
        let most = if self.line_axes > 0 { RUN } else { ROWS };
        let mut states = Vec::new();
        let mut start = leaf.start;
        while start < leaf.end {
            // A run ends with its line.
            let line_end = if self.line_axes > 0 {
                (start / line + 1) * line
            } else {
                usize::MAX
            };
            let end = (start + most).min(line_end).min(leaf.end);
            let items: Vec<Item> = (start..end)
                .map(|place| self.item(base, cell, place))
                .collect();
            states.push(fold.piece(self.line_axes > 0, &items));
            start = end;
        }
        tree(fold, states)
    }

    /// The element at a C-order place of a cell.
    fn item(&self, base: usize, cell: &[Range<usize>], mut place: usize) -> Item {
        let mut item = Item {
            at: base,
            number: 0,
        };
        let mut below = 1;
        for (rank, &axis) in self.axes.iter().enumerate().rev() {
            let index = cell[rank].start + place % cell[rank].len();
            place /= cell[rank].len();
            let stride: usize = self.shape[axis + 1..].iter().product();
            item.at += index * stride;
            item.number += index * below;
            below *= self.shape[axis];
        }
        item
    }
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

/// Folds the items of a piece: in 16 lanes that are then merged pairwise, or one after the other.
pub fn in_lanes<S: Copy>(
    lanes: bool,
    items: &[Item],
    identity: S,
    step: impl Fn(S, Item) -> S,
    merge: impl Fn(S, S) -> S,
) -> S {
    if !lanes {
        return items
            .iter()
            .fold(identity, |state, &item| step(state, item));
    }
    let mut states = [identity; 16];
    for (i, &item) in items.iter().enumerate() {
        states[i % 16] = step(states[i % 16], item);
    }
    for half in [8, 4, 2, 1] {
        for j in 0..half {
            states[j] = merge(states[j], states[j + half]);
        }
    }
    states[0]
}
