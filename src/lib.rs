//! Lazy, chunked n-dimensional arrays.
#![allow(dead_code)]

mod base;
mod error;

mod op;
mod plan;

mod optimize;

mod graph;

mod lower;

mod kernel;

mod work;

mod exec;

mod io;

mod array;

pub use array::{
    AnyArray, Array, Block, Blocks, Compute, Engine, EngineBuilder, Explain, Filtered, IntoBytes, IntoSlice, Operand, Pad,
    Report, TaskGraph, compute, concatenate, map_blocks, random, stack, where_,
};
pub use base::axis::{Axes, AxisIndex, IntoAxes, keep};
pub use base::chunk_spec::{AUTO_BYTES, Auto, Bytes, IntoAxisChunks, IntoChunks};
pub use base::chunks::Chunks;
pub use base::dtype::DType;
pub use base::element::{Arith, Bits, Element, Float, Inexact, Integer, Numeric, Ordered};
pub use base::region::Region;
pub use base::shape::IntoShape;
pub use base::source::{Sink, Source};
pub use error::{BoxError, Error, Result};
pub use exec::{Cancel, Event, Observer};
pub use ndarray::s;
pub use num_complex::Complex;
pub use op::reducer::Reducer;
pub use optimize::Rule;
