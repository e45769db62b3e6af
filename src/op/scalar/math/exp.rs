//! Exponentials: `x = n ln 2 + r`, a polynomial for `e^r`, and `2^n` put into the exponent (Tang,
//! "Table-driven implementation of the exponential function", 1989, without the table).

use super::numbers::Numbers;
use super::{LN_2, ROUND, fast_two_sum, two_product, two_sum};

const LOG2_E: f64 = std::f64::consts::LOG2_E;
/// The first 42 bits of ln 2, of which products with `n` are exact, and the rest.
const LN_2_SPLIT: [f64; 2] = [0.6931471805598903, 5.497923018708371e-14];

/// `e^(hi + lo)` times `2^n`, where `|hi|` is at most ln 2 / 2 and a bit.
#[derive(Clone, Copy)]
struct Reduced<N = f64> {
    hi: N,
    lo: N,
    /// `ROUND + n`.
    n: N,
}

#[inline(always)]
fn reduce<N: Numbers>(x: N) -> Reduced<N> {
    let shifted = x.fused(N::splat(LOG2_E), N::splat(ROUND));
    let n = shifted.minus(N::splat(ROUND));
    Reduced {
        hi: n.fused(N::splat(-LN_2_SPLIT[0]), x),
        lo: n.times(N::splat(-LN_2_SPLIT[1])),
        n: shifted,
    }
}

/// `e^r - 1 - r`, divided by `r²`, begins so: interpolated at the Chebyshev points, within 2^-62 of `e^r`.
const TAIL: [f64; 11] = [
    0.5,
    0.1666666666666667,
    0.04166666666666667,
    0.008333333333326129,
    0.0013888888888883744,
    0.00019841269874840768,
    2.4801587325562125e-05,
    2.7557255374658744e-06,
    2.755727362486648e-07,
    2.510522763655176e-08,
    2.0914694560351592e-09,
];

/// The polynomial by Estrin's scheme: pairs side by side, to wait less for each other.
#[inline(always)]
fn tail(r: f64) -> f64 {
    let r2 = r * r;
    let r4 = r2 * r2;
    let c01 = TAIL[1].mul_add(r, TAIL[0]);
    let c23 = TAIL[3].mul_add(r, TAIL[2]);
    let c45 = TAIL[5].mul_add(r, TAIL[4]);
    let c67 = TAIL[7].mul_add(r, TAIL[6]);
    let c89 = TAIL[9].mul_add(r, TAIL[8]);
    let c0 = c23.mul_add(r2, c01);
    let c4 = c67.mul_add(r2, c45);
    let c8 = TAIL[10].mul_add(r2, c89);
    c8.mul_add(r4, c4).mul_add(r4, c0)
}

/// The polynomial without its first coefficient, divided by `r`.
#[inline(always)]
fn tail_after_square(r: f64) -> f64 {
    let r2 = r * r;
    let r4 = r2 * r2;
    let c12 = TAIL[2].mul_add(r, TAIL[1]);
    let c34 = TAIL[4].mul_add(r, TAIL[3]);
    let c56 = TAIL[6].mul_add(r, TAIL[5]);
    let c78 = TAIL[8].mul_add(r, TAIL[7]);
    let c910 = TAIL[10].mul_add(r, TAIL[9]);
    let c1 = c34.mul_add(r2, c12);
    let c5 = c78.mul_add(r2, c56);
    c910.mul_add(r4, c5).mul_add(r4, c1)
}

/// The same with one coefficient less, which makes the largest error relative to `e^r` least: 2^-57.9.
const SHORT_TAIL: [f64; 10] = [
    0.5000000000000011,
    0.1666666666666645,
    0.04166666666652725,
    0.008333333333473027,
    0.0013888888944237226,
    0.00019841269549814115,
    2.4801492573451518e-05,
    2.7557549871806347e-06,
    2.7630410253252655e-07,
    2.5011095649578677e-08,
];

/// The short polynomial with even and odd powers side by side: less work than [`tail`], and a bit less precise.
#[inline(always)]
fn short_tail<N: Numbers>(r: N, r2: N) -> N {
    let c = |i: usize| N::splat(SHORT_TAIL[i]);
    let even = c(8).fused(r2, c(6)).fused(r2, c(4)).fused(r2, c(2));
    let odd = c(9).fused(r2, c(7)).fused(r2, c(5));
    let odd = odd.fused(r2, c(3)).fused(r2, c(1));
    odd.fused(r, even.fused(r2, c(0)))
}

impl<N: Numbers> Reduced<N> {
    /// `e^(hi + lo)`.
    #[inline(always)]
    fn fraction(self) -> N {
        let r = self.hi.plus(self.lo);
        let r2 = r.times(r);
        // `hi` is exact: only what is small against it has been rounded before it is added.
        let rest = self.hi.plus(short_tail(r, r2).fused(r2, self.lo));
        N::splat(1.0).plus(rest)
    }
}

impl Reduced {
    #[inline(always)]
    fn exp(self) -> f64 {
        scale(self.fraction(), self.n)
    }
}

/// `y * 2^n`, in two exact steps but for the underflow of the last; `|n|` is below 2000.
#[inline(always)]
fn scale(y: f64, shifted: f64) -> f64 {
    const OFFSET: u64 = 2048;
    // Positive, so that a logical shift halves it: an arithmetic one of 64 bits needs AVX-512.
    let n = (shifted.to_bits().wrapping_sub(ROUND.to_bits())).wrapping_add(OFFSET);
    let half = n >> 1;
    let rest = n.wrapping_sub(half);
    let power = |n: u64| f64::from_bits(n.wrapping_sub(OFFSET / 2 - 1023) << 52);
    y * power(half) * power(rest)
}

