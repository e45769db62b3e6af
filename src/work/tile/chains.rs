//! Chains on tiles.

use super::{Bound, Call, Evaluator, OutPlace, TileShape};
use crate::base::aligned::AlignedBytes;
use crate::base::few::Few;
use crate::kernel::chain::{Crossed, Operand as ChainOperand, Opposite, RowLanes, TurnedLanes};
use crate::kernel::prefetch::{Asking, Prefetches};
use crate::op::program::{Arg, BLOCK_BYTES};
use crate::op::reducer::LANES;
use crate::work::chain::{Chain, Folded};
use crate::work::prepare::{Prepared, Step, StepArg};

/// The bytes between what is loaded and what is asked for where rows follow one another without gaps, or none does.
const AHEAD: isize = 4096;

/// The memory of the chains of a program.
pub struct ChainRoom {
    /// Blocks for what is stored and loaded again.
    scratch: AlignedBytes,
    operands: Vec<ChainOperand>,
}

impl ChainRoom {
    pub fn new(prepared: &Prepared) -> ChainRoom {
        let blocks = prepared.steps.iter().map(|step| match &step.call {
            Call::Chain(chain) => chain.scratch,
            _ => 0,
        });
        ChainRoom {
            scratch: AlignedBytes::new(blocks.max().unwrap_or(0) * BLOCK_BYTES),
            operands: Vec::new(),
        }
    }
}

impl<'a> Evaluator<'a> {
    /// # Safety
    /// As for [`run`](Evaluator::run), with all operands ready.
    pub(super) unsafe fn chain(
        &mut self,
        step: &Step,
        chain: &Chain,
        tile: TileShape,
        outs: &[OutPlace],
        lines: usize,
    ) {
        let places = chain.outs.iter().map(|&out| self.target(out, tile, outs));
        let places: Vec<(*mut u8, isize)> = places.collect();
        let columns = tile.columns as isize;
        let dense = places.iter().all(|&(_, stride)| stride == columns);
        let (rows, n) = if tile.rows == 1 || (dense && self.is_dense(&step.args, tile)) {
            (1, tile.rows * tile.columns)
        } else {
            (tile.rows, tile.columns)
        };
        let lines = (lines * step.share).div_ceil(Step::WHOLE);
        let parts = lines.div_ceil(Prefetches::AT_ONCE).div_ceil(rows).max(1);
        let most = n.div_ceil(parts).max(1).next_multiple_of(super::PART_UNIT);
        let lines = lines.div_ceil(parts * rows);
        for row in 0..rows {
            for start in (0..n).step_by(most) {
                self.prefetches.ask(lines);
                self.aim(&step.args, tile, row, start);
                self.add_scratch(chain.scratch);
                let operands = &mut self.chains.operands;
                operands.extend(places.iter().map(|&(first, stride)| {
                    let element = row as isize * stride + start as isize;
                    let first = first.wrapping_offset(element * step.out_size as isize);
                    ChainOperand::vector(first)
                }));
                // SAFETY: the caller's contract: each operand holds the row, a single one an element.
                unsafe { (chain.run)(&chain.links, &self.chains.operands, most.min(n - start)) };
            }
        }
    }

    /// Whether operands are scalars or lie row after row.
    fn is_dense(&self, args: &[StepArg], tile: TileShape) -> bool {
        args.iter()
            .all(|arg| arg.scalar || self.operand(arg, tile).row_stride == tile.columns as isize)
    }

    /// Makes the arguments of a chain, from an element of a row of the tile on, the only operands.
    fn aim(&mut self, args: &[StepArg], tile: TileShape, row: usize, start: usize) {
        let mut operands = std::mem::take(&mut self.chains.operands);
        operands.clear();
        operands.extend(args.iter().map(|arg| {
            let operand = self.operand(arg, tile);
            if arg.scalar {
                return ChainOperand::single(operand.first);
            }
            let element = row as isize * operand.row_stride + start as isize;
            let size = arg.size as isize;
            ChainOperand::vector(operand.first.wrapping_offset(element * size))
                .rows(operand.row_stride * size)
        }));
        self.chains.operands = operands;
    }

