//! Reductions of a matrix beside its transpose: squares are visited in pairs.
//!
//! What `(I, J)` reads straight, `(J, I)` reads across, and the other way round. A task that has both
//! goes through them square by square, so that each square comes from memory once and is found in the
//! second-level cache the second time.

use super::Options;
use super::grid::MERGE_BYTES;
use crate::base::index_map::AxisMap;
use crate::graph::stage::{Fused, Leaf, LeafSource, Pair};
use crate::op::reducer::LANES;
use crate::op::tree::{Mode, RUN, Split, Tree};

/// What a task has besides its scratch: lanes for the rows of two squares, and the list of what is fetched next.
pub const PAIR_BYTES: usize = 2 * RUN * (LANES * size_of::<f64>() + 2 * size_of::<[usize; 2]>());

/// The division into cells and the pairs of parts, if the reduction is of that kind and the states of
/// all parts, `state_bytes` for each run, are few. A task has the scratch of two: where memory is short
/// there are no pairs.
pub fn pairs(
    tree: &Tree,
    fused: &Fused,
    state_bytes: usize,
    options: &Options,
) -> Option<(Split, Vec<Pair>)> {
    if options.shrink > 0 {
        return None;
    }
    let runs = tree.runs();
    let cells = match (tree.mode(), tree.shape(), tree.outer_axes()) {
        (Mode::Lines { from: 1 }, [rows, columns], [0]) if rows == columns => tree.cell_counts()[0],
        _ => return None,
    };
    let per_chunk = runs.per_chunk();
    // A task has two parts at most.
    if cells * cells < 2 * options.threads {
        return None;
    }
    let states = cells.saturating_mul(runs.count());
    if states.saturating_mul(state_bytes) > MERGE_BYTES {
        return None;
    }
    // Cells and runs are cut at the same places, and leaves where runs are.
    let cut_alike = (0..cells).all(|cell| {
        let rows = tree.cell(&[cell]);
        let columns = cell * per_chunk..((cell + 1) * per_chunk).min(runs.count());
        !columns.is_empty()
            && runs.span(&columns) == rows.ranges[0]
            && (per_chunk == 1 || rows.leaves() == 1 || RUN.is_multiple_of(rows.leaf(0).len()))
    });
    if !cut_alike || !is_mirrored(fused) {
        return None;
    }
    let split = Split {
        runs: per_chunk,
        digit: 0,
        span: 1,
    };
    // Parts are numbered by runs first, then by rows.
    let part = |row: usize, column: usize| column * cells + row;
    let pairs = (0..cells).flat_map(|i| {
        (i..cells).map(move |j| Pair {
            first: part(i, j),
            second: (i != j).then(|| part(j, i)),
        })
    });
    let mut pairs: Vec<Pair> = pairs.collect();
    // What takes twice as long comes first.
    pairs.sort_by_key(|pair| pair.second.is_none());
    Some((split, pairs))
}

/// Whether an array is read as it lies and transposed, and nothing is read that tasks make.
fn is_mirrored(fused: &Fused) -> bool {
    let reads = |leaf: &Leaf, axes: [usize; 2]| {
        let map = leaf.map.axes();
        map.len() == 2
            && map.iter().zip(axes).all(|(map, axis)| {
                matches!(map, AxisMap::Affine { start: 0, terms } if **terms == [(axis, 1)])
            })
    };
    let straight = fused.leaves.iter().filter(|leaf| reads(leaf, [0, 1]));
    let in_memory = |leaf: &Leaf| matches!(leaf.source, LeafSource::Memory { .. });
    straight.into_iter().any(|leaf| {
        in_memory(leaf)
            && fused
                .leaves
                .iter()
                .any(|other| other.source == leaf.source && reads(other, [1, 0]))
    }) && !fused
        .leaves
        .iter()
        .any(|leaf| matches!(leaf.source, LeafSource::Held { .. }))
}
