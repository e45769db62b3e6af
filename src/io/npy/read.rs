//! Reading regions of `.npy` files by positioned reads.

use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use ndarray::{ArrayView, ArrayViewMutD, Axis, IxDyn, ShapeBuilder, Slice};

use super::header::{self, Header};
use super::position;
use crate::base::chunks::Chunks;
use crate::base::element::Element;
use crate::base::region::Region;
use crate::base::shape::c_strides;
use crate::base::source::Source;
use crate::error::{BoxError, Error, Kind, Result};

/// Runs this close to each other are read together with the gap: the system reads whole pages anyway,
/// and one call per element of a column would take a hundred times as long.
const GAP_BYTES: usize = 4096;
/// What a read that cannot go straight into its destination holds at most.
pub const SCRATCH_BYTES: usize = 256 << 10;

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
        let mut prelude = [0; header::PRELUDE];
        let present = length.min(header::PRELUDE as u64) as usize;
        position::read_bytes(&file, &mut prelude[..present], 0).map_err(failed)?;
        let (start, len) = header::text_range(&prelude[..present]).map_err(named)?;
        if ((start + len) as u64) > length {
            let why = format!(
                "its header claims {len} bytes, and the file has only {} after it starts",
                length.saturating_sub(start as u64)
            );
            return Err(named(Error::new(Kind::Io, why)));
        }
        let mut text = vec![0; len];
        position::read_bytes(&file, &mut text, start as u64).map_err(failed)?;
        let header = Header::parse(&text, start).map_err(named)?;
        let present = length - header.data_offset;
        if present < header.data_bytes() {
            let why = format!(
                "the file is truncated: {:?} elements of {} are {} bytes, and {present} are there",
                header.shape,
                header.dtype,
                header.data_bytes()
            );
            return Err(named(Error::new(Kind::Io, why)));
        }
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

/// The elements of an `.npy` file, read region by region.
///
/// A read touches the runs of elements that it needs and, where two of them are less than a page apart,
/// what lies between. It goes straight to its destination where both are contiguous, else through
/// at most [`SCRATCH_BYTES`].
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

    /// Fills `out` from byte `offset` on; `strides` are the file's, in elements, slowest axis first.
    fn fill(
        &self,
        mut out: ArrayViewMutD<'_, T>,
        strides: &[usize],
        offset: u64,
        scratch: &mut Vec<T>,
    ) -> io::Result<()> {
        let header = &self.file.header;
        let item = size_of::<T>();
        let Extent { span, dense_from } = extent(out.shape(), strides, GAP_BYTES / item);
        let contiguous = span == out.len();
        if contiguous && let Some(slice) = out.as_slice_mut() {
            return position::read_elements(&self.file.file, slice, offset, header.swapped);
        }
        if dense_from == 0 && span * item <= SCRATCH_BYTES {
            scratch.resize(span, T::default());
            position::read_elements(&self.file.file, scratch, offset, header.swapped)?;
            let layout = IxDyn(out.shape()).strides(IxDyn(strides));
            let found =
                ArrayView::from_shape(layout, scratch).expect("the span covers the elements");
            out.assign(&found);
            return Ok(());
        }
        // The slowest axis is cut: into single rows while rows lie apart, else into what fits.
        let row = (strides[0] * item).max(1);
        let step = if dense_from == 0 {
            (SCRATCH_BYTES / row).max(1)
        } else {
            1
        };
        for first in (0..out.shape()[0]).step_by(step) {
            let end = (first + step).min(out.shape()[0]);
            let at = offset + (first * strides[0] * item) as u64;
            let mut part = out.slice_axis_mut(Axis(0), Slice::from(first..end));
            if end - first > 1 {
                self.fill(part, strides, at, scratch)?;
            } else {
                self.fill(part.index_axis_mut(Axis(0), 0), &strides[1..], at, scratch)?;
            }
        }
        Ok(())
    }
}

/// How a region lies in the file.
struct Extent {
    /// The elements from the first to the last, gaps included.
    span: usize,
    /// The slowest axis from which on no gap is longer than allowed.
    dense_from: usize,
}

fn extent(shape: &[usize], strides: &[usize], gap: usize) -> Extent {
    let mut span = 1;
    let mut dense_from = shape.len();
    let mut dense = true;
    for axis in (0..shape.len()).rev() {
        dense &= shape[axis] == 1 || strides[axis] - span <= gap;
        span += (shape[axis] - 1) * strides[axis];
        if dense {
            dense_from = axis;
        }
    }
    Extent { span, dense_from }
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
            data_offset,
            ..
        } = &self.file.header;
        let inside = region.ndim() == shape.len() && Region::whole(shape).contains(region);
        if !inside || out.shape() != region.shape() {
            let why = format!(
                "the region does not fit the array of shape {shape:?} or the destination of shape {:?}",
                out.shape()
            );
            return Err(Error::new(Kind::Internal, why).into());
        }
        if region.is_empty() {
            return Ok(());
        }
        // A Fortran-order file is the C-order file of the transposed array.
        let (mut shape, mut start, mut out) = (shape.clone(), region.start().to_vec(), out);
        if *fortran {
            shape.reverse();
            start.reverse();
            out = out.reversed_axes();
        }
        let mut strides: Vec<usize> = c_strides(&shape)
            .iter()
            .map(|stride| stride.unsigned_abs())
            .collect();
        let first: usize = start
            .iter()
            .zip(&strides)
            .map(|(at, stride)| at * stride)
            .sum();
        // Axes of length 1 have played their part, and would hide that the others are contiguous.
        for axis in (0..shape.len()).rev() {
            if out.shape()[axis] == 1 {
                out = out.index_axis_move(Axis(axis), 0);
                strides.remove(axis);
            }
        }
        let offset = data_offset + (first * size_of::<T>()) as u64;
        Ok(self.fill(out, &strides, offset, &mut Vec::new())?)
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
}
