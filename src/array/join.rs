//! Several arrays as one.

use std::borrow::Borrow;
use std::panic::Location;

use super::handle::Array;
use crate::base::axis::AxisIndex;
use crate::base::element::Element;
use crate::error::Result;
use crate::plan::layout;
use crate::plan::node::Value;

fn values<T: Element, I>(arrays: I) -> Result<Vec<Value>>
where
    I: IntoIterator,
    I::Item: Borrow<Array<T>>,
{
    arrays
        .into_iter()
        .map(|array| array.borrow().value.clone())
        .collect()
}

/// Arrays laid end to end along an axis; they agree on all others.
///
/// Chunks along the axis are those of the arrays one after another, on the others the first one's.
///
/// ```
/// use flagstone::{Array, concatenate};
///
/// let (x, y) = (Array::<f64>::zeros([2, 3], ..), Array::<f64>::ones([4, 3], ..));
/// assert_eq!(concatenate([&x, &y], 0).shape(), [6, 3]);
/// ```
#[track_caller]
pub fn concatenate<T: Element, I>(arrays: I, axis: impl AxisIndex) -> Array<T>
where
    I: IntoIterator,
    I::Item: Borrow<Array<T>>,
{
    let at = Location::caller();
    let axis = axis.axis_index();
    Array::from_plan(
        values(arrays).and_then(|values| layout::concatenate(&values, axis, at)),
        at,
    )
}

/// Arrays of one shape laid side by side along a new axis.
///
/// ```
/// use flagstone::{Array, stack};
///
/// let x = Array::<f64>::zeros([2, 3], ..);
/// assert_eq!(stack([&x, &x, &x, &x], 0).shape(), [4, 2, 3]);
/// ```
#[track_caller]
pub fn stack<T: Element, I>(arrays: I, axis: impl AxisIndex) -> Array<T>
where
    I: IntoIterator,
    I::Item: Borrow<Array<T>>,
{
    let at = Location::caller();
    let axis = axis.axis_index();
    Array::from_plan(
        values(arrays).and_then(|values| layout::stack(&values, axis, at)),
        at,
    )
}
