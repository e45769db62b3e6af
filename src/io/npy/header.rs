//! The header of an `.npy` file: a Python dictionary between a magic number and the elements.
//!
//! Headers come from anywhere, so nothing in one is believed: its length is bounded before anything
//! is allocated, only the three known keys are accepted, and sizes are multiplied with checks.

use crate::base::dtype::DType;
use crate::base::shape::check_shape;
use crate::error::{Error, Kind, Result};

const MAGIC: &[u8] = b"\x93NUMPY";
/// The magic number, the version, and the widest length field.
pub const PRELUDE: usize = 12;
/// What version 1 can express; later versions allow 4 GiB, which no array of ours needs.
pub const MAX_TEXT: usize = u16::MAX as usize;
/// NumPy starts the elements at multiples of this, so that they can be mapped.
const ALIGN: usize = 64;
/// NumPy leaves room for the growing axis to become as long as a file can be.
const GROWTH_DIGITS: usize = 21;

/// What a header says about the elements that follow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub dtype: DType,
    /// Whether the elements have the other byte order than this machine.
    pub swapped: bool,
    /// Whether the first axis, not the last, is the fast one.
    pub fortran: bool,
    pub shape: Vec<usize>,
    /// Where in the file the elements start.
    pub data_offset: u64,
}

/// Where the header's text lies: its first byte and its length.
///
/// `prelude` holds the first bytes of the file, [`PRELUDE`] of them unless the file is shorter.
pub fn text_range(prelude: &[u8]) -> Result<(usize, usize)> {
    if !prelude.starts_with(MAGIC) {
        return Err(refuse(
            "it does not start with the magic number of an .npy file",
        ));
    }
    let short = || refuse("it ends within the first bytes of its header");
    let &[major, minor] = prelude.get(6..8).ok_or_else(short)? else {
        unreachable!("a range of two bytes")
    };
    let (start, len) = match (major, minor) {
        (1, 0) => {
            let bytes = prelude.get(8..10).ok_or_else(short)?;
            (
                10,
                u16::from_le_bytes(bytes.try_into().expect("two bytes")) as usize,
            )
        }
        (2 | 3, 0) => {
            let bytes = prelude.get(8..12).ok_or_else(short)?;
            (
                12,
                u32::from_le_bytes(bytes.try_into().expect("four bytes")) as usize,
            )
        }
        _ => {
            return Err(refuse(format!(
                "its format version is {major}.{minor}; 1.0, 2.0 and 3.0 are known"
            )));
        }
    };
    if len > MAX_TEXT {
        return Err(refuse(format!(
            "its header claims {len} bytes; more than {MAX_TEXT} are refused"
        )));
    }
    Ok((start, len))
}

impl Header {
    /// Reads the header's text, which starts at byte `start` of the file.
    pub fn parse(text: &[u8], start: usize) -> Result<Header> {
        let mut parser = Parser { text, at: 0 };
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        parser.expect(b'{')?;
        while !parser.accept(b'}') {
            let key = parser.string()?;
            parser.expect(b':')?;
            let repeated = match key {
                b"descr" => descr.replace(parser.descr()?).is_some(),
                b"fortran_order" => fortran.replace(parser.boolean()?).is_some(),
                b"shape" => shape.replace(parser.shape()?).is_some(),
                other => {
                    return Err(refuse(format!(
                        "its header has the unknown key {:?}",
                        lossy(other)
                    )));
                }
            };
            if repeated {
                return Err(refuse(format!(
                    "its header has the key {:?} twice",
                    lossy(key)
                )));
            }
            if !parser.accept(b',') {
                parser.expect(b'}')?;
                break;
            }
        }
        parser.end()?;
        let missing = |key: &str| refuse(format!("its header lacks the key {key:?}"));
        let (dtype, swapped) = dtype_of(descr.ok_or_else(|| missing("descr"))?)?;
        let fortran = fortran.ok_or_else(|| missing("fortran_order"))?;
        let shape = shape.ok_or_else(|| missing("shape"))?;
        check_shape(&shape, dtype.size())
            .map_err(|error| refuse(format!("its header declares {error}")))?;
        let data_offset = (start + text.len()) as u64;
        Ok(Header {
            dtype,
            swapped,
            fortran,
            shape,
            data_offset,
        })
    }

    /// The bytes of the elements; `parse` has checked that they can be counted.
    pub fn data_bytes(&self) -> u64 {
        (self.shape.iter().product::<usize>() * self.dtype.size()) as u64
    }
}

/// The bytes before the elements of a C-order array in native byte order, as NumPy writes them.
pub fn write(dtype: DType, shape: &[usize]) -> Vec<u8> {
    let mut text = format!(
        "{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}",
        descr_of(dtype),
        python_tuple(shape)
    );
    if let Some(first) = shape.first() {
        let room = GROWTH_DIGITS.saturating_sub(first.to_string().len());
        text.extend(std::iter::repeat_n(' ', room));
    }
    let (version, start) = if text.len() + 1 + ALIGN <= MAX_TEXT {
        (1, 10)
    } else {
        (2, 12)
    };
    // NumPy pads by 64, not by 0, where the text already ends at a multiple.
    let pad = ALIGN - (start + text.len() + 1) % ALIGN;
    text.extend(std::iter::repeat_n(' ', pad));
    text.push('\n');

    let mut bytes = MAGIC.to_vec();
    bytes.extend([version, 0]);
    if version == 1 {
        bytes.extend((text.len() as u16).to_le_bytes());
    } else {
        bytes.extend((text.len() as u32).to_le_bytes());
    }
    bytes.extend(text.into_bytes());
    bytes
}

