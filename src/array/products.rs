//! Products: `matmul`, `dot`, `tensordot`, `vecdot` and `einsum`.

use std::borrow::Borrow;
use std::panic::Location;

use super::any::AnyArray;
use super::handle::{Array, Operand};
use crate::base::axis::AxisIndex;
use crate::base::element::{Element, Numeric};
use crate::error::Result;
use crate::plan::build::{At, Term};
use crate::plan::node::Value;
use crate::plan::products::Pairs;
use crate::plan::{einsum as sums, layout, products};

type Build<'a> = dyn Fn(&Value, &Value) -> Result<Value> + 'a;

/// Builds a product, unless one of the operands carries an error: the left one's wins.
fn combine(one: &Result<Value>, other: &Result<Value>, build: &Build<'_>) -> Result<Value> {
    build(
        one.as_ref().map_err(Clone::clone)?,
        other.as_ref().map_err(Clone::clone)?,
    )
}

/// An operand as an array: a number is one without axes.
fn value<T: Element>(operand: impl Operand<T>, at: At) -> Result<Value> {
    match operand.into_term().0? {
        Term::Array(value) => Ok(value),
        Term::Scalar(scalar) => layout::constant(scalar, at),
    }
}

/// The axes that [`tensordot`](Array::tensordot) sums over: a number `n` for the last `n` axes of the first
/// operand with the first `n` of the second, or one or several axes of each, as a pair.
///
/// ```
/// use flagstone::Array;
///
/// let (x, y) = (Array::<f64>::ones([2, 3, 4], ..), Array::<f64>::ones([4, 3, 5], ..));
/// assert_eq!(x.tensordot(&y, ([1, 2], [1, 0])).shape(), [2, 5]);
/// assert_eq!(x.tensordot(&y, (-1, 0)).shape(), [2, 3, 3, 5]);
/// assert_eq!(x.tensordot(&y, 1).shape(), [2, 3, 3, 5]);
/// ```
pub trait IntoPairs {
    #[doc(hidden)]
    fn into_pairs(self) -> AxisPairs;
}

/// Pairs of axes on their way into the plan.
#[doc(hidden)]
pub struct AxisPairs(Pairs);

impl IntoPairs for usize {
    fn into_pairs(self) -> AxisPairs {
        AxisPairs(Pairs::Count(self))
    }
}

impl<A: IntoAxisList, B: IntoAxisList> IntoPairs for (A, B) {
    fn into_pairs(self) -> AxisPairs {
        AxisPairs(Pairs::Axes(self.0.axis_list(), self.1.axis_list()))
    }
}

/// One axis or several, in order.
pub trait IntoAxisList {
    #[doc(hidden)]
    fn axis_list(self) -> Vec<isize>;
}

macro_rules! single {
    ($($ty:ty)*) => {$(
        impl IntoAxisList for $ty {
            fn axis_list(self) -> Vec<isize> {
                vec![self.axis_index()]
            }
        }
    )*};
}
single!(i32 isize usize ndarray::Axis);

impl<A: AxisIndex, const N: usize> IntoAxisList for [A; N] {
    fn axis_list(self) -> Vec<isize> {
        self.into_iter().map(AxisIndex::axis_index).collect()
    }
}

impl<A: AxisIndex> IntoAxisList for Vec<A> {
    fn axis_list(self) -> Vec<isize> {
        self.into_iter().map(AxisIndex::axis_index).collect()
    }
}

impl<A: AxisIndex + Copy> IntoAxisList for &[A] {
    fn axis_list(self) -> Vec<isize> {
        self.iter().map(|axis| axis.axis_index()).collect()
    }
}

