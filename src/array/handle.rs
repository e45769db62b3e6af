//! `Array<T>`: a typed handle over the untyped plan, or the error that building it met.

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;

use crate::base::chunks::Chunks;
use crate::base::dtype::DType;
use crate::base::element::Element;
use crate::error::{Error, Result};
use crate::plan::build::Term;
use crate::plan::node::Value;

/// A lazy, chunked n-dimensional array of `T`.
///
/// An array is a plan: arithmetic, views and reductions give further arrays at once, and nothing is
/// computed before [`compute`](Array::compute), a store or [`blocks`](Array::blocks). Handles are cheap
/// to clone and can be sent to and shared between threads.
///
/// Bad input never panics while an expression is built: the array carries the error, with the file
/// and line of the call that made it, until `compute`, a store or [`check`](Array::check) returns it.
/// (That line is found through operators and closures; not through a generic function of your own, nor
/// through a path such as `Add::add` used as a value.)
///
/// ```
/// use flagstone::Array;
///
/// let x = Array::<f64>::arange(0.0, 6.0, 1.0, ..).reshape([2, 3]);
/// let y = 2.0 * &x + 1.0;
/// assert_eq!(y.mean(0).compute()?, ndarray::arr1(&[4.0, 6.0, 8.0]).into_dyn());
/// # Ok::<(), flagstone::Error>(())
/// ```
#[must_use = "arrays are lazy: nothing runs, and no error shows, until `compute`, a store or `check`"]
pub struct Array<T> {
    pub(crate) value: Result<Value>,
    element: PhantomData<fn() -> T>,
}

impl<T> Clone for Array<T> {
    fn clone(&self) -> Array<T> {
        Array {
            value: self.value.clone(),
            element: PhantomData,
        }
    }
}

impl<T: Element> Array<T> {
    /// A handle to a value of this dtype, or to the error that the user's line has made.
    pub(crate) fn from_plan(value: Result<Value>, at: &'static Location<'static>) -> Array<T> {
        debug_assert!(
            value
                .as_ref()
                .map_or(true, |value| value.dtype() == T::DTYPE),
            "a handle of another dtype"
        );
        Array {
            value: value.map_err(|error| error.at(at)),
            element: PhantomData,
        }
    }

    /// Builds on this array, unless it carries an error.
    pub(crate) fn then<U: Element>(
        &self,
        at: &'static Location<'static>,
        build: impl FnOnce(&Value) -> Result<Value>,
    ) -> Array<U> {
        Array::from_plan(
            self.value.as_ref().map_err(Error::clone).and_then(build),
            at,
        )
    }

    /// The value, for the accessors that cannot return an error.
    #[track_caller]
    fn known(&self) -> &Value {
        match &self.value {
            Ok(value) => value,
            Err(error) => panic!("this array carries an error: {error}"),
        }
    }

    /// The array itself if it could be built, else the error that it carries.
    ///
    /// # Errors
    /// The first mistake on the way to this array, with its file and line.
    ///
    /// ```
    /// use flagstone::Array;
    ///
    /// let x = Array::<f64>::zeros([3, 4], ..);
    /// assert!(x.check().is_ok());
    /// assert!(x.sum(2).check().unwrap_err().is_axis());
    /// ```
    pub fn check(&self) -> Result<&Array<T>> {
        match &self.value {
            Ok(_) => Ok(self),
            Err(error) => Err(error.clone()),
        }
    }

    /// The length along each axis.
    ///
    /// # Panics
    /// If the array carries an error, with that error; [`check`](Array::check) returns it.
    ///
    /// ```
    /// assert_eq!(flagstone::Array::<f64>::zeros([3, 4], ..).shape(), [3, 4]);
    /// ```
    #[track_caller]
    pub fn shape(&self) -> &[usize] {
        self.known().shape()
    }

    /// The number of axes.
    ///
    /// # Panics
    /// If the array carries an error, with that error; [`check`](Array::check) returns it.
    #[track_caller]
    pub fn ndim(&self) -> usize {
        self.shape().len()
    }

    /// The number of elements.
    ///
    /// # Panics
    /// If the array carries an error, with that error; [`check`](Array::check) returns it.
    #[track_caller]
    pub fn size(&self) -> usize {
        self.shape().iter().product()
    }

    /// The bytes of all elements together.
    ///
    /// # Panics
    /// If the array carries an error, with that error; [`check`](Array::check) returns it.
    #[track_caller]
    pub fn nbytes(&self) -> usize {
        self.size() * size_of::<T>()
    }

    /// The chunk grid.
    ///
    /// # Panics
    /// If the array carries an error, with that error; [`check`](Array::check) returns it.
    #[track_caller]
    pub fn chunks(&self) -> &Chunks {
        self.known().chunks()
    }

    /// The number of blocks of the chunk grid.
    ///
    /// # Panics
    /// If the array carries an error, with that error; [`check`](Array::check) returns it.
    ///
    /// ```
    /// assert_eq!(flagstone::Array::<f64>::zeros([10, 10], [5, 4]).num_blocks(), 6);
    /// ```
    #[track_caller]
    pub fn num_blocks(&self) -> usize {
        self.chunks().count()
    }

    /// The type of the elements, as a value.
    pub fn dtype(&self) -> DType {
        T::DTYPE
    }
}

impl<T: Element> fmt::Display for Array<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(&self.value, T::DTYPE, f)
    }
}

impl<T: Element> fmt::Debug for Array<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(&self.value, T::DTYPE, f)
    }
}

/// Shape, chunks and dtype; never computes, never panics.
pub(crate) fn show(value: &Result<Value>, dtype: DType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match value {
        Ok(value) => write!(
            f,
            "Array {:?} of {dtype} in chunks {}",
            value.shape(),
            value.chunks()
        ),
        Err(error) => write!(f, "Array of {dtype} with an error: {error}"),
    }
}

/// What can stand beside an array in an operation: a value, an array, a reference to one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be combined with an array of `{T}`",
    note = "operands have the same element type: cast one with `x.cast::<{T}>()`, or write the number as a `{T}`"
)]
pub trait Operand<T: Element> {
    #[doc(hidden)]
    fn into_term(self) -> OperandTerm;
}

/// An operand on its way into the plan.
#[doc(hidden)]
pub struct OperandTerm(pub(crate) Result<Term>);

impl<T: Element> Operand<T> for T {
    fn into_term(self) -> OperandTerm {
        OperandTerm(Ok(Term::Scalar(self.to_scalar())))
    }
}

impl<T: Element> Operand<T> for Array<T> {
    fn into_term(self) -> OperandTerm {
        OperandTerm(self.value.map(Term::Array))
    }
}

impl<T: Element> Operand<T> for &Array<T> {
    fn into_term(self) -> OperandTerm {
        OperandTerm(self.value.clone().map(Term::Array))
    }
}
