//! An `.npy` file mapped into memory.

use std::sync::Arc;

use memmap2::Mmap;

use super::header::Header;
use super::read::NpyFile;
use crate::base::memory::Memory;
use crate::base::shape::c_strides;
use crate::error::{Error, Kind, Result};

/// A mapped file, as an array in memory.
pub struct NpyMapped {
    memory: Memory,
}

impl NpyMapped {
    /// Maps a file; its elements are read when they are first used.
    ///
    /// # Errors
    /// If the elements have the other byte order, or are not aligned as their type demands: both need
    /// a copy, which positioned reads make. If the system refuses to map the file.
    ///
    /// # Safety
    /// While the map or anything made of its memory lives, nobody may write to the file or shorten it:
    /// the first is a data race, the second ends the process with a bus error. Elements of type `bool`
    /// must be 0 or 1.
    pub unsafe fn new(file: &NpyFile) -> Result<NpyMapped> {
        let Header {
            dtype,
            swapped,
            fortran,
            shape,
            data_offset,
        } = file.header();
        let path = file.path().display();
        if *swapped {
            let why = format!("{path} cannot be mapped: its elements have the other byte order");
            return Err(Error::new(Kind::Io, why));
        }
        // SAFETY: the caller promises that the file stays as it is.
        let map = unsafe { Mmap::map(file.file()) }
            .map_err(|error| Error::wrap(Kind::Io, format!("mapping {path}"), error.into()))?;
        let present = (map.len() as u64).checked_sub(*data_offset);
        if present.is_none_or(|present| present < file.header().data_bytes()) {
            let why = format!("{path} has become shorter since it was opened");
            return Err(Error::new(Kind::Io, why));
        }
        let first = map[*data_offset as usize..].as_ptr();
        if !(first as usize).is_multiple_of(dtype.part().size()) {
            let why = format!(
                "{path} cannot be mapped: its elements start at byte {data_offset}, which {dtype} cannot"
            );
            return Err(Error::new(Kind::Io, why));
        }
        let strides = fortran.then(|| {
            let reversed: Vec<usize> = shape.iter().rev().copied().collect();
            c_strides(&reversed).iter().rev().copied().collect()
        });
        // SAFETY: the map holds all the elements, which the length check has shown, aligned; the caller
        // promises that they are values of the type and stay unchanged; the owner keeps the map.
        let memory =
            unsafe { Memory::from_raw(*dtype, shape.clone(), strides, first, Arc::new(map)) };
        Ok(NpyMapped { memory })
    }

    /// The mapped elements; the map lives as long as any clone of this.
    pub fn into_memory(self) -> Memory {
        self.memory
    }
}
