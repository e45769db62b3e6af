//! Where the nodes of a directed graph are drawn: in layers from left to right, with few crossings.
//!
//! K. Sugiyama, S. Tagawa, M. Toda, "Methods for visual understanding of hierarchical system structures", 1981: layers
//! by longest paths, edges over several layers through places of their own, order within a layer by the mean place of
//! the neighbours, back and forth. Heights are then the best ones for that order by least squares.

/// How often the order of all layers is improved.
const SWEEPS: usize = 12;

/// More places for long edges would take too long; such edges are then drawn straight.
const MOST_BENDS: usize = 6_000;

/// A node's size, or the room for an edge that passes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Size {
    pub width: f64,
    pub height: f64,
}

/// A drawing: centres of nodes, and of each edge the points through which it goes.
#[derive(Debug, Default)]
pub struct Layout {
    pub centers: Vec<(f64, f64)>,
    pub edges: Vec<Vec<(f64, f64)>>,
    pub width: f64,
    pub height: f64,
}

/// Between layers, and between the nodes of one.
const LAYER_GAP: f64 = 48.0;
const NODE_GAP: f64 = 12.0;

/// What stands in a layer: a node, or the place where an edge passes.
struct Cell {
    height: f64,
    before: Vec<usize>,
    after: Vec<usize>,
    layer: usize,
    /// The order within its layer, and then its height in the drawing.
    at: f64,
}

/// Lays out nodes of these sizes. Edges that would make a cycle count for nothing, but are drawn.
pub fn layout(sizes: &[Size], edges: &[(usize, usize)]) -> Layout {
    let layers = longest_paths(sizes.len(), edges);
    let n_layers = layers.iter().max().map_or(0, |last| last + 1);
    let mut cells: Vec<Cell> = sizes
        .iter()
        .zip(&layers)
        .map(|(size, &layer)| Cell {
            height: size.height,
            before: Vec::new(),
            after: Vec::new(),
            layer,
            at: 0.0,
        })
        .collect();
    let bends: usize = edges
        .iter()
        .map(|&(from, to)| layers[to].saturating_sub(layers[from] + 1))
        .sum();
    let paths: Vec<Vec<usize>> = edges
        .iter()
        .map(|&(from, to)| {
            let mut path = vec![from];
            if layers[to] > layers[from] && bends <= MOST_BENDS {
                for layer in layers[from] + 1..layers[to] {
                    path.push(cells.len());
                    cells.push(Cell {
                        height: 0.0,
                        before: Vec::new(),
                        after: Vec::new(),
                        layer,
                        at: 0.0,
                    });
                }
            }
            path.push(to);
            for pair in path.windows(2) {
                if cells[pair[1]].layer > cells[pair[0]].layer {
                    cells[pair[0]].after.push(pair[1]);
                    cells[pair[1]].before.push(pair[0]);
                }
            }
            path
        })
        .collect();
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); n_layers];
    for (number, cell) in cells.iter().enumerate() {
        rows[cell.layer].push(number);
    }
    untangle(&mut cells, &mut rows);
    set_heights(&mut cells, &rows);
    draw(sizes, &cells, &rows, &paths)
}

/// Per node the length of the longest path to it. What is part of a cycle stands where it is met first.
fn longest_paths(n: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut after = vec![Vec::new(); n];
    let mut left = vec![0_usize; n];
    for &(from, to) in edges {
        if from != to {
            after[from].push(to);
            left[to] += 1;
        }
    }
    let mut layers = vec![0; n];
    let mut done = vec![false; n];
    let mut open: Vec<usize> = (0..n).rev().filter(|&node| left[node] == 0).collect();
    let mut next = 0;
    loop {
        while let Some(node) = open.pop() {
            done[node] = true;
            for &to in &after[node] {
                if done[to] {
                    continue;
                }
                layers[to] = layers[to].max(layers[node] + 1);
                left[to] -= 1;
                if left[to] == 0 {
                    open.push(to);
                }
            }
        }
        // Only cycles are left, if anything: the first of their nodes begins.
        while next < n && done[next] {
            next += 1;
        }
        if next == n {
            return layers;
        }
        left[next] = 0;
        open.push(next);
    }
}

