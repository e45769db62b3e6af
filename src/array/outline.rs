//! What observers are told of a plan.

use super::engine::Engine;
use super::explain::{line, stage_bytes_read, stage_bytes_taken};
use super::planning::Planned;
use crate::exec::{Outline, RunOptions, StageOutline};
use crate::graph::stage::{Place, StageId};
use crate::plan::display;

/// The estimated nanoseconds of a thread up to which the calling thread works, too. Of what takes longer, waiting for a
/// pool's thread is a small part; and the one that rests meanwhile, which Rayon wakes now and then, looks for work for a
/// while and takes time from those who have some: 5 % of 20 ms were seen.
const SHORT: f64 = 1e6;

/// How an engine runs a plan.
pub(super) fn run_options(engine: &Engine, planned: &Planned, serial: bool) -> RunOptions {
    RunOptions {
        cancel: engine.cancel.clone(),
        observers: engine.observers.to_vec(),
        serial,
        joins: !planned.calls_users() && planned.cost() < SHORT * engine.threads() as f64,
        outline: engine.is_observed().then(|| outline(planned)),
    }
}

/// A plan's stages, in the order of their tasks.
pub(super) fn outline(planned: &Planned) -> Outline {
    let stages = planned.graph.order.iter().enumerate().map(|(at, &id)| {
        let stage = &planned.graph.dag[id];
        let tasks = &planned.tasks.stages[at];
        let mut inputs: Vec<usize> = planned
            .graph
            .dag
            .neighbors_directed(id, petgraph::Direction::Incoming)
            .filter_map(|input| planned.graph.order.iter().position(|&other| other == input))
            .collect();
        inputs.sort_unstable();
        inputs.dedup();
        let line = line(planned, id);
        StageOutline {
            detail: line.detail(),
            name: stage.name.clone().into_owned(),
            first_task: tasks.first,
            tasks: tasks.count,
            idle: tasks.count - planned.running_in(id) as u32,
            grid: stage.outputs[0].grid.num_blocks(),
            parts: stage.parts(),
            inputs,
            output_bytes: tasks.output_bytes,
            scratch_bytes: tasks.scratch_bytes,
            bytes_read: stage_bytes_read(planned, id),
            bytes_taken: stage_bytes_taken(planned, id),
            bytes_written: bytes_written(planned, id),
        }
    });
    Outline::new(name(planned), stages.collect())
}

/// What is computed, for people.
fn name(planned: &Planned) -> String {
    let mut roots = planned.roots.iter();
    let Some(first) = roots.next() else {
        return "nothing".to_owned();
    };
    let name = display::describe(&first.node);
    match roots.len() {
        0 => name,
        more => format!("{name} and {more} more"),
    }
}

/// Bytes of results and of blocks, the ones that are spilled too.
fn bytes_written(planned: &Planned, id: StageId) -> u64 {
    let stage = &planned.graph.dag[id];
    let held = stage
        .output_bytes
        .saturating_mul(planned.running_in(id) as u64);
    let elsewhere = stage.outputs.iter().map(|output| match output.place {
        Place::Result(_) => (output.domain.size() * output.dtype.size()) as u64,
        Place::Spill(number) => planned.env.spills[number].bytes(),
        Place::Held | Place::Stream => 0,
    });
    held + elsewhere.sum::<u64>()
}
