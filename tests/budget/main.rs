//! Budgets that are too small to hold what is shared: smaller tasks, another pass, the disk, or an error that
//! says what would fit.

mod choices;
mod disk;
mod rechunk;
mod refusals;
mod source;
