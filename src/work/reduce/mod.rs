//! Tasks of reductions: complete subtrees over a range of the kept axes, in the order of the tree.

mod crossed;
mod driver;
mod levels;
mod lines;
mod pair;
mod rows;

use std::cell::RefCell;
use std::ops::Range;

use super::blocks::Inputs;
use super::prepare::Prepared;
use crate::base::chunks::unravel;
use crate::base::few::{Few, few};
use crate::base::region::Region;
use crate::error::Result;
use crate::graph::env::Env;
use crate::graph::stage::{ReduceJob, Stage};
use crate::op::fold::States;
use crate::op::tree::{BATCH_STATES, Cell, Mode, Part, STRIP, Tree};
pub use pair::pair;

use driver::Driver;
use levels::Levels;

/// Where complete states go: `(fold, states, position among the task's states, number of states)`.
pub type Deliver<'a> = &'a mut dyn FnMut(usize, &States, usize, usize) -> Result<()>;

/// Reduces one part of the tree for all outputs of a cell of the kept axes. It delivers for each output
/// as many states as the part has.
pub fn part(
    inputs: &Inputs<'_>,
    env: &Env,
    job: &ReduceJob,
    prepared: &Prepared,
    part: &Part,
    kept: &Region,
    deliver: Deliver<'_>,
) -> Result<()> {
    if kept.is_empty() {
        return Ok(());
    }
    let tree = &*job.tree;
    let region = Stage::reduce_region(job, part, kept);
    let groups = groups(tree);
    // Reduced regions may be empty, and then nothing may be bound.
    let mut driver = Driver::new(inputs, env, job, prepared, &region, &groups);
    let digits = tree.outer_axes().len();
    let kept_dims = driver.kept_dims();
    let lens: Few<usize> = few(kept_dims.iter().map(|&dim| driver.lens[dim]));
    // Tiles of outputs: ranges of the last kept dimension.
    let last = lens.last().copied().unwrap_or(1);
    let outer: usize = lens[..lens.len().saturating_sub(1)].iter().product();
    let most = if driver.crossed { BATCH_STATES } else { STRIP };
    let strip = part.runs.len().min(most);
    let width = driver.width(last, strip);
    let room = driver.room(width * strip);
    let (per_output, merges) = (part.states(), part.all_rows);
    let mut levels: Few<Levels<'_>, 1> = few(job
        .folds
        .iter()
        .map(|usage| Levels::new(&*env.folds[usage.fold], usage, digits, room)));
    for number in 0..outer {
        let place = unravel(number, &lens[..lens.len().saturating_sub(1)]);
        for start in (0..last).step_by(width) {
            let n = width.min(last - start);
            let position = (number * last + start) * per_output;
            for first in part.runs.clone().step_by(strip) {
                for (&dim, &at) in kept_dims.iter().zip(place.iter().chain([&start])) {
                    driver.index[dim] = at;
                }
                inputs.stop.check()?;
                let runs = first..(first + strip).min(part.runs.end);
                let count = runs.len();
                driver.aim(runs);
                subtree(&mut driver, &mut levels, part, n)?;
                for (fold, level) in levels.iter_mut().enumerate() {
                    let states = level.close(part.prefix.len(), n * count);
                    if merges {
                        level.push_line(states, n, count);
                    } else {
                        deliver(fold, &states, position + first - part.runs.start, n * count)?;
                        level.give_back(states);
                    }
                }
            }
            if merges {
                for (fold, level) in levels.iter_mut().enumerate() {
                    let states = level.close_line(n);
                    deliver(fold, &states, position, n)?;
                    level.give_back(states);
                }
            }
        }
    }
    Ok(())
}

/// All rows of the part, for one tile of outputs and the runs that the driver aims at. The states are
/// left at the part's digit.
fn subtree(
    driver: &mut Driver<'_>,
    levels: &mut [Levels<'_>],
    part: &Part,
    n: usize,
) -> Result<()> {
    let tree = driver.tree;
    let states = n * driver.runs();
    let first = part.prefix.len();
    let levels = RefCell::new(levels);
    part.walk(
        tree,
        &mut |cell: &Cell, leaf: usize| -> Result<()> {
            driver.stop.check()?;
            let mut levels = levels.borrow_mut();
            let rows = cell.leaf(leaf);
            match tree.mode() {
                Mode::Rows => driver.fold_rows(cell, rows, n, &mut levels),
                Mode::Lines { .. } => driver.fold_lines(cell, rows, n, &mut levels),
            }
            for level in levels.iter_mut() {
                level.close_leaf(states);
            }
            Ok(())
        },
        &mut |digit: usize| -> Result<()> {
            if digit > first {
                for level in levels.borrow_mut().iter_mut() {
                    let done = level.close(digit, states);
                    level.push(digit - 1, done, states);
                }
            }
            Ok(())
        },
    )
}

/// Merges the parts of a reduction for one cell; `partials` are the states of each.
pub fn merge(
    env: &Env,
    job: &ReduceJob,
    kept: &Region,
    partials: Vec<Vec<States>>,
    deliver: Deliver<'_>,
) -> Result<()> {
    let outputs = kept.size();
    if outputs == 0 {
        return Ok(());
    }
    let tree = &*job.tree;
    let digits = tree.outer_axes().len();
    let most = job.parts.iter().map(Part::states).max();
    let room = outputs * most.unwrap_or(1);
    // Squares are as large as chunks are, of any number of runs.
    let each = job.pairs.is_some();
    let mut levels: Few<Levels<'_>, 1> = few(job
        .folds
        .iter()
        .map(|usage| Levels::new(&*env.folds[usage.fold], usage, digits, room)));
    for (number, (part, partial)) in job.parts.iter().zip(partials).enumerate() {
        let per_output = part.states();
        let n = outputs * per_output;
        let digit = part.prefix.len();
        let next = job.parts.get(number + 1);
        // The digits that this part completes, but for the first.
        let next = next.filter(|next| next.runs == part.runs);
        let common = next.map_or(0, |next| {
            let pairs = part.prefix.iter().zip(&next.prefix);
            pairs.take_while(|(a, b)| a == b).count()
        });
        for (level, states) in levels.iter_mut().zip(partial) {
            level.push(digit, states, n);
            for digit in (common + 1..=digit).rev() {
                let states = level.close(digit, n);
                level.push(digit - 1, states, n);
            }
            if next.is_none() {
                let states = level.close(0, n);
                match each {
                    true => level.push_runs(states, outputs, per_output),
                    false => level.push_line(states, outputs, per_output),
                }
            }
        }
    }
    for (number, level) in levels.iter_mut().enumerate() {
        let states = level.close_line(outputs);
        deliver(number, &states, 0, outputs)?;
    }
    Ok(())
}

/// Which axes may become one dimension: neighbours that are all kept, or the axes of a line.
fn groups(tree: &Tree) -> Few<Range<usize>> {
    let ndim = tree.shape().len();
    let mut groups: Few<Range<usize>> = Few::new();
    let mut previous_kept = false;
    for axis in 0..ndim {
        let kept = !tree.axes().contains(&axis);
        let line = matches!(tree.mode(), Mode::Lines { from } if axis > from);
        match groups.last_mut() {
            Some(group) if (kept && previous_kept) || line => group.end = axis + 1,
            _ => groups.push(axis..axis + 1),
        }
        previous_kept = kept;
    }
    groups
}
