//! From the bytes of a chunk's file to elements.
//!
//! The steps are those of `zarrs`, with two differences. What a step may give is known beforehand, and more is
//! refused before it is allocated: a damaged or malicious chunk must not end the process. And the last step
//! writes straight to where the elements belong, where it can.

use std::num::NonZeroU64;
use std::sync::{Arc, LazyLock};

use flate2::bufread::{GzDecoder, ZlibDecoder};
use serde_json::Value;
use std::io::Read;
use zarrs::array::codec::api::{ArrayToBytesCodecTraits, BytesToBytesCodecTraits};
use zarrs::array::codec::{
    BloscCodec, BytesCodec, CodecChain, GzipCodec, ShardingCodec, ShardingCodecConfiguration,
    ShardingIndexLocation, TransposeCodec, ZlibCodec, ZstdCodec,
};
use zarrs::array::{BytesRepresentation, CodecMetadataOptions, CodecOptions, DataType, FillValue};
use zarrs::metadata::v3::MetadataV3;
use zarrs::plugin::ZarrVersion;

use super::metadata::{invalid, refuse};
use super::stream::{Encoder, Stream};
use crate::base::dtype::DType;
use crate::error::{BoxError, Result};

/// What a decompressor has beside its input and output.
const WORKSPACE: usize = 256 << 10;

/// How the files of an array are decoded.
pub struct Codecs {
    /// How a unit is decoded: a chunk, or the inner chunk of a shard.
    pub unit: Decoder,
    pub shards: Option<Shards>,
    /// All of it, for encoding.
    pub chain: Arc<CodecChain>,
    /// How a file is encoded piece by piece; `None` if `chain` must be given all of it.
    pub stream: Option<Stream>,
    /// What the encoders of a unit allocate for themselves.
    pub encoder_bytes: usize,
    pub data_type: DataType,
    pub fill: FillValue,
}

/// How a shard says where its inner chunks are: a table of offsets and lengths.
pub struct Shards {
    pub inner: Vec<usize>,
    /// The inner chunks along each axis of a shard.
    pub counts: Vec<usize>,
    pub at_end: bool,
    pub index: Decoder,
    /// The bytes of the encoded table.
    pub index_bytes: usize,
}

impl Codecs {
    pub fn new(
        metadata: &[MetadataV3],
        file_shape: &[usize],
        dtype: DType,
        data_type: DataType,
        fill: FillValue,
    ) -> Result<Codecs> {
        let chain = Arc::new(CodecChain::from_metadata(metadata).map_err(invalid)?);
        let shards = shards(&chain, metadata, file_shape)?;
        let (unit_chain, unit_shape) = match &shards {
            Some((configuration, _)) => (
                Arc::new(CodecChain::from_metadata(&configuration.0).map_err(invalid)?),
                configuration.1.clone(),
            ),
            None => (chain.clone(), file_shape.to_vec()),
        };
        let unit = Decoder::new(&unit_chain, &unit_shape, dtype, &data_type, &fill)?;
        let encoders: Vec<Encoder> = unit_chain
            .bytes_to_bytes_codecs()
            .iter()
            .map(|codec| Encoder::of(&**codec))
            .collect();
        Ok(Codecs {
            encoder_bytes: encoders
                .iter()
                .map(|encoder| encoder.own_bytes())
                .fold(0, usize::saturating_add),
            stream: match (&shards, &unit.plain) {
                (None, Some(plain)) => Stream::new(plain, encoders),
                _ => None,
            },
            unit,
            shards: shards.map(|(_, shards)| shards),
            chain,
            data_type,
            fill,
        })
    }

    pub fn is_sharded(&self) -> bool {
        self.shards.is_some()
    }

    /// The most bytes that a file has after encoding.
    pub fn most_encoded(&self, file_shape: &[usize]) -> usize {
        let size =
            self.chain
                .encoded_representation(&non_zero(file_shape), &self.data_type, &self.fill);
        let bytes = file_shape
            .iter()
            .copied()
            .fold(self.fill.size(), usize::saturating_mul);
        most(size.unwrap_or(BytesRepresentation::UnboundedSize), bytes)
    }

    pub fn unit_shape(&self, file_shape: &[usize]) -> Result<Vec<usize>> {
        Ok(match &self.shards {
            Some(shards) => shards.inner.clone(),
            None => file_shape.to_vec(),
        })
    }
}

/// The codecs and the shape of inner chunks.
type Inner = (Vec<MetadataV3>, Vec<usize>);

