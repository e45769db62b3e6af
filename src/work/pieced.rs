//! Leaves whose elements lie in several blocks of another stage.

use std::sync::Arc;

use super::bind::{Linear, Term};
use super::blocks::Block;
use super::tile::{Operand, TileShape};
use crate::base::aligned::AlignedBytes;
use crate::base::chunks::unravel;
use crate::base::dtype::DType;
use crate::base::few::Few;
use crate::base::region::Region;
use crate::base::shape::c_strides;
use crate::graph::stage::TOGETHER_BYTES;
use crate::kernel::copy::copy_2d;

/// A leaf over several blocks of another stage.
pub struct Pieced {
    blocks: Vec<Arc<Block>>,
    /// Of each block, the strides of the indices of the value, and the element number of index 0.
    addressing: Vec<(Few<isize>, isize)>,
    /// From the region's index to the leaf's, per axis of the leaf.
    pub axes: Vec<Linear>,
    /// For reshaped leaves: the shape's strides, whose C-order numbers address the blocks.
    flat: Option<Few<isize>>,
}

/// Elements of one block.
struct Stretch {
    block: usize,
    first: *const u8,
    stride: isize,
    /// How many there are, of those that were wanted.
    n: usize,
}

impl Pieced {
    pub fn new(blocks: Vec<Arc<Block>>, axes: Vec<Linear>, flat: Option<Few<isize>>) -> Pieced {
        Pieced {
            addressing: blocks.iter().map(|block| block.addressing(None)).collect(),
            blocks,
            axes,
            flat,
        }
    }

    /// The elements one after the other, and how the dimensions of the region count them, if they are few and
    /// each is needed several times.
    pub fn together(&self, dtype: DType, region: &Region) -> Option<(Block, Linear)> {
        let counts = |dim: usize| self.axes.iter().any(|axis| !axis.terms[dim].is_zero());
        let dims: Vec<usize> = (0..region.ndim()).filter(|&dim| counts(dim)).collect();
        let shape: Vec<usize> = dims.iter().map(|&dim| region.shape()[dim]).collect();
        let n: usize = shape.iter().product();
        let (&column, _) = dims.split_last()?;
        if n * dtype.size() > TOGETHER_BYTES || region.size() < n * TIMES {
            return None;
        }
        let bytes = AlignedBytes::new(n * dtype.size());
        let (&columns, outer) = shape.split_last()?;
        let tile = TileShape {
            row_dim: None,
            column_dim: Some(column),
            rows: 1,
            columns,
        };
        let mut index = vec![0; region.ndim()];
        for row in 0..outer.iter().product() {
            for (&dim, at) in dims.iter().zip(unravel(row, outer)) {
                index[dim] = at;
            }
            let target = bytes.as_ptr().wrapping_add(row * columns * dtype.size());
            // SAFETY: the blocks hold all that the region needs, and there is room for all rows.
            unsafe { self.gather(dtype.size(), &index, tile, target) };
        }
        let mut terms: Few<Term> = (0..region.ndim()).map(|_| Term::Stride(0)).collect();
        for (&dim, stride) in dims.iter().zip(c_strides(&shape)) {
            terms[dim] = Term::Stride(stride);
        }
        let block = Block {
            dtype,
            region: Region::whole(&shape),
            origin: 0,
            bytes,
        };
        Some((block, Linear { base: 0, terms }))
    }

    /// Where a tile lies, if it lies in one block and its rows are contiguous.
    pub fn in_place(&self, size: usize, index: &[usize], tile: TileShape) -> Option<Operand> {
        let mut place = [0; MOST_AXES];
        let place = place.get_mut(..self.axes.len())?;
        let mut current = 0;
        let row_dim = tile.row_dim.filter(|_| tile.rows > 1);
        let even = |linear: &Linear| row_dim.is_none_or(|dim| linear.terms[dim].stride().is_some());
        if !self.axes.iter().all(even) {
            return None;
        }
        self.place(index, tile, 0, 0, place);
        let first = self.stretch(size, place, tile, tile.columns, &mut current);
        if first.n < tile.columns || (first.stride != 1 && tile.columns > 1) {
            return None;
        }
        let mut row_stride = 0;
        if tile.rows > 1 {
            self.place(index, tile, tile.rows - 1, 0, place);
            let last = self.stretch(size, place, tile, tile.columns, &mut current);
            if last.block != first.block || last.n < tile.columns {
                return None;
            }
            let bytes = last.first.addr().wrapping_sub(first.first.addr()) as isize;
            row_stride = bytes / size as isize / (tile.rows - 1) as isize;
        }
        Some(Operand {
            first: first.first,
            row_stride,
        })
    }

