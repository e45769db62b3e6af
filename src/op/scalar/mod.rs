//! The formulas: what each operation computes of single elements.
//!
//! One trait per class of element types, one method per operation. All are `#[inline(always)]`, so
//! that the kernels can instantiate the same source under several instruction sets.

pub mod any;
pub mod arith;
pub mod bits;
pub mod cast;
pub mod complex;
pub mod elementary;
pub mod float;
pub mod formula;
pub mod inexact;
pub mod inverse;
pub mod math;
pub mod ordered;
pub mod real;
pub mod real_elementary;
#[cfg(test)]
mod tests;

pub use any::Any;
pub use arith::Arith;
pub use bits::{Bits, Integer};
pub use elementary::Elementary;
pub use float::Float;
pub use inexact::Inexact;
pub use ordered::Ordered;
pub use real::Real;
pub use real_elementary::RealElementary;

/// `Some($body)` with the alias `$T` bound to the type of `$dtype`, if that belongs to the class,
/// else `None`.
macro_rules! with_class {
    (Any, $dtype:expr, $T:ident => $body:expr) => {
        Some($crate::base::dtype::with_dtype!($dtype, $T => $body))
    };
    (Ordered, $($rest:tt)*) => {
        $crate::op::scalar::match_dtype!($($rest)*; Bool bool, I8 i8, I16 i16, I32 i32, I64 i64,
            U8 u8, U16 u16, U32 u32, U64 u64, F32 f32, F64 f64)
    };
    (Arith, $($rest:tt)*) => {
        $crate::op::scalar::match_dtype!($($rest)*; I8 i8, I16 i16, I32 i32, I64 i64, U8 u8, U16 u16,
            U32 u32, U64 u64, F32 f32, F64 f64, Complex64 num_complex::Complex<f32>,
            Complex128 num_complex::Complex<f64>)
    };
    (Real, $($rest:tt)*) => {
        $crate::op::scalar::match_dtype!($($rest)*; I8 i8, I16 i16, I32 i32, I64 i64, U8 u8, U16 u16,
            U32 u32, U64 u64, F32 f32, F64 f64)
    };
    (Bits, $($rest:tt)*) => {
        $crate::op::scalar::match_dtype!($($rest)*; Bool bool, I8 i8, I16 i16, I32 i32, I64 i64,
            U8 u8, U16 u16, U32 u32, U64 u64)
    };
    (Integer, $($rest:tt)*) => {
        $crate::op::scalar::match_dtype!($($rest)*; I8 i8, I16 i16, I32 i32, I64 i64, U8 u8, U16 u16,
            U32 u32, U64 u64)
    };
    (Inexact, $($rest:tt)*) => {
        $crate::op::scalar::match_dtype!($($rest)*; F32 f32, F64 f64,
            Complex64 num_complex::Complex<f32>, Complex128 num_complex::Complex<f64>)
    };
    (Elementary, $($rest:tt)*) => { $crate::op::scalar::with_class!(Inexact, $($rest)*) };
    (RealElementary, $($rest:tt)*) => { $crate::op::scalar::with_class!(Float, $($rest)*) };
    (Float, $($rest:tt)*) => {
        $crate::op::scalar::match_dtype!($($rest)*; F32 f32, F64 f64)
    };
}
pub(crate) use with_class;

/// The arms of [`with_class`].
macro_rules! match_dtype {
    ($dtype:expr, $T:ident => $body:expr; $($variant:ident $ty:ty),*) => {
        match $dtype {
            $($crate::base::dtype::DType::$variant => { type $T = $ty; Some($body) })*
            _ => None,
        }
    };
}
pub(crate) use match_dtype;
