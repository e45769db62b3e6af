//! Where the smallest or largest element is.

use std::marker::PhantomData;

use super::accumulate::{Extremes, Max, Min, NanMax, NanMin, nothing};
use super::lanes::{fold_run, keeps};
use super::rows::Rows;
use super::simple::{run_slices, state_methods, typed, typed_mut};
use super::{Fold, States};
use crate::base::dtype::DType;
use crate::error::Result;
use crate::kernel::level::{Level, level_functions};

/// The best value so far and where it first stood.
#[derive(Clone, Copy)]
struct Place<T> {
    value: T,
    /// Negative while there is none.
    index: i64,
}

/// The flat index of the first largest (`LARGEST`) or smallest element. NaN is larger and smaller
/// than anything, unless it is skipped.
pub struct Arg<T, const LARGEST: bool, const SKIP: bool> {
    level: Level,
    element: PhantomData<fn(T)>,
}

impl<T: Extremes, const LARGEST: bool, const SKIP: bool> Arg<T, LARGEST, SKIP> {
    pub fn boxed(level: Level) -> Box<dyn Fold> {
        Box::new(Arg::<T, LARGEST, SKIP> {
            level,
            element: PhantomData,
        })
    }

    const NONE: Place<T> = Place {
        value: T::UNKNOWN,
        index: -1,
    };

    /// Whether a value is better than another, and not only as good.
    #[inline(always)]
    fn beats(value: T, other: T) -> bool {
        let beats = if LARGEST {
            value > other
        } else {
            value < other
        };
        beats | (value.isnan() & !other.isnan())
    }

    fn merge_places(left: Place<T>, right: Place<T>) -> Place<T> {
        if right.index < 0 {
            left
        } else if left.index < 0 || Self::beats(right.value, left.value) {
            right
        } else if Self::beats(left.value, right.value) || left.index <= right.index {
            left
        } else {
            right
        }
    }

    level_functions!(unsafe fn run_portable, run_avx2, run_avx512(
        values: &[T], mask: Option<&[u8]>) -> Option<usize> = Self::run_body);
    level_functions!(unsafe fn rows_portable, rows_avx2, rows_avx512(
        rows: Rows<'_, T>, first: i64, step: i64, places: &mut [Place<T>]) = Self::rows_body);

    // First the best value, then the first place that has it: both loops become vectors, which a
    // loop that carries an index does not.
    #[inline(always)]
    unsafe fn run_body(values: &[T], mask: Option<&[u8]>) -> Option<usize> {
        let best = match (LARGEST, SKIP) {
            (false, false) => fold_run::<T, Min, false>(Min, values, mask),
            (true, false) => fold_run::<T, Max, false>(Max, values, mask),
            (false, true) => fold_run::<T, NanMin, false>(NanMin, values, mask),
            (true, true) => fold_run::<T, NanMax, false>(NanMax, values, mask),
        };
        const CHUNK: usize = 64;
        let is_best = |value: T| (value == best) | (value.isnan() & best.isnan() & !SKIP);
        for (c, chunk) in values.chunks(CHUNK).enumerate() {
            let mut found = false;
            for &value in chunk {
                found |= is_best(value);
            }
            if !found {
                continue;
            }
            for (j, &value) in chunk.iter().enumerate() {
                let at = c * CHUNK + j;
                if is_best(value) && mask.is_none_or(|mask| mask[at] != 0) {
                    return Some(at);
                }
            }
        }
        None
    }

    #[inline(always)]
    unsafe fn rows_body(rows: Rows<'_, T>, first: i64, step: i64, places: &mut [Place<T>]) {
        for r in 0..rows.rows {
            let (row, index) = (rows.row(r), first + r as i64 * step);
            let row = &row[..places.len()];
            let mask = rows.mask_row(r);
            for i in 0..places.len() {
                let (value, place) = (row[i], places[i]);
                let keep = keeps::<T, SKIP>(value) & mask.is_none_or(|mask| mask[i] != 0);
                let better = keep & ((place.index < 0) | Self::beats(value, place.value));
                places[i] = if better {
                    Place { value, index }
                } else {
                    place
                };
            }
        }
    }
}

impl<T: Extremes, const LARGEST: bool, const SKIP: bool> Fold for Arg<T, LARGEST, SKIP> {
    state_methods!(Place<T>, _this => Self::NONE, |left, right| Self::merge_places(left, right));

    fn two_pass(&self) -> bool {
        false
    }

    unsafe fn run(
        &self,
        values: *const u8,
        mask: *const u8,
        n: usize,
        first: i64,
        states: &mut States,
        at: usize,
    ) {
        // SAFETY: the contract of `Fold::run`.
        let (values, found) = unsafe {
            let (values, mask) = run_slices::<T>(values, mask, n);
            let found = match self.level {
                Level::Portable => Self::run_portable(values, mask),
                Level::Avx2 => Self::run_avx2(values, mask),
                Level::Avx512 => Self::run_avx512(values, mask),
            };
            (values, found)
        };
        typed_mut::<Place<T>>(states)[at] = match found {
            Some(found) => Place {
                value: values[found],
                index: first + found as i64,
            },
            None => Self::NONE,
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
        first: i64,
        step: i64,
        states: &mut States,
    ) {
        let places = &mut typed_mut::<Place<T>>(states)[..width];
        // SAFETY: the contract of `Fold::rows`.
        unsafe {
            let rows = Rows::new(values, row_stride, mask, mask_stride, rows, width);
            match self.level {
                Level::Portable => Self::rows_portable(rows, first, step, places),
                Level::Avx2 => Self::rows_avx2(rows, first, step, places),
                Level::Avx512 => Self::rows_avx512(rows, first, step, places),
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
        for (i, place) in typed::<Place<T>>(states)[at..at + n].iter().enumerate() {
            if place.index < 0 {
                return Err(nothing(if LARGEST { "argmax" } else { "argmin" }));
            }
            // SAFETY: the caller promises room for `n` results.
            unsafe { out.cast::<i64>().add(i).write(place.index) };
        }
        Ok(())
    }

    fn output(&self) -> DType {
        DType::I64
    }
}
