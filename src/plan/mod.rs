//! The logical plan: a DAG of nodes, built by checked constructors.
//!
//! Never reads data; knows no threads, memory or machine.

pub mod build;
pub mod chunking;
pub mod display;
pub mod einsum;
pub mod fingerprint;
#[cfg(feature = "zarr")]
pub mod identity;
pub mod layout;
pub mod node;
pub mod products;
pub mod walk;
