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

/// One element, for what is left of a run.
macro_rules! single {
    ($($ty:ident)*) => {$(
        impl Registers for Few<$ty, 1> {
            #[inline(always)]
            fn subtract(self, other: Self) -> Self {
                Few([self.0[0] - other.0[0]])
            }
            #[inline(always)]
            fn multiply(self, other: Self) -> Self {
                Few([self.0[0] * other.0[0]])
            }
            #[inline(always)]
            fn divide(self, other: Self) -> Self {
                Few([self.0[0] / other.0[0]])
            }
            #[inline(always)]
            fn negate(self) -> Self {
                Few([-self.0[0]])
            }
            #[inline(always)]
            fn absolute(self) -> Self {
                Few([self.0[0].abs()])
            }
            #[inline(always)]
            fn square_root(self) -> Self {
                Few([self.0[0].sqrt()])
            }
        }
    )*};
}
single!(f32 f64);

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::Registers;

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
        (__m256, _mm256_sub_ps, _mm256_mul_ps, _mm256_div_ps, _mm256_sqrt_ps, _mm256_xor_ps, _mm256_andnot_ps,
            _mm256_set1_ps)
    }
}
