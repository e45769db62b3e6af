//! Sine and cosine: the quadrant is taken off after Cody and Waite, with a remainder of two doubles, and
//! FDLIBM's polynomials do the rest, up to π/4.

use super::{ROUND, far, quotient, two_product, two_sum};

/// Up to here the remainder of sine and cosine is precise: the quadrant fits 18 bits.
const FAR: f64 = 4e5;
/// π/2: twice 35 bits, so that products with 18 bits are exact; and 53. What is missing is below 2⁻¹³⁰.
const HALF_PI: [f64; 3] = [
    1.5707963267923333,
    2.5633441515839558e-12,
    1.0562999066987428e-23,
];
const TWO_BY_PI: f64 = std::f64::consts::FRAC_2_PI;

/// Whether sine and cosine of this file do not hold for `x`; NaN and the near is theirs.
#[inline(always)]
pub fn is_far(x: f64) -> bool {
    x.abs() > FAR
}

/// `x` less a multiple of π/2: `hi - excess`.
#[derive(Clone, Copy)]
struct Reduced {
    hi: f64,
    /// About as small as the rounding of `hi`.
    excess: f64,
    /// How many, of which the lowest two bits count.
    quadrant: u64,
}

#[inline(always)]
fn reduce(x: f64) -> Reduced {
    let shifted = x.mul_add(TWO_BY_PI, ROUND);
    let n = shifted - ROUND;
    // Exact.
    let rest = n.mul_add(-HALF_PI[0], x);
    // Exact, too: there are more units for additions than for this.
    let more = n * HALF_PI[1];
    // If much cancels it is exact; and else what it lacks is: both sides are multiples of 2⁻⁷³.
    let hi = rest - more;
    let rounding = (hi - rest) + more;
    Reduced {
        hi,
        excess: n.mul_add(HALF_PI[2], rounding),
        quadrant: shifted.to_bits(),
    }
}

/// What the sine of `hi - excess` is below `hi`; without an excess, of `hi`.
#[inline(always)]
fn sine_loss(hi: f64, z: f64, z2: f64, excess: Option<f64>) -> f64 {
    const S: [f64; 6] = [
        1.666_666_666_666_663_2e-1,
        -8.333_333_333_322_49e-3,
        1.984_126_982_985_795e-4,
        -2.755_731_370_707_006_8e-6,
        2.505_076_025_340_686_3e-8,
        -1.589_690_995_211_55e-10,
    ];
    // Even and odd powers side by side, to wait less for each other.
    let even = S[4].mul_add(z2, S[2]).mul_add(z2, S[0]);
    let odd = S[5].mul_add(z2, S[3]).mul_add(z2, S[1]);
    // Of -0 it is 0, so that -0 stays what it is.
    (z * hi).mul_add(odd.mul_add(z, even), excess.unwrap_or(0.0))
}

/// The cosine of `hi - excess`, or of `hi`: `1 - z/2`, and what it is above that.
#[inline(always)]
fn cosine_rest(hi: f64, z: f64, z2: f64, excess: Option<f64>) -> (f64, f64) {
    const C: [f64; 6] = [
        4.166_666_666_666_66e-2,
        -1.388_888_888_887_411e-3,
        2.480_158_728_947_673e-5,
        -2.755_731_435_139_066_3e-7,
        2.087_572_321_298_175e-9,
        -1.135_964_755_778_819_5e-11,
    ];
    let even = C[4].mul_add(z2, C[2]).mul_add(z2, C[0]);
    let odd = C[5].mul_add(z2, C[3]).mul_add(z2, C[1]);
    let half = 0.5 * z;
    let w = 1.0 - half;
    // The rounding of `w`, what `excess` adds, and the rest of the series.
    let rounding = (1.0 - w) - half;
    let rest = excess.map_or(rounding, |excess| hi.mul_add(excess, rounding));
    (w, odd.mul_add(z, even).mul_add(z2, rest))
}

/// Sine and cosine of `hi - excess`, or of `hi`.
#[inline(always)]
fn both(hi: f64, excess: Option<f64>) -> (f64, f64) {
    let z = hi * hi;
    let z2 = z * z;
    let (w, rest) = cosine_rest(hi, z, z2, excess);
    // A difference, so that −0 stays −0.
    (hi - sine_loss(hi, z, z2, excess), w + rest)
}

/// The sign of every second quadrant.
#[inline(always)]
fn with_sign(y: f64, quadrant: u64) -> f64 {
    f64::from_bits(y.to_bits() ^ ((quadrant & 2) << 62))
}