    fn add_scratch(&mut self, blocks: usize) {
        let first = self.chains.scratch.as_ptr();
        let blocks = (0..blocks).map(|block| first.wrapping_add(block * BLOCK_BYTES));
        let operands = &mut self.chains.operands;
        operands.extend(blocks.map(ChainOperand::scratch));
    }

    /// Whether all leaves lie in memory as rows along a dimension, so that a chain reads them there, whatever
    /// their number.
    pub fn reads_in_place(&self, column_dim: Option<usize>) -> bool {
        (0..self.binding.leaves.len()).all(|leaf| {
            self.lies_in_place(leaf, column_dim)
                || (self.prepared.scalar_leaves[leaf]
                    && matches!(self.binding.leaves[leaf], Bound::Place { .. }))
        })
    }

    /// Sums the runs of one row of the tile, for which [`run_before_fold`](Evaluator::run_before_fold) was
    /// called. The next one will be the next along a dimension.
    ///
    /// # Safety
    /// The row must have as many elements as the last of `ends`.
    pub unsafe fn sum_runs(
        &mut self,
        tile: TileShape,
        row: usize,
        next: Option<usize>,
        ends: &[usize],
        sums: &mut [f64],
    ) {
        let folded = self.prepared.folded.as_ref();
        let folded = folded.expect("only called if there is one");
        self.aim(&folded.args, tile, row, 0);
        if folded.has_functions {
            let n = ends.last().map_or(0, |&end| end as isize);
            self.ask_ahead(&folded.args, n, next);
        }
        self.add_scratch(folded.scratch);
        // SAFETY: the caller's contract.
        unsafe { (folded.sums.runs)(&folded.links, &self.chains.operands, ends, sums) };
    }

    /// Lets a chain ask for the row after one of `n` elements.
    fn ask_ahead(&mut self, args: &[StepArg], n: isize, next: Option<usize>) {
        for (operand, arg) in self.chains.operands.iter_mut().zip(args) {
            let Arg::Leaf(leaf) = arg.arg else {
                continue;
            };
            if let Bound::Place { linear, .. } = &self.binding.leaves[leaf as usize] {
                let stride = next.and_then(|dim| linear.terms[dim].stride());
                let apart = stride.filter(|&stride| stride != n);
                let bytes = apart.map_or(AHEAD, |stride| stride * arg.size as isize);
                *operand = operand.rows(bytes);
            }
        }
    }

    /// Adds the rows of the tile to sums, one per column; as above.
    ///
    /// # Safety
    /// All operands must have the rows, and there must be as many sums as columns.
    pub unsafe fn add_rows(&mut self, tile: TileShape, sums: &mut [f64]) {
        let folded = self.prepared.folded.as_ref();
        let folded = folded.expect("only called if there is one");
        assert!(sums.len() >= tile.columns);
        self.aim(&folded.args, tile, 0, 0);
        self.add_scratch(folded.scratch);
        let sums = sums.as_mut_ptr();
        // SAFETY: the caller's contract.
        unsafe {
            let operands = &self.chains.operands;
            (folded.sums.add_rows)(&folded.links, operands, tile.rows, tile.columns, sums);
        }
    }

    /// The same if all rows follow one another in all operands, with so many of them as one. What is left over
    /// goes to the first sums.
    ///
    /// # Safety
    /// As for `add_rows`; there must be as many sums as `lanes` rows have columns.
    pub unsafe fn add_dense_rows(&mut self, tile: TileShape, lanes: usize, sums: &mut [f64]) {
        let columns = tile.columns * lanes;
        let whole = TileShape {
            rows: tile.rows / lanes,
            columns,
            ..tile
        };
        let rest = tile.rows * tile.columns % columns;
        let folded = self.prepared.folded.as_ref();
        let folded = folded.expect("only called if there is one");
        assert!(sums.len() >= columns);
        // SAFETY: the caller's contract; these are all elements of the tile.
        unsafe {
            for (start, rows, n) in [(0, whole.rows, columns), (whole.rows * columns, 1, rest)] {
                self.aim(&folded.args, tile, 0, start);
                for (operand, arg) in self.chains.operands.iter_mut().zip(&folded.args) {
                    if !arg.scalar {
                        *operand = operand.rows((columns * arg.size) as isize);
                    }
                }
                self.add_scratch(folded.scratch);
                let operands = &self.chains.operands;
                (folded.sums.add_rows)(&folded.links, operands, rows, n, sums.as_mut_ptr());
            }
        }
    }

