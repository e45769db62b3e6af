//! What a computation will do, before it does it.

use std::fmt;

use petgraph::graph::DiGraph;

use super::compute::{Compute, requested};
use super::engine::Engine;
use super::mixed::{Mixed, is_mixed};
use super::planning::{Planned, plan};
use crate::base::region::Region;
use crate::error::Result;
use crate::graph::stage::{Fused, Job, Leaf, LeafSource, LoadFrom, Place, Stage, StageId};
use crate::graph::tasks::{Order, Tasks};
use crate::lower::touched;
use crate::observe::units::bytes;
use crate::op::contract::Role;
use crate::plan::display::PlanDisplay;
use crate::work::describe;

/// A computation, explained: printed, it shows the optimized plan, the stages and their tasks, the passes
/// over each source, bytes read and written, and the peak memory that it keeps to.
///
/// Nothing is computed to find it out. Of several arrays in one computation, [`Engine::explain`] gives it.
///
/// ```
/// use flagstone::Array;
///
/// // The mean is computed first, then the array is read again: x itself is never held.
/// let x = Array::from_ndarray(ndarray::Array2::<f64>::ones((1000, 1000)), 100);
/// let explain = (&x - &x.mean(0)).square().sum(..).explain()?;
/// assert_eq!(explain.passes()[0].1, 2.0);
/// assert!(explain.planned_peak_bytes() < x.nbytes() as u64);
/// println!("{explain}");
/// # Ok::<(), flagstone::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Explain {
    plan: String,
    stages: Vec<StageLine>,
    passes: Vec<(String, f64)>,
    /// How many requests may be under way at once, and the bytes that one books.
    fetches: Option<(usize, u64)>,
    /// Delayed ones, and those whose bytes are not declared.
    calls: Option<(usize, usize)>,
    tasks: u64,
    threads: usize,
    budget: u64,
    floor: u64,
    planned_peak: u64,
    bytes_read: u64,
    bytes_written: u64,
    bytes_spilled: u64,
}

#[derive(Clone, Debug)]
pub(super) struct StageLine {
    name: String,
    tasks: usize,
    cell: Vec<usize>,
    parts: usize,
    instructions: usize,
    reads: Vec<String>,
    scratch: u64,
    /// Where the values go, and what becomes of them.
    fate: String,
}

impl Explain {
    pub(super) fn new<C: Compute + ?Sized>(engine: &Engine, what: &C) -> Result<Explain> {
        let (values, calls) = requested(what)?;
        let places: Vec<Place> = (0..values.len()).map(Place::Result).collect();
        let planned = plan(engine, &values, &places);
        let mixed = || Mixed::new(engine, plan(engine, &values, &places), &calls);
        let mixed = is_mixed(&planned, &calls).then(mixed);
        let (tasks, order) = match &mixed {
            Some(mixed) => (&*mixed.tasks, &*mixed.order),
            None => (&planned.tasks, &planned.order),
        };
        let stages = planned.graph.order.iter().map(|&id| line(&planned, id));
        Ok(Explain {
            plan: PlanDisplay(&planned.roots).to_string(),
            stages: stages.collect(),
            passes: passes(&planned),
            fetches: fetches(engine, tasks, order),
            calls: mixed.as_ref().map(Mixed::calls),
            tasks: order.sequence.len() as u64,
            threads: engine.threads(),
            budget: engine.memory(),
            floor: order.floor,
            planned_peak: engine.executor.plan_peak(order).max(order.floor),
            bytes_read: bytes_read(&planned),
            bytes_written: values
                .iter()
                .map(|value| {
                    (value.shape().iter().product::<usize>() * value.dtype().size()) as u64
                })
                .sum(),
            bytes_spilled: planned.env.spilled_bytes(),
        })
    }

    /// The number of tasks.
    pub fn tasks(&self) -> u64 {
        self.tasks
    }

    /// The number of calls of [`Delayed`](crate::task::Delayed) values; 0 for arrays.
    pub fn calls(&self) -> usize {
        self.calls.map_or(0, |(calls, _)| calls)
    }

    /// Of those, the calls whose values' bytes are not declared: what they hold is not in the promised memory.
    pub fn undeclared_calls(&self) -> usize {
        self.calls.map_or(0, |(_, undeclared)| undeclared)
    }

