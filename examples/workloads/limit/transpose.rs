//! (x + xᵀ).sum(), with every x[i, j] + x[j, i] computed.

use rayon::prelude::*;

use super::vector::{Vector, dispatch};

/// The side of the squares that are visited in pairs, (I, J) and (J, I): both fit the second-level cache.
const SIDE: usize = 256;

/// The sum of x + xᵀ over the square of rows `i..` and columns `j..`.
#[inline(always)]
fn square<V: Vector>(x: &[f64], n: usize, i: usize, j: usize) -> f64 {
    let (i_end, j_end) = ((i + SIDE).min(n), (j + SIDE).min(n));
    let i_whole = i + (i_end - i) / V::LANES * V::LANES;
    let j_whole = j + (j_end - j) / V::LANES * V::LANES;
    let mut sums = [V::splat(0.0); 8];
    let mut total = 0.0;
    for row in (i..i_whole).step_by(V::LANES) {
        for column in (j..j_whole).step_by(V::LANES) {
            let mut turned = [V::splat(0.0); 8];
            // SAFETY: both squares of `LANES` × `LANES` elements lie inside of the matrix.
            unsafe {
                let direct = x.as_ptr().add(row * n + column);
                V::load_transposed(x.as_ptr().add(column * n + row), n, &mut turned);
                for r in 0..V::LANES {
                    sums[r] = sums[r].add(V::load(direct.add(r * n)).add(turned[r]));
                }
            }
        }
        for r in row..row + V::LANES {
            for column in j_whole..j_end {
                total += x[r * n + column] + x[column * n + r];
            }
        }
    }
    for row in i_whole..i_end {
        for column in j..j_end {
            total += x[row * n + column] + x[column * n + row];
        }
    }
    for sum in sums {
        total += sum.reduce_add();
    }
    total
}

#[inline(always)]
fn pair_body<V: Vector>(x: &[f64], n: usize, i: usize, j: usize) -> f64 {
    let first = square::<V>(x, n, i, j);
    if i == j { first } else { first + square::<V>(x, n, j, i) }
}

dispatch! {
    fn pair(x: &[f64], n: usize, i: usize, j: usize) -> f64 = pair_body;
}

pub fn transpose_sum(x: &[f64], n: usize) -> f64 {
    let squares = n.div_ceil(SIDE);
    let pairs: Vec<(usize, usize)> = (0..squares).flat_map(|i| (i..squares).map(move |j| (i, j))).collect();
    let parts: Vec<f64> = pairs.par_iter().map(|&(i, j)| pair(x, n, i * SIDE, j * SIDE)).collect();
    parts.iter().sum()
}