    /// Whether every leaf is rows that follow one another without gaps, or the same row again and again, and the
    /// fold needs nothing else: then any number of rows can be folded at once.
    pub fn has_wide_rows(&self, row_dim: Option<usize>, column_dim: Option<usize>) -> bool {
        let (Some(row), Some(column)) = (row_dim, column_dim) else {
            return false;
        };
        let columns = self.binding.dims[column].len as isize;
        let wide = |leaf: &Bound| match leaf {
            Bound::Place { linear, .. } => {
                let strides = [row, column].map(|dim| linear.terms[dim].stride());
                strides == [Some(columns), Some(1)] || strides[0] == Some(0)
            }
            _ => false,
        };
        let folded = self.prepared.folded.as_ref();
        folded.is_some_and(|folded| folded.before == 0) && self.binding.leaves.iter().all(wide)
    }

    /// Adds `rows` whole rows from `index` on to the sums of as many lanes.
    ///
    /// # Safety
    /// The rows must lie within the bound region and be [wide](Evaluator::has_wide_rows); there must be as
    /// many sums as `lanes` rows have columns.
    pub unsafe fn add_wide_rows(
        &mut self,
        index: &[usize],
        tile: TileShape,
        lanes: usize,
        sums: &mut [f64],
    ) {
        let TileShape { rows, columns, .. } = tile;
        // SAFETY: the caller's promise.
        let (folded, few) = unsafe { self.ready_wide(index, tile, lanes) };
        let wide = lanes * columns;
        assert!(sums.len() >= wide);
        for (first, rows, n) in [
            (0, rows / lanes, wide),
            (rows / lanes, 1, rows % lanes * columns),
        ] {
            self.aim(&folded.args, few, 0, 0);
            for (number, arg) in folded.args.iter().enumerate() {
                let bytes = self.bytes_of_wide(arg, tile, wide);
                let operand = &mut self.chains.operands[number];
                *operand = operand.advanced(first * bytes).rows(bytes as isize);
            }
            self.add_scratch(folded.scratch);
            let operands = &self.chains.operands;
            // SAFETY: these are all elements of the rows.
            unsafe { (folded.sums.add_rows)(&folded.links, operands, rows, n, sums.as_mut_ptr()) };
        }
    }

    /// Sums each column of several pieces of as many whole rows as the tile has, from `index` on, in lanes, and gives
    /// `keep` the number of each piece and its sums.
    ///
    /// # Safety
    /// The rows must lie within the bound region and be [wide](Evaluator::has_wide_rows), and there be as many in
    /// each piece as fill whole lanes.
    pub unsafe fn add_wide_pieces(
        &mut self,
        index: &[usize],
        tile: TileShape,
        lanes: usize,
        pieces: usize,
        mut keep: impl FnMut(usize, &[f64]),
    ) {
        let TileShape { rows, columns, .. } = tile;
        // SAFETY: the caller's promise.
        let (folded, few) = unsafe { self.ready_wide(index, tile, lanes) };
        let wide = lanes * columns;
        let mut room = [0.0; LANES * LANES];
        let sums = &mut room[..wide];
        self.aim(&folded.args, few, 0, 0);
        let bytes: Few<usize, 4> = folded
            .args
            .iter()
            .map(|arg| self.bytes_of_wide(arg, tile, wide))
            .collect();
        for (operand, &bytes) in self.chains.operands.iter_mut().zip(&bytes) {
            *operand = operand.rows(bytes as isize);
        }
        self.add_scratch(folded.scratch);
        let whole = rows / lanes;
        for piece in 0..pieces {
            // What changes nothing when added.
            sums.fill(-0.0);
            let operands = &self.chains.operands;
            // SAFETY: these are all elements of the rows of the piece.
            unsafe {
                let to = sums.as_mut_ptr();
                (folded.sums.add_rows)(&folded.links, operands, whole, wide, to);
            }
            let mut half = lanes / 2;
            while half > 0 {
                let (left, right) = sums.split_at_mut(half * columns);
                for (left, right) in left.iter_mut().zip(right) {
                    *left += *right;
                }
                half /= 2;
            }
            keep(piece, &sums[..columns]);
            for (operand, bytes) in self.chains.operands.iter_mut().zip(&bytes) {
                *operand = operand.advanced(whole * bytes);
            }
        }
    }

