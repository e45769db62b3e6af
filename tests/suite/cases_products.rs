//! Products: every bit as the documented order gives it, whatever is fused into the operands and done with
//! the result.

use flagstone::{Complex, Element};

use crate::configurations::{Check, Each, Effort, Grid, Streamed, run_all};
use crate::data::{numbers, specials};
use crate::products::Multiply;
use crate::reductions::Over;
use crate::twin::Twin;

fn pair<T: Multiply>(grid: Grid, x: &[usize], y: &[usize]) -> (Twin<T>, Twin<T>) {
    (
        numbers::<T>(x, 1, grid.cut(x, 3)),
        numbers::<T>(y, 2, grid.cut(y, 2)),
    )
}

fn of_type<T: Multiply + Element>(grid: Grid) -> Box<dyn Check> {
    let (x, y) = pair::<T>(grid, &[19, 300], &[300, 31]);
    let (t, u) = (x.t(), y.t());
    Box::new((
        x.product(&y, "ij,jk->ik"),
        x.product(&y, "ij,jk->ki"),
        t.product(&u, "ji,kj->ik"),
    ))
}

/// Stacks of matrices, of which the second is one for all, or all for one.
fn stacks(grid: Grid) -> Box<dyn Check> {
    let (x, y) = pair::<f64>(grid, &[5, 2, 9, 20], &[20, 7]);
    let z = numbers::<f64>(&[5, 2, 20, 7], 3, grid.cut(&[5, 2, 20, 7], 2));
    let m = numbers::<f64>(&[9, 20], 4, 5);
    Box::new((
        x.product(&y, "abij,jk->abik"),
        x.product(&z, "abij,abjk->abik"),
        x.product(&z, "abij,abjk->kbia"),
        m.product(&z, "ij,abjk->abik"),
        x.product(&z, "abij,abjk->aik"),
    ))
}

/// Sums over several axes, evenly spaced in memory or not.
fn several_axes(grid: Grid) -> Box<dyn Check> {
    let (x, y) = pair::<f64>(grid, &[6, 9, 11, 5], &[9, 11, 8]);
    let z = numbers::<f64>(&[8, 11, 9, 3], 3, grid.cut(&[8, 11, 9, 3], 2));
    Box::new((
        x.product(&y, "ijkl,jkm->ilm"),
        x.product(&y, "ijkl,jkm->mli"),
        x.product(&z, "ijkl,mkjn->inlm"),
    ))
}

/// Long sums: several parts, which tasks of the same cell share.
fn long(grid: Grid) -> Box<dyn Check> {
    let (x, y) = pair::<f64>(grid, &[5, 43_000], &[43_000, 6]);
    let (a, b) = pair::<f32>(grid, &[4, 200, 170], &[170, 200, 5]);
    Box::new((
        x.product(&y, "ij,jk->ik"),
        (&x + 1.0).product(&y, "ij,jk->ki"),
        a.product(&b, "ijk,kjl->il"),
    ))
}

/// Many tasks, cut along rows and columns.
fn wide(grid: Grid) -> Box<dyn Check> {
    let (x, y) = pair::<f64>(grid, &[260, 70], &[70, 1300]);
    let doubled = &(&x * 2.0) + 1.0;
    Box::new((x.product(&y, "ij,jk->ik"), doubled.product(&y, "ij,jk->ik")))
}

/// Operands that are computed, and that are small enough to be so at once.
fn computed(grid: Grid) -> Box<dyn Check> {
    let (x, y) = pair::<f64>(grid, &[150, 270], &[270, 160]);
    let z = numbers::<f64>(&[12, 10], 3, 4);
    let fused = &(&x + 1.0) * 2.0;
    let view = y.flip(&[0, 1]).roll(3, 0);
    Box::new((
        fused.product(&y, "ij,jk->ik"),
        fused.product(&view, "ij,jk->ik"),
        fused.t().product(&fused, "ij,jk->ik"),
        (&z + 1.0).product(&z, "ij,kj->ik"),
        x.take(&[5, -1, 3, 3, 0, 7], 0)
            .product(&y.take(&[9, 2, 2, 0, 5], 1), "ij,jk->ik"),
    ))
}

/// What is read of a product: some of it, another shape, sums, its transpose, another product.
fn read(grid: Grid) -> Box<dyn Check> {
    let (x, y) = pair::<f64>(grid, &[40, 60], &[60, 50]);
    let product = x.product(&y, "ij,jk->ik");
    let some = [3..17, 5..44].map(|range: std::ops::Range<isize>| range.into());
    Box::new((
        product.slice(&some),
        product.reshape(&[20, 100]),
        product.sum(&Over::axes(&[0])),
        &product.t() + 1.0,
        product.product(&y, "ij,kj->ik"),
    ))
}

/// A reduction of what is multiplied, and a product of reductions.
fn among_reductions(grid: Grid) -> Box<dyn Check> {
    let (x, y) = pair::<f64>(grid, &[30, 40, 6], &[40, 25, 7]);
    let (a, b) = (x.sum(&Over::axes(&[2])), y.sum(&Over::axes(&[2])));
    let centred = x.zip(
        &x.mean(&Over::axes(&[0])),
        |x, mean| x - mean,
        |x, mean| x - mean,
    );
    let flat = centred.reshape(&[30, 240]);
    Box::new((
        a.product(&b, "ij,jk->ik"),
        a.product(&b, "ij,jk->ik").mean(&Over::axes(&[1])),
        flat.product(&flat, "ij,kj->ik"),
    ))
}

fn streamed(grid: Grid) -> Box<dyn Check> {
    let (x, y) = pair::<f64>(grid, &[40, 60], &[60, 50]);
    Box::new(Each(vec![Box::new(Streamed(x.product(&y, "ij,jk->ik")))]))
}

/// NaN and infinities: nothing is skipped because it is multiplied by zero.
fn special(grid: Grid) -> Box<dyn Check> {
    let x = specials(&[20, 30], 1, grid.cut(&[20, 30], 2));
    let y = specials(&[30, 9], 2, grid.cut(&[30, 9], 2));
    Box::new(x.product(&y, "ij,jk->ik"))
}

#[test]
fn products() {
    run_all(
        Effort::Every,
        &[
            ("f64", of_type::<f64>),
            ("f32", of_type::<f32>),
            ("complex128", of_type::<Complex<f64>>),
            ("complex64", of_type::<Complex<f32>>),
            ("i8", of_type::<i8>),
            ("u16", of_type::<u16>),
            ("i32", of_type::<i32>),
            ("u64", of_type::<u64>),
            ("bool", of_type::<bool>),
            ("stacks", stacks),
            ("several axes", several_axes),
            ("computed", computed),
            ("read", read),
            ("among reductions", among_reductions),
            ("special", special),
            ("streamed", streamed),
        ],
    );
}

#[test]
fn large_products() {
    run_all(Effort::Few, &[("long", long), ("wide", wide)]);
}
