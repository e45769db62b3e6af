//! What a new Zarr array is to be like.

use serde_json::{Map, Value, json};
use zarrs::array::{ArrayMetadataV2, ArrayMetadataV3};
use zarrs::convert::array_metadata_v2_to_v3;

use super::metadata::{ArrayInfo, invalid, refuse};
use crate::base::chunk_spec::{ChunkSpec, IntoChunks};
use crate::base::chunks::{AxisChunks, Chunks};
use crate::base::dtype::DType;
use crate::base::element::Element;
use crate::base::scalar::Scalar;
use crate::error::{Error, Kind, Result};
use crate::io::npy::header::descr_of;

/// Blosc counts the bytes of a chunk in 31 bits.
const MOST_BLOSC: usize = (1 << 31) - 1 - 16;

/// How the chunks of a new Zarr array are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// Not at all: parts of chunks can be read without the rest.
    None,
    /// Zstandard, at a level from 1 (fast) to 22.
    Zstd(i32),
    /// gzip, at a level from 0 to 9.
    Gzip(u32),
    /// Blosc, which sorts the bytes or bits of the elements before it compresses them.
    Blosc {
        /// What compresses.
        compressor: BloscCompressor,
        /// From 0 to 9.
        level: u8,
        /// What is sorted.
        shuffle: Shuffle,
    },
}

/// What compresses within Blosc.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BloscCompressor {
    /// Blosc's own, the fastest to write.
    BloscLz,
    /// LZ4.
    Lz4,
    /// LZ4 with a more thorough search.
    Lz4Hc,
    /// zlib.
    Zlib,
    /// Zstandard.
    Zstd,
}

/// What Blosc sorts before it compresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shuffle {
    /// Nothing.
    None,
    /// First bytes of all elements first, then second ones, and so on.
    Bytes,
    /// The same with bits.
    Bits,
}

/// What a new Zarr array is to be like; see [`Array::to_zarr_with`](crate::Array::to_zarr_with).
///
/// ```
/// use flagstone::Array;
/// use flagstone::zarr::{Codec, Create, ZarrArray};
///
/// let path = std::env::temp_dir().join("flagstone-doc-create.zarr");
/// let options = Create::new()
///     .shards([50, 100])
///     .chunks([10, 20])
///     .codec(Codec::Zstd(5))
///     .dimension_names(["row", "column"])
///     .overwrite();
/// Array::<f64>::ones([100, 100], 50).to_zarr_with(&path, &options)?;
/// assert_eq!(ZarrArray::open(&path)?.chunks().to_string(), "(10, 20)");
/// # std::fs::remove_dir_all(path).ok();
/// # Ok::<(), flagstone::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Create {
    version: u8,
    chunks: Option<ChunkSpec>,
    shards: Option<ChunkSpec>,
    codec: Codec,
    fill: Option<Scalar>,
    attributes: Map<String, Value>,
    dimension_names: Vec<String>,
    pub(crate) overwrite: bool,
    pub(crate) sync: bool,
    pub(crate) resumable: bool,
    pub(crate) token: Option<String>,
}

impl Default for Create {
    fn default() -> Create {
        Create::new()
    }
}

impl Create {
    /// Version 3, the array's chunks (along each axis its longest one), Zstandard at level 3, zero for what is
    /// missing; nothing is overwritten.
    pub fn new() -> Create {
        Create {
            version: 3,
            chunks: None,
            shards: None,
            codec: Codec::Zstd(3),
            fill: None,
            attributes: Map::new(),
            dimension_names: Vec::new(),
            overwrite: false,
            sync: false,
            resumable: false,
            token: None,
        }
    }

    /// The older version of the format, which has no shards.
    pub fn version_2(mut self) -> Create {
        self.version = 2;
        self
    }

    /// The chunks of the file: one size per axis. A store computes them one by one, whatever the array's are.
    pub fn chunks(mut self, chunks: impl IntoChunks) -> Create {
        self.chunks = Some(chunks.into_spec());
        self
    }

