//! Runs a prepared program on one tile: a few rows of a task's region.

mod chains;

use super::bind::{Binding, Bound, Linear, Term};
use super::generate;
use super::prepare::{Call, Prepared, Step, StepArg, Target};
use crate::base::aligned::AlignedBytes;
use crate::base::dtype::DType;
use crate::graph::env::Env;
use crate::graph::stage::Fused;
use crate::kernel::copy::{copy_2d, fill};
use crate::kernel::prefetch::Prefetches;
use crate::op::generate::Generate;
use crate::op::program::Arg;
use chains::ChainRoom;

/// Where the elements of an operand lie for the tile at hand.
#[derive(Clone, Copy)]
pub struct Operand {
    pub first: *const u8,
    /// In elements; 0 for a scalar.
    pub row_stride: isize,
}

/// A place that a tile's output goes to.
#[derive(Clone, Copy)]
pub struct OutPlace {
    pub first: *mut u8,
    /// In elements.
    pub row_stride: isize,
    pub column_stride: isize,
}

/// A tile of a task's region.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TileShape {
    /// The dimensions that rows and columns run along, if there are any.
    pub row_dim: Option<usize>,
    pub column_dim: Option<usize>,
    pub rows: usize,
    pub columns: usize,
}

/// A program bound to the region of one task, with its scratch.
pub struct Evaluator<'a> {
    pub binding: Binding,
    pub prepared: &'a Prepared,
    env: &'a Env,
    slots: AlignedBytes,
    slot_bytes: usize,
    /// The most elements of a tile.
    pub tile: usize,
    sizes: Vec<usize>,
    dtypes: Vec<DType>,
    operands: Vec<Operand>,
    /// For leaves that are copied or made: the tile that is in their slot.
    cached: Vec<Option<(isize, TileShape)>>,
    prefetches: Prefetches,
    chains: ChainRoom,
    /// Tiles are larger than slots: all leaves are read in place.
    pub in_place: bool,
}

/// Parts of a tile are multiples of so many elements: what a kernel computes side by side.
const PART_UNIT: usize = 64;

