//! Folds whose states are those of one accumulation, with or without a count.

use std::any::Any as StdAny;
use std::marker::PhantomData;
use std::slice::from_raw_parts;

use super::accumulate::Accumulate;
use super::lanes::{count_run, fold_run};
use super::rows::{Rows, fold_rows};
use super::{Fold, States};
use crate::base::dtype::DType;
use crate::base::element::Element;
use crate::error::Result;
use crate::kernel::level::{Level, level_functions};
use crate::op::scalar::Any;

/// The states as what they are.
#[track_caller]
pub fn typed<S: 'static>(states: &States) -> &[S] {
    let states: &dyn StdAny = &**states;
    states
        .downcast_ref::<Vec<S>>()
        .expect("states of another fold")
}

/// The states as what they are, to be changed.
#[track_caller]
pub fn typed_mut<S: 'static>(states: &mut States) -> &mut [S] {
    let states: &mut dyn StdAny = &mut **states;
    states
        .downcast_mut::<Vec<S>>()
        .expect("states of another fold")
}

/// # Safety
/// `values` must be `n` aligned values; `mask` null or `n` bytes.
#[inline(always)]
pub unsafe fn run_slices<'a, T>(
    values: *const u8,
    mask: *const u8,
    n: usize,
) -> (&'a [T], Option<&'a [u8]>) {
    // SAFETY: the caller's promise.
    unsafe {
        let mask = (!mask.is_null()).then(|| from_raw_parts(mask, n));
        (from_raw_parts(values.cast(), n), mask)
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
            Box::new(vec![$identity; n])
        }

        fn reset(&self, states: &mut States, n: usize) {
            let $self = self;
            typed_mut::<$state>(states)[..n].fill($identity);
        }

        fn merge(
            &self,
            left: &mut States,
            left_at: usize,
            right: &States,
            right_at: usize,
            n: usize,
        ) {
            let $self = self;
            let left = &mut typed_mut::<$state>(left)[left_at..left_at + n];
            let right = &typed::<$state>(right)[right_at..right_at + n];
            for (left, right) in left.iter_mut().zip(right) {
                let ($left, $right) = (*left, *right);
                *left = $merge;
            }
        }

        fn copy(&self, from: &States, from_at: usize, to: &mut States, to_at: usize, n: usize) {
            let from = &typed::<$state>(from)[from_at..from_at + n];
            typed_mut::<$state>(to)[to_at..to_at + n].copy_from_slice(from);
        }
    };
}
pub(super) use state_methods;

/// A fold whose state is that of the accumulation `A`.
pub struct Simple<T, A, const SKIP: bool> {
    acc: A,
    selects: bool,
    level: Level,
    element: PhantomData<fn(T)>,
}

impl<T: Any, A: Accumulate<T>, const SKIP: bool> Simple<T, A, SKIP> {
    pub fn boxed(acc: A, selects: bool, level: Level) -> Box<dyn Fold> {
        Box::new(Simple::<T, A, SKIP> {
            acc,
            selects,
            level,
            element: PhantomData,
        })
    }

