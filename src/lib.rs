//! Lazy, chunked n-dimensional arrays that compute on all cores within a promised amount of memory.
//!
//! An [`Array<T>`](Array) is an expression over an array that may be larger than memory. Arithmetic, views and
//! reductions build further expressions at once; [`compute`](Array::compute) optimizes the whole of it, cuts it into
//! tasks, runs them on all cores, and gives an [`ndarray::ArrayD`]. Names are NumPy's and the Python array
//! API standard's; slices (`s![..]`) and results are `ndarray`'s.
//!
//! ```
//! use flagstone::random;
//!
//! let mut rng = random::Generator::new(42);
//! let x = rng.uniform::<f64>([1_000, 1_000], [100, 100]); // shape, chunks
//! let y = 2.0 * &x + 1.0;                                  // lazy
//! let column_means = y.mean(0).compute()?;                 // ndarray::ArrayD<f64>
//! assert_eq!(column_means.shape(), [1_000]);
//!
//! let anomaly = &y - &y.mean(0);
//! let (mean, std) = flagstone::compute((anomaly.mean(..), anomaly.std(..)))?; // one pass
//! println!("{}", anomaly.std(..).explain()?);              // plan, tasks, passes, peak bytes
//! # Ok::<(), flagstone::Error>(())
//! ```
//!
//! # Main ideas
//!
//! - **Making arrays**: [`zeros`](Array::zeros), [`arange`](Array::arange), [`from_fn`](Array::from_fn),
//!   [`from_ndarray`](Array::from_ndarray) (never copies), [`from_npy`](Array::from_npy), [`random::Generator`], or a
//!   [`Source`] of your own; files of Zarr (feature `zarr`), NetCDF-4 and HDF5 (`netcdf`), archives (`npz`), stacks of files, [`Raw`] ones. [`AnyArray`] is an array whose element type is known at run time, as a file's.
//! - **Shapes, axes, chunks** are written as it suits: [`IntoShape`], [`IntoAxes`] (`0`, `-1`, `(0, 1)`, `..`, [`keep`]),
//!   [`IntoChunks`] (`1000`, `[100, 200]`, `(1000, ..)`, [`Auto`], [`Bytes`]).
//! - **Storing**: [`to_npy`](Array::to_npy), `to_zarr`, a [`Sink`] of your own, or several in one pass ([`store_all`]);
//!   block by block, from all cores.
//! - **Chunks** are what [block functions](Array::map_blocks) see and how results are
//!   [streamed](Array::blocks), and they fix the order in which reductions add up. How work is divided among cores
//!   has nothing to do with them, so [`rechunk`](Array::rechunk) moves nothing.
//! - **Nothing is materialized without need.** Element-wise functions, views, random numbers and your own
//!   [`map`](Array::map) are computed tile by tile where they are read.
//! - **The same bits every time.** Threads, memory and optimizations change no result; random numbers
//!   do not depend on chunks.
//! - **Memory is a promise.** A computation keeps to the peak that [`explain`](Array::explain) prints; an
//!   [`Engine`] has threads and a budget that all its computations share.
//! - **Mistakes are carried.** Building never panics on bad input: an array carries the [`Error`], with the line of the
//!   call at fault, until it is computed or [`check`](Array::check)ed.
//! - **Any function**, not only arrays: [`task`] has loops over iterators, futures, and delayed calls in one graph with
//!   arrays, on the same threads and within the same budget.
//! - **Watching and stopping**: [`Observer`], [`Cancel`]; profiles, pictures, progress bars and a live page: [`observe`].
//!
//! # Operators
//!
//! Operators mean what they mean on Rust's numbers, except that nothing panics; NumPy's other meanings are methods.
//! Operands are arrays, references to arrays and numbers, of one element type; shapes broadcast as NumPy's do.
//!
//! | written | means | NumPy's other meaning |
//! |---|---|---|
//! | `x + y`, `x - y`, `x * y`, `-x` | integers wrap; not for `bool` | [`logical_or`](Array::logical_or), [`logical_and`](Array::logical_and) |
//! | `x / y` | integers truncate, and divided by 0 are 0 | [`true_divide`](Array::true_divide), [`floor_divide`](Array::floor_divide) (`//`) |
//! | `x % y` | the sign of the dividend; integers modulo 0 are 0 | [`remainder`](Array::remainder) (the sign of the divisor) |
//! | `x & y`, `x \| y`, `x ^ y`, `!x` | bits of `bool` and integers | |
//! | `x << y`, `x >> y` | too large or negative shifts shift everything out | |
//! | `x += y` and its like | the array becomes the result | |
//! | – | | [`eq`](Array::eq), [`lt`](Array::lt), …: a comparison is an array of `bool` |
//! | – | | [`power`](Array::power), [`powi`](Array::powi) (`**`) |
//!
//! # Dev builds
//!
//! Kernels are plain loops that need the optimizer: put `opt-level = 3` under `[profile.dev.package."*"]` in your
//! `Cargo.toml`.
#![warn(missing_docs)]

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

pub mod observe;

pub mod task;

mod array;

#[cfg(feature = "npz")]
pub use array::Npz;
#[cfg(feature = "netcdf")]
pub use array::netcdf;
#[cfg(feature = "zarr")]
pub use array::zarr;
pub use array::{
    AnyArray, Array, Block, Blocks, Compute, Engine, EngineBuilder, Explain, Filtered,
    IntoAxisList, IntoBytes, IntoPairs, IntoSlice, Operand, Pad, Raw, Report, Store, TaskGraph,
    compute, concatenate, einsum, map_blocks, random, stack, store_all, where_,
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
pub use exec::{Cancel, Event, Observer, Outline, StageOutline};
pub use ndarray::s;
pub use num_complex::Complex;
pub use op::reducer::Reducer;
pub use optimize::Rule;

/// The README's example, which the tests run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The examples of seeing what runs.
#[cfg(doctest)]
#[doc = include_str!("../docs/observing.md")]
struct Observing;

/// The examples for those who come from Dask.
#[cfg(doctest)]
#[doc = include_str!("../docs/coming-from-dask.md")]
struct ComingFromDask;
