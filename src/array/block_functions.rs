//! Opaque functions of whole blocks.

use std::borrow::Borrow;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;

use ndarray::{ArrayD, ArrayViewD};

use super::handle::Array;
use crate::base::chunk_spec::IntoChunks;
use crate::base::element::Element;
use crate::base::memory::{RawViewMut, view};
use crate::base::region::Region;
use crate::base::shape::IntoShape;
use crate::error::{Error, Kind, Result};
use crate::op::closure::{BlockFunction, RawBlock};
use crate::plan::build;
use crate::plan::node::Value;

/// # Block functions
///
/// An opaque function sees exactly the user's chunks: they are never merged nor cut. It runs on
/// several threads at once. What it allocates is outside of the promised memory. A block of the wrong
/// shape, an error or a panic ends the computation with an error that names the block.
impl<T: Element> Array<T> {
    /// A function of each block, which returns a block of the same shape.
    ///
    /// ```
    /// use flagstone::Array;
    ///
    /// let x = Array::<f64>::ones([4, 6], [2, 3]);
    /// let sums = x.map_blocks(|block| block.mapv(|value| value + block.sum()));
    /// assert_eq!(sums.max(..).item()?, 7.0);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn map_blocks<U: Element>(
        &self,
        function: impl Fn(ArrayViewD<'_, T>) -> ArrayD<U> + Send + Sync + 'static,
    ) -> Array<U> {
        let at = Location::caller();
        self.then(at, |value| {
            let function = Arc::new(One {
                function,
                elements: PhantomData,
            });
            let outputs = vec![(U::DTYPE, value.chunks().clone())];
            Ok(build::block_fn(
                function,
                "map_blocks",
                std::slice::from_ref(value),
                outputs,
                at,
            )?[0]
                .clone())
        })
    }

    /// A function of each block that returns blocks of another shape: block `i` becomes block `i` of an
    /// array of `shape` in `chunks`, which must have as many blocks along each axis.
    ///
    /// ```
    /// use flagstone::Array;
    /// use ndarray::{ArrayD, IxDyn};
    ///
    /// let x = Array::<f64>::ones([4, 6], [2, 3]);
    /// let sums = x.map_blocks_to([2, 2], [1, 1], |block| ArrayD::from_elem(IxDyn(&[1, 1]), block.sum()));
    /// assert_eq!(sums.compute()?, ndarray::arr2(&[[6.0, 6.0], [6.0, 6.0]]).into_dyn());
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn map_blocks_to<U: Element>(
        &self,
        shape: impl IntoShape,
        chunks: impl IntoChunks,
        function: impl Fn(ArrayViewD<'_, T>) -> ArrayD<U> + Send + Sync + 'static,
    ) -> Array<U> {
        let at = Location::caller();
        let shape = shape.into_shape();
        self.then(at, |value| {
            let chunks = chunks.into_spec().resolve(&shape, size_of::<U>())?;
            let function = Arc::new(One {
                function,
                elements: PhantomData,
            });
            Ok(build::block_fn(
                function,
                "map_blocks",
                std::slice::from_ref(value),
                vec![(U::DTYPE, chunks)],
                at,
            )?[0]
                .clone())
        })
    }

    /// A function of pairs of blocks, of this array and of `other`, which returns a block of the shape
    /// of this one's. Along an axis where `other` has a single block, every block gets it.
    ///
    /// ```
    /// use flagstone::Array;
    ///
    /// let x = Array::<f64>::ones([4, 6], [2, 3]);
    /// let row = Array::<f64>::arange(0.0, 6.0, 1.0, 3);
    /// let sum = x.zip_blocks(&row, |x, row| &x + &row);
    /// assert_eq!(sum.max(..).item()?, 6.0);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn zip_blocks<U: Element, V: Element>(
        &self,
        other: &Array<U>,
        function: impl Fn(ArrayViewD<'_, T>, ArrayViewD<'_, U>) -> ArrayD<V> + Send + Sync + 'static,
    ) -> Array<V> {
        let at = Location::caller();
        self.then(at, |value| {
            let other = other.value.clone()?;
            let function = Arc::new(Two {
                function,
                elements: PhantomData,
            });
            let outputs = vec![(V::DTYPE, value.chunks().clone())];
            Ok(
                build::block_fn(function, "zip_blocks", &[value.clone(), other], outputs, at)?[0]
                    .clone(),
            )
        })
    }
}

