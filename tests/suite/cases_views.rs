//! Views and layout: every kind alone, composed, under arithmetic and under a reduction.

use flagstone::{Array, Pad};
use ndarray::{ArrayD, SliceInfoElem};

use crate::configurations::{Check, Effort, Grid, run_all};
use crate::data::numbers;
use crate::reductions::Over;
use crate::twin::Twin;

const SHAPE: [usize; 3] = [7, 12, 17];

fn x(grid: Grid) -> Twin<f64> {
    numbers(&SHAPE, 1, grid.cut(&SHAPE, 3))
}

fn range(start: isize, end: isize, step: isize) -> SliceInfoElem {
    SliceInfoElem::Slice {
        start,
        end: Some(end),
        step,
    }
}

fn all() -> SliceInfoElem {
    SliceInfoElem::from(..)
}

/// The view itself, in arithmetic with something that is cut otherwise, and reduced: three ways to reach
/// through a view.
fn three(view: &Twin<f64>, grid: Grid) -> Box<dyn Check> {
    let other = numbers::<f64>(view.shape(), 2, grid.cut(view.shape(), 2));
    let axes: Vec<usize> = (0..view.value.ndim()).step_by(2).collect();
    Box::new((
        view.clone(),
        &(view * 2.0) - &other,
        view.sum(&Over::axes(&axes)),
    ))
}

fn slices(grid: Grid) -> Box<dyn Check> {
    let part = x(grid).slice(&[range(1, -1, 1), range(0, 12, 3), range(2, 17, 2)]);
    three(&part, grid)
}

fn backwards(grid: Grid) -> Box<dyn Check> {
    let part = x(grid).slice(&[all(), range(1, 11, -1), range(0, 16, -3)]);
    three(&part, grid)
}

fn dropped_and_new_axes(grid: Grid) -> Box<dyn Check> {
    let part = x(grid).slice(&[
        SliceInfoElem::Index(-2),
        SliceInfoElem::NewAxis,
        range(3, 9, 1),
        SliceInfoElem::NewAxis,
    ]);
    three(&part, grid)
}

fn slices_of_slices(grid: Grid) -> Box<dyn Check> {
    let part = x(grid)
        .slice(&[range(1, 7, 2), range(2, 12, -1)])
        .slice(&[range(0, 2, -1), range(1, 10, 4)]);
    three(&part.slice(&[all(), all(), range(5, 6, 1)]), grid)
}

fn empty_slice(grid: Grid) -> Box<dyn Check> {
    three(&x(grid).slice(&[all(), range(5, 5, 1)]), grid)
}

fn transposed(grid: Grid) -> Box<dyn Check> {
    three(&x(grid).t(), grid)
}

fn permuted(grid: Grid) -> Box<dyn Check> {
    three(
        &x(grid)
            .permute(&[1, 2, 0])
            .map(|x| x + 1.0, |v| v + 1.0)
            .permute(&[1, 0, 2]),
        grid,
    )
}

fn plus_transposed(grid: Grid) -> Box<dyn Check> {
    let x = numbers::<f64>(&[41, 41], 3, grid.cut(&[41, 41], 4));
    let both = &x + &x.t();
    Box::new((
        both.clone(),
        both.sum(&Over::axes(&[0, 1])),
        both.sum(&Over::axes(&[0])),
    ))
}

fn flipped(grid: Grid) -> Box<dyn Check> {
    three(&x(grid).flip(&[0, 2]), grid)
}

fn rolled(grid: Grid) -> Box<dyn Check> {
    three(&x(grid).roll(5, 2).roll(-2, 0).roll(24, 1), grid)
}

fn rolled_difference(grid: Grid) -> Box<dyn Check> {
    let x = x(grid);
    three(&(&(&x - &x.roll(1, 2)) + &x.roll(-1, 2)), grid)
}

fn stretched(grid: Grid) -> Box<dyn Check> {
    let thin = numbers::<f64>(&[12, 1], 4, grid.cut(&[12, 1], 3));
    three(&thin.broadcast_to(&[5, 12, 9]), grid)
}

fn axes_of_length_one(grid: Grid) -> Box<dyn Check> {
    let wide = x(grid).expand_dims(0).expand_dims(3);
    three(&wide.map(|x| x * 0.5, |v| v * 0.5).squeeze(), grid)
}

fn reshaped(grid: Grid) -> Box<dyn Check> {
    three(&x(grid).reshape(&[21, 68]), grid)
}

