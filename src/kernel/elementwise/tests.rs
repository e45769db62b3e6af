//! Every operation × type × form × level agrees with the evaluation of single elements.

use super::*;
use crate::base::aligned::AlignedBytes;
use crate::base::dtype::{DType, with_dtype};
use crate::base::element::Element;
use crate::base::scalar::Scalar;
use crate::kernel::level::Level;
use crate::op::scalar::cast::CastTo;
use crate::op::scalar::math;
use crate::op::table::{self, Op, evaluate};

/// Values at which formulas differ: zeros, ones, extremes, halves, NaN, infinities.
fn special_values(dtype: DType) -> Vec<Scalar> {
    fn cast_all<T>(values: &[T]) -> Vec<Scalar>
    where
        T: Element,
    {
        values.iter().map(|value| value.to_scalar()).collect()
    }
    let reals = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        -0.5,
        1.5,
        2.5,
        -2.5,
        3.0,
        -7.0,
        1e-300,
        -1e300,
        63.0,
        64.0,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MAX,
        f64::MIN_POSITIVE,
        0.1,
        0.7,
        1e9,
    ];
    macro_rules! integers {
        ($T:ident) => {
            cast_all(&[
                0,
                1,
                2,
                3,
                7,
                8,
                31,
                64,
                100,
                $T::MAX,
                $T::MIN,
                $T::MAX - 1,
                $T::MIN + 1,
                0 as $T ^ !0,
                (0 as $T).wrapping_sub(3),
                (0 as $T).wrapping_sub(8),
            ])
        };
    }
    match dtype {
        DType::Bool => cast_all(&[false, true]),
        DType::I8 => integers!(i8),
        DType::I16 => integers!(i16),
        DType::I32 => integers!(i32),
        DType::I64 => integers!(i64),
        DType::U8 => integers!(u8),
        DType::U16 => integers!(u16),
        DType::U32 => integers!(u32),
        DType::U64 => integers!(u64),
        DType::F32 => cast_all(&reals.map(|x| x as f32)),
        DType::F64 => cast_all(&reals),
        DType::Complex64 | DType::Complex128 => {
            let mut values = Vec::new();
            for re in &reals[..20] {
                for im in [0.0, -0.0, 1.0, -2.5, f64::INFINITY, f64::NAN] {
                    let z = num_complex::Complex::new(*re, im);
                    values.push(table::cast(z.to_scalar(), dtype));
                }
            }
            values
        }
    }
}

/// The values one after the other in an aligned buffer.
fn buffer(values: &[Scalar]) -> AlignedBytes {
    let size = values[0].dtype().size();
    let bytes = AlignedBytes::new(values.len() * size);
    for (i, value) in values.iter().enumerate() {
        // SAFETY: the buffer has room for all values.
        unsafe {
            bytes
                .as_ptr()
                .add(i * size)
                .copy_from_nonoverlapping(value.to_bytes().as_ptr(), size)
        };
    }
    bytes
}

fn read(bytes: &AlignedBytes, dtype: DType, i: usize) -> Scalar {
    // SAFETY: callers index what a kernel has written.
    with_dtype!(dtype, T => unsafe { bytes.as_ptr().cast::<T>().add(i).read().to_scalar() })
}

/// Equal to the bit, but any NaN is as good as another.
pub(super) fn same(a: Scalar, b: Scalar) -> bool {
    fn nan(x: f64, y: f64) -> bool {
        x.is_nan() && y.is_nan() || x.to_bits() == y.to_bits()
    }
    match (a, b) {
        (Scalar::F32(x), Scalar::F32(y)) => nan(x as f64, y as f64),
        (Scalar::F64(x), Scalar::F64(y)) => nan(x, y),
        (Scalar::Complex64(x), Scalar::Complex64(y)) => {
            nan(x.re as f64, y.re as f64) && nan(x.im as f64, y.im as f64)
        }
        (Scalar::Complex128(x), Scalar::Complex128(y)) => nan(x.re, y.re) && nan(x.im, y.im),
        _ => a == b,
    }
}

/// Equal but for the last bit.
fn close(a: Scalar, b: Scalar) -> bool {
    match (a, b) {
        (Scalar::F32(x), Scalar::F32(y)) => x.to_bits().abs_diff(y.to_bits()) <= 1,
        (Scalar::F64(x), Scalar::F64(y)) => x.to_bits().abs_diff(y.to_bits()) <= 1,
        _ => false,
    }
}

/// Runs a kernel over columns of operands; `single` says which operands are one value.
fn check(
    what: &str,
    kernel: TileFn,
    columns: &[Vec<Scalar>],
    single: [bool; 3],
    expected: &[Scalar],
) {
    check_by(same, what, kernel, columns, single, expected);
}

