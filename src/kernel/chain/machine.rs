//! The interpreter of chains.

// Registers of a block are indexed alike; and loops, unlike closures, are always compiled for the instructions of the
// function that they are in.
#![allow(clippy::needless_range_loop)]

use std::ops::Range;

use super::functions::{FunctionsOf, Without};
use super::program::{Interpreted, Program, View};
use super::registers::Registers;
use super::{ChainFn, ChainsWithFunctions, Link, Operand, Sums};
#[cfg(target_arch = "x86_64")]
use super::{crossed, terms};
use crate::base::dtype::DType;
use crate::kernel::lanes::Few;
use crate::kernel::level::Level;
use crate::kernel::prefetch::prefetch;
use crate::kernel::reduce::sum_of_lanes;
use crate::op::reducer::LANES;

/// Rows that are added to sums while these are in registers.
const ROWS: usize = 8;

/// But if rows of at most so many bytes follow one another, one at a time: memory is read in the order in which it lies.
const SHORT: usize = 8192;

/// A block of one row, that begins so many bytes from the beginning of it.
#[derive(Clone, Copy)]
pub(super) struct Along {
    row: usize,
    at: usize,
}

impl Along {
    /// So many bytes from the beginning.
    #[inline(always)]
    pub fn row_at(at: usize) -> Along {
        Along { row: 0, at }
    }

    #[inline(always)]
    unsafe fn first<T>(self, operand: &Operand) -> *mut T {
        // SAFETY: the caller's promise.
        unsafe {
            let first = operand.first.add(self.at & operand.mask);
            first.offset(self.row as isize * operand.row).cast()
        }
    }
}

impl<V: Registers, const W: usize> View<V, W> for Along {
    #[inline(always)]
    unsafe fn load(self, operand: &Operand) -> [V; W] {
        // SAFETY: the caller's promise.
        unsafe {
            let first = self.first::<V::Item>(operand);
            let mut registers = [V::zero(); W];
            for i in 0..W {
                registers[i] = V::load(first.add(i * V::COUNT));
            }
            registers
        }
    }

    #[inline(always)]
    unsafe fn store(self, operand: &Operand, registers: [V; W]) {
        // SAFETY: the caller's promise.
        unsafe {
            let first = self.first::<V::Item>(operand);
            for i in 0..W {
                registers[i].store(first.add(i * V::COUNT));
            }
        }
    }

    #[inline(always)]
    fn ask(self, operand: &Operand) {
        let first = operand.first.wrapping_add(self.at & operand.mask);
        let row = (self.row + 1) as isize * operand.row;
        prefetch(first.wrapping_offset(row), W * size_of::<V>());
    }
}

/// # Safety
/// As for [`ChainFn`].
#[inline(always)]
unsafe fn run<V: Registers, E: Registers<Item = V::Item>, F, const W: usize>(
    links: &[Link],
    operands: &[Operand],
    n: usize,
) where
    F: FunctionsOf<V> + FunctionsOf<E>,
{
    let size = size_of::<V::Item>();
    let mut functions = F::default();
    let mut at = 0;
    // SAFETY: blocks lie within the `n` elements.
    unsafe {
        while at + W * V::COUNT <= n {
            let view = Along::row_at(at * size);
            Interpreted::block::<V, W, _>(links, operands, view, &mut functions);
            at += W * V::COUNT;
        }
        while at + V::COUNT <= n {
            let view = Along::row_at(at * size);
            Interpreted::block::<V, 1, _>(links, operands, view, &mut functions);
            at += V::COUNT;
        }
        while at < n {
            let view = Along::row_at(at * size);
            Interpreted::block::<E, 1, _>(links, operands, view, &mut functions);
            at += 1;
        }
    }
}

/// Registers are stored there whole, without crossing cache lines.
#[repr(align(64))]
pub(super) struct Aligned<T>(pub T);

