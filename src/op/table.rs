//! The table of elementwise operations: one row each, from which everything else is derived.

use crate::base::dtype::DType;
use crate::base::element::Element;
use crate::base::scalar::Scalar;

pub use super::scalar::cast::cast;
use super::scalar::formula::{Binary, Choice, Ternary, Unary};
use super::scalar::{formula, math, with_class};

/// Calls `$callback!` with the table of operations, grouped by family. The columns of a row:
///
/// 1. the variant of [`Op`] and the marker type of the formula;
/// 2. the stable name, which is also the name of the formula's method in the trait of column 4;
/// 3. the arity, as the trait of the marker (`Choice` has one row: a condition and two values);
/// 4. the class of element types that have the operation, as the trait with the formulas;
/// 5. the result type: `Same`, `Bool`, `Real` (the part of a complex type), `Mean` (`f64` for
///    integers), `Count` (`u8`);
/// 6. the cost in nanoseconds per `f64` element in cache, to weigh recomputation against memory;
/// 7. `commutes`, if the operands can be swapped without changing a bit, else `ordered`;
/// 8. `bits`, if signed integers (and `bool`) may use the kernel of the unsigned type of their
///    size, else `own`;
/// 9. the doc.
///
/// A family is a module of markers: the compiler makes one unit of code of each.
macro_rules! for_each_op {
    ($callback:ident $(, $extra:tt)*) => {
        $callback! { $($extra)*
            arithmetic {
                (Add, add, Binary, Arith, Same, 0.1, commutes, bits, "`x + y`; integers wrap."),
                (Subtract, subtract, Binary, Arith, Same, 0.1, ordered, bits, "`x - y`; integers wrap."),
                (Multiply, multiply, Binary, Arith, Same, 0.1, commutes, bits, "`x * y`; integers wrap."),
                (Negative, negative, Unary, Arith, Same, 0.1, ordered, bits, "`-x`; integers wrap."),
                (Positive, positive, Unary, Arith, Same, 0.1, ordered, bits, "`+x`, which is `x`."),
                (Square, square, Unary, Arith, Same, 0.1, ordered, bits, "`x * x`; integers wrap."),
                (Abs, abs, Unary, Any, Real, 0.1, ordered, own, "The absolute value; of a complex number the modulus. The smallest integer wraps to itself."),
                (Sign, sign, Unary, Arith, Same, 0.2, ordered, own, "−1, 0 or 1, as the sign of `x`; NaN of NaN; of a complex number `x / |x|`."),
            }
            division {
                (Divide, divide, Binary, Arith, Same, 0.6, ordered, own, "`x / y` as Rust divides: integers truncate and wrap. Integers divided by 0 are 0."),
                (TrueDivide, true_divide, Binary, Arith, Mean, 0.6, ordered, own, "`x / y` in floating point; of integers a `float64`."),
                (Reciprocal, reciprocal, Unary, Arith, Same, 0.6, ordered, own, "`1 / x`; integers truncate, and 0 gives 0."),
                (FloorDivide, floor_divide, Binary, Real, Same, 6.0, ordered, own, "The largest whole number that is not above `x / y`; Python's `//`. Integers divided by 0 are 0."),
                (Remainder, remainder, Binary, Real, Same, 6.0, ordered, own, "The remainder with the sign of the divisor; Python's `%`. Integers modulo 0 are 0."),
                (Fmod, fmod, Binary, Real, Same, 6.0, ordered, own, "The remainder with the sign of the dividend; Rust's and C's `%`. Integers modulo 0 are 0."),
                (Gcd, gcd, Binary, Integer, Same, 20.0, commutes, own, "The greatest common divisor, never negative; `gcd(x, 0)` is `|x|`."),
                (Lcm, lcm, Binary, Integer, Same, 22.0, commutes, own, "The least common multiple, never negative; 0 if one is 0; wraps."),
                (Power, power, Binary, Arith, Same, 4.7, ordered, own, "`x` to the power of `y`. Integers wrap; a negative power of an integer is 0, except of 1 and −1."),
            }
            ordering {
                (Maximum, maximum, Binary, Ordered, Same, 0.15, commutes, own, "The larger of two; NaN if one is NaN."),
                (Minimum, minimum, Binary, Ordered, Same, 0.15, commutes, own, "The smaller of two; NaN if one is NaN."),
                (Fmax, fmax, Binary, Ordered, Same, 0.2, commutes, own, "The larger of two; a NaN is ignored."),
                (Fmin, fmin, Binary, Ordered, Same, 0.2, commutes, own, "The smaller of two; a NaN is ignored."),
                (Clip, clip, Ternary, Ordered, Same, 0.2, ordered, own, "`minimum(maximum(x, low), high)`."),
                (Less, less, Binary, Ordered, Bool, 0.1, ordered, own, "`x < y`; false if one is NaN."),
                (LessEqual, less_equal, Binary, Ordered, Bool, 0.1, ordered, own, "`x <= y`; false if one is NaN."),
                (Greater, greater, Binary, Ordered, Bool, 0.1, ordered, own, "`x > y`; false if one is NaN."),
                (GreaterEqual, greater_equal, Binary, Ordered, Bool, 0.1, ordered, own, "`x >= y`; false if one is NaN."),
                (Equal, equal, Binary, Any, Bool, 0.1, commutes, bits, "`x == y`; false if one is NaN."),
                (NotEqual, not_equal, Binary, Any, Bool, 0.1, commutes, bits, "`x != y`; true if one is NaN."),
            }
            logic {
                (LogicalAnd, logical_and, Binary, Any, Bool, 0.1, commutes, bits, "Whether both are not zero."),
                (LogicalOr, logical_or, Binary, Any, Bool, 0.1, commutes, bits, "Whether one or both are not zero."),
                (LogicalXor, logical_xor, Binary, Any, Bool, 0.1, commutes, bits, "Whether exactly one is not zero."),
                (LogicalNot, logical_not, Unary, Any, Bool, 0.1, ordered, bits, "Whether `x` is zero."),
                (Isnan, isnan, Unary, Any, Bool, 0.1, ordered, bits, "Whether `x`, or a part of it, is NaN."),
                (Isinf, isinf, Unary, Any, Bool, 0.1, ordered, bits, "Whether `x`, or a part of it, is infinite."),
                (Isfinite, isfinite, Unary, Any, Bool, 0.1, ordered, bits, "Whether `x` is neither infinite nor NaN."),
                (BitwiseAnd, bitwise_and, Binary, Bits, Same, 0.1, commutes, bits, "`x & y`."),
                (BitwiseOr, bitwise_or, Binary, Bits, Same, 0.1, commutes, bits, "`x | y`."),
                (BitwiseXor, bitwise_xor, Binary, Bits, Same, 0.1, commutes, bits, "`x ^ y`."),
                (BitwiseInvert, bitwise_invert, Unary, Bits, Same, 0.1, ordered, own, "`!x`."),
                (ShiftLeft, shift_left, Binary, Integer, Same, 0.2, ordered, bits, "`x << y`; 0 if `y` is negative or not below the bits of the type."),
                (ShiftRight, shift_right, Binary, Integer, Same, 0.2, ordered, own, "`x >> y`; if `y` is negative or not below the bits of the type, 0, or −1 of a negative `x`."),
                (CountOnes, count_ones, Unary, Integer, Count, 0.5, ordered, own, "How many bits of `|x|` are 1."),
                (Select, where_, Choice, Any, Same, 0.15, ordered, own, "`x` where the condition holds, else `y`."),
            }
            floating {
                (Floor, floor, Unary, Real, Same, 0.1, ordered, own, "The largest whole number that is not above `x`."),
                (Ceil, ceil, Unary, Real, Same, 0.1, ordered, own, "The smallest whole number that is not below `x`."),
                (Trunc, trunc, Unary, Real, Same, 0.1, ordered, own, "The whole number next to `x` in the direction of 0."),
                (Round, round, Unary, Real, Same, 0.1, ordered, own, "The whole number nearest to `x`; of two, the even one."),
                (Copysign, copysign, Binary, Float, Same, 0.1, ordered, own, "The magnitude of `x` with the sign of `y`."),
                (Signbit, signbit, Unary, Real, Bool, 0.1, ordered, own, "Whether the sign is negative; true for −0."),
                (Isposinf, isposinf, Unary, Float, Bool, 0.1, ordered, own, "Whether `x` is +∞."),
                (Isneginf, isneginf, Unary, Float, Bool, 0.1, ordered, own, "Whether `x` is −∞."),
                (Nextafter, nextafter, Binary, Float, Same, 0.6, ordered, own, "The next value after `x` in the direction of `y`."),
                (Spacing, spacing, Unary, Float, Same, 0.6, ordered, own, "The distance from `x` to the next value away from 0, with the sign of `x`; of both zeros a positive one."),
                (Heaviside, heaviside, Binary, Float, Same, 0.2, ordered, own, "0 for negative `x`, 1 for positive `x`, `y` for 0; NaN of NaN."),
                (Degrees, degrees, Unary, Float, Same, 0.1, ordered, own, "Radians as degrees."),
                (Radians, radians, Unary, Float, Same, 0.1, ordered, own, "Degrees as radians."),
            }
            exponential {
                (Sqrt, sqrt, Unary, Inexact, Same, 0.7, ordered, own, "The square root; NaN of negative real numbers."),
                (Cbrt, cbrt, Unary, RealElementary, Same, 1.3, ordered, own, "The cube root."),
                (Exp, exp, Unary, Elementary, Same, 0.8, ordered, own, "e to the power of `x`."),
                (Exp2, exp2, Unary, Elementary, Same, 1.0, ordered, own, "2 to the power of `x`."),
                (Expm1, expm1, Unary, Elementary, Same, 1.3, ordered, own, "`exp(x) - 1`, precise near 0."),
                (Log, log, Unary, Elementary, Same, 1.1, ordered, own, "The natural logarithm."),
                (Log2, log2, Unary, Elementary, Same, 1.5, ordered, own, "The logarithm to base 2."),
                (Log10, log10, Unary, Elementary, Same, 1.5, ordered, own, "The logarithm to base 10."),
                (Log1p, log1p, Unary, Elementary, Same, 1.8, ordered, own, "`log(1 + x)`, precise near 0."),
                (Logaddexp, logaddexp, Binary, RealElementary, Same, 5.4, commutes, own, "`log(exp(x) + exp(y))` without overflow."),
                (Logaddexp2, logaddexp2, Binary, RealElementary, Same, 5.7, commutes, own, "`log2(2^x + 2^y)` without overflow."),
                (Hypot, hypot, Binary, RealElementary, Same, 1.7, commutes, own, "`sqrt(x² + y²)` without overflow."),
            }
            trigonometric {
                (Sin, sin, Unary, Elementary, Same, 1.3, ordered, own, "The sine."),
                (Cos, cos, Unary, Elementary, Same, 1.3, ordered, own, "The cosine."),
                (Tan, tan, Unary, Elementary, Same, 2.0, ordered, own, "The tangent."),
                (Asin, asin, Unary, Elementary, Same, 1.7, ordered, own, "The inverse sine, within ±π/2."),
                (Acos, acos, Unary, Elementary, Same, 1.7, ordered, own, "The inverse cosine, from 0 to π."),
                (Atan, atan, Unary, Elementary, Same, 1.7, ordered, own, "The inverse tangent, within ±π/2."),
                (Atan2, atan2, Binary, RealElementary, Same, 2.4, ordered, own, "The angle of the point (`y`, `x`), where `x` is the first operand, within ±π."),
                (Sinh, sinh, Unary, Elementary, Same, 2.2, ordered, own, "The hyperbolic sine."),
                (Cosh, cosh, Unary, Elementary, Same, 2.2, ordered, own, "The hyperbolic cosine."),
                (Tanh, tanh, Unary, Elementary, Same, 1.9, ordered, own, "The hyperbolic tangent."),
                (Asinh, asinh, Unary, Elementary, Same, 4.9, ordered, own, "The inverse hyperbolic sine."),
                (Acosh, acosh, Unary, Elementary, Same, 4.8, ordered, own, "The inverse hyperbolic cosine."),
                (Atanh, atanh, Unary, Elementary, Same, 3.8, ordered, own, "The inverse hyperbolic tangent."),
                (Sinc, sinc, Unary, RealElementary, Same, 2.2, ordered, own, "`sin(πx) / (πx)`, and 1 at 0."),
            }
            parts {
                (Real, real, Unary, Any, Real, 0.1, ordered, own, "The real part; a real number itself."),
                (Imag, imag, Unary, Any, Real, 0.1, ordered, own, "The imaginary part; 0 of a real number."),
                (Conj, conj, Unary, Any, Same, 0.1, ordered, own, "The complex conjugate; a real number itself."),
                (Angle, angle, Unary, Inexact, Real, 0.2, ordered, own, "The angle in the complex plane, within ±π."),
            }
        }
    };
}
pub(crate) use for_each_op;

