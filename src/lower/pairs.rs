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
use crate::op::tree::{self, Mode, Part, RUN, Split, Tree};

/// What a task has besides its scratch: lanes for the rows of two squares, and the list of what is fetched next.
const PAIR_BYTES: usize = 2 * RUN * (LANES * size_of::<f64>() + 2 * size_of::<[usize; 2]>());

/// The same with the leaves of the two parts that a task has at most.
pub fn pair_bytes(tree: &Tree, parts: &[Part]) -> usize {
    // Bands are the parts of the first runs.
    let bands = parts.iter().take_while(|part| part.runs.start == 0);
    let leaves = bands.map(|band| band.leaves(tree).len()).max();
    PAIR_BYTES + 2 * leaves.unwrap_or(0) * size_of::<tree::Leaf>()
}

/// A band has about so many rows, and as many columns.
const SIDE: usize = 1024;

/// The division into bands of rows and columns and the pairs of parts, if the reduction is of that kind and the states of
/// all parts, `state_bytes` for each run, are few. A task has the scratch of two: where memory is short
/// there are no pairs.
pub fn pairs(
    tree: &Tree,
    fused: &Fused,
    state_bytes: usize,
    options: &Options,
) -> Option<(Split, Vec<Pair>)> {
    if options.shrink > 0 || !is_mirrored(fused) {
        return None;
    }
    let (bands, split) = division(tree, state_bytes, options.threads)?;
    // Parts are numbered by runs first, then by rows.
    let part = |row: usize, column: usize| column * bands + row;
    let pairs = (0..bands).flat_map(|i| {
        (i..bands).map(move |j| Pair {
            first: part(i, j),
            second: (i != j).then(|| part(j, i)),
        })
    });
    let mut pairs: Vec<Pair> = pairs.collect();
    // What takes twice as long comes first.
    pairs.sort_by_key(|pair| pair.second.is_none());
    Some((split, pairs))
}

/// How many bands, and how the tree is divided into them.
fn division(tree: &Tree, state_bytes: usize, threads: usize) -> Option<(usize, Split)> {
    match (tree.mode(), tree.shape(), tree.outer_axes()) {
        // The first cell's size is what others are measured by.
        (Mode::Lines { from: 1 }, [rows, columns], [0])
            if rows == columns && *rows > 0 && tree.cell(&[0]).size() > 0 => {}
        _ => return None,
    }
    let fits = |bands: usize| {
        let states = bands.saturating_mul(tree.runs().count());
        states.saturating_mul(state_bytes) <= MERGE_BYTES
    };
    // A task has two parts at most.
    let least = 2 * threads;
    let splits: Vec<(usize, Split)> = splits(tree)
        .into_iter()
        .map(|split| (split.parts_of_rows(tree), split))
        .filter(|(bands, split)| {
            bands * bands >= least && fits(*bands) && is_cut_alike(tree, split)
        })
        .collect();
    // The best that balances threads, or what comes nearest to that.
    let balances = |(bands, _): &&(usize, Split)| bands * bands >= 8 * least;
    let most = || splits.iter().max_by_key(|(bands, _)| *bands);
    splits.iter().find(balances).or_else(most).cloned()
}

/// Divisions into bands, the best first: of whole cells, as many as make about a [`SIDE`] or fewer, or of some leaves of
/// a cell.
fn splits(tree: &Tree) -> Vec<Split> {
    let runs = tree.runs();
    let cell = tree.cell(&[0]);
    let most = (SIDE / cell.size().max(1)).max(1).ilog2();
    let cells = (0..=most).rev().map(|power| 1 << power).filter_map(|span| {
        let rows = span * cell.size();
        // The runs of as many columns.
        let count = (rows.div_ceil(runs.largest().max(1))..)
            .find(|&count| count >= runs.count() || runs.range(count).start >= rows)?;
        Some(Split {
            runs: count,
            digit: 0,
            span,
        })
    });
    let leaf = cell.leaf(0).len();
    let leaves = [4, 2, 1].into_iter().filter_map(|count| {
        let rows = count * RUN;
        (rows.is_multiple_of(leaf.max(1)) && (rows / leaf).is_power_of_two()).then(|| Split {
            runs: count,
            digit: 1,
            span: rows / leaf,
        })
    });
    cells.chain(leaves).collect()
}