/// `x` within an interval; NaN stays NaN.
#[inline(always)]
pub(super) fn within(x: f64, low: f64, high: f64) -> f64 {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

#[inline(always)]
pub fn exp(x: f64) -> f64 {
    reduce(within(x, -750.0, 710.0)).exp()
}

/// What is at most so far from 0 has an exponential that is a normal number.
pub const MODERATE: f64 = 708.0;

/// Whether the exponential of `x` may not be a normal number.
#[inline(always)]
#[expect(
    clippy::neg_cmp_op_on_partial_ord,
    reason = "one comparison for NaN, too"
)]
pub fn exp_is_special(x: f64) -> bool {
    !(x.abs() <= MODERATE)
}

/// [`exp`] unless [`exp_is_special`]: the power of two is added to the exponent.
#[inline(always)]
pub fn exp_of_moderate<N: Numbers>(x: N) -> N {
    let reduced = reduce(x);
    reduced.fraction().times_power(reduced.n)
}

#[inline(always)]
pub fn exp2(x: f64) -> f64 {
    let x = within(x, -1080.0, 1025.0);
    let shifted = x + ROUND;
    let r = x - (shifted - ROUND);
    let (hi, lo) = two_product(r, LN_2[0]);
    Reduced {
        hi,
        lo: r.mul_add(LN_2[1], lo),
        n: shifted,
    }
    .exp()
}

/// `e^x - 1` as a leading part and a small one, both of half the value; `x` is from -45 to 710.
#[inline(always)]
pub(super) fn half_expm1(x: f64) -> (f64, f64) {
    let reduced = reduce(x);
    // Where 1 is taken off, more bits of the rest are seen: what is missing in `r` counts `e^r` times, and
    // half of the square is taken in two parts.
    let (r, missing) = fast_two_sum(reduced.hi, reduced.lo);
    let (square, square_error) = two_product(0.5 * r, r);
    let above = (2.0 * r * square).mul_add(tail_after_square(r), square_error);
    let above = above + missing.mul_add(r, missing);
    // Half of it, because 2^1024 is none.
    let n = reduced.n.to_bits().wrapping_sub(ROUND.to_bits());
    let power = f64::from_bits(n.wrapping_add(1022) << 52);
    let (whole, whole_error) = two_sum(power, -0.5);
    let (sum, error) = two_sum(whole, r * power);
    let (hi, square_error) = two_sum(sum, square * power);
    let lo = above.mul_add(power, error + whole_error + square_error);
    fast_two_sum(hi, lo)
}

#[inline(always)]
pub fn expm1(x: f64) -> f64 {
    let (hi, lo) = half_expm1(within(x, -45.0, 710.0));
    let y = 2.0 * (hi + lo);
    // Among them −0, and the subnormals that would lose bits.
    if x.abs() < 1e-17 { x } else { y }
}

/// Half of `e^x`, also where that itself would overflow.
#[inline(always)]
pub(super) fn half_exp(x: f64) -> f64 {
    let reduced = reduce(within(x, -750.0, 720.0));
    scale(reduced.fraction(), reduced.n - 1.0)
}

impl Reduced {
    /// Of `2^(hi + lo)`, where `lo` is small beside 1.
    #[inline(always)]
    fn of_power_of_two(hi: f64, lo: f64) -> Reduced {
        let hi = within(hi, -1080.0, 1025.0);
        let shifted = hi + ROUND;
        let r = hi - (shifted - ROUND);
        let (product, error) = two_product(r, LN_2[0]);
        Reduced {
            hi: product,
            lo: lo.mul_add(LN_2[0], r.mul_add(LN_2[1], error)),
            n: shifted,
        }
    }

    /// As [`Reduced::exp`], as a leading part and a small one.
    #[inline(always)]
    fn exp_in_parts(self) -> (f64, f64) {
        let (r, missing) = fast_two_sum(self.hi, self.lo);
        let (sum, error) = fast_two_sum(1.0, r);
        let above = tail(r).mul_add(r * r, missing.mul_add(r, missing));
        let (sum, error) = fast_two_sum(sum, error + above);
        (scale(sum, self.n), scale(error, self.n))
    }
}

/// `2^(hi + lo)`, where `lo` is small beside 1.
#[inline(always)]
pub(super) fn exp2_of_sum(hi: f64, lo: f64) -> f64 {
    Reduced::of_power_of_two(hi, lo).exp()
}

/// As [`exp2_of_sum`], as a leading part and a small one.
#[inline(always)]
pub(super) fn exp2_of_sum_in_parts(hi: f64, lo: f64) -> (f64, f64) {
    Reduced::of_power_of_two(hi, lo).exp_in_parts()
}

/// `e^(hi + lo)`, where `lo` is small beside 1, as a leading part and a small one.
#[inline(always)]
pub(super) fn exp_of_sum(hi: f64, lo: f64) -> (f64, f64) {
    let reduced = reduce(within(hi, -750.0, 710.0));
    Reduced {
        lo: reduced.lo + lo,
        ..reduced
    }
    .exp_in_parts()
}
