//! Sums of chains with functions. A block of terms takes so long that none is cut short where a run ends: it may hold
//! terms of several runs, and what is left over in the end is computed with terms that are known already.

// Registers of a block are indexed alike.
#![allow(clippy::needless_range_loop)]

use std::arch::x86_64::*;

use super::functions::{Angles, Exponentials, FunctionsOf, Surely};
use super::machine::{Aligned, Along};
use super::program::{Interpreted, Program, Results};
use super::{Link, Operand, SumFn};
use crate::kernel::lanes::{Few, Lanes};
use crate::kernel::reduce::sum_of_lanes;
use crate::op::reducer::LANES;

/// The elements of a register.
const COUNT: usize = 8;

/// The lanes of a run. They begin where the blocks begin, not where the run does.
type Sum = [__m512d; LANES / COUNT];

/// Runs that are summed one after the other.
struct Runs<'a> {
    ends: &'a [usize],
    sums: &'a mut [f64],
    /// How many have been summed.
    done: usize,
    /// Where the run at hand begins.
    start: usize,
    /// And where it ends; no element is as far once all have been summed.
    end: usize,
}

impl Runs<'_> {
    /// The sum of no terms: what changes nothing when added.
    #[inline(always)]
    fn none() -> Sum {
        [__m512d::splat(-0.0); LANES / COUNT]
    }

    /// Adds the terms from `at` on, among which the run at hand and perhaps others end.
    #[target_feature(enable = "avx2,fma,avx512f,avx512dq")]
    #[inline(never)]
    fn split<const W: usize>(&mut self, mut lanes: Sum, terms: &[__m512d; W], at: usize) -> Sum {
        const { assert!(W * COUNT <= u64::BITS as usize) };
        let mut from = 0;
        loop {
            let to = (self.end - at).min(W * COUNT);
            let before = |place: usize| !(!0u64).checked_shl(place as u32).unwrap_or(0);
            let mask = before(to) & !before(from);
            for i in 0..W {
                let lane = &mut lanes[i % (LANES / COUNT)];
                let mask = (mask >> (i * COUNT)) as __mmask8;
                *lane = _mm512_mask_add_pd(*lane, mask, *lane, terms[i]);
            }
            if self.end - at > W * COUNT {
                return lanes;
            }
            lanes = self.finish(lanes);
            from = to;
        }
    }

    /// Ends the run at hand. Gives the sum of no terms, for the next one.
    #[target_feature(enable = "avx2,fma,avx512f,avx512dq")]
    #[inline]
    fn finish(&mut self, lanes: Sum) -> Sum {
        // Twice, so that they follow one another from where the run began.
        let mut twice = Aligned([0.0; 2 * LANES]);
        for i in 0..2 * LANES / COUNT {
            let place = &mut twice.0[i * COUNT..][..COUNT];
            // SAFETY: there is room for a register.
            unsafe { lanes[i % (LANES / COUNT)].store(place.as_mut_ptr()) };
        }
        let first = self.start % LANES;
        let lanes = twice.0[first..].first_chunk().expect("all lanes");
        self.sums[self.done] = sum_of_lanes(*lanes);
        self.done += 1;
        self.start = self.end;
        self.end = self.ends.get(self.done).copied().unwrap_or(usize::MAX);
        Runs::none()
    }
}

/// `Again` is for functions that may be wrong.
///
/// # Safety
/// As for [`SumFn`].
#[inline(always)]
unsafe fn sum_terms<const W: usize, F: FunctionsOf<__m512d>>(
    links: &[Link],
    operands: &[Operand],
    ends: &[usize],
    sums: &mut [f64],
    again: Option<SumFn>,
) {
    const { assert!((W * COUNT).is_multiple_of(LANES)) };
    let n = ends.last().copied().unwrap_or(0);
    let mut functions = F::default();
    let mut lanes = Runs::none();
    let mut runs = Runs {
        ends,
        sums: &mut *sums,
        done: 0,
        start: 0,
        end: ends.first().copied().unwrap_or(usize::MAX),
    };
    let mut at = 0;
    // SAFETY: blocks lie within the last end's elements; the machine has the instructions.
    unsafe {
        debug_assert!(
            links.first().is_some_and(|link| link.does.loads()),
            "a chain loads what it begins with: {links:?}"
        );
        // Kept from block to block: nobody reads what is left of the last one, and to clear it would take time.
        let mut results = Results::<__m512d, W>::new();
        while at + W * COUNT <= n {
            let view = Along::row_at(at * size_of::<f64>());
            results.steps(links, operands, view, &mut functions);
            let terms = results.a;
            let end = at + W * COUNT;
            if end <= runs.end {
                for i in 0..W {
                    let lane = &mut lanes[i % (LANES / COUNT)];
                    *lane = lane.add(terms[i]);
                }
                // Many runs end with a block. Others may be empty.
                while end == runs.end {
                    lanes = runs.finish(lanes);
                }
            } else {
                lanes = runs.split(lanes, &terms, at);
            }
            at = end;
        }
        if runs.done < ends.len() {
            let terms = rest::<W, F>(links, operands, at..n, &mut functions);
            runs.split(lanes, &terms, at);
        }
    }
    debug_assert!(runs.done == ends.len());
    if functions.may_be_wrong() {
        let again = again.expect("functions that may be wrong are computed again");
        // SAFETY: the caller's promise; a sum stores nothing that its chain reads.
        unsafe { again(links, operands, ends, sums) };
    }
}

