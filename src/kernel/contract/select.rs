//! Which micro-kernel serves a dtype on a level.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256, __m256d, __m512, __m512d};

use super::micro::{Sum, Tile, Truth, complex, loops, real};
use super::{AddFn, Kernel};
use crate::base::dtype::DType;
use crate::kernel::lanes::Few;
#[cfg(target_arch = "x86_64")]
use crate::kernel::lanes::Long;
use crate::kernel::level::Level;

/// One row per kind of element: the element as sums are added, how many planes a panel has, and for each
/// level the body, its vector or element, rows, and registers (or elements) of columns. Wide enough to hide
/// the latency of a multiply-add, and few enough to fit the registers: 16, of AVX-512 32.
macro_rules! kernels {
    ($($name:ident: $sum:ty, $planes:literal,
        $portable:ident<$p:ty, $pr:literal, $pc:literal>,
        $avx2:ident<$y:ty, $yr:literal, $yc:literal>,
        $avx512:ident<$z:ty, $zr:literal, $zc:literal>;)*) => {$(
        mod $name {
            use super::*;

            /// # Safety
            /// As for [`MicroFn`](super::super::micro::MicroFn).
            unsafe fn portable(depth: usize, a: *const u8, b: *const u8, tile: &Tile) {
                // SAFETY: the caller keeps the contract of the body.
                unsafe { $portable::<$p, $pr, $pc>(depth, a, b, tile) }
            }

            /// # Safety
            /// As for [`MicroFn`](super::super::micro::MicroFn).
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt,popcnt")]
            unsafe fn avx2(depth: usize, a: *const u8, b: *const u8, tile: &Tile) {
                // SAFETY: the caller keeps the contract of the body.
                unsafe { $avx2::<$y, $yr, $yc>(depth, a, b, tile) }
            }

            /// # Safety
            /// As for [`MicroFn`](super::super::micro::MicroFn).
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl")]
            unsafe fn avx512(depth: usize, a: *const u8, b: *const u8, tile: &Tile) {
                // SAFETY: the caller keeps the contract of the body.
                unsafe { $avx512::<$z, $zr, $zc>(depth, a, b, tile) }
            }

            pub fn kernel(level: Level) -> Kernel {
                let (micro, rows, columns): (super::super::MicroFn, usize, usize) = match level {
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx2 => (avx2, $yr, $yc * size_of::<$y>() * $planes / size_of::<$sum>()),
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx512 => (avx512, $zr, $zc * size_of::<$z>() * $planes / size_of::<$sum>()),
                    _ => (portable, $pr, $pc * size_of::<$p>() * $planes / size_of::<$sum>()),
                };
                let add: AddFn = add::<$sum>;
                Kernel { rows, columns, item: size_of::<$sum>(), planes: $planes, micro, add }
            }
        }
    )*};
}
kernels! {
    truths: Truth, 1, loops<Truth, 4, 16>, loops<Truth, 4, 32>, loops<Truth, 4, 64>;
    i8s: i8, 1, loops<i8, 4, 16>, loops<i8, 4, 32>, loops<i8, 4, 64>;
    i16s: i16, 1, loops<i16, 4, 16>, loops<i16, 4, 32>, loops<i16, 4, 64>;
    i32s: i32, 1, loops<i32, 4, 16>, loops<i32, 4, 32>, loops<i32, 4, 64>;
    i64s: i64, 1, loops<i64, 4, 8>, loops<i64, 4, 16>, real<Long, 8, 3>;
    f32s: f32, 1, real<Few<f32, 4>, 4, 2>, real<__m256, 6, 2>, real<__m512, 8, 3>;
    f64s: f64, 1, real<Few<f64, 2>, 4, 2>, real<__m256d, 6, 2>, real<__m512d, 8, 3>;
    complex64: [f32; 2], 2, complex<Few<f32, 4>, 2, 2>, complex<__m256, 2, 2>, complex<__m512, 4, 2>;
    complex128: [f64; 2], 2, complex<Few<f64, 2>, 2, 2>, complex<__m256d, 2, 2>, complex<__m512d, 4, 2>;
}

/// The kernel of a dtype. Signed and unsigned integers of a width have the same bits.
pub fn kernel(dtype: DType, level: Level) -> Kernel {
    match dtype {
        DType::Bool => truths::kernel(level),
        DType::I8 | DType::U8 => i8s::kernel(level),
        DType::I16 | DType::U16 => i16s::kernel(level),
        DType::I32 | DType::U32 => i32s::kernel(level),
        DType::I64 | DType::U64 => i64s::kernel(level),
        DType::F32 => f32s::kernel(level),
        DType::F64 => f64s::kernel(level),
        DType::Complex64 => complex64::kernel(level),
        DType::Complex128 => complex128::kernel(level),
    }
}

/// # Safety
/// As for [`Kernel::add`].
unsafe fn add<T: Sum>(n: usize, into: *mut u8, from: *const u8) {
    let (into, from) = (into.cast::<T>(), from.cast::<T>());
    for i in 0..n {
        // SAFETY: the caller's promise.
        unsafe { into.add(i).write((*into.add(i)).plus(*from.add(i))) };
    }
}
