//! Several folds over the same rows of `float64` values: each value is loaded once for all of them.
//!
//! Some rows' registers of a column are loaded, and one fold after the other takes them into its states.

// Registers are indexed alike.
#![allow(clippy::needless_range_loop)]

use super::lanes::PASS;
use crate::kernel::chain::Registers;
use crate::kernel::lanes::Few;
use crate::kernel::level::Level;
use crate::kernel::prefetch::prefetch;
use crate::op::fold::{Columns, Rows};
use crate::op::scalar::Ordered;

/// Values of a cache line.
const LINE: usize = 8;

/// Folds rows of `float64` values, of which all take part, into the states that begin at a column: at most one
/// of each kind.
///
/// # Safety
/// The rows must hold the values; there must be states for all columns; the machine must have the level that
/// the function was asked for.
pub type TogetherFn = unsafe fn(rows: &Rows, states: &mut [Columns<'_>], column: usize);

/// The function of a level. Without wide registers it would not pay.
pub fn together(level: Level) -> Option<TogetherFn> {
    Some(match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => x86::avx2,
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => x86::avx512,
        _ => return None,
    })
}

/// Registers whose smaller and larger values can be found.
trait Extremes: Registers<Item = f64> {
    /// [`Ordered::minimum`] of each lane.
    fn minimum(self, other: Self) -> Self;
    /// [`Ordered::maximum`] of each lane.
    fn maximum(self, other: Self) -> Self;
    /// The smaller, of numbers that differ.
    fn smaller(self, other: Self) -> Self;
    /// The larger, of numbers that differ.
    fn larger(self, other: Self) -> Self;
    /// Ones where one of both is NaN.
    fn unordered(self, other: Self) -> Self;
    /// Ones where both are the same number.
    fn equal(self, other: Self) -> Self;
    fn or(self, other: Self) -> Self;
    /// Whether there are ones.
    fn any(self) -> bool;
}

impl Extremes for Few<f64, 1> {
    #[inline(always)]
    fn minimum(self, other: Self) -> Self {
        Few([Ordered::minimum(self.0[0], other.0[0])])
    }
    #[inline(always)]
    fn maximum(self, other: Self) -> Self {
        Few([Ordered::maximum(self.0[0], other.0[0])])
    }
    #[inline(always)]
    fn smaller(self, other: Self) -> Self {
        self.minimum(other)
    }
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        self.maximum(other)
    }
    #[inline(always)]
    fn unordered(self, _: Self) -> Self {
        Few([0.0])
    }
    #[inline(always)]
    fn equal(self, _: Self) -> Self {
        Few([0.0])
    }
    #[inline(always)]
    fn or(self, _: Self) -> Self {
        self
    }
    #[inline(always)]
    fn any(self) -> bool {
        // The smaller and the larger are exact.
        false
    }
}

/// Where the states of the first column are; null of what is not folded.
struct States {
    sums: *mut f64,
    least: *mut f64,
    greatest: *mut f64,
    centers: *const f64,
    deviations: *mut f64,
    squares: *mut f64,
}

impl States {
    /// The states from a column on, which become `n` columns with so many rows more, of which the first is given.
    fn from(columns: &mut [Columns<'_>], at: usize, first: &[f64], rows: usize) -> States {
        let n = first.len();
        let null = std::ptr::null_mut;
        let mut states = States {
            sums: null(),
            least: null(),
            greatest: null(),
            centers: null(),
            deviations: null(),
            squares: null(),
        };
        for columns in columns {
            match columns {
                Columns::Sums(sums) => states.sums = sums[at..at + n].as_mut_ptr(),
                Columns::Least(least) => states.least = least[at..at + n].as_mut_ptr(),
                Columns::Greatest(greatest) => states.greatest = greatest[at..at + n].as_mut_ptr(),
                Columns::Deviations {
                    counts,
                    centers,
                    sums,
                    squares,
                } => {
                    let (counts, centers) = (&mut counts[at..at + n], &mut centers[at..at + n]);
                    if counts[0] == 0.0 {
                        centers.copy_from_slice(first);
                    }
                    counts.iter_mut().for_each(|count| *count += rows as f64);
                    states.centers = centers.as_ptr();
                    states.deviations = sums[at..at + n].as_mut_ptr();
                    states.squares = squares[at..at + n].as_mut_ptr();
                }
            }
        }
        states
    }

    /// Takes a register of each of `R` rows.
    ///
    /// # Safety
    /// The rows and the states must have a register at `at`.
    #[inline(always)]
    unsafe fn take<V: Extremes, const R: usize>(&self, rows: &[*const f64; R], at: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            let mut values = [V::zero(); R];
            for r in 0..R {
                values[r] = V::load(rows[r].add(at));
            }
            if !self.sums.is_null() {
                let mut sum = V::load(self.sums.add(at));
                for r in 0..R {
                    sum = sum.add(values[r]);
                }
                sum.store(self.sums.add(at));
            }
            if !self.centers.is_null() {
                let center = V::load(self.centers.add(at));
                let mut sum = V::load(self.deviations.add(at));
                let mut square = V::load(self.squares.add(at));
                for r in 0..R {
                    let deviation = values[r].subtract(center);
                    sum = sum.add(deviation);
                    square = square.add(deviation.multiply(deviation));
                }
                sum.store(self.deviations.add(at));
                square.store(self.squares.add(at));
            }
            if self.least.is_null() && self.greatest.is_null() {
                return;
            }
            // The exact formulas cost thrice as much; they differ where there is a NaN, or where a zero wins,
            // of which there are two.
            let mut nan = V::zero();
            for r in 0..R.div_ceil(2) {
                nan = nan.or(values[2 * r].unordered(values[(2 * r + 1).min(R - 1)]));
            }
            if !self.least.is_null() {
                let old = V::load(self.least.add(at));
                let mut least = old;
                for r in 0..R {
                    least = least.smaller(values[r]);
                }
                let zero = least.equal(V::zero());
                if nan.or(zero).or(old.unordered(old)).any() {
                    least = old;
                    for r in 0..R {
                        least = least.minimum(values[r]);
                    }
                }
                least.store(self.least.add(at));
            }
            if !self.greatest.is_null() {
                let old = V::load(self.greatest.add(at));
                let mut greatest = old;
                for r in 0..R {
                    greatest = greatest.larger(values[r]);
                }
                let zero = greatest.equal(V::zero());
                if nan.or(zero).or(old.unordered(old)).any() {
                    greatest = old;
                    for r in 0..R {
                        greatest = greatest.maximum(values[r]);
                    }
                }
                greatest.store(self.greatest.add(at));
            }
        }
    }

