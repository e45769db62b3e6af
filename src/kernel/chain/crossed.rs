//! Sums of chains of which some operands are read across their rows: a block is a few columns of some rows, which
//! the operands that lie across are turned into in registers.

// Registers of a block are indexed alike, and loops, unlike closures, are always compiled for the instructions of the
// function that they are in.
#![allow(clippy::needless_range_loop)]

use std::cell::Cell;

use super::functions::Without;
use super::program::{Program, View};
use super::registers::Turned;
use super::{Crossed, Does, Link, Of, Operand, Opposite};
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
    /// Whether the rows and columns of the operands are exchanged.
    turned: bool,
}

impl<V: Turned> View<V, ROWS> for Rows {
    #[inline(always)]
    unsafe fn load(self, operand: &Operand) -> [V; ROWS] {
        let (first, down, along) = if self.turned {
            let first = place(operand, self.column, self.row);
            (first, operand.column, operand.row)
        } else {
            let first = place(operand, self.row, self.column);
            (first, operand.row, operand.column)
        };
        let mut registers = [V::zero(); ROWS];
        // SAFETY: the caller's promise.
        unsafe {
            if operand.mask == 0 {
                // A block of scratch.
                let first = operand.first.cast::<f64>();
                for i in 0..ROWS {
                    registers[i] = V::load(first.add(i * V::COUNT));
                }
            } else if along == SIZE {
                for i in 0..ROWS {
                    registers[i] = V::load(first.byte_offset(i as isize * down));
                }
            } else {
                registers = V::rows(first, along);
            }
        }
        registers
    }

    #[inline(always)]
    unsafe fn store(self, operand: &Operand, registers: [V; ROWS]) {
        // SAFETY: sums store to blocks of scratch only.
        unsafe {
            for i in 0..ROWS {
                registers[i].store(operand.first.cast::<f64>().add(i * V::COUNT));
            }
        }
    }
}

/// The blocks of both operands of two parts, each of which reads straight what the other reads across: they have been loaded,
/// and turned, once. The compiler sees which one each link of a known chain gets.
#[derive(Clone, Copy)]
struct Held<'a, V> {
    blocks: &'a [[V; ROWS]; 2],
    /// The one that is loaded next.
    next: &'a Cell<usize>,
}

impl<V: Turned> View<V, ROWS> for Held<'_, V> {
    #[inline(always)]
    unsafe fn load(self, _: &Operand) -> [V; ROWS] {
        let next = self.next.get();
        self.next.set(1 - next);
        self.blocks[next]
    }

    #[inline(always)]
    unsafe fn store(self, _: &Operand, _: [V; ROWS]) {
        unreachable!("what is held is only read")
    }
}

/// The two operands of a part that the part opposite loads in turn, if these are all that both of them load, once each.
fn held(links: &[Link], part: &Crossed<'_>, opposite: &Opposite<'_>) -> Option<[Operand; 2]> {
    if links.iter().any(|link| link.does == Does::Store) {
        return None;
    }
    let mut loads = links
        .iter()
        .filter(|link| link.does.has_operand() && link.of == Of::Elements)
        .map(|link| usize::from(link.operand));
    let [first, second] = [loads.next()?, loads.next()?];
    if loads.next().is_some() {
        return None;
    }
    let is_turned = |one: usize, other: usize| {
        let (one, other) = (&part.operands[one], &opposite.operands[other]);
        let strides = [one.row, one.column] == [other.column, other.row];
        one.mask != 0 && other.mask != 0 && one.first == other.first && strides
    };
    let both = is_turned(first, second) && is_turned(second, first);
    both.then(|| [first, second].map(|load| part.operands[load]))
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

/// One of two parts: the first one, or the one opposite.
enum Part<'a, 'b, 'c> {
    Straight(&'a mut Crossed<'b>),
    Opposite(&'a mut Opposite<'c>),
}

impl Part<'_, '_, '_> {
    #[inline(always)]
    fn operands(&self) -> &[Operand] {
        match self {
            Part::Straight(part) => part.operands,
            Part::Opposite(part) => part.operands,
        }
    }

    /// The lane of an element in the part's own rows and columns.
    #[inline(always)]
    fn lane(&mut self, row: usize, column: usize) -> &mut f64 {
        match self {
            Part::Straight(part) => &mut part.lanes[row].0[column % LANES],
            Part::Opposite(part) => {
                let half = &mut part.lanes[column % LANES / COLUMNS];
                &mut half[row / ROWS].0[column % COLUMNS][row % ROWS]
            }
        }
    }

    /// Adds the terms of a block, whose place is that in the first part's rows and columns.
    ///
    /// # Safety
    /// There must be lanes for them; and they must lie within eight columns that begin with a multiple of eight.
    #[inline(always)]
    unsafe fn add<V: Turned>(&mut self, [row, column]: [usize; 2], terms: [V; ROWS]) {
        // SAFETY: the caller's promise; a register fits into the lanes.
        unsafe {
            let (lanes, step) = match self {
                Part::Straight(part) => {
                    let lanes = part.lanes.as_mut_ptr().add(row).cast::<f64>();
                    (lanes.add(column % LANES), LANES)
                }
                Part::Opposite(part) => {
                    let lanes = part.lanes[row % LANES / ROWS].as_mut_ptr();
                    let lanes = lanes.add(column / COLUMNS).cast::<f64>();
                    (lanes.add(column % COLUMNS), COLUMNS)
                }
            };
            for i in 0..ROWS {
                let lanes = lanes.add(i * step);
                V::load(lanes).add(terms[i]).store(lanes);
            }
        }
    }
}

