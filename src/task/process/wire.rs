//! What goes from process to process: frames of a length and so many bytes.
//!
//! A request is the function's name and its argument. The worker answers with a frame when it has the request, before
//! it calls the function, and with one when the function has ended: whoever finds a worker dead knows by the first
//! whether the function was called.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Kind, Result};

/// Longer ones are taken for broken: no machine has so much memory.
const LONGEST: u64 = 1 << 46;

/// The first byte of a worker's frames.
pub const STARTED: u8 = 0;
pub const RESULT: u8 = 1;
pub const PANIC: u8 = 2;
pub const ERROR: u8 = 3;

pub fn encode<T: Serialize + ?Sized>(value: &T, what: &str) -> Result<Vec<u8>> {
    postcard::to_stdvec(value).map_err(|error| {
        let message = format!("writing {what} for another process");
        Error::wrap(Kind::Task, message, Box::new(error))
    })
}

pub fn decode<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T> {
    postcard::from_bytes(bytes).map_err(|error| {
        let message = format!("reading {what} from another process");
        Error::wrap(Kind::Task, message, Box::new(error))
    })
}

/// Writes a frame of several parts.
pub fn write(to: &mut impl Write, parts: &[&[u8]]) -> io::Result<()> {
    let length: u64 = parts.iter().map(|part| part.len() as u64).sum();
    let mut frame = Vec::with_capacity(8 + length as usize);
    frame.extend_from_slice(&length.to_le_bytes());
    parts.iter().for_each(|part| frame.extend_from_slice(part));
    to.write_all(&frame)
}

/// Reads a frame; an error of the kind `UnexpectedEof` if the other side has ended.
pub fn read(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 8];
    from.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a broken frame"));
    }
    let mut frame = Vec::new();
    from.take(length).read_to_end(&mut frame)?;
    match frame.len() as u64 == length {
        true => Ok(frame),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