/// `L` registers are the lanes of a run, and `W` is a multiple of it.
///
/// # Safety
/// As for [`SumFn`](super::SumFn).
#[inline(always)]
unsafe fn sum_runs<P: Program, V: Registers<Item = f64>, const W: usize, const L: usize>(
    links: &[Link],
    operands: &[Operand],
    ends: &[usize],
    sums: &mut [f64],
) {
    const SIZE: usize = size_of::<f64>();
    const { assert!(LANES == L * V::COUNT && (L == 2 || L == 4)) };
    let mut at = 0;
    for (&end, sum) in ends.iter().zip(&mut *sums) {
        // What changes nothing when added.
        let mut lanes = [V::splat(-0.0); L];
        // SAFETY: blocks lie within the last end's elements.
        unsafe {
            while at + W * V::COUNT <= end {
                let view = Along::row_at(at * SIZE);
                let terms = P::block::<V, W, _>(links, operands, view, &mut Without);
                for i in 0..W {
                    lanes[i % L] = lanes[i % L].add(terms[i]);
                }
                at += W * V::COUNT;
            }
            while at + LANES <= end {
                let view = Along::row_at(at * SIZE);
                let terms = P::block::<V, L, _>(links, operands, view, &mut Without);
                for i in 0..L {
                    lanes[i] = lanes[i].add(terms[i]);
                }
                at += LANES;
            }
            let mut rest = 0;
            // One after the other, and inlined: lanes that are found by number are in no registers.
            macro_rules! one {
                ($lane:literal) => {
                    if at + V::COUNT <= end {
                        let view = Along::row_at(at * SIZE);
                        let [terms] = P::block::<V, 1, _>(links, operands, view, &mut Without);
                        lanes[$lane] = lanes[$lane].add(terms);
                        rest += V::COUNT;
                        at += V::COUNT;
                    }
                };
            }
            one!(0);
            if L == 4 {
                one!(1);
                one!(2);
            }
            let mut single = Aligned([0.0; LANES]);
            for i in 0..L {
                lanes[i].store(single.0.as_mut_ptr().add(i * V::COUNT));
            }
            for lane in &mut single.0[rest..][..end - at] {
                let view = Along::row_at(at * SIZE);
                let [Few([term])] =
                    P::block::<Few<f64, 1>, 1, _>(links, operands, view, &mut Without);
                *lane += term;
                at += 1;
            }
            *sum = sum_of_lanes(single.0);
        }
    }
}

/// # Safety
/// As for [`AddRowsFn`](super::AddRowsFn).
#[inline(always)]
unsafe fn add_rows<P: Program, V: Registers<Item = f64>, const W: usize, const HALF: usize>(
    links: &[Link],
    operands: &[Operand],
    rows: usize,
    n: usize,
    sums: *mut f64,
) {
    let bytes = n * size_of::<f64>();
    let follow = bytes <= SHORT && operands.iter().any(|operand| operand.row == bytes as isize);
    // Rows of three or four columns in lanes: with AVX-512 there are registers for the sums of all of these.
    let is_wide = |registers: usize| P::KNOWN && W == 8 && n == registers * V::COUNT;
    let (three, four) = (is_wide(12), is_wide(16));
    let at_once = if follow && !three && !four { 1 } else { ROWS };
    for first in (0..rows).step_by(at_once) {
        let rows = first..(first + at_once).min(rows);
        let mut at = 0;
        // SAFETY: blocks lie within the rows' `n` elements.
        unsafe {
            if P::KNOWN && three {
                add_block::<P, V, 12, 4>(links, operands, rows.clone(), at, sums);
                at = n;
            } else if P::KNOWN && four {
                add_block::<P, V, 16, 4>(links, operands, rows.clone(), at, sums);
                at = n;
            }
            while at + W * V::COUNT <= n {
                add_block::<P, V, W, W>(links, operands, rows.clone(), at, sums);
                at += W * V::COUNT;
            }
            while at + HALF * V::COUNT <= n {
                add_block::<P, V, HALF, HALF>(links, operands, rows.clone(), at, sums);
                at += HALF * V::COUNT;
            }
            while at + V::COUNT <= n {
                add_block::<P, V, 1, 1>(links, operands, rows.clone(), at, sums);
                at += V::COUNT;
            }
            while at < n {
                add_block::<P, Few<f64, 1>, 1, 1>(links, operands, rows.clone(), at, sums);
                at += 1;
            }
        }
    }
}

/// The sums of `W` registers, whose terms are computed `PART` registers at a time.
///
/// # Safety
/// As for [`AddRowsFn`](super::AddRowsFn), for the elements of a block.
#[inline(always)]
unsafe fn add_block<P: Program, V: Registers<Item = f64>, const W: usize, const PART: usize>(
    links: &[Link],
    operands: &[Operand],
    rows: Range<usize>,
    at: usize,
    sums: *mut f64,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let place = |i: usize| sums.add(at + i * V::COUNT);
        let mut sums = [V::zero(); W];
        for i in 0..W {
            sums[i] = V::load(place(i));
        }
        for row in rows {
            for part in 0..W / PART {
                let terms = P::block::<V, PART, _>(
                    links,
                    operands,
                    Along {
                        row,
                        at: (at + part * PART * V::COUNT) * size_of::<f64>(),
                    },
                    &mut Without,
                );
                for i in 0..PART {
                    sums[part * PART + i] = sums[part * PART + i].add(terms[i]);
                }
            }
        }
        for i in 0..W {
            sums[i].store(place(i));
        }
    }
}