macro_rules! op_enum {
    ($($family:ident { $(($variant:ident, $name:ident, $arity:ident, $class:ident, $result:ident,
        $cost:literal, $symmetry:ident, $share:ident, $doc:literal),)* })*) => {
        /// An elementwise operation. All operands have one type, except the condition of `Select`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Op {
            $($(#[doc = $doc] $variant,)*)*
        }

        impl Op {
            /// All operations, in the order of the table.
            #[cfg(test)]
            pub const ALL: &'static [Op] = &[$($(Op::$variant,)*)*];

            /// The stable name, by which serialized plans know the operation.
            pub fn name(self) -> &'static str {
                match self { $($(Op::$variant => stringify!($name),)*)* }
            }

            /// How many operands it takes: 1 to 3.
            #[cfg(test)]
            pub fn arity(self) -> usize {
                match self { $($(Op::$variant => arity!($arity),)*)* }
            }

            /// Nanoseconds per element, roughly.
            pub fn cost(self) -> f64 {
                match self { $($(Op::$variant => $cost,)*)* }
            }

            /// One sentence that says what is computed.
            #[cfg(test)]
            pub fn doc(self) -> &'static str {
                match self { $($(Op::$variant => $doc,)*)* }
            }

            /// Whether the two operands can be swapped without changing a bit of the result.
            pub fn is_commutative(self) -> bool {
                match self { $($(Op::$variant => commutes!($symmetry),)*)* }
            }

            /// The type of the result of operands that all have the type `dtype`; of `Select`, of
            /// the two values. `None` if the operation has no meaning for the type.
            pub fn output(self, dtype: DType) -> Option<DType> {
                match self {
                    $($(Op::$variant => with_class!($class, dtype, T =>
                        <<formula::$family::$variant as $arity<T>>::Out as Element>::DTYPE),)*)*
                }
            }

            /// Which types are admitted, and how to get there from others: the end of an error
            /// message that begins with the operation and the type it was given.
            pub fn admits(self) -> &'static str {
                match self { $($(Op::$variant => admits!($class),)*)* }
            }
        }

        /// Computes one element by the very formulas that the kernels use.
        ///
        /// `None` if the number or types of the arguments are not the operation's.
        pub fn evaluate(op: Op, args: &[Scalar]) -> Option<Scalar> {
            // Of all operations the last argument has the type that decides.
            let dtype = args.last()?.dtype();
            match op {
                $($(Op::$variant => with_class!($class, dtype, T =>
                    evaluate_by!($arity, formula::$family::$variant, T, args))?,)*)*
            }
        }
    };
}

