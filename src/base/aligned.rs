//! Buffers of plain bytes, aligned for vectors and, when large, backed by huge pages.

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;

use super::mapped::{self, LARGE};

/// What kernels want: a cache line, and the widest vector register.
const ALIGN: usize = 64;
/// What the system's allocator aligns to by itself; asked for more, it takes ten times as long.
const GIVEN: usize = 16;
/// From here on, inner pages are advised to be huge.
const HUGE: usize = 4 << 20;
const HUGE_PAGE: usize = 2 << 20;

/// Bytes on the heap, 64-byte aligned, uninitialized until written.
///
/// The owner alone hands out pointers; who writes and who reads, and that the two never meet, is
/// the contract of the layers above.
pub struct AlignedBytes {
    start: NonNull<u8>,
    len: usize,
    /// The bytes of the allocation before the start.
    before: usize,
}

// SAFETY: the buffer is plain bytes that nothing else refers to; access through the pointer is the
// responsibility of the code that dereferences it.
unsafe impl Send for AlignedBytes {}
// SAFETY: as above; a shared reference alone gives no access to the bytes.
unsafe impl Sync for AlignedBytes {}

impl AlignedBytes {
    /// Bytes that must be written before they are read.
    pub fn new(len: usize) -> AlignedBytes {
        // SAFETY: `allocate` calls it with a layout whose size is not zero.
        AlignedBytes::allocate(len, false, |layout| unsafe { alloc(layout) })
    }

    /// Zeros; large ones come as fresh pages and cost nothing until they are touched.
    pub fn zeroed(len: usize) -> AlignedBytes {
        // SAFETY: as in `new`.
        AlignedBytes::allocate(len, true, |layout| unsafe { alloc_zeroed(layout) })
    }

    fn allocate(len: usize, zeroed: bool, allocate: impl Fn(Layout) -> *mut u8) -> AlignedBytes {
        if len == 0 {
            return AlignedBytes {
                start: NonNull::<Line>::dangling().cast(),
                len,
                before: 0,
            };
        }
        if len >= LARGE {
            let Some((start, zeros)) = mapped::map(len) else {
                handle_alloc_error(AlignedBytes::layout(len))
            };
            if zeros {
                advise_huge(start.as_ptr(), len);
            } else if zeroed {
                // SAFETY: a mapping of this length, which nobody else has.
                unsafe { start.as_ptr().write_bytes(0, len) };
            }
            return AlignedBytes {
                start,
                len,
                before: 0,
            };
        }
        let layout = AlignedBytes::layout(len);
        let Some(first) = NonNull::new(allocate(layout)) else {
            handle_alloc_error(layout)
        };
        let before = first.addr().get().wrapping_neg() % ALIGN;
        // SAFETY: the layout has room for this, since `first` is aligned as it says.
        let start = unsafe { first.add(before) };
        AlignedBytes { start, len, before }
    }

    /// Room for the bytes from the first aligned one on.
    fn layout(len: usize) -> Layout {
        let size = len.checked_add(ALIGN - GIVEN);
        let layout = size.and_then(|size| Layout::from_size_align(size, GIVEN).ok());
        layout.expect("a buffer's bytes fit an isize")
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn as_ptr(&self) -> *mut u8 {
        self.start.as_ptr()
    }
}

impl Drop for AlignedBytes {
    fn drop(&mut self) {
        if self.len >= LARGE {
            // SAFETY: mapped in `allocate` with the same length, and nobody else has it.
            unsafe { mapped::unmap(self.start, self.len) };
        } else if self.len > 0 {
            // SAFETY: so many bytes after the first of what was allocated in `allocate` with the same layout.
            unsafe {
                let first = self.start.as_ptr().sub(self.before);
                dealloc(first, AlignedBytes::layout(self.len));
            }
        }
    }
}

#[repr(align(64))]
struct Line;

/// Asks for huge pages inside a fresh allocation: first-touching 800 MB takes a third of the time.
pub fn advise_huge(start: *mut u8, len: usize) {
    if len < HUGE {
        return;
    }
    #[cfg(target_os = "linux")]
    {
        let first = (start as usize).next_multiple_of(HUGE_PAGE);
        let end = (start as usize + len) & !(HUGE_PAGE - 1);
        if first < end {
            // SAFETY: the pages lie inside of an allocation of ours, and the advice changes no contents.
            // A kernel that does not know it answers with an error, which costs nothing.
            unsafe { libc::madvise(first as *mut _, end - first, libc::MADV_HUGEPAGE) };
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = start;
}