/// # Products
///
/// Sums of products over axes that both operands have, in the operands' own type: integers wrap, floats are
/// IEEE 754 with fused multiply-add where the processor has it, and of `bool` the product is "and", the sum
/// "or". Operands have the same element type.
///
/// The result's axes keep the chunks of the operands'. Operands are read, or computed, panel by panel where the
/// cores need them: `(2.0 * &x + 1.0).matmul(&y)` never holds `2x + 1`. The order of the sum depends on shapes
/// alone (where there are fewer than four rows or columns, also on chunks), so that threads, memory and
/// fusion never change a bit.
impl<T: Element> Array<T> {
    /// The matrix product: of the last two axes, for each index of the axes before them, which broadcast.
    ///
    /// An operand with one axis is a row on the left, a column on the right, and the result lacks that axis.
    /// A stack of matrices in memory, times one matrix, is one large product.
    ///
    /// # Errors
    /// If the last axis of this array is not as long as the last but one (the only one) of the other, if the
    /// leading axes do not broadcast, or if one has no axes.
    ///
    /// # Cost
    /// Of a product of m × k by k × n, 2·m·n·k operations at nearly the speed of the processor's
    /// multiply-add units for `f32`, `f64` and complex numbers. Holds packed panels of a few MiB for each thread. Operands that
    /// are other products, reductions or files are held in blocks until their last reader has run.
    ///
    /// ```
    /// use flagstone::Array;
    ///
    /// let x = Array::<f64>::arange(0.0, 6.0, 1.0, ..).reshape([2, 3]);
    /// let y = x.matmul(&x.t());
    /// assert_eq!(y.compute()?, ndarray::arr2(&[[5.0, 14.0], [14.0, 50.0]]).into_dyn());
    ///
    /// // A vector, and a stack of matrices.
    /// let v = Array::<f64>::ones([3], ..);
    /// assert_eq!(x.matmul(&v).compute()?, ndarray::arr1(&[3.0, 12.0]).into_dyn());
    /// assert_eq!(Array::<f64>::ones([7, 4, 2], ..).matmul(&x).shape(), [7, 4, 3]);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn matmul(&self, other: impl Operand<T>) -> Array<T>
    where
        T: Numeric,
    {
        let at = Location::caller();
        let build = |one: &Value, other: &Value| products::matmul(one, other, at);
        Array::from_plan(combine(&self.value, &value(other, at), &build), at)
    }

    /// NumPy's `dot`: the sum over the last axis of this array and the last but one (the only one) of the other.
    ///
    /// Of two matrices it is [`matmul`](Array::matmul), of two vectors their inner product (without
    /// conjugation); an operand without axes is multiplied. With more axes the result has those of
    /// this array that are left, then those of the other: nothing broadcasts.
    ///
    /// # Errors
    /// If the summed axes have different lengths.
    ///
    /// # Cost
    /// As [`matmul`](Array::matmul); the inner product is one pass over both.
    ///
    /// ```
    /// use flagstone::Array;
    ///
    /// let x = Array::<f64>::arange(0.0, 3.0, 1.0, ..);
    /// assert_eq!(x.dot(&x).item()?, 5.0);
    /// let y = Array::<f64>::ones([4, 2, 3], ..);
    /// assert_eq!(y.dot(&y.permute([0, 2, 1])).shape(), [4, 2, 4, 2]);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn dot(&self, other: impl Operand<T>) -> Array<T>
    where
        T: Numeric,
    {
        let at = Location::caller();
        let build = |one: &Value, other: &Value| products::dot(one, other, at);
        Array::from_plan(combine(&self.value, &value(other, at), &build), at)
    }

    /// The products of all pairs of elements, summed over pairs of axes; see [`IntoPairs`] for how they are
    /// written.
    ///
    /// The result has the other axes of this array, then those of the other. With 0 axes it is the outer product.
    ///
    /// # Errors
    /// If axes that are paired have different lengths, if one does not exist or is named twice, or if the lists
    /// differ in length.
    ///
    /// # Cost
    /// As [`matmul`](Array::matmul). Operands in memory whose summed axes, or whose others, are not evenly
    /// spaced there are copied panel by panel.
    ///
    /// ```
    /// use flagstone::Array;
    ///
    /// let x = Array::<i64>::arange(0, 6, 1, ..).reshape([2, 3]);
    /// assert_eq!(x.tensordot(&x, 2).item()?, 55);
    /// assert_eq!(x.tensordot(&x, (1, 1)).compute()?, ndarray::arr2(&[[5, 14], [14, 50]]).into_dyn());
    /// assert_eq!(x.tensordot(&x, 0).shape(), [2, 3, 2, 3]);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn tensordot(&self, other: impl Operand<T>, axes: impl IntoPairs) -> Array<T>
    where
        T: Numeric,
    {
        let at = Location::caller();
        let AxisPairs(axes) = axes.into_pairs();
        let build = |one: &Value, other: &Value| products::tensordot(one, other, &axes, at);
        Array::from_plan(combine(&self.value, &value(other, at), &build), at)
    }

