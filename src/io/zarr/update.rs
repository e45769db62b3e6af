//! Writing a region of a Zarr array that exists.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn, Slice};

use super::encode;
use super::files;
use super::metadata::refuse;
use super::node::ZarrFile;
use super::source::ZarrSource;
use crate::base::chunks::{AxisChunks, Chunks};
use crate::base::element::Element;
use crate::base::region::Region;
use crate::base::source::{Sink, Source};
use crate::error::{BoxError, Error, Kind, Result};

/// The file that marks an array into which a region is being written, or was not written to the end.
pub const MARKER: &str = ".flagstone-unfinished";

/// How a region is written into a Zarr array that exists.
///
/// ```
/// use flagstone::Array;
/// use flagstone::zarr::Update;
///
/// let path = std::env::temp_dir().join("flagstone-doc-update.zarr");
/// # std::fs::remove_dir_all(&path).ok();
/// Array::<f64>::zeros([4, 6], [2, 3]).to_zarr(&path)?;
/// Array::<f64>::ones([2, 2], ..).update_zarr(&path, [1, 3], &Update::new())?;
/// assert_eq!(Array::<f64>::from_zarr(&path)?.sum(..).item()?, 4.0);
/// # std::fs::remove_dir_all(path).ok();
/// # Ok::<(), flagstone::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct Update {
    sync: bool,
    over_unfinished: bool,
}

impl Update {
    /// Not synchronized with the disk, and not into an array that is marked as unfinished.
    pub fn new() -> Update {
        Update::default()
    }

    /// Hands each file to the disk before it gets its name; see [`Create::sync`](super::Create::sync).
    pub fn sync(mut self) -> Update {
        self.sync = true;
        self
    }

    /// Writes into an array that an interrupted update has left marked, and takes the mark away at the end: for
    /// doing the same update again.
    pub fn over_unfinished(mut self) -> Update {
        self.over_unfinished = true;
        self
    }
}

/// A region of a Zarr array that is being written.
///
/// The array is marked while it is half old and half new, and stays so after an error, unless nothing was written.
pub struct RegionSink<T> {
    source: ZarrSource<T>,
    file: ZarrFile,
    start: Vec<usize>,
    shape: Vec<usize>,
    sync: bool,
    /// Whether the mark is this update's own, and nothing has been written under it.
    unwritten: AtomicBool,
}

fn io_error(what: &str, path: &Path, error: io::Error) -> Error {
    Error::wrap(Kind::Io, format!("{what} {}", path.display()), error.into())
}

impl<T: Element> RegionSink<T> {
    /// Marks the array as unfinished.
    pub fn open(
        path: impl AsRef<Path>,
        start: &[usize],
        shape: &[usize],
        options: Update,
    ) -> Result<RegionSink<T>> {
        let file = ZarrFile::open_unfinished(&path)?;
        let folder = file.folder.clone();
        let made = || {
            let inside = start.len() == file.info.shape.len()
                && shape.len() == start.len()
                && (0..start.len()).all(|axis| {
                    let end = start[axis].checked_add(shape[axis]);
                    end.is_some_and(|end| end <= file.info.shape[axis])
                });
            if !inside {
                let why = format!(
                    "an array of shape {shape:?} at {start:?} does not lie within one of shape {:?}",
                    file.info.shape
                );
                return Err(Error::new(Kind::Shape, why));
            }
            let source = ZarrSource::new(file.clone())?;
            let marked = mark(&file.folder, start, shape, options)?;
            Ok(RegionSink {
                source,
                unwritten: AtomicBool::new(marked),
                start: start.to_vec(),
                shape: shape.to_vec(),
                sync: options.sync,
                file,
            })
        };
        made().map_err(|error: Error| error.context(format!("updating {}", folder.display())))
    }

    fn path(&self, index: &[usize]) -> PathBuf {
        self.file.folder.join(self.file.info.keys.path(index))
    }

    /// Writes a file of which `inside`, in the array's own numbers, gets new values.
    fn rewrite(
        &self,
        path: &Path,
        cell: &Region,
        inside: &Region,
        values: ArrayViewD<'_, T>,
    ) -> Result<(), BoxError> {
        let write = |values: ArrayViewD<'_, T>| {
            encode::write(&self.file.info, values, path, self.sync, false).map(|_| ())
        };
        if inside == cell {
            return write(values);
        }
        let mut old = ArrayD::from_elem(IxDyn(cell.shape()), T::default());
        self.source.read(cell, old.view_mut())?;
        let mut part = old.view_mut();
        for axis in 0..cell.ndim() {
            let first = inside.start()[axis] - cell.start()[axis];
            let slice = Slice::from(first..first + inside.shape()[axis]);
            part.slice_axis_inplace(Axis(axis), slice);
        }
        part.assign(&values);
        write(old.view())
    }
}

