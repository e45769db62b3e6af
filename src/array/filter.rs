//! Reductions over a selection: no selected array is ever made.

use std::panic::Location;

use super::handle::{Array, Operand};
use super::reductions::{Spread, for_each_reduction, reduce};
use crate::base::axis::IntoAxes;
use crate::base::element::{Element, Numeric, Ordered};
use crate::base::few::Few;
use crate::error::Result;
use crate::op::reducer::{Ddof, Norm, ReduceKind, ReduceOp};
use crate::plan::build::{self, Term};
use crate::plan::node::Value;

/// The elements of an array where a condition holds; made by [`Array::filter`].
///
/// How many they are is not known before it is computed, so that this is no array. It has reductions, which
/// are ordinary arrays with the shape and chunks that they would have without the selection. No array of the
/// selected elements is ever made: the condition is computed beside the elements, tile by tile.
///
/// ```
/// use flagstone::Array;
///
/// // Mean and number of the positive elements of each column.
/// let x = Array::from_ndarray(ndarray::arr2(&[[1.0, -2.0], [3.0, -4.0], [-5.0, 6.0]]), ..);
/// let positive = x.filter(x.gt(0.0));
/// let (mean, count) = flagstone::compute((positive.mean(0), positive.count(0)))?;
/// assert_eq!(mean, ndarray::arr1(&[2.0, 6.0]).into_dyn());
/// assert_eq!(count, ndarray::arr1(&[2, 1]).into_dyn());
/// # Ok::<(), flagstone::Error>(())
/// ```
#[must_use = "a selection is lazy: reduce it"]
#[derive(Clone)]
pub struct Filtered<T> {
    array: Array<T>,
    mask: Result<Value>,
}

impl<T: Element> Array<T> {
    /// The elements where `keep` holds, for reductions over them.
    ///
    /// `keep` broadcasts to the array's shape; it is an array of `bool`, or one `bool`. A mistake in it shows when
    /// a reduction of the selection is computed.
    ///
    /// ```
    /// use flagstone::Array;
    ///
    /// let x = Array::<f64>::arange(-2.0, 3.0, 1.0, ..);
    /// assert_eq!(x.filter(x.gt(0.0)).mean(..).item()?, 1.5);
    /// assert_eq!(x.filter(x.gt(0.0)).count(..).item()?, 2);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn filter(&self, keep: impl Operand<bool>) -> Filtered<T> {
        let at = Location::caller();
        let mask = keep.into_term().0.and_then(|term| match term {
            Term::Array(value) => Ok(value),
            Term::Scalar(value) => {
                let fill = crate::op::generate::Generate::Fill(value);
                let chunks = crate::base::chunk_spec::ChunkSpec::PerAxis(Few::new());
                build::generate(fill, value.dtype(), Few::new(), chunks, at)
            }
        });
        Filtered {
            array: self.clone(),
            mask: mask.map_err(|error| error.at(at)),
        }
    }
}

macro_rules! methods {
    ($(($name:ident, $nan:ident, $kind:expr, $bound:ident, $out:ty, $doc:literal),)*) => {
        /// # Reductions of the selected elements
        ///
        /// As the methods of [`Array`] with the same names, which have their axes, cost and order of
        /// additions. Where nothing is selected, the value is that of an empty array: 0 for `sum`, NaN for
        /// `mean`.
        impl<T: Element> Filtered<T> {$(
            #[doc = $doc]
            ///
            #[doc = concat!("[`Array::", stringify!($name), "`] of the selected elements.")]
            ///
            /// ```
            #[doc = concat!("let x = flagstone::Array::<f64>::ones([3, 4], [2, 2]);")]
            #[doc = concat!("let selected = x.filter(x.gt(0.0)).", stringify!($name), "(0);")]
            #[doc = concat!("assert_eq!(selected.compute()?, x.", stringify!($name), "(0).compute()?);")]
            /// # Ok::<(), flagstone::Error>(())
            /// ```
            #[track_caller]
            pub fn $name(&self, axes: impl IntoAxes) -> Array<$out>
            where
                T: $bound,
            {
                reduce(&self.array, Some(&self.mask), ReduceOp::new($kind), axes, Location::caller())
            }

            #[doc = concat!("[`Array::", stringify!($nan), "`] of the selected elements.")]
            ///
            /// ```
            #[doc = concat!("let x = flagstone::Array::<f64>::ones([3, 4], [2, 2]);")]
            #[doc = concat!("let selected = x.filter(x.gt(0.0)).", stringify!($nan), "(0);")]
            #[doc = concat!("assert_eq!(selected.compute()?, x.", stringify!($nan), "(0).compute()?);")]
            /// # Ok::<(), flagstone::Error>(())
            /// ```
            #[track_caller]
            pub fn $nan(&self, axes: impl IntoAxes) -> Array<$out>
            where
                T: $bound,
            {
                let op = ReduceOp { skip_nan: true, ..ReduceOp::new($kind) };
                reduce(&self.array, Some(&self.mask), op, axes, Location::caller())
            }
        )*}
    };
}
for_each_reduction!(methods);

impl<T: Numeric> Filtered<T> {
    /// How many elements are selected.
    ///
    /// The condition alone is computed, and not the array.
    ///
    /// ```
    /// let x = flagstone::Array::<i32>::arange(0, 10, 1, 4);
    /// assert_eq!(x.filter(x.remainder(3).eq(0)).count(..).item()?, 4);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn count(&self, axes: impl IntoAxes) -> Array<i64> {
        let at = Location::caller();
        let axes = axes.into_axes();
        let counted: Array<bool> = self.array.then(at, |value| {
            let mask = self.mask.clone()?;
            let shape = value.spec().shape.clone();
            crate::plan::layout::broadcast_to(&mask, shape, at)
        });
        counted.count_nonzero(axes)
    }
}