fn reshaped_views(grid: Grid) -> Box<dyn Check> {
    let x = x(grid);
    let sum = (&x.t().reshape(&[17 * 12, 7]) + 1.0)
        .reshape(&[4, 51, 7])
        .slice(&[range(1, 3, 1), range(0, 51, 2)]);
    three(&sum, grid)
}

fn ravelled(grid: Grid) -> Box<dyn Check> {
    three(&x(grid).permute(&[2, 0, 1]).ravel(), grid)
}

fn taken(grid: Grid) -> Box<dyn Check> {
    three(
        &x(grid)
            .take(&[16, 0, -2, 3, 3, 3, 9], 2)
            .take(&[-1, 0, 5, 1], 1),
        grid,
    )
}

/// One place, of an axis among others: dimensions of length 1 are merged with their neighbours.
fn taken_once(grid: Grid) -> Box<dyn Check> {
    let x = x(grid);
    let of_reshaped = x.ravel().take(&[1000], 0);
    Box::new((
        x.take(&[-1], 0),
        x.take(&[5], 1),
        &x.take(&[16], 2) + 1.0,
        of_reshaped,
        x.take(&[], 1),
    ))
}

fn taken_slices(grid: Grid) -> Box<dyn Check> {
    let part = x(grid)
        .slice(&[all(), range(1, 12, 2)])
        .take(&[4, -6, 2, 2], 1)
        .slice(&[all(), range(0, 4, -1)]);
    three(&part, grid)
}

fn diagonals(grid: Grid) -> Box<dyn Check> {
    three(&x(grid).diagonal(), grid)
}

fn diagonal_of_taken(grid: Grid) -> Box<dyn Check> {
    three(&x(grid).take(&[3, 1, 0, 5, 2, 6], 0).diagonal(), grid)
}

fn padded_with_a_constant(grid: Grid) -> Box<dyn Check> {
    three(
        &x(grid).pad(&[(2, 0), (0, 3), (1, 1)], Pad::Constant(-7.5)),
        grid,
    )
}

fn padded_with_edges(grid: Grid) -> Box<dyn Check> {
    three(&x(grid).pad(&[(2, 1), (0, 3), (4, 0)], Pad::Edge), grid)
}

fn padded_with_reflections(grid: Grid) -> Box<dyn Check> {
    // Wider than the axis: the reflection goes to and fro.
    three(&x(grid).pad(&[(8, 15), (0, 3), (1, 0)], Pad::Reflect), grid)
}

fn padded_by_wrapping(grid: Grid) -> Box<dyn Check> {
    three(&x(grid).pad(&[(8, 15), (1, 3), (0, 0)], Pad::Wrap), grid)
}

fn concatenated(grid: Grid) -> Box<dyn Check> {
    let (x, y) = (
        x(grid),
        numbers::<f64>(&[7, 5, 17], 5, grid.cut(&[7, 5, 17], 2)),
    );
    let none = x.slice(&[all(), range(0, 0, 1)]);
    three(&Twin::concatenate(&[x.clone(), none, &y * 2.0, x], 1), grid)
}

fn part_of_a_concatenation(grid: Grid) -> Box<dyn Check> {
    let x = x(grid);
    let joined = Twin::concatenate(&[x.clone(), &x * 2.0, &x + 1.0], 0);
    Box::new((
        joined.slice(&[range(8, 13, 1)]),
        joined.slice(&[range(2, 19, 3)]),
        joined.slice(&[range(2, 19, -2), range(1, 5, 1)]),
    ))
}

/// One member alone, from the middle: its own corner is not the array's.
fn one_piece(grid: Grid) -> Box<dyn Check> {
    let x = &x(grid) + 1.0;
    let y = x.map(|x| x * 3.0, |v| v * 3.0);
    Box::new((
        Twin::concatenate(&[x.clone(), y.clone()], 2).slice(&[all(), all(), range(20, 30, 1)]),
        x.roll(9, 2).slice(&[all(), all(), range(2, 5, 1)]),
        x.pad(&[(0, 0), (5, 0), (3, 0)], Pad::Edge)
            .slice(&[all(), range(6, 9, 1)]),
    ))
}

fn stacked(grid: Grid) -> Box<dyn Check> {
    let x = x(grid);
    let last = Twin::stack(&[x.clone(), x.flip(&[1])], 3);
    three(&Twin::stack(&[last.clone(), &last * 3.0], 0), grid)
}

