//! Every reduction, over every kind of axes, of many types, with selections and missing values.

use flagstone::{Complex, Inexact, Numeric, Ordered};

use crate::configurations::{Check, Each, Effort, Grid, run_all};
use crate::data::{mask, numbers, specials};
use crate::reductions::Over;
use crate::twin::Twin;
use crate::value::{MeanOf, SpreadOf, SumOf, Value};

const SHAPE: [usize; 3] = [9, 20, 31];

/// All choices of axes of a three-dimensional array.
const AXES: [&[usize]; 8] = [&[0], &[1], &[2], &[0, 1], &[1, 2], &[0, 2], &[0, 1, 2], &[]];

fn x<T: Value>(grid: Grid) -> Twin<T> {
    numbers(&SHAPE, 1, grid.cut(&SHAPE, 3))
}

fn z(grid: Grid) -> Twin<f64> {
    specials(&SHAPE, 2, grid.cut(&SHAPE, 3))
}

fn over_all_axes(check: impl Fn(&Over) -> Box<dyn Check>) -> Box<dyn Check> {
    let plain = AXES.iter().map(|axes| check(&Over::axes(axes)));
    let kept = AXES.iter().map(|axes| check(&Over::axes(axes).keep()));
    Box::new(Each(plain.chain(kept).collect()))
}

fn sums_and_means(grid: Grid) -> Box<dyn Check> {
    let x = x::<f64>(grid);
    over_all_axes(|over| Box::new((x.sum(over), x.mean(over))))
}

fn spreads(grid: Grid) -> Box<dyn Check> {
    let x = x::<f64>(grid);
    over_all_axes(|over| Box::new((x.var(over), x.std(over), x.var_ddof(over, 1.0))))
}

fn norms_and_products(grid: Grid) -> Box<dyn Check> {
    let x = x::<f64>(grid);
    over_all_axes(|over| Box::new((x.norm(over), x.norm_one(over), (&x / 9.0).prod(over))))
}

fn extremes(grid: Grid) -> Box<dyn Check> {
    let z = z(grid);
    over_all_axes(|over| Box::new((z.min(over), z.max(over))))
}

fn places_of_extremes(grid: Grid) -> Box<dyn Check> {
    // Few different values: the first of equal ones counts.
    let few = x::<i32>(grid).map(|x| x % 5, |v| v % 5);
    let z = z(grid);
    over_all_axes(|over| {
        Box::new((
            few.argmin(over),
            few.argmax(over),
            z.argmin(over),
            z.argmax(over),
        ))
    })
}

fn logic(grid: Grid) -> Box<dyn Check> {
    let z = z(grid);
    let rare = z.map(|z| z.gt(1e5), |v| v > 1e5);
    over_all_axes(|over| {
        Box::new((
            rare.any(over),
            z.all(over),
            rare.count_nonzero(over),
            z.count_nonzero(over),
        ))
    })
}

fn traces(grid: Grid) -> Box<dyn Check> {
    let x = x::<f64>(grid);
    over_all_axes(|over| Box::new(x.trace(over)))
}

fn without_missing_values(grid: Grid) -> Box<dyn Check> {
    let z = z(grid).map(
        |z| z.clip(-1e5, 1e5),
        |v| if v.is_nan() { v } else { v.clamp(-1e5, 1e5) },
    );
    over_all_axes(|over| {
        let over = over.clone().skip_nan();
        let sums = (z.sum(&over), z.mean(&over), z.var(&over), z.norm(&over));
        if over.axes.is_empty() {
            return Box::new(sums);
        }
        let rest = (
            z.prod(&over),
            z.min(&over),
            z.max(&over),
            z.count_nonzero(&over),
            z.all(&over),
        );
        Box::new(Each(vec![Box::new(sums), Box::new(rest)]))
    })
}

