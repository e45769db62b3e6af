//! Two parts that read the same squares of an array, one straight and one across.

use std::ops::Range;

use super::crossed::{KnownSums, NO_TERMS};
use super::driver::Driver;
use super::levels::Levels;
use super::{Deliver, groups};
use crate::base::few::Few;
use crate::base::region::Region;
use crate::error::Result;
use crate::graph::env::Env;
use crate::graph::stage::{ReduceJob, Stage};
use crate::kernel::chain::{RowLanes, TurnedLanes, crossed_asks};
use crate::kernel::prefetch::{Asking, Prefetches};
use crate::kernel::reduce::sum_of_lanes;
use crate::op::tree::{BATCH, Leaf, Part};
use crate::work::blocks::Inputs;
use crate::work::prepare::Prepared;
use crate::work::tile::TileShape;

/// One of the two: leaves of rows, and runs of columns.
struct Half<'a> {
    driver: Driver<'a>,
    part: &'a Part,
    leaves: Vec<Leaf>,
    /// The leaves that are the rows of a square, for each run of the other half.
    squares: Vec<Range<usize>>,
}

/// The side of the smaller squares whose sums are taken at a time, of `float64`: two of them and the two that are
/// fetched meanwhile fit into the second-level cache.
const SIDE: usize = 128;

impl<'a> Half<'a> {
    fn new(
        inputs: &Inputs<'a>,
        env: &'a Env,
        job: &'a ReduceJob,
        prepared: &'a Prepared,
        part: &'a Part,
        other: &Part,
    ) -> Half<'a> {
        let region = Stage::reduce_region(job, part, &Region::whole(&[]));
        let leaves = part.leaves(&job.tree);
        let squares = other.runs.clone().map(|run| {
            let rows = job.tree.runs().range(run);
            let first = leaves.partition_point(|leaf| leaf.rows.start < rows.start);
            first..leaves.partition_point(|leaf| leaf.rows.start < rows.end)
        });
        Half {
            driver: Driver::new(inputs, env, job, prepared, &region, &groups(&job.tree)),
            part,
            squares: squares.collect(),
            leaves,
        }
    }

    /// The rows of a square.
    fn rows(&self, number: usize) -> Range<usize> {
        let leaves = &self.leaves[self.squares[number].clone()];
        leaves[0].rows.start..leaves[leaves.len() - 1].rows.end
    }

    fn aim(&mut self, run: usize) {
        let first = self.part.runs.start + run;
        self.driver.aim(first..first + 1);
    }

    /// Aims at some rows of a square, counted from its first one, and some columns of the run.
    fn aim_box(&mut self, rows: usize, run: usize, part: [Range<usize>; 2]) -> TileShape {
        let part = self.box_of(rows, run, part);
        self.driver.aim_box(part)
    }

    /// Adds the memory that a box of a square is read from.
    fn add_reads(&mut self, square: Square, part: [Range<usize>; 2], upcoming: &mut Prefetches) {
        let part = self.box_of(square.rows, square.run, part);
        self.driver.add_reads(part, upcoming);
    }

    /// Rows and the columns of the run, which is now aimed at.
    fn box_of(
        &mut self,
        rows: usize,
        run: usize,
        [of_square, columns]: [Range<usize>; 2],
    ) -> [Range<usize>; 2] {
        self.aim(run);
        let first = self.rows(rows).start;
        [first + of_square.start..first + of_square.end, columns]
    }

    /// Gives the sums of the rows of a square to those who fold them.
    fn keep_sums(&mut self, rows: usize, sums: Vec<f64>) {
        let first = self.rows(rows).start;
        self.driver.known = Some(KnownSums { first, sums });
    }

    /// Folds the square of one run and of as many rows.
    fn square(&mut self, run: usize, rows: usize, levels: &mut [Levels]) {
        self.aim(run);
        let leaves = &self.leaves[self.squares[rows].clone()];
        // The digits of a leaf, and of a cell if a part has several.
        let digit = self.driver.tree.outer_axes().len();
        let has_cells = self.part.prefix.len() < digit;
        for leaf in leaves {
            let rows = leaf.cell.leaf(leaf.number);
            self.driver.fold_lines(&leaf.cell, rows, 1, levels);
            for level in levels.iter_mut() {
                level.close_leaf(1);
                if has_cells && leaf.is_last_of_cell() {
                    let cell = level.close(digit, 1);
                    level.push(digit - 1, cell, 1);
                }
            }
        }
    }
}