impl<'a> Evaluator<'a> {
    pub fn new(
        binding: Binding,
        prepared: &'a Prepared,
        fused: &Fused,
        env: &'a Env,
        tile: usize,
    ) -> Evaluator<'a> {
        // No tile is larger than the whole region.
        let room = tile.min(binding.elements());
        let slot_bytes = (room * prepared.widest).next_multiple_of(64);
        let leaves = fused.leaves.len();
        Evaluator {
            slots: AlignedBytes::new(slot_bytes * (prepared.slots + leaves)),
            slot_bytes,
            tile,
            sizes: fused.leaves.iter().map(|leaf| leaf.dtype.size()).collect(),
            dtypes: fused.leaves.iter().map(|leaf| leaf.dtype).collect(),
            operands: vec![
                Operand {
                    first: std::ptr::null(),
                    row_stride: 0
                };
                leaves
            ],
            cached: vec![None; leaves],
            prefetches: Prefetches::default(),
            chains: ChainRoom::new(prepared),
            in_place: false,
            binding,
            prepared,
            env,
        }
    }

    fn slot(&self, number: usize) -> *mut u8 {
        // Slots first, then one place for each leaf that needs it.
        self.slots.as_ptr().wrapping_add(number * self.slot_bytes)
    }

    /// The bytes of a tile of the widest operand.
    pub fn tile_bytes(&self) -> usize {
        self.slot_bytes
    }

    /// Whether an output is a leaf that lies in memory along the given column dimension: its tiles
    /// may have any size, as nothing is copied.
    pub fn in_place(&self, output: usize, column_dim: Option<usize>) -> bool {
        let Arg::Leaf(leaf) = self.prepared.outputs[output].arg else {
            return false;
        };
        self.lies_in_place(leaf as usize, column_dim)
    }

    fn lies_in_place(&self, leaf: usize, column_dim: Option<usize>) -> bool {
        match &self.binding.leaves[leaf] {
            Bound::Place { linear, .. } => match column_dim {
                Some(dim) => {
                    linear.terms[dim].stride() == Some(1)
                        && linear.terms.iter().all(|term| term.stride().is_some())
                }
                None => true,
            },
            _ => false,
        }
    }

    /// Makes all operands of the tile at `index` ready and runs the program. Outputs with a place
    /// are written there, others stay where [`output`](Evaluator::output) finds them.
    ///
    /// # Safety
    /// The tile must lie within the bound region, hold at most the prepared number of elements
    /// (unless all outputs are in place), and the places must have room for it.
    pub unsafe fn run(&mut self, index: &[usize], tile: TileShape, outs: &[OutPlace]) {
        let prepared = self.prepared;
        // SAFETY: the caller's contract.
        unsafe { self.run_steps(index, tile, outs, &prepared.steps) };
        for (number, place) in outs.iter().enumerate() {
            let output = prepared.outputs[number];
            if output.direct && place.column_stride == 1 {
                continue;
            }
            let operand = self.output(number, tile);
            let strides = if output.scalar {
                [0, 0]
            } else {
                [operand.row_stride, 1]
            };
            // SAFETY: the operand holds the tile, and the place has room for it.
            unsafe {
                copy_2d(
                    output.size,
                    tile.rows,
                    tile.columns,
                    operand.first,
                    strides,
                    place.first,
                    [place.row_stride, place.column_stride],
                );
            }
        }
    }

    /// As [`run`](Evaluator::run), but for the chain in the end, from which sums are taken.
    ///
    /// # Safety
    /// As for `run`; any number of elements if all leaves are read in place.
    pub unsafe fn run_before_fold(&mut self, index: &[usize], tile: TileShape) {
        let prepared = self.prepared;
        let before = prepared.folded.as_ref().map_or(0, |folded| folded.before);
        // SAFETY: the caller's contract.
        unsafe { self.run_steps(index, tile, &[], &prepared.steps[..before]) };
    }

    /// Whether the program does nothing but scale and shift uniform numbers drawn along the given column dimension,
    /// which its only output has as its last, too.
    pub fn draws_scaled(&self, column_dim: Option<usize>) -> bool {
        let (Some(scaling), Some(column)) = (self.prepared.scaling, column_dim) else {
            return false;
        };
        let drawn = self.made(scaling.leaf).is_some_and(|(generate, linear)| {
            generate::draws_uniform(generate) && linear.terms[column].stride() == Some(1)
        });
        drawn && self.binding.outs[0][column] == 1
    }

    /// As [`run`](Evaluator::run), of a program that [is such](Evaluator::draws_scaled).
    ///
    /// # Safety
    /// The place must have room for the tile.
    pub unsafe fn draw_scaled(&mut self, index: &[usize], tile: TileShape, place: OutPlace) {
        let mut prefetches = std::mem::take(&mut self.prefetches);
        let scaling = self.prepared.scaling;
        let scaling = scaling.expect("only called of such programs");
        let made = self.made(scaling.leaf);
        let (generate, linear) = made.expect("only called if the leaf is drawn");
        let by = [scaling.scale, scaling.shift];
        // SAFETY: the caller's promise.
        unsafe {
            generate::scaled_rows(generate, linear, index, tile, by, place, &mut prefetches);
        }
        prefetches.ask_all();
        self.prefetches = prefetches;
    }

    /// Whether an output is `float64` numbers drawn along the given column dimension.
    pub fn draws_rows(&self, output: usize, column_dim: Option<usize>) -> bool {
        self.drawn(output).is_some_and(|(generate, linear)| {
            let stride = column_dim.map(|dim| linear.terms[dim].stride());
            matches!(generate, Generate::Random { .. }) && stride == Some(Some(1))
        })
    }

    /// Adds the rows of a tile, with any number of elements, to sums, one per column, of an output that
    /// [is drawn](Evaluator::draws_rows) along them.
    pub fn add_drawn_rows(
        &self,
        output: usize,
        index: &[usize],
        tile: TileShape,
        sums: &mut [f64],
    ) {
        let drawn = self.drawn(output);
        let (generate, linear) = drawn.expect("only called of such outputs");
        generate::add_rows(generate, linear, index, tile, sums);
    }

    /// The generator of an output that is nothing but made `float64` elements, and how they are numbered.
    fn drawn(&self, output: usize) -> Option<(&Generate, &Linear)> {
        let Arg::Leaf(leaf) = self.prepared.outputs[output].arg else {
            return None;
        };
        let leaf = leaf as usize;
        self.made(leaf).filter(|_| self.dtypes[leaf] == DType::F64)
    }

    /// The generator of a leaf that is made, and how its elements are numbered.
    fn made(&self, leaf: usize) -> Option<(&Generate, &Linear)> {
        match &self.binding.leaves[leaf] {
            Bound::Made { number, linear } => Some((&self.env.generates[*number], linear)),
            _ => None,
        }
    }

    /// The end of [`run`](Evaluator::run) after `run_before_fold`.
    ///
    /// # Safety
    /// As for `run`.
    pub unsafe fn run_after(&mut self, tile: TileShape) {
        let prepared = self.prepared;
        let before = prepared.folded.as_ref().map_or(0, |folded| folded.before);
        for step in &prepared.steps[before..] {
            // SAFETY: the caller's contract.
            unsafe { self.any_step(step, tile, &[], 0) };
        }
    }

    unsafe fn run_steps(
        &mut self,
        index: &[usize],
        tile: TileShape,
        outs: &[OutPlace],
        steps: &[Step],
    ) {
        for leaf in 0..self.operands.len() {
            // SAFETY: the caller's contract.
            unsafe { self.ready(leaf, index, tile) };
        }
        let lines = self.prefetches.lines();
        for step in steps {
            // SAFETY: operands and outputs hold the tile, and a step's outputs are none of its operands.
            unsafe { self.any_step(step, tile, outs, lines) };
        }
        self.prefetches.ask_all();
    }

    unsafe fn any_step(&mut self, step: &Step, tile: TileShape, outs: &[OutPlace], lines: usize) {
        // SAFETY: the caller's contract.
        unsafe {
            if let Call::Chain(chain) = &step.call {
                return self.chain(step, chain, tile, outs, lines);
            }
            let out = self.target(step.out, tile, outs);
            let second_out = step
                .second_out
                .map_or(out, |out| self.target(out, tile, outs));
            self.step(step, tile, [out, second_out], lines);
        }
    }

    /// Where a step's result goes, and its stride of rows.
    fn target(&self, target: Target, tile: TileShape, outs: &[OutPlace]) -> (*mut u8, isize) {
        match target {
            Target::Slot(slot) => (self.slot(slot as usize), tile.columns as isize),
            Target::Output(number) => match outs.get(number) {
                Some(place) if place.column_stride == 1 => (place.first, place.row_stride),
                // No contiguous place: the leaf slots' neighbour holds it until it is copied.
                _ => (self.spare_slot(number), tile.columns as isize),
            },
        }
    }

    /// A direct output without a contiguous place goes to the slot that its writer would have used.
    fn spare_slot(&self, number: usize) -> *mut u8 {
        match self.prepared.outputs[number].arg {
            Arg::Slot(slot) => self.slot(slot as usize),
            _ => unreachable!("only steps write outputs directly"),
        }
    }

    /// Where the values of an output lie after `run`. Scalars have a row stride of 0.
    pub fn output(&self, number: usize, tile: TileShape) -> Operand {
        let output = self.prepared.outputs[number];
        let arg = StepArg {
            arg: output.arg,
            size: output.size,
            scalar: output.scalar,
        };
        self.operand(&arg, tile)
    }

    fn operand(&self, arg: &StepArg, tile: TileShape) -> Operand {
        match arg.arg {
            Arg::Leaf(n) => self.operands[n as usize],
            Arg::Slot(n) => Operand {
                first: self.slot(n as usize),
                row_stride: if arg.scalar { 0 } else { tile.columns as isize },
            },
            Arg::Const(n) => Operand {
                first: self.prepared.consts[n as usize].as_ptr(),
                row_stride: 0,
            },
        }
    }

    unsafe fn step(
        &mut self,
        step: &Step,
        tile: TileShape,
        outs: [(*mut u8, isize); 2],
        lines: usize,
    ) {
        let mut operands = [Operand {
            first: std::ptr::null(),
            row_stride: 0,
        }; 3];
        let mut steps = [0usize; 3];
        let columns = tile.columns as isize;
        let mut dense = tile.rows == 1 || outs.iter().all(|&(_, stride)| stride == columns);
        for (at, arg) in step.args.iter().enumerate() {
            operands[at] = self.operand(arg, tile);
            steps[at] = usize::from(!arg.scalar || step.scalar);
            dense &= arg.scalar || tile.rows == 1 || operands[at].row_stride == columns;
        }
        let (rows, n) = match (step.scalar, dense) {
            (true, _) => (1, 1),
            (false, true) => (1, tile.rows * tile.columns),
            (false, false) => (tile.rows, tile.columns),
        };
        // Between parts of long runs the memory of the next tile is asked for.
        let lines = (lines * step.share).div_ceil(Step::WHOLE);
        let parts = match step.call {
            Call::Kernel(_) | Call::Pair(_) => {
                lines.div_ceil(Prefetches::AT_ONCE).div_ceil(rows).max(1)
            }
            Call::Map(_) | Call::Splat | Call::Chain(_) => 1,
        };
        let most = n.div_ceil(parts).max(1).next_multiple_of(PART_UNIT);
        let lines = lines.div_ceil(parts * rows);
        for row in 0..rows {
            let at = |number: usize| {
                let Operand { first, row_stride } = operands[number];
                let size = step.args.get(number).map_or(0, |arg| arg.size) as isize;
                first.wrapping_offset(row as isize * row_stride * size)
            };
            let args = [at(0), at(1), at(2)];
            let [out, second_out] = outs.map(|(out, stride)| {
                out.wrapping_offset(row as isize * stride * step.out_size as isize)
            });
            for start in (0..n).step_by(most) {
                self.prefetches.ask(lines);
                let n = most.min(n - start);
                let mut args = args;
                for ((arg, known), step) in args.iter_mut().zip(&step.args).zip(steps) {
                    *arg = arg.wrapping_add(start * step * known.size);
                }
                let offset = start * step.out_size;
                let (out, second_out) = (out.wrapping_add(offset), second_out.wrapping_add(offset));
                // SAFETY: the caller's contract; each operand holds `n` elements, a scalar one.
                unsafe {
                    match &step.call {
                        Call::Kernel(kernel) => kernel(n, &args, out),
                        Call::Pair(kernel) => kernel(n, args[0], [out, second_out]),
                        Call::Map(map) => map.apply(n, &args, steps, out),
                        Call::Splat => fill(step.out_size, n, args[0], out),
                        Call::Chain(_) => unreachable!("chains have operands of their own"),
                    }
                }
            }
        }
    }

    /// Asks for the memory that a tile will read where it lies, during the next run; if that computes anything.
    pub fn prefetch(&mut self, index: &[usize], tile: TileShape) {
        if self.prepared.is_chain() {
            return;
        }
        let mut prefetches = std::mem::take(&mut self.prefetches);
        self.add_reads(index, tile, &mut prefetches);
        self.prefetches = prefetches;
    }

    /// Adds the memory that a tile will read: leaves whose elements lie side by side along its columns, or along
    /// its rows.
    pub fn add_reads(&self, index: &[usize], tile: TileShape, prefetches: &mut Prefetches) {
        for (leaf, bound) in self.binding.leaves.iter().enumerate() {
            let Bound::Place { first, linear, .. } = bound else {
                continue;
            };
            let Some(column) = tile.column_dim else {
                continue;
            };
            let row_stride = tile
                .row_dim
                .map_or(Some(0), |dim| linear.terms[dim].stride());
            let (count, stride, len) = match (row_stride, linear.terms[column].stride()) {
                // Rows that lie one after the other are one.
                (Some(row), Some(1)) if row == tile.columns as isize => {
                    (1, 0, tile.rows * tile.columns)
                }
                (Some(0), Some(1)) => (1, 0, tile.columns),
                (Some(row), Some(1)) => (tile.rows, row, tile.columns),
                (Some(1), Some(column)) => (tile.columns, column, tile.rows),
                _ => continue,
            };
            let size = self.sizes[leaf];
            let terms = linear.terms.iter().zip(index);
            let base = linear.base + terms.map(|(term, &i)| term.at(i)).sum::<isize>();
            let start = first.wrapping_offset(base * size as isize);
            prefetches.add_rows(start, stride * size as isize, count, len * size);
        }
    }

    /// Asks for the memory that a tile will be written to where it belongs, during the next run.
    pub fn prefetch_places(&mut self, places: &[OutPlace], tile: TileShape) {
        for (place, output) in places.iter().zip(&self.prepared.outputs) {
            if !output.direct || place.column_stride != 1 {
                continue;
            }
            let bytes = tile.columns * output.size;
            let stride = place.row_stride * output.size as isize;
            self.prefetches
                .add_rows(place.first, stride, tile.rows, bytes);
        }
    }

    /// Makes one leaf's elements of the tile available: where they lie, or in the leaf's slot.
    unsafe fn ready(&mut self, leaf: usize, index: &[usize], tile: TileShape) {
        let size = self.sizes[leaf];
        let slot = self.slot(self.prepared.slots + leaf);
        let scalar = self.prepared.scalar_leaves[leaf];
        let offset = |linear: &Linear| -> isize {
            linear.base
                + linear
                    .terms
                    .iter()
                    .zip(index)
                    .map(|(term, &i)| term.at(i))
                    .sum::<isize>()
        };
        match &self.binding.leaves[leaf] {
            Bound::Place { first, linear, .. } => {
                let base = offset(linear);
                let start = first.wrapping_offset(base * size as isize);
                if scalar {
                    self.operands[leaf] = Operand {
                        first: start,
                        row_stride: 0,
                    };
                    return;
                }
                let row = tile.row_dim.map(|dim| &linear.terms[dim]);
                let column = tile.column_dim.map(|dim| &linear.terms[dim]);
                let row_stride = row.map_or(Some(0), Term::stride);
                let column_stride = if tile.columns == 1 {
                    Some(1)
                } else {
                    column.map_or(Some(1), Term::stride)
                };
                // Short rows would be a call each: they are copied together.
                let short =
                    tile.columns < 64 && tile.rows > 1 && row_stride != Some(tile.columns as isize);
                if let (Some(row_stride), Some(1)) = (
                    if tile.rows == 1 { Some(0) } else { row_stride },
                    column_stride,
                ) && !(short
                    && !self.in_place
                    && self.binding.leaves.len() + self.prepared.steps.len() > 1)
                {
                    self.operands[leaf] = Operand {
                        first: start,
                        row_stride,
                    };
                    return;
                }
                let key = varies(linear, tile, base);
                if key.is_none() || self.cached[leaf] != key {
                    // SAFETY: the bound region's elements lie in memory, and the slot holds a tile.
                    unsafe { assemble(size, *first, linear, index, tile, slot) };
                    self.cached[leaf] = key;
                }
                self.operands[leaf] = Operand {
                    first: slot,
                    row_stride: tile.columns as isize,
                };
            }
            Bound::Made { number, linear } => {
                let base = offset(linear);
                let key = varies(linear, tile, base);
                if key.is_none() || self.cached[leaf] != key {
                    let generate = &self.env.generates[*number];
                    // SAFETY: the slot holds a tile.
                    unsafe {
                        generate::tile(
                            generate,
                            self.dtypes[leaf],
                            linear,
                            index,
                            tile,
                            slot,
                            &mut self.prefetches,
                        )
                    };
                    self.cached[leaf] = key;
                }
                let row_stride = if scalar { 0 } else { tile.columns as isize };
                self.operands[leaf] = Operand {
                    first: slot,
                    row_stride,
                };
            }
            Bound::Pieced(pieced) => {
                if let Some(operand) = pieced.in_place(size, index, tile) {
                    self.operands[leaf] = operand;
                    return;
                }
                // SAFETY: the blocks hold all elements of the bound region, and the slot a tile.
                unsafe { pieced.gather(size, index, tile, slot) };
                self.operands[leaf] = Operand {
                    first: slot,
                    row_stride: tile.columns as isize,
                };
            }
        }
    }
}

