//! Formulas of real floating-point numbers that have vector code of their own where the machine has
//! fused multiply-add.

use super::{Elementary, Float, math};

/// Operations of `f32` and `f64`: by own code if `FMA`.
pub trait RealElementary: Elementary + Float {
    fn cbrt<const FMA: bool>(self) -> Self;
    fn logaddexp<const FMA: bool>(self, other: Self) -> Self;
    fn logaddexp2<const FMA: bool>(self, other: Self) -> Self;
    fn hypot<const FMA: bool>(self, other: Self) -> Self;
    fn atan2<const FMA: bool>(self, x: Self) -> Self;
    fn sinc<const FMA: bool>(self) -> Self;
    /// Whether [`sinc_near`](RealElementary::sinc_near) does not hold.
    fn sinc_is_far(self) -> bool;
    fn sinc_near(self) -> Self;
}

/// `larger + log(1 + e^difference)` of two numbers in the given base, by the functions of the system.
macro_rules! sum_of_powers {
    ($x:ident, $y:ident, of_equals $step:expr, difference $difference:ident $log:expr) => {{
        // Equal infinities have no difference.
        if $x == $y {
            return $x + $step;
        }
        let larger = if $x > $y { $x } else { $y };
        let $difference = -($x - $y).abs();
        let sum = larger + $log;
        if $x.is_nan() | $y.is_nan() {
            $x + $y
        } else {
            sum
        }
    }};
}

macro_rules! impl_real_elementary {
    ($($ty:ident, hypot $hypot:path, logaddexp $logaddexp:path, logaddexp2 $logaddexp2:path;)*) => {$(
        impl RealElementary for $ty {
            #[inline(always)]
            fn cbrt<const FMA: bool>(self) -> $ty {
                if FMA { math::cbrt(self as f64) as $ty } else { <$ty>::cbrt(self) }
            }
            #[inline(always)]
            fn logaddexp<const FMA: bool>(self, other: $ty) -> $ty {
                if FMA {
                    return $logaddexp(self, other);
                }
                sum_of_powers!(self, other, of_equals std::$ty::consts::LN_2,
                    difference d d.exp().ln_1p())
            }
            #[inline(always)]
            fn logaddexp2<const FMA: bool>(self, other: $ty) -> $ty {
                if FMA {
                    return $logaddexp2(self, other);
                }
                sum_of_powers!(self, other, of_equals 1.0,
                    difference d d.exp2().ln_1p() * std::$ty::consts::LOG2_E)
            }
            #[inline(always)]
            fn hypot<const FMA: bool>(self, other: $ty) -> $ty {
                if FMA { $hypot(self, other) } else { <$ty>::hypot(self, other) }
            }
            #[inline(always)]
            fn atan2<const FMA: bool>(self, x: $ty) -> $ty {
                if FMA { math::atan2(self as f64, x as f64) as $ty } else { <$ty>::atan2(self, x) }
            }
            #[inline(always)]
            fn sinc<const FMA: bool>(self) -> $ty {
                let y = std::$ty::consts::PI * self;
                let sinc = Elementary::sin::<FMA>(y) / y;
                if self == 0.0 { 1.0 } else { sinc }
            }
            #[inline(always)]
            fn sinc_is_far(self) -> bool {
                (std::$ty::consts::PI * self).angle_is_far()
            }
            #[inline(always)]
            fn sinc_near(self) -> $ty {
                let y = std::$ty::consts::PI * self;
                let sinc = y.sin_near() / y;
                if self == 0.0 { 1.0 } else { sinc }
            }
        }
    )*};
}
impl_real_elementary! {
    f32, hypot math::hypot_f32, logaddexp math::logaddexp_f32, logaddexp2 math::logaddexp2_f32;
    f64, hypot math::hypot, logaddexp math::logaddexp, logaddexp2 math::logaddexp2;
}
