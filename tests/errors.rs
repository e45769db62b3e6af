//! Mistakes and failures: building never panics, errors name the line, a failure ends one computation.

#[path = "errors/build.rs"]
mod build;
#[path = "errors/run.rs"]
mod run;
