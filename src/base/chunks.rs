//! Chunk grids: how each axis of an array is partitioned.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::few::{Few, few};
use super::region::Region;
use crate::error::{Error, Kind, Result};

/// The partition of one axis.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum AxisChunks {
    /// Chunks of one size, the last one shorter if need be.
    Regular { len: usize, size: usize },
    /// The end of each chunk; ascending, the last one is the length.
    Ends(Arc<[usize]>),
}

impl Default for AxisChunks {
    fn default() -> AxisChunks {
        AxisChunks::whole(0)
    }
}

impl AxisChunks {
    pub(crate) fn whole(len: usize) -> AxisChunks {
        AxisChunks::Regular {
            len,
            size: len.max(1),
        }
    }

    pub(crate) fn regular(len: usize, size: usize) -> AxisChunks {
        AxisChunks::Regular {
            len,
            size: size.clamp(1, len.max(1)),
        }
    }

    /// Chunks of the given lengths; regular ones are recognized, so that equal grids compare equal.
    pub(crate) fn from_sizes(sizes: &[usize]) -> AxisChunks {
        let len = sizes.iter().sum();
        let first = sizes.first().copied().unwrap_or(0).max(1);
        let regular = AxisChunks::regular(len, first);
        if regular.count() == sizes.len()
            && (0..sizes.len()).all(|i| regular.range(i).len() == sizes[i])
        {
            return regular;
        }
        let ends = sizes.iter().scan(0, |end, size| {
            *end += size;
            Some(*end)
        });
        AxisChunks::Ends(ends.collect())
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            AxisChunks::Regular { len, .. } => *len,
            AxisChunks::Ends(ends) => ends.last().copied().unwrap_or(0),
        }
    }

    /// The number of chunks; an axis without elements has one, which is empty.
    pub(crate) fn count(&self) -> usize {
        match self {
            AxisChunks::Regular { len, size } => len.div_ceil(*size).max(1),
            AxisChunks::Ends(ends) => ends.len(),
        }
    }

    pub(crate) fn range(&self, index: usize) -> Range<usize> {
        match self {
            AxisChunks::Regular { len, size } => index * size..((index + 1) * size).min(*len),
            AxisChunks::Ends(ends) => (if index == 0 { 0 } else { ends[index - 1] })..ends[index],
        }
    }

    /// The chunk that contains the element `at`; of an empty axis or past the end, the last one.
    pub(crate) fn find(&self, at: usize) -> usize {
        let last = self.count() - 1;
        match self {
            AxisChunks::Regular { size, .. } => (at / size).min(last),
            AxisChunks::Ends(ends) => ends.partition_point(|&end| end <= at).min(last),
        }
    }

    /// The chunks that meet a range of elements.
    pub(crate) fn meeting(&self, range: &Range<usize>) -> Range<usize> {
        if range.is_empty() {
            return 0..0;
        }
        self.find(range.start)..self.find(range.end - 1) + 1
    }

    pub(crate) fn largest(&self) -> usize {
        match self {
            AxisChunks::Regular { len, size } => (*len).min(*size),
            AxisChunks::Ends(_) => (0..self.count())
                .map(|i| self.range(i).len())
                .max()
                .unwrap_or(0),
        }
    }

    fn sizes(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.count()).map(|index| self.range(index).len())
    }
}

/// The chunk grid of an array: for each axis, the lengths of its chunks.
///
/// A grid is the user's partition: block functions see exactly these blocks, and reductions add up
/// in an order that depends on it. How work is divided among cores does not.
///
/// ```
/// use flagstone::Array;
///
/// let x = Array::<f64>::zeros([10, 7], (4, [3, 4]));
/// assert_eq!(x.chunks().sizes(0).collect::<Vec<_>>(), [4, 4, 2]);
/// assert_eq!(x.chunks().num_blocks(), [3, 2]);
/// assert_eq!(x.chunks().to_string(), "(4, [3, 4])");
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Chunks(pub(crate) Few<AxisChunks>);

impl Chunks {
    /// One chunk for everything.
    ///
    /// ```
    /// assert_eq!(flagstone::Chunks::whole(&[10, 7]).count(), 1);
    /// ```
    pub fn whole(shape: &[usize]) -> Chunks {
        Chunks(shape.iter().map(|&len| AxisChunks::whole(len)).collect())
    }

