//! From the bytes of a stored chunk to elements.
//!
//! What a step may give is known beforehand, and more is refused before it is allocated.

use std::io::Read;

use flate2::bufread::ZlibDecoder;

use crate::error::BoxError;

/// A step of encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Zlib.
    Deflate,
    /// All first bytes of the elements, then all second ones, and so on.
    Shuffle,
    /// A check sum behind the data.
    Fletcher32,
}

/// The numbers by which files name the filters.
pub fn known(id: i32) -> Option<Filter> {
    match id {
        1 => Some(Filter::Deflate),
        2 => Some(Filter::Shuffle),
        3 => Some(Filter::Fletcher32),
        _ => None,
    }
}

/// How chunks are decoded.
#[derive(Clone, Debug)]
pub struct Decoder {
    filters: Vec<Filter>,
    item: usize,
    bytes: usize,
}

impl Decoder {
    /// For chunks of `bytes` bytes of elements of `item` bytes each, that went through filters in this order.
    pub fn new(filters: Vec<Filter>, item: usize, bytes: usize) -> Decoder {
        Decoder {
            filters,
            item,
            bytes,
        }
    }

    /// The most bytes of what has gone through so many filters.
    fn most_after(&self, filters: usize) -> usize {
        self.filters[..filters]
            .iter()
            .fold(self.bytes, |bytes, filter| match filter {
                // Zlib's own bound, with room for encoders that are less tight.
                Filter::Deflate => bytes.saturating_add(bytes / 64).saturating_add(4096),
                Filter::Shuffle => bytes,
                Filter::Fletcher32 => bytes.saturating_add(4),
            })
    }

    /// The most bytes that a stored chunk has.
    pub fn most_encoded(&self) -> usize {
        self.most_after(self.filters.len())
    }

    /// The bytes that decoding one chunk holds: what was stored, one step's input and output, the elements.
    pub fn scratch_bytes(&self) -> usize {
        self.most_encoded()
            .saturating_mul(2)
            .saturating_add(self.bytes.saturating_mul(2))
            .saturating_add(64 << 10)
    }

    pub fn is_compressed(&self) -> bool {
        self.filters.contains(&Filter::Deflate)
    }

    /// Decodes a chunk into `out`, which has the bytes of its elements. Bit `i` of `skipped` says that filter `i` was
    /// not used.
    pub fn decode(&self, stored: Vec<u8>, skipped: u32, out: &mut [u8]) -> Result<(), BoxError> {
        let mut bytes = stored;
        for (number, filter) in self.filters.iter().enumerate().rev() {
            if number < 32 && skipped >> number & 1 == 1 {
                continue;
            }
            bytes = match filter {
                Filter::Deflate => inflate(&bytes, self.most_after(number))?,
                Filter::Shuffle => unshuffle(&bytes, self.item),
                Filter::Fletcher32 => checked(bytes)?,
            };
        }
        if bytes.len() != out.len() {
            let why = format!(
                "it holds {} bytes, and its elements are {}",
                bytes.len(),
                out.len()
            );
            return Err(why.into());
        }
        out.copy_from_slice(&bytes);
        Ok(())
    }
}

fn inflate(bytes: &[u8], most: usize) -> Result<Vec<u8>, BoxError> {
    let mut out = Vec::with_capacity(most.min(bytes.len().saturating_mul(8)));
    ZlibDecoder::new(bytes)
        .take(most as u64 + 1)
        .read_to_end(&mut out)
        .map_err(|error| format!("decompressing {} bytes: {error}", bytes.len()))?;
    if out.len() > most {
        return Err(format!("it decodes to more than {most} bytes").into());
    }
    Ok(out)
}

fn unshuffle(bytes: &[u8], item: usize) -> Vec<u8> {
    let count = bytes.len() / item.max(1);
    if item <= 1 || count <= 1 {
        return bytes.to_vec();
    }
    let mut out = vec![0; bytes.len()];
    // One loop per size, so that the inner one has a length that is known.
    match item {
        2 => unshuffle_each::<2>(bytes, &mut out, count),
        4 => unshuffle_each::<4>(bytes, &mut out, count),
        8 => unshuffle_each::<8>(bytes, &mut out, count),
        16 => unshuffle_each::<16>(bytes, &mut out, count),
        _ => {
            for (byte, plane) in bytes.chunks_exact(count).take(item).enumerate() {
                for (target, value) in out[byte..].iter_mut().step_by(item).zip(plane) {
                    *target = *value;
                }
            }
        }
    }
    // What is no whole element stays where it was.
    out[count * item..].copy_from_slice(&bytes[count * item..]);
    out
}