/// The shards, if inner chunks can be read by themselves: nothing is done to the shard as a whole.
fn shards(
    chain: &CodecChain,
    metadata: &[MetadataV3],
    file_shape: &[usize],
) -> Result<Option<(Inner, Shards)>> {
    let sharded = chain.array_to_bytes_codec().as_any().is::<ShardingCodec>();
    let alone =
        chain.array_to_array_codecs().is_empty() && chain.bytes_to_bytes_codecs().is_empty();
    let found = metadata
        .iter()
        .find(|codec| codec.name() == "sharding_indexed");
    let (true, true, Some(found)) = (sharded, alone, found) else {
        return Ok(None);
    };
    let configuration: ShardingCodecConfiguration =
        found.to_typed_configuration().map_err(invalid)?;
    let ShardingCodecConfiguration::V1(configuration) = configuration else {
        return Ok(None);
    };
    let inner: Vec<usize> = configuration
        .chunk_shape
        .iter()
        .map(|len| usize::try_from(len.get()))
        .collect::<std::result::Result<_, _>>()
        .map_err(invalid)?;
    let fits = inner.len() == file_shape.len()
        && inner
            .iter()
            .zip(file_shape)
            .all(|(inner, outer)| outer.is_multiple_of(*inner));
    if !fits {
        return Err(refuse(format!(
            "its inner chunks of {inner:?} do not divide its shards of {file_shape:?}"
        )));
    }
    let counts: Vec<usize> = inner
        .iter()
        .zip(file_shape)
        .map(|(inner, outer)| outer / inner)
        .collect();
    let mut index_shape = counts.clone();
    index_shape.push(2);
    let index_chain = CodecChain::from_metadata(&configuration.index_codecs).map_err(invalid)?;
    let numbers = DataType::from_metadata(&MetadataV3::new("uint64")).map_err(invalid)?;
    let missing = FillValue::from(u64::MAX);
    crate::base::shape::check_shape(&index_shape, size_of::<u64>())
        .map_err(|error| refuse(format!("its shards have too many inner chunks: {error}")))?;
    let index = Decoder::new(&index_chain, &index_shape, DType::U64, &numbers, &missing)?;
    let size = index_chain
        .encoded_representation(&non_zero(&index_shape), &numbers, &missing)
        .map_err(invalid)?;
    let BytesRepresentation::FixedSize(bytes) = size else {
        return Err(refuse("the index of its shards has no fixed length"));
    };
    let shards = Shards {
        inner: inner.clone(),
        counts,
        at_end: configuration.index_location == ShardingIndexLocation::End,
        index,
        index_bytes: usize::try_from(bytes).map_err(invalid)?,
    };
    Ok(Some(((configuration.codecs, inner), shards)))
}

/// One codec at a time: threads are Flagstone's business.
pub fn one_thread() -> CodecOptions {
    // The default asks Rayon for its threads, and would start those of its global pool for that.
    static OPTIONS: LazyLock<CodecOptions> = LazyLock::new(|| {
        let options = || CodecOptions::default().with_concurrent_target(1);
        match rayon::ThreadPoolBuilder::new().num_threads(1).build() {
            Ok(pool) => pool.install(options),
            Err(_) => options(),
        }
    });
    *OPTIONS
}

pub fn non_zero(shape: &[usize]) -> Vec<NonZeroU64> {
    shape
        .iter()
        .map(|&len| NonZeroU64::new(len as u64).expect("chunk shapes were checked"))
        .collect()
}

/// How the bytes of one unit become its elements.
pub struct Decoder {
    shape: Vec<NonZeroU64>,
    data_type: DataType,
    fill: FillValue,
    /// The bytes of the unit's elements.
    bytes: usize,
    /// From decompressed bytes to elements in C order.
    array: CodecChain,
    /// How decompressed bytes are elements as they are; `None` if `array` must be asked.
    pub plain: Option<Plain>,
    /// In the order of decoding.
    steps: Vec<Step>,
    /// The most bytes that an encoded unit can have, with some room for encoders that are less tight.
    pub most_encoded: usize,
}

/// Elements in C order of permuted axes.
pub struct Plain {
    /// Axis `i` of what is stored is axis `order[i]` of the array.
    pub order: Vec<usize>,
    pub swapped: bool,
}

