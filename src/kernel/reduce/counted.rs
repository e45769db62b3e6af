//! Folds that count which elements took part.

use super::monoid::{CountOf, Monoid};
use super::prepare::{Buffer, CHUNK, Prepare, each_run};
use super::simple::{Held, Simple, state_methods, typed, typed_mut};
use super::{Fold, Numbers, Rows, States};
use crate::base::dtype::DType;
use crate::base::element::Element;
use crate::error::Result;
use crate::kernel::level::Level;

/// Which elements take part: those that the mask, if there is one, selects and that, if NaN are
/// skipped, are not NaN.
pub struct Keep {
    /// `bool` bytes; without meaning where everything takes part.
    prepare: Prepare,
    skip_nan: bool,
}

impl Keep {
    pub fn new(dtype: DType, skip_nan: bool, level: Level) -> Keep {
        Keep {
            prepare: Prepare::keep(dtype, skip_nan, level),
            skip_nan,
        }
    }

    pub fn is_all(&self, mask: *const u8) -> bool {
        mask.is_null() && !self.skip_nan
    }

    /// How many values of a run take part.
    ///
    /// # Safety
    /// As for [`Prepare::fold_run`].
    pub unsafe fn count_run(&self, values: *const u8, mask: *const u8, n: usize) -> i64 {
        if self.is_all(mask) {
            return n as i64;
        }
        // SAFETY: the caller's promise.
        unsafe { self.prepare.fold_run(CountOf, values, mask, n) }
    }

    /// Adds up how many values take part, column by column.
    ///
    /// # Safety
    /// As for [`Prepare::fold_rows`].
    pub unsafe fn count_rows(&self, rows: &Rows, counts: &mut [i64]) {
        if self.is_all(rows.mask) {
            for count in counts {
                *count += rows.rows as i64;
            }
            return;
        }
        // SAFETY: the caller's promise.
        unsafe { self.prepare.fold_rows(CountOf, rows, counts) };
    }

    /// For a part of a row, one `bool` byte per value; only where not everything takes part.
    ///
    /// # Safety
    /// As for [`Prepare::run_row`].
    pub unsafe fn row(
        &self,
        rows: &Rows,
        r: usize,
        column: usize,
        width: usize,
        buffer: &mut Buffer,
    ) -> *const u8 {
        // SAFETY: the caller's promise.
        unsafe { self.prepare.run_row(rows, r, column, width, buffer) }
    }
}

/// A fold whose states are those of the monoid `M`, with a count beside.
pub struct Counted<M: Monoid> {
    pub simple: Simple<M>,
    pub keep: Keep,
}

impl<M: Monoid<State: Element>> Fold for Counted<M> {
    state_methods!((M::State, i64), this => (this.simple.monoid.identity(), 0i64),
        |left, right| (this.simple.monoid.merge(left.0, right.0), left.1 + right.1));

    unsafe fn runs(
        &self,
        rows: &Rows,
        ends: &[usize],
        _first: i64,
        states: &mut States,
        at: usize,
        stride: usize,
    ) {
        let Simple {
            monoid, prepare, ..
        } = &self.simple;
        let states = typed_mut::<(M::State, i64)>(states);
        // SAFETY: the contract of `Fold::runs`.
        unsafe {
            each_run(rows, ends, prepare.dtype(), |r, i, run| {
                let count = self.keep.count_run(run.values, run.mask, run.width);
                let state = prepare.fold_run(*monoid, run.values, run.mask, run.width);
                states[at + r * stride + i] = (state, count);
            });
        }
    }

    unsafe fn rows(&self, rows: &Rows, _numbers: Numbers, states: &mut States, at: usize) {
        let Simple {
            monoid, prepare, ..
        } = &self.simple;
        // States and counts in arrays of their own, where both are vectors.
        let mut sums = [monoid.identity(); CHUNK];
        let mut counts = [0; CHUNK];
        let states = &mut typed_mut::<(M::State, i64)>(states)[at..at + rows.width];
        for (block, states) in states.chunks_mut(CHUNK).enumerate() {
            let (sums, counts) = (&mut sums[..states.len()], &mut counts[..states.len()]);
            for (i, state) in states.iter().enumerate() {
                (sums[i], counts[i]) = *state;
            }
            let first = block * CHUNK;
            let rows = rows.columns(first..first + states.len(), prepare.dtype());
            // SAFETY: the contract of `Fold::rows`, for a part of the columns.
            unsafe {
                prepare.fold_rows(*monoid, &rows, sums);
                self.keep.count_rows(&rows, counts);
            }
            for (i, state) in states.iter_mut().enumerate() {
                *state = (sums[i], counts[i]);
            }
        }
    }

    unsafe fn finish(
        &self,
        states: &States,
        at: usize,
        n: usize,
        _count: u64,
        out: *mut u8,
    ) -> Result<()> {
        let states = &typed::<(M::State, i64)>(states)[at..at + n];
        let concluded = states
            .iter()
            .map(|&(state, count)| (self.simple.conclude)(state, count as u64, true));
        // SAFETY: the contract of `Fold::finish`.
        unsafe { self.simple.write_results(concluded, out) }
    }

    fn output(&self) -> DType {
        self.simple.output()
    }
}