/// What reads memory has few loads of it: processors look ahead for each load of the program, and eight of 64 bytes for a
/// block read memory at two thirds of its speed. So an interpreted chain has registers of 32 bytes, with AVX-512 only more
/// of them, and a known one two of 64.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{__m256, __m256d, __m512d};

    use super::super::functions::Surely;
    use super::*;

    /// # Safety
    /// As for [`ChainFn`].
    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn f32(links: &[Link], operands: &[Operand], n: usize) {
        // SAFETY: the caller's promise.
        unsafe { run::<__m256, Few<f32, 1>, Without, 8>(links, operands, n) }
    }

    /// # Safety
    /// As for [`ChainFn`].
    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn f64(links: &[Link], operands: &[Operand], n: usize) {
        // SAFETY: the caller's promise.
        unsafe { run::<__m256d, Few<f64, 1>, Without, 8>(links, operands, n) }
    }

    /// # Safety
    /// As for [`SumFn`](super::SumFn).
    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn sum_avx2<P: Program>(
        links: &[Link],
        operands: &[Operand],
        ends: &[usize],
        sums: &mut [f64],
    ) {
        // SAFETY: the caller's promise.
        unsafe { sum_runs::<P, __m256d, 8, 4>(links, operands, ends, sums) }
    }

    /// With enough registers for operands, terms and lanes.
    ///
    /// # Safety
    /// As for [`SumFn`](super::SumFn).
    #[target_feature(enable = "avx2,fma,avx512f,avx512dq,avx512vl")]
    pub unsafe fn sum_avx512<P: Program>(
        links: &[Link],
        operands: &[Operand],
        ends: &[usize],
        sums: &mut [f64],
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            if P::KNOWN {
                sum_runs::<P, __m512d, 2, 2>(links, operands, ends, sums)
            } else {
                sum_runs::<P, __m256d, 8, 4>(links, operands, ends, sums)
            }
        }
    }

    /// Of operands that lie in the first-level cache, for which wider registers are faster.
    ///
    /// # Safety
    /// As for [`SumFn`](super::SumFn).
    #[target_feature(enable = "avx2,fma,avx512f,avx512dq")]
    pub unsafe fn sum_near<P: Program>(
        links: &[Link],
        operands: &[Operand],
        ends: &[usize],
        sums: &mut [f64],
    ) {
        // SAFETY: the caller's promise.
        unsafe { sum_runs::<P, __m512d, 8, 2>(links, operands, ends, sums) }
    }

    /// A chain with functions that nobody sums. It may overwrite what it has read, and could not be run again.
    ///
    /// # Safety
    /// As for [`ChainFn`].
    #[target_feature(enable = "avx2,fma,avx512f,avx512dq")]
    pub unsafe fn functions(links: &[Link], operands: &[Operand], n: usize) {
        // SAFETY: the caller's promise.
        unsafe { run::<__m512d, Few<f64, 1>, Surely, 8>(links, operands, n) }
    }

    /// # Safety
    /// As for [`AddRowsFn`](super::AddRowsFn).
    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn add_rows_avx2<P: Program>(
        links: &[Link],
        operands: &[Operand],
        rows: usize,
        n: usize,
        sums: *mut f64,
    ) {
        // SAFETY: the caller's promise.
        unsafe { add_rows::<P, __m256d, 4, 2>(links, operands, rows, n, sums) }
    }

    /// # Safety
    /// As for [`AddRowsFn`](super::AddRowsFn).
    #[target_feature(enable = "avx2,fma,avx512f,avx512vl")]
    pub unsafe fn add_rows_avx512<P: Program>(
        links: &[Link],
        operands: &[Operand],
        rows: usize,
        n: usize,
        sums: *mut f64,
    ) {
        // SAFETY: the caller's promise.
        unsafe { add_rows::<P, __m256d, 8, 4>(links, operands, rows, n, sums) }
    }
}

pub fn chain(dtype: DType, level: Level) -> Option<ChainFn> {
    Some(match (dtype, level) {
        #[cfg(target_arch = "x86_64")]
        (DType::F32, Level::Avx2 | Level::Avx512) => x86::f32,
        #[cfg(target_arch = "x86_64")]
        (DType::F64, Level::Avx2 | Level::Avx512) => x86::f64,
        _ => return None,
    })
}

pub fn with_functions(level: Level) -> Option<ChainsWithFunctions> {
    #[cfg(target_arch = "x86_64")]
    if level >= Level::Avx512 {
        return Some(ChainsWithFunctions {
            run: x86::functions,
            sum_angles: terms::sum_angles,
            sum_exponentials: terms::sum_exponentials,
            sum_both: terms::sum_surely,
        });
    }
    let _ = level;
    None
}

/// The sums of any chain.
pub fn sums(level: Level) -> Option<Sums> {
    sums_of::<Interpreted>(level)
}

/// The sums of a program.
pub(super) fn sums_of<P: Program>(level: Level) -> Option<Sums> {
    #[cfg(target_arch = "x86_64")]
    if level >= Level::Avx2 {
        let wide = level == Level::Avx512;
        return Some(Sums {
            runs: [x86::sum_avx2::<P>, x86::sum_avx512::<P>][usize::from(wide)],
            near_runs: [x86::sum_avx2::<P>, x86::sum_near::<P>][usize::from(wide)],
            add_rows: [x86::add_rows_avx2::<P>, x86::add_rows_avx512::<P>][usize::from(wide)],
            crossed: [crossed::add_avx2::<P>, crossed::add_avx512::<P>][usize::from(wide)],
        });
    }
    let _ = level;
    None
}
