//! Many `.npy` files of one shape, as one array.

use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::{ArrayViewMutD, Axis};

use super::header::Header;
use super::read::{NpyFile, NpySource, file_fingerprint};
use crate::base::chunks::Chunks;
use crate::base::element::Element;
use crate::base::region::Region;
use crate::base::source::Source;
use crate::error::{BoxError, Error, Kind, Result};
use crate::io::raw::{self, SCRATCH_BYTES};

/// The files, and the header of the first one, which all must agree with in type and shape.
#[derive(Clone)]
pub struct NpyStack {
    paths: Arc<[PathBuf]>,
    header: Header,
}

impl NpyStack {
    /// Reads the header of the first file; the others are looked at when they are read.
    ///
    /// # Errors
    /// If there are no files, or as for the first file alone.
    pub fn open(paths: Vec<PathBuf>) -> Result<NpyStack> {
        let Some(first) = paths.first() else {
            return Err(Error::new(Kind::Value, "a stack of no files"));
        };
        let header = NpyFile::open(first)?.header().clone();
        Ok(NpyStack {
            paths: paths.into(),
            header,
        })
    }

    pub fn header(&self) -> &Header {
        &self.header
    }

    pub fn first(&self) -> &Path {
        &self.paths[0]
    }

    /// The shape of all together: the files are along a new first axis.
    pub fn shape(&self) -> Vec<usize> {
        let mut shape = vec![self.paths.len()];
        shape.extend(&self.header.shape);
        shape
    }
}

/// The elements of a stack. Each file is open only while it is read.
pub struct StackSource<T> {
    stack: NpyStack,
    shape: Vec<usize>,
    chunks: Chunks,
    element: PhantomData<fn() -> T>,
}

impl<T: Element> StackSource<T> {
    pub fn new(stack: NpyStack, chunks: Chunks) -> StackSource<T> {
        StackSource {
            shape: stack.shape(),
            stack,
            chunks,
            element: PhantomData,
        }
    }

    fn read_file(
        &self,
        path: &Path,
        region: &Region,
        out: ArrayViewMutD<'_, T>,
    ) -> Result<(), BoxError> {
        let file = NpyFile::open(path)?;
        let (found, first) = (file.header(), &self.stack.header);
        if (found.dtype, &found.shape) != (first.dtype, &first.shape) {
            let why = format!(
                "{} holds {:?} elements of {}, and the first file of the stack, {}, {:?} of {}",
                path.display(),
                found.shape,
                found.dtype,
                self.stack.first().display(),
                first.shape,
                first.dtype
            );
            return Err(Error::new(Kind::Io, why).into());
        }
        let chunks = Chunks::whole(&found.shape);
        NpySource::<T>::new(file, chunks)?.read(region, out)
    }
}

impl<T: Element> Source for StackSource<T> {
    type Elem = T;

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn chunks(&self) -> Chunks {
        self.chunks.clone()
    }

    fn read(&self, region: &Region, mut out: ArrayViewMutD<'_, T>) -> Result<(), BoxError> {
        raw::check_region(&self.shape, region, out.shape())?;
        let inner = Region::new(&region.start()[1..], &region.shape()[1..]);
        for (number, part) in region.range(0).zip(out.axis_iter_mut(Axis(0))) {
            let path = &self.stack.paths[number];
            self.read_file(path, &inner, part).map_err(|error| {
                let what = format!("file {number} of the stack, {}", path.display());
                Error::wrap(Kind::Io, what, error)
            })?;
        }
        Ok(())
    }

    fn cost(&self) -> f64 {
        /// What opening a file takes, in nanoseconds.
        const OPEN: f64 = 20_000.0;
        let elements = self.stack.header.shape.iter().product::<usize>().max(1);
        0.25 * size_of::<T>() as f64 + OPEN / elements as f64
    }

    fn scratch_bytes(&self) -> usize {
        SCRATCH_BYTES + super::header::MAX_TEXT
    }

    fn describe(&self) -> String {
        format!(
            "{} files from {} on",
            self.stack.paths.len(),
            self.stack.first().display()
        )
    }

    fn fingerprint(&self) -> Option<String> {
        let all: Option<Vec<String>> = self
            .stack
            .paths
            .iter()
            .map(|p| file_fingerprint(p))
            .collect();
        Some(all?.join("\n"))
    }
}
