//! Memory for large buffers straight from the system, and back to it.
//!
//! The system's allocator keeps what is freed: after some blocks of a few megabytes have come and gone on
//! several threads, a process holds tens of megabytes that nobody uses, and no plan can promise a peak. So
//! large buffers are mappings of their own. As fresh pages cost as much as copying them, a few of those
//! that are freed are kept for the next ones of the same size.

use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

/// Smaller buffers are left to the allocator.
pub const LARGE: usize = 512 << 10;
/// Buffers that are kept for the next of their size have at most so many bytes together: part of what a
/// process is allowed beyond its plan.
const KEPT: usize = 8 << 20;

/// Addresses and lengths of mappings that nobody uses, the oldest first.
static SPARE: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

/// A mapping of so many bytes, and whether it is all zeros; nothing where the system has none.
pub fn map(len: usize) -> Option<(NonNull<u8>, bool)> {
    let len = whole_pages(len);
    let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(at) = spare.iter().rposition(|&(_, size)| size == len) {
        let (start, _) = spare.remove(at);
        return NonNull::new(start as *mut u8).map(|start| (start, false));
    }
    drop(spare);
    fresh(len).map(|start| (start, true))
}

/// Gives a mapping back.
///
/// # Safety
/// It must come from [`map`] with the same length, and nobody may use it any more.
pub unsafe fn unmap(start: NonNull<u8>, len: usize) {
    let len = whole_pages(len);
    let mut gone = Vec::new();
    if len <= KEPT {
        let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
        spare.push((start.as_ptr() as usize, len));
        let mut bytes: usize = spare.iter().map(|&(_, size)| size).sum();
        while bytes > KEPT {
            let oldest = spare.remove(0);
            bytes -= oldest.1;
            gone.push(oldest);
        }
    } else {
        gone.push((start.as_ptr() as usize, len));
    }
    for (start, len) in gone {
        // SAFETY: a mapping of ours that nobody uses; of what was kept, nobody but the list knew.
        unsafe { release(start as *mut u8, len) };
    }
}

fn whole_pages(len: usize) -> usize {
    len.next_multiple_of(4096)
}

#[cfg(unix)]
fn fresh(len: usize) -> Option<NonNull<u8>> {
    // SAFETY: a new mapping, which touches nothing that exists.
    let start = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            len,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if start == libc::MAP_FAILED {
        return None;
    }
    NonNull::new(start.cast())
}

#[cfg(unix)]
unsafe fn release(start: *mut u8, len: usize) {
    // SAFETY: the caller's promise.
    unsafe { libc::munmap(start.cast(), len) };
}

#[cfg(not(unix))]
fn layout(len: usize) -> std::alloc::Layout {
    std::alloc::Layout::from_size_align(len, 4096).expect("a buffer's bytes fit an isize")
}

#[cfg(not(unix))]
fn fresh(len: usize) -> Option<NonNull<u8>> {
    // SAFETY: the layout has bytes.
    NonNull::new(unsafe { std::alloc::alloc_zeroed(layout(len)) })
}

#[cfg(not(unix))]
unsafe fn release(start: *mut u8, len: usize) {
    // SAFETY: allocated in `fresh` with the same layout.
    unsafe { std::alloc::dealloc(start, layout(len)) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_fresh_pages_are_zeros() {
        let sizes = [LARGE, LARGE + 1, 3 << 20, KEPT, 2 * KEPT];
        for _ in 0..3 {
            let maps: Vec<_> = sizes.iter().map(|&len| (map(len).unwrap(), len)).collect();
            for &((start, zeros), len) in &maps {
                // SAFETY: a mapping of ours.
                let bytes = unsafe { std::slice::from_raw_parts_mut(start.as_ptr(), len) };
                if zeros {
                    assert!(bytes.iter().all(|&byte| byte == 0));
                }
                bytes.fill(7);
            }
            for ((start, _), len) in maps {
                // SAFETY: not used any more.
                unsafe { unmap(start, len) };
            }
            let kept: usize = SPARE.lock().unwrap().iter().map(|&(_, len)| len).sum();
            assert!(kept <= KEPT);
        }
    }
}
