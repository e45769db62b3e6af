//! NumPy's `.npz` archives: `.npy` files in a ZIP file.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::{ArrayViewMutD, Axis};
use zip::{CompressionMethod, ZipArchive};

use super::header::Header;
use super::read::{NpyFile, file_fingerprint, read_header};
use crate::base::chunks::Chunks;
use crate::base::element::Element;
use crate::base::region::Region;
use crate::base::source::Source;
use crate::error::{BoxError, Error, Kind, Result};
use crate::io::position;
use crate::io::raw;

/// The most members that are listed: an archive may claim billions.
const MAX_MEMBERS: usize = 1 << 20;
/// What decompression and its buffers hold.
const SCRATCH_BYTES: usize = 256 << 10;

/// An `.npz` file and the names of its arrays.
#[derive(Clone, Debug)]
pub struct NpzFile {
    path: PathBuf,
    names: Arc<[String]>,
}

/// One of its arrays.
pub enum Member {
    /// Stored as it is: its parts can be read like those of an `.npy` file.
    Plain(NpyFile),
    /// Compressed: everything before an element must be read, too.
    Deflated(Deflated),
}

/// A compressed array.
pub struct Deflated {
    path: PathBuf,
    name: String,
    member: usize,
    header: Header,
}

impl NpzFile {
    /// Reads the list of arrays.
    ///
    /// # Errors
    /// If there is no such file, or it is no ZIP file.
    pub fn open(path: impl AsRef<Path>) -> Result<NpzFile> {
        let path = path.as_ref().to_path_buf();
        let archive = archive(&path)?;
        if archive.len() > MAX_MEMBERS {
            let why = format!(
                "{} has {} members; more than {MAX_MEMBERS} are refused",
                path.display(),
                archive.len()
            );
            return Err(Error::new(Kind::Io, why));
        }
        let names = archive
            .file_names()
            .filter_map(|name| Some(name.ok()?.strip_suffix(".npy")?.to_owned()))
            .collect();
        Ok(NpzFile { path, names })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Reads the header of an array.
    ///
    /// # Errors
    /// If there is no such array, or it is no `.npy` file; the error names both.
    pub fn member(&self, name: &str) -> Result<Member> {
        let named = |error: Error| error.context(format!("{name:?} in {}", self.path.display()));
        let mut archive = archive(&self.path)?;
        let Some(index) = archive.index_for_name(&format!("{name}.npy")) else {
            let shown: Vec<&str> = self.names.iter().take(20).map(String::as_str).collect();
            let why = format!(
                "{} has no array {name:?}; it has {}",
                self.path.display(),
                shown.join(", ")
            );
            return Err(Error::new(Kind::Value, why));
        };
        let mut entry = archive
            .by_index(index)
            .map_err(|error| named(invalid(error)))?;
        let length = entry.size();
        if entry.compression() == CompressionMethod::Stored {
            let start = entry
                .data_start()
                .ok_or_else(|| named(Error::new(Kind::Io, "its elements cannot be found")))?;
            let stored = entry.compressed_size();
            drop(entry);
            let file = File::open(&self.path).map_err(|error| named(invalid(error)))?;
            let end = start.checked_add(stored);
            let present = file
                .metadata()
                .map_err(|error| named(invalid(error)))?
                .len();
            if stored != length || end.is_none_or(|end| end > present) {
                let why =
                    format!("it claims {stored} bytes at {start}, and the file has {present}");
                return Err(named(Error::new(Kind::Io, why)));
            }
            let npy = NpyFile::within(self.path.clone(), file, start, length).map_err(named)?;
            return Ok(Member::Plain(npy));
        }
        let header = read_header(&mut entry, length).map_err(named)?;
        Ok(Member::Deflated(Deflated {
            path: self.path.clone(),
            name: name.to_owned(),
            member: index,
            header,
        }))
    }
}

fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::wrap(Kind::Io, "it is no NumPy archive", error.into())
}

fn archive(path: &Path) -> Result<ZipArchive<BufReader<File>>> {
    let file = File::open(path).map_err(|error| {
        Error::wrap(
            Kind::Io,
            format!("opening {}", path.display()),
            error.into(),
        )
    })?;
    ZipArchive::new(BufReader::new(file))
        .map_err(|error| invalid(error).context(format!("in {}", path.display())))
}

impl Deflated {
    pub fn header(&self) -> &Header {
        &self.header
    }
}

/// The elements of a compressed array.
///
/// A read begins at the first element, so that the whole array is the unit of reading.
pub struct DeflatedSource<T> {
    member: Deflated,
    chunks: Chunks,
    element: PhantomData<fn() -> T>,
}

