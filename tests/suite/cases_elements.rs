//! Element by element: chains, conditions, casts, functions of users, shared subexpressions.

use flagstone::{Array, Complex, where_};

use crate::configurations::{Check, Effort, Grid, run_all};
use crate::data::{mask, numbers, specials};
use crate::twin::Twin;

const SHAPE: [usize; 2] = [23, 37];

fn x(grid: Grid) -> Twin<f64> {
    numbers(&SHAPE, 1, grid.cut(&SHAPE, 3))
}

/// Other chunks than `x`.
fn y(grid: Grid) -> Twin<f64> {
    numbers(&SHAPE, 2, grid.cut(&SHAPE, 5))
}

fn z(grid: Grid) -> Twin<f64> {
    specials(&SHAPE, 3, grid.cut(&SHAPE, 2))
}

fn chain(grid: Grid) -> Box<dyn Check> {
    let x = x(grid);
    let twice = x.map(|x| 2.0 * x + 1.0, |v| 2.0 * v + 1.0);
    Box::new(twice.map(|x| (-x).abs().sqrt() / 3.0, |v| (-v).abs().sqrt() / 3.0))
}

fn misaligned(grid: Grid) -> Box<dyn Check> {
    Box::new(&(&x(grid) + &y(grid)) * &(&z(grid) - 0.5))
}

fn broadcasting(grid: Grid) -> Box<dyn Check> {
    let row = numbers::<f64>(&[37], 4, grid.cut(&[37], 4));
    let column = numbers::<f64>(&[23, 1], 5, grid.cut(&[23, 1], 2));
    let cube = numbers::<f64>(&[4, 1, 37], 6, grid.cut(&[4, 1, 37], 2));
    let scalar = Twin {
        lazy: Array::from(0.25),
        value: ndarray::arr0(0.25).into_dyn(),
    };
    Box::new(&(&(&(&x(grid) + &row) * &column) - &cube) / &scalar)
}

fn conditions(grid: Grid) -> Box<dyn Check> {
    let (x, y, z) = (x(grid), y(grid), z(grid));
    let larger = x.zip(&y, |a, b| a.gt(b), |a, b| a > b);
    let known = z.map(|z| !z.isnan(), |v| !v.is_nan());
    let both = larger.zip(&known, |a, b| a & b, |a, b| a & b);
    let picked = both.zip(&x, |c, a| where_(c, a, 0.5), |c, a| if c { a } else { 0.5 });
    let named = known.zip(
        &z,
        |c, z| where_(c, z, f64::INFINITY),
        |c, z| if c { z } else { f64::INFINITY },
    );
    Box::new((picked, named, both))
}

fn casts(grid: Grid) -> Box<dyn Check> {
    let z = z(grid);
    let narrow = z.map(|z| (z * 100.0).cast::<i16>(), |v| (v * 100.0) as i16);
    let unsigned = narrow.map(|x| x.cast::<u8>().cast::<u64>(), |v| v as u8 as u64);
    let truth = z.map(|z| z.cast::<bool>(), |v| v != 0.0);
    let single = z.map(|z| z.cast::<f32>().cast::<f64>(), |v| v as f32 as f64);
    let complex = z.map(
        |z| z.cast::<Complex<f32>>().conj(),
        |v| Complex::new(v as f32, 0.0).conj(),
    );
    Box::new((narrow, unsigned, truth, single, complex))
}

fn integers(grid: Grid) -> Box<dyn Check> {
    let a = numbers::<i32>(&SHAPE, 7, grid.cut(&SHAPE, 3));
    let b = a.map(|a| a % 7, |v| v.wrapping_rem(7));
    let quotient = a.zip(
        &b,
        |a, b| a / b,
        |a, b| if b == 0 { 0 } else { a.wrapping_div(b) },
    );
    let wrapped = a.map(
        |a| a * 65_537 + 1,
        |v| v.wrapping_mul(65_537).wrapping_add(1),
    );
    let bits = a.zip(&wrapped, |a, b| (a ^ b) << 3 >> 1, |a, b| (a ^ b) << 3 >> 1);
    let floor = a.zip(
        &b,
        |a, b| a.floor_divide(b),
        |a, b| {
            if b == 0 {
                0
            } else {
                a.div_euclid(b) - i32::from(b < 0 && a.rem_euclid(b) != 0)
            }
        },
    );
    let real = a.zip(
        &b,
        |a, b| a.true_divide(b),
        |a, b| f64::from(a) / f64::from(b),
    );
    Box::new((quotient, wrapped, bits, floor, real))
}

