//! Stages, cells and the flat form in which tasks are run: data only.

pub mod env;
pub mod expand;
pub mod spill;
pub mod stage;
pub mod tasks;