/// Sorts each layer by the mean place of its neighbours in the layer before, then in the layer behind.
fn untangle(cells: &mut [Cell], rows: &mut [Vec<usize>]) {
    for row in rows.iter() {
        number(cells, row);
    }
    for sweep in 0..SWEEPS {
        let forward = sweep % 2 == 0;
        let n = rows.len();
        for step in 1..n {
            let row = &mut rows[if forward { step } else { n - 1 - step }];
            let mut keys: Vec<(f64, usize)> = row
                .iter()
                .map(|&cell| {
                    let neighbours = match forward {
                        true => &cells[cell].before,
                        false => &cells[cell].after,
                    };
                    (mean(cells, neighbours).unwrap_or(cells[cell].at), cell)
                })
                .collect();
            keys.sort_by(|a, b| a.0.total_cmp(&b.0));
            row.clear();
            row.extend(keys.into_iter().map(|(_, cell)| cell));
            number(cells, row);
        }
    }
}

/// Places from 0 to 1, so that layers of different lengths compare.
fn number(cells: &mut [Cell], row: &[usize]) {
    for (at, &cell) in row.iter().enumerate() {
        cells[cell].at = (at as f64 + 0.5) / row.len() as f64;
    }
}

fn mean(cells: &[Cell], neighbours: &[usize]) -> Option<f64> {
    let sum: f64 = neighbours.iter().map(|&cell| cells[cell].at).sum();
    (!neighbours.is_empty()).then(|| sum / neighbours.len() as f64)
}

/// Heights: as near to the neighbours as the order allows.
fn set_heights(cells: &mut [Cell], rows: &[Vec<usize>]) {
    for row in rows {
        let offsets = offsets(cells, row);
        let middle = offsets.last().map_or(0.0, |last| last / 2.0);
        for (&cell, offset) in row.iter().zip(offsets) {
            cells[cell].at = offset - middle;
        }
    }
    for sweep in 0..SWEEPS {
        let n = rows.len();
        for step in 0..n {
            let row = &rows[if sweep % 2 == 0 { step } else { n - 1 - step }];
            let wished: Vec<f64> = row
                .iter()
                .map(|&cell| {
                    let both: Vec<usize> = cells[cell]
                        .before
                        .iter()
                        .chain(&cells[cell].after)
                        .copied()
                        .collect();
                    mean(cells, &both).unwrap_or(cells[cell].at)
                })
                .collect();
            let offsets = offsets(cells, row);
            for (&cell, at) in row.iter().zip(nearest(&wished, &offsets)) {
                cells[cell].at = at;
            }
        }
    }
}

/// The heights of a layer's cells if they stand as close as they may.
fn offsets(cells: &[Cell], row: &[usize]) -> Vec<f64> {
    let mut at = 0.0;
    let mut before = 0.0;
    row.iter()
        .enumerate()
        .map(|(number, &cell)| {
            let height = cells[cell].height;
            if number > 0 {
                at += f64::midpoint(before, height) + NODE_GAP;
            }
            before = height;
            at
        })
        .collect()
}

/// Of all heights that keep the distances of `offsets`, the ones nearest to those wished (isotonic regression by
/// pooling adjacent violators).
fn nearest(wished: &[f64], offsets: &[f64]) -> Vec<f64> {
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for (wish, offset) in wished.iter().zip(offsets) {
        pools.push((wish - offset, 1));
        while let [.., (before, n), (last, m)] = pools[..]
            && before > last
        {
            let sum = before * n as f64 + last * m as f64;
            pools.truncate(pools.len() - 2);
            pools.push((sum / (n + m) as f64, n + m));
        }
    }
    let shifts = pools
        .into_iter()
        .flat_map(|(shift, n)| std::iter::repeat_n(shift, n));
    shifts
        .zip(offsets)
        .map(|(shift, offset)| shift + offset)
        .collect()
}

