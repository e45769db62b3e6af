//! Which chunk grid a result has.

use std::ops::Range;

use crate::base::chunk_spec::AUTO_BYTES;
use crate::base::chunks::{AxisChunks, Chunks};
use crate::base::few::{Few, few};
use crate::base::index_map::{AxisMap, IndexMap};

/// The grid of an elementwise result: per axis the operand's with fewer chunks, the left one on a
/// tie, unless blocks would grow beyond both the operands' largest and 128 MiB.
pub fn combine(operands: &[&Chunks], shape: &[usize], item: usize) -> Chunks {
    let mut result = Chunks::whole(shape);
    let mut decided = vec![false; shape.len()];
    let mut finer = result.clone();
    let mut largest = 1;
    for chunks in operands {
        largest = largest.max(chunks.largest_block());
        let skip = shape.len() - chunks.ndim();
        for (axis, candidate) in chunks.0.iter().enumerate() {
            let target = axis + skip;
            if candidate.len() != shape[target]
                || (candidate.len() == 1 && shape[target] == 1 && decided[target])
            {
                continue;
            }
            if !decided[target] {
                result.0[target] = candidate.clone();
                finer.0[target] = candidate.clone();
                decided[target] = true;
            } else if candidate.count() < result.0[target].count() {
                result.0[target] = candidate.clone();
            } else if candidate.count() > finer.0[target].count() {
                finer.0[target] = candidate.clone();
            }
        }
    }
    // Coarsening stops where it would make blocks that nobody had.
    let limit = largest.max(AUTO_BYTES / item.max(1));
    for axis in 0..shape.len() {
        if result.largest_block() <= limit {
            break;
        }
        result.0[axis] = finer.0[axis].clone();
    }
    result
}

/// The grid of a view: the input's boundaries, seen through the map.
pub fn view(map: &IndexMap, input: &Chunks, item: usize) -> Chunks {
    let mut axes: Few<Option<AxisChunks>> = map.shape().iter().map(|_| None).collect();
    for (rule, chunks) in map.axes().iter().zip(&input.0) {
        match rule {
            AxisMap::Affine { start, terms } => {
                if let [(axis, step)] = terms[..]
                    && axes[axis].is_none()
                {
                    axes[axis] = Some(view_axis(*start, step, map.shape()[axis], chunks));
                }
            }
            AxisMap::Table { axis, .. } => {
                axes[*axis] = Some(AxisChunks::regular(
                    map.shape()[*axis],
                    chunks.largest().max(1),
                ));
            }
        }
    }
    let known: usize = axes
        .iter()
        .flatten()
        .map(AxisChunks::largest)
        .fold(1, usize::saturating_mul);
    let mut room = (AUTO_BYTES / item.max(1) / known.max(1)).max(1);
    let mut result = Few::new();
    for (axis, &len) in axes.iter_mut().zip(map.shape()).rev() {
        // A stretched axis has no chunks of its own: whole, as long as blocks stay below the target.
        result.push(axis.take().unwrap_or_else(|| {
            let size = len.min(room).max(1);
            room = (room / size).max(1);
            AxisChunks::regular(len, size)
        }));
    }
    result.reverse();
    Chunks(result)
}

fn view_axis(start: isize, step: isize, len: usize, chunks: &AxisChunks) -> AxisChunks {
    if start == 0 && step == 1 && len == chunks.len() {
        return chunks.clone();
    }
    if len == 0 {
        return AxisChunks::whole(0);
    }
    if let (AxisChunks::Regular { size, .. }, 1) = (chunks, step)
        && (start as usize).is_multiple_of(*size)
    {
        return AxisChunks::regular(len, *size);
    }
    let mut sizes = Vec::new();
    let mut at = 0;
    while at < len {
        let index = (start + step * at as isize) as usize;
        let Range {
            start: low,
            end: high,
        } = chunks.range(chunks.find(index));
        let left = if step > 0 {
            high - 1 - index
        } else {
            index - low
        };
        let size = (left / step.unsigned_abs().max(1) + 1).min(len - at);
        sizes.push(size);
        at += size;
    }
    AxisChunks::from_sizes(&sizes)
}

/// The grid of a reshaped array: blocks of about as many elements as the input's, last axes whole.
pub fn reshape(input: &Chunks, shape: &[usize]) -> Chunks {
    consecutive(shape, input.largest_block())
}

/// Blocks of at most so many elements, each consecutive in C order.
pub fn consecutive(shape: &[usize], elements: usize) -> Chunks {
    Chunks::consecutive(shape, elements)
}

/// The grid of a reduction: the kept axes' own, reduced ones gone or of length 1.
pub fn reduce(input: &Chunks, axes: &[usize], keep: bool) -> Chunks {
    let kept = input
        .0
        .iter()
        .enumerate()
        .filter_map(|(axis, chunks)| match axes.contains(&axis) {
            false => Some(chunks.clone()),
            true if keep => Some(AxisChunks::whole(1)),
            true => None,
        });
    Chunks(few(kept))
}

/// The grid of arrays laid end to end along `axis`: the first one's on the other axes.
pub fn concatenate(inputs: &[&Chunks], axis: usize) -> Chunks {
    let mut result = inputs[0].clone();
    let sizes: Vec<usize> = inputs
        .iter()
        .flat_map(|chunks| chunks.sizes(axis).collect::<Vec<_>>())
        .filter(|&size| size > 0)
        .collect();
    result.0[axis] = if sizes.is_empty() {
        AxisChunks::whole(0)
    } else {
        AxisChunks::from_sizes(&sizes)
    };
    result
}
