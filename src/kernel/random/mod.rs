//! Random numbers by index: an element's value depends on the key and its place alone.
//!
//! The counter of a block is (block number, draw, stream), the key comes from the seed. An element
//! of 64 random bits is half a block: elements `2i` and `2i + 1` are in block `i`. `f32` uniforms
//! take 32 bits: elements `4i` to `4i + 3` are in block `i`.

mod element;
mod fill;
mod philox;
#[cfg(test)]
mod tests;

pub use element::ElementRng;
pub use fill::{add, asks, fill, fill_scaled};