    /// Files that hold several chunks each: multiples of the chunks. A shard is written whole, by one task.
    pub fn shards(mut self, shards: impl IntoChunks) -> Create {
        self.shards = Some(shards.into_spec());
        self
    }

    /// How chunks are compressed.
    pub fn codec(mut self, codec: Codec) -> Create {
        self.codec = codec;
        self
    }

    /// What readers find where no chunk was written; of the array's element type.
    pub fn fill_value<T: Element>(mut self, value: T) -> Create {
        self.fill = Some(value.to_scalar());
        self
    }

    /// What readers are told about the array: units, for example.
    pub fn attributes(mut self, attributes: Map<String, Value>) -> Create {
        self.attributes = attributes;
        self
    }

    /// Names of the axes; in version 2 the attribute `_ARRAY_DIMENSIONS`, as xarray has it.
    pub fn dimension_names<N: Into<String>>(
        mut self,
        names: impl IntoIterator<Item = N>,
    ) -> Create {
        self.dimension_names = names.into_iter().map(Into::into).collect();
        self
    }

    /// Replaces the Zarr array that has the path, if there is one. It stays until the new one is complete. What is
    /// no Zarr array is never replaced.
    pub fn overwrite(mut self) -> Create {
        self.overwrite = true;
        self
    }

    /// Hands each file to the disk before it gets its name, and names before the array gets its own: a power cut
    /// then leaves what a killed process leaves. Slower.
    pub fn sync(mut self) -> Create {
        self.sync = true;
        self
    }

    /// Keeps what is finished if the store is interrupted. The same store, started again, checks what is there and
    /// computes the rest.
    ///
    /// Arrays in memory, functions of yours, and sources that have no
    /// [`fingerprint`](crate::Source::fingerprint) cannot be told from others: they need
    /// [`resumable_with`](Create::resumable_with).
    pub fn resumable(mut self) -> Create {
        self.resumable = true;
        self
    }

    /// As [`resumable`](Create::resumable), with a word for the inputs that cannot be told from others: another
    /// word, other values.
    pub fn resumable_with(mut self, token: impl Into<String>) -> Create {
        self.resumable = true;
        self.token = Some(token.into());
        self
    }

    /// The metadata's files, in the order in which they are written, and what they mean.
    pub(crate) fn layout(&self, dtype: DType, shape: &[usize], chunks: &Chunks) -> Result<Layout> {
        let (chunks, shards) = self.sizes(dtype, shape, chunks)?;
        if let Some(fill) = self.fill
            && fill.dtype() != dtype
        {
            return Err(Error::new(
                Kind::Dtype,
                format!("a fill value of {} for an array of {dtype}", fill.dtype()),
            ));
        }
        let names = self.dimension_names.len();
        if names != 0 && names != shape.len() {
            let why = format!("{names} dimension names for {} axes", shape.len());
            return Err(Error::new(Kind::Value, why));
        }
        self.codec.check()?;
        let fill = fill_json(self.fill.unwrap_or(Scalar::zero(dtype)));
        if self.version == 2 {
            self.layout_2(dtype, shape, &chunks, fill)
        } else {
            self.layout_3(dtype, shape, &chunks, shards.as_deref(), fill)
        }
    }

    fn layout_3(
        &self,
        dtype: DType,
        shape: &[usize],
        chunks: &[usize],
        shards: Option<&[usize]>,
        fill: Value,
    ) -> Result<Layout> {
        let bytes = if dtype.size() == 1 {
            json!({"name": "bytes"})
        } else {
            json!({"name": "bytes", "configuration": {"endian": "little"}})
        };
        let mut codecs = vec![bytes];
        codecs.extend(self.codec_3(dtype));
        if shards.is_some() {
            codecs = vec![json!({"name": "sharding_indexed", "configuration": {
                "chunk_shape": chunks,
                "codecs": codecs,
                "index_codecs": [
                    {"name": "bytes", "configuration": {"endian": "little"}},
                    {"name": "crc32c"},
                ],
                "index_location": "end",
            }})];
        }
        let mut document = json!({
            "zarr_format": 3,
            "node_type": "array",
            "shape": shape,
            "data_type": dtype.name(),
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": shards.unwrap_or(chunks)}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": fill,
            "codecs": codecs,
            "attributes": self.attributes,
        });
        if !self.dimension_names.is_empty() {
            document["dimension_names"] = json!(self.dimension_names);
        }
        let metadata: ArrayMetadataV3 =
            serde_json::from_value(document.clone()).map_err(invalid)?;
        Ok(Layout {
            info: ArrayInfo::new(3, &metadata, self.attributes.clone())?,
            files: vec![("zarr.json", text(&document))],
        })
    }

