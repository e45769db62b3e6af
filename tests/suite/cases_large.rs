//! Shapes that fall into several cells, leaves, pieces, tasks and bands: where the order of additions
//! shows, and where a task holds a part of a chunk or several of them.

use crate::configurations::{Check, Effort, Grid, run_all};
use crate::data::{mask, numbers, specials};
use crate::reductions::Over;
use crate::twin::Twin;

/// Shapes and the number of chunks along each axis.
const SHAPES: [(&[usize], usize); 6] = [
    (&[300, 4000], 3),
    (&[300, 4000], 1),
    (&[70_000, 3], 4),
    (&[1, 200_000], 1),
    (&[280_000], 7),
    (&[40, 50, 300], 2),
];

/// One check for each shape, in a single computation or several.
fn each_shape(
    grid: Grid,
    number: usize,
    check: impl Fn(&Twin<f64>) -> Box<dyn Check>,
) -> Box<dyn Check> {
    let (shape, parts) = SHAPES[number];
    check(&numbers(shape, number as u64, grid.cut(shape, parts)))
}

fn sums<const N: usize>(grid: Grid) -> Box<dyn Check> {
    each_shape(grid, N, |x| {
        let all: Vec<usize> = (0..x.value.ndim()).collect();
        let (all, first, last) = (
            Over::axes(&all),
            Over::axes(&[0]),
            Over::axes(&all[all.len() - 1..]),
        );
        Box::new((
            x.sum(&all),
            x.sum(&first),
            x.mean(&last),
            x.trace(&all),
            x.trace(&first),
        ))
    })
}

fn spreads<const N: usize>(grid: Grid) -> Box<dyn Check> {
    each_shape(grid, N, |x| {
        let all: Vec<usize> = (0..x.value.ndim()).collect();
        let (all, first, last) = (
            Over::axes(&all),
            Over::axes(&[0]),
            Over::axes(&all[all.len() - 1..]),
        );
        Box::new((x.var(&all), x.std(&first), x.var(&last), x.norm(&all)))
    })
}

/// As `sums`, each alone: a stage of its own may be cut otherwise than one that it shares.
fn alone<const N: usize>(grid: Grid) -> Box<dyn Check> {
    each_shape(grid, N, |x| Box::new(x.trace(&Over::axes(&[0]))))
}

fn middle_axes(grid: Grid) -> Box<dyn Check> {
    let x = numbers::<f64>(&[40, 50, 300], 10, grid.cut(&[40, 50, 300], 4));
    Box::new((
        x.trace(&Over::axes(&[1])),
        x.trace(&Over::axes(&[0, 2])),
        x.sum(&Over::axes(&[1, 2])),
        x.var(&Over::axes(&[0, 1]).keep()),
        x.trace(&Over::axes(&[0, 1, 2])),
    ))
}

/// Cells with very different numbers of elements.
fn lopsided(_: Grid) -> Box<dyn Check> {
    let x = numbers::<f64>(&[300, 700], 11, ([1, 290, 2, 7], [600, 1, 99]));
    Box::new((
        x.trace(&Over::axes(&[0])),
        x.trace(&Over::axes(&[1])),
        x.trace(&Over::axes(&[0, 1])),
        x.t().trace(&Over::axes(&[0, 1])),
        x.var(&Over::axes(&[0, 1])),
    ))
}

/// Chunks of one element each: cells are groups of many.
fn tiny_chunks(grid: Grid) -> Box<dyn Check> {
    let size = if grid == Grid::Even { 4 } else { 3 };
    let x = numbers::<f64>(&[160, 330], 12, size);
    let y = &(&x + 1.0) * 2.0;
    Box::new((
        y.trace(&Over::axes(&[0, 1])),
        y.sum(&Over::axes(&[0])),
        y.std(&Over::axes(&[1])),
        y,
    ))
}

fn masked(grid: Grid) -> Box<dyn Check> {
    let shape = [300, 1500];
    let z = specials(&shape, 13, grid.cut(&shape, 3)).map(
        |z| z.clip(-1e6, 1e6),
        |v| if v.is_nan() { v } else { v.clamp(-1e6, 1e6) },
    );
    let keep = mask(&shape, 14, grid.cut(&shape, 2));
    let both = Over::axes(&[0, 1]);
    Box::new((
        z.sum(&both.clone().skip_nan()),
        z.var(&Over::axes(&[0]).skip_nan()),
        z.mean(&Over::axes(&[1]).filter(&keep)),
        z.std(&both.clone().filter(&keep)),
        z.min(&both.skip_nan()),
    ))
}

