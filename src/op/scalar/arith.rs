//! Formulas of the element types that have `+ − × ÷`.

use num_complex::Complex;

use super::{Any, complex, math};

/// Operations of the integers and of real and complex floating-point numbers.
pub trait Arith: Any {
    fn add(self, other: Self) -> Self;
    fn subtract(self, other: Self) -> Self;
    fn multiply(self, other: Self) -> Self;
    fn divide(self, other: Self) -> Self;
    fn true_divide(self, other: Self) -> Self::Mean;
    /// By own code if `FMA`, of `f32` and `f64`.
    fn power<const FMA: bool>(self, exponent: Self) -> Self;
    fn negative(self) -> Self;
    fn sign(self) -> Self;
    fn reciprocal(self) -> Self;

    #[inline(always)]
    fn positive(self) -> Self {
        self
    }
    #[inline(always)]
    fn square(self) -> Self {
        self.multiply(self)
    }
}

macro_rules! impl_integer {
    ($($ty:ty, sign $x:ident $sign:expr, inverse_power $y:ident $inverse_power:expr;)*) => {$(
        impl Arith for $ty {
            #[inline(always)]
            fn add(self, other: $ty) -> $ty {
                self.wrapping_add(other)
            }
            #[inline(always)]
            fn subtract(self, other: $ty) -> $ty {
                self.wrapping_sub(other)
            }
            #[inline(always)]
            fn multiply(self, other: $ty) -> $ty {
                self.wrapping_mul(other)
            }
            #[inline(always)]
            fn divide(self, other: $ty) -> $ty {
                if other == 0 { 0 } else { self.wrapping_div(other) }
            }
            #[inline(always)]
            fn true_divide(self, other: $ty) -> f64 {
                self as f64 / other as f64
            }
            #[inline(always)]
            fn power<const FMA: bool>(self, exponent: $ty) -> $ty {
                let ($x, $y) = (self, exponent);
                let _ = $x;
                if let Some(inverse) = $inverse_power {
                    return inverse;
                }
                let (mut base, mut exponent, mut product): ($ty, $ty, $ty) = (self, exponent, 1);
                while exponent != 0 {
                    if exponent & 1 == 1 {
                        product = product.wrapping_mul(base);
                    }
                    base = base.wrapping_mul(base);
                    exponent >>= 1;
                }
                product
            }
            #[inline(always)]
            fn negative(self) -> $ty {
                self.wrapping_neg()
            }
            #[inline(always)]
            fn sign(self) -> $ty {
                let $x = self;
                $sign
            }
            #[inline(always)]
            fn reciprocal(self) -> $ty {
                Arith::divide(1, self)
            }
        }
    )*};
}

macro_rules! impl_signed {
    ($($ty:ty)*) => {$(
        impl_integer! {
            $ty, sign x x.signum(), inverse_power y (y < 0).then_some(match x {
                1 => 1,
                -1 => if y & 1 == 0 { 1 } else { -1 },
                _ => 0,
            });
        }
    )*};
}
impl_signed!(i8 i16 i32 i64);

macro_rules! impl_unsigned {
    ($($ty:ty)*) => {$(
        impl_integer! { $ty, sign x (x != 0) as $ty, inverse_power _y None::<$ty>; }
    )*};
}
impl_unsigned!(u8 u16 u32 u64);

macro_rules! impl_float {
    ($($ty:ty, pow $pow:path;)*) => {$(
        impl Arith for $ty {
            #[inline(always)]
            fn add(self, other: $ty) -> $ty {
                self + other
            }
            #[inline(always)]
            fn subtract(self, other: $ty) -> $ty {
                self - other
            }
            #[inline(always)]
            fn multiply(self, other: $ty) -> $ty {
                self * other
            }
            #[inline(always)]
            fn divide(self, other: $ty) -> $ty {
                self / other
            }
            #[inline(always)]
            fn true_divide(self, other: $ty) -> $ty {
                self / other
            }
            #[inline(always)]
            fn power<const FMA: bool>(self, exponent: $ty) -> $ty {
                if FMA { $pow(self, exponent) } else { self.powf(exponent) }
            }
            #[inline(always)]
            fn negative(self) -> $ty {
                -self
            }
            #[inline(always)]
            fn sign(self) -> $ty {
                let sign = (self > 0.0) as i8 as $ty - (self < 0.0) as i8 as $ty;
                if self.is_nan() { self } else { sign }
            }
            #[inline(always)]
            fn reciprocal(self) -> $ty {
                1.0 / self
            }
        }

        impl Arith for Complex<$ty> {
            #[inline(always)]
            fn add(self, other: Self) -> Self {
                self + other
            }
            #[inline(always)]
            fn subtract(self, other: Self) -> Self {
                self - other
            }
            #[inline(always)]
            fn multiply(self, other: Self) -> Self {
                self * other
            }
            #[inline(always)]
            fn divide(self, other: Self) -> Self {
                complex::quotient(self, other)
            }
            #[inline(always)]
            fn true_divide(self, other: Self) -> Self {
                complex::quotient(self, other)
            }
            #[inline(always)]
            fn power<const FMA: bool>(self, exponent: Self) -> Self {
                complex::power(self, exponent)
            }
            #[inline(always)]
            fn negative(self) -> Self {
                -self
            }
            #[inline(always)]
            fn sign(self) -> Self {
                if self.is_nonzero() { self / complex::modulus(self) } else { Complex::new(0.0, 0.0) }
            }
            #[inline(always)]
            fn reciprocal(self) -> Self {
                complex::quotient(Complex::new(1.0, 0.0), self)
            }
        }
    )*};
}
impl_float! {
    f32, pow math::pow_f32;
    f64, pow math::pow;
}
