//! Lazy, chunked n-dimensional arrays.
mod base;
mod error;
#[allow(dead_code)]
mod exec;
#[allow(dead_code)]
mod graph;
