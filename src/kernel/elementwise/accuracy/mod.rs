//! How far the functions with code of their own are from the true values: `docs/accuracy.md`.

mod angles;
mod huge;
mod points;
mod powers;
mod reference;
mod samples;

use super::tests::same;
use super::{Form, elementwise};
use crate::base::element::Element;
use crate::base::scalar::Scalar;
use crate::kernel::level::Level;
use crate::op::scalar::math;
use crate::op::table::{Op, evaluate};
use reference::{Scaled, ldexp, ulps};

/// What is promised, in units of the last place.
const PROMISE: f64 = 1.0;

/// A function, its reference, where the reference holds and the result is a number, and where formulas change
/// or results leave the numbers.
type Case = (Op, fn(f64) -> Scaled, fn(f64) -> bool, &'static [f64]);
/// Of two operands: points at which the quotient is critical.
type PairCase = (
    Op,
    fn(f64, f64) -> Scaled,
    fn(f64, f64) -> bool,
    &'static [f64],
);

/// Below, the second part of a reference is no number.
fn is_tiny(x: f64) -> bool {
    x.abs() < 1e-290
}

const EXPONENTIALS: &[Case] = &[
    (
        Op::Exp,
        reference::exp,
        |x| x.abs() < 1100.0,
        &[708.0, 709.78, -708.4, -745.1],
    ),
    (
        Op::Exp2,
        reference::exp2,
        |x| x.abs() < 1100.0,
        &[1024.0, -1022.0, -1074.0],
    ),
    (
        Op::Expm1,
        reference::expm1,
        |x| x.abs() < 1100.0 && !is_tiny(x),
        &[709.78, 1e-17, -45.0],
    ),
    (Op::Log, reference::log, |x| x > 0.0, &[f64::MIN_POSITIVE]),
    (Op::Log2, reference::log2, |x| x > 0.0, &[f64::MIN_POSITIVE]),
    (
        Op::Log10,
        reference::log10,
        |x| x > 0.0,
        &[f64::MIN_POSITIVE],
    ),
    (
        Op::Log1p,
        reference::log1p,
        |x| x > -1.0 && !is_tiny(x),
        &[-1.0, 1e-17, 1e16],
    ),
    (
        Op::Cbrt,
        powers::cbrt,
        |x| x != 0.0,
        &[8.0, 2.0, f64::MIN_POSITIVE],
    ),
];
const HYPERBOLIC: &[Case] = &[
    (
        Op::Sinh,
        reference::sinh,
        |x| x.abs() < 1100.0 && !is_tiny(x),
        &[709.0, 710.47, 1e-9],
    ),
    (
        Op::Cosh,
        reference::cosh,
        |x| x.abs() < 1100.0,
        &[709.0, 710.47],
    ),
    (
        Op::Tanh,
        reference::tanh,
        |x| x.abs() < 300.0 && !is_tiny(x),
        &[20.0, 1e-9],
    ),
    (
        Op::Asinh,
        angles::asinh,
        |x| !is_tiny(x),
        &[1.0, 1.08e9, 1e-9],
    ),
    (Op::Acosh, angles::acosh, |x| x > 1.0, &[1.08e9]),
    (
        Op::Atanh,
        angles::atanh,
        |x| x.abs() < 1.0 && !is_tiny(x),
        &[0.5, 1e-9],
    ),
];
const TRIGONOMETRIC: &[Case] = &[
    (
        Op::Sin,
        reference::sin,
        |x| !is_tiny(x),
        &[2.1e5, 1e22, 1e-9],
    ),
    (Op::Cos, reference::cos, |_| true, &[2.1e5, 1e22]),
    (
        Op::Tan,
        reference::tan,
        |x| !is_tiny(x),
        &[1048576.0, 1e22, 1e-9],
    ),
    (
        Op::Asin,
        angles::asin,
        |x| x.abs() <= 1.0 && !is_tiny(x),
        &[0.5],
    ),
    (Op::Acos, angles::acos, |x| x.abs() <= 1.0, &[0.5, -0.5]),
    (
        Op::Atan,
        angles::atan,
        |x| !is_tiny(x),
        &[0.25, 0.72, 1.388, 4.0, 1e-9],
    ),
];
const PAIRS: &[PairCase] = &[
    (
        Op::Power,
        powers::pow,
        |x, y| x > 0.0 && (y * x.log2()).abs() < 1100.0,
        &[1.0],
    ),
    (
        Op::Hypot,
        powers::hypot,
        |x, y| x != 0.0 || y != 0.0,
        &[1.0, 1e8, 1e-16],
    ),
    (
        Op::Atan2,
        angles::atan2,
        |x, y| x != 0.0 && y != 0.0,
        &[0.25, 0.72, 1.0, 1.388, 4.0, 1e9],
    ),
    (
        Op::Logaddexp,
        powers::logaddexp,
        |x, y| stays(powers::logaddexp(x, y), x, y),
        &[1.0, 0.5],
    ),
    (
        Op::Logaddexp2,
        powers::logaddexp2,
        |x, y| stays(powers::logaddexp2(x, y), x, y),
        &[1.0, 0.5],
    ),
];

/// Whether a sum of powers is not so near 1 that its logarithm cancels the larger exponent.
fn stays(log: Scaled, x: f64, y: f64) -> bool {
    4.0 * ldexp(log.value.hi, log.exponent).abs() > x.max(y).abs()
}

/// Samples of a function; more with `FLAGSTONE_SAMPLES`.
fn n_samples() -> usize {
    let asked = std::env::var("FLAGSTONE_SAMPLES").ok();
    asked.and_then(|n| n.parse().ok()).unwrap_or(1 << 16)
}

fn results<T: Element>(op: Op, level: Level, x: &[T]) -> Vec<T> {
    let kernel = elementwise(op, T::DTYPE, Form::Vector, level).unwrap();
    let args = [x.as_ptr().cast(), std::ptr::null(), std::ptr::null()];
    let mut out = vec![T::default(); x.len()];
    // SAFETY: as many operands as results, of a type that these operations keep; the level is available.
    unsafe { kernel(x.len(), &args, out.as_mut_ptr().cast()) };
    out
}

fn results_of_two<T: Element>(op: Op, level: Level, x: &[T], y: &[T]) -> Vec<T> {
    assert_eq!(x.len(), y.len());
    let kernel = elementwise(op, T::DTYPE, Form::Vector, level).unwrap();
    let args = [x.as_ptr().cast(), y.as_ptr().cast(), std::ptr::null()];
    let mut out = vec![T::default(); x.len()];
    // SAFETY: as for one operand.
    unsafe { kernel(x.len(), &args, out.as_mut_ptr().cast()) };
    out
}

fn levels_with_own_math() -> impl Iterator<Item = Level> {
    Level::available().filter(|level| level.has_own_math())
}

/// The largest error, and where it is; a number if one is NaN.
fn worst(errors: impl Iterator<Item = (f64, String)>) -> (f64, String) {
    errors.fold((0.0, String::new()), |worst, (error, at)| {
        if error > worst.0 || error.is_nan() {
            (if error.is_nan() { f64::INFINITY } else { error }, at)
        } else {
            worst
        }
    })
}

/// Prints the errors of a function by all levels, and asserts the promise where it is ours. `got` gives the
/// results of both types by a level.
fn check(
    op: Op,
    wide: (&[Scaled], &[String]),
    single: (&[Scaled], &[String]),
    got: impl Fn(Level) -> (Vec<f64>, Vec<f32>),
) {
    for level in Level::available() {
        let (got, got_single) = got(level);
        let at = |(exact, at): (&[Scaled], &[String]), got: &[f64], digits, smallest| {
            worst(
                (exact.iter().zip(at).zip(got))
                    .map(|((&exact, at), &got)| (ulps(got, exact, digits, smallest), at.clone())),
            )
        };
        let wide = at(wide, &got, 53, -1074);
        let got: Vec<f64> = got_single.iter().map(|&y| f64::from(y)).collect();
        let single = at(single, &got, 24, -149);
        println!(
            "{:10} {:8} float64 {:.2} ULP at {}, float32 {:.2} ULP at {}",
            op.name(),
            format!("{level:?}"),
            wide.0,
            wide.1,
            single.0,
            single.1,
        );
        if level.has_own_math() {
            assert!(wide.0 <= PROMISE && single.0 <= PROMISE, "{op:?} {level:?}");
        }
    }
}

fn check_all(cases: &[Case]) {
    for &(op, reference, holds, critical) in cases {
        let mut x = samples::numbers(n_samples(), critical);
        let mut bits = samples::Bits(3);
        let single: Vec<f32> = (x.iter().step_by(4))
            .flat_map(|&x| [x as f32, f32::from_bits(bits.next() as u32)])
            .filter(|&x| x.is_finite() && holds(f64::from(x)))
            .collect();
        x.retain(|&x| x.is_finite() && holds(x));
        let exact = |x: &[f64]| -> (Vec<Scaled>, Vec<String>) {
            x.iter().map(|&x| (reference(x), format!("{x:e}"))).unzip()
        };
        let wide_single: Vec<f64> = single.iter().map(|&x| f64::from(x)).collect();
        let ((a, at), (b, at_single)) = (exact(&x), exact(&wide_single));
        check(op, (&a, &at), (&b, &at_single), |level| {
            (results(op, level, &x), results(op, level, &single))
        });
    }
}

#[test]
fn errors_of_exponentials_and_logarithms() {
    check_all(EXPONENTIALS);
}

#[test]
fn errors_of_hyperbolic_functions() {
    check_all(HYPERBOLIC);
}

#[test]
fn errors_of_trigonometric_functions() {
    check_all(TRIGONOMETRIC);
}

#[test]
fn errors_of_functions_of_two_numbers() {
    for &(op, reference, holds, critical) in PAIRS {
        let holds = |&(x, y): &(f64, f64)| x.is_finite() && y.is_finite() && holds(x, y);
        let mut pairs = samples::pairs(n_samples(), critical);
        let single: Vec<(f32, f32)> = (pairs.iter().step_by(2))
            .map(|&(x, y)| (x as f32, y as f32))
            .filter(|&(x, y)| holds(&(x.into(), y.into())))
            .collect();
        pairs.retain(holds);
        let exact = |pairs: &[(f64, f64)]| -> (Vec<Scaled>, Vec<String>) {
            let at = |&(x, y): &(f64, f64)| (reference(x, y), format!("({x:e}, {y:e})"));
            pairs.iter().map(at).unzip()
        };
        let wide: Vec<(f64, f64)> = single.iter().map(|&(x, y)| (x.into(), y.into())).collect();
        let ((a, at), (b, at_single)) = (exact(&pairs), exact(&wide));
        let (x, y): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        let (x32, y32): (Vec<f32>, Vec<f32>) = single.into_iter().unzip();
        check(op, (&a, &at), (&b, &at_single), |level| {
            let single = results_of_two(op, level, &x32, &y32);
            (results_of_two(op, level, &x, &y), single)
        });
    }
}

/// Where the larger exponent is cancelled, the error is small beside that, not beside the result.
#[test]
fn errors_of_cancelled_sums_of_powers() {
    let mut bits = samples::Bits(4);
    let (x, y): (Vec<f64>, Vec<f64>) = (0..20_000)
        .map(|_| {
            let x = -((bits.next() >> 11) as f64 / (1u64 << 53) as f64);
            // Powers that add up to about 1.
            (x, (-x.exp_m1()).ln() * (1.0 + x * 1e-7))
        })
        .unzip();
    type Reference = fn(f64, f64) -> Scaled;
    let functions: [(Op, Reference, f64); 2] = [
        (Op::Logaddexp, powers::logaddexp, 1.0),
        (Op::Logaddexp2, powers::logaddexp2, std::f64::consts::LOG2_E),
    ];
    for level in levels_with_own_math() {
        for (op, reference, factor) in functions {
            let [x, y] = [&x, &y].map(|x| x.iter().map(|&x| factor * x).collect::<Vec<f64>>());
            for ((&x, &y), got) in x.iter().zip(&y).zip(results_of_two(op, level, &x, &y)) {
                let Scaled { value, exponent } = reference(x, y);
                let exact = [ldexp(value.hi, exponent), ldexp(value.lo, exponent)];
                let error = ((got - exact[0]) - exact[1]).abs();
                let allowed = f64::EPSILON / 8.0 * x.max(y).abs() + f64::EPSILON * got.abs();
                assert!(
                    error <= allowed,
                    "{op:?} of {x:e} and {y:e}: {error:e} away"
                );
            }
        }
    }
}

fn scalars<T: Element>(values: Vec<T>) -> Vec<Scalar> {
    values.into_iter().map(|value| value.to_scalar()).collect()
}

/// Compares levels with each other, and with single elements if those have the same code.
fn check_bits<T: Element>(op: Op, operands: [&[T]; 2]) {
    let [x, y] = operands;
    let n_operands = op.arity();
    let mut all = levels_with_own_math().map(|level| {
        scalars(if n_operands == 1 {
            results(op, level, x)
        } else {
            results_of_two(op, level, x, y)
        })
    });
    let Some(first) = all.next() else { return };
    for other in all {
        assert!(
            first.iter().zip(&other).all(|(&a, &b)| same(a, b)),
            "{op:?}"
        );
    }
    if math::in_use() {
        for ((&x, &y), &expected) in x.iter().zip(y).zip(&first).take(20_000) {
            let operands = [x.to_scalar(), y.to_scalar()];
            let got = evaluate(op, &operands[..n_operands]).unwrap();
            assert!(
                same(got, expected),
                "{op:?} of {operands:?}: {got:?}, not {expected:?}"
            );
        }
    }
}

#[test]
fn levels_and_single_elements_give_the_same_bits() {
    // An odd number, so that there are elements past the last whole vector.
    let n = 50_003;
    for &(op, _, _, critical) in [EXPONENTIALS, HYPERBOLIC, TRIGONOMETRIC].concat().iter() {
        let x = samples::numbers(n, critical);
        let single: Vec<f32> = x.iter().map(|&x| x as f32).collect();
        check_bits(op, [&x, &x]);
        check_bits(op, [&single, &single]);
    }
    for &(op, _, _, critical) in PAIRS {
        let (x, y): (Vec<f64>, Vec<f64>) = samples::pairs(n, critical).into_iter().unzip();
        let narrow = |x: &[f64]| -> Vec<f32> { x.iter().map(|&x| x as f32).collect() };
        check_bits(op, [&x, &y]);
        check_bits(op, [&narrow(&x), &narrow(&y)]);
    }
}
