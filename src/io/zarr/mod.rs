//! Zarr arrays and groups in folders, of versions 2 and 3, with the codecs of the `zarrs` crate.

pub mod codecs;
pub mod keys;
pub mod metadata;
pub mod node;
pub mod source;

pub use node::{Member, Node, ZarrFile};
pub use source::ZarrSource;
