//! The task grid: how a stage is cut for cores and memory. The chunk grid is for people and files.

use super::Options;
use crate::base::chunks::{AxisChunks, Chunks};
use crate::base::few::Few;
use crate::base::index_map::{AxisMap, IndexMap};
use crate::base::region::Region;
use crate::graph::stage::{Graph, Leaf, LeafSource, Output};
use crate::op::tree::{LEAF, Mode, Split, Tree, WIDTH};
use crate::plan::chunking;

/// A task shorter than this (in elements of average cost) is not worth its bookkeeping.
const MIN_TASK: usize = 1 << 14;
/// What users' functions take is not known: a hundred elements may be the work of a minute.
const MIN_OPAQUE_TASK: usize = 64;
/// Large enough to make bookkeeping vanish, small enough to balance cores and to stay in L2.
pub const MAP_TASK: usize = 1 << 17;
/// The bytes of a result that one task touches first: two huge pages, so that tasks that run side by side
/// are never at work on the same one. The system would clear it for each of them.
const FRESH_TASK: usize = 4 << 20;
const REDUCE_TASK: usize = 1 << 22;
/// A task of a reduction takes at least about so long, in nanoseconds: parts that are smaller than that have to be merged
/// and, where chunks are small, to jump from row to row. Elements that lie in a near cache take a quarter of it: that is
/// still ten times what a task costs beside them.
const REDUCE_TIME: f64 = 1e5;
/// That much of it is one stretch of a line, which is not cut shorter: memory is read page by page.
const LEAST_STRETCH: usize = 32;
/// A larger region of a source that can be read anywhere is read in parts.
pub const LOAD_BYTES: usize = 4 << 20;
/// A stage has at most so many tasks.
const MAX_TASKS: usize = 1 << 20;
/// The states that wait for one merge.
pub const MERGE_BYTES: usize = 2 << 20;
/// Columns of a partial reduction across rows: narrower ones read memory in short runs.
const MIN_COLUMNS: usize = 1024;
/// The columns of a tile of a reduction across rows.
const TILE_COLUMNS: usize = WIDTH / 2;

/// Cells that are consecutive in C order, of about `target` elements.
pub fn bands(shape: &[usize], target: usize) -> Chunks {
    // Of nothing one cell is enough, however long the other axes are.
    if shape.contains(&0) {
        return Chunks::whole(shape);
    }
    let mut room = target.max(1);
    let mut axes: Few<AxisChunks> = shape
        .iter()
        .rev()
        .map(|&len| {
            let size = len.min(room).max(1);
            room = if size == len { (room / size).max(1) } else { 1 };
            // Equal parts balance better than a remainder.
            let even = len.div_ceil(len.div_ceil(size).max(1)).max(1);
            AxisChunks::regular(len, even)
        })
        .collect();
    axes.reverse();
    Chunks(axes)
}

/// The grid of a stage of maps over `domain`. `fresh_item` is the size of the elements that go into memory
/// which is not touched yet.
pub fn map_grid(
    graph: &Graph,
    domain: &Region,
    leaves: &[Leaf],
    opaque: bool,
    fresh_item: Option<usize>,
    options: &Options,
) -> Chunks {
    let size = domain.size();
    let most = fresh_item.map_or(MAP_TASK, |item| (FRESH_TASK / item).max(MAP_TASK));
    let least = if opaque { MIN_OPAQUE_TASK } else { MIN_TASK };
    let target = (size / (options.threads * 8))
        .clamp(least, most)
        .max(size / MAX_TASKS);
    let target = (target >> options.shrink).max(1);
    for leaf in leaves {
        if let Some(grid) = adopted(graph, leaf, domain)
            && grid.largest_block() <= target.saturating_mul(64)
        {
            return grid;
        }
    }
    bands(domain.shape(), target)
}

/// The producer's grid, if the leaf is a box of its blocks.
fn adopted(graph: &Graph, leaf: &Leaf, domain: &Region) -> Option<Chunks> {
    let LeafSource::Held {
        stage,
        output,
        flat: false,
    } = leaf.source
    else {
        return None;
    };
    let made: &Output = &graph.dag[stage].outputs[output];
    let axes = leaf.map.axes();
    // A value of fewer axes, a mean say, says nothing about the others.
    if axes.len() != domain.ndim() {
        return None;
    }
    let mut relative = Few::<_, 3>::new();
    for (rank, axis) in axes.iter().enumerate() {
        match axis {
            AxisMap::Affine { start, terms } if **terms == [(rank, 1)] => {
                let start =
                    start + domain.start()[rank] as isize - made.domain.start()[rank] as isize;
                // A piece that reads beyond what was made for it is not over this domain.
                let end = start + domain.shape()[rank] as isize;
                if start < 0 || end > made.domain.shape()[rank] as isize {
                    return None;
                }
                relative.push(AxisMap::Affine {
                    start,
                    terms: terms.clone(),
                });
            }
            _ => return None,
        }
    }
    let map = IndexMap::new(domain.shape(), relative);
    Some(chunking::view(&map, &made.grid, 1))
}

