//! Matrix products of packed panels.
//!
//! An operand's panel holds a few rows (or columns) for some steps of the contracted axis, step by step, so
//! that the micro-kernel reads both panels from front to back. Every element's products are added in the
//! order of the steps, on every level and whatever the sizes: with fused multiply-add where the level has
//! it.

mod micro;
mod pack;
mod select;
#[cfg(test)]
mod tests;

use crate::kernel::prefetch::Prefetches;
use micro::{MicroFn, Tile};
pub use pack::{Source, pack};
pub use select::kernel;

/// Columns whose panels of one block are this large stay in the second-level cache while rows pass by: a
/// quarter of 1 MiB, which two threads of a core may have to share, and half of 512 KiB.
const CACHED_BYTES: usize = 256 << 10;

/// How products of one dtype are computed on one level.
#[derive(Clone, Copy)]
pub struct Kernel {
    /// Rows of a panel of the first operand.
    pub rows: usize,
    /// Columns of a panel of the second.
    pub columns: usize,
    /// The bytes of an element.
    pub item: usize,
    /// Panels hold the real parts of a step and then the imaginary ones.
    planes: usize,
    micro: MicroFn,
    add: AddFn,
}

/// Adds `n` elements to others.
type AddFn = unsafe fn(n: usize, into: *mut u8, from: *const u8);

/// Places of a matrix: row `i`, column `j` lies `rows[i] + columns[j]` elements after `first`.
#[derive(Clone, Copy)]
pub struct Places<'a> {
    pub first: *mut u8,
    pub rows: &'a [isize],
    pub columns: &'a [isize],
}

impl Kernel {
    /// The bytes of the panels of so many rows or columns.
    pub fn panel_bytes(&self, width: usize, lanes: usize, depth: usize) -> usize {
        lanes.next_multiple_of(width) * depth * self.item
    }

    /// How many columns make a *band*: their panels, packed with this depth, stay in a near cache.
    pub fn band(&self, depth: usize) -> usize {
        let panel = self.panel_bytes(self.columns, 1, depth);
        (CACHED_BYTES / panel.max(1)).max(1) * self.columns
    }

    /// Multiplies packed rows with a band of columns; their products are stored, or added to what is there. Memory that
    /// is needed afterwards is asked for meanwhile.
    ///
    /// # Safety
    /// `a` and `b` must have been packed with this depth for the rows and columns of `to`; those must be
    /// places of the kernel's dtype that nobody else touches meanwhile, with values in them if they are
    /// added to. The machine must have the kernel's level.
    pub unsafe fn multiply(
        &self,
        depth: usize,
        a: *const u8,
        b: *const u8,
        to: Places<'_>,
        accumulate: bool,
        upcoming: &mut Prefetches,
    ) {
        let (rows, columns) = (to.rows.len(), to.columns.len());
        let tiles = rows.div_ceil(self.rows) * columns.div_ceil(self.columns);
        let lines = upcoming.lines().div_ceil(tiles.max(1));
        // Whether the columns of each panel are neighbours.
        let neighbours = |panel: &[isize]| panel.windows(2).all(|pair| pair[1] == pair[0] + 1);
        let dense: Vec<bool> = to.columns.chunks(self.columns).map(neighbours).collect();
        let panel = |width: usize| width * depth * self.item;
        for row in (0..rows).step_by(self.rows) {
            let next = if row + self.rows < rows {
                row + self.rows
            } else {
                0
            };
            for column in (0..columns).step_by(self.columns) {
                let tile = Tile {
                    first: to.first,
                    rows: to.rows[row..].as_ptr(),
                    columns: to.columns[column..].as_ptr(),
                    n_rows: self.rows.min(rows - row),
                    n_columns: self.columns.min(columns - column),
                    dense: dense[column / self.columns],
                    accumulate,
                    // The next panel of rows comes from beyond the second-level cache: it is asked for while the first
                    // tile of this one is computed.
                    soon: a.wrapping_add(next / self.rows * panel(self.rows)),
                    soon_step: match column {
                        0 => self.rows * self.item,
                        _ => 0,
                    },
                };
                // SAFETY: the panels of these rows and columns begin there, as the caller promised.
                unsafe {
                    (self.micro)(
                        depth,
                        a.add(row / self.rows * panel(self.rows)),
                        b.add(column / self.columns * panel(self.columns)),
                        &tile,
                    );
                }
                upcoming.ask(lines);
            }
        }
    }

    /// Adds `n` elements to others, as sums of products are added.
    ///
    /// # Safety
    /// Both must be `n` elements of the kernel's dtype that do not overlap.
    pub unsafe fn add(&self, n: usize, into: *mut u8, from: *const u8) {
        // SAFETY: the caller's promise.
        unsafe { (self.add)(n, into, from) }
    }
}
