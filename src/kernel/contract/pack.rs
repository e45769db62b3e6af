//! Packing: an operand's elements in the order in which a micro-kernel reads them.

use std::ops::Range;

use super::Kernel;
use crate::kernel::copy::copy_2d;
use crate::kernel::prefetch::{nearest, prefetch};

/// Where a matrix lies: `lane` is a row of the first operand or a column of the second. Strides are in
/// elements.
#[derive(Clone, Copy)]
pub struct Source {
    /// Lane 0 at step 0.
    pub first: *const u8,
    pub lane_stride: isize,
    pub step_stride: isize,
}

impl Source {
    /// From one lane on.
    pub fn lane(self, lane: usize, item: usize) -> Source {
        let bytes = lane as isize * self.lane_stride * item as isize;
        Source {
            first: self.first.wrapping_offset(bytes),
            ..self
        }
    }
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
    let whole = lanes.len() / width;
    let side_by_side = planes == 1 && source.lane_stride == 1;
    if side_by_side {
        let panels = Panels {
            first: to.wrapping_add((lanes.start / width * depth + steps.start) * step_bytes),
            bytes: depth * step_bytes,
            step_bytes,
            count: whole,
        };
        let step_stride = source.step_stride * kernel.item as isize;
        // SAFETY: the caller's promise, for the lanes of whole panels.
        unsafe { panels.fill(source.first, step_stride, steps.len()) };
    }
    let done = if side_by_side { whole * width } else { 0 };
    for lane in (lanes.start + done..lanes.end).step_by(width) {
        let n = width.min(lanes.end - lane);
        let panel = to.wrapping_add((lane / width * depth + steps.start) * step_bytes);
        let from = (lane - lanes.start) as isize * source.lane_stride * kernel.item as isize;
        let from = source.first.wrapping_offset(from);
        if n < width {
            // SAFETY: the caller's promise.
            unsafe { panel.write_bytes(0, steps.len() * step_bytes) };
        }
        let upcoming = width.min(lanes.end - lane - n);
        for step in (0..steps.len()).step_by(STRETCH) {
            let some = STRETCH.min(steps.len() - step);
            let from =
                from.wrapping_offset(step as isize * source.step_stride * kernel.item as isize);
            let panel = panel.wrapping_add(step * step_bytes);
            if source.step_stride == 1 {
                for next in n..n + upcoming {
                    let next = next as isize * source.lane_stride * kernel.item as isize;
                    prefetch(from.wrapping_offset(next), some * kernel.item);
                }
            }
            for plane in 0..planes {
                // SAFETY: the caller's promise.
                unsafe {
                    copy_2d(
                        item,
                        some,
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
}

/// So many steps of a panel are packed while those of the next one are asked for: each of its lanes is a stretch of
/// memory of its own, too short for a processor to foresee it.
const STRETCH: usize = 64;

/// Panels whose lanes lie side by side in the source.
struct Panels {
    first: *mut u8,
    /// From a panel to the next.
    bytes: usize,
    step_bytes: usize,
    count: usize,
}

/// Panels that are filled at once: a step of a single one would be a few cache lines of the source, each step's in
/// another page.
const AT_ONCE: usize = 16;

/// So many steps ahead the source is asked for: each is a stretch of memory of its own, which no processor foresees. And
/// the panels, of which each line would be waited for when it is written.
const AHEAD: isize = 8;

impl Panels {
    /// # Safety
    /// The source must have the lanes of all panels for so many steps, `step_stride` bytes apart, and the panels room for
    /// them.
    unsafe fn fill(&self, source: *const u8, step_stride: isize, steps: usize) {
        for group in (0..self.count).step_by(AT_ONCE) {
            let panels = group..(group + AT_ONCE).min(self.count);
            for step in 0..steps {
                let from = source.wrapping_offset(step as isize * step_stride);
                for panel in panels.clone() {
                    let from = from.wrapping_add(panel * self.step_bytes);
                    let to = self
                        .first
                        .wrapping_add(panel * self.bytes + step * self.step_bytes);
                    nearest(from.wrapping_offset(AHEAD * step_stride), self.step_bytes);
                    nearest(
                        to.wrapping_offset(AHEAD * self.step_bytes as isize),
                        self.step_bytes,
                    );
                    // SAFETY: the caller's promise.
                    unsafe { copy_short(from, to, self.step_bytes) };
                }
            }
        }
    }
}

/// Copies so few bytes that a call would take longer.
///
/// # Safety
/// As for [`copy_nonoverlapping`](std::ptr::copy_nonoverlapping).
#[inline(always)]
unsafe fn copy_short(from: *const u8, to: *mut u8, bytes: usize) {
    const LINE: usize = 64;
    let whole = bytes / LINE * LINE;
    // SAFETY: the caller's promise.
    unsafe {
        for at in (0..whole).step_by(LINE) {
            let line = from.add(at).cast::<[u8; LINE]>().read_unaligned();
            to.add(at).cast::<[u8; LINE]>().write_unaligned(line);
        }
        if whole < bytes {
            std::ptr::copy_nonoverlapping(from.add(whole), to.add(whole), bytes - whole);
        }
    }
}
