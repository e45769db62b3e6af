//! The two orders in which terms enter states: lanes in runs, columns in row pieces.

use std::slice::from_raw_parts;

use super::monoid::{Monoid, SumOf};
use crate::kernel::level::{Level, level_functions};
use crate::op::reducer::LANES;

/// Rows taken in one pass over the states: enough that the states' loads and stores do not count.
pub const PASS: usize = 8;

/// Rows of at most so many bytes that follow one another are taken one by one, so that memory is read in the order in
/// which it lies: to jump to and fro between several takes up to twice as long.
const SHORT: usize = 8192;

/// The loops of a monoid, at every level. (Methods of a trait, so that the compiler makes them part of
/// the unit of code of the monoid.)
pub trait Loops: Monoid {
    /// The state of a whole run: of every 16 terms the `j`-th goes to lane `j`, then the lanes merge.
    ///
    /// # Safety
    /// The machine must have the level.
    unsafe fn fold_run(self, terms: &[Self::Term], level: Level) -> Self::State {
        let mut state = [self.identity()];
        // SAFETY: the caller's promise; one run of all terms.
        unsafe { self.fold_runs(terms.as_ptr(), &[terms.len()], &mut state, level) };
        state[0]
    }

    /// As `fold_run`, of runs side by side: of the terms up to the first of `ends`, from there to the second, and so
    /// on.
    ///
    /// # Safety
    /// There must be terms up to the last end, and as many states as ends; the machine must have the level.
    unsafe fn fold_runs(
        self,
        terms: *const Self::Term,
        ends: &[usize],
        states: &mut [Self::State],
        level: Level,
    ) {
        // Wide registers only pay where they are filled a few times.
        let is_short = ends.first().is_some_and(|&end| end < 4 * LANES);
        // SAFETY: the caller's promise.
        unsafe {
            match level {
                _ if is_short => Self::runs_portable(self, terms, ends, states),
                Level::Portable => Self::runs_portable(self, terms, ends, states),
                Level::Avx2 => Self::runs_avx2(self, terms, ends, states),
                Level::Avx512 => Self::runs_avx512(self, terms, ends, states),
            }
        }
    }

