//! The order in which a reduction adds up: a pure function of shape, chunk grid and reduced axes.
//!
//! Where the last axis is reduced, the trailing reduced axes make a *line*, which is cut into *runs*
//! of at most [`RUN`] elements, from the start of every chunk. A run is folded by itself, in 16 lanes.
//! Each column of runs is then reduced across the *rows*, that is along the other reduced axes, and in
//! the end the columns are merged along the line. Where the last axis stays, every output is such a
//! column, of single elements.
//!
//! Along the other reduced axes the *cells* are the chunks, neighbours grouped while they are small. A
//! cell is cut into *leaves* of some rows, and a leaf into *pieces*: single rows of runs, or
//! [`ROWS`] rows of elements. Pieces merge within the leaf, leaves within the cell, cells axis by axis,
//! last axis first; every time in a binary tree aligned at powers of two. Whoever computes any part of
//! it (a thread, a task, a tile) computes complete subtrees, so that nothing but shape and chunks can
//! change a bit.

use std::convert::Infallible;
use std::ops::Range;
use std::sync::Arc;

use crate::base::chunks::{AxisChunks, Chunks, unravel};
use crate::base::few::{Few, few};
use crate::op::reducer::LANES;

/// Neighbouring chunks are grouped into a cell until it has so many elements.
const CELL: usize = 1 << 14;
/// A run: elements that lie side by side along the last axis.
pub const RUN: usize = 256;
/// A leaf across rows of runs has at most so many elements of each column of runs.
const RUN_LEAF: usize = 1 << 15;
/// A leaf across rows of elements has at most so many rows.
pub const LEAF: usize = 1 << 16;
/// A piece across rows of elements: so many rows, each column folded in turn.
pub const ROWS: usize = 128;
/// Rows of fewer kept elements side by side are narrow: they are dealt out to [`LANES`] lanes.
const NARROW: usize = 16;
/// So many runs of a line, a power of two, are reduced across rows side by side.
pub const STRIP: usize = 1024;
/// So many rows of runs are folded and merged before the others hear of them, a power of two, ...
pub const BATCH: usize = 32;
/// ... as long as a row has no more states than this: others make enough work by themselves.
pub const BATCH_STATES: usize = 128;
/// Outputs that a task folds side by side.
pub const WIDTH: usize = 2048;

/// What lies side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The last axis is reduced: runs of a line. `from` is the first of the axes of the line.
    Lines { from: usize },
    /// The last axis is kept: one column for each output.
    Rows,
}

/// The tree of one reduction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tree {
    shape: Few<usize>,
    /// Ascending.
    axes: Few<usize>,
    /// For each reduced axis that is no part of the line, its partition into cells.
    cells: Few<AxisChunks>,
    runs: Runs,
    mode: Mode,
    lanes: usize,
    /// The axes that stay.
    kept: Few<usize>,
}

impl Tree {
    pub fn new(chunks: &Chunks, axes: &[usize]) -> Tree {
        let shape = chunks.lens();
        let ndim = shape.len();
        let lines = ndim > 0 && axes.last() == Some(&(ndim - 1));
        let mut cells = group(chunks, axes, lines);
        let mut runs = Runs::one();
        let mut mode = Mode::Rows;
        if lines {
            // Trailing reduced axes form one line as long as a cell spans the inner ones whole.
            let (mut from, mut rank) = (ndim - 1, axes.len() - 1);
            while rank > 0 && axes[rank - 1] + 1 == from && cells[rank].count() == 1 {
                from -= 1;
                rank -= 1;
            }
            let inner = shape[from + 1..].iter().product();
            runs = Runs::new(&cells[rank], inner);
            cells.truncate(rank);
            mode = Mode::Lines { from };
        }
        let last_reduced = axes.last().map_or(0, |&axis| axis + 1);
        let kept: usize = shape[last_reduced..].iter().product();
        Tree {
            lanes: if lines || kept >= NARROW { 1 } else { LANES },
            kept: few((0..ndim).filter(|axis| !axes.contains(axis))),
            shape,
            axes: Few::from_slice(axes),
            cells,
            runs,
            mode,
        }
    }

    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    pub fn axes(&self) -> &[usize] {
        &self.axes
    }

