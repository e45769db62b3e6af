//! Logarithms: `x = 2^k m` with `m` from √½ to √2, and FDLIBM's series for `log m` in
//! `s = (m - 1) / (m + 1)`; where it matters, its leading terms are kept with their errors.

use super::numbers::Numbers;
use super::{TWO_54, fast_two_sum, two_product, two_sum};

/// The first 42 bits of ln 2, of which products with `k` are exact, and the rest.
const LN_2_SPLIT: [f64; 2] = [0.6931471805598903, 5.497923018708371e-14];
const LOG10_2_SPLIT: [f64; 2] = [0.30102999566395283, 2.8363394551044964e-14];
const LOG2_E: [f64; 2] = [std::f64::consts::LOG2_E, 2.0355273740931033e-17];
const LOG10_E: [f64; 2] = [std::f64::consts::LOG10_E, 1.098319650216765e-17];

/// The bits of √½.
pub const SQRT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;

/// `x = 2^k (1 + f)`.
#[derive(Clone, Copy)]
pub(super) struct Reduced {
    pub k: f64,
    pub f: f64,
    /// Bits of `2^-k`.
    pub inverse_power: u64,
}

/// Of a positive normal number.
#[inline(always)]
pub(super) fn reduce(x: f64) -> Reduced {
    reduce_scaled(x, 0.0)
}

/// Of `x / 2^scale`, where `x` is a positive normal number.
#[inline(always)]
fn reduce_scaled(x: f64, scale: f64) -> Reduced {
    const ONE: u64 = 0x3ff0_0000_0000_0000;
    const MANTISSA: u64 = (1 << 52) - 1;
    /// The exponent field is put into the mantissa of 2^52: a conversion that every set has.
    const TWO_52: f64 = (1u64 << 52) as f64;
    let bits = x.to_bits().wrapping_add(ONE - SQRT_HALF);
    let exponent = bits >> 52;
    let mantissa = (bits & MANTISSA).wrapping_add(SQRT_HALF);
    Reduced {
        k: f64::from_bits(exponent | TWO_52.to_bits()) - (TWO_52 + 1023.0 + scale),
        f: f64::from_bits(mantissa) - 1.0,
        inverse_power: 2046u64.wrapping_sub(exponent) << 52,
    }
}

/// The coefficients of the series.
const C: [f64; 7] = [
    6.666_666_666_666_735e-1,
    3.999_999_999_940_942e-1,
    2.857_142_874_366_239e-1,
    2.222_219_843_214_978_4e-1,
    1.818_357_216_161_805e-1,
    1.531_383_769_920_937_3e-1,
    1.479_819_860_511_658_6e-1,
];

/// What the series is from its third term on, divided by `s`, plus `more`.
#[inline(always)]
fn series_rest<N: Numbers>(s: N, more: N) -> N {
    let c = |i: usize| N::splat(C[i]);
    let z = s.times(s);
    let z2 = z.times(z);
    let even = c(5).fused(z2, c(3)).fused(z2, c(1));
    let odd = c(6).fused(z2, c(4)).fused(z2, c(2)).fused(z2, c(0));
    even.fused(z2, odd.fused(z, more))
}

/// `log(1 + f)` as a leading part and a small one, and `s`.
#[inline(always)]
fn series(f: f64) -> (f64, f64, f64) {
    let s = f / (2.0 + f);
    let (half_square, square_error) = two_product(0.5 * f, f);
    let (hi, error) = fast_two_sum(f, -half_square);
    let lo = s.mul_add(series_rest(s, half_square), error - square_error);
    (hi, lo, s)
}

/// The bits of positive normal numbers, as unsigned numbers: they are between 0, subnormals and infinities, NaN,
/// negative ones.
pub const NORMAL: std::ops::Range<u64> = f64::MIN_POSITIVE.to_bits()..f64::INFINITY.to_bits();

/// Whether `x` is not a positive normal number.
#[inline(always)]
pub fn log_is_special(x: f64) -> bool {
    x.to_bits().wrapping_sub(NORMAL.start) >= NORMAL.end - NORMAL.start
}

/// The logarithm of a positive normal number: what is left of [`log`] where nothing is special.
#[inline(always)]
pub fn log_of_normal<N: Numbers>(x: N) -> N {
    let (k, f) = x.split();
    natural(k, f)
}

