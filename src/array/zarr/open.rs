//! Opening Zarr arrays and groups.

use std::panic::Location;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::array::any::AnyArray;
use crate::array::handle::Array;
use crate::base::chunks::Chunks;
use crate::base::dtype::{DType, with_dtype};
use crate::base::element::Element;
use crate::error::{Error, Result};
#[cfg(feature = "http")]
use crate::io::remote::Remote;
#[cfg(feature = "http")]
use crate::io::zarr::remote::RemoteSource;
use crate::io::zarr::{Member, Node, ZarrFile, ZarrSource};
use crate::plan::build;
use crate::plan::node::Value;

/// An opened Zarr array: what its metadata say, and the way to its elements.
///
/// ```no_run
/// use flagstone::zarr::ZarrArray;
///
/// let file = ZarrArray::open("air_temperature.zarr")?;
/// println!("{:?} {:?} in {}", file.dimension_names(), file.shape(), file.attributes()["units"]);
/// let x = file.array::<f32>()?;
/// # Ok::<(), flagstone::Error>(())
/// ```
#[derive(Clone)]
pub struct ZarrArray {
    file: ZarrFile,
}

impl ZarrArray {
    /// Reads the metadata of the array in a folder, of version 3 or 2; an array in a group is named by its
    /// path, `"store.zarr/group/array"`.
    ///
    /// # Errors
    /// If there is no array, its element type, codecs or chunk grid are unknown, or its metadata
    /// contradict themselves. The error names the path.
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> Result<ZarrArray> {
        let at = Location::caller();
        let file = ZarrFile::open(path).map_err(|error| error.at(at))?;
        Ok(ZarrArray { file })
    }

    /// As [`open`](ZarrArray::open), but also if a region of the array is being written, or was not written to the
    /// end: some chunks may be old and some new.
    ///
    /// # Errors
    /// As [`open`](ZarrArray::open).
    #[track_caller]
    pub fn open_unfinished(path: impl AsRef<Path>) -> Result<ZarrArray> {
        let at = Location::caller();
        let file = ZarrFile::open_unfinished(path).map_err(|error| error.at(at))?;
        Ok(ZarrArray { file })
    }

    /// The folder, or the URL.
    pub fn path(&self) -> &Path {
        &self.file.folder
    }

    /// The version of the format: 2 or 3.
    pub fn version(&self) -> u8 {
        self.file.info.version
    }

    /// The type of the elements.
    pub fn dtype(&self) -> DType {
        self.file.info.dtype
    }

    /// The length along each axis.
    pub fn shape(&self) -> &[usize] {
        &self.file.info.shape
    }

    /// The parts that can be decoded by themselves: chunks, or the inner chunks of shards.
    pub fn chunks(&self) -> &Chunks {
        &self.file.info.units
    }

    /// The parts that have a file each, if chunks are kept together in shards.
    pub fn shards(&self) -> Option<&Chunks> {
        self.file.info.is_sharded().then_some(&self.file.info.files)
    }

    /// What the writer has said about the array: units, for example.
    pub fn attributes(&self) -> &Map<String, Json> {
        &self.file.info.attributes
    }

    /// The names of the axes, as far as they have any; of version 2 those of xarray's attribute
    /// `_ARRAY_DIMENSIONS`. Empty if no axis has one.
    pub fn dimension_names(&self) -> Vec<Option<String>> {
        let info = &self.file.info;
        if !info.dimension_names.is_empty() {
            return info.dimension_names.clone();
        }
        let names = info.attributes.get("_ARRAY_DIMENSIONS");
        let names = names.and_then(Json::as_array).map(|names| {
            let named = names.iter().map(|name| name.as_str().map(str::to_owned));
            named.collect::<Vec<_>>()
        });
        names
            .filter(|names| names.len() == info.shape.len())
            .unwrap_or_default()
    }

    /// The elements, as a lazy array in the file's [`chunks`](ZarrArray::chunks).
    ///
    /// # Errors
    /// If they have another type.
    #[track_caller]
    pub fn array<T: Element>(&self) -> Result<Array<T>> {
        let at = Location::caller();
        let value = self.value::<T>(at).map_err(|error| error.at(at))?;
        Ok(Array::from_plan(Ok(value), at))
    }

    /// The elements, of whatever type they are.
    #[track_caller]
    pub fn any(&self) -> AnyArray {
        let at = Location::caller();
        let value = with_dtype!(self.dtype(), T => self.value::<T>(at));
        AnyArray::from_plan(value, at)
    }

    fn value<T: Element>(&self, at: &'static Location<'static>) -> Result<Value> {
        #[cfg(feature = "http")]
        if let Some(place) = &self.file.remote {
            let source = RemoteSource::<T>::new(self.file.clone(), place.clone())?;
            let info = &self.file.info;
            return build::source(Arc::new(source), &info.shape, info.units.clone(), at);
        }
        let source = ZarrSource::<T>::new(self.file.clone())?;
        let info = &self.file.info;
        build::source(Arc::new(source), &info.shape, info.units.clone(), at)
    }
}

