//! Tasks of products: panels are packed block after block of the sum, multiplied, and added up in the order
//! that the contraction says.

mod bands;
mod operands;
mod places;
mod strips;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use super::GraphWork;
use super::blocks::{Block, Made};
use super::map::Destination;
use super::prepare::Prepared;
use crate::base::aligned::AlignedBytes;
use crate::base::chunks::unravel;
use crate::base::region::Region;
use crate::base::shape::{c_strides, element};
use crate::error::Result;
use crate::graph::stage::{ContractJob, Stage, StageId};
use crate::kernel::contract::{Kernel, kernel, pack};
use crate::kernel::level::level;
use crate::op::contract::{BLOCK, Contraction};
use crate::op::tree::{Counter, Spare};
use bands::{BandPanels, Bands, Columns, most_threads};
use operands::Side;
use places::CellPlaces;

/// Computes one cell of the result, or some parts of its sums.
pub fn run(
    work: &GraphWork,
    stage: &Stage,
    job: &ContractJob,
    prepared: &[Prepared],
    index: &[usize],
    part: usize,
) -> Result<Made> {
    let output = &stage.outputs[0];
    let region = output.region(index);
    let (destination, block) = work.destination(output, &region, false);
    if !region.is_empty() {
        let parts = job.parts[part].clone();
        let mut task = Task::new(work, job, prepared, region, &parts)?;
        if parts.len() == 1 {
            let to = CellPlaces::new(task.contraction, &task.region, &destination.strides);
            task.part(parts.start, destination.first, &to)?;
        } else {
            task.parts(parts, &destination)?;
        }
    }
    Ok(Made::Blocks(smallvec::smallvec![block.map(Arc::new)]))
}

/// Adds up the parts of a cell.
pub fn merge(
    work: &GraphWork,
    stage: &Stage,
    of: StageId,
    job: &ContractJob,
    cell: usize,
    index: &[usize],
) -> Made {
    let output = &stage.outputs[0];
    let region = output.region(index);
    let (destination, block) = work.destination(output, &region, false);
    let kernel = kernel(output.dtype, level());
    let inputs = work.inputs();
    let mut sums: Counter<Arc<Block>> = Counter::default();
    let mut spare = Spare::new();
    let mut merge = |into: &mut Arc<Block>, from: &mut Arc<Block>| {
        // SAFETY: both blocks are the cell's; a merge is their only reader.
        unsafe { kernel.add(region.size(), into.bytes.as_ptr(), from.first()) }
    };
    for part in 0..job.parts.len() {
        sums.push(inputs.part(of, cell, part), &mut spare, &mut merge);
        spare.clear();
    }
    if let Some(sum) = sums.finish(&mut spare, &mut merge) {
        let strides = c_strides(region.shape());
        // SAFETY: the block holds the region, and its place is this task's own.
        unsafe { copy_region(sum.first(), &strides, &destination, region.shape()) };
    }
    Made::Blocks(smallvec::smallvec![block.map(Arc::new)])
}

struct Task<'a> {
    work: &'a GraphWork,
    job: &'a ContractJob,
    prepared: &'a [Prepared],
    contraction: &'a Contraction,
    kernel: Kernel,
    region: Region,
    /// Of the region: batch, rows, columns.
    extents: [usize; 3],
    sides: [Side; 2],
    /// The columns that are multiplied at a time, and packed right before if they lie in memory: panels are then written
    /// where they are read again, in a near cache. What is computed is faster computed in long strips.
    band: usize,
    /// So many threads may take part.
    threads: usize,
    /// Of all rows; and of all columns if they are computed, else of a band if one thread takes part.
    panels: [AlignedBytes; 2],
    /// If several threads take part.
    band_panels: BandPanels,
    strip: Option<AlignedBytes>,
}