/// Where squares are: the run of the first part and the rows of its cell, and whether there is one of the second part
/// opposite.
#[derive(Clone, Copy)]
struct Square {
    run: usize,
    rows: usize,
    is_pair: bool,
}

/// The squares of two parts, or of one that lies opposite to itself.
fn squares([rows, runs]: [usize; 2], is_diagonal: bool) -> Vec<Square> {
    let all = (0..rows).flat_map(|rows| {
        let from = if is_diagonal { rows } else { 0 };
        (from..runs).map(move |run| Square {
            run,
            rows,
            is_pair: !is_diagonal || run != rows,
        })
    });
    all.collect()
}

/// The smaller squares of one of so many rows and columns.
fn boxes([rows, columns]: [usize; 2]) -> impl Iterator<Item = [Range<usize>; 2]> {
    let sides = |len: usize| {
        (0..len)
            .step_by(SIDE)
            .map(move |start| start..(start + SIDE).min(len))
    };
    sides(rows).flat_map(move |a| sides(columns).map(move |b| [a.clone(), b]))
}

/// What the sums of squares are taken in, from one to the next.
#[derive(Default)]
struct Room {
    /// Of the rows of the first half.
    lanes: Vec<RowLanes>,
    /// Of those of the second half: eight lanes, and the others.
    turned: [Vec<TurnedLanes>; 2],
    upcoming: Prefetches,
}

