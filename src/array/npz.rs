//! Arrays in NumPy's archives.

use std::panic::Location;
use std::path::Path;
use std::sync::Arc;

use super::any::AnyArray;
use super::handle::Array;
use super::raw_files::check_dtype;
use crate::base::chunk_spec::{ChunkSpec, IntoChunks};
use crate::base::dtype::with_dtype;
use crate::base::element::Element;
use crate::error::{Error, Result};
use crate::io::npy::npz::{DeflatedSource, Member};
use crate::io::npy::{NpySource, NpzFile};
use crate::plan::build;
use crate::plan::node::Value;

/// An opened `.npz` file: NumPy's archive of named arrays, as `numpy.savez` and `numpy.savez_compressed` write it.
///
/// What `savez` wrote is read in parts, like an `.npy` file. A compressed array is read from its beginning, so that it
/// is one unit of storage: a pass over it holds it in memory, whole.
///
/// ```no_run
/// let file = flagstone::Npz::open("model.npz")?;
/// println!("{:?}", file.names());
/// let x = file.array::<f64>("temperature", (100, ..))?;
/// # Ok::<(), flagstone::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Npz {
    file: NpzFile,
}

impl Npz {
    /// Reads the list of arrays.
    ///
    /// # Errors
    /// If there is no such file, or it is no archive. The error names the path.
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> Result<Npz> {
        let at = Location::caller();
        let file = NpzFile::open(path).map_err(|error| error.at(at))?;
        Ok(Npz { file })
    }

    /// The names of the arrays.
    pub fn names(&self) -> &[String] {
        self.file.names()
    }

    /// An array of the archive.
    ///
    /// # Errors
    /// If there is no such array, it is cut off, holds elements of another type, or the chunks do not fit.
    #[track_caller]
    pub fn array<T: Element>(&self, name: &str, chunks: impl IntoChunks) -> Result<Array<T>> {
        let at = Location::caller();
        let open = || {
            let member = self.file.member(name)?;
            check_dtype::<T>(self.file.path(), header(&member).dtype)
                .map_err(|error| error.context(format!("in its array {name:?}")))?;
            value::<T>(member, chunks.into_spec(), at)
        };
        let value = open().map_err(|error: Error| error.at(at))?;
        Ok(Array::from_plan(Ok(value), at))
    }

    /// An array of the archive, of whatever type it is.
    ///
    /// # Errors
    /// As [`array`](Npz::array), but for the type.
    #[track_caller]
    pub fn any(&self, name: &str, chunks: impl IntoChunks) -> Result<AnyArray> {
        let at = Location::caller();
        let open = || {
            let member = self.file.member(name)?;
            let spec = chunks.into_spec();
            with_dtype!(header(&member).dtype, T => value::<T>(member, spec, at))
        };
        let value = open().map_err(|error: Error| error.at(at))?;
        Ok(AnyArray::from_plan(Ok(value), at))
    }
}

fn header(member: &Member) -> &crate::io::npy::header::Header {
    match member {
        Member::Plain(file) => file.header(),
        Member::Deflated(member) => member.header(),
    }
}

fn value<T: Element>(
    member: Member,
    spec: ChunkSpec,
    at: &'static Location<'static>,
) -> Result<Value> {
    let shape = header(&member).shape.clone();
    let chunks = spec.resolve(&shape, size_of::<T>())?;
    match member {
        Member::Plain(file) => {
            let source = NpySource::<T>::new(file, chunks.clone())?;
            build::source(Arc::new(source), &shape, chunks, at)
        }
        Member::Deflated(member) => {
            let source = DeflatedSource::<T>::new(member, chunks.clone());
            build::source(Arc::new(source), &shape, chunks, at)
        }
    }
}