fn draw(sizes: &[Size], cells: &[Cell], rows: &[Vec<usize>], paths: &[Vec<usize>]) -> Layout {
    let width_of = |&cell: &usize| sizes.get(cell).map_or(0.0, |size| size.width);
    let mut x = 0.0;
    let mut columns = Vec::with_capacity(rows.len());
    for row in rows {
        let width = row.iter().map(width_of).fold(0.0, f64::max);
        columns.push((x, width));
        x += width + LAYER_GAP;
    }
    let ends = |cell: &Cell| (cell.at - cell.height / 2.0, cell.at + cell.height / 2.0);
    let top = cells
        .iter()
        .map(|cell| ends(cell).0)
        .fold(f64::INFINITY, f64::min);
    let bottom = cells
        .iter()
        .map(|cell| ends(cell).1)
        .fold(f64::NEG_INFINITY, f64::max);
    let center = |cell: usize| {
        let (start, width) = columns[cells[cell].layer];
        (start + width / 2.0, cells[cell].at - top)
    };
    let edges = paths.iter().map(|path| {
        let mut points = Vec::with_capacity(2 * path.len());
        for (number, &cell) in path.iter().enumerate() {
            let (x, y) = center(cell);
            // Nodes are left and met at their sides; what passes crosses the column straight.
            let half = match cell < sizes.len() {
                true => sizes[cell].width / 2.0,
                false => columns[cells[cell].layer].1 / 2.0,
            };
            if number > 0 {
                points.push((x - half, y));
            }
            if number + 1 < path.len() {
                points.push((x + half, y));
            }
        }
        points
    });
    Layout {
        centers: (0..sizes.len()).map(center).collect(),
        edges: edges.collect(),
        width: (x - LAYER_GAP).max(0.0),
        height: if cells.is_empty() { 0.0 } else { bottom - top },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(n: usize) -> Vec<Size> {
        vec![
            Size {
                width: 80.0,
                height: 20.0
            };
            n
        ]
    }

    /// No two nodes overlap, all are inside.
    fn check(sizes: &[Size], layout: &Layout) {
        for (i, (a, at)) in sizes.iter().zip(&layout.centers).enumerate() {
            assert!(at.0 - a.width / 2.0 > -1e-6 && at.0 + a.width / 2.0 < layout.width + 1e-6);
            assert!(at.1 - a.height / 2.0 > -1e-6 && at.1 + a.height / 2.0 < layout.height + 1e-6);
            for (b, other) in sizes.iter().zip(&layout.centers).skip(i + 1) {
                let apart_x = (at.0 - other.0).abs() >= (a.width + b.width) / 2.0 - 1e-6;
                let apart_y = (at.1 - other.1).abs() >= (a.height + b.height) / 2.0 - 1e-6;
                assert!(apart_x || apart_y, "{at:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_diamond() {
        let edges = [(0, 1), (0, 2), (1, 3), (2, 3)];
        let layout = layout(&same(4), &edges);
        check(&same(4), &layout);
        let x: Vec<f64> = layout.centers.iter().map(|at| at.0).collect();
        assert!(x[0] < x[1] && x[1] == x[2] && x[2] < x[3]);
        // The ends stand in the middle between the two.
        let y: Vec<f64> = layout.centers.iter().map(|at| at.1).collect();
        assert!((y[0] - (y[1] + y[2]) / 2.0).abs() < 1e-6 && (y[0] - y[3]).abs() < 1e-6);
    }

    #[test]
    fn crossed_pairs_are_untangled() {
        // 0..4 on the left, 4..8 on the right, joined in reverse order.
        let edges: Vec<(usize, usize)> = (0..4).map(|i| (i, 7 - i)).collect();
        let layout = layout(&same(8), &edges);
        check(&same(8), &layout);
        for &(from, to) in &edges {
            assert!((layout.centers[from].1 - layout.centers[to].1).abs() < 1e-6);
        }
    }

    #[test]
    fn long_edges_bend_around_nodes() {
        let edges = [(0, 1), (1, 2), (2, 3), (0, 3)];
        let layout = layout(&same(4), &edges);
        check(&same(4), &layout);
        assert_eq!(layout.edges[3].len(), 6);
        assert_eq!(layout.edges[0].len(), 2);
        let middle = layout.centers[1].1;
        assert!(
            layout.edges[3][1..5]
                .iter()
                .all(|at| (at.1 - middle).abs() >= 10.0)
        );
    }

    #[test]
    fn cycles_loops_and_nothing() {
        layout(&[], &[]);
        let sizes = same(3);
        let layout = layout(&sizes, &[(0, 0), (0, 1), (1, 2), (2, 0), (2, 1)]);
        check(&sizes, &layout);
        assert_eq!(layout.edges.len(), 5);
    }

    #[test]
    fn five_hundred_nodes() {
        let edges: Vec<(usize, usize)> = (0..400).map(|i| (i, 400 + i % 100)).collect();
        let sizes = same(500);
        check(&sizes, &layout(&sizes, &edges));
    }
}
