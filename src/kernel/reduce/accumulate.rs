//! How one value enters the state of a reduction, and how two states become one.

use num_complex::Complex;

use crate::base::element::{Element, Numeric};
use crate::error::{Error, Kind, Result};
use crate::op::scalar::cast::CastTo;
use crate::op::scalar::{Any, Arith, Ordered};

/// A reduction whose state is a plain value and which takes elements one by one.
pub trait Accumulate<T>: Copy + Send + Sync + 'static {
    type State: Copy + Send + 'static;
    type Output: Element;

    fn identity(self) -> Self::State;
    fn step(self, state: Self::State, value: T) -> Self::State;
    fn merge(self, left: Self::State, right: Self::State) -> Self::State;

    /// The result of `count` elements. `selected` says that a mask or `skip_nan` may have left
    /// elements out; then `count` is that of the elements that took part, if it is known.
    fn finish(self, state: Self::State, count: u64, selected: bool) -> Result<Self::Output>;
}

/// A type in which sums are carried.
pub trait SumState: Arith {
    /// What changes nothing when added; of floating-point numbers −0, because +0 would turn −0 to +0.
    const NOTHING: Self;
    const ONE: Self;
    const ZERO: Self;
}

macro_rules! sum_states {
    ($($ty:ty: $nothing:expr, $one:expr, $zero:expr;)*) => {$(
        impl SumState for $ty {
            const NOTHING: $ty = $nothing;
            const ONE: $ty = $one;
            const ZERO: $ty = $zero;
        }
    )*};
}
sum_states! {
    i64: 0, 1, 0;
    u64: 0, 1, 0;
    f64: -0.0, 1.0, 0.0;
    Complex<f64>: Complex::new(-0.0, -0.0), Complex::new(1.0, 0.0), Complex::new(0.0, 0.0);
}

/// A type in which means are carried: `f64` or its complex type.
pub trait MeanState: SumState {
    /// The quotient by a number of elements.
    fn over(self, count: f64) -> Self;
    fn times(self, factor: f64) -> Self;
    fn modulus(self) -> f64;
    /// The square of the modulus.
    fn norm_square(self) -> f64;
}

impl MeanState for f64 {
    #[inline(always)]
    fn over(self, count: f64) -> f64 {
        self / count
    }
    #[inline(always)]
    fn times(self, factor: f64) -> f64 {
        self * factor
    }
    #[inline(always)]
    fn modulus(self) -> f64 {
        self.abs()
    }
    #[inline(always)]
    fn norm_square(self) -> f64 {
        self * self
    }
}

impl MeanState for Complex<f64> {
    #[inline(always)]
    fn over(self, count: f64) -> Complex<f64> {
        Complex::new(self.re / count, self.im / count)
    }
    #[inline(always)]
    fn times(self, factor: f64) -> Complex<f64> {
        Complex::new(self.re * factor, self.im * factor)
    }
    #[inline(always)]
    fn modulus(self) -> f64 {
        self.re.hypot(self.im)
    }
    #[inline(always)]
    fn norm_square(self) -> f64 {
        self.re * self.re + self.im * self.im
    }
}

/// An element type with the types in which its sums and means are carried, always of 64-bit parts.
pub trait Reducible: Any + CastTo<Self::Sum64> + CastTo<Self::Mean64> {
    type Sum64: SumState + CastTo<<Self as Numeric>::Sum>;
    type Mean64: MeanState + CastTo<<Self as Numeric>::Mean>;
    /// The type of variances and norms.
    type Part: Element;
    fn part(value: f64) -> Self::Part;
}

macro_rules! reducible {
    ($($ty:ty: $sum:ty, $mean:ty, $part:ty;)*) => {$(
        impl Reducible for $ty {
            type Sum64 = $sum;
            type Mean64 = $mean;
            type Part = $part;
            #[inline(always)]
            fn part(value: f64) -> $part {
                value as $part
            }
        }
    )*};
}
reducible! {
    bool: i64, f64, f64;
    i8: i64, f64, f64;
    i16: i64, f64, f64;
    i32: i64, f64, f64;
    i64: i64, f64, f64;
    u8: u64, f64, f64;
    u16: u64, f64, f64;
    u32: u64, f64, f64;
    u64: u64, f64, f64;
    f32: f64, f64, f32;
    f64: f64, f64, f64;
    Complex<f32>: Complex<f64>, Complex<f64>, f32;
    Complex<f64>: Complex<f64>, Complex<f64>, f64;
}

/// An ordered element type with the values that no other passes.
pub trait Extremes: Reducible + Ordered {
    const LOWEST: Self;
    const HIGHEST: Self;
    /// NaN, where there is one.
    const UNKNOWN: Self;
}

macro_rules! extremes {
    ($($ty:ty: $lowest:expr, $highest:expr, $unknown:expr;)*) => {$(
        impl Extremes for $ty {
            const LOWEST: $ty = $lowest;
            const HIGHEST: $ty = $highest;
            const UNKNOWN: $ty = $unknown;
        }
    )*};
}
extremes! {
    bool: false, true, false;
    i8: i8::MIN, i8::MAX, 0;
    i16: i16::MIN, i16::MAX, 0;
    i32: i32::MIN, i32::MAX, 0;
    i64: i64::MIN, i64::MAX, 0;
    u8: u8::MIN, u8::MAX, 0;
    u16: u16::MIN, u16::MAX, 0;
    u32: u32::MIN, u32::MAX, 0;
    u64: u64::MIN, u64::MAX, 0;
    f32: f32::NEG_INFINITY, f32::INFINITY, f32::NAN;
    f64: f64::NEG_INFINITY, f64::INFINITY, f64::NAN;
}

