//! The logarithm as a sum of two doubles with about 68 correct bits, for functions that multiply it or take
//! something off it. As in FDLIBM `log m` is a series in `s = (m - 1) / (m + 1)`; here `s` and the first
//! three terms, which are all that 68 bits see, are sums of two doubles.

use super::log::{Reduced, reduce, reduce_any};
use super::{fast_two_sum, two_product};

/// `2 / (n ln 2)` for 1, 3 and 5.
const FIRST: [f64; 2] = [2.8853900817779268, 4.0710547481862066e-17];
const THIRD: [f64; 2] = [0.9617966939259756, 5.0577616648125907e-17];
const FIFTH: [f64; 2] = [0.5770780163555853, 5.2551030481378675e-17];

/// The terms from the seventh on, divided by `s^7`: interpolated at the Chebyshev points, within 2^-72
/// of the sum.
#[inline(always)]
fn tail(z: f64) -> f64 {
    const C: [f64; 8] = [
        0.4121985831111324,
        0.3205988979753357,
        0.26230818924507265,
        0.22195308523826374,
        0.1923590695673463,
        0.169748223969073,
        0.15109194278038396,
        0.15317301489411658,
    ];
    let z2 = z * z;
    let c01 = C[1].mul_add(z, C[0]);
    let c23 = C[3].mul_add(z, C[2]);
    let c45 = C[5].mul_add(z, C[4]);
    let c67 = C[7].mul_add(z, C[6]);
    c67.mul_add(z2, c45).mul_add(z2, c23).mul_add(z2, c01)
}

/// `constant + z * rest`, all as sums of two doubles; the constant is the larger one.
#[inline(always)]
fn horner(constant: [f64; 2], z: (f64, f64), rest: (f64, f64)) -> (f64, f64) {
    let (product, error) = two_product(z.0, rest.0);
    let low = z.0.mul_add(rest.1, z.1.mul_add(rest.0, error));
    let (sum, error) = fast_two_sum(constant[0], product);
    (sum, error + (constant[1] + low))
}

/// `log2(2^k (1 + f + lo))`; `lo` is at most about 2^-20 of `f`, or 0.
#[inline(always)]
fn log2_of_reduced(Reduced { k, f, .. }: Reduced, lo: f64) -> (f64, f64) {
    let (below, below_error) = fast_two_sum(2.0, f);
    let inverse = 1.0 / below;
    let s = f * inverse;
    let s_rest = (-s).mul_add(below, f) + (-s).mul_add(below_error + lo, lo);
    let s = (s, s_rest * inverse);
    let (z, z_error) = two_product(s.0, s.0);
    let z = (z, (2.0 * s.0).mul_add(s.1, z_error));
    let (sum, error) = fast_two_sum(FIFTH[0], z.0 * tail(z.0));
    let terms = horner(THIRD, z, (sum, error + FIFTH[1]));
    let terms = horner(FIRST, z, terms);
    let (product, error) = two_product(s.0, terms.0);
    let low = s.0.mul_add(terms.1, s.1.mul_add(terms.0, error));
    // `k` is 0 or the larger one.
    let (sum, error) = fast_two_sum(k, product);
    fast_two_sum(sum, error + low)
}

/// `log2(x)` of a positive number; also of 0, infinity and NaN some number.
#[inline(always)]
pub(super) fn log2_in_parts(x: f64) -> (f64, f64) {
    log2_of_reduced(reduce_any(x), 0.0)
}

/// `log2(hi + lo)` of a normalized sum from 1 on, which is 1 or at least 2^-30 above it.
#[inline(always)]
pub(super) fn log2_of_sum(hi: f64, lo: f64) -> (f64, f64) {
    let reduced = reduce(hi);
    let lo = lo * f64::from_bits(reduced.inverse_power);
    log2_of_reduced(reduced, lo)
}
