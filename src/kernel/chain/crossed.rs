//! Sums of chains of which some operands are read across their rows: a block is a few columns of some rows, which
//! the operands that lie across are turned into in registers.

// Registers of a block are indexed alike, and loops, unlike closures, are always compiled for the instructions of the
// function that they are in.
#![allow(clippy::needless_range_loop)]

use std::cell::Cell;

use super::functions::Without;
use super::program::{Program, View};
use super::registers::Turned;
use super::{Crossed, Does, Link, Of, Operand, Opposite, RowLanes, TurnedLanes};
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

/// A register from each of some rows; `TURNED`, of operands whose rows and columns are exchanged.
#[derive(Clone, Copy)]
struct Rows<const TURNED: bool> {
    row: usize,
    column: usize,
}

impl<V: Turned, const TURNED: bool> View<V, ROWS> for Rows<TURNED> {
    #[inline(always)]
    unsafe fn load(self, operand: &Operand) -> [V; ROWS] {
        let (first, down, along) = if TURNED {
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

/// The lanes of a part's rows.
trait RowsOfLanes {
    /// Of the terms of a row, those of the columns that `column` stands for.
    fn lane(&mut self, row: usize, column: usize) -> &mut f64;
}

impl RowsOfLanes for [RowLanes] {
    #[inline(always)]
    fn lane(&mut self, row: usize, column: usize) -> &mut f64 {
        &mut self[row].0[column % LANES]
    }
}

impl RowsOfLanes for [&mut [TurnedLanes]; 2] {
    #[inline(always)]
    fn lane(&mut self, row: usize, column: usize) -> &mut f64 {
        let half = &mut self[column % LANES / COLUMNS];
        &mut half[row / ROWS].0[column % COLUMNS][row % ROWS]
    }
}

/// Adds `N` elements of a row, or of a column.
///
/// # Safety
/// As for [`CrossedFn`](super::CrossedFn); the elements must be there.
#[inline(always)]
unsafe fn add_few<P: Program, const N: usize>(
    links: &[Link],
    operands: &[Operand],
    strip: Strip,
    lanes: &mut (impl RowsOfLanes + ?Sized),
) {
    // SAFETY: the caller's promise.
    let [Few(terms)] =
        unsafe { P::block::<Few<f64, N>, 1, _>(links, operands, strip, &mut Without) };
    for i in 0..N {
        let (row, column) = match strip.down {
            true => (strip.row + i, strip.column),
            false => (strip.row, strip.column + i),
        };
        *lanes.lane(row, column) += terms[i];
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
    [row, column]: [usize; 2],
    view: impl View<V, ROWS>,
) {
    // SAFETY: the caller's promise; a register fits into the lanes.
    unsafe {
        let terms = P::block::<V, ROWS, _>(links, part.operands, view, &mut Without);
        let lanes = part.lanes.as_mut_ptr().add(row);
        for i in 0..ROWS {
            let lanes = lanes.add(i).cast::<f64>().add(column % LANES);
            V::load(lanes).add(terms[i]).store(lanes);
        }
    }
}

/// As `add_block`, of the part opposite; the block is that of the first part's rows and columns.
///
/// # Safety
/// As for `add_block`.
#[inline(always)]
unsafe fn add_opposite<P: Program, V: Turned>(
    links: &[Link],
    part: &mut Opposite<'_>,
    [row, column]: [usize; 2],
    view: impl View<V, ROWS>,
) {
    // SAFETY: the caller's promise; a register fits into the lanes.
    unsafe {
        let terms = P::block::<V, ROWS, _>(links, part.operands, view, &mut Without);
        let lanes = part.lanes[row % LANES / ROWS].as_mut_ptr();
        let lanes = lanes.add(column / COLUMNS).cast::<f64>();
        for i in 0..ROWS {
            let lanes = lanes.add(i * COLUMNS + column % COLUMNS);
            V::load(lanes).add(terms[i]).store(lanes);
        }
    }
}

/// Adds what blocks have left over: they have added so many columns of so many of the `of` rows and columns.
///
/// # Safety
/// As for [`CrossedFn`](super::CrossedFn).
#[inline(always)]
unsafe fn add_rest<P: Program>(
    links: &[Link],
    operands: &[Operand],
    lanes: &mut (impl RowsOfLanes + ?Sized),
    [rows, columns]: [usize; 2],
    of: [usize; 2],
) {
    let [all_rows, n] = of;
    // SAFETY: the elements lie within the operands.
    unsafe {
        for row in (0..rows).step_by(ROWS) {
            for column in columns..n {
                let strip = Strip {
                    row,
                    column,
                    down: true,
                };
                add_few::<P, ROWS>(links, operands, strip, lanes);
            }
        }
        for row in rows..all_rows {
            let strip = |column| Strip {
                row,
                column,
                down: false,
            };
            let mut column = 0;
            while column + ROWS <= n {
                add_few::<P, ROWS>(links, operands, strip(column), lanes);
                column += ROWS;
            }
            while column < n {
                add_few::<P, 1>(links, operands, strip(column), lanes);
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
    part: &mut Crossed<'_>,
    opposite: Option<&mut Opposite<'_>>,
    mut asking: Asking<'_>,
) {
    let sides = [part.lanes.len(), part.n];
    let whole = sides.map(|len| len / ROWS * ROWS);
    macro_rules! blocks {
        (|$place:ident| $add:expr) => {
            for row in (0..whole[0]).step_by(ROWS) {
                for first in (0..whole[1]).step_by(COLUMNS) {
                    asking.ask();
                    for column in (first..first + COLUMNS).step_by(V::COUNT) {
                        let $place = [row, column];
                        $add
                    }
                }
            }
        };
    }
    // SAFETY: the blocks lie within the operands, and the rest is the caller's promise.
    unsafe {
        match opposite {
            Some(opposite) => {
                if let Some(operands) = held(links, part, opposite) {
                    blocks!(|place| {
                        let [row, column] = place;
                        let rows = Rows::<false> { row, column };
                        let blocks = &[rows.load(&operands[0]), rows.load(&operands[1])];
                        let next = &Cell::new(0);
                        add_block::<P, V>(links, part, place, Held { blocks, next });
                        let next = &Cell::new(1);
                        add_opposite::<P, V>(links, opposite, place, Held { blocks, next });
                    });
                } else {
                    blocks!(|place| {
                        let [row, column] = place;
                        let view = Rows::<false> { row, column };
                        add_block::<P, V>(links, part, place, view);
                        let view = Rows::<true> { row, column };
                        add_opposite::<P, V>(links, opposite, place, view);
                    });
                }
                let turned = |[rows, columns]: [usize; 2]| [columns, rows];
                let (lanes, whole, of) = (&mut opposite.lanes, turned(whole), turned(sides));
                add_rest::<P>(links, opposite.operands, lanes, whole, of);
            }
            None => blocks!(|place| {
                let [row, column] = place;
                let view = Rows::<false> { row, column };
                add_block::<P, V>(links, part, place, view);
            }),
        }
        add_rest::<P>(links, part.operands, part.lanes, whole, sides);
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
