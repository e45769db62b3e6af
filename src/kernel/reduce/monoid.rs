//! What reductions do with prepared values: a handful of types and combinations.
//!
//! Values are first prepared (converted, squared, neutralized where a mask leaves them out) by the
//! elementwise kernels, see [`prepare`](super::prepare). So the loops whose order matters exist once
//! per type of state, not once per reduction, element type and mask.

use num_complex::Complex;

use crate::op::scalar::{Arith, Ordered};

/// How terms are combined into a state. A term of the identity changes no bit of any state.
pub trait Monoid: Copy + Send + Sync + 'static {
    type Term: Copy + 'static;
    type State: Copy + Send + 'static;

    fn identity(self) -> Self::State;
    fn step(self, state: Self::State, term: Self::Term) -> Self::State;
    fn merge(self, left: Self::State, right: Self::State) -> Self::State;
}

/// A type in which sums and products are carried.
pub trait Carry: Arith {
    /// What changes nothing when added; of floating-point numbers −0, because +0 would turn −0 to +0.
    const NOTHING: Self;
    const ONE: Self;
    const ZERO: Self;
}

macro_rules! carry {
    ($($ty:ty: $nothing:expr, $one:expr, $zero:expr;)*) => {$(
        impl Carry for $ty {
            const NOTHING: $ty = $nothing;
            const ONE: $ty = $one;
            const ZERO: $ty = $zero;
        }
    )*};
}
carry! {
    i64: 0, 1, 0;
    f64: -0.0, 1.0, 0.0;
    Complex<f64>: Complex::new(-0.0, -0.0), Complex::new(1.0, 0.0), Complex::new(0.0, 0.0);
}

/// A type in which means are carried.
pub trait Moment: Carry {
    fn over(self, count: f64) -> Self;
    fn times(self, factor: f64) -> Self;
    /// The square of the modulus.
    fn norm_square(self) -> f64;
}

impl Moment for f64 {
    #[inline(always)]
    fn over(self, count: f64) -> f64 {
        self / count
    }
    #[inline(always)]
    fn times(self, factor: f64) -> f64 {
        self * factor
    }
    #[inline(always)]
    fn norm_square(self) -> f64 {
        self * self
    }
}

impl Moment for Complex<f64> {
    #[inline(always)]
    fn over(self, count: f64) -> Complex<f64> {
        Complex::new(self.re / count, self.im / count)
    }
    #[inline(always)]
    fn times(self, factor: f64) -> Complex<f64> {
        Complex::new(self.re * factor, self.im * factor)
    }
    #[inline(always)]
    fn norm_square(self) -> f64 {
        self.re * self.re + self.im * self.im
    }
}

/// An ordered element type with the values that no other passes.
pub trait Extremes: Ordered {
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

/// A monoid whose states are terms.
macro_rules! monoid {
    ($(#[$doc:meta])* $name:ident<$T:ident: $bound:path>, $identity:expr, |$x:ident, $y:ident| $combine:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct $name<$T>(std::marker::PhantomData<fn($T)>);

        impl<$T> $name<$T> {
            pub fn new() -> $name<$T> {
                $name(std::marker::PhantomData)
            }
        }

        impl<$T: $bound> Monoid for $name<$T> {
            type Term = $T;
            type State = $T;

            #[inline(always)]
            fn identity(self) -> $T {
                $identity
            }
            #[inline(always)]
            fn step(self, $x: $T, $y: $T) -> $T {
                $combine
            }
            #[inline(always)]
            fn merge(self, $x: $T, $y: $T) -> $T {
                $combine
            }
        }
    };
}

monoid! {
    /// Integers wrap.
    SumOf<T: Carry>, T::NOTHING, |x, y| x.add(y)
}
monoid! {
    /// Integers wrap.
    ProductOf<T: Carry>, T::ONE, |x, y| x.multiply(y)
}
monoid! {
    /// NaN if one is NaN.
    MinOf<T: Extremes>, T::HIGHEST, |x, y| x.minimum(y)
}
monoid! {
    /// NaN if one is NaN.
    MaxOf<T: Extremes>, T::LOWEST, |x, y| x.maximum(y)
}
monoid! {
    /// The smallest that is not NaN; NaN of nothing.
    NanMinOf<T: Extremes>, T::UNKNOWN, |x, y| x.fmin(y)
}
monoid! {
    /// The largest that is not NaN; NaN of nothing.
    NanMaxOf<T: Extremes>, T::UNKNOWN, |x, y| x.fmax(y)
}

/// How many `bool` bytes are 1.
#[derive(Clone, Copy)]
pub struct CountOf;

impl Monoid for CountOf {
    type Term = u8;
    type State = i64;

    #[inline(always)]
    fn identity(self) -> i64 {
        0
    }
    #[inline(always)]
    fn step(self, count: i64, byte: u8) -> i64 {
        count + byte as i64
    }
    #[inline(always)]
    fn merge(self, left: i64, right: i64) -> i64 {
        left + right
    }
}