/// The logarithm of `x` 2⁻⁵³ for a positive normal number `x`.
#[inline(always)]
pub fn log_of_unit(x: f64) -> f64 {
    let Reduced { k, f, .. } = reduce_scaled(x, 53.0);
    natural(k, f)
}

/// `k ln 2 + hi + lo`.
#[inline(always)]
fn natural_parts(k: f64, hi: f64, lo: f64) -> f64 {
    // `k ln 2` is 0 or the larger one.
    let (sum, error) = fast_two_sum(k * LN_2_SPLIT[0], hi);
    sum + (error + k.mul_add(LN_2_SPLIT[1], lo))
}

/// `k ln 2 + log(1 + f)`, of which `f²/2` is rounded: it is small enough against the sum.
#[inline(always)]
fn natural<N: Numbers>(k: N, f: N) -> N {
    let s = f.over(N::splat(2.0).plus(f));
    let half_square = N::splat(0.5).times(f).times(f);
    let small = s.fused(
        series_rest(s, half_square),
        k.times(N::splat(LN_2_SPLIT[1])),
    );
    // The first product is exact.
    k.fused(N::splat(LN_2_SPLIT[0]), f.minus(half_square.minus(small)))
}

/// `f(x)` of a logarithm, where `y` is right for positive normal numbers.
#[inline(always)]
fn specials(x: f64, y: f64) -> f64 {
    let y = if x == f64::INFINITY { x } else { y };
    let y = if x == 0.0 { f64::NEG_INFINITY } else { y };
    // Also if `x` is NaN itself.
    if x >= 0.0 { y } else { f64::NAN }
}

/// As [`reduce`], of any positive number.
#[inline(always)]
pub(super) fn reduce_any(x: f64) -> Reduced {
    let subnormal = x < f64::MIN_POSITIVE;
    let scaled = if subnormal { x * TWO_54 } else { x };
    let reduced = reduce(scaled);
    let k = if subnormal { 54.0 } else { 0.0 };
    Reduced {
        k: reduced.k - k,
        ..reduced
    }
}

#[inline(always)]
pub fn log(x: f64) -> f64 {
    let Reduced { k, f, .. } = reduce_any(x);
    specials(x, natural(k, f))
}

/// Of `log(1 + f) = hi + lo`, the logarithm to another base as two parts.
#[inline(always)]
fn to_base(hi: f64, lo: f64, factor: [f64; 2]) -> (f64, f64) {
    let (product, error) = two_product(hi, factor[0]);
    (product, lo.mul_add(factor[0], hi.mul_add(factor[1], error)))
}

#[inline(always)]
pub fn log2(x: f64) -> f64 {
    let Reduced { k, f, .. } = reduce_any(x);
    let (hi, lo, _) = series(f);
    let (hi, lo) = to_base(hi, lo, LOG2_E);
    let (sum, error) = fast_two_sum(k, hi);
    specials(x, sum + (error + lo))
}

#[inline(always)]
pub fn log10(x: f64) -> f64 {
    let Reduced { k, f, .. } = reduce_any(x);
    let (hi, lo, _) = series(f);
    let (hi, lo) = to_base(hi, lo, LOG10_E);
    let (sum, error) = fast_two_sum(k * LOG10_2_SPLIT[0], hi);
    specials(x, sum + (error + k.mul_add(LOG10_2_SPLIT[1], lo)))
}

/// By `1 + x = u + c`, where `u` is rounded and `c` the error.
#[inline(always)]
pub fn log1p(x: f64) -> f64 {
    let (u, c) = two_sum(1.0, x);
    let Reduced {
        k,
        f,
        inverse_power,
    } = reduce(u);
    let (hi, lo, s) = series(f);
    // `c / u` by the first terms of `1 / (1 + f) = (1 - s) / (1 + s)`: `c` is below half an ULP of `u`.
    let inverse = (-2.0f64).mul_add(s, 2.0).mul_add(s, -2.0).mul_add(s, 1.0);
    let correction = c * f64::from_bits(inverse_power) * inverse;
    let correction = if u > TWO_54 { 0.0 } else { correction };
    let y = specials(u, natural_parts(k, hi, lo + correction));
    // Among them −0, and the subnormals that would lose bits.
    if x.abs() < 1e-17 { x } else { y }
}
