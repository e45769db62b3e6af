//! Values that every layer speaks of: element types, shapes, regions, chunk grids, index maps.
//!
//! No threads and no files here.

pub mod aligned;
pub mod axis;
pub mod chunk_spec;
pub mod chunks;
pub mod dtype;
pub mod element;
pub mod few;
pub mod index_map;
pub mod lookup;
pub mod mapped;
pub mod memory;
pub mod region;
pub mod scalar;
pub mod shape;
pub mod sharing;
pub mod source;
pub mod spill;
