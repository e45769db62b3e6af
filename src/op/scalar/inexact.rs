//! Formulas of real and complex floating-point numbers.

use num_complex::Complex;

use super::{Arith, inverse};

/// Operations of `f32`, `f64` and the complex types that the system's library computes.
pub trait Inexact: Arith {
    fn sqrt(self) -> Self;
    fn asin(self) -> Self;
    fn acos(self) -> Self;
    fn atan(self) -> Self;
    fn asinh(self) -> Self;
    fn acosh(self) -> Self;
    fn atanh(self) -> Self;
    fn angle(self) -> Self::Real;
}

/// Forwards the methods of the trait to the given functions.
macro_rules! forward {
    ($($name:ident => $function:path),* $(,)?) => {$(
        #[inline(always)]
        fn $name(self) -> Self {
            $function(self)
        }
    )*};
}

macro_rules! impl_inexact {
    ($($ty:ident)*) => {$(
        impl Inexact for $ty {
            forward! {
                sqrt => $ty::sqrt,
                asin => $ty::asin, acos => $ty::acos, atan => $ty::atan,
                asinh => inverse::asinh, acosh => inverse::acosh, atanh => inverse::atanh,
            }
            #[inline(always)]
            fn angle(self) -> $ty {
                <$ty>::atan2(0.0, self)
            }
        }

        impl Inexact for Complex<$ty> {
            forward! {
                sqrt => Complex::sqrt,
                asin => inverse::complex_asin, acos => inverse::complex_acos,
                atan => inverse::complex_atan,
                asinh => inverse::complex_asinh, acosh => inverse::complex_acosh,
                atanh => inverse::complex_atanh,
            }
            #[inline(always)]
            fn angle(self) -> $ty {
                self.im.atan2(self.re)
            }
        }
    )*};
}
impl_inexact!(f32 f64);
