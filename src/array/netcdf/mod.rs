//! Variables of NetCDF-4 files and datasets of HDF5 files: reading.
//!
//! [`Array::from_netcdf`](crate::Array::from_netcdf) and [`AnyArray::from_netcdf`](crate::AnyArray::from_netcdf) open a
//! variable at once. [`NetcdfFile`] is the opened file and [`NetcdfVariable`] one variable, with attributes, dimension
//! names, and its values [decoded](NetcdfVariable::decoded): scaled, shifted, and NaN where they are missing.
//!
//! Files are read with the system's HDF5 library, 1.10.5 or newer (Debian's `libhdf5-dev`, which is found with
//! `pkg-config`). It does one thing at a time in a process, so only finding and fetching of chunks goes through it; they
//! are decompressed on all cores. It was not made for files that somebody damaged on purpose: a file that does not
//! come from you may crash it.

mod decode;
mod open;

pub use decode::Decode;
pub use open::{NetcdfFile, NetcdfVariable};
pub use serde_json;
