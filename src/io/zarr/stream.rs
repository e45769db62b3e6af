//! From elements to a chunk's file, without a second copy of the chunk in memory.
//!
//! Codecs that see bytes in one direction only become writers, each of which writes into the next one, and the last
//! one into the file. What they hold is their own, whatever the length of the chunk.

use std::io::{self, Write};

use flate2::write::{GzEncoder, ZlibEncoder};
use ndarray::{ArrayViewD, ArrayViewMutD, Axis, IxDyn, Slice};
use serde_json::Value;
use zarrs::array::CodecMetadataOptions;
use zarrs::array::codec::api::BytesToBytesCodecTraits;
use zarrs::array::codec::{BloscCodec, Crc32cCodec, GzipCodec, ZlibCodec, ZstdCodec};
use zarrs::plugin::ZarrVersion;

use super::codecs::{Plain, one_thread};
use crate::base::chunks::unravel;
use crate::base::element::Element;
use crate::io::position;

const MIB: usize = 1 << 20;

/// How many bytes are put in order, compressed and written at a time: they stay in a core's own cache.
const PIECE: usize = 256 << 10;

/// What makes an encoded chunk of bytes, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoder {
    Zstd { level: i32, checksum: bool },
    Gzip { level: u32 },
    Zlib { level: u32 },
    Crc32c,
    Blosc { zstd: bool },
    Other,
}

impl Encoder {
    pub fn of(codec: &dyn BytesToBytesCodecTraits) -> Encoder {
        let configuration = codec.configuration(ZarrVersion::V3, &CodecMetadataOptions::default());
        let value = |key: &str| configuration.as_ref().and_then(|found| found.get(key));
        let level = || value("level").and_then(Value::as_i64);
        let unsigned = || level().and_then(|level| u32::try_from(level).ok());
        let kind = codec.as_any();
        let found = if kind.is::<ZstdCodec>() {
            let level = level().and_then(|level| i32::try_from(level).ok());
            let checksum = value("checksum").and_then(Value::as_bool);
            level
                .zip(checksum)
                .map(|(level, checksum)| Encoder::Zstd { level, checksum })
        } else if kind.is::<GzipCodec>() {
            unsigned().map(|level| Encoder::Gzip { level })
        } else if kind.is::<ZlibCodec>() {
            unsigned().map(|level| Encoder::Zlib { level })
        } else if kind.is::<Crc32cCodec>() {
            // numcodecs has one that puts the sum before the bytes, and does not say so here.
            let probe = codec.encode(vec![0].into(), &one_thread());
            let behind = probe.is_ok_and(|probe| probe.first() == Some(&0));
            behind.then_some(Encoder::Crc32c)
        } else if kind.is::<BloscCodec>() {
            let zstd = value("cname").and_then(Value::as_str) == Some("zstd");
            Some(Encoder::Blosc { zstd })
        } else {
            None
        };
        found.unwrap_or(Encoder::Other)
    }

    fn streams(self) -> bool {
        !matches!(self, Encoder::Blosc { .. } | Encoder::Other)
    }

    /// What it allocates for itself, roughly and rather too much.
    pub fn own_bytes(self) -> usize {
        match self {
            Encoder::Zstd { level: ..=3, .. } => 4 * MIB,
            Encoder::Zstd { level: 4..=9, .. } => 16 * MIB,
            Encoder::Zstd { level: 10..=19, .. } => 96 * MIB,
            Encoder::Zstd { .. } => 800 * MIB,
            Encoder::Gzip { .. } | Encoder::Zlib { .. } => MIB,
            Encoder::Crc32c => 0,
            Encoder::Blosc { zstd: false } => 4 * MIB,
            Encoder::Blosc { zstd: true } | Encoder::Other => 32 * MIB,
        }
    }

