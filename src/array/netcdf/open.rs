//! Opening files and variables.

use std::panic::Location;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::decode::{Decode, decoded};
use crate::array::any::AnyArray;
use crate::array::handle::Array;
use crate::base::chunk_spec::{Auto, IntoChunks};
use crate::base::chunks::Chunks;
use crate::base::dtype::{DType, with_dtype};
use crate::base::element::Element;
use crate::error::{Error, Result};
use crate::io::hdf5::{Dataset, Hdf5File, Hdf5Source};
use crate::plan::build;
use crate::plan::node::Value;

/// The array that a dataset is, in its own chunks; what has none gets those of [`Auto`].
pub(super) fn value<T: Element>(
    dataset: &Dataset,
    at: &'static Location<'static>,
) -> Result<Value> {
    let chunks = if dataset.is_chunked() {
        dataset.chunks.clone()
    } else {
        Auto.into_spec().resolve(&dataset.shape, size_of::<T>())?
    };
    let source = Hdf5Source::<T>::new(dataset.clone(), chunks.clone())?;
    build::source(Arc::new(source), &dataset.shape, chunks, at)
}

/// An opened NetCDF-4 or HDF5 file.
///
/// ```no_run
/// use flagstone::netcdf::NetcdfFile;
///
/// let file = NetcdfFile::open("air_temperature.nc")?;
/// println!("{:?} {:?}", file.names()?, file.attributes());
/// let t = file.variable("air_temperature")?;
/// println!("{:?} {:?} in {}", t.dimension_names(), t.shape(), t.attributes()["units"]);
/// let mean = t.array::<f32>()?.mean(0).compute()?;
/// # Ok::<(), flagstone::Error>(())
/// ```
#[derive(Clone)]
pub struct NetcdfFile {
    file: Hdf5File,
}

impl NetcdfFile {
    /// Opens a file for reading; it stays open as long as anything made of it lives.
    ///
    /// # Errors
    /// If there is no such file, or it is neither a NetCDF-4 nor an HDF5 file (the classic formats of NetCDF are not
    /// read). The error names the path.
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> Result<NetcdfFile> {
        let at = Location::caller();
        let file = Hdf5File::open(path).map_err(|error| error.at(at))?;
        Ok(NetcdfFile { file })
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// What is said about the file as a whole.
    pub fn attributes(&self) -> &Map<String, Json> {
        &self.file.attributes.json
    }

    /// The paths of all variables, those in groups as `"group/variable"`, sorted. Dimensions without values of their own
    /// may be among them.
    ///
    /// # Errors
    /// If the file's groups cannot be listed.
    #[track_caller]
    pub fn names(&self) -> Result<Vec<String>> {
        let at = Location::caller();
        self.file.names().map_err(|error| error.at(at))
    }

    /// A variable, or any dataset, by its path in the file.
    ///
    /// # Errors
    /// If there is none of that name, or its elements are none that arrays can hold. The error names the file and the
    /// variable.
    #[track_caller]
    pub fn variable(&self, name: &str) -> Result<NetcdfVariable> {
        let at = Location::caller();
        let dataset = self.file.dataset(name).map_err(|error| error.at(at))?;
        Ok(NetcdfVariable { dataset })
    }
}

/// An opened variable: what is said about it, and its values as a lazy array.
#[derive(Clone)]
pub struct NetcdfVariable {
    dataset: Dataset,
}

impl NetcdfVariable {
    /// Its path in the file, from the root: `"/group/variable"`.
    pub fn name(&self) -> &str {
        &self.dataset.name
    }

    /// The type of the stored elements.
    pub fn dtype(&self) -> DType {
        self.dataset.stored.dtype
    }

    /// The length along each axis, when the file was opened.
    pub fn shape(&self) -> &[usize] {
        &self.dataset.shape
    }

    /// The chunks in which it is stored; one if it is not stored in chunks.
    pub fn chunks(&self) -> &Chunks {
        &self.dataset.chunks
    }

    /// What the writer has said about the variable: units, for example. Numbers and texts; what the libraries keep for
    /// themselves is left out, and what JSON has no number for is the text `"NaN"`, `"Infinity"` or `"-Infinity"`.
    pub fn attributes(&self) -> &Map<String, Json> {
        &self.dataset.attributes.json
    }

    /// The names of the axes, as far as they have any. Empty if no axis has one.
    pub fn dimension_names(&self) -> Vec<Option<String>> {
        self.dataset.dimension_names.clone()
    }

