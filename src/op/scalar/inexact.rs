//! Formulas of real and complex floating-point numbers.

use num_complex::Complex;

use super::{Arith, complex, inverse};

/// Operations of `f32`, `f64` and the complex types.
pub trait Inexact: Arith {
    fn sqrt(self) -> Self;
    fn exp(self) -> Self;
    fn exp2(self) -> Self;
    fn expm1(self) -> Self;
    fn log(self) -> Self;
    fn log2(self) -> Self;
    fn log10(self) -> Self;
    fn log1p(self) -> Self;
    fn sin(self) -> Self;
    fn cos(self) -> Self;
    fn tan(self) -> Self;
    fn asin(self) -> Self;
    fn acos(self) -> Self;
    fn atan(self) -> Self;
    fn sinh(self) -> Self;
    fn cosh(self) -> Self;
    fn tanh(self) -> Self;
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
                sqrt => $ty::sqrt, exp => $ty::exp, exp2 => $ty::exp2, expm1 => $ty::exp_m1,
                log => $ty::ln, log2 => $ty::log2, log10 => $ty::log10, log1p => $ty::ln_1p,
                sin => $ty::sin, cos => $ty::cos, tan => $ty::tan,
                asin => $ty::asin, acos => $ty::acos, atan => $ty::atan,
                sinh => $ty::sinh, cosh => $ty::cosh, tanh => $ty::tanh,
                asinh => inverse::asinh, acosh => inverse::acosh, atanh => inverse::atanh,
            }
            #[inline(always)]
            fn angle(self) -> $ty {
                <$ty>::atan2(0.0, self)
            }
        }

        impl Inexact for Complex<$ty> {
            forward! {
                sqrt => Complex::sqrt, exp => Complex::exp, exp2 => Complex::exp2,
                expm1 => complex::expm1, log => complex::log, log2 => complex::log2,
                log10 => complex::log10, log1p => complex::log1p,
                sin => Complex::sin, cos => Complex::cos, tan => complex::tan,
                asin => inverse::complex_asin, acos => inverse::complex_acos,
                atan => inverse::complex_atan,
                sinh => Complex::sinh, cosh => Complex::cosh, tanh => complex::tanh,
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
