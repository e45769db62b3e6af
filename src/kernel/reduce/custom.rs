//! Folds of the reducers that users write.

use std::marker::PhantomData;
use std::slice::from_raw_parts;
use std::sync::Arc;

use super::prepare::Rows;
use super::simple::{typed, typed_mut};
use super::{Fold, States};
use crate::base::dtype::DType;
use crate::base::element::Element;
use crate::error::Result;
use crate::op::reducer::Reducer;

/// The fold of a user's reducer. A run is folded in order, in one lane.
pub fn custom<T: Element, R: Reducer<T>>(reducer: Arc<R>) -> Box<dyn Fold> {
    Box::new(Custom::<T, R> {
        reducer,
        element: PhantomData,
    })
}

struct Custom<T, R> {
    reducer: Arc<R>,
    element: PhantomData<fn(T)>,
}

impl<T: Element, R: Reducer<T>> Fold for Custom<T, R> {
    fn state_bytes(&self) -> usize {
        size_of::<R::State>()
    }

    fn two_pass(&self) -> bool {
        false
    }

    fn states(&self, n: usize) -> States {
        let states: Vec<R::State> = (0..n).map(|_| self.reducer.identity()).collect();
        Box::new(states)
    }

    fn reset(&self, states: &mut States, n: usize) {
        for state in &mut typed_mut::<R::State>(states)[..n] {
            *state = self.reducer.identity();
        }
    }

    unsafe fn run(
        &self,
        values: *const u8,
        mask: *const u8,
        n: usize,
        _first: i64,
        states: &mut States,
        at: usize,
    ) {
        // SAFETY: the contract of `Fold::run`.
        let (values, mask) = unsafe {
            let mask = (!mask.is_null()).then(|| from_raw_parts(mask, n));
            (from_raw_parts(values.cast::<T>(), n), mask)
        };
        let mut state = self.reducer.identity();
        match mask {
            None => self.reducer.step_many(&mut state, values),
            Some(mask) => {
                for (&value, _) in values.iter().zip(mask).filter(|(_, mask)| **mask != 0) {
                    self.reducer.step(&mut state, value);
                }
            }
        }
        typed_mut::<R::State>(states)[at] = state;
    }

    unsafe fn rows(
        &self,
        values: *const u8,
        row_stride: isize,
        mask: *const u8,
        mask_stride: isize,
        rows: usize,
        width: usize,
        _first: i64,
        _step: i64,
        states: &mut States,
    ) {
        let states = &mut typed_mut::<R::State>(states)[..width];
        let all = Rows {
            values,
            stride: row_stride,
            mask,
            mask_stride,
            rows,
        };
        for r in 0..rows {
            let mask = all.mask(r, 0);
            // SAFETY: the contract of `Fold::rows`.
            let (row, mask) = unsafe {
                let mask = (!mask.is_null()).then(|| from_raw_parts(mask, width));
                (
                    from_raw_parts(all.values(r, 0, T::DTYPE).cast::<T>(), width),
                    mask,
                )
            };
            for (i, (state, &value)) in states.iter_mut().zip(row).enumerate() {
                if mask.is_none_or(|mask| mask[i] != 0) {
                    self.reducer.step(state, value);
                }
            }
        }
    }

    fn merge(&self, left: &mut States, left_at: usize, right: &States, right_at: usize, n: usize) {
        let left = &mut typed_mut::<R::State>(left)[left_at..left_at + n];
        let right = &typed::<R::State>(right)[right_at..right_at + n];
        for (left, right) in left.iter_mut().zip(right) {
            self.reducer.merge(left, right);
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

    fn output(&self) -> DType {
        R::Output::DTYPE
    }
}
