//! Files: each format implements `Source` and `Sink`.
//!
//! Nothing here sees a plan: a reader is asked for regions, a writer is given them.

pub mod atomic;
#[cfg(any(feature = "netcdf", feature = "zarr"))]
pub mod cells;
#[cfg(feature = "netcdf")]
pub mod hdf5;
pub mod npy;
pub mod position;
pub mod raw;
#[cfg(feature = "http")]
pub mod remote;
pub mod spill;
#[cfg(feature = "zarr")]
pub mod zarr;
