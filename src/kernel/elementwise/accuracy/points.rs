//! Values at which users expect an exact answer, and those of IEEE 754 and C.

use super::{levels_with_own_math, results, results_of_two};
use crate::base::element::Element;
use crate::kernel::elementwise::tests::same;
use crate::op::table::Op;

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
    check_points(&points);
}

fn check_points(points: &[(Op, f64, f64)]) {
    for level in levels_with_own_math() {
        for &(op, x, expected) in points {
            let nan = results(op, level, &[f64::NAN])[0];
            assert!(nan.is_nan(), "{op:?}");
            for got in results(op, level, &[x; 11]) {
                assert!(
                    same(got.to_scalar(), expected.to_scalar()),
                    "{op:?} of {x:e}: {got:e}"
                );
            }
        }
    }
}

#[test]
fn points_of_inverse_functions_are_exact() {
    use std::f64::consts::{FRAC_PI_2, FRAC_PI_3, FRAC_PI_4, FRAC_PI_6, PI};
    const INF: f64 = f64::INFINITY;
    const TINY: f64 = 5e-324;
    check_points(&[
        (Op::Asin, 0.0, 0.0),
        (Op::Asin, -0.0, -0.0),
        (Op::Asin, TINY, TINY),
        (Op::Asin, 0.5, FRAC_PI_6),
        (Op::Asin, 1.0, FRAC_PI_2),
        (Op::Asin, -1.0, -FRAC_PI_2),
        (Op::Asin, 1.0000000000000002, f64::NAN),
        (Op::Asin, -INF, f64::NAN),
        (Op::Acos, 0.0, FRAC_PI_2),
        (Op::Acos, -0.0, FRAC_PI_2),
        (Op::Acos, 0.5, FRAC_PI_3),
        (Op::Acos, 1.0, 0.0),
        (Op::Acos, -1.0, PI),
        (Op::Acos, -1.0000000000000002, f64::NAN),
        (Op::Acos, INF, f64::NAN),
        (Op::Atan, 0.0, 0.0),
        (Op::Atan, -0.0, -0.0),
        (Op::Atan, TINY, TINY),
        (Op::Atan, 1.0, FRAC_PI_4),
        (Op::Atan, -1.0, -FRAC_PI_4),
        (Op::Atan, INF, FRAC_PI_2),
        (Op::Atan, -INF, -FRAC_PI_2),
        (Op::Atan, f64::MAX, FRAC_PI_2),
        (Op::Asinh, 0.0, 0.0),
        (Op::Asinh, -0.0, -0.0),
        (Op::Asinh, -TINY, -TINY),
        (Op::Asinh, INF, INF),
        (Op::Asinh, -INF, -INF),
        (Op::Asinh, f64::MAX, 710.475860073944),
        (Op::Acosh, 1.0, 0.0),
        (Op::Acosh, 0.9999999999999999, f64::NAN),
        (Op::Acosh, -INF, f64::NAN),
        (Op::Acosh, INF, INF),
        (Op::Acosh, f64::MAX, 710.475860073944),
        (Op::Atanh, 0.0, 0.0),
        (Op::Atanh, -0.0, -0.0),
        (Op::Atanh, TINY, TINY),
        (Op::Atanh, 1.0, INF),
        (Op::Atanh, -1.0, -INF),
        (Op::Atanh, 1.0000000000000002, f64::NAN),
        (Op::Cbrt, 0.0, 0.0),
        (Op::Cbrt, -0.0, -0.0),
        (Op::Cbrt, 27.0, 3.0),
        (Op::Cbrt, -1e-300, -1e-100),
        (Op::Cbrt, 2f64.powi(-1074), 2f64.powi(-358)),
        (Op::Cbrt, INF, INF),
        (Op::Cbrt, -INF, -INF),
        (Op::Sinc, 0.0, 1.0),
        (Op::Sinc, -0.0, 1.0),
    ]);
}

