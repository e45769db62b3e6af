//! Reductions over one, several or all axes.

use std::panic::Location;
use std::sync::Arc;

use super::handle::Array;
use crate::base::axis::IntoAxes;
use crate::base::element::{Element, Inexact, Numeric, Ordered};
use crate::op::reducer::{Ddof, Norm, ReduceKind, ReduceOp, Reducer};
use crate::plan::build;
use crate::plan::node::{Reduction, Value};

/// Builds a reduction, over a selection if there is one.
pub(crate) fn reduce<T: Element, U: Element>(
    array: &Array<T>,
    mask: Option<&crate::error::Result<Value>>,
    op: ReduceOp,
    axes: impl IntoAxes,
    at: &'static Location<'static>,
) -> Array<U> {
    let axes = axes.into_axes();
    array.then(at, |value| {
        let mask = match mask {
            Some(Ok(mask)) => Some(mask),
            Some(Err(error)) => return Err(error.clone()),
            None => None,
        };
        build::reduce(Reduction::Op(op), value, mask, &axes, at)
    })
}

/// The real type of a spread: `f64` for integers, the part of a complex type.
pub(crate) type Spread<T> = <<T as Numeric>::Mean as Inexact>::Part;

/// One row per reduction: method, NaN-skipping method, kind, bound, result, doc.
macro_rules! for_each_reduction {
    ($callback:ident) => {
        $callback! {
            (sum, nansum, ReduceKind::Sum, Numeric, T::Sum, "The sum. Small integers add up in 64 bits and wrap, `bool` is counted; `f32` accumulates in `f64`. The sum of nothing is 0."),
            (prod, nanprod, ReduceKind::Prod, Numeric, T::Sum, "The product, in the type of a sum. The product of nothing is 1."),
            (mean, nanmean, ReduceKind::Mean, Numeric, T::Mean, "The arithmetic mean; of integers and `bool` in `f64`. The mean of nothing is NaN."),
            (var, nanvar, ReduceKind::Var { ddof: Ddof::new(0.0) }, Numeric, Spread<T>, "The variance, by deviations from a mean or a first value, in pieces merged by Chan's formula (Chan, Golub, LeVeque: \"Algorithms for computing the sample variance\", 1983)."),
            (std, nanstd, ReduceKind::Std { ddof: Ddof::new(0.0) }, Numeric, Spread<T>, "The standard deviation: the square root of the variance."),
            (min, nanmin, ReduceKind::Min, Ordered, T, "The smallest element; NaN if one is NaN. Of nothing there is none: an error."),
            (max, nanmax, ReduceKind::Max, Ordered, T, "The largest element; NaN if one is NaN. Of nothing there is none: an error."),
            (argmin, nanargmin, ReduceKind::ArgMin, Ordered, i64, "The C-order number, among the reduced elements, of the smallest one; the first if there are several, the first NaN if there is one."),
            (argmax, nanargmax, ReduceKind::ArgMax, Ordered, i64, "The C-order number, among the reduced elements, of the largest one; the first if there are several, the first NaN if there is one."),
            (any, nanany, ReduceKind::Any, Numeric, bool, "Whether an element is not zero; `false` of nothing."),
            (all, nanall, ReduceKind::All, Numeric, bool, "Whether all elements are not zero; `true` of nothing."),
            (count_nonzero, nancount_nonzero, ReduceKind::CountNonzero, Numeric, i64, "How many elements are not zero."),
            (norm, nannorm, ReduceKind::Norm(Norm::Two), Numeric, Spread<T>, "The Euclidean norm: the square root of the sum of `|x|²`."),
            (norm_one, nannorm_one, ReduceKind::Norm(Norm::One), Numeric, Spread<T>, "The sum of magnitudes."),
            (norm_max, nannorm_max, ReduceKind::Norm(Norm::Max), Numeric, Spread<T>, "The largest magnitude."),
        }
    };
}
pub(crate) use for_each_reduction;

macro_rules! methods {
    ($(($name:ident, $nan:ident, $kind:expr, $bound:ident, $out:ty, $doc:literal),)*) => {
        /// # Reductions
        ///
        /// Axes are `0`, `-1`, `[0, 2]`, `(0, 1)` or `..` for all; [`keep`](crate::keep) around them
        /// keeps them with length 1. Kept axes keep their chunks. Each reduction is one pass over the
        /// data and holds partial results only; several in one [`compute`](crate::compute()) share it.
        /// The order of additions depends on shape and chunks alone, so that threads, memory and
        /// fusion never change a bit.
        impl<T: Element> Array<T> {$(
            #[doc = $doc]
            ///
            /// ```
            #[doc = concat!("let x = flagstone::Array::<f64>::ones([3, 4], [2, 2]);")]
            #[doc = concat!("assert_eq!(x.", stringify!($name), "(0).compute()?.shape(), [4]);")]
            #[doc = concat!("assert_eq!(x.", stringify!($name), "(flagstone::keep(..)).shape(), [1, 1]);")]
            /// # Ok::<(), flagstone::Error>(())
            /// ```
            #[track_caller]
            pub fn $name(&self, axes: impl IntoAxes) -> Array<$out>
            where
                T: $bound,
            {
                reduce(self, None, ReduceOp::new($kind), axes, Location::caller())
            }

            #[doc = concat!("[`", stringify!($name), "`](Array::", stringify!($name), ") of the elements that are not NaN.")]
            ///
            /// ```
            #[doc = concat!("let x = flagstone::Array::<f64>::ones([3, 4], [2, 2]);")]
            #[doc = concat!("assert_eq!(x.", stringify!($nan), "(0).compute()?, x.", stringify!($name), "(0).compute()?);")]
            /// # Ok::<(), flagstone::Error>(())
            /// ```
            #[track_caller]
            pub fn $nan(&self, axes: impl IntoAxes) -> Array<$out>
            where
                T: $bound,
            {
                let op = ReduceOp { skip_nan: true, ..ReduceOp::new($kind) };
                reduce(self, None, op, axes, Location::caller())
            }
        )*}
    };
}
for_each_reduction!(methods);

