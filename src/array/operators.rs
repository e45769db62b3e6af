//! Operators, which mean what they mean on Rust scalars: integers wrap, `/` truncates, `%` has the
//! sign of the dividend, and nothing panics.

use std::ops;
use std::panic::Location;

use num_complex::Complex;

use super::elementwise::apply;
use super::handle::{Array, Operand};
use crate::base::element::{Arith, Bits, Element, Integer, Ordered};
use crate::op::table::Op;

/// One operator for arrays and references on the left, and any operand on the right.
macro_rules! operator {
    ($($trait:ident $method:ident $assign_trait:ident $assign:ident $op:ident [$($bound:tt)+];)*) => {$(
        impl<T: $($bound)+, R: Operand<T>> ops::$trait<R> for Array<T> {
            type Output = Array<T>;

            #[track_caller]
            fn $method(self, right: R) -> Array<T> {
                apply(Op::$op, [self.into_term().0, right.into_term().0], Location::caller())
            }
        }

        impl<T: $($bound)+, R: Operand<T>> ops::$trait<R> for &Array<T> {
            type Output = Array<T>;

            #[track_caller]
            fn $method(self, right: R) -> Array<T> {
                apply(Op::$op, [self.into_term().0, right.into_term().0], Location::caller())
            }
        }

        impl<T: $($bound)+, R: Operand<T>> ops::$assign_trait<R> for Array<T> {
            #[track_caller]
            fn $assign(&mut self, right: R) {
                *self = apply(Op::$op, [(&*self).into_term().0, right.into_term().0], Location::caller());
            }
        }
    )*};
}
operator! {
    Add add AddAssign add_assign Add [Arith];
    Sub sub SubAssign sub_assign Subtract [Arith];
    Mul mul MulAssign mul_assign Multiply [Arith];
    Div div DivAssign div_assign Divide [Arith];
    Rem rem RemAssign rem_assign Fmod [Arith + Ordered];
    BitAnd bitand BitAndAssign bitand_assign BitwiseAnd [Bits];
    BitOr bitor BitOrAssign bitor_assign BitwiseOr [Bits];
    BitXor bitxor BitXorAssign bitxor_assign BitwiseXor [Bits];
    Shl shl ShlAssign shl_assign ShiftLeft [Integer];
    Shr shr ShrAssign shr_assign ShiftRight [Integer];
}

/// Scalars on the left: for foreign types the impls have to be written out.
macro_rules! left {
    ($($trait:ident $method:ident $op:ident: $($ty:ty)*;)*) => {$($(
        impl ops::$trait<Array<$ty>> for $ty {
            type Output = Array<$ty>;

            #[track_caller]
            fn $method(self, right: Array<$ty>) -> Array<$ty> {
                apply(Op::$op, [self.into_term().0, right.into_term().0], Location::caller())
            }
        }

        impl ops::$trait<&Array<$ty>> for $ty {
            type Output = Array<$ty>;

            #[track_caller]
            fn $method(self, right: &Array<$ty>) -> Array<$ty> {
                apply(Op::$op, [self.into_term().0, right.into_term().0], Location::caller())
            }
        }
    )*)*};
}
left! {
    Add add Add: i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 Complex<f32> Complex<f64>;
    Sub sub Subtract: i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 Complex<f32> Complex<f64>;
    Mul mul Multiply: i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 Complex<f32> Complex<f64>;
    Div div Divide: i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 Complex<f32> Complex<f64>;
    Rem rem Fmod: i8 i16 i32 i64 u8 u16 u32 u64 f32 f64;
    BitAnd bitand BitwiseAnd: bool i8 i16 i32 i64 u8 u16 u32 u64;
    BitOr bitor BitwiseOr: bool i8 i16 i32 i64 u8 u16 u32 u64;
    BitXor bitxor BitwiseXor: bool i8 i16 i32 i64 u8 u16 u32 u64;
    Shl shl ShiftLeft: i8 i16 i32 i64 u8 u16 u32 u64;
    Shr shr ShiftRight: i8 i16 i32 i64 u8 u16 u32 u64;
}

impl<T: Arith> ops::Neg for Array<T> {
    type Output = Array<T>;

    #[track_caller]
    fn neg(self) -> Array<T> {
        apply(Op::Negative, [self.into_term().0], Location::caller())
    }
}

impl<T: Arith> ops::Neg for &Array<T> {
    type Output = Array<T>;

    #[track_caller]
    fn neg(self) -> Array<T> {
        apply(Op::Negative, [self.into_term().0], Location::caller())
    }
}

impl<T: Bits> ops::Not for Array<T> {
    type Output = Array<T>;

    #[track_caller]
    fn not(self) -> Array<T> {
        apply(Op::BitwiseInvert, [self.into_term().0], Location::caller())
    }
}

impl<T: Bits> ops::Not for &Array<T> {
    type Output = Array<T>;

    #[track_caller]
    fn not(self) -> Array<T> {
        apply(Op::BitwiseInvert, [self.into_term().0], Location::caller())
    }
}

impl<T: Element> From<T> for Array<T> {
    /// A 0-d array of one value, for code that is generic over operands.
    #[track_caller]
    fn from(value: T) -> Array<T> {
        Array::full((), value, ())
    }
}
