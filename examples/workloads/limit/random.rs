//! Random numbers that are written, or used where they are made.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::buffer;
use super::columns::merge;
use super::philox::{Consume, Draw, Normal, Stream, Uniform, for_each};
use super::vector::{Register, dispatch};

/// The columns whose sums stay in the first-level cache while rows are made.
const STRIP: usize = 2048;

/// Writes scale · U + shift.
struct Write<'a> {
    out: &'a mut [MaybeUninit<f64>],
    scale: f64,
    shift: f64,
}

impl Consume for Write<'_> {
    #[inline(always)]
    fn group<V: Register>(&mut self, i: usize, even: V, odd: V) {
        let (factor, term) = (V::splat(self.scale * Uniform::SCALE), V::splat(self.shift));
        let (a, b) = even
            .mul_add(factor, term)
            .interleave(odd.mul_add(factor, term));
        let to = self.out.as_mut_ptr().cast::<f64>();
        // SAFETY: `for_each` gives whole groups of two vectors, inside of the slice.
        unsafe {
            a.store(to.add(i));
            b.store(to.add(i + V::LANES));
        }
    }

    fn single(&mut self, i: usize, value: f64) {
        self.out[i].write(value * self.scale + self.shift);
    }
}

#[inline(always)]
fn affine_body<V: Register>(
    stream: &Stream,
    first: u64,
    scale: f64,
    shift: f64,
    out: &mut [MaybeUninit<f64>],
) {
    let len = out.len();
    for_each::<V, Uniform>(stream, first, len, &mut Write { out, scale, shift });
}

/// Adds elements, not yet scaled.
struct Add<'a, D> {
    sums: &'a mut [f64],
    draw: PhantomData<D>,
}

impl<D: Draw> Consume for Add<'_, D> {
    #[inline(always)]
    fn group<V: Register>(&mut self, i: usize, even: V, odd: V) {
        let (a, b) = even.interleave(odd);
        let to = self.sums.as_mut_ptr();
        // SAFETY: `for_each` gives whole groups of two vectors, inside of the slice.
        unsafe {
            V::load(to.add(i)).add(a).store(to.add(i));
            V::load(to.add(i + V::LANES))
                .add(b)
                .store(to.add(i + V::LANES));
        }
    }

    fn single(&mut self, i: usize, value: f64) {
        self.sums[i] += value / D::SCALE;
    }
}

#[inline(always)]
fn add_row<V: Register, D: Draw>(stream: &Stream, first: u64, sums: &mut [f64]) {
    let len = sums.len();
    for_each::<V, D>(
        stream,
        first,
        len,
        &mut Add::<D> {
            sums,
            draw: PhantomData,
        },
    );
}

#[inline(always)]
fn add_rows<V: Register, D: Draw>(stream: &Stream, rows: std::ops::Range<usize>, sums: &mut [f64]) {
    let columns = sums.len();
    for (strip, sums) in sums.chunks_mut(STRIP).enumerate() {
        for row in rows.clone() {
            add_row::<V, D>(stream, (row * columns + strip * STRIP) as u64, sums);
        }
    }
}

#[inline(always)]
fn uniform_body<V: Register>(stream: &Stream, rows: std::ops::Range<usize>, sums: &mut [f64]) {
    add_rows::<V, Uniform>(stream, rows, sums);
}

#[inline(always)]
fn normal_body<V: Register>(stream: &Stream, rows: std::ops::Range<usize>, sums: &mut [f64]) {
    add_rows::<V, Normal>(stream, rows, sums);
}

#[cfg(test)]
#[inline(always)]
fn add_uniform_body<V: Register>(stream: &Stream, first: u64, sums: &mut [f64]) {
    add_row::<V, Uniform>(stream, first, sums);
}

dispatch! {
    /// For a test: rows of arrays that are too large to be summed there.
    #[cfg(test)]
    pub fn add_uniform(stream: &Stream, first: u64, sums: &mut [f64]) = add_uniform_body;
    fn affine_part(stream: &Stream, first: u64, scale: f64, shift: f64, out: &mut [MaybeUninit<f64>]) = affine_body;
    fn uniform_rows(stream: &Stream, rows: std::ops::Range<usize>, sums: &mut [f64]) = uniform_body;
    fn normal_rows(stream: &Stream, rows: std::ops::Range<usize>, sums: &mut [f64]) = normal_body;
}

/// scale · U + shift, in memory of its own.
pub fn affine(stream: &Stream, len: usize, scale: f64, shift: f64) -> Vec<f64> {
    buffer::build(len, |first, part| {
        affine_part(stream, first as u64, scale, shift, part)
    })
}

pub fn uniform(stream: &Stream, len: usize) -> Vec<f64> {
    affine(stream, len, 1.0, 0.0)
}

type AddRows = fn(&Stream, std::ops::Range<usize>, &mut [f64]);

pub fn mean0_uniform(stream: &Stream, rows: usize, columns: usize) -> Vec<f64> {
    mean0(stream, rows, columns, uniform_rows, Uniform::SCALE)
}

pub fn mean0_normal(stream: &Stream, rows: usize, columns: usize) -> Vec<f64> {
    mean0(stream, rows, columns, normal_rows, Normal::SCALE)
}

fn mean0(stream: &Stream, rows: usize, columns: usize, add: AddRows, scale: f64) -> Vec<f64> {
    let band = rows.div_ceil(8 * rayon::current_num_threads()).max(1);
    let parts: Vec<Vec<f64>> = (0..rows.div_ceil(band))
        .into_par_iter()
        .map(|i| {
            let mut sums = vec![0.0; columns];
            add(stream, i * band..((i + 1) * band).min(rows), &mut sums);
            sums
        })
        .collect();
    merge(&parts)
        .iter()
        .map(|sum| sum * scale / rows as f64)
        .collect()
}

/// (U + 1)[..10, ..10]
pub fn corner(stream: &Stream, rows: usize, columns: usize) -> Vec<f64> {
    let mut result = Vec::with_capacity(100);
    for row in 0..rows.min(10) {
        for column in 0..columns.min(10) {
            result.push(stream.uniform((row * columns + column) as u64) + 1.0);
        }
    }
    result
}
