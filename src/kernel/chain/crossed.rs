//! Sums of chains of which some operands are read across their rows: a block is a few columns of some rows, which
//! the operands that lie across are turned into in registers.

use super::functions::Without;
use super::program::{Program, View};
use super::registers::Turned;
use super::{Crossed, Link, Operand, RowLanes};
use crate::kernel::lanes::{Few, Lanes};
use crate::kernel::prefetch::Asking;
use crate::op::reducer::LANES;

const SIZE: isize = size_of::<f64>() as isize;

/// The rows and the columns of a block: as many as the widest register has elements.
pub const ROWS: usize = 8;
pub const COLUMNS: usize = 8;

/// Where an element of an operand is.
#[inline(always)]
fn place(operand: &Operand, row: usize, column: usize) -> *mut f64 {
    let offset = row as isize * operand.row + column as isize * operand.column;
    operand.first.wrapping_offset(offset).cast()
}

/// A register from each of some rows.
#[derive(Clone, Copy)]
struct Rows {
    row: usize,
    column: usize,
}

impl<V: Turned> View<V, ROWS> for Rows {
    #[inline(always)]
    unsafe fn load(self, operand: &Operand) -> [V; ROWS] {
        let first = place(operand, self.row, self.column);
        let mut registers = [V::zero(); ROWS];
        // SAFETY: the caller's promise.
        unsafe {
            if operand.mask == 0 {
                // A block of scratch.
                let first = operand.first.cast::<f64>();
                for (i, register) in registers.iter_mut().enumerate() {
                    *register = V::load(first.add(i * V::COUNT));
                }
            } else if operand.column == SIZE {
                for (i, register) in registers.iter_mut().enumerate() {
                    *register = V::load(first.byte_offset(i as isize * operand.row));
                }
            } else {
                registers = V::rows(first, operand.column);
            }
        }
        registers
    }

    #[inline(always)]
    unsafe fn store(self, operand: &Operand, registers: [V; ROWS]) {
        // SAFETY: sums store to blocks of scratch only.
        unsafe {
            for (i, register) in registers.into_iter().enumerate() {
                register.store(operand.first.cast::<f64>().add(i * V::COUNT));
            }
        }
    }
}

/// Some elements, for what is left over: of one row, or of one column.
#[derive(Clone, Copy)]
struct Strip {
    row: usize,
    column: usize,
    down: bool,
}

impl<const N: usize> View<Few<f64, N>, 1> for Strip {
    #[inline(always)]
    unsafe fn load(self, operand: &Operand) -> [Few<f64, N>; 1] {
        // SAFETY: the caller's promise.
        unsafe {
            if operand.mask == 0 {
                return [Few::load(operand.first.cast())];
            }
            let first = place(operand, self.row, self.column);
            let step = if self.down {
                operand.row
            } else {
                operand.column
            };
            let place = |i: usize| first.byte_offset(i as isize * step);
            [Few(std::array::from_fn(|i| place(i).read()))]
        }
    }

    #[inline(always)]
    unsafe fn store(self, operand: &Operand, [few]: [Few<f64, N>; 1]) {
        // SAFETY: as for blocks.
        unsafe { few.store(operand.first.cast()) }
    }
}

/// Adds `N` elements of a row.
///
/// # Safety
/// As for [`CrossedFn`](super::CrossedFn); the elements must be there.
#[inline(always)]
unsafe fn add_few<P: Program, const N: usize>(
    links: &[Link],
    operands: &[Operand],
    [row, column]: [usize; 2],
    lanes: &mut RowLanes,
) {
    let strip = Strip {
        row,
        column,
        down: false,
    };
    // SAFETY: the caller's promise.
    let [Few(terms)] =
        unsafe { P::block::<Few<f64, N>, 1, _>(links, operands, strip, &mut Without) };
    for (i, term) in terms.into_iter().enumerate() {
        lanes[(column + i) % LANES] += term;
    }
}

