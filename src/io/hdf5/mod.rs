//! Datasets of HDF5 files, which variables of NetCDF-4 files are, with the system's HDF5 library.
//!
//! The library finds things: names, types, where a chunk's bytes are. Decoding, which takes the time, is ours and
//! runs on all cores; the library does one thing at a time.

pub mod attributes;
pub mod chunk;
pub mod dataset;
pub mod elements;
pub mod file;
pub mod source;

pub use attributes::Number;
pub use dataset::Dataset;
pub use file::Hdf5File;
pub use source::Hdf5Source;
