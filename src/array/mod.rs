//! What users hold: typed handles over the plan, and the one place where the pipeline is joined.

mod any;
mod at_once;
mod block_functions;
mod blocks;
mod closures;
mod compute;
mod create;
mod delayed;
mod elementwise;
mod engine;
mod explain;
mod files;
mod filter;
mod handle;
mod join;
mod layout;
mod mixed;
#[cfg(feature = "netcdf")]
pub mod netcdf;
#[cfg(feature = "npz")]
mod npz;
mod operators;
mod outline;
mod planning;
mod products;
pub mod random;
mod raw_files;
mod reductions;
mod refusal;
mod seeing;
#[cfg(feature = "serve")]
mod serving;
mod store;
mod tasks;
#[cfg(feature = "zarr")]
pub mod zarr;

pub use any::AnyArray;
pub use block_functions::map_blocks;
pub use blocks::{Block, Blocks};
pub use compute::{Compute, compute};
pub use elementwise::where_;
pub use engine::{Engine, EngineBuilder, IntoBytes, Report};
pub use explain::{Explain, TaskGraph};
pub use filter::Filtered;
pub use handle::{Array, Operand};
pub use join::{concatenate, stack};
pub use layout::{IntoSlice, Pad};
#[cfg(feature = "npz")]
pub use npz::Npz;
pub use products::{IntoAxisList, IntoPairs, einsum};
pub use raw_files::Raw;
pub use store::{Store, store_all};
