//! Operands: numbers of any bits and of usual sizes, and neighbours of the points where formulas change.

use std::f64::consts::{FRAC_PI_4, LN_2};

pub struct Bits(pub u64);

impl Bits {
    /// The next of a sequence (splitmix64).
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Within ±½.
    fn centered(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64 - 0.5
    }

    /// Within ±½, in many magnitudes.
    fn small(&mut self) -> f64 {
        self.centered() * 2f64.powi(-((self.next() % 50) as i32))
    }

    fn pick(&mut self, values: &[f64]) -> f64 {
        values[self.next() as usize % values.len()]
    }
}

/// Any bits; numbers of the sizes that functions are used with; neighbours of 1, of multiples of π/4 and ln 2 / 2
/// where polynomials and their pieces meet, and of the given numbers.
pub fn numbers(n: usize, critical: &[f64]) -> Vec<f64> {
    let mut bits = Bits(1);
    (0..n)
        .map(|i| {
            let (centered, small) = (bits.centered(), bits.small());
            match i % 9 {
                0 => f64::from_bits(bits.next()),
                1 => centered * 1500.0,
                2 => centered * 2.0,
                3 => centered * 20.0,
                4 => 1.0 + small,
                5 => (centered * 2e6).round() * FRAC_PI_4 * (1.0 + small * 1e-9),
                6 => (centered * 4000.0).round() * (0.5 * LN_2) * (1.0 + small * 1e-9),
                7 if !critical.is_empty() => bits.pick(critical) * (1.0 + small),
                _ => small,
            }
        })
        .collect()
}

/// Two of any bits; of usual sizes; near each other; with a quotient near the given numbers; powers that are
/// all numbers, from the smallest to the largest; small whole exponents.
pub fn pairs(n: usize, critical: &[f64]) -> Vec<(f64, f64)> {
    let mut bits = Bits(2);
    (0..n)
        .map(|i| {
            let (centered, small) = (bits.centered(), bits.small());
            let any = f64::from_bits(bits.next());
            match i % 8 {
                0 => (any, f64::from_bits(bits.next())),
                1 => (centered * 20.0, bits.centered() * 20.0),
                2 => (centered * 1500.0, bits.centered() * 1500.0),
                3 => (any, any * (1.0 + small)),
                4 => (any, any * bits.pick(critical) * (1.0 + small)),
                5 => (any.abs(), centered * 2180.0 / any.abs().log2()),
                6 => (1.0 + small, bits.centered() * 2180.0 / (1.0 + small).log2()),
                _ => (centered * 20.0, (bits.centered() * 40.0).round()),
            }
        })
        .collect()
}