    level_functions!(unsafe fn run_portable, run_avx2, run_avx512(
        acc: A, values: &[T], mask: Option<&[u8]>) -> A::State = Self::run_body);
    level_functions!(unsafe fn rows_portable, rows_avx2, rows_avx512(
        acc: A, rows: Rows<'_, T>, states: &mut [A::State]) = Self::rows_body);

    #[inline(always)]
    unsafe fn run_body(acc: A, values: &[T], mask: Option<&[u8]>) -> A::State {
        fold_run::<T, A, SKIP>(acc, values, mask)
    }

    #[inline(always)]
    unsafe fn rows_body(acc: A, rows: Rows<'_, T>, states: &mut [A::State]) {
        fold_rows::<T, A, SKIP>(acc, rows, states);
    }

    /// # Safety
    /// The machine must have the fold's level.
    unsafe fn fold_run(&self, values: &[T], mask: Option<&[u8]>) -> A::State {
        // SAFETY: the caller's promise.
        unsafe {
            match self.level {
                Level::Portable => Self::run_portable(self.acc, values, mask),
                Level::Avx2 => Self::run_avx2(self.acc, values, mask),
                Level::Avx512 => Self::run_avx512(self.acc, values, mask),
            }
        }
    }
}

impl<T: Any, A: Accumulate<T>, const SKIP: bool> Fold for Simple<T, A, SKIP> {
    state_methods!(A::State, this => this.acc.identity(), |left, right| this.acc.merge(left, right));

    fn two_pass(&self) -> bool {
        false
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
        unsafe {
            let (values, mask) = run_slices::<T>(values, mask, n);
            typed_mut::<A::State>(states)[at] = self.fold_run(values, mask);
        }
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
        let states = &mut typed_mut::<A::State>(states)[..width];
        // SAFETY: the contract of `Fold::rows`.
        unsafe {
            let rows = Rows::new(values, row_stride, mask, mask_stride, rows, width);
            match self.level {
                Level::Portable => Self::rows_portable(self.acc, rows, states),
                Level::Avx2 => Self::rows_avx2(self.acc, rows, states),
                Level::Avx512 => Self::rows_avx512(self.acc, rows, states),
            }
        }
    }

    unsafe fn finish(
        &self,
        states: &States,
        at: usize,
        n: usize,
        count: u64,
        out: *mut u8,
    ) -> Result<()> {
        for (i, &state) in typed::<A::State>(states)[at..at + n].iter().enumerate() {
            let result = self.acc.finish(state, count, self.selects)?;
            // SAFETY: the caller promises room for `n` results.
            unsafe { out.cast::<A::Output>().add(i).write(result) };
        }
        Ok(())
    }

    fn output(&self) -> DType {
        A::Output::DTYPE
    }
}

/// A fold that counts which elements took part, beside the accumulation `A`.
pub struct Counted<T, A, const SKIP: bool> {
    acc: A,
    level: Level,
    element: PhantomData<fn(T)>,
}

impl<T: Any, A: Accumulate<T>, const SKIP: bool> Counted<T, A, SKIP> {
    pub fn boxed(acc: A, level: Level) -> Box<dyn Fold> {
        Box::new(Counted::<T, A, SKIP> {
            acc,
            level,
            element: PhantomData,
        })
    }

    level_functions!(unsafe fn run_portable, run_avx2, run_avx512(
        acc: A, values: &[T], mask: Option<&[u8]>) -> (A::State, u64) = Self::run_body);
    level_functions!(unsafe fn rows_portable, rows_avx2, rows_avx512(
        acc: A, rows: Rows<'_, T>, states: &mut [(A::State, u64)]) = Self::rows_body);

    // Two passes over the run, which is in cache: the lanes of each become vectors.
    #[inline(always)]
    unsafe fn run_body(acc: A, values: &[T], mask: Option<&[u8]>) -> (A::State, u64) {
        (
            fold_run::<T, A, SKIP>(acc, values, mask),
            count_run::<T, SKIP>(values, mask),
        )
    }

    #[inline(always)]
    unsafe fn rows_body(acc: A, rows: Rows<'_, T>, states: &mut [(A::State, u64)]) {
        fold_rows::<T, Counting<A>, SKIP>(Counting(acc), rows, states);
    }
}

/// An accumulation and a count side by side.
#[derive(Clone, Copy)]
struct Counting<A>(A);

impl<T, A: Accumulate<T>> Accumulate<T> for Counting<A> {
    type State = (A::State, u64);
    type Output = A::Output;

    #[inline(always)]
    fn identity(self) -> Self::State {
        (self.0.identity(), 0)
    }
    #[inline(always)]
    fn step(self, (state, count): Self::State, value: T) -> Self::State {
        (self.0.step(state, value), count + 1)
    }
    #[inline(always)]
    fn merge(self, left: Self::State, right: Self::State) -> Self::State {
        (self.0.merge(left.0, right.0), left.1 + right.1)
    }
    #[inline(always)]
    fn finish(self, (state, count): Self::State, _all: u64, selected: bool) -> Result<A::Output> {
        self.0.finish(state, count, selected)
    }
}

impl<T: Any, A: Accumulate<T>, const SKIP: bool> Fold for Counted<T, A, SKIP> {
    state_methods!((A::State, u64), this => Counting(this.acc).identity(),
        |left, right| Counting(this.acc).merge(left, right));

    fn two_pass(&self) -> bool {
        false
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
        typed_mut::<(A::State, u64)>(states)[at] = unsafe {
            let (values, mask) = run_slices::<T>(values, mask, n);
            match self.level {
                Level::Portable => Self::run_portable(self.acc, values, mask),
                Level::Avx2 => Self::run_avx2(self.acc, values, mask),
                Level::Avx512 => Self::run_avx512(self.acc, values, mask),
            }
        };
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
        let states = &mut typed_mut::<(A::State, u64)>(states)[..width];
        // SAFETY: the contract of `Fold::rows`.
        unsafe {
            let rows = Rows::new(values, row_stride, mask, mask_stride, rows, width);
            match self.level {
                Level::Portable => Self::rows_portable(self.acc, rows, states),
                Level::Avx2 => Self::rows_avx2(self.acc, rows, states),
                Level::Avx512 => Self::rows_avx512(self.acc, rows, states),
            }
        }
    }

    unsafe fn finish(
        &self,
        states: &States,
        at: usize,
        n: usize,
        count: u64,
        out: *mut u8,
    ) -> Result<()> {
        let states = &typed::<(A::State, u64)>(states)[at..at + n];
        for (i, &state) in states.iter().enumerate() {
            let result = Counting(self.acc).finish(state, count, true)?;
            // SAFETY: the caller promises room for `n` results.
            unsafe { out.cast::<A::Output>().add(i).write(result) };
        }
        Ok(())
    }

    fn output(&self) -> DType {
        A::Output::DTYPE
    }
}
