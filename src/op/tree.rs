//! The order in which a reduction adds up: a pure function of shape, chunk grid and reduced axes.
//!
//! A reduction's *cells* are the chunks along the reduced axes, neighbours grouped while they are
//! small. A cell is cut into *leaves* of at most [`LEAF`] elements, and a leaf is folded in *pieces*.
//! Pieces merge within the leaf, leaves within the cell, cells axis by axis, last axis first; every
//! time in a binary tree aligned at powers of two. Whoever computes any part of it (a thread, a
//! task, a tile) computes complete subtrees, so that nothing but shape and chunks can change a bit.

use std::ops::Range;

use crate::base::chunks::{AxisChunks, Chunks};

/// Neighbouring chunks are grouped into a cell until it has so many elements.
const CELL: usize = 1 << 14;
/// A leaf has at most so many reduced elements.
pub const LEAF: usize = 1 << 16;
/// A piece of a line: elements that lie side by side along the last axis.
pub const RUN: usize = 2048;
/// A piece across rows: so many rows, each column folded in turn.
pub const ROWS: usize = 128;
/// Outputs that a task folds side by side.
pub const WIDTH: usize = 2048;
/// The buffer of a piece that must be whole before it is folded.
pub const PIECE_BYTES: usize = 128 << 10;

/// How the elements of a leaf are folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The last axis is reduced: pieces are runs of at most [`RUN`] elements. `from` is the first of
    /// the trailing reduced axes that form one line.
    Lines { from: usize },
    /// The last axis is kept: pieces are blocks of at most [`ROWS`] rows.
    Rows,
}

/// The tree of one reduction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tree {
    shape: Vec<usize>,
    /// Ascending.
    axes: Vec<usize>,
    /// For each reduced axis, its partition into cells.
    cells: Vec<AxisChunks>,
    mode: Mode,
}

impl Tree {
    pub fn new(chunks: &Chunks, axes: &[usize]) -> Tree {
        let shape = chunks.shape();
        let cells = group(chunks, axes);
        let ndim = shape.len();
        let mode = if ndim > 0 && axes.last() == Some(&(ndim - 1)) {
            // Trailing reduced axes form one line as long as a cell spans the inner ones whole.
            let mut from = ndim - 1;
            let mut rank = axes.len() - 1;
            while rank > 0 && axes[rank - 1] + 1 == from && cells[rank].count() == 1 {
                from -= 1;
                rank -= 1;
            }
            Mode::Lines { from }
        } else {
            Mode::Rows
        };
        Tree {
            shape,
            axes: axes.to_vec(),
            cells,
            mode,
        }
    }

    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    pub fn axes(&self) -> &[usize] {
        &self.axes
    }

    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The axes that stay.
    pub fn kept(&self) -> Vec<usize> {
        (0..self.shape.len())
            .filter(|axis| !self.axes.contains(axis))
            .collect()
    }

    /// The number of elements that each output is made of.
    pub fn count(&self) -> usize {
        self.axes.iter().map(|&axis| self.shape[axis]).product()
    }

    /// The number of cells along each reduced axis.
    pub fn cell_counts(&self) -> Vec<usize> {
        self.cells.iter().map(AxisChunks::count).collect()
    }

    /// The ranges along the reduced axes of the cell at `index`.
    pub fn cell(&self, index: &[usize]) -> Cell {
        let ranges: Vec<_> = self
            .cells
            .iter()
            .zip(index)
            .map(|(axis, &i)| axis.range(i))
            .collect();
        // The lengths that leaves are cut from: a line counts as one axis.
        let line_axes = match self.mode {
            Mode::Lines { from } => self.shape.len() - from,
            Mode::Rows => 1,
        };
        let line_axes = line_axes.min(ranges.len());
        let outer = ranges.len() - line_axes;
        let mut lens: Vec<usize> = ranges[..outer].iter().map(Range::len).collect();
        lens.push(ranges[outer..].iter().map(Range::len).product());
        let line = match self.mode {
            Mode::Lines { .. } => lens[lens.len() - 1],
            Mode::Rows => 1,
        };
        let mut inner = 1;
        let mut cut = lens.len() - 1;
        while cut > 0 && inner * lens[cut] <= LEAF {
            inner *= lens[cut];
            cut -= 1;
        }
        let step = (LEAF / inner.max(1)).clamp(1, lens[cut].max(1));
        let mut strides = vec![1; ranges.len()];
        for rank in (1..ranges.len()).rev() {
            strides[rank - 1] = strides[rank] * ranges[rank].len().max(1);
        }
        Cell {
            ranges,
            strides,
            line,
            inner,
            step,
            cut: lens[cut],
            outer: lens[..cut].iter().product(),
        }
    }
}