fn python_tuple(shape: &[usize]) -> String {
    match shape {
        [one] => format!("({one},)"),
        many => {
            let axes: Vec<String> = many.iter().map(usize::to_string).collect();
            format!("({})", axes.join(", "))
        }
    }
}

/// A type without its byte order, as `descr` names it.
fn code_of(dtype: DType) -> &'static str {
    match dtype {
        DType::Bool => "b1",
        DType::I8 => "i1",
        DType::I16 => "i2",
        DType::I32 => "i4",
        DType::I64 => "i8",
        DType::U8 => "u1",
        DType::U16 => "u2",
        DType::U32 => "u4",
        DType::U64 => "u8",
        DType::F32 => "f4",
        DType::F64 => "f8",
        DType::Complex64 => "c8",
        DType::Complex128 => "c16",
    }
}

pub fn descr_of(dtype: DType) -> String {
    let order = match dtype.size() {
        1 => '|',
        _ if cfg!(target_endian = "big") => '>',
        _ => '<',
    };
    format!("{order}{}", code_of(dtype))
}

/// The type, and whether its bytes are in the other order than this machine's.
fn dtype_of(descr: &[u8]) -> Result<(DType, bool)> {
    let unknown = || unknown_dtype(&format!("'{}'", lossy(descr)));
    let (&order, code) = descr.split_first().ok_or_else(unknown)?;
    let big = match order {
        b'<' => false,
        b'>' => true,
        b'|' | b'=' => cfg!(target_endian = "big"),
        _ => return Err(unknown()),
    };
    let known = DType::ALL
        .iter()
        .find(|&&dtype| code_of(dtype).as_bytes() == code);
    let &dtype = known.ok_or_else(unknown)?;
    Ok((
        dtype,
        dtype.size() > 1 && big != cfg!(target_endian = "big"),
    ))
}

fn unknown_dtype(what: &str) -> Error {
    let known: Vec<&str> = DType::ALL.iter().map(|&dtype| code_of(dtype)).collect();
    let known = known.join(", ");
    Error::new(
        Kind::Dtype,
        format!("its element type is {what}; arrays can hold {known}"),
    )
}

fn refuse(why: impl Into<String>) -> Error {
    Error::new(Kind::Io, why)
}

fn lossy(text: &[u8]) -> String {
    const SHOWN: usize = 40;
    let shown = String::from_utf8_lossy(&text[..text.len().min(SHOWN)]);
    if text.len() > SHOWN {
        format!("{shown}…")
    } else {
        shown.into_owned()
    }
}

/// The few forms of Python literals that a header consists of.
struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Parser<'a> {
    fn skip_space(&mut self) {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    fn accept(&mut self, byte: u8) -> bool {
        self.skip_space();
        let found = self.text.get(self.at) == Some(&byte);
        self.at += found as usize;
        found
    }

    fn expect(&mut self, byte: u8) -> Result<()> {
        if self.accept(byte) {
            Ok(())
        } else {
            Err(self.unexpected(&format!("'{}'", byte as char)))
        }
    }

    fn unexpected(&self, wanted: &str) -> Error {
        let found = match self.text.get(self.at) {
            Some(&byte) => format!("'{}'", byte.escape_ascii()),
            None => "its end".to_owned(),
        };
        refuse(format!(
            "its header has {found} where {wanted} belongs, at byte {}",
            self.at
        ))
    }

    fn string(&mut self) -> Result<&'a [u8]> {
        self.skip_space();
        let quote = match self.text.get(self.at) {
            Some(&quote @ (b'\'' | b'"')) => quote,
            _ => return Err(self.unexpected("a quoted string")),
        };
        let rest = &self.text[self.at + 1..];
        let len = rest
            .iter()
            .position(|&byte| byte == quote)
            .ok_or_else(|| refuse("its header has a string without an end"))?;
        self.at += len + 2;
        Ok(&rest[..len])
    }

    fn descr(&mut self) -> Result<&'a [u8]> {
        self.skip_space();
        if matches!(self.text.get(self.at), Some(b'[' | b'(')) {
            // How the structure goes on does not matter: none can be held.
            return Err(unknown_dtype("a structure"));
        }
        self.string()
    }

    fn boolean(&mut self) -> Result<bool> {
        self.skip_space();
        for (word, value) in [(&b"True"[..], true), (b"False", false)] {
            if self.text[self.at..].starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.unexpected("True or False"))
    }

    fn shape(&mut self) -> Result<Vec<usize>> {
        self.expect(b'(')?;
        let mut shape = Vec::new();
        while !self.accept(b')') {
            shape.push(self.length()?);
            if !self.accept(b',') {
                // `(3)` is a number in Python, not a tuple.
                if shape.len() == 1 {
                    return Err(self.unexpected("','"));
                }
                self.expect(b')')?;
                break;
            }
        }
        Ok(shape)
    }

    fn length(&mut self) -> Result<usize> {
        self.skip_space();
        let digits = self.text[self.at..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if digits == 0 {
            return Err(self.unexpected("the length of an axis"));
        }
        let text = &self.text[self.at..self.at + digits];
        self.at += digits;
        // Python 2 wrote its long integers with this suffix.
        if self.text.get(self.at) == Some(&b'L') {
            self.at += 1;
        }
        let text = std::str::from_utf8(text).expect("ASCII digits");
        text.parse().map_err(|_| {
            refuse(format!(
                "its header has an axis of {} elements",
                lossy(text.as_bytes())
            ))
        })
    }

    fn end(&mut self) -> Result<()> {
        self.skip_space();
        if self.at == self.text.len() {
            Ok(())
        } else {
            Err(self.unexpected("nothing"))
        }
    }
}
