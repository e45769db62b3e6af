//! Stages that load from sources: one task per unit of storage.

use super::Build;
use super::grid::{LOAD_BYTES, bands, load_grid};
use super::stages::TASK_COST;
use crate::base::region::Region;
use crate::graph::stage::{Job, Output, Place, Stage, StageId};
use crate::plan::node::NodeKind;

impl Build<'_> {
    /// The stage that loads a source for readers of one depth.
    pub(super) fn load(&mut self, at: usize, depth: usize) -> StageId {
        let made = &self.reach.made[at];
        let key = made.value.key();
        // Without recomputation one load serves readers of all depths.
        let depth = if self.options.recompute {
            depth
        } else {
            usize::MAX
        };
        if self.options.share_loads
            && let Some(&stage) = self.loads.get(&(key, depth))
        {
            return stage;
        }
        let mut needed: Option<Region> = None;
        for (cone, image) in &made.images {
            if depth == usize::MAX || self.depth_of(*cone) == depth {
                needed = Some(needed.map_or_else(|| image.clone(), |region| region.hull(image)));
            }
        }
        let domain = match needed {
            Some(region) if !made.flat => region,
            _ => made.needed.clone(),
        };
        let NodeKind::Source(source) = &made.value.node.kind else {
            unreachable!("only sources are loaded")
        };
        self.env.sources.push(source.clone());
        let dtype = made.value.dtype();
        let grid = if made.flat {
            bands(domain.shape(), LOAD_BYTES / dtype.size())
        } else {
            load_grid(
                source.storage_grid().as_ref(),
                made.value.chunks(),
                &domain,
                dtype.size(),
                self.options,
            )
        };
        let bytes = grid.largest_block() * dtype.size();
        let stage = Stage {
            name: format!("load {}", source.describe()),
            job: Job::Load {
                source: self.env.sources.len() - 1,
            },
            output_bytes: bytes as u64,
            scratch_bytes: source.scratch_bytes() as u64,
            cost: TASK_COST + source.cost() * grid.largest_block() as f64,
            outputs: vec![Output {
                dtype,
                shape: made.value.shape().to_vec(),
                domain,
                grid,
                place: Place::Held,
            }],
        };
        let id = self.push(stage);
        self.loads.insert((key, depth), id);
        id
    }
}
