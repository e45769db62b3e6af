//! How far the functions with code of their own are from the true values: `docs/accuracy.md`.

mod reference;

use super::tests::same;
use super::{Form, elementwise};
use crate::base::element::Element;
use crate::base::scalar::Scalar;
use crate::kernel::level::Level;
use crate::op::scalar::math;
use crate::op::table::{Op, evaluate};
use reference::{Scaled, ulps};

/// What is promised, in units of the last place.
const PROMISE: f64 = 1.0;
const SAMPLES: usize = 1 << 20;

/// A function, its reference, and where the reference holds.
type Case = (Op, fn(f64) -> Scaled, fn(f64) -> bool);

const CASES: [Case; 13] = [
    (Op::Exp, reference::exp, |x| x.abs() < 1100.0),
    (Op::Exp2, reference::exp2, |x| x.abs() < 1100.0),
    (Op::Expm1, reference::expm1, |x| {
        x.abs() < 1100.0 && x.abs() > 1e-290
    }),
    (Op::Log, reference::log, |x| x > 0.0),
    (Op::Log2, reference::log2, |x| x > 0.0),
    (Op::Log10, reference::log10, |x| x > 0.0),
    (Op::Log1p, reference::log1p, |x| {
        x > -1.0 && x.abs() > 1e-290
    }),
    (Op::Sin, reference::sin, |x| {
        !math::is_far(x) && x.abs() > 1e-290
    }),
    (Op::Cos, reference::cos, |x| !math::is_far(x)),
    (Op::Tan, reference::tan, |x| {
        !math::is_far(x) && x.abs() > 1e-290
    }),
    (Op::Sinh, reference::sinh, |x| {
        !math::sinh_is_far(x) && x.abs() > 1e-290
    }),
    (Op::Cosh, reference::cosh, |x| !math::sinh_is_far(x)),
    (Op::Tanh, reference::tanh, |x| {
        x.abs() < 300.0 && x.abs() > 1e-290
    }),
];

fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Any bits; numbers of the sizes that functions are used with; neighbours of 1 and of multiples of π/4
/// and ln 2 / 2, where polynomials and their pieces meet.
fn samples(n: usize) -> Vec<f64> {
    let mut state = 1;
    (0..n)
        .map(|i| {
            let bits = next(&mut state);
            let centered = (bits >> 11) as f64 / (1u64 << 53) as f64 - 0.5;
            let small = centered * 2f64.powi(-((bits % 50) as i32));
            match i % 8 {
                0 => f64::from_bits(bits),
                1 => centered * 1500.0,
                2 => centered * 2.0,
                3 => centered * 20.0,
                4 => 1.0 + small,
                5 => (centered * 2e6).round() * std::f64::consts::FRAC_PI_4 * (1.0 + small * 1e-9),
                6 => {
                    (centered * 4000.0).round()
                        * (0.5 * std::f64::consts::LN_2)
                        * (1.0 + small * 1e-9)
                }
                _ => small,
            }
        })
        .collect()
}

fn results<T: Element>(op: Op, level: Level, x: &[T]) -> Vec<T> {
    let kernel = elementwise(op, T::DTYPE, Form::Vector, level).unwrap();
    let args = [x.as_ptr().cast(), std::ptr::null(), std::ptr::null()];
    let mut out = vec![T::default(); x.len()];
    // SAFETY: as many operands as results, of a type that these operations keep; the level is available.
    unsafe { kernel(x.len(), &args, out.as_mut_ptr().cast()) };
    out
}

fn levels_with_own_math() -> impl Iterator<Item = Level> {
    Level::available().filter(|level| level.has_own_math())
}