/// Takes the sums of the rows of a square and the one opposite, smaller square by smaller square, and asks
/// meanwhile for the memory of what comes next.
fn sum_squares(halves: &mut [Half<'_>; 2], room: &mut Room, square: Square, next: Option<Square>) {
    let [first, second] = halves;
    let Room {
        lanes,
        turned,
        upcoming,
    } = room;
    let lens = |first: &Half, second: &Half, square: Square| {
        [first.rows(square.rows).len(), second.rows(square.run).len()]
    };
    let [n_rows, n_columns] = lens(first, second, square);
    lanes.clear();
    lanes.resize(n_rows, NO_TERMS);
    let eights = n_columns.div_ceil(8);
    for lanes in &mut *turned {
        lanes.clear();
        if square.is_pair {
            lanes.resize(eights, TurnedLanes([[NO_TERMS.0[0]; 8]; 8]));
        }
    }
    // Boxes of one half are boxes of the other, turned: rows that are added up must be those of the run opposite.
    first.aim(square.run);
    second.aim(square.rows);
    assert_eq!(first.driver.line.len(), n_columns);
    assert_eq!(second.driver.line.len(), n_rows);
    let mut all = boxes([n_rows, n_columns]).peekable();
    while let Some([a, b]) = all.next() {
        let following = match all.peek() {
            Some(following) => Some((square, following.clone())),
            None => next.and_then(|next| Some((next, boxes(lens(first, second, next)).next()?))),
        };
        if let Some((square, following)) = following {
            first.add_reads(square, following, upcoming);
        }
        let lines = upcoming.lines().div_ceil(crossed_asks(a.len(), b.len()));
        let asking = Asking::new(upcoming, lines);
        let part = first.aim_box(square.rows, square.run, [a.clone(), b.clone()]);
        let evaluator = &first.driver.evaluator;
        let mut straight = evaluator.crossed(part, &mut lanes[a.clone()]);
        // SAFETY: the rows and columns are those of the squares.
        unsafe {
            if square.is_pair {
                let eights = b.start / 8..b.end.div_ceil(8);
                let part = second.aim_box(square.run, square.rows, [b, a]);
                let lanes = turned.each_mut().map(|lanes| &mut lanes[eights.clone()]);
                let mut opposite = second.driver.evaluator.opposite(part, lanes);
                evaluator.add_crossed_parts(&mut straight, Some(&mut opposite), asking);
            } else {
                evaluator.add_crossed_parts(&mut straight, None, asking);
            }
        }
        upcoming.ask_all();
    }
    let sums = lanes.iter().map(|lanes| sum_of_lanes(lanes.0));
    first.keep_sums(square.rows, sums.collect());
    if square.is_pair {
        second.keep_sums(square.run, sums_of_turned(turned, n_columns));
    }
}

/// The sums of so many rows whose lanes these are, merged as those of [`sum_of_lanes`], eight rows at a time.
fn sums_of_turned([some, others]: &[Vec<TurnedLanes>; 2], rows: usize) -> Vec<f64> {
    let mut sums = Vec::with_capacity(8 * some.len());
    for (some, others) in some.iter().zip(others) {
        let mut lanes = some.0;
        for (lane, other) in lanes.iter_mut().zip(others.0) {
            *lane = add(*lane, other);
        }
        for half in [4, 2, 1] {
            for lane in 0..half {
                lanes[lane] = add(lanes[lane], lanes[lane + half]);
            }
        }
        sums.extend(lanes[0]);
    }
    sums.truncate(rows);
    sums
}

fn add(mut one: [f64; 8], other: [f64; 8]) -> [f64; 8] {
    for (one, other) in one.iter_mut().zip(other) {
        *one += other;
    }
    one
}

/// Reduces the parts (I, J) and (J, I) of a square matrix, square by square; or (I, I), if there is no other. `deliver`
/// gets the states of the first part's folds, and then those of the second's.
pub fn pair(
    inputs: &Inputs<'_>,
    env: &Env,
    job: &ReduceJob,
    prepared: &Prepared,
    [first, second]: [&Part; 2],
    deliver: Deliver<'_>,
) -> Result<()> {
    let digits = job.tree.outer_axes().len();
    let levels = || -> Few<Levels<'_>, 1> {
        let new = job
            .folds
            .iter()
            .map(|usage| Levels::new(&*env.folds[usage.fold], usage, digits, BATCH));
        new.collect()
    };
    let is_diagonal = std::ptr::eq(first, second);
    let parts = if is_diagonal {
        &[first][..]
    } else {
        &[first, second]
    };
    let both = [(first, second), (second, first)];
    let mut halves = both.map(|(part, other)| Half::new(inputs, env, job, prepared, part, other));
    let sums = halves.iter().all(|half| half.driver.adds_crossed());
    // A column of runs advances with each of its squares.
    let mut columns: Vec<Vec<Few<Levels<'_>, 1>>> = parts
        .iter()
        .map(|part| part.runs.clone().map(|_| levels()).collect())
        .collect();
    let last = columns.len() - 1;
    let mut room = Room::default();
    let squares = squares([second.runs.len(), first.runs.len()], is_diagonal);
    for (number, &square) in squares.iter().enumerate() {
        inputs.stop.check()?;
        let Square { run, rows, is_pair } = square;
        if sums {
            sum_squares(
                &mut halves,
                &mut room,
                square,
                squares.get(number + 1).copied(),
            );
        }
        halves[0].square(run, rows, &mut columns[0][run]);
        if is_pair {
            halves[1].square(rows, run, &mut columns[last][rows]);
        }
    }
    for (part, columns) in columns.iter_mut().enumerate() {
        for (run, levels) in columns.iter_mut().enumerate() {
            for (fold, level) in levels.iter_mut().enumerate() {
                let states = level.close(first.prefix.len(), 1);
                deliver(part * job.folds.len() + fold, &states, run, 1)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::reducer::LANES;

    #[test]
    fn turned_lanes_are_merged_as_others() {
        let number = |row: usize, lane: usize| ((row * 37 + lane * 11) as f64).sin() / 3.0;
        for rows in [0usize, 1, 8, 13] {
            let half = |half: usize| -> Vec<TurnedLanes> {
                let lane = |eight: usize, lane: usize| {
                    std::array::from_fn(|row| number(eight * 8 + row, half * 8 + lane))
                };
                let eights = 0..rows.div_ceil(8);
                eights
                    .map(|eight| TurnedLanes(std::array::from_fn(|i| lane(eight, i))))
                    .collect()
            };
            let sum = |row| sum_of_lanes(std::array::from_fn::<_, LANES, _>(|i| number(row, i)));
            let expected: Vec<u64> = (0..rows).map(|row| sum(row).to_bits()).collect();
            let sums = sums_of_turned(&[half(0), half(1)], rows);
            let sums: Vec<u64> = sums.into_iter().map(f64::to_bits).collect();
            assert_eq!(sums, expected);
        }
    }
}
