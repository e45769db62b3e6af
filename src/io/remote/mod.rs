//! Files on servers, read in parts over HTTP.

mod client;
#[cfg(feature = "s3")]
mod s3;

pub use client::{Part, Remote};
#[cfg(feature = "s3")]
pub use s3::S3;
