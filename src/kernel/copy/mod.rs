//! Moves elements between strided places, by their size alone.
//!
//! Pointers need not be aligned: foreign files put arrays anywhere.

mod transpose;

use crate::kernel::level::level;

/// An element of 1, 2, 4, 8 or 16 bytes, of no particular alignment.
trait Item: Copy {}
impl Item for u8 {}
impl Item for [u8; 2] {}
impl Item for [u8; 4] {}
impl Item for [u8; 8] {}
impl Item for [u8; 16] {}

/// Runs `$body` with the alias `$T` bound to the item type of `$item` bytes.
macro_rules! with_item {
    ($item:expr, $T:ident => $body:expr) => {
        match $item {
            1 => {
                type $T = u8;
                $body
            }
            2 => {
                type $T = [u8; 2];
                $body
            }
            4 => {
                type $T = [u8; 4];
                $body
            }
            8 => {
                type $T = [u8; 8];
                $body
            }
            16 => {
                type $T = [u8; 16];
                $body
            }
            other => unreachable!("no element has {other} bytes"),
        }
    };
}

/// Copies `rows` × `cols` elements of `item` bytes. Strides are in elements: first that from row to
/// row, then that within a row; any sign, and 0 repeats.
///
/// # Safety
/// All the elements addressed must be there, and none of the destination's may be one of the source's.
pub unsafe fn copy_2d(
    item: usize,
    rows: usize,
    cols: usize,
    src: *const u8,
    src_strides: [isize; 2],
    dst: *mut u8,
    dst_strides: [isize; 2],
) {
    // SAFETY: the caller's promise.
    with_item!(item, T => unsafe {
        Copy2d::<T> { rows, cols, src: src.cast(), src_strides, dst: dst.cast(), dst_strides }.run()
    })
}

/// Writes one value `n` times.
///
/// # Safety
/// `value` must be one element of `item` bytes, `dst` room for `n`.
pub unsafe fn fill(item: usize, n: usize, value: *const u8, dst: *mut u8) {
    with_item!(item, T => {
        // SAFETY: the caller's promise.
        let value: T = unsafe { value.cast::<T>().read() };
        for i in 0..n {
            // SAFETY: the caller's promise.
            unsafe { dst.cast::<T>().add(i).write(value) };
        }
    })
}

#[derive(Clone, Copy)]
struct Copy2d<T> {
    rows: usize,
    cols: usize,
    src: *const T,
    src_strides: [isize; 2],
    dst: *mut T,
    dst_strides: [isize; 2],
}

impl<T: Item> Copy2d<T> {
    /// The same copy with rows and columns exchanged.
    fn transposed(self) -> Copy2d<T> {
        let ([s0, s1], [d0, d1]) = (self.src_strides, self.dst_strides);
        Copy2d {
            rows: self.cols,
            cols: self.rows,
            src_strides: [s1, s0],
            dst_strides: [d1, d0],
            ..self
        }
    }

    /// # Safety
    /// As for [`copy_2d`].
    unsafe fn run(self) {
        if self.rows == 0 || self.cols == 0 {
            return;
        }
        // Inside of rows the destination should be contiguous: write combining matters most.
        let swap = self.dst_strides[1] != 1 && self.dst_strides[0] == 1;
        let this = if swap || self.cols == 1 {
            self.transposed()
        } else {
            self
        };
        let ([s0, s1], [_, d1]) = (this.src_strides, this.dst_strides);
        // SAFETY: the caller's promise, which exchanging the axes does not change.
        unsafe {
            match (s1, d1) {
                (1, 1) => this.copy_rows(),
                (0, 1) => this.fill_rows(),
                (_, 1) if s0 == 1 && this.rows > 1 => {
                    transpose::transpose(
                        this.cols,
                        this.rows,
                        this.src,
                        s1,
                        this.dst,
                        this.dst_strides[0],
                        level(),
                    );
                }
                (-1, 1) => this.reverse_rows(),
                _ => this.strided_rows(),
            }
        }
    }

    /// # Safety
    /// As for [`copy_2d`].
    unsafe fn copy_rows(mut self) {
        let contiguous = self.cols as isize;
        if self.src_strides[0] == contiguous && self.dst_strides[0] == contiguous {
            self.cols *= self.rows;
            self.rows = 1;
        }
        for r in 0..self.rows {
            let (src, dst) = self.row(r);
            // SAFETY: the caller's promise.
            unsafe { dst.copy_from_nonoverlapping(src, self.cols) };
        }
    }

