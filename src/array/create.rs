//! Arrays from nothing, from memory, from functions and from sources.

use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;

use ndarray::{ArcArray, ArrayD, Dimension};

use super::handle::Array;
use crate::base::chunk_spec::{ChunkSpec, IntoChunks};
use crate::base::chunks::Chunks;
use crate::base::element::{Arith, Element, Float, Ordered};
use crate::base::few::Few;
use crate::base::memory::{Memory, RawViewMut};
use crate::base::region::Region;
use crate::base::scalar::Scalar;
use crate::base::shape::IntoShape;
use crate::base::source::Source;
use crate::error::{BoxError, Error, Kind, Result};
use crate::op::closure::{BlockFunction, Generator, RawBlock};
use crate::op::generate::Generate;
use crate::op::scalar::cast::cast;
use crate::plan::build;

/// # Creation
///
/// A shape is `5`, `[3, 4]`, `()`, a slice or a `Vec`; chunks are anything that
/// [`IntoChunks`] lists. Nothing is computed or allocated before `compute`.
impl<T: Element> Array<T> {
    /// Zeros (`false` for `bool`).
    ///
    /// ```
    /// let x = flagstone::Array::<f64>::zeros([1000, 1000], [100, 1000]);
    /// assert_eq!(x.num_blocks(), 10);
    /// ```
    #[track_caller]
    pub fn zeros(shape: impl IntoShape, chunks: impl IntoChunks) -> Array<T> {
        generated(
            Generate::Fill(T::default().to_scalar()),
            shape.into_shape(),
            chunks.into_spec(),
            Location::caller(),
        )
    }

