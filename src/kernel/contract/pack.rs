//! Packing: an operand's elements in the order in which a micro-kernel reads them.

use std::ops::Range;

use super::Kernel;
use crate::kernel::copy::copy_2d;

/// Where a matrix lies: `lane` is a row of the first operand or a column of the second. Strides are in
/// elements.
#[derive(Clone, Copy)]
pub struct Source {
    /// Lane 0 at step 0.
    pub first: *const u8,
    pub lane_stride: isize,
    pub step_stride: isize,
}

/// Packs `lanes` × `steps` of an operand into panels of `width` lanes that are `depth` steps deep. `source` is where
/// the first of these lanes has the first of these steps; `lanes` starts at a panel. Lanes that a
/// last panel has too many are zeros.
///
/// # Safety
/// All these elements of the source must be there, and `to` must have room for the panels of all lanes.
pub unsafe fn pack(
    kernel: &Kernel,
    width: usize,
    source: Source,
    lanes: Range<usize>,
    steps: Range<usize>,
    depth: usize,
    to: *mut u8,
) {
    debug_assert!(lanes.start.is_multiple_of(width));
    let planes = kernel.planes;
    // A complex number is two numbers, each with a plane of its own.
    let (item, stretch) = (kernel.item / planes, planes as isize);
    let step_bytes = width * kernel.item;
    for lane in lanes.clone().step_by(width) {
        let n = width.min(lanes.end - lane);
        let panel = to.wrapping_add((lane / width * depth + steps.start) * step_bytes);
        let from = (lane - lanes.start) as isize * source.lane_stride * kernel.item as isize;
        let from = source.first.wrapping_offset(from);
        // SAFETY: the caller's promise.
        unsafe {
            if n < width {
                panel.write_bytes(0, steps.len() * step_bytes);
            }
            for plane in 0..planes {
                copy_2d(
                    item,
                    steps.len(),
                    n,
                    from.wrapping_add(plane * item),
                    [source.step_stride * stretch, source.lane_stride * stretch],
                    panel.wrapping_add(plane * width * item),
                    [(width * planes) as isize, 1],
                );
            }
        }
    }
}
