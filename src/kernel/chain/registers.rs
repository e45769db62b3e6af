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

/// Registers of which four can be turned into rows.
pub trait Turned: Registers<Item = f64> {
    /// Four rows of which these are the columns.
    ///
    /// # Safety
    /// There must be four elements at each.
    unsafe fn turned(columns: [*const f64; 4]) -> [Self; 4];
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
        unsafe fn turned(columns: [*const f64; 4]) -> [__m256d; 4] {
            // SAFETY: the caller's promise; the machine has the instructions, as said above.
            unsafe {
                let half = |column: usize, at: usize| _mm_loadu_pd(columns[column].add(at));
                // Columns 0 and 2, and 1 and 3, side by side: two rows in each.
                let pair = |first: usize, at: usize| {
                    let low = _mm256_castpd128_pd256(half(first, at));
                    _mm256_insertf128_pd::<1>(low, half(first + 2, at))
                };
                let (a, b) = (pair(0, 0), pair(1, 0));
                let (c, d) = (pair(0, 2), pair(1, 2));
                [
                    _mm256_unpacklo_pd(a, b),
                    _mm256_unpackhi_pd(a, b),
                    _mm256_unpacklo_pd(c, d),
                    _mm256_unpackhi_pd(c, d),
                ]
            }
        }
    }
}