    fn layout_2(
        &self,
        dtype: DType,
        shape: &[usize],
        chunks: &[usize],
        fill: Value,
    ) -> Result<Layout> {
        let document = json!({
            "zarr_format": 2,
            "shape": shape,
            "chunks": chunks,
            "dtype": descr_of(dtype),
            "compressor": self.codec_2(),
            "fill_value": fill,
            "order": "C",
            "filters": null,
            "dimension_separator": ".",
        });
        let mut attributes = self.attributes.clone();
        if !self.dimension_names.is_empty() {
            attributes.insert("_ARRAY_DIMENSIONS".into(), json!(self.dimension_names));
        }
        let metadata: ArrayMetadataV2 =
            serde_json::from_value(document.clone()).map_err(invalid)?;
        let metadata = array_metadata_v2_to_v3(&metadata).map_err(invalid)?;
        // A reader looks for `.zarray`: it is written last.
        let files = vec![
            (".zattrs", text(&Value::Object(attributes.clone()))),
            (".zarray", text(&document)),
        ];
        Ok(Layout {
            info: ArrayInfo::new(2, &metadata, attributes)?,
            files,
        })
    }

    /// The lengths of chunks and of shards.
    fn sizes(
        &self,
        dtype: DType,
        shape: &[usize],
        grid: &Chunks,
    ) -> Result<(Vec<usize>, Option<Vec<usize>>)> {
        let resolve = |spec: &ChunkSpec, what: &str| {
            let grid = spec.clone().resolve(shape, dtype.size())?;
            if grid
                .0
                .iter()
                .any(|axis| matches!(axis, AxisChunks::Ends(_)))
            {
                let why = format!(
                    "{what} {grid} cannot be stored: a Zarr array has one size along each axis"
                );
                return Err(Error::new(Kind::Chunks, why));
            }
            Ok(largest(&grid))
        };
        let shards = match &self.shards {
            None => None,
            Some(_) if self.version == 2 => {
                let why = "shards need version 3 of Zarr, and version 2 was asked for";
                return Err(Error::new(Kind::Value, why));
            }
            Some(spec) => Some(resolve(spec, "shards")?),
        };
        let chunks = match &self.chunks {
            Some(spec) => resolve(spec, "chunks")?,
            None => largest(grid),
        };
        if matches!(self.codec, Codec::Blosc { .. }) {
            let bytes = chunks.iter().product::<usize>() * dtype.size();
            if bytes > MOST_BLOSC {
                let why =
                    format!("Blosc cannot compress chunks of {bytes} bytes: {chunks:?} of {dtype}");
                return Err(Error::new(Kind::Chunks, why));
            }
        }
        let Some(mut shards) = shards else {
            return Ok((chunks, None));
        };
        for (axis, shard) in shards.iter_mut().enumerate() {
            // The last shard may reach beyond the end of the array.
            if *shard >= shape[axis] {
                *shard = shape[axis].max(1).next_multiple_of(chunks[axis]);
            }
            if !shard.is_multiple_of(chunks[axis]) {
                let why = format!(
                    "shards of {shard} along axis {axis} are no multiple of the chunks of {}",
                    chunks[axis]
                );
                return Err(Error::new(Kind::Chunks, why));
            }
        }
        Ok((chunks, Some(shards)))
    }

