//! What a graph refers to by number: arrays in memory, sources, functions.

use std::sync::Arc;

use super::spill::Spill;
use crate::base::few::Few;
use crate::base::memory::Memory;
use crate::base::source::ErasedSource;
use crate::op::closure::{BlockFunction, TileMap};
use crate::op::fold::Fold;
use crate::op::generate::Generate;

impl Env {
    /// The length of the temporary file.
    pub fn spilled_bytes(&self) -> u64 {
        self.spills
            .iter()
            .map(|spill| spill.offset + spill.bytes())
            .max()
            .unwrap_or(0)
    }
}

#[derive(Default)]
pub struct Env {
    pub memories: Vec<Memory>,
    pub generates: Vec<Generate>,
    pub sources: Vec<Arc<dyn ErasedSource>>,
    pub maps: Vec<Arc<dyn TileMap>>,
    pub folds: Few<Arc<dyn Fold>, 1>,
    pub block_fns: Vec<Arc<dyn BlockFunction>>,
    /// Values in the temporary file.
    pub spills: Vec<Spill>,
}
