//! Zarr arrays and groups in folders, of versions 2 and 3, with the codecs of the `zarrs` crate.

pub mod codecs;
pub mod create;
pub mod encode;
pub mod files;
pub mod journal;
pub mod keys;
pub mod metadata;
pub mod node;
#[cfg(feature = "http")]
pub mod remote;
pub mod sink;
pub mod source;
pub mod stream;
pub mod update;

pub use create::Create;
pub use node::{Member, Node, ZarrFile};
pub use sink::ZarrSink;
pub use source::ZarrSource;
pub use update::{RegionSink, Update};
