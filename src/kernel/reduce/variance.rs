//! Variance and standard deviation, in one pass by deviations from a piece's first value; pieces merged by Chan's
//! formula.

use std::ops::Range;

use super::counted::Keep;
use super::deviations::Deviations;
use super::monoid::Moment;
use super::prepare::{Buffer, CHUNK, Prepare, each_run};
use super::simple::{Held, typed, typed_mut};
use super::{Columns, Fold, Numbers, Rows, States};
use crate::base::dtype::DType;
use crate::base::element::Element;
use crate::error::Result;
use crate::kernel::elementwise::{TileFn, cast};
use crate::kernel::level::{Level, level_functions};
use crate::op::reducer::LANES;

/// For each state how many values there were, their mean, and the sum of the squares of their
/// deviations from it.
///
/// While a piece is folded, the deviations are those from the *center*, the first value of the run or of the
/// column: `mean` is the center, and the mean is known by the sum of the deviations. As the center is one of
/// the values, `n` times the square of its distance from the mean is at most `n` times the sum of the
/// squares in question: of a piece's bits, rounding takes at most the factor `n + 1`, however far from
/// the others the center lies.
struct Moments<M> {
    n: Vec<f64>,
    mean: Vec<M>,
    m2: Vec<f64>,
    /// The sums of the deviations from the centers.
    sum: Vec<M>,
}

/// One of them.
#[derive(Clone, Copy)]
struct One<M> {
    n: f64,
    mean: M,
    m2: f64,
}

impl<M: Moment> Moments<M> {
    fn none(n: usize) -> Moments<M> {
        Moments {
            n: vec![0.0; n],
            mean: vec![M::ZERO; n],
            m2: vec![0.0; n],
            sum: vec![M::ZERO; n],
        }
    }

    fn get(&self, at: usize) -> One<M> {
        One {
            n: self.n[at],
            mean: self.mean[at],
            m2: self.m2[at],
        }
    }

    fn part(&mut self, range: Range<usize>) -> Part<'_, M> {
        Part {
            n: &mut self.n[range.clone()],
            mean: &mut self.mean[range.clone()],
            m2: &mut self.m2[range],
        }
    }

    fn set(&mut self, at: usize, one: One<M>) {
        (self.n[at], self.mean[at], self.m2[at]) = (one.n, one.mean, one.m2);
    }

    /// Merges `right` into `left`, each a range of the states.
    fn merge(left: Part<'_, M>, right: Part<'_, M>, level: Level) {
        // SAFETY: whoever made the fold vouches for the level; the body is safe code.
        unsafe {
            match level {
                Level::Portable => Self::merge_portable(left, right),
                Level::Avx2 => Self::merge_avx2(left, right),
                Level::Avx512 => Self::merge_avx512(left, right),
            }
        }
    }

    level_functions!(unsafe fn merge_portable, merge_avx2, merge_avx512(
        left: Part<'_, M>, right: Part<'_, M>) = Self::merge_body);

    #[inline(always)]
    unsafe fn merge_body(left: Part<'_, M>, right: Part<'_, M>) {
        let len = left.n.len();
        let (left_mean, left_m2) = (&mut left.mean[..len], &mut left.m2[..len]);
        let (right_n, right_mean, right_m2) =
            (&right.n[..len], &right.mean[..len], &right.m2[..len]);
        for i in 0..len {
            let one = One {
                n: left.n[i],
                mean: left_mean[i],
                m2: left_m2[i],
            };
            let merged = one.merge(One {
                n: right_n[i],
                mean: right_mean[i],
                m2: right_m2[i],
            });
            (left.n[i], left_mean[i], left_m2[i]) = (merged.n, merged.mean, merged.m2);
        }
    }
}

/// Some states to be merged.
struct Part<'a, M> {
    n: &'a mut [f64],
    mean: &'a mut [M],
    m2: &'a mut [f64],
}

