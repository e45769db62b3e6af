//! Zarr on servers: one on this machine, that is slow, breaks off and refuses as it is told.
#![cfg(feature = "http")]

mod faults;
mod read;
#[cfg(feature = "s3")]
mod s3;
mod server;