#[cfg(test)]
macro_rules! arity {
    (Unary) => {
        1
    };
    (Binary) => {
        2
    };
    (Ternary) => {
        3
    };
    (Choice) => {
        3
    };
}

macro_rules! commutes {
    (commutes) => {
        true
    };
    (ordered) => {
        false
    };
}

macro_rules! admits {
    (Any) => { "every type has it" };
    (Ordered) => { "it needs numbers with an order: of complex numbers take `x.abs()` or `x.real()` first" };
    (Arith) => { "it needs numbers: convert first, with `x.cast::<i64>()` or `x.cast::<f64>()`" };
    (Real) => { "it needs real numbers: convert bool first, with `x.cast::<i64>()`; of complex numbers take `x.real()` or `x.abs()`" };
    (Bits) => { "it needs bool or integers: convert first, with `x.cast::<i64>()`, or compare" };
    (Integer) => { "it needs integers: convert first, with `x.cast::<i64>()`" };
    (Elementary) => { admits!(Inexact) };
    (RealElementary) => { admits!(Float) };
    (Inexact) => { "it needs floating-point numbers: convert first, with `x.cast::<f64>()`" };
    (Float) => { "it needs real floating-point numbers: convert first, with `x.cast::<f64>()`; of complex numbers take `x.real()` or `x.abs()`" };
}

