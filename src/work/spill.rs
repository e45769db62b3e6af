//! Blocks on their way to the temporary file and back.

use crate::base::aligned::AlignedBytes;
use crate::base::region::Region;
use crate::base::shape::c_strides;
use crate::base::spill::SpillStore;
use crate::error::Result;
use crate::graph::expand::each_index;
use crate::graph::spill::{Spill, staging};

/// Writes a block: the elements of `region` in C order from `first` on.
///
/// # Safety
/// The elements must be initialized.
pub unsafe fn write(
    store: &dyn SpillStore,
    spill: &Spill,
    region: &Region,
    first: *const u8,
) -> Result<()> {
    let mut buffer = Staging::new(spill.item * region.size());
    each_run(spill, region, buffer.most, |run| {
        let bytes = run.bytes();
        if run.rows.len() == 1 || run.is_even() {
            // SAFETY: the run's bytes lie side by side in the block.
            let from = unsafe { std::slice::from_raw_parts(first.add(run.rows[0]), bytes) };
            return store.write(from, run.offset);
        }
        let buffer = buffer.bytes(bytes);
        for (row, to) in run.rows.iter().zip(buffer.chunks_exact_mut(run.row)) {
            // SAFETY: a row of the block.
            to.copy_from_slice(unsafe { std::slice::from_raw_parts(first.add(*row), run.row) });
        }
        store.write(buffer, run.offset)
    })
}

/// Reads a block: fills the elements of `region` in C order from `first` on.
///
/// # Safety
/// There must be room for them, initialized, and nobody else may touch it meanwhile.
pub unsafe fn read(
    store: &dyn SpillStore,
    spill: &Spill,
    region: &Region,
    first: *mut u8,
) -> Result<()> {
    let mut buffer = Staging::new(spill.item * region.size());
    each_run(spill, region, buffer.most, |run| {
        let bytes = run.bytes();
        if run.rows.len() == 1 || run.is_even() {
            // SAFETY: the run's bytes lie side by side in the block.
            let to = unsafe { std::slice::from_raw_parts_mut(first.add(run.rows[0]), bytes) };
            return store.read(to, run.offset);
        }
        let buffer = buffer.bytes(bytes);
        store.read(buffer, run.offset)?;
        for (row, from) in run.rows.iter().zip(buffer.chunks_exact(run.row)) {
            // SAFETY: a row of the block.
            unsafe { std::slice::from_raw_parts_mut(first.add(*row), run.row) }
                .copy_from_slice(from);
        }
        Ok(())
    })
}

/// Bytes that lie side by side in the file, as rows of a block.
struct Run {
    offset: u64,
    /// The bytes of each row.
    row: usize,
    /// Where in the block each row begins, in bytes.
    rows: Vec<usize>,
}

impl Run {
    fn bytes(&self) -> usize {
        self.row * self.rows.len()
    }

    /// Whether the rows follow each other in the block, too.
    fn is_even(&self) -> bool {
        self.rows
            .windows(2)
            .all(|pair| pair[0] + self.row == pair[1])
    }
}

/// A buffer of [`staging`] bytes, allocated when it is first needed.
struct Staging {
    most: usize,
    buffer: Option<AlignedBytes>,
}

impl Staging {
    fn new(block: usize) -> Staging {
        Staging {
            most: staging(block),
            buffer: None,
        }
    }

    fn bytes(&mut self, n: usize) -> &mut [u8] {
        let buffer = self
            .buffer
            .get_or_insert_with(|| AlignedBytes::zeroed(self.most));
        assert!(n <= buffer.len(), "runs of several rows fit the buffer");
        // SAFETY: the buffer is ours alone, initialized, and as long.
        unsafe { std::slice::from_raw_parts_mut(buffer.as_ptr(), n) }
    }
}

/// Calls `f` with the runs that make up a region. A run of more than one row has at most so many bytes.
fn each_run(
    spill: &Spill,
    region: &Region,
    most: usize,
    mut f: impl FnMut(&Run) -> Result<()>,
) -> Result<()> {
    let Some(region) = region.intersect(&spill.domain) else {
        return Ok(());
    };
    let inside = region.relative_to(spill.domain.start());
    let ranges: Vec<_> = (0..inside.ndim())
        .map(|axis| spill.layout.0[axis].meeting(&inside.range(axis)))
        .collect();
    let mut result = Ok(());
    each_index(&ranges, |index| {
        if result.is_ok() {
            let stored = spill.layout.region(index);
            if let Some(shared) = stored.intersect(&inside) {
                let places = Places {
                    file: place(&shared, &stored),
                    block: place(&shared, &inside),
                };
                let offset = spill.box_offset(index);
                result = box_runs(spill.item, most, offset, &shared, &places, &mut f);
            }
        }
    });
    result
}

/// Where a box lies within another: the number of its first element, and strides.
fn place(shared: &Region, around: &Region) -> (usize, Vec<usize>) {
    let strides: Vec<usize> = c_strides(around.shape())
        .iter()
        .map(|stride| stride.unsigned_abs())
        .collect();
    let inside = shared.relative_to(around.start());
    let first = inside
        .start()
        .iter()
        .zip(&strides)
        .map(|(i, s)| i * s)
        .sum();
    (first, strides)
}

struct Places {
    file: (usize, Vec<usize>),
    block: (usize, Vec<usize>),
}