    /// The writer that encodes into another one; `bytes` is what it will get, if that is known.
    fn start<'a>(
        self,
        into: Box<dyn Stage + 'a>,
        bytes: Option<u64>,
    ) -> io::Result<Box<dyn Stage + 'a>> {
        Ok(match self {
            Encoder::Zstd { level, checksum } => {
                let mut encoder = zstd::Encoder::new(into, level)?;
                encoder.include_checksum(checksum)?;
                // It is said at the start of the frame then: older readers of Zarr want to know it.
                encoder.set_pledged_src_size(bytes)?;
                Box::new(encoder)
            }
            Encoder::Gzip { level } => {
                Box::new(GzEncoder::new(into, flate2::Compression::new(level)))
            }
            Encoder::Zlib { level } => {
                Box::new(ZlibEncoder::new(into, flate2::Compression::new(level)))
            }
            Encoder::Crc32c => Box::new(Checked { into, crc: 0 }),
            Encoder::Blosc { .. } | Encoder::Other => {
                return Err(io::Error::other("a codec that needs all bytes at once"));
            }
        })
    }
}

/// How a chunk is written piece by piece.
pub struct Stream {
    /// Axis `i` of what is stored is axis `order[i]` of the array.
    order: Vec<usize>,
    swapped: bool,
    /// In the order of encoding.
    encoders: Vec<Encoder>,
}

impl Stream {
    /// `None` if a codec needs all bytes at once.
    pub fn new(plain: &Plain, encoders: Vec<Encoder>) -> Option<Stream> {
        encoders
            .iter()
            .all(|encoder| encoder.streams())
            .then(|| Stream {
                order: plain.order.clone(),
                swapped: plain.swapped,
                encoders,
            })
    }

    /// Writes a chunk of `shape`. What `values` lack at the ends of the axes is filled up.
    pub fn write<T: Element>(
        &self,
        values: ArrayViewD<'_, T>,
        shape: &[usize],
        fill: T,
        into: &mut dyn Write,
    ) -> io::Result<()> {
        let mut bytes = Some((shape.iter().product::<usize>() * size_of::<T>()) as u64);
        let mut sizes = Vec::with_capacity(self.encoders.len());
        for encoder in &self.encoders {
            sizes.push(bytes);
            bytes = match encoder {
                Encoder::Crc32c => bytes.map(|bytes| bytes + 4),
                _ => None,
            };
        }
        let mut stage: Box<dyn Stage + '_> = Box::new(Last(into));
        for (encoder, bytes) in self.encoders.iter().zip(sizes).rev() {
            stage = encoder.start(stage, bytes)?;
        }
        let values = values.permuted_axes(IxDyn(&self.order));
        let shape: Vec<usize> = self.order.iter().map(|&axis| shape[axis]).collect();
        in_pieces(values, &shape, fill, self.swapped, |piece| {
            stage.write_all(piece)
        })?;
        stage.end()
    }

    /// What writing a chunk of so many bytes holds beside its elements.
    pub fn scratch_bytes(&self, chunk: usize) -> usize {
        let own = self.encoders.iter().map(|encoder| encoder.own_bytes());
        own.fold(PIECE.min(chunk), usize::saturating_add)
    }
}

/// Hands over the bytes of a whole chunk in C order, in pieces.
fn in_pieces<T: Element>(
    mut values: ArrayViewD<'_, T>,
    shape: &[usize],
    fill: T,
    swapped: bool,
    mut give: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    if values.shape() == shape
        && !swapped
        && let Some(elements) = values.as_slice()
    {
        return position::bytes_of(elements)
            .chunks(PIECE)
            .try_for_each(give);
    }
    let mut shape = shape.to_vec();
    if shape.is_empty() {
        values = values.insert_axis(Axis(0));
        shape.push(1);
    }
    // A piece is some rows along this axis: with all of the axes behind it, as far as that is not too much.
    let most = (PIECE / size_of::<T>()).max(1);
    let mut axis = shape.len() - 1;
    let mut row = 1;
    while axis > 0 && row * shape[axis] <= most {
        row *= shape[axis];
        axis -= 1;
    }
    let rows = (most / row).clamp(1, shape[axis]);
    let mut piece = Vec::with_capacity(rows * row);
    let outer = &shape[..axis];
    for number in 0..outer.iter().product() {
        let index = unravel(number, outer);
        let inside = index.iter().zip(values.shape()).all(|(at, len)| at < len);
        let part = inside.then(|| {
            let first = values.view();
            index
                .iter()
                .fold(first, |part, &at| part.index_axis_move(Axis(0), at))
        });
        for start in (0..shape[axis]).step_by(rows) {
            let end = (start + rows).min(shape[axis]);
            piece.clear();
            piece.resize((end - start) * row, fill);
            if let Some(part) = &part
                && start < part.len_of(Axis(0))
            {
                let there =
                    part.slice_axis(Axis(0), Slice::from(start..end.min(part.len_of(Axis(0)))));
                let mut lens = shape[axis..].to_vec();
                lens[0] = end - start;
                let mut out = ArrayViewMutD::from_shape(lens, &mut piece)
                    .expect("a piece has the elements of its shape");
                for (axis, &len) in there.shape().iter().enumerate() {
                    out.slice_axis_inplace(Axis(axis), Slice::from(0..len));
                }
                out.assign(&there);
            }
            if swapped {
                let Ok(()) =
                    position::fill(&mut piece, true, |_| Ok::<(), std::convert::Infallible>(()));
            }
            give(position::bytes_of(&piece))?;
        }
    }
    Ok(())
}

