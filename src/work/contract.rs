//! Tasks of products: panels are packed block after block of the sum, multiplied, and added up in the order
//! that the contraction says.

use std::ops::Range;
use std::sync::Arc;

use super::GraphWork;
use super::bind::{Bound, bind};
use super::blocks::{Block, Made};
use super::map::{Destination, write};
use super::prepare::Prepared;
use crate::base::aligned::AlignedBytes;
use crate::base::chunks::unravel;
use crate::base::few::Few;
use crate::base::region::Region;
use crate::base::shape::{c_strides, element};
use crate::error::Result;
use crate::graph::stage::{ContractJob, Stage, StageId};
use crate::kernel::contract::{Kernel, Places, Source, kernel, pack};
use crate::kernel::level::level;
use crate::kernel::prefetch::Prefetches;
use crate::op::contract::{BLOCK, Contraction, Role, STAGED, STRIP, boxes};
use crate::op::program::Arg;
use crate::op::tree::{Counter, Spare};

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
            let to = task.places(&destination.strides);
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

/// The elements of a cell: how far the first of each matrix of the batch, each row and each column lies
/// from the cell's first.
struct CellPlaces {
    batch: Vec<isize>,
    rows: Vec<isize>,
    columns: Vec<isize>,
}

/// Where an operand's elements come from.
enum Side {
    /// They lie evenly in memory.
    Placed(Placed),
    /// They are computed, or put together, strip by strip.
    Computed,
}

struct Placed {
    /// The first row or column of the first matrix, at the step with the number `origin`.
    first: *const u8,
    origin: usize,
    batch: Vec<isize>,
    lane_stride: isize,
    step_stride: isize,
    _keep: Keep,
}

impl Placed {
    /// From one step of one lane of a matrix on.
    fn source(&self, matrix: usize, step: usize, lane: usize, item: usize) -> Source {
        let steps = (step - self.origin) as isize * self.step_stride;
        let lanes = lane as isize * self.lane_stride;
        let elements = self.batch[matrix] + steps + lanes;
        Source {
            first: self.first.wrapping_offset(elements * item as isize),
            lane_stride: self.lane_stride,
            step_stride: self.step_stride,
        }
    }
}

/// What keeps an operand's elements alive.
#[derive(Default)]
struct Keep {
    _leaf: Option<Bound>,
    _buffer: Option<AlignedBytes>,
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
    /// The columns that are packed at a time: right before they are needed, so that panels are written where they are
    /// read again, in a near cache. What is computed is faster computed in long strips.
    band: usize,
    panels: [AlignedBytes; 2],
    strip: Option<AlignedBytes>,
    /// What is packed next.
    upcoming: Prefetches,
}