    /// Chunks of one size per axis; the last chunk of an axis is shorter if need be.
    ///
    /// # Errors
    /// If a size is 0, or `shape` and `sizes` have different numbers of axes.
    ///
    /// ```
    /// let chunks = flagstone::Chunks::regular(&[10, 7], &[4, 7])?;
    /// assert_eq!(chunks.sizes(0).collect::<Vec<_>>(), [4, 4, 2]);
    /// assert_eq!(chunks.region(&[2, 0]).to_string(), "[8..10, 0..7]");
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    pub fn regular(shape: &[usize], sizes: &[usize]) -> Result<Chunks> {
        if shape.len() != sizes.len() {
            return Err(Error::new(
                Kind::Chunks,
                format!(
                    "chunk sizes {sizes:?} do not fit the shape {shape:?}: one size per axis is needed"
                ),
            ));
        }
        let mut axes = Few::new();
        for (axis, (&len, &size)) in shape.iter().zip(sizes).enumerate() {
            if size == 0 {
                return Err(Error::new(
                    Kind::Chunks,
                    format!(
                        "a chunk size of 0 for axis {axis} of length {len}: it must be at least 1"
                    ),
                ));
            }
            axes.push(AxisChunks::regular(len, size));
        }
        Ok(Chunks(axes))
    }

    /// Blocks of at most so many elements, each consecutive in C order.
    pub(crate) fn consecutive(shape: &[usize], elements: usize) -> Chunks {
        let mut room = elements.max(1);
        let mut axes: Few<AxisChunks> = shape
            .iter()
            .rev()
            .map(|&len| {
                let size = len.min(room).max(1);
                room = if size == len {
                    (room / size.max(1)).max(1)
                } else {
                    1
                };
                AxisChunks::regular(len, size)
            })
            .collect();
        axes.reverse();
        Chunks(axes)
    }

    /// The number of axes.
    pub fn ndim(&self) -> usize {
        self.0.len()
    }

    /// The shape of the array.
    pub fn shape(&self) -> Vec<usize> {
        self.0.iter().map(AxisChunks::len).collect()
    }

    /// Whether this is a grid of an array of that shape.
    pub(crate) fn fits(&self, shape: &[usize]) -> bool {
        self.ndim() == shape.len()
            && self
                .0
                .iter()
                .zip(shape)
                .all(|(axis, &len)| axis.len() == len)
    }

    /// The lengths of the axes.
    pub(crate) fn lens(&self) -> Few<usize> {
        few(self.0.iter().map(AxisChunks::len))
    }

    /// The number of chunks along each axis.
    pub(crate) fn counts(&self) -> Few<usize> {
        few(self.0.iter().map(AxisChunks::count))
    }

    /// The lengths of the chunks along `axis`.
    ///
    /// # Panics
    /// If there is no such axis.
    pub fn sizes(&self, axis: usize) -> impl Iterator<Item = usize> + '_ {
        self.0[axis].sizes()
    }

    /// The number of chunks along each axis.
    pub fn num_blocks(&self) -> Vec<usize> {
        self.0.iter().map(AxisChunks::count).collect()
    }

    /// The number of blocks of the whole grid.
    pub fn count(&self) -> usize {
        self.0
            .iter()
            .map(AxisChunks::count)
            .fold(1, usize::saturating_mul)
    }

    /// The elements of the largest block.
    pub fn largest_block(&self) -> usize {
        self.0
            .iter()
            .map(AxisChunks::largest)
            .fold(1, usize::saturating_mul)
    }

    /// The region of the block at `index`, one number per axis.
    ///
    /// # Panics
    /// If `index` is outside of the grid.
    pub fn region(&self, index: &[usize]) -> Region {
        assert!(
            index.len() == self.ndim()
                && index.iter().zip(&self.0).all(|(&i, axis)| i < axis.count()),
            "block {index:?} is outside of the grid of {:?} blocks",
            self.num_blocks()
        );
        index
            .iter()
            .zip(&self.0)
            .map(|(&i, axis)| axis.range(i))
            .collect()
    }
}

/// A number from 0 to `count` of a C-order grid as one index per axis.
pub(crate) fn unravel(mut number: usize, counts: &[usize]) -> Few<usize> {
    let mut index = Few::from_elem(0, counts.len());
    for axis in (0..counts.len()).rev() {
        index[axis] = number % counts[axis].max(1);
        number /= counts[axis].max(1);
    }
    index
}

impl fmt::Display for Chunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 4;
        f.write_str("(")?;
        for (axis, chunks) in self.0.iter().enumerate() {
            if axis > 0 {
                f.write_str(", ")?;
            }
            match chunks {
                AxisChunks::Regular { size, len } => write!(f, "{}", size.min(len))?,
                AxisChunks::Ends(_) => {
                    f.write_str("[")?;
                    for (i, size) in chunks.sizes().take(SHOWN).enumerate() {
                        write!(f, "{}{size}", if i == 0 { "" } else { ", " })?;
                    }
                    if chunks.count() > SHOWN {
                        write!(f, ", … {} chunks", chunks.count())?;
                    }
                    f.write_str("]")?;
                }
            }
        }
        f.write_str(")")
    }
}

impl fmt::Debug for Chunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
