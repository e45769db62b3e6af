//! Sine and cosine of one operand at once: the quadrant is taken off only once, and both series are
//! needed for each of them anyway.

use std::mem::MaybeUninit;

use super::tile::{BLOCK, SANGUINE, room, vector};
use crate::base::dtype::DType;
use crate::kernel::level::{Level, level_functions};
use crate::op::scalar::{Elementary, math};

/// A kernel of one operand and two results over `n` contiguous elements.
///
/// # Safety
/// `x` must be `n` elements, and both of `outs` room for `n` results; all aligned to their element
/// type; no two of the three overlap. The machine must have the level that the kernel was asked for.
pub type PairFn = unsafe fn(n: usize, x: *const u8, outs: [*mut u8; 2]);

/// The kernel whose results are the bits of `Sin` and of `Cos`; `None` if `dtype` has none.
pub fn sin_cos(dtype: DType, level: Level) -> Option<PairFn> {
    match dtype {
        DType::F32 => Some(pick::<f32>(level)),
        DType::F64 => Some(pick::<f64>(level)),
        _ => None,
    }
}

fn pick<T: Angle>(level: Level) -> PairFn {
    match level {
        Level::Portable => T::portable,
        Level::Avx2 => T::avx2,
        Level::Avx512 => T::avx512,
    }
}

trait Angle: Elementary + Copy {
    /// Both, unless `angle_is_far`.
    fn near(self) -> (Self, Self);

    /// # Safety
    /// As for [`PairFn`].
    #[inline(always)]
    unsafe fn body<const FMA: bool>(n: usize, x: *const u8, outs: [*mut u8; 2]) {
        // SAFETY: the contract of `PairFn`.
        unsafe { Self::run::<FMA>(vector(x, n), room(outs[0], n), room(outs[1], n)) }
    }

    /// As the blocks of one result: those with something far once more, by the code for all values.
    #[inline(always)]
    fn run<const FMA: bool>(
        x: &[Self],
        sines: &mut [MaybeUninit<Self>],
        cosines: &mut [MaybeUninit<Self>],
    ) {
        let outs = sines.chunks_mut(SANGUINE).zip(cosines.chunks_mut(SANGUINE));
        for (x, (sines, cosines)) in x.chunks(SANGUINE).zip(outs) {
            if FMA && !Self::run_near(x, sines, cosines) {
                continue;
            }
            let outs = sines.chunks_mut(BLOCK).zip(cosines.chunks_mut(BLOCK));
            for (x, (sines, cosines)) in x.chunks(BLOCK).zip(outs) {
                if FMA && !x.iter().any(|x| x.angle_is_far()) {
                    continue;
                }
                for i in 0..x.len() {
                    sines[i].write(x[i].sin::<FMA>());
                    cosines[i].write(x[i].cos::<FMA>());
                }
            }
        }
    }

    /// Whether something was far, and what is in its place is wrong.
    #[inline(always)]
    fn run_near(
        x: &[Self],
        sines: &mut [MaybeUninit<Self>],
        cosines: &mut [MaybeUninit<Self>],
    ) -> bool {
        let (sines, cosines) = (&mut sines[..x.len()], &mut cosines[..x.len()]);
        let mut far = false;
        for i in 0..x.len() {
            let value = x[i];
            let (sine, cosine) = value.near();
            sines[i].write(sine);
            cosines[i].write(cosine);
            far |= value.angle_is_far();
        }
        far
    }

    level_functions!(unsafe fn portable, avx2, avx512(n: usize, x: *const u8, outs: [*mut u8; 2])
        = Self::body::<{ math::IN_BASELINE }>, Self::body::<true>);
}

impl Angle for f32 {
    #[inline(always)]
    fn near(self) -> (f32, f32) {
        math::sin_cos_f32(self)
    }
}

impl Angle for f64 {
    #[inline(always)]
    fn near(self) -> (f64, f64) {
        math::sin_cos(self)
    }
}