    /// # Safety
    /// As for `take`, for `n` columns.
    #[inline(always)]
    unsafe fn take_all<V: Extremes, const R: usize>(
        &self,
        rows: &[*const f64; R],
        n: usize,
        below: isize,
    ) {
        let whole = n - n % V::COUNT;
        // SAFETY: the registers lie within the columns.
        unsafe {
            for at in (0..whole).step_by(V::COUNT) {
                if R > 1 && at % LINE == 0 {
                    for row in rows {
                        prefetch(row.wrapping_offset(below).wrapping_add(at).cast(), 1);
                    }
                }
                self.take::<V, R>(rows, at);
            }
            for at in whole..n {
                self.take::<Few<f64, 1>, R>(rows, at);
            }
        }
    }
}

/// # Safety
/// As for [`TogetherFn`].
#[inline(always)]
unsafe fn fold<V: Extremes>(rows: &Rows, columns: &mut [Columns<'_>], column: usize) {
    if rows.rows == 0 {
        return;
    }
    let row = |r: usize| {
        let offset = r as isize * rows.stride;
        rows.values.cast::<f64>().wrapping_offset(offset)
    };
    // SAFETY: the caller's promise.
    unsafe {
        let first = std::slice::from_raw_parts(row(0), rows.width);
        let states = States::from(columns, column, first, rows.rows);
        let passes = rows.rows / PASS;
        let below = PASS as isize * rows.stride;
        for pass in 0..passes {
            let rows: [_; PASS] = std::array::from_fn(|r| row(pass * PASS + r));
            states.take_all::<V, PASS>(&rows, first.len(), below);
        }
        for r in passes * PASS..rows.rows {
            states.take_all::<V, 1>(&[row(r)], first.len(), 0);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::*;

    /// They are called from functions that were compiled for, and are only called on, machines that have the
    /// instructions.
    impl Extremes for __m256d {
        #[inline(always)]
        fn minimum(self, other: Self) -> Self {
            // SAFETY: the machine has the instructions, as said above.
            unsafe {
                let smaller = _mm256_min_pd(self, other);
                let same = _mm256_or_pd(self, other);
                let smaller = _mm256_blendv_pd(smaller, same, self.equal(other));
                _mm256_blendv_pd(smaller, self, self.unordered(self))
            }
        }
        #[inline(always)]
        fn maximum(self, other: Self) -> Self {
            // SAFETY: as above.
            unsafe {
                let larger = _mm256_max_pd(self, other);
                let same = _mm256_and_pd(self, other);
                let larger = _mm256_blendv_pd(larger, same, self.equal(other));
                _mm256_blendv_pd(larger, self, self.unordered(self))
            }
        }
        #[inline(always)]
        fn smaller(self, other: Self) -> Self {
            // SAFETY: as above.
            unsafe { _mm256_min_pd(self, other) }
        }
        #[inline(always)]
        fn larger(self, other: Self) -> Self {
            // SAFETY: as above.
            unsafe { _mm256_max_pd(self, other) }
        }
        #[inline(always)]
        fn unordered(self, other: Self) -> Self {
            // SAFETY: as above.
            unsafe { _mm256_cmp_pd::<_CMP_UNORD_Q>(self, other) }
        }
        #[inline(always)]
        fn equal(self, other: Self) -> Self {
            // SAFETY: as above.
            unsafe { _mm256_cmp_pd::<_CMP_EQ_OQ>(self, other) }
        }
        #[inline(always)]
        fn or(self, other: Self) -> Self {
            // SAFETY: as above.
            unsafe { _mm256_or_pd(self, other) }
        }
        #[inline(always)]
        fn any(self) -> bool {
            // SAFETY: as above.
            unsafe { _mm256_movemask_pd(self) != 0 }
        }
    }

    /// # Safety
    /// As for [`TogetherFn`].
    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn avx2(rows: &Rows, columns: &mut [Columns<'_>], column: usize) {
        // SAFETY: the caller's promise.
        unsafe { fold::<__m256d>(rows, columns, column) }
    }

    /// # Safety
    /// As for [`TogetherFn`].
    #[target_feature(enable = "avx2,fma,avx512f,avx512vl")]
    pub unsafe fn avx512(rows: &Rows, columns: &mut [Columns<'_>], column: usize) {
        // SAFETY: the caller's promise.
        unsafe { fold::<__m256d>(rows, columns, column) }
    }
}
