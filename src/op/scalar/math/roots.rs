//! Cube roots and lengths.

use super::{ROUND, TWO_54, fast_two_sum, two_product};

/// `x = 8^q m` with `m` from ½ to 4: a polynomial for `1 / ∛m`, a step of Halley's kind, and with
/// `t = m / ∛m²` a step of Newton's method, whose residual is exact.
#[inline(always)]
pub fn cbrt(x: f64) -> f64 {
    /// `1 / ∛m` from 1 to 2, interpolated at the Chebyshev points, within 2^-14.
    const C: [f64; 5] = [
        1.6662787377309156,
        -1.1623973573078166,
        0.6846527077322325,
        -0.21636185469244387,
        0.02778280101858424,
    ];
    const THIRD: f64 = 1.0 / 3.0;
    /// `∛2` and `∛½`.
    const ROOT: [f64; 2] = [1.2599210498948732, 0.7937005259840998];
    const MANTISSA: u64 = (1 << 52) - 1;
    const ONE: u64 = 0x3ff0_0000_0000_0000;
    const TWO_52: f64 = (1u64 << 52) as f64;
    let magnitude = x.abs();
    let subnormal = magnitude < f64::MIN_POSITIVE;
    let scaled = if subnormal {
        magnitude * TWO_54
    } else {
        magnitude
    };
    let bits = scaled.to_bits();
    let exponent = f64::from_bits((bits >> 52) | TWO_52.to_bits()) - (TWO_52 + 1023.0);
    let shifted = exponent.mul_add(THIRD, ROUND);
    // −1, 0 or 1.
    let rest = (shifted - ROUND).mul_add(-3.0, exponent);
    let mantissa = f64::from_bits((bits & MANTISSA) | ONE);
    let m2 = mantissa * mantissa;
    let low = C[1].mul_add(mantissa, C[0]);
    let high = C[4].mul_add(m2, C[3].mul_add(mantissa, C[2]));
    let inverse = high.mul_add(m2, low);
    let factor = if rest < 0.0 { ROOT[0] } else { 1.0 };
    let factor = if rest > 0.0 { ROOT[1] } else { factor };
    let power = if rest < 0.0 { 0.5 } else { 1.0 };
    let power = if rest > 0.0 { 2.0 } else { power };
    let (m, inverse) = (mantissa * power, inverse * factor);
    // (1 - e)^-⅓ = 1 + e/3 + 2e²/9 + …
    let e = (-inverse).mul_add(inverse * inverse * m, 1.0);
    let step = e.mul_add(2.0 / 9.0, THIRD);
    let inverse = (inverse * e).mul_add(step, inverse);
    let square = inverse * inverse;
    let t = m * square;
    let (t2, error) = two_product(t, t);
    let residual = (-t2).mul_add(t, m) - error * t;
    let root = (residual * square).mul_add(THIRD, t);
    // The exponent's third, and that of 2^-54.
    let n = shifted.to_bits().wrapping_sub(ROUND.to_bits());
    let n = n.wrapping_sub(if subnormal { 18 } else { 0 });
    let y = f64::from_bits(root.to_bits().wrapping_add(n << 52)).copysign(x);
    let itself = (x == 0.0) | (magnitude == f64::INFINITY) | x.is_nan();
    if itself { x } else { y }
}

/// The corrected square root of C. F. Borges, "Algorithm 1014: an improved algorithm for hypot(x, y)"
/// (2020), of numbers scaled by the power of two of the larger one.
#[inline(always)]
pub fn hypot(x: f64, y: f64) -> f64 {
    let (x, y) = (x.abs(), y.abs());
    let (large, small) = if x < y { (y, x) } else { (x, y) };
    let (power, inverse) = power_of_two(large);
    let (a, b) = (large * inverse, small * inverse);
    let (a2, a2_error) = two_product(a, a);
    let (b2, b2_error) = two_product(b, b);
    let (sum, sum_error) = fast_two_sum(a2, b2);
    let root = sum.sqrt();
    let residual = (-root).mul_add(root, sum) + (sum_error + (a2_error + b2_error));
    // The smallest number makes 0 / 0 a 0.
    let correction = residual / (2.0 * root + f64::MIN_POSITIVE);
    let y_or_nan = (root + correction) * power;
    let infinite = (x == f64::INFINITY) | (y == f64::INFINITY);
    let length = if infinite { f64::INFINITY } else { y_or_nan };
    if (x.is_nan() | y.is_nan()) & !infinite {
        x + y
    } else {
        length
    }
}

/// Without overflow, and with more bits than are kept.
#[inline(always)]
pub fn hypot_f32(x: f32, y: f32) -> f32 {
    let infinite = x.is_infinite() | y.is_infinite();
    let (x, y) = (x as f64, y as f64);
    let length = (x * x + y * y).sqrt() as f32;
    if infinite { f32::INFINITY } else { length }
}

/// The power of two below a number, and its inverse, where both are normal; else the next ones that are.
#[inline(always)]
pub(super) fn power_of_two(x: f64) -> (f64, f64) {
    const FIELD: u64 = 0x7ff0_0000_0000_0000;
    let power = f64::from_bits(x.to_bits() & FIELD);
    let smallest = f64::MIN_POSITIVE;
    let largest = 1.0 / smallest;
    let power = if power < smallest { smallest } else { power };
    let power = if power > largest { largest } else { power };
    // 2^-e has the field 2046 - (e + 1023).
    (
        power,
        f64::from_bits((2046u64 << 52).wrapping_sub(power.to_bits())),
    )
}
