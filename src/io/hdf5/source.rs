//! Reading regions of datasets, chunk by chunk.

use std::marker::PhantomData;

use hdf5_sys::h5::{herr_t, hsize_t};
use hdf5_sys::h5d::{H5Dread, H5Dread_chunk1};
use hdf5_sys::h5i::hid_t;
use hdf5_sys::h5p::H5P_DEFAULT;
use ndarray::{ArrayView, ArrayViewMutD, Axis, IxDyn, Slice};

use super::chunk::Decoder;
use super::dataset::{Dataset, Layout};
use super::file::{failed, refuse};
use crate::base::chunks::Chunks;
use crate::base::element::Element;
use crate::base::region::Region;
use crate::base::source::Source;
use crate::error::{BoxError, Error, Kind, Result};
use crate::io::cells::{cells, full_region, sub_view};
use crate::io::position;
use crate::io::raw;

unsafe extern "C" {
    /// Of the library since 1.10.2, but not of its bindings: the bytes of a stored chunk, 0 if it was never written.
    unsafe fn H5Dget_chunk_storage_size(
        dataset: hid_t,
        offset: *const hsize_t,
        bytes: *mut hsize_t,
    ) -> herr_t;
}

/// The elements of a dataset.
///
/// Chunks are fetched through the library, one at a time, and decoded by whoever reads. What lies one after another is
/// read from the file itself. Filters that we do not know are the library's, which decodes one at a time.
pub struct Hdf5Source<T> {
    dataset: Dataset,
    chunks: Chunks,
    element: PhantomData<fn() -> T>,
}

impl<T: Element> Hdf5Source<T> {
    /// A source of elements of type `T`, in chunks.
    ///
    /// # Errors
    /// If the dataset's elements have another type.
    pub fn new(dataset: Dataset, chunks: Chunks) -> Result<Hdf5Source<T>> {
        let dtype = dataset.stored.dtype;
        if dtype != T::DTYPE {
            let why = format!(
                "{} holds {dtype}, not {}: open it as an array of {}, or as an AnyArray",
                dataset.describe(),
                T::DTYPE,
                dtype.rust_name()
            );
            return Err(Error::new(Kind::Dtype, why));
        }
        Ok(Hdf5Source {
            dataset,
            chunks,
            element: PhantomData,
        })
    }

    fn fill(&self) -> T {
        let mut fill = [T::default()];
        let Ok(()) = position::fill(&mut fill, self.dataset.stored.swapped, |out| {
            out.copy_from_slice(&self.dataset.fill);
            Ok::<(), std::convert::Infallible>(())
        });
        fill[0]
    }

    fn read_chunk(
        &self,
        shape: &[usize],
        decoder: &Decoder,
        index: &[usize],
        region: &Region,
        mut out: ArrayViewMutD<'_, T>,
    ) -> Result<(), BoxError> {
        let whole = full_region(index, shape);
        let Some((stored, skipped)) = self.fetch(decoder, &whole)? else {
            return self.read_with_library(region, out);
        };
        let swapped = self.dataset.stored.swapped;
        if region.shape() == shape
            && let Some(slice) = out.as_slice_mut()
        {
            return position::fill(slice, swapped, |bytes| {
                decoder.decode(stored, skipped, bytes)
            });
        }
        let mut elements = vec![T::default(); whole.size()];
        position::fill(&mut elements, swapped, |bytes| {
            decoder.decode(stored, skipped, bytes)
        })?;
        let mut found = ArrayView::from_shape(IxDyn(shape), &elements[..])
            .expect("a chunk has as many elements as its shape");
        for axis in 0..region.ndim() {
            let first = region.start()[axis] - whole.start()[axis];
            let slice = Slice::from(first..first + region.shape()[axis]);
            found.slice_axis_inplace(Axis(axis), slice);
        }
        out.assign(&found);
        Ok(())
    }

    /// The bytes of a chunk as they are stored, and which filters they did not go through; `None` if it has none, which
    /// some versions of the library call an error: then it was never written, or the library knows what is wrong.
    fn fetch(&self, decoder: &Decoder, chunk: &Region) -> Result<Option<(Vec<u8>, u32)>, BoxError> {
        let offset: Vec<u64> = chunk.start().iter().map(|&at| at as u64).collect();
        hdf5::sync::sync(|| {
            let id = self.dataset.dataset.id();
            let mut size = 0;
            // SAFETY: the number of an open dataset, and an offset with as many axes as it has.
            let asked = unsafe { H5Dget_chunk_storage_size(id, offset.as_ptr(), &mut size) };
            if asked < 0 || size == 0 {
                return Ok(None);
            }
            let most = decoder.most_encoded();
            if size > most as u64 {
                let why = format!("it has {size} bytes, and {most} are the most of its filters");
                return Err(why.into());
            }
            let mut bytes = vec![0; size as usize];
            let mut skipped = 0;
            // SAFETY: as above; the buffer has the size that the library has just said, and nobody else calls it
            // meanwhile.
            let read = unsafe {
                H5Dread_chunk1(
                    id,
                    H5P_DEFAULT,
                    offset.as_ptr(),
                    &mut skipped,
                    bytes.as_mut_ptr().cast(),
                )
            };
            hdf5::h5check(read).map_err(|error| failed("its bytes cannot be read", error))?;
            Ok(Some((bytes, skipped)))
        })
    }

