//! Reductions over the rows of a matrix: one accumulator per column.

use rayon::prelude::*;

use super::vector::{Vector, dispatch};

/// The columns whose accumulators stay in the first-level cache.
const STRIP: usize = 1024;
/// Rows that are read side by side, so that an accumulator is loaded and stored once for all of them.
const ROWS: usize = 8;

/// Adds bands of rows to one accumulator per column.
///
/// A band is as many rows as give every thread a few.
fn bands(rows: usize) -> usize {
    let tasks = 8 * rayon::current_num_threads();
    rows.div_ceil(tasks).next_multiple_of(ROWS).max(ROWS)
}

/// Adds the columns of `x`, or with `AFFINE` those of 2x + 1, to `sums`.
#[inline(always)]
fn add_rows<V: Vector, const AFFINE: bool>(x: &[f64], sums: &mut [f64]) {
    let (one, two) = (V::splat(1.0), V::splat(2.0));
    let columns = sums.len();
    for strip in (0..columns).step_by(STRIP) {
        let end = (strip + STRIP).min(columns);
        let whole = strip + (end - strip) / V::LANES * V::LANES;
        let mut rows = x;
        while !rows.is_empty() {
            let count = (rows.len() / columns).min(ROWS);
            let (band, rest) = rows.split_at(count * columns);
            rows = rest;
            let mut at = strip;
            while at < whole {
                // SAFETY: `at + LANES` is at most the number of columns, in each of the band's rows.
                unsafe {
                    let from = band.as_ptr().add(at);
                    let old = V::load(sums.as_ptr().add(at));
                    let row = |r: usize| {
                        let value = V::load(from.add(r * columns));
                        if AFFINE {
                            two.mul_add(value, one)
                        } else {
                            value
                        }
                    };
                    let sum = if count == ROWS {
                        let a = row(0).add(row(1)).add(row(2).add(row(3)));
                        let b = row(4).add(row(5)).add(row(6).add(row(7)));
                        a.add(b)
                    } else {
                        let mut sum = row(0);
                        for r in 1..count {
                            sum = sum.add(row(r));
                        }
                        sum
                    };
                    old.add(sum).store(sums.as_mut_ptr().add(at));
                }
                at += V::LANES;
            }
            for column in whole..end {
                for row in band.chunks_exact(columns) {
                    let value = row[column];
                    sums[column] += if AFFINE { 2.0 * value + 1.0 } else { value };
                }
            }
        }
    }
}

#[inline(always)]
fn add_body<V: Vector>(x: &[f64], sums: &mut [f64]) {
    add_rows::<V, false>(x, sums);
}

#[inline(always)]
fn add_affine_body<V: Vector>(x: &[f64], sums: &mut [f64]) {
    add_rows::<V, true>(x, sums);
}

/// The sum of (x − row)².
#[inline(always)]
fn distance_body<V: Vector>(x: &[f64], row: &[f64]) -> f64 {
    const UNROLL: usize = 8;
    let columns = row.len();
    let step = UNROLL * V::LANES;
    let whole = columns / step * step;
    let mut sums = [V::splat(0.0); UNROLL];
    let mut total = 0.0;
    for values in x.chunks_exact(columns) {
        let mut at = 0;
        while at < whole {
            for (i, sum) in sums.iter_mut().enumerate() {
                let from = at + i * V::LANES;
                // SAFETY: `at + step` is at most the number of columns.
                let d = unsafe {
                    V::load(values.as_ptr().add(from)).sub(V::load(row.as_ptr().add(from)))
                };
                *sum = d.mul_add(d, *sum);
            }
            at += step;
        }
        for (x, mean) in values[whole..].iter().zip(&row[whole..]) {
            total += (x - mean) * (x - mean);
        }
    }
    for sum in sums {
        total += sum.reduce_add();
    }
    total
}

/// Per column: the sums of x − c and its square, the least and the greatest; c is the row `center`.
struct Moments {
    center: Vec<f64>,
    sums: Vec<f64>,
    squares: Vec<f64>,
    least: Vec<f64>,
    greatest: Vec<f64>,
}

