//! From elements to the bytes of a chunk's file.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use flate2::Crc;
use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn, Slice};
use zarrs::array::codec::api::{ArrayBytes, ArrayToBytesCodecTraits};

use super::codecs::{non_zero, one_thread};
use super::files;
use super::journal::Entry;
use super::metadata::ArrayInfo;
use crate::base::dtype::DType;
use crate::base::element::Element;
use crate::error::{BoxError, Error};
use crate::io::position;

/// Writes one chunk, or one shard, into its file, and says what the file is; the check sum only if `checked`.
///
/// A chunk that reaches beyond the end of the array is filled up with fill values, as others do. The file appears
/// whole, or not at all, and then it is the one that was there before.
pub fn write<T: Element>(
    info: &ArrayInfo,
    values: ArrayViewD<'_, T>,
    path: &Path,
    sync: bool,
    checked: bool,
) -> Result<Entry, BoxError> {
    let crc = checked.then(Crc::new);
    if let Some(stream) = &info.codecs.stream {
        return Ok(files::write_with(path, sync, |file| {
            let mut into = Counted {
                file,
                bytes: 0,
                crc,
            };
            stream.write(values, &info.file_shape, fill::<T>(info), &mut into)?;
            Ok(into.entry())
        })?);
    }
    let bytes = encode(info, values)?;
    Ok(files::write_with(path, sync, |file| {
        let mut into = Counted {
            file,
            bytes: 0,
            crc,
        };
        into.write_all(&bytes)?;
        Ok(into.entry())
    })?)
}

/// A file, what was written into it, and its check sum, if anyone wants it.
struct Counted<'a> {
    file: &'a mut File,
    bytes: u64,
    crc: Option<Crc>,
}