/// The axes that only one of the operands and the result have.
const LANES: [Role; 2] = [Role::Rows, Role::Columns];

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
        let mut task = Task {
            work,
            job,
            prepared,
            contraction,
            kernel,
            region,
            extents,
            sides: [Side::Computed, Side::Computed],
            band: 0,
            panels: [AlignedBytes::new(0), AlignedBytes::new(0)],
            strip: None,
            upcoming: Prefetches::default(),
        };
        let steps = contraction.depth_of(parts);
        for number in 0..2 {
            task.sides[number] = task.side(number, &steps)?;
        }
        let [_, rows, columns] = extents;
        task.band = match task.sides[1] {
            Side::Placed(_) => kernel.band(depth),
            Side::Computed => columns,
        };
        let columns = columns.min(task.band);
        task.panels = [
            AlignedBytes::new(kernel.panel_bytes(kernel.rows, rows, depth)),
            AlignedBytes::new(kernel.panel_bytes(kernel.columns, columns, depth)),
        ];
        Ok(task)
    }

    /// Lengths and strides of an operand's axes of one role, in the order of the space.
    fn walk(&self, number: usize, role: Role, region: &Region, strides: &[isize]) -> Vec<Walk> {
        let axes = self.contraction.operand(number);
        let total = self.contraction.kept() + self.contraction.depth_shape().len();
        (0..total)
            .filter(|&axis| self.contraction.role(axis) == role)
            .filter_map(|axis| axes.iter().position(|&own| own == axis))
            .map(|at| Walk {
                len: region.shape()[at],
                stride: strides[at],
            })
            .collect()
    }

    fn side(&self, number: usize, depth: &Range<usize>) -> Result<Side> {
        let region = self.contraction.operand_region(number, &self.region, depth);
        if let Some(placed) = self.in_memory(number, &region) {
            return Ok(Side::Placed(placed));
        }
        if region.size() > STAGED {
            return Ok(Side::Computed);
        }
        // So little is computed at once.
        let buffer = AlignedBytes::new(region.size() * self.kernel.item);
        let strides = c_strides_by_role(self.contraction, number, region.shape());
        self.compute(number, &region, buffer.as_ptr(), &strides)?;
        let first = buffer.as_ptr().cast_const();
        let placed = self.placed(
            number,
            &region,
            &strides,
            first,
            Keep {
                _buffer: Some(buffer),
                ..Keep::default()
            },
        );
        Ok(placed.map_or(Side::Computed, Side::Placed))
    }

    /// The operand where it lies, if it does.
    fn in_memory(&self, number: usize, region: &Region) -> Option<Placed> {
        let fused = &self.job.fused[number];
        let ([_], [Arg::Leaf(0)], []) = (
            &fused.leaves[..],
            &fused.program.outputs[..],
            &fused.program.instrs[..],
        ) else {
            return None;
        };
        let axes: Vec<Range<usize>> = (0..region.ndim()).map(|axis| axis..axis + 1).collect();
        let work = self.work;
        let inputs = work.inputs();
        let mut binding = bind(
            inputs.graph,
            &work.env,
            &inputs,
            fused,
            region,
            &axes,
            Few::new(),
        );
        let leaf = binding.leaves.pop()?;
        let Bound::Place { first, linear, .. } = &leaf else {
            return None;
        };
        let strides: Option<Vec<isize>> = linear.terms.iter().map(|term| term.stride()).collect();
        let first = first.wrapping_offset(linear.base * self.kernel.item as isize);
        self.placed(
            number,
            region,
            &strides?,
            first,
            Keep {
                _leaf: Some(leaf),
                ..Keep::default()
            },
        )
    }

    fn placed(
        &self,
        number: usize,
        region: &Region,
        strides: &[isize],
        first: *const u8,
        keep: Keep,
    ) -> Option<Placed> {
        let depth = self.walk(number, Role::Depth, region, strides);
        let corner = self.walk_starts(number, region);
        Some(Placed {
            first,
            origin: corner,
            batch: offsets(&self.walk(number, Role::Batch, region, strides)),
            lane_stride: even(&self.walk(number, LANES[number], region, strides))?,
            step_stride: even(&depth)?,
            _keep: keep,
        })
    }

    /// The number, among all steps of the sum, of a region's first one.
    fn walk_starts(&self, number: usize, region: &Region) -> usize {
        let kept = self.contraction.kept();
        let strides = c_strides(self.contraction.depth_shape());
        let axes = self.contraction.operand(number).iter().enumerate();
        axes.filter(|&(_, &axis)| axis >= kept)
            .map(|(at, &axis)| region.start()[at] * strides[axis - kept] as usize)
            .sum()
    }

    /// Evaluates a box of an operand into a buffer.
    fn compute(
        &self,
        number: usize,
        region: &Region,
        first: *mut u8,
        strides: &[isize],
    ) -> Result<()> {
        let work = self.work;
        let destination = Destination {
            first,
            strides: Few::from_slice(strides),
            size: self.kernel.item,
        };
        // SAFETY: callers' buffers have room for the region at these strides.
        unsafe {
            write(
                &work.inputs(),
                &work.env,
                &self.job.fused[number],
                &self.prepared[number],
                region,
                &[destination],
            )
        }
    }

    /// Where the cell's elements lie, by the strides of the result's axes.
    fn places(&self, strides: &[isize]) -> CellPlaces {
        let of = |role: Role| {
            let axes = self.contraction.axes(role).into_iter().map(|axis| Walk {
                len: self.region.shape()[axis],
                stride: strides[axis],
            });
            offsets(&axes.collect::<Vec<_>>())
        };
        CellPlaces {
            batch: of(Role::Batch),
            rows: of(Role::Rows),
            columns: of(Role::Columns),
        }
    }

    /// Several parts of the sum, merged in a tree.
    fn parts(&mut self, parts: Range<usize>, destination: &Destination) -> Result<()> {
        let strides = c_strides(self.region.shape());
        let to = self.places(&strides);
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
            self.work.stop.check()?;
            for matrix in 0..self.extents[0] {
                self.pack(0, matrix, &block, 0..self.extents[1])?;
                let offset = to.batch[matrix] * self.kernel.item as isize;
                let columns = self.extents[2];
                for column in (0..columns).step_by(self.band.max(1)) {
                    let band = column..(column + self.band).min(columns);
                    self.pack(1, matrix, &block, band.clone())?;
                    let next = band.end..(band.end + self.band).min(columns);
                    self.ask_for(1, matrix, &block, next);
                    let places = Places {
                        first: first.wrapping_offset(offset),
                        rows: &to.rows,
                        columns: &to.columns[band],
                    };
                    // SAFETY: both panels were packed with this depth; the places are this task's own, and written
                    // with the first block.
                    unsafe {
                        self.kernel.multiply(
                            block.len(),
                            self.panels[0].as_ptr(),
                            self.panels[1].as_ptr(),
                            places,
                            from != start,
                            &mut self.upcoming,
                        );
                    }
                }
            }
        }
        Ok(())
    }

    /// Packs some rows or columns of one block of one matrix of an operand: all of them, if they are computed.
    fn pack(
        &mut self,
        number: usize,
        matrix: usize,
        block: &Range<usize>,
        lanes: Range<usize>,
    ) -> Result<()> {
        let width = [self.kernel.rows, self.kernel.columns][number];
        let Side::Placed(placed) = &self.sides[number] else {
            debug_assert_eq!(lanes, 0..self.extents[number + 1]);
            return self.pack_strips(number, matrix, block, lanes.len(), width);
        };
        let source = placed.source(matrix, block.start, lanes.start, self.kernel.item);
        let to = self.panels[number].as_ptr();
        // SAFETY: the operand's region holds these elements, and the panels have room for all lanes.
        unsafe {
            pack(
                &self.kernel,
                width,
                source,
                0..lanes.len(),
                0..block.len(),
                block.len(),
                to,
            )
        };
        Ok(())
    }

    /// Notes the memory of some rows or columns of one block of one matrix of an operand, if it lies in stretches.
    fn ask_for(&mut self, number: usize, matrix: usize, block: &Range<usize>, lanes: Range<usize>) {
        let Side::Placed(placed) = &self.sides[number] else {
            return;
        };
        let item = self.kernel.item;
        let source = placed.source(matrix, block.start, lanes.start, item);
        let (n, stride, len) = match (source.lane_stride, source.step_stride) {
            (1, stride) => (block.len(), stride, lanes.len()),
            (stride, 1) => (lanes.len(), stride, block.len()),
            _ => return,
        };
        for stretch in 0..n {
            let first = stretch as isize * stride * item as isize;
            let first = source.first.wrapping_offset(first);
            self.upcoming.add(first, len * item);
        }
    }

    /// Computes an operand in strips that are long along its own last axis, and packs each.
    fn pack_strips(
        &mut self,
        number: usize,
        matrix: usize,
        block: &Range<usize>,
        lanes: usize,
        width: usize,
    ) -> Result<()> {
        let depth = block.len();
        let last = self.contraction.operand(number).last();
        let lanes_inside = last.is_some_and(|&axis| self.contraction.role(axis) == LANES[number]);
        let (wide, deep) = match lanes_inside {
            true => {
                let wide = lanes.min(STRIP / width * width);
                (wide, (STRIP / wide).clamp(1, depth))
            }
            false => (lanes.min((STRIP / depth / width).max(1) * width), depth),
        };
        let (lane_stride, step_stride) = match lanes_inside {
            true => (1, wide as isize),
            false => (deep as isize, 1),
        };
        let strip = match self.strip.take() {
            Some(strip) if strip.len() >= wide * deep * self.kernel.item => strip,
            _ => AlignedBytes::new(wide * deep * self.kernel.item),
        };
        for step in (0..depth).step_by(deep) {
            let steps = step..(step + deep).min(depth);
            for lane in (0..lanes).step_by(wide) {
                let lanes = lane..(lane + wide).min(lanes);
                let wanted = Strip {
                    number,
                    matrix,
                    lanes: lanes.clone(),
                    steps: block.start + steps.start..block.start + steps.end,
                    lane_stride,
                    step_stride,
                };
                self.compute_strip(&wanted, strip.as_ptr())?;
                let source = Source {
                    first: strip.as_ptr(),
                    lane_stride,
                    step_stride,
                };
                let to = self.panels[number].as_ptr();
                // SAFETY: the strip holds these elements, and the panels have room for all lanes.
                unsafe { pack(&self.kernel, width, source, lanes, steps.clone(), depth, to) };
            }
        }
        self.strip = Some(strip);
        Ok(())
    }

    /// Evaluates some lanes and steps of a matrix: in boxes, where either runs over several axes.
    fn compute_strip(&self, strip: &Strip, to: *mut u8) -> Result<()> {
        let (contraction, number) = (self.contraction, strip.number);
        let kept = contraction.kept();
        let axes = contraction.operand(number);
        let lane_axes = contraction.axes(LANES[number]);
        let lane_shape: Vec<usize> = lane_axes
            .iter()
            .map(|&axis| self.region.shape()[axis])
            .collect();
        let batch_axes = contraction.axes(Role::Batch);
        let batch_shape: Vec<usize> = batch_axes
            .iter()
            .map(|&axis| self.region.shape()[axis])
            .collect();
        let matrix = unravel(strip.matrix, &batch_shape);
        let lane_strides = c_strides(&lane_shape);
        let step_strides = c_strides(contraction.depth_shape());
        let mut result = Ok(());
        boxes(strip.lanes.clone(), &lane_shape, &mut |lane, lane_box| {
            boxes(
                strip.steps.clone(),
                contraction.depth_shape(),
                &mut |step, step_box| {
                    if result.is_err() {
                        return;
                    }
                    let mut start = Vec::with_capacity(axes.len());
                    let mut len = Vec::with_capacity(axes.len());
                    let mut strides = Vec::with_capacity(axes.len());
                    for &axis in axes {
                        if axis >= kept {
                            start.push(step_box.start()[axis - kept]);
                            len.push(step_box.shape()[axis - kept]);
                            strides.push(step_strides[axis - kept] * strip.step_stride);
                        } else if let Some(rank) = lane_axes.iter().position(|&own| own == axis) {
                            start.push(self.region.start()[axis] + lane_box.start()[rank]);
                            len.push(lane_box.shape()[rank]);
                            strides.push(lane_strides[rank] * strip.lane_stride);
                        } else {
                            let rank = batch_axes.iter().position(|&own| own == axis);
                            let at = rank.map_or(0, |rank| matrix[rank]);
                            start.push(self.region.start()[axis] + at);
                            len.push(1);
                            strides.push(0);
                        }
                    }
                    let offset = (lane - strip.lanes.start) as isize * strip.lane_stride
                        + (step - strip.steps.start) as isize * strip.step_stride;
                    let first = to.wrapping_offset(offset * self.kernel.item as isize);
                    result = self.compute(number, &Region::new(start, len), first, &strides);
                },
            );
        });
        result
    }
}

