//! One suite of cases under many configurations. Every case is built twice, as a Flagstone array and by a
//! slow, obvious reference (see `twin`), and whatever rules, threads, memory and chunks it is computed
//! with, the results must agree bit for bit.

mod cases_elements;
mod cases_large;
mod cases_origins;
mod cases_products;
mod cases_reductions;
mod cases_views;
mod configurations;
mod data;
mod expressions;
mod folds;
mod order;
mod products;
mod reductions;
mod twin;
mod value;
