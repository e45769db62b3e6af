//! From an operation and a type to its kernel, derived from the table of operations.

use super::tile::{BinaryTile, TernaryTile, UnaryTile};
use super::{Form, TileFn};
use crate::base::dtype::DType;
use crate::kernel::level::Level;
use crate::op::scalar::{formula, match_dtype, with_class};
use crate::op::table::{Op, for_each_op};

/// As `with_class`, but if the row says `bits`, `bool` and signed integers are bound to the unsigned
/// type of their size, so that they share its kernels.
macro_rules! with_kernel_type {
    (own $class:ident, $($rest:tt)*) => { with_class!($class, $($rest)*) };
    (bits Any, $dtype:expr, $($rest:tt)*) => {
        match_dtype!(unsigned($dtype), $($rest)*; U8 u8, U16 u16, U32 u32, U64 u64, F32 f32, F64 f64,
            Complex64 num_complex::Complex<f32>, Complex128 num_complex::Complex<f64>)
    };
    (bits Arith, $dtype:expr, $($rest:tt)*) => {
        if $dtype == DType::Bool { None } else { with_kernel_type!(bits Any, $dtype, $($rest)*) }
    };
    (bits Bits, $dtype:expr, $($rest:tt)*) => {
        match_dtype!(unsigned($dtype), $($rest)*; U8 u8, U16 u16, U32 u32, U64 u64)
    };
    (bits Integer, $dtype:expr, $($rest:tt)*) => {
        if $dtype == DType::Bool { None } else { with_kernel_type!(bits Bits, $dtype, $($rest)*) }
    };
}

/// The unsigned type with the size of an integer or of `bool`; floats are themselves.
fn unsigned(dtype: DType) -> DType {
    match dtype {
        DType::Bool | DType::I8 => DType::U8,
        DType::I16 => DType::U16,
        DType::I32 => DType::U32,
        DType::I64 => DType::U64,
        other => other,
    }
}

macro_rules! pick {
    (Unary $symmetry:ident, $marker:ty, $T:ident, $form:ident, $level:ident) => {
        <$marker as UnaryTile<$T>>::pick($form, $level)
    };
    (Binary commutes, $marker:ty, $T:ident, $form:ident, $level:ident) => {
        <$marker as BinaryTile<$T>>::pick_commutative($form, $level)
    };
    (Binary ordered, $marker:ty, $T:ident, $form:ident, $level:ident) => {
        <$marker as BinaryTile<$T>>::pick_ordered($form, $level)
    };
    (Ternary $symmetry:ident, $marker:ty, $T:ident, $form:ident, $level:ident) => {
        <$marker as TernaryTile<$T>>::pick($form, $level)
    };
}

macro_rules! kernel_of {
    // `Select` has more forms than these and shares kernels by size: see `select`.
    (Choice, $($rest:tt)*) => { None };
    ($arity:ident, $symmetry:ident, $share:ident, $class:ident, $marker:ty, $dtype:ident, $form:ident, $level:ident) => {
        with_kernel_type!($share $class, $dtype, T => pick!($arity $symmetry, $marker, T, $form, $level))?
    };
}

macro_rules! kernel_table {
    ($($family:ident { $(($variant:ident, $name:ident, $arity:ident, $class:ident, $result:ident,
        $cost:literal, $symmetry:ident, $share:ident, $doc:literal),)* })*) => {
        /// The kernel of an operation on operands of type `dtype`.
        ///
        /// `None` if the operation has no meaning for the type or no such form; and for `Select`,
        /// which has kernels of its own.
        pub fn elementwise(op: Op, dtype: DType, form: Form, level: Level) -> Option<TileFn> {
            match op {$($(
                Op::$variant => kernel_of!(
                    $arity, $symmetry, $share, $class, formula::$family::$variant, dtype, form, level
                ),
            )*)*}
        }
    };
}
for_each_op!(kernel_table);
