//! The interpreter of chains.

// Registers of a block are indexed alike.
#![allow(clippy::needless_range_loop)]

use std::ops::Range;

#[cfg(target_arch = "x86_64")]
use super::crossed;
use super::registers::Registers;
use super::{ChainFn, Does, Functions, Link, Operand, Sums};
use crate::base::dtype::DType;
use crate::kernel::lanes::Few;
use crate::kernel::level::Level;
use crate::kernel::prefetch::prefetch;
use crate::kernel::reduce::sum_of_lanes;
use crate::op::program::BLOCK_BYTES;
use crate::op::reducer::LANES;

/// Registers whose functions are computed side by side.
const TOGETHER: usize = 4;
/// The bytes between what is loaded and what is asked for.
const AHEAD: usize = 4096;
/// Rows that are added to sums while these are in registers.
const ROWS: usize = 8;

/// How the registers of a block are found in the operands.
pub(super) trait View<V: Registers, const W: usize>: Copy {
    /// # Safety
    /// The operand must hold the block.
    unsafe fn load(self, operand: &Operand) -> [V; W];

    /// # Safety
    /// As for `load`, and the operand may be written.
    unsafe fn store(self, operand: &Operand, registers: [V; W]);

    /// Asks for what a later block will load, unless the caller does.
    #[inline(always)]
    fn ask(self, _: &Operand) {}
}

/// A block of one row, that begins so many bytes from the beginning of it.
#[derive(Clone, Copy)]
struct Along {
    row: usize,
    at: usize,
}

impl Along {
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
            std::array::from_fn(|i| V::load(first.add(i * V::COUNT)))
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
        let at = self.at.wrapping_add(AHEAD) & operand.mask;
        let row = self.row as isize * operand.row;
        let first = operand.first.wrapping_add(at).wrapping_offset(row);
        prefetch(first, W * size_of::<V>());
    }
}

/// The accumulator of `W` registers after all links.
///
/// Functions take so many registers that, where they are compiled in, others have to be stored: chains without them
/// have an interpreter without them.
///
/// # Safety
/// As for [`ChainFn`]; the block must lie within the operands.
#[inline(always)]
pub(super) unsafe fn block<V: Registers, const W: usize, const FUNCTIONS: bool>(
    links: &[Link],
    operands: &[Operand],
    view: impl View<V, W>,
) -> [V; W] {
    // Blocks of scratch have no more room.
    const { assert!(W * size_of::<V>() <= BLOCK_BYTES) };
    let mut a = [V::zero(); W];
    for link in links {
        // SAFETY: links name operands that there are, and these hold the block.
        unsafe {
            let operand = operands.get_unchecked(usize::from(link.operand));
            macro_rules! all {
                (|$a:ident| $result:expr) => {
                    for i in 0..W {
                        let $a = a[i];
                        a[i] = $result;
                    }
                };
                (|$a:ident, $x:ident| $result:expr) => {
                    if link.single {
                        let $x = V::splat(operand.first.cast::<V::Item>().read());
                        all!(|$a| $result);
                    } else {
                        let x = view.load(operand);
                        for i in 0..W {
                            let ($a, $x) = (a[i], x[i]);
                            a[i] = $result;
                        }
                    }
                };
            }
            match link.does {
                Does::Load => all!(|_a, x| x),
                Does::LoadAhead | Does::SinCos if !FUNCTIONS => {
                    unreachable!("a chain with functions has an interpreter with functions")
                }
                Does::LoadAhead => {
                    view.ask(operand);
                    all!(|_a, x| x);
                }
                Does::LoadSquare => all!(|_a, x| x.multiply(x)),
                Does::Store => view.store(operand, a),
                Does::Add => all!(|a, x| a.add(x)),
                Does::AddSquare => all!(|a, x| a.add(x.multiply(x))),
                Does::Subtract => all!(|a, x| a.subtract(x)),
                Does::SubtractFrom => all!(|a, x| x.subtract(a)),
                Does::Multiply => all!(|a, x| a.multiply(x)),
                Does::Divide => all!(|a, x| a.divide(x)),
                Does::DivideInto => all!(|a, x| x.divide(a)),
                Does::Negate => all!(|a| a.negate()),
                Does::Absolute => all!(|a| a.absolute()),
                Does::Square => all!(|a| a.multiply(a)),
                Does::SquareRoot => all!(|a| a.square_root()),
                Does::SinCos => {
                    let angles = a;
                    let (mut cosines, mut quadrants) = (a, V::zero());
                    let (some, rest) = angles.as_chunks::<TOGETHER>();
                    let mut at = 0;
                    macro_rules! some {
                        ($angles:expr) => {
                            let (sine, cosine, quadrant) = V::sin_cos($angles);
                            for i in 0..sine.len() {
                                a[at + i] = sine[i];
                                cosines[at + i] = cosine[i];
                                quadrants = quadrants.join(quadrant[i]);
                            }
                            at += sine.len();
                        };
                    }
                    for angles in some {
                        some!(*angles);
                    }
                    for angle in rest {
                        some!([*angle]);
                    }
                    debug_assert!(at == W);
                    view.store(operand, cosines);
                    if quadrants.may_be_far() {
                        let both = far(&angles);
                        a = both.0;
                        view.store(operand, both.1);
                    }
                }
            }
        }
    }
    a
}

