//! Reductions as data, and the trait of reductions that users write.

use crate::base::dtype::{DType, with_dtype};
use crate::base::element::{Element, Inexact, Numeric};

/// Lanes in which a run of contiguous elements is folded: lane `j` takes elements `j`, `j + 16`, …;
/// the lanes are then merged pairwise, `j` with `j + 8`, then `+ 4`, `+ 2`, `+ 1`.
pub const LANES: usize = 16;

/// Which norm: the sum of the absolute values, the root of the sum of their squares, the largest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Norm {
    One,
    Two,
    Max,
}

/// What is subtracted from the number of elements in a variance; compared by its bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ddof(u64);

impl Ddof {
    pub fn new(ddof: f64) -> Ddof {
        Ddof(ddof.to_bits())
    }

    pub fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

/// What a reduction computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReduceKind {
    Sum,
    Prod,
    Mean,
    Var { ddof: Ddof },
    Std { ddof: Ddof },
    Min,
    Max,
    ArgMin,
    ArgMax,
    Any,
    All,
    CountNonzero,
    Norm(Norm),
}

/// A reduction; with `skip_nan` elements that are NaN do not take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReduceOp {
    pub kind: ReduceKind,
    pub skip_nan: bool,
}

impl ReduceOp {
    pub fn new(kind: ReduceKind) -> ReduceOp {
        ReduceOp {
            kind,
            skip_nan: false,
        }
    }

    /// The type of the result; `None` if the reduction has no meaning for the type.
    pub fn output(self, dtype: DType) -> Option<DType> {
        match self.kind {
            ReduceKind::Sum | ReduceKind::Prod => {
                Some(with_dtype!(dtype, T => <T as Numeric>::Sum::DTYPE))
            }
            ReduceKind::Mean => Some(with_dtype!(dtype, T => <T as Numeric>::Mean::DTYPE)),
            ReduceKind::Var { .. } | ReduceKind::Std { .. } | ReduceKind::Norm(_) => {
                Some(with_dtype!(dtype, T => <<T as Numeric>::Mean as Inexact>::Part::DTYPE))
            }
            ReduceKind::Min | ReduceKind::Max => (!dtype.is_complex()).then_some(dtype),
            ReduceKind::ArgMin | ReduceKind::ArgMax => (!dtype.is_complex()).then_some(DType::I64),
            ReduceKind::Any | ReduceKind::All => Some(DType::Bool),
            ReduceKind::CountNonzero => Some(DType::I64),
        }
    }

    /// Whether the reduction of no elements has a value.
    pub fn empty_ok(self) -> bool {
        use ReduceKind::{ArgMax, ArgMin, Max, Min};
        !matches!(self.kind, Min | Max | ArgMin | ArgMax)
    }

    /// The name, as NumPy's.
    pub fn name(self) -> &'static str {
        match (self.kind, self.skip_nan) {
            (ReduceKind::Sum, false) => "sum",
            (ReduceKind::Sum, true) => "nansum",
            (ReduceKind::Prod, false) => "prod",
            (ReduceKind::Prod, true) => "nanprod",
            (ReduceKind::Mean, false) => "mean",
            (ReduceKind::Mean, true) => "nanmean",
            (ReduceKind::Var { .. }, false) => "var",
            (ReduceKind::Var { .. }, true) => "nanvar",
            (ReduceKind::Std { .. }, false) => "std",
            (ReduceKind::Std { .. }, true) => "nanstd",
            (ReduceKind::Min, false) => "min",
            (ReduceKind::Min, true) => "nanmin",
            (ReduceKind::Max, false) => "max",
            (ReduceKind::Max, true) => "nanmax",
            (ReduceKind::ArgMin, false) => "argmin",
            (ReduceKind::ArgMin, true) => "nanargmin",
            (ReduceKind::ArgMax, false) => "argmax",
            (ReduceKind::ArgMax, true) => "nanargmax",
            (ReduceKind::Any, false) => "any",
            (ReduceKind::Any, true) => "nanany",
            (ReduceKind::All, false) => "all",
            (ReduceKind::All, true) => "nanall",
            (ReduceKind::CountNonzero, false) => "count_nonzero",
            (ReduceKind::CountNonzero, true) => "nancount_nonzero",
            (ReduceKind::Norm(Norm::One), false) => "norm_one",
            (ReduceKind::Norm(Norm::One), true) => "nannorm_one",
            (ReduceKind::Norm(Norm::Two), false) => "norm_two",
            (ReduceKind::Norm(Norm::Two), true) => "nannorm_two",
            (ReduceKind::Norm(Norm::Max), false) => "norm_max",
            (ReduceKind::Norm(Norm::Max), true) => "nannorm_max",
        }
    }
}

/// A reduction of one's own: how elements of type `T` enter a state, and how states merge.
///
/// The elements are folded in pieces, each from the identity, and the states of the pieces are
/// merged in a binary tree; which pieces and which tree depends on the shape and the chunks of the
/// array only, so the result is the same on any number of threads. For a result that does not depend
/// on the chunks either, `merge` must be associative. Along a single reduced axis elements come in
/// order; along several, whole columns of short runs come one after the other, and `merge` must be
/// commutative, too, for a result that does not depend on it.
pub trait Reducer<T: Element>: Send + Sync + 'static {
    /// What is carried from element to element.
    type State: Clone + Send + 'static;
    /// What the state becomes in the end.
    type Output: Element;

    /// The state of no elements.
    fn identity(&self) -> Self::State;

    /// Takes one element into the state.
    fn step(&self, state: &mut Self::State, value: T);

    /// Takes elements into the state, in order; override it where many at once are faster.
    fn step_many(&self, state: &mut Self::State, values: &[T]) {
        for &value in values {
            self.step(state, value);
        }
    }

    /// Takes another state into `left`: that of elements which come later, in the order of the tree.
    fn merge(&self, left: &mut Self::State, right: &Self::State);

    /// The result.
    fn finish(&self, state: &Self::State) -> Self::Output;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_follow_numpy() {
        let output = |kind, dtype| ReduceOp::new(kind).output(dtype);
        let ddof = Ddof::new(0.0);
        assert_eq!(output(ReduceKind::Sum, DType::Bool), Some(DType::I64));
        assert_eq!(output(ReduceKind::Sum, DType::U8), Some(DType::U64));
        assert_eq!(output(ReduceKind::Mean, DType::I8), Some(DType::F64));
        assert_eq!(
            output(ReduceKind::Var { ddof }, DType::Complex64),
            Some(DType::F32)
        );
        assert_eq!(output(ReduceKind::Min, DType::Complex64), None);
        assert_eq!(output(ReduceKind::ArgMax, DType::F32), Some(DType::I64));
        assert!(ReduceOp::new(ReduceKind::Sum).empty_ok());
        assert!(!ReduceOp::new(ReduceKind::ArgMin).empty_ok());
    }
}