fn places(grid: Grid) -> Box<dyn Check> {
    let shape = [300, 1500];
    let few = numbers::<i16>(&shape, 15, grid.cut(&shape, 3)).map(|x| x % 50, |v| v % 50);
    let tall = numbers::<f32>(&[70_000, 3], 16, grid.cut(&[70_000, 3], 5));
    Box::new((
        few.argmin(&Over::axes(&[0, 1])),
        few.argmax(&Over::axes(&[0])),
        few.argmin(&Over::axes(&[1])),
        tall.argmax(&Over::axes(&[0])),
        tall.argmin(&Over::axes(&[0, 1])),
    ))
}

fn fused(grid: Grid) -> Box<dyn Check> {
    let shape = [300, 1500];
    let (x, y) = (
        numbers::<f64>(&shape, 17, grid.cut(&shape, 3)),
        numbers::<f64>(&shape, 18, grid.cut(&shape, 7)),
    );
    let row = numbers::<f64>(&[1500], 19, grid.cut(&[1500], 2));
    let mixed = &(&(&x * &y) + &row) - &x.by_kernel(|x| x.exp().atan());
    Box::new((
        mixed.trace(&Over::axes(&[0, 1])),
        mixed.trace(&Over::axes(&[0])),
        mixed.t().trace(&Over::axes(&[0])),
        mixed.flip(&[1]).sum(&Over::axes(&[1])),
        mixed.var(&Over::axes(&[0])),
    ))
}

/// Sums that take their terms from registers, of long rows and lines.
fn summed(grid: Grid) -> Box<dyn Check> {
    let shape = [300, 1500];
    let (x, y) = (
        numbers::<f64>(&shape, 26, grid.cut(&shape, 3)),
        numbers::<f64>(&shape, 27, grid.cut(&shape, 7)),
    );
    let row = numbers::<f64>(&[1500], 28, grid.cut(&[1500], 2));
    let cheap = &(&(&x * &y) + &row) - &(&x * &x);
    let mixed = &(&x + 3.0) * &y.by_kernel(|y| y.exp().atan());
    Box::new((
        cheap.sum(&Over::axes(&[0])),
        cheap.mean(&Over::axes(&[1])),
        cheap.t().sum(&Over::axes(&[1])),
        mixed.sum(&Over::axes(&[0, 1])),
        mixed.mean(&Over::axes(&[0])),
    ))
}

/// The same of narrow rows, which are dealt out to lanes; their number is no multiple of those.
fn summed_narrow(grid: Grid) -> Box<dyn Check> {
    let x = numbers::<f64>(&[70_003, 3], 29, grid.cut(&[70_003, 3], 5));
    let row = numbers::<f64>(&[3], 30, grid.cut(&[3], 1));
    let moved = &x + &row;
    let mixed = &x.by_kernel(|x| x.exp().atan()) * &row;
    let cube = numbers::<f64>(&[9, 1001, 5], 31, grid.cut(&[9, 1001, 5], 2));
    Box::new((
        moved.sum(&Over::axes(&[0])),
        (&moved * &x).mean(&Over::axes(&[0])),
        moved.flip(&[0]).sum(&Over::axes(&[0])),
        mixed.sum(&Over::axes(&[0])),
        (&cube + 1.0).sum(&Over::axes(&[0, 1])),
    ))
}

fn singles(grid: Grid) -> Box<dyn Check> {
    let shape = [300, 1500];
    let x = numbers::<f32>(&shape, 20, grid.cut(&shape, 3));
    let small = numbers::<i8>(&shape, 21, grid.cut(&shape, 3));
    Box::new((
        x.sum(&Over::axes(&[0, 1])),
        x.var(&Over::axes(&[0])),
        x.mean(&Over::axes(&[1])),
        small.sum(&Over::axes(&[0])),
        small.var(&Over::axes(&[0, 1])),
    ))
}