/// The terms of a block.
///
/// # Safety
/// As for [`SumFn`]; the block must lie within the operands.
#[inline(always)]
unsafe fn block<const W: usize, F: FunctionsOf<__m512d>>(
    links: &[Link],
    operands: &[Operand],
    at: usize,
    functions: &mut F,
) -> [__m512d; W] {
    let view = Along::row_at(at * size_of::<f64>());
    // SAFETY: the caller's promise.
    unsafe { Interpreted::block::<__m512d, W, F>(links, operands, view, functions) }
}

/// The last terms, fewer than a block has, and anything after them.
///
/// # Safety
/// As for [`SumFn`]; these must be all terms from the first one's place on.
#[inline(always)]
unsafe fn rest<const W: usize, F: FunctionsOf<__m512d>>(
    links: &[Link],
    operands: &[Operand],
    rest: std::ops::Range<usize>,
    functions: &mut F,
) -> [__m512d; W] {
    let (mut at, n) = (rest.start, rest.end);
    // A block before them has room for those that are computed once more.
    let mut room = Aligned([[[0.0; COUNT]; W]; 2]);
    let room = room.0.as_flattened_mut().as_flattened_mut();
    let origin = W * COUNT;
    // SAFETY: blocks lie within the elements; what they store begins after `origin` less one block.
    unsafe {
        let place =
            |room: &mut [f64], element: usize| room[origin + element - rest.start..].as_mut_ptr();
        if rest.len() > COUNT && n >= W * COUNT {
            let terms = block::<W, F>(links, operands, n - W * COUNT, functions);
            for i in 0..W {
                terms[i].store(place(room, n - W * COUNT + i * COUNT));
            }
            at = n;
        }
        while at + COUNT <= n {
            let [terms] = block::<1, F>(links, operands, at, functions);
            terms.store(place(room, at));
            at += COUNT;
        }
        if at < n && n >= COUNT {
            let [terms] = block::<1, F>(links, operands, n - COUNT, functions);
            terms.store(place(room, n - COUNT));
            at = n;
        }
        for at in at..n {
            let view = Along::row_at(at * size_of::<f64>());
            let [term] =
                Interpreted::block::<Few<f64, 1>, 1, Surely>(links, operands, view, &mut Surely);
            term.store(place(room, at));
        }
        let mut terms = [__m512d::zero(); W];
        for i in 0..W {
            terms[i] = __m512d::load(room[origin + i * COUNT..].as_ptr());
        }
        terms
    }
}

/// Of chains with sines and cosines, but no other functions.
///
/// # Safety
/// As for [`SumFn`].
#[target_feature(enable = "avx2,fma,avx512f,avx512dq")]
pub unsafe fn sum_angles(links: &[Link], operands: &[Operand], ends: &[usize], sums: &mut [f64]) {
    let again = Some(sum_surely as SumFn);
    // SAFETY: the caller's promise.
    unsafe { sum_terms::<4, Angles>(links, operands, ends, sums, again) }
}

/// Of chains with exponentials and logarithms, but no other functions.
///
/// # Safety
/// As for [`SumFn`].
#[target_feature(enable = "avx2,fma,avx512f,avx512dq")]
pub unsafe fn sum_exponentials(
    links: &[Link],
    operands: &[Operand],
    ends: &[usize],
    sums: &mut [f64],
) {
    let again = Some(sum_surely as SumFn);
    // SAFETY: the caller's promise.
    unsafe { sum_terms::<8, Exponentials>(links, operands, ends, sums, again) }
}

/// Of chains with any functions, whatever their arguments.
///
/// # Safety
/// As for [`SumFn`].
#[cold]
#[target_feature(enable = "avx2,fma,avx512f,avx512dq")]
pub unsafe fn sum_surely(links: &[Link], operands: &[Operand], ends: &[usize], sums: &mut [f64]) {
    // SAFETY: the caller's promise.
    unsafe { sum_terms::<8, Surely>(links, operands, ends, sums, None) }
}
