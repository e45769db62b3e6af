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

mod arg;
mod counted;
mod custom;
mod lanes;
mod monoid;
mod prepare;
mod select;
mod simple;
#[cfg(test)]
mod tests;
mod variance;

use std::any::Any;

pub use custom::custom;
pub use select::fold;

use crate::base::dtype::DType;
use crate::error::Result;

/// States of one reduction, one per output element: inside is a `Vec` of the fold's own state type.
pub type States = Box<dyn Any + Send>;

/// A reduction at one type: the object through which the driver folds without knowing the type.
///
/// Values, masks and outputs are aligned to their types. A mask has one `bool` byte per value, or is
/// null; only values whose byte is 1 take part. All `States` handed in must be of this fold.
pub trait Fold: Send + Sync {
    /// Bytes of one state; what a state owns on the heap is not counted.
    fn state_bytes(&self) -> usize;

    /// Whether `rows` must get a whole piece, of up to `ROWS` rows, at once.
    fn two_pass(&self) -> bool;

    /// `n` identities.
    fn states(&self, n: usize) -> States;

    /// Sets the first `n` states back to the identity.
    fn reset(&self, states: &mut States, n: usize);

    /// Folds a run of `n ≤ RUN` contiguous values, from the identity, into `states[at]`.
    ///
    /// `first` is the flat index of the first value along the reduced elements; the values are
    /// consecutive.
    ///
    /// # Safety
    /// `values` must be `n` values, `mask` null or `n` bytes; the machine must have the fold's level.
    #[expect(clippy::too_many_arguments)]
    unsafe fn run(
        &self,
        values: *const u8,
        mask: *const u8,
        n: usize,
        first: i64,
        states: &mut States,
        at: usize,
    );

    /// Folds `rows` rows of `width` contiguous values into `states[..width]`, which it continues.
    ///
    /// Strides are in elements. Row `r` has the flat index `first + r * step` along the reduced
    /// elements. A two-pass fold overwrites the states.
    ///
    /// # Safety
    /// Every row must be `width` values, and as many bytes of the mask, if there is one; the machine
    /// must have the fold's level.
    #[expect(clippy::too_many_arguments)]
    unsafe fn rows(
        &self,
        values: *const u8,
        row_stride: isize,
        mask: *const u8,
        mask_stride: isize,
        rows: usize,
        width: usize,
        first: i64,
        step: i64,
        states: &mut States,
    );

    /// Merges `right[right_at + i]` into `left[left_at + i]`, for `i < n`.
    fn merge(&self, left: &mut States, left_at: usize, right: &States, right_at: usize, n: usize);

    /// Copies `from[from_at + i]` to `to[to_at + i]`, for `i < n`.
    fn copy(&self, from: &States, from_at: usize, to: &mut States, to_at: usize, n: usize);

    /// Writes `n` contiguous results of `states[at..]`; `count` elements were reduced to each (those
    /// that a mask or `skip_nan` left out included).
    ///
    /// # Safety
    /// `out` must be room for `n` results.
    unsafe fn finish(
        &self,
        states: &States,
        at: usize,
        n: usize,
        count: u64,
        out: *mut u8,
    ) -> Result<()>;

    /// The type of the results.
    fn output(&self) -> DType;
}