#[test]
fn errors_keep_the_promise() {
    let x = samples(SAMPLES);
    let single: Vec<f32> = x.iter().map(|&x| x as f32).collect();
    for (op, reference, holds) in CASES {
        let exact: Vec<Scaled> = x
            .iter()
            .map(|&x| {
                if holds(x) {
                    reference(x)
                } else {
                    reference(1.0)
                }
            })
            .collect();
        for level in levels_with_own_math() {
            let (mut worst, mut worst_single) = ((0.0, 0.0), (0.0, 0.0));
            for ((&x, &exact), got) in x.iter().zip(&exact).zip(results(op, level, &x)) {
                if x.is_finite() && holds(x) {
                    let error = ulps(got, exact, 53, -1074);
                    assert!(
                        error <= PROMISE,
                        "{op:?} of {x:e} is {got:e}, {error} ULP away"
                    );
                    worst = if error > worst.0 { (error, x) } else { worst };
                }
            }
            for (&x, got) in single.iter().zip(results(op, level, &single)).step_by(8) {
                let wide = f64::from(x);
                if wide.is_finite() && holds(wide) {
                    let error = ulps(f64::from(got), reference(wide), 24, -149);
                    assert!(
                        error <= PROMISE,
                        "{op:?} of {x:e} is {got:e}, {error} ULP away"
                    );
                    worst_single = if error > worst_single.0 {
                        (error, wide)
                    } else {
                        worst_single
                    };
                }
            }
            println!(
                "{:8} {level:?}: float64 {:.3} ULP at {:e}, float32 {:.3} ULP at {:e}",
                op.name(),
                worst.0,
                worst.1,
                worst_single.0,
                worst_single.1,
            );
        }
    }
}

#[test]
fn levels_and_single_elements_give_the_same_bits() {
    fn check<T: Element>(x: &[T]) {
        for (op, ..) in CASES {
            let scalars = |values: Vec<T>| -> Vec<Scalar> {
                values.into_iter().map(|value| value.to_scalar()).collect()
            };
            let mut all = levels_with_own_math().map(|level| scalars(results(op, level, x)));
            let Some(first) = all.next() else { return };
            for other in all {
                assert!(
                    first.iter().zip(&other).all(|(&a, &b)| same(a, b)),
                    "{op:?}"
                );
            }
            if math::in_use() {
                for (&x, &expected) in x.iter().zip(&first).take(50_000) {
                    let got = evaluate(op, &[x.to_scalar()]).unwrap();
                    assert!(
                        same(got, expected),
                        "{op:?} of {x}: {got:?}, not {expected:?}"
                    );
                }
            }
        }
    }
    // An odd number, so that there are elements past the last whole vector.
    let x = samples(200_003);
    check(&x);
    check::<f32>(&x.iter().map(|&x| x as f32).collect::<Vec<_>>());
}