/// The elements of the smallest task of a reduction, each of which takes so many nanoseconds.
pub fn least_reduced(cost: f64, opaque: bool) -> usize {
    if opaque {
        MIN_OPAQUE_TASK
    } else {
        ((REDUCE_TIME / cost) as usize).max(MIN_TASK)
    }
}

/// The grid over the kept axes, and how the tree is divided: into tasks of at least about so many elements.
pub fn reduce_grid(
    graph: &Graph,
    tree: &Tree,
    kept: &Region,
    leaves: &[Leaf],
    state_bytes: usize,
    least: usize,
    options: &Options,
) -> (Chunks, Split) {
    let (columns, count) = (kept.size().max(1), tree.count().max(1));
    if let Some(grid) = input_blocks(graph, tree, kept, leaves) {
        let kept_axes = tree.kept();
        let kept_grid = Chunks(kept_axes.iter().map(|&axis| grid.0[axis].clone()).collect());
        let cells = kept_grid.largest_block().max(1);
        return (
            kept_grid,
            split_by_blocks(tree, &grid, cells.saturating_mul(state_bytes)),
        );
    }
    let total = columns.saturating_mul(count);
    let target = (total / (options.threads * 32))
        .clamp(least, REDUCE_TASK.max(least))
        .max(total / MAX_TASKS);
    let target = (target >> options.shrink).max(1);
    if let Mode::Lines { .. } = tree.mode() {
        // Where memory is short, stretches are, too.
        let stretch = (least / LEAST_STRETCH) >> options.shrink;
        return if count <= target {
            (bands(kept.shape(), target / count), Split::none())
        } else {
            (
                bands(kept.shape(), 1),
                split(tree, target, stretch, state_bytes.max(1)),
            )
        };
    }
    let cells = tree.cell_counts();
    let least = count
        .div_ceil(cells.iter().product::<usize>().max(1))
        .min(LEAF);
    let mut width = columns;
    let mut rows = (target / width).max(least);
    if rows.saturating_mul(width) > target.saturating_mul(4) {
        width = (target * 2 / rows).clamp(MIN_COLUMNS.min(columns), columns);
    }
    let states = |width: usize, rows: usize| {
        count
            .div_ceil(rows)
            .saturating_mul(width)
            .saturating_mul(state_bytes)
    };
    if states(width, rows) > MERGE_BYTES {
        width = width.min(MIN_COLUMNS.max(target / rows.max(1) / 4).max(1));
        rows = rows.max(count / (MERGE_BYTES / (width * state_bytes).max(1)).max(1));
    }
    // Whole tiles: the narrow remainder of a cell would be computed in short runs.
    if width < columns && width > TILE_COLUMNS {
        width -= width % TILE_COLUMNS;
    }
    (
        chunking::consecutive(kept.shape(), width),
        split(tree, rows, 0, 0),
    )
}

/// Parts that need about one block of an operand that is read in the blocks of `grid`, or more where
/// the states, `state_bytes` for all outputs of a task, would be too many.
fn split_by_blocks(tree: &Tree, grid: &Chunks, state_bytes: usize) -> Split {
    let block = |axes: &[usize]| -> usize {
        let sizes = axes.iter().map(|&axis| grid.0[axis].largest().max(1));
        sizes.product()
    };
    let outer = tree.outer_axes();
    let least = (MERGE_BYTES * 4 / state_bytes.max(1)).max(2);
    let runs = tree.runs();
    let line = block(&tree.axes()[outer.len()..]).max(1);
    let rows = (tree.count() / runs.len().max(1)).max(1);
    // Parts along the line, and across rows.
    let across = rows.div_ceil(block(outer)).clamp(1, least);
    let along = runs.len().div_ceil(line).clamp(1, least.div_ceil(across));
    let mut split = split_rows(tree, rows.div_ceil(across));
    if along > 1 {
        split.runs = floor_power(runs.count() / along);
    }
    split
}

/// The blocks of a leaf that another stage makes, seen from the reduction's input space.
fn input_blocks(graph: &Graph, tree: &Tree, kept: &Region, leaves: &[Leaf]) -> Option<Chunks> {
    let held = |leaf: &Leaf| matches!(leaf.source, LeafSource::Held { .. });
    if !leaves.iter().any(held) {
        return None;
    }
    let mut domain = Region::whole(tree.shape());
    for (rank, &axis) in tree.kept().iter().enumerate() {
        domain.set_range(axis, kept.range(rank));
    }
    leaves.iter().find_map(|leaf| adopted(graph, leaf, &domain))
}