    /// The stored elements, as a lazy array in the file's [`chunks`](NetcdfVariable::chunks), or those of
    /// [`Auto`](crate::Auto) if it is not stored in chunks.
    ///
    /// # Errors
    /// If they have another type.
    #[track_caller]
    pub fn array<T: Element>(&self) -> Result<Array<T>> {
        let at = Location::caller();
        let value = value::<T>(&self.dataset, at).map_err(|error| error.at(at))?;
        Ok(Array::from_plan(Ok(value), at))
    }

    /// The stored elements, of whatever type they are.
    #[track_caller]
    pub fn any(&self) -> AnyArray {
        let at = Location::caller();
        let value = with_dtype!(self.dtype(), T => value::<T>(&self.dataset, at));
        AnyArray::from_plan(value, at)
    }

    /// The values that the stored elements stand for, by the conventions for climate and forecast data: NaN where an
    /// element is `_FillValue` or one of `missing_value`, and elsewhere `element * scale_factor + add_offset`.
    ///
    /// Lazy, like any arithmetic. The values are `f32` if the elements are `f32`, or integers of at most 16 bits without an
    /// `add_offset`; else they are `f64`. They are computed in that type. Without any of the four attributes, or those
    /// that `how` asks for, the array is [`any`](NetcdfVariable::any): the stored elements. An integer variable with
    /// `_Unsigned = "true"` is taken as the unsigned type of its size first. Units of time are left as they are.
    ///
    /// # Errors
    /// If one of the attributes is no number, or the elements are complex or `bool` and there is something to decode.
    ///
    /// ```no_run
    /// use flagstone::netcdf::{Decode, NetcdfFile};
    ///
    /// let t = NetcdfFile::open("packed.nc")?.variable("t")?; // int16, scale_factor 0.01
    /// let kelvin = t.decoded(&Decode::new())?.typed::<f32>()?;
    /// println!("{}", kelvin.nanmean(..).item()?);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn decoded(&self, how: &Decode) -> Result<AnyArray> {
        let at = Location::caller();
        decoded(&self.dataset, how, at).map_err(|error| {
            let what = format!("decoding {}", self.dataset.describe());
            error.context(what).at(at)
        })
    }
}

fn open<T>(
    path: impl AsRef<Path>,
    name: &str,
    at: &'static Location<'static>,
    then: impl FnOnce(&Dataset) -> Result<T>,
) -> Result<T> {
    let dataset = Hdf5File::open(path).and_then(|file| file.dataset(name));
    dataset
        .and_then(|dataset| then(&dataset))
        .map_err(|error: Error| error.at(at))
}

/// # NetCDF and HDF5
impl<T: Element> Array<T> {
    /// A variable of a NetCDF-4 file, or a dataset of an HDF5 file, by its path in the file: `"t"`, `"model/t"`.
    ///
    /// Reads the description now and chunks when they are computed, only those that are needed. The array's chunks are the
    /// file's; what is stored without chunks, and can be read in any parts, gets those of [`Auto`](crate::Auto). The elements are those that
    /// are stored: [`NetcdfVariable::decoded`](crate::netcdf::NetcdfVariable::decoded) applies scale, offset and
    /// missing values. The file must not change meanwhile.
    ///
    /// # Errors
    /// If the file cannot be opened, has no such variable, or holds elements of another type than `T`. The error
    /// names the path; errors of later reads name the chunk as well.
    ///
    /// # Cost
    /// Each chunk is read and decoded once for each pass over the array. Chunks are fetched one at a time, through the
    /// HDF5 library, and decoded (zlib, shuffled bytes, check sums) on all cores. With other filters (szip, say) the
    /// library decodes as well, one chunk at a time.
    ///
    /// ```no_run
    /// let t = flagstone::Array::<f32>::from_netcdf("air_temperature.nc", "air_temperature")?;
    /// println!("{}", (&t - &t.mean(0)).explain()?);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn from_netcdf(path: impl AsRef<Path>, name: &str) -> Result<Array<T>> {
        let at = Location::caller();
        let value = open(path, name, at, |dataset| value::<T>(dataset, at))?;
        Ok(Array::from_plan(Ok(value), at))
    }
}

impl AnyArray {
    /// A variable of a NetCDF-4 or HDF5 file, of whatever element type it holds; see [`Array::from_netcdf`].
    ///
    /// # Errors
    /// As [`Array::from_netcdf`], but for the type.
    #[track_caller]
    pub fn from_netcdf(path: impl AsRef<Path>, name: &str) -> Result<AnyArray> {
        let at = Location::caller();
        let value = open(
            path,
            name,
            at,
            |dataset| with_dtype!(dataset.stored.dtype, T => value::<T>(dataset, at)),
        )?;
        Ok(AnyArray::from_plan(Ok(value), at))
    }
}
