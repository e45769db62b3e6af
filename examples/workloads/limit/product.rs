//! The product of two square matrices, in blocks for each cache (Goto and van de Geijn, "Anatomy of
//! high-performance matrix multiplication", 2008).
//!
//! Block of steps after block, the second matrix is packed by all threads together. Then each takes bands of
//! rows, packs a block of the first matrix, and multiplies it with the panels of the second.

// Rows and registers are indexed alike in panels, sums and places.
#![allow(clippy::needless_range_loop)]

use rayon::prelude::*;

use super::buffer::advise_huge;
use super::vector::{Vector, dispatch};

/// Steps of the sum whose panels are multiplied at a time.
const DEPTH: usize = 384;
/// Rows of a band: a block of them stays in the second-level cache, beside columns.
const BAND: usize = 96;
/// Bytes of the second matrix's panels that stay in the second-level cache while the band's rows pass by.
const CACHED: usize = 256 << 10;
/// How many steps ahead panels are asked for.
const AHEAD: usize = 8;

/// Columns of a panel, and rows of one.
const fn columns<V: Vector>() -> usize {
    if V::LANES == 8 { 24 } else { 2 * V::LANES }
}

const fn rows<V: Vector>() -> usize {
    if V::LANES == 8 { 8 } else { 6 }
}

/// Packs a panel of columns of one block of steps, one step after another. What a last panel has too many is 0.
#[inline(always)]
fn pack_columns<V: Vector>(y: &[f64], n: usize, depth: usize, panel: usize, to: &mut [f64]) {
    let width = columns::<V>();
    let column = panel * width;
    let count = width.min(n - column);
    for (step, to) in to.chunks_exact_mut(width).enumerate() {
        to[..count].copy_from_slice(&y[(depth + step) * n + column..][..count]);
        to[count..].fill(0.0);
    }
}

/// One block of rows: panels of rows, in them one step after another.
#[inline(always)]
fn pack_rows<V: Vector>(x: &[f64], n: usize, band: usize, depth: usize, packed: &mut [f64]) {
    let (height, steps) = (rows::<V>(), DEPTH.min(n - depth));
    let end = (band + BAND).min(n);
    for (panel, to) in packed.chunks_mut(height * steps).enumerate() {
        for lane in 0..height {
            let row = band + panel * height + lane;
            for step in 0..steps {
                to[step * height + lane] = match row < end {
                    true => x[row * n + depth + step],
                    false => 0.0,
                };
            }
        }
    }
}

/// One tile: `R` rows and `C` registers of columns. `to` is the result's place, `height` × `width` of the tile exist.
///
/// # Safety
/// The panels must hold `steps` steps, and the places of the tile that exist must be there; initialized unless
/// this is the first block.
#[inline(always)]
unsafe fn tile<V: Vector, const R: usize, const C: usize>(
    steps: usize,
    (mut a, mut b): (*const f64, *const f64),
    to: *mut f64,
    n: usize,
    (height, width): (usize, usize),
    first: bool,
) {
    let mut sums = [[V::splat(0.0); C]; R];
    for row in 0..R {
        for at in 0..C {
            V::prefetch_near(to.wrapping_add(row * n + at * V::LANES));
        }
    }
    // SAFETY: the caller's promise.
    unsafe {
        for _ in 0..steps {
            let mut columns = [V::splat(0.0); C];
            for at in 0..C {
                columns[at] = V::load(b.add(at * V::LANES));
                V::prefetch_near(b.wrapping_add((AHEAD * C + at) * V::LANES));
            }
            for row in 0..R {
                let factor = V::splat(*a.add(row));
                for at in 0..C {
                    sums[row][at] = factor.mul_add(columns[at], sums[row][at]);
                }
            }
            a = a.add(R);
            b = b.add(C * V::LANES);
        }
        if (height, width) == (R, C * V::LANES) {
            for row in 0..R {
                for at in 0..C {
                    let place = to.add(row * n + at * V::LANES);
                    let sum = match first {
                        true => sums[row][at],
                        false => V::load(place).add(sums[row][at]),
                    };
                    sum.store(place);
                }
            }
        } else {
            let mut flat = [0.0; 256];
            for row in 0..height {
                for at in 0..C {
                    sums[row][at].store(flat.as_mut_ptr().add(at * V::LANES));
                }
                for (column, sum) in flat.iter().enumerate().take(width) {
                    let place = to.add(row * n + column);
                    place.write(if first { *sum } else { *place + sum });
                }
            }
        }
    }
}

