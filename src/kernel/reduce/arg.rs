//! Where the smallest or largest element is.

use std::marker::PhantomData;
use std::slice::from_raw_parts;
use std::sync::Arc;

use super::monoid::{Extremes, MaxOf, MinOf, NanMaxOf, NanMinOf};
use super::prepare::{Prepare, each_run};
use super::simple::{Held, nothing, state_methods, typed, typed_mut};
use super::{Fold, Numbers, Rows, States};
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
    prepare: Prepare,
    level: Level,
    element: PhantomData<fn(T)>,
}

impl<T: Extremes, const LARGEST: bool, const SKIP: bool> Arg<T, LARGEST, SKIP> {
    pub fn shared(level: Level) -> Arc<dyn Fold> {
        let neutral = match (SKIP, LARGEST) {
            (true, _) => T::UNKNOWN,
            (false, true) => T::LOWEST,
            (false, false) => T::HIGHEST,
        };
        Arc::new(Arg::<T, LARGEST, SKIP> {
            prepare: Prepare::new(T::DTYPE, level).neutralize(neutral),
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

    level_functions!(unsafe fn row_portable, row_avx2, row_avx512(
        row: &[T], mask: Option<&[u8]>, index: i64, places: &mut [Place<T>]) = Self::row_body);

    /// Where the best value of a run is.
    ///
    /// # Safety
    /// `values` must be `n` values, `mask` null or `n` bytes.
    unsafe fn find(&self, values: *const u8, mask: *const u8, n: usize) -> Option<(usize, T)> {
        // First the best value, then the first place that has it: both loops become vectors, which a
        // loop that carries an index does not.
        // SAFETY: the contract of `Fold::run`.
        let best: T = unsafe {
            let prepare = &self.prepare;
            match (LARGEST, SKIP) {
                (false, false) => prepare.fold_run(MinOf::new(), values, mask, n),
                (true, false) => prepare.fold_run(MaxOf::new(), values, mask, n),
                (false, true) => prepare.fold_run(NanMinOf::new(), values, mask, n),
                (true, true) => prepare.fold_run(NanMaxOf::new(), values, mask, n),
            }
        };
        // SAFETY: the contract of `Fold::run`.
        let (values, mask) = unsafe {
            let mask = (!mask.is_null()).then(|| from_raw_parts(mask, n));
            (from_raw_parts(values.cast::<T>(), n), mask)
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
                    return Some((at, value));
                }
            }
        }
        None
    }

    #[inline(always)]
    unsafe fn row_body(row: &[T], mask: Option<&[u8]>, index: i64, places: &mut [Place<T>]) {
        let n = places.len();
        let row = &row[..n];
        match mask {
            None => {
                for i in 0..n {
                    places[i] = Self::step(places[i], row[i], index, true);
                }
            }
            Some(mask) => {
                let mask = &mask[..n];
                for i in 0..n {
                    places[i] = Self::step(places[i], row[i], index, mask[i] != 0);
                }
            }
        }
    }

    #[inline(always)]
    fn step(place: Place<T>, value: T, index: i64, keep: bool) -> Place<T> {
        let keep = keep & !(SKIP & value.isnan());
        let better = keep & ((place.index < 0) | Self::beats(value, place.value));
        if better {
            Place { value, index }
        } else {
            place
        }
    }
}

impl<T: Extremes, const LARGEST: bool, const SKIP: bool> Fold for Arg<T, LARGEST, SKIP> {
    state_methods!(Place<T>, _this => Self::NONE, |left, right| Self::merge_places(left, right));

    unsafe fn runs(
        &self,
        rows: &Rows,
        ends: &[usize],
        first: i64,
        states: &mut States,
        at: usize,
        stride: usize,
    ) {
        let states = typed_mut::<Place<T>>(states);
        // SAFETY: the contract of `Fold::runs`.
        unsafe {
            each_run(rows, ends, T::DTYPE, |r, i, run| {
                let start = ends[i] - run.width;
                states[at + r * stride + i] = match self.find(run.values, run.mask, run.width) {
                    Some((i, value)) => Place {
                        value,
                        index: first + (start + i) as i64,
                    },
                    None => Self::NONE,
                };
            });
        }
    }

    unsafe fn rows(&self, rows: &Rows, numbers: Numbers, states: &mut States, at: usize) {
        let places = &mut typed_mut::<Place<T>>(states)[at..at + rows.width];
        for r in 0..rows.rows {
            for (lane, places) in places.chunks_mut(numbers.lane).enumerate() {
                let index = numbers.first + r as i64 * numbers.step + lane as i64;
                let column = lane * numbers.lane;
                let mask = rows.mask(r, column);
                // SAFETY: the contract of `Fold::rows`.
                unsafe {
                    let row = rows.values(r, column, T::DTYPE).cast::<T>();
                    let row = from_raw_parts(row, places.len());
                    let mask = (!mask.is_null()).then(|| from_raw_parts(mask, places.len()));
                    match self.level {
                        Level::Portable => Self::row_portable(row, mask, index, places),
                        Level::Avx2 => Self::row_avx2(row, mask, index, places),
                        Level::Avx512 => Self::row_avx512(row, mask, index, places),
                    }
                }
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