    /// The inner products along an axis: the sum of the conjugate of this array times the other.
    ///
    /// The axis is counted in each operand by itself; the others broadcast, and are the result's.
    ///
    /// # Errors
    /// If the axis does not exist, has different lengths, or the others do not broadcast.
    ///
    /// # Cost
    /// One pass over both operands; nothing is held.
    ///
    /// ```
    /// use flagstone::{Array, Complex};
    ///
    /// let x = Array::<f64>::arange(0.0, 6.0, 1.0, ..).reshape([2, 3]);
    /// assert_eq!(x.vecdot(&x, -1).compute()?, ndarray::arr1(&[5.0, 50.0]).into_dyn());
    /// let i = Array::full([2], Complex::new(0.0, 1.0), ..);
    /// assert_eq!(i.vecdot(&i, 0).item()?, Complex::new(2.0, 0.0));
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn vecdot(&self, other: impl Operand<T>, axis: impl AxisIndex) -> Array<T>
    where
        T: Numeric,
    {
        let at = Location::caller();
        let axis = axis.axis_index();
        let build = |one: &Value, other: &Value| products::vecdot(one, other, axis, at);
        Array::from_plan(combine(&self.value, &value(other, at), &build), at)
    }
}

/// A sum of products by labels of axes, NumPy's `einsum`.
///
/// Operands' labels stand before `->`, separated by commas, the result's after it; what the result lacks is summed
/// over. Without `->` the result has the labels that occur once, in alphabetical order. A label that an
/// operand has twice takes its diagonal; `...` stands for axes that broadcast; axes of length 1 stretch.
/// Elements are multiplied and added in their own type, as [`matmul`](Array::matmul) does.
///
/// Several operands are multiplied in pairs, in the order with the fewest multiplications (of more than six in
/// one that is found greedily); their products are held in blocks until they are read.
///
/// # Errors
/// If the subscripts are malformed or do not fit the operands' axes, or if lengths of a label differ.
///
/// # Cost
/// Each pair is a matrix product as far as its labels allow, else one pass over an elementwise product.
///
/// ```
/// use flagstone::{Array, einsum};
///
/// let x = Array::<f64>::arange(0.0, 6.0, 1.0, ..).reshape([2, 3]);
/// assert_eq!(einsum("ij,kj->ik", [&x, &x]).compute()?, x.matmul(&x.t()).compute()?);
/// assert_eq!(einsum("ij->j", [&x]).compute()?, x.sum(0).compute()?);
/// let trace = einsum("ii", [x.matmul(&x.t())]);
/// assert_eq!(trace.item()?, 55.0);
/// // Three operands: first the two whose product is small.
/// let v = Array::<f64>::ones([3], ..);
/// assert_eq!(einsum("ij,kj,k", [&x.t(), &x.t(), &v]).shape(), [3]);
/// # Ok::<(), flagstone::Error>(())
/// ```
#[track_caller]
pub fn einsum<T: Numeric, I>(subscripts: &str, operands: I) -> Array<T>
where
    I: IntoIterator,
    I::Item: Borrow<Array<T>>,
{
    let at = Location::caller();
    let values = operands
        .into_iter()
        .map(|array| array.borrow().value.clone());
    let values: Result<Vec<Value>> = values.collect();
    Array::from_plan(
        values.and_then(|values| sums::einsum(subscripts, &values, at)),
        at,
    )
}

/// # Products
///
/// As the methods of [`Array`] with the same names; operands have the same element type.
impl AnyArray {
    /// See [`Array::matmul`].
    ///
    /// ```
    /// use flagstone::{AnyArray, Array};
    ///
    /// let x: AnyArray = Array::<f32>::ones([2, 3], ..).into();
    /// assert_eq!(x.matmul(&x.t()).typed::<f32>()?.sum(..).item()?, 12.0);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn matmul(&self, other: &AnyArray) -> AnyArray {
        let at = Location::caller();
        let build = |one: &Value, other: &Value| products::matmul(one, other, at);
        AnyArray::from_plan(combine(&self.value, &other.value, &build), at)
    }

    /// See [`Array::dot`].
    #[track_caller]
    pub fn dot(&self, other: &AnyArray) -> AnyArray {
        let at = Location::caller();
        let build = |one: &Value, other: &Value| products::dot(one, other, at);
        AnyArray::from_plan(combine(&self.value, &other.value, &build), at)
    }

    /// See [`Array::tensordot`].
    #[track_caller]
    pub fn tensordot(&self, other: &AnyArray, axes: impl IntoPairs) -> AnyArray {
        let at = Location::caller();
        let AxisPairs(axes) = axes.into_pairs();
        let build = |one: &Value, other: &Value| products::tensordot(one, other, &axes, at);
        AnyArray::from_plan(combine(&self.value, &other.value, &build), at)
    }

    /// See [`Array::vecdot`].
    #[track_caller]
    pub fn vecdot(&self, other: &AnyArray, axis: impl AxisIndex) -> AnyArray {
        let at = Location::caller();
        let axis = axis.axis_index();
        let build = |one: &Value, other: &Value| products::vecdot(one, other, axis, at);
        AnyArray::from_plan(combine(&self.value, &other.value, &build), at)
    }
}
