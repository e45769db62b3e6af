//! Conversions between element types.

use std::mem::MaybeUninit;

use super::TileFn;
use super::tile::{room, vector};
use crate::base::dtype::{DType, with_dtype};
use crate::kernel::level::{Level, level_functions};
use crate::op::scalar::cast::CastTo;

/// The kernel that converts elements of type `from` to type `to`.
pub fn cast(from: DType, to: DType, level: Level) -> TileFn {
    if from == to {
        return match from.size() {
            1 => copy::<1>,
            2 => copy::<2>,
            4 => copy::<4>,
            8 => copy::<8>,
            _ => copy::<16>,
        };
    }
    with_dtype!(from, T => with_dtype!(to, U => pick::<T, U>(level)))
}

/// # Safety
/// As for [`TileFn`].
unsafe fn copy<const SIZE: usize>(n: usize, args: &[*const u8; 3], out: *mut u8) {
    // SAFETY: the contract of `TileFn`.
    unsafe { std::ptr::copy_nonoverlapping(args[0], out, n * SIZE) }
}

fn pick<T: CastTo<U> + 'static, U: 'static>(level: Level) -> TileFn {
    match level {
        Level::Portable => Kernel::<T, U>::portable,
        Level::Avx2 => Kernel::<T, U>::avx2,
        Level::Avx512 => Kernel::<T, U>::avx512,
    }
}

struct Kernel<T, U>(std::marker::PhantomData<(T, U)>);

impl<T: CastTo<U>, U> Kernel<T, U> {
    level_functions!(unsafe fn portable, avx2, avx512(n: usize, args: &[*const u8; 3], out: *mut u8) = Self::body);

    /// # Safety
    /// As for [`TileFn`].
    #[inline(always)]
    unsafe fn body(n: usize, args: &[*const u8; 3], out: *mut u8) {
        // SAFETY: the contract of `TileFn`.
        unsafe { Self::run(vector(args[0], n), room(out, n)) }
    }

    #[inline(always)]
    fn run(x: &[T], out: &mut [MaybeUninit<U>]) {
        let x = &x[..out.len()];
        for i in 0..out.len() {
            out[i].write(x[i].cast());
        }
    }
}
