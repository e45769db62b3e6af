//! Tasks of opaque block functions: each call sees exactly its chunks.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::GraphWork;
use super::blocks::{Block, Made};
use super::map::{Destination, write};
use super::prepare::Prepared;
use crate::base::aligned::AlignedBytes;
use crate::base::chunks::unravel;
use crate::base::few::Few;
use crate::base::memory::RawViewMut;
use crate::base::region::Region;
use crate::base::shape::{c_strides, element};
use crate::error::{Error, Result};
use crate::graph::expand::{block_input_region, each_index};
use crate::graph::stage::{BlockFnJob, BlockInput, Fused, LeafSource, Stage};
use crate::kernel::copy::copy_2d;
use crate::op::closure::RawBlock;
use crate::op::program::Arg;

/// An input's elements for a whole cell, in memory.
struct Ready {
    region: Region,
    first: *const u8,
    strides: Few<isize>,
    _buffer: Option<AlignedBytes>,
    _block: Option<Arc<Block>>,
}

/// Calls the function for each block of the task's cell.
pub fn run(
    work: &GraphWork,
    stage: &Stage,
    job: &BlockFnJob,
    prepared: &[Prepared],
    index: &[usize],
) -> Result<Made> {
    let regions: Vec<Region> = stage
        .outputs
        .iter()
        .map(|output| output.region(index))
        .collect();
    let (destinations, blocks): (Vec<_>, Vec<_>) = stage
        .outputs
        .iter()
        .zip(&regions)
        .map(|(output, region)| work.destination(output, region, true))
        .unzip();
    let inputs: Vec<Ready> = job
        .inputs
        .iter()
        .zip(prepared)
        .map(|(input, prepared)| {
            let region = block_input_region(&job.blocks[0], &input.blocks, &regions[0]);
            ready(work, input, prepared, region)
        })
        .collect::<Result<_>>()?;
    let mut call = Call::new(work, stage, job, &inputs, &destinations, &regions);
    let ranges: Vec<_> = (0..regions[0].ndim())
        .map(|axis| job.blocks[0].0[axis].meeting(&regions[0].range(axis)))
        .collect();
    let mut result = Ok(());
    each_index(&ranges, |block| {
        if result.is_ok() {
            result = work.host.stop.check().and_then(|()| call.run(block));
        }
    });
    result?;
    Ok(Made::Blocks(
        blocks
            .into_iter()
            .map(|block| block.map(Arc::new))
            .collect(),
    ))
}

/// The calls of one task: what they are given is described once, and moved from block to block, because
/// small blocks are done in less time than it takes to describe them.
struct Call<'a> {
    work: &'a GraphWork,
    stage: &'a Stage,
    job: &'a BlockFnJob,
    inputs: &'a [Ready],
    destinations: &'a [Destination],
    regions: &'a [Region],
    raw: Vec<RawBlock>,
    /// For each input of small blocks, room for one.
    dense: Vec<Option<AlignedBytes>>,
    outputs: Vec<RawViewMut>,
    /// Where the block at hand lies in the first output.
    region: Region,
}

impl<'a> Call<'a> {
    fn new(
        work: &'a GraphWork,
        stage: &'a Stage,
        job: &'a BlockFnJob,
        inputs: &'a [Ready],
        destinations: &'a [Destination],
        regions: &'a [Region],
    ) -> Call<'a> {
        let raw = job
            .inputs
            .iter()
            .zip(inputs)
            .map(|(input, ready)| RawBlock {
                dtype: input.fused.program_dtype(),
                shape: vec![0; ready.region.ndim()],
                strides: ready.strides.to_vec(),
                first: ready.first,
            });
        let dense = job.inputs.iter().map(|input| {
            let bytes = input.dense_bytes();
            (bytes > 0).then(|| AlignedBytes::new(bytes))
        });
        let outputs = stage.outputs.iter().zip(destinations).map(|(output, to)| {
            let empty = vec![0; to.strides.len()];
            // SAFETY: a view of nothing.
            unsafe { RawViewMut::new(output.dtype, &empty, &to.strides, to.first) }
        });
        Call {
            raw: raw.collect(),
            dense: dense.collect(),
            outputs: outputs.collect(),
            region: regions[0].clone(),
            work,
            stage,
            job,
            inputs,
            destinations,
            regions,
        }
    }

    fn run(&mut self, block: &[usize]) -> Result<()> {
        let inputs = self.job.inputs.iter().zip(self.inputs);
        for ((raw, dense), (input, ready)) in self.raw.iter_mut().zip(&self.dense).zip(inputs) {
            let skip = block.len() - raw.shape.len();
            let mut offset = 0;
            for axis in 0..raw.shape.len() {
                // Every block gets the single one along an axis.
                let chunks = &input.blocks.0[axis];
                let number = if chunks.count() > 1 {
                    block[axis + skip]
                } else {
                    0
                };
                let range = chunks.range(number);
                raw.shape[axis] = range.len();
                let moved = range.start as isize - ready.region.start()[axis] as isize;
                offset += moved * ready.strides[axis];
            }
            raw.first = ready
                .first
                .wrapping_offset(offset * raw.dtype.size() as isize);
            if let Some(room) = dense {
                // SAFETY: the block lies in memory, and fits into its room.
                unsafe { make_dense(raw, &ready.strides, room) };
            }
        }
        for (number, output) in self.outputs.iter_mut().enumerate() {
            let (to, region) = (&self.destinations[number], &self.regions[number]);
            let mut offset = 0;
            for (axis, chunks) in self.job.blocks[number].0.iter().enumerate() {
                let range = chunks.range(block[axis]);
                offset += (range.start as isize - region.start()[axis] as isize) * to.strides[axis];
                self.region.set_range(axis, range);
            }
            let first = to.first.wrapping_offset(offset * to.size as isize);
            // SAFETY: the block is part of this task's own region; results and blocks start as zeros.
            unsafe { output.aim(self.region.shape(), first) };
        }
        for (axis, chunks) in self.job.blocks[0].0.iter().enumerate() {
            self.region.set_range(axis, chunks.range(block[axis]));
        }
        let function = &self.work.env.block_fns[self.job.function];
        let (region, raw, outputs) = (&self.region, &self.raw, &mut self.outputs);
        // A task may hold many blocks: a panic is caught here, where it is known which one it was.
        // SAFETY: inputs are initialized and stay so; outputs are this call's alone.
        let called = catch_unwind(AssertUnwindSafe(|| unsafe {
            function.call(block, region, raw, outputs)
        }));
        called
            .unwrap_or_else(|payload| Err(Error::from_panic(payload)))
            .map_err(|error| error.context(format!("in block {block:?} of {}", self.stage.name)))
    }
}