fn check_by(
    agrees: impl Fn(Scalar, Scalar) -> bool,
    what: &str,
    kernel: TileFn,
    columns: &[Vec<Scalar>],
    single: [bool; 3],
    expected: &[Scalar],
) {
    let buffers: Vec<AlignedBytes> = columns.iter().map(|column| buffer(column)).collect();
    let mut args = [std::ptr::null(); 3];
    for (arg, buffer) in args.iter_mut().zip(&buffers) {
        *arg = buffer.as_ptr().cast_const();
    }
    let n = expected.len();
    let dtype = expected[0].dtype();
    let out = AlignedBytes::new(n * dtype.size());
    // SAFETY: all operands have `n` values where they are vectors; the output has room for as many.
    unsafe { kernel(n, &args, out.as_ptr()) };
    for (i, &expected) in expected.iter().enumerate() {
        let got = read(&out, dtype, i);
        let operands: Vec<Scalar> = columns
            .iter()
            .zip(single)
            .map(|(column, single)| column[if single { 0 } else { i }])
            .collect();
        assert!(
            agrees(got, expected),
            "{what} of {operands:?}: {got:?}, not {expected:?}"
        );
    }
}

#[test]
fn unary_kernels_agree_with_evaluate() {
    for &op in Op::ALL.iter().filter(|op| op.arity() == 1) {
        for &dtype in DType::ALL
            .iter()
            .filter(|&&dtype| op.output(dtype).is_some())
        {
            let values = special_values(dtype).repeat(3);
            let expected: Vec<Scalar> = values
                .iter()
                .map(|&x| evaluate(op, &[x]).unwrap())
                .collect();
            assert_eq!(
                Some(expected[0].dtype()),
                op.output(dtype),
                "{op:?} {dtype}"
            );
            for level in Level::available() {
                let kernel = elementwise(op, dtype, Form::Vector, level).unwrap();
                let what = format!("{op:?} {dtype} {level:?}");
                // `evaluate` has the code of this machine's level.
                let other_code = level.has_own_math() != math::in_use();
                check_by(
                    |a, b| same(a, b) || other_code && close(a, b),
                    &what,
                    kernel,
                    std::slice::from_ref(&values),
                    [false; 3],
                    &expected,
                );
            }
        }
    }
}

#[test]
fn sine_and_cosine_together_have_the_bits_of_each_alone() {
    fn check_pair<T: Element>(x: &[T]) {
        for level in Level::available() {
            let kernel = sin_cos(T::DTYPE, level).unwrap();
            let (mut sines, mut cosines) =
                (vec![T::default(); x.len()], vec![T::default(); x.len()]);
            let outs = [sines.as_mut_ptr().cast(), cosines.as_mut_ptr().cast()];
            // SAFETY: as many results as operands, of their type, in memory of their own; the level is available.
            unsafe { kernel(x.len(), x.as_ptr().cast(), outs) };
            for (op, together) in [(Op::Sin, sines), (Op::Cos, cosines)] {
                let kernel = elementwise(op, T::DTYPE, Form::Vector, level).unwrap();
                let args = [x.as_ptr().cast(), std::ptr::null(), std::ptr::null()];
                let mut alone = vec![T::default(); x.len()];
                // SAFETY: as above.
                unsafe { kernel(x.len(), &args, alone.as_mut_ptr().cast()) };
                for ((x, a), b) in x.iter().zip(&alone).zip(&together) {
                    let (a, b) = (a.to_scalar(), b.to_scalar());
                    assert!(same(a, b), "{op:?} of {:?} at {level:?}", x.to_scalar());
                }
            }
        }
    }
    // Lengths around those of blocks; near numbers, and among them now and then NaN, infinities, zeros, and
    // numbers on both sides of the bound.
    let special = [
        f64::NAN,
        f64::INFINITY,
        -0.0,
        0.0,
        2e5,
        -2.1e5,
        210000.1,
        -210000.1,
        -1e22,
        5e-324,
    ];
    for n in [0, 1, 17, 512, 1000, 1613] {
        for every in [3, 700, usize::MAX] {
            let x: Vec<f64> = (0..n)
                .map(|i| {
                    if i % every == every - 1 {
                        special[i / every % special.len()]
                    } else {
                        (i as f64 - 300.0) * 1.37
                    }
                })
                .collect();
            check_pair(&x);
            check_pair(&x.iter().map(|&x| x as f32).collect::<Vec<_>>());
        }
    }
    assert!(sin_cos(DType::Complex128, Level::Portable).is_none());
}

