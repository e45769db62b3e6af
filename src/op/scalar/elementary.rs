//! Formulas of floating-point numbers that have vector code of their own where the machine has fused
//! multiply-add, and are the system's where it has not.

use num_complex::Complex;

use super::{Inexact, complex, math};

/// Operations of `f32`, `f64` and the complex types: by own code if `FMA`.
pub trait Elementary: Inexact {
    fn exp<const FMA: bool>(self) -> Self;
    fn exp2<const FMA: bool>(self) -> Self;
    fn expm1<const FMA: bool>(self) -> Self;
    fn log<const FMA: bool>(self) -> Self;
    fn log2<const FMA: bool>(self) -> Self;
    fn log10<const FMA: bool>(self) -> Self;
    fn log1p<const FMA: bool>(self) -> Self;
    fn sin<const FMA: bool>(self) -> Self;
    fn cos<const FMA: bool>(self) -> Self;
    fn tanh<const FMA: bool>(self) -> Self;

    /// Whether there is code for the numbers that are most frequent, which gives the same bits faster.
    const HAS_NEAR: bool;

    /// Whether [`exp_near`](Elementary::exp_near) does not hold.
    fn exp_is_far(self) -> bool;
    fn exp_near(self) -> Self;
    /// Whether [`log_near`](Elementary::log_near) does not hold.
    fn log_is_far(self) -> bool;
    fn log_near(self) -> Self;
    /// Whether [`sin_near`](Elementary::sin_near) and [`cos_near`](Elementary::cos_near) do not hold.
    fn angle_is_far(self) -> bool;
    fn sin_near(self) -> Self;
    fn cos_near(self) -> Self;
}

macro_rules! real {
    ($ty:ident, near $sin:path, $cos:path; $($name:ident => $own:path, $system:path;)*) => {
        impl Elementary for $ty {
            $(
                #[inline(always)]
                fn $name<const FMA: bool>(self) -> $ty {
                    if FMA { $own(self as f64) as $ty } else { $system(self) }
                }
            )*
            #[inline(always)]
            fn sin<const FMA: bool>(self) -> $ty {
                if FMA && !self.angle_is_far() { $sin(self) } else { <$ty>::sin(self) }
            }
            #[inline(always)]
            fn cos<const FMA: bool>(self) -> $ty {
                if FMA && !self.angle_is_far() { $cos(self) } else { <$ty>::cos(self) }
            }

            const HAS_NEAR: bool = true;

            #[inline(always)]
            fn exp_is_far(self) -> bool {
                math::exp_is_special(self as f64)
            }
            #[inline(always)]
            fn exp_near(self) -> $ty {
                math::exp_of_moderate(self as f64) as $ty
            }
            #[inline(always)]
            fn log_is_far(self) -> bool {
                math::log_is_special(self as f64)
            }
            #[inline(always)]
            fn log_near(self) -> $ty {
                math::log_of_normal(self as f64) as $ty
            }
            #[inline(always)]
            fn angle_is_far(self) -> bool {
                math::is_far(self as f64)
            }
            #[inline(always)]
            fn sin_near(self) -> $ty {
                $sin(self)
            }
            #[inline(always)]
            fn cos_near(self) -> $ty {
                $cos(self)
            }
        }
    };
}
// An `f32` is computed as an `f64`, and rounded.
macro_rules! reals {
    ($($ty:ident near $sin:path, $cos:path;)*) => {$(
        real! { $ty, near $sin, $cos;
            exp => math::exp, $ty::exp;
            exp2 => math::exp2, $ty::exp2;
            expm1 => math::expm1, $ty::exp_m1;
            log => math::log, $ty::ln;
            log2 => math::log2, $ty::log2;
            log10 => math::log10, $ty::log10;
            log1p => math::log1p, $ty::ln_1p;
            tanh => math::tanh, $ty::tanh;
        }
    )*};
}
reals! {
    f32 near math::sin_f32, math::cos_f32;
    f64 near math::sin, math::cos;
}

macro_rules! complex {
    ($($name:ident => $function:path;)*) => {
        $(
            #[inline(always)]
            fn $name<const FMA: bool>(self) -> Self {
                $function(self)
            }
        )*

        const HAS_NEAR: bool = false;

        #[inline(always)]
        fn exp_is_far(self) -> bool {
            true
        }
        #[inline(always)]
        fn exp_near(self) -> Self {
            Complex::exp(self)
        }
        #[inline(always)]
        fn log_is_far(self) -> bool {
            true
        }
        #[inline(always)]
        fn log_near(self) -> Self {
            complex::log(self)
        }
        #[inline(always)]
        fn angle_is_far(self) -> bool {
            true
        }
        #[inline(always)]
        fn sin_near(self) -> Self {
            Complex::sin(self)
        }
        #[inline(always)]
        fn cos_near(self) -> Self {
            Complex::cos(self)
        }
    };
}
macro_rules! complexes {
    ($($ty:ident)*) => {$(
        impl Elementary for Complex<$ty> {
            complex! {
                exp => Complex::exp;
                exp2 => Complex::exp2;
                expm1 => complex::expm1;
                log => complex::log;
                log2 => complex::log2;
                log10 => complex::log10;
                log1p => complex::log1p;
                sin => Complex::sin;
                cos => Complex::cos;
                tanh => complex::tanh;
            }
        }
    )*};
}
complexes!(f32 f64);