/// Puts the rows of a block, that lie so many elements apart, one after the other.
///
/// # Safety
/// The block must lie in memory, and there be room for it.
unsafe fn make_dense(block: &mut RawBlock, strides: &[isize], room: &AlignedBytes) {
    let (outer, inner) = block.shape.split_at(block.shape.len() - 2);
    let (outer_strides, inner_strides) = strides.split_at(outer.len());
    let [rows, columns] = [inner[0], inner[1]];
    if outer.is_empty() && *inner_strides == [columns as isize, 1] {
        block.strides.copy_from_slice(strides);
        return;
    }
    let size = block.dtype.size();
    let first = std::mem::replace(&mut block.first, room.as_ptr());
    for number in 0..outer.iter().product() {
        let place = unravel(number, outer);
        let offset = element(&place, outer_strides);
        // SAFETY: the caller's promise.
        unsafe {
            copy_2d(
                size,
                rows,
                columns,
                first.wrapping_offset(offset * size as isize),
                [inner_strides[0], inner_strides[1]],
                room.as_ptr().wrapping_add(number * rows * columns * size),
                [columns as isize, 1],
            );
        }
    }
    let mut stride = 1;
    for (to, len) in block.strides.iter_mut().zip(&block.shape).rev() {
        *to = stride;
        stride *= *len as isize;
    }
}

/// An input in memory: where it lies, if it lies in one place, else computed into a buffer.
fn ready(
    work: &GraphWork,
    input: &BlockInput,
    prepared: &Prepared,
    region: Region,
) -> Result<Ready> {
    let fused = &input.fused;
    if let ([leaf], Some(Arg::Leaf(0)), true) = (
        &fused.leaves[..],
        fused.program.outputs.first(),
        fused.program.instrs.is_empty(),
    ) && let LeafSource::Memory {
        number,
        c_order: false,
    } = leaf.source
        && leaf.map.is_identity(work.env.memories[number].shape())
    {
        let memory = &work.env.memories[number];
        let offset = element(region.start(), memory.strides());
        let first = memory
            .first()
            .wrapping_offset(offset * memory.dtype().size() as isize);
        return Ok(Ready {
            strides: Few::from_slice(memory.strides()),
            first,
            region,
            _buffer: None,
            _block: None,
        });
    }
    if input.in_place
        && let Some(ready) = in_place(work, fused, &region)
    {
        return Ok(ready);
    }
    let size = fused.program_dtype().size();
    let buffer = AlignedBytes::new(region.size() * size);
    let strides = c_strides(region.shape());
    let destination = Destination {
        first: buffer.as_ptr(),
        strides: strides.clone(),
        size,
    };
    // SAFETY: the buffer is ours and has room for the region.
    unsafe {
        write(
            &work.inputs(),
            &work.env,
            fused,
            prepared,
            &region,
            &[destination],
        )
    }?;
    Ok(Ready {
        first: buffer.as_ptr(),
        strides,
        region,
        _buffer: Some(buffer),
        _block: None,
    })
}

/// The block of another stage in which a region lies.
fn in_place(work: &GraphWork, fused: &Fused, region: &Region) -> Option<Ready> {
    let (stage, output, starts) = fused.window()?;
    let mut seen = region.clone();
    for (axis, start) in starts.iter().enumerate() {
        let range = region.range(axis);
        let at = |index: usize| (index as isize + start) as usize;
        seen.set_range(axis, at(range.start)..at(range.end));
    }
    let made = &work.graph.dag[stage].outputs[output];
    let cells = made.meeting(&seen);
    if cells.iter().any(|range| range.len() != 1) {
        return None;
    }
    let counts = made.grid.num_blocks();
    let cell = cells
        .iter()
        .zip(&counts)
        .fold(0, |number, (range, count)| number * count + range.start);
    let block = work.inputs().block(stage, cell, output);
    let (strides, origin) = block.addressing(None);
    let offset = element(seen.start(), &strides);
    Some(Ready {
        first: block
            .first()
            .wrapping_offset((offset - origin) * made.dtype.size() as isize),
        strides,
        region: region.clone(),
        _buffer: None,
        _block: Some(block),
    })
}
