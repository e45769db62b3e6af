//! Datasets, as far as arrays can be made of them.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use hdf5_sys::h5d::{H5Dget_create_plist, H5Dget_offset};
use hdf5_sys::h5p::{
    H5Pclose, H5Pget_external_count, H5Pget_fill_value, H5Pget_filter2, H5Pget_nfilters,
};

use super::attributes::{Attributes, dimension_names};
use super::chunk::{Decoder, known};
use super::elements::{Stored, stored};
use super::file::{failed, refuse};
use crate::base::chunks::Chunks;
use crate::base::shape::check_shape;
use crate::error::{Error, Kind, Result};

/// More axes are refused; HDF5 has at most 32.
const MOST_AXES: usize = 32;

/// An opened dataset.
#[derive(Clone)]
pub struct Dataset {
    pub path: Arc<PathBuf>,
    /// Its path in the file.
    pub name: String,
    pub(super) dataset: hdf5::Dataset,
    pub stored: Stored,
    pub shape: Vec<usize>,
    /// The chunks in which it is stored; the whole if it is not.
    pub chunks: Chunks,
    pub(super) layout: Layout,
    /// The bytes of the element that stands where nothing was written, as if it were stored.
    pub(super) fill: Vec<u8>,
    pub attributes: Arc<Attributes>,
    pub dimension_names: Vec<Option<String>>,
}

/// How the elements are stored.
#[derive(Clone)]
pub(super) enum Layout {
    /// One after another, from a byte on; nowhere if nothing was written.
    Contiguous(Option<(Arc<File>, u64)>),
    /// In chunks of this shape, which we decode.
    Chunked(Vec<usize>, Decoder),
    /// In a way that only the library knows; in chunks of this shape if there are any.
    Library(Option<Vec<usize>>),
}

impl Dataset {
    pub(super) fn new(path: &Arc<PathBuf>, dataset: hdf5::Dataset) -> Result<Dataset> {
        let unreadable = |error| failed("its description cannot be read", error);
        let space = dataset.space().map_err(unreadable)?;
        if space.is_null() {
            return Err(refuse("it has no shape and no elements"));
        }
        let shape = dataset.get_shape().map_err(unreadable)?;
        let datatype = dataset.dtype().map_err(unreadable)?;
        let stored = stored(&datatype)?;
        let size = stored.dtype.size();
        if shape.len() > MOST_AXES {
            return Err(refuse(format!("it has {} axes", shape.len())));
        }
        check_shape(&shape, size).map_err(|error| refuse(error.to_string()))?;
        let properties = properties(&dataset, &datatype, size)?;
        let chunk = dataset.chunk().filter(|chunk| chunk.len() == shape.len());
        let (layout, chunks) = match (dataset.layout(), chunk) {
            (hdf5::dataset::Layout::Chunked, Some(chunk)) => {
                check_shape(&chunk, size)
                    .map_err(|error| refuse(format!("its chunks cannot be: {error}")))?;
                if chunk.contains(&0) {
                    return Err(refuse(format!("its chunks have the shape {chunk:?}")));
                }
                let chunks = Chunks::regular(&shape, &chunk)?;
                let bytes = chunk.iter().product::<usize>() * size;
                let filters = properties.filters.iter().map(|&id| known(id)).collect();
                let layout = match filters {
                    Some(filters) => Layout::Chunked(chunk, Decoder::new(filters, size, bytes)),
                    None => Layout::Library(Some(chunk)),
                };
                (layout, chunks)
            }
            (hdf5::dataset::Layout::Contiguous, _) if !properties.external => {
                let layout = Layout::Contiguous(contiguous(path, &dataset, &shape, size)?);
                (layout, Chunks::whole(&shape))
            }
            _ => (Layout::Library(None), Chunks::whole(&shape)),
        };
        let attributes = Attributes::of(&dataset)?;
        let dimension_names = dimension_names(&dataset);
        Ok(Dataset {
            path: path.clone(),
            name: dataset.name(),
            stored,
            shape,
            chunks,
            layout,
            fill: properties.fill,
            attributes: Arc::new(attributes),
            dimension_names,
            dataset,
        })
    }

    /// Whether it is stored in chunks, so that no smaller part can be read by itself.
    pub fn is_chunked(&self) -> bool {
        matches!(self.layout, Layout::Chunked(..) | Layout::Library(Some(_)))
    }

    /// The dataset and its file, for messages.
    pub fn describe(&self) -> String {
        format!("{} in {}", self.name, self.path.display())
    }
}

/// Where the elements begin, if they are one after another.
fn contiguous(
    path: &Arc<PathBuf>,
    dataset: &hdf5::Dataset,
    shape: &[usize],
    size: usize,
) -> Result<Option<(Arc<File>, u64)>> {
    // SAFETY: the number is of an open dataset.
    let offset = hdf5::sync::sync(|| unsafe { H5Dget_offset(dataset.id()) });
    if offset == u64::MAX {
        return Ok(None);
    }
    let io = |error: std::io::Error| Error::wrap(Kind::Io, "it cannot be read", error.into());
    let file = File::open(&**path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    let bytes = (shape.iter().product::<usize>() * size) as u64;
    if offset.checked_add(bytes).is_none_or(|end| end > length) {
        return Err(refuse(format!(
            "its elements are {bytes} bytes from byte {offset} on, and the file has {length}"
        )));
    }
    Ok(Some((Arc::new(file), offset)))
}

struct Properties {
    filters: Vec<i32>,
    fill: Vec<u8>,
    external: bool,
}

/// What was chosen when the dataset was made.
fn properties(
    dataset: &hdf5::Dataset,
    datatype: &hdf5::Datatype,
    size: usize,
) -> Result<Properties> {
    let unreadable = || refuse("what its chunks go through cannot be read");
    hdf5::sync::sync(|| {
        // SAFETY: numbers of open objects; every pointer is to as many elements as the call says, and a fill value of
        // the dataset's own type has its size.
        unsafe {
            let list = H5Dget_create_plist(dataset.id());
            if list < 0 {
                return Err(unreadable());
            }
            let count = H5Pget_nfilters(list);
            let filters: Option<Vec<i32>> = (0..u32::try_from(count.max(0)).unwrap_or(0))
                .map(|number| {
                    let (mut flags, mut values, mut config) = (0, 0, 0);
                    let id = H5Pget_filter2(
                        list,
                        number,
                        &mut flags,
                        &mut values,
                        std::ptr::null_mut(),
                        0,
                        std::ptr::null_mut(),
                        &mut config,
                    );
                    (id >= 0).then_some(id)
                })
                .collect();
            let external = H5Pget_external_count(list) != 0;
            let mut fill = vec![0u8; size];
            if H5Pget_fill_value(list, datatype.id(), fill.as_mut_ptr().cast()) < 0 {
                // It was said that there is none: what stands there is anything.
                fill.fill(0);
            }
            H5Pclose(list);
            match filters {
                Some(filters) if count >= 0 => Ok(Properties {
                    filters,
                    fill,
                    external,
                }),
                _ => Err(unreadable()),
            }
        }
    })
}
