//! Reading regions of `.npy` files by positioned reads.

use std::fs::File;
use std::io::{self, Read};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use ndarray::ArrayViewMutD;

use super::header::{self, Header};
use crate::base::chunks::Chunks;
use crate::base::element::Element;
use crate::base::region::Region;
use crate::base::source::Source;
use crate::error::{BoxError, Error, Kind, Result};
use crate::io::position;
use crate::io::raw::{self, SCRATCH_BYTES};

/// An open `.npy` file whose header has been read and checked.
#[derive(Debug)]
pub struct NpyFile {
    path: PathBuf,
    file: File,
    header: Header,
}

impl NpyFile {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// If there is no such file, its header is not one, its element type is unknown, or it is shorter
    /// than its shape demands. Further bytes after the elements are allowed, as NumPy allows them.
    pub fn open(path: impl AsRef<Path>) -> Result<NpyFile> {
        let path = path.as_ref().to_path_buf();
        let named = |error: Error| error.context(format!("in {}", path.display()));
        let failed = |error: io::Error| {
            Error::wrap(
                Kind::Io,
                format!("opening {}", path.display()),
                error.into(),
            )
        };
        let file = File::open(&path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return Err(named(Error::new(
                Kind::Io,
                "a directory is not an .npy file",
            )));
        }
        let length = metadata.len();
        NpyFile::within(path, file, 0, length)
    }

    /// An `.npy` file of `length` bytes from byte `base` of another one on.
    ///
    /// # Errors
    /// As [`open`](NpyFile::open).
    pub fn within(path: PathBuf, file: File, base: u64, length: u64) -> Result<NpyFile> {
        let named = |error: Error| error.context(format!("in {}", path.display()));
        let mut from = At {
            file: &file,
            offset: base,
        };
        let mut header = read_header(&mut from, length).map_err(named)?;
        header.data_offset += base;
        Ok(NpyFile { path, file, header })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    pub fn header(&self) -> &Header {
        &self.header
    }
}

/// Reads in order, by positions.
struct At<'a> {
    file: &'a File,
    offset: u64,
}

impl Read for At<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        position::read_bytes(self.file, out, self.offset)?;
        self.offset += out.len() as u64;
        Ok(out.len())
    }
}

/// Reads the header at the beginning of `length` bytes, which must be enough for the elements.
pub fn read_header(from: &mut impl Read, length: u64) -> Result<Header> {
    let failed = |error: io::Error| Error::wrap(Kind::Io, "reading the header", error.into());
    // The first bytes say how long the header is: never more is read than there is.
    let mut prelude = [0; header::PRELUDE];
    let present = length.min(header::PRELUDE as u64) as usize;
    from.read_exact(&mut prelude[..present]).map_err(failed)?;
    let (start, len) = header::text_range(&prelude[..present])?;
    if ((start + len) as u64) > length {
        let why = format!(
            "its header claims {len} bytes, and the file has only {} after it starts",
            length.saturating_sub(start as u64)
        );
        return Err(Error::new(Kind::Io, why));
    }
    let mut text = prelude[start..present].to_vec();
    text.truncate(len);
    let known = text.len();
    text.resize(len, 0);
    from.read_exact(&mut text[known..]).map_err(failed)?;
    let header = Header::parse(&text, start)?;
    let present = length - header.data_offset;
    if present < header.data_bytes() {
        let why = format!(
            "the file is truncated: {:?} elements of {} are {} bytes, and {present} are there",
            header.shape,
            header.dtype,
            header.data_bytes()
        );
        return Err(Error::new(Kind::Io, why));
    }
    Ok(header)
}

/// The elements of an `.npy` file, read region by region.
///
/// A read touches the runs of elements that it needs and, where two of them are less than a page apart,
/// what lies between. It goes straight to its destination where both are contiguous, else through
/// at most 256 KiB.
pub struct NpySource<T> {
    file: NpyFile,
    chunks: Chunks,
    element: PhantomData<T>,
}

impl<T: Element> NpySource<T> {
    /// A source with the given chunk grid.
    ///
    /// # Errors
    /// If the file's elements are not of type `T`, or the grid is one of another shape.
    pub fn new(file: NpyFile, chunks: Chunks) -> Result<NpySource<T>> {
        let Header { dtype, shape, .. } = file.header();
        if *dtype != T::DTYPE {
            let why = format!(
                "{} holds {dtype}, and {} ({}) was asked for",
                file.path.display(),
                T::DTYPE,
                T::DTYPE.rust_name()
            );
            return Err(Error::new(Kind::Dtype, why));
        }
        if chunks.shape() != *shape {
            let why = format!(
                "chunks {chunks} are of shape {:?}, and {} has {shape:?}",
                chunks.shape(),
                file.path.display()
            );
            return Err(Error::new(Kind::Chunks, why));
        }
        Ok(NpySource {
            file,
            chunks,
            element: PhantomData,
        })
    }
}

impl<T: Element> Source for NpySource<T> {
    type Elem = T;

    fn shape(&self) -> &[usize] {
        &self.file.header.shape
    }

    fn chunks(&self) -> Chunks {
        self.chunks.clone()
    }

    fn read(&self, region: &Region, out: ArrayViewMutD<'_, T>) -> Result<(), BoxError> {
        let Header {
            shape,
            fortran,
            swapped,
            data_offset,
            ..
        } = &self.file.header;
        raw::check_region(shape, region, out.shape())?;
        // A Fortran-order file is the C-order file of the transposed array.
        let (mut shape, mut start, mut out) = (shape.clone(), region.start().to_vec(), out);
        if *fortran {
            shape.reverse();
            start.reverse();
            out = out.reversed_axes();
        }
        let place = raw::Place {
            shape: &shape,
            offset: *data_offset,
            swapped: *swapped,
        };
        Ok(raw::read_region(&self.file.file, &place, &start, out)?)
    }

    fn cost(&self) -> f64 {
        // Positioned reads of a warm file: 3 to 5 GB/s a core.
        0.25 * size_of::<T>() as f64
    }

    fn scratch_bytes(&self) -> usize {
        SCRATCH_BYTES
    }

    fn describe(&self) -> String {
        self.file.path.display().to_string()
    }

    fn fingerprint(&self) -> Option<String> {
        file_fingerprint(&self.file.path)
    }
}

/// A file's path, length and last change.
pub fn file_fingerprint(path: &Path) -> Option<String> {
    let path = std::fs::canonicalize(path).ok()?;
    let metadata = std::fs::metadata(&path).ok()?;
    let changed = metadata.modified().ok()?;
    Some(format!("{} {} {changed:?}", path.display(), metadata.len()))
}
