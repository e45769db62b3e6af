//! The interpreter of chains.

// Registers of a block are indexed alike.
#![allow(clippy::needless_range_loop)]

use std::ops::Range;

use super::registers::Registers;
use super::{AddRowsFn, ChainFn, Does, Link, Operand, SumFn};
use crate::base::dtype::DType;
use crate::kernel::lanes::Few;
use crate::kernel::level::Level;
use crate::kernel::reduce::sum_of_lanes;
use crate::op::reducer::LANES;

/// Rows that are added to sums while these are in registers.
const ROWS: usize = 8;

/// The accumulator after all links, for the block of `W` registers that begins `at` bytes from the beginning of
/// a row of the operands.
///
/// # Safety
/// As for [`ChainFn`]; the block must lie within the operands.
#[inline(always)]
unsafe fn block<V: Registers, const W: usize>(
    links: &[Link],
    operands: &[Operand],
    row: usize,
    at: usize,
) -> [V; W] {
    let mut a = [V::zero(); W];
    for link in links {
        // SAFETY: links name operands that there are, and these hold the block.
        unsafe {
            let operand = operands.get_unchecked(usize::from(link.operand));
            let x = operand.first.add(at & operand.mask);
            let x = x.offset(row as isize * operand.row).cast::<V::Item>();
            macro_rules! all {
                (|$a:ident| $result:expr) => {
                    for i in 0..W {
                        let $a = a[i];
                        a[i] = $result;
                    }
                };
                (|$a:ident, $x:ident| $result:expr) => {
                    if link.single {
                        let $x = V::splat(*x);
                        all!(|$a| $result);
                    } else {
                        for i in 0..W {
                            let ($a, $x) = (a[i], V::load(x.add(i * V::COUNT)));
                            a[i] = $result;
                        }
                    }
                };
            }
            match link.does {
                Does::Load => all!(|_a, x| x),
                Does::Store => {
                    for i in 0..W {
                        a[i].store(x.add(i * V::COUNT));
                    }
                }
                Does::Add => all!(|a, x| a.add(x)),
                Does::Subtract => all!(|a, x| a.subtract(x)),
                Does::SubtractFrom => all!(|a, x| x.subtract(a)),
                Does::Multiply => all!(|a, x| a.multiply(x)),
                Does::Divide => all!(|a, x| a.divide(x)),
                Does::DivideInto => all!(|a, x| x.divide(a)),
                Does::Negate => all!(|a| a.negate()),
                Does::Absolute => all!(|a| a.absolute()),
                Does::Square => all!(|a| a.multiply(a)),
                Does::SquareRoot => all!(|a| a.square_root()),
            }
        }
    }
    a
}

/// # Safety
/// As for [`ChainFn`].
#[inline(always)]
unsafe fn run<V: Registers, E: Registers<Item = V::Item>, const W: usize>(
    links: &[Link],
    operands: &[Operand],
    n: usize,
) {
    let size = size_of::<V::Item>();
    let mut at = 0;
    // SAFETY: blocks lie within the `n` elements.
    unsafe {
        while at + W * V::COUNT <= n {
            block::<V, W>(links, operands, 0, at * size);
            at += W * V::COUNT;
        }
        while at + V::COUNT <= n {
            block::<V, 1>(links, operands, 0, at * size);
            at += V::COUNT;
        }
        while at < n {
            block::<E, 1>(links, operands, 0, at * size);
            at += 1;
        }
    }
}

/// `L` registers are the lanes of a run, and `W` is a multiple of it.
///
/// # Safety
/// As for [`SumFn`].
#[inline(always)]
unsafe fn sum_runs<V: Registers<Item = f64>, const W: usize, const L: usize>(
    links: &[Link],
    operands: &[Operand],
    ends: &[usize],
    sums: &mut [f64],
) {
    const SIZE: usize = size_of::<f64>();
    let mut at = 0;
    for (&end, sum) in ends.iter().zip(sums) {
        // What changes nothing when added.
        let mut lanes = [V::splat(-0.0); L];
        // SAFETY: blocks lie within the last end's elements.
        unsafe {
            while at + W * V::COUNT <= end {
                let terms = block::<V, W>(links, operands, 0, at * SIZE);
                for i in 0..W {
                    lanes[i % L] = lanes[i % L].add(terms[i]);
                }
                at += W * V::COUNT;
            }
            while at + LANES <= end {
                let terms = block::<V, L>(links, operands, 0, at * SIZE);
                for i in 0..L {
                    lanes[i] = lanes[i].add(terms[i]);
                }
                at += LANES;
            }
            let mut single = [0.0; LANES];
            for i in 0..L {
                lanes[i].store(single.as_mut_ptr().add(i * V::COUNT));
            }
            for lane in &mut single[..end - at] {
                let [Few([term])] = block::<Few<f64, 1>, 1>(links, operands, 0, at * SIZE);
                *lane += term;
                at += 1;
            }
            *sum = sum_of_lanes(single);
        }
    }
}

