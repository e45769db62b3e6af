//! Reading regions of Zarr arrays, chunk by chunk.

use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use ndarray::{ArrayView, ArrayViewMutD, Axis, IxDyn, Slice};

use super::codecs::{Decoder, Shards};
use super::encode;
use super::node::ZarrFile;
use crate::base::chunks::Chunks;
use crate::base::element::Element;
use crate::base::region::Region;
use crate::base::source::Source;
use crate::error::{BoxError, Error, Kind, Result};
use crate::io::cells::{cells, full_region, sub_view};
use crate::io::position;
use crate::io::raw;

/// The elements of a Zarr array.
///
/// A read opens the files that it needs one after another, and of a shard reads its index and the inner chunks
/// that are needed. A chunk without a file has the fill value everywhere.
pub struct ZarrSource<T> {
    file: ZarrFile,
    element: PhantomData<fn() -> T>,
}

impl<T: Element> ZarrSource<T> {
    /// A source of elements of type `T`.
    ///
    /// # Errors
    /// If the array's elements have another type.
    pub fn new(file: ZarrFile) -> Result<ZarrSource<T>> {
        file.check_dtype::<T>()?;
        Ok(ZarrSource {
            file,
            element: PhantomData,
        })
    }

    /// Reads what is needed of one file.
    fn read_file(
        &self,
        index: &[usize],
        region: &Region,
        mut out: ArrayViewMutD<'_, T>,
    ) -> Result<(), BoxError> {
        let info = &self.file.info;
        let path = self.file.folder.join(info.keys.path(index));
        let file = match File::open(&path) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        let Some(file) = file else {
            out.fill(encode::fill(&self.file.info));
            return Ok(());
        };
        let length = file.metadata()?.len();
        let whole = full_region(index, &info.file_shape);
        let region = region.relative_to(whole.start());
        match &info.codecs.shards {
            None => {
                let bytes = Stored::In(&file, 0, length);
                read_unit(&info.codecs.unit, &info.unit_shape, bytes, &region, out)
            }
            Some(shards) => {
                let table = read_index(shards, &file, length)?;
                for (inner, part) in cells(&shards.inner, &region) {
                    let into = sub_view(out.view_mut(), &part, &region);
                    let Some((offset, bytes)) = table.find(shards, &inner) else {
                        let mut into = into;
                        into.fill(encode::fill(&self.file.info));
                        continue;
                    };
                    let unit = full_region(&inner, &shards.inner);
                    let part = part.relative_to(unit.start());
                    let end = offset.checked_add(bytes);
                    let done = if end.is_none_or(|end| end > length) {
                        Err(format!(
                            "the shard's index places it at {offset} with {bytes} bytes, and the file has {length}"
                        )
                        .into())
                    } else {
                        let stored = Stored::In(&file, offset, bytes);
                        read_unit(&info.codecs.unit, &shards.inner, stored, &part, into)
                    };
                    done.map_err(|error| {
                        Error::wrap(
                            Kind::Io,
                            format!("inner chunk {inner:?} of the shard"),
                            error,
                        )
                    })?;
                }
                Ok(())
            }
        }
    }

    fn path(&self, index: &[usize]) -> PathBuf {
        self.file.folder.join(self.file.info.keys.path(index))
    }
}

/// Where the bytes of a unit lie.
pub(super) enum Stored<'a> {
    /// In a file, at an offset, so many.
    In(&'a File, u64, u64),
    /// Here: they came from afar.
    #[cfg(feature = "http")]
    Here(Vec<u8>),
}

impl Stored<'_> {
    fn len(&self) -> u64 {
        match self {
            Stored::In(_, _, bytes) => *bytes,
            #[cfg(feature = "http")]
            Stored::Here(bytes) => bytes.len() as u64,
        }
    }
}

/// Decodes the elements of `region`, relative to the unit, into `out`.
pub(super) fn read_unit<T: Element>(
    decoder: &Decoder,
    shape: &[usize],
    stored: Stored<'_>,
    region: &Region,
    out: ArrayViewMutD<'_, T>,
) -> Result<(), BoxError> {
    let expected = shape.iter().product::<usize>() * size_of::<T>();
    let (order, swapped) = match &decoder.plain {
        Some(plain) => (plain.order.clone(), plain.swapped),
        None => ((0..shape.len()).collect(), false),
    };
    // From here on in the order of the axes in which elements are stored.
    let mut out = out.permuted_axes(IxDyn(&order));
    let stored_shape: Vec<usize> = order.iter().map(|&axis| shape[axis]).collect();
    let start: Vec<usize> = order.iter().map(|&axis| region.start()[axis]).collect();
    if decoder.is_raw() && stored.len() != expected as u64 {
        let why = format!(
            "it has {} bytes, and its elements are {expected}",
            stored.len()
        );
        return Err(why.into());
    }
    if let (Stored::In(file, offset, _), true) = (&stored, decoder.is_raw()) {
        let place = raw::Place {
            shape: &stored_shape,
            offset: *offset,
            swapped,
        };
        return Ok(raw::read_region(file, &place, &start, out)?);
    }
    if stored.len() > decoder.most_encoded as u64 {
        let why = format!(
            "it has {} bytes, and {} are the most that its codecs make of {expected}",
            stored.len(),
            decoder.most_encoded
        );
        return Err(why.into());
    }
    let encoded = match stored {
        #[cfg(feature = "http")]
        Stored::Here(bytes) => bytes,
        Stored::In(file, offset, bytes) => {
            let mut encoded = vec![0; bytes as usize];
            position::read_bytes(file, &mut encoded, offset)?;
            encoded
        }
    };
    if region.shape() == shape
        && let Some(slice) = out.as_slice_mut()
    {
        return position::fill(slice, swapped, |bytes| decoder.decode(encoded, bytes));
    }
    let mut elements = vec![T::default(); shape.iter().product()];
    position::fill(&mut elements, swapped, |bytes| {
        decoder.decode(encoded, bytes)
    })?;
    let mut found = ArrayView::from_shape(IxDyn(&stored_shape), &elements[..])
        .expect("a unit has as many elements as its shape");
    for (axis, &first) in start.iter().enumerate() {
        let slice = Slice::from(first..first + out.shape()[axis]);
        found.slice_axis_inplace(Axis(axis), slice);
    }
    out.assign(&found);
    Ok(())
}

