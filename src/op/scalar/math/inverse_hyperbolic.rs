//! Inverse hyperbolic functions: logarithms of a sum whose rounding error is kept.

use super::precise_log::log2_of_sum;
use super::{LN_2, fast_two_sum, quotient, two_product, two_sum};

/// `log(2^doublings (hi + lo))`, where the doublings are 0 or more than the logarithm of the sum.
#[inline(always)]
fn log(hi: f64, lo: f64, doublings: f64) -> f64 {
    let (log, rest) = log2_of_sum(hi, lo);
    let (log, error) = fast_two_sum(doublings, log);
    let rest = error + rest;
    let (product, error) = two_product(log, LN_2[0]);
    product + log.mul_add(LN_2[1], rest.mul_add(LN_2[0], error))
}

/// The square root of a sum of two numbers, which may be 0, as a leading part and a small one.
#[inline(always)]
fn square_root(hi: f64, lo: f64) -> (f64, f64) {
    let root = hi.sqrt();
    let rest = (-root).mul_add(root, hi) + lo;
    // The smallest number makes 0 / 0 a 0.
    (root, rest / (2.0 * root + f64::MIN_POSITIVE))
}

/// `log(x + √(x² + sign))`.
#[inline(always)]
fn log_with_root(x: f64, sign: f64) -> f64 {
    /// From here on the square may overflow, and 1 is nothing beside it.
    const LARGE: f64 = 1e150;
    /// 2^-600, whose square is 0.
    const SCALE: f64 = f64::from_bits((1023 - 600) << 52);
    // All that is different about large numbers is derived from one value: of several choices by the same condition
    // the compiler would make two copies of the code.
    let scale = if x > LARGE { SCALE } else { 1.0 };
    let x = x * scale;
    let (square, square_error) = two_product(x, x);
    let (sum, error) = two_sum(square, sign * scale * scale);
    let (root, rest) = square_root(sum, error + square_error);
    let (sum, error) = two_sum(x, root);
    let (sum, error) = fast_two_sum(sum, error + rest);
    log(sum, error, 600.0 * (1.0 - scale))
}

#[inline(always)]
pub fn asinh(x: f64) -> f64 {
    let magnitude = x.abs();
    let y = log_with_root(magnitude, 1.0);
    let y = if magnitude == f64::INFINITY {
        magnitude
    } else {
        y
    };
    let y = if x.is_nan() { x } else { y };
    // Among them the subnormals that would lose bits.
    let y = if magnitude < 1e-9 { magnitude } else { y };
    y.copysign(x)
}

#[inline(always)]
pub fn acosh(x: f64) -> f64 {
    let y = log_with_root(x, -1.0);
    let y = if x == f64::INFINITY { x } else { y };
    // Also if it is NaN itself.
    if x >= 1.0 { y } else { f64::NAN }
}

/// `log((1 + x) / (1 - x)) / 2`.
#[inline(always)]
pub fn atanh(x: f64) -> f64 {
    let magnitude = x.abs();
    let above = fast_two_sum(1.0, magnitude);
    let below = fast_two_sum(1.0, -magnitude);
    let (ratio, rest) = quotient(above, below);
    let (ratio, rest) = fast_two_sum(ratio, rest);
    let y = 0.5 * log(ratio, rest, 0.0);
    let y = if magnitude == 1.0 { f64::INFINITY } else { y };
    // Also if it is NaN itself.
    let y = if magnitude <= 1.0 { y } else { f64::NAN };
    let y = if magnitude < 1e-9 { magnitude } else { y };
    y.copysign(x)
}

// Of an `f32` in `f64`, of which the result keeps less than half the bits: the forms that lose none of them to
// cancellation.

#[inline(always)]
pub fn asinh_f32(x: f32) -> f32 {
    let magnitude = x.abs() as f64;
    let square = magnitude * magnitude;
    let above = magnitude + square / (1.0 + (1.0 + square).sqrt());
    let y = super::log1p(above) as f32;
    let y = if x.is_infinite() { f32::INFINITY } else { y };
    y.copysign(x)
}

#[inline(always)]
pub fn acosh_f32(x: f32) -> f32 {
    let above = x as f64 - 1.0;
    let y = super::log1p(above + (above * (above + 2.0)).sqrt()) as f32;
    if x >= 1.0 { y } else { f32::NAN }
}

#[inline(always)]
pub fn atanh_f32(x: f32) -> f32 {
    let magnitude = x.abs() as f64;
    let y = 0.5 * super::log1p(2.0 * magnitude / (1.0 - magnitude));
    (y as f32).copysign(x)
}
