//! Arrays whose element type is known at run time.

use std::fmt;
use std::ops;
use std::panic::Location;

use super::handle::{Array, show};
use super::layout::IntoSlice;
use crate::base::axis::{Axes, IntoAxes};
use crate::base::chunk_spec::IntoChunks;
use crate::base::chunks::Chunks;
use crate::base::dtype::DType;
use crate::base::element::Element;
use crate::base::shape::IntoShape;
use crate::error::{Error, Kind, Result};
use crate::op::reducer::{Ddof, Norm, ReduceKind, ReduceOp};
use crate::op::table::{Op, for_each_op};
use crate::plan::build::{self, Term};
use crate::plan::layout;
use crate::plan::node::{Reduction, Value};

/// An array whose element type is known at run time: what a file holds, for example.
///
/// An operation that has no meaning for the type is an error that the array carries, as with
/// [`Array`]; operands of different types are one too. [`typed`](AnyArray::typed) gives the array of a
/// type known at compile time, [`cast`](AnyArray::cast) converts; one of the two comes before `compute`, slices and
/// numbers as operands, which [`Array`] has.
///
/// ```
/// use flagstone::{AnyArray, Array, DType};
///
/// let x: AnyArray = Array::<i32>::arange(0, 6, 1, ..).into();
/// assert_eq!(x.dtype(), Some(DType::I32));
/// assert!(x.sqrt().check().unwrap_err().is_dtype());
/// assert_eq!(x.cast::<f64>().sqrt().max(..).item()?, 5.0_f64.sqrt());
/// # Ok::<(), flagstone::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "arrays are lazy: nothing runs, and no error shows, until `compute`, a store or `check`"]
pub struct AnyArray {
    pub(crate) value: Result<Value>,
}

impl<T: Element> From<Array<T>> for AnyArray {
    fn from(array: Array<T>) -> AnyArray {
        AnyArray { value: array.value }
    }
}

impl<T: Element> From<&Array<T>> for AnyArray {
    fn from(array: &Array<T>) -> AnyArray {
        AnyArray {
            value: array.value.clone(),
        }
    }
}

impl AnyArray {
    pub(crate) fn from_plan(value: Result<Value>, at: &'static Location<'static>) -> AnyArray {
        AnyArray {
            value: value.map_err(|error| error.at(at)),
        }
    }

    #[track_caller]
    fn known(&self) -> &Value {
        match &self.value {
            Ok(value) => value,
            Err(error) => panic!("this array carries an error: {error}"),
        }
    }

    /// The element type; `None` if the array carries an error.
    pub fn dtype(&self) -> Option<DType> {
        self.value.as_ref().ok().map(Value::dtype)
    }

    /// The length along each axis.
    ///
    /// # Panics
    /// If the array carries an error, with that error; [`check`](AnyArray::check) returns it.
    #[track_caller]
    pub fn shape(&self) -> &[usize] {
        self.known().shape()
    }

    /// The chunk grid.
    ///
    /// # Panics
    /// If the array carries an error, with that error; [`check`](AnyArray::check) returns it.
    #[track_caller]
    pub fn chunks(&self) -> &Chunks {
        self.known().chunks()
    }

    /// The array itself if it could be built, else the error that it carries.
    ///
    /// # Errors
    /// The first mistake on the way to this array, with its file and line.
    pub fn check(&self) -> Result<&AnyArray> {
        match &self.value {
            Ok(_) => Ok(self),
            Err(error) => Err(error.clone()),
        }
    }

    /// The array as one of `T`, which must be its element type. Converts nothing and costs nothing.
    ///
    /// # Errors
    /// If it has another element type, or carries an error.
    ///
    /// ```
    /// use flagstone::{AnyArray, Array};
    ///
    /// let x: AnyArray = Array::<i32>::ones([2, 3], ..).into();
    /// assert_eq!(x.typed::<i32>()?.sum(..).item()?, 6);
    /// assert!(x.typed::<f64>().unwrap_err().is_dtype());
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn typed<T: Element>(&self) -> Result<Array<T>> {
        let at = Location::caller();
        let value = self.value.clone()?;
        if value.dtype() != T::DTYPE {
            return Err(Error::new(
                Kind::Dtype,
                format!(
                    "an array of {} is no array of {}: `cast` converts",
                    value.dtype(),
                    T::DTYPE
                ),
            )
            .at(at));
        }
        Ok(Array::from_plan(Ok(value), at))
    }