    /// Copies a tile into a slot.
    ///
    /// # Safety
    /// The blocks must hold all elements of the tile, and the slot have room for it.
    pub unsafe fn gather(&self, size: usize, index: &[usize], tile: TileShape, slot: *mut u8) {
        let mut place = vec![0; self.axes.len()];
        let mut current = 0;
        for row in 0..tile.rows {
            let mut done = 0;
            while done < tile.columns {
                self.place(index, tile, row, done, &mut place);
                let Stretch {
                    first, stride, n, ..
                } = self.stretch(size, &place, tile, tile.columns - done, &mut current);
                let target = slot.wrapping_add((row * tile.columns + done) * size);
                // SAFETY: `n` elements from `first` on, `stride` apart, lie in the block; the slot has room.
                unsafe { copy_2d(size, 1, n, first, [0, stride], target, [n as isize, 1]) };
                done += n;
            }
        }
    }

    /// The index of the leaf at a row and a column of a tile.
    fn place(
        &self,
        index: &[usize],
        tile: TileShape,
        row: usize,
        column: usize,
        out: &mut [isize],
    ) {
        for (place, linear) in out.iter_mut().zip(&self.axes) {
            let terms = linear.terms.iter().enumerate().map(|(dim, term)| {
                let moved = if Some(dim) == tile.row_dim {
                    row
                } else if Some(dim) == tile.column_dim {
                    column
                } else {
                    0
                };
                term.at(index[dim] + moved)
            });
            *place = linear.base + terms.sum::<isize>();
        }
    }

    /// The longest stretch from `place` on, along the columns, that stays within one block.
    fn stretch(
        &self,
        size: usize,
        place: &[isize],
        tile: TileShape,
        wanted: usize,
        current: &mut usize,
    ) -> Stretch {
        let step = |axis: usize| match tile.column_dim {
            Some(dim) => self.axes[axis].terms[dim].stride(),
            None => Some(0),
        };
        // How many steps of `by` from `at` stay within start..end.
        let room = |at: isize, by: Option<isize>, start: isize, end: isize| match by {
            None => 1,
            Some(0) => wanted,
            Some(by) if by > 0 => ((end - 1 - at) / by + 1) as usize,
            Some(by) => ((at - start) / -by + 1) as usize,
        };
        let (offset, stride, n) = match &self.flat {
            Some(strides) => {
                let number: isize = place
                    .iter()
                    .zip(strides)
                    .map(|(i, stride)| i * stride)
                    .sum();
                let by: Option<isize> = (0..place.len())
                    .map(|axis| step(axis).map(|by| by * strides[axis]))
                    .sum();
                self.find(current, |block| {
                    let start = block.origin as isize;
                    number >= start && number < start + block.region.size() as isize
                });
                let block = &self.blocks[*current];
                let start = block.origin as isize;
                let n = room(number, by, start, start + block.region.size() as isize);
                (number - start, by.unwrap_or(0), n.min(wanted))
            }
            None => {
                self.find(current, |block| {
                    (0..place.len()).all(|axis| {
                        place[axis] >= block.region.start()[axis] as isize
                            && place[axis] < block.region.end(axis) as isize
                    })
                });
                let block = &self.blocks[*current];
                let (strides, origin) = &self.addressing[*current];
                let (mut n, mut stride, mut number) = (wanted, 0, -origin);
                for axis in 0..place.len() {
                    let by = step(axis);
                    let start = block.region.start()[axis] as isize;
                    n = n.min(room(
                        place[axis],
                        by,
                        start,
                        block.region.end(axis) as isize,
                    ));
                    stride += by.unwrap_or(0) * strides[axis];
                    number += place[axis] * strides[axis];
                }
                (number, stride, n)
            }
        };
        Stretch {
            block: *current,
            first: self.blocks[*current]
                .first()
                .wrapping_offset(offset * size as isize),
            stride,
            n,
        }
    }

    /// Moves `current` to the block that holds the place.
    fn find(&self, current: &mut usize, holds: impl Fn(&Block) -> bool) {
        if !holds(&self.blocks[*current]) {
            *current = (0..self.blocks.len())
                .find(|&at| holds(&self.blocks[at]))
                .expect("a task depends on all blocks that it reads");
        }
    }
}

/// Elements that are put together are so many times fewer than those of the region that reads them.
const TIMES: usize = 8;

/// Leaves of more axes are always copied.
const MOST_AXES: usize = 8;
