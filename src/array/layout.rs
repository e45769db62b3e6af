//! Views and layout: which elements, in which order, under which shape.

use std::ops;
use std::panic::Location;

use ndarray::{SliceInfo, SliceInfoElem};
use smallvec::smallvec;

use super::handle::Array;
use crate::base::axis::{AxisIndex, IntoAxes};
use crate::base::chunk_spec::IntoChunks;
use crate::base::element::Element;
use crate::base::shape::IntoShape;
use crate::plan::build;
use crate::plan::layout::{self, Padding};

/// What a slice may be: `s![..]` of ndarray (ranges, steps, negative steps, indices, `NewAxis`), one
/// range or one index. Fewer items than axes leave the rest whole.
pub trait IntoSlice {
    #[doc(hidden)]
    fn into_items(self) -> Vec<SliceInfoElem>;
}

impl<I: AsRef<[SliceInfoElem]>, In: ndarray::Dimension, Out: ndarray::Dimension> IntoSlice
    for SliceInfo<I, In, Out>
{
    fn into_items(self) -> Vec<SliceInfoElem> {
        AsRef::<[SliceInfoElem]>::as_ref(&self).to_vec()
    }
}

impl<I: AsRef<[SliceInfoElem]>, In: ndarray::Dimension, Out: ndarray::Dimension> IntoSlice
    for &SliceInfo<I, In, Out>
{
    fn into_items(self) -> Vec<SliceInfoElem> {
        AsRef::<[SliceInfoElem]>::as_ref(self).to_vec()
    }
}

impl IntoSlice for &[SliceInfoElem] {
    fn into_items(self) -> Vec<SliceInfoElem> {
        self.to_vec()
    }
}

impl IntoSlice for Vec<SliceInfoElem> {
    fn into_items(self) -> Vec<SliceInfoElem> {
        self
    }
}

macro_rules! single {
    ($($ty:ty)*) => {$(
        impl IntoSlice for $ty {
            fn into_items(self) -> Vec<SliceInfoElem> {
                vec![SliceInfoElem::from(self)]
            }
        }
    )*};
}
single!(isize usize i32 ops::RangeFull ops::Range<isize> ops::Range<usize> ops::Range<i32>
    ops::RangeFrom<isize> ops::RangeFrom<usize> ops::RangeFrom<i32>
    ops::RangeTo<isize> ops::RangeTo<usize> ops::RangeTo<i32>
    ops::RangeInclusive<isize> ops::RangeInclusive<usize> ops::RangeInclusive<i32>);

/// What [`Array::pad`] puts around an array.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pad<T> {
    /// One value.
    Constant(T),
    /// The nearest element.
    Edge,
    /// The array mirrored, without repeating its edge.
    Reflect,
    /// The array again, from its other end.
    Wrap,
}

/// # Views and layout
///
/// Views compose and reach the source: a slice of anything computes, and reads, only what it shows.
/// Unless noted otherwise they copy nothing and cost nothing.
impl<T: Element> Array<T> {
    /// A part of the array, with ndarray's `s![..]`.
    ///
    /// Ranges with a negative step walk from their end; an index drops its axis, `NewAxis` adds one. A
    /// range that reaches outside, or a step of 0, is an error that names the axis. Chunks are the
    /// array's own, cut where the slice cuts them.
    ///
    /// ```
    /// use flagstone::{Array, s};
    ///
    /// let x = Array::<i64>::arange(0, 12, 1, ..).reshape([3, 4]);
    /// assert_eq!(x.slice(s![1.., ..;2]).compute()?, ndarray::arr2(&[[4, 6], [8, 10]]).into_dyn());
    /// assert_eq!(x.slice(s![-1, ..;-1]).compute()?, ndarray::arr1(&[11, 10, 9, 8]).into_dyn());
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn slice(&self, slice: impl IntoSlice) -> Array<T> {
        let at = Location::caller();
        let items = slice.into_items();
        self.then(at, |value| layout::slice(value, &items, at))
    }

    /// The axes in reverse order.
    ///
    /// ```
    /// assert_eq!(flagstone::Array::<f64>::zeros([2, 3, 4], ..).t().shape(), [4, 3, 2]);
    /// ```
    #[track_caller]
    pub fn t(&self) -> Array<T> {
        let at = Location::caller();
        self.then(at, |value| {
            let order: Vec<isize> = (0..value.shape().len() as isize).rev().collect();
            layout::permute(value, &order, at)
        })
    }

