//! Files: each format implements `Source` and `Sink`.
//!
//! Nothing here sees a plan: a reader is asked for regions, a writer is given them.

pub mod npy;
pub mod spill;