    /// Lets the library do everything.
    fn read_with_library(
        &self,
        region: &Region,
        mut out: ArrayViewMutD<'_, T>,
    ) -> Result<(), BoxError> {
        let dataset = &self.dataset.dataset;
        let mut elements = vec![T::default(); region.size()];
        let what = |error| failed("the HDF5 library cannot read it", error);
        let file_space = dataset.space().map_err(what)?;
        let file_space = if region.ndim() == 0 {
            file_space
        } else {
            let slices: Vec<hdf5::SliceOrIndex> = (0..region.ndim())
                .map(|axis| hdf5::SliceOrIndex::from(region.range(axis)))
                .collect();
            let slices = hdf5::Hyperslab::from(slices);
            file_space
                .select(hdf5::Selection::from(slices))
                .map_err(what)?
        };
        let memory = hdf5::Dataspace::try_new(region.shape()).map_err(what)?;
        let kind = dataset.dtype().map_err(what)?;
        if kind.size() != size_of::<T>() || file_space.selection_size() != region.size() {
            return Err(refuse("it is not what it was when it was opened").into());
        }
        position::fill(&mut elements, self.dataset.stored.swapped, |bytes| {
            hdf5::sync::sync(|| {
                // SAFETY: numbers of open objects. Elements are asked for in the type in which they are stored, and
                // the buffer holds as many of them as are selected.
                let read = unsafe {
                    H5Dread(
                        dataset.id(),
                        kind.id(),
                        memory.id(),
                        file_space.id(),
                        H5P_DEFAULT,
                        bytes.as_mut_ptr().cast(),
                    )
                };
                hdf5::h5check(read).map(|_| ()).map_err(what)
            })
        })?;
        let found = ArrayView::from_shape(out.raw_dim(), &elements[..])
            .expect("the destination has the region's shape");
        out.assign(&found);
        Ok(())
    }
}

impl<T: Element> Source for Hdf5Source<T> {
    type Elem = T;

    fn shape(&self) -> &[usize] {
        &self.dataset.shape
    }

    fn chunks(&self) -> Chunks {
        self.chunks.clone()
    }

    fn read(&self, region: &Region, mut out: ArrayViewMutD<'_, T>) -> Result<(), BoxError> {
        raw::check_region(&self.dataset.shape, region, out.shape())?;
        if region.is_empty() {
            return Ok(());
        }
        match &self.dataset.layout {
            Layout::Contiguous(None) => out.fill(self.fill()),
            Layout::Contiguous(Some((file, offset))) => {
                let place = raw::Place {
                    shape: &self.dataset.shape,
                    offset: *offset,
                    swapped: self.dataset.stored.swapped,
                };
                raw::read_region(file, &place, region.start(), out)?;
            }
            Layout::Chunked(shape, decoder) => {
                for (index, part) in cells(shape, region) {
                    let into = sub_view(out.view_mut(), &part, region);
                    self.read_chunk(shape, decoder, &index, &part, into)
                        .map_err(|error| {
                            let what = format!("chunk {index:?} of {}", self.dataset.describe());
                            Error::wrap(Kind::Io, what, error)
                        })?;
                }
            }
            Layout::Library(_) => self.read_with_library(region, out)?,
        }
        Ok(())
    }

    fn storage_grid(&self) -> Option<Chunks> {
        match &self.dataset.layout {
            Layout::Contiguous(_) | Layout::Library(None) => None,
            Layout::Chunked(..) | Layout::Library(Some(_)) => Some(self.dataset.chunks.clone()),
        }
    }

    fn cost(&self) -> f64 {
        let size = size_of::<T>() as f64;
        match &self.dataset.layout {
            Layout::Contiguous(_) => 0.25 * size,
            // Inflating gives a third of a byte a nanosecond.
            Layout::Chunked(_, decoder) if decoder.is_compressed() => 3.0 * size,
            Layout::Chunked(..) => 0.5 * size,
            Layout::Library(_) => 4.0 * size,
        }
    }

    fn scratch_bytes(&self) -> usize {
        let size = size_of::<T>();
        let bytes = |shape: &[usize]| shape.iter().copied().fold(size, usize::saturating_mul);
        match &self.dataset.layout {
            Layout::Contiguous(_) => raw::SCRATCH_BYTES,
            Layout::Chunked(_, decoder) => decoder.scratch_bytes(),
            // The block in the stored type, and what the library has for a chunk and its cache.
            Layout::Library(Some(chunk)) => bytes(chunk).saturating_mul(4).saturating_add(1 << 20),
            Layout::Library(None) => {
                (self.chunks.largest_block().saturating_mul(size)).saturating_add(1 << 20)
            }
        }
    }

    fn describe(&self) -> String {
        self.dataset.describe()
    }

    fn fingerprint(&self) -> Option<String> {
        let path = std::fs::canonicalize(&*self.dataset.path).ok()?;
        let metadata = std::fs::metadata(&path).ok()?;
        let changed = metadata.modified().ok()?;
        Some(format!(
            "{} {} {} {changed:?}",
            path.display(),
            self.dataset.name,
            metadata.len()
        ))
    }
}