impl<T: Element> Array<T> {
    /// The variance with `ddof` degrees of freedom taken off the count: 1 for that of a sample.
    ///
    /// ```
    /// let x = flagstone::Array::<f64>::arange(0.0, 4.0, 1.0, ..);
    /// assert_eq!(x.var_ddof(.., 1.0).item()?, 5.0 / 3.0);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn var_ddof(&self, axes: impl IntoAxes, ddof: f64) -> Array<Spread<T>>
    where
        T: Numeric,
    {
        let op = ReduceOp::new(ReduceKind::Var {
            ddof: Ddof::new(ddof),
        });
        reduce(self, None, op, axes, Location::caller())
    }

    /// The standard deviation with `ddof` degrees of freedom taken off the count: 1 for that of a
    /// sample.
    ///
    /// ```
    /// let x = flagstone::Array::<f64>::arange(0.0, 2.0, 1.0, ..);
    /// assert_eq!(x.std_ddof(.., 1.0).item()?, 0.5_f64.sqrt());
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn std_ddof(&self, axes: impl IntoAxes, ddof: f64) -> Array<Spread<T>>
    where
        T: Numeric,
    {
        let op = ReduceOp::new(ReduceKind::Std {
            ddof: Ddof::new(ddof),
        });
        reduce(self, None, op, axes, Location::caller())
    }

    /// [`var_ddof`](Array::var_ddof) of the elements that are not NaN.
    ///
    /// ```
    /// let x = flagstone::Array::<f64>::arange(0.0, 4.0, 1.0, ..);
    /// assert_eq!(x.nanvar_ddof(.., 1.0).item()?, 5.0 / 3.0);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn nanvar_ddof(&self, axes: impl IntoAxes, ddof: f64) -> Array<Spread<T>>
    where
        T: Numeric,
    {
        let kind = ReduceKind::Var {
            ddof: Ddof::new(ddof),
        };
        reduce(
            self,
            None,
            ReduceOp {
                skip_nan: true,
                ..ReduceOp::new(kind)
            },
            axes,
            Location::caller(),
        )
    }

    /// [`std_ddof`](Array::std_ddof) of the elements that are not NaN.
    ///
    /// ```
    /// let x = flagstone::Array::<f64>::arange(0.0, 2.0, 1.0, ..);
    /// assert_eq!(x.nanstd_ddof(.., 1.0).item()?, 0.5_f64.sqrt());
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn nanstd_ddof(&self, axes: impl IntoAxes, ddof: f64) -> Array<Spread<T>>
    where
        T: Numeric,
    {
        let kind = ReduceKind::Std {
            ddof: Ddof::new(ddof),
        };
        reduce(
            self,
            None,
            ReduceOp {
                skip_nan: true,
                ..ReduceOp::new(kind)
            },
            axes,
            Location::caller(),
        )
    }

    /// A reduction by a [`Reducer`] of your own.
    ///
    /// A panic in it ends that computation with an error. States on the heap are outside of the
    /// promised memory.
    ///
    /// ```
    /// use flagstone::{Array, Reducer};
    ///
    /// /// The distance between the smallest and the largest element.
    /// struct Range;
    ///
    /// impl Reducer<f64> for Range {
    ///     type State = (f64, f64);
    ///     type Output = f64;
    ///     fn identity(&self) -> (f64, f64) {
    ///         (f64::INFINITY, f64::NEG_INFINITY)
    ///     }
    ///     fn step(&self, state: &mut (f64, f64), value: f64) {
    ///         *state = (state.0.min(value), state.1.max(value));
    ///     }
    ///     fn merge(&self, left: &mut (f64, f64), right: &(f64, f64)) {
    ///         *left = (left.0.min(right.0), left.1.max(right.1));
    ///     }
    ///     fn finish(&self, state: &(f64, f64)) -> f64 {
    ///         state.1 - state.0
    ///     }
    /// }
    ///
    /// let x = Array::<f64>::arange(0.0, 10.0, 1.0, 3);
    /// assert_eq!(x.reduce(Range, ..).item()?, 9.0);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn reduce<R: Reducer<T>>(&self, reducer: R, axes: impl IntoAxes) -> Array<R::Output> {
        let at = Location::caller();
        let axes = axes.into_axes();
        self.then(at, |value| {
            let fold = crate::kernel::reduce::custom::<T, R>(Arc::new(reducer));
            build::reduce(Reduction::Custom(fold), value, None, &axes, at)
        })
    }
}