    /// The reduced axes that are no part of the line.
    pub fn outer_axes(&self) -> &[usize] {
        &self.axes[..self.cells.len()]
    }

    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The runs of a line; in rows a single one, of one element.
    pub fn runs(&self) -> &Runs {
        &self.runs
    }

    /// Across rows: row `r` of a piece goes to lane `r % lanes`, and the lanes are merged as those of a
    /// run. One unless rows are narrow.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// How many usual tiles make one: the work around a tile of narrow rows is large.
    pub fn tiles(&self) -> usize {
        if self.lanes > 1 { 2 } else { 1 }
    }

    /// The most rows of a piece.
    pub fn piece(&self) -> usize {
        match self.mode {
            Mode::Lines { .. } => 1,
            Mode::Rows => ROWS * self.lanes,
        }
    }

    /// The axes that stay.
    pub fn kept(&self) -> &[usize] {
        &self.kept
    }

    /// The number of elements that each output is made of.
    pub fn count(&self) -> usize {
        self.axes.iter().map(|&axis| self.shape[axis]).product()
    }

    /// The number of cells along each outer axis.
    pub fn cell_counts(&self) -> Few<usize> {
        few(self.cells.iter().map(AxisChunks::count))
    }

    /// The rows of the cell at `index`.
    pub fn cell(&self, index: &[usize]) -> Cell {
        if self.cells.is_empty() {
            return Cell::one_row();
        }
        let ranges: Few<_> = self
            .cells
            .iter()
            .zip(index)
            .map(|(axis, &i)| axis.range(i))
            .collect();
        let most = match self.mode {
            Mode::Lines { .. } => (RUN_LEAF / self.runs.largest().max(1)).max(1),
            Mode::Rows => LEAF,
        };
        let mut inner = 1;
        let mut cut = ranges.len();
        while cut > 1 && inner * ranges[cut - 1].len() <= most {
            inner *= ranges[cut - 1].len();
            cut -= 1;
        }
        let (cut, outer) = match cut.checked_sub(1) {
            Some(axis) => {
                let before = ranges[..axis].iter().map(Range::len);
                (ranges[axis].len(), before.product())
            }
            None => (1, 1),
        };
        let mut strides = Few::from_elem(1, ranges.len());
        for rank in (1..ranges.len()).rev() {
            strides[rank - 1] = strides[rank] * ranges[rank].len().max(1);
        }
        Cell {
            ranges,
            strides,
            inner,
            step: (most / inner.max(1)).clamp(1, cut.max(1)),
            cut,
            outer,
        }
    }
}

