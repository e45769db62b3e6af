//! (x + xᵀ).sum(), with every x[i, j] + x[j, i] computed.

use rayon::prelude::*;

use super::vector::{Register, dispatch};

/// The side of the squares that are visited in pairs, (I, J) and (J, I): both fit the second-level cache.
const SIDE: usize = 128;

/// The first row and column of a square.
type Corner = (usize, usize);

/// Adds x + xᵀ of the block of `LANES` rows from `row` on and as many columns from `column` on.
///
/// # Safety
/// The block and its mirror image must lie inside of the matrix.
#[inline(always)]
unsafe fn block<V: Register>(x: &[f64], n: usize, [row, column]: [usize; 2], sums: &mut [V; 8]) {
    let mut turned = [V::splat(0.0); 8];
    // SAFETY: the caller's promise.
    unsafe {
        let direct = x.as_ptr().add(row * n + column);
        V::load_transposed(x.as_ptr().add(column * n + row), n, &mut turned);
        for r in 0..V::LANES {
            sums[r] = sums[r].add(V::load(direct.add(r * n)).add(turned[r]));
        }
    }
}

/// The sum of x + xᵀ over the square of rows `i..` and columns `j..`, and over its mirror image unless that is itself.
///
/// The two halves of a block follow one another, while both are in the first-level cache. Meanwhile the squares at `next`
/// are fetched into the second one, in the order of need: the jumps from row to row are nothing that a machine foresees.
#[inline(always)]
fn pair_body<V: Register>(x: &[f64], n: usize, (i, j): Corner, next: Corner) -> f64 {
    let (i_end, j_end) = ((i + SIDE).min(n), (j + SIDE).min(n));
    let i_whole = i + (i_end - i) / V::LANES * V::LANES;
    let j_whole = j + (j_end - j) / V::LANES * V::LANES;
    let mut sums = [V::splat(0.0); 8];
    let mut total = 0.0;
    let mut one = |row: usize, column: usize| {
        total += x[row * n + column] + x[column * n + row];
        if i != j {
            total += x[column * n + row] + x[row * n + column];
        }
    };
    for row in (i..i_whole).step_by(V::LANES) {
        for column in (j..j_whole).step_by(V::LANES) {
            let (soon_row, soon_column) = (next.0 + row - i, next.1 + column - j);
            for r in 0..V::LANES {
                let soon = |row: usize, column: usize| x.as_ptr().wrapping_add(row * n + column);
                V::prefetch(soon(soon_row + r, soon_column));
                V::prefetch(soon(soon_column + r, soon_row));
            }
            // SAFETY: the block and its mirror image lie inside of the matrix.
            unsafe {
                block(x, n, [row, column], &mut sums);
                if i != j {
                    block(x, n, [column, row], &mut sums);
                }
            }
        }
        for r in row..row + V::LANES {
            for column in j_whole..j_end {
                one(r, column);
            }
        }
    }
    for row in i_whole..i_end {
        for column in j..j_end {
            one(row, column);
        }
    }
    for sum in sums {
        total += sum.reduce_add();
    }
    total
}

dispatch! {
    fn pair(x: &[f64], n: usize, corner: Corner, next: Corner) -> f64 = pair_body;
}

pub fn transpose_sum(x: &[f64], n: usize) -> f64 {
    let corners = || (0..n).step_by(SIDE);
    let pairs: Vec<Corner> = corners()
        .flat_map(|i| corners().filter(move |&j| j >= i).map(move |j| (i, j)))
        .collect();
    let task = |pairs: &[Corner]| {
        let next = |k: usize| pairs[(k + 1).min(pairs.len() - 1)];
        (0..pairs.len())
            .map(|k| pair(x, n, pairs[k], next(k)))
            .sum()
    };
    let parts: Vec<f64> = pairs.par_chunks(16).map(task).collect();
    parts.iter().sum()
}
