//! The order in a row piece: column by column, row after row.

use std::marker::PhantomData;
use std::slice::from_raw_parts;

use super::accumulate::Accumulate;
use super::lanes::{keeps, step_if};
use crate::op::scalar::Any;

/// Rows taken in one pass over the accumulators: enough that their loads and stores do not count.
const PASS: usize = 8;

/// `rows` rows of `width` values, a stride of elements apart, and perhaps a mask of the same form.
#[derive(Clone, Copy)]
pub struct Rows<'a, T> {
    values: *const T,
    stride: isize,
    mask: *const u8,
    mask_stride: isize,
    pub rows: usize,
    pub width: usize,
    life: PhantomData<&'a T>,
}

impl<'a, T> Rows<'a, T> {
    /// # Safety
    /// Every row must be `width` aligned values, and `width` bytes of the mask unless that is null,
    /// for as long as the result lives.
    pub unsafe fn new(
        values: *const u8,
        stride: isize,
        mask: *const u8,
        mask_stride: isize,
        rows: usize,
        width: usize,
    ) -> Rows<'a, T> {
        Rows {
            values: values.cast(),
            stride,
            mask,
            mask_stride,
            rows,
            width,
            life: PhantomData,
        }
    }

    /// The columns from `start` to `start + width`.
    #[inline(always)]
    pub fn columns(self, start: usize, width: usize) -> Rows<'a, T> {
        assert!(start + width <= self.width, "columns outside of the rows");
        Rows {
            values: self.values.wrapping_add(start),
            mask: if self.mask.is_null() {
                self.mask
            } else {
                self.mask.wrapping_add(start)
            },
            width,
            ..self
        }
    }

    #[inline(always)]
    pub fn is_masked(self) -> bool {
        !self.mask.is_null()
    }

    #[inline(always)]
    pub fn row(self, r: usize) -> &'a [T] {
        assert!(r < self.rows, "a row outside of the piece");
        // SAFETY: `new` was promised that all rows are there.
        unsafe { from_raw_parts(self.values.offset(r as isize * self.stride), self.width) }
    }

    #[inline(always)]
    pub fn mask_row(self, r: usize) -> Option<&'a [u8]> {
        assert!(r < self.rows, "a row outside of the piece");
        if self.mask.is_null() {
            return None;
        }
        // SAFETY: `new` was promised that the mask has all rows.
        Some(unsafe { from_raw_parts(self.mask.offset(r as isize * self.mask_stride), self.width) })
    }
}

/// Takes the rows into the states, one per column.
#[inline(always)]
pub fn fold_rows<T: Any, A: Accumulate<T>, const SKIP: bool>(
    acc: A,
    rows: Rows<'_, T>,
    states: &mut [A::State],
) {
    let mut r = 0;
    if !SKIP && !rows.is_masked() {
        while r + PASS <= rows.rows {
            step_pass(acc, std::array::from_fn(|i| rows.row(r + i)), states);
            r += PASS;
        }
    }
    while r < rows.rows {
        match rows.mask_row(r) {
            None => step_row::<T, A, SKIP>(acc, rows.row(r), states),
            Some(mask) => step_masked_row::<T, A, SKIP>(acc, rows.row(r), mask, states),
        }
        r += 1;
    }
}

#[inline(always)]
fn step_pass<T: Copy, A: Accumulate<T>>(acc: A, rows: [&[T]; PASS], states: &mut [A::State]) {
    let n = states.len();
    let [a, b, c, d, e, f, g, h] = rows.map(|row| &row[..n]);
    for i in 0..n {
        let mut state = states[i];
        state = acc.step(state, a[i]);
        state = acc.step(state, b[i]);
        state = acc.step(state, c[i]);
        state = acc.step(state, d[i]);
        state = acc.step(state, e[i]);
        state = acc.step(state, f[i]);
        state = acc.step(state, g[i]);
        state = acc.step(state, h[i]);
        states[i] = state;
    }
}

#[inline(always)]
fn step_row<T: Any, A: Accumulate<T>, const SKIP: bool>(
    acc: A,
    row: &[T],
    states: &mut [A::State],
) {
    let row = &row[..states.len()];
    for i in 0..states.len() {
        states[i] = step_if(acc, states[i], row[i], keeps::<T, SKIP>(row[i]));
    }
}

#[inline(always)]
fn step_masked_row<T: Any, A: Accumulate<T>, const SKIP: bool>(
    acc: A,
    row: &[T],
    mask: &[u8],
    states: &mut [A::State],
) {
    let (row, mask) = (&row[..states.len()], &mask[..states.len()]);
    for i in 0..states.len() {
        let keep = (mask[i] != 0) & keeps::<T, SKIP>(row[i]);
        states[i] = step_if(acc, states[i], row[i], keep);
    }
}
