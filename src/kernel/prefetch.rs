//! Asking for memory before it is read.

/// Asks for the cache lines of `len` bytes. Any address is harmless.
#[inline]
pub fn prefetch(start: *const u8, len: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        const LINE: usize = 64;
        for at in (0..len).step_by(LINE) {
            // SAFETY: a prefetch reads nothing that the program could see, of whatever address.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(at).cast()) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (start, len);
}
