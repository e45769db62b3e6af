//! What the reference needs to know of element types, spelled out with Rust's own arithmetic.

use flagstone::{Complex, Numeric};

/// An element as one of the three types in which reductions are carried.
#[derive(Clone, Copy, Debug)]
pub enum Wide {
    Integer(i64),
    Float(f64),
    Complex(Complex<f64>),
}

/// An element type, as the reference sees it.
pub trait Value: Numeric + std::fmt::Debug + PartialEq {
    fn wide(self) -> Wide;
    /// The low bits, or the nearest value.
    fn narrow(wide: Wide) -> Self;
    fn is_missing(self) -> bool;
    fn is_true(self) -> bool;
    /// `None` if one is NaN or the type has no order.
    fn order(self, other: Self) -> Option<std::cmp::Ordering>;
    /// Bits, in which all NaN are alike.
    fn bits(self) -> u128;
}

macro_rules! integers {
    ($($ty:ty)*) => {$(
        impl Value for $ty {
            fn wide(self) -> Wide {
                Wide::Integer(self as i64)
            }
            fn narrow(wide: Wide) -> $ty {
                match wide {
                    Wide::Integer(value) => value as $ty,
                    Wide::Float(value) => value as $ty,
                    Wide::Complex(value) => value.re as $ty,
                }
            }
            fn is_missing(self) -> bool {
                false
            }
            fn is_true(self) -> bool {
                self != 0
            }
            fn order(self, other: $ty) -> Option<std::cmp::Ordering> {
                self.partial_cmp(&other)
            }
            fn bits(self) -> u128 {
                self as u128
            }
        }
    )*};
}
integers!(i8 i16 i32 i64 u8 u16 u32 u64);

impl Value for bool {
    fn wide(self) -> Wide {
        Wide::Integer(self.into())
    }
    fn narrow(wide: Wide) -> bool {
        match wide {
            Wide::Integer(value) => value != 0,
            Wide::Float(value) => value != 0.0,
            Wide::Complex(value) => value.re != 0.0 || value.im != 0.0,
        }
    }
    fn is_missing(self) -> bool {
        false
    }
    fn is_true(self) -> bool {
        self
    }
    fn order(self, other: bool) -> Option<std::cmp::Ordering> {
        self.partial_cmp(&other)
    }
    fn bits(self) -> u128 {
        self.into()
    }
}

macro_rules! floats {
    ($($ty:ty)*) => {$(
        impl Value for $ty {
            fn wide(self) -> Wide {
                Wide::Float(self as f64)
            }
            fn narrow(wide: Wide) -> $ty {
                match wide {
                    Wide::Integer(value) => value as $ty,
                    Wide::Float(value) => value as $ty,
                    Wide::Complex(value) => value.re as $ty,
                }
            }
            fn is_missing(self) -> bool {
                self.is_nan()
            }
            fn is_true(self) -> bool {
                self != 0.0
            }
            fn order(self, other: $ty) -> Option<std::cmp::Ordering> {
                self.partial_cmp(&other)
            }
            fn bits(self) -> u128 {
                if self.is_nan() { u128::MAX } else { self.to_bits().into() }
            }
        }

        impl Value for Complex<$ty> {
            fn wide(self) -> Wide {
                Wide::Complex(Complex::new(self.re as f64, self.im as f64))
            }
            fn narrow(wide: Wide) -> Complex<$ty> {
                match wide {
                    Wide::Integer(value) => Complex::new(value as $ty, 0.0),
                    Wide::Float(value) => Complex::new(value as $ty, 0.0),
                    Wide::Complex(value) => Complex::new(value.re as $ty, value.im as $ty),
                }
            }
            fn is_missing(self) -> bool {
                self.re.is_nan() || self.im.is_nan()
            }
            fn is_true(self) -> bool {
                self.re != 0.0 || self.im != 0.0
            }
            fn order(self, _: Complex<$ty>) -> Option<std::cmp::Ordering> {
                None
            }
            fn bits(self) -> u128 {
                self.re.bits() ^ self.im.bits() << 64
            }
        }
    )*};
}
floats!(f32 f64);

/// The mean's type and that of spreads.
pub type MeanOf<T> = <T as Numeric>::Mean;
pub type SumOf<T> = <T as Numeric>::Sum;
pub type SpreadOf<T> = <<T as Numeric>::Mean as flagstone::Inexact>::Part;