    /// Takes a part of a run into the lanes. All parts but the last are whole numbers of lanes.
    ///
    /// # Safety
    /// The machine must have the level.
    unsafe fn step_lanes(
        self,
        terms: &[Self::Term],
        lanes: &mut [Self::State; LANES],
        level: Level,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            match level {
                Level::Portable => Self::lanes_portable(self, terms, lanes),
                Level::Avx2 => Self::lanes_avx2(self, terms, lanes),
                Level::Avx512 => Self::lanes_avx512(self, terms, lanes),
            }
        }
    }

    /// Merges the lanes pairwise.
    #[inline(always)]
    fn merge_lanes(self, lanes: [Self::State; LANES]) -> Self::State {
        // Steps of known lengths, which become vector code.
        let eight = self.halve::<16, 8>(&lanes);
        let four = self.halve::<8, 4>(&eight);
        let two = self.halve::<4, 2>(&four);
        self.merge(two[0], two[1])
    }

    #[inline(always)]
    fn halve<const N: usize, const HALF: usize>(
        self,
        lanes: &[Self::State; N],
    ) -> [Self::State; HALF] {
        let mut merged = [self.identity(); HALF];
        for j in 0..HALF {
            merged[j] = self.merge(lanes[j], lanes[j + HALF]);
        }
        merged
    }

    /// Takes one row after the other into the states, one per column.
    ///
    /// # Safety
    /// Every row must be as many terms as there are states; the machine must have the level.
    unsafe fn step_rows(
        self,
        rows: &[*const Self::Term],
        states: &mut [Self::State],
        level: Level,
    ) {
        // The other levels only gain where there are vectors.
        let level = if states.len() < LANES {
            Level::Portable
        } else {
            level
        };
        let follows = |rows: &[*const Self::Term]| match rows {
            [first, second, ..] => first.wrapping_add(states.len()) == *second,
            _ => false,
        };
        let one_by_one = states.len() * size_of::<Self::Term>() <= SHORT && follows(rows);
        let (several, rest) = rows.split_at(if one_by_one { 0 } else { rows.len() });
        let (passes, several) = several.as_chunks::<PASS>();
        let (pairs, last) = several.as_chunks::<2>();
        // SAFETY: the caller's promise.
        unsafe {
            for rows in passes {
                match level {
                    Level::Portable => Self::pass_portable(self, rows, states),
                    Level::Avx2 => Self::pass_avx2(self, rows, states),
                    Level::Avx512 => Self::pass_avx512(self, rows, states),
                }
            }
            for pair in pairs {
                match level {
                    Level::Portable => Self::pair_portable(self, pair, states),
                    Level::Avx2 => Self::pair_avx2(self, pair, states),
                    Level::Avx512 => Self::pair_avx512(self, pair, states),
                }
            }
            for &row in last.iter().chain(rest) {
                match level {
                    Level::Portable => Self::row_portable(self, row, states),
                    Level::Avx2 => Self::row_avx2(self, row, states),
                    Level::Avx512 => Self::row_avx512(self, row, states),
                }
            }
        }
    }

    level_functions!(unsafe fn runs_portable, runs_avx2, runs_avx512(
        this: Self, terms: *const Self::Term, ends: &[usize], states: &mut [Self::State]) = Self::runs_body);
    level_functions!(unsafe fn lanes_portable, lanes_avx2, lanes_avx512(
        this: Self, terms: &[Self::Term], lanes: &mut [Self::State; LANES]) = Self::lanes_body);
    level_functions!(unsafe fn pass_portable, pass_avx2, pass_avx512(
        this: Self, rows: &[*const Self::Term; PASS], states: &mut [Self::State]) = Self::pass_body);
    level_functions!(unsafe fn pair_portable, pair_avx2, pair_avx512(
        this: Self, rows: &[*const Self::Term; 2], states: &mut [Self::State]) = Self::pair_body);
    level_functions!(unsafe fn row_portable, row_avx2, row_avx512(
        this: Self, row: *const Self::Term, states: &mut [Self::State]) = Self::row_body);

    #[inline(always)]
    unsafe fn run_body(self, terms: &[Self::Term]) -> Self::State {
        let mut lanes = [self.identity(); LANES];
        // SAFETY: the body is safe code.
        unsafe { self.lanes_body(terms, &mut lanes) };
        self.merge_lanes(lanes)
    }

    #[inline(always)]
    unsafe fn runs_body(
        self,
        terms: *const Self::Term,
        ends: &[usize],
        states: &mut [Self::State],
    ) {
        let mut start = 0;
        for (state, &end) in states.iter_mut().zip(ends) {
            // SAFETY: the caller promises terms up to the last end; the body is safe code.
            *state = unsafe { self.run_body(from_raw_parts(terms.add(start), end - start)) };
            start = end;
        }
    }

    #[inline(always)]
    unsafe fn lanes_body(self, terms: &[Self::Term], out: &mut [Self::State; LANES]) {
        // A copy, which the compiler can keep in registers.
        let mut lanes = *out;
        let (chunks, rest) = terms.as_chunks::<LANES>();
        for chunk in chunks {
            for j in 0..LANES {
                lanes[j] = self.step(lanes[j], chunk[j]);
            }
        }
        // Half of the lanes still stay in registers. Single ones are stored, and wide loads then wait for them.
        let (half, rest) = rest.as_chunks::<{ LANES / 2 }>();
        for half in half {
            for j in 0..LANES / 2 {
                lanes[j] = self.step(lanes[j], half[j]);
            }
        }
        *out = lanes;
        let left = &mut out[half.len() * (LANES / 2)..];
        for (lane, &term) in left.iter_mut().zip(rest) {
            *lane = self.step(*lane, term);
        }
    }

    #[inline(always)]
    unsafe fn pass_body(self, rows: &[*const Self::Term; PASS], states: &mut [Self::State]) {
        let n = states.len();
        // SAFETY: the caller promises that every row has `n` terms.
        let [a, b, c, d, e, f, g, h] = rows.map(|row| unsafe { from_raw_parts(row, n) });
        for i in 0..n {
            let mut state = states[i];
            state = self.step(state, a[i]);
            state = self.step(state, b[i]);
            state = self.step(state, c[i]);
            state = self.step(state, d[i]);
            state = self.step(state, e[i]);
            state = self.step(state, f[i]);
            state = self.step(state, g[i]);
            state = self.step(state, h[i]);
            states[i] = state;
        }
    }

    #[inline(always)]
    unsafe fn pair_body(self, rows: &[*const Self::Term; 2], states: &mut [Self::State]) {
        let n = states.len();
        // SAFETY: the caller promises that every row has `n` terms.
        let [a, b] = rows.map(|row| unsafe { from_raw_parts(row, n) });
        for i in 0..n {
            states[i] = self.step(self.step(states[i], a[i]), b[i]);
        }
    }

    #[inline(always)]
    unsafe fn row_body(self, row: *const Self::Term, states: &mut [Self::State]) {
        // SAFETY: the caller promises that the row has as many terms.
        let row = unsafe { from_raw_parts(row, states.len()) };
        for i in 0..row.len() {
            states[i] = self.step(states[i], row[i]);
        }
    }
}
impl<M: Monoid> Loops for M {}

/// The sum of a run whose lanes these are.
#[inline(always)]
pub fn sum_of_lanes(lanes: [f64; LANES]) -> f64 {
    SumOf::<f64>::new().merge_lanes(lanes)
}
