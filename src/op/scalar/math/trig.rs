//! Sine and cosine: the quadrant is taken off after Cody and Waite, with a remainder of two doubles, and
//! FDLIBM's polynomials do the rest, up to π/4.

use super::{ROUND, fast_two_sum, quotient, two_product, two_sum};

/// Up to here the remainder is precise: the quadrant fits 20 bits.
const FAR: f64 = (1u64 << 20) as f64;
/// π/2: 33 bits, so that products with the quadrant are exact; 53; and 53.
const HALF_PI: [f64; 3] = [
    1.5707963267341256,
    6.077100506506192e-11,
    3.5215598651832e-27,
];
const TWO_BY_PI: f64 = std::f64::consts::FRAC_2_PI;

/// Whether the functions of this file do not hold for `x`; NaN and the near is theirs.
#[inline(always)]
pub fn is_far(x: f64) -> bool {
    x.abs() > FAR
}

/// `x` less a multiple of π/2.
#[derive(Clone, Copy)]
struct Reduced {
    hi: f64,
    lo: f64,
    /// How many, of which the lowest two bits count.
    quadrant: u64,
}

#[inline(always)]
fn reduce(x: f64) -> Reduced {
    let shifted = x.mul_add(TWO_BY_PI, ROUND);
    let n = shifted - ROUND;
    // Exact, but the rest may be about as small as the next part.
    let rest = n.mul_add(-HALF_PI[0], x);
    let (second, second_error) = two_product(n, -HALF_PI[1]);
    let (sum, error) = two_sum(rest, second);
    let small = n.mul_add(-HALF_PI[2], error + second_error);
    let hi = sum + small;
    Reduced {
        hi,
        lo: (sum - hi) + small,
        quadrant: shifted.to_bits(),
    }
}

#[inline(always)]
fn sine(hi: f64, lo: f64) -> f64 {
    hi + sine_rest(hi, lo)
}

/// What the sine of `hi + lo` is above `hi`.
#[inline(always)]
fn sine_rest(hi: f64, lo: f64) -> f64 {
    const S: [f64; 6] = [
        -1.666_666_666_666_663_2e-1,
        8.333_333_333_322_49e-3,
        -1.984_126_982_985_795e-4,
        2.755_731_370_707_006_8e-6,
        -2.505_076_025_340_686_3e-8,
        1.589_690_995_211_55e-10,
    ];
    let z = hi * hi;
    let cube = z * hi;
    let z2 = z * z;
    let a = S[2].mul_add(z, S[1]);
    let b = S[4].mul_add(z, S[3]);
    let r = S[5].mul_add(z2, b).mul_add(z2, a);
    // hi + (lo - lo z/2 + cube (S0 + r z))
    let correction = (-0.5 * lo).mul_add(z, lo);
    cube.mul_add(r.mul_add(z, S[0]), correction)
}

#[inline(always)]
fn cosine(hi: f64, lo: f64) -> f64 {
    let (w, rest) = cosine_parts(hi, lo);
    w + rest
}

/// The cosine of `hi + lo` as a leading part and a small one.
#[inline(always)]
fn cosine_parts(hi: f64, lo: f64) -> (f64, f64) {
    const C: [f64; 6] = [
        4.166_666_666_666_66e-2,
        -1.388_888_888_887_411e-3,
        2.480_158_728_947_673e-5,
        -2.755_731_435_139_066_3e-7,
        2.087_572_321_298_175e-9,
        -1.135_964_755_778_819_5e-11,
    ];
    let z = hi * hi;
    let z2 = z * z;
    let a = C[1].mul_add(z, C[0]);
    let b = C[3].mul_add(z, C[2]);
    let c = C[5].mul_add(z, C[4]);
    let r = c.mul_add(z2, b).mul_add(z2, a);
    let half = 0.5 * z;
    let w = 1.0 - half;
    // The rounding of `1 - half`, the rest of the series, and the remainder's second part.
    (w, r.mul_add(z2, (-hi).mul_add(lo, (1.0 - w) - half)))
}

