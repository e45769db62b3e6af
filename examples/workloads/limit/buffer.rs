//! Large results: huge pages, first touched by the threads that fill them.

use std::mem::MaybeUninit;

use rayon::prelude::*;

const HUGE_PAGE: usize = 2 << 20;
/// The elements that a thread fills at a time: one huge page.
const PART: usize = HUGE_PAGE / size_of::<f64>();

/// A vector that `fill(first, part)` has filled, part by part, on the current pool.
///
/// `fill` must write every element of its part.
pub fn build(len: usize, fill: impl Fn(usize, &mut [MaybeUninit<f64>]) + Sync) -> Vec<f64> {
    let mut result = Vec::with_capacity(len);
    let spare = &mut result.spare_capacity_mut()[..len];
    advise_huge(spare);
    // Parts start where pages do, so that no page is touched by two threads at once.
    let offset = spare.as_ptr().align_offset(HUGE_PAGE).min(len);
    let (head, rest) = spare.split_at_mut(offset);
    rayon::join(
        || fill(0, head),
        || {
            rest.par_chunks_mut(PART)
                .enumerate()
                .for_each(|(i, part)| fill(offset + i * PART, part))
        },
    );
    // SAFETY: `fill` has written every element.
    unsafe { result.set_len(len) };
    result
}

/// Asks for huge pages, before the memory is first touched.
pub fn advise_huge(memory: &mut [MaybeUninit<f64>]) {
    #[cfg(target_os = "linux")]
    {
        let start = memory.as_mut_ptr() as usize;
        let first = start.next_multiple_of(HUGE_PAGE);
        let end = (start + size_of_val(memory)) & !(HUGE_PAGE - 1);
        if first < end {
            // SAFETY: the pages lie inside the allocation, and the advice changes no contents.
            unsafe { libc::madvise(first as *mut _, end - first, libc::MADV_HUGEPAGE) };
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = memory;
}
