//! Values that are written to the temporary file, and the loads that read them back.

use smallvec::smallvec;

use super::grid::{LOAD_BYTES, bands};
use super::stages::{TASK_COST, with_staging};
use super::{Build, Choice, Kept, rechunk};
use crate::base::chunks::{AxisChunks, Chunks};
use crate::base::few::Few;
use crate::base::index_map::{AxisMap, IndexMap};
use crate::base::region::Region;
use crate::graph::spill::{Spill, staging};
use crate::graph::stage::{Job, Leaf, LeafSource, LoadFrom, Output, Place, Stage, StageId};
use crate::plan::chunking;
use crate::plan::node::NodeKind;

/// The nanoseconds of a byte on its way to the temporary file, and back: what a plain disk does.
pub const SPILL_WRITE: f64 = 1.0;
const SPILL_READ: f64 = 0.5;

/// A made value that is spilled.
pub struct Spilled {
    /// In the environment.
    pub number: usize,
}

/// A load that serves one leaf of one stage.
pub struct Private {
    /// What it reads from: a source's units, or the blocks that were spilled.
    base: Output,
    /// The axis along which neighbouring cells are read one after another.
    consecutive: Option<usize>,
}

impl Private {
    pub fn of(base: Output) -> Private {
        Private {
            base,
            consecutive: None,
        }
    }
}

