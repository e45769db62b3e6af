//! What a reducer does to the pieces of a tree, without its types. Kernels implement it.

use std::any::Any;

use crate::base::dtype::DType;
use crate::error::Result;

/// States of a reduction, one per output element: a `Vec` of the reducer's own type.
pub type States = Box<dyn Any + Send>;

/// One reducer over one dtype.
///
/// A piece is folded from the identity: in *lines* as one run of values side by side, across *rows*
/// column by column. Whoever drives it merges the pieces in the order of the tree.
pub trait Fold: Send + Sync {
    /// Bytes of one state.
    fn state_bytes(&self) -> usize;

    /// Whether `rows` must be given a whole piece at once, because it passes over it twice.
    fn two_pass(&self) -> bool;

    /// `n` identities.
    fn states(&self, n: usize) -> States;

    /// The first `n` states back to the identity.
    fn reset(&self, states: &mut States, n: usize);

    /// Folds one run of `n` values into `states[at]`, which it overwrites. `first` is the number of
    /// the first value among the reduced elements.
    ///
    /// # Safety
    /// `values` must hold `n` elements of the reducer's type; `mask`, if not null, `n` bools.
    #[allow(clippy::too_many_arguments)]
    unsafe fn run(
        &self,
        values: *const u8,
        mask: *const u8,
        n: usize,
        first: i64,
        states: &mut States,
        at: usize,
    );

    /// Folds `rows` rows of `width` values each into the first `width` states, going on from what is
    /// there. Strides are in elements; row `r` has the number `first + r·step`.
    ///
    /// # Safety
    /// All rows must hold `width` elements of the reducer's type; of the mask, if not null, bools.
    #[allow(clippy::too_many_arguments)]
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

    /// `left[left_at + i] = left[left_at + i] ⊕ right[right_at + i]` for `n` states.
    fn merge(&self, left: &mut States, left_at: usize, right: &States, right_at: usize, n: usize);

    /// Copies `n` states.
    fn copy(&self, from: &States, from_at: usize, to: &mut States, to_at: usize, n: usize);

    /// Writes the outputs of `n` states, each made of `count` elements.
    ///
    /// # Safety
    /// `out` must have room for `n` elements of the output type.
    unsafe fn finish(
        &self,
        states: &States,
        at: usize,
        n: usize,
        count: u64,
        out: *mut u8,
    ) -> Result<()>;

    /// The type of an output element.
    fn output(&self) -> DType;
}