    /// Ones (`true` for `bool`).
    ///
    /// ```
    /// let x = flagstone::Array::<i64>::ones([2, 3], ..);
    /// assert_eq!(x.sum(..).item()?, 6);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn ones(shape: impl IntoShape, chunks: impl IntoChunks) -> Array<T> {
        generated(
            Generate::Fill(one::<T>()),
            shape.into_shape(),
            chunks.into_spec(),
            Location::caller(),
        )
    }

    /// The same value everywhere.
    ///
    /// ```
    /// let x = flagstone::Array::<f64>::full([2, 3], 0.5, ..);
    /// assert_eq!(x.sum(..).item()?, 3.0);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn full(shape: impl IntoShape, value: T, chunks: impl IntoChunks) -> Array<T> {
        generated(
            Generate::Fill(value.to_scalar()),
            shape.into_shape(),
            chunks.into_spec(),
            Location::caller(),
        )
    }

    /// Zeros in this array's shape and chunks.
    ///
    /// ```
    /// let x = flagstone::Array::<f64>::ones([4, 4], 2);
    /// assert_eq!(x.zeros_like().chunks(), x.chunks());
    /// ```
    #[track_caller]
    pub fn zeros_like(&self) -> Array<T> {
        self.like(T::default().to_scalar(), Location::caller())
    }

    /// Ones in this array's shape and chunks.
    ///
    /// ```
    /// let x = flagstone::Array::<f64>::zeros([4, 4], 2);
    /// assert_eq!(x.ones_like().sum(..).item()?, 16.0);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn ones_like(&self) -> Array<T> {
        self.like(one::<T>(), Location::caller())
    }

    /// One value in this array's shape and chunks.
    ///
    /// ```
    /// let x = flagstone::Array::<f64>::zeros([4, 4], 2);
    /// assert_eq!(x.full_like(2.0).sum(..).item()?, 32.0);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn full_like(&self, value: T) -> Array<T> {
        self.like(value.to_scalar(), Location::caller())
    }

    fn like(&self, value: Scalar, at: &'static Location<'static>) -> Array<T> {
        self.then(at, |like| {
            let chunks = ChunkSpec::Grid(like.chunks().clone());
            build::generate(
                Generate::Fill(value),
                T::DTYPE,
                like.shape().to_vec(),
                chunks,
                at,
            )
        })
    }

    /// The numbers from `start` up to, but without, `stop`, in steps of `step`, which may be negative.
    ///
    /// Floats are computed as `start + i·step`, so that errors do not add up; how many they are is
    /// `⌈(stop − start) / step⌉`. A step of 0 or NaN is an error.
    ///
    /// ```
    /// use flagstone::Array;
    ///
    /// let x = Array::<i32>::arange(1, 10, 3, ..);
    /// assert_eq!(x.compute()?, ndarray::arr1(&[1, 4, 7]).into_dyn());
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn arange(start: T, stop: T, step: T, chunks: impl IntoChunks) -> Array<T>
    where
        T: Arith + Ordered,
    {
        let at = Location::caller();
        let (start, stop, step) = (start.to_scalar(), stop.to_scalar(), step.to_scalar());
        let value = arange_len(start, stop, step).and_then(|len| {
            build::generate(
                Generate::Arange { start, step },
                T::DTYPE,
                vec![len],
                chunks.into_spec(),
                at,
            )
        });
        Array::from_plan(value, at)
    }

    /// `n` numbers evenly from `start` to `stop`, both included.
    ///
    /// ```
    /// use flagstone::Array;
    ///
    /// let x = Array::<f64>::linspace(0.0, 1.0, 5, ..);
    /// assert_eq!(x.compute()?, ndarray::arr1(&[0.0, 0.25, 0.5, 0.75, 1.0]).into_dyn());
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn linspace(start: T, stop: T, n: usize, chunks: impl IntoChunks) -> Array<T>
    where
        T: Float,
    {
        let at = Location::caller();
        let [start, stop] = [start, stop].map(as_f64);
        let divisions = n.saturating_sub(1).max(1);
        let generate = Generate::Linspace {
            start,
            stop,
            divisions,
        };
        Array::from_plan(
            build::generate(generate, T::DTYPE, vec![n], chunks.into_spec(), at),
            at,
        )
    }

    /// A square matrix with ones on the diagonal and zeros elsewhere.
    ///
    /// ```
    /// let x = flagstone::Array::<f64>::eye(3, ..);
    /// assert_eq!(x.sum(..).item()?, 3.0);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn eye(n: usize, chunks: impl IntoChunks) -> Array<T> {
        Array::eye_at(n, n, 0, chunks)
    }

    /// A matrix of `rows` and `columns` with ones on the diagonal `column − row = offset`.
    ///
    /// ```
    /// let x = flagstone::Array::<i64>::eye_at(2, 3, 1, ..);
    /// assert_eq!(x.compute()?, ndarray::arr2(&[[0, 1, 0], [0, 0, 1]]).into_dyn());
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn eye_at(rows: usize, columns: usize, offset: isize, chunks: impl IntoChunks) -> Array<T> {
        let generate = Generate::Eye {
            columns: columns.max(1),
            offset,
        };
        generated(
            generate,
            vec![rows, columns],
            chunks.into_spec(),
            Location::caller(),
        )
    }

    /// An ndarray, owned (`Array`) or shared (`ArcArray`): its elements are never copied.
    ///
    /// Any memory layout will do. The array keeps its memory alive; it is outside of the promised
    /// bytes.
    ///
    /// ```
    /// use flagstone::Array;
    ///
    /// let x = Array::from_ndarray(ndarray::arr2(&[[1.0, 2.0], [3.0, 4.0]]), ..);
    /// assert_eq!(x.sum(0).compute()?, ndarray::arr1(&[4.0, 6.0]).into_dyn());
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn from_ndarray<D: Dimension>(
        array: impl Into<ArcArray<T, D>>,
        chunks: impl IntoChunks,
    ) -> Array<T> {
        let at = Location::caller();
        let memory = Memory::from_array(array.into());
        Array::from_plan(build::memory(memory, chunks.into_spec(), at), at)
    }

    /// A function of the index of each element: `|[i, j]|` for a shape `[3, 4]`, `|i|` for `12`, a
    /// `Vec` for shapes whose number of axes is not known to the compiler.
    ///
    /// The function runs on several threads at once, possibly more than once for an element, and must
    /// give the same value each time.
    ///
    /// ```
    /// use flagstone::Array;
    ///
    /// let x = Array::from_fn([2, 3], .., |[i, j]| (10 * i + j) as u32);
    /// assert_eq!(x.compute()?, ndarray::arr2(&[[0, 1, 2], [10, 11, 12]]).into_dyn());
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn from_fn<S: IntoShape>(
        shape: S,
        chunks: impl IntoChunks,
        function: impl Fn(S::Index) -> T + Send + Sync + 'static,
    ) -> Array<T> {
        let shape = shape.into_shape();
        let by_index = ByIndex {
            shape: shape.clone(),
            function: move |index: &[usize]| function(S::index(index)),
            element: PhantomData,
        };
        let generate = Generate::Closure {
            function: Arc::new(by_index),
            name: "from_fn",
        };
        generated(generate, shape, chunks.into_spec(), Location::caller())
    }

    /// A function that makes whole blocks: it gets the region of a block and returns its elements.
    ///
    /// It is called exactly with the regions of the chunk grid. A block of another shape than its
    /// region is an error of the computation, and so is a panic.
    ///
    /// ```
    /// use flagstone::Array;
    /// use ndarray::ArrayD;
    ///
    /// let x = Array::from_blocks([4, 6], [2, 3], |region| {
    ///     ArrayD::from_elem(region.shape(), region.start()[0] as f64)
    /// });
    /// assert_eq!(x.max(..).item()?, 2.0);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn from_blocks(
        shape: impl IntoShape,
        chunks: impl IntoChunks,
        function: impl Fn(&Region) -> ArrayD<T> + Send + Sync + 'static,
    ) -> Array<T> {
        Array::try_from_blocks(shape, chunks, move |region| Ok(function(region)))
    }

    /// As [`from_blocks`](Array::from_blocks), for a function that can fail.
    ///
    /// ```
    /// use flagstone::Array;
    /// use ndarray::ArrayD;
    ///
    /// let x = Array::<f64>::try_from_blocks([4], 2, |region| match region.start()[0] {
    ///     0 => Ok(ArrayD::zeros(region.shape())),
    ///     _ => Err(format!("no data for {region}").into()),
    /// });
    /// assert!(x.compute().unwrap_err().to_string().contains("no data for [2..4]"));
    /// ```
    #[track_caller]
    pub fn try_from_blocks(
        shape: impl IntoShape,
        chunks: impl IntoChunks,
        function: impl Fn(&Region) -> Result<ArrayD<T>, BoxError> + Send + Sync + 'static,
    ) -> Array<T> {
        let at = Location::caller();
        let shape = shape.into_shape();
        let value = chunks
            .into_spec()
            .resolve(&shape, size_of::<T>())
            .and_then(|chunks| {
                let function = Arc::new(MakeBlocks {
                    function,
                    element: PhantomData,
                });
                let outputs = vec![(T::DTYPE, chunks)];
                let values = build::block_fn(function, "from_blocks", &[], outputs, at)?;
                Ok(values[0].clone())
            });
        Array::from_plan(value, at)
    }

    /// A [`Source`]: a file format, a data base, a simulation of your own.
    ///
    /// Only the regions that a computation needs are read; the array starts with the source's chunks.
    ///
    /// See [`Source`] for an example.
    #[track_caller]
    pub fn from_source(source: impl Source<Elem = T>) -> Array<T> {
        let at = Location::caller();
        let shape = source.shape().to_vec();
        let chunks: Chunks = source.chunks();
        Array::from_plan(build::source(Arc::new(source), &shape, chunks, at), at)
    }
}

