//! Fills tiles of generated leaves.

use super::bind::{Linear, Term};
use super::tile::TileShape;
use crate::base::dtype::{DType, with_dtype};
use crate::base::element::Element;
use crate::base::scalar::Scalar;
use crate::kernel::copy::fill;
use crate::kernel::level::level;
use crate::op::generate::Generate;
use crate::op::scalar::cast::cast;

/// Fills one tile: along each row, the elements of consecutive places.
///
/// # Safety
/// `slot` must have room for the tile.
pub unsafe fn tile(
    generate: &Generate,
    dtype: DType,
    linear: &Linear,
    index: &[usize],
    tile: TileShape,
    slot: *mut u8,
) {
    let size = dtype.size();
    let fixed: isize = linear
        .terms
        .iter()
        .enumerate()
        .filter(|(dim, _)| Some(*dim) != tile.row_dim && Some(*dim) != tile.column_dim)
        .map(|(dim, term)| term.at(index[dim]))
        .sum();
    let at =
        |dim: Option<usize>, i: usize| dim.map_or(0, |dim| linear.terms[dim].at(index[dim] + i));
    let stride = |dim: Option<usize>| dim.map_or(Some(0), |dim| linear.terms[dim].stride());
    let base = linear.base + fixed;
    let scalar = linear
        .terms
        .iter()
        .all(|term| matches!(term, Term::Stride(0)));
    // SAFETY (all calls): the caller's contract; each writes within the tile.
    unsafe {
        if scalar && !matches!(generate, Generate::Fill(_)) {
            // One element for the whole tile.
            run(generate, dtype, base as usize, 0, 1, slot);
            let mut value = [0u8; 16];
            std::ptr::copy_nonoverlapping(slot, value.as_mut_ptr(), size);
            fill(size, tile.rows * tile.columns, value.as_ptr(), slot);
            return;
        }
        match stride(tile.column_dim) {
            Some(step) => {
                let row_step = stride(tile.row_dim);
                if tile.rows > 1 && step != 0 && row_step == Some(step * tile.columns as isize) {
                    let start = base + at(tile.row_dim, 0) + at(tile.column_dim, 0);
                    run(
                        generate,
                        dtype,
                        start as usize,
                        step,
                        tile.rows * tile.columns,
                        slot,
                    );
                    return;
                }
                for i in 0..tile.rows {
                    let start = base + at(tile.row_dim, i) + at(tile.column_dim, 0);
                    let target = slot.wrapping_add(i * tile.columns * size);
                    run(generate, dtype, start as usize, step, tile.columns, target);
                }
            }
            None => {
                for i in 0..tile.rows {
                    for j in 0..tile.columns {
                        let number = base + at(tile.row_dim, i) + at(tile.column_dim, j);
                        let target = slot.wrapping_add((i * tile.columns + j) * size);
                        run(generate, dtype, number as usize, 0, 1, target);
                    }
                }
            }
        }
    }
}

/// Adds the rows of a tile to sums, one per column, if they are drawn at random along the columns; gives whether they
/// are. They are added while they are in registers, and are written nowhere.
pub fn add_rows(
    generate: &Generate,
    linear: &Linear,
    index: &[usize],
    tile: TileShape,
    sums: &mut [f64],
) -> bool {
    let Generate::Random { distribution, key } = generate else {
        return false;
    };
    let terms = || linear.terms.iter().enumerate();
    let stride_of = |dim: Option<usize>| dim.and_then(|dim| linear.terms[dim].stride());
    if stride_of(tile.column_dim) != Some(1) || tile.columns < 2 {
        return false;
    }
    let sums = &mut sums[..tile.columns];
    for row in 0..tile.rows {
        let place = |dim: usize| index[dim] + if tile.row_dim == Some(dim) { row } else { 0 };
        let start = linear.base
            + terms()
                .map(|(dim, term)| term.at(place(dim)))
                .sum::<isize>();
        // SAFETY: `level` is one that the machine has.
        unsafe { crate::kernel::random::add(distribution, *key, start as u64, sums, level()) };
    }
    true
}

/// The elements `start`, `start + step`, … of a generated array.
unsafe fn run(
    generate: &Generate,
    dtype: DType,
    start: usize,
    step: isize,
    n: usize,
    out: *mut u8,
) {
    let number = |j: usize| (start as isize + step * j as isize) as usize;
    match generate {
        // SAFETY: the caller has room for `n` elements of this dtype, as in every other arm.
        Generate::Fill(value) => unsafe { fill(dtype.size(), n, value.to_bytes().as_ptr(), out) },
        Generate::Arange {
            start: first,
            step: by,
        } => {
            let (first, by) = (*first, *by);
            if dtype.is_integer() {
                let (Scalar::I64(first), Scalar::I64(by)) =
                    (cast(first, DType::I64), cast(by, DType::I64))
                else {
                    unreachable!("a cast gives the dtype it is asked for")
                };
                // Narrowing the wrapped 64-bit value is the wrapped narrow value.
                each(dtype, n, out, |j| {
                    narrow(first.wrapping_add(by.wrapping_mul(number(j) as i64)), dtype)
                });
            } else {
                let (Scalar::F64(first), Scalar::F64(by)) =
                    (cast(first, DType::F64), cast(by, DType::F64))
                else {
                    unreachable!("a cast gives the dtype it is asked for")
                };
                each(dtype, n, out, |j| {
                    cast(Scalar::F64(first + by * number(j) as f64), dtype)
                });
            }
        }
        Generate::Linspace {
            start: first,
            stop,
            divisions,
        } => {
            let by = (stop - first) / *divisions as f64;
            each(dtype, n, out, |j| {
                let i = number(j);
                let value = if i == *divisions && i > 0 {
                    *stop
                } else {
                    first + by * i as f64
                };
                cast(Scalar::F64(value), dtype)
            });
        }
        Generate::Eye { columns, offset } => each(dtype, n, out, |j| {
            let i = number(j);
            let on = (i % columns) as isize - (i / columns) as isize == *offset;
            cast(Scalar::Bool(on), dtype)
        }),
        // SAFETY: as above; `level` is one that the machine has.
        Generate::Random { distribution, key } => unsafe {
            crate::kernel::random::fill(
                distribution,
                dtype,
                *key,
                start as u64,
                step as i64,
                n,
                out,
                level(),
            );
        },
        // SAFETY: as above.
        Generate::Closure { function, .. } => unsafe { function.fill(start, step, n, out) },
    }
}

/// The low bits of a 64-bit integer, as the dtype that has so many.
fn narrow(value: i64, dtype: DType) -> Scalar {
    match dtype {
        DType::I8 => Scalar::I8(value as i8),
        DType::I16 => Scalar::I16(value as i16),
        DType::I32 => Scalar::I32(value as i32),
        DType::U8 => Scalar::U8(value as u8),
        DType::U16 => Scalar::U16(value as u16),
        DType::U32 => Scalar::U32(value as u32),
        DType::U64 => Scalar::U64(value as u64),
        _ => Scalar::I64(value),
    }
}

fn each(dtype: DType, n: usize, out: *mut u8, value: impl Fn(usize) -> Scalar) {
    with_dtype!(dtype, T => {
        for j in 0..n {
            let value = T::from_scalar(value(j)).unwrap_or_default();
            // SAFETY: the callers of `run` have room for `n` elements; no alignment is assumed.
            unsafe { out.cast::<T>().add(j).write_unaligned(value) };
        }
    });
}
