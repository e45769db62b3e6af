//! NumPy's `.npy` files, as described in NumPy's format specification (NEP 1, versions 1 to 3).

pub mod header;
#[cfg(unix)]
pub mod map;
pub mod read;
pub mod write;

#[cfg(unix)]
pub use map::NpyMapped;
pub use read::{NpyFile, NpySource};
pub use write::NpySink;

#[cfg(test)]
mod tests;
