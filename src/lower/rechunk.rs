//! Ways from one grid to another within a budget.
//!
//! What is written in the cells of one grid and read in those of another is stored in boxes that lie in one
//! cell of each: the fewer and larger they are, the less time goes into moving. So neighbouring cells are
//! put together as far as memory allows, and where boxes would still be tiny, grids between the two are
//! passed through. The idea is that of Pangeo's rechunker.

use crate::base::chunks::{AxisChunks, Chunks};

/// The nanoseconds that writing and reading one box takes beside its bytes.
pub const BOX_COST: f64 = 5_000.0;
/// More grids between two are never worth it.
const MOST_BETWEEN: usize = 3;
/// A layout of more boxes is not worth keeping track of.
const MOST_BOXES: usize = 1 << 22;

/// The partition of an axis by the boundaries of several, each counted from its own offset.
fn refined_axis(len: usize, parts: &[(usize, &AxisChunks)]) -> AxisChunks {
    if let [(0, one)] = parts {
        return (*one).clone();
    }
    if parts
        .iter()
        .all(|(start, axis)| *start == 0 && *axis == parts[0].1)
    {
        return parts[0].1.clone();
    }
    let mut ends: Vec<usize> = parts
        .iter()
        .flat_map(|(start, axis)| {
            let ends = (0..axis.count()).map(move |index| start + axis.range(index).end);
            std::iter::once(*start).chain(ends)
        })
        .filter(|&end| end > 0 && end < len)
        .collect();
    ends.push(len);
    ends.sort_unstable();
    ends.dedup();
    let mut last = 0;
    let sizes: Vec<usize> = ends
        .into_iter()
        .map(|end| end - std::mem::replace(&mut last, end))
        .collect();
    AxisChunks::from_sizes(&sizes)
}

/// The boxes of `cells` cut by the boundaries of `readers`, each with its place in the cells' domain; the
/// cells themselves, if these would be too many.
pub fn layout(cells: &Chunks, readers: &[(Vec<usize>, Chunks)]) -> Chunks {
    let axes = (0..cells.ndim()).map(|axis| {
        let mut parts = vec![(0, &cells.0[axis])];
        parts.extend(
            readers
                .iter()
                .map(|(start, grid)| (start[axis], &grid.0[axis])),
        );
        refined_axis(cells.0[axis].len(), &parts)
    });
    let boxes = Chunks(axes.collect());
    if boxes.count() > MOST_BOXES {
        return cells.clone();
    }
    boxes
}

/// Neighbouring cells put together, at most `most` elements in one, along the axes along which the cells of
/// `toward` are longer, of those `allowed`: the boxes in between grow.
pub fn grouped(
    grid: &Chunks,
    toward: &Chunks,
    most: usize,
    allowed: impl Fn(usize) -> bool,
) -> Chunks {
    let mut result = grid.clone();
    loop {
        let block = result.largest_block().max(1);
        let lag = |axis: usize| {
            let (have, want) = (result.0[axis].largest(), toward.0[axis].largest());
            want as f64 / have.max(1) as f64
        };
        let grows = |&axis: &usize| {
            let size = result.0[axis].largest().max(1);
            let next = (2 * size).min(result.0[axis].len());
            allowed(axis)
                && lag(axis) > 1.0
                && result.0[axis].count() > 1
                && block / size * next <= most
        };
        let best = (0..grid.ndim())
            .filter(grows)
            .max_by(|&a, &b| lag(a).total_cmp(&lag(b)));
        let Some(axis) = best else { return result };
        result.0[axis] = pairs(&result.0[axis]);
    }
}

/// Every two neighbours as one.
fn pairs(axis: &AxisChunks) -> AxisChunks {
    let sizes: Vec<usize> = (0..axis.count())
        .step_by(2)
        .map(|index| {
            let last = (index + 1).min(axis.count() - 1);
            axis.range(last).end - axis.range(index).start
        })
        .collect();
    AxisChunks::from_sizes(&sizes)
}

