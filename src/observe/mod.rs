//! Seeing what runs: profiles, pictures of plans, progress, and a page that shows a computation while it runs.
//!
//! All of it is made of what [`Observer`](crate::Observer)s are told. An engine without observers pays nothing for it.
//!
//! - [`Engine::profile`](crate::Engine::profile) and [`Recorder`]: where time and memory went, as text, as a trace for
//!   Perfetto, and as a page of HTML ([`Profile`]).
//! - [`Array::visualize`](crate::Array::visualize): plan, stages or tasks as SVG and DOT ([`Picture`]), and an array's
//!   chunks ([`grid_svg`]).
//! - `EngineBuilder::progress` (Cargo feature `progress`), or `FLAGSTONE_PROGRESS=1`: progress bars.
//! - `Engine::serve` (Cargo feature `serve`): a live page.
//!
//! `docs/observing.md` shows them all.

mod bandwidth;
mod grid;
mod html;
mod json;
mod layout;
mod palette;
mod picture;
mod profile;
#[cfg(feature = "progress")]
mod progress;
mod recorder;
#[cfg(feature = "serve")]
mod serve;
mod text;
mod trace;
pub(crate) mod units;
mod xml;

pub(crate) use bandwidth::BANDWIDTH_BYTES;
pub use bandwidth::memory_bandwidth;
pub use grid::grid_svg;
pub(crate) use picture::PictureNode;
pub use picture::{ColorBy, Picture, View};
pub use profile::{MemoryPoint, OpUse, Profile, RunUse, StageUse, WorkerUse};
#[cfg(feature = "progress")]
pub use progress::Progress;
pub use recorder::Recorder;
#[cfg(feature = "serve")]
pub use serve::Serving;
#[cfg(feature = "serve")]
pub(crate) use serve::serve;