impl Build<'_> {
    /// Numbers the values that are to be spilled.
    pub(super) fn choose_spills(&mut self) {
        for (at, made) in self.reach.made.iter().enumerate() {
            let key = made.value.key();
            let chosen = self.options.choices.get(&key) == Some(&Choice::Spill);
            if chosen && made.root.is_none() && self.reach.held.get(&key) == Some(&at) {
                let number = self.env.spills.len();
                self.env.spills.push(Spill {
                    item: made.value.dtype().size(),
                    domain: made.needed.clone(),
                    layout: Chunks::whole(made.needed.shape()),
                    offset: 0,
                });
                self.spilled.insert(at, Spilled { number });
            }
        }
    }

    /// The most elements that a task of a spilled value moves at once: there is room for two such tasks of
    /// each thread, and for what reads them.
    fn room(&self, item: usize) -> usize {
        let tasks = 2 * self.options.threads as u64 + 2;
        (self.options.memory / tasks / item as u64) as usize >> (self.options.shrink / 3)
    }

    /// A load for one leaf of a value in the temporary file.
    pub(super) fn read_back(&mut self, at: usize, depth: usize) -> StageId {
        let number = self.spilled[&at].number;
        let (stage, output) = match self.made.get(&at) {
            Some(&made) => made,
            None => {
                let stage = self.spill_source(at, number);
                self.made.insert(at, (stage, 0));
                (stage, 0)
            }
        };
        let made: Output = self.graph.dag[stage].outputs[output].clone();
        let mut domain = made.domain.clone();
        if !self.reach.made[at].flat
            && *made.shape == *self.reach.made[at].value.shape()
            && let Some(needed) = self.needed_at(at, depth)
            // Nothing lies nowhere: not even inside of what was made.
            && !needed.is_empty()
        {
            domain = needed;
        }
        let inside = domain.relative_to(made.domain.start());
        let grid = chunking::view(&IndexMap::window(&inside), &made.grid, made.dtype.size());
        let name = self.graph.dag[stage].name.clone();
        let name = name.strip_prefix("load ").unwrap_or(&name);
        let id = self.push(Stage {
            name: format!("read back {name}").into(),
            job: Job::Load(LoadFrom::Spill {
                stage,
                output,
                number,
            }),
            outputs: smallvec![Output {
                place: Place::Held,
                domain,
                grid,
                ..made.clone()
            }],
            output_bytes: 0,
            scratch_bytes: 0,
            cost: 0.0,
        });
        self.price_load(id);
        self.private.insert(id, Private::of(made));
        id
    }

    /// Copies a source to the temporary file.
    fn spill_source(&mut self, at: usize, number: usize) -> StageId {
        let made = &self.reach.made[at];
        let item = made.value.dtype().size();
        let domain = made.needed.clone();
        let grid = if made.flat {
            bands(domain.shape(), LOAD_BYTES / item)
        } else {
            self.source_grid(at, &domain)
        };
        self.push_load(at, domain, grid, Place::Spill(number))
    }

    /// Cuts the loads that serve only these leaves as the tasks that read them are cut.
    pub(super) fn align_loads(&mut self, leaves: &[Leaf], domain: &Region, grid: &Chunks) {
        for leaf in leaves {
            let LeafSource::Held {
                stage, flat: false, ..
            } = leaf.source
            else {
                continue;
            };
            let Some(private) = self.private.get_mut(&stage) else {
                continue;
            };
            let base = &private.base;
            let last = (0..grid.ndim())
                .rev()
                .find(|&axis| grid.0[axis].count() > 1);
            let image = leaf.map.image(domain);
            if image.is_empty() {
                continue;
            }
            let axes: Vec<AxisChunks> = leaf
                .map
                .axes()
                .iter()
                .enumerate()
                .map(|(axis, map)| {
                    let range = image.range(axis);
                    match map {
                        AxisMap::Affine { start, terms } => match terms[..] {
                            [] => AxisChunks::whole(range.len()),
                            [(of, step)] => {
                                let cells = &grid.0[of];
                                seen(*start, step, domain.start()[of], cells, &range)
                            }
                            _ => part(&base.grid.0[axis], base.domain.start()[axis], &range),
                        },
                        AxisMap::Table { .. } => {
                            part(&base.grid.0[axis], base.domain.start()[axis], &range)
                        }
                    }
                })
                .collect();
            private.consecutive = leaf.map.axes().iter().position(|map| match map {
                AxisMap::Affine { terms, .. } => {
                    matches!(terms[..], [(of, _)] if Some(of) == last)
                }
                AxisMap::Table { .. } => false,
            });
            let output = &mut self.graph.dag[stage].outputs[0];
            output.domain = image;
            output.grid = Chunks(axes.into());
            self.price_load(stage);
        }
    }

    /// What a load holds, needs and costs, by its grid.
    pub(super) fn price_load(&mut self, id: StageId) {
        let stage = &self.graph.dag[id];
        let output = &stage.outputs[0];
        let elements = output.grid.largest_block() as f64;
        let bytes = output.grid.largest_block() as u64 * output.dtype.size() as u64;
        let (scratch, cost) = match stage.job {
            Job::Load(LoadFrom::Source(number)) => {
                let source = &self.env.sources[number];
                let again = source
                    .storage_grid()
                    .map_or(1.0, |units| touched(&units, output));
                (
                    source.scratch_bytes() as u64,
                    source.cost() * elements * again,
                )
            }
            _ => (
                match output.place {
                    // One buffer serves both ways.
                    Place::Spill(_) => 0,
                    _ => staging(bytes as usize) as u64,
                },
                SPILL_READ * bytes as f64,
            ),
        };
        let spilled = matches!(output.place, Place::Spill(_));
        let stage = &mut self.graph.dag[id];
        stage.output_bytes = if spilled { 0 } else { bytes };
        stage.scratch_bytes = scratch + if spilled { with_staging(bytes) } else { 0 };
        stage.cost = TASK_COST
            + cost
            + if spilled {
                SPILL_WRITE * bytes as f64
            } else {
                0.0
            };
    }

    /// Fixes how spilled values are stored, now that it is known who reads them and how.
    pub(super) fn finish_spills(&mut self) {
        let mut before: Vec<(StageId, StageId)> = Vec::new();
        for number in 0..self.env.spills.len() {
            let readers = self.readers_of(number);
            let Some((stage, output)) =
                readers
                    .first()
                    .and_then(|&reader| match self.graph.dag[reader].job {
                        Job::Load(LoadFrom::Spill { stage, output, .. }) => Some((stage, output)),
                        _ => None,
                    })
            else {
                continue;
            };
            self.widen(stage, &readers);
            for &reader in &readers {
                self.pass_between(stage, output, reader, &mut before);
            }
        }
        let mut offset = 0;
        for number in 0..self.env.spills.len() {
            offset = self.lay_out(number, offset);
        }
        self.graph.order = Few::with_capacity(self.graph.dag.node_count());
        for id in self.graph.dag.node_indices() {
            if before.iter().any(|&(inserted, _)| inserted == id) {
                continue;
            }
            let inserted = before.iter().filter(|&&(_, reader)| reader == id);
            self.graph.order.extend(inserted.map(|&(stage, _)| stage));
            self.graph.order.push(id);
        }
    }

    /// The loads of a spilled value.
    fn readers_of(&self, spill: usize) -> Vec<StageId> {
        let reads = |id: &StageId| match self.graph.dag[*id].job {
            Job::Load(LoadFrom::Spill { number, .. }) => number == spill,
            _ => false,
        };
        self.graph.dag.node_indices().filter(reads).collect()
    }

    /// Tasks that copy a source take several units at once, and readers several of the cells that they read one
    /// after another, as far as memory allows.
    fn widen(&mut self, stage: StageId, readers: &[StageId]) {
        let written = &self.graph.dag[stage].outputs[0];
        let room = self.room(written.dtype.size());
        let (cells, shape) = (written.grid.clone(), written.domain.clone());
        let copies = matches!(self.graph.dag[stage].job, Job::Load(_));
        let flat = self.reach.made.iter().enumerate().any(|(at, made)| {
            made.flat && self.made.get(&at).is_some_and(|&(made, _)| made == stage)
        });
        if flat {
            return;
        }
        for &reader in readers {
            if let Some(along) = self.private[&reader].consecutive {
                let output = &mut self.graph.dag[reader].outputs[0];
                output.grid = rechunk::grouped(&output.grid, &cells, room, |axis| axis == along);
                self.price_load(reader);
            }
        }
        if let ([reader], true) = (readers, copies) {
            let output = &self.graph.dag[*reader].outputs[0];
            if output.domain == shape {
                let toward = output.grid.clone();
                let grid = rechunk::grouped(&cells, &toward, room, |_| true);
                self.graph.dag[stage].outputs[0].grid = grid;
                self.price_load(stage);
            }
        }
    }

    /// Puts stages between a spilled value and one of its readers that pass it on in other cells, where that
    /// is cheaper than many small boxes.
    fn pass_between(
        &mut self,
        stage: StageId,
        output: usize,
        reader: StageId,
        before: &mut Vec<(StageId, StageId)>,
    ) {
        let made = self.graph.dag[stage].outputs[output].clone();
        let read = self.graph.dag[reader].outputs[0].clone();
        if made.domain != read.domain {
            return;
        }
        let item = made.dtype.size();
        let grids = rechunk::between(
            &made.grid,
            &read.grid,
            self.room(item),
            item,
            SPILL_READ + SPILL_WRITE,
        );
        for grid in grids {
            let Job::Load(from) = self.graph.dag[reader].job else {
                return;
            };
            let number = self.env.spills.len();
            self.env.spills.push(Spill {
                item,
                domain: made.domain.clone(),
                layout: grid.clone(),
                offset: 0,
            });
            let name = self.graph.dag[reader].name.replace("read back", "pass on");
            let id = self.push(Stage {
                name: name.into(),
                job: Job::Load(from),
                outputs: smallvec![Output {
                    place: Place::Spill(number),
                    grid,
                    ..made.clone()
                }],
                output_bytes: 0,
                scratch_bytes: 0,
                cost: 0.0,
            });
            self.price_load(id);
            self.graph.dag[reader].job = Job::Load(LoadFrom::Spill {
                stage: id,
                output: 0,
                number,
            });
            self.graph.dag.update_edge(id, reader, ());
            before.push((id, reader));
        }
    }

    /// Where a spilled value's boxes lie; the offset of the next one.
    fn lay_out(&mut self, number: usize, offset: u64) -> u64 {
        let readers = self.readers_of(number);
        let Some(&first) = readers.first() else {
            return offset;
        };
        let Job::Load(LoadFrom::Spill { stage, output, .. }) = self.graph.dag[first].job else {
            return offset;
        };
        let made = &self.graph.dag[stage].outputs[output];
        let grids: Vec<(Vec<usize>, Chunks)> = readers
            .iter()
            .map(|&reader| &self.graph.dag[reader].outputs[0])
            .filter(|read| !read.domain.is_empty())
            .map(|read| {
                let inside = read.domain.relative_to(made.domain.start());
                (inside.start().to_vec(), read.grid.clone())
            })
            .collect();
        let spill = &mut self.env.spills[number];
        spill.domain = made.domain.clone();
        spill.layout = rechunk::layout(&made.grid, &grids);
        spill.offset = offset;
        offset + spill.bytes()
    }

    /// Values that tasks hold for each other, and what else could be done with them.
    pub(super) fn kept(&self) -> Vec<Kept> {
        let mut kept = Vec::new();
        for (at, made) in self.reach.made.iter().enumerate() {
            if made.root.is_none()
                && !self.spilled.contains_key(&at)
                && let Some(&(stage, _)) = self.made.get(&at)
            {
                let again = matches!(
                    made.value.node.kind,
                    NodeKind::Elementwise(_) | NodeKind::Generate(_)
                );
                kept.push(Kept {
                    key: made.value.key(),
                    stage,
                    again: again && !made.flat,
                });
            }
        }
        for (&(key, _), &stage) in &self.loads {
            let again = !self.reach.made[self.reach.held[&key]].flat;
            kept.push(Kept { key, stage, again });
        }
        kept.sort_by_key(|one| one.stage);
        kept
    }
}