/// An opened Zarr group.
///
/// ```no_run
/// let group = flagstone::zarr::ZarrGroup::open("model.zarr")?;
/// for member in group.members()? {
///     println!("{}", member.name());
/// }
/// let x = group.array("surface/temperature")?.array::<f32>()?;
/// # Ok::<(), flagstone::Error>(())
/// ```
#[derive(Clone)]
pub struct ZarrGroup {
    node: Node,
}

/// What lies in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZarrMember(Member);

impl ZarrMember {
    /// Its name within the group.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether it is a group, and not an array.
    pub fn is_group(&self) -> bool {
        self.0.is_group
    }
}

impl ZarrGroup {
    /// Reads the metadata of a group.
    ///
    /// # Errors
    /// If there is no group in the folder, or its metadata cannot be read. The error names the path.
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> Result<ZarrGroup> {
        let at = Location::caller();
        let node = Node::open(path).map_err(|error| error.at(at))?;
        Ok(ZarrGroup { node })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.node.folder
    }

    /// The version of the format: 2 or 3.
    pub fn version(&self) -> u8 {
        self.node.version
    }

    /// What the writer has said about the group.
    pub fn attributes(&self) -> &Map<String, Json> {
        &self.node.attributes
    }

    /// The arrays and groups directly in it, by name. What has no metadata, as an array that is still being
    /// written, is not among them.
    ///
    /// # Errors
    /// If the folder cannot be listed, or a member's metadata cannot be read.
    pub fn members(&self) -> Result<Vec<ZarrMember>> {
        Ok(self.node.members()?.into_iter().map(ZarrMember).collect())
    }

    /// The array at a path below the group, `"surface/temperature"`.
    ///
    /// # Errors
    /// As [`ZarrArray::open`].
    #[track_caller]
    pub fn array(&self, path: impl AsRef<Path>) -> Result<ZarrArray> {
        ZarrArray::open(self.node.folder.join(path))
    }

    /// The group at a path below this one.
    ///
    /// # Errors
    /// As [`ZarrGroup::open`].
    #[track_caller]
    pub fn group(&self, path: impl AsRef<Path>) -> Result<ZarrGroup> {
        ZarrGroup::open(self.node.folder.join(path))
    }
}

/// # Zarr
impl<T: Element> Array<T> {
    /// The array in a Zarr folder, of version 2 or 3.
    ///
    /// Reads the metadata now and chunks when they are computed, only those that are needed. The array's chunks
    /// are the file's; of a sharded array the inner ones, which are read by themselves. A chunk that has no
    /// file holds the fill value. The files must not change meanwhile.
    ///
    /// # Errors
    /// If there is no array, it holds elements of another type than `T`, or something in its metadata is
    /// unknown. The error names the path; errors of later reads name the chunk as well.
    ///
    /// # Cost
    /// Each chunk is read and decoded once for each pass over the array; decoding holds the encoded chunk and, if
    /// only a part of it is needed, the decoded one, which count as memory.
    ///
    /// ```no_run
    /// let t = flagstone::Array::<f32>::from_zarr("air_temperature.zarr")?;
    /// println!("{}", (&t - &t.mean(0)).explain()?);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn from_zarr(path: impl AsRef<Path>) -> Result<Array<T>> {
        let at = Location::caller();
        let open = || {
            ZarrArray {
                file: ZarrFile::open(path)?,
            }
            .value::<T>(at)
        };
        let value = open().map_err(|error: Error| error.at(at))?;
        Ok(Array::from_plan(Ok(value), at))
    }
}

impl AnyArray {
    /// The array in a Zarr folder, of whatever element type it holds; see [`Array::from_zarr`].
    ///
    /// # Errors
    /// As [`Array::from_zarr`], but for the type.
    #[track_caller]
    pub fn from_zarr(path: impl AsRef<Path>) -> Result<AnyArray> {
        Ok(ZarrArray::open(path)?.any())
    }
}

#[cfg(feature = "http")]
impl Remote {
    /// Reads the metadata of the Zarr array at a path below this place, of version 3 or 2; `""` is the place itself.
    ///
    /// What [`Array::from_zarr`] says of files holds here too. Chunks are fetched ahead of the computation, several at
    /// once ([`EngineBuilder::concurrent_fetches`](crate::EngineBuilder::concurrent_fetches)), each whole, of a shard its
    /// index and the inner chunk; what is under way counts as memory. A chunk that the server has not (status 404) holds
    /// the fill value. Nothing is written to servers.
    ///
    /// # Errors
    /// As [`ZarrArray::open`], and if the server cannot be reached; the error names the URL.
    #[track_caller]
    pub fn array(&self, path: impl AsRef<str>) -> Result<ZarrArray> {
        let at = Location::caller();
        let file = ZarrFile::open_remote(self, path.as_ref()).map_err(|error| error.at(at))?;
        Ok(ZarrArray { file })
    }
}