#[inline(always)]
fn moments_body<V: Vector>(x: &[f64], m: &mut Moments) {
    let columns = m.center.len();
    // Four accumulators and the center: a smaller strip.
    const STRIP: usize = 512;
    for strip in (0..columns).step_by(STRIP) {
        let end = (strip + STRIP).min(columns);
        let whole = strip + (end - strip) / V::LANES * V::LANES;
        for band in x.chunks(ROWS * columns) {
            let rows = band.len() / columns;
            let mut at = strip;
            while at < whole {
                // SAFETY: `at + LANES` is at most the number of columns, in each row and each vector.
                unsafe {
                    let center = V::load(m.center.as_ptr().add(at));
                    let mut sum = V::load(m.sums.as_ptr().add(at));
                    let mut square = V::load(m.squares.as_ptr().add(at));
                    let mut least = V::load(m.least.as_ptr().add(at));
                    let mut greatest = V::load(m.greatest.as_ptr().add(at));
                    for row in 0..rows {
                        let value = V::load(band.as_ptr().add(row * columns + at));
                        least = least.min(value);
                        greatest = greatest.max(value);
                        let d = value.sub(center);
                        sum = sum.add(d);
                        square = d.mul_add(d, square);
                    }
                    sum.store(m.sums.as_mut_ptr().add(at));
                    square.store(m.squares.as_mut_ptr().add(at));
                    least.store(m.least.as_mut_ptr().add(at));
                    greatest.store(m.greatest.as_mut_ptr().add(at));
                }
                at += V::LANES;
            }
            for column in whole..end {
                for row in band.chunks_exact(columns) {
                    let d = row[column] - m.center[column];
                    m.sums[column] += d;
                    m.squares[column] += d * d;
                    m.least[column] = m.least[column].min(row[column]);
                    m.greatest[column] = m.greatest[column].max(row[column]);
                }
            }
        }
    }
}

/// Adds up x + row over the rows of a matrix of few columns; `pattern` is the row, repeated.
#[inline(always)]
fn narrow_body<V: Vector, const COLUMNS: usize>(x: &[f64], row: &[f64; COLUMNS]) -> [f64; COLUMNS] {
    // `COLUMNS` vectors hold `LANES` rows: in each lane always the same column.
    const REPEAT: usize = 2;
    let step = COLUMNS * V::LANES;
    let pattern: [f64; 64] = std::array::from_fn(|i| row[i % COLUMNS]);
    let mut sums = [[V::splat(0.0); COLUMNS]; REPEAT];
    // SAFETY: the pattern has 64 elements, which is enough for three columns and eight lanes.
    let shift: [V; COLUMNS] =
        std::array::from_fn(|i| unsafe { V::load(pattern[i * V::LANES..][..V::LANES].as_ptr()) });
    let whole = x.len() / (step * REPEAT) * (step * REPEAT);
    let mut at = 0;
    while at < whole {
        for sums in &mut sums {
            for (i, sum) in sums.iter_mut().enumerate() {
                // SAFETY: `at + step * REPEAT` is at most the slice's length.
                let values = unsafe { V::load(x.as_ptr().add(at + i * V::LANES)) };
                *sum = sum.add(values.add(shift[i]));
            }
            at += step;
        }
    }
    let mut total = [0.0; COLUMNS];
    for (i, value) in x[whole..].iter().enumerate() {
        total[i % COLUMNS] += value + row[i % COLUMNS];
    }
    let mut lanes = [0.0; 64];
    for sums in sums {
        for (i, sum) in sums.into_iter().enumerate() {
            // SAFETY: the range is checked, as above.
            unsafe { sum.store(lanes[i * V::LANES..][..V::LANES].as_mut_ptr()) };
        }
        for i in 0..step {
            total[i % COLUMNS] += lanes[i];
        }
    }
    total
}

