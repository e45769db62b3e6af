//! Formulas of `bool` and the integers.

use super::{Arith, Ordered, Real};

/// Bitwise operations of `bool` and the integers.
pub trait Bits: Ordered {
    fn bitwise_and(self, other: Self) -> Self;
    fn bitwise_or(self, other: Self) -> Self;
    fn bitwise_xor(self, other: Self) -> Self;
    fn bitwise_invert(self) -> Self;
}

/// Operations of the integers.
pub trait Integer: Bits + Real + Arith {
    fn shift_left(self, bits: Self) -> Self;
    fn shift_right(self, bits: Self) -> Self;
    fn count_ones(self) -> u8;
    fn gcd(self, other: Self) -> Self;
    fn lcm(self, other: Self) -> Self;
}

macro_rules! impl_bits {
    ($($ty:ty)*) => {$(
        impl Bits for $ty {
            #[inline(always)]
            fn bitwise_and(self, other: $ty) -> $ty {
                self & other
            }
            #[inline(always)]
            fn bitwise_or(self, other: $ty) -> $ty {
                self | other
            }
            #[inline(always)]
            fn bitwise_xor(self, other: $ty) -> $ty {
                self ^ other
            }
            #[inline(always)]
            fn bitwise_invert(self) -> $ty {
                !self
            }
        }
    )*};
}
impl_bits!(bool i8 i16 i32 i64 u8 u16 u32 u64);

macro_rules! impl_integer {
    ($($ty:ty, $unsigned:ty, magnitude $x:ident $magnitude:expr;)*) => {$(
        impl Integer for $ty {
            // A negative count, read as unsigned, is a count that is too large.
            #[inline(always)]
            fn shift_left(self, bits: $ty) -> $ty {
                let in_range = (bits as $unsigned) < <$ty>::BITS as $unsigned;
                if in_range { self.wrapping_shl(bits as u32) } else { 0 }
            }
            #[inline(always)]
            fn shift_right(self, bits: $ty) -> $ty {
                let in_range = (bits as $unsigned) < <$ty>::BITS as $unsigned;
                // Shifting once less than all bits leaves 0 or −1 of signed numbers.
                let all = if <$ty>::MIN == 0 { 0 } else { self >> (<$ty>::BITS - 1) };
                if in_range { self.wrapping_shr(bits as u32) } else { all }
            }
            #[inline(always)]
            fn count_ones(self) -> u8 {
                let $x = self;
                $magnitude.count_ones() as u8
            }
            #[inline(always)]
            fn gcd(self, other: $ty) -> $ty {
                let $x = self;
                let mut a: $unsigned = $magnitude;
                let $x = other;
                let mut b: $unsigned = $magnitude;
                while b != 0 {
                    (a, b) = (b, a % b);
                }
                a as $ty
            }
            #[inline(always)]
            fn lcm(self, other: $ty) -> $ty {
                let divisor = Integer::gcd(self, other);
                if divisor == 0 {
                    return 0;
                }
                let $x = self;
                let a: $unsigned = $magnitude;
                let $x = other;
                let b: $unsigned = $magnitude;
                (a / divisor as $unsigned).wrapping_mul(b) as $ty
            }
        }
    )*};
}
impl_integer! {
    i8, u8, magnitude x x.unsigned_abs();
    i16, u16, magnitude x x.unsigned_abs();
    i32, u32, magnitude x x.unsigned_abs();
    i64, u64, magnitude x x.unsigned_abs();
    u8, u8, magnitude x x;
    u16, u16, magnitude x x;
    u32, u32, magnitude x x;
    u64, u64, magnitude x x;
}
