//! NetCDF-4 and HDF5: what netCDF4 and h5py wrote is read, and what is damaged is an error.
#![cfg(feature = "netcdf")]

mod decode;
mod hostile;
mod python;
mod read;
#[path = "../zarr/sample.rs"]
#[allow(
    dead_code,
    reason = "of the samples only the values are needed here, not where Zarr's lie"
)]
mod sample;