macro_rules! evaluate_by {
    (Unary, $marker:ty, $T:ident, $args:ident) => {{
        let &[x] = $args else { return None };
        let x = <$T>::from_scalar(x)?;
        let result = if math::in_use() {
            <$marker as Unary<$T>>::apply::<true>(x)
        } else {
            <$marker as Unary<$T>>::apply::<false>(x)
        };
        Some(result.to_scalar())
    }};
    (Binary, $marker:ty, $T:ident, $args:ident) => {{
        let &[x, y] = $args else { return None };
        let (x, y) = (<$T>::from_scalar(x)?, <$T>::from_scalar(y)?);
        let result = if math::in_use() {
            <$marker as Binary<$T>>::apply::<true>(x, y)
        } else {
            <$marker as Binary<$T>>::apply::<false>(x, y)
        };
        Some(result.to_scalar())
    }};
    (Ternary, $marker:ty, $T:ident, $args:ident) => {{
        let &[x, y, z] = $args else { return None };
        let (x, y, z) = (
            <$T>::from_scalar(x)?,
            <$T>::from_scalar(y)?,
            <$T>::from_scalar(z)?,
        );
        Some(<$marker as Ternary<$T>>::apply(x, y, z).to_scalar())
    }};
    (Choice, $marker:ty, $T:ident, $args:ident) => {{
        let &[Scalar::Bool(condition), x, y] = $args else {
            return None;
        };
        let (x, y) = (<$T>::from_scalar(x)?, <$T>::from_scalar(y)?);
        Some(<$marker as Choice<$T>>::apply(condition, x, y).to_scalar())
    }};
}

for_each_op!(op_enum);