/// Chunks of the reduced axes grouped until a block has [`CELL`] elements, last axis first.
fn group(chunks: &Chunks, axes: &[usize]) -> Vec<AxisChunks> {
    let mut elements = chunks.largest_block().max(1);
    let mut cells: Vec<AxisChunks> = axes.iter().map(|&axis| chunks.0[axis].clone()).collect();
    for cell in cells.iter_mut().rev() {
        let factor = CELL.div_ceil(elements).min(cell.count());
        if factor > 1 {
            let sizes: Vec<usize> = (0..cell.count())
                .step_by(factor)
                .map(|first| {
                    cell.range((first + factor).min(cell.count()) - 1).end - cell.range(first).start
                })
                .collect();
            *cell = AxisChunks::from_sizes(&sizes);
            elements = elements.saturating_mul(factor);
        }
    }
    cells
}

/// One cell: its extent, and how it is cut into leaves and pieces. Positions in it are *flat*: the
/// C-order number of an element among the cell's reduced elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Along each reduced axis.
    pub ranges: Vec<Range<usize>>,
    /// The flat distance between neighbours along each reduced axis.
    pub strides: Vec<usize>,
    /// The elements of a line; 1 across rows.
    line: usize,
    /// Elements per step of the axis that is cut.
    inner: usize,
    /// Steps of that axis in a leaf.
    step: usize,
    /// Length of that axis.
    cut: usize,
    /// The number of indices of the axes before it.
    outer: usize,
}

impl Cell {
    pub fn size(&self) -> usize {
        self.outer * self.cut * self.inner
    }

    /// The number of leaves; a cell without elements has one, which is empty.
    pub fn leaves(&self) -> usize {
        if self.size() == 0 {
            1
        } else {
            self.outer * self.cut.div_ceil(self.step)
        }
    }

    /// The flat range of a leaf.
    pub fn leaf(&self, index: usize) -> Range<usize> {
        if self.size() == 0 {
            return 0..0;
        }
        let per_outer = self.cut.div_ceil(self.step);
        let (outer, part) = (index / per_outer, index % per_outer);
        let start = part * self.step;
        let end = (start + self.step).min(self.cut);
        let base = outer * self.cut * self.inner;
        base + start * self.inner..base + end * self.inner
    }

    /// The flat ranges of the pieces of a leaf, in order.
    pub fn pieces(
        &self,
        leaf: Range<usize>,
        mode: Mode,
    ) -> impl Iterator<Item = Range<usize>> + use<> {
        let (line, size) = match mode {
            Mode::Lines { .. } => (self.line.max(1), RUN),
            Mode::Rows => (usize::MAX, ROWS),
        };
        let mut at = leaf.start;
        // Runs start at the line's or the leaf's start, whichever is later.
        std::iter::from_fn(move || {
            if at >= leaf.end {
                return None;
            }
            let line_start = (at / line) * line;
            let origin = line_start.max(leaf.start);
            let end = (at + size - (at - origin) % size)
                .min(line_start.saturating_add(line))
                .min(leaf.end);
            let piece = at..end;
            at = end;
            Some(piece)
        })
    }
}

/// Merges items in a binary tree aligned at powers of two, as they come: like a binary counter,
/// where a carry is a merge. Holds as many states as the number of items has bits.
///
/// `S` are states; `merge(left, right)` leaves the result in `left`.
#[derive(Debug)]
pub struct Counter<S> {
    count: usize,
    stack: Vec<S>,
}

impl<S> Default for Counter<S> {
    fn default() -> Self {
        Counter {
            count: 0,
            stack: Vec::new(),
        }
    }
}

impl<S> Counter<S> {
    /// Adds the next item. States that a merge has emptied go to `spare`.
    pub fn push(&mut self, state: S, spare: &mut Vec<S>, mut merge: impl FnMut(&mut S, &S)) {
        self.stack.push(state);
        self.count += 1;
        for _ in 0..self.count.trailing_zeros() {
            self.merge_top(spare, &mut merge);
        }
    }