fn one<T: Element>() -> Scalar {
    cast(Scalar::Bool(true), T::DTYPE)
}

fn as_f64<T: Element>(value: T) -> f64 {
    match cast(value.to_scalar(), crate::base::dtype::DType::F64) {
        Scalar::F64(value) => value,
        _ => f64::NAN,
    }
}

pub(super) fn generated<T: Element>(
    generate: Generate,
    shape: impl Into<Few<usize>>,
    chunks: ChunkSpec,
    at: &'static Location<'static>,
) -> Array<T> {
    Array::from_plan(build::generate(generate, T::DTYPE, shape, chunks, at), at)
}

fn arange_len(start: Scalar, stop: Scalar, step: Scalar) -> Result<usize> {
    use crate::base::dtype::DType;
    let bad = |why: &str| {
        Error::new(
            Kind::Value,
            format!("arange from {start} to {stop} in steps of {step}: {why}"),
        )
    };
    if start.dtype().is_integer() {
        // 128 bits hold every difference of 64-bit integers.
        let wide = |value: Scalar| match (
            value.dtype(),
            cast(value, DType::U64),
            cast(value, DType::I64),
        ) {
            (DType::U64, Scalar::U64(value), _) => i128::from(value),
            (_, _, Scalar::I64(value)) => i128::from(value),
            _ => 0,
        };
        let (start, stop, step) = (wide(start), wide(stop), wide(step));
        if step == 0 {
            return Err(bad("the step is 0"));
        }
        let span = if step > 0 { stop - start } else { start - stop };
        let len = if span <= 0 {
            0
        } else {
            (span + step.abs() - 1) / step.abs()
        };
        return usize::try_from(len).map_err(|_| bad("more numbers than can be counted"));
    }
    let float = |value: Scalar| match cast(value, DType::F64) {
        Scalar::F64(value) => value,
        _ => f64::NAN,
    };
    let len = ((float(stop) - float(start)) / float(step)).ceil();
    if !len.is_finite() {
        return Err(bad("how many numbers that are cannot be told"));
    }
    if len > isize::MAX as f64 {
        return Err(bad("more numbers than can be counted"));
    }
    Ok(len.max(0.0) as usize)
}