impl<'a> Task<'a> {
    fn new(
        work: &'a GraphWork,
        job: &'a ContractJob,
        prepared: &'a [Prepared],
        region: Region,
        parts: &Range<usize>,
    ) -> Result<Task<'a>> {
        let contraction = &*job.contraction;
        let kernel = kernel(job.fused[0].program_dtype(), level());
        let extents = contraction.extents(&region);
        let depth = contraction.depth().min(BLOCK);
        let band = kernel.band(depth);
        let mut task = Task {
            work,
            job,
            prepared,
            contraction,
            kernel,
            region,
            extents,
            sides: [Side::Computed, Side::Computed],
            band,
            band_panels: BandPanels::default(),
            threads: most_threads(extents, depth, band, work.host.threads.count()),
            panels: [AlignedBytes::new(0), AlignedBytes::new(0)],
            strip: None,
        };
        let steps = contraction.depth_of(parts);
        for number in 0..2 {
            task.sides[number] = task.side(number, &steps)?;
        }
        let [_, rows, columns] = extents;
        let column_bytes = |columns| kernel.panel_bytes(kernel.columns, columns, depth);
        let one_band = column_bytes(columns.min(band));
        let (own, each) = match (&task.sides[1], task.threads) {
            (Side::Computed, _) => (column_bytes(columns), 0),
            (Side::Placed(_), 1) => (one_band, 0),
            (Side::Placed(_), _) => (0, one_band),
        };
        task.panels = [
            AlignedBytes::new(kernel.panel_bytes(kernel.rows, rows, depth)),
            AlignedBytes::new(own),
        ];
        if task.threads > 1 {
            task.band_panels = BandPanels::new(task.threads, each);
        }
        Ok(task)
    }

    /// Several parts of the sum, merged in a tree.
    fn parts(&mut self, parts: Range<usize>, destination: &Destination) -> Result<()> {
        let strides = c_strides(self.region.shape());
        let to = CellPlaces::new(self.contraction, &self.region, &strides);
        let size = self.region.size();
        let kernel = self.kernel;
        let mut sums: Counter<AlignedBytes> = Counter::default();
        let mut spare = Spare::new();
        let mut merge = |into: &mut AlignedBytes, from: &mut AlignedBytes| {
            // SAFETY: both are buffers of the cell's elements.
            unsafe { kernel.add(size, into.as_ptr(), from.as_ptr()) }
        };
        for part in parts {
            let sum = spare
                .pop()
                .unwrap_or_else(|| AlignedBytes::new(size * kernel.item));
            self.part(part, sum.as_ptr(), &to)?;
            sums.push(sum, &mut spare, &mut merge);
        }
        if let Some(sum) = sums.finish(&mut spare, &mut merge) {
            // SAFETY: the buffer holds the region, and its place is this task's own.
            unsafe { copy_region(sum.as_ptr(), &strides, destination, self.region.shape()) };
        }
        Ok(())
    }

    /// One part of the sum, block after block.
    fn part(&mut self, part: usize, first: *mut u8, to: &CellPlaces) -> Result<()> {
        let range = self.contraction.depth_of(&(part..part + 1));
        let (start, end) = (range.start, range.end);
        for from in range.step_by(BLOCK) {
            let block = from..(from + BLOCK).min(end);
            self.work.host.stop.check()?;
            for matrix in 0..self.extents[0] {
                self.pack_rows(matrix, &block)?;
                let columns = self.columns(matrix, &block)?;
                let offset = to.batch[matrix] * self.kernel.item as isize;
                let bands = Bands {
                    kernel: self.kernel,
                    depth: block.len(),
                    rows: self.panels[0].as_ptr(),
                    columns,
                    first: first.wrapping_offset(offset),
                    to,
                    accumulate: from != start,
                    band: self.band,
                    next: AtomicUsize::new(0),
                    panels: &self.band_panels,
                };
                match self.threads {
                    1 => bands.alone(self.panels[1].as_ptr()),
                    _ => self.work.host.threads.share(&bands)?,
                }
            }
        }
        Ok(())
    }

    /// Packs all rows of one block of a matrix.
    fn pack_rows(&mut self, matrix: usize, block: &Range<usize>) -> Result<()> {
        let Side::Placed(placed) = &self.sides[0] else {
            return self.pack_strips(0, matrix, block);
        };
        let source = placed.source(matrix, block.start, self.kernel.item);
        let (width, depth) = (self.kernel.rows, block.len());
        let to = self.panels[0].as_ptr();
        // SAFETY: the operand's region holds these elements, and the panels have room for all rows.
        unsafe {
            pack(
                &self.kernel,
                width,
                source,
                0..self.extents[1],
                0..depth,
                depth,
                to,
            )
        };
        Ok(())
    }

    /// All columns of one block of a matrix: packed, if they are computed.
    fn columns(&mut self, matrix: usize, block: &Range<usize>) -> Result<Columns> {
        if let Side::Placed(placed) = &self.sides[1] {
            let source = placed.source(matrix, block.start, self.kernel.item);
            return Ok(Columns::InMemory(source));
        }
        self.pack_strips(1, matrix, block)?;
        Ok(Columns::Packed(self.panels[1].as_ptr()))
    }
}

/// Copies a box of elements to its place.
///
/// # Safety
/// `first` and `strides` must be those of elements of the box; the destination must have room for it.
unsafe fn copy_region(first: *const u8, strides: &[isize], to: &Destination, shape: &[usize]) {
    let size = to.size as isize;
    let outer = shape.len().saturating_sub(1);
    let (n, from_step, to_step) = match shape.last() {
        Some(&n) => (n, strides[outer], to.strides[outer]),
        None => (1, 0, 1),
    };
    for number in 0..shape[..outer].iter().product() {
        let index = unravel(number, &shape[..outer]);
        let offset = |strides: &[isize]| element(&index, strides);
        // SAFETY: the caller's promise.
        unsafe {
            crate::kernel::copy::copy_2d(
                to.size,
                1,
                n,
                first.wrapping_offset(offset(strides) * size),
                [0, from_step],
                to.first.wrapping_offset(offset(&to.strides) * size),
                [0, to_step],
            );
        }
    }
}