#[test]
fn points_that_users_rely_on_are_exact() {
    use std::f64::consts::{LN_2, PI};
    const INF: f64 = f64::INFINITY;
    const TINY: f64 = 5e-324;
    let points = [
        (Op::Exp, 0.0, 1.0),
        (Op::Exp, -0.0, 1.0),
        (Op::Exp, INF, INF),
        (Op::Exp, -INF, 0.0),
        (Op::Exp, 709.782712893384, 1.7976931348622732e308),
        (Op::Exp, 709.7827128933841, INF),
        (Op::Exp, -745.1332191019411, TINY),
        (Op::Exp, -745.1332191019412, 0.0),
        (Op::Exp, 1e300, INF),
        (Op::Exp2, 10.0, 1024.0),
        (Op::Exp2, -1074.0, TINY),
        (Op::Exp2, -1076.0, 0.0),
        (Op::Exp2, 1024.0, INF),
        (Op::Exp2, INF, INF),
        (Op::Exp2, -INF, 0.0),
        (Op::Exp2, 1023.0, 2f64.powi(1023)),
        (Op::Expm1, 0.0, 0.0),
        (Op::Expm1, -0.0, -0.0),
        (Op::Expm1, TINY, TINY),
        (Op::Expm1, -1e300, -1.0),
        (Op::Expm1, INF, INF),
        (Op::Expm1, -INF, -1.0),
        (Op::Expm1, 709.7827128933841, INF),
        (Op::Log, 1.0, 0.0),
        (Op::Log, 0.0, -INF),
        (Op::Log, -0.0, -INF),
        (Op::Log, INF, INF),
        (Op::Log, 2.0, LN_2),
        (Op::Log, TINY, -744.4400719213812),
        (Op::Log, -1.0, f64::NAN),
        (Op::Log, -INF, f64::NAN),
        (Op::Log2, 1.0, 0.0),
        (Op::Log2, TINY, -1074.0),
        (Op::Log2, 1024.0, 10.0),
        (Op::Log2, 0.0, -INF),
        (Op::Log2, INF, INF),
        (Op::Log2, -2.0, f64::NAN),
        (Op::Log10, 1.0, 0.0),
        (Op::Log10, 1e22, 22.0),
        (Op::Log10, 1000.0, 3.0),
        (Op::Log10, 0.0, -INF),
        (Op::Log10, INF, INF),
        (Op::Log10, -TINY, f64::NAN),
        (Op::Log1p, 0.0, 0.0),
        (Op::Log1p, -0.0, -0.0),
        (Op::Log1p, TINY, TINY),
        (Op::Log1p, -1.0, -INF),
        (Op::Log1p, INF, INF),
        (Op::Log1p, -1.5, f64::NAN),
        (Op::Log1p, f64::MAX, 709.782712893384),
        (Op::Sin, 0.0, 0.0),
        (Op::Sin, -0.0, -0.0),
        (Op::Sin, TINY, TINY),
        (Op::Sin, PI, 1.2246467991473532e-16),
        (Op::Sin, INF, f64::NAN),
        (Op::Sin, -INF, f64::NAN),
        (Op::Sin, PI / 2.0, 1.0),
        (Op::Cos, 0.0, 1.0),
        (Op::Cos, -0.0, 1.0),
        (Op::Cos, PI, -1.0),
        (Op::Cos, 2.0 * PI, 1.0),
        (Op::Cos, PI / 2.0, 6.123233995736766e-17),
        (Op::Cos, INF, f64::NAN),
        (Op::Tan, 0.0, 0.0),
        (Op::Tan, -0.0, -0.0),
        (Op::Tan, PI, -1.2246467991473532e-16),
        (Op::Tan, INF, f64::NAN),
        (Op::Sinh, 0.0, 0.0),
        (Op::Sinh, -0.0, -0.0),
        (Op::Sinh, -TINY, -TINY),
        (Op::Sinh, -INF, -INF),
        (Op::Cosh, 0.0, 1.0),
        (Op::Cosh, -INF, INF),
        (Op::Cosh, 711.0, INF),
        (Op::Cosh, 1e-9, 1.0),
        (Op::Tanh, 0.0, 0.0),
        (Op::Tanh, -0.0, -0.0),
        (Op::Tanh, TINY, TINY),
        (Op::Tanh, INF, 1.0),
        (Op::Tanh, -INF, -1.0),
        (Op::Tanh, 40.0, 1.0),
    ];
    for level in levels_with_own_math() {
        for (op, x, expected) in points {
            let got = results(op, level, &[x; 11]);
            let nan = results(op, level, &[f64::NAN])[0];
            assert!(nan.is_nan(), "{op:?}");
            for got in got {
                assert!(
                    same(got.to_scalar(), expected.to_scalar()),
                    "{op:?} of {x:e}: {got:e}"
                );
            }
        }
    }
}

/// Beyond the quadrants that are counted the system's functions answer, also amidst near numbers.
#[test]
fn far_numbers_have_a_sine() {
    let x: Vec<f64> = (0..1000)
        .map(|i| {
            if i % 70 == 3 {
                1e22 * i as f64
            } else {
                i as f64
            }
        })
        .collect();
    for level in levels_with_own_math() {
        let (sines, cosines) = (results(Op::Sin, level, &x), results(Op::Cos, level, &x));
        for ((x, sine), cosine) in x.iter().zip(sines).zip(cosines) {
            if math::is_far(*x) {
                assert_eq!((sine, cosine), (x.sin(), x.cos()));
            } else {
                assert!(ulps(sine, reference::sin(*x), 53, -1074) < 1.0 || *x == 0.0);
                assert!(ulps(cosine, reference::cos(*x), 53, -1074) < 1.0);
            }
        }
    }
}
