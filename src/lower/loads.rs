//! Stages that load from sources: one task per unit of storage.

use smallvec::smallvec;

use super::grid::{LOAD_BYTES, bands, load_grid};
use super::spills::{Private, touched};
use super::{Build, Choice};
use crate::base::chunks::Chunks;
use crate::base::few::Few;
use crate::base::region::Region;
use crate::graph::stage::{Fused, Job, LoadFrom, Output, Place, Stage, StageId};
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
        if self.spilled.contains_key(&at) {
            return self.read_back(at, depth);
        }
        let alone = self.options.choices.get(&key) == Some(&Choice::Again) && !made.flat;
        if self.options.share_loads
            && !alone
            && let Some(&stage) = self.loads.get(&(key, depth))
        {
            return stage;
        }
        let domain = match self.needed_at(at, depth) {
            Some(region) if !made.flat => region,
            _ => made.needed.clone(),
        };
        let grid = if made.flat {
            bands(domain.shape(), LOAD_BYTES / made.value.dtype().size())
        } else {
            self.source_grid(at, &domain)
        };
        let id = self.push_load(at, domain, grid, Place::Held);
        if alone {
            let output = self.graph.dag[id].outputs[0].clone();
            self.private.insert(id, Private::of(output));
        } else {
            if !made.flat && self.readers_at(at, depth).count() == 1 {
                self.sole.insert(id);
            }
            self.loads.insert((key, depth), id);
        }
        id
    }

    /// What readers of one depth see of a value, each for itself.
    fn readers_at(&self, at: usize, depth: usize) -> impl Iterator<Item = &Region> {
        let images = self.reach.made[at].images.iter();
        images
            .filter(move |(cone, _)| depth == usize::MAX || self.depth_of(*cone) == depth)
            .map(|(_, image)| image)
    }

    /// What readers of one depth need of a value.
    pub(super) fn needed_at(&self, at: usize, depth: usize) -> Option<Region> {
        self.readers_at(at, depth)
            .cloned()
            .reduce(|all, image| all.hull(&image))
    }

    /// Lets a load of which nobody else reads make the blocks that a function's tasks take, of `cells` in `domain`, so
    /// that they are not put together from its units, where each unit is still read once.
    pub(super) fn load_as_taken(&mut self, fused: &Fused, domain: &Region, cells: &Chunks) {
        /// Units are decoded side by side; where tasks of the function are few, threads would have nothing to do.
        const TASKS: usize = 8;
        let Some((id, 0, starts)) = fused.window() else {
            return;
        };
        let Job::Load(LoadFrom::Source(number)) = self.graph.dag[id].job else {
            return;
        };
        let source = &self.env.sources[number];
        // What waits for servers waits for many requests at a time.
        let few = cells.count() < TASKS * self.options.threads || source.fetches();
        if !self.sole.contains(&id) || few && self.options.shrink == 0 || domain.is_empty() {
            return;
        }
        let mut taken = domain.clone();
        for (axis, start) in starts.iter().enumerate() {
            let range = domain.range(axis);
            let at = |index: usize| (index as isize + start) as usize;
            taken.set_range(axis, at(range.start)..at(range.end));
        }
        let output = &self.graph.dag[id].outputs[0];
        let aligned = Output {
            domain: taken,
            grid: cells.clone(),
            ..output.clone()
        };
        let once = source
            .storage_grid()
            .is_none_or(|units| touched(&units, &aligned) <= touched(&units, output));
        if aligned.domain == output.domain && once {
            self.graph.dag[id].outputs[0] = aligned;
            self.price_load(id);
        }
    }

    /// The units in which a part of a source is loaded.
    pub(super) fn source_grid(&self, at: usize, domain: &Region) -> Chunks {
        let made = &self.reach.made[at];
        let storage = match &made.value.node.kind {
            NodeKind::Source(source) => source.storage_grid(),
            _ => None,
        };
        load_grid(
            storage.as_ref(),
            made.value.chunks(),
            domain,
            made.value.dtype().size(),
            self.options,
        )
    }

    /// Adds a stage that loads a part of a source.
    pub(super) fn push_load(
        &mut self,
        at: usize,
        domain: Region,
        grid: Chunks,
        place: Place,
    ) -> StageId {
        let made = &self.reach.made[at];
        let NodeKind::Source(source) = &made.value.node.kind else {
            unreachable!("only sources are loaded")
        };
        let source = source.clone();
        let name = format!("load {}", source.describe());
        let output = Output {
            dtype: made.value.dtype(),
            shape: Few::from_slice(made.value.shape()),
            domain,
            grid,
            place,
        };
        self.env.sources.push(source);
        let id = self.push(Stage {
            name: name.into(),
            job: Job::Load(LoadFrom::Source(self.env.sources.len() - 1)),
            outputs: smallvec![output],
            output_bytes: 0,
            scratch_bytes: 0,
            cost: 0.0,
        });
        self.price_load(id);
        id
    }
}
