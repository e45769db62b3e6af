//! Formulas that every element type has.

use num_complex::Complex;

use crate::base::element::Numeric;

use super::complex;

/// Operations of every element type.
pub trait Any: Numeric {
    /// Whether the element counts as true.
    fn is_nonzero(self) -> bool;
    fn isnan(self) -> bool;
    fn isinf(self) -> bool;
    fn abs(self) -> Self::Real;
    fn real(self) -> Self::Real;
    fn imag(self) -> Self::Real;
    fn conj(self) -> Self;

    #[inline(always)]
    fn isfinite(self) -> bool {
        !(self.isnan() | self.isinf())
    }
    #[inline(always)]
    fn equal(self, other: Self) -> bool {
        self == other
    }
    #[inline(always)]
    fn not_equal(self, other: Self) -> bool {
        self != other
    }
    // `&` and `|`, not `&&` and `||`: without branches the loops become vectors.
    #[inline(always)]
    fn logical_and(self, other: Self) -> bool {
        self.is_nonzero() & other.is_nonzero()
    }
    #[inline(always)]
    fn logical_or(self, other: Self) -> bool {
        self.is_nonzero() | other.is_nonzero()
    }
    #[inline(always)]
    fn logical_xor(self, other: Self) -> bool {
        self.is_nonzero() ^ other.is_nonzero()
    }
    #[inline(always)]
    fn logical_not(self) -> bool {
        !self.is_nonzero()
    }
}

macro_rules! impl_any {
    ($($ty:ty, zero $zero:expr, abs $x:ident $abs:expr, nan $nan:expr, inf $inf:expr;)*) => {$(
        impl Any for $ty {
            #[inline(always)]
            fn is_nonzero(self) -> bool {
                self != $zero
            }
            #[inline(always)]
            fn isnan(self) -> bool {
                let $x = self;
                let _ = $x;
                $nan
            }
            #[inline(always)]
            fn isinf(self) -> bool {
                let $x = self;
                let _ = $x;
                $inf
            }
            #[inline(always)]
            fn abs(self) -> $ty {
                let $x = self;
                $abs
            }
            #[inline(always)]
            fn real(self) -> $ty {
                self
            }
            #[inline(always)]
            fn imag(self) -> $ty {
                $zero
            }
            #[inline(always)]
            fn conj(self) -> $ty {
                self
            }
        }
    )*};
}
impl_any! {
    bool, zero false, abs x x, nan false, inf false;
    i8, zero 0, abs x x.wrapping_abs(), nan false, inf false;
    i16, zero 0, abs x x.wrapping_abs(), nan false, inf false;
    i32, zero 0, abs x x.wrapping_abs(), nan false, inf false;
    i64, zero 0, abs x x.wrapping_abs(), nan false, inf false;
    u8, zero 0, abs x x, nan false, inf false;
    u16, zero 0, abs x x, nan false, inf false;
    u32, zero 0, abs x x, nan false, inf false;
    u64, zero 0, abs x x, nan false, inf false;
    f32, zero 0.0, abs x x.abs(), nan x.is_nan(), inf x.is_infinite();
    f64, zero 0.0, abs x x.abs(), nan x.is_nan(), inf x.is_infinite();
}

macro_rules! impl_complex {
    ($($part:ty)*) => {$(
        impl Any for Complex<$part> {
            #[inline(always)]
            fn is_nonzero(self) -> bool {
                (self.re != 0.0) | (self.im != 0.0)
            }
            #[inline(always)]
            fn isnan(self) -> bool {
                self.re.is_nan() | self.im.is_nan()
            }
            #[inline(always)]
            fn isinf(self) -> bool {
                self.re.is_infinite() | self.im.is_infinite()
            }
            // A number with an infinite and a NaN part is both infinite and NaN, and not finite.
            #[inline(always)]
            fn abs(self) -> $part {
                complex::modulus(self)
            }
            #[inline(always)]
            fn real(self) -> $part {
                self.re
            }
            #[inline(always)]
            fn imag(self) -> $part {
                self.im
            }
            #[inline(always)]
            fn conj(self) -> Self {
                Complex::new(self.re, -self.im)
            }
        }
    )*};
}
impl_complex!(f32 f64);
