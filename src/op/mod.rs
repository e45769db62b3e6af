//! Operations as data: what can be computed of elements, by name, with its rules and its formulas.
//!
//! Knows no threads, no tiles, no memory; the kernels instantiate the formulas that stand here.

pub mod closure;
pub mod contract;
pub mod fold;
pub mod generate;
pub mod program;
pub mod random;
pub mod reducer;
pub mod scalar;
pub mod table;
pub mod tree;
