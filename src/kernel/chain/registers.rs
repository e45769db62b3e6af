//! The operations of chains on registers.

use crate::kernel::lanes::{Few, Lanes};

/// Registers of floating-point numbers.
pub trait Registers: Lanes {
    fn subtract(self, other: Self) -> Self;
    fn multiply(self, other: Self) -> Self;
    fn divide(self, other: Self) -> Self;
    fn negate(self) -> Self;
    fn absolute(self) -> Self;
    fn square_root(self) -> Self;
}

/// Registers that columns can be turned into.
pub trait Turned: Registers<Item = f64> {
    /// Eight rows of as many columns as a register has elements. The first column begins at `first`, the others so many
    /// bytes further on each.
    ///
    /// # Safety
    /// Each column must have eight elements, side by side.
    unsafe fn rows(first: *const f64, step: isize) -> [Self; 8];
}

/// Few elements, for what is left of a run.
macro_rules! few {
    ($($ty:ident)*) => {$(
        impl<const N: usize> Registers for Few<$ty, N> {
            #[inline(always)]
            fn subtract(self, other: Self) -> Self {
                Few(std::array::from_fn(|i| self.0[i] - other.0[i]))
            }
            #[inline(always)]
            fn multiply(self, other: Self) -> Self {
                Few(std::array::from_fn(|i| self.0[i] * other.0[i]))
            }
            #[inline(always)]
            fn divide(self, other: Self) -> Self {
                Few(std::array::from_fn(|i| self.0[i] / other.0[i]))
            }
            #[inline(always)]
            fn negate(self) -> Self {
                Few(self.0.map(|x| -x))
            }
            #[inline(always)]
            fn absolute(self) -> Self {
                Few(self.0.map(|x| x.abs()))
            }
            #[inline(always)]
            fn square_root(self) -> Self {
                Few(self.0.map(|x| x.sqrt()))
            }
        }
    )*};
}
few!(f32 f64);

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Registers, Turned};

    /// They are called from functions that were compiled for, and are only called on, machines that
    /// have the instructions.
    macro_rules! registers {
        ($(($register:ident, $subtract:ident, $multiply:ident, $divide:ident, $root:ident, $xor:ident, $andnot:ident,
            $splat:ident))*) => {$(
            impl Registers for $register {
                #[inline(always)]
                fn subtract(self, other: Self) -> Self {
                    // SAFETY: the machine has the instruction, as said above.
                    unsafe { $subtract(self, other) }
                }
                #[inline(always)]
                fn multiply(self, other: Self) -> Self {
                    // SAFETY: as above.
                    unsafe { $multiply(self, other) }
                }
                #[inline(always)]
                fn divide(self, other: Self) -> Self {
                    // SAFETY: as above.
                    unsafe { $divide(self, other) }
                }
                #[inline(always)]
                fn negate(self) -> Self {
                    // SAFETY: as above.
                    unsafe { $xor($splat(-0.0), self) }
                }
                #[inline(always)]
                fn absolute(self) -> Self {
                    // SAFETY: as above.
                    unsafe { $andnot($splat(-0.0), self) }
                }
                #[inline(always)]
                fn square_root(self) -> Self {
                    // SAFETY: as above.
                    unsafe { $root(self) }
                }
            }
        )*};
    }
    registers! {
        (__m256d, _mm256_sub_pd, _mm256_mul_pd, _mm256_div_pd, _mm256_sqrt_pd, _mm256_xor_pd, _mm256_andnot_pd,
            _mm256_set1_pd)
        (__m512d, _mm512_sub_pd, _mm512_mul_pd, _mm512_div_pd, _mm512_sqrt_pd, _mm512_xor_pd, _mm512_andnot_pd,
            _mm512_set1_pd)
        (__m256, _mm256_sub_ps, _mm256_mul_ps, _mm256_div_ps, _mm256_sqrt_ps, _mm256_xor_ps, _mm256_andnot_ps,
            _mm256_set1_ps)
    }

    impl Turned for __m256d {
        #[inline(always)]
        unsafe fn rows(first: *const f64, step: isize) -> [__m256d; 8] {
            // SAFETY: the caller's promise; the machine has the instructions, as said above.
            unsafe {
                let half = |column: isize, row: usize| {
                    _mm_loadu_pd(first.byte_offset(column * step).add(row))
                };
                // Columns 0 and 2, and 1 and 3, side by side: two rows in each.
                let pair = |first: isize, row: usize| {
                    let low = _mm256_castpd128_pd256(half(first, row));
                    _mm256_insertf128_pd::<1>(low, half(first + 2, row))
                };
                let two = |row: usize| {
                    let (a, b) = (pair(0, row), pair(1, row));
                    [_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b)]
                };
                let [[a, b], [c, d], [e, f], [g, h]] = [two(0), two(2), two(4), two(6)];
                [a, b, c, d, e, f, g, h]
            }
        }
    }

    impl Turned for __m512d {
        #[inline(always)]
        unsafe fn rows(first: *const f64, step: isize) -> [__m512d; 8] {
            // SAFETY: the caller's promise; the machine has the instructions, as said above.
            unsafe {
                let column = |i: isize| _mm512_loadu_pd(first.byte_offset(i * step));
                // Of two columns the even rows and the odd ones: of each row two elements side by side.
                let pair = |i: isize| {
                    let (a, b) = (column(i), column(i + 1));
                    [_mm512_unpacklo_pd(a, b), _mm512_unpackhi_pd(a, b)]
                };
                let pairs = [pair(0), pair(2), pair(4), pair(6)];
                // Of rows 0, 2, 4, 6 or 1, 3, 5, 7 each.
                let four = |odd: usize| {
                    let [a, b, c, d] = pairs.map(|pair| pair[odd]);
                    let (left, right) = (
                        _mm512_shuffle_f64x2::<0b10_00_10_00>(a, b),
                        _mm512_shuffle_f64x2::<0b10_00_10_00>(c, d),
                    );
                    let (left_next, right_next) = (
                        _mm512_shuffle_f64x2::<0b11_01_11_01>(a, b),
                        _mm512_shuffle_f64x2::<0b11_01_11_01>(c, d),
                    );
                    [
                        _mm512_shuffle_f64x2::<0b10_00_10_00>(left, right),
                        _mm512_shuffle_f64x2::<0b10_00_10_00>(left_next, right_next),
                        _mm512_shuffle_f64x2::<0b11_01_11_01>(left, right),
                        _mm512_shuffle_f64x2::<0b11_01_11_01>(left_next, right_next),
                    ]
                };
                let ([a, c, e, g], [b, d, f, h]) = (four(0), four(1));
                [a, b, c, d, e, f, g, h]
            }
        }
    }
}
