//! Why a computation does not fit, and what would.

use super::planning::Planned;
use crate::error::{Error, Kind};
use crate::graph::stage::{Job, LoadFrom, Place, Stage};
use crate::observe::units::bytes;
use crate::work::describe;

/// What does not shrink with chunks: buffers for tiles and for files.
const FIXED: u64 = 512 << 10;

/// The error of a plan whose floor is above the budget.
pub(super) fn refuse(planned: &Planned, budget: u64) -> Error {
    let floor = planned.order.floor;
    let mut message =
        format!("the computation needs {floor} bytes at once, the memory budget is {budget} bytes");
    if let Some((task, bytes)) = planned.tasks.largest() {
        let what = describe(&planned.graph, &planned.numbering, task);
        message += &format!("; its largest task, {what}, needs {bytes}");
        let (id, _, _) = planned.numbering.locate(&planned.graph, task);
        message += &advice(planned, &planned.graph.dag[id], budget);
    }
    Error::new(Kind::Memory, message)
}

/// Which chunks the user could choose; of what he has no say in, only the budget can be said.
fn advice(planned: &Planned, stage: &Stage, budget: u64) -> String {
    let (floor, own) = (planned.order.floor, planned.tasks.own_bytes);
    let left = |bytes: u64| bytes.saturating_sub(own).saturating_sub(FIXED);
    let share = left(budget) as f64 / left(floor).max(1) as f64;
    // A function's blocks are its inputs', where it has any.
    let grid = match &stage.job {
        Job::BlockFn(job) => match job.inputs.first() {
            Some(input) => &input.blocks,
            None => &job.blocks[0],
        },
        _ => &stage.outputs[0].grid,
    };
    let cell: Vec<usize> = grid.0.iter().map(|axis| axis.largest()).collect();
    let streamed = |stage: &Stage| {
        let mut outputs = stage.outputs.iter();
        outputs.any(|output| output.place == Place::Stream)
    };
    let what = match &stage.job {
        Job::Load(LoadFrom::Source(number)) => {
            let source = &planned.env.sources[*number];
            let stored = source.storage_grid().is_some_and(|units| {
                let mut axes = units.0.iter().zip(&cell);
                axes.all(|(axis, &len)| axis.largest() == len)
            });
            // A load may also make what a function takes, of several units.
            let how = if stored {
                "stored in units"
            } else {
                "read in blocks"
            };
            Some(format!("{} is {how} of {cell:?}", source.describe()))
        }
        Job::BlockFn(_) => Some(format!("its blocks are of {cell:?}")),
        _ if streamed(stage) => Some(format!("the result's blocks are of {cell:?}")),
        _ => None,
    };
    match (what, smaller(&cell, share)) {
        (Some(what), Some(fitting)) => {
            format!("; {what}, and in chunks of at most {fitting:?} it would fit")
        }
        _ => format!("; a budget of {} would do", bytes(floor)),
    }
}

/// A box with at most such a share of the elements, by shortening its first axes.
fn smaller(cell: &[usize], share: f64) -> Option<Vec<usize>> {
    let elements: usize = cell.iter().product();
    let mut most = (elements as f64 * share) as usize;
    if most == 0 || share >= 1.0 {
        return None;
    }
    let mut result = cell.to_vec();
    for axis in (0..cell.len()).rev() {
        result[axis] = cell[axis].min(most).max(1);
        most /= result[axis];
        most = most.max(1);
    }
    Some(result)
}