/// Whether bands of rows and of columns are cut at the same places, and rows also where runs are.
fn is_cut_alike(tree: &Tree, split: &Split) -> bool {
    let runs = tree.runs();
    let one = Split {
        runs: usize::MAX,
        ..split.clone()
    };
    let bands = one.parts(tree);
    bands.len() == runs.count().div_ceil(split.runs)
        && bands.iter().enumerate().all(|(band, part)| {
            let first = band * split.runs;
            let columns = first..(first + split.runs).min(runs.count());
            let leaves = part.leaves(tree);
            let mut starts = leaves.iter().map(|leaf| leaf.rows.start);
            let end = leaves.last().map(|leaf| leaf.rows.end);
            leaves.iter().all(|leaf| !leaf.rows.is_empty())
                && leaves[0].rows.start == runs.range(first).start
                && end == Some(runs.range(columns.end - 1).end)
                && columns
                    .map(|run| runs.range(run).start)
                    .all(|start| starts.any(|row| row == start))
        })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::chunks::{AxisChunks, Chunks};
    use crate::base::few::few;

    #[test]
    fn bands_are_large_enough_and_as_many_as_threads_need() {
        // The side, that of chunks, threads; how many bands there are, of how many positions of which digit, and the runs
        // of a band.
        for (side, chunk, threads, expected) in [
            (10_000, 1000, 2, Some((10, 1, 0, 4))),
            (10_000, 100, 2, Some((13, 8, 0, 4))),
            (10_000, 250, 2, Some((10, 4, 0, 4))),
            (10_000, 128, 2, Some((10, 8, 0, 8))),
            // Fewer cells in a band where there are few in all, ...
            (1000, 100, 2, Some((5, 2, 0, 1))),
            (2000, 200, 2, Some((10, 1, 0, 1))),
            // ... and parts of a cell.
            (10_000, 5000, 2, Some((10, 8, 1, 4))),
            (10_000, 2000, 1, Some((5, 1, 0, 8))),
            (10_000, 2000, 8, Some((20, 4, 1, 2))),
            // Runs of 250 columns, cells of 100 rows.
            (10_000, 50, 2, None),
            // Runs of one line.
            (10_000, 10_000, 2, None),
            (1, 1, 1, None),
            (0, 1, 1, None),
        ] {
            let chunks = Chunks::regular(&[side, side], &[chunk, chunk]).unwrap();
            let tree = Tree::new(&chunks, &[0, 1]);
            let got = division(&tree, 8, threads)
                .map(|(bands, split)| (bands, split.span, split.digit, split.runs));
            assert_eq!(got, expected, "{side} in {chunk} for {threads} threads");
        }
    }
    #[test]
    fn bands_of_uneven_chunks() {
        for (sizes, expected) in [
            (&[300, 300, 300][..], Some((6, 2, 1, 1))),
            (&[300, 300, 7], Some((5, 2, 1, 1))),
            (&[7, 300, 300], None),
            // Views may leave nothing of a chunk.
            (&[0, 300, 300], None),
            (&[300, 0, 300], None),
            (&[300, 300, 0], None),
        ] {
            let chunks = Chunks(few((0..2).map(|_| AxisChunks::from_sizes(sizes))));
            let tree = Tree::new(&chunks, &[0, 1]);
            let got = division(&tree, 8, 2)
                .map(|(bands, split)| (bands, split.span, split.digit, split.runs));
            assert_eq!(got, expected, "{sizes:?}");
        }
    }
}
