//! Formulas of floating-point numbers that have vector code of their own where the machine has fused
//! multiply-add, and are the system's where it has not.

use num_complex::Complex;

use super::{Inexact, complex, inverse, math};

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
    fn tan<const FMA: bool>(self) -> Self;
    fn sinh<const FMA: bool>(self) -> Self;
    fn cosh<const FMA: bool>(self) -> Self;
    fn tanh<const FMA: bool>(self) -> Self;
    fn asin<const FMA: bool>(self) -> Self;
    fn acos<const FMA: bool>(self) -> Self;
    fn atan<const FMA: bool>(self) -> Self;
    fn asinh<const FMA: bool>(self) -> Self;
    fn acosh<const FMA: bool>(self) -> Self;
    fn atanh<const FMA: bool>(self) -> Self;

    /// Whether there is code for the numbers that are most frequent, which gives the same bits faster.
    const HAS_NEAR: bool;

    /// Whether [`exp_near`](Elementary::exp_near) does not hold.
    fn exp_is_far(self) -> bool;
    fn exp_near(self) -> Self;
    /// Whether [`log_near`](Elementary::log_near) does not hold.
    fn log_is_far(self) -> bool;
    fn log_near(self) -> Self;
    /// Whether [`sin_near`](Elementary::sin_near) and `cos_near` do not hold.
    fn angle_is_far(self) -> bool;
    fn sin_near(self) -> Self;
    fn cos_near(self) -> Self;
    /// Whether [`tan_near`](Elementary::tan_near) does not hold.
    fn tan_is_far(self) -> bool;
    fn tan_near(self) -> Self;
    /// Whether [`sinh_near`](Elementary::sinh_near) and `cosh_near` do not hold.
    fn sinh_is_far(self) -> bool;
    fn sinh_near(self) -> Self;
    fn cosh_near(self) -> Self;
}

// An `f32` is computed as an `f64`, and rounded.
macro_rules! real {
    (
        $ty:ident;
        all { $($name:ident => $own:path, $system:path;)* }
        near { $($by_near:ident => $near:ident, $near_own:path, if $is_far:ident $far_own:path;)* }
        far { $($far:ident => $far_test:path;)* }
    ) => {
        impl Elementary for $ty {
            $(
                #[inline(always)]
                fn $name<const FMA: bool>(self) -> $ty {
                    if FMA { $own(self as _) as $ty } else { $system(self) }
                }
            )*
            $(
                #[inline(always)]
                fn $by_near<const FMA: bool>(self) -> $ty {
                    if !FMA {
                        <$ty>::$by_near(self)
                    } else if self.$is_far() {
                        $far_own(self as f64) as $ty
                    } else {
                        self.$near()
                    }
                }
                #[inline(always)]
                fn $near(self) -> $ty {
                    $near_own(self as _) as $ty
                }
            )*
            $(
                #[inline(always)]
                fn $far(self) -> bool {
                    $far_test(self as f64)
                }
            )*

            const HAS_NEAR: bool = true;

            #[inline(always)]
            fn exp_near(self) -> $ty {
                math::exp_of_moderate(self as f64) as $ty
            }
            #[inline(always)]
            fn log_near(self) -> $ty {
                math::log_of_normal(self as f64) as $ty
            }
        }
    };
}
macro_rules! reals {
    ($($ty:ident sin $sin:path, cos $cos:path, asinh $asinh:path, acosh $acosh:path, atanh $atanh:path;)*) => {$(
        real! { $ty;
            all {
                exp => math::exp, $ty::exp;
                exp2 => math::exp2, $ty::exp2;
                expm1 => math::expm1, $ty::exp_m1;
                log => math::log, $ty::ln;
                log2 => math::log2, $ty::log2;
                log10 => math::log10, $ty::log10;
                log1p => math::log1p, $ty::ln_1p;
                tanh => math::tanh, $ty::tanh;
                asin => math::asin, $ty::asin;
                acos => math::acos, $ty::acos;
                atan => math::atan, $ty::atan;
                asinh => $asinh, inverse::asinh;
                acosh => $acosh, inverse::acosh;
                atanh => $atanh, inverse::atanh;
            }
            near {
                sin => sin_near, $sin, if angle_is_far math::sin_of_far;
                cos => cos_near, $cos, if angle_is_far math::cos_of_far;
                tan => tan_near, math::tan, if tan_is_far math::tan_of_far;
                sinh => sinh_near, math::sinh, if sinh_is_far math::sinh_of_large;
                cosh => cosh_near, math::cosh, if sinh_is_far math::cosh_of_large;
            }
            far {
                exp_is_far => math::exp_is_special;
                log_is_far => math::log_is_special;
                angle_is_far => math::is_far;
                tan_is_far => math::tan_is_far;
                sinh_is_far => math::sinh_is_far;
            }
        }
    )*};
}
reals! {
    f32 sin math::sin_f32, cos math::cos_f32,
        asinh math::asinh_f32, acosh math::acosh_f32, atanh math::atanh_f32;
    f64 sin math::sin, cos math::cos, asinh math::asinh, acosh math::acosh, atanh math::atanh;
}

macro_rules! complex {
    (
        all { $($name:ident => $function:path;)* }
        near { $($near:ident => $near_function:path;)* }
        far { $($far:ident)* }
    ) => {
        $(
            #[inline(always)]
            fn $name<const FMA: bool>(self) -> Self {
                $function(self)
            }
        )*
        $(
            #[inline(always)]
            fn $near(self) -> Self {
                $near_function(self)
            }
        )*
        $(
            #[inline(always)]
            fn $far(self) -> bool {
                true
            }
        )*

        const HAS_NEAR: bool = false;
    };
}
macro_rules! complexes {
    ($($ty:ident)*) => {$(
        impl Elementary for Complex<$ty> {
            complex! {
                all {
                    exp => Complex::exp;
                    exp2 => Complex::exp2;
                    expm1 => complex::expm1;
                    log => complex::log;
                    log2 => complex::log2;
                    log10 => complex::log10;
                    log1p => complex::log1p;
                    sin => Complex::sin;
                    cos => Complex::cos;
                    tan => complex::tan;
                    sinh => Complex::sinh;
                    cosh => Complex::cosh;
                    tanh => complex::tanh;
                    asin => inverse::complex_asin;
                    acos => inverse::complex_acos;
                    atan => inverse::complex_atan;
                    asinh => inverse::complex_asinh;
                    acosh => inverse::complex_acosh;
                    atanh => inverse::complex_atanh;
                }
                near {
                    exp_near => Complex::exp;
                    log_near => complex::log;
                    sin_near => Complex::sin;
                    cos_near => Complex::cos;
                    tan_near => complex::tan;
                    sinh_near => Complex::sinh;
                    cosh_near => Complex::cosh;
                }
                far { exp_is_far log_is_far angle_is_far tan_is_far sinh_is_far }
            }
        }
    )*};
}
complexes!(f32 f64);
