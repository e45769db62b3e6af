//! Arrays in stacks of `.npy` files, in NumPy's archives, and in files without headers.

use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::any::AnyArray;
use super::handle::Array;
use crate::base::chunk_spec::{ChunkSpec, IntoChunks};
use crate::base::dtype::{DType, with_dtype};
use crate::base::element::Element;
use crate::base::shape::{IntoShape, check_shape};
use crate::error::{Error, Kind, Result};
use crate::io::npy::NpyStack;
use crate::io::npy::stack::StackSource;
use crate::io::raw::{RawFile, RawSource};
use crate::plan::build;
use crate::plan::node::Value;

type At = &'static Location<'static>;

pub(super) fn check_dtype<T: Element>(path: &Path, dtype: DType) -> Result<()> {
    if dtype == T::DTYPE {
        return Ok(());
    }
    Err(Error::new(
        Kind::Dtype,
        format!(
            "{} holds {dtype}, not {}: open it as an array of {}, or as an AnyArray",
            path.display(),
            T::DTYPE,
            dtype.rust_name()
        ),
    ))
}

fn stack<T: Element>(stack: NpyStack, spec: ChunkSpec, at: At) -> Result<Value> {
    check_dtype::<T>(stack.first(), stack.header().dtype)?;
    let shape = stack.shape();
    check_shape(&shape, size_of::<T>())?;
    let chunks = spec.resolve(&shape, size_of::<T>())?;
    let source = StackSource::<T>::new(stack, chunks.clone());
    build::source(Arc::new(source), &shape, chunks, at)
}

fn paths<P: AsRef<Path>>(files: impl IntoIterator<Item = P>) -> Vec<PathBuf> {
    let paths = files.into_iter().map(|path| path.as_ref().to_path_buf());
    paths.collect()
}

/// # Stacks of files
impl<T: Element> Array<T> {
    /// Many `.npy` files of one shape and type, laid along a new first axis.
    ///
    /// Reads the first file's header now. The others are opened when their elements are needed, and closed
    /// again: a hundred thousand files are one source, without open descriptors.
    ///
    /// # Errors
    /// If there are no files, or as [`from_npy`](Array::from_npy) for the first one. A later file that is missing, cut
    /// off or of another shape or type is an error of the computation, which names it.
    ///
    /// ```
    /// use flagstone::Array;
    ///
    /// let paths = ["a", "b", "c"].map(|name| std::env::temp_dir().join(format!("flagstone-doc-{name}.npy")));
    /// for (number, path) in paths.iter().enumerate() {
    ///     Array::<f64>::full([2, 3], number as f64, ..).to_npy(path)?;
    /// }
    /// let x = Array::<f64>::from_npy_stack(&paths, (1, .., ..))?;
    /// assert_eq!(x.shape(), [3, 2, 3]);
    /// assert_eq!(x.sum(..).item()?, 18.0);
    /// # paths.iter().for_each(|path| std::fs::remove_file(path).unwrap());
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn from_npy_stack<P: AsRef<Path>>(
        files: impl IntoIterator<Item = P>,
        chunks: impl IntoChunks,
    ) -> Result<Array<T>> {
        let at = Location::caller();
        let open = || stack::<T>(NpyStack::open(paths(files))?, chunks.into_spec(), at);
        let value = open().map_err(|error| error.at(at))?;
        Ok(Array::from_plan(Ok(value), at))
    }
}

impl AnyArray {
    /// Many `.npy` files of one shape, of whatever element type they hold; see [`Array::from_npy_stack`].
    ///
    /// # Errors
    /// As [`Array::from_npy_stack`], but for the type.
    #[track_caller]
    pub fn from_npy_stack<P: AsRef<Path>>(
        files: impl IntoIterator<Item = P>,
        chunks: impl IntoChunks,
    ) -> Result<AnyArray> {
        let at = Location::caller();
        let open = || {
            let files = NpyStack::open(paths(files))?;
            let spec = chunks.into_spec();
            with_dtype!(files.header().dtype, T => stack::<T>(files, spec, at))
        };
        let value = open().map_err(|error: Error| error.at(at))?;
        Ok(AnyArray::from_plan(Ok(value), at))
    }
}

/// A file of elements without a header: what simulations and instruments write.
///
/// ```
/// use flagstone::Raw;
///
/// let path = std::env::temp_dir().join("flagstone-doc-raw.bin");
/// let mut bytes = b"header".to_vec();
/// bytes.extend((0..6).flat_map(|n: i16| n.to_be_bytes()));
/// std::fs::write(&path, bytes)?;
///
/// let x = Raw::new(&path, [2, 3]).offset(6).big_endian().array::<i16>(..)?;
/// assert_eq!(x.compute()?, ndarray::arr2(&[[0, 1, 2], [3, 4, 5]]).into_dyn());
/// # std::fs::remove_file(path).ok();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Raw {
    file: RawFile,
}

impl Raw {
    /// Elements from the file's first byte on, in C order and little-endian.
    pub fn new(path: impl AsRef<Path>, shape: impl IntoShape) -> Raw {
        Raw {
            file: RawFile {
                path: path.as_ref().to_path_buf(),
                shape: shape.into_shape().into_vec(),
                offset: 0,
                swapped: cfg!(target_endian = "big"),
                fortran: false,
            },
        }
    }

    /// The byte at which the elements begin.
    pub fn offset(mut self, bytes: u64) -> Raw {
        self.file.offset = bytes;
        self
    }

    /// The highest byte of each number first.
    pub fn big_endian(mut self) -> Raw {
        self.file.swapped = cfg!(target_endian = "little");
        self
    }

    /// The first axis, not the last one, is the one whose elements lie side by side.
    pub fn fortran_order(mut self) -> Raw {
        self.file.fortran = true;
        self
    }

    /// The elements, as a lazy array. What follows them in the file is left alone.
    ///
    /// # Errors
    /// If the file cannot be opened or is too short, or the chunks do not fit. The error names the path.
    #[track_caller]
    pub fn array<T: Element>(&self, chunks: impl IntoChunks) -> Result<Array<T>> {
        let at = Location::caller();
        let value = self
            .value::<T>(chunks.into_spec(), at)
            .map_err(|error| error.at(at))?;
        Ok(Array::from_plan(Ok(value), at))
    }

    /// The elements, of a type that is known at run time.
    ///
    /// # Errors
    /// As [`array`](Raw::array).
    #[track_caller]
    pub fn any(&self, dtype: DType, chunks: impl IntoChunks) -> Result<AnyArray> {
        let at = Location::caller();
        let spec = chunks.into_spec();
        let value = with_dtype!(dtype, T => self.value::<T>(spec, at));
        let value = value.map_err(|error| error.at(at))?;
        Ok(AnyArray::from_plan(Ok(value), at))
    }

    fn value<T: Element>(&self, spec: ChunkSpec, at: At) -> Result<Value> {
        let shape = self.file.shape.clone();
        check_shape(&shape, size_of::<T>())?;
        let chunks = spec.resolve(&shape, size_of::<T>())?;
        let source = RawSource::<T>::open(self.file.clone(), chunks.clone())?;
        build::source(Arc::new(source), &shape, chunks, at)
    }
}
