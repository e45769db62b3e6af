//! What users may write where axes are asked for.

use std::ops::RangeFull;

use smallvec::smallvec;

use super::few::{Few, few};
use crate::error::{Error, Kind, Result};

/// One axis: `0`, `-1` (the last one), any `usize` or `isize`, or an `ndarray::Axis`.
pub trait AxisIndex {
    #[doc(hidden)]
    fn axis_index(self) -> isize;
}

impl AxisIndex for i32 {
    fn axis_index(self) -> isize {
        self as isize
    }
}

impl AxisIndex for isize {
    fn axis_index(self) -> isize {
        self
    }
}

impl AxisIndex for usize {
    fn axis_index(self) -> isize {
        // No array has so many axes that the cast could hide a valid one.
        isize::try_from(self).unwrap_or(isize::MAX)
    }
}

impl AxisIndex for ndarray::Axis {
    fn axis_index(self) -> isize {
        self.0.axis_index()
    }
}

/// A set of axes, with the choice of [`keep`]ing them with length 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axes {
    /// `None` for all.
    list: Option<Few<isize>>,
    keep: bool,
}

impl Axes {
    /// Whether reduced axes stay, with length 1.
    pub(crate) fn keeps(&self) -> bool {
        self.keep
    }

    /// Whether all axes are meant, however many there are.
    pub(crate) fn is_all(&self) -> bool {
        self.list.is_none()
    }

    /// The axes of an array with `ndim` of them: ascending, counted from 0.
    pub(crate) fn resolve(&self, ndim: usize) -> Result<Few<usize>> {
        let Some(list) = &self.list else {
            return Ok(few(0..ndim));
        };
        let mut axes = Few::new();
        for &axis in list {
            let resolved = resolve_axis(axis, ndim)?;
            if axes.contains(&resolved) {
                return Err(Error::new(
                    Kind::Axis,
                    format!("axis {axis} is named twice in {list:?}"),
                ));
            }
            axes.push(resolved);
        }
        axes.sort_unstable();
        Ok(axes)
    }
}

/// One axis of an array with `ndim` of them, counted from 0.
pub(crate) fn resolve_axis(axis: isize, ndim: usize) -> Result<usize> {
    let resolved = if axis < 0 {
        axis.checked_add(ndim as isize)
    } else {
        Some(axis)
    };
    match resolved {
        Some(resolved) if resolved >= 0 && (resolved as usize) < ndim => Ok(resolved as usize),
        _ => Err(Error::new(
            Kind::Axis,
            format!("axis {axis} of an array with {ndim} {}", axes_word(ndim)),
        )),
    }
}

fn axes_word(ndim: usize) -> &'static str {
    if ndim == 1 { "axis" } else { "axes" }
}

/// One or several axes: `0`, `-1`, `[0, 2]`, `(0, -1)`, `..` for all of them, or [`keep`] around any
/// of these.
pub trait IntoAxes {
    #[doc(hidden)]
    fn into_axes(self) -> Axes;
}

/// Reduced axes stay in the result with length 1, as with NumPy's `keepdims`.
///
/// ```
/// use flagstone::{Array, keep};
///
/// let x = Array::<f64>::ones([3, 4], ..);
/// assert_eq!(x.mean(0).shape(), [4]);
/// assert_eq!(x.mean(keep(0)).shape(), [1, 4]);
/// assert_eq!(x.mean(keep(..)).shape(), [1, 1]);
/// ```
pub fn keep(axes: impl IntoAxes) -> Axes {
    Axes {
        keep: true,
        ..axes.into_axes()
    }
}

fn listed(list: Few<isize>) -> Axes {
    Axes {
        list: Some(list),
        keep: false,
    }
}

impl IntoAxes for Axes {
    fn into_axes(self) -> Axes {
        self
    }
}

impl IntoAxes for RangeFull {
    fn into_axes(self) -> Axes {
        Axes {
            list: None,
            keep: false,
        }
    }
}

macro_rules! single {
    ($($ty:ty)*) => {$(
        impl IntoAxes for $ty {
            fn into_axes(self) -> Axes {
                listed(smallvec![self.axis_index()])
            }
        }
    )*};
}
single!(i32 isize usize ndarray::Axis);

impl<A: AxisIndex, const N: usize> IntoAxes for [A; N] {
    fn into_axes(self) -> Axes {
        listed(self.into_iter().map(AxisIndex::axis_index).collect())
    }
}

impl<A: AxisIndex> IntoAxes for Vec<A> {
    fn into_axes(self) -> Axes {
        listed(self.into_iter().map(AxisIndex::axis_index).collect())
    }
}

impl<A: AxisIndex + Copy> IntoAxes for &[A] {
    fn into_axes(self) -> Axes {
        listed(self.iter().map(|axis| axis.axis_index()).collect())
    }
}

impl<A: AxisIndex, B: AxisIndex> IntoAxes for (A, B) {
    fn into_axes(self) -> Axes {
        listed(smallvec![self.0.axis_index(), self.1.axis_index()])
    }
}

impl<A: AxisIndex, B: AxisIndex, C: AxisIndex> IntoAxes for (A, B, C) {
    fn into_axes(self) -> Axes {
        listed(smallvec![
            self.0.axis_index(),
            self.1.axis_index(),
            self.2.axis_index(),
        ])
    }
}
