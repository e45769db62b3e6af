//! Tasks of opaque block functions: each call sees exactly its chunks.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::GraphWork;
use super::blocks::Made;
use super::map::{Destination, write};
use super::prepare::Prepared;
use crate::base::aligned::AlignedBytes;
use crate::base::chunks::Chunks;
use crate::base::memory::RawViewMut;
use crate::base::region::Region;
use crate::base::shape::c_strides;
use crate::error::{Error, Result};
use crate::graph::expand::{block_input_region, each_cell};
use crate::graph::stage::{BlockFnJob, BlockInput, LeafSource, Stage};
use crate::op::closure::RawBlock;
use crate::op::program::Arg;

/// An input's elements for a whole cell, in memory.
struct Ready {
    region: Region,
    first: *const u8,
    strides: Vec<isize>,
    _buffer: Option<AlignedBytes>,
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
    let ranges: Vec<_> = (0..regions[0].ndim())
        .map(|axis| job.blocks[0].0[axis].meeting(&regions[0].range(axis)))
        .collect();
    let counts = job.blocks[0].num_blocks();
    let mut result = Ok(());
    each_cell(&ranges, &counts, |number| {
        if result.is_ok() {
            result = work.stop.check();
        }
        if result.is_ok() {
            let block = crate::base::chunks::unravel(number, &counts);
            result = call(work, stage, job, &inputs, &regions, &destinations, &block);
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

fn call(
    work: &GraphWork,
    stage: &Stage,
    job: &BlockFnJob,
    inputs: &[Ready],
    regions: &[Region],
    destinations: &[Destination],
    block: &[usize],
) -> Result<()> {
    let raw: Vec<RawBlock> = job
        .inputs
        .iter()
        .zip(inputs)
        .map(|(input, ready)| {
            let region = input_block(&input.blocks, block);
            let offset: isize = region
                .start()
                .iter()
                .zip(ready.region.start())
                .zip(&ready.strides)
                .map(|((&a, &b), stride)| (a as isize - b as isize) * stride)
                .sum();
            let dtype = input.fused.program_dtype();
            RawBlock {
                dtype,
                shape: region.shape().to_vec(),
                strides: ready.strides.clone(),
                first: ready.first.wrapping_offset(offset * dtype.size() as isize),
            }
        })
        .collect();
    let mut outputs = Vec::with_capacity(destinations.len());
    for ((output, grid), (to, region)) in stage
        .outputs
        .iter()
        .zip(&job.blocks)
        .zip(destinations.iter().zip(regions))
    {
        let inside = grid.region(block);
        let to = to.shifted(&inside, region);
        // SAFETY: the block is part of this task's own region; results and blocks start as zeros.
        outputs
            .push(unsafe { RawViewMut::new(output.dtype, inside.shape(), &to.strides, to.first) });
    }
    let region = job.blocks[0].region(block);
    // A task may hold many blocks: a panic is caught here, where it is known which one it was.
    // SAFETY: inputs are initialized and stay so; outputs are this call's alone.
    let called = catch_unwind(AssertUnwindSafe(|| unsafe {
        work.env.block_fns[job.function].call(block, &region, &raw, outputs)
    }));
    called
        .unwrap_or_else(|payload| Err(Error::from_panic(payload)))
        .map_err(|error| error.context(format!("in block {block:?} of {}", stage.name)))
}

/// The block of an input that pairs with a block of the result.
fn input_block(input: &Chunks, block: &[usize]) -> Region {
    let skip = block.len() - input.ndim();
    let index: Vec<usize> = (0..input.ndim())
        .map(|axis| {
            if input.0[axis].count() > 1 {
                block[axis + skip]
            } else {
                0
            }
        })
        .collect();
    input.region(&index)
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
        let offset: isize = region
            .start()
            .iter()
            .zip(memory.strides())
            .map(|(&i, stride)| i as isize * stride)
            .sum();
        let first = memory
            .first()
            .wrapping_offset(offset * memory.dtype().size() as isize);
        return Ok(Ready {
            strides: memory.strides().to_vec(),
            first,
            region,
            _buffer: None,
        });
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
    })
}
