//! Zarr arrays: opening, and storing into them.
//!
//! [`Array::from_zarr`](crate::Array::from_zarr) and [`AnyArray::from_zarr`](crate::AnyArray::from_zarr) open an
//! array at once; [`ZarrArray`] is the opened file, with its attributes and dimension names, and [`ZarrGroup`] a
//! group. Both versions of the format are read, 2 and 3, with the codecs of zarr-python: Blosc, Zstandard, gzip,
//! zlib, CRC-32C, shards, transposed and byte-swapped elements.

mod open;
mod write;

pub use open::{ZarrArray, ZarrGroup, ZarrMember};
pub use serde_json;
pub use write::create_group;

#[cfg(feature = "http")]
pub use crate::io::remote::Remote;
#[cfg(feature = "s3")]
pub use crate::io::remote::S3;
pub use crate::io::zarr::create::{BloscCompressor, Codec, Create, Shuffle};
pub use crate::io::zarr::update::Update;