#[test]
fn binary_kernels_agree_with_evaluate() {
    for &op in Op::ALL.iter().filter(|op| op.arity() == 2) {
        for &dtype in DType::ALL
            .iter()
            .filter(|&&dtype| op.output(dtype).is_some())
        {
            let values = special_values(dtype);
            for (i, &y) in values.iter().enumerate() {
                let other = vec![y; values.len()];
                let xy: Vec<Scalar> = values
                    .iter()
                    .map(|&x| evaluate(op, &[x, y]).unwrap())
                    .collect();
                let yx: Vec<Scalar> = values
                    .iter()
                    .map(|&x| evaluate(op, &[y, x]).unwrap())
                    .collect();
                assert_eq!(Some(xy[i].dtype()), op.output(dtype));
                if op.is_commutative() {
                    assert!(
                        xy.iter().zip(&yx).all(|(&a, &b)| same(a, b)),
                        "{op:?} {dtype} {y}"
                    );
                }
                for level in Level::available() {
                    let what = format!("{op:?} {dtype} {level:?}");
                    let get = |form| elementwise(op, dtype, form, level);
                    // `evaluate` has the code of this machine's level.
                    let other_code = level.has_own_math() != math::in_use();
                    let agrees = |a, b| same(a, b) || other_code && close(a, b);
                    let columns = [values.clone(), other.clone()];
                    check_by(
                        agrees,
                        &what,
                        get(Form::Vector).unwrap(),
                        &columns,
                        [false; 3],
                        &xy,
                    );
                    let columns = [values.clone(), vec![y]];
                    check_by(
                        agrees,
                        &what,
                        get(Form::VectorScalar).unwrap(),
                        &columns,
                        [false, true, false],
                        &xy,
                    );
                    let scalar_vector = get(Form::ScalarVector);
                    assert_eq!(scalar_vector.is_none(), op.is_commutative());
                    if let Some(kernel) = scalar_vector {
                        check_by(
                            agrees,
                            &what,
                            kernel,
                            &[vec![y], values.clone()],
                            [true, false, false],
                            &yx,
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn clip_agrees_with_evaluate() {
    for &dtype in DType::ALL
        .iter()
        .filter(|&&dtype| Op::Clip.output(dtype).is_some())
    {
        let values = special_values(dtype);
        for &low in &values {
            for &high in &values {
                let expected: Vec<Scalar> = values
                    .iter()
                    .map(|&x| evaluate(Op::Clip, &[x, low, high]).unwrap())
                    .collect();
                for level in Level::available() {
                    let n = values.len();
                    let columns = [values.clone(), vec![low; n], vec![high; n]];
                    let kernel = elementwise(Op::Clip, dtype, Form::Vector, level).unwrap();
                    check("clip", kernel, &columns, [false; 3], &expected);
                    let columns = [values.clone(), vec![low], vec![high]];
                    let kernel = elementwise(Op::Clip, dtype, Form::VectorScalar, level).unwrap();
                    check("clip", kernel, &columns, [false, true, true], &expected);
                }
            }
        }
    }
}

#[test]
fn select_agrees_with_evaluate() {
    for &dtype in DType::ALL {
        let a = special_values(dtype).repeat(40);
        let b: Vec<Scalar> = a.iter().rev().copied().collect();
        let condition: Vec<Scalar> = (0..a.len()).map(|i| Scalar::Bool(i % 3 == 0)).collect();
        for (a_single, b_single) in [(false, false), (false, true), (true, false), (true, true)] {
            let a = if a_single { vec![a[1]] } else { a.clone() };
            let b = if b_single { vec![b[1]] } else { b.clone() };
            let expected: Vec<Scalar> = (0..condition.len())
                .map(|i| {
                    let x = a[if a_single { 0 } else { i }];
                    let y = b[if b_single { 0 } else { i }];
                    evaluate(Op::Select, &[condition[i], x, y]).unwrap()
                })
                .collect();
            for level in Level::available() {
                let columns = [condition.clone(), a.clone(), b.clone()];
                let kernel = select(dtype, a_single, b_single, level);
                check(
                    "select",
                    kernel,
                    &columns,
                    [false, a_single, b_single],
                    &expected,
                );
            }
        }
    }
}

#[test]
fn casts_agree_with_evaluate() {
    for &from in DType::ALL {
        let values = special_values(from).repeat(2);
        for &to in DType::ALL {
            let expected: Vec<Scalar> = values.iter().map(|&x| table::cast(x, to)).collect();
            for level in Level::available() {
                let what = format!("cast {from} to {to} {level:?}");
                check(
                    &what,
                    cast(from, to, level),
                    std::slice::from_ref(&values),
                    [false; 3],
                    &expected,
                );
            }
        }
    }
}

#[test]
fn cast_saturates_and_takes_the_real_part() {
    assert_eq!(CastTo::<u8>::cast(-3.7f64), 0);
    assert_eq!(CastTo::<i8>::cast(f32::INFINITY), 127);
    assert_eq!(CastTo::<i32>::cast(f64::NAN), 0);
    assert!(CastTo::<bool>::cast(f64::NAN));
    assert!(CastTo::<bool>::cast(num_complex::Complex::new(0.0f32, 2.0)));
    assert_eq!(
        CastTo::<i16>::cast(num_complex::Complex::new(-2.9f32, 2.0)),
        -2
    );
}
