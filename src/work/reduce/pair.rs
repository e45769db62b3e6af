//! Two parts that read the same squares of an array, one straight and one across.

use super::driver::Driver;
use super::levels::Levels;
use super::{Deliver, groups};
use crate::base::region::Region;
use crate::error::Result;
use crate::graph::env::Env;
use crate::graph::stage::{ReduceJob, Stage};
use crate::op::tree::{BATCH, Part, RUN};
use crate::work::blocks::Inputs;
use crate::work::prepare::Prepared;

/// One of the two: a cell of rows, and the runs of another one.
struct Half<'a> {
    driver: Driver<'a>,
    part: &'a Part,
    /// Leaves that are as many rows as a run has elements.
    leaves: usize,
}

impl<'a> Half<'a> {
    fn new(
        inputs: &Inputs<'a>,
        env: &'a Env,
        job: &'a ReduceJob,
        prepared: &'a Prepared,
        part: &'a Part,
    ) -> Half<'a> {
        let region = Stage::reduce_region(job, part, &Region::whole(&[]));
        let rows = job.tree.cell(&[part.range.start]).leaf(0).len();
        Half {
            driver: Driver::new(inputs, env, job, prepared, &region, &groups(&job.tree)),
            part,
            leaves: (RUN / rows.max(1)).max(1),
        }
    }

    /// Folds the square of one run and of as many rows.
    fn square(&mut self, run: usize, rows: usize, levels: &mut [Levels]) {
        let first = self.part.runs.start + run;
        self.driver.aim(first..first + 1);
        let cell = self.driver.tree.cell(&[self.part.range.start]);
        let leaves = rows * self.leaves..((rows + 1) * self.leaves).min(cell.leaves());
        for leaf in leaves {
            self.driver.fold_lines(&cell, cell.leaf(leaf), 1, levels);
            for level in levels.iter_mut() {
                level.close_leaf(1);
            }
        }
    }
}

/// Reduces the parts (I, J) and (J, I) of a square matrix, square by square. `deliver` gets the states of
/// the first part's folds, and then those of the second's.
pub fn pair(
    inputs: &Inputs<'_>,
    env: &Env,
    job: &ReduceJob,
    prepared: &Prepared,
    parts: [&Part; 2],
    deliver: Deliver<'_>,
) -> Result<()> {
    let digits = job.tree.outer_axes().len();
    let levels = || -> Vec<Levels> {
        let new = job
            .folds
            .iter()
            .map(|usage| Levels::new(env.folds[usage.fold].clone(), usage, digits, BATCH));
        new.collect()
    };
    let mut first = Half::new(inputs, env, job, prepared, parts[0]);
    let mut second = Half::new(inputs, env, job, prepared, parts[1]);
    // The columns of runs of the first part advance together, those of the second one after another.
    let mut columns: Vec<Vec<Levels>> = parts[0].runs.clone().map(|_| levels()).collect();
    let mut column = levels();
    let folds = job.folds.len();
    for i in 0..parts[1].runs.len() {
        for (j, levels) in columns.iter_mut().enumerate() {
            inputs.stop.check()?;
            first.square(j, i, levels);
            second.square(i, j, &mut column);
        }
        for (fold, level) in column.iter_mut().enumerate() {
            let cell = level.close(digits, 1);
            level.push(digits - 1, cell, 1);
            let states = level.close(digits - 1, 1);
            deliver(folds + fold, &states, i, 1)?;
            level.give_back(states);
        }
    }
    for (j, levels) in columns.iter_mut().enumerate() {
        for (fold, level) in levels.iter_mut().enumerate() {
            let cell = level.close(digits, 1);
            level.push(digits - 1, cell, 1);
            let states = level.close(digits - 1, 1);
            deliver(fold, &states, j, 1)?;
        }
    }
    Ok(())
}