/// Sine and cosine of registers some of whose elements may be far.
#[cold]
#[inline(never)]
fn far<V: Registers, const W: usize>(angles: &[V; W]) -> ([V; W], [V; W]) {
    let (mut sines, mut cosines) = (*angles, *angles);
    for i in 0..W {
        (sines[i], cosines[i]) = angles[i].sin_cos_of_any();
    }
    (sines, cosines)
}

/// # Safety
/// As for [`ChainFn`].
#[inline(always)]
unsafe fn run<V: Registers, E: Registers<Item = V::Item>, const W: usize, const FUNCTIONS: bool>(
    links: &[Link],
    operands: &[Operand],
    n: usize,
) {
    let size = size_of::<V::Item>();
    let mut at = 0;
    // SAFETY: blocks lie within the `n` elements.
    unsafe {
        while at + W * V::COUNT <= n {
            block::<V, W, FUNCTIONS>(
                links,
                operands,
                Along {
                    row: 0,
                    at: at * size,
                },
            );
            at += W * V::COUNT;
        }
        while at + V::COUNT <= n {
            block::<V, 1, FUNCTIONS>(
                links,
                operands,
                Along {
                    row: 0,
                    at: at * size,
                },
            );
            at += V::COUNT;
        }
        while at < n {
            block::<E, 1, FUNCTIONS>(
                links,
                operands,
                Along {
                    row: 0,
                    at: at * size,
                },
            );
            at += 1;
        }
    }
}

/// Registers are stored there whole, without crossing cache lines.
#[repr(align(64))]
struct Aligned<T>(T);

/// `L` registers are the lanes of a run, and `W` is a multiple of it.
///
/// # Safety
/// As for [`SumFn`](super::SumFn).
#[inline(always)]
unsafe fn sum_runs<
    V: Registers<Item = f64>,
    const W: usize,
    const L: usize,
    const FUNCTIONS: bool,
