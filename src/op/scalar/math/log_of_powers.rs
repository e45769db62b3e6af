//! Logarithms of sums of two powers: what the smaller one adds to the larger exponent.

use super::exp::{exp_of_sum, exp2_of_sum_in_parts};
use super::precise_log::log2_of_sum;
use super::{LN_2, exp, exp2, fast_two_sum, log1p, two_product, two_sum};

/// From here on the logarithm of `1 + e` is `e - e²/2` to all bits that are kept.
const SMALL: f64 = 1.0 / (1u64 << 30) as f64;

/// The larger number, and the smaller one less the larger one, as two parts and not below −1100.
#[inline(always)]
fn order(x: f64, y: f64) -> (f64, (f64, f64)) {
    let (small, large) = if x < y { (x, y) } else { (y, x) };
    let (difference, error) = two_sum(small, -large);
    let near = difference > -1100.0;
    let difference = if near { difference } else { -1100.0 };
    let error = if near { error } else { 0.0 };
    // Also of equal infinities.
    let equal = x == y;
    let difference = if equal { 0.0 } else { difference };
    (large, (difference, if equal { 0.0 } else { error }))
}

/// `large + rest`, or what infinities and NaN make of it.
#[inline(always)]
fn above(x: f64, y: f64, large: f64, rest: (f64, f64)) -> f64 {
    let (sum, error) = two_sum(large, rest.0);
    let sum = sum + (error + rest.1);
    let sum = if large.is_infinite() { large } else { sum };
    if x.is_nan() | y.is_nan() { x + y } else { sum }
}

/// `log2(1 + e)` of a sum from 0 to 1.
#[inline(always)]
fn log2_of_one_and(e: (f64, f64)) -> (f64, f64) {
    let (sum, error) = fast_two_sum(1.0, e.0);
    log2_of_sum(sum, error + e.1)
}

/// `e - e²/2` of a small `e`.
#[inline(always)]
fn log_of_one_and_small(e: (f64, f64)) -> (f64, f64) {
    (e.0, (-0.5 * e.0).mul_add(e.0, e.1))
}

/// The product of two sums.
#[inline(always)]
fn times(x: (f64, f64), factor: [f64; 2]) -> (f64, f64) {
    let (product, error) = two_product(x.0, factor[0]);
    (
        product,
        x.1.mul_add(factor[0], x.0.mul_add(factor[1], error)),
    )
}

#[inline(always)]
pub fn logaddexp(x: f64, y: f64) -> f64 {
    let (large, difference) = order(x, y);
    let e = exp_of_sum(difference.0, difference.1);
    let log = times(log2_of_one_and(e), LN_2);
    let log = if e.0 < SMALL {
        log_of_one_and_small(e)
    } else {
        log
    };
    above(x, y, large, log)
}

#[inline(always)]
pub fn logaddexp2(x: f64, y: f64) -> f64 {
    const LOG2_E: [f64; 2] = [std::f64::consts::LOG2_E, 2.0355273740931033e-17];
    let (large, difference) = order(x, y);
    let e = exp2_of_sum_in_parts(difference.0, difference.1);
    let small = times(log_of_one_and_small(e), LOG2_E);
    let log = if e.0 < SMALL {
        small
    } else {
        log2_of_one_and(e)
    };
    above(x, y, large, log)
}

/// In `f64`, of which the result keeps less than half the bits.
#[inline(always)]
pub fn logaddexp_f32(x: f32, y: f32) -> f32 {
    let (x, y) = (x as f64, y as f64);
    let (large, difference) = order(x, y);
    above(x, y, large, (log1p(exp(difference.0)), 0.0)) as f32
}

#[inline(always)]
pub fn logaddexp2_f32(x: f32, y: f32) -> f32 {
    let (x, y) = (x as f64, y as f64);
    let (large, difference) = order(x, y);
    let log = std::f64::consts::LOG2_E * log1p(exp2(difference.0));
    above(x, y, large, (log, 0.0)) as f32
}