    /// The bytes that the computation will keep to, beyond its result and what the user gave. They depend on the
    /// engine: more threads hold more at once.
    pub fn planned_peak_bytes(&self) -> u64 {
        self.planned_peak
    }

    /// The fewest bytes with which it can run.
    pub fn floor_bytes(&self) -> u64 {
        self.floor
    }

    /// Bytes read from memory and from sources, as often as they are read.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// Bytes of the results.
    pub fn bytes_written(&self) -> u64 {
        self.bytes_written
    }

    /// Bytes of the temporary file to which values are spilled that fit in memory no other way; 0 if there is
    /// none.
    pub fn bytes_spilled(&self) -> u64 {
        self.bytes_spilled
    }

    /// The most requests to servers that are under way at once; 0 if no source is fetched. No more than
    /// [`concurrent_fetches`](crate::EngineBuilder::concurrent_fetches), the tasks that load, and what the planned
    /// peak has room for.
    pub fn concurrent_fetches(&self) -> usize {
        self.fetches.map_or(0, |(most, _)| most)
    }

    /// How often each source and array in memory is read through: 1 is one pass over all of it, 0.1 a
    /// tenth of it once.
    pub fn passes(&self) -> &[(String, f64)] {
        &self.passes
    }
}

impl StageLine {
    /// All that there is to say besides the name.
    pub(super) fn detail(&self) -> String {
        let s = if self.tasks == 1 { "" } else { "s" };
        let mut detail = format!("{} task{s} of {:?}", self.tasks, self.cell);
        if self.parts > 1 {
            detail += &format!(" in {} parts", self.parts);
        }
        if !self.reads.is_empty() {
            detail += &format!(", from {}", self.reads.join(", "));
        }
        if self.instructions > 0 {
            let s = if self.instructions == 1 { "" } else { "s" };
            detail += &format!(", {} fused instruction{s}", self.instructions);
        }
        detail + &format!(", {}, scratch {}", self.fate, bytes(self.scratch))
    }
}

impl fmt::Display for Explain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Of delayed values alone there is none.
        if !self.plan.is_empty() {
            writeln!(f, "plan")?;
            f.write_str(&self.plan)?;
            writeln!(f, "stages")?;
        }
        for (number, stage) in self.stages.iter().enumerate() {
            writeln!(f, "  {}. {}: {}", number + 1, stage.name, stage.detail())?;
        }
        for (name, count) in &self.passes {
            let count = if count.fract() == 0.0 {
                format!("{count}")
            } else {
                format!("{count:.2}")
            };
            let s = if count == "1" { "" } else { "es" };
            writeln!(f, "reads  {name}: {count} pass{s}")?;
        }
        if let Some((most, booked)) = self.fetches {
            let s = if most == 1 { "" } else { "s" };
            let booked = bytes(booked);
            writeln!(
                f,
                "fetch  up to {most} request{s} at once, on threads that only wait, {booked} booked for each"
            )?;
        }
        if self.bytes_spilled > 0 {
            writeln!(
                f,
                "spills {} to a temporary file",
                bytes(self.bytes_spilled)
            )?;
        }
        if let Some((calls, undeclared)) = self.calls {
            let s = if calls == 1 { "" } else { "s" };
            write!(f, "calls  {calls} delayed call{s}")?;
            match undeclared {
                0 => writeln!(f)?,
                _ => writeln!(
                    f,
                    ", {undeclared} of undeclared size: outside of the memory below"
                )?,
            }
        }
        writeln!(
            f,
            "bytes  {} read, {} of results written",
            bytes(self.bytes_read),
            bytes(self.bytes_written)
        )?;
        write!(
            f,
            "memory {} planned peak ({} at the least), budget {}, {} threads, {} tasks",
            bytes(self.planned_peak),
            bytes(self.floor),
            bytes(self.budget),
            self.threads,
            self.tasks
        )
    }
}