impl<M: Moment> Part<'_, M> {
    /// As [`merge_pairs`](super::simple::merge_pairs) of states that lie in one slice.
    fn merge_pairs(self, level: Level) {
        // SAFETY: whoever made the fold vouches for the level; the body is safe code.
        unsafe {
            match level {
                Level::Portable => Self::pairs_portable(self),
                Level::Avx2 => Self::pairs_avx2(self),
                Level::Avx512 => Self::pairs_avx512(self),
            }
        }
    }

    level_functions!(unsafe fn pairs_portable, pairs_avx2, pairs_avx512(part: Part<'_, M>) = Self::pairs_body);

    #[inline(always)]
    unsafe fn pairs_body(part: Part<'_, M>) {
        /// Pairs that are read before any of them is written: as many as fill a register.
        const AT_ONCE: usize = 8;
        let Part { n, mean, m2 } = part;
        let pairs = n.len() / 2;
        let mut done = 0;
        while done + AT_ONCE <= pairs {
            let from = 2 * done..2 * (done + AT_ONCE);
            let (mut left, mut right) = ([One::NONE; AT_ONCE], [One::NONE; AT_ONCE]);
            let (all_n, all_mean, all_m2) = (&n[from.clone()], &mean[from.clone()], &m2[from]);
            for i in 0..AT_ONCE {
                left[i] = One {
                    n: all_n[2 * i],
                    mean: all_mean[2 * i],
                    m2: all_m2[2 * i],
                };
                right[i] = One {
                    n: all_n[2 * i + 1],
                    mean: all_mean[2 * i + 1],
                    m2: all_m2[2 * i + 1],
                };
            }
            let to = done..done + AT_ONCE;
            let (to_n, to_mean, to_m2) = (&mut n[to.clone()], &mut mean[to.clone()], &mut m2[to]);
            for i in 0..AT_ONCE {
                let one = left[i].merge(right[i]);
                (to_n[i], to_mean[i], to_m2[i]) = (one.n, one.mean, one.m2);
            }
            done += AT_ONCE;
        }
        for i in done..pairs {
            let one = |at: usize| One {
                n: n[at],
                mean: mean[at],
                m2: m2[at],
            };
            let merged = one(2 * i).merge(one(2 * i + 1));
            (n[i], mean[i], m2[i]) = (merged.n, merged.mean, merged.m2);
        }
        if n.len() % 2 == 1 {
            let last = n.len() - 1;
            (n[pairs], mean[pairs], m2[pairs]) = (n[last], mean[last], m2[last]);
        }
    }
}

impl<M: Moment> One<M> {
    const NONE: One<M> = One {
        n: 0.0,
        mean: M::ZERO,
        m2: 0.0,
    };

    /// Of `n > 0` values, by the sums of their deviations from a center and of the squares of these.
    #[inline(always)]
    fn around(center: M, n: f64, sum: M, squares: f64) -> One<M> {
        let shift = sum.over(n);
        // Squares may overflow although no value is infinite: then so does what is left.
        let overflows = squares == f64::INFINITY && sum.subtract(sum).norm_square() == 0.0;
        let m2 = if overflows {
            squares
        } else {
            squares - shift.norm_square() * n
        };
        One {
            n,
            mean: center.add(shift),
            // Rounding may leave a little less than nothing; NaN stays.
            m2: if m2 < 0.0 { 0.0 } else { m2 },
        }
    }

    /// Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample
    /// variances" (1979). The states of no values change nothing.
    #[inline(always)]
    fn merge(self, right: One<M>) -> One<M> {
        let n = self.n + right.n;
        let share = right.n / n;
        let delta = right.mean.subtract(self.mean);
        let merged = One {
            n,
            mean: self.mean.add(delta.times(share)),
            m2: self.m2 + right.m2 + delta.norm_square() * (self.n * share),
        };
        let kept = if right.n == 0.0 { self } else { merged };
        if self.n == 0.0 { right } else { kept }
    }
}

/// The variance, or its root, of values that are carried as `M`.
pub struct Variance<M> {
    ddof: f64,
    root: bool,
    level: Level,
    /// Values as `M`.
    plain: Prepare,
    keep: Keep,
    to_output: TileFn,
    output: DType,
    carried: std::marker::PhantomData<fn(M)>,
}

impl<M: Moment + Element> Variance<M> {
    pub fn new(dtype: DType, skip_nan: bool, ddof: f64, root: bool, level: Level) -> Variance<M> {
        let output = if dtype.is_integer() || dtype == DType::Bool {
            DType::F64
        } else {
            dtype.part()
        };
        Variance {
            ddof,
            root,
            level,
            plain: Prepare::new(dtype, level).convert(M::DTYPE),
            keep: Keep::new(dtype, skip_nan, level),
            to_output: cast(DType::F64, output, Level::Portable),
            output,
            carried: std::marker::PhantomData,
        }
    }

    level_functions!(unsafe fn lines_portable, lines_avx2, lines_avx512(
        values: *const M, ends: &[usize], states: Part<'_, M>) = Self::lines);

    /// Folds runs that take part as a whole and whose terms lie side by side.
    ///
    /// # Safety
    /// There must be terms up to the last end, and as many states as ends.
    #[inline(always)]
    unsafe fn lines(values: *const M, ends: &[usize], states: Part<'_, M>) {
        let mut start = 0;
        for (i, &end) in ends.iter().enumerate() {
            // SAFETY: the caller's promise.
            let terms = unsafe { std::slice::from_raw_parts(values.add(start), end - start) };
            let one = match terms {
                [] => One::NONE,
                [center, ..] => {
                    let mut deviations = Deviations::none();
                    deviations.take(terms, *center);
                    let (sum, squares) = deviations.sums();
                    One::around(*center, terms.len() as f64, sum, squares)
                }
            };
            (states.n[i], states.mean[i], states.m2[i]) = (one.n, one.mean, one.m2);
            start = end;
        }
    }

    /// As `lines`, at the level of the fold.
    ///
    /// # Safety
    /// As for `lines`.
    unsafe fn fold_lines(&self, values: *const M, ends: &[usize], states: Part<'_, M>) {
        // Wide registers only pay where they are filled a few times.
        let is_short = ends.first().is_some_and(|&end| end < 4 * LANES);
        // SAFETY: the caller's promise; whoever made the fold vouches for the level.
        unsafe {
            match self.level {
                _ if is_short => Self::lines_portable(values, ends, states),
                Level::Portable => Self::lines_portable(values, ends, states),
                Level::Avx2 => Self::lines_avx2(values, ends, states),
                Level::Avx512 => Self::lines_avx512(values, ends, states),
            }
        }
    }

    level_functions!(unsafe fn kept_portable, kept_avx2, kept_avx512(
        deviations: &mut Deviations<M>, terms: &[M], keep: &[u8], center: M) = Deviations::take_kept);

    /// Folds a run that has to be prepared first, or of which some elements do not take part.
    ///
    /// # Safety
    /// As for [`Fold::runs`].
    unsafe fn fold_prepared(&self, run: &Rows) -> One<M> {
        let (mut buffer, mut keep_buffer) = (Buffer::new(), Buffer::new());
        let mut deviations = Deviations::none();
        let (mut n, mut center) = (0.0, None);
        // A chunk is a whole number of lanes.
        for start in (0..run.width).step_by(CHUNK) {
            let len = CHUNK.min(run.width - start);
            // SAFETY: the contract of `Fold::runs`; terms are of type `M`, and there is a `bool` for each.
            unsafe {
                let terms = self.plain.run_row(run, 0, start, len, &mut buffer);
                let terms = std::slice::from_raw_parts(terms.cast::<M>(), len);
                let everything = [1; CHUNK];
                let keep = if self.keep.is_all(run.mask) {
                    &everything[..len]
                } else {
                    let keep = self.keep.row(run, 0, start, len, &mut keep_buffer);
                    std::slice::from_raw_parts(keep, len)
                };
                n += keep.iter().map(|&keep| keep as usize).sum::<usize>() as f64;
                let first = || keep.iter().position(|&keep| keep != 0).map(|i| terms[i]);
                center = center.or_else(first);
                let Some(center) = center else {
                    continue;
                };
                match self.level {
                    Level::Portable => Self::kept_portable(&mut deviations, terms, keep, center),
                    Level::Avx2 => Self::kept_avx2(&mut deviations, terms, keep, center),
                    Level::Avx512 => Self::kept_avx512(&mut deviations, terms, keep, center),
                }
            }
        }
        center.map_or(One::NONE, |center| {
            let (sum, squares) = deviations.sums();
            One::around(center, n, sum, squares)
        })
    }

    level_functions!(unsafe fn deviate_portable, deviate_avx2, deviate_avx512(
        rows: &[*const M], centers: &[M], sums: &mut [M], m2: &mut [f64]) = Self::deviate);

    /// Adds some rows' deviations from the centers and their squares.
    ///
    /// # Safety
    /// Every row must have as many terms as there are centers.
    #[inline(always)]
    unsafe fn deviate(rows: &[*const M], centers: &[M], sums: &mut [M], m2: &mut [f64]) {
        let n = centers.len();
        let (sums, m2) = (&mut sums[..n], &mut m2[..n]);
        // Eight rows at a time, so that the states are loaded and stored once for all of them.
        let (eights, rest) = rows.as_chunks::<8>();
        for rows in eights {
            // SAFETY: the caller's promise.
            let rows = rows.map(|row| unsafe { std::slice::from_raw_parts(row, n) });
            for i in 0..n {
                let (mut sum, mut square) = (sums[i], m2[i]);
                for row in rows {
                    let deviation = row[i].subtract(centers[i]);
                    sum = sum.add(deviation);
                    square += deviation.norm_square();
                }
                (sums[i], m2[i]) = (sum, square);
            }
        }
        for &row in rest {
            // SAFETY: the caller's promise.
            let row = unsafe { std::slice::from_raw_parts(row, n) };
            for i in 0..n {
                let deviation = row[i].subtract(centers[i]);
                sums[i] = sums[i].add(deviation);
                m2[i] += deviation.norm_square();
            }
        }
    }

    /// Folds rows that take part as a whole.
    ///
    /// # Safety
    /// As for [`Fold::rows`].
    unsafe fn fold_all(&self, rows: &Rows, states: &mut Moments<M>, at: usize) {
        // SAFETY: the contract of `Fold::rows`; terms are of type `M`.
        unsafe {
            self.plain.each_pass::<M>(rows, |columns, pointers| {
                let columns = at + columns.start..at + columns.end;
                let centers = &mut states.mean[columns.clone()];
                if states.n[columns.start] == 0.0 {
                    let first = std::slice::from_raw_parts(pointers[0], centers.len());
                    centers.copy_from_slice(first);
                }
                for n in &mut states.n[columns.clone()] {
                    *n += pointers.len() as f64;
                }
                let (sums, m2) = (&mut states.sum[columns.clone()], &mut states.m2[columns]);
                match self.level {
                    Level::Portable => Self::deviate_portable(pointers, centers, sums, m2),
                    Level::Avx2 => Self::deviate_avx2(pointers, centers, sums, m2),
                    Level::Avx512 => Self::deviate_avx512(pointers, centers, sums, m2),
                }
            });
        }
    }

    level_functions!(unsafe fn select_portable, select_avx2, select_avx512(
        terms: &[M], keep: &[u8], states: Part<'_, M>, sums: &mut [M]) = Self::select);

    /// Adds the deviations of those elements of a row that take part.
    #[inline(always)]
    unsafe fn select(terms: &[M], keep: &[u8], states: Part<'_, M>, sums: &mut [M]) {
        let n = terms.len();
        let (keep, sums) = (&keep[..n], &mut sums[..n]);
        let (counts, centers, m2) = (
            &mut states.n[..n],
            &mut states.mean[..n],
            &mut states.m2[..n],
        );
        for i in 0..n {
            let keep = keep[i] != 0;
            let first = keep & (counts[i] == 0.0);
            let center = if first { terms[i] } else { centers[i] };
            let deviation = terms[i].subtract(center);
            let deviation = if keep { deviation } else { M::ZERO };
            centers[i] = center;
            counts[i] += if keep { 1.0 } else { 0.0 };
            sums[i] = sums[i].add(deviation);
            m2[i] += deviation.norm_square();
        }
    }

    /// Folds rows of which some elements do not take part.
    ///
    /// # Safety
    /// As for [`Fold::rows`].
    unsafe fn fold_some(&self, rows: &Rows, states: &mut Moments<M>, at: usize) {
        let (mut buffer, mut keep_buffer) = (Buffer::new(), Buffer::new());
        for r in 0..rows.rows {
            for column in (0..rows.width).step_by(CHUNK) {
                let n = CHUNK.min(rows.width - column);
                let sums = &mut states.sum[at + column..][..n];
                let states = Part {
                    n: &mut states.n[at + column..][..n],
                    mean: &mut states.mean[at + column..][..n],
                    m2: &mut states.m2[at + column..][..n],
                };
                // SAFETY: the contract of `Fold::rows`; terms are of type `M`, one per column.
                unsafe {
                    let terms = self.plain.run_row(rows, r, column, n, &mut buffer);
                    let terms = std::slice::from_raw_parts(terms.cast::<M>(), n);
                    let keep = self.keep.row(rows, r, column, n, &mut keep_buffer);
                    let keep = std::slice::from_raw_parts(keep, n);
                    match self.level {
                        Level::Portable => Self::select_portable(terms, keep, states, sums),
                        Level::Avx2 => Self::select_avx2(terms, keep, states, sums),
                        Level::Avx512 => Self::select_avx512(terms, keep, states, sums),
                    }
                }
            }
        }
    }

    fn result(&self, moments: One<M>) -> f64 {
        let variance = if moments.n == 0.0 {
            f64::NAN
        } else {
            // As NumPy: with no degrees of freedom left, a division by 0.
            moments.m2 / (moments.n - self.ddof).max(0.0)
        };
        if self.root { variance.sqrt() } else { variance }
    }
}

/// The states as what they are.
fn moments<M: Moment>(states: &States) -> &Moments<M> {
    &typed::<Moments<M>>(states)[0]
}

fn moments_mut<M: Moment>(states: &mut States) -> &mut Moments<M> {
    &mut typed_mut::<Moments<M>>(states)[0]
}

impl<M: Moment + Element> Fold for Variance<M> {
    fn state_bytes(&self) -> usize {
        2 * size_of::<f64>() + 2 * size_of::<M>()
    }

    fn states(&self, n: usize) -> States {
        Box::new(Held::from_buf([Moments::<M>::none(n)]))
    }

    fn reset(&self, states: &mut States, n: usize) {
        let states = moments_mut::<M>(states);
        states.n[..n].fill(0.0);
        states.mean[..n].fill(M::ZERO);
        states.m2[..n].fill(0.0);
        states.sum[..n].fill(M::ZERO);
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
        let states = moments_mut::<M>(states);
        let is_direct = self.keep.is_all(rows.mask) && self.plain.takes_as_is(M::DTYPE);
        // SAFETY: the contract of `Fold::runs`; values that are taken as they are, are terms.
        unsafe {
            if is_direct {
                for r in 0..rows.rows {
                    let at = at + r * stride;
                    let values = rows.values(r, 0, M::DTYPE).cast();
                    self.fold_lines(values, ends, states.part(at..at + ends.len()));
                }
                return;
            }
            each_run(rows, ends, self.plain.dtype(), |r, i, run| {
                states.set(at + r * stride + i, self.fold_prepared(run));
            });
        }
    }

    unsafe fn rows(&self, rows: &Rows, _numbers: Numbers, states: &mut States, at: usize) {
        let states = moments_mut::<M>(states);
        // SAFETY: the contract of `Fold::rows`.
        unsafe {
            if self.keep.is_all(rows.mask) {
                self.fold_all(rows, states, at);
            } else {
                self.fold_some(rows, states, at);
            }
        }
    }

    fn columns<'a>(&self, states: &'a mut States) -> Option<Columns<'a>> {
        let is_plain = self.keep.is_all(std::ptr::null()) && self.plain.takes_as_is(DType::F64);
        if !is_plain {
            return None;
        }
        let moments = moments_mut::<f64>(states);
        Some(Columns::Deviations {
            counts: &mut moments.n,
            centers: &mut moments.mean,
            sums: &mut moments.sum,
            squares: &mut moments.m2,
        })
    }

    fn seal(&self, states: &mut States, n: usize) {
        let Moments {
            n: counts,
            mean,
            m2,
            sum,
        } = moments_mut::<M>(states);
        for i in 0..n {
            if counts[i] > 0.0 {
                let one = One::around(mean[i], counts[i], sum[i], m2[i]);
                (mean[i], m2[i]) = (one.mean, one.m2);
            }
        }
    }

    fn merge(&self, left: &mut States, right: &mut States, n: usize) {
        let (left, right) = (moments_mut::<M>(left), moments_mut::<M>(right));
        Moments::merge(left.part(0..n), right.part(0..n), self.level);
    }

    fn merge_halves(&self, states: &mut States, n: usize) {
        let states = moments_mut::<M>(states);
        let (left_n, right_n) = states.n[..2 * n].split_at_mut(n);
        let (left_mean, right_mean) = states.mean[..2 * n].split_at_mut(n);
        let (left_m2, right_m2) = states.m2[..2 * n].split_at_mut(n);
        let left = Part {
            n: left_n,
            mean: left_mean,
            m2: left_m2,
        };
        let right = Part {
            n: right_n,
            mean: right_mean,
            m2: right_m2,
        };
        Moments::merge(left, right, self.level);
    }

    fn merge_groups(&self, states: &mut States, groups: usize, n: usize) {
        let states = moments_mut::<M>(states);
        for group in 0..groups {
            let first = group * n;
            let mut left = n;
            while left > 1 {
                states.part(first..first + left).merge_pairs(self.level);
                left = left.div_ceil(2);
            }
            states.set(group, states.get(first));
        }
    }

    fn copy(&self, from: &States, from_at: usize, to: &mut States, to_at: usize, n: usize) {
        let (from, to) = (moments::<M>(from), moments_mut::<M>(to));
        to.n[to_at..to_at + n].copy_from_slice(&from.n[from_at..from_at + n]);
        to.mean[to_at..to_at + n].copy_from_slice(&from.mean[from_at..from_at + n]);
        to.m2[to_at..to_at + n].copy_from_slice(&from.m2[from_at..from_at + n]);
    }

    unsafe fn finish(
        &self,
        states: &States,
        at: usize,
        n: usize,
        _count: u64,
        out: *mut u8,
    ) -> Result<()> {
        let states = moments::<M>(states);
        for i in 0..n {
            let result = [self.result(states.get(at + i))];
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
