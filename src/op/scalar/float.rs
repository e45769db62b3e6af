//! Formulas of the real floating-point numbers.

use super::{Inexact, Real};

/// Operations of `f32` and `f64`.
pub trait Float: Inexact + Real {
    fn copysign(self, sign: Self) -> Self;
    fn isposinf(self) -> bool;
    fn isneginf(self) -> bool;
    fn nextafter(self, towards: Self) -> Self;
    fn spacing(self) -> Self;
    fn heaviside(self, at_zero: Self) -> Self;
    fn degrees(self) -> Self;
    fn radians(self) -> Self;
}

macro_rules! impl_float {
    ($($ty:ident)*) => {$(
        impl Float for $ty {
            #[inline(always)]
            fn copysign(self, sign: $ty) -> $ty {
                <$ty>::copysign(self, sign)
            }
            #[inline(always)]
            fn isposinf(self) -> bool {
                self == <$ty>::INFINITY
            }
            #[inline(always)]
            fn isneginf(self) -> bool {
                self == <$ty>::NEG_INFINITY
            }
            #[inline(always)]
            fn nextafter(self, towards: $ty) -> $ty {
                if self.is_nan() | towards.is_nan() {
                    return self + towards;
                }
                if towards > self {
                    self.next_up()
                } else if towards < self {
                    self.next_down()
                } else {
                    towards
                }
            }
            #[inline(always)]
            fn spacing(self) -> $ty {
                let magnitude = self.abs();
                let next = <$ty>::from_bits(magnitude.to_bits().wrapping_add(1));
                // NumPy's zeros, of both signs, have a positive one.
                let sign = if self == 0.0 { 1.0 } else { self };
                let spacing = <$ty>::copysign(next - magnitude, sign);
                if self.is_finite() { spacing } else { <$ty>::NAN }
            }
            #[inline(always)]
            fn heaviside(self, at_zero: $ty) -> $ty {
                let step = if self > 0.0 { 1.0 } else { 0.0 };
                let step = if self == 0.0 { at_zero } else { step };
                if self.is_nan() { self } else { step }
            }
            #[inline(always)]
            fn degrees(self) -> $ty {
                self * (180.0 / std::$ty::consts::PI)
            }
            #[inline(always)]
            fn radians(self) -> $ty {
                self * (std::$ty::consts::PI / 180.0)
            }
        }
    )*};
}
impl_float!(f32 f64);
