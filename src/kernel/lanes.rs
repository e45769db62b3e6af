//! Vectors of one register, for kernels that keep their accumulators there.

use crate::op::scalar::math;

/// A register of elements.
pub trait Lanes: Copy {
    type Item: Copy;
    const COUNT: usize;

    fn zero() -> Self;
    /// # Safety
    /// There must be [`COUNT`](Lanes::COUNT) elements at `from`.
    unsafe fn load(from: *const Self::Item) -> Self;
    /// # Safety
    /// There must be room for [`COUNT`](Lanes::COUNT) elements at `to`.
    unsafe fn store(self, to: *mut Self::Item);
    fn splat(value: Self::Item) -> Self;
    fn add(self, other: Self) -> Self;
    /// `self + a * b`.
    fn add_product(self, a: Self, b: Self) -> Self;
    /// `self - a * b`.
    fn subtract_product(self, a: Self, b: Self) -> Self;
}

/// Floats in an array: what the compiler makes of it where there are no intrinsics below.
#[derive(Clone, Copy)]
pub struct Few<T, const N: usize>(pub [T; N]);

macro_rules! few {
    ($($ty:ident)*) => {$(
        impl<const N: usize> Lanes for Few<$ty, N> {
            type Item = $ty;
            const COUNT: usize = N;

            #[inline(always)]
            fn zero() -> Self {
                Few([0.0; N])
            }

            #[inline(always)]
            unsafe fn load(from: *const $ty) -> Self {
                // SAFETY: the caller's promise.
                Few(unsafe { from.cast::<[$ty; N]>().read() })
            }

            #[inline(always)]
            unsafe fn store(self, to: *mut $ty) {
                // SAFETY: the caller's promise.
                unsafe { to.cast::<[$ty; N]>().write(self.0) }
            }

            #[inline(always)]
            fn splat(value: $ty) -> Self {
                Few([value; N])
            }

            #[inline(always)]
            fn add(self, other: Self) -> Self {
                Few(std::array::from_fn(|i| self.0[i] + other.0[i]))
            }

            #[inline(always)]
            fn add_product(self, a: Self, b: Self) -> Self {
                // Without an instruction for it `mul_add` is a library call.
                Few(std::array::from_fn(|i| match math::IN_BASELINE {
                    true => a.0[i].mul_add(b.0[i], self.0[i]),
                    false => self.0[i] + a.0[i] * b.0[i],
                }))
            }

            #[inline(always)]
            fn subtract_product(self, a: Self, b: Self) -> Self {
                Few(std::array::from_fn(|i| match math::IN_BASELINE {
                    true => (-a.0[i]).mul_add(b.0[i], self.0[i]),
                    false => self.0[i] - a.0[i] * b.0[i],
                }))
            }
        }
    )*};
}
few!(f32 f64);

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::Lanes;

    /// Registers and the intrinsics on them. They are called from functions that were compiled for, and
    /// are only called on, machines that have them.
    macro_rules! registers {
        ($(($register:ident, $ty:ident, $count:literal, $zero:ident, $load:ident, $store:ident, $splat:ident,
            $add:ident, $fmadd:ident, $fnmadd:ident))*) => {$(
            impl Lanes for $register {
                type Item = $ty;
                const COUNT: usize = $count;

                #[inline(always)]
                fn zero() -> Self {
                    // SAFETY: the machine has the instruction, as said above.
                    unsafe { $zero() }
                }

                #[inline(always)]
                unsafe fn load(from: *const $ty) -> Self {
                    // SAFETY: the caller's promise; the machine has the instruction.
                    unsafe { $load(from) }
                }

                #[inline(always)]
                unsafe fn store(self, to: *mut $ty) {
                    // SAFETY: the caller's promise; the machine has the instruction.
                    unsafe { $store(to, self) }
                }

                #[inline(always)]
                fn splat(value: $ty) -> Self {
                    // SAFETY: the machine has the instruction.
                    unsafe { $splat(value) }
                }

                #[inline(always)]
                fn add(self, other: Self) -> Self {
                    // SAFETY: the machine has the instruction.
                    unsafe { $add(self, other) }
                }

                #[inline(always)]
                fn add_product(self, a: Self, b: Self) -> Self {
                    // SAFETY: the machine has the instruction.
                    unsafe { $fmadd(a, b, self) }
                }

                #[inline(always)]
                fn subtract_product(self, a: Self, b: Self) -> Self {
                    // SAFETY: the machine has the instruction.
                    unsafe { $fnmadd(a, b, self) }
                }
            }
        )*};
    }
    registers! {
        (__m256d, f64, 4, _mm256_setzero_pd, _mm256_loadu_pd, _mm256_storeu_pd, _mm256_set1_pd,
            _mm256_add_pd, _mm256_fmadd_pd, _mm256_fnmadd_pd)
        (__m256, f32, 8, _mm256_setzero_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_set1_ps,
            _mm256_add_ps, _mm256_fmadd_ps, _mm256_fnmadd_ps)
        (__m512d, f64, 8, _mm512_setzero_pd, _mm512_loadu_pd, _mm512_storeu_pd, _mm512_set1_pd,
            _mm512_add_pd, _mm512_fmadd_pd, _mm512_fnmadd_pd)
        (__m512, f32, 16, _mm512_setzero_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_set1_ps,
            _mm512_add_ps, _mm512_fmadd_ps, _mm512_fnmadd_ps)
    }

    /// Eight 64-bit integers: the one type of integers whose loops the compiler leaves scalar.
    #[derive(Clone, Copy)]
    pub struct Long(__m512i);

    impl Lanes for Long {
        type Item = i64;
        const COUNT: usize = 8;

        #[inline(always)]
        fn zero() -> Self {
            // SAFETY: the machine has the instruction.
            Long(unsafe { _mm512_setzero_si512() })
        }

        #[inline(always)]
        unsafe fn load(from: *const i64) -> Self {
            // SAFETY: the caller's promise; the machine has the instruction.
            Long(unsafe { _mm512_loadu_si512(from.cast()) })
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut i64) {
            // SAFETY: the caller's promise; the machine has the instruction.
            unsafe { _mm512_storeu_si512(to.cast(), self.0) }
        }

        #[inline(always)]
        fn splat(value: i64) -> Self {
            // SAFETY: the machine has the instruction.
            Long(unsafe { _mm512_set1_epi64(value) })
        }

        #[inline(always)]
        fn add(self, other: Self) -> Self {
            // SAFETY: the machine has the instruction.
            Long(unsafe { _mm512_add_epi64(self.0, other.0) })
        }

        #[inline(always)]
        fn add_product(self, a: Self, b: Self) -> Self {
            // SAFETY: the machine has the instructions.
            Long(unsafe { _mm512_add_epi64(self.0, _mm512_mullo_epi64(a.0, b.0)) })
        }

        #[inline(always)]
        fn subtract_product(self, a: Self, b: Self) -> Self {
            // SAFETY: the machine has the instructions.
            Long(unsafe { _mm512_sub_epi64(self.0, _mm512_mullo_epi64(a.0, b.0)) })
        }
    }
}
#[cfg(target_arch = "x86_64")]
pub use x86::Long;