/// Some lanes and steps of one matrix of an operand, and the strides of the buffer that they go to.
struct Strip {
    number: usize,
    matrix: usize,
    lanes: Range<usize>,
    steps: Range<usize>,
    lane_stride: isize,
    step_stride: isize,
}

/// One axis of several that are walked in C order.
struct Walk {
    len: usize,
    stride: isize,
}

/// The one stride of axes walked in C order, if there is one.
fn even(axes: &[Walk]) -> Option<isize> {
    let mut moving = axes.iter().rev().filter(|axis| axis.len != 1);
    let Some(last) = moving.next() else {
        return Some(1);
    };
    let mut size = last.len as isize;
    for axis in moving {
        if axis.stride != last.stride * size {
            return None;
        }
        size *= axis.len as isize;
    }
    Some(last.stride)
}

/// The distance of each element from the first.
fn offsets(axes: &[Walk]) -> Vec<isize> {
    let mut offsets = vec![0];
    for axis in axes {
        let steps = |base: isize| (0..axis.len).map(move |i| base + i as isize * axis.stride);
        offsets = offsets.into_iter().flat_map(steps).collect();
    }
    offsets
}

/// Strides of a buffer in which an operand's box lies matrix after matrix, so that rows (or columns) and steps
/// are evenly spaced whatever the order of its axes; its last axis is the innermost.
fn c_strides_by_role(contraction: &Contraction, number: usize, shape: &[usize]) -> Vec<isize> {
    let axes = contraction.operand(number);
    let mut order: Vec<usize> = (0..axes.len()).collect();
    let last = axes.last().map(|&axis| contraction.role(axis));
    let rank = |at: usize| match contraction.role(axes[at]) {
        Role::Batch => 0,
        role if Some(role) == last => 2,
        _ => 1,
    };
    order.sort_by_key(|&at| (rank(at), axes[at]));
    let lens: Vec<usize> = order.iter().map(|&at| shape[at]).collect();
    let mut strides = vec![0; axes.len()];
    for (&at, stride) in order.iter().zip(c_strides(&lens)) {
        strides[at] = stride;
    }
    strides
}
