//! Hyperbolic functions, from `e^x - 1` in two parts.

use super::exp::{half_exp, half_expm1};
use super::{fast_two_sum, quotient};

/// Whether [`sinh`] and [`cosh`] do not hold for `x`, because `e^x` is about to overflow.
#[inline(always)]
pub fn sinh_is_far(x: f64) -> bool {
    x.abs() > 709.0
}

/// `1 + 2 (hi + lo)` of numbers that are not negative, in two parts.
#[inline(always)]
fn one_and_twice(hi: f64, lo: f64) -> (f64, f64) {
    let twice = 2.0 * hi;
    let (large, small) = if twice > 1.0 {
        (twice, 1.0)
    } else {
        (1.0, twice)
    };
    let (sum, error) = fast_two_sum(large, small);
    (sum, 2.0f64.mul_add(lo, error))
}

/// `y` with the sign of `x`; of tiny numbers themselves.
#[inline(always)]
fn odd(x: f64, y: f64) -> f64 {
    let magnitude = x.abs();
    let y = if magnitude < 1e-9 { magnitude } else { y };
    y.copysign(x)
}

/// `h / (1 + h)` where `h = (e^2x - 1) / 2`.
#[inline(always)]
pub fn tanh(x: f64) -> f64 {
    let magnitude = x.abs();
    // From 20 on it rounds to 1.
    let bounded = if magnitude > 20.0 { 20.0 } else { magnitude };
    let h = half_expm1(2.0 * bounded);
    let (y, rest) = quotient(h, one_and_twice(0.5 * h.0, 0.5 * h.1));
    odd(x, y + rest)
}

/// `h + h / (1 + 2 h)` where `h = (e^x - 1) / 2`, unless [`sinh_is_far`].
#[inline(always)]
pub fn sinh(x: f64) -> f64 {
    let (hi, lo) = half_expm1(x.abs());
    let (y, rest) = quotient((hi, lo), one_and_twice(hi, lo));
    let (sum, error) = fast_two_sum(hi, y);
    odd(x, sum + (error + (lo + rest)))
}

/// `(e + 1 / e) / 2` where `e = e^x`, unless [`sinh_is_far`].
#[inline(always)]
pub fn cosh(x: f64) -> f64 {
    let (hi, lo) = half_expm1(x.abs());
    let (twice, twice_lo) = one_and_twice(hi, lo);
    let (y, rest) = quotient((0.5, 0.0), (twice, twice_lo));
    let (sum, error) = fast_two_sum(0.5 * twice, y);
    sum + (error + 0.5f64.mul_add(twice_lo, rest))
}

/// Where `e^-x` is nothing beside `e^x`: wherever [`sinh_is_far`].
#[inline(always)]
pub fn sinh_of_large(x: f64) -> f64 {
    half_exp(x.abs()).copysign(x)
}

/// As [`sinh_of_large`].
#[inline(always)]
pub fn cosh_of_large(x: f64) -> f64 {
    half_exp(x.abs())
}
