//! Hyperbolic functions, from `e^x - 1` in two parts.

use super::exp::half_expm1;
use super::fast_two_sum;

/// `(e^2x - 1) / (e^2x + 1)`.
#[inline(always)]
pub fn tanh(x: f64) -> f64 {
    let magnitude = x.abs();
    // From 20 on it rounds to 1.
    let bounded = if magnitude > 20.0 { 20.0 } else { magnitude };
    let (hi, lo) = half_expm1(2.0 * bounded);
    let (sum, error) = fast_two_sum_ordered(1.0, hi);
    let error = error + lo;
    let inverse = 1.0 / sum;
    let quotient = hi * inverse;
    let rest = (-quotient).mul_add(sum, hi) + (-quotient).mul_add(error, lo);
    let y = rest.mul_add(inverse, quotient);
    let y = if magnitude < 1e-9 { magnitude } else { y };
    y.copysign(x)
}

/// The exact sum of two numbers that are not negative, in any order.
#[inline(always)]
fn fast_two_sum_ordered(a: f64, b: f64) -> (f64, f64) {
    let (large, small) = if a > b { (a, b) } else { (b, a) };
    fast_two_sum(large, small)
}