    fn codec_3(&self, dtype: DType) -> Option<Value> {
        Some(match self.codec {
            Codec::None => return None,
            Codec::Zstd(level) => {
                json!({"name": "zstd", "configuration": {"level": level, "checksum": false}})
            }
            Codec::Gzip(level) => json!({"name": "gzip", "configuration": {"level": level}}),
            Codec::Blosc {
                compressor,
                level,
                shuffle,
            } => json!({"name": "blosc", "configuration": {
                "cname": compressor.name(),
                "clevel": level,
                "shuffle": shuffle.name(),
                "typesize": dtype.size(),
                "blocksize": 0,
            }}),
        })
    }

    fn codec_2(&self) -> Value {
        match self.codec {
            Codec::None => Value::Null,
            Codec::Zstd(level) => json!({"id": "zstd", "level": level}),
            Codec::Gzip(level) => json!({"id": "gzip", "level": level}),
            Codec::Blosc {
                compressor,
                level,
                shuffle,
            } => json!({
                "id": "blosc",
                "cname": compressor.name(),
                "clevel": level,
                "shuffle": shuffle as u8,
                "blocksize": 0,
            }),
        }
    }
}

impl Codec {
    /// That the level is one.
    fn check(&self) -> Result<()> {
        let (name, level, most) = match *self {
            Codec::None => return Ok(()),
            Codec::Zstd(level) => ("Zstandard", i64::from(level), 22),
            Codec::Gzip(level) => ("gzip", i64::from(level), 9),
            Codec::Blosc { level, .. } => ("Blosc", i64::from(level), 9),
        };
        // Zstandard's negative levels are faster than the first one.
        if level <= most {
            return Ok(());
        }
        let why = format!("{name} at level {level}: the highest is {most}");
        Err(Error::new(Kind::Value, why))
    }
}

impl Shuffle {
    fn name(self) -> &'static str {
        match self {
            Shuffle::None => "noshuffle",
            Shuffle::Bytes => "shuffle",
            Shuffle::Bits => "bitshuffle",
        }
    }
}

impl BloscCompressor {
    fn name(self) -> &'static str {
        match self {
            BloscCompressor::BloscLz => "blosclz",
            BloscCompressor::Lz4 => "lz4",
            BloscCompressor::Lz4Hc => "lz4hc",
            BloscCompressor::Zlib => "zlib",
            BloscCompressor::Zstd => "zstd",
        }
    }
}

/// A new array's metadata.
pub struct Layout {
    pub info: ArrayInfo,
    /// Names and contents; the last one makes the array visible.
    pub files: Vec<(&'static str, Vec<u8>)>,
}

fn largest(grid: &Chunks) -> Vec<usize> {
    grid.0.iter().map(|axis| axis.largest().max(1)).collect()
}

fn text(document: &Value) -> Vec<u8> {
    let mut text = format!("{document:#}");
    text.push('\n');
    text.into_bytes()
}

/// A value as both versions write it.
fn fill_json(value: Scalar) -> Value {
    let float = |value: f64| {
        if value.is_nan() {
            json!("NaN")
        } else if value.is_infinite() {
            json!(if value > 0.0 { "Infinity" } else { "-Infinity" })
        } else {
            json!(value)
        }
    };
    match value {
        Scalar::Bool(v) => json!(v),
        Scalar::I8(v) => json!(v),
        Scalar::I16(v) => json!(v),
        Scalar::I32(v) => json!(v),
        Scalar::I64(v) => json!(v),
        Scalar::U8(v) => json!(v),
        Scalar::U16(v) => json!(v),
        Scalar::U32(v) => json!(v),
        Scalar::U64(v) => json!(v),
        Scalar::F32(v) => float(f64::from(v)),
        Scalar::F64(v) => float(v),
        Scalar::Complex64(v) => json!([float(f64::from(v.re)), float(f64::from(v.im))]),
        Scalar::Complex128(v) => json!([float(v.re), float(v.im)]),
    }
}

/// That a new array can have a name.
pub fn check_name(path: &std::path::Path) -> Result<()> {
    match path.file_name() {
        Some(_) => Ok(()),
        None => Err(refuse(
            "the path has no last part that could be the array's name",
        )),
    }
}
