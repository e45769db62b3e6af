//! Sine and cosine: the quadrant is taken off after Cody and Waite, with a remainder of two doubles, and
//! FDLIBM's polynomials do the rest, up to π/4.

use super::numbers::{Numbers, SinCos};
use super::{ROUND, far, quotient, two_product, two_sum};

/// Up to here sine and cosine are computed in vectors: the remainder is precise, because the quadrant fits 18
/// bits, and beyond it [`Quadrants`] notice.
const FAR: f64 = 2.1e5;
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

/// Which quadrants some angles are in, as long as all are near: a cheaper question than [`is_far`] of each.
#[derive(Clone, Copy, Default)]
pub struct Quadrants(u64);

impl Quadrants {
    /// Every quadrant of the near ones is counted from here on, so that counts are never negative.
    const FIRST: f64 = (1 << 17) as f64;

    #[inline(always)]
    pub fn join(self, other: Quadrants) -> Quadrants {
        Quadrants(self.0 | other.0)
    }

    /// Where the quadrants of near angles begin.
    pub const ORIGIN: u64 = ROUND.to_bits();
    /// How many bits they have.
    pub const BITS: u32 = 18;

    /// Of a sum of a near angle's quadrant and [`ROUND_QUADRANT`].
    #[inline(always)]
    fn of(sum: u64) -> Quadrants {
        Quadrants(sum.wrapping_sub(Quadrants::ORIGIN))
    }

    /// If one is far, and perhaps if one is NaN.
    #[inline(always)]
    pub fn may_be_far(self) -> bool {
        self.0 >> Quadrants::BITS != 0
    }
}

/// An angle less a multiple of π/2: `hi - excess`.
#[derive(Clone, Copy)]
pub struct Reduced<N> {
    pub hi: N,
    /// About as small as the rounding of `hi`.
    pub excess: N,
    /// How many: a number whose lowest two bits count, and what [`Quadrants`] tell of.
    pub quadrant: N,
}

/// Adding and subtracting it rounds to the nearest whole number, whose lowest two bits are those of the sum.
const ROUND_QUADRANT: f64 = ROUND + Quadrants::FIRST;

/// Of numbers none of which [`is_far`].
#[inline(always)]
pub fn reduce<N: Numbers>(x: N) -> Reduced<N> {
    let shifted = x.fused(N::splat(TWO_BY_PI), N::splat(ROUND_QUADRANT));
    let n = shifted.minus(N::splat(ROUND_QUADRANT));
    // Exact.
    let rest = n.fused(N::splat(-HALF_PI[0]), x);
    // Exact, too: there are more units for additions than for this.
    let more = n.times(N::splat(HALF_PI[1]));
    // If much cancels it is exact; and else what it lacks is: both sides are multiples of 2⁻⁷³.
    let hi = rest.minus(more);
    let rounding = hi.minus(rest).plus(more);
    Reduced {
        hi,
        excess: n.fused(N::splat(HALF_PI[2]), rounding),
        quadrant: shifted,
    }
}

/// The terms of `coefficients` at `z`, on top of `first`. Horner's rule waits longer than others, but multiplies
/// least; in a loop over vectors multiplications are what is waited for.
#[inline(always)]
fn series<N: Numbers>(coefficients: [f64; 6], z: N) -> N {
    let [first, a, b, c, d, e] = coefficients;
    N::splat(e)
        .fused(z, N::splat(d))
        .fused(z, N::splat(c))
        .fused(z, N::splat(b))
        .fused(z, N::splat(a))
        .fused(z, N::splat(first))
}

/// Sine and cosine of `hi - excess`; without an excess, of `hi`.
#[inline(always)]
fn both<N: Numbers>(hi: N, excess: Option<N>) -> SinCos<N> {
    const S: [f64; 6] = [
        1.666_666_666_666_663_2e-1,
        -8.333_333_333_322_49e-3,
        1.984_126_982_985_795e-4,
        -2.755_731_370_707_006_8e-6,
        2.505_076_025_340_686_3e-8,
        -1.589_690_995_211_55e-10,
    ];
    const C: [f64; 6] = [
        4.166_666_666_666_66e-2,
        -1.388_888_888_887_411e-3,
        2.480_158_728_947_673e-5,
        -2.755_731_435_139_066_3e-7,
        2.087_572_321_298_175e-9,
        -1.135_964_755_778_819_5e-11,
    ];
    let z = hi.times(hi);
    // Of -0 the loss is 0 and the sine a difference, so that -0 stays what it is.
    let loss = z
        .times(hi)
        .fused(series(S, z), excess.unwrap_or(N::splat(0.0)));
    // hi · (hi · (−½ + …) + excess): the excess costs nothing, and the 1 is added last.
    let slope = series(C, z).fused(z, N::splat(-0.5));
    let slope = match excess {
        Some(excess) => hi.fused(slope, excess),
        None => hi.times(slope),
    };
    SinCos {
        sine: [hi, loss],
        cosine: hi.fused(slope, N::splat(1.0)),
    }
}

/// Sine and cosine of an angle.
#[inline(always)]
pub fn sin_cos_of<N: Numbers>(angle: Reduced<N>) -> (N, N) {
    N::turned(both(angle.hi, Some(angle.excess)), angle.quadrant)
}

/// Sine and cosine, unless [`is_far`]; and the quadrant.
#[inline(always)]
pub fn sin_cos(x: f64) -> (f64, f64, Quadrants) {
    let angle = reduce(x);
    let (sine, cosine) = sin_cos_of(angle);
    (sine, cosine, Quadrants::of(angle.quadrant.to_bits()))
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
fn sin_cos_of_single(x: f32) -> (f64, f64, Quadrants) {
    let shifted = (x as f64).mul_add(TWO_BY_PI, ROUND_QUADRANT);
    let n = shifted - ROUND_QUADRANT;
    let rest = n.mul_add(-HALF_PI[0], x as f64);
    let hi = n.mul_add(-HALF_PI[1], rest);
    let (sine, cosine) = f64::turned(both(hi, None), shifted);
    (sine, cosine, Quadrants::of(shifted.to_bits()))
}

/// Sine and cosine, unless [`is_far`]; and the quadrant.
#[inline(always)]
pub fn sin_cos_f32(x: f32) -> (f32, f32, Quadrants) {
    let (sine, cosine, quadrant) = sin_cos_of_single(x);
    (sine as f32, cosine as f32, quadrant)
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
    let SinCos { sine, cosine } = both(rest as i64 as f64 * UNIT, None);
    let sine = sine[0] - sine[1];
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
