//! Reading regions of elements that lie in a file as they lie in memory.

use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::path::PathBuf;

use ndarray::{ArrayView, ArrayViewMutD, Axis, IxDyn, ShapeBuilder, Slice};

use super::position;
use crate::base::chunks::Chunks;
use crate::base::element::Element;
use crate::base::region::Region;
use crate::base::shape::{c_strides, check_shape};
use crate::base::source::Source;
use crate::error::{BoxError, Error, Kind, Result};

/// Runs this close to each other are read together with the gap: the system reads whole pages anyway,
/// and one call per element of a column would take a hundred times as long.
const GAP_BYTES: usize = 4096;
/// What a read that cannot go straight into its destination holds at most.
pub const SCRATCH_BYTES: usize = 256 << 10;

/// A C-order array in a file.
pub struct Place<'a> {
    pub shape: &'a [usize],
    /// The byte of the first element.
    pub offset: u64,
    /// Whether the elements have the other byte order than this machine.
    pub swapped: bool,
}

/// That a region lies in the array, and the destination has its shape.
pub fn check_region(shape: &[usize], region: &Region, out: &[usize]) -> Result<()> {
    let inside = region.ndim() == shape.len() && Region::whole(shape).contains(region);
    if inside && out == region.shape() {
        return Ok(());
    }
    let why = format!(
        "{region} does not fit the array of shape {shape:?} or the destination of shape {out:?}"
    );
    Err(Error::new(Kind::Internal, why))
}

/// Fills `out` with the elements from the index `start` on.
///
/// Touches the runs of elements that it needs and, where two of them are less than a page apart, what lies
/// between. It goes straight to its destination where both are contiguous, else through at most
/// [`SCRATCH_BYTES`].
pub fn read_region<T: Element>(
    file: &File,
    place: &Place<'_>,
    start: &[usize],
    mut out: ArrayViewMutD<'_, T>,
) -> io::Result<()> {
    if out.is_empty() {
        return Ok(());
    }
    let mut strides: Vec<usize> = c_strides(place.shape)
        .iter()
        .map(|stride| stride.unsigned_abs())
        .collect();
    let first: usize = start
        .iter()
        .zip(&strides)
        .map(|(at, stride)| at * stride)
        .sum();
    // Axes of length 1 have played their part, and would hide that the others are contiguous.
    for axis in (0..strides.len()).rev() {
        if out.shape()[axis] == 1 {
            out = out.index_axis_move(Axis(axis), 0);
            strides.remove(axis);
        }
    }
    let offset = place.offset + (first * size_of::<T>()) as u64;
    let reader = Reader {
        file,
        swapped: place.swapped,
    };
    reader.fill(out, &strides, offset, &mut Vec::new())
}

struct Reader<'a> {
    file: &'a File,
    swapped: bool,
}

impl Reader<'_> {
    /// Fills `out` from byte `offset` on; `strides` are the file's, in elements, slowest axis first.
    fn fill<T: Element>(
        &self,
        mut out: ArrayViewMutD<'_, T>,
        strides: &[usize],
        offset: u64,
        scratch: &mut Vec<T>,
    ) -> io::Result<()> {
        let item = size_of::<T>();
        let Extent { span, dense_from } = extent(out.shape(), strides, GAP_BYTES / item);
        let contiguous = span == out.len();
        if contiguous && let Some(slice) = out.as_slice_mut() {
            return position::read_elements(self.file, slice, offset, self.swapped);
        }
        if dense_from == 0 && span * item <= SCRATCH_BYTES {
            scratch.resize(span, T::default());
            position::read_elements(self.file, scratch, offset, self.swapped)?;
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

/// A file of elements without a header.
#[derive(Clone, Debug)]
pub struct RawFile {
    pub path: PathBuf,
    pub shape: Vec<usize>,
    pub offset: u64,
    pub swapped: bool,
    pub fortran: bool,
}

/// The elements of such a file.
pub struct RawSource<T> {
    raw: RawFile,
    file: File,
    chunks: Chunks,
    element: PhantomData<fn() -> T>,
}

impl<T: Element> RawSource<T> {
    /// Opens the file.
    ///
    /// # Errors
    /// If there is no such file, or it is too short for its elements.
    pub fn open(raw: RawFile, chunks: Chunks) -> Result<RawSource<T>> {
        let path = raw.path.display();
        let failed =
            |error: io::Error| Error::wrap(Kind::Io, format!("opening {path}"), error.into());
        check_shape(&raw.shape, size_of::<T>())
            .map_err(|error| error.context(format!("opening {path}")))?;
        let file = File::open(&raw.path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return Err(failed(io::ErrorKind::IsADirectory.into()));
        }
        let bytes = (raw.shape.iter().product::<usize>() * size_of::<T>()) as u64;
        let end = raw.offset.checked_add(bytes);
        if end.is_none_or(|end| end > metadata.len()) {
            let why = format!(
                "{path} is too short: {:?} elements of {} from byte {} on are {bytes} bytes, and the file has {}",
                raw.shape,
                T::DTYPE,
                raw.offset,
                metadata.len()
            );
            return Err(Error::new(Kind::Io, why));
        }
        Ok(RawSource {
            raw,
            file,
            chunks,
            element: PhantomData,
        })
    }
}

impl<T: Element> Source for RawSource<T> {
    type Elem = T;

    fn shape(&self) -> &[usize] {
        &self.raw.shape
    }

    fn chunks(&self) -> Chunks {
        self.chunks.clone()
    }

    fn read(&self, region: &Region, out: ArrayViewMutD<'_, T>) -> Result<(), BoxError> {
        check_region(&self.raw.shape, region, out.shape())?;
        let (mut shape, mut start, mut out) =
            (self.raw.shape.clone(), region.start().to_vec(), out);
        if self.raw.fortran {
            shape.reverse();
            start.reverse();
            out = out.reversed_axes();
        }
        let place = Place {
            shape: &shape,
            offset: self.raw.offset,
            swapped: self.raw.swapped,
        };
        Ok(read_region(&self.file, &place, &start, out)?)
    }

    fn cost(&self) -> f64 {
        0.25 * size_of::<T>() as f64
    }

    fn scratch_bytes(&self) -> usize {
        SCRATCH_BYTES
    }

    fn describe(&self) -> String {
        self.raw.path.display().to_string()
    }

    fn fingerprint(&self) -> Option<String> {
        let RawFile {
            offset,
            swapped,
            fortran,
            ..
        } = self.raw;
        let file = super::npy::read::file_fingerprint(&self.raw.path)?;
        Some(format!("{file} {offset} {swapped} {fortran}"))
    }
}