pub(super) fn line(planned: &Planned, id: StageId) -> StageLine {
    let stage = &planned.graph.dag[id];
    let cell = stage.outputs[0]
        .grid
        .0
        .iter()
        .map(|axis| axis.largest())
        .collect();
    let mut reads: Vec<String> = Vec::new();
    for leaf in stage.fused().flat_map(|fused| &fused.leaves) {
        let name = leaf_name(planned, leaf);
        if !reads.contains(&name) {
            reads.push(name);
        }
    }
    StageLine {
        name: stage.name.clone().into_owned(),
        tasks: planned.running_in(id),
        cell,
        parts: stage.parts(),
        instructions: stage.fused().map(|fused| fused.program.instrs.len()).sum(),
        reads,
        scratch: stage.scratch_bytes,
        fate: fate(planned, stage),
    }
}

/// How many tasks may be fetched at once, and the most bytes that one of them books.
fn fetches(engine: &Engine, tasks: &Tasks, order: &Order) -> Option<(usize, u64)> {
    let fetched = tasks.stages.iter().filter(|stage| stage.fetches);
    let (count, booked) = fetched.fold((0, 0), |(count, most), stage| {
        (
            count + stage.count as usize,
            most.max(stage.running_bytes()),
        )
    });
    let room = engine.executor.plan_peak(order) / booked.max(1);
    let most = engine.executor.concurrent_fetches().min(count);
    (count > 0).then(|| {
        (
            most.min(usize::try_from(room).unwrap_or(usize::MAX)).max(1),
            booked,
        )
    })
}

/// What becomes of a stage's values.
fn fate(planned: &Planned, stage: &Stage) -> String {
    let mut fates: Vec<String> = Vec::new();
    if let Job::Load(LoadFrom::Source(number)) = stage.job
        && planned.env.sources[number].fetches()
    {
        fates.push("fetched ahead".to_owned());
    }
    for output in &stage.outputs {
        let fate = match output.place {
            Place::Result(_) => "into the result".to_owned(),
            Place::Spill(number) => {
                let spilled = planned.env.spills[number].bytes();
                format!("spilled, {} in the temporary file", bytes(spilled))
            }
            Place::Held | Place::Stream => format!("holds {} a task", bytes(stage.output_bytes)),
        };
        if !fates.contains(&fate) {
            fates.push(fate);
        }
    }
    fates.join(", ")
}

fn leaf_name(planned: &Planned, leaf: &Leaf) -> String {
    match leaf.source {
        LeafSource::Memory { number, .. } => {
            let memory = &planned.env.memories[number];
            format!("memory {:?} {}", memory.shape(), memory.dtype())
        }
        LeafSource::Generate { number } => planned.env.generates[number].name().to_owned(),
        LeafSource::Held { stage, .. } => {
            let at = planned
                .graph
                .order
                .iter()
                .position(|&id| id == stage)
                .unwrap_or(0);
            format!("stage {}", at + 1)
        }
    }
}

/// The part of a stage's iteration space that each of its programs runs over.
fn regions(stage: &Stage) -> Vec<(&Fused, Region)> {
    let domain = &stage.outputs[0].domain;
    match &stage.job {
        Job::Map(pieces) => pieces
            .iter()
            .filter_map(|piece| {
                let inside = domain.intersect(&piece.region)?;
                Some((&piece.fused, inside.relative_to(piece.region.start())))
            })
            .collect(),
        Job::Reduce(reduce) => {
            let mut region = Region::whole(reduce.tree.shape());
            for (rank, &axis) in reduce.tree.kept().iter().enumerate() {
                region.set_range(axis, domain.range(rank));
            }
            vec![(&reduce.fused, region)]
        }
        Job::BlockFn(job) => job
            .inputs
            .iter()
            .map(|input| {
                let region =
                    crate::graph::expand::block_input_region(&job.blocks[0], &input.blocks, domain);
                (&input.fused, region)
            })
            .collect(),
        Job::Contract(job) => {
            let depth = 0..job.contraction.depth();
            let mut regions = Vec::new();
            for (number, fused) in job.fused.iter().enumerate() {
                let region = job.contraction.operand_region(number, domain, &depth);
                // Each operand is read once for each cell of the axes that only the other one has.
                let others = job.contraction.axes([Role::Columns, Role::Rows][number]);
                let grid = &stage.outputs[0].grid;
                let times = others.iter().map(|&axis| grid.0[axis].count()).product();
                regions.extend((0..times).map(|_| (fused, region.clone())));
            }
            regions
        }
        Job::Merge { .. } | Job::Load(_) => Vec::new(),
    }
}

