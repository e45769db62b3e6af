//! NumPy's `.npy` files, as described in NumPy's format specification (NEP 1, versions 1 to 3).

pub mod header;
#[cfg(unix)]
pub mod map;
#[cfg(feature = "npz")]
pub mod npz;
pub mod read;
pub mod stack;
pub mod write;

#[cfg(unix)]
pub use map::NpyMapped;
#[cfg(feature = "npz")]
pub use npz::NpzFile;
pub use read::{NpyFile, NpySource};
pub use stack::NpyStack;
pub use write::NpySink;

#[cfg(test)]
mod tests;
