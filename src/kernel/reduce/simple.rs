//! Folds whose states are those of a monoid.

use std::any::{Any as StdAny, TypeId};
use std::cell::Cell;

use super::monoid::{MaxOf, MinOf, Monoid, SumOf};
use super::prepare::{Prepare, each_run};
use super::{Columns, Fold, Numbers, Rows, States};
use crate::base::dtype::DType;
use crate::base::element::Element;
use crate::base::few::Few;
use crate::error::{Error, Kind, Result};
use crate::kernel::elementwise::{TileFn, cast};
use crate::kernel::level::Level;

/// What is in the box of [`States`]: sums of all there is have a single one.
pub type Held<S> = Few<S, 1>;

/// The states as what they are.
#[track_caller]
pub fn typed<S: 'static>(states: &States) -> &[S] {
    let states: &dyn StdAny = &**states;
    states
        .downcast_ref::<Held<S>>()
        .expect("states of another fold")
}

/// The states as what they are, to be changed.
#[track_caller]
pub fn typed_mut<S: 'static>(states: &mut States) -> &mut [S] {
    let states: &mut dyn StdAny = &mut **states;
    states
        .downcast_mut::<Held<S>>()
        .expect("states of another fold")
}

/// The error of a reduction of nothing that has no value then.
pub fn nothing(name: &str) -> Error {
    Error::new(
        Kind::Value,
        format!("{name} of no elements has no value (none are there, or all are masked or NaN)"),
    )
}

/// Merges the first of the states with the second, the third with the fourth, and so on; what comes of them lies side
/// by side at the beginning, and behind it a last one that has no other.
#[inline(always)]
pub fn merge_pairs<S: Copy>(states: &mut [S], merge: impl Fn(S, S) -> S) {
    // Cells: pairs are read where earlier results may be written.
    let cells = Cell::from_mut(states).as_slice_of_cells();
    let (pairs, rest) = cells.as_chunks::<2>();
    for (to, [left, right]) in cells.iter().zip(pairs) {
        to.set(merge(left.get(), right.get()));
    }
    if let [last] = rest {
        cells[pairs.len()].set(last.get());
    }
}

/// The methods of [`Fold`] that only move states of the type `$state`.
macro_rules! state_methods {
    ($state:ty, $self:ident => $identity:expr, |$left:ident, $right:ident| $merge:expr) => {
        fn state_bytes(&self) -> usize {
            size_of::<$state>()
        }

        fn states(&self, n: usize) -> States {
            let $self = self;
            Box::new(Held::from_elem($identity, n))
        }

        fn reset(&self, states: &mut States, n: usize) {
            let $self = self;
            typed_mut::<$state>(states)[..n].fill($identity);
        }

        fn merge(&self, left: &mut States, right: &mut States, n: usize) {
            let $self = self;
            let left = &mut typed_mut::<$state>(left)[..n];
            let right = &typed::<$state>(right)[..n];
            for (left, right) in left.iter_mut().zip(right) {
                let ($left, $right) = (*left, *right);
                *left = $merge;
            }
        }

        fn merge_halves(&self, states: &mut States, n: usize) {
            let $self = self;
            let (left, right) = typed_mut::<$state>(states).split_at_mut(n);
            for (left, right) in left.iter_mut().zip(&right[..n]) {
                let ($left, $right) = (*left, *right);
                *left = $merge;
            }
        }

        fn merge_groups(&self, states: &mut States, groups: usize, n: usize) {
            let $self = self;
            let states = &mut typed_mut::<$state>(states)[..groups * n];
            for group in 0..groups {
                let members = &mut states[group * n..][..n];
                let mut left = n;
                while left > 1 {
                    crate::kernel::reduce::simple::merge_pairs(
                        &mut members[..left],
                        |$left, $right| $merge,
                    );
                    left = left.div_ceil(2);
                }
                states[group] = states[group * n];
            }
        }

        fn copy(&self, from: &States, from_at: usize, to: &mut States, to_at: usize, n: usize) {
            let from = &typed::<$state>(from)[from_at..from_at + n];
            typed_mut::<$state>(to)[to_at..to_at + n].copy_from_slice(from);
        }
    };
}
pub(super) use state_methods;

