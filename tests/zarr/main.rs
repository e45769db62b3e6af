//! Zarr files: those of zarr-python, our own, and broken ones.
#![cfg(feature = "zarr")]

#[cfg(target_os = "linux")]
mod failing;
mod hostile;
mod python;
mod read;
#[cfg(unix)]
mod resume;
mod sample;
mod write;