impl<T: Element> DeflatedSource<T> {
    pub fn new(member: Deflated, chunks: Chunks) -> DeflatedSource<T> {
        DeflatedSource {
            member,
            chunks,
            element: PhantomData,
        }
    }

    fn read_from(&self, region: &Region, out: ArrayViewMutD<'_, T>) -> Result<(), BoxError> {
        let header = &self.member.header;
        let mut archive = archive(&self.member.path)?;
        let mut entry = archive.by_index(self.member.member)?;
        let found = read_header(
            &mut entry,
            header.data_offset.saturating_add(header.data_bytes()),
        )?;
        if found != *header {
            return Err("the array has changed since it was opened".into());
        }
        let (mut shape, mut start, mut out) = (header.shape.clone(), region.start().to_vec(), out);
        if header.fortran {
            shape.reverse();
            start.reverse();
            out = out.reversed_axes();
        }
        let whole = out.shape() == shape;
        let mut reader = Sequential {
            from: entry,
            at: 0,
            swapped: header.swapped,
        };
        match out.as_slice_mut() {
            Some(slice) if whole => reader.read(0, slice)?,
            _ => reader.rows(&shape, &start, 0, out, &mut Vec::new())?,
        }
        // The end checks the check sum, if the end was needed.
        if reader.at == header.shape.iter().product::<usize>() {
            io::copy(&mut reader.from, &mut io::sink())?;
        }
        Ok(())
    }
}

/// Elements that come one after another.
struct Sequential<R> {
    from: R,
    /// The element that comes next.
    at: usize,
    swapped: bool,
}

impl<R: Read> Sequential<R> {
    /// Reads elements from number `first` on, which must not lie behind.
    fn read<T: Element>(&mut self, first: usize, out: &mut [T]) -> io::Result<()> {
        let skipped = ((first - self.at) * size_of::<T>()) as u64;
        if io::copy(&mut (&mut self.from).take(skipped), &mut io::sink())? < skipped {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        position::fill(out, self.swapped, |bytes| self.from.read_exact(bytes))?;
        self.at = first + out.len();
        Ok(())
    }

    /// Reads the rows of a region, in the order in which they come.
    fn rows<T: Element>(
        &mut self,
        shape: &[usize],
        start: &[usize],
        first: usize,
        mut out: ArrayViewMutD<'_, T>,
        row: &mut Vec<T>,
    ) -> io::Result<()> {
        let (Some(&at), [_, rest @ ..]) = (start.first(), shape) else {
            row.resize(1, T::default());
            self.read(first, row)?;
            out.fill(row[0]);
            return Ok(());
        };
        if rest.is_empty() {
            row.resize(out.len(), T::default());
            self.read(first + at, row)?;
            out.iter_mut()
                .zip(row)
                .for_each(|(out, value)| *out = *value);
            return Ok(());
        }
        let stride: usize = rest.iter().product();
        for (number, part) in out.axis_iter_mut(Axis(0)).enumerate() {
            self.rows(rest, &start[1..], first + (at + number) * stride, part, row)?;
        }
        Ok(())
    }
}

impl<T: Element> Source for DeflatedSource<T> {
    type Elem = T;

    fn shape(&self) -> &[usize] {
        &self.member.header.shape
    }

    fn chunks(&self) -> Chunks {
        self.chunks.clone()
    }

    fn read(&self, region: &Region, out: ArrayViewMutD<'_, T>) -> Result<(), BoxError> {
        raw::check_region(&self.member.header.shape, region, out.shape())?;
        if region.is_empty() {
            return Ok(());
        }
        self.read_from(region, out).map_err(|error| {
            let what = format!("{:?} in {}", self.member.name, self.member.path.display());
            Error::wrap(Kind::Io, what, error).into()
        })
    }

    fn storage_grid(&self) -> Option<Chunks> {
        Some(Chunks::whole(&self.member.header.shape))
    }

    fn cost(&self) -> f64 {
        2.0 * size_of::<T>() as f64
    }

    fn scratch_bytes(&self) -> usize {
        let row = self.member.header.shape.iter().copied().max().unwrap_or(1);
        SCRATCH_BYTES.saturating_add(row.saturating_mul(size_of::<T>()))
    }

    fn describe(&self) -> String {
        format!("{} in {}", self.member.name, self.member.path.display())
    }

    fn fingerprint(&self) -> Option<String> {
        Some(format!(
            "{} {}",
            self.member.name,
            file_fingerprint(&self.member.path)?
        ))
    }
}
