//! Sine, cosine and tangent of numbers whose quadrant has many bits: M. H. Payne and R. N. Hanek,
//! "Radian reduction for trigonometric functions" (1983). One number at a time, because they are rare.

use super::{fast_two_sum, quotient};

/// The bits of 2/π after the point.
const TWO_BY_PI: [u64; 20] = [
    0xa2f9836e4e441529,
    0xfc2757d1f534ddc0,
    0xdb6295993c439041,
    0xfe5163abdebbc561,
    0xb7246e3a424dd2e0,
    0x06492eea09d1921c,
    0xfe1deb1cb129a73e,
    0xe88235f52ebb4484,
    0xe99c7026b45f7e41,
    0x3991d639835339f4,
    0x9c845f8bbdf9283b,
    0x1ff897ffde05980f,
    0xef2f118b5a0a6d1f,
    0x6d367ecf27cb09b7,
    0x4f463f669e5fea2d,
    0x7527bac7ebe5f17b,
    0x3d0739f78a5292ea,
    0x6bfb5fb11f8d5d08,
    0x56033046fc7b6bab,
    0xf0cfbc209af4361d,
];
const HALF_PI: [f64; 2] = [std::f64::consts::FRAC_PI_2, 6.123233995736766e-17];

/// What is left of a finite number from 2^17 on within ±π/4, in two parts, and the quadrant. Not inlined, to
/// keep loops short.
#[inline(never)]
fn reduce(x: f64) -> (f64, f64, u64) {
    let bits = x.to_bits();
    let mantissa = (bits & ((1 << 52) - 1)) | (1 << 52);
    let exponent = ((bits >> 52) & 2047) as usize + 64 - 1075;
    // `x` is the mantissa times 2^(exponent - 64). Of 2/π times that power four words are seen: one before the
    // point, since what is above it gives multiples of 2^64, and three behind it.
    let (word, shift) = (exponent / 64, exponent % 64);
    let at = |i: usize| if i < 2 { 0 } else { TWO_BY_PI[i - 2] };
    let window = |i: usize| {
        let pair = u128::from(at(word + i)) << 64 | u128::from(at(word + i + 1));
        u128::from((pair << shift >> 64) as u64)
    };
    let m = u128::from(mantissa);
    let low = m * window(3);
    let next = m * window(2) + (low >> 64);
    let high = m * window(1) + (next >> 64);
    let whole = (m * window(0) + (high >> 64)) as u64;
    // 128 bits after the point, as a signed number; worst cases lose 62 of them.
    let fraction = (high as u64 as i128) << 64 | i128::from(next as u64);
    let quadrant = whole.wrapping_add((fraction < 0) as u64);
    let top = fraction as f64;
    let rest = (fraction - top as i128) as f64;
    let unit = 1.0 / (1u128 << 127) as f64 * 0.5;
    let (top, rest) = (top * unit, rest * unit);
    let hi = top * HALF_PI[0];
    let lo = top.mul_add(HALF_PI[0], -hi) + (top * HALF_PI[1] + rest * HALF_PI[0]);
    let sum = hi + lo;
    let lo = (hi - sum) + lo;
    if x < 0.0 {
        (-sum, -lo, quadrant.wrapping_neg())
    } else {
        (sum, lo, quadrant)
    }
}

/// The sine of `hi + lo` as a leading part and a small one, by FDLIBM's polynomial.
#[inline(always)]
pub(super) fn sine(hi: f64, lo: f64) -> (f64, f64) {
    const S: [f64; 6] = [
        -1.666_666_666_666_663_2e-1,
        8.333_333_333_322_49e-3,
        -1.984_126_982_985_795e-4,
        2.755_731_370_707_006_8e-6,
        -2.505_076_025_340_686_3e-8,
        1.589_690_995_211_55e-10,
    ];
    let z = hi * hi;
    let r = (S.iter().rev()).fold(0.0, |sum: f64, &term| sum.mul_add(z, term));
    let correction = (-0.5 * lo).mul_add(z, lo);
    fast_two_sum(hi, (z * hi).mul_add(r, correction))
}

/// As [`sine`], of the cosine.
#[inline(always)]
pub(super) fn cosine(hi: f64, lo: f64) -> (f64, f64) {
    const C: [f64; 6] = [
        4.166_666_666_666_66e-2,
        -1.388_888_888_887_411e-3,
        2.480_158_728_947_673e-5,
        -2.755_731_435_139_066_3e-7,
        2.087_572_321_298_175e-9,
        -1.135_964_755_778_819_5e-11,
    ];
    let z = hi * hi;
    let r = (C.iter().rev()).fold(0.0, |sum: f64, &term| sum.mul_add(z, term));
    let half = 0.5 * z;
    let w = 1.0 - half;
    fast_two_sum(w, r.mul_add(z * z, (-hi).mul_add(lo, (1.0 - w) - half)))
}

#[inline(always)]
fn sin_of_remainder(hi: f64, lo: f64, quadrant: u64) -> f64 {
    let even = quadrant & 1 == 0;
    let (y, rest) = if even { sine(hi, lo) } else { cosine(hi, lo) };
    f64::from_bits((y + rest).to_bits() ^ ((quadrant & 2) << 62))
}

#[inline(always)]
fn cos_of_remainder(hi: f64, lo: f64, quadrant: u64) -> f64 {
    sin_of_remainder(hi, lo, quadrant.wrapping_add(1))
}

#[inline(always)]
fn tan_of_remainder(hi: f64, lo: f64, quadrant: u64) -> f64 {
    let (sine, cosine) = (sine(hi, lo), cosine(hi, lo));
    let even = quadrant & 1 == 0;
    let (above, below) = if even { (sine, cosine) } else { (cosine, sine) };
    let (y, rest) = quotient(above, below);
    f64::from_bits((y + rest).to_bits() ^ (quadrant << 63))
}

macro_rules! functions {
    ($($name:ident by $of_remainder:path;)*) => {$(
        /// Of any number from 2^17 on, and of infinities.
        #[inline(always)]
        pub fn $name(x: f64) -> f64 {
            if x.is_finite() {
                let (hi, lo, quadrant) = reduce(x);
                $of_remainder(hi, lo, quadrant)
            } else {
                f64::NAN
            }
        }
    )*};
}
functions! {
    sin_of_far by sin_of_remainder;
    cos_of_far by cos_of_remainder;
    tan_of_far by tan_of_remainder;
}