/// Adds `N` elements of a row, or of a column.
///
/// # Safety
/// As for [`CrossedFn`](super::CrossedFn); the elements must be there.
#[inline(always)]
unsafe fn add_few<P: Program, const N: usize>(links: &[Link], part: &mut Part, strip: Strip) {
    let operands = part.operands();
    // SAFETY: the caller's promise.
    let [Few(terms)] =
        unsafe { P::block::<Few<f64, N>, 1, _>(links, operands, strip, &mut Without) };
    for i in 0..N {
        let (row, column) = match strip.down {
            true => (strip.row + i, strip.column),
            false => (strip.row, strip.column + i),
        };
        *part.lane(row, column) += terms[i];
    }
}

/// Adds what blocks have left over: they have added so many columns of so many of the `of` rows and columns.
///
/// # Safety
/// As for [`CrossedFn`](super::CrossedFn).
#[inline(always)]
unsafe fn add_rest<P: Program>(
    links: &[Link],
    part: &mut Part,
    [rows, columns]: [usize; 2],
    of: [usize; 2],
) {
    let [all_rows, n] = of;
    // SAFETY: the elements lie within the operands.
    unsafe {
        for row in (0..rows).step_by(ROWS) {
            for column in columns..n {
                let down = true;
                add_few::<P, ROWS>(links, part, Strip { row, column, down });
            }
        }
        for row in rows..all_rows {
            let (mut column, down) = (0, false);
            while column + ROWS <= n {
                add_few::<P, ROWS>(links, part, Strip { row, column, down });
                column += ROWS;
            }
            while column < n {
                add_few::<P, 1>(links, part, Strip { row, column, down });
                column += 1;
            }
        }
    }
}

/// Adds the blocks of two parts that have these operands in common.
///
/// # Safety
/// As for [`CrossedFn`](super::CrossedFn).
#[inline(always)]
unsafe fn add_held<P: Program, V: Turned>(
    links: &[Link],
    operands: &[Operand; 2],
    [straight, opposite]: [&mut Part; 2],
    [rows, columns]: [usize; 2],
    mut asking: Asking<'_>,
) {
    for row in (0..rows).step_by(ROWS) {
        for column in (0..columns).step_by(V::COUNT) {
            if column.is_multiple_of(COLUMNS) {
                asking.ask();
            }
            let view = Rows {
                row,
                column,
                turned: false,
            };
            // SAFETY: the block lies within the operands.
            unsafe {
                let blocks = &[view.load(&operands[0]), view.load(&operands[1])];
                let next = &Cell::new(0);
                let view = Held { blocks, next };
                let of = straight.operands();
                let terms = P::block::<V, ROWS, _>(links, of, view, &mut Without);
                straight.add([row, column], terms);
                next.set(1);
                let of = opposite.operands();
                let terms = P::block::<V, ROWS, _>(links, of, view, &mut Without);
                opposite.add([row, column], terms);
            }
        }
    }
}

/// # Safety
/// As for [`CrossedFn`](super::CrossedFn).
#[inline(always)]
unsafe fn add<P: Program, V: Turned>(
    links: &[Link],
    part: &mut Crossed<'_>,
    opposite: Option<&mut Opposite<'_>>,
    mut asking: Asking<'_>,
) {
    let sides = [part.lanes.len(), part.n];
    let whole = sides.map(|len| len / ROWS * ROWS);
    let held = match &opposite {
        Some(opposite) if P::KNOWN => held(links, part, opposite),
        _ => None,
    };
    let mut parts = [Some(Part::Straight(part)), opposite.map(Part::Opposite)];
    // SAFETY: the blocks lie within the operands, and the rest is the caller's promise.
    unsafe {
        if let (Some(operands), [Some(straight), Some(opposite)]) = (held, &mut parts) {
            add_held::<P, V>(links, &operands, [straight, opposite], whole, asking);
        } else {
            for row in (0..whole[0]).step_by(ROWS) {
                for column in (0..whole[1]).step_by(V::COUNT) {
                    if column.is_multiple_of(COLUMNS) {
                        asking.ask();
                    }
                    for (number, part) in parts.iter_mut().flatten().enumerate() {
                        let turned = number == 1;
                        let view = Rows {
                            row,
                            column,
                            turned,
                        };
                        let operands = part.operands();
                        let terms = P::block::<V, ROWS, _>(links, operands, view, &mut Without);
                        part.add([row, column], terms);
                    }
                }
            }
        }
        let turned = |[rows, columns]: [usize; 2]| [columns, rows];
        for (number, part) in parts.iter_mut().flatten().enumerate() {
            let [whole, of] = [whole, sides].map(|sides| match number {
                0 => sides,
                _ => turned(sides),
            });
            add_rest::<P>(links, part, whole, of);
        }
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
        part: &mut Crossed<'_>,
        opposite: Option<&mut Opposite<'_>>,
        asking: Asking<'_>,
    ) {
        // SAFETY: the caller's promise.
        unsafe { add::<P, __m256d>(links, part, opposite, asking) }
    }

    /// # Safety
    /// As for [`CrossedFn`](super::super::CrossedFn).
    #[target_feature(enable = "avx2,fma,avx512f,avx512dq")]
    pub unsafe fn add_avx512<P: Program>(
        links: &[Link],
        part: &mut Crossed<'_>,
        opposite: Option<&mut Opposite<'_>>,
        asking: Asking<'_>,
    ) {
        // SAFETY: the caller's promise.
        unsafe { add::<P, __m512d>(links, part, opposite, asking) }
    }
}
#[cfg(target_arch = "x86_64")]
pub use x86::{add_avx2, add_avx512};
