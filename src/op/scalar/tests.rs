//! Formulas against values worked out by hand, or that NumPy gives.

use num_complex::Complex;

use crate::base::dtype::DType;
use crate::base::element::Element;
use crate::base::scalar::Scalar;
use crate::op::table::{Op, cast, evaluate};

fn unary<T: Element>(op: Op, x: T) -> Scalar {
    evaluate(op, &[x.to_scalar()]).unwrap()
}

fn binary<T: Element>(op: Op, x: T, y: T) -> Scalar {
    evaluate(op, &[x.to_scalar(), y.to_scalar()]).unwrap()
}

#[test]
fn table_rows_are_distinct_and_complete() {
    let mut names: Vec<&str> = Op::ALL.iter().map(|op| op.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Op::ALL.len());
    for op in Op::ALL {
        assert!(op.doc().ends_with('.') && op.cost() > 0.0 && (1..=3).contains(&op.arity()));
        assert!(
            DType::ALL.iter().any(|&dtype| op.output(dtype).is_some()),
            "{op:?}"
        );
    }
    assert_eq!(Op::Add.output(DType::Bool), None);
    assert_eq!(Op::TrueDivide.output(DType::I8), Some(DType::F64));
    assert_eq!(Op::Abs.output(DType::Complex64), Some(DType::F32));
    assert_eq!(Op::Less.output(DType::Complex64), None);
    assert_eq!(evaluate(Op::Add, &[Scalar::I8(1)]), None);
    assert_eq!(evaluate(Op::Add, &[Scalar::I8(1), Scalar::I16(1)]), None);
}

#[test]
fn integer_division_never_fails() {
    for (op, expected) in [
        (Op::Divide, [-3, 0, i32::MIN]),
        (Op::FloorDivide, [-4, 0, i32::MIN]),
        (Op::Remainder, [1, 0, 0]),
        (Op::Fmod, [-1, 0, 0]),
    ] {
        assert_eq!(binary(op, -7, 2), Scalar::I32(expected[0]), "{op:?}");
        assert_eq!(binary(op, -7, 0), Scalar::I32(expected[1]), "{op:?}");
        assert_eq!(binary(op, i32::MIN, -1), Scalar::I32(expected[2]), "{op:?}");
    }
    assert_eq!(binary(Op::Remainder, 7i8, -2), Scalar::I8(-1));
    assert_eq!(binary(Op::TrueDivide, 1u8, 0), Scalar::F64(f64::INFINITY));
    assert_eq!(unary(Op::Reciprocal, 0i16), Scalar::I16(0));
}

#[test]
fn integer_powers_wrap() {
    assert_eq!(binary(Op::Power, 3i32, 4), Scalar::I32(81));
    assert_eq!(binary(Op::Power, 2u8, 9), Scalar::U8(0));
    assert_eq!(binary(Op::Power, 2i64, -1), Scalar::I64(0));
    assert_eq!(binary(Op::Power, 1i64, -5), Scalar::I64(1));
    assert_eq!(binary(Op::Power, -1i64, -5), Scalar::I64(-1));
    assert_eq!(binary(Op::Power, -1i64, i64::MIN), Scalar::I64(1));
    assert_eq!(binary(Op::Power, 0u32, 0), Scalar::U32(1));
}

#[test]
fn shifts_past_the_type_lose_all_bits() {
    assert_eq!(binary(Op::ShiftLeft, 1i32, 31), Scalar::I32(i32::MIN));
    assert_eq!(binary(Op::ShiftLeft, 1i32, 32), Scalar::I32(0));
    assert_eq!(binary(Op::ShiftLeft, 1i32, -1), Scalar::I32(0));
    assert_eq!(binary(Op::ShiftRight, -8i32, 1), Scalar::I32(-4));
    assert_eq!(binary(Op::ShiftRight, -8i32, 99), Scalar::I32(-1));
    assert_eq!(binary(Op::ShiftRight, 8u64, 64), Scalar::U64(0));
    assert_eq!(unary(Op::CountOnes, -1i8), Scalar::U8(1));
    assert_eq!(unary(Op::BitwiseInvert, true), Scalar::Bool(false));
    assert_eq!(binary(Op::Gcd, -12i32, 18), Scalar::I32(6));
    assert_eq!(binary(Op::Lcm, -4i32, 6), Scalar::I32(12));
    assert_eq!(binary(Op::Lcm, 0i32, 0), Scalar::I32(0));
}