/// Offsets and lengths of inner chunks.
pub(super) struct Table(Vec<u64>);

impl Table {
    /// Where an inner chunk lies; `None` if it has only fill values.
    pub fn find(&self, shards: &Shards, inner: &[usize]) -> Option<(u64, u64)> {
        let number = inner
            .iter()
            .zip(&shards.counts)
            .fold(0, |number, (index, count)| number * count + index);
        let (offset, bytes) = (self.0[2 * number], self.0[2 * number + 1]);
        (offset != u64::MAX || bytes != u64::MAX).then_some((offset, bytes))
    }
}

fn read_index(shards: &Shards, file: &File, length: u64) -> Result<Table, BoxError> {
    let bytes = shards.index_bytes;
    let Some(last) = length.checked_sub(bytes as u64) else {
        let why = format!("it has {length} bytes, fewer than the {bytes} of a shard's index");
        return Err(why.into());
    };
    let mut encoded = vec![0; bytes];
    let offset = if shards.at_end { last } else { 0 };
    position::read_bytes(file, &mut encoded, offset)?;
    decode_index(shards, encoded)
}

/// The table from its encoded bytes.
pub(super) fn decode_index(shards: &Shards, encoded: Vec<u8>) -> Result<Table, BoxError> {
    let mut numbers = vec![0u64; 2 * shards.counts.iter().product::<usize>()];
    let swapped = shards
        .index
        .plain
        .as_ref()
        .is_some_and(|plain| plain.swapped);
    position::fill(&mut numbers, swapped, |out| {
        shards.index.decode(encoded, out)
    })
    .map_err(|error| Error::wrap(Kind::Io, "the shard's index", error))?;
    Ok(Table(numbers))
}

impl<T: Element> Source for ZarrSource<T> {
    type Elem = T;

    fn shape(&self) -> &[usize] {
        &self.file.info.shape
    }

    fn chunks(&self) -> Chunks {
        self.file.info.units.clone()
    }

    fn read(&self, region: &Region, mut out: ArrayViewMutD<'_, T>) -> Result<(), BoxError> {
        let info = &self.file.info;
        raw::check_region(&info.shape, region, out.shape())?;
        if region.is_empty() {
            return Ok(());
        }
        for (index, part) in cells(&info.file_shape, region) {
            let into = sub_view(out.view_mut(), &part, region);
            // Codecs are others' code, and a chunk's bytes may be anybody's.
            catch_unwind(AssertUnwindSafe(|| self.read_file(&index, &part, into)))
                .unwrap_or_else(|payload| Err(Error::from_panic(payload).into()))
                .map_err(|error| {
                    let what = format!("chunk {index:?} in {}", self.path(&index).display());
                    Error::wrap(Kind::Io, what, error)
                })?;
        }
        Ok(())
    }

    fn storage_grid(&self) -> Option<Chunks> {
        Some(self.file.info.units.clone())
    }

    fn cost(&self) -> f64 {
        // Decompression: one to two bytes a nanosecond and core; what is raw only is copied.
        let raw = self.file.info.codecs.unit.is_raw();
        (if raw { 0.25 } else { 0.8 }) * size_of::<T>() as f64
    }

    fn scratch_bytes(&self) -> usize {
        let codecs = &self.file.info.codecs;
        // An index is read encoded and kept decoded.
        let index = codecs
            .shards
            .as_ref()
            .map_or(0, |shards| shards.index.scratch_bytes());
        codecs.unit.scratch_bytes().saturating_add(index)
    }

    fn describe(&self) -> String {
        self.file.folder.display().to_string()
    }

    fn fingerprint(&self) -> Option<String> {
        let folder = std::fs::canonicalize(&self.file.folder).ok()?;
        let state = super::files::state(&folder).ok()?;
        Some(format!("{} {state:016x}", folder.display()))
    }
}
