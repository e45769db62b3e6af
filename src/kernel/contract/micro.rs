//! Micro-kernels: the product of two packed panels, all of whose sums stay in registers.
//!
//! The scheme is that of Goto and van de Geijn ("Anatomy of high-performance matrix multiplication", 2008) with
//! the register tile turned by a quarter: rows are broadcast and columns lie in vectors, as C order wants it.

// Rows and registers are indexed alike in panels, sums and places.
#![allow(clippy::needless_range_loop)]

use crate::kernel::lanes::Lanes;
use crate::kernel::prefetch::{nearest, prefetch};

/// Where the sums of one tile go: row `i`, column `j` at `first + rows[i] + columns[j]`, in elements.
#[derive(Clone, Copy)]
pub struct Tile {
    pub first: *mut u8,
    pub rows: *const isize,
    pub columns: *const isize,
    /// How many of the panels' rows and columns there are.
    pub n_rows: usize,
    pub n_columns: usize,
    /// Whether columns are neighbours in memory.
    pub dense: bool,
    /// Whether sums are added to what is there.
    pub accumulate: bool,
    /// Memory that is needed soon, and how many bytes of it are asked for with each step; only real numbers are
    /// multiplied fast enough for it to matter.
    pub soon: *const u8,
    pub soon_step: usize,
}

/// Multiplies two panels of a depth.
///
/// # Safety
/// The panels must be packed for the kernel, with `depth` steps; the tile must be places of the kernel's element
/// type that nobody else touches, initialized if sums are added to them; and the machine must have the
/// level that the kernel was asked for.
pub type MicroFn = unsafe fn(depth: usize, a: *const u8, b: *const u8, tile: &Tile);

/// How many steps ahead the panel of columns, which comes from the second-level cache, is asked for.
const AHEAD: usize = 8;

/// How many steps before the end of a panel the places of its sums are asked for.
const LAST: usize = 24;

/// Real numbers: `R` rows of `C` registers.
///
/// # Safety
/// As for [`MicroFn`].
#[inline(always)]
pub unsafe fn real<V: Lanes, const R: usize, const C: usize>(
    depth: usize,
    a: *const u8,
    b: *const u8,
    tile: &Tile,
) where
    V::Item: Sum,
{
    let (mut a, mut b) = (a.cast::<V::Item>(), b.cast::<V::Item>());
    let first = tile.first.cast::<V::Item>();
    let whole = tile.dense && tile.n_rows == R && tile.n_columns == C * V::COUNT;
    // SAFETY: the panels hold `depth` steps, prefetching cannot fail, and the tile's places are there.
    unsafe {
        let row = |i: usize| first.offset(*tile.rows.add(i) + *tile.columns);
        let mut sums = [[V::zero(); C]; R];
        let mut soon = tile.soon;
        // What is added to is asked for late: the panels that pass by would push it out of the nearest cache again.
        let early = depth.saturating_sub(LAST);
        for (is_last, steps) in [(false, early), (true, depth - early)] {
            for _ in 0..steps {
                let mut columns = [V::zero(); C];
                for j in 0..C {
                    columns[j] = V::load(b.add(j * V::COUNT));
                    nearest(b.wrapping_add((AHEAD * C + j) * V::COUNT).cast(), 1);
                }
                prefetch(soon, 1);
                soon = soon.wrapping_add(tile.soon_step);
                for i in 0..R {
                    let factor = V::splat(*a.add(i));
                    for j in 0..C {
                        sums[i][j] = sums[i][j].add_product(factor, columns[j]);
                    }
                }
                a = a.add(R);
                b = b.add(C * V::COUNT);
            }
            if whole && !is_last {
                for i in 0..R {
                    nearest(row(i).cast(), size_of::<V>() * C);
                }
            }
        }
        if whole {
            for i in 0..R {
                for j in 0..C {
                    let place = row(i).add(j * V::COUNT);
                    let sum = match tile.accumulate {
                        true => V::load(place).add(sums[i][j]),
                        false => sums[i][j],
                    };
                    sum.store(place);
                }
            }
        } else {
            // A copy: what is indexed by element would be kept, and cleared, in memory from the start.
            let sums = sums;
            for i in 0..tile.n_rows {
                for j in 0..tile.n_columns {
                    let lanes: *const V::Item = sums[i].as_ptr().cast();
                    add_to(tile, i, j, *lanes.add(j));
                }
            }
        }
    }
}

