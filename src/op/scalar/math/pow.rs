//! Powers: `2^(y log2 x)`, where the logarithm and the product have more bits than a double.

use super::exp::{exp2, exp2_of_sum, within};
use super::log::log2;
use super::precise_log::log2_in_parts;
use super::two_product;

/// No logarithm but 0 is so small that this power of the base were a number.
const LARGE: f64 = (1u128 << 80) as f64;

#[inline(always)]
pub fn pow(x: f64, y: f64) -> f64 {
    let log = log2_in_parts(x.abs());
    let bounded = within(y, -LARGE, LARGE);
    let (product, error) = two_product(bounded, log.0);
    let rest = bounded.mul_add(log.1, error);
    // Of what overflows or vanishes the rest is no small number.
    let rest = if product.abs() > 1100.0 { 0.0 } else { rest };
    with_special_cases(x, y, exp2_of_sum(product, rest))
}

/// In `f64`, of which the result keeps less than half the bits.
#[inline(always)]
pub fn pow_f32(x: f32, y: f32) -> f32 {
    let (x, y) = (x as f64, y as f64);
    let bounded = within(y, -LARGE, LARGE);
    with_special_cases(x, y, exp2(bounded * log2(x.abs()))) as f32
}

/// The cases of C's `pow` (ISO C, annex F.10.4.4), which are NumPy's; `power` is that of `|x|` wherever it
/// and the result are numbers.
#[inline(always)]
fn with_special_cases(x: f64, y: f64, power: f64) -> f64 {
    const SIGN: u64 = 1 << 63;
    let magnitude = x.abs();
    let whole = y.trunc() == y;
    let half = 0.5 * y;
    let odd = whole & (half.trunc() != half);
    let zero = magnitude == 0.0;
    let infinite = magnitude == f64::INFINITY;
    let end = if zero == (y < 0.0) {
        f64::INFINITY
    } else {
        0.0
    };
    let power = if zero | infinite { end } else { power };
    let undefined = (x < 0.0) & !infinite & !whole;
    let power = if undefined { f64::NAN } else { power };
    let sign = if odd { x.to_bits() & SIGN } else { 0 };
    let power = f64::from_bits(power.to_bits() ^ sign);
    let power = if x.is_nan() | y.is_nan() {
        x + y
    } else {
        power
    };
    if (x == 1.0) | (y == 0.0) { 1.0 } else { power }
}