#[inline(always)]
fn narrow3_body<V: Vector>(x: &[f64], row: &[f64; 3]) -> [f64; 3] {
    narrow_body::<V, 3>(x, row)
}

dispatch! {
    fn add(x: &[f64], sums: &mut [f64]) = add_body;
    fn add_affine(x: &[f64], sums: &mut [f64]) = add_affine_body;
    fn distance(x: &[f64], row: &[f64]) -> f64 = distance_body;
    fn moments_part(x: &[f64], m: &mut Moments) = moments_body;
    fn narrow3(x: &[f64], row: &[f64; 3]) -> [f64; 3] = narrow3_body;
}

pub fn mean0(x: &[f64], columns: usize) -> Vec<f64> {
    means(x, columns, add)
}

/// (2x + 1).mean(0), each element of it computed.
pub fn affine_mean0(x: &[f64], columns: usize) -> Vec<f64> {
    means(x, columns, add_affine)
}

/// The means of the columns that `add` adds up.
fn means(x: &[f64], columns: usize, add: fn(&[f64], &mut [f64])) -> Vec<f64> {
    let rows = x.len() / columns;
    let parts: Vec<Vec<f64>> = x
        .par_chunks(bands(rows) * columns)
        .map(|band| {
            let mut sums = vec![0.0; columns];
            add(band, &mut sums);
            sums
        })
        .collect();
    merge(&parts).iter().map(|sum| sum / rows as f64).collect()
}

/// Adds up the vectors of all bands.
pub fn merge(parts: &[Vec<f64>]) -> Vec<f64> {
    let mut total = vec![0.0; parts[0].len()];
    for part in parts {
        total
            .iter_mut()
            .zip(part)
            .for_each(|(total, value)| *total += value);
    }
    total
}

/// The sum of (x − x.mean(0))², in two passes, the second one backwards.
pub fn residual(x: &[f64], columns: usize) -> f64 {
    let means = mean0(x, columns);
    let rows = x.len() / columns;
    let parts: Vec<f64> = x
        .par_chunks(bands(rows) * columns)
        .rev()
        .map(|band| distance(band, &means))
        .collect();
    parts.iter().sum()
}

/// Mean, standard deviation, least and greatest of each column, in one pass.
pub fn moments(x: &[f64], columns: usize) -> Vec<f64> {
    let rows = x.len() / columns;
    let parts: Vec<Moments> = x
        .par_chunks(bands(rows) * columns)
        .map(|band| {
            let mut m = Moments {
                center: x[..columns].to_vec(),
                sums: vec![0.0; columns],
                squares: vec![0.0; columns],
                least: vec![f64::INFINITY; columns],
                greatest: vec![f64::NEG_INFINITY; columns],
            };
            moments_part(band, &mut m);
            m
        })
        .collect();
    let n = rows as f64;
    let mut result = vec![0.0; 4 * columns];
    for column in 0..columns {
        let (mut sum, mut square) = (0.0, 0.0);
        let (mut least, mut greatest) = (f64::INFINITY, f64::NEG_INFINITY);
        for m in &parts {
            sum += m.sums[column];
            square += m.squares[column];
            least = least.min(m.least[column]);
            greatest = greatest.max(m.greatest[column]);
        }
        result[column] = x[column] + sum / n;
        result[columns + column] = ((square - sum * sum / n) / n).max(0.0).sqrt();
        result[2 * columns + column] = least;
        result[3 * columns + column] = greatest;
    }
    result
}

/// (x + row).mean(0) of a matrix with three columns.
pub fn tall(x: &[f64], row: &[f64]) -> Vec<f64> {
    let row: &[f64; 3] = row.try_into().expect("`tall` is written for three columns");
    // A part is whole rows, whatever the vectors' width.
    let parts: Vec<[f64; 3]> = x
        .par_chunks(3 << 16)
        .map(|part| narrow3(part, row))
        .collect();
    (0..3)
        .map(|i| parts.iter().map(|part| part[i]).sum::<f64>() / (x.len() / 3) as f64)
        .collect()
}