    /// Makes as many of the tile's rows ready as there are lanes, and gives the fold and these.
    ///
    /// # Safety
    /// The rows must lie within the bound region.
    unsafe fn ready_wide(
        &mut self,
        index: &[usize],
        tile: TileShape,
        lanes: usize,
    ) -> (&'a Folded, TileShape) {
        let few = TileShape {
            rows: tile.rows.min(lanes),
            ..tile
        };
        // SAFETY: a tile of few rows.
        unsafe { self.run_before_fold(index, few) };
        let folded = self.prepared.folded.as_ref();
        (folded.expect("only called if there is one"), few)
    }

    /// The bytes from a row of lanes to the next in an operand of wide rows.
    fn bytes_of_wide(&self, arg: &StepArg, tile: TileShape, wide: usize) -> usize {
        let advances = match arg.arg {
            Arg::Leaf(leaf) => match &self.binding.leaves[leaf as usize] {
                Bound::Place { linear, .. } => tile
                    .row_dim
                    .is_some_and(|dim| linear.terms[dim].stride() != Some(0)),
                _ => false,
            },
            _ => false,
        };
        if advances { wide * arg.size } else { 0 }
    }

    /// Whether the rows of the tile, for which [`run_before_fold`](Evaluator::run_before_fold) was called,
    /// follow one another in all operands of the fold.
    pub fn folds_dense_rows(&self, tile: TileShape) -> bool {
        let folded = self.prepared.folded.as_ref();
        folded.is_some_and(|folded| self.is_dense(&folded.args, tile))
    }

    /// Whether [`add_crossed`](Evaluator::add_crossed) can add up rows: the fold needs nothing else, and all leaves
    /// lie as rows or as columns.
    pub fn adds_crossed(&self, row_dim: Option<usize>, column_dim: Option<usize>) -> bool {
        let folded = self.prepared.folded.as_ref();
        let lies = |leaf: &Bound| match (leaf, row_dim, column_dim) {
            (Bound::Place { linear, .. }, Some(row), Some(column)) => {
                let strides = [row, column].map(|dim| linear.terms[dim].stride());
                matches!(strides, [Some(_), Some(1)] | [Some(1), Some(_)])
            }
            _ => false,
        };
        let scalar = |leaf: &Bound| matches!(leaf, Bound::Place { .. });
        let mut leaves = self.binding.leaves.iter().zip(&self.prepared.scalar_leaves);
        folded.is_some_and(|folded| folded.before == 0 && !folded.has_functions)
            && leaves.all(|(leaf, &is_scalar)| (is_scalar && scalar(leaf)) || lies(leaf))
    }

    /// Whether [`add_crossed`](Evaluator::add_crossed) can add up rows, all leaves lie as rows, and of some the rows are
    /// the same.
    pub fn shares_along(&self, row_dim: Option<usize>, column_dim: Option<usize>) -> bool {
        let (Some(row), Some(column)) = (row_dim, column_dim) else {
            return false;
        };
        let mut strides = self
            .binding
            .leaves
            .iter()
            .zip(&self.prepared.scalar_leaves)
            .filter(|(_, is_scalar)| !**is_scalar)
            .filter_map(|(leaf, _)| match leaf {
                Bound::Place { linear, .. } => {
                    Some([row, column].map(|dim| linear.terms[dim].stride()))
                }
                _ => None,
            });
        self.adds_crossed(row_dim, column_dim)
            && strides.clone().all(|[_, along]| along == Some(1))
            && strides.any(|[across, _]| across == Some(0))
    }