/// The elements of a leaf's array that a region needs.
fn seen(leaf: &Leaf, region: &Region) -> usize {
    if region.is_empty() {
        0
    } else {
        leaf.map.image(region).size().min(region.size())
    }
}

/// How often a unit of storage is read by a load whose cells are not made of whole units.
fn again(planned: &Planned, source: usize, stage: &Stage) -> f64 {
    let units = planned.env.sources[source].storage_grid();
    units.map_or(1.0, |units| touched(&units, &stage.outputs[0]))
}

/// Passes over each source and each array in memory.
fn passes(planned: &Planned) -> Vec<(String, f64)> {
    let mut passes: Vec<(String, f64)> = Vec::new();
    let mut add =
        |name: String, part: f64| match passes.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum += part,
            None => passes.push((name, part)),
        };
    for id in planned.graph.dag.node_indices() {
        let (stage, share) = (&planned.graph.dag[id], planned.share_of(id));
        if let Job::Load(LoadFrom::Source(source)) = stage.job {
            let output = &stage.outputs[0];
            let total = output.shape.iter().product::<usize>().max(1);
            add(
                planned.env.sources[source].describe(),
                output.domain.size() as f64 * again(planned, source, stage) * share / total as f64,
            );
        }
        for (fused, region) in regions(stage) {
            for leaf in &fused.leaves {
                if let LeafSource::Memory { number, .. } = leaf.source {
                    let memory = &planned.env.memories[number];
                    let total = memory.shape().iter().product::<usize>().max(1);
                    let name = format!(
                        "memory #{} {:?} {}",
                        number + 1,
                        memory.shape(),
                        memory.dtype()
                    );
                    add(name, seen(leaf, &region) as f64 * share / total as f64);
                }
            }
        }
    }
    passes
}

/// Bytes read from memory and from sources.
pub(super) fn bytes_read(planned: &Planned) -> u64 {
    let stages = planned.graph.dag.node_indices();
    stages.map(|id| stage_bytes_read(planned, id)).sum()
}

/// Bytes that a stage reads from memory and from a source.
pub(super) fn stage_bytes_read(planned: &Planned, id: StageId) -> u64 {
    let stage = &planned.graph.dag[id];
    let mut bytes = 0;
    if let Job::Load(LoadFrom::Source(source)) = stage.job {
        let read = stage.outputs[0].domain.size() * stage.outputs[0].dtype.size();
        bytes += (read as f64 * again(planned, source, stage)).round() as usize;
    }
    let reads = |leaf: &Leaf| matches!(leaf.source, LeafSource::Memory { .. });
    if stage.fused().flat_map(|fused| &fused.leaves).any(reads) {
        for (fused, region) in regions(stage) {
            for leaf in fused.leaves.iter().filter(|leaf| reads(leaf)) {
                bytes += seen(leaf, &region) * leaf.dtype.size();
            }
        }
    }
    if bytes == 0 {
        return 0;
    }
    (bytes as f64 * planned.share_of(id)).round() as u64
}

/// Bytes that a stage takes from blocks of other stages, or reads back from the temporary file.
pub(super) fn stage_bytes_taken(planned: &Planned, id: StageId) -> u64 {
    let stage = &planned.graph.dag[id];
    let mut bytes = 0;
    match &stage.job {
        Job::Merge { of } => {
            let parts = &planned.graph.dag[*of];
            bytes += parts.output_bytes.saturating_mul(parts.tasks() as u64);
        }
        Job::Load(LoadFrom::Spill { .. }) => {
            let output = &stage.outputs[0];
            bytes += (output.domain.size() * output.dtype.size()) as u64;
        }
        _ => {}
    }
    for (fused, region) in regions(stage) {
        for leaf in &fused.leaves {
            if matches!(leaf.source, LeafSource::Held { .. }) {
                bytes += (seen(leaf, &region) * leaf.dtype.size()) as u64;
            }
        }
    }
    (bytes as f64 * planned.share_of(id)).round() as u64
}

/// The tasks of a computation.
///
/// Up to [`TaskGraph::MOST_TASKS`] tasks are nodes of their own; a larger computation is shown as its
/// stages.
#[derive(Clone, Debug)]
pub struct TaskGraph {
    graph: DiGraph<String, ()>,
    summarized: bool,
}

