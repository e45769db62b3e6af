//! Formulas of real and complex floating-point numbers.

use num_complex::Complex;

use super::Arith;

/// Operations of `f32`, `f64` and the complex types without code of their own.
pub trait Inexact: Arith {
    fn sqrt(self) -> Self;
    fn angle(self) -> Self::Real;
}

macro_rules! impl_inexact {
    ($($ty:ident)*) => {$(
        impl Inexact for $ty {
            #[inline(always)]
            fn sqrt(self) -> $ty {
                <$ty>::sqrt(self)
            }
            #[inline(always)]
            fn angle(self) -> $ty {
                let angle = if self.is_sign_negative() { std::$ty::consts::PI } else { 0.0 };
                if self.is_nan() { self } else { angle }
            }
        }

        impl Inexact for Complex<$ty> {
            #[inline(always)]
            fn sqrt(self) -> Self {
                Complex::sqrt(self)
            }
            #[inline(always)]
            fn angle(self) -> $ty {
                self.im.atan2(self.re)
            }
        }
    )*};
}
impl_inexact!(f32 f64);
