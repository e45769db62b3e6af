//! Variance and standard deviation: two passes over each piece, pieces merged by Chan's formula.

use std::marker::PhantomData;

use super::accumulate::{Accumulate, Mean, MeanState, Reducible, SumState};
use super::lanes::{count_run, fold_run, keeps};
use super::rows::{Rows, fold_rows};
use super::simple::{run_slices, state_methods, typed, typed_mut};
use super::{Fold, States};
use crate::base::dtype::DType;
use crate::base::element::Element;
use crate::error::Result;
use crate::kernel::level::{Level, level_functions};
use crate::op::scalar::Arith;
use crate::op::scalar::cast::CastTo;

/// Columns of a row piece that are folded together: 128 rows of them stay in the second-level cache
/// between the two passes.
const COLUMNS: usize = 256;

/// How many values there were, their mean, and the sum of the squares of their deviations from it.
#[derive(Clone, Copy)]
struct Moments<M> {
    n: f64,
    mean: M,
    m2: f64,
}

impl<M: MeanState> Moments<M> {
    const NONE: Moments<M> = Moments {
        n: 0.0,
        mean: M::ZERO,
        m2: 0.0,
    };

    /// Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample
    /// variances" (1979).
    fn merge(left: Moments<M>, right: Moments<M>) -> Moments<M> {
        if right.n == 0.0 {
            return left;
        }
        if left.n == 0.0 {
            return right;
        }
        let n = left.n + right.n;
        let delta = right.mean.subtract(left.mean);
        let mean = left.mean.add(delta.times(right.n / n));
        let m2 = left.m2 + right.m2 + delta.norm_square() * (left.n * right.n / n);
        Moments { n, mean, m2 }
    }
}

/// The sum of the squares of the deviations from a mean.
#[derive(Clone, Copy)]
struct Deviation<M>(M);

impl<T: Reducible> Accumulate<T> for Deviation<T::Mean64> {
    type State = f64;
    type Output = f64;

    #[inline(always)]
    fn identity(self) -> f64 {
        0.0
    }
    #[inline(always)]
    fn step(self, m2: f64, value: T) -> f64 {
        m2 + CastTo::<T::Mean64>::cast(value)
            .subtract(self.0)
            .norm_square()
    }
    #[inline(always)]
    fn merge(self, left: f64, right: f64) -> f64 {
        left + right
    }
    #[inline(always)]
    fn finish(self, m2: f64, _count: u64, _selected: bool) -> Result<f64> {
        Ok(m2)
    }
}

/// The variance, or its root.
pub struct Variance<T, const SKIP: bool> {
    ddof: f64,
    root: bool,
    level: Level,
    element: PhantomData<fn(T)>,
}

impl<T: Reducible, const SKIP: bool> Variance<T, SKIP> {
    pub fn boxed(ddof: f64, root: bool, level: Level) -> Box<dyn Fold> {
        Box::new(Variance::<T, SKIP> {
            ddof,
            root,
            level,
            element: PhantomData,
        })
    }