fn unshuffle_each<const N: usize>(bytes: &[u8], out: &mut [u8], count: usize) {
    let planes: [&[u8]; N] = std::array::from_fn(|byte| &bytes[byte * count..(byte + 1) * count]);
    for (number, element) in out.as_chunks_mut::<N>().0.iter_mut().enumerate() {
        *element = std::array::from_fn(|byte| planes[byte][number]);
    }
}

/// The data without the check sum, if that is right.
fn checked(mut bytes: Vec<u8>) -> Result<Vec<u8>, BoxError> {
    let Some(at) = bytes.len().checked_sub(4) else {
        return Err("it ends within its check sum".into());
    };
    let (data, sum) = bytes.split_at(at);
    let stored = u32::from_le_bytes([sum[0], sum[1], sum[2], sum[3]]);
    let found = fletcher32(data);
    // Old versions of the library wrote the bytes of each half the other way round.
    let old = (found & 0x00ff_00ff) << 8 | (found >> 8) & 0x00ff_00ff;
    if stored != found && stored != old {
        return Err(
            format!("its check sum is {stored:#010x}, and its data give {found:#010x}").into(),
        );
    }
    bytes.truncate(at);
    Ok(bytes)
}

/// Fletcher's check sum of big-endian words of 16 bits, as the HDF5 library computes it.
fn fletcher32(data: &[u8]) -> u32 {
    let (mut first, mut second) = (0u32, 0u32);
    let fold = |sum: u32| (sum & 0xffff) + (sum >> 16);
    let (words, rest) = data.as_chunks::<2>();
    // So many words can be added before a sum of 32 bits overflows.
    for block in words.chunks(360) {
        for word in block {
            first += u32::from(u16::from_be_bytes(*word));
            second += first;
        }
        (first, second) = (fold(first), fold(second));
    }
    if let [last] = rest {
        first += u32::from(*last) << 8;
        second += first;
        (first, second) = (fold(first), fold(second));
    }
    fold(second) << 16 | fold(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_from_any_size_of_element() {
        for item in [1, 2, 3, 4, 7, 8, 16] {
            for len in [0, 1, item, 5 * item, 5 * item + 1, 64 * item + item / 2] {
                let data: Vec<u8> = (0..len).map(|n| (n * 37 % 251) as u8).collect();
                let count = len / item;
                let mut shuffled = Vec::new();
                for byte in 0..item {
                    shuffled.extend((0..count).map(|element| data[element * item + byte]));
                }
                shuffled.extend(&data[count * item..]);
                let expected = if count > 1 { &data } else { &shuffled };
                assert_eq!(&unshuffle(&shuffled, item), expected, "{item}, {len}");
            }
        }
    }

    #[test]
    fn more_than_there_may_be_is_refused() {
        use std::io::Write;
        let mut bomb = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        bomb.write_all(&vec![0; 1 << 20]).unwrap();
        let bomb = bomb.finish().unwrap();
        let decoder = Decoder::new(vec![Filter::Shuffle, Filter::Deflate], 4, 4096);
        let error = decoder.decode(bomb, 0, &mut [0; 4096]).unwrap_err();
        assert!(error.to_string().contains("more than 4096"), "{error}");
        let error = decoder.decode(vec![1, 2], 3, &mut [0; 4096]).unwrap_err();
        assert!(error.to_string().contains("holds 2 bytes"), "{error}");
        let sums = Decoder::new(vec![Filter::Fletcher32], 4, 8);
        for stored in [vec![], vec![1, 2, 3], vec![0; 11], vec![1; 12]] {
            assert!(sums.decode(stored, 0, &mut [0; 8]).is_err());
        }
        assert!(sums.decode(vec![0; 12], 0, &mut [0; 8]).is_ok());
    }
}
