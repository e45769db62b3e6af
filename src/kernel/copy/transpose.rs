//! Transposes in blocks, so that neither side is read or written a cache line per element.

use super::Item;
use crate::kernel::level::Level;

/// Writes `dst[r * dst_stride + c] = src[c * src_stride + r]` for `r < cols_of_src`,
/// `c < rows_of_src`: both sides are contiguous along their rows.
///
/// # Safety
/// The elements must be there and not overlap; the machine must have the level.
pub unsafe fn transpose<T: Item>(
    src_rows: usize,
    src_cols: usize,
    src: *const T,
    src_stride: isize,
    dst: *mut T,
    dst_stride: isize,
    level: Level,
) {
    // A square of blocks whose lines on both sides stay in the first-level cache, although lines a
    // power of two apart fall on the same few sets.
    const BAND: usize = 64;
    let block = match size_of::<T>() {
        1 | 2 => 16,
        _ => 8,
    };
    for band in (0..src_cols).step_by(BAND) {
        let band_end = src_cols.min(band + BAND);
        for row in (0..src_rows).step_by(block) {
            for col in (band..band_end).step_by(block) {
                let (height, width) = (block.min(src_rows - row), block.min(band_end - col));
                let from = src
                    .wrapping_offset(row as isize * src_stride)
                    .wrapping_add(col);
                let to = dst
                    .wrapping_offset(col as isize * dst_stride)
                    .wrapping_add(row);
                // SAFETY: the block lies within the arrays that the caller promised.
                unsafe {
                    if height == block && width == block {
                        whole_block(from, src_stride, to, dst_stride, level);
                    } else {
                        partial_block(height, width, from, src_stride, to, dst_stride);
                    }
                }
            }
        }
    }
}

/// # Safety
/// As for [`transpose`].
unsafe fn partial_block<T: Item>(
    height: usize,
    width: usize,
    src: *const T,
    src_stride: isize,
    dst: *mut T,
    dst_stride: isize,
) {
    for c in 0..width {
        for r in 0..height {
            // SAFETY: the caller's promise.
            unsafe {
                let value = src.offset(r as isize * src_stride).add(c).read();
                dst.offset(c as isize * dst_stride).add(r).write(value);
            }
        }
    }
}

/// # Safety
/// As for [`transpose`]; the block is 8 × 8, of items of 1 or 2 bytes 16 × 16.
#[inline(always)]
unsafe fn whole_block<T: Item>(
    src: *const T,
    src_stride: isize,
    dst: *mut T,
    dst_stride: isize,
    level: Level,
) {
    // SAFETY: the caller's promise; the intrinsics only run at levels that have them.
    unsafe {
        match size_of::<T>() {
            1 | 2 => through_stack::<T, 16>(src, src_stride, dst, dst_stride),
            #[cfg(target_arch = "x86_64")]
            8 if level == Level::Avx512 => {
                x86::block_8x8_avx512(src.cast(), src_stride, dst.cast(), dst_stride);
            }
            #[cfg(target_arch = "x86_64")]
            8 if level == Level::Avx2 => {
                x86::block_8x8_avx2(src.cast(), src_stride, dst.cast(), dst_stride);
            }
            #[cfg(target_arch = "x86_64")]
            4 if level >= Level::Avx2 => {
                x86::block_8x8_of_32(src.cast(), src_stride, dst.cast(), dst_stride);
            }
            _ => through_stack::<T, 8>(src, src_stride, dst, dst_stride),
        }
    }
    let _ = level;
}