fn places_without_missing_values(grid: Grid) -> Box<dyn Check> {
    let z = z(grid);
    let over = Over::axes(&[1, 2]).skip_nan();
    Box::new((
        z.argmin(&over),
        z.argmax(&over),
        z.argmin(&Over::axes(&[0, 1]).skip_nan()),
    ))
}

fn selections(grid: Grid) -> Box<dyn Check> {
    let (x, z) = (x::<f64>(grid), z(grid));
    let keep = mask(&SHAPE, 3, grid.cut(&SHAPE, 5));
    let rows = mask(&[20, 1], 4, grid.cut(&[20, 1], 2));
    let larger = z.map(|z| z.gt(0.0), |v| v > 0.0);
    over_all_axes(|over| {
        let by = |mask: &Twin<bool>| over.clone().filter(mask);
        let first = (
            x.sum(&by(&keep)),
            x.mean(&by(&rows)),
            z.var(&by(&keep)),
            z.norm(&by(&rows)),
        );
        let second = (
            z.sum(&by(&larger)),
            x.any(&by(&keep)),
            x.all(&by(&rows)),
            z.count_nonzero(&by(&larger)),
            z.mean(&by(&larger)),
        );
        Box::new(Each(vec![Box::new(first), Box::new(second)]))
    })
}

fn extremes_of_selections(grid: Grid) -> Box<dyn Check> {
    let z = z(grid);
    let keep = mask(&SHAPE, 5, grid.cut(&SHAPE, 2));
    let over = Over::axes(&[1, 2]).filter(&keep);
    Box::new((z.min(&over), z.max(&over), z.argmin(&over), z.argmax(&over)))
}

fn of_type<T>(grid: Grid) -> Box<dyn Check>
where
    T: Value,
    SumOf<T>: Value,
    MeanOf<T>: Value,
    SpreadOf<T>: Value,
{
    let x = x::<T>(grid);
    over_all_axes(|over| {
        let sums = (
            x.sum(over),
            x.prod(over),
            x.mean(over),
            x.count_nonzero(over),
        );
        let spreads = (x.var(over), x.std(over), x.norm(over), x.any(over));
        Box::new(Each(vec![Box::new(sums), Box::new(spreads)]))
    })
}

fn ordered_type<T: Value + Ordered + Numeric<Mean: Inexact>>(grid: Grid) -> Box<dyn Check> {
    let x = x::<T>(grid);
    over_all_axes(|over| Box::new((x.min(over), x.max(over), x.argmin(over), x.argmax(over))))
}

fn singles(grid: Grid) -> Box<dyn Check> {
    of_type::<f32>(grid)
}

fn complex(grid: Grid) -> Box<dyn Check> {
    of_type::<Complex<f64>>(grid)
}

fn single_complex(grid: Grid) -> Box<dyn Check> {
    of_type::<Complex<f32>>(grid)
}

fn of_expressions(grid: Grid) -> Box<dyn Check> {
    let (x, z) = (x::<f64>(grid), z(grid));
    let y = &(&(&x * 2.0) + 1.0) - &z.by_kernel(|z| z.sin());
    let over = Over::axes(&[0, 2]);
    Box::new((
        y.mean(&over),
        y.std(&over),
        y.max(&over),
        y.t().sum(&Over::axes(&[0])),
        x.sum(&over),
    ))
}

/// Sine and cosine of the same angles, of which some are far: sums of lines take both from registers.
fn of_waves(grid: Grid) -> Box<dyn Check> {
    let (x, z) = (x::<f64>(grid), z(grid));
    let angles = z.map(|z| z * 1e5, |v| v * 1e5);
    let (sine, cosine) = (angles.by_kernel(|x| x.sin()), angles.by_kernel(|x| x.cos()));
    let y = &(&(&sine * 3.0) + &x) * &cosine;
    let squares = &(&sine * &sine) + &(&cosine * &cosine);
    over_all_axes(|over| Box::new((y.sum(over), y.max(over), squares.sum(over), y.t().sum(over))))
}

