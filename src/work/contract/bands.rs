//! One block of a sum, band of columns after band: by the task's own thread, and by others that have nothing to do.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::places::CellPlaces;
use crate::base::aligned::AlignedBytes;
use crate::base::sharing::Pieces;
use crate::kernel::contract::{Kernel, Places, Source, pack};
use crate::kernel::prefetch::Prefetches;

/// With so many products waking a thread to help takes little of the time that it saves.
const SHARED: usize = 4 << 20;

/// The columns of one block of a matrix.
#[derive(Clone, Copy)]
pub enum Columns {
    /// All of them in panels.
    Packed(*const u8),
    /// In memory, from the first of them and the block's first step on.
    InMemory(Source),
}

/// Packed rows and the columns that they are multiplied with. Each band of columns has places of its own, so that
/// whoever takes its number may compute it, and no sum depends on who that is.
pub struct Bands<'a> {
    pub kernel: Kernel,
    /// The steps of the block.
    pub depth: usize,
    /// The panels of all rows.
    pub rows: *const u8,
    pub columns: Columns,
    /// The matrix's first element, and where the others lie.
    pub first: *mut u8,
    pub to: &'a CellPlaces,
    /// Whether products are added to what is there.
    pub accumulate: bool,
    /// The columns of a band: whole panels.
    pub band: usize,
    /// The first column that nobody has taken.
    pub next: AtomicUsize,
    pub panels: &'a BandPanels,
}

// SAFETY: threads read panels and operands, and write the places of bands whose numbers they took; each number is given
// to one of them.
unsafe impl Sync for Bands<'_> {}

/// One for each thread that may take part: room for a band, if columns are not packed yet.
#[derive(Default)]
pub struct BandPanels(Mutex<Vec<AlignedBytes>>);

impl BandPanels {
    pub fn new(threads: usize, bytes: usize) -> BandPanels {
        let panels = (0..threads).map(|_| AlignedBytes::new(bytes));
        BandPanels(Mutex::new(panels.collect()))
    }

    fn spare(&self) -> MutexGuard<'_, Vec<AlignedBytes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many threads may share a cell of a product, of whose columns so many are in a band: with a panel for each they have
/// no more memory than the panels of all columns.
pub fn most_threads(cell: [usize; 3], depth: usize, band: usize, threads: usize) -> usize {
    let [_, rows, columns] = cell;
    match rows * columns * depth >= SHARED {
        true => threads.min(columns / band).max(1),
        false => 1,
    }
}

impl Pieces for Bands<'_> {
    fn any_left(&self) -> bool {
        self.next.load(Ordering::Relaxed) < self.to.columns.len() && !self.panels.spare().is_empty()
    }

    fn work(&self) {
        let Some(panel) = self.panels.spare().pop() else {
            return;
        };
        let mut upcoming = Prefetches::default();
        while let Some(column) = self.take() {
            // Likely to be this thread's, too.
            let next = self.next.load(Ordering::Relaxed);
            self.band(column, next, panel.as_ptr(), &mut upcoming);
        }
        self.panels.spare().push(panel);
    }
}

impl Bands<'_> {
    /// Multiplies all bands on this thread, which needs room for one of them if columns are not packed yet.
    pub fn alone(&self, panel: *mut u8) {
        let mut upcoming = Prefetches::default();
        for column in (0..self.to.columns.len()).step_by(self.band) {
            self.band(column, column + self.band, panel, &mut upcoming);
        }
    }

    /// The first column of a band that nobody has.
    fn take(&self) -> Option<usize> {
        let column = self.next.fetch_add(self.band, Ordering::Relaxed);
        (column < self.to.columns.len()).then_some(column)
    }

    /// Multiplies the band that begins with a column, and asks for the memory of the next one.
    fn band(&self, column: usize, next: usize, panel: *mut u8, upcoming: &mut Prefetches) {
        let Kernel { columns: width, .. } = self.kernel;
        let end = (column + self.band).min(self.to.columns.len());
        let packed = match self.columns {
            Columns::Packed(first) => {
                first.wrapping_add(self.kernel.panel_bytes(width, column, self.depth))
            }
            Columns::InMemory(source) => {
                let (lanes, steps) = (0..end - column, 0..self.depth);
                let band = source.lane(column, self.kernel.item);
                // SAFETY: the operand has these elements, and the panel has room for a band.
                unsafe { pack(&self.kernel, width, band, lanes, steps, self.depth, panel) };
                self.ask_for(next, source, upcoming);
                panel.cast_const()
            }
        };
        let places = Places {
            first: self.first,
            rows: &self.to.rows,
            columns: &self.to.columns[column..end],
        };
        // SAFETY: both panels were packed with this depth; the places are the task's own, this band's are this thread's,
        // and the first block has written them.
        unsafe {
            let (depth, rows) = (self.depth, self.rows);
            self.kernel
                .multiply(depth, rows, packed, places, self.accumulate, upcoming);
        }
    }

    /// Notes the memory of a band's columns, if it lies in stretches.
    fn ask_for(&self, column: usize, source: Source, upcoming: &mut Prefetches) {
        if column >= self.to.columns.len() {
            return;
        }
        let lanes = self.band.min(self.to.columns.len() - column);
        let (n, stride, len) = match (source.lane_stride, source.step_stride) {
            (1, stride) => (self.depth, stride, lanes),
            (stride, 1) => (lanes, stride, self.depth),
            _ => return,
        };
        let item = self.kernel.item;
        let source = source.lane(column, item);
        for stretch in 0..n {
            let first = stretch as isize * stride * item as isize;
            upcoming.add(source.first.wrapping_offset(first), len * item);
        }
    }
}