    /// The axes in another order: axis `i` of the result is axis `order[i]`.
    ///
    /// ```
    /// assert_eq!(flagstone::Array::<f64>::zeros([2, 3, 4], ..).permute([2, 0, 1]).shape(), [4, 2, 3]);
    /// ```
    #[track_caller]
    pub fn permute<A: AxisIndex>(&self, order: impl IntoIterator<Item = A>) -> Array<T> {
        let at = Location::caller();
        let order: Vec<isize> = order.into_iter().map(AxisIndex::axis_index).collect();
        self.then(at, |value| layout::permute(value, &order, at))
    }

    /// Two axes exchanged.
    ///
    /// ```
    /// assert_eq!(flagstone::Array::<f64>::zeros([2, 3, 4], ..).swap_axes(0, -1).shape(), [4, 3, 2]);
    /// ```
    #[track_caller]
    pub fn swap_axes(&self, one: impl AxisIndex, other: impl AxisIndex) -> Array<T> {
        let at = Location::caller();
        let (one, other) = (one.axis_index(), other.axis_index());
        self.then(at, |value| {
            let ndim = value.shape().len();
            let one = crate::base::axis::resolve_axis(one, ndim)?;
            let other = crate::base::axis::resolve_axis(other, ndim)?;
            let mut order: Vec<isize> = (0..ndim as isize).collect();
            order.swap(one, other);
            layout::permute(value, &order, at)
        })
    }

    /// The order of elements reversed along axes.
    ///
    /// ```
    /// let x = flagstone::Array::<i64>::arange(0, 3, 1, ..);
    /// assert_eq!(x.flip(0).compute()?, ndarray::arr1(&[2, 1, 0]).into_dyn());
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn flip(&self, axes: impl IntoAxes) -> Array<T> {
        let at = Location::caller();
        let axes = axes.into_axes();
        self.then(at, |value| {
            layout::flip(value, &axes.resolve(value.shape().len())?, at)
        })
    }

    /// Elements moved by `shift` along an axis; what leaves at one end comes back at the other.
    ///
    /// ```
    /// let x = flagstone::Array::<i64>::arange(0, 4, 1, ..);
    /// assert_eq!(x.roll(1, 0).compute()?, ndarray::arr1(&[3, 0, 1, 2]).into_dyn());
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn roll(&self, shift: isize, axis: impl AxisIndex) -> Array<T> {
        let at = Location::caller();
        let axis = axis.axis_index();
        self.then(at, |value| {
            let axis = crate::base::axis::resolve_axis(axis, value.shape().len())?;
            layout::roll(value, shift, axis, at)
        })
    }