/// Sine and cosine of an angle so many quadrants from the one whose sine and cosine are given.
#[inline(always)]
fn turned((sine, cosine): (f64, f64), quadrant: u64) -> (f64, f64) {
    let even = quadrant & 1 == 0;
    let (y, x) = if even { (sine, cosine) } else { (cosine, sine) };
    (
        with_sign(y, quadrant),
        with_sign(x, quadrant.wrapping_add(1)),
    )
}

/// Sine and cosine, unless [`is_far`].
#[inline(always)]
pub fn sin_cos(x: f64) -> (f64, f64) {
    let reduced = reduce(x);
    turned(both(reduced.hi, Some(reduced.excess)), reduced.quadrant)
}

/// Unless [`is_far`].
#[inline(always)]
pub fn sin(x: f64) -> f64 {
    sin_cos(x).0
}

/// Unless [`is_far`].
#[inline(always)]
pub fn cos(x: f64) -> f64 {
    sin_cos(x).1
}

/// A remainder that is precise enough where the result is rounded to an `f32`.
#[inline(always)]
fn sin_cos_of_single(x: f32) -> (f64, f64) {
    let shifted = (x as f64).mul_add(TWO_BY_PI, ROUND);
    let n = shifted - ROUND;
    let rest = n.mul_add(-HALF_PI[0], x as f64);
    let hi = n.mul_add(-HALF_PI[1], rest);
    turned(both(hi, None), shifted.to_bits())
}

/// Sine and cosine, unless [`is_far`].
#[inline(always)]
pub fn sin_cos_f32(x: f32) -> (f32, f32) {
    let (sine, cosine) = sin_cos_of_single(x);
    (sine as f32, cosine as f32)
}

/// Unless [`is_far`].
#[inline(always)]
pub fn sin_f32(x: f32) -> f32 {
    sin_cos_f32(x).0
}

/// Unless [`is_far`].
#[inline(always)]
pub fn cos_f32(x: f32) -> f32 {
    sin_cos_f32(x).1
}

/// Sine and cosine of `word` 2⁶⁴ths of a turn, without its last 11 bits, to about 2⁻⁵³.
#[inline(always)]
pub fn sin_cos_of_turns(word: u64) -> (f64, f64) {
    const EIGHTH: u64 = 1 << 61;
    const UNIT: f64 = std::f64::consts::FRAC_PI_2 / (1u128 << 64) as f64;
    // The two bits of the nearest quadrant, and what is left as a signed fraction of a quadrant.
    let quadrant = word.wrapping_add(EIGHTH);
    let rest = (word & !0x7FF) << 2;
    let (sine, cosine) = both(rest as i64 as f64 * UNIT, None);
    let even = quadrant & (1 << 62) == 0;
    let (y, x) = if even { (sine, cosine) } else { (cosine, sine) };
    let sign = |quadrant: u64| quadrant & (1 << 63);
    (
        f64::from_bits(y.to_bits() ^ sign(quadrant)),
        f64::from_bits(x.to_bits() ^ sign(quadrant.wrapping_add(1 << 62))),
    )
}

/// Up to here the remainder of the tangent is precise: the quadrant fits 20 bits.
const TAN_FAR: f64 = (1u64 << 20) as f64;

/// Whether [`tan`] does not hold for `x`; NaN and the near is its.
#[inline(always)]
pub fn tan_is_far(x: f64) -> bool {
    x.abs() > TAN_FAR
}

/// `x` less a multiple of π/2 as a normalized sum, and the quadrant.
#[inline(always)]
fn reduce_normalized(x: f64) -> (f64, f64, u64) {
    /// 33 bits, so that products with the quadrant are exact; 53; and 53.
    const HALF_PI: [f64; 3] = [
        1.5707963267341256,
        6.077100506506192e-11,
        3.5215598651832e-27,
    ];
    let shifted = x.mul_add(TWO_BY_PI, ROUND);
    let n = shifted - ROUND;
    // Exact, but the rest may be about as small as the next part.
    let rest = n.mul_add(-HALF_PI[0], x);
    let (second, second_error) = two_product(n, -HALF_PI[1]);
    let (sum, error) = two_sum(rest, second);
    let small = n.mul_add(-HALF_PI[2], error + second_error);
    let hi = sum + small;
    (hi, (sum - hi) + small, shifted.to_bits())
}

/// Unless [`tan_is_far`].
#[inline(always)]
pub fn tan(x: f64) -> f64 {
    let (hi, lo, quadrant) = reduce_normalized(x);
    let (sine, cosine) = (far::sine(hi, lo), far::cosine(hi, lo));
    let even = quadrant & 1 == 0;
    let (above, below) = if even { (sine, cosine) } else { (cosine, sine) };
    let (y, rest) = quotient(above, below);
    let y = f64::from_bits((y + rest).to_bits() ^ (quadrant << 63));
    // Among them −0, and the subnormals that would lose bits.
    if x.abs() < 1e-9 { x } else { y }
}