/// Chunks of the reduced axes grouped until a block has [`CELL`] elements, last axis first. A line is
/// not grouped beyond a run.
fn group(chunks: &Chunks, axes: &[usize], lines: bool) -> Few<AxisChunks> {
    let mut elements = chunks.largest_block().max(1);
    let mut cells: Few<AxisChunks> = few(axes.iter().map(|&axis| chunks.0[axis].clone()));
    for (rank, cell) in cells.iter_mut().enumerate().rev() {
        let mut factor = CELL.div_ceil(elements).min(cell.count());
        if lines && rank == axes.len() - 1 {
            factor = factor.min(RUN / cell.largest().max(1));
        }
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

/// The partition of a line into runs: every chunk is cut at multiples of [`RUN`] from its start.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Runs {
    chunks: AxisChunks,
    /// Elements per step of the line's first axis.
    inner: usize,
    /// Runs of the chunks before each one, where chunks are of many sizes.
    before: Option<Arc<[usize]>>,
}

impl Runs {
    fn new(chunks: &AxisChunks, inner: usize) -> Runs {
        let before = match chunks {
            AxisChunks::Regular { .. } => None,
            AxisChunks::Ends(_) => {
                let runs =
                    (0..chunks.count()).map(|i| (chunks.range(i).len() * inner).div_ceil(RUN));
                let sums = runs.scan(0, |sum, runs| Some(std::mem::replace(sum, *sum + runs)));
                Some(sums.collect())
            }
        };
        Runs {
            chunks: chunks.clone(),
            inner,
            before,
        }
    }

    /// One run of one element.
    fn one() -> Runs {
        Runs::new(&AxisChunks::whole(1), 1)
    }

    /// The elements of the line.
    pub fn len(&self) -> usize {
        self.chunks.len() * self.inner
    }

    /// The elements per step of the line's first axis.
    pub fn inner(&self) -> usize {
        self.inner
    }

    /// The runs of the chunk number `chunk` and of those before it.
    fn through(&self, chunk: usize) -> usize {
        self.first(chunk) + (self.chunks.range(chunk).len() * self.inner).div_ceil(RUN)
    }

    /// The first run of a chunk.
    fn first(&self, chunk: usize) -> usize {
        match &self.before {
            Some(before) => before[chunk],
            None => chunk * self.per_chunk(),
        }
    }

    /// The runs of a chunk of the usual size.
    pub fn per_chunk(&self) -> usize {
        (self.chunks.largest() * self.inner).div_ceil(RUN).max(1)
    }

    /// The number of runs; a line without elements has one, which is empty.
    pub fn count(&self) -> usize {
        self.through(self.chunks.count() - 1).max(1)
    }

    /// The elements of the longest run.
    pub fn largest(&self) -> usize {
        (self.chunks.largest() * self.inner).min(RUN)
    }

    /// The elements of a run.
    pub fn range(&self, run: usize) -> Range<usize> {
        let chunk = self.chunk_of(run);
        let chunk_range = self.chunks.range(chunk);
        let start = chunk_range.start * self.inner + (run - self.first(chunk)) * RUN;
        start..(start + RUN).min(chunk_range.end * self.inner)
    }

    /// The chunk that a run lies in.
    fn chunk_of(&self, run: usize) -> usize {
        match &self.before {
            Some(before) => before.partition_point(|&first| first <= run) - 1,
            None => run / self.per_chunk(),
        }
    }

    /// Where each of some neighbouring runs ends, counted from where the first of them begins.
    pub fn ends(&self, runs: Range<usize>, ends: &mut Few<usize>) {
        let first = self.range(runs.start).start;
        let (mut run, mut start) = (runs.start, 0);
        ends.clear();
        ends.resize(runs.len(), 0);
        let mut left = &mut ends[..];
        // Chunk by chunk: divisions for each run would take a tenth of the time of their sums.
        while !left.is_empty() {
            let chunk_end = self.chunks.range(self.chunk_of(run)).end * self.inner - first;
            // A line without elements has a run.
            let count = (chunk_end - start).div_ceil(RUN).clamp(1, left.len());
            let (of_chunk, of_others) = left.split_at_mut(count);
            for (i, end) in of_chunk.iter_mut().enumerate() {
                *end = start + (i + 1) * RUN;
            }
            let end = &mut of_chunk[count - 1];
            *end = (*end).min(chunk_end);
            start = *end;
            run += count;
            left = of_others;
        }
    }

    /// The elements of neighbouring runs.
    pub fn span(&self, runs: &Range<usize>) -> Range<usize> {
        let first = self.range(runs.start);
        match runs.len() {
            1 => first,
            _ => first.start..self.range(runs.end - 1).end,
        }
    }
}

/// One cell: its extent along the outer axes, and how it is cut into leaves and pieces. Rows are
/// *flat*: the C-order number of a row in the cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Along each outer axis.
    pub ranges: Few<Range<usize>>,
    /// The flat distance between neighbours along each outer axis.
    pub strides: Few<usize>,
    /// Rows per step of the axis that is cut.
    inner: usize,
    /// Steps of that axis in a leaf.
    step: usize,
    /// Length of that axis.
    cut: usize,
    /// The number of indices of the axes before it.
    outer: usize,
}

