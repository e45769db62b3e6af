//! Folds of the reducers that users write.

use std::marker::PhantomData;
use std::slice::from_raw_parts;
use std::sync::Arc;

use super::prepare::each_run;
use super::simple::{Held, typed, typed_mut};
use super::{Fold, Numbers, Rows, States};
use crate::base::dtype::DType;
use crate::base::element::Element;
use crate::error::Result;
use crate::op::reducer::Reducer;

/// The fold of a user's reducer. A run is folded in order, in one lane.
pub fn custom<T: Element, R: Reducer<T>>(reducer: Arc<R>) -> Arc<dyn Fold> {
    Arc::new(Custom::<T, R> {
        reducer,
        element: PhantomData,
    })
}

struct Custom<T, R> {
    reducer: Arc<R>,
    element: PhantomData<fn(T)>,
}

impl<T: Element, R: Reducer<T>> Custom<T, R> {
    /// The state of a single row.
    ///
    /// # Safety
    /// As for [`Fold::runs`].
    unsafe fn fold_run(&self, run: &Rows) -> R::State {
        // SAFETY: the caller's promise.
        let (values, mask) = unsafe { self.row(run, 0) };
        let mut state = self.reducer.identity();
        match mask {
            None => self.reducer.step_many(&mut state, values),
            Some(mask) => {
                for (&value, _) in values.iter().zip(mask).filter(|(_, mask)| **mask != 0) {
                    self.reducer.step(&mut state, value);
                }
            }
        }
        state
    }

    /// The values and the mask of a row.
    ///
    /// # Safety
    /// As for [`Fold::rows`].
    unsafe fn row<'a>(&self, rows: &Rows, r: usize) -> (&'a [T], Option<&'a [u8]>) {
        let mask = rows.mask(r, 0);
        // SAFETY: the caller's promise.
        unsafe {
            let mask = (!mask.is_null()).then(|| from_raw_parts(mask, rows.width));
            let values = rows.values(r, 0, T::DTYPE).cast::<T>();
            (from_raw_parts(values, rows.width), mask)
        }
    }

    fn merge_all(&self, left: &mut [R::State], right: &[R::State]) {
        for (left, right) in left.iter_mut().zip(right) {
            self.reducer.merge(left, right);
        }
    }
}

impl<T: Element, R: Reducer<T>> Fold for Custom<T, R> {
    fn state_bytes(&self) -> usize {
        size_of::<R::State>()
    }

    fn is_sequential(&self) -> bool {
        true
    }

    fn states(&self, n: usize) -> States {
        let states: Held<R::State> = (0..n).map(|_| self.reducer.identity()).collect();
        Box::new(states)
    }

    fn reset(&self, states: &mut States, n: usize) {
        for state in &mut typed_mut::<R::State>(states)[..n] {
            *state = self.reducer.identity();
        }
    }

    unsafe fn runs(
        &self,
        rows: &Rows,
        ends: &[usize],
        _first: i64,
        states: &mut States,
        at: usize,
        stride: usize,
    ) {
        let states = typed_mut::<R::State>(states);
        // SAFETY: the contract of `Fold::runs`.
        unsafe {
            each_run(rows, ends, T::DTYPE, |r, i, run| {
                states[at + r * stride + i] = self.fold_run(run);
            });
        }
    }

    unsafe fn rows(&self, rows: &Rows, _numbers: Numbers, states: &mut States, at: usize) {
        let states = &mut typed_mut::<R::State>(states)[at..at + rows.width];
        for r in 0..rows.rows {
            // SAFETY: the contract of `Fold::rows`.
            let (row, mask) = unsafe { self.row(rows, r) };
            for (i, (state, &value)) in states.iter_mut().zip(row).enumerate() {
                if mask.is_none_or(|mask| mask[i] != 0) {
                    self.reducer.step(state, value);
                }
            }
        }
    }

    fn merge(&self, left: &mut States, right: &mut States, n: usize) {
        let left = &mut typed_mut::<R::State>(left)[..n];
        self.merge_all(left, &typed::<R::State>(right)[..n]);
    }

    fn merge_halves(&self, states: &mut States, n: usize) {
        let (left, right) = typed_mut::<R::State>(states).split_at_mut(n);
        self.merge_all(left, &right[..n]);
    }

    fn merge_groups(&self, states: &mut States, groups: usize, n: usize) {
        let states = &mut typed_mut::<R::State>(states)[..groups * n];
        for group in 0..groups {
            let members = &mut states[group * n..][..n];
            let mut apart = 1;
            while apart < n {
                for i in (0..n - apart).step_by(2 * apart) {
                    let (left, right) = members.split_at_mut(i + apart);
                    self.reducer.merge(&mut left[i], &right[0]);
                }
                apart *= 2;
            }
            states.swap(group, group * n);
        }
    }

    fn copy(&self, from: &States, from_at: usize, to: &mut States, to_at: usize, n: usize) {
        let from = &typed::<R::State>(from)[from_at..from_at + n];
        typed_mut::<R::State>(to)[to_at..to_at + n].clone_from_slice(from);
    }

    unsafe fn finish(
        &self,
        states: &States,
        at: usize,
        n: usize,
        _count: u64,
        out: *mut u8,
    ) -> Result<()> {
        for (i, state) in typed::<R::State>(states)[at..at + n].iter().enumerate() {
            // SAFETY: the caller promises room for `n` results.
            unsafe {
                out.cast::<R::Output>()
                    .add(i)
                    .write(self.reducer.finish(state))
            };
        }
        Ok(())
    }

    fn is_users(&self) -> bool {
        true
    }

    fn output(&self) -> DType {
        R::Output::DTYPE
    }
}
