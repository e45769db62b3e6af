//! Arrays made from nothing: each element is a function of its C-order number.

use std::fmt;
use std::sync::Arc;

use super::closure::Generator;
use super::random::{Distribution, Key};
use crate::base::scalar::Scalar;

/// What a generated array's elements are.
#[derive(Clone)]
pub enum Generate {
    /// The same everywhere.
    Fill(Scalar),
    /// `start + i·step`, both of the array's dtype; floats compute in f64.
    Arange { start: Scalar, step: Scalar },
    /// `start + i·(stop − start)/divisions`, and `stop` itself at the last division.
    Linspace {
        start: f64,
        stop: f64,
        divisions: usize,
    },
    /// Ones on the diagonal `column − row = offset` of a matrix with so many columns.
    Eye { columns: usize, offset: isize },
    Random {
        distribution: Distribution,
        key: Key,
    },
    /// A user's function.
    Closure {
        function: Arc<dyn Generator>,
        name: &'static str,
    },
}

impl Generate {
    pub fn name(&self) -> &'static str {
        match self {
            Generate::Fill(_) => "fill",
            Generate::Arange { .. } => "arange",
            Generate::Linspace { .. } => "linspace",
            Generate::Eye { .. } => "eye",
            Generate::Random { distribution, .. } => distribution.name(),
            Generate::Closure { name, .. } => name,
        }
    }

    /// What an element costs, in nanoseconds.
    pub fn cost(&self) -> f64 {
        match self {
            Generate::Fill(_) => 0.05,
            Generate::Arange { .. } | Generate::Linspace { .. } | Generate::Eye { .. } => 0.3,
            Generate::Random { distribution, .. } => distribution.cost(),
            Generate::Closure { .. } => 50.0,
        }
    }

    /// Whether two generators give the same values, as far as can be told.
    pub fn same(&self, other: &Generate) -> bool {
        match (self, other) {
            (Generate::Fill(a), Generate::Fill(b)) => a == b,
            (Generate::Arange { start: a, step: b }, Generate::Arange { start: c, step: d }) => {
                a == c && b == d
            }
            (
                Generate::Linspace {
                    start: a,
                    stop: b,
                    divisions: m,
                },
                Generate::Linspace {
                    start: c,
                    stop: d,
                    divisions: n,
                },
            ) => a.to_bits() == c.to_bits() && b.to_bits() == d.to_bits() && m == n,
            (
                Generate::Eye {
                    columns: a,
                    offset: b,
                },
                Generate::Eye {
                    columns: c,
                    offset: d,
                },
            ) => a == c && b == d,
            (
                Generate::Random {
                    distribution: a,
                    key: j,
                },
                Generate::Random {
                    distribution: b,
                    key: k,
                },
            ) => a == b && j == k,
            (Generate::Closure { function: a, .. }, Generate::Closure { function: b, .. }) => {
                Arc::ptr_eq(a, b)
            }
            _ => false,
        }
    }
}

impl fmt::Debug for Generate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Generate::Fill(value) => write!(f, "({value})"),
            Generate::Arange { start, step } => write!(f, "({start}, step {step})"),
            Generate::Linspace { start, stop, .. } => write!(f, "({start}, {stop})"),
            Generate::Random { distribution, key } => {
                write!(f, "({distribution}; stream {})", key.stream)
            }
            _ => Ok(()),
        }
    }
}
