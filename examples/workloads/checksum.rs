//! What two engines' results are compared by.

#[derive(Clone, Debug)]
pub enum Checksum {
    /// The wrapping sum of the bits of a whole array: order does not matter, a single bit does.
    Bits(u64),
    /// The values of a reduction, and of each the sum of its terms' magnitudes (divided as the value
    /// is): the order of a sum is the engine's own.
    Values { values: Vec<f64>, scales: Vec<f64> },
}

/// What the order of additions may change, relative to the terms' magnitudes.
const TOLERANCE: f64 = 1e-12;

impl Checksum {
    pub fn of_bits(values: &[f64]) -> Checksum {
        Checksum::Bits(
            values
                .iter()
                .fold(0, |sum: u64, value| sum.wrapping_add(value.to_bits())),
        )
    }

    /// For a message.
    pub fn brief(&self) -> String {
        match self {
            Checksum::Bits(bits) => format!("bits {bits:016x}"),
            Checksum::Values { values, .. } => {
                format!(
                    "{} values, first {:?}, sum {:?}",
                    values.len(),
                    values.first(),
                    values.iter().sum::<f64>()
                )
            }
        }
    }

    /// Whether both are of the same result.
    pub fn agrees(&self, other: &Checksum) -> bool {
        match (self, other) {
            (Checksum::Bits(a), Checksum::Bits(b)) => a == b,
            (
                Checksum::Values {
                    values: a,
                    scales: s,
                },
                Checksum::Values {
                    values: b,
                    scales: t,
                },
            ) => {
                a.len() == b.len()
                    && (0..a.len())
                        .all(|i| (a[i] - b[i]).abs() <= TOLERANCE * s[i].abs().max(t[i].abs()))
            }
            _ => false,
        }
    }
}