struct Step {
    codec: Arc<dyn BytesToBytesCodecTraits>,
    kind: StepKind,
    /// What the step gives.
    gives: BytesRepresentation,
    most: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum StepKind {
    Zstd,
    Gzip,
    Zlib,
    Blosc,
    Other,
}

impl Decoder {
    fn new(
        chain: &CodecChain,
        shape: &[usize],
        dtype: DType,
        data_type: &DataType,
        fill: &FillValue,
    ) -> Result<Decoder> {
        let bytes = shape.iter().product::<usize>() * dtype.size();
        let shape = non_zero(shape);
        let array = CodecChain::new(
            chain.array_to_array_codecs().to_vec(),
            chain.array_to_bytes_codec().clone(),
            Vec::new(),
        );
        let mut gives = array
            .encoded_representation(&shape, data_type, fill)
            .map_err(invalid)?;
        let mut steps = Vec::new();
        for codec in chain.bytes_to_bytes_codecs() {
            let kind = kind_of(&**codec);
            steps.push(Step {
                codec: codec.clone(),
                kind,
                gives,
                most: most(gives, bytes),
            });
            gives = codec.encoded_representation(&gives);
        }
        steps.reverse();
        let encoded = most(gives, bytes);
        let most_encoded = if steps.is_empty() && gives.size() == Some(bytes as u64) {
            bytes
        } else {
            encoded.saturating_add(encoded / 64).saturating_add(4 << 10)
        };
        Ok(Decoder {
            plain: plain(&array, dtype, shape.len()),
            shape,
            data_type: data_type.clone(),
            fill: fill.clone(),
            bytes,
            array,
            steps,
            most_encoded,
        })
    }

    /// Whether the encoded bytes are the elements, so that parts of them can be read.
    pub fn is_raw(&self) -> bool {
        self.steps.is_empty() && self.plain.is_some()
    }

    /// The bytes that decoding one unit holds, its input and its elements included.
    pub fn scratch_bytes(&self) -> usize {
        if self.is_raw() {
            return super::super::raw::SCRATCH_BYTES;
        }
        // The last step writes where the elements are wanted, if it can: to the destination or, where that is only a
        // part of the unit, to a buffer of a whole one.
        let between: usize = self
            .steps
            .iter()
            .enumerate()
            .filter(|(number, step)| {
                let last = number + 1 == self.steps.len();
                !(last && self.plain.is_some() && step.writes_in_place())
            })
            .map(|(_, step)| step.most)
            .fold(0, usize::saturating_add);
        // Codecs of arrays (unpacking, say) copy once more.
        let copies = if self.plain.is_some() { 1 } else { 3 };
        self.most_encoded
            .saturating_add(between)
            .saturating_add(self.bytes.saturating_mul(copies))
            .saturating_add(WORKSPACE)
    }

    /// Decodes a unit into `out`, which has the bytes of its elements: as `plain` says, else in C order.
    pub fn decode(&self, encoded: Vec<u8>, out: &mut [u8]) -> std::result::Result<(), BoxError> {
        let (last, first) = match self.steps.split_last() {
            Some((last, first)) if self.plain.is_some() => (Some(last), first),
            _ => (None, &self.steps[..]),
        };
        let mut bytes = encoded;
        for step in first {
            bytes = step.decode(bytes)?;
        }
        match last {
            Some(last) => last.decode_into(bytes, out),
            None if self.plain.is_some() => copy_exactly(&bytes, out),
            None => {
                let decoded = self.array.decode(
                    bytes.into(),
                    &self.shape,
                    &self.data_type,
                    &self.fill,
                    &one_thread(),
                )?;
                copy_exactly(&decoded.into_fixed()?, out)
            }
        }
    }
}

fn copy_exactly(bytes: &[u8], out: &mut [u8]) -> std::result::Result<(), BoxError> {
    if bytes.len() != out.len() {
        return Err(length_error(bytes.len(), out.len()));
    }
    out.copy_from_slice(bytes);
    Ok(())
}

fn length_error(found: usize, expected: usize) -> BoxError {
    format!("it holds {found} bytes, and its elements are {expected}").into()
}

/// The most bytes of a representation; what has no bound gets a generous one.
fn most(representation: BytesRepresentation, bytes: usize) -> usize {
    match representation.size() {
        Some(size) => usize::try_from(size).unwrap_or(usize::MAX),
        None => bytes.saturating_mul(2).saturating_add(1 << 20),
    }
}

fn kind_of(codec: &dyn BytesToBytesCodecTraits) -> StepKind {
    let codec = codec.as_any();
    if codec.is::<ZstdCodec>() {
        StepKind::Zstd
    } else if codec.is::<GzipCodec>() {
        StepKind::Gzip
    } else if codec.is::<ZlibCodec>() {
        StepKind::Zlib
    } else if codec.is::<BloscCodec>() {
        StepKind::Blosc
    } else {
        StepKind::Other
    }
}

/// Whether the codecs of arrays only permute axes and order bytes.
fn plain(array: &CodecChain, dtype: DType, ndim: usize) -> Option<Plain> {
    let options = CodecMetadataOptions::default();
    let bytes = array.array_to_bytes_codec();
    if !bytes.as_any().is::<BytesCodec>() {
        return None;
    }
    let endian = bytes
        .configuration(ZarrVersion::V3, &options)
        .and_then(|configuration| configuration.get("endian").cloned());
    let swapped = match endian.as_ref().and_then(Value::as_str) {
        Some("big") => cfg!(target_endian = "little"),
        Some("little") => cfg!(target_endian = "big"),
        _ if dtype.size() == 1 => false,
        _ => return None,
    };
    let mut order: Vec<usize> = (0..ndim).collect();
    for codec in array.array_to_array_codecs() {
        if !codec.as_any().is::<TransposeCodec>() {
            return None;
        }
        let next = codec
            .configuration(ZarrVersion::V3, &options)?
            .get("order")?
            .as_array()?
            .iter()
            .map(|axis| usize::try_from(axis.as_u64()?).ok())
            .collect::<Option<Vec<usize>>>()?;
        let mut seen = next.clone();
        seen.sort_unstable();
        if !seen.iter().copied().eq(0..ndim) {
            return None;
        }
        order = next.iter().map(|&axis| order[axis]).collect();
    }
    Some(Plain {
        order,
        swapped: swapped && dtype.size() > 1,
    })
}

impl Step {
    /// Whether `decode_into` needs no buffer of its own.
    fn writes_in_place(&self) -> bool {
        matches!(self.kind, StepKind::Zstd | StepKind::Gzip | StepKind::Zlib)
    }

