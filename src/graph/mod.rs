//! Stages, cells and the flat form in which tasks are run: data only.

pub mod tasks;