/// Adds the terms of a block of eight columns.
///
/// # Safety
/// As for [`CrossedFn`](super::CrossedFn); the block must be there.
#[inline(always)]
unsafe fn add_block<P: Program, V: Turned>(
    links: &[Link],
    part: &mut Crossed<'_>,
    [row, first]: [usize; 2],
) {
    for column in (first..first + COLUMNS).step_by(V::COUNT) {
        // SAFETY: the caller's promise; a register fits into the lanes.
        unsafe {
            let view = Rows { row, column };
            let terms = P::block::<V, ROWS, _>(links, part.operands, view, &mut Without);
            let lanes = part.lanes.as_mut_ptr().add(row);
            for (i, term) in terms.into_iter().enumerate() {
                let lanes = lanes.add(i).cast::<f64>().add(column % LANES);
                V::load(lanes).add(term).store(lanes);
            }
        }
    }
}

/// Adds what blocks have left over: they have added so many columns of so many rows.
///
/// # Safety
/// As for [`CrossedFn`](super::CrossedFn).
#[inline(always)]
unsafe fn add_rest<P: Program>(
    links: &[Link],
    part: &mut Crossed<'_>,
    [rows, columns]: [usize; 2],
) {
    let n = part.n;
    let (blocks, rest) = part.lanes.split_at_mut(rows);
    for (number, lanes) in blocks.chunks_exact_mut(ROWS).enumerate() {
        for column in columns..n {
            let strip = Strip {
                row: number * ROWS,
                column,
                down: true,
            };
            // SAFETY: the elements lie within the operands.
            let [Few(terms)] = unsafe {
                P::block::<Few<f64, ROWS>, 1, _>(links, part.operands, strip, &mut Without)
            };
            for (lanes, term) in lanes.iter_mut().zip(terms) {
                lanes[column % LANES] += term;
            }
        }
    }
    for (i, lanes) in rest.iter_mut().enumerate() {
        let row = rows + i;
        let mut column = 0;
        // SAFETY: the elements lie within the operands.
        unsafe {
            while column + ROWS <= n {
                add_few::<P, ROWS>(links, part.operands, [row, column], lanes);
                column += ROWS;
            }
            while column < n {
                add_few::<P, 1>(links, part.operands, [row, column], lanes);
                column += 1;
            }
        }
    }
}

/// # Safety
/// As for [`CrossedFn`](super::CrossedFn).
#[inline(always)]
unsafe fn add<P: Program, V: Turned>(
    links: &[Link],
    parts: &mut [Crossed<'_>],
    mut asking: Asking<'_>,
) {
    // The second part's rows are the first one's columns.
    let turned = |number: usize, [row, column]: [usize; 2]| match number {
        0 => [row, column],
        _ => [column, row],
    };
    let sides = [parts[0].lanes.len(), parts[0].n];
    let [rows, columns] = sides.map(|len| len / ROWS * ROWS);
    for row in (0..rows).step_by(ROWS) {
        for column in (0..columns).step_by(COLUMNS) {
            asking.ask();
            for (number, part) in parts.iter_mut().enumerate() {
                // SAFETY: the block lies within the operands.
                unsafe { add_block::<P, V>(links, part, turned(number, [row, column])) };
            }
        }
    }
    for (number, part) in parts.iter_mut().enumerate() {
        // SAFETY: the caller's promise.
        unsafe { add_rest::<P>(links, part, turned(number, [rows, columns])) };
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{__m256d, __m512d};

    use super::*;

    /// # Safety
    /// As for [`CrossedFn`](super::super::CrossedFn).
    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn add_avx2<P: Program>(
        links: &[Link],
        parts: &mut [Crossed<'_>],
        asking: Asking<'_>,
    ) {
        // SAFETY: the caller's promise.
        unsafe { add::<P, __m256d>(links, parts, asking) }
    }

    /// # Safety
    /// As for [`CrossedFn`](super::super::CrossedFn).
    #[target_feature(enable = "avx2,fma,avx512f,avx512dq")]
    pub unsafe fn add_avx512<P: Program>(
        links: &[Link],
        parts: &mut [Crossed<'_>],
        asking: Asking<'_>,
    ) {
        // SAFETY: the caller's promise.
        unsafe { add::<P, __m512d>(links, parts, asking) }
    }
}
#[cfg(target_arch = "x86_64")]
pub use x86::{add_avx2, add_avx512};