impl Cell {
    /// Without outer axes there is a single row.
    fn one_row() -> Cell {
        Cell {
            ranges: Few::new(),
            strides: Few::new(),
            inner: 1,
            step: 1,
            cut: 1,
            outer: 1,
        }
    }

    /// The number of rows.
    pub fn size(&self) -> usize {
        self.outer * self.cut * self.inner
    }

    /// The number of leaves; a cell without rows has one, which is empty.
    pub fn leaves(&self) -> usize {
        if self.size() == 0 {
            1
        } else {
            self.outer * self.cut.div_ceil(self.step)
        }
    }

    /// The rows of a leaf.
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
}

/// Merges items in a binary tree aligned at powers of two, as they come: like a binary counter,
/// where a carry is a merge. Holds as many states as the number of items has bits.
///
/// `S` are states; `merge(left, right)` leaves the result in `left`.
#[derive(Debug)]
pub struct Counter<S> {
    count: usize,
    stack: Spare<S>,
}

/// States that wait for their next use.
pub type Spare<S> = Few<S, 2>;

impl<S> Default for Counter<S> {
    fn default() -> Self {
        Counter {
            count: 0,
            stack: Spare::new(),
        }
    }
}

impl<S> Counter<S> {
    /// Adds the next item. States that a merge has emptied go to `spare`.
    pub fn push(&mut self, state: S, spare: &mut Spare<S>, merge: impl FnMut(&mut S, &mut S)) {
        self.push_many(state, 1, spare, merge);
    }

    /// Adds what the next `items` items make, which are a power of two, after a multiple of it.
    pub fn push_many(
        &mut self,
        state: S,
        items: usize,
        spare: &mut Spare<S>,
        mut merge: impl FnMut(&mut S, &mut S),
    ) {
        debug_assert!(items.is_power_of_two() && self.count.is_multiple_of(items));
        self.stack.push(state);
        self.count += items;
        for _ in items.trailing_zeros()..self.count.trailing_zeros() {
            self.merge_top(spare, &mut merge);
        }
    }

    /// The result, if there was an item; the counter is empty again.
    pub fn finish(
        &mut self,
        spare: &mut Spare<S>,
        mut merge: impl FnMut(&mut S, &mut S),
    ) -> Option<S> {
        while self.stack.len() > 1 {
            self.merge_top(spare, &mut merge);
        }
        self.count = 0;
        self.stack.pop()
    }

    fn merge_top(&mut self, spare: &mut Spare<S>, merge: &mut impl FnMut(&mut S, &mut S)) {
        if let (Some(mut right), Some(left)) = (self.stack.pop(), self.stack.last_mut()) {
            merge(left, &mut right);
            spare.push(right);
        }
    }
}

/// How a reduction's tree is divided among tasks: by ranges of runs, and, for each of these, by ranges
/// of one *digit* for each position of the digits before it.
///
/// Digits are the cell number along each outer axis, first axis first, then the leaf number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The number of runs in a range: a power of two, unless the rows of all ranges are divided.
    pub runs: usize,
    /// The digit that is divided.
    pub digit: usize,
    /// The length of a range: a power of two.
    pub span: usize,
}

impl Split {
    /// Everything in one task.
    pub fn none() -> Split {
        Split {
            runs: usize::MAX,
            digit: 0,
            span: usize::MAX,
        }
    }

    /// How many parts each range of runs falls into.
    pub fn parts_of_rows(&self, tree: &Tree) -> usize {
        let one = Split {
            runs: usize::MAX,
            ..self.clone()
        };
        one.parts(tree).len()
    }

