//! Formulas of the element types that have an order.

use super::Any;

/// Operations of `bool`, the integers and the real floating-point numbers.
pub trait Ordered: Any + PartialOrd {
    /// Commutes to the bit: of +0 and −0 the larger is +0.
    fn maximum(self, other: Self) -> Self;
    /// Commutes to the bit: of +0 and −0 the smaller is −0.
    fn minimum(self, other: Self) -> Self;
    fn fmax(self, other: Self) -> Self;
    fn fmin(self, other: Self) -> Self;

    #[inline(always)]
    fn clip(self, low: Self, high: Self) -> Self {
        self.maximum(low).minimum(high)
    }
    #[inline(always)]
    fn less(self, other: Self) -> bool {
        self < other
    }
    #[inline(always)]
    fn less_equal(self, other: Self) -> bool {
        self <= other
    }
    #[inline(always)]
    fn greater(self, other: Self) -> bool {
        self > other
    }
    #[inline(always)]
    fn greater_equal(self, other: Self) -> bool {
        self >= other
    }
}

macro_rules! impl_exact {
    ($($ty:ty)*) => {$(
        impl Ordered for $ty {
            #[inline(always)]
            fn maximum(self, other: $ty) -> $ty {
                if self > other { self } else { other }
            }
            #[inline(always)]
            fn minimum(self, other: $ty) -> $ty {
                if self < other { self } else { other }
            }
            #[inline(always)]
            fn fmax(self, other: $ty) -> $ty {
                Ordered::maximum(self, other)
            }
            #[inline(always)]
            fn fmin(self, other: $ty) -> $ty {
                Ordered::minimum(self, other)
            }
        }
    )*};
}
impl_exact!(bool i8 i16 i32 i64 u8 u16 u32 u64);

macro_rules! impl_float {
    ($($ty:ty)*) => {$(
        impl Ordered for $ty {
            #[inline(always)]
            fn maximum(self, other: $ty) -> $ty {
                let larger = if self > other { self } else { other };
                // Equal numbers differ at most in the sign of zero.
                let equal = <$ty>::from_bits(self.to_bits() & other.to_bits());
                let larger = if self == other { equal } else { larger };
                if self.is_nan() { self } else { larger }
            }
            #[inline(always)]
            fn minimum(self, other: $ty) -> $ty {
                let smaller = if self < other { self } else { other };
                let equal = <$ty>::from_bits(self.to_bits() | other.to_bits());
                let smaller = if self == other { equal } else { smaller };
                if self.is_nan() { self } else { smaller }
            }
            #[inline(always)]
            fn fmax(self, other: $ty) -> $ty {
                let larger = Ordered::maximum(self, other);
                let larger = if other.is_nan() { self } else { larger };
                if self.is_nan() { other } else { larger }
            }
            #[inline(always)]
            fn fmin(self, other: $ty) -> $ty {
                let smaller = Ordered::minimum(self, other);
                let smaller = if other.is_nan() { self } else { smaller };
                if self.is_nan() { other } else { smaller }
            }
        }
    )*};
}
impl_float!(f32 f64);
