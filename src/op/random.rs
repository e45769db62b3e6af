//! Random arrays as data: which generator, which distribution.

use std::fmt;
use std::hash::{Hash, Hasher};

#[cfg(test)]
use crate::base::dtype::DType;

/// Which sequence of random numbers: every array takes a stream of its own of its generator's seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub seed: u64,
    pub stream: u32,
}

/// How random bits become values.
#[derive(Clone, Copy, Debug)]
pub enum Distribution {
    /// Floats from `low` up to, but without, `high`.
    Uniform { low: f64, high: f64 },
    /// Floats of a normal distribution.
    Normal { mean: f64, std: f64 },
    /// Floats of an exponential distribution, whose mean is `1 / rate`.
    Exponential { rate: f64 },
    /// Integers from `low` up to, but without, `high`; both fit the type, or `high` is one above it.
    Integers { low: i128, high: i128 },
    /// `true` with probability `p`.
    Bernoulli { p: f64 },
}

impl Distribution {
    /// Whether there are values of this type.
    #[cfg(test)]
    pub fn admits(&self, dtype: DType) -> bool {
        match self {
            Distribution::Uniform { .. }
            | Distribution::Normal { .. }
            | Distribution::Exponential { .. } => dtype.is_float(),
            Distribution::Integers { .. } => dtype.is_integer(),
            Distribution::Bernoulli { .. } => dtype == DType::Bool,
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Distribution::Uniform { .. } => "uniform",
            Distribution::Normal { .. } => "normal",
            Distribution::Exponential { .. } => "exponential",
            Distribution::Integers { .. } => "integers",
            Distribution::Bernoulli { .. } => "bernoulli",
        }
    }

    /// Nanoseconds per element, roughly.
    pub fn cost(&self) -> f64 {
        match self {
            Distribution::Uniform { .. } | Distribution::Bernoulli { .. } => 0.7,
            Distribution::Integers { .. } => 1.0,
            Distribution::Normal { .. } => 15.0,
            Distribution::Exponential { .. } => 6.0,
        }
    }

    /// The variant and the bits of its parameters, by which distributions are compared.
    fn bits(&self) -> (u8, u128, u128) {
        let of = |x: f64| x.to_bits().into();
        match *self {
            Distribution::Uniform { low, high } => (0, of(low), of(high)),
            Distribution::Normal { mean, std } => (1, of(mean), of(std)),
            Distribution::Exponential { rate } => (2, of(rate), 0),
            Distribution::Integers { low, high } => (3, low as u128, high as u128),
            Distribution::Bernoulli { p } => (4, of(p), 0),
        }
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Distribution::Uniform { low, high } => write!(f, "{low}..{high}"),
            Distribution::Normal { mean, std } => write!(f, "mean {mean}, std {std}"),
            Distribution::Exponential { rate } => write!(f, "rate {rate}"),
            Distribution::Integers { low, high } => write!(f, "{low}..{high}"),
            Distribution::Bernoulli { p } => write!(f, "p {p}"),
        }
    }
}

impl PartialEq for Distribution {
    fn eq(&self, other: &Distribution) -> bool {
        self.bits() == other.bits()
    }
}

impl Eq for Distribution {}

impl Hash for Distribution {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bits().hash(state);
    }
}