/// # Safety
/// As for [`AddRowsFn`].
#[inline(always)]
unsafe fn add_rows<V: Registers<Item = f64>, const W: usize, const HALF: usize>(
    links: &[Link],
    operands: &[Operand],
    rows: usize,
    n: usize,
    sums: *mut f64,
) {
    for first in (0..rows).step_by(ROWS) {
        let rows = first..(first + ROWS).min(rows);
        let mut at = 0;
        // SAFETY: blocks lie within the rows' `n` elements.
        unsafe {
            while at + W * V::COUNT <= n {
                add_block::<V, W>(links, operands, rows.clone(), at, sums);
                at += W * V::COUNT;
            }
            while at + HALF * V::COUNT <= n {
                add_block::<V, HALF>(links, operands, rows.clone(), at, sums);
                at += HALF * V::COUNT;
            }
            while at + V::COUNT <= n {
                add_block::<V, 1>(links, operands, rows.clone(), at, sums);
                at += V::COUNT;
            }
            while at < n {
                add_block::<Few<f64, 1>, 1>(links, operands, rows.clone(), at, sums);
                at += 1;
            }
        }
    }
}

/// # Safety
/// As for [`AddRowsFn`], for the elements of a block.
#[inline(always)]
unsafe fn add_block<V: Registers<Item = f64>, const W: usize>(
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
            let terms = block::<V, W>(links, operands, row, at * size_of::<f64>());
            for i in 0..W {
                sums[i] = sums[i].add(terms[i]);
            }
        }
        for i in 0..W {
            sums[i].store(place(i));
        }
    }
}

/// All have registers of 32 bytes, with AVX-512 only more of them: with those of 64 the loads of a block
/// are so many at once that memory is read at two thirds of its speed.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{__m256, __m256d};

    use super::*;

    /// # Safety
    /// As for [`ChainFn`].
    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn f32(links: &[Link], operands: &[Operand], n: usize) {
        // SAFETY: the caller's promise.
        unsafe { run::<__m256, Few<f32, 1>, 8>(links, operands, n) }
    }

    /// # Safety
    /// As for [`ChainFn`].
    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn f64(links: &[Link], operands: &[Operand], n: usize) {
        // SAFETY: the caller's promise.
        unsafe { run::<__m256d, Few<f64, 1>, 8>(links, operands, n) }
    }

    /// # Safety
    /// As for [`SumFn`].
    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn sum(links: &[Link], operands: &[Operand], ends: &[usize], sums: &mut [f64]) {
        // SAFETY: the caller's promise.
        unsafe { sum_runs::<__m256d, 8, 4>(links, operands, ends, sums) }
    }

    /// # Safety
    /// As for [`AddRowsFn`].
    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn add_rows_avx2(
        links: &[Link],
        operands: &[Operand],
        rows: usize,
        n: usize,
        sums: *mut f64,
    ) {
        // SAFETY: the caller's promise.
        unsafe { add_rows::<__m256d, 4, 2>(links, operands, rows, n, sums) }
    }

    /// # Safety
    /// As for [`AddRowsFn`].
    #[target_feature(enable = "avx2,fma,avx512f,avx512vl")]
    pub unsafe fn add_rows_avx512(
        links: &[Link],
        operands: &[Operand],
        rows: usize,
        n: usize,
        sums: *mut f64,
    ) {
        // SAFETY: the caller's promise.
        unsafe { add_rows::<__m256d, 8, 4>(links, operands, rows, n, sums) }
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

pub fn sum(level: Level) -> Option<(SumFn, AddRowsFn)> {
    Some(match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => (x86::sum, x86::add_rows_avx2),
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => (x86::sum, x86::add_rows_avx512),
        _ => return None,
    })
}
