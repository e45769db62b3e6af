//! Arrays from and to files.

use std::panic::Location;
use std::path::Path;
use std::sync::Arc;

use super::any::AnyArray;
use super::engine::Engine;
use super::handle::Array;
use super::raw_files::check_dtype;
use super::store::Store;
use crate::base::chunk_spec::{ChunkSpec, IntoChunks};
use crate::base::dtype::with_dtype;
use crate::base::element::Element;
use crate::error::{Error, Result};
use crate::io::npy::{NpyFile, NpyMapped, NpySink, NpySource};
use crate::plan::build;
use crate::plan::node::Value;

fn npy_source<T: Element>(
    file: NpyFile,
    spec: ChunkSpec,
    at: &'static Location<'static>,
) -> Result<Value> {
    let shape = file.header().shape.clone();
    let chunks = spec.resolve(&shape, size_of::<T>())?;
    let source = NpySource::<T>::new(file, chunks.clone())?;
    build::source(Arc::new(source), &shape, chunks, at)
}

/// # Files
impl<T: Element> Array<T> {
    /// An array in a `.npy` file, in C or Fortran order, of either byte order.
    ///
    /// Reads the header now and regions of the elements when they are computed, with positioned reads
    /// into counted memory. The file must not change meanwhile.
    ///
    /// # Errors
    /// If the file cannot be opened, is no `.npy` file, is shorter than its header says, holds elements
    /// of another type than `T`, or the chunks do not fit. The error names the path.
    ///
    /// ```no_run
    /// let x = flagstone::Array::<f32>::from_npy("air_temperature.npy", (60, .., ..))?;
    /// println!("{x}");
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn from_npy(path: impl AsRef<Path>, chunks: impl IntoChunks) -> Result<Array<T>> {
        let at = Location::caller();
        let open = || {
            let file = NpyFile::open(&path)?;
            check_dtype::<T>(file.path(), file.header().dtype)?;
            npy_source::<T>(file, chunks.into_spec(), at)
        };
        let value = open().map_err(|error| error.at(at))?;
        Ok(Array::from_plan(Ok(value), at))
    }

    /// An array in a memory-mapped `.npy` file: elements are read where they lie, without a copy.
    ///
    /// The pages count as the process's memory, outside of the promised bytes.
    ///
    /// # Safety
    /// As long as the array, or anything built on it, lives, nobody may change or shorten the file: that
    /// would be undefined behaviour or end the process with a signal.
    ///
    /// # Errors
    /// As [`from_npy`](Array::from_npy), and if the byte order or alignment is not the machine's own.
    #[track_caller]
    pub unsafe fn from_npy_mapped(
        path: impl AsRef<Path>,
        chunks: impl IntoChunks,
    ) -> Result<Array<T>> {
        let at = Location::caller();
        let file = NpyFile::open(&path)?;
        check_dtype::<T>(file.path(), file.header().dtype)?;
        // SAFETY: the caller's contract.
        let mapped = unsafe { NpyMapped::new(&file) }?;
        let value = build::memory(mapped.into_memory(), chunks.into_spec(), at)
            .map_err(|error| error.at(at))?;
        Ok(Array::from_plan(Ok(value), at))
    }

    /// Computes the array into a `.npy` file, as NumPy writes it, in C order.
    ///
    /// Streams: blocks are written as they are finished and never put together. The file is written
    /// under a temporary name beside `path` and renamed when it is complete: an interrupted store leaves
    /// what was at `path` before.
    ///
    /// # Errors
    /// As [`compute`](Array::compute), and if the file cannot be written; the error names the path.
    ///
    /// ```
    /// use flagstone::Array;
    ///
    /// let path = std::env::temp_dir().join("flagstone-doc-to-npy.npy");
    /// Array::<f64>::linspace(0.0, 1.0, 11, ..).to_npy(&path)?;
    /// assert_eq!(Array::<f64>::from_npy(&path, ..)?.sum(..).item()?, 5.5);
    /// # std::fs::remove_file(path).ok();
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn to_npy(&self, path: impl AsRef<Path>) -> Result<()> {
        Engine::global()?.store_npy(self, path)
    }
}

impl Engine {
    /// Computes an array into a `.npy` file; see [`Array::to_npy`].
    ///
    /// # Errors
    /// As [`Array::to_npy`].
    #[track_caller]
    pub fn store_npy<T: Element>(&self, array: &Array<T>, path: impl AsRef<Path>) -> Result<()> {
        self.store_all([Store::to_npy(array, path)?])?;
        Ok(())
    }
}

impl Store {
    /// An array and the `.npy` file that it is to become; see [`Array::to_npy`].
    ///
    /// # Errors
    /// The mistake that the array carries, or a file that cannot be created.
    #[track_caller]
    pub fn to_npy<T: Element>(array: &Array<T>, path: impl AsRef<Path>) -> Result<Store> {
        let value = array.value.clone()?;
        Store::to_sink(array, NpySink::<T>::create(&path, value.shape())?)
    }
}

impl AnyArray {
    /// An array in a `.npy` file, of whatever element type it holds; see [`Array::from_npy`].
    ///
    /// # Errors
    /// As [`Array::from_npy`], but for the type.
    #[track_caller]
    pub fn from_npy(path: impl AsRef<Path>, chunks: impl IntoChunks) -> Result<AnyArray> {
        let at = Location::caller();
        let open = || {
            let file = NpyFile::open(&path)?;
            let spec = chunks.into_spec();
            with_dtype!(file.header().dtype, T => npy_source::<T>(file, spec, at))
        };
        let value = open().map_err(|error: Error| error.at(at))?;
        Ok(AnyArray::from_plan(Ok(value), at))
    }
}