fn reductions_of_reductions(grid: Grid) -> Box<dyn Check> {
    let x = x::<f64>(grid);
    let sums = x.sum(&Over::axes(&[2])).map(|s| s * 0.5, |v| v * 0.5);
    Box::new((
        sums.max(&Over::axes(&[0])),
        sums.std(&Over::axes(&[0, 1])),
        sums,
    ))
}

fn residuals(grid: Grid) -> Box<dyn Check> {
    let x = x::<f64>(grid);
    let centred = &x - &x.mean(&Over::axes(&[0]));
    let global = &x - &x.mean(&Over::axes(&[0, 1, 2]));
    let scaled = &(&x - &x.mean(&Over::axes(&[1]).keep())) / &x.std(&Over::axes(&[1]).keep());
    let square = |x: &Twin<f64>| x.map(|x| x.square(), |v| v * v);
    Box::new((
        square(&centred).sum(&Over::axes(&[0, 1, 2])),
        square(&global).mean(&Over::axes(&[0, 1, 2])),
        centred,
        scaled.max(&Over::axes(&[2])),
        scaled,
    ))
}

/// Squares that are added as they are loaded, and some that are needed again.
fn sums_of_squares(grid: Grid) -> Box<dyn Check> {
    let (x, z) = (x::<f64>(grid), z(grid));
    let square = |x: &Twin<f64>| x.map(|x| x.square(), |v| v * v);
    let (first, second) = (square(&x), square(&z));
    let both = &first + &second;
    let over = Over::axes(&[0, 1, 2]);
    Box::new((
        both.sum(&over),
        (&both * &first).sum(&over),
        (&second - &first).sum(&Over::axes(&[0])),
        (&(&square(&(&x + 1.0)) + &second) + &first).mean(&Over::axes(&[2])),
        both,
    ))
}

#[test]
fn of_floats() {
    run_all(
        Effort::Every,
        &[
            ("sums and means", sums_and_means),
            ("sums of squares", sums_of_squares),
            ("spreads", spreads),
            ("norms and products", norms_and_products),
            ("extremes", extremes),
            ("places of extremes", places_of_extremes),
            ("logic", logic),
            ("traces", traces),
        ],
    );
}

#[test]
fn of_parts() {
    run_all(
        Effort::Every,
        &[
            ("without missing values", without_missing_values),
            (
                "places without missing values",
                places_without_missing_values,
            ),
            ("selections", selections),
            ("extremes of selections", extremes_of_selections),
        ],
    );
}

#[test]
fn of_expressions_and_reductions() {
    run_all(
        Effort::Every,
        &[
            ("of expressions", of_expressions),
            ("of waves", of_waves),
            ("reductions of reductions", reductions_of_reductions),
            ("residuals", residuals),
        ],
    );
}

#[test]
fn of_every_type() {
    run_all(
        Effort::Few,
        &[
            ("bool", of_type::<bool>),
            ("i8", of_type::<i8>),
            ("i16", of_type::<i16>),
            ("i32", of_type::<i32>),
            ("i64", of_type::<i64>),
            ("u8", of_type::<u8>),
            ("u16", of_type::<u16>),
            ("u32", of_type::<u32>),
            ("u64", of_type::<u64>),
            ("f32", singles),
            ("complex", complex),
            ("single complex", single_complex),
            ("ordered bool", ordered_type::<bool>),
            ("ordered i8", ordered_type::<i8>),
            ("ordered i16", ordered_type::<i16>),
            ("ordered i32", ordered_type::<i32>),
            ("ordered i64", ordered_type::<i64>),
            ("ordered u8", ordered_type::<u8>),
            ("ordered u16", ordered_type::<u16>),
            ("ordered u32", ordered_type::<u32>),
            ("ordered u64", ordered_type::<u64>),
            ("ordered f32", ordered_type::<f32>),
        ],
    );
}
