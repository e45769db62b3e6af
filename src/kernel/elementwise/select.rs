//! The choice between two operands by a `bool` one.

use std::mem::MaybeUninit;

use super::TileFn;
use super::tile::{room, vector};
use crate::base::dtype::DType;
use crate::kernel::level::{Level, level_functions};

/// The kernel of `Select`: the first argument is `n` `bool` bytes, the second and third are `n`
/// values or one.
pub fn select(dtype: DType, a_scalar: bool, b_scalar: bool, level: Level) -> TileFn {
    // Values are only moved: one kernel per size.
    match dtype.size() {
        1 => pick::<u8>(a_scalar, b_scalar, level),
        2 => pick::<u16>(a_scalar, b_scalar, level),
        4 => pick::<u32>(a_scalar, b_scalar, level),
        // Of the alignment of both its types.
        8 if dtype == DType::Complex64 => pick::<[u32; 2]>(a_scalar, b_scalar, level),
        8 => pick::<u64>(a_scalar, b_scalar, level),
        _ => pick::<[u64; 2]>(a_scalar, b_scalar, level),
    }
}

fn pick<T: Copy + 'static>(a_scalar: bool, b_scalar: bool, level: Level) -> TileFn {
    match (a_scalar, b_scalar) {
        (false, false) => at::<T, false, false>(level),
        (false, true) => at::<T, false, true>(level),
        (true, false) => at::<T, true, false>(level),
        (true, true) => at::<T, true, true>(level),
    }
}

fn at<T: Copy + 'static, const A: bool, const B: bool>(level: Level) -> TileFn {
    match level {
        Level::Portable => Kernel::<T, A, B>::portable,
        Level::Avx2 => Kernel::<T, A, B>::avx2,
        Level::Avx512 => Kernel::<T, A, B>::avx512,
    }
}

struct Kernel<T, const A: bool, const B: bool>(std::marker::PhantomData<T>);

impl<T: Copy, const A: bool, const B: bool> Kernel<T, A, B> {
    level_functions!(unsafe fn portable, avx2, avx512(n: usize, args: &[*const u8; 3], out: *mut u8) = Self::body);

    /// # Safety
    /// As for [`TileFn`].
    #[inline(always)]
    unsafe fn body(n: usize, args: &[*const u8; 3], out: *mut u8) {
        // SAFETY: the contract of `TileFn`. The condition is read as bytes, 0 or 1.
        unsafe {
            let (a_len, b_len) = (if A { 1 } else { n }, if B { 1 } else { n });
            // Of no elements there need not even be the single value.
            if n > 0 {
                Self::run(
                    vector(args[0], n),
                    vector(args[1], a_len),
                    vector(args[2], b_len),
                    room(out, n),
                );
            }
        }
    }

    #[inline(always)]
    fn run(condition: &[u8], x: &[T], y: &[T], out: &mut [MaybeUninit<T>]) {
        let n = out.len();
        let condition = &condition[..n];
        let (x, y) = (&x[..if A { 1 } else { n }], &y[..if B { 1 } else { n }]);
        let (single_x, single_y) = (x[0], y[0]);
        for i in 0..n {
            let x = if A { single_x } else { x[i] };
            let y = if B { single_y } else { y[i] };
            out[i].write(if condition[i] != 0 { x } else { y });
        }
    }
}