fn views(grid: Grid) -> Box<dyn Check> {
    let x = numbers::<f64>(&[600, 700], 22, grid.cut(&[600, 700], 3));
    let crossed = &x.slice(&[(0..600).into(), (0..600).into()])
        + &x.slice(&[(0..600).into(), (100..700).into()]).t();
    let wide = x.reshape(&[140, 3000]);
    Box::new((
        crossed.trace(&Over::axes(&[0, 1])),
        wide.trace(&Over::axes(&[0])),
        (&wide * 2.0).trace(&Over::axes(&[1])),
        Twin::concatenate(&[x.flip(&[0]), x.roll(77, 1)], 0).trace(&Over::axes(&[0])),
        crossed,
    ))
}

/// A matrix beside its transpose, whose squares are visited in pairs.
fn mirrored(grid: Grid) -> Box<dyn Check> {
    let x = numbers::<f64>(&[1100, 1100], 25, grid.cut(&[1100, 1100], 3));
    let both = &x + &x.t();
    Box::new((
        both.sum(&Over::axes(&[0, 1])),
        both.trace(&Over::axes(&[0, 1])),
        (&both * &x).var(&Over::axes(&[0, 1])),
    ))
}

fn residual(grid: Grid) -> Box<dyn Check> {
    let x = numbers::<f64>(&[600, 700], 23, grid.cut(&[600, 700], 3));
    let centred = &x - &x.mean(&Over::axes(&[0]));
    let square = centred.map(|x| x.square(), |v| v * v);
    let global = &x - &x.mean(&Over::axes(&[0, 1]));
    Box::new((
        square.sum(&Over::axes(&[0, 1])),
        global.trace(&Over::axes(&[0, 1])),
    ))
}

/// The five-point stencil of Jacobi's method on shifted slices.
fn jacobi(grid: Grid) -> Box<dyn Check> {
    let mut x = numbers::<f64>(&[64, 80], 24, grid.cut(&[64, 80], 3));
    for _ in 0..4 {
        let [rows, columns] = [x.shape()[0] as isize, x.shape()[1] as isize];
        let part = |i: isize, j: isize| {
            x.slice(&[
                (1 + i..rows - 1 + i).into(),
                (1 + j..columns - 1 + j).into(),
            ])
        };
        let sum = &(&part(-1, 0) + &part(1, 0)) + &(&part(0, -1) + &part(0, 1));
        x = (&sum * 0.25).pad(&[(1, 1), (1, 1)], flagstone::Pad::Constant(0.0));
    }
    Box::new((x.sum(&Over::axes(&[0, 1])), x))
}

#[test]
fn sums_of_every_shape() {
    run_all(
        Effort::Few,
        &[
            ("sums 300×4000", sums::<0>),
            ("sums 300×4000 in one chunk", sums::<1>),
            ("sums 70000×3", sums::<2>),
            ("sums 1×200000", sums::<3>),
            ("sums 280000", sums::<4>),
            ("sums 40×50×300", sums::<5>),
        ],
    );
}

#[test]
fn spreads_of_every_shape() {
    run_all(
        Effort::Few,
        &[
            ("spreads 300×4000", spreads::<0>),
            ("spreads 300×4000 in one chunk", spreads::<1>),
            ("spreads 70000×3", spreads::<2>),
            ("spreads 1×200000", spreads::<3>),
            ("spreads 280000", spreads::<4>),
            ("spreads 40×50×300", spreads::<5>),
        ],
    );
}

#[test]
fn traces_of_every_shape() {
    run_all(
        Effort::Every,
        &[
            ("alone 300×4000", alone::<0>),
            ("alone 300×4000 in one chunk", alone::<1>),
            ("alone 70000×3", alone::<2>),
            ("alone 1×200000", alone::<3>),
            ("alone 280000", alone::<4>),
            ("alone 40×50×300", alone::<5>),
        ],
    );
}

#[test]
fn trees() {
    run_all(
        Effort::Few,
        &[
            ("middle axes", middle_axes),
            ("lopsided", lopsided),
            ("tiny chunks", tiny_chunks),
            ("masked", masked),
            ("places", places),
            ("fused", fused),
            ("summed", summed),
            ("summed narrow", summed_narrow),
            ("singles", singles),
            ("views", views),
            ("mirrored", mirrored),
            ("residual", residual),
            ("jacobi", jacobi),
        ],
    );
}
