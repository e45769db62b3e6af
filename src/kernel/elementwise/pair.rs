//! Sine and cosine of one operand at once: the quadrant is taken off only once, and both series are
//! needed for each of them anyway.

use std::mem::MaybeUninit;

use super::tile::{BLOCK, SANGUINE, room, vector};
use crate::base::dtype::DType;
use crate::kernel::level::{Level, level_functions};
use crate::op::scalar::Elementary;
use crate::op::scalar::math::{self, Quadrants};

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
        Level::Portable if math::IN_BASELINE => T::sanguine::<0>,
        Level::Portable => T::portable,
        Level::Avx2 => T::sanguine::<1>,
        Level::Avx512 => T::sanguine::<2>,
    }
}

trait Angle: Elementary + Copy {
    /// Both, unless `angle_is_far`; and the quadrant.
    fn near(self) -> (Self, Self, Quadrants);

    /// # Safety
    /// As for [`PairFn`].
    #[inline(always)]
    unsafe fn body<const FMA: bool>(n: usize, x: *const u8, outs: [*mut u8; 2]) {
        // SAFETY: the contract of `PairFn`.
        unsafe { Self::run::<FMA>(vector(x, n), room(outs[0], n), room(outs[1], n)) }
    }

    #[inline(always)]
    fn run<const FMA: bool>(
        x: &[Self],
        sines: &mut [MaybeUninit<Self>],
        cosines: &mut [MaybeUninit<Self>],
    ) {
        let (sines, cosines) = (&mut sines[..x.len()], &mut cosines[..x.len()]);
        for i in 0..x.len() {
            sines[i].write(x[i].sin::<FMA>());
            cosines[i].write(x[i].cos::<FMA>());
        }
    }

    level_functions!(unsafe fn portable, avx2, avx512(n: usize, x: *const u8, outs: [*mut u8; 2])
        = Self::body::<{ math::IN_BASELINE }>, Self::body::<true>);

    /// Whether something may have been far; what is in its place is wrong.
    ///
    /// # Safety
    /// As for [`PairFn`].
    #[inline(always)]
    unsafe fn near_body(n: usize, x: *const u8, outs: [*mut u8; 2]) -> bool {
        // SAFETY: the contract of `PairFn`.
        unsafe { Self::run_near(vector(x, n), room(outs[0], n), room(outs[1], n)) }
    }

    #[inline(always)]
    fn run_near(
        x: &[Self],
        sines: &mut [MaybeUninit<Self>],
        cosines: &mut [MaybeUninit<Self>],
    ) -> bool {
        let (sines, cosines) = (&mut sines[..x.len()], &mut cosines[..x.len()]);
        let mut quadrants = Quadrants::default();
        for i in 0..x.len() {
            let (sine, cosine, quadrant) = x[i].near();
            sines[i].write(sine);
            cosines[i].write(cosine);
            quadrants = quadrants.join(quadrant);
        }
        quadrants.may_be_far()
    }

    level_functions!(unsafe fn near_portable, near_avx2, near_avx512(n: usize, x: *const u8, outs: [*mut u8; 2]) -> bool
        = Self::near_body);

    /// As [`UnaryTile::sanguine`](super::tile::UnaryTile::sanguine).
    ///
    /// # Safety
    /// As for [`PairFn`]; the machine must have the level.
    unsafe fn sanguine<const LEVEL: usize>(n: usize, x: *const u8, outs: [*mut u8; 2]) {
        let at = |start: usize| {
            let bytes = start * size_of::<Self>();
            (
                x.wrapping_add(bytes),
                outs.map(|out| out.wrapping_add(bytes)),
            )
        };
        let near = [Self::near_portable, Self::near_avx2, Self::near_avx512][LEVEL];
        let all = [Self::portable, Self::avx2, Self::avx512][LEVEL];
        for start in (0..n).step_by(SANGUINE) {
            let end = (start + SANGUINE).min(n);
            let (x, outs) = at(start);
            // SAFETY: a part of what the caller promised.
            if !unsafe { near(end - start, x, outs) } {
                continue;
            }
            for start in (start..end).step_by(BLOCK) {
                let n = BLOCK.min(end - start);
                let (x, outs) = at(start);
                // SAFETY: as above.
                unsafe {
                    if vector::<Self>(x, n).iter().any(|x| x.angle_is_far()) {
                        all(n, x, outs);
                    }
                }
            }
        }
    }
}

impl Angle for f32 {
    #[inline(always)]
    fn near(self) -> (f32, f32, Quadrants) {
        math::sin_cos_f32(self)
    }
}

impl Angle for f64 {
    #[inline(always)]
    fn near(self) -> (f64, f64, Quadrants) {
        math::sin_cos(self)
    }
}
