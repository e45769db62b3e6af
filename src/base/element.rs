//! The traits that say what an element type can do.

use std::fmt::{Debug, Display};

use num_complex::Complex;

use super::dtype::DType;
use super::scalar::Scalar;

mod sealed {
    pub trait Sealed {}
}

/// A type that arrays can hold: `bool`, the integers of 8 to 64 bits, `f32`, `f64` and `Complex` of both.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an element of an array",
    note = "elements are bool, i8 … i64, u8 … u64, f32, f64, Complex<f32> and Complex<f64>"
)]
pub trait Element:
    sealed::Sealed + Copy + Default + PartialEq + Debug + Display + Send + Sync + 'static
{
    /// The type as a value.
    const DTYPE: DType;

    /// The element as a value of a type known at run time.
    fn to_scalar(self) -> Scalar;

    /// The element of a scalar of exactly this type.
    fn from_scalar(scalar: Scalar) -> Option<Self>;
}

macro_rules! impl_element {
    ($(($variant:ident, $ty:ty, $name:literal),)*) => {$(
        impl sealed::Sealed for $ty {}

        impl Element for $ty {
            const DTYPE: DType = DType::$variant;

            fn to_scalar(self) -> Scalar {
                Scalar::$variant(self)
            }

            fn from_scalar(scalar: Scalar) -> Option<$ty> {
                match scalar {
                    Scalar::$variant(value) => Some(value),
                    _ => None,
                }
            }
        }
    )*};
}
super::dtype::for_each_dtype!(impl_element);

/// An element type whose values can be added up; every one can (`bool` counts).
#[diagnostic::on_unimplemented(message = "sums and means need numbers, and `{Self}` is none")]
pub trait Numeric: Element {
    /// The type of a sum: 64 bits for integers, a count for `bool`, else the type itself.
    type Sum: Numeric<Sum = Self::Sum>;
    /// The type of a mean: `f64` for integers and `bool`, else the type itself.
    type Mean: Inexact;
    /// The type of `abs`, `real` and `imag`: the part of a complex type, else the type itself.
    type Real: Numeric<Real = Self::Real>;
}

/// An element type with `+ − ×`: all but `bool`.
#[diagnostic::on_unimplemented(
    message = "arithmetic on `{Self}` has no meaning",
    note = "convert first: `x.cast::<i64>()` or `x.cast::<f64>()`; for bool use `&`, `|`, `^`, `!`"
)]
pub trait Arith: Numeric {}

/// An element type with an order: all but the complex ones.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no order",
    note = "complex numbers cannot be compared: take `x.abs()` or `x.real()` first"
)]
pub trait Ordered: Numeric {}

/// `bool` and the integers.
#[diagnostic::on_unimplemented(
    message = "bitwise operations need bool or integers, and `{Self}` is neither",
    note = "convert first: `x.cast::<i64>()`, or compare to get a bool array"
)]
pub trait Bits: Ordered {}

/// The integers.
#[diagnostic::on_unimplemented(
    message = "this operation needs integers, and `{Self}` is none",
    note = "convert first: `x.cast::<i64>()`"
)]
pub trait Integer: Arith + Bits {}

/// Floating-point numbers, real and complex.
#[diagnostic::on_unimplemented(
    message = "this function needs floating-point numbers, and `{Self}` is none",
    note = "convert first: `x.cast::<f64>()`"
)]
pub trait Inexact: Arith + Numeric<Sum = Self, Mean = Self, Real = Self::Part> {
    /// The type of the real and imaginary part; a real type is its own.
    type Part: Float;
}

/// `f32` and `f64`.
#[diagnostic::on_unimplemented(
    message = "this function needs real floating-point numbers, and `{Self}` is none",
    note = "convert first: `x.cast::<f64>()`; for complex numbers take `x.abs()`, `x.real()` or `x.imag()`"
)]
pub trait Float: Inexact<Part = Self> + Ordered + num_traits::Float {}

macro_rules! integers {
    ($sum:ty: $($ty:ty)*) => {$(
        impl Numeric for $ty { type Sum = $sum; type Mean = f64; type Real = $ty; }
        impl Arith for $ty {}
        impl Ordered for $ty {}
        impl Bits for $ty {}
        impl Integer for $ty {}
    )*};
}
integers!(i64: i8 i16 i32 i64);
integers!(u64: u8 u16 u32 u64);

impl Numeric for bool {
    type Sum = i64;
    type Mean = f64;
    type Real = bool;
}
impl Ordered for bool {}
impl Bits for bool {}

macro_rules! floats {
    ($($ty:ty)*) => {$(
        impl Numeric for $ty { type Sum = $ty; type Mean = $ty; type Real = $ty; }
        impl Arith for $ty {}
        impl Ordered for $ty {}
        impl Inexact for $ty { type Part = $ty; }
        impl Float for $ty {}

        impl Numeric for Complex<$ty> { type Sum = Self; type Mean = Self; type Real = $ty; }
        impl Arith for Complex<$ty> {}
        impl Inexact for Complex<$ty> { type Part = $ty; }
    )*};
}
floats!(f32 f64);