/// The grids to pass through on the way from the cells of `from` to those of `to`.
pub fn between(
    from: &Chunks,
    to: &Chunks,
    most: usize,
    item: usize,
    byte_cost: f64,
) -> Vec<Chunks> {
    let bytes = from.shape().iter().product::<usize>() as f64 * item as f64;
    let cost = |grids: &[Chunks]| -> f64 {
        let mut total = 0.0;
        let mut last = from;
        for next in grids.iter().chain([to]) {
            let boxes: f64 = (0..last.ndim())
                .map(|axis| {
                    let parts = [(0, &last.0[axis]), (0, &next.0[axis])];
                    refined_axis(last.0[axis].len(), &parts).count() as f64
                })
                .product();
            total += boxes * BOX_COST + bytes * byte_cost;
            last = next;
        }
        total
    };
    let mut best = Vec::new();
    let mut least = cost(&best);
    for n in 1..=MOST_BETWEEN {
        let grids: Vec<Chunks> = (1..=n)
            .map(|number| middle(from, to, number as f64 / (n + 1) as f64, most))
            .collect();
        let cost = cost(&grids);
        if cost < least {
            (best, least) = (grids, cost);
        }
    }
    best
}

/// A grid of cells whose sides lie at `part` of the way, in proportion, between those of two.
fn middle(from: &Chunks, to: &Chunks, part: f64, most: usize) -> Chunks {
    let mut sides: Vec<f64> = (0..from.ndim())
        .map(|axis| {
            let ends = [from, to].map(|grid| grid.0[axis].largest().max(1) as f64);
            ends[0].powf(1.0 - part) * ends[1].powf(part)
        })
        .collect();
    // Memory allows both ends, hence what lies between; but for rounding.
    let volume: f64 = sides.iter().product();
    if volume > most as f64
        && let Some(longest) = sides.iter_mut().max_by(|a, b| a.total_cmp(b))
    {
        *longest = (*longest * most as f64 / volume).max(1.0);
    }
    let axes = sides
        .iter()
        .zip(from.shape())
        .map(|(&side, len)| AxisChunks::regular(len, side as usize));
    Chunks(axes.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(shape: &[usize], sizes: &[usize]) -> Chunks {
        Chunks::regular(shape, sizes).unwrap()
    }

    #[test]
    fn boxes_lie_in_one_cell_of_each() {
        let cells = grid(&[10, 6], &[4, 6]);
        let boxes = layout(&cells, &[(vec![0, 0], grid(&[10, 6], &[10, 3]))]);
        assert_eq!(boxes, grid(&[10, 6], &[4, 3]));
        // A reader of a part has boundaries at its own ends.
        let boxes = layout(&cells, &[(vec![3, 0], grid(&[6, 6], &[2, 6]))]);
        let sizes: Vec<usize> = boxes.sizes(0).collect();
        assert_eq!(sizes, [3, 1, 1, 2, 1, 1, 1]);
        // As many boxes as elements are not kept.
        let fine = grid(&[3000, 3000], &[1, 3000]);
        assert_eq!(
            layout(&fine, &[(vec![0, 0], grid(&[3000, 3000], &[3000, 1]))]),
            fine
        );
    }

    #[test]
    fn cells_grow_where_the_others_are_longer() {
        let rows = grid(&[1000, 1000], &[1, 1000]);
        let columns = grid(&[1000, 1000], &[1000, 1]);
        assert_eq!(
            grouped(&rows, &columns, 8000, |_| true),
            grid(&[1000, 1000], &[8, 1000])
        );
        assert_eq!(grouped(&rows, &rows, 1 << 30, |_| true), rows);
        assert_eq!(grouped(&rows, &columns, usize::MAX, |_| true).count(), 1);
        assert_eq!(grouped(&rows, &columns, 1000, |_| true), rows);
        assert_eq!(grouped(&rows, &columns, 8000, |axis| axis == 1), rows);
    }

    #[test]
    fn tiny_boxes_are_avoided_by_grids_between() {
        let shape = [1 << 15, 1 << 15];
        let rows = grid(&shape, &[8, 1 << 15]);
        let columns = grid(&shape, &[1 << 15, 8]);
        // 8 GB in boxes of 512 bytes: 16 million of them.
        let grids = between(&rows, &columns, 1 << 18, 8, 1.5);
        assert!(!grids.is_empty());
        assert!(grids.iter().all(|grid| grid.largest_block() <= 1 << 18));
        // Large boxes need none.
        let wide = grid(&shape, &[1 << 12, 1 << 15]);
        let high = grid(&shape, &[1 << 15, 1 << 12]);
        assert!(between(&wide, &high, 1 << 27, 8, 1.5).is_empty());
    }
}
