//! What a reducer does to the pieces of a tree, without its types. Kernels implement it.

use std::any::Any;

use crate::base::dtype::DType;
use crate::error::Result;

/// States of a reduction, one per output element and run: a list of the reducer's own type.
pub type States = Box<dyn Any + Send>;

/// Rows of values, and perhaps a mask of the same form. Strides are in elements.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    pub values: *const u8,
    pub stride: isize,
    /// One `bool` per value; null if all take part.
    pub mask: *const u8,
    pub mask_stride: isize,
    pub rows: usize,
    /// The values of a row, which lie side by side.
    pub width: usize,
}

impl Rows {
    /// One of the rows, whose values have `size` bytes.
    pub fn row(&self, row: usize, size: usize) -> Rows {
        let row = row as isize;
        let mut one = Rows { rows: 1, ..*self };
        one.values = self
            .values
            .wrapping_offset(row * self.stride * size as isize);
        if !self.mask.is_null() {
            one.mask = self.mask.wrapping_offset(row * self.mask_stride);
        }
        one
    }

    /// Rows without values.
    pub fn none(rows: usize) -> Rows {
        Rows {
            values: std::ptr::without_provenance(64),
            stride: 0,
            mask: std::ptr::null(),
            mask_stride: 0,
            rows,
            width: 0,
        }
    }
}

/// The numbers of values among the reduced elements: value `c` of row `r` has the number
/// `first + r · step + c / lane`.
#[derive(Clone, Copy, Debug)]
pub struct Numbers {
    pub first: i64,
    pub step: i64,
    pub lane: usize,
}

/// States of a piece of rows of `float64` values, one per column.
pub enum Columns<'a> {
    /// Values are added.
    Sums(&'a mut [f64]),
    /// The `minimum` is kept.
    Least(&'a mut [f64]),
    /// The `maximum` is kept.
    Greatest(&'a mut [f64]),
    /// Deviations from the column's first value, the center, and their squares are added.
    Deviations {
        counts: &'a mut [f64],
        centers: &'a mut [f64],
        sums: &'a mut [f64],
        squares: &'a mut [f64],
    },
}

/// One reducer over one dtype.
///
/// A piece is folded from the identity: in *lines* as runs of values side by side, across *rows*
/// column by column. Whoever drives it merges the pieces in the order of the tree.
pub trait Fold: Send + Sync {
    /// Bytes of one state.
    fn state_bytes(&self) -> usize;

    /// Whether the rows of a piece have to come one after the other, and must not be dealt out to lanes.
    fn is_sequential(&self) -> bool {
        false
    }

    /// `n` identities.
    fn states(&self, n: usize) -> States;

    /// The first `n` states back to the identity.
    fn reset(&self, states: &mut States, n: usize);

    /// Folds runs: of every row the values up to the first of `ends`, from there to the second, and so
    /// on. Run `i` of row `r` overwrites the state `at + r · stride + i`. The first value of a row has
    /// the number `first` among the reduced elements.
    ///
    /// # Safety
    /// The rows must hold elements of the reducer's type, as many as the last end.
    unsafe fn runs(
        &self,
        rows: &Rows,
        ends: &[usize],
        first: i64,
        states: &mut States,
        at: usize,
        stride: usize,
    );

    /// Folds rows into the states from `at` on, one per column, going on from what is there.
    ///
    /// # Safety
    /// The rows must hold elements of the reducer's type.
    unsafe fn rows(&self, rows: &Rows, numbers: Numbers, states: &mut States, at: usize);

    /// The states, if they are plain sums of `float64` values: who computes these may add them himself, in the order
    /// of [`runs`](Fold::runs) and [`rows`](Fold::rows).
    fn sums<'a>(&self, _states: &'a mut States) -> Option<&'a mut [f64]> {
        None
    }

    /// Whether [`sums`](Fold::sums) gives any.
    fn has_sums(&self) -> bool {
        false
    }

    /// The states as numbers, if the values of rows are `float64` and enter them without a mask as the kind says: who
    /// folds several at once may do it himself, in the order of [`rows`](Fold::rows).
    fn columns<'a>(&self, _states: &'a mut States) -> Option<Columns<'a>> {
        None
    }

    /// Ends a piece of rows: the first `n` states can be merged from now on.
    fn seal(&self, _states: &mut States, _n: usize) {}

    /// `left[i] = left[i] ⊕ right[i]` for the first `n` states; `right` is used up.
    fn merge(&self, left: &mut States, right: &mut States, n: usize);

    /// `states[i] = states[i] ⊕ states[n + i]` for the first `n` states.
    fn merge_halves(&self, states: &mut States, n: usize);

    /// Merges each of `groups` groups of `n` neighbouring states in a binary tree aligned at powers of
    /// two. The results are the first states.
    fn merge_groups(&self, states: &mut States, groups: usize, n: usize);

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

    /// Whether it calls code of a user.
    fn is_users(&self) -> bool {
        false
    }
}
