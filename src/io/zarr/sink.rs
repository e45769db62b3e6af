//! Writing new Zarr arrays.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ndarray::ArrayViewD;

use super::create::{Create, Layout, check_name};
use super::encode;
use super::files;
use super::journal::{self, Entry, Found, Journal, crc_of};
use super::metadata::{self, NodeKind, refuse};
use crate::base::chunks::Chunks;
use crate::base::element::Element;
use crate::base::region::Region;
use crate::base::source::Sink;
use crate::error::{BoxError, Error, Kind, Result};
use crate::io::atomic;

/// A Zarr array that is being written.
///
/// Chunks go to a hidden folder beside the target, each under a temporary name first. When all are there, the
/// folder gets its metadata and then the target's name. Dropped before that, the folder is removed, unless the
/// store can be resumed.
pub struct ZarrSink<T> {
    target: PathBuf,
    /// The hidden folder; `None` once it has the target's name.
    staging: Mutex<Option<PathBuf>>,
    folder: PathBuf,
    layout: Layout,
    /// The blocks that are written, by their numbers, and those that were there before.
    journal: Option<Journal>,
    finished: HashMap<usize, Entry>,
    overwrite: bool,
    sync: bool,
    element: PhantomData<fn(T)>,
}

fn io_error(what: &str, path: &Path, error: io::Error) -> Error {
    Error::wrap(Kind::Io, format!("{what} {}", path.display()), error.into())
}

impl<T: Element> ZarrSink<T> {
    /// Creates the hidden folder, or finds the one of an interrupted store.
    ///
    /// `fingerprint` says what is stored, for a store that can be resumed.
    pub fn create(
        path: impl AsRef<Path>,
        shape: &[usize],
        chunks: &Chunks,
        options: &Create,
        fingerprint: Option<u128>,
    ) -> Result<ZarrSink<T>> {
        let path = path.as_ref();
        let made = || {
            check_name(path)?;
            let layout = options.layout(T::DTYPE, shape, chunks)?;
            // A link is followed, so that what it points to is replaced, and not the link.
            let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
            check_free(&target, options.overwrite)?;
            if let Some(parent) = target.parent()
                && !parent.as_os_str().is_empty()
            {
                fs::create_dir_all(parent)
                    .map_err(|error| io_error("creating the folder", parent, error))?;
            }
            let (folder, journal, finished) = match fingerprint {
                Some(fingerprint) => resume(&target, fingerprint, &layout, options.sync)?,
                None => (fresh(&target)?, None, HashMap::new()),
            };
            Ok(ZarrSink {
                target,
                staging: Mutex::new(Some(folder.clone())),
                folder,
                layout,
                journal,
                finished,
                overwrite: options.overwrite,
                sync: options.sync,
                element: PhantomData,
            })
        };
        made().map_err(|error: Error| error.context(format!("creating {}", path.display())))
    }

    fn number(&self, region: &Region) -> Option<(Vec<usize>, usize)> {
        let files = &self.layout.info.files;
        let index: Vec<usize> = region
            .start()
            .iter()
            .zip(&self.layout.info.file_shape)
            .map(|(at, size)| at / size)
            .collect();
        let counts = files.num_blocks();
        let inside = index.iter().zip(&counts).all(|(i, n)| i < n);
        if !inside || files.region(&index) != *region {
            return None;
        }
        let number = index
            .iter()
            .zip(&counts)
            .fold(0, |number, (index, count)| number * count + index);
        Some((index, number))
    }

    fn publish(&self) -> Result<()> {
        let mut staging = self.staging.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(folder) = &*staging else {
            return Ok(());
        };
        let failed = |error: io::Error| io_error("finishing", &self.target, error);
        if self.sync {
            files::sync_tree(folder).map_err(failed)?;
        }
        for (name, text) in &self.layout.files {
            files::write_file(&folder.join(name), text, self.sync).map_err(failed)?;
        }
        check_free(&self.target, self.overwrite)?;
        let old = atomic::name_beside(&self.target).map_err(failed)?;
        let replaced = match fs::rename(&self.target, &old) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(failed(error)),
        };
        if let Err(error) = fs::rename(folder, &self.target) {
            if replaced {
                // What was there is put back; of two errors the first one is told.
                let _ = fs::rename(&old, &self.target);
            }
            return Err(failed(error));
        }
        *staging = None;
        if self.journal.is_some() {
            journal::remove(&self.target).map_err(failed)?;
        }
        if self.sync
            && let Some(parent) = self.target.parent()
        {
            let parent = if parent.as_os_str().is_empty() {
                Path::new(".")
            } else {
                parent
            };
            files::sync_folder(parent).map_err(failed)?;
        }
        if replaced {
            fs::remove_dir_all(&old).map_err(|error| io_error("removing", &old, error))?;
        }
        Ok(())
    }
}