    /// The parts that the tree falls into, in order.
    pub fn parts(&self, tree: &Tree) -> Few<Part, 1> {
        let counts = tree.cell_counts();
        let digit = self.digit.min(counts.len());
        let prefixes: usize = counts[..digit].iter().product();
        // Digits before the divided one may have a single value, which is then all that there is.
        let single = counts[..digit].iter().all(|&count| count == 1);
        let runs = tree.runs().count();
        let mut parts = Few::new();
        for first in (0..runs).step_by(self.runs) {
            let runs = first..first.saturating_add(self.runs).min(runs);
            for number in 0..prefixes {
                let prefix = unravel(number, &counts[..digit]);
                let count = digit_count(tree, &counts, &prefix);
                for start in (0..count).step_by(self.span) {
                    let range = start..start.saturating_add(self.span).min(count);
                    parts.push(Part {
                        runs: runs.clone(),
                        prefix: prefix.clone(),
                        all_rows: single && range == (0..count),
                        range,
                    });
                }
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

/// A leaf of a tree with a single outer axis.
#[derive(Clone, Debug)]
pub struct Leaf {
    pub cell: Cell,
    /// In the cell.
    pub number: usize,
    /// Its range of the axis.
    pub rows: Range<usize>,
}

impl Leaf {
    pub fn is_last_of_cell(&self) -> bool {
        self.number + 1 == self.cell.leaves()
    }
}

/// A range of runs, and for these one subtree across rows: fixed leading digits, and a range of the
/// next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub runs: Range<usize>,
    pub prefix: Few<usize>,
    pub range: Range<usize>,
    /// Whether the part has all rows: then its runs can be merged.
    pub all_rows: bool,
}

impl Part {
    /// How many states the part has for each output: one per run, unless they are merged.
    pub fn states(&self) -> usize {
        if self.all_rows { 1 } else { self.runs.len() }
    }

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
        index.extend((first + 1..digits).map(|_| 0));
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

    /// The leaves of the part, of a tree with a single outer axis.
    pub fn leaves(&self, tree: &Tree) -> Vec<Leaf> {
        let mut leaves = Vec::new();
        let mut add = |cell: &Cell, number: usize| {
            let (start, rows) = (cell.ranges[0].start, cell.leaf(number));
            leaves.push(Leaf {
                cell: cell.clone(),
                number,
                rows: start + rows.start..start + rows.end,
            });
            Ok::<(), Infallible>(())
        };
        let Ok(()) = self.walk(tree, &mut add, &mut |_| Ok(()));
        leaves
    }

    /// The ranges along the reduced axes that hold all elements of the part, axis by axis.
    pub fn hull(&self, tree: &Tree) -> impl Iterator<Item = Range<usize>> {
        let across = tree.cells.iter().enumerate();
        let across = across.map(|(rank, axis)| match rank.cmp(&self.prefix.len()) {
            std::cmp::Ordering::Less => axis.range(self.prefix[rank]),
            std::cmp::Ordering::Equal => {
                axis.range(self.range.start).start..axis.range(self.range.end - 1).end
            }
            std::cmp::Ordering::Greater => 0..axis.len(),
        });
        let (first, others) = match tree.mode {
            Mode::Lines { from } => {
                let span = tree.runs.span(&self.runs);
                let inner = tree.runs.inner.max(1);
                let first = span.start / inner..span.end.div_ceil(inner);
                (Some(first), &tree.shape[from + 1..])
            }
            Mode::Rows => (None, &[][..]),
        };
        across.chain(first).chain(others.iter().map(|&len| 0..len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_end_where_their_ranges_do() {
        let regular = |len, size| AxisChunks::Regular { len, size };
        let many = AxisChunks::Ends([600, 601, 601, 1900].into());
        let chunks = [regular(0, 1), regular(1000, 1000), regular(1000, 300), many];
        for chunks in chunks {
            for inner in [1, 3, 256] {
                let runs = Runs::new(&chunks, inner);
                for first in 0..runs.count() {
                    let some = first..runs.count();
                    let start = runs.range(first).start;
                    let ends: Vec<_> = some
                        .clone()
                        .map(|run| runs.range(run).end - start)
                        .collect();
                    // What was there before is gone.
                    let mut got = Few::from_slice(&[1; 7]);
                    runs.ends(some, &mut got);
                    assert_eq!(got[..], ends, "{runs:?} from {first}");
                }
            }
        }
    }
}