/// How an axis is cut that is seen along `of` as `start + step · i`, by the cells of the readers.
fn seen(
    start: isize,
    step: isize,
    origin: usize,
    cells: &AxisChunks,
    range: &std::ops::Range<usize>,
) -> AxisChunks {
    // The first index that each cell reads, or where it reads downwards, its last.
    let mut firsts: Vec<usize> = (0..cells.count())
        .map(|index| cells.range(index))
        .filter(|cell| !cell.is_empty())
        .map(|cell| {
            let at = if step < 0 { cell.end - 1 } else { cell.start };
            (start + step * (origin + at) as isize) as usize
        })
        .collect();
    firsts.sort_unstable();
    firsts.dedup();
    let mut sizes: Vec<usize> = firsts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    sizes.push(range.end - firsts.last().copied().unwrap_or(range.start));
    AxisChunks::from_sizes(&sizes)
}

/// The cells of an axis that begins at `origin`, as far as they lie in `range`.
fn part(cells: &AxisChunks, origin: usize, range: &std::ops::Range<usize>) -> AxisChunks {
    let inside = range.start - origin..range.end - origin;
    let sizes: Vec<usize> = cells
        .meeting(&inside)
        .map(|index| {
            let cell = cells.range(index);
            cell.end.min(inside.end) - cell.start.max(inside.start)
        })
        .collect();
    AxisChunks::from_sizes(&sizes)
}

/// How often a unit of storage is read when each cell of a load is read by itself, on average.
pub fn touched(units: &Chunks, output: &Output) -> f64 {
    let along = (0..units.ndim()).map(|axis| {
        let (cells, domain) = (&output.grid.0[axis], output.domain.range(axis));
        if domain.is_empty() {
            return 1.0;
        }
        let read: usize = (0..cells.count())
            .map(|index| {
                let cell = cells.range(index);
                let met =
                    units.0[axis].meeting(&(domain.start + cell.start..domain.start + cell.end));
                met.map(|unit| units.0[axis].range(unit).len())
                    .sum::<usize>()
            })
            .sum();
        let once = units.0[axis].meeting(&domain);
        let once: usize = once.map(|unit| units.0[axis].range(unit).len()).sum();
        read as f64 / once.max(1) as f64
    });
    along.product()
}