    level_functions!(unsafe fn run_portable, run_avx2, run_avx512(
        values: &[T], mask: Option<&[u8]>) -> Moments<T::Mean64> = Self::run_body);
    level_functions!(unsafe fn rows_portable, rows_avx2, rows_avx512(
        rows: Rows<'_, T>, states: &mut [Moments<T::Mean64>]) = Self::rows_body);

    #[inline(always)]
    unsafe fn run_body(values: &[T], mask: Option<&[u8]>) -> Moments<T::Mean64> {
        let n = count_run::<T, SKIP>(values, mask) as f64;
        if n == 0.0 {
            return Moments::NONE;
        }
        let mean = fold_run::<T, Mean, SKIP>(Mean, values, mask).over(n);
        let m2 = fold_run::<T, Deviation<T::Mean64>, SKIP>(Deviation(mean), values, mask);
        Moments { n, mean, m2 }
    }

    #[inline(always)]
    unsafe fn rows_body(rows: Rows<'_, T>, states: &mut [Moments<T::Mean64>]) {
        let mut start = 0;
        while start < states.len() {
            let width = COLUMNS.min(states.len() - start);
            let columns = rows.columns(start, width);
            Self::fold_columns(columns, &mut states[start..start + width]);
            start += width;
        }
    }

    #[inline(always)]
    fn fold_columns(rows: Rows<'_, T>, states: &mut [Moments<T::Mean64>]) {
        let width = rows.width;
        let mut counts = [rows.rows as f64; COLUMNS];
        let counts = &mut counts[..width];
        if SKIP || rows.is_masked() {
            counts.fill(0.0);
            for r in 0..rows.rows {
                count_row::<T, SKIP>(rows.row(r), rows.mask_row(r), counts);
            }
        }
        let mut means = [T::Mean64::NOTHING; COLUMNS];
        let means = &mut means[..width];
        fold_rows::<T, Mean, SKIP>(Mean, rows, means);
        for (mean, &n) in means.iter_mut().zip(counts.iter()) {
            *mean = if n == 0.0 {
                T::Mean64::ZERO
            } else {
                mean.over(n)
            };
        }
        let mut m2 = [0.0; COLUMNS];
        let m2 = &mut m2[..width];
        for r in 0..rows.rows {
            deviate_row::<T, SKIP>(rows.row(r), rows.mask_row(r), means, m2);
        }
        for (i, state) in states.iter_mut().enumerate() {
            *state = Moments {
                n: counts[i],
                mean: means[i],
                m2: m2[i],
            };
        }
    }

    fn result(&self, moments: Moments<T::Mean64>) -> T::Part {
        let variance = if moments.n == 0.0 {
            f64::NAN
        } else {
            // As NumPy: with no degrees of freedom left, a division by 0.
            moments.m2 / (moments.n - self.ddof).max(0.0)
        };
        T::part(if self.root { variance.sqrt() } else { variance })
    }
}

#[inline(always)]
fn count_row<T: Reducible, const SKIP: bool>(row: &[T], mask: Option<&[u8]>, counts: &mut [f64]) {
    for (i, count) in counts.iter_mut().enumerate() {
        let keep = keeps::<T, SKIP>(row[i]) & mask.is_none_or(|mask| mask[i] != 0);
        *count += keep as u8 as f64;
    }
}

#[inline(always)]
fn deviate_row<T: Reducible, const SKIP: bool>(
    row: &[T],
    mask: Option<&[u8]>,
    means: &[T::Mean64],
    m2: &mut [f64],
) {
    let (row, means) = (&row[..m2.len()], &means[..m2.len()]);
    match mask {
        None => {
            for i in 0..m2.len() {
                let square = CastTo::<T::Mean64>::cast(row[i])
                    .subtract(means[i])
                    .norm_square();
                let stepped = m2[i] + square;
                m2[i] = if keeps::<T, SKIP>(row[i]) {
                    stepped
                } else {
                    m2[i]
                };
            }
        }
        Some(mask) => {
            let mask = &mask[..m2.len()];
            for i in 0..m2.len() {
                let square = CastTo::<T::Mean64>::cast(row[i])
                    .subtract(means[i])
                    .norm_square();
                let keep = (mask[i] != 0) & keeps::<T, SKIP>(row[i]);
                let stepped = m2[i] + square;
                m2[i] = if keep { stepped } else { m2[i] };
            }
        }
    }
}

impl<T: Reducible, const SKIP: bool> Fold for Variance<T, SKIP> {
    state_methods!(Moments<T::Mean64>, _this => Moments::<T::Mean64>::NONE, |left, right| Moments::merge(left, right));

    fn two_pass(&self) -> bool {
        true
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
        typed_mut::<Moments<T::Mean64>>(states)[at] = unsafe {
            let (values, mask) = run_slices::<T>(values, mask, n);
            match self.level {
                Level::Portable => Self::run_portable(values, mask),
                Level::Avx2 => Self::run_avx2(values, mask),
                Level::Avx512 => Self::run_avx512(values, mask),
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
        let states = &mut typed_mut::<Moments<T::Mean64>>(states)[..width];
        // SAFETY: the contract of `Fold::rows`.
        unsafe {
            let rows = Rows::new(values, row_stride, mask, mask_stride, rows, width);
            match self.level {
                Level::Portable => Self::rows_portable(rows, states),
                Level::Avx2 => Self::rows_avx2(rows, states),
                Level::Avx512 => Self::rows_avx512(rows, states),
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
        let states = &typed::<Moments<T::Mean64>>(states)[at..at + n];
        for (i, &moments) in states.iter().enumerate() {
            // SAFETY: the caller promises room for `n` results.
            unsafe { out.cast::<T::Part>().add(i).write(self.result(moments)) };
        }
        Ok(())
    }

    fn output(&self) -> DType {
        <T::Part as Element>::DTYPE
    }
}