/// What a loop of its own computes must not change when it is fused with others, nor where its vectors
/// begin and end.
fn transcendentals(grid: Grid) -> Box<dyn Check> {
    let x = x(grid);
    let waves = &x.by_kernel(|x| x.sin()) * &x.by_kernel(|x| x.cos());
    let logs = x
        .map(|x| x.abs() + 1.0, |v| v.abs() + 1.0)
        .by_kernel(|x| x.log());
    let powers = x
        .map(|x| x / 1e4, |v| v / 1e4)
        .by_kernel(|x| x.exp())
        .by_kernel(|x| x.tanh());
    let single = x
        .map(|x| x.cast::<f32>(), |v| v as f32)
        .by_kernel(|x| x.sin())
        .by_kernel(|x| x.exp());
    // One instruction gives both, and writes them to two results.
    let angles = x.map(|x| x + 0.25, |v| v + 0.25);
    let (cosine, sine) = (angles.by_kernel(|x| x.cos()), angles.by_kernel(|x| x.sin()));
    Box::new((&waves + &logs, powers, single, cosine, sine))
}

fn user_functions(grid: Grid) -> Box<dyn Check> {
    let (x, y) = (x(grid), y(grid));
    let f = |v: f64| if v > 0.0 { v * 3.0 } else { v - 1.0 };
    let mapped = x.map(move |x| (x + 1.0).map(f) * 2.0, move |v| f(v + 1.0) * 2.0);
    let g = |a: f64, b: f64| (a.to_bits() ^ b.to_bits().rotate_left(9)) as u32;
    let zipped = mapped.zip(&y, move |a, b| a.zip_map(b, g), g);
    let row = numbers::<i64>(&[37], 8, grid.cut(&[37], 2));
    let h = |a: f64, b: i64| a + b as f64;
    let mixed = x.zip(&row, move |a, b| a.zip_map(b, h), h);
    let scalar = x.map(move |a| a.zip_map(4i64, h), move |a| h(a, 4));
    Box::new((mapped, zipped, mixed, scalar))
}

fn shared(grid: Grid) -> Box<dyn Check> {
    let x = x(grid);
    let once = x.by_kernel(|x| x.sin());
    let again = x.by_kernel(|x| x.sin());
    let sum = &(&once + &again) + &(&once * &once);
    let product = &sum * &again;
    Box::new((sum, product))
}

fn constants(grid: Grid) -> Box<dyn Check> {
    let ones = Twin {
        lazy: Array::ones(SHAPE, grid.cut(&SHAPE, 3)),
        value: ndarray::ArrayD::from_elem(&SHAPE[..], 1.0),
    };
    let two = &ones + &ones;
    let zero = two.map(|two| two - 2.0, |v| v - 2.0);
    let nan = &(&two * 0.0) / &zero;
    let views = two.t().flip(&[0]).t().flip(&[1]);
    Box::new((&x(grid) * &two, &nan + &x(grid), &views - &x(grid)))
}

fn complex(grid: Grid) -> Box<dyn Check> {
    let a = numbers::<Complex<f64>>(&SHAPE, 9, grid.cut(&SHAPE, 4));
    let b = numbers::<Complex<f64>>(&SHAPE, 10, grid.cut(&SHAPE, 2));
    let product = a.zip(&b, |a, b| a * b - a, |a, b| a * b - a);
    let parts = product.map(|p| p.real() - p.imag(), |p| p.re - p.im);
    let single = numbers::<Complex<f32>>(&SHAPE, 11, grid.cut(&SHAPE, 2));
    let sum = single.map(|s| s + s.conj(), |s| s + s.conj());
    Box::new((product, parts, sum))
}

fn masks(grid: Grid) -> Box<dyn Check> {
    let (a, b) = (
        mask(&SHAPE, 1, grid.cut(&SHAPE, 2)),
        mask(&SHAPE, 2, grid.cut(&SHAPE, 5)),
    );
    let logic = a.zip(
        &b,
        |a, b| (a | !b) ^ a.logical_and(b),
        |a, b| (a | !b) ^ (a && b),
    );
    Box::new(logic)
}

#[test]
fn element_by_element() {
    run_all(
        Effort::Every,
        &[
            ("chain", chain),
            ("misaligned", misaligned),
            ("broadcasting", broadcasting),
            ("conditions", conditions),
            ("casts", casts),
            ("integers", integers),
            ("transcendentals", transcendentals),
            ("user functions", user_functions),
            ("shared subexpressions", shared),
            ("constants", constants),
            ("complex", complex),
            ("masks", masks),
        ],
    );
}
