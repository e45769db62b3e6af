//! Where data comes from and goes to: the traits that files, memory and other crates implement.

use std::any::Any;

use ndarray::ArrayViewMutD;

use super::chunks::Chunks;
use super::dtype::DType;
use super::element::Element;
use super::memory::RawViewMut;
use super::region::Region;
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

    /// Whether reading mostly means waiting, for a server, say. Then [`fetch`](Source::fetch) is called for each region
    /// first, on threads that are there for waiting, as many at once as the
    /// [engine](crate::EngineBuilder::concurrent_fetches) allows, and [`decode`](Source::decode) instead of
    /// [`read`](Source::read) on the threads that compute.
    fn fetches(&self) -> bool {
        false
    }

    /// Gets what [`decode`](Source::decode) needs for a region; its bytes are part of
    /// [`scratch_bytes`](Source::scratch_bytes). Called from many threads at once, if [`fetches`](Source::fetches) says
    /// so, and otherwise never. An error ends the computation as one of `read` does.
    fn fetch(&self, region: &Region) -> Result<Box<dyn Any + Send>, BoxError> {
        let _ = region;
        Ok(Box::new(()))
    }

    /// As [`read`](Source::read), from what [`fetch`](Source::fetch) got for the same region.
    fn decode(
        &self,
        region: &Region,
        fetched: Box<dyn Any + Send>,
        out: ArrayViewMutD<'_, Self::Elem>,
    ) -> Result<(), BoxError> {
        let _ = fetched;
        self.read(region, out)
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

    /// What tells the source's values from all others, in other processes too: a path and the time of the
    /// last change, for example. A store that was interrupted is only resumed with the same values.
    fn fingerprint(&self) -> Option<String> {
        None
    }
}

/// A [`Source`] whose element type is known at run time.
pub(crate) trait ErasedSource: Send + Sync + 'static {
    fn dtype(&self) -> DType;
    fn read(&self, region: &Region, out: RawViewMut) -> Result<()>;

    fn fetches(&self) -> bool {
        false
    }

    /// Only called if it fetches.
    fn fetch(&self, _region: &Region) -> Result<Box<dyn Any + Send>> {
        unreachable!("nothing is fetched")
    }

    /// Only called if it fetches.
    fn decode(&self, _: &Region, _fetched: Box<dyn Any + Send>, _out: RawViewMut) -> Result<()> {
        unreachable!("nothing is fetched")
    }

    fn storage_grid(&self) -> Option<Chunks>;
    fn describe(&self) -> String;

    fn cost(&self) -> f64 {
        1.0
    }

    fn scratch_bytes(&self) -> usize {
        0
    }

    #[cfg(feature = "zarr")]
    fn fingerprint(&self) -> Option<String> {
        None
    }

    /// For sources that the layers above know by their type.
    fn as_any(&self) -> Option<&dyn Any> {
        None
    }
}

fn failed(source: &impl Source, doing: &str, region: &Region, error: BoxError) -> Error {
    let what = format!("{doing} {region} of {}", source.describe());
    Error::wrap(Kind::Io, what, error)
}

impl<S: Source> ErasedSource for S {
    fn dtype(&self) -> DType {
        S::Elem::DTYPE
    }

    fn read(&self, region: &Region, mut out: RawViewMut) -> Result<()> {
        Source::read(self, region, out.typed::<S::Elem>())
            .map_err(|error| failed(self, "reading", region, error))
    }

    fn fetches(&self) -> bool {
        Source::fetches(self)
    }

    fn fetch(&self, region: &Region) -> Result<Box<dyn Any + Send>> {
        Source::fetch(self, region).map_err(|error| failed(self, "fetching", region, error))
    }

