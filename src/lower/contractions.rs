//! Stages of products: bands of the result for the cores, and parts of long sums where there are too few.

use std::ops::Range;
use std::sync::Arc;

use smallvec::smallvec;

use super::compile::compile;
use super::grid::bands;
use super::stages::{TASK_COST, fused_cost, held_bytes};
use super::{Build, Options};
use crate::base::chunks::{AxisChunks, Chunks};
use crate::base::dtype::DType;
use crate::base::region::Region;
use crate::graph::stage::{ContractJob, Job, Output, Place, Stage};
use crate::op::contract::{BLOCK, Contraction, Role};

/// Enough for the last of them to end at about the same time, whatever their number.
const TASKS_PER_THREAD: usize = 4;
/// Enough if each thread has as many: fewer tasks pack less.
const EVEN_TASKS_PER_THREAD: usize = 2;
/// A task of fewer products is not worth its bookkeeping and the packing of its operands.
const MIN_PRODUCTS: usize = 1 << 21;
/// Packed panels of a task, and what it adds up, are at most so large.
const MOST_BYTES: usize = 8 << 20;
/// A band that is narrower packs more than it computes.
const MIN_BAND: usize = 128;
/// The nanoseconds of a multiply-add.
const PRODUCT_COST: f64 = 0.03;

impl Build<'_> {
    /// One stage; or one of parts of the sum and one that adds them.
    pub(super) fn contract_stage(&mut self, at: usize, contraction: &Arc<Contraction>) {
        let made = &self.reach.made[at];
        let (domain, depth) = (made.needed.clone(), made.depth);
        let spec = made.value.spec().clone();
        let cones = [made.cones[0], made.cones[1]];
        let fused = cones.map(|cone| compile(self, [self.wanted(cone)], depth));
        let item = spec.dtype.size();
        let made = &self.reach.made[at];
        let (grid, parts) = if self.place(at) == Place::Stream {
            (spec.chunks.clone(), whole(contraction))
        } else if made.flat {
            let cell = cell(contraction, &domain, item, self.options);
            let grid = bands(domain.shape(), cell.iter().product());
            (grid, whole(contraction))
        } else {
            product_grid(contraction, &domain, spec.dtype, self.options)
        };
        let output = Output {
            dtype: spec.dtype,
            shape: spec.shape,
            domain,
            grid,
            place: self.place(at),
        };
        let largest = largest_cell(contraction, &output.grid);
        let each = parts.iter().map(Range::len).max().unwrap_or(1);
        let program = fused
            .iter()
            .map(|fused| fused.scratch(fused.program.tile()))
            .max();
        let scratch = program.unwrap_or(0) + contraction.scratch(largest, each, item);
        let products = largest.iter().product::<usize>() as f64 * contraction.depth() as f64;
        let [batch, rows, columns] = largest.map(|len| len as f64);
        let packed = contraction.depth() as f64 * batch;
        let cost = TASK_COST
            + (PRODUCT_COST * products
                + fused_cost(&fused[0], self) * packed * rows
                + fused_cost(&fused[1], self) * packed * columns)
                / parts.len() as f64;
        let cell_bytes = (output.grid.largest_block() * item) as u64;
        let name = self.names(&[at]);
        let partial = parts.len() > 1;
        let job = Job::Contract(ContractJob {
            fused,
            contraction: contraction.clone(),
            parts,
        });
        let scratch_bytes = scratch as u64;
        if !partial {
            let stage = Stage {
                name,
                job,
                output_bytes: held_bytes(std::slice::from_ref(&output)),
                outputs: smallvec![output],
                scratch_bytes,
                cost,
            };
            self.push_for(&[at], stage);
            return;
        }
        let parts = self.push(Stage {
            name: format!("{name}: parts").into(),
            job,
            outputs: smallvec![Output {
                place: Place::Held,
                ..output.clone()
            }],
            output_bytes: cell_bytes,
            scratch_bytes,
            cost,
        });
        let merge = Stage {
            name: format!("{name}: merge").into(),
            job: Job::Merge { of: parts },
            output_bytes: held_bytes(std::slice::from_ref(&output)),
            outputs: smallvec![output],
            scratch_bytes: 0,
            cost: TASK_COST + cell_bytes as f64,
        };
        self.push_for(&[at], merge);
    }
}

/// The sum in one piece.
fn whole(contraction: &Contraction) -> Vec<Range<usize>> {
    std::iter::once(0..contraction.parts()).collect()
}

/// The most [batch, rows, columns] of a cell of a grid over the result.
fn largest_cell(contraction: &Contraction, grid: &Chunks) -> [usize; 3] {
    let lens: Vec<usize> = grid.0.iter().map(AxisChunks::largest).collect();
    contraction.extents(&Region::whole(&lens))
}

/// Whether threads have enough tasks not to wait long for the last ones.
fn are_enough(tasks: usize, threads: usize) -> bool {
    tasks >= threads * TASKS_PER_THREAD
        || (tasks >= threads * EVEN_TASKS_PER_THREAD && tasks.is_multiple_of(threads))
}

