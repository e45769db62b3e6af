//! Boxes of elements.

use std::fmt;
use std::ops::Range;

use super::few::Few;

/// A box of elements: a start and a length per axis. What a [`Source`](crate::Source) is asked for.
///
/// ```
/// use flagstone::Region;
///
/// let region = Region::new([2, 0], [3, 4]);
/// assert_eq!(region.to_string(), "[2..5, 0..4]");
/// assert_eq!((region.size(), region.end(0), region.range(1)), (12, 5, 0..4));
/// assert!(Region::whole(&[10, 10]).contains(&region));
/// assert_eq!(region.intersect(&Region::new([4, 4], [1, 1])), None);
/// ```
#[derive(PartialEq, Eq, Hash)]
pub struct Region {
    start: Few<usize>,
    len: Few<usize>,
}

impl Clone for Region {
    fn clone(&self) -> Region {
        // Numbers are copied all at once, which a clone of a list does not know.
        Region {
            start: Few::from_slice(&self.start),
            len: Few::from_slice(&self.len),
        }
    }
}

impl Region {
    /// The box that starts at `start` and has the lengths `len`.
    ///
    /// # Panics
    /// If the two have different numbers of axes.
    pub fn new(start: impl Into<Vec<usize>>, len: impl Into<Vec<usize>>) -> Region {
        let (start, len) = (start.into(), len.into());
        assert_eq!(
            start.len(),
            len.len(),
            "a region's start {start:?} and lengths {len:?} differ in axes"
        );
        Region {
            start: start.into(),
            len: len.into(),
        }
    }

    /// A box without elements.
    pub(crate) fn empty(ndim: usize) -> Region {
        Region {
            start: Few::from_elem(0, ndim),
            len: Few::from_elem(0, ndim),
        }
    }

    /// The box of a whole array.
    pub fn whole(shape: &[usize]) -> Region {
        Region {
            start: Few::from_elem(0, shape.len()),
            len: Few::from_slice(shape),
        }
    }

    /// The number of axes.
    pub fn ndim(&self) -> usize {
        self.len.len()
    }

    /// The first index along each axis.
    pub fn start(&self) -> &[usize] {
        &self.start
    }

    /// The length along each axis.
    pub fn shape(&self) -> &[usize] {
        &self.len
    }

    /// One past the last index along `axis`.
    ///
    /// # Panics
    /// If there is no such axis.
    pub fn end(&self, axis: usize) -> usize {
        self.start[axis] + self.len[axis]
    }

    /// The number of elements.
    pub fn size(&self) -> usize {
        self.len.iter().product()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len.contains(&0)
    }

    /// The range of indices along `axis`.
    ///
    /// # Panics
    /// If there is no such axis.
    pub fn range(&self, axis: usize) -> Range<usize> {
        self.start[axis]..self.end(axis)
    }

    /// Changes the range along one axis.
    pub(crate) fn set_range(&mut self, axis: usize, range: Range<usize>) {
        self.start[axis] = range.start;
        self.len[axis] = range.len();
    }

    /// The same region with another range along one axis.
    pub(crate) fn with_range(&self, axis: usize, range: Range<usize>) -> Region {
        let mut region = self.clone();
        region.start[axis] = range.start;
        region.len[axis] = range.len();
        region
    }

    /// What both contain; `None` if that is nothing.
    ///
    /// # Panics
    /// If `other` has fewer axes.
    pub fn intersect(&self, other: &Region) -> Option<Region> {
        let mut region = self.clone();
        for axis in 0..self.ndim() {
            let start = self.start[axis].max(other.start[axis]);
            let end = self.end(axis).min(other.end(axis));
            if start >= end {
                return None;
            }
            region.start[axis] = start;
            region.len[axis] = end - start;
        }
        Some(region)
    }

    /// The smallest box that contains both.
    pub(crate) fn hull(&self, other: &Region) -> Region {
        if self.is_empty() {
            return other.clone();
        }
        if other.is_empty() {
            return self.clone();
        }
        let mut region = self.clone();
        for axis in 0..self.ndim() {
            let end = self.end(axis).max(other.end(axis));
            region.start[axis] = self.start[axis].min(other.start[axis]);
            region.len[axis] = end - region.start[axis];
        }
        region
    }

    /// Whether every element of `other` is in `self`.
    ///
    /// # Panics
    /// If `other` has elements and fewer axes.
    pub fn contains(&self, other: &Region) -> bool {
        other.is_empty()
            || (0..self.ndim()).all(|axis| {
                self.start[axis] <= other.start[axis] && other.end(axis) <= self.end(axis)
            })
    }

    /// The same box further along each axis.
    pub(crate) fn moved_by(mut self, steps: &[usize]) -> Region {
        for (start, step) in self.start.iter_mut().zip(steps) {
            *start += step;
        }
        self
    }

    /// The same box seen from a corner at `origin`.
    pub(crate) fn relative_to(&self, origin: &[usize]) -> Region {
        let start = self.start.iter().zip(origin).map(|(s, o)| s - o).collect();
        Region {
            start,
            len: self.len.clone(),
        }
    }
}

/// The box with these ranges of indices, one per axis.
impl FromIterator<Range<usize>> for Region {
    fn from_iter<I: IntoIterator<Item = Range<usize>>>(ranges: I) -> Region {
        let (mut start, mut len) = (Few::new(), Few::new());
        for range in ranges {
            start.push(range.start);
            len.push(range.len());
        }
        Region { start, len }
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for axis in 0..self.ndim() {
            let comma = if axis == 0 { "" } else { ", " };
            write!(f, "{comma}{}..{}", self.start[axis], self.end(axis))?;
        }
        f.write_str("]")
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