    /// The result, if there was an item; the counter is empty again.
    pub fn finish(&mut self, spare: &mut Vec<S>, mut merge: impl FnMut(&mut S, &S)) -> Option<S> {
        while self.stack.len() > 1 {
            self.merge_top(spare, &mut merge);
        }
        self.count = 0;
        self.stack.pop()
    }

    fn merge_top(&mut self, spare: &mut Vec<S>, merge: &mut impl FnMut(&mut S, &S)) {
        if let (Some(right), Some(left)) = (self.stack.pop(), self.stack.last_mut()) {
            merge(left, &right);
            spare.push(right);
        }
    }
}

/// How a reduction's tree is divided among tasks: each takes the complete subtree over an aligned
/// range of one *digit* for each position of the digits before it.
///
/// Digits are the cell number along each reduced axis, first axis first, then the leaf number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The digit that is divided.
    pub digit: usize,
    /// The length of a range: a power of two.
    pub span: usize,
}

impl Split {
    /// Everything in one task.
    pub fn none() -> Split {
        Split {
            digit: 0,
            span: usize::MAX,
        }
    }

    pub fn is_none(&self) -> bool {
        self.digit == 0 && self.span == usize::MAX
    }

    /// The parts that the tree falls into, in order.
    pub fn parts(&self, tree: &Tree) -> Vec<Part> {
        let counts = tree.cell_counts();
        if self.is_none() {
            return vec![Part {
                prefix: Vec::new(),
                range: 0..digit_count(tree, &counts, &[]),
            }];
        }
        let prefixes: usize = counts[..self.digit.min(counts.len())].iter().product();
        let mut parts = Vec::new();
        for number in 0..prefixes {
            let prefix =
                crate::base::chunks::unravel(number, &counts[..self.digit.min(counts.len())]);
            let count = digit_count(tree, &counts, &prefix);
            for start in (0..count).step_by(self.span) {
                parts.push(Part {
                    prefix: prefix.clone(),
                    range: start..(start + self.span).min(count),
                });
            }
        }
        parts
    }
}

/// How many positions the digit after `prefix` has.
fn digit_count(tree: &Tree, counts: &[usize], prefix: &[usize]) -> usize {
    if prefix.len() < counts.len() {
        counts[prefix.len()]
    } else {
        tree.cell(prefix).leaves()
    }
}

/// One subtree: fixed leading digits, and a range of the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub prefix: Vec<usize>,
    pub range: Range<usize>,
}

impl Part {
    /// Calls `leaf(cell, leaf number)` for every leaf in order, and `close(digit)` after the last
    /// position of each digit inside the part: the innermost digits close first, the divided one last.
    pub fn walk<E>(
        &self,
        tree: &Tree,
        leaf: &mut impl FnMut(&Cell, usize) -> Result<(), E>,
        close: &mut impl FnMut(usize) -> Result<(), E>,
    ) -> Result<(), E> {
        let counts = tree.cell_counts();
        let digits = counts.len();
        let first = self.prefix.len();
        if first == digits {
            let cell = tree.cell(&self.prefix);
            for number in self.range.clone() {
                leaf(&cell, number)?;
            }
            return close(digits);
        }
        // An odometer over the cells of the part; the last digit turns fastest.
        let mut index = self.prefix.clone();
        index.push(self.range.start);
        index.resize(digits, 0);
        loop {
            let cell = tree.cell(&index);
            for number in 0..cell.leaves() {
                leaf(&cell, number)?;
            }
            close(digits)?;
            let mut digit = digits - 1;
            loop {
                index[digit] += 1;
                let end = if digit == first {
                    self.range.end
                } else {
                    counts[digit]
                };
                if index[digit] < end {
                    break;
                }
                close(digit)?;
                if digit == first {
                    return Ok(());
                }
                index[digit] = 0;
                digit -= 1;
            }
        }
    }

    /// The ranges along the reduced axes that hold all elements of the part.
    pub fn hull(&self, tree: &Tree) -> Vec<Range<usize>> {
        let digits = tree.cells.len();
        (0..digits)
            .map(|rank| {
                let axis = &tree.cells[rank];
                match rank.cmp(&self.prefix.len()) {
                    std::cmp::Ordering::Less => axis.range(self.prefix[rank]),
                    std::cmp::Ordering::Equal => {
                        axis.range(self.range.start).start..axis.range(self.range.end - 1).end
                    }
                    std::cmp::Ordering::Greater => 0..axis.len(),
                }
            })
            .collect()
    }
}