/// The error of a reduction of nothing that has no value then.
pub fn nothing(name: &str) -> Error {
    Error::new(
        Kind::Value,
        format!("{name} of no elements has no value (none are there, or all are masked or NaN)"),
    )
}

/// One accumulation: its marker, state, output, identity, step, merge and finish.
macro_rules! accumulate {
    ($(#[$doc:meta])* $name:ident<$T:ident: $bound:path>, $state:ty => $output:ty,
     identity $identity:expr,
     step |$acc:ident, $value:ident| $step:expr,
     merge |$left:ident, $right:ident| $merge:expr,
     finish |$done:ident, $count:ident, $selected:ident| $finish:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct $name;

        impl<$T: $bound> Accumulate<$T> for $name {
            type State = $state;
            type Output = $output;

            #[inline(always)]
            fn identity(self) -> $state {
                $identity
            }
            #[inline(always)]
            fn step(self, $acc: $state, $value: $T) -> $state {
                $step
            }
            #[inline(always)]
            fn merge(self, $left: $state, $right: $state) -> $state {
                $merge
            }
            #[inline(always)]
            fn finish(self, $done: $state, $count: u64, $selected: bool) -> Result<$output> {
                let _ = ($count, $selected);
                $finish
            }
        }
    };
}

accumulate! {
    /// Wraps in 64 bits, or adds in `f64`. The sum of nothing is +0.
    Sum<T: Reducible>, T::Sum64 => <T as Numeric>::Sum,
    identity T::Sum64::NOTHING,
    step |sum, value| sum.add(CastTo::<T::Sum64>::cast(value)),
    merge |left, right| left.add(right),
    // After a selection nobody knows whether −0 is the sum of nothing: it becomes +0 then, too.
    finish |sum, count, selected| Ok(if selected || count == 0 { sum.add(T::Sum64::ZERO) } else { sum }.cast())
}

accumulate! {
    /// Wraps in 64 bits, or multiplies in `f64`.
    Prod<T: Reducible>, T::Sum64 => <T as Numeric>::Sum,
    identity T::Sum64::ONE,
    step |product, value| product.multiply(CastTo::<T::Sum64>::cast(value)),
    merge |left, right| left.multiply(right),
    finish |product, count, selected| Ok(product.cast())
}

accumulate! {
    /// Adds in `f64`, whatever the type; the mean of nothing is NaN.
    Mean<T: Reducible>, T::Mean64 => <T as Numeric>::Mean,
    identity T::Mean64::NOTHING,
    step |sum, value| sum.add(CastTo::<T::Mean64>::cast(value)),
    merge |left, right| left.add(right),
    finish |sum, count, selected| Ok(sum.over(count as f64).cast())
}

accumulate! {
    Min<T: Extremes>, T => T,
    identity T::HIGHEST,
    step |least, value| least.minimum(value),
    merge |left, right| left.minimum(right),
    finish |least, count, selected| if count == 0 { Err(nothing("min")) } else { Ok(least) }
}

accumulate! {
    Max<T: Extremes>, T => T,
    identity T::LOWEST,
    step |most, value| most.maximum(value),
    merge |left, right| left.maximum(right),
    finish |most, count, selected| if count == 0 { Err(nothing("max")) } else { Ok(most) }
}

accumulate! {
    /// The smallest value that is not NaN; NaN if there is none.
    NanMin<T: Extremes>, T => T,
    identity T::UNKNOWN,
    step |least, value| least.fmin(value),
    merge |left, right| left.fmin(right),
    finish |least, count, selected| if count == 0 { Err(nothing("nanmin")) } else { Ok(least) }
}

accumulate! {
    /// The largest value that is not NaN; NaN if there is none.
    NanMax<T: Extremes>, T => T,
    identity T::UNKNOWN,
    step |most, value| most.fmax(value),
    merge |left, right| left.fmax(right),
    finish |most, count, selected| if count == 0 { Err(nothing("nanmax")) } else { Ok(most) }
}

accumulate! {
    AnyOf<T: Any>, bool => bool,
    identity false,
    step |any, value| any | value.is_nonzero(),
    merge |left, right| left | right,
    finish |any, count, selected| Ok(any)
}

accumulate! {
    AllOf<T: Any>, bool => bool,
    identity true,
    step |all, value| all & value.is_nonzero(),
    merge |left, right| left & right,
    finish |all, count, selected| Ok(all)
}

accumulate! {
    Nonzero<T: Any>, i64 => i64,
    identity 0,
    step |n, value| n + value.is_nonzero() as i64,
    merge |left, right| left + right,
    finish |n, count, selected| Ok(n)
}

accumulate! {
    NormOne<T: Reducible>, f64 => T::Part,
    identity 0.0,
    step |sum, value| sum + CastTo::<T::Mean64>::cast(value).modulus(),
    merge |left, right| left + right,
    finish |sum, count, selected| Ok(T::part(sum))
}

accumulate! {
    NormTwo<T: Reducible>, f64 => T::Part,
    identity 0.0,
    step |sum, value| sum + CastTo::<T::Mean64>::cast(value).norm_square(),
    merge |left, right| left + right,
    finish |sum, count, selected| Ok(T::part(sum.sqrt()))
}

accumulate! {
    NormMax<T: Reducible>, f64 => T::Part,
    identity 0.0,
    step |most, value| Ordered::maximum(most, CastTo::<T::Mean64>::cast(value).modulus()),
    merge |left, right| Ordered::maximum(left, right),
    finish |most, count, selected| Ok(T::part(most))
}
