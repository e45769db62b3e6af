//! Writing `.npy` files region by region.

use std::fs::{self, File};
use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ndarray::{ArrayViewD, Axis};

use super::header;
use crate::base::chunks::Chunks;
use crate::base::element::Element;
use crate::base::region::Region;
use crate::base::shape::{c_strides, check_shape};
use crate::base::source::Sink;
use crate::error::{BoxError, Error, Kind, Result};
use crate::io::atomic::create_beside;
use crate::io::position;

/// The bytes of a block on its way to a file.
const BLOCK_BYTES: usize = 4 << 20;

/// An `.npy` file that is being written, in C order.
///
/// The elements go to a temporary file beside the target, which takes the target's name once it is
/// whole: nobody ever sees half an array under the name, and the array that is read may be the one
/// that is replaced. Dropped before [`publish`](NpySink::publish), the temporary file is removed.
pub struct NpySink<T> {
    target: PathBuf,
    /// The file and its name; the name is `None` once the file has got the target's.
    temporary: Mutex<Option<PathBuf>>,
    file: File,
    shape: Vec<usize>,
    strides: Vec<usize>,
    data_offset: u64,
    element: PhantomData<fn(T)>,
}

impl<T: Element> NpySink<T> {
    /// Creates the temporary file, at its full length, with its header.
    pub fn create(path: impl AsRef<Path>, shape: &[usize]) -> Result<NpySink<T>> {
        check_shape(shape, size_of::<T>())?;
        // A link is followed, so that what it points to is replaced, and not the link.
        let target =
            fs::canonicalize(path.as_ref()).unwrap_or_else(|_| path.as_ref().to_path_buf());
        let failed = |error: io::Error| {
            Error::wrap(
                Kind::Io,
                format!("creating {}", path.as_ref().display()),
                error.into(),
            )
        };
        if target.is_dir() {
            return Err(failed(io::ErrorKind::IsADirectory.into()));
        }
        let (temporary, file) = create_beside(&target).map_err(failed)?;
        let header = header::write(T::DTYPE, shape);
        let strides: Vec<usize> = c_strides(shape)
            .iter()
            .map(|stride| stride.unsigned_abs())
            .collect();
        let sink = NpySink {
            target,
            temporary: Mutex::new(Some(temporary)),
            file,
            shape: shape.to_vec(),
            strides,
            data_offset: header.len() as u64,
            element: PhantomData,
        };
        let bytes = (shape.iter().product::<usize>() * size_of::<T>()) as u64;
        sink.file
            .set_len(sink.data_offset + bytes)
            .map_err(failed)?;
        position::write_bytes(&sink.file, &header, 0).map_err(failed)?;
        Ok(sink)
    }

    /// Hands the elements to the disk and gives the file its name.
    ///
    /// # Errors
    /// If either fails; the file that had the name before is then still there.
    pub fn publish(&self) -> Result<()> {
        let failed = |error: io::Error| {
            Error::wrap(
                Kind::Io,
                format!("finishing {}", self.target.display()),
                error.into(),
            )
        };
        let mut temporary = lock(&self.temporary);
        // Without this, a power cut could leave the name on a file whose elements never arrived.
        self.file.sync_all().map_err(failed)?;
        if let Some(temporary) = &*temporary {
            fs::rename(temporary, &self.target).map_err(failed)?;
        }
        *temporary = None;
        Ok(())
    }

    fn store(
        &self,
        values: ArrayViewD<'_, T>,
        strides: &[usize],
        offset: u64,
        scratch: &mut Vec<T>,
    ) -> io::Result<()> {
        // Rows that are whole follow each other in the file; gaps must not be written.
        let contiguous = (0..values.ndim()).rev().try_fold(1, |next, axis| {
            let fits = values.shape()[axis] == 1 || strides[axis] == next;
            fits.then_some(next * values.shape()[axis])
        });
        if contiguous.is_none() {
            for (index, row) in values.axis_iter(Axis(0)).enumerate() {
                let at = offset + (index * strides[0] * size_of::<T>()) as u64;
                self.store(row, &strides[1..], at, scratch)?;
            }
            return Ok(());
        }
        if let Some(slice) = values.as_slice() {
            return position::write_elements(&self.file, slice, offset);
        }
        let mut at = offset;
        let mut elements = values.iter();
        let most = (crate::io::raw::SCRATCH_BYTES / size_of::<T>()).max(1);
        loop {
            scratch.clear();
            scratch.extend(elements.by_ref().take(most));
            if scratch.is_empty() {
                return Ok(());
            }
            position::write_elements(&self.file, scratch, at)?;
            at += size_of_val(&scratch[..]) as u64;
        }
    }
}

fn lock(path: &Mutex<Option<PathBuf>>) -> MutexGuard<'_, Option<PathBuf>> {
    path.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: Element> Sink for NpySink<T> {
    type Elem = T;

    fn write(&self, region: &Region, values: ArrayViewD<'_, T>) -> Result<(), BoxError> {
        let inside =
            region.ndim() == self.shape.len() && Region::whole(&self.shape).contains(region);
        if !inside || values.shape() != region.shape() {
            let why = format!(
                "values of shape {:?} do not fit {region} of the array of shape {:?} in {}",
                values.shape(),
                self.shape,
                self.target.display()
            );
            return Err(Error::new(Kind::Internal, why).into());
        }
        if region.is_empty() {
            return Ok(());
        }
        let first: usize = region
            .start()
            .iter()
            .zip(&self.strides)
            .map(|(at, stride)| at * stride)
            .sum();
        let offset = self.data_offset + (first * size_of::<T>()) as u64;
        self.store(values, &self.strides, offset, &mut Vec::new())
            .map_err(|error| {
                let what = format!("writing {region} of {}", self.target.display());
                Error::wrap(Kind::Io, what, error.into()).into()
            })
    }

    fn write_grid(&self) -> Option<Chunks> {
        // Consecutive blocks of a few megabytes: the chunk grid is the user's, the file's is this one.
        let elements = BLOCK_BYTES / size_of::<T>();
        Some(Chunks::consecutive(&self.shape, elements))
    }

    fn scratch_bytes(&self) -> usize {
        crate::io::raw::SCRATCH_BYTES
    }

    fn finish(&self) -> Result<(), BoxError> {
        Ok(self.publish()?)
    }

    fn describe(&self) -> String {
        self.target.display().to_string()
    }
}

impl<T> Drop for NpySink<T> {
    fn drop(&mut self) {
        if let Some(temporary) = &*lock(&self.temporary) {
            // Nobody is left to tell; a file that cannot be removed keeps a name that says what it is.
            let _ = fs::remove_file(temporary);
        }
    }
}
