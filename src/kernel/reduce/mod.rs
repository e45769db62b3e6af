//! Folds: how pieces of a reduction tree become states, and states results.
//!
//! The order inside of a piece is part of the contract, because it decides about the last bits:
//!
//! * A *run* (lines mode) is up to [`RUN`](crate::op::reducer::RUN) contiguous elements. Lane `j` of
//!   16 starts from the identity and takes elements `j`, `j + 16`, … in order; then lane `j` merges
//!   with lane `j + 8`, then `+ 4`, `+ 2`, `+ 1`.
//! * A *row piece* (rows mode) is up to [`ROWS`](crate::op::reducer::ROWS) rows; each column starts
//!   from the identity and takes its rows in order.
//!
//! Pieces are merged by the caller. Nothing is fused into multiply-adds, so every level gives the
//! same bits.

mod accumulate;
mod arg;
mod custom;
mod lanes;
mod rows;
mod simple;
#[cfg(test)]
mod tests;
mod variance;

use std::any::Any;

pub use custom::custom;

use crate::base::dtype::{DType, with_dtype};
use crate::error::Result;
use crate::kernel::level::Level;
use crate::op::reducer::{Norm, ReduceKind, ReduceOp};
use crate::op::scalar::with_class;
use accumulate as acc;
use arg::Arg;
use simple::{Counted, Simple};
use variance::Variance;

pub use crate::op::fold::{Fold, States};

/// The fold of a reduction of elements of type `dtype`; `None` if it has no meaning for the type.
///
/// `masked` says whether masks may be given.
pub fn fold(op: ReduceOp, dtype: DType, masked: bool, level: Level) -> Option<Box<dyn Fold>> {
    op.output(dtype)?;
    // Only floating-point numbers can be NaN.
    if op.skip_nan && (dtype.is_float() || dtype.is_complex()) {
        with_class!(Inexact, dtype, T => of_any::<T, true>(op.kind, masked, level))
            .flatten()
            .or_else(|| {
                with_class!(Float, dtype, T => of_ordered::<T, true>(op.kind, masked, level))
                    .flatten()
            })
    } else {
        with_dtype!(dtype, T => of_any::<T, false>(op.kind, masked, level)).or_else(|| {
            with_class!(Ordered, dtype, T => of_ordered::<T, false>(op.kind, masked, level))
                .flatten()
        })
    }
}

/// The folds that need no order.
fn of_any<T: acc::Reducible, const SKIP: bool>(
    kind: ReduceKind,
    masked: bool,
    level: Level,
) -> Option<Box<dyn Fold>> {
    let selects = masked || SKIP;
    Some(match kind {
        ReduceKind::Sum => Simple::<T, acc::Sum, SKIP>::boxed(acc::Sum, selects, level),
        ReduceKind::Prod => Simple::<T, acc::Prod, SKIP>::boxed(acc::Prod, selects, level),
        ReduceKind::Mean if selects => Counted::<T, acc::Mean, SKIP>::boxed(acc::Mean, level),
        ReduceKind::Mean => Simple::<T, acc::Mean, false>::boxed(acc::Mean, false, level),
        ReduceKind::Any => Simple::<T, acc::AnyOf, SKIP>::boxed(acc::AnyOf, selects, level),
        ReduceKind::All => Simple::<T, acc::AllOf, SKIP>::boxed(acc::AllOf, selects, level),
        ReduceKind::CountNonzero => {
            Simple::<T, acc::Nonzero, SKIP>::boxed(acc::Nonzero, selects, level)
        }
        ReduceKind::Norm(Norm::One) => {
            Simple::<T, acc::NormOne, SKIP>::boxed(acc::NormOne, selects, level)
        }
        ReduceKind::Norm(Norm::Two) => {
            Simple::<T, acc::NormTwo, SKIP>::boxed(acc::NormTwo, selects, level)
        }
        ReduceKind::Norm(Norm::Max) => {
            Simple::<T, acc::NormMax, SKIP>::boxed(acc::NormMax, selects, level)
        }
        ReduceKind::Var { ddof } => Variance::<T, SKIP>::boxed(ddof.get(), false, level),
        ReduceKind::Std { ddof } => Variance::<T, SKIP>::boxed(ddof.get(), true, level),
        ReduceKind::Min | ReduceKind::Max | ReduceKind::ArgMin | ReduceKind::ArgMax => return None,
    })
}

/// The folds that need an order.
fn of_ordered<T: acc::Extremes, const SKIP: bool>(
    kind: ReduceKind,
    masked: bool,
    level: Level,
) -> Option<Box<dyn Fold>> {
    Some(match kind {
        // The identity of these is NaN, which is also the result of no elements.
        ReduceKind::Min if SKIP => Simple::<T, acc::NanMin, false>::boxed(acc::NanMin, true, level),
        ReduceKind::Max if SKIP => Simple::<T, acc::NanMax, false>::boxed(acc::NanMax, true, level),
        // Whether a mask selects anything is only known by counting.
        ReduceKind::Min if masked => Counted::<T, acc::Min, false>::boxed(acc::Min, level),
        ReduceKind::Max if masked => Counted::<T, acc::Max, false>::boxed(acc::Max, level),
        ReduceKind::Min => Simple::<T, acc::Min, false>::boxed(acc::Min, false, level),
        ReduceKind::Max => Simple::<T, acc::Max, false>::boxed(acc::Max, false, level),
        ReduceKind::ArgMin => Arg::<T, false, SKIP>::boxed(level),
        ReduceKind::ArgMax => Arg::<T, true, SKIP>::boxed(level),
        _ => return None,
    })
}
