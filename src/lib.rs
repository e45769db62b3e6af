//! Lazy, chunked n-dimensional arrays.
#![allow(dead_code)]
mod base;
mod error;
mod kernel;
mod op;