/// What becomes of a state in the end, before it is converted to the type of the result.
///
/// Gets the number of elements that took part, and whether some may have been left out.
pub type Conclude<S> = fn(state: S, count: u64, selects: bool) -> Result<S>;

/// A fold whose states are those of the monoid `M`.
pub struct Simple<M: Monoid> {
    pub monoid: M,
    pub prepare: Prepare,
    /// Whether a mask or `skip_nan` may leave elements out.
    pub selects: bool,
    pub conclude: Conclude<M::State>,
    to_output: TileFn,
    output: DType,
}

impl<M: Monoid<State: Element>> Simple<M> {
    pub fn new(
        monoid: M,
        prepare: Prepare,
        selects: bool,
        conclude: Conclude<M::State>,
        output: DType,
    ) -> Simple<M> {
        // The formulas are the same at all levels, and results are few.
        let to_output = cast(M::State::DTYPE, output, Level::Portable);
        Simple {
            monoid,
            prepare,
            selects,
            conclude,
            to_output,
            output,
        }
    }

    /// Writes concluded states as results.
    ///
    /// # Safety
    /// `out` must be room for the results.
    pub unsafe fn write_results(
        &self,
        states: impl Iterator<Item = Result<M::State>>,
        out: *mut u8,
    ) -> Result<()> {
        for (i, state) in states.enumerate() {
            let state = [state?];
            let out = out.wrapping_add(i * self.output.size());
            // SAFETY: one value in, one value out, for which the caller promised room.
            unsafe { (self.to_output)(1, &[state.as_ptr().cast(); 3], out) };
        }
        Ok(())
    }
}

impl<M: Monoid<State: Element>> Fold for Simple<M> {
    state_methods!(M::State, this => this.monoid.identity(), |left, right| this.monoid.merge(left, right));

    unsafe fn runs(
        &self,
        rows: &Rows,
        ends: &[usize],
        _first: i64,
        states: &mut States,
        at: usize,
        stride: usize,
    ) {
        let states = typed_mut::<M::State>(states);
        // SAFETY: the contract of `Fold::runs`.
        unsafe {
            if self.prepare.is_direct(rows.mask) {
                for r in 0..rows.rows {
                    let states = &mut states[at + r * stride..][..ends.len()];
                    self.prepare.fold_runs(self.monoid, rows, r, ends, states);
                }
                return;
            }
            each_run(rows, ends, self.prepare.dtype(), |r, i, run| {
                states[at + r * stride + i] =
                    self.prepare
                        .fold_run(self.monoid, run.values, run.mask, run.width);
            });
        }
    }

    unsafe fn rows(&self, rows: &Rows, _numbers: Numbers, states: &mut States, at: usize) {
        let states = &mut typed_mut::<M::State>(states)[at..at + rows.width];
        // SAFETY: the contract of `Fold::rows`.
        unsafe { self.prepare.fold_rows(self.monoid, rows, states) };
    }

    fn sums<'a>(&self, states: &'a mut States) -> Option<&'a mut [f64]> {
        self.has_sums().then(|| typed_mut::<f64>(states))
    }

    fn has_sums(&self) -> bool {
        TypeId::of::<M>() == TypeId::of::<SumOf<f64>>() && self.prepare.takes_as_is(DType::F64)
    }

    fn columns<'a>(&self, states: &'a mut States) -> Option<Columns<'a>> {
        if !self.prepare.takes_as_is(DType::F64) {
            return None;
        }
        let monoid = TypeId::of::<M>();
        let kind = if monoid == TypeId::of::<SumOf<f64>>() {
            Columns::Sums
        } else if monoid == TypeId::of::<MinOf<f64>>() {
            Columns::Least
        } else if monoid == TypeId::of::<MaxOf<f64>>() {
            Columns::Greatest
        } else {
            return None;
        };
        Some(kind(typed_mut::<f64>(states)))
    }

    unsafe fn finish(
        &self,
        states: &States,
        at: usize,
        n: usize,
        count: u64,
        out: *mut u8,
    ) -> Result<()> {
        let states = &typed::<M::State>(states)[at..at + n];
        let concluded = states
            .iter()
            .map(|&state| (self.conclude)(state, count, self.selects));
        // SAFETY: the contract of `Fold::finish`.
        unsafe { self.write_results(concluded, out) }
    }

    fn output(&self) -> DType {
        self.output
    }
}
