//! Conversions between element types.

use num_complex::Complex;

use crate::base::dtype::{DType, with_dtype};
use crate::base::element::Element;
use crate::base::scalar::Scalar;

use super::Any;

/// Conversion to `U`, as Rust's `as` and beyond: floats become integers by truncation and
/// saturation (NaN is 0), anything but zero becomes `true`, a complex number loses its imaginary
/// part, a real number gets one that is 0.
pub trait CastTo<U>: Copy {
    fn cast(self) -> U;
}

/// Element types that convert to every element type.
#[cfg(test)]
pub trait CastToAll:
    Any
    + CastTo<bool>
    + CastTo<i8>
    + CastTo<i16>
    + CastTo<i32>
    + CastTo<i64>
    + CastTo<u8>
    + CastTo<u16>
    + CastTo<u32>
    + CastTo<u64>
    + CastTo<f32>
    + CastTo<f64>
    + CastTo<Complex<f32>>
    + CastTo<Complex<f64>>
{
}

macro_rules! real_casts {
    ($($from:ty)* => $to:tt) => {$( real_casts!(@ $from => $to); )*};
    (@ $from:ty => ($($to:ty)*)) => {
        $(impl CastTo<$to> for $from {
            #[inline(always)]
            fn cast(self) -> $to {
                self as $to
            }
        })*
        real_casts!(common $from);
    };
    (common $from:ty) => {
        impl CastTo<bool> for $from {
            #[inline(always)]
            fn cast(self) -> bool {
                self.is_nonzero()
            }
        }
        impl CastTo<Complex<f32>> for $from {
            #[inline(always)]
            fn cast(self) -> Complex<f32> {
                Complex::new(self.cast(), 0.0)
            }
        }
        impl CastTo<Complex<f64>> for $from {
            #[inline(always)]
            fn cast(self) -> Complex<f64> {
                Complex::new(self.cast(), 0.0)
            }
        }
        #[cfg(test)]
        impl CastToAll for $from {}
    };
}
real_casts!(i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 => (i8 i16 i32 i64 u8 u16 u32 u64 f32 f64));
real_casts!(common bool);

macro_rules! bool_casts {
    ($($to:ty)*) => {$(
        impl CastTo<$to> for bool {
            #[inline(always)]
            fn cast(self) -> $to {
                self as u8 as $to
            }
        }
    )*};
}
bool_casts!(i8 i16 i32 i64 u8 u16 u32 u64 f32 f64);

macro_rules! complex_casts {
    ($part:ty => $($to:ty)*) => {
        $(impl CastTo<$to> for Complex<$part> {
            #[inline(always)]
            fn cast(self) -> $to {
                self.re as $to
            }
        })*
        impl CastTo<bool> for Complex<$part> {
            #[inline(always)]
            fn cast(self) -> bool {
                self.is_nonzero()
            }
        }
        impl CastTo<Complex<f32>> for Complex<$part> {
            #[inline(always)]
            fn cast(self) -> Complex<f32> {
                Complex::new(self.re as f32, self.im as f32)
            }
        }
        impl CastTo<Complex<f64>> for Complex<$part> {
            #[inline(always)]
            fn cast(self) -> Complex<f64> {
                Complex::new(self.re as f64, self.im as f64)
            }
        }
        #[cfg(test)]
        impl CastToAll for Complex<$part> {}
    };
}
complex_casts!(f32 => i8 i16 i32 i64 u8 u16 u32 u64 f32 f64);
complex_casts!(f64 => i8 i16 i32 i64 u8 u16 u32 u64 f32 f64);

/// Converts one value by the very formulas that the kernels use.
pub fn cast(value: Scalar, to: DType) -> Scalar {
    with_dtype!(value.dtype(), T => {
        let value = T::from_scalar(value).expect("the type was asked of the value itself");
        with_dtype!(to, U => <T as CastTo<U>>::cast(value).to_scalar())
    })
}