#[test]
fn float_remainders_have_python_s_sign() {
    assert_eq!(binary(Op::FloorDivide, -7.0, 2.0), Scalar::F64(-4.0));
    assert_eq!(binary(Op::Remainder, -7.0, 2.0), Scalar::F64(1.0));
    assert_eq!(binary(Op::Remainder, 7.0, -2.0), Scalar::F64(-1.0));
    assert_eq!(binary(Op::Remainder, -6.0, 2.0), Scalar::F64(0.0));
    assert_eq!(binary(Op::Fmod, -7.0, 2.0), Scalar::F64(-1.0));
    assert_eq!(binary(Op::FloorDivide, 1.0, 0.1), Scalar::F64(9.0));
    assert_eq!(
        binary(Op::FloorDivide, 1.0, 0.0),
        Scalar::F64(f64::INFINITY)
    );
    assert_eq!(binary(Op::FloorDivide, 0.0, -3.0), Scalar::F64(-0.0));
    // Both have the divisor's infinity as if it were a very large number.
    assert_eq!(
        binary(Op::FloorDivide, -1.0, f64::INFINITY),
        Scalar::F64(-1.0)
    );
    assert_eq!(
        binary(Op::Remainder, -1.0, f64::INFINITY),
        Scalar::F64(f64::INFINITY)
    );
}

#[test]
fn extremes_and_nan() {
    let nan = |op| matches!(binary(op, f64::NAN, 1.0), Scalar::F64(x) if x.is_nan());
    assert!(nan(Op::Maximum) && nan(Op::Minimum) && !nan(Op::Fmax) && !nan(Op::Fmin));
    assert_eq!(binary(Op::Fmin, 1.0, f64::NAN), Scalar::F64(1.0));
    assert_eq!(binary(Op::Maximum, -0.0, 0.0), Scalar::F64(0.0));
    assert_eq!(binary(Op::Minimum, 0.0, -0.0), Scalar::F64(-0.0));
    assert_eq!(binary(Op::NotEqual, f64::NAN, f64::NAN), Scalar::Bool(true));
    assert_eq!(unary(Op::Sign, -0.0), Scalar::F64(0.0));
    assert_eq!(unary(Op::Abs, i8::MIN), Scalar::I8(i8::MIN));
    assert_eq!(unary(Op::Sign, -3i16), Scalar::I16(-1));
}

#[test]
fn rounding_and_neighbours() {
    for (x, expected) in [(0.5, 0.0), (1.5, 2.0), (2.5, 2.0), (-0.5, -0.0)] {
        assert_eq!(unary(Op::Round, x), Scalar::F64(expected));
    }
    assert_eq!(unary(Op::Spacing, 1.0), Scalar::F64(f64::EPSILON));
    assert_eq!(unary(Op::Spacing, -1.0f32), Scalar::F32(-f32::EPSILON));
    assert_eq!(
        binary(Op::Nextafter, 1.0, 2.0),
        Scalar::F64(1.0 + f64::EPSILON)
    );
    assert_eq!(binary(Op::Nextafter, 0.0, -1.0), Scalar::F64(-5e-324));
    assert_eq!(binary(Op::Nextafter, 1.0, 1.0), Scalar::F64(1.0));
    assert_eq!(binary(Op::Heaviside, 0.0, 0.5), Scalar::F64(0.5));
    assert_eq!(unary(Op::Signbit, -0.0), Scalar::Bool(true));
    assert_eq!(unary(Op::Sinc, 0.0), Scalar::F64(1.0));
    assert_eq!(unary(Op::Degrees, std::f64::consts::PI), Scalar::F64(180.0));
    assert_eq!(unary(Op::Angle, -1.0), Scalar::F64(std::f64::consts::PI));
}

#[test]
fn logaddexp_does_not_overflow() {
    let sum = |op, x: f64, y: f64| match binary(op, x, y) {
        Scalar::F64(sum) => sum,
        other => panic!("{other:?}"),
    };
    assert!((sum(Op::Logaddexp, 1000.0, 1000.0) - 1000.0 - std::f64::consts::LN_2).abs() < 1e-12);
    assert!((sum(Op::Logaddexp2, 3.0, 4.0) - 24f64.log2()).abs() < 1e-14);
    let infinite = f64::NEG_INFINITY;
    assert_eq!(sum(Op::Logaddexp, infinite, infinite), infinite);
    assert_eq!(sum(Op::Logaddexp, infinite, 2.0), 2.0);
    assert!(sum(Op::Logaddexp, f64::NAN, 2.0).is_nan());
}