/// The rows `band..` of the result: one block of steps, whose columns are packed.
///
/// # Safety
/// `to` must be the whole result, whose rows of this band nobody else touches.
#[inline(always)]
unsafe fn multiply_band<V: Vector>(
    x: &[f64],
    y: &[f64],
    n: usize,
    depth: usize,
    band: usize,
    to: *mut f64,
) {
    let (height, width) = (rows::<V>(), columns::<V>());
    let n_rows = BAND.min(n - band);
    let steps = DEPTH.min(n - depth);
    let mut packed = vec![0.0; n_rows.next_multiple_of(height) * steps];
    pack_rows::<V>(x, n, band, depth, &mut packed);
    let together = (CACHED / (8 * steps * width)).max(1) * width;
    let tiles = (0..n).step_by(together).flat_map(|first| {
        let columns = first..n.min(first + together);
        (0..n_rows).step_by(height).flat_map(move |row| {
            columns
                .clone()
                .step_by(width)
                .map(move |column| (row, column))
        })
    });
    for (row, column) in tiles {
        let panel = &y[column * steps..][..width * steps];
        let sizes = (height.min(n_rows - row), width.min(n - column));
        let panels = (packed[row * steps..].as_ptr(), panel.as_ptr());
        // SAFETY: both panels were packed with these steps; the tile lies within the band.
        unsafe {
            let place = to.add((band + row) * n + column);
            match V::LANES {
                8 => tile::<V, 8, 3>(steps, panels, place, n, sizes, depth == 0),
                _ => tile::<V, 6, 2>(steps, panels, place, n, sizes, depth == 0),
            }
        }
    }
}

/// Where the result is.
#[derive(Clone, Copy)]
struct Place(*mut f64);

// SAFETY: bands are disjoint.
unsafe impl Send for Place {}
// SAFETY: as above.
unsafe impl Sync for Place {}

#[inline(always)]
fn width_body<V: Vector>() -> usize {
    columns::<V>()
}

#[inline(always)]
fn pack_body<V: Vector>(y: &[f64], n: usize, depth: usize, panel: usize, to: &mut [f64]) {
    pack_columns::<V>(y, n, depth, panel, to);
}

#[inline(always)]
fn band_body<V: Vector>(x: &[f64], y: &[f64], n: usize, depth: usize, band: usize, to: Place) {
    // SAFETY: `matmul` gives each band to one call at a time.
    unsafe { multiply_band::<V>(x, y, n, depth, band, to.0) }
}

dispatch! {
    fn panel_width() -> usize = width_body;
    fn pack(y: &[f64], n: usize, depth: usize, panel: usize, to: &mut [f64]) = pack_body;
    fn multiply(x: &[f64], y: &[f64], n: usize, depth: usize, band: usize, to: Place) = band_body;
}

/// The product of two matrices of n × n.
pub fn matmul(x: &[f64], y: &[f64], n: usize) -> Vec<f64> {
    let width = panel_width();
    let mut packed = vec![0.0; n.next_multiple_of(width) * DEPTH.min(n)];
    let mut result: Vec<f64> = Vec::with_capacity(n * n);
    advise_huge(&mut result.spare_capacity_mut()[..n * n]);
    let place = Place(result.as_mut_ptr());
    let bands: Vec<usize> = (0..n).step_by(BAND).collect();
    for depth in (0..n).step_by(DEPTH) {
        let steps = DEPTH.min(n - depth);
        let packed = &mut packed[..n.next_multiple_of(width) * steps];
        packed
            .par_chunks_mut(width * steps)
            .enumerate()
            .for_each(|(panel, to)| pack(y, n, depth, panel, to));
        bands
            .par_iter()
            .for_each(|&band| multiply(x, packed, n, depth, band, place));
    }
    // SAFETY: every band has written all of its rows.
    unsafe { result.set_len(n * n) };
    result
}
