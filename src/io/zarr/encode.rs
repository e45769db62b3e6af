//! From elements to the bytes of a chunk's file.

use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn, Slice};
use zarrs::array::codec::api::{ArrayBytes, ArrayToBytesCodecTraits};

use super::codecs::{non_zero, one_thread};
use super::metadata::ArrayInfo;
use crate::base::dtype::DType;
use crate::base::element::Element;
use crate::error::{BoxError, Error};
use crate::io::position;

/// Encodes one chunk, or one shard, from its elements.
///
/// A chunk that reaches beyond the end of the array is filled up with fill values, as others do.
pub fn encode<T: Element>(
    info: &ArrayInfo,
    values: ArrayViewD<'_, T>,
) -> Result<Vec<u8>, BoxError> {
    if values.shape() == info.file_shape {
        return match values.as_slice() {
            Some(slice) => encode_bytes(info, position::bytes_of(slice)),
            None => {
                let copied: Vec<T> = values.iter().copied().collect();
                encode_bytes(info, position::bytes_of(&copied))
            }
        };
    }
    let mut padded = ArrayD::from_elem(IxDyn(&info.file_shape), fill::<T>(info));
    let mut part = padded.view_mut();
    for (axis, &len) in values.shape().iter().enumerate() {
        part.slice_axis_inplace(Axis(axis), Slice::from(0..len));
    }
    part.assign(&values);
    let padded = padded.into_raw_vec_and_offset().0;
    encode_bytes(info, position::bytes_of(&padded))
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

/// The bytes that encoding one chunk holds beside its elements and what a compressor has for itself.
pub fn scratch_bytes(info: &ArrayInfo) -> usize {
    let bytes = |shape: &[usize]| {
        shape
            .iter()
            .copied()
            .fold(info.dtype.size(), usize::saturating_mul)
    };
    let (file, unit) = (bytes(&info.file_shape), bytes(&info.unit_shape));
    let padded = info
        .files
        .0
        .iter()
        .zip(&info.file_shape)
        .any(|(axis, &size)| {
            // Shorter chunks are at the end of the array, or are the array.
            axis.len() % size != 0
        });
    let encoded = info.codecs.most_encoded(&info.file_shape);
    let swapped = cfg!(target_endian = "big") && info.dtype != DType::Bool;
    let copies = usize::from(padded) + usize::from(swapped);
    encoded
        .saturating_add(file.saturating_mul(copies))
        // A shard's inner chunks are taken out of it, and encoded, one by one.
        .saturating_add(if info.is_sharded() {
            unit.saturating_mul(2)
                .saturating_add(info.codecs.unit.most_encoded)
        } else {
            0
        })
}