/// What tells the contents of a leaf's slot: tiles that start at the same element and have the same
/// shape hold the same. With tables that is not so, and there is no such thing.
fn varies(linear: &Linear, tile: TileShape, base: isize) -> Option<(isize, TileShape)> {
    let strided = linear
        .terms
        .iter()
        .all(|term| matches!(term, Term::Stride(_)));
    strided.then_some((base, tile))
}

/// Copies a strided tile into a slot.
unsafe fn assemble(
    size: usize,
    first: *const u8,
    linear: &Linear,
    index: &[usize],
    tile: TileShape,
    slot: *mut u8,
) {
    let fixed: isize = linear
        .terms
        .iter()
        .enumerate()
        .filter(|(dim, _)| Some(*dim) != tile.row_dim && Some(*dim) != tile.column_dim)
        .map(|(dim, term)| term.at(index[dim]))
        .sum();
    let term = |dim: Option<usize>| dim.map(|dim| (&linear.terms[dim], index[dim]));
    let at =
        |term: Option<(&Term, usize)>, i: usize| term.map_or(0, |(term, start)| term.at(start + i));
    let stride = |term: Option<(&Term, usize)>| term.map_or(Some(0), |(term, _)| term.stride());
    let (row, column) = (term(tile.row_dim), term(tile.column_dim));
    let base = linear.base + fixed;
    let columns = tile.columns as isize;
    // SAFETY: all element numbers are those of the leaf's own elements; the slot holds the tile.
    unsafe {
        match (stride(row), stride(column)) {
            (Some(row_stride), Some(column_stride)) => {
                let start = base + at(row, 0) + at(column, 0);
                let source = first.wrapping_offset(start * size as isize);
                copy_2d(
                    size,
                    tile.rows,
                    tile.columns,
                    source,
                    [row_stride, column_stride],
                    slot,
                    [columns, 1],
                );
            }
            (_, Some(column_stride)) => {
                for i in 0..tile.rows {
                    let start = base + at(row, i) + at(column, 0);
                    let source = first.wrapping_offset(start * size as isize);
                    let target = slot.wrapping_add(i * tile.columns * size);
                    copy_2d(
                        size,
                        1,
                        tile.columns,
                        source,
                        [0, column_stride],
                        target,
                        [columns, 1],
                    );
                }
            }
            _ => {
                for i in 0..tile.rows {
                    for j in 0..tile.columns {
                        let number = base + at(row, i) + at(column, j);
                        let source = first.wrapping_offset(number * size as isize);
                        std::ptr::copy_nonoverlapping(
                            source,
                            slot.wrapping_add((i * tile.columns + j) * size),
                            size,
                        );
                    }
                }
            }
        }
    }
}
