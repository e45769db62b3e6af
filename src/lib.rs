//! Lazy, chunked n-dimensional arrays.
#![allow(dead_code)]
mod base;
mod error;
mod exec;
mod graph;
mod io;
mod kernel;
mod lower;
mod op;
mod optimize;
mod plan;
mod work;