/// The [batch, rows, columns] of a task: halved, batch first and then the longer side, until there are enough
/// tasks and each keeps to its memory.
fn cell(contraction: &Contraction, domain: &Region, item: usize, options: &Options) -> [usize; 3] {
    let whole = contraction.extents(domain);
    let mut cell = whole;
    let most = MOST_BYTES >> options.shrink;
    let least = (MIN_BAND >> options.shrink).max(1);
    let sums = match contraction.parts() {
        1 => 0,
        parts => parts.ilog2() as usize + 2,
    };
    loop {
        let [batch, rows, columns] = cell;
        let elements = batch * rows * columns;
        let tasks: usize = (0..3).map(|i| whole[i].div_ceil(cell[i].max(1))).product();
        let long = elements.saturating_mul(contraction.depth()) >= 2 * MIN_PRODUCTS;
        let panels = (rows + columns) * contraction.depth().min(BLOCK) * item;
        let few = !are_enough(tasks, options.threads) && long;
        let large = panels > most || sums * elements * item > most;
        if !few && !large {
            return cell;
        }
        if batch > 1 {
            cell[0] = batch.div_ceil(2);
        } else if rows >= columns / 2 && rows > least {
            cell[1] = rows.div_ceil(2);
        } else if columns > least {
            cell[2] = columns.div_ceil(2);
        } else if rows > least {
            cell[1] = rows.div_ceil(2);
        } else {
            return cell;
        }
    }
}

/// Bands of about `size`, and of whole panels of so many rows or columns: one that is not filled takes a kernel as long as
/// a full one. The longer ones come first.
fn panels(len: usize, size: usize, panel: usize) -> AxisChunks {
    let bands = len.div_ceil(size.max(1)).max(1);
    let panels = len.div_ceil(panel);
    if bands > panels {
        return AxisChunks::regular(len, len.div_ceil(bands));
    }
    let end = |band: usize| len.min((panels * band).div_ceil(bands) * panel);
    let sizes: Vec<usize> = (0..bands).map(|band| end(band + 1) - end(band)).collect();
    AxisChunks::from_sizes(&sizes)
}

/// The grid over the result, and the parts of the sum that tasks of one cell share.
fn product_grid(
    contraction: &Contraction,
    domain: &Region,
    dtype: DType,
    options: &Options,
) -> (Chunks, Vec<Range<usize>>) {
    let cell = cell(contraction, domain, dtype.size(), options);
    let [rows, columns] = (options.panel)(dtype);
    let roles = [
        (Role::Batch, None),
        (Role::Rows, Some(rows)),
        (Role::Columns, Some(columns)),
    ];
    let mut axes = vec![AxisChunks::whole(0); domain.ndim()];
    for ((role, panel), size) in roles.into_iter().zip(cell) {
        let own = contraction.axes(role);
        if let ([axis], Some(panel)) = (&own[..], panel) {
            let axis = *axis;
            axes[axis] = panels(domain.shape()[axis], size, panel);
            continue;
        }
        let lens: Vec<usize> = own.iter().map(|&axis| domain.shape()[axis]).collect();
        for (axis, chunks) in own.into_iter().zip(bands(&lens, size).0) {
            axes[axis] = chunks;
        }
    }
    let grid = Chunks(axes.into());
    let parts = contraction.parts();
    let wanted = match are_enough(grid.count(), options.threads) {
        true => 1,
        false => (options.threads * TASKS_PER_THREAD).div_ceil(grid.count()),
    };
    // Complete subtrees of the sum: ranges of a power of two.
    let span = match wanted {
        0 | 1 => parts,
        _ => 1 << (parts / wanted).max(1).ilog2(),
    };
    let ranges = (0..parts).step_by(span);
    let ranges = ranges.map(|start| start..(start + span).min(parts));
    (grid, ranges.collect())
}

#[cfg(test)]
mod tests {
    use super::panels;

    #[test]
    fn bands_are_of_whole_panels_and_differ_by_one_at_most() {
        for (len, size, panel) in [
            (3000, 750, 24),
            (3000, 1500, 8),
            (100, 30, 8),
            (23, 30, 24),
            (25, 13, 24),
            (7, 2, 4),
            (1, 1, 1),
            (0, 5, 8),
        ] {
            let bands = panels(len, size, panel);
            let sizes: Vec<usize> = (0..bands.count()).map(|i| bands.range(i).len()).collect();
            assert_eq!(sizes.iter().sum::<usize>(), len);
            let Some((last, others)) = sizes.split_last() else {
                panic!("no band of {len}");
            };
            let whole = others.iter().all(|size| size % panel == 0);
            let least = sizes.iter().map(|size| size.div_ceil(panel)).min();
            let most = sizes.iter().map(|size| size.div_ceil(panel)).max();
            // Where there are more bands than panels, each is within one.
            let split = len.div_ceil(size) > len.div_ceil(panel);
            assert!(whole || split, "{len} by {size}: {sizes:?} of {panel}");
            assert!(most.unwrap() <= least.unwrap() + 1, "{sizes:?}");
            assert!(len == 0 || *last > 0, "{sizes:?}");
        }
        let sizes = |len, size, panel| -> Vec<usize> {
            let bands = panels(len, size, panel);
            (0..bands.count()).map(|i| bands.range(i).len()).collect()
        };
        assert_eq!(sizes(3000, 750, 24), [768, 744, 744, 744]);
        assert_eq!(sizes(3000, 1500, 8), [1504, 1496]);
    }
}