/// Parts of at most about `most` reduced elements, of whole lines as long as there are rows enough and of at least a
/// `stretch` of them; fewer where the states of all parts, `state_bytes` for each run, would be too many.
fn split(tree: &Tree, most: usize, stretch: usize, state_bytes: usize) -> Split {
    let runs = tree.runs();
    let (line, count) = (runs.len().max(1), tree.count());
    if count <= most || tree.axes().is_empty() {
        return Split::none();
    }
    let rows = (count / line).max(1);
    let wanted = count.div_ceil(most);
    let states = runs.count().saturating_mul(state_bytes);
    let across = wanted.min((MERGE_BYTES / states.max(1)).max(1)).min(rows);
    let mut split = split_rows(tree, rows.div_ceil(across));
    let parts = split.parts_of_rows(tree).max(1);
    if parts * 2 <= wanted && runs.count() > 1 {
        let shortest = (stretch * runs.count()).div_ceil(line).next_power_of_two();
        split.runs = nearest_power(runs.count() * parts / wanted).max(shortest);
    }
    split
}

/// Parts of at most about `most` rows: ranges of the first digit whose positions are small enough.
fn split_rows(tree: &Tree, most: usize) -> Split {
    let rows: usize = tree
        .outer_axes()
        .iter()
        .map(|&axis| tree.shape()[axis])
        .product();
    if rows <= most || tree.outer_axes().is_empty() {
        return Split::none();
    }
    let cells = tree.cell_counts();
    let mut unit = rows;
    for (digit, &count) in cells.iter().enumerate() {
        unit = unit.div_ceil(count.max(1));
        if unit <= most {
            return Split {
                digit,
                span: floor_power(most / unit.max(1)),
                ..Split::none()
            };
        }
    }
    let first = tree.cell(&Few::<_>::from_elem(0, cells.len()));
    let leaf = first.size().div_ceil(first.leaves()).max(1);
    if unit <= leaf {
        // A cell is a single leaf: nothing smaller can be a part.
        return Split {
            digit: cells.len() - 1,
            span: 1,
            ..Split::none()
        };
    }
    Split {
        digit: cells.len(),
        span: floor_power((most / leaf).max(1)),
        ..Split::none()
    }
}

fn floor_power(value: usize) -> usize {
    1 << value.max(1).ilog2()
}

/// The power of two whose ratio to the value is closest to 1.
fn nearest_power(value: usize) -> usize {
    floor_power((value as f64 * std::f64::consts::SQRT_2) as usize)
}

/// The grid of a load: the units of storage, or the chunks where any region is as good as another,
/// cut further if they are large.
pub fn load_grid(
    storage: Option<&Chunks>,
    chunks: &Chunks,
    domain: &Region,
    item: usize,
    options: &Options,
) -> Chunks {
    let map = IndexMap::window(domain);
    if let Some(units) = storage {
        return chunking::view(&map, units, item);
    }
    let mut grid = chunking::view(&map, chunks, item);
    let most = ((LOAD_BYTES / item) >> options.shrink).max(1);
    for axis in 0..grid.ndim() {
        let block = grid.largest_block();
        if block <= most {
            break;
        }
        let size = grid.0[axis].largest();
        let wanted = (size / block.div_ceil(most)).max(1);
        let sizes: Vec<usize> = grid
            .sizes(axis)
            .flat_map(|size| {
                (0..size)
                    .step_by(wanted)
                    .map(move |start| wanted.min(size - start))
            })
            .collect();
        grid.0[axis] = AxisChunks::from_sizes(&sizes);
    }
    grid
}

/// Boxes of neighbouring blocks for an opaque function, last axis first: small ones together, as long as
/// there is enough for all threads, because nobody knows what a call costs. A call takes and makes about
/// `block_bytes`.
pub fn block_groups(
    blocks: &Chunks,
    domain: &Region,
    block_bytes: usize,
    consecutive: bool,
    options: &Options,
) -> Chunks {
    const TARGET: usize = 256 << 10;
    const MOST_BLOCKS: usize = 256;
    let inside: Few<AxisChunks> = (0..blocks.ndim())
        .map(|axis| {
            let range = blocks.0[axis].meeting(&domain.range(axis));
            let sizes: Vec<usize> = range.map(|i| blocks.0[axis].range(i).len()).collect();
            if sizes.is_empty() {
                AxisChunks::whole(0)
            } else {
                AxisChunks::from_sizes(&sizes)
            }
        })
        .collect();
    let mut grid = Chunks(inside);
    let bytes = block_bytes.max(1);
    let most = (grid.count() / (options.threads * 8))
        .min((TARGET >> options.shrink) / bytes)
        .min(MOST_BLOCKS);
    let mut count = 1;
    for axis in (0..grid.ndim()).rev() {
        let n = grid.0[axis].count();
        let wanted = (most / count).max(1);
        // Blocks that must be consecutive in C order span the inner axes whole.
        let factor = if consecutive && wanted < n && axis > 0 {
            n
        } else {
            wanted.min(n)
        };
        if factor > 1 {
            let sizes: Vec<usize> = (0..n)
                .step_by(factor)
                .map(|first| {
                    let last = (first + factor).min(n) - 1;
                    grid.0[axis].range(last).end - grid.0[axis].range(first).start
                })
                .collect();
            grid.0[axis] = AxisChunks::from_sizes(&sizes);
            count *= factor;
        }
        if factor < n && !consecutive {
            break;
        }
    }
    grid
}