    /// Adds the tile's columns to the lanes of its rows, from where the leaves lie.
    ///
    /// # Safety
    /// The tile must lie within the bound region, [`adds_crossed`](Evaluator::adds_crossed) have said yes, and there
    /// be lanes for each row.
    pub unsafe fn add_crossed(
        &mut self,
        index: &[usize],
        tile: TileShape,
        asking: Asking<'_>,
        lanes: &mut [RowLanes],
    ) {
        self.aim_crossed(index, tile);
        let folded = self.prepared.folded.as_ref();
        let folded = folded.expect("only called if there is one");
        let mut part = self.crossed(tile, lanes);
        // SAFETY: the caller's contract.
        unsafe { (folded.sums.crossed)(&folded.links, &mut part, None, asking) };
    }

    /// The same for tiles of one job's evaluators, each of which was [aimed](Evaluator::aim_crossed) at its own: the second
    /// has rows where the first has columns.
    ///
    /// # Safety
    /// As for [`add_crossed`](Evaluator::add_crossed), for each of them.
    pub unsafe fn add_crossed_parts(
        &self,
        part: &mut Crossed<'_>,
        opposite: Option<&mut Opposite<'_>>,
        asking: Asking<'_>,
    ) {
        let folded = self.prepared.folded.as_ref();
        let folded = folded.expect("only called if there is one");
        if let Some(opposite) = &opposite {
            assert!(opposite.shape == [part.n, part.lanes.len()]);
            let rooms = opposite.lanes.each_ref().map(|lanes| lanes.len() * 8);
            assert!(rooms.iter().all(|&room| part.n <= room));
        }
        // SAFETY: the caller's contract.
        unsafe { (folded.sums.crossed)(&folded.links, part, opposite, asking) };
    }

    /// The tile that this was aimed at.
    pub fn crossed<'b>(&'b self, tile: TileShape, lanes: &'b mut [RowLanes]) -> Crossed<'b> {
        assert!(tile.rows == lanes.len());
        Crossed {
            operands: &self.chains.operands,
            n: tile.columns,
            lanes,
        }
    }

    /// As the part opposite of another one, the tile that this was aimed at.
    pub fn opposite<'b>(
        &'b self,
        tile: TileShape,
        lanes: [&'b mut [TurnedLanes]; 2],
    ) -> Opposite<'b> {
        Opposite {
            operands: &self.chains.operands,
            shape: [tile.rows, tile.columns],
            lanes,
        }
    }

    /// Finds the operands of a tile whose sums are to be taken from where the leaves lie.
    pub fn aim_crossed(&mut self, index: &[usize], tile: TileShape) {
        let folded = self.prepared.folded.as_ref();
        let folded = folded.expect("only called if there is one");
        let mut operands = std::mem::take(&mut self.chains.operands);
        operands.clear();
        operands.extend(folded.args.iter().map(|arg| {
            let Arg::Leaf(leaf) = arg.arg else {
                return ChainOperand::single(self.operand(arg, tile).first);
            };
            let Bound::Place { first, linear, .. } = &self.binding.leaves[leaf as usize] else {
                unreachable!("all leaves lie in memory")
            };
            let terms = linear.terms.iter().zip(index);
            let at = linear.base + terms.map(|(term, &i)| term.at(i)).sum::<isize>();
            let first = first.wrapping_offset(at * arg.size as isize);
            if arg.scalar {
                return ChainOperand::single(first);
            }
            let bytes = |dim: Option<usize>| {
                let stride = dim.and_then(|dim| linear.terms[dim].stride());
                stride.unwrap_or(0) * arg.size as isize
            };
            ChainOperand::vector(first)
                .rows(bytes(tile.row_dim))
                .columns(bytes(tile.column_dim))
        }));
        self.chains.operands = operands;
        self.add_scratch(folded.scratch);
    }
}
