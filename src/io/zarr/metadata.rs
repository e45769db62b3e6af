//! What the metadata of a Zarr node say, of version 2 or 3.
//!
//! Metadata come from anywhere: their size is bounded before they are read, their nesting by the JSON
//! parser, and shapes and chunks are multiplied with checks before anything is made from them.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde_json::{Map, Value};
use zarrs::array::{ArrayMetadataV2, ArrayMetadataV3, DataType, FillValue};
use zarrs::convert::array_metadata_v2_to_v3;

use super::codecs::Codecs;
use super::keys::Keys;
use crate::base::chunks::Chunks;
use crate::base::dtype::DType;
use crate::base::shape::check_shape;
use crate::error::{Error, Kind, Result};

/// Longer metadata are refused; consolidated ones of a thousand arrays take less.
const MAX_BYTES: u64 = 32 << 20;
/// More axes are refused; NumPy has at most 64.
const MAX_AXES: usize = 64;

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    Array,
    Group,
}

/// The metadata of a node, as they were found.
pub struct Found {
    pub kind: NodeKind,
    /// 2 or 3.
    pub version: u8,
    /// Of version 3 the whole document, of version 2 that of `.zarray` or `.zgroup`.
    document: Value,
    pub attributes: Map<String, Value>,
}

/// An array's metadata, checked.
pub struct ArrayInfo {
    pub version: u8,
    pub dtype: DType,
    pub shape: Vec<usize>,
    /// One file each.
    pub files: Chunks,
    /// What can be decoded by itself: a chunk, or the inner chunk of a shard.
    pub units: Chunks,
    /// The lengths that files and units have when they are not cut off by the end of the array.
    pub file_shape: Vec<usize>,
    pub unit_shape: Vec<usize>,
    pub keys: Keys,
    pub codecs: Codecs,
    /// The bytes of the fill value, in this machine's order.
    pub fill: Vec<u8>,
    pub attributes: Map<String, Value>,
    pub dimension_names: Vec<Option<String>>,
}

/// Reads a document of metadata by its name; `None` if there is none.
type Documents<'a> = &'a dyn Fn(&str) -> Result<Option<Value>>;

/// Reads a file of metadata.
fn read_json(path: &Path) -> Result<Option<Value>> {
    let failed = |error: io::Error| {
        Error::wrap(
            Kind::Io,
            format!("reading {}", path.display()),
            error.into(),
        )
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(failed(error)),
    };
    let mut text = Vec::new();
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut text)
        .map_err(failed)?;
    if text.len() as u64 > MAX_BYTES {
        let why = format!(
            "{} is longer than {MAX_BYTES} bytes, which is refused",
            path.display()
        );
        return Err(Error::new(Kind::Io, why));
    }
    parse(&text, &path.display().to_string()).map(Some)
}

fn parse(text: &[u8], path: &str) -> Result<Value> {
    serde_json::from_slice(text).map_err(|error| {
        let what = format!("{path} is no JSON document");
        Error::wrap(Kind::Io, what, error.into())
    })
}

/// The metadata of the node in a folder: of version 3 if there are any, else of version 2.
pub fn find(folder: &Path) -> Result<Found> {
    if let Some(found) = find_by(&|name| read_json(&folder.join(name)))? {
        return Ok(found);
    }
    let why = match std::fs::metadata(folder) {
        Err(error) => return Err(Error::wrap(Kind::Io, "it cannot be read", error.into())),
        Ok(found) if found.is_dir() => {
            "the folder has no zarr.json, .zarray or .zgroup: it is no Zarr node, or one that was never finished"
        }
        Ok(_) => "a Zarr array or group is a folder, and this is a file",
    };
    Err(refuse(why))
}

/// The metadata of a node on a server.
#[cfg(feature = "http")]
pub fn find_remote(remote: &crate::io::remote::Remote, folder: &str) -> Result<Found> {
    use crate::io::remote::Part;
    let read = |name: &str| {
        let key = super::remote::join(folder, name);
        let text = remote
            .get(&key, Part::Whole, MAX_BYTES)
            .map_err(|error| Error::wrap(Kind::Io, "reading its metadata", error))?;
        text.map(|text| parse(&text, &remote.url(&key))).transpose()
    };
    find_by(&read)?
        .ok_or_else(|| refuse("there is no zarr.json, .zarray or .zgroup: it is no Zarr node"))
}

fn find_by(read: Documents<'_>) -> Result<Option<Found>> {
    if let Some(document) = read("zarr.json")? {
        let kind = match document.get("node_type").and_then(Value::as_str) {
            Some("array") => NodeKind::Array,
            Some("group") => NodeKind::Group,
            _ => return Err(refuse("its zarr.json has no node_type of array or group")),
        };
        let attributes = attributes(document.get("attributes"))?;
        return Ok(Some(Found {
            kind,
            version: 3,
            document,
            attributes,
        }));
    }
    for (name, kind) in [(".zarray", NodeKind::Array), (".zgroup", NodeKind::Group)] {
        if let Some(document) = read(name)? {
            let attributes = attributes(read(".zattrs")?.as_ref())?;
            return Ok(Some(Found {
                kind,
                version: 2,
                document,
                attributes,
            }));
        }
    }
    Ok(None)
}

fn attributes(found: Option<&Value>) -> Result<Map<String, Value>> {
    match found {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(attributes)) => Ok(attributes.clone()),
        Some(_) => Err(refuse("its attributes are no JSON object")),
    }
}