/// The sign of every second quadrant.
#[inline(always)]
fn with_sign(y: f64, quadrant: u64) -> f64 {
    f64::from_bits(y.to_bits() ^ ((quadrant & 2) << 62))
}

/// Unless [`is_far`].
#[inline(always)]
pub fn sin(x: f64) -> f64 {
    let Reduced { hi, lo, quadrant } = reduce(x);
    let (sine, cosine) = (sine(hi, lo), cosine(hi, lo));
    let y = if quadrant & 1 == 0 { sine } else { cosine };
    let y = with_sign(y, quadrant);
    // Among them −0, and the subnormals that would lose bits.
    if x.abs() < 1e-9 { x } else { y }
}

/// Unless [`is_far`].
#[inline(always)]
pub fn cos(x: f64) -> f64 {
    let Reduced { hi, lo, quadrant } = reduce(x);
    let (sine, cosine) = (sine(hi, lo), cosine(hi, lo));
    let y = if quadrant & 1 == 0 { cosine } else { sine };
    with_sign(y, quadrant.wrapping_add(1))
}

/// Unless [`is_far`].
#[inline(always)]
pub fn tan(x: f64) -> f64 {
    let Reduced { hi, lo, quadrant } = reduce(x);
    let sine = fast_two_sum(hi, sine_rest(hi, lo));
    let (w, rest) = cosine_parts(hi, lo);
    let cosine = fast_two_sum(w, rest);
    let even = quadrant & 1 == 0;
    let (above, below) = if even { (sine, cosine) } else { (cosine, sine) };
    let (y, rest) = quotient(above, below);
    let y = f64::from_bits((y + rest).to_bits() ^ (quadrant << 63));
    // Among them −0, and the subnormals that would lose bits.
    if x.abs() < 1e-9 { x } else { y }
}

/// A remainder that is precise enough where the result is rounded to an `f32`.
#[inline(always)]
fn reduce_f32(x: f64) -> Reduced {
    let shifted = x.mul_add(TWO_BY_PI, ROUND);
    let n = shifted - ROUND;
    let rest = n.mul_add(-HALF_PI[0], x);
    Reduced {
        hi: n.mul_add(-HALF_PI[1], rest),
        lo: 0.0,
        quadrant: shifted.to_bits(),
    }
}

/// Unless [`is_far`].
#[inline(always)]
pub fn sin_f32(x: f32) -> f32 {
    let wide = x as f64;
    let Reduced { hi, lo, quadrant } = reduce_f32(wide);
    let (sine, cosine) = (sine(hi, lo), cosine(hi, lo));
    let y = if quadrant & 1 == 0 { sine } else { cosine };
    let y = with_sign(y, quadrant) as f32;
    if x.abs() < 1e-5 { x } else { y }
}

/// Unless [`is_far`].
#[inline(always)]
pub fn cos_f32(x: f32) -> f32 {
    let Reduced { hi, lo, quadrant } = reduce_f32(x as f64);
    let (sine, cosine) = (sine(hi, lo), cosine(hi, lo));
    let y = if quadrant & 1 == 0 { cosine } else { sine };
    with_sign(y, quadrant.wrapping_add(1)) as f32
}

/// Sine and cosine of `2πu`, where `u` is a multiple of 2⁻⁵³ in [0, 1).
#[inline(always)]
pub fn sin_cos_of_turns(u: f64) -> (f64, f64) {
    const TWO_PI: [f64; 2] = [std::f64::consts::TAU, 2.4492935982947064e-16];
    let shifted = u.mul_add(4.0, ROUND);
    // Exact.
    let rest = (shifted - ROUND).mul_add(-0.25, u);
    let (hi, lo) = two_product(rest, TWO_PI[0]);
    let lo = rest.mul_add(TWO_PI[1], lo);
    let quadrant = shifted.to_bits();
    let (sine, cosine) = (sine(hi, lo), cosine(hi, lo));
    let even = quadrant & 1 == 0;
    let (y, x) = if even { (sine, cosine) } else { (cosine, sine) };
    (
        with_sign(y, quadrant),
        with_sign(x, quadrant.wrapping_add(1)),
    )
}