    /// The elements converted to `T`, lazily; see [`Array::cast`].
    ///
    /// ```
    /// use flagstone::{AnyArray, Array};
    ///
    /// let x: AnyArray = Array::<u8>::full([2, 3], 200, ..).into();
    /// assert_eq!(x.cast::<f64>().sum(..).item()?, 1200.0);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn cast<T: Element>(&self) -> Array<T> {
        let at = Location::caller();
        Array::from_plan(
            self.value
                .clone()
                .and_then(|value| build::cast(&value, T::DTYPE, at)),
            at,
        )
    }

    fn view(
        &self,
        at: &'static Location<'static>,
        build: impl FnOnce(&Value) -> Result<Value>,
    ) -> AnyArray {
        AnyArray::from_plan(self.value.clone().and_then(|value| build(&value)), at)
    }

    /// A part of the array; see [`Array::slice`].
    ///
    /// ```
    /// use flagstone::{AnyArray, Array, s};
    ///
    /// let x: AnyArray = Array::<i32>::arange(0, 6, 1, ..).into();
    /// assert_eq!(x.slice(s![1..;2]).typed::<i32>()?.sum(..).item()?, 9);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn slice(&self, slice: impl IntoSlice) -> AnyArray {
        let at = Location::caller();
        let items = slice.into_items();
        self.view(at, |value| layout::slice(value, &items, at))
    }

    /// The axes in reverse order; see [`Array::t`].
    ///
    /// ```
    /// use flagstone::{AnyArray, Array};
    ///
    /// let x: AnyArray = Array::<i32>::zeros([2, 3], ..).into();
    /// assert_eq!(x.t().shape(), [3, 2]);
    /// ```
    #[track_caller]
    pub fn t(&self) -> AnyArray {
        let at = Location::caller();
        self.view(at, |value| {
            let order: Vec<isize> = (0..value.shape().len() as isize).rev().collect();
            layout::permute(value, &order, at)
        })
    }

    /// The same elements, in C order, under another shape; see [`Array::reshape`].
    ///
    /// ```
    /// use flagstone::{AnyArray, Array};
    ///
    /// let x: AnyArray = Array::<i32>::zeros([2, 3], ..).into();
    /// assert_eq!(x.reshape([3, 2]).shape(), [3, 2]);
    /// ```
    #[track_caller]
    pub fn reshape(&self, shape: impl IntoShape) -> AnyArray {
        let at = Location::caller();
        let shape = shape.into_shape();
        self.view(at, |value| layout::reshape(value, shape, at))
    }

    /// The same array in other chunks; see [`Array::rechunk`].
    ///
    /// ```
    /// use flagstone::{AnyArray, Array};
    ///
    /// let x: AnyArray = Array::<i32>::zeros([4, 6], ..).into();
    /// assert_eq!(x.rechunk([2, 3]).chunks().count(), 4);
    /// ```
    #[track_caller]
    pub fn rechunk(&self, chunks: impl IntoChunks) -> AnyArray {
        let at = Location::caller();
        self.view(at, |value| build::rechunk(value, chunks.into_spec(), at))
    }

    fn reduce(&self, op: ReduceOp, axes: &Axes, at: &'static Location<'static>) -> AnyArray {
        let value = self.value.clone();
        AnyArray::from_plan(
            value.and_then(|value| build::reduce(Reduction::Op(op), &value, None, axes, at)),
            at,
        )
    }
}

fn apply<const N: usize>(
    op: Op,
    operands: [&AnyArray; N],
    at: &'static Location<'static>,
) -> AnyArray {
    let terms: Result<Vec<Term>> = operands
        .into_iter()
        .map(|operand| operand.value.clone().map(Term::Array))
        .collect();
    AnyArray::from_plan(terms.and_then(|terms| build::op(op, &terms, at)), at)
}

macro_rules! method {
    (Unary, $variant:ident, $name:ident, $doc:literal) => {
        #[doc = $doc]
        #[track_caller]
        pub fn $name(&self) -> AnyArray {
            apply(Op::$variant, [self], Location::caller())
        }
    };
    (Binary, $variant:ident, $name:ident, $doc:literal) => {
        #[doc = $doc]
        #[track_caller]
        pub fn $name(&self, other: &AnyArray) -> AnyArray {
            apply(Op::$variant, [self, other], Location::caller())
        }
    };
    (Ternary, $variant:ident, $name:ident, $doc:literal) => {
        #[doc = $doc]
        #[track_caller]
        pub fn $name(&self, low: &AnyArray, high: &AnyArray) -> AnyArray {
            apply(Op::$variant, [self, low, high], Location::caller())
        }
    };
    (Choice, $variant:ident, $name:ident, $doc:literal) => {
        /// Elements of `a` where this condition, an array of `bool`, holds, of `b` elsewhere.
        #[track_caller]
        pub fn $name(&self, a: &AnyArray, b: &AnyArray) -> AnyArray {
            apply(Op::$variant, [self, a, b], Location::caller())
        }
    };
}

macro_rules! methods {
    ($($family:ident { $(($variant:ident, $name:ident, $arity:ident, $class:ident, $result:ident,
        $cost:literal, $symmetry:ident, $share:ident, $doc:literal),)* })*) => {
        /// # Element by element
        ///
        /// As the methods of [`Array`] with the same names; operands have the same element type.
        impl AnyArray {
            $($(method!($arity, $variant, $name, $doc);)*)*
        }
    };
}
for_each_op!(methods);

macro_rules! reductions {
    ($(($name:ident, $nan:ident, $kind:expr, $bound:ident, $out:ty, $doc:literal),)*) => {
        /// # Reductions
        ///
        /// As the methods of [`Array`] with the same names.
        impl AnyArray {$(
            #[doc = $doc]
            #[track_caller]
            pub fn $name(&self, axes: impl IntoAxes) -> AnyArray {
                self.reduce(ReduceOp::new($kind), &axes.into_axes(), Location::caller())
            }
        )*}
    };
}
super::reductions::for_each_reduction!(reductions);

macro_rules! operators {
    ($($trait:ident $method:ident $variant:ident;)*) => {$(
        impl ops::$trait<&AnyArray> for &AnyArray {
            type Output = AnyArray;

            #[track_caller]
            fn $method(self, right: &AnyArray) -> AnyArray {
                apply(Op::$variant, [self, right], Location::caller())
            }
        }
    )*};
}
operators! { Add add Add; Sub sub Subtract; Mul mul Multiply; Div div Divide; Rem rem Fmod; }

impl fmt::Debug for AnyArray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dtype = self.dtype().unwrap_or(DType::Bool);
        match &self.value {
            Ok(_) => show(&self.value, dtype, f),
            Err(error) => write!(f, "Array with an error: {error}"),
        }
    }
}

impl fmt::Display for AnyArray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