/// Puts the mark there; a mark that is there already is somebody else's, or of an update that was interrupted. Gives
/// whether it is new.
fn mark(folder: &Path, start: &[usize], shape: &[usize], options: Update) -> Result<bool> {
    let path = folder.join(MARKER);
    let opened = OpenOptions::new().write(true).create_new(true).open(&path);
    let mut file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if options.over_unfinished {
                return Ok(false);
            }
            return Err(refuse(unfinished(folder)));
        }
        Err(error) => return Err(io_error("marking", folder, error)),
    };
    let text = format!(
        "{shape:?} elements at {start:?} by process {}\n",
        std::process::id()
    );
    file.write_all(text.as_bytes())
        .and_then(|()| {
            if options.sync {
                file.sync_all()?;
                files::sync_folder(folder)?;
            }
            Ok(())
        })
        .map_err(|error| io_error("marking", folder, error))?;
    Ok(true)
}

/// Says what the mark in a folder means.
pub fn unfinished(folder: &Path) -> String {
    let mut text = fs::read_to_string(folder.join(MARKER)).unwrap_or_default();
    text.truncate(text.floor_char_boundary(200));
    if text.is_empty() {
        // The process died between making the mark and writing it.
        text.push_str("which elements is not known");
    }
    format!(
        "a region is being written into it, or was not written to the end ({}): do the update again, or remove {MARKER}",
        text.trim_end()
    )
}

impl<T: Element> Sink for RegionSink<T> {
    type Elem = T;

    fn write(&self, region: &Region, values: ArrayViewD<'_, T>) -> Result<(), BoxError> {
        let info = &self.file.info;
        let start: Vec<usize> = region
            .start()
            .iter()
            .zip(&self.start)
            .map(|(at, first)| at + first)
            .collect();
        let index: Vec<usize> = start
            .iter()
            .zip(&info.file_shape)
            .map(|(at, size)| at / size)
            .collect();
        let inside = Region::new(start, region.shape());
        let cell = info.files.region(&index);
        if !cell.contains(&inside) {
            let why = format!("{inside} is no part of the chunk {cell}");
            return Err(Error::new(Kind::Internal, why).into());
        }
        let path = self.path(&index);
        self.unwritten.store(false, Ordering::Release);
        self.rewrite(&path, &cell, &inside, values)
            .map_err(|error| {
                let what = format!("chunk {index:?} in {}", path.display());
                Error::wrap(Kind::Io, what, error).into()
            })
    }

    /// The files' grid, as far as it lies in the region: no two blocks are of the same file.
    fn write_grid(&self) -> Option<Chunks> {
        let files = &self.file.info.files;
        let axes = (0..files.ndim()).map(|axis| {
            let range = self.start[axis]..self.start[axis] + self.shape[axis];
            if range.is_empty() {
                return AxisChunks::whole(0);
            }
            let chunks = &files.0[axis];
            let sizes: Vec<usize> = chunks
                .meeting(&range)
                .map(|block| {
                    let cell = chunks.range(block);
                    cell.end.min(range.end) - cell.start.max(range.start)
                })
                .collect();
            AxisChunks::from_sizes(&sizes)
        });
        Some(Chunks(axes.collect()))
    }

    fn scratch_bytes(&self) -> usize {
        let info = &self.file.info;
        let file = info
            .file_shape
            .iter()
            .copied()
            .fold(info.dtype.size(), usize::saturating_mul);
        encode::scratch_bytes(info)
            .saturating_add(Source::scratch_bytes(&self.source))
            .saturating_add(file)
    }

    fn finish(&self) -> Result<(), BoxError> {
        let folder = &self.file.folder;
        let done = || {
            if self.sync {
                files::sync_tree(folder)?;
            }
            fs::remove_file(folder.join(MARKER))?;
            self.unwritten.store(false, Ordering::Release);
            if self.sync {
                files::sync_folder(folder)?;
            }
            Ok(())
        };
        done().map_err(|error| io_error("finishing", folder, error).into())
    }

    fn describe(&self) -> String {
        self.file.folder.display().to_string()
    }
}

impl<T> Drop for RegionSink<T> {
    fn drop(&mut self) {
        if *self.unwritten.get_mut() {
            // The array is as it was; a mark that cannot be removed says at least what is to be done.
            let _ = fs::remove_file(self.file.folder.join(MARKER));
        }
    }
}