/// A function of blocks of any number of arrays with the same element type, which returns blocks of
/// another shape: block `i` of an array of `shape` in `chunks` is made from block `i` of each.
///
/// Each array has as many blocks along each axis as the result, or a single one, which every block gets.
/// Like [`Array::map_blocks`] otherwise.
///
/// ```
/// use flagstone::{Array, map_blocks};
/// use ndarray::{ArrayD, IxDyn};
///
/// let [a, b, c] = [1.0, 2.0, 3.0].map(|v| Array::<f64>::full([4, 6], v, [2, 3]));
/// let sums = map_blocks([&a, &b, &c], [2, 2], [1, 1], |blocks| {
///     ArrayD::from_elem(IxDyn(&[1, 1]), blocks.iter().map(|block| block.sum()).sum::<f64>())
/// });
/// assert_eq!(sums.compute()?, ndarray::arr2(&[[36.0, 36.0], [36.0, 36.0]]).into_dyn());
/// # Ok::<(), flagstone::Error>(())
/// ```
#[track_caller]
pub fn map_blocks<T: Element, U: Element, I>(
    arrays: I,
    shape: impl IntoShape,
    chunks: impl IntoChunks,
    function: impl Fn(&[ArrayViewD<'_, T>]) -> ArrayD<U> + Send + Sync + 'static,
) -> Array<U>
where
    I: IntoIterator,
    I::Item: Borrow<Array<T>>,
{
    let at = Location::caller();
    let inputs: Result<Vec<Value>> = arrays
        .into_iter()
        .map(|array| array.borrow().value.clone())
        .collect();
    let value = inputs.and_then(|inputs| {
        let chunks = chunks
            .into_spec()
            .resolve(&shape.into_shape(), size_of::<U>())?;
        let function = Arc::new(Many {
            function,
            elements: PhantomData,
        });
        Ok(build::block_fn(
            function,
            "map_blocks",
            &inputs,
            vec![(U::DTYPE, chunks)],
            at,
        )?[0]
            .clone())
    });
    Array::from_plan(value, at)
}

struct Many<T, U, F> {
    function: F,
    elements: PhantomData<fn(T) -> U>,
}

impl<T, U, F> BlockFunction for Many<T, U, F>
where
    T: Element,
    U: Element,
    F: Fn(&[ArrayViewD<'_, T>]) -> ArrayD<U> + Send + Sync,
{
    unsafe fn call(
        &self,
        _: &[usize],
        _: &Region,
        inputs: &[RawBlock],
        outputs: &mut [RawViewMut],
    ) -> Result<()> {
        // SAFETY: as for one input.
        let views: Vec<ArrayViewD<'_, T>> =
            inputs.iter().map(|input| unsafe { typed(input) }).collect();
        put((self.function)(&views), outputs)
    }
}

struct One<T, U, F> {
    function: F,
    elements: PhantomData<fn(T) -> U>,
}

impl<T, U, F> BlockFunction for One<T, U, F>
where
    T: Element,
    U: Element,
    F: Fn(ArrayViewD<'_, T>) -> ArrayD<U> + Send + Sync,
{
    unsafe fn call(
        &self,
        _: &[usize],
        _: &Region,
        inputs: &[RawBlock],
        outputs: &mut [RawViewMut],
    ) -> Result<()> {
        // SAFETY: the caller's inputs are initialized blocks of the dtypes that the plan checked.
        let block = (self.function)(unsafe { typed(&inputs[0]) });
        put(block, outputs)
    }
}

struct Two<T, U, V, F> {
    function: F,
    elements: PhantomData<fn(T, U) -> V>,
}

impl<T, U, V, F> BlockFunction for Two<T, U, V, F>
where
    T: Element,
    U: Element,
    V: Element,
    F: Fn(ArrayViewD<'_, T>, ArrayViewD<'_, U>) -> ArrayD<V> + Send + Sync,
{
    unsafe fn call(
        &self,
        _: &[usize],
        _: &Region,
        inputs: &[RawBlock],
        outputs: &mut [RawViewMut],
    ) -> Result<()> {
        // SAFETY: as for one input.
        let block = (self.function)(unsafe { typed(&inputs[0]) }, unsafe { typed(&inputs[1]) });
        put(block, outputs)
    }
}

unsafe fn typed<'a, T: Element>(block: &RawBlock) -> ArrayViewD<'a, T> {
    assert_eq!(
        block.dtype,
        T::DTYPE,
        "a block of one dtype was given for another"
    );
    // SAFETY: the caller's contract, and the dtype is `T`'s.
    unsafe { view(block.first, &block.shape, &block.strides) }
}

/// Copies what a function returned to where it belongs.
pub(super) fn put<T: Element>(block: ArrayD<T>, outputs: &mut [RawViewMut]) -> Result<()> {
    for output in outputs {
        if output.shape() != block.shape() {
            return Err(Error::new(
                Kind::Shape,
                format!(
                    "a block function returned the shape {:?} for a block of shape {:?}",
                    block.shape(),
                    output.shape()
                ),
            ));
        }
        output.assign(&block);
    }
    Ok(())
}