    /// Axes of length 1, and new axes in front, stretched to `shape`.
    ///
    /// Stretched axes have one chunk, or as many as keep blocks below 128 MiB.
    ///
    /// ```
    /// let x = flagstone::Array::<f64>::ones([3, 1], ..);
    /// assert_eq!(x.broadcast_to([2, 3, 4]).sum(..).item()?, 24.0);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn broadcast_to(&self, shape: impl IntoShape) -> Array<T> {
        let at = Location::caller();
        let shape = shape.into_shape();
        self.then(at, |value| layout::broadcast_to(value, shape, at))
    }

    /// A new axis of length 1, which is number `axis` of the result.
    ///
    /// ```
    /// assert_eq!(flagstone::Array::<f64>::zeros([3, 4], ..).expand_dims(-1).shape(), [3, 4, 1]);
    /// ```
    #[track_caller]
    pub fn expand_dims(&self, axis: impl AxisIndex) -> Array<T> {
        let at = Location::caller();
        let axis = axis.axis_index();
        self.then(at, |value| layout::expand_dims(value, axis, at))
    }

    /// Drops axes of length 1; with `..`, all of them.
    ///
    /// ```
    /// let x = flagstone::Array::<f64>::zeros([1, 3, 1], ..);
    /// assert_eq!(x.squeeze(..).shape(), [3]);
    /// assert_eq!(x.squeeze(0).shape(), [3, 1]);
    /// ```
    #[track_caller]
    pub fn squeeze(&self, axes: impl IntoAxes) -> Array<T> {
        let at = Location::caller();
        let axes = axes.into_axes();
        self.then(at, |value| {
            let mut dropped: Vec<usize> = axes.resolve(value.shape().len())?.into_vec();
            if axes.is_all() {
                dropped.retain(|&axis| value.shape()[axis] == 1);
            }
            layout::squeeze(value, &dropped, at)
        })
    }

    /// The same elements, in C order, under another shape of the same size.
    ///
    /// Chunks: blocks of about as many elements as before, last axes whole. Of arrays in memory and
    /// generated ones it costs nothing; of others, blocks are held while they are read.
    ///
    /// ```
    /// let x = flagstone::Array::<f64>::zeros([4, 6], ..);
    /// assert_eq!(x.reshape([2, 12]).shape(), [2, 12]);
    /// ```
    #[track_caller]
    pub fn reshape(&self, shape: impl IntoShape) -> Array<T> {
        let at = Location::caller();
        let shape = shape.into_shape();
        self.then(at, |value| layout::reshape(value, shape, at))
    }

    /// All elements in C order as a 1-d array. See [`reshape`](Array::reshape).
    ///
    /// ```
    /// assert_eq!(flagstone::Array::<f64>::zeros([4, 6], ..).ravel().shape(), [24]);
    /// ```
    #[track_caller]
    pub fn ravel(&self) -> Array<T> {
        let at = Location::caller();
        self.then(at, |value| {
            layout::reshape(value, smallvec![value.shape().iter().product()], at)
        })
    }

    /// The elements at given places along an axis, in that order; negative places count from the end.
    ///
    /// ```
    /// let x = flagstone::Array::<i64>::arange(10, 15, 1, ..);
    /// assert_eq!(x.take([4, 0, -2], 0).compute()?, ndarray::arr1(&[14, 10, 13]).into_dyn());
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn take(&self, places: impl IntoIterator<Item = isize>, axis: impl AxisIndex) -> Array<T> {
        let at = Location::caller();
        let places: Vec<isize> = places.into_iter().collect();
        let axis = axis.axis_index();
        self.then(at, |value| layout::take(value, &places, axis, at))
    }

    /// The elements whose first two indices are equal; that index becomes the last axis.
    ///
    /// ```
    /// let x = flagstone::Array::<i64>::arange(0, 9, 1, ..).reshape([3, 3]);
    /// assert_eq!(x.diagonal().compute()?, ndarray::arr1(&[0, 4, 8]).into_dyn());
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn diagonal(&self) -> Array<T> {
        let at = Location::caller();
        self.then(at, |value| layout::diagonal(value, at))
    }

    /// The array with (before, after) elements more along each axis.
    ///
    /// Chunks: a constant padding widens the outermost chunks; others are cut as the array's largest.
    ///
    /// ```
    /// use flagstone::{Array, Pad};
    ///
    /// let x = Array::<i64>::arange(0, 3, 1, ..);
    /// let padded = x.pad([(2, 1)], Pad::Reflect);
    /// assert_eq!(padded.compute()?, ndarray::arr1(&[2, 1, 0, 1, 2, 1]).into_dyn());
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn pad(&self, widths: impl IntoIterator<Item = (usize, usize)>, with: Pad<T>) -> Array<T> {
        let at = Location::caller();
        let widths: Vec<(usize, usize)> = widths.into_iter().collect();
        let padding = match with {
            Pad::Constant(value) => Padding::Constant(value.to_scalar()),
            Pad::Edge => Padding::Edge,
            Pad::Reflect => Padding::Reflect,
            Pad::Wrap => Padding::Wrap,
        };
        self.then(at, |value| layout::pad(value, &widths, padding, at))
    }

    /// The same array in other chunks.
    ///
    /// Moves nothing: chunks decide what block functions see, how results are streamed, and in which
    /// order reductions add up.
    ///
    /// ```
    /// let x = flagstone::Array::<f64>::zeros([10, 10], [5, 5]);
    /// assert_eq!(x.rechunk([2, 10]).num_blocks(), 5);
    /// ```
    #[track_caller]
    pub fn rechunk(&self, chunks: impl IntoChunks) -> Array<T> {
        let at = Location::caller();
        self.then(at, |value| build::rechunk(value, chunks.into_spec(), at))
    }
}