    fn decode(
        &self,
        region: &Region,
        fetched: Box<dyn Any + Send>,
        mut out: RawViewMut,
    ) -> Result<()> {
        Source::decode(self, region, fetched, out.typed::<S::Elem>())
            .map_err(|error| failed(self, "decoding", region, error))
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

    #[cfg(feature = "zarr")]
    fn fingerprint(&self) -> Option<String> {
        Source::fingerprint(self)
    }
}

/// Something that finished blocks are written to: a file, a data base, a socket. See
/// [`Array::store`](crate::Array::store).
///
/// Every element is written exactly once. Blocks come in any order, and from several threads at once, as they
/// are finished; the array is never put together.
///
/// ```
/// use std::sync::{Arc, Mutex};
///
/// use flagstone::{Array, BoxError, Chunks, Region, Sink};
///
/// /// A table of rows, which are written one at a time.
/// struct Rows(Mutex<Vec<Vec<f64>>>);
///
/// impl Sink for Rows {
///     type Elem = f64;
///     fn write(&self, region: &Region, values: ndarray::ArrayViewD<'_, f64>) -> Result<(), BoxError> {
///         self.0.lock().unwrap()[region.start()[0]] = values.iter().copied().collect();
///         Ok(())
///     }
///     fn write_grid(&self) -> Option<Chunks> {
///         let rows = self.0.lock().unwrap().len();
///         Some(Chunks::regular(&[rows, 3], &[1, 3]).unwrap()) // one row, whole
///     }
/// }
///
/// let rows = Arc::new(Rows(Mutex::new(vec![Vec::new(); 4])));
/// Array::<f64>::arange(0.0, 12.0, 1.0, ..).reshape([4, 3]).rechunk(2).store(rows.clone())?;
/// assert_eq!(rows.0.lock().unwrap()[1], [3.0, 4.0, 5.0]);
/// # Ok::<(), flagstone::Error>(())
/// ```
pub trait Sink: Send + Sync {
    /// The type of the elements.
    type Elem: Element;

    /// Writes the elements of one region; the two have the same shape.
    ///
    /// An error ends the computation with one that names the region and the sink; a panic does so too.
    fn write(
        &self,
        region: &Region,
        values: ndarray::ArrayViewD<'_, Self::Elem>,
    ) -> Result<(), BoxError>;

    /// The units in which the sink can be written, as the chunks of a compressed file: it is given exactly these
    /// blocks, whatever the array's chunks are, so that no two threads ever write the same unit. `None` if any
    /// region is as good as another: it is given the blocks of the array's chunk grid.
    fn write_grid(&self) -> Option<Chunks> {
        None
    }

    /// Whether a block of the grid is there already, from a store that was interrupted: it is neither computed nor
    /// written again.
    fn is_written(&self, region: &Region) -> bool {
        let _ = region;
        false
    }

    /// The bytes that one write uses beside the values: buffers for encoding, for example. They count in
    /// the memory that a computation is promised to keep to.
    fn scratch_bytes(&self) -> usize {
        0
    }

    /// Called once, when every block has been written: makes the whole visible. It is not called after an error.
    fn finish(&self) -> Result<(), BoxError> {
        Ok(())
    }

    /// What the sink is, for error messages: a path, for example.
    fn describe(&self) -> String {
        "a sink".to_owned()
    }
}

impl<S: Sink + ?Sized> Sink for std::sync::Arc<S> {
    type Elem = S::Elem;

    fn write(
        &self,
        region: &Region,
        values: ndarray::ArrayViewD<'_, S::Elem>,
    ) -> Result<(), BoxError> {
        (**self).write(region, values)
    }

    fn write_grid(&self) -> Option<Chunks> {
        (**self).write_grid()
    }

    fn is_written(&self, region: &Region) -> bool {
        (**self).is_written(region)
    }

    fn scratch_bytes(&self) -> usize {
        (**self).scratch_bytes()
    }

    fn finish(&self) -> Result<(), BoxError> {
        (**self).finish()
    }

    fn describe(&self) -> String {
        (**self).describe()
    }
}