/// That nothing is at the target that may not be replaced.
fn check_free(target: &Path, overwrite: bool) -> Result<()> {
    match fs::symlink_metadata(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io_error("looking at", target, error)),
        Ok(_) => {}
    }
    if !overwrite {
        return Err(refuse(
            "something is there already, and overwriting was not asked for",
        ));
    }
    match metadata::find(target) {
        Ok(found) if found.kind == NodeKind::Array => Ok(()),
        Ok(_) => Err(refuse(
            "a group is there, and only arrays are overwritten: remove it first",
        )),
        Err(error) => Err(error.context("what is there is no Zarr array, and is not overwritten")),
    }
}

/// A new hidden folder.
fn fresh(target: &Path) -> Result<PathBuf> {
    loop {
        let folder = atomic::name_beside(target)
            .map_err(|error| io_error("naming a folder beside", target, error))?;
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            // Left behind by a process that was killed and had our number.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(io_error("creating the folder", &folder, error)),
        }
    }
}

type Resumed = (PathBuf, Option<Journal>, HashMap<usize, Entry>);

/// The hidden folder of a store that can be resumed has the same name each time.
fn resume(target: &Path, fingerprint: u128, layout: &Layout, sync: bool) -> Result<Resumed> {
    let mut name = std::ffi::OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(".resumable");
    let folder = target.with_file_name(name);
    let failed = |error: io::Error| io_error("resuming in", &folder, error);
    // Other chunks or codecs, other files.
    let fingerprint =
        layout
            .files
            .iter()
            .flat_map(|(_, text)| text)
            .fold(fingerprint, |mix, &byte| {
                (mix ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
            });
    if folder.exists() {
        match Journal::find(&folder, fingerprint, sync).map_err(failed)? {
            Found::Same(journal, entries) => {
                let entries = entries
                    .into_iter()
                    .filter(|(number, entry)| is_whole(&folder, layout, *number, *entry))
                    .collect();
                return Ok((folder, Some(journal), entries));
            }
            Found::Busy => return Err(refuse("another process is storing it")),
            Found::Other(other) => {
                return Err(refuse(format!(
                    "an interrupted store of something else ({other}) is in {}: finish that one, or remove the folder",
                    folder.display()
                )));
            }
            Found::None => fs::remove_dir_all(&folder).map_err(failed)?,
        }
    }
    fs::create_dir(&folder).map_err(failed)?;
    let journal = Journal::create(&folder, fingerprint, sync).map_err(failed)?;
    Ok((folder, Some(journal), HashMap::new()))
}

/// Whether a chunk's file is what the journal says.
fn is_whole(folder: &Path, layout: &Layout, number: usize, entry: Entry) -> bool {
    let info = &layout.info;
    let counts = info.files.num_blocks();
    if number >= info.files.count() {
        return false;
    }
    let index = crate::base::chunks::unravel(number, &counts);
    let path = folder.join(info.keys.path(&index));
    let same_length = fs::metadata(&path).is_ok_and(|found| found.len() == entry.bytes);
    same_length && fs::read(&path).is_ok_and(|bytes| crc_of(&bytes) == entry.crc)
}

impl<T: Element> Sink for ZarrSink<T> {
    type Elem = T;

    fn write(&self, region: &Region, values: ArrayViewD<'_, T>) -> Result<(), BoxError> {
        let Some((index, number)) = self.number(region) else {
            let why = format!("{region} is no block of {}", self.layout.info.files);
            return Err(Error::new(Kind::Internal, why).into());
        };
        let path = self.folder.join(self.layout.info.keys.path(&index));
        let written = || {
            let info = &self.layout.info;
            let entry = encode::write(info, values, &path, self.sync, self.journal.is_some())?;
            if let Some(journal) = &self.journal {
                journal.note(number, entry)?;
            }
            Ok(())
        };
        written().map_err(|error: BoxError| {
            let what = format!("chunk {index:?} in {}", path.display());
            Error::wrap(Kind::Io, what, error).into()
        })
    }

    fn write_grid(&self) -> Option<Chunks> {
        Some(self.layout.info.files.clone())
    }

    fn is_written(&self, region: &Region) -> bool {
        self.number(region)
            .is_some_and(|(_, number)| self.finished.contains_key(&number))
    }

    fn scratch_bytes(&self) -> usize {
        encode::scratch_bytes(&self.layout.info)
    }

    fn finish(&self) -> Result<(), BoxError> {
        Ok(self.publish()?)
    }

    fn describe(&self) -> String {
        self.target.display().to_string()
    }
}

impl<T> Drop for ZarrSink<T> {
    fn drop(&mut self) {
        let staging = self
            .staging
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let (Some(folder), None) = (staging, &self.journal) {
            // Nobody is left to tell; a folder that cannot be removed keeps a name that says what it is.
            let _ = fs::remove_dir_all(folder);
        }
    }
}