fn rechunked(grid: Grid) -> Box<dyn Check> {
    let x = x(grid);
    let once = x.rechunk((2, [5, 7], ..)).map(|x| x - 1.0, |v| v - 1.0);
    three(&once.rechunk([7, 1, 4]).rechunk(3), grid)
}

/// Chunks decide about the order of additions: a reduction after `rechunk` has another tree.
fn rechunked_sums(grid: Grid) -> Box<dyn Check> {
    let x = numbers::<f64>(&[60, 700], 6, grid.cut(&[60, 700], 3));
    let other = x.rechunk([7, 650]);
    let over = Over::axes(&[0, 1]);
    Box::new((
        x.sum(&over),
        other.sum(&over),
        x.rechunk(1).mean(&over),
        other.var(&Over::axes(&[1])),
    ))
}

fn memory_layouts(grid: Grid) -> Box<dyn Check> {
    let x = x(grid);
    // The same elements, in memory with other strides: Fortran order, backwards, with gaps.
    let mut fortran = ArrayD::zeros(ndarray::ShapeBuilder::f(ndarray::IxDyn(&SHAPE)));
    fortran.assign(&x.value);
    let mut wide = ArrayD::zeros(vec![14, 12, 34]);
    let second = |axis: ndarray::AxisDescription| match axis.axis.index() {
        1 => ndarray::Slice::from(..),
        _ => ndarray::Slice::new(0, None, 2),
    };
    wide.slice_each_axis_mut(second).assign(&x.value);
    let mut gaps = wide.into_shared();
    gaps.slice_each_axis_inplace(second);
    let mut backwards = ArrayD::zeros(ndarray::IxDyn(&SHAPE));
    backwards.invert_axis(ndarray::Axis(2));
    backwards.assign(&x.value);
    let chunks = grid.cut(&SHAPE, 3);
    let lazy = |array: ArrayD<f64>| Twin {
        value: x.value.clone(),
        lazy: Array::from_ndarray(array, &chunks),
    };
    let gaps = Twin {
        value: x.value.clone(),
        lazy: Array::from_ndarray(gaps, &chunks),
    };
    Box::new((
        lazy(fortran).t(),
        &lazy(backwards) + 1.0,
        gaps.mean(&Over::axes(&[2])),
    ))
}

fn shared_gaps(grid: Grid) -> Box<dyn Check> {
    // A shared array keeps its strides: it is never copied.
    let x = x(grid);
    let mut shared = x.value.to_shared();
    shared.slice_axis_inplace(ndarray::Axis(2), ndarray::Slice::new(1, None, 3));
    shared.swap_axes(0, 2);
    let chunks = grid.cut(shared.shape(), 2);
    let value = shared.to_owned();
    three(
        &Twin {
            lazy: Array::from_ndarray(shared, chunks),
            value,
        },
        grid,
    )
}

#[test]
fn views() {
    run_all(
        Effort::Every,
        &[
            ("slices", slices),
            ("backwards", backwards),
            ("dropped and new axes", dropped_and_new_axes),
            ("slices of slices", slices_of_slices),
            ("empty slice", empty_slice),
            ("transposed", transposed),
            ("permuted", permuted),
            ("plus transposed", plus_transposed),
            ("flipped", flipped),
            ("rolled", rolled),
            ("rolled difference", rolled_difference),
            ("stretched", stretched),
            ("axes of length one", axes_of_length_one),
            ("reshaped", reshaped),
            ("reshaped views", reshaped_views),
            ("ravelled", ravelled),
            ("taken", taken),
            ("taken once", taken_once),
            ("taken slices", taken_slices),
            ("diagonals", diagonals),
            ("diagonal of taken", diagonal_of_taken),
            ("rechunked", rechunked),
            ("rechunked sums", rechunked_sums),
            ("memory layouts", memory_layouts),
            ("shared gaps", shared_gaps),
        ],
    );
}

#[test]
fn pieces() {
    run_all(
        Effort::Every,
        &[
            ("padded with a constant", padded_with_a_constant),
            ("padded with edges", padded_with_edges),
            ("padded with reflections", padded_with_reflections),
            ("padded by wrapping", padded_by_wrapping),
            ("concatenated", concatenated),
            ("part of a concatenation", part_of_a_concatenation),
            ("one piece", one_piece),
            ("stacked", stacked),
        ],
    );
}
