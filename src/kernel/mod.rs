//! Kernels: plain loops over contiguous elements, instantiated per instruction-set level.
//!
//! One thread, no input or output, no allocation beyond what the caller hands in.

pub mod chain;
pub mod contract;
pub mod copy;
pub mod elementwise;
pub mod lanes;
pub mod level;
pub mod prefetch;
pub mod random;
pub mod reduce;
