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
    fn cbrt(self) -> Self;
    fn logaddexp(self, other: Self) -> Self;
    fn logaddexp2(self, other: Self) -> Self;
    fn hypot(self, other: Self) -> Self;
    fn atan2(self, x: Self) -> Self;
    fn sinc(self) -> Self;
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
            #[inline(always)]
            fn cbrt(self) -> $ty {
                self.cbrt()
            }
            #[inline(always)]
            fn logaddexp(self, other: $ty) -> $ty {
                // Equal infinities have no difference.
                if self == other {
                    return self + std::$ty::consts::LN_2;
                }
                let larger = if self > other { self } else { other };
                let sum = larger + (-(self - other).abs()).exp().ln_1p();
                if self.is_nan() | other.is_nan() { self + other } else { sum }
            }
            #[inline(always)]
            fn logaddexp2(self, other: $ty) -> $ty {
                if self == other {
                    return self + 1.0;
                }
                let larger = if self > other { self } else { other };
                let sum = larger + (-(self - other).abs()).exp2().ln_1p() * std::$ty::consts::LOG2_E;
                if self.is_nan() | other.is_nan() { self + other } else { sum }
            }
            #[inline(always)]
            fn hypot(self, other: $ty) -> $ty {
                self.hypot(other)
            }
            #[inline(always)]
            fn atan2(self, x: $ty) -> $ty {
                self.atan2(x)
            }
            #[inline(always)]
            fn sinc(self) -> $ty {
                let y = std::$ty::consts::PI * self;
                if self == 0.0 { 1.0 } else { y.sin() / y }
            }
        }
    )*};
}
impl_float!(f32 f64);
