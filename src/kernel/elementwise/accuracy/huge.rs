//! What is left of huge numbers when multiples of π/2 are taken off: M. H. Payne and R. N. Hanek, "Radian
//! reduction for trigonometric functions" (1983), in whole numbers of 1,280 bits.

use super::reference::{Dd, HALF_PI, sum};

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

/// The quadrant and the rest, within ±π/4, of a finite number not below 2^53 or so.
pub fn reduce(x: f64) -> (u64, Dd) {
    let bits = x.abs().to_bits();
    let mantissa = (bits & ((1 << 52) - 1)) | (1 << 52);
    let exponent = (bits >> 52) as i32 - 1075;
    // The product, in words from the highest on; the first one is what is left of the point.
    let mut words = [0u64; 21];
    let mut carry = 0u128;
    for i in (0..20).rev() {
        let product = u128::from(TWO_BY_PI[i]) * u128::from(mantissa) + carry;
        words[i + 1] = product as u64;
        carry = product >> 64;
    }
    words[0] = carry as u64;
    for _ in 0..exponent.max(0) {
        for i in 0..21 {
            let below = words.get(i + 1).map_or(0, |word| word >> 63);
            words[i] = (words[i] << 1) | below;
        }
    }
    for _ in 0..(-exponent).max(0) {
        for i in (0..21).rev() {
            let above = if i > 0 { words[i - 1] << 63 } else { 0 };
            words[i] = (words[i] >> 1) | above;
        }
    }
    let up = words[1] >> 63 == 1;
    let quadrant = words[0].wrapping_add(up as u64) & 3;
    let mut fraction = Dd::from(0.0);
    // From the lowest on, so that nothing is lost.
    for i in (1..21).rev() {
        let word = if up { !words[i] } else { words[i] };
        let unit = 2f64.powi(-64 * i as i32 + 32);
        fraction = fraction
            + sum(
                (word >> 32) as f64 * unit,
                (word as u32) as f64 * (unit / 2f64.powi(32)),
            );
    }
    let fraction = if up { -fraction } else { fraction };
    let rest = fraction * sum(HALF_PI[0], HALF_PI[1]);
    if x < 0.0 {
        (quadrant.wrapping_neg() & 3, -rest)
    } else {
        (quadrant, rest)
    }
}
