//! Formulas of the integers and the real floating-point numbers.

use super::{Arith, Ordered};

/// Operations of real numbers: remainders and rounding.
pub trait Real: Arith + Ordered {
    fn floor_divide(self, other: Self) -> Self;
    fn remainder(self, other: Self) -> Self;
    fn fmod(self, other: Self) -> Self;
    fn floor(self) -> Self;
    fn ceil(self) -> Self;
    fn trunc(self) -> Self;
    fn round(self) -> Self;
    fn signbit(self) -> bool;
}

macro_rules! impl_integer {
    ($($ty:ty, negative $x:ident $negative:expr;)*) => {$(
        impl Real for $ty {
            #[inline(always)]
            fn floor_divide(self, other: $ty) -> $ty {
                if other == 0 {
                    return 0;
                }
                let remainder = self.wrapping_rem(other);
                let crosses = remainder != 0 && Real::signbit(remainder) != Real::signbit(other);
                self.wrapping_div(other).wrapping_sub(crosses as $ty)
            }
            #[inline(always)]
            fn remainder(self, other: $ty) -> $ty {
                if other == 0 {
                    return 0;
                }
                let remainder = self.wrapping_rem(other);
                let crosses = remainder != 0 && Real::signbit(remainder) != Real::signbit(other);
                if crosses { remainder.wrapping_add(other) } else { remainder }
            }
            #[inline(always)]
            fn fmod(self, other: $ty) -> $ty {
                if other == 0 { 0 } else { self.wrapping_rem(other) }
            }
            #[inline(always)]
            fn floor(self) -> $ty {
                self
            }
            #[inline(always)]
            fn ceil(self) -> $ty {
                self
            }
            #[inline(always)]
            fn trunc(self) -> $ty {
                self
            }
            #[inline(always)]
            fn round(self) -> $ty {
                self
            }
            #[inline(always)]
            fn signbit(self) -> bool {
                let $x = self;
                $negative
            }
        }
    )*};
}
impl_integer! {
    i8, negative x x < 0;
    i16, negative x x < 0;
    i32, negative x x < 0;
    i64, negative x x < 0;
    u8, negative _x false;
    u16, negative _x false;
    u32, negative _x false;
    u64, negative _x false;
}

macro_rules! impl_float {
    ($($ty:ty)*) => {$(
        impl Real for $ty {
            // NumPy's `npy_divmod` (numpy/_core/src/npymath/npy_math_internal.h.src): from the exact
            // remainder, so that `floor_divide(x, y) * y + remainder(x, y)` comes close to `x`.
            #[inline(always)]
            fn floor_divide(self, other: $ty) -> $ty {
                let quotient = self / other;
                if other == 0.0 {
                    return quotient;
                }
                let remainder = self % other;
                let mut whole = (self - remainder) / other;
                if remainder != 0.0 && (other < 0.0) != (remainder < 0.0) {
                    whole -= 1.0;
                }
                if whole == 0.0 {
                    return <$ty>::copysign(0.0, quotient);
                }
                let floor = whole.floor();
                if whole - floor > 0.5 { floor + 1.0 } else { floor }
            }
            #[inline(always)]
            fn remainder(self, other: $ty) -> $ty {
                let remainder = self % other;
                if remainder == 0.0 {
                    <$ty>::copysign(0.0, other)
                } else if (other < 0.0) != (remainder < 0.0) {
                    remainder + other
                } else {
                    remainder
                }
            }
            #[inline(always)]
            fn fmod(self, other: $ty) -> $ty {
                self % other
            }
            #[inline(always)]
            fn floor(self) -> $ty {
                self.floor()
            }
            #[inline(always)]
            fn ceil(self) -> $ty {
                self.ceil()
            }
            #[inline(always)]
            fn trunc(self) -> $ty {
                self.trunc()
            }
            #[inline(always)]
            fn round(self) -> $ty {
                self.round_ties_even()
            }
            #[inline(always)]
            fn signbit(self) -> bool {
                self.is_sign_negative()
            }
        }
    )*};
}
impl_float!(f32 f64);