/// Of two operands at all pairs of zeros, infinities, NaN and some numbers: the system's functions know them.
#[test]
fn special_cases_of_two_operands_are_those_of_c() {
    const INF: f64 = f64::INFINITY;
    let magnitudes = [
        0.0,
        5e-324,
        1e-310,
        f64::MIN_POSITIVE,
        1e-100,
        0.5,
        0.9999999999999999,
        1.0,
        1.0000000000000002,
        1.5,
        2.0,
        3.0,
        1023.0,
        1024.0,
        1074.0,
        1075.0,
        1e10,
        9007199254740991.0,
        9007199254740992.0,
        9007199254740994.0,
        1e300,
        f64::MAX,
        INF,
        f64::NAN,
    ];
    let values: Vec<f64> = magnitudes.iter().flat_map(|&x| [x, -x]).collect();
    let (x, y): (Vec<f64>, Vec<f64>) = values
        .iter()
        .flat_map(|&x| values.iter().map(move |&y| (x, y)))
        .unzip();
    type System = fn(f64, f64) -> f64;
    let functions: [(Op, System); 3] = [
        (Op::Power, f64::powf),
        (Op::Hypot, f64::hypot),
        (Op::Atan2, f64::atan2),
    ];
    for level in levels_with_own_math() {
        for (op, system) in functions {
            for ((&x, &y), got) in x.iter().zip(&y).zip(results_of_two(op, level, &x, &y)) {
                let expected = system(x, y);
                let near = expected.is_finite() && got.to_bits().abs_diff(expected.to_bits()) <= 1;
                assert!(
                    near || same(got.to_scalar(), expected.to_scalar()),
                    "{op:?} of {x:e} and {y:e}: {got:e}, not {expected:e}"
                );
            }
        }
    }
}

#[test]
fn powers_and_lengths_that_are_whole_are_exact() {
    let mut x = Vec::new();
    let mut y = Vec::new();
    let mut exact = Vec::new();
    for base in 1..100u64 {
        for exponent in 0..20u32 {
            if let Some(power) = base.checked_pow(exponent).filter(|&power| power < 1 << 53) {
                for sign in [1.0, -1.0] {
                    x.push(sign * base as f64);
                    y.push(exponent as f64);
                    exact.push(if exponent % 2 == 1 { sign } else { 1.0 } * power as f64);
                }
            }
        }
    }
    for level in levels_with_own_math() {
        assert_eq!(results_of_two(Op::Power, level, &x, &y), exact);
        let scaled: Vec<f64> = [(3.0, 4.0), (5.0, 12.0), (20.0, 21.0)]
            .iter()
            .flat_map(|&(a, b)| [1.0, 2f64.powi(-1074), 1e300].map(|c: f64| [a * c, b * c]))
            .flat_map(|[a, b]| results_of_two(Op::Hypot, level, &[a], &[b]))
            .collect();
        let tiny = 2f64.powi(-1074);
        let expected = [
            5.0,
            5.0 * tiny,
            5e300,
            13.0,
            13.0 * tiny,
            13e300,
            29.0,
            29.0 * tiny,
            29e300,
        ];
        for (got, expected) in scaled.iter().zip(expected) {
            assert!(
                (got / expected - 1.0).abs() < 3e-16,
                "{got:e}, not {expected:e}"
            );
        }
    }
}

#[test]
fn sums_of_powers_at_infinities() {
    const INF: f64 = f64::INFINITY;
    let cases = [
        (INF, INF, INF),
        (-INF, -INF, -INF),
        (INF, -INF, INF),
        (INF, f64::NAN, f64::NAN),
        (-INF, 2.0, 2.0),
        (f64::MAX, f64::MIN, f64::MAX),
        (0.0, -1e300, 0.0),
        (-1100.0, 0.0, 0.0),
    ];
    for level in levels_with_own_math() {
        for op in [Op::Logaddexp, Op::Logaddexp2] {
            for (x, y, expected) in cases {
                for (x, y) in [(x, y), (y, x)] {
                    let got = results_of_two(op, level, &[x; 9], &[y; 9])[8];
                    let both = [got.to_scalar(), expected.to_scalar()];
                    assert!(same(both[0], both[1]), "{op:?} of {x:e} and {y:e}: {got:e}");
                }
            }
        }
        let doubled = results_of_two(Op::Logaddexp2, level, &[3.0, 1023.0], &[3.0, 1023.0]);
        assert_eq!(doubled, [4.0, 1024.0]);
        assert_eq!(
            results_of_two(Op::Logaddexp, level, &[0.0], &[0.0]),
            [std::f64::consts::LN_2]
        );
    }
}

/// The double nearest to a multiple of π/2 loses more bits than any other; far numbers amidst near ones.
#[test]
fn far_numbers_have_a_sine() {
    let hardest = 6381956970095103.0 * 2f64.powi(797);
    let mut x: Vec<f64> = (0..1000).map(f64::from).collect();
    x[500] = hardest;
    for level in levels_with_own_math() {
        let (sines, cosines) = (results(Op::Sin, level, &x), results(Op::Cos, level, &x));
        assert_eq!(cosines[500], -4.687165924254628e-19);
        assert_eq!(sines[500], 1.0);
        assert_eq!(results(Op::Tan, level, &x)[500], -2.133485385753704e18);
        for i in [0, 499, 501, 999] {
            assert_eq!(sines[i], results(Op::Sin, level, &x[i..=i])[0]);
            assert!((sines[i].hypot(cosines[i]) - 1.0).abs() < 1e-15);
        }
    }
}
