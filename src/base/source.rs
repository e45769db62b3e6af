//! Where data comes from and goes to: the traits that files, memory and other crates implement.

use ndarray::ArrayViewMutD;

use super::chunks::Chunks;
use super::dtype::DType;
use super::element::Element;
use super::memory::{RawViewMut, view};
use super::region::Region;
use super::shape::c_strides;
use crate::error::{BoxError, Error, Kind, Result};

/// Something that arrays are read from: a file, a data base, a simulation.
///
/// A source promises the same values for the same region each time: what a computation needs again after it
/// had to wait for a reduction is read again, and not held. Reads come from several threads at once.
///
/// ```
/// use flagstone::{Array, BoxError, Chunks, Region, Source};
/// use ndarray::ArrayViewMutD;
///
/// /// The multiplication table.
/// struct Products;
///
/// impl Source for Products {
///     type Elem = u64;
///     fn shape(&self) -> &[usize] {
///         &[1000, 1000]
///     }
///     fn chunks(&self) -> Chunks {
///         Chunks::regular(self.shape(), &[250, 1000]).unwrap()
///     }
///     fn read(&self, region: &Region, mut out: ArrayViewMutD<'_, u64>) -> Result<(), BoxError> {
///         let [row, column] = [region.start()[0], region.start()[1]];
///         for (index, value) in out.indexed_iter_mut() {
///             *value = ((row + index[0]) * (column + index[1])) as u64;
///         }
///         Ok(())
///     }
/// }
///
/// let x = Array::from_source(Products);
/// assert_eq!(x.slice(flagstone::s![7, 8]).item()?, 56);
/// # Ok::<(), flagstone::Error>(())
/// ```
pub trait Source: Send + Sync + 'static {
    /// The type of the elements.
    type Elem: Element;

    /// The shape of the array; it must never change.
    fn shape(&self) -> &[usize];

    /// The chunk grid that the array starts with.
    fn chunks(&self) -> Chunks;

    /// Fills `out` with the elements of `region`; the two have the same shape.
    ///
    /// `out` is not cleared: every element must be written. An error ends the computation with one that names
    /// the region and the source; a panic does so too.
    fn read(&self, region: &Region, out: ArrayViewMutD<'_, Self::Elem>) -> Result<(), BoxError>;

    /// The units that can be read without waste, as the chunks of a compressed file; `None` if any
    /// region is as good as another.
    fn storage_grid(&self) -> Option<Chunks> {
        None
    }

    /// What a read of one element costs, in nanoseconds, roughly: computations that are estimated to be very
    /// short run on the calling thread alone.
    fn cost(&self) -> f64 {
        1.0
    }

    /// The bytes that one read uses beside `out`: buffers for decoding, for example. They count in the
    /// memory that a computation is promised to keep to.
    fn scratch_bytes(&self) -> usize {
        0
    }

    /// What the source is, for `explain()` and for error messages: a path, for example.
    fn describe(&self) -> String {
        "source".to_owned()
    }
}

/// A [`Source`] whose element type is known at run time.
pub(crate) trait ErasedSource: Send + Sync + 'static {
    fn dtype(&self) -> DType;
    fn read(&self, region: &Region, out: RawViewMut) -> Result<()>;
    fn storage_grid(&self) -> Option<Chunks>;
    fn cost(&self) -> f64;
    fn scratch_bytes(&self) -> usize;
    fn describe(&self) -> String;
}

impl<S: Source> ErasedSource for S {
    fn dtype(&self) -> DType {
        S::Elem::DTYPE
    }

    fn read(&self, region: &Region, mut out: RawViewMut) -> Result<()> {
        Source::read(self, region, out.typed::<S::Elem>()).map_err(|error| {
            Error::wrap(
                Kind::Io,
                format!("reading {region} of {}", Source::describe(self)),
                error,
            )
        })
    }

    fn storage_grid(&self) -> Option<Chunks> {
        Source::storage_grid(self)
    }

    fn cost(&self) -> f64 {
        Source::cost(self)
    }

    fn scratch_bytes(&self) -> usize {
        Source::scratch_bytes(self)
    }

    fn describe(&self) -> String {
        Source::describe(self)
    }
}

/// Something that finished blocks are written to, region by region; see [`Array::store`](crate::Array::store).
///
/// Every element is written exactly once. Regions may come in any order, and from several threads at once.
pub trait Sink: Send + Sync {
    /// The type of the elements.
    type Elem: Element;

    /// Writes the elements of one region; the two have the same shape. An error ends the computation.
    fn write(
        &self,
        region: &Region,
        values: ndarray::ArrayViewD<'_, Self::Elem>,
    ) -> Result<(), BoxError>;

    /// The bytes that one write uses beside `values`: buffers for encoding, for example. They count in the
    /// memory that a computation is promised to keep to.
    fn scratch_bytes(&self) -> usize {
        0
    }
}

/// A [`Sink`] whose element type is known at run time.
pub(crate) trait ErasedSink: Send + Sync {
    fn dtype(&self) -> DType;

    /// Writes a block of elements in C order.
    ///
    /// # Safety
    /// `first` must be the first of the region's elements, initialized and of the sink's dtype.
    unsafe fn write(&self, region: &Region, first: *const u8) -> Result<()>;

    fn scratch_bytes(&self) -> usize;
}

impl<T: Element> ErasedSink for &dyn Sink<Elem = T> {
    fn dtype(&self) -> DType {
        T::DTYPE
    }

    unsafe fn write(&self, region: &Region, first: *const u8) -> Result<()> {
        let shape = region.shape();
        // SAFETY: the caller's contract.
        let values = unsafe { view::<T>(first, shape, &c_strides(shape)) };
        Sink::write(*self, region, values)
            .map_err(|error| Error::wrap(Kind::Io, format!("writing {region} to a sink"), error))
    }

    fn scratch_bytes(&self) -> usize {
        Sink::scratch_bytes(*self)
    }
}