>(
    links: &[Link],
    operands: &[Operand],
    ends: &[usize],
    sums: &mut [f64],
) {
    const SIZE: usize = size_of::<f64>();
    const { assert!(L == 2 || L == 4) };
    let mut at = 0;
    for (&end, sum) in ends.iter().zip(sums) {
        // What changes nothing when added.
        let mut lanes = [V::splat(-0.0); L];
        // SAFETY: blocks lie within the last end's elements.
        unsafe {
            while at + W * V::COUNT <= end {
                let terms = block::<V, W, FUNCTIONS>(
                    links,
                    operands,
                    Along {
                        row: 0,
                        at: at * SIZE,
                    },
                );
                for i in 0..W {
                    lanes[i % L] = lanes[i % L].add(terms[i]);
                }
                at += W * V::COUNT;
            }
            while at + LANES <= end {
                let terms = block::<V, L, FUNCTIONS>(
                    links,
                    operands,
                    Along {
                        row: 0,
                        at: at * SIZE,
                    },
                );
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
                        let view = Along {
                            row: 0,
                            at: at * SIZE,
                        };
                        let [terms] = block::<V, 1, FUNCTIONS>(links, operands, view);
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
                let view = Along {
                    row: 0,
                    at: at * SIZE,
                };
                let [Few([term])] = block::<Few<f64, 1>, 1, FUNCTIONS>(links, operands, view);
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
/// As for [`AddRowsFn`](super::AddRowsFn), for the elements of a block.
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
            let terms = block::<V, W, false>(
                links,
                operands,
                Along {
                    row,
                    at: at * size_of::<f64>(),
                },
            );
            for i in 0..W {
                sums[i] = sums[i].add(terms[i]);
            }
        }
        for i in 0..W {
            sums[i].store(place(i));
        }
    }
}

/// What reads memory has registers of 32 bytes, with AVX-512 only more of them: with those of 64 the loads of a block
/// are so many at once that memory is read at two thirds of its speed.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{__m256, __m256d, __m512d};

    use super::*;

    /// # Safety
    /// As for [`ChainFn`].
    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn f32(links: &[Link], operands: &[Operand], n: usize) {
        // SAFETY: the caller's promise.
        unsafe { run::<__m256, Few<f32, 1>, 8, false>(links, operands, n) }
    }

    /// # Safety
    /// As for [`ChainFn`].
    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn f64(links: &[Link], operands: &[Operand], n: usize) {
        // SAFETY: the caller's promise.
        unsafe { run::<__m256d, Few<f64, 1>, 8, false>(links, operands, n) }
    }

    /// # Safety
    /// As for [`SumFn`](super::SumFn).
    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn sum_avx2(links: &[Link], operands: &[Operand], ends: &[usize], sums: &mut [f64]) {
        // SAFETY: the caller's promise.
        unsafe { sum_runs::<__m256d, 8, 4, false>(links, operands, ends, sums) }
    }

    /// With enough registers for operands, terms and lanes.
    ///
    /// # Safety
    /// As for [`SumFn`](super::SumFn).
    #[target_feature(enable = "avx2,fma,avx512f,avx512vl")]
    pub unsafe fn sum_avx512(
        links: &[Link],
        operands: &[Operand],
        ends: &[usize],
        sums: &mut [f64],
    ) {
        // SAFETY: the caller's promise.
        unsafe { sum_runs::<__m256d, 8, 4, false>(links, operands, ends, sums) }
    }

    /// Of operands that lie in the first-level cache, for which wider registers are faster.
    ///
    /// # Safety
    /// As for [`SumFn`](super::SumFn).
    #[target_feature(enable = "avx2,fma,avx512f,avx512dq")]
    pub unsafe fn sum_near(links: &[Link], operands: &[Operand], ends: &[usize], sums: &mut [f64]) {
        // SAFETY: the caller's promise.
        unsafe { sum_runs::<__m512d, 8, 2, false>(links, operands, ends, sums) }
    }

    /// Of chains with functions.
    ///
    /// # Safety
    /// As for [`ChainFn`].
    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn functions(links: &[Link], operands: &[Operand], n: usize) {
        // SAFETY: the caller's promise.
        unsafe { run::<__m256d, Few<f64, 1>, 8, true>(links, operands, n) }
    }

    /// Of chains with functions.
    ///
    /// # Safety
    /// As for [`SumFn`](super::SumFn).
    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn functions_avx2(
        links: &[Link],
        operands: &[Operand],
        ends: &[usize],
        sums: &mut [f64],
    ) {
        // SAFETY: the caller's promise.
        unsafe { sum_runs::<__m256d, 8, 4, true>(links, operands, ends, sums) }
    }

    /// Of chains with functions.
    ///
    /// # Safety
    /// As for [`SumFn`](super::SumFn).
    #[target_feature(enable = "avx2,fma,avx512f,avx512dq")]
    pub unsafe fn functions_avx512(
        links: &[Link],
        operands: &[Operand],
        ends: &[usize],
        sums: &mut [f64],
    ) {
        // SAFETY: the caller's promise.
        unsafe { sum_runs::<__m512d, 8, 2, true>(links, operands, ends, sums) }
    }

    /// # Safety
    /// As for [`AddRowsFn`](super::AddRowsFn).
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
    /// As for [`AddRowsFn`](super::AddRowsFn).
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

/// Of `float64`, with functions.
pub fn functions(level: Level) -> Option<Functions> {
    #[cfg(target_arch = "x86_64")]
    if level >= Level::Avx2 {
        let wide = level == Level::Avx512;
        return Some(Functions {
            run: x86::functions,
            sum: [x86::functions_avx2, x86::functions_avx512][usize::from(wide)],
        });
    }
    let _ = level;
    None
}

pub fn sums(level: Level) -> Option<Sums> {
    #[cfg(target_arch = "x86_64")]
    if level >= Level::Avx2 {
        let wide = level == Level::Avx512;
        return Some(Sums {
            runs: [x86::sum_avx2, x86::sum_avx512][usize::from(wide)],
            near_runs: [x86::sum_avx2, x86::sum_near][usize::from(wide)],
            add_rows: [x86::add_rows_avx2, x86::add_rows_avx512][usize::from(wide)],
            crossed: [crossed::add_avx2, crossed::add_avx512][usize::from(wide)],
        });
    }
    let _ = level;
    None
}
