//! Folds: how pieces of a reduction tree become states, and states results.
//!
//! The order inside of a piece is part of the contract, because it decides about the last bits:
//!
//! * A *run* (lines mode) is up to [`RUN`](crate::op::tree::RUN) contiguous elements. Lane `j` of
//!   16 starts from the identity and takes elements `j`, `j + 16`, … in order; then lane `j` merges
//!   with lane `j + 8`, then `+ 4`, `+ 2`, `+ 1`.
//! * A *row piece* (rows mode) is up to [`ROWS`](crate::op::tree::ROWS) rows; each column starts
//!   from the identity and takes its rows in order. Narrow rows are dealt out to 16 lanes, whose
//!   columns lie side by side: whoever drives the fold shows it 16 rows as one.
//!
//! Pieces are merged by the caller. Nothing is fused into multiply-adds, so every level gives the
//! same bits.

mod arg;
mod counted;
mod custom;
mod deviations;
#[cfg(test)]
mod group_tests;
mod lanes;
mod monoid;
mod prepare;
mod select;
mod simple;
#[cfg(test)]
mod tests;
mod together;
mod variance;

pub use custom::custom;
pub use lanes::sum_of_lanes;
pub use select::fold;
pub use together::{TogetherFn, together};

pub use crate::op::fold::{Columns, Fold, Numbers, Rows, States};