impl TaskGraph {
    /// A larger graph is summarized per stage.
    pub const MOST_TASKS: usize = 20_000;

    pub(super) fn new<C: Compute + ?Sized>(engine: &Engine, what: &C) -> Result<TaskGraph> {
        let (values, calls) = requested(what)?;
        let places: Vec<Place> = (0..values.len()).map(Place::Result).collect();
        let planned = plan(engine, &values, &places);
        if is_mixed(&planned, &calls) {
            return Ok(TaskGraph::of_mixed(&Mixed::new(engine, planned, &calls)));
        }
        if planned.tasks.len() > TaskGraph::MOST_TASKS {
            let dag = &planned.graph.dag;
            let graph = dag.map(
                |id, stage| format!("{} × {}", stage.name, planned.running_in(id)),
                |_, ()| (),
            );
            return Ok(TaskGraph {
                graph,
                summarized: true,
            });
        }
        let names = (0..planned.tasks.len() as u32)
            .map(|task| describe(&planned.graph, &planned.numbering, task));
        Ok(TaskGraph::of(&planned.tasks, names))
    }

    /// With delayed calls; a large one is summarized by what its tasks are called.
    fn of_mixed(mixed: &Mixed) -> TaskGraph {
        let (tasks, names) = (&mixed.tasks, mixed.describe());
        if tasks.len() <= TaskGraph::MOST_TASKS {
            return TaskGraph::of(tasks, names.into_iter());
        }
        let mut graph = DiGraph::new();
        let stages = tasks.stages.iter().map(|stage| {
            let name = names
                .get(stage.first as usize)
                .map_or("", |name| name.as_str());
            graph.add_node(format!("{name} × {}", stage.count))
        });
        let nodes: Vec<_> = stages.collect();
        for task in 0..tasks.len() as u32 {
            for &input in tasks.inputs(task) {
                let (from, to) = (nodes[tasks.stage_of(input)], nodes[tasks.stage_of(task)]);
                if from != to {
                    graph.update_edge(from, to, ());
                }
            }
        }
        TaskGraph {
            graph,
            summarized: true,
        }
    }

    fn of(tasks: &Tasks, names: impl Iterator<Item = String>) -> TaskGraph {
        let mut graph = DiGraph::new();
        let nodes: Vec<_> = (0..tasks.len() as u32)
            .zip(names)
            .map(|(task, name)| (!tasks.is_idle(task)).then(|| graph.add_node(name)))
            .collect();
        for task in 0..tasks.len() as u32 {
            for &input in tasks.inputs(task) {
                if let (Some(from), Some(to)) = (nodes[input as usize], nodes[task as usize]) {
                    graph.add_edge(from, to, ());
                }
            }
        }
        TaskGraph {
            graph,
            summarized: false,
        }
    }

    /// The graph: a node's weight says what the task does; edges go from a task to its readers.
    pub fn graph(&self) -> &DiGraph<String, ()> {
        &self.graph
    }

    /// Whether nodes are stages instead of tasks.
    pub fn is_summarized(&self) -> bool {
        self.summarized
    }

    /// The graph in Graphviz' DOT language.
    pub fn to_dot(&self) -> String {
        let mut dot = String::from("digraph tasks {\n  node [shape=box]\n");
        for node in self.graph.node_indices() {
            let label = self.graph[node].replace('\\', "\\\\").replace('"', "\\\"");
            dot.push_str(&format!("  t{} [label=\"{label}\"]\n", node.index()));
        }
        for edge in self.graph.edge_indices() {
            if let Some((from, to)) = self.graph.edge_endpoints(edge) {
                dot.push_str(&format!("  t{} -> t{}\n", from.index(), to.index()));
            }
        }
        dot.push_str("}\n");
        dot
    }
}

impl fmt::Display for TaskGraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for node in self.graph.node_indices() {
            write!(f, "{}: {}", node.index(), self.graph[node])?;
            let mut inputs: Vec<usize> = self
                .graph
                .neighbors_directed(node, petgraph::Direction::Incoming)
                .map(|input| input.index())
                .collect();
            inputs.sort_unstable();
            if !inputs.is_empty() {
                write!(f, " <- {inputs:?}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
