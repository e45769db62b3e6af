//! Lazy, chunked n-dimensional arrays.
mod base;
mod error;