/// Complex numbers in panels that hold the real parts of a step, then the imaginary ones.
///
/// # Safety
/// As for [`MicroFn`].
#[inline(always)]
pub unsafe fn complex<V: Lanes, const R: usize, const C: usize>(
    depth: usize,
    a: *const u8,
    b: *const u8,
    tile: &Tile,
) where
    [V::Item; 2]: Sum,
{
    let (mut a, mut b) = (a.cast::<V::Item>(), b.cast::<V::Item>());
    // SAFETY: the panels hold `depth` steps, and the tile's places are there.
    unsafe {
        let mut real = [[V::zero(); C]; R];
        let mut imag = [[V::zero(); C]; R];
        for _ in 0..depth {
            let mut columns = [[V::zero(); C]; 2];
            for j in 0..C {
                columns[0][j] = V::load(b.add(j * V::COUNT));
                columns[1][j] = V::load(b.add((C + j) * V::COUNT));
            }
            for i in 0..R {
                let (re, im) = (V::splat(*a.add(i)), V::splat(*a.add(R + i)));
                for j in 0..C {
                    real[i][j] = real[i][j]
                        .add_product(re, columns[0][j])
                        .subtract_product(im, columns[1][j]);
                    imag[i][j] = imag[i][j]
                        .add_product(re, columns[1][j])
                        .add_product(im, columns[0][j]);
                }
            }
            a = a.add(2 * R);
            b = b.add(2 * C * V::COUNT);
        }
        for i in 0..tile.n_rows {
            let parts: [*const V::Item; 2] = [real[i].as_ptr().cast(), imag[i].as_ptr().cast()];
            for j in 0..tile.n_columns {
                add_to(tile, i, j, [*parts[0].add(j), *parts[1].add(j)]);
            }
        }
    }
}

/// Integers and truth values, by loops that the compiler makes vectors of.
///
/// # Safety
/// As for [`MicroFn`].
#[inline(always)]
pub unsafe fn loops<T: Ring, const R: usize, const C: usize>(
    depth: usize,
    a: *const u8,
    b: *const u8,
    tile: &Tile,
) {
    let (mut a, mut b) = (a.cast::<[T; R]>(), b.cast::<[T; C]>());
    let mut sums = [[T::ZERO; C]; R];
    // SAFETY: the panels hold `depth` steps, and the tile's places are there.
    unsafe {
        for _ in 0..depth {
            let (factors, columns) = (a.read(), &*b);
            for i in 0..R {
                let sums = &mut sums[i];
                for j in 0..C {
                    sums[j] = sums[j].add_product(factors[i], columns[j]);
                }
            }
            a = a.add(1);
            b = b.add(1);
        }
        for (i, sums) in sums.iter().enumerate().take(tile.n_rows) {
            for (j, &sum) in sums.iter().enumerate().take(tile.n_columns) {
                add_to(tile, i, j, sum);
            }
        }
    }
}

/// Writes one sum of a tile.
///
/// # Safety
/// The tile must have such a row and column.
#[inline(always)]
unsafe fn add_to<T: Sum>(tile: &Tile, row: usize, column: usize, sum: T) {
    // SAFETY: the caller's promise.
    unsafe {
        let place = tile.first.cast::<T>();
        let place = place.offset(*tile.rows.add(row) + *tile.columns.add(column));
        let sum = match tile.accumulate {
            true => place.read_unaligned().plus(sum),
            false => sum,
        };
        place.write_unaligned(sum);
    }
}

/// What can be added up.
pub trait Sum: Copy {
    fn plus(self, other: Self) -> Self;
}

/// What loops multiply and add: integers wrap, of truth values a sum is whether one is true.
pub trait Ring: Sum {
    const ZERO: Self;

    fn add_product(self, a: Self, b: Self) -> Self;
}

macro_rules! integers {
    ($($ty:ident)*) => {$(
        impl Sum for $ty {
            #[inline(always)]
            fn plus(self, other: $ty) -> $ty {
                self.wrapping_add(other)
            }
        }

        impl Ring for $ty {
            const ZERO: $ty = 0;

            #[inline(always)]
            fn add_product(self, a: $ty, b: $ty) -> $ty {
                self.wrapping_add(a.wrapping_mul(b))
            }
        }
    )*};
}
integers!(i8 i16 i32 i64);

macro_rules! floats {
    ($($ty:ident)*) => {$(
        impl Sum for $ty {
            #[inline(always)]
            fn plus(self, other: $ty) -> $ty {
                self + other
            }
        }

        impl Sum for [$ty; 2] {
            #[inline(always)]
            fn plus(self, other: [$ty; 2]) -> [$ty; 2] {
                [self[0] + other[0], self[1] + other[1]]
            }
        }
    )*};
}
floats!(f32 f64);

/// A `bool` as its byte.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Truth(u8);

impl Sum for Truth {
    #[inline(always)]
    fn plus(self, other: Truth) -> Truth {
        Truth(self.0 | other.0)
    }
}

impl Ring for Truth {
    const ZERO: Truth = Truth(0);

    #[inline(always)]
    fn add_product(self, a: Truth, b: Truth) -> Truth {
        Truth(self.0 | (a.0 & b.0))
    }
}