    /// # Safety
    /// As for [`copy_2d`].
    unsafe fn fill_rows(self) {
        for r in 0..self.rows {
            let (src, dst) = self.row(r);
            // SAFETY: the caller's promise.
            unsafe { fill(size_of::<T>(), self.cols, src.cast(), dst.cast()) };
        }
    }

    /// # Safety
    /// As for [`copy_2d`].
    unsafe fn reverse_rows(self) {
        for r in 0..self.rows {
            let (src, dst) = self.row(r);
            for i in 0..self.cols {
                // SAFETY: the caller's promise. The constant stride makes this loop a vector one.
                unsafe { dst.add(i).write(src.sub(i).read()) };
            }
        }
    }

    /// # Safety
    /// As for [`copy_2d`].
    unsafe fn strided_rows(self) {
        let ([_, s1], [_, d1]) = (self.src_strides, self.dst_strides);
        for r in 0..self.rows {
            let (src, dst) = self.row(r);
            for i in 0..self.cols as isize {
                // SAFETY: the caller's promise.
                unsafe { dst.offset(i * d1).write(src.offset(i * s1).read()) };
            }
        }
    }

    fn row(&self, r: usize) -> (*const T, *mut T) {
        let r = r as isize;
        (
            self.src.wrapping_offset(r * self.src_strides[0]),
            self.dst.wrapping_offset(r * self.dst_strides[0]),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Copies by the definition.
    fn expected(
        item: usize,
        shape: [usize; 2],
        src: &[u8],
        src_start: isize,
        src_strides: [isize; 2],
        dst: &mut [u8],
        dst_strides: [isize; 2],
    ) {
        for r in 0..shape[0] as isize {
            for c in 0..shape[1] as isize {
                let from = (src_start + r * src_strides[0] + c * src_strides[1]) as usize * item;
                let to = (r * dst_strides[0] + c * dst_strides[1]) as usize * item;
                dst[to..to + item].copy_from_slice(&src[from..from + item]);
            }
        }
    }

    #[test]
    fn copies_of_all_strides_follow_the_definition() {
        let side = 40isize;
        for item in [1, 2, 4, 8, 16] {
            let src: Vec<u8> = (0..2 * side * side * item as isize)
                .map(|i| (i * 7 + i / 251) as u8)
                .collect();
            for shape in [
                [0, 5],
                [1, 1],
                [1, 33],
                [33, 1],
                [8, 8],
                [16, 32],
                [37, 19],
                [19, 40],
                [3, 40],
            ] {
                for (start, src_strides) in [
                    (0, [side, 1]),
                    (3, [1, side]),
                    (0, [0, 1]),
                    (1, [1, 0]),
                    (0, [0, 0]),
                    (side * side - 1, [-side, -1]),
                    (side - 1, [side, -1]),
                    (side * side - 1, [-1, -side]),
                    (side * (side - 1), [1, -side]),
                    (0, [side, 2]),
                    (1, [2, side]),
                ] {
                    for dst_strides in [[side, 1], [1, side], [2 * side, 2], [shape[1] as isize, 1]]
                    {
                        let bytes = (4 * side * side) as usize * item;
                        let (mut want, mut got) = (vec![0; bytes + 1], vec![0; bytes + 1]);
                        expected(
                            item,
                            shape,
                            &src,
                            start,
                            src_strides,
                            &mut want[1..],
                            dst_strides,
                        );
                        // SAFETY: all places are within the buffers; byte 1 is not aligned.
                        unsafe {
                            let from = src.as_ptr().offset(start * item as isize);
                            let to = got.as_mut_ptr().add(1);
                            copy_2d(item, shape[0], shape[1], from, src_strides, to, dst_strides);
                        }
                        assert!(
                            want == got,
                            "item {item} {shape:?} {src_strides:?} to {dst_strides:?}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn fills() {
        let mut dst = [0u16; 3];
        // SAFETY: one value, room for three.
        unsafe { fill(2, 3, [11u16].as_ptr().cast(), dst.as_mut_ptr().cast()) };
        assert_eq!(dst, [11; 3]);
    }
}