/// # Safety
/// As for [`transpose`]; the block is `N` × `N`.
#[inline(always)]
unsafe fn through_stack<T: Item, const N: usize>(
    src: *const T,
    src_stride: isize,
    dst: *mut T,
    dst_stride: isize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let lines: [[T; N]; N] = std::array::from_fn(|r| {
            src.offset(r as isize * src_stride)
                .cast::<[T; N]>()
                .read_unaligned()
        });
        for c in 0..N {
            let line = lines.map(|line| line[c]);
            dst.offset(c as isize * dst_stride)
                .cast::<[T; N]>()
                .write_unaligned(line);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    /// # Safety
    /// As for the block; the machine must have AVX-512.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn block_8x8_avx512(
        src: *const u64,
        src_stride: isize,
        dst: *mut u64,
        dst_stride: isize,
    ) {
        // SAFETY: the caller's promise. Loads and stores are unaligned ones.
        unsafe {
            let row = |r: isize| _mm512_loadu_si512(src.offset(r * src_stride).cast());
            let r: [__m512i; 8] = [
                row(0),
                row(1),
                row(2),
                row(3),
                row(4),
                row(5),
                row(6),
                row(7),
            ];
            // Pairs of rows: their even and odd columns side by side.
            let even = |a, b| _mm512_unpacklo_epi64(a, b);
            let odd = |a, b| _mm512_unpackhi_epi64(a, b);
            let low = [
                even(r[0], r[1]),
                even(r[2], r[3]),
                even(r[4], r[5]),
                even(r[6], r[7]),
            ];
            let high = [
                odd(r[0], r[1]),
                odd(r[2], r[3]),
                odd(r[4], r[5]),
                odd(r[6], r[7]),
            ];
            // Then quarters: a 4 × 4 transpose of 128-bit pairs, of the even and of the odd columns.
            for (half, start) in [(low, 0), (high, 1)] {
                let a = _mm512_shuffle_i64x2::<0x88>(half[0], half[1]);
                let b = _mm512_shuffle_i64x2::<0xdd>(half[0], half[1]);
                let c = _mm512_shuffle_i64x2::<0x88>(half[2], half[3]);
                let d = _mm512_shuffle_i64x2::<0xdd>(half[2], half[3]);
                let columns = [
                    _mm512_shuffle_i64x2::<0x88>(a, c),
                    _mm512_shuffle_i64x2::<0x88>(b, d),
                    _mm512_shuffle_i64x2::<0xdd>(a, c),
                    _mm512_shuffle_i64x2::<0xdd>(b, d),
                ];
                for (i, column) in columns.into_iter().enumerate() {
                    let at = (2 * i as isize + start) * dst_stride;
                    _mm512_storeu_si512(dst.offset(at).cast(), column);
                }
            }
        }
    }

    /// # Safety
    /// As for the block; the machine must have AVX2.
    #[target_feature(enable = "avx2")]
    pub unsafe fn block_8x8_avx2(
        src: *const u64,
        src_stride: isize,
        dst: *mut u64,
        dst_stride: isize,
    ) {
        for (r, c) in [(0, 0), (0, 4), (4, 0), (4, 4)] {
            // SAFETY: a quarter of the block that the caller promised. Loads and stores are unaligned.
            unsafe {
                let src = src.offset(r * src_stride + c);
                let dst = dst.offset(c * dst_stride + r);
                let row = |r: isize| _mm256_loadu_si256(src.offset(r * src_stride).cast());
                let (a, b, c, d) = (row(0), row(1), row(2), row(3));
                let (ab0, ab1) = (_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
                let (cd0, cd1) = (_mm256_unpacklo_epi64(c, d), _mm256_unpackhi_epi64(c, d));
                let columns = [
                    _mm256_permute2x128_si256::<0x20>(ab0, cd0),
                    _mm256_permute2x128_si256::<0x20>(ab1, cd1),
                    _mm256_permute2x128_si256::<0x31>(ab0, cd0),
                    _mm256_permute2x128_si256::<0x31>(ab1, cd1),
                ];
                for (i, column) in columns.into_iter().enumerate() {
                    _mm256_storeu_si256(dst.offset(i as isize * dst_stride).cast(), column);
                }
            }
        }
    }

    /// # Safety
    /// As for the block; the machine must have AVX2.
    #[target_feature(enable = "avx2")]
    pub unsafe fn block_8x8_of_32(
        src: *const u32,
        src_stride: isize,
        dst: *mut u32,
        dst_stride: isize,
    ) {
        // SAFETY: the caller's promise. Loads and stores are unaligned ones.
        unsafe {
            let row = |r: isize| _mm256_loadu_si256(src.offset(r * src_stride).cast());
            let r = [
                row(0),
                row(1),
                row(2),
                row(3),
                row(4),
                row(5),
                row(6),
                row(7),
            ];
            // 4 × 4 transposes within each half of the registers, of rows 0 to 3 and of rows 4 to 7 …
            let quarter = |a, b, c, d| {
                let (ab0, ab1) = (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
                let (cd0, cd1) = (_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
                [
                    _mm256_unpacklo_epi64(ab0, cd0),
                    _mm256_unpackhi_epi64(ab0, cd0),
                    _mm256_unpacklo_epi64(ab1, cd1),
                    _mm256_unpackhi_epi64(ab1, cd1),
                ]
            };
            let upper = quarter(r[0], r[1], r[2], r[3]);
            let lower = quarter(r[4], r[5], r[6], r[7]);
            // … whose halves then meet.
            for i in 0..4 {
                let first = _mm256_permute2x128_si256::<0x20>(upper[i], lower[i]);
                let second = _mm256_permute2x128_si256::<0x31>(upper[i], lower[i]);
                _mm256_storeu_si256(dst.offset(i as isize * dst_stride).cast(), first);
                _mm256_storeu_si256(dst.offset((i + 4) as isize * dst_stride).cast(), second);
            }
        }
    }
}