/// Each function against a plain formula of other ones.
#[test]
fn complex_functions() {
    type Z = Complex<f64>;
    let get = |op, z: Z| match unary(op, z) {
        Scalar::Complex128(w) => w,
        other => panic!("{other:?}"),
    };
    let close = |a: Z, b: Z| (a - b).norm() <= 1e-14 * b.norm();
    let points = [
        Z::new(0.3, -0.7),
        Z::new(-1.2, 0.4),
        Z::new(2.0, 3.0),
        Z::new(1e-3, 2e-3),
    ];
    for z in points {
        let one = Z::new(1.0, 0.0);
        assert!(close(get(Op::Tan, z), z.sin() / z.cos()), "{z}");
        assert!(close(get(Op::Tanh, z), z.sinh() / z.cosh()), "{z}");
        assert!(
            (get(Op::Expm1, z) - (z.exp() - one)).norm() < 1e-15 * z.exp().norm(),
            "{z}"
        );
        assert!((get(Op::Log1p, z) - (z + one).ln()).norm() < 1e-15, "{z}");
        assert!(close(get(Op::Log2, z), z.ln() / 2f64.ln()), "{z}");
        assert!(close(get(Op::Log10, z), z.ln() / 10f64.ln()), "{z}");
        assert!(close(get(Op::Reciprocal, z), one / z), "{z}");
        assert_eq!(binary(Op::Power, z, Z::new(2.0, 0.0)), (z * z).to_scalar());
        assert!(close(get(Op::Sign, z), z / z.norm()));
    }
    // Where the plain formulas overflow or lose all digits.
    assert_eq!(get(Op::Tanh, Z::new(800.0, 1.0)).re, 1.0);
    assert_eq!(get(Op::Expm1, Z::new(1e-20, 0.0)).re, 1e-20);
    assert_eq!(get(Op::Log1p, Z::new(1e-20, 0.0)).re, 1e-20);
    let huge = Z::new(1e300, 1e300);
    assert_eq!(binary(Op::Divide, huge, huge), Z::new(1.0, 0.0).to_scalar());
    let Scalar::F64(modulus) = unary(Op::Abs, Z::new(3e200, 4e200)) else {
        panic!("a modulus is real");
    };
    assert!((modulus / 5e200 - 1.0).abs() < 1e-15);
    let zero = Z::new(0.0, 0.0);
    assert_eq!(binary(Op::Power, zero, zero), Z::new(1.0, 0.0).to_scalar());
    assert_eq!(
        unary(Op::Conj, Z::new(1.0, 2.0)),
        Z::new(1.0, -2.0).to_scalar()
    );
    assert_eq!(unary(Op::Sign, zero), zero.to_scalar());
}

#[test]
fn casts_of_single_values() {
    assert_eq!(cast(Scalar::F64(300.7), DType::U8), Scalar::U8(255));
    assert_eq!(cast(Scalar::F64(f64::NAN), DType::I64), Scalar::I64(0));
    assert_eq!(cast(Scalar::I64(-1), DType::U8), Scalar::U8(255));
    assert_eq!(cast(Scalar::Bool(true), DType::F32), Scalar::F32(1.0));
    let z = Scalar::Complex64(Complex::new(0.0, 2.0));
    assert_eq!(cast(z, DType::Bool), Scalar::Bool(true));
    assert_eq!(cast(z, DType::I32), Scalar::I32(0));
}

#[test]
fn quadrants_tell_of_every_far_angle() {
    let far = [
        210_000.1,
        411_775.0,
        1e6,
        4e15,
        7e15,
        1e16,
        1e22,
        f64::MAX,
        f64::INFINITY,
    ];
    for x in far.into_iter().flat_map(|x| [x, -x]) {
        assert!(super::math::is_far(x), "{x}");
        let (_, _, quadrants) = super::math::sin_cos(x);
        assert!(quadrants.may_be_far(), "{x}");
        // Among near ones, too.
        let (_, _, near) = super::math::sin_cos(1.0);
        assert!(near.join(quadrants).may_be_far(), "{x}");
    }
    for x in [0.0, -0.0, 5e-324, 1.0, -2e5, 2e5] {
        assert!(!super::math::sin_cos(x).2.may_be_far(), "{x}");
    }
}