    fn decode(&self, bytes: Vec<u8>) -> std::result::Result<Vec<u8>, BoxError> {
        let limit = self.most as u64 + 1;
        let mut out = Vec::new();
        match self.kind {
            StepKind::Zstd => {
                let decoder = zstd::Decoder::with_buffer(&bytes[..])?;
                decoder.take(limit).read_to_end(&mut out)?;
            }
            StepKind::Gzip => {
                GzDecoder::new(&bytes[..])
                    .take(limit)
                    .read_to_end(&mut out)?;
            }
            StepKind::Zlib => {
                ZlibDecoder::new(&bytes[..])
                    .take(limit)
                    .read_to_end(&mut out)?;
            }
            StepKind::Blosc | StepKind::Other => {
                if self.kind == StepKind::Blosc {
                    self.check_blosc(&bytes)?;
                }
                let decoded = self
                    .codec
                    .decode(bytes.into(), &self.gives, &one_thread())?;
                out = decoded.into_owned();
            }
        }
        if out.len() > self.most {
            return Err(format!("it decodes to more than {} bytes", self.most).into());
        }
        Ok(out)
    }

    /// The last step, straight to where the bytes belong.
    fn decode_into(&self, bytes: Vec<u8>, out: &mut [u8]) -> std::result::Result<(), BoxError> {
        match self.kind {
            StepKind::Zstd => {
                let found = zstd::bulk::Decompressor::new()?
                    .decompress_to_buffer(&bytes, out)
                    .map_err(|error| format!("Zstandard: {error}"))?;
                if found != out.len() {
                    return Err(length_error(found, out.len()));
                }
                Ok(())
            }
            StepKind::Gzip => read_exactly(GzDecoder::new(&bytes[..]), out),
            StepKind::Zlib => read_exactly(ZlibDecoder::new(&bytes[..]), out),
            StepKind::Blosc | StepKind::Other => copy_exactly(&self.decode(bytes)?, out),
        }
    }

    /// Blosc's header says how much it will allocate.
    fn check_blosc(&self, bytes: &[u8]) -> std::result::Result<(), BoxError> {
        let Some(&[a, b, c, d]) = bytes.get(4..8).and_then(|size| size.first_chunk::<4>()) else {
            return Err("it ends within the header of Blosc".into());
        };
        let size = u32::from_le_bytes([a, b, c, d]) as usize;
        if size > self.most {
            return Err(format!("it claims {size} bytes, and {} are the most", self.most).into());
        }
        Ok(())
    }
}

/// Fills `out` and sees that nothing follows; the end also checks the check sum.
fn read_exactly(mut from: impl Read, out: &mut [u8]) -> std::result::Result<(), BoxError> {
    from.read_exact(out)
        .map_err(|error| format!("decompressing {} bytes: {error}", out.len()))?;
    if from.read(&mut [0])? > 0 {
        return Err(format!("it decodes to more than {} bytes", out.len()).into());
    }
    Ok(())
}