fn box_runs(
    item: usize,
    most: usize,
    offset: u64,
    shared: &Region,
    places: &Places,
    f: &mut impl FnMut(&Run) -> Result<()>,
) -> Result<()> {
    // Axes that are whole on both sides are part of the rows.
    let shape = shared.shape();
    let mut row = 1;
    let mut axis = shape.len();
    while axis > 0 {
        let next = axis - 1;
        let fits = |strides: &[usize]| shape[next] == 1 || strides[next] == row;
        if !fits(&places.file.1) || !fits(&places.block.1) {
            break;
        }
        row *= shape[next];
        axis = next;
    }
    let row_bytes = row * item;
    let mut run = Run {
        offset: 0,
        row: row_bytes,
        rows: Vec::new(),
    };
    let mut result = Ok(());
    let outer: Vec<_> = shape[..axis].iter().map(|&len| 0..len).collect();
    each_index(&outer, |index| {
        if result.is_err() {
            return;
        }
        let at = |(first, strides): &(usize, Vec<usize>)| -> usize {
            first + index.iter().zip(strides).map(|(i, s)| i * s).sum::<usize>()
        };
        let file = offset + (at(&places.file) * item) as u64;
        let block = at(&places.block) * item;
        let follows = !run.rows.is_empty()
            && run.offset + run.bytes() as u64 == file
            && run.bytes() + row_bytes <= most;
        if !follows && !run.rows.is_empty() {
            result = f(&run);
            run.rows.clear();
        }
        if run.rows.is_empty() {
            run.offset = file;
        }
        run.rows.push(block);
    });
    result?;
    if !run.rows.is_empty() {
        f(&run)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use proptest::prelude::*;

    use super::*;
    use crate::base::chunks::{AxisChunks, Chunks, unravel};

    /// A file in memory that counts its calls.
    #[derive(Default)]
    struct Bytes(Mutex<(Vec<u8>, usize)>);

    impl SpillStore for Bytes {
        fn write(&self, bytes: &[u8], offset: u64) -> Result<()> {
            let mut guard = self.0.lock().unwrap();
            let end = offset as usize + bytes.len();
            if guard.0.len() < end {
                guard.0.resize(end, 0);
            }
            guard.0[offset as usize..end].copy_from_slice(bytes);
            guard.1 += 1;
            Ok(())
        }

        fn read(&self, out: &mut [u8], offset: u64) -> Result<()> {
            let mut guard = self.0.lock().unwrap();
            out.copy_from_slice(&guard.0[offset as usize..offset as usize + out.len()]);
            guard.1 += 1;
            Ok(())
        }
    }

    fn axis() -> impl Strategy<Value = Vec<usize>> {
        prop::collection::vec(1..5usize, 1..5)
    }

    proptest! {
        /// Written in the cells of one grid and read in those of another, every element comes back, whatever
        /// boxes it is stored in.
        #[test]
        fn elements_come_back(
            axes in prop::collection::vec((axis(), any::<u64>(), any::<u64>()), 0..4),
            start in 0..5usize,
        ) {
            let cut = |sizes: &[usize], seed: u64| {
                let len: usize = sizes.iter().sum();
                AxisChunks::regular(len, 1 + (seed % len as u64) as usize)
            };
            let cells = Chunks(axes.iter().map(|(sizes, _, _)| AxisChunks::from_sizes(sizes)).collect());
            let layout = Chunks(axes.iter().map(|(sizes, seed, _)| cut(sizes, *seed)).collect());
            let readers = Chunks(axes.iter().map(|(sizes, _, seed)| cut(sizes, *seed)).collect());
            let domain = Region::new(vec![start; axes.len()], cells.shape());
            let spill = Spill { item: 4, domain: domain.clone(), layout, offset: 64 };
            let value = |region: &Region| -> Vec<u32> {
                let mut values = Vec::new();
                let ranges: Vec<_> = (0..region.ndim()).map(|axis| region.range(axis)).collect();
                each_index(&ranges, |index| {
                    values.push(index.iter().fold(7, |sum, &i| sum * 31 + i as u32));
                });
                values
            };
            let moved = |cell: Region| {
                let start = cell.start().iter().map(|i| i + start).collect::<Vec<_>>();
                Region::new(start, cell.shape())
            };
            let store = Bytes::default();
            for number in 0..cells.count() {
                let region = moved(cells.region(&unravel(number, &cells.num_blocks())));
                let values = value(&region);
                // SAFETY: the values of the region.
                unsafe { write(&store, &spill, &region, values.as_ptr().cast()) }.unwrap();
            }
            for number in 0..readers.count() {
                let region = moved(readers.region(&unravel(number, &readers.num_blocks())));
                let mut values = vec![0u32; region.size()];
                // SAFETY: room for the region.
                unsafe { read(&store, &spill, &region, values.as_mut_ptr().cast()) }.unwrap();
                prop_assert_eq!(values, value(&region));
            }
        }
    }

    #[test]
    fn boxes_move_in_large_pieces() {
        // A megabyte in boxes of 64 KiB, written from one block: one call for each box.
        let domain = Region::new([0, 0], [512, 512]);
        let spill = Spill {
            item: 4,
            domain: domain.clone(),
            layout: Chunks::regular(&[512, 512], &[128, 128]).unwrap(),
            offset: 0,
        };
        let values = vec![1u32; 512 * 512];
        let store = Bytes::default();
        // SAFETY: the values of the region.
        unsafe { write(&store, &spill, &domain, values.as_ptr().cast()) }.unwrap();
        assert_eq!(store.0.lock().unwrap().1, 16);
    }
}
