//! Variance and standard deviation: two passes over each piece, pieces merged by Chan's formula.

use super::counted::Keep;
use super::monoid::{DeviationOf, Moment, SumOf};
use super::prepare::{Buffer, CHUNK, Prepare, Rows, Value};
use super::simple::{state_methods, typed, typed_mut};
use super::{Fold, States};
use crate::base::dtype::DType;
use crate::base::element::Element;
use crate::error::Result;
use crate::kernel::elementwise::{TileFn, cast};
use crate::kernel::level::{Level, level_functions};

/// How many values there were, their mean, and the sum of the squares of their deviations from it.
#[derive(Clone, Copy)]
struct Moments<M> {
    n: f64,
    mean: M,
    m2: f64,
}

impl<M: Moment> Moments<M> {
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

/// The variance, or its root, of values that are carried as `M`.
pub struct Variance<M> {
    ddof: f64,
    root: bool,
    level: Level,
    /// Values as `M`, with nothing where they do not take part.
    terms: Prepare,
    /// Values as `M`.
    plain: Prepare,
    keep: Keep,
    to_output: TileFn,
    output: DType,
    carried: std::marker::PhantomData<fn(M)>,
}

impl<M: Moment + Element> Variance<M> {
    pub fn new(dtype: DType, skip_nan: bool, ddof: f64, root: bool, level: Level) -> Variance<M> {
        let plain = || Prepare::new(dtype, level).convert(M::DTYPE);
        let terms = if skip_nan {
            plain().replace_nan(M::NOTHING.to_scalar())
        } else {
            plain()
        };
        let output = if dtype.is_integer() || dtype == DType::Bool {
            DType::F64
        } else {
            dtype.part()
        };
        Variance {
            ddof,
            root,
            level,
            terms: terms.neutralize(M::NOTHING),
            plain: plain(),
            keep: Keep::new(dtype, skip_nan, level),
            to_output: cast(DType::F64, output, Level::Portable),
            output,
            carried: std::marker::PhantomData,
        }
    }

    /// # Safety
    /// As for [`Fold::run`].
    unsafe fn fold_run(&self, values: *const u8, mask: *const u8, n: usize) -> Moments<M> {
        // SAFETY: the contract of `Fold::run`.
        unsafe {
            let count = self.keep.count_run(values, mask, n) as f64;
            if count == 0.0 {
                return Moments::NONE;
            }
            let mean = self
                .terms
                .fold_run(SumOf::<M>::new(), values, mask, n)
                .over(count);
            // The mean does not deviate from itself: it stands for what does not take part.
            let fill = Value::new(mean);
            let m2 = self
                .terms
                .fold_run_filled(DeviationOf(mean), values, mask, n, &fill);
            Moments { n: count, mean, m2 }
        }
    }

    /// Folds the rows of at most `CHUNK` columns.
    ///
    /// # Safety
    /// As for [`Fold::rows`].
    unsafe fn fold_columns(&self, rows: &Rows, states: &mut [Moments<M>]) {
        let width = states.len();
        let (mut counts, mut means) = ([0; CHUNK], [M::NOTHING; CHUNK]);
        let (counts, means) = (&mut counts[..width], &mut means[..width]);
        // SAFETY: the contract of `Fold::rows`.
        unsafe {
            self.keep.count_rows(rows, counts);
            self.terms.fold_rows(SumOf::<M>::new(), rows, means);
        }
        for (mean, &n) in means.iter_mut().zip(counts.iter()) {
            *mean = if n == 0 { M::ZERO } else { mean.over(n as f64) };
        }
        let mut m2 = [0.0; CHUNK];
        let m2 = &mut m2[..width];
        let (mut buffer, mut keep_buffer) = (Buffer::new(), Buffer::new());
        for r in 0..rows.rows {
            // SAFETY: the contract of `Fold::rows`; terms are of type `M`, as many as columns.
            unsafe {
                let terms = self.plain.run_row(rows, r, 0, width, &mut buffer);
                let terms = std::slice::from_raw_parts(terms.cast::<M>(), width);
                let keep = (!self.keep.is_all(rows.mask)).then(|| {
                    let keep = self.keep.row(rows, r, 0, width, &mut keep_buffer);
                    std::slice::from_raw_parts(keep, width)
                });
                match self.level {
                    Level::Portable => Self::deviate_portable(terms, keep, means, m2),
                    Level::Avx2 => Self::deviate_avx2(terms, keep, means, m2),
                    Level::Avx512 => Self::deviate_avx512(terms, keep, means, m2),
                }
            }
        }
        for (i, state) in states.iter_mut().enumerate() {
            *state = Moments {
                n: counts[i] as f64,
                mean: means[i],
                m2: m2[i],
            };
        }
    }

    level_functions!(unsafe fn deviate_portable, deviate_avx2, deviate_avx512(
        terms: &[M], keep: Option<&[u8]>, means: &[M], m2: &mut [f64]) = Self::deviate);

    /// Adds the squares of one row's deviations.
    #[inline(always)]
    unsafe fn deviate(terms: &[M], keep: Option<&[u8]>, means: &[M], m2: &mut [f64]) {
        let n = m2.len();
        let (terms, means) = (&terms[..n], &means[..n]);
        match keep {
            None => {
                for i in 0..n {
                    m2[i] += terms[i].subtract(means[i]).norm_square();
                }
            }
            Some(keep) => {
                let keep = &keep[..n];
                for i in 0..n {
                    let stepped = m2[i] + terms[i].subtract(means[i]).norm_square();
                    m2[i] = if keep[i] != 0 { stepped } else { m2[i] };
                }
            }
        }
    }

    fn result(&self, moments: Moments<M>) -> f64 {
        let variance = if moments.n == 0.0 {
            f64::NAN
        } else {
            // As NumPy: with no degrees of freedom left, a division by 0.
            moments.m2 / (moments.n - self.ddof).max(0.0)
        };
        if self.root { variance.sqrt() } else { variance }
    }
}

impl<M: Moment + Element> Fold for Variance<M> {
    state_methods!(Moments<M>, _this => Moments::<M>::NONE, |left, right| Moments::merge(left, right));

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
        typed_mut::<Moments<M>>(states)[at] = unsafe { self.fold_run(values, mask, n) };
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
        let all = Rows {
            values,
            stride: row_stride,
            mask,
            mask_stride,
            rows,
        };
        let states = &mut typed_mut::<Moments<M>>(states)[..width];
        // Blocks of columns stay in the second-level cache between the two passes.
        for (block, states) in states.chunks_mut(CHUNK).enumerate() {
            let rows = all.columns_from(block * CHUNK, self.plain.dtype());
            // SAFETY: the contract of `Fold::rows`, for a part of the columns.
            unsafe { self.fold_columns(&rows, states) };
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
        let states = &typed::<Moments<M>>(states)[at..at + n];
        for (i, &moments) in states.iter().enumerate() {
            let result = [self.result(moments)];
            let out = out.wrapping_add(i * self.output.size());
            // SAFETY: one value in, one value out; the caller promises room for `n` results.
            unsafe { (self.to_output)(1, &[result.as_ptr().cast(); 3], out) };
        }
        Ok(())
    }

    fn output(&self) -> DType {
        self.output
    }
}
