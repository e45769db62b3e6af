//! Zarr files: those of zarr-python, our own, and broken ones.
#![cfg(feature = "zarr")]

mod hostile;
mod read;
mod sample;
mod write;
