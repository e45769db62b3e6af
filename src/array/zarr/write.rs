//! Storing into Zarr arrays.

use std::path::Path;

use serde_json::{Map, Value as Json};

use crate::array::engine::Engine;
use crate::array::handle::Array;
use crate::array::store::Store;
use crate::base::element::Element;
use crate::base::shape::IntoShape;
use crate::error::{Error, Kind, Result};
use crate::io::zarr::{Create, RegionSink, Update, ZarrSink};
use crate::plan::identity::identity;
use crate::plan::node::Value;

/// What a store that can be resumed is recognized by.
fn fingerprint(value: &Value, options: &Create) -> Result<Option<u128>> {
    if !options.resumable {
        return Ok(None);
    }
    let identity = identity(value);
    if let (Some(unknown), None) = (identity.unknown.first(), &options.token) {
        return Err(Error::new(
            Kind::Value,
            format!(
                "a store that can be resumed must be recognized, and {unknown} cannot: give `resumable_with` a word \
                 for it"
            ),
        ));
    }
    let token = options.token.as_deref().unwrap_or_default();
    let mixed = token.bytes().fold(identity.fingerprint, |mix, byte| {
        (mix ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    });
    Ok(Some(mixed))
}

impl Store {
    /// An array and the Zarr array that it is to become; see [`Array::to_zarr_with`].
    ///
    /// # Errors
    /// As [`Array::to_zarr_with`], but for those of computing.
    #[track_caller]
    pub fn to_zarr<T: Element>(
        array: &Array<T>,
        path: impl AsRef<Path>,
        options: &Create,
    ) -> Result<Store> {
        let value = array.value.clone()?;
        let at = std::panic::Location::caller();
        let sink = fingerprint(&value, options).and_then(|fingerprint| {
            ZarrSink::<T>::create(&path, value.shape(), value.chunks(), options, fingerprint)
        });
        Store::to_sink(array, sink.map_err(|error| error.at(at))?)
    }

    /// An array and the place in an existing Zarr array that it is to be written to; see [`Array::update_zarr`].
    ///
    /// # Errors
    /// As [`Array::update_zarr`], but for those of computing.
    #[track_caller]
    pub fn update_zarr<T: Element>(
        array: &Array<T>,
        path: impl AsRef<Path>,
        start: impl IntoShape,
        options: &Update,
    ) -> Result<Store> {
        let value = array.value.clone()?;
        let at = std::panic::Location::caller();
        let sink = RegionSink::<T>::open(&path, &start.into_shape(), value.shape(), *options);
        Store::to_sink(array, sink.map_err(|error| error.at(at))?)
    }
}

/// # Storing as Zarr
impl<T: Element> Array<T> {
    /// Computes the array into a new Zarr array, of version 3, in its own chunks, compressed with Zstandard.
    ///
    /// See [`to_zarr_with`](Array::to_zarr_with) for what is guaranteed.
    ///
    /// # Errors
    /// As [`to_zarr_with`](Array::to_zarr_with); something that has the path already is one.
    ///
    /// ```
    /// use flagstone::Array;
    ///
    /// let path = std::env::temp_dir().join("flagstone-doc-to.zarr");
    /// # std::fs::remove_dir_all(&path).ok();
    /// Array::<f64>::linspace(0.0, 1.0, 11, 4).to_zarr(&path)?;
    /// assert_eq!(Array::<f64>::from_zarr(&path)?.sum(..).item()?, 5.5);
    /// # std::fs::remove_dir_all(path).ok();
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn to_zarr(&self, path: impl AsRef<Path>) -> Result<()> {
        self.to_zarr_with(path, &Create::new())
    }

    /// Computes the array into a new Zarr array that is as the [`Create`] says.
    ///
    /// Streams: each task computes the elements of one chunk (of one shard, if there are shards), compresses them and
    /// writes their file, so that no two tasks write the same one. The array appears under its name when all of it is
    /// there; until then it lies in a hidden folder beside it, without metadata, so that no reader takes it for whole.
    /// What had the name before stays until then.
    ///
    /// # Errors
    /// As [`compute`](Array::compute); if something has the path already, and overwriting was not asked for; if the
    /// chunks do not fit; if a file cannot be written: the error names the path and the chunk.
    #[track_caller]
    pub fn to_zarr_with(&self, path: impl AsRef<Path>, options: &Create) -> Result<()> {
        Engine::global()?.store_zarr(self, path, options)
    }

    /// Computes the array into the region of an existing Zarr array that begins at the index `start`.
    ///
    /// Each chunk's file is replaced at once; of a chunk that lies partly outside of the region the rest is kept.
    /// While the region is half old and half new, the array is marked as unfinished, and Flagstone refuses to read it;
    /// other libraries do not know the mark. An update that was interrupted leaves the mark: do it again, with
    /// [`Update::over_unfinished`]. Two updates of one array exclude each other.
    ///
    /// # Errors
    /// As [`compute`](Array::compute); if the array is marked, has another element type, or the region is not within
    /// it; if a file cannot be read or written: the error names the path and the chunk.
    #[track_caller]
    pub fn update_zarr(
        &self,
        path: impl AsRef<Path>,
        start: impl IntoShape,
        options: &Update,
    ) -> Result<()> {
        Engine::global()?.store_all([Store::update_zarr(self, path, start, options)?])?;
        Ok(())
    }
}

impl Engine {
    /// Computes an array into a new Zarr array; see [`Array::to_zarr_with`].
    ///
    /// # Errors
    /// As [`Array::to_zarr_with`].
    #[track_caller]
    pub fn store_zarr<T: Element>(
        &self,
        array: &Array<T>,
        path: impl AsRef<Path>,
        options: &Create,
    ) -> Result<()> {
        self.store_all([Store::to_zarr(array, path, options)?])?;
        Ok(())
    }
}

/// Makes a Zarr group, of version 3, in which arrays and groups can be put; the folders above it are made if need be.
///
/// A group that is there already is left as it is.
///
/// # Errors
/// If something else has the path, or the file cannot be written; the error names the path.
///
/// ```
/// use flagstone::Array;
/// use flagstone::zarr::{ZarrGroup, create_group};
///
/// let path = std::env::temp_dir().join("flagstone-doc-group.zarr");
/// # std::fs::remove_dir_all(&path).ok();
/// create_group(&path, Default::default())?;
/// Array::<f64>::ones(10, ..).to_zarr(path.join("x"))?;
/// assert_eq!(ZarrGroup::open(&path)?.members()?[0].name(), "x");
/// # std::fs::remove_dir_all(path).ok();
/// # Ok::<(), flagstone::Error>(())
/// ```
#[track_caller]
pub fn create_group(path: impl AsRef<Path>, attributes: Map<String, Json>) -> Result<()> {
    let at = std::panic::Location::caller();
    crate::io::zarr::node::create_group(path.as_ref(), &attributes).map_err(|error| error.at(at))
}