/// A user's function of an index, called for C-order numbers.
struct ByIndex<T, F> {
    shape: Few<usize>,
    function: F,
    element: PhantomData<fn() -> T>,
}

impl<T: Element, F: Fn(&[usize]) -> T + Send + Sync> Generator for ByIndex<T, F> {
    unsafe fn fill(&self, start: usize, step: isize, n: usize, out: *mut u8) {
        let mut index = crate::base::chunks::unravel(start, &self.shape);
        for j in 0..n {
            let value = (self.function)(&index);
            // SAFETY: the caller has room for `n` elements of `T`.
            unsafe { out.cast::<T>().add(j).write_unaligned(value) };
            if j + 1 == n {
                break;
            }
            // The next index is mostly the next column; anything else is counted anew.
            match (index.last_mut(), self.shape.last()) {
                (Some(last), Some(&len)) if step == 1 && *last + 1 < len => *last += 1,
                _ => {
                    let next = (start as isize + step * (j as isize + 1)) as usize;
                    index = crate::base::chunks::unravel(next, &self.shape);
                }
            }
        }
    }
}

/// A user's function that makes blocks.
struct MakeBlocks<T, F> {
    function: F,
    element: PhantomData<fn() -> T>,
}

impl<T, F> BlockFunction for MakeBlocks<T, F>
where
    T: Element,
    F: Fn(&Region) -> Result<ArrayD<T>, BoxError> + Send + Sync,
{
    unsafe fn call(
        &self,
        _: &[usize],
        region: &Region,
        _: &[RawBlock],
        outputs: &mut [RawViewMut],
    ) -> Result<()> {
        let block = (self.function)(region)
            .map_err(|error| Error::wrap(Kind::Io, "a function that makes blocks failed", error))?;
        super::block_functions::put(block, outputs)
    }
}