/// A writer that has something to say at the end.
trait Stage: Write {
    /// Writes what is left, here and in all writers behind.
    fn end(self: Box<Self>) -> io::Result<()>;
}

/// Where the encoded bytes go.
struct Last<'a>(&'a mut dyn Write);

impl Write for Last<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Stage for Last<'_> {
    fn end(mut self: Box<Self>) -> io::Result<()> {
        self.flush()
    }
}

impl<'a> Stage for zstd::Encoder<'static, Box<dyn Stage + 'a>> {
    fn end(self: Box<Self>) -> io::Result<()> {
        self.finish()?.end()
    }
}

impl<'a> Stage for GzEncoder<Box<dyn Stage + 'a>> {
    fn end(self: Box<Self>) -> io::Result<()> {
        self.finish()?.end()
    }
}

impl<'a> Stage for ZlibEncoder<Box<dyn Stage + 'a>> {
    fn end(self: Box<Self>) -> io::Result<()> {
        self.finish()?.end()
    }
}

/// Bytes, and then their check sum.
struct Checked<'a> {
    into: Box<dyn Stage + 'a>,
    crc: u32,
}

impl Write for Checked<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.into.write(bytes)?;
        self.crc = crc32c::crc32c_append(self.crc, &bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.into.flush()
    }
}

impl Stage for Checked<'_> {
    fn end(mut self: Box<Self>) -> io::Result<()> {
        self.into.write_all(&self.crc.to_le_bytes())?;
        self.into.end()
    }
}

#[cfg(test)]
mod tests {
    use zarrs::array::codec::Crc32cCodecConfiguration;
    use zstd::zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer, zstd_sys};

    use super::*;

    /// What is booked for a compressor is what it allocates, or more.
    #[test]
    fn a_compressor_keeps_to_its_bytes() {
        // The highest levels would fill 800 MiB: of level 22 the tables are (2²⁷ + 2²⁵) · 4 bytes, and the window 2²⁷.
        for level in -7..=19 {
            let mut context = CCtx::create();
            context
                .set_parameter(CParameter::CompressionLevel(level))
                .unwrap();
            context
                .set_parameter(CParameter::ChecksumFlag(true))
                .unwrap();
            context.set_pledged_src_size(Some(1 << 40)).unwrap();
            let mut out = vec![0; CCtx::out_size()];
            let go_on = zstd_sys::ZSTD_EndDirective::ZSTD_e_continue;
            let (mut out, mut piece) = (OutBuffer::around(&mut out), InBuffer::around(&[1]));
            context
                .compress_stream2(&mut out, &mut piece, go_on)
                .unwrap();
            let encoder = Encoder::Zstd {
                level,
                checksum: true,
            };
            // And the buffer of the writer around it.
            let held = context.sizeof() + CCtx::out_size();
            assert!(
                held <= encoder.own_bytes(),
                "level {level}: {held} of {}",
                encoder.own_bytes()
            );
        }
    }

    /// A check sum before the bytes is not known when they are written.
    #[test]
    fn a_check_sum_streams_at_the_end_only() {
        for (text, expected) in [
            ("{}", Encoder::Crc32c),
            (r#"{"location": "end"}"#, Encoder::Crc32c),
            (r#"{"location": "start"}"#, Encoder::Other),
        ] {
            let configuration: Crc32cCodecConfiguration = serde_json::from_str(text).unwrap();
            let codec = Crc32cCodec::new_with_configuration(&configuration);
            assert_eq!(Encoder::of(&codec), expected, "{text}");
        }
    }
}