impl Counted<'_> {
    fn entry(&self) -> Entry {
        Entry {
            bytes: self.bytes,
            crc: self.crc.as_ref().map_or(0, Crc::sum),
        }
    }
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.bytes += count as u64;
        if let Some(crc) = &mut self.crc {
            crc.update(&bytes[..count]);
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Encodes one chunk, or one shard, by codecs that want all of it.
fn encode<T: Element>(info: &ArrayInfo, values: ArrayViewD<'_, T>) -> Result<Vec<u8>, BoxError> {
    if values.shape() == info.file_shape
        && let Some(slice) = values.as_slice()
    {
        return encode_bytes(info, position::bytes_of(slice));
    }
    let mut whole = ArrayD::from_elem(IxDyn(&info.file_shape), fill::<T>(info));
    let mut part = whole.view_mut();
    for (axis, &len) in values.shape().iter().enumerate() {
        part.slice_axis_inplace(Axis(axis), Slice::from(0..len));
    }
    part.assign(&values);
    let whole = whole.into_raw_vec_and_offset().0;
    encode_bytes(info, position::bytes_of(&whole))
}

fn encode_bytes(info: &ArrayInfo, bytes: &[u8]) -> Result<Vec<u8>, BoxError> {
    let codecs = &info.codecs;
    let encoded = codecs
        .chain
        .encode(
            ArrayBytes::new_flen(bytes),
            &non_zero(&info.file_shape),
            &codecs.data_type,
            &codecs.fill,
            &one_thread(),
        )
        .map_err(|error| Error::wrap(crate::error::Kind::Io, "encoding it", error.into()))?;
    Ok(encoded.into_owned())
}

/// The fill value as an element.
pub fn fill<T: Element>(info: &ArrayInfo) -> T {
    let mut fill = [T::default()];
    let Ok(()) = position::fill(&mut fill, false, |out| {
        out.copy_from_slice(&info.fill);
        Ok::<(), std::convert::Infallible>(())
    });
    fill[0]
}

/// The bytes that writing one chunk holds beside its elements.
pub fn scratch_bytes(info: &ArrayInfo) -> usize {
    let bytes = |shape: &[usize]| {
        shape
            .iter()
            .copied()
            .fold(info.dtype.size(), usize::saturating_mul)
    };
    let codecs = &info.codecs;
    let (file, unit) = (bytes(&info.file_shape), bytes(&info.unit_shape));
    if let Some(stream) = &codecs.stream {
        return stream.scratch_bytes(file);
    }
    let swapped = cfg!(target_endian = "big") && info.dtype != DType::Bool;
    // Elements that do not lie side by side, or reach beyond the end of the array, are copied first.
    let copies = 1 + usize::from(swapped);
    codecs
        .most_encoded(&info.file_shape)
        .saturating_add(file.saturating_mul(copies))
        .saturating_add(codecs.encoder_bytes)
        // A shard's inner chunks are taken out of it, and encoded, one by one.
        .saturating_add(if info.is_sharded() {
            unit.saturating_mul(2)
                .saturating_add(codecs.unit.most_encoded)
        } else {
            0
        })
}

#[cfg(test)]
mod tests {
    use num_complex::Complex;
    use serde_json::{Map, Value, json};
    use zarrs::array::ArrayMetadataV3;

    use super::*;

    const ZSTD: &str = r#"{"name": "zstd", "configuration": {"level": 1, "checksum": false}}"#;
    /// Chains of codecs behind `bytes`, and whether they are written piece by piece.
    const CHAINS: &[(&[&str], bool)] = &[
        (&[], true),
        (&[ZSTD], true),
        (
            &[r#"{"name": "zstd", "configuration": {"level": 7, "checksum": true}}"#],
            true,
        ),
        (
            &[r#"{"name": "zstd", "configuration": {"level": -5, "checksum": true}}"#],
            true,
        ),
        (
            &[r#"{"name": "gzip", "configuration": {"level": 0}}"#],
            true,
        ),
        (
            &[r#"{"name": "gzip", "configuration": {"level": 6}}"#],
            true,
        ),
        (
            &[r#"{"name": "numcodecs.zlib", "configuration": {"level": 3}}"#],
            true,
        ),
        (&[r#"{"name": "crc32c"}"#], true),
        (&[ZSTD, r#"{"name": "crc32c"}"#], true),
        (&[r#"{"name": "crc32c"}"#, ZSTD], true),
        (
            &[ZSTD, r#"{"name": "gzip", "configuration": {"level": 1}}"#],
            true,
        ),
        (
            &[
                r#"{"name": "blosc", "configuration": {"cname": "lz4", "clevel": 1, "shuffle": "noshuffle", "blocksize": 0}}"#,
            ],
            false,
        ),
    ];

    fn info(dtype: DType, chunk: &[usize], array: &[Value], codecs: &[&str]) -> ArrayInfo {
        let codecs = codecs
            .iter()
            .map(|text| serde_json::from_str(text).unwrap());
        let codecs: Vec<Value> = array.iter().cloned().chain(codecs).collect();
        let complex = matches!(dtype, DType::Complex64 | DType::Complex128);
        let document = json!({
            "zarr_format": 3, "node_type": "array", "shape": chunk, "data_type": dtype.name(),
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk}},
            "chunk_key_encoding": {"name": "default"},
            "fill_value": match dtype {
                DType::Bool => json!(true),
                _ if complex => json!([7.0, -1.0]),
                _ => json!(7),
            },
            "codecs": codecs,
        });
        let metadata: ArrayMetadataV3 = serde_json::from_value(document).unwrap();
        ArrayInfo::new(3, &metadata, Map::new()).unwrap()
    }

    fn number(n: usize) -> u64 {
        let mixed = (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // Half of the bits repeat.
        (mixed >> 32) & if n.is_multiple_of(3) { 0xff } else { u64::MAX }
    }

    /// What is written is what the chain of `zarrs` decodes to the elements.
    fn check<T: Element + PartialEq>(info: &ArrayInfo, values: ArrayViewD<'_, T>, what: &str) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c/0");
        let mut whole = ArrayD::from_elem(IxDyn(&info.file_shape), fill::<T>(info));
        let mut part = whole.view_mut();
        for (axis, &len) in values.shape().iter().enumerate() {
            part.slice_axis_inplace(Axis(axis), Slice::from(0..len));
        }
        part.assign(&values);
        let large = whole.len() > 1000;
        for checked in if large { &[true][..] } else { &[true, false] } {
            let (checked, path) = (*checked, path.as_path());
            let entry = write(info, values.view(), path, false, checked).unwrap();
            let bytes = std::fs::read(path).unwrap();
            assert_eq!(entry.bytes, bytes.len() as u64, "{what}");
            let crc = if checked {
                super::super::journal::crc_of(&bytes)
            } else {
                0
            };
            assert_eq!(entry.crc, crc, "{what}");
            assert_eq!(
                std::fs::read_dir(folder.path().join("c")).unwrap().count(),
                1
            );
            let most = info.codecs.most_encoded(&info.file_shape);
            assert!(bytes.len() <= most, "{what}: {} of {most}", bytes.len());
            let decoded = info
                .codecs
                .chain
                .decode(
                    bytes.into(),
                    &non_zero(&info.file_shape),
                    &info.codecs.data_type,
                    &info.codecs.fill,
                    &one_thread(),
                )
                .unwrap_or_else(|error| panic!("{what}: {error}"));
            let decoded = decoded.into_fixed().unwrap();
            let expected = position::bytes_of(whole.as_slice().unwrap());
            assert!(*decoded == *expected, "{what}: other bytes");
        }
    }

    fn all_chains<T: Element + PartialEq>(make: impl Fn(usize) -> T) {
        // The last ones are many pieces: rows, parts of rows, single elements of a long last axis.
        for chunk in [
            vec![],
            vec![1],
            vec![5],
            vec![4, 3, 6],
            vec![3, 40_000],
            vec![70, 30, 40],
            vec![2, 2, 33_001],
        ] {
            let n: usize = chunk.iter().product();
            let values: Vec<T> = (0..n).map(&make).collect();
            let values = ArrayD::from_shape_vec(IxDyn(&chunk), values).unwrap();
            let reversed: Vec<usize> = (0..chunk.len()).rev().collect();
            let large = n > 1000;
            for order in ["little", "big"] {
                for transposed in [false, true] {
                    for (number, (codecs, streams)) in CHAINS.iter().enumerate() {
                        // Each way to cut pieces once, and each codec with one of them.
                        let usual = order == "little" && !transposed && T::DTYPE == DType::F64;
                        if large && number > 1 && !(usual && *streams) {
                            continue;
                        }
                        let mut array = Vec::new();
                        if transposed && !chunk.is_empty() {
                            array.push(
                                json!({"name": "transpose", "configuration": {"order": reversed}}),
                            );
                        }
                        array.push(match T::DTYPE.size() {
                            1 => json!({"name": "bytes"}),
                            _ => json!({"name": "bytes", "configuration": {"endian": order}}),
                        });
                        let info = info(T::DTYPE, &chunk, &array, codecs);
                        let what = format!("{} {chunk:?} {array:?} {codecs:?}", T::DTYPE);
                        assert_eq!(info.codecs.stream.is_some(), *streams, "{what}");
                        check(&info, values.view(), &what);
                        // At the end of an array, and where elements do not lie side by side.
                        let mut shorter = values.view();
                        for (axis, &len) in chunk.iter().enumerate() {
                            let len = len.div_ceil(axis + 2);
                            shorter.slice_axis_inplace(Axis(axis), Slice::from(0..len));
                        }
                        check(&info, shorter, &what);
                        let stored = values.t().as_standard_layout().into_owned();
                        check(&info, stored.t(), &what);
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_written_in_pieces_decodes_to_the_elements() {
        all_chains(|n| number(n) % 2 == 1);
        all_chains(|n| number(n) as i16);
        all_chains(|n| f64::from(number(n) as u32));
        all_chains(|n| Complex::new(number(n) as f32, -(number(n + 1) as f32)));
    }

    /// Readers that allocate what a frame announces need it to announce something.
    #[test]
    fn frames_say_how_long_their_content_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0");
        let bytes = [json!({"name": "bytes", "configuration": {"endian": "little"}})];
        for len in [1, 100, 40_000, 1_000_000] {
            let info = info(DType::F64, &[len], &bytes, &[ZSTD]);
            for values in [
                ArrayD::<f64>::ones(IxDyn(&[len])),
                ArrayD::ones(IxDyn(&[1])),
            ] {
                write(&info, values.view(), &path, false, false).unwrap();
                let frame = std::fs::read(&path).unwrap();
                let found = zstd::zstd_safe::get_frame_content_size(&frame).unwrap();
                assert_eq!(found, Some(len as u64 * 8));
            }
        }
    }

    /// A large chunk is written with what its codec has for itself, and a buffer.
    #[test]
    fn a_large_chunk_needs_no_second_one() {
        let bytes = [json!({"name": "bytes", "configuration": {"endian": "little"}})];
        for (codecs, _) in CHAINS.iter().filter(|(_, streams)| *streams) {
            let info = info(DType::F64, &[1 << 24], &bytes, codecs);
            let own = info.codecs.encoder_bytes;
            assert!(scratch_bytes(&info) <= own + (256 << 10), "{codecs:?}");
            assert!(own <= 128 << 20, "{codecs:?}");
        }
        let small = info(DType::F64, &[10], &bytes, &[]);
        assert_eq!(scratch_bytes(&small), 80);
    }
}