impl Found {
    /// The metadata as an array's.
    ///
    /// # Errors
    /// If it is a group, or something in the metadata is wrong or unknown.
    pub fn array(self) -> Result<ArrayInfo> {
        if self.kind == NodeKind::Group {
            return Err(refuse(
                "it is a group, not an array: name one of its arrays",
            ));
        }
        let metadata = if self.version == 3 {
            serde_json::from_value::<ArrayMetadataV3>(self.document).map_err(invalid)?
        } else {
            check_simple(&self.document)?;
            let old = serde_json::from_value::<ArrayMetadataV2>(self.document).map_err(invalid)?;
            array_metadata_v2_to_v3(&old).map_err(invalid)?
        };
        ArrayInfo::new(self.version, &metadata, self.attributes)
    }
}

/// The parser's own message for a structured type does not say what can be held.
fn check_simple(document: &Value) -> Result<()> {
    match document.get("dtype") {
        Some(Value::String(_)) => Ok(()),
        Some(_) => Err(unknown_dtype("a structure")),
        None => Err(refuse("its .zarray has no dtype")),
    }
}

impl ArrayInfo {
    /// Checks the metadata, in the form of version 3.
    pub fn new(
        version: u8,
        metadata: &ArrayMetadataV3,
        attributes: Map<String, Value>,
    ) -> Result<ArrayInfo> {
        for (name, field) in &metadata.additional_fields {
            if field.must_understand() {
                return Err(refuse(format!(
                    "its metadata have the unknown field {name:?}, which must be understood"
                )));
            }
        }
        if let Some(transformer) = metadata.storage_transformers.first() {
            return Err(refuse(format!(
                "its storage transformer {:?} is unknown",
                transformer.name()
            )));
        }
        let name = metadata.data_type.name();
        let dtype = dtype_named(name).ok_or_else(|| unknown_dtype(&format!("{name:?}")))?;
        let shape = lengths(&metadata.shape)?;
        if shape.len() > MAX_AXES {
            return Err(refuse(format!(
                "it has {} axes; more than {MAX_AXES} are refused",
                shape.len()
            )));
        }
        check_shape(&shape, dtype.size()).map_err(|error| refuse(error.to_string()))?;
        let file_shape = chunk_shape(metadata, shape.len())?;
        check_shape(&file_shape, dtype.size())
            .map_err(|error| refuse(format!("its chunks cannot be: {error}")))?;
        if let Some(names) = &metadata.dimension_names
            && names.len() != shape.len()
        {
            return Err(refuse(format!(
                "it has {} dimension names for {} axes",
                names.len(),
                shape.len()
            )));
        }
        let data_type = DataType::from_metadata(&metadata.data_type).map_err(invalid)?;
        let fill = data_type
            .fill_value_v3(&metadata.fill_value)
            .map_err(invalid)?;
        let bytes = fill_bytes(dtype, &fill)?;
        let codecs = Codecs::new(&metadata.codecs, &file_shape, dtype, data_type, fill)?;
        let unit_shape = codecs.unit_shape(&file_shape)?;
        let keys = Keys::new(&metadata.chunk_key_encoding)?;
        Ok(ArrayInfo {
            version,
            dtype,
            files: Chunks::regular(&shape, &file_shape)?,
            units: Chunks::regular(&shape, &unit_shape)?,
            shape,
            file_shape,
            unit_shape,
            keys,
            codecs,
            fill: bytes,
            attributes,
            dimension_names: metadata.dimension_names.clone().unwrap_or_default(),
        })
    }

    /// The lengths of the inner chunks' files, if chunks are kept in shards.
    pub fn is_sharded(&self) -> bool {
        self.codecs.is_sharded()
    }
}

fn fill_bytes(dtype: DType, fill: &FillValue) -> Result<Vec<u8>> {
    let bytes = fill.as_ne_bytes();
    if bytes.len() != dtype.size() {
        return Err(refuse(format!(
            "its fill value has {} bytes, and {dtype} has {}",
            bytes.len(),
            dtype.size()
        )));
    }
    Ok(bytes.to_vec())
}

fn chunk_shape(metadata: &ArrayMetadataV3, ndim: usize) -> Result<Vec<usize>> {
    let grid = &metadata.chunk_grid;
    if grid.name() != "regular" {
        return Err(refuse(format!(
            "its chunk grid is {:?}, and only \"regular\" is known",
            grid.name()
        )));
    }
    let sizes = grid
        .configuration()
        .and_then(|configuration| configuration.get("chunk_shape"))
        .and_then(Value::as_array)
        .and_then(|sizes| sizes.iter().map(Value::as_u64).collect::<Option<Vec<_>>>())
        .ok_or_else(|| refuse("its chunk grid has no chunk_shape of whole numbers"))?;
    if sizes.len() != ndim || sizes.contains(&0) {
        return Err(refuse(format!(
            "its chunk shape is {sizes:?}: it needs {ndim} lengths of at least 1"
        )));
    }
    lengths(&sizes)
}

fn lengths(axes: &[u64]) -> Result<Vec<usize>> {
    axes.iter()
        .map(|&len| {
            usize::try_from(len).map_err(|_| refuse(format!("it has an axis of {len} elements")))
        })
        .collect()
}

/// Zarr's names of element types are NumPy's.
pub fn dtype_named(name: &str) -> Option<DType> {
    DType::ALL
        .iter()
        .copied()
        .find(|dtype| dtype.name() == name)
}

fn unknown_dtype(what: &str) -> Error {
    let known: Vec<&str> = DType::ALL.iter().map(|dtype| dtype.name()).collect();
    Error::new(
        Kind::Dtype,
        format!(
            "its element type is {what}; arrays can hold {}",
            known.join(", ")
        ),
    )
}

/// What is wrong with a file, to be completed with its path.
pub fn refuse(why: impl Into<String>) -> Error {
    Error::new(Kind::Io, why)
}

pub fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::wrap(Kind::Io, "its metadata are not valid", error.into())
}
