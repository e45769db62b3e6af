//! Stages of element-wise functions, copies and pieces: one program per box of the output.

use super::Build;
use super::compile::{Wanted, compile};
use super::grid::{MAP_TASK, bands, map_grid};
use super::stages::{TASK_COST, fused_cost, held_bytes, is_opaque};
use crate::base::few::{Few, few};
use crate::base::region::Region;
use crate::graph::stage::{Fused, Job, Leaf, MapPiece, Output, Place, Stage};
use crate::op::program::ProgramBuilder;
use crate::plan::node::Pieces;

impl Build<'_> {
    pub(super) fn map_stage(&mut self, group: &[usize]) {
        let first = &self.reach.made[group[0]];
        let wanted: Few<Wanted<'_>, 1> = group
            .iter()
            .map(|&at| self.wanted(self.reach.made[at].cones[0]))
            .collect();
        let fused = compile(self, wanted, first.depth);
        let region = Region::whole(first.value.shape());
        self.push_map(group, vec![MapPiece { region, fused }]);
    }

    pub(super) fn pieces_stage(&mut self, at: usize, pieces: &Pieces) {
        let made = &self.reach.made[at];
        let mut result = Vec::with_capacity(pieces.pieces.len() + 1);
        if let Some(fill) = pieces.fill {
            let mut program = ProgramBuilder::default();
            let arg = program.constant(fill);
            program.output(arg);
            let fused = Fused {
                program: program.finish(),
                leaves: Vec::new(),
            };
            result.push(MapPiece {
                region: Region::whole(made.value.shape()),
                fused,
            });
        }
        for (piece, &cone) in pieces.pieces.iter().zip(&made.cones) {
            if !self.reach.cones[cone].region.is_empty() {
                let fused = compile(self, [self.wanted(cone)], made.depth);
                result.push(MapPiece {
                    region: piece.region.clone(),
                    fused,
                });
            }
        }
        self.push_map(&[at], result);
    }

    /// The bytes of the smallest element that goes into a result, if any does.
    fn fresh_item(&self, group: &[usize]) -> Option<usize> {
        let results = group
            .iter()
            .filter(|&&at| matches!(self.place(at), Place::Result(_)));
        results
            .map(|&at| self.reach.made[at].value.dtype().size())
            .min()
    }

    /// A stage that writes one output per member of the group.
    fn push_map(&mut self, group: &[usize], pieces: Vec<MapPiece>) {
        let made = &self.reach.made[group[0]];
        let domain = made.needed.clone();
        let leaves: &[Leaf] = match &pieces[..] {
            // A piece's leaves are addressed from the piece's own corner.
            [single] if single.region.shape() == made.value.shape() => &single.fused.leaves,
            _ => &[],
        };
        let opaque = pieces.iter().any(|piece| is_opaque(&piece.fused, self));
        let grid = if group.iter().any(|&at| self.place(at) == Place::Stream) {
            made.value.chunks().clone()
        } else if made.flat {
            bands(domain.shape(), MAP_TASK)
        } else {
            map_grid(
                &self.graph,
                &domain,
                leaves,
                opaque,
                self.fresh_item(group),
                self.options,
            )
        };
        self.align_loads(leaves, &domain, &grid);
        let made = &self.reach.made[group[0]];
        let elements = grid.largest_block();
        let outputs: Few<Output, 1> = few(group.iter().map(|&at| Output {
            dtype: self.reach.made[at].value.dtype(),
            shape: Few::from_slice(made.value.shape()),
            domain: domain.clone(),
            grid: grid.clone(),
            place: self.place(at),
        }));
        let cost = pieces
            .iter()
            .map(|piece| fused_cost(&piece.fused, self))
            .fold(0.0, f64::max);
        let stage = Stage {
            name: self.names(group),
            output_bytes: held_bytes(&outputs),
            scratch_bytes: pieces
                .iter()
                .map(|piece| piece.fused.scratch(piece.fused.program.tile()))
                .max()
                .unwrap_or(0) as u64,
            cost: TASK_COST + cost * elements as f64,
            job: Job::Map(pieces),
            outputs,
        };
        self.push_for(group, stage);
    }
}
