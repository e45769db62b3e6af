//! Folds against obvious loops that follow the contract of the order literally.

use std::sync::Arc;

use num_complex::Complex;

use super::*;
use crate::base::dtype::{DType, with_dtype};
use crate::base::element::Element;
use crate::base::scalar::Scalar;
use crate::error::Result;
use crate::kernel::level::Level;
use crate::op::reducer::{Ddof, LANES, Norm, ReduceKind, ReduceOp, Reducer};
use crate::op::scalar::cast::CastToAll;
use crate::op::table;
use crate::op::tree::{ROWS, RUN};

/// Reproducible values with all exponents from 2⁻⁸ to 2⁸, so that the order of a sum shows.
fn values(n: usize) -> Vec<f64> {
    let mut state = 12345u64;
    (0..n)
        .map(|_| {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            let exponent = ((state >> 40) % 16) as i32 - 8;
            ((state >> 11) as f64 / (1u64 << 53) as f64 - 0.5) * 2f64.powi(exponent)
        })
        .collect()
}

fn keep(i: usize) -> bool {
    !i.is_multiple_of(3)
}

/// One piece as it enters the fold.
enum Piece {
    Run,
    /// Rows of equal columns: the stride and the width.
    Rows(usize, usize),
}

/// Folds `data` as one piece and gives the result and its scalar.
fn piece<T: Element>(
    fold: &dyn Fold,
    how: &Piece,
    data: &[T],
    mask: Option<&[bool]>,
) -> Result<Scalar> {
    let mask_pointer = mask.map_or(std::ptr::null(), |mask| mask.as_ptr().cast());
    let mut states = fold.states(400);
    let at = match how {
        Piece::Run => {
            let run = Rows {
                values: data.as_ptr().cast(),
                mask: mask_pointer,
                width: data.len(),
                ..Rows::none(1)
            };
            // SAFETY: slices of the given lengths.
            unsafe { fold.runs(&run, &[data.len()], 0, &mut states, 1, 1) };
            1
        }
        &Piece::Rows(stride, width) => {
            let wide: Vec<T> = data.iter().flat_map(|&x| vec![x; stride]).collect();
            let wide_mask: Option<Vec<bool>> =
                mask.map(|mask| mask.iter().flat_map(|&keep| vec![keep; stride]).collect());
            let mask_pointer: *const u8 = wide_mask
                .as_ref()
                .map_or(std::ptr::null(), |mask| mask.as_ptr().cast::<u8>());
            let numbers = Numbers {
                first: 0,
                step: 1,
                lane: width,
            };
            // In two parts, and not into the first states.
            let first = data.len() / 3;
            let rows = |from: usize, rows: usize| Rows {
                values: wide[from * stride..].as_ptr().cast(),
                stride: stride as isize,
                mask: if mask_pointer.is_null() {
                    mask_pointer
                } else {
                    mask_pointer.wrapping_add(from * stride)
                },
                mask_stride: stride as isize,
                rows,
                width,
            };
            let later = Numbers {
                first: first as i64,
                ..numbers
            };
            // SAFETY: rows of `stride` values and bytes, of which `width` are read.
            unsafe {
                fold.rows(&rows(0, first), numbers, &mut states, 5);
                fold.rows(&rows(first, data.len() - first), later, &mut states, 5);
            }
            fold.seal(&mut states, width + 5);
            width + 4
        }
    };
    result(fold, &states, at, data.len() as u64)
}

fn result(fold: &dyn Fold, states: &States, at: usize, count: u64) -> Result<Scalar> {
    let mut out = [0u64; 2];
    // SAFETY: room for one result of any type.
    unsafe { fold.finish(states, at, 1, count, out.as_mut_ptr().cast())? };
    // SAFETY: `finish` wrote one value of this type.
    Ok(with_dtype!(fold.output(), T => unsafe { out.as_ptr().cast::<T>().read() }.to_scalar()))
}

/// Adds in the order of the contract.
fn ordered_sum(how: &Piece, terms: &[Option<f64>], identity: f64) -> f64 {
    match how {
        Piece::Rows(..) => terms.iter().flatten().fold(identity, |sum, x| sum + x),
        Piece::Run => {
            let mut lanes = [identity; LANES];
            for (i, x) in terms.iter().enumerate() {
                if let Some(x) = x {
                    lanes[i % LANES] += x;
                }
            }
            for half in [8, 4, 2, 1] {
                for j in 0..half {
                    lanes[j] += lanes[j + half];
                }
            }
            lanes[0]
        }
    }
}

fn cases() -> Vec<(Piece, usize)> {
    let mut cases: Vec<(Piece, usize)> = [0, 1, 2, 15, 16, 17, 100, 1000, RUN]
        .map(|n| (Piece::Run, n))
        .into();
    for (stride, width) in [(5, 3), (3, 3), (30, 20), (20, 20), (301, 300)] {
        cases.extend([0, 1, 7, 8, 9, 50, ROWS].map(|n| (Piece::Rows(stride, width), n)));
    }
    cases
}

fn close(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
}

fn as_f64(scalar: Scalar) -> f64 {
    match table::cast(scalar, DType::F64) {
        Scalar::F64(x) => x,
        other => panic!("{other:?}"),
    }
}

/// Sums, means and variances of a real type, to the bit, plain, masked and without NaN.
fn check_moments<T: Element + CastToAll>(with_nan: bool) {
    for (how, n) in cases() {
        let data: Vec<T> = values(n)
            .iter()
            .enumerate()
            .map(|(i, &x)| {
                if with_nan && i % 5 == 1 {
                    f64::NAN
                } else {
                    x * 100.0
                }
            })
            .map(|x| T::from_scalar(table::cast(x.to_scalar(), T::DTYPE)).unwrap())
            .collect();
        let wide: Vec<f64> = data.iter().map(|&x| as_f64(x.to_scalar())).collect();
        let mask: Vec<bool> = (0..n).map(keep).collect();
        for (masked, skip_nan) in [(false, false), (true, false), (false, true), (true, true)] {
            let terms: Vec<Option<f64>> = wide
                .iter()
                .enumerate()
                .map(|(i, &x)| ((!masked || keep(i)) && !(skip_nan && x.is_nan())).then_some(x))
                .collect();
            let count = terms.iter().flatten().count() as f64;
            let sum = ordered_sum(&how, &terms, -0.0);
            let mean = sum / count;
            let from = |center: f64, power: i32| -> f64 {
                let powers: Vec<Option<f64>> = terms
                    .iter()
                    .map(|x| x.map(|x| (x - center).powi(power)))
                    .collect();
                ordered_sum(&how, &powers, 0.0)
            };
            let center = terms.iter().flatten().next().copied().unwrap_or(0.0);
            let shift = from(center, 1) / count;
            let m2 = from(center, 2) - shift * shift * count;
            let m2 = if m2 < 0.0 { 0.0 } else { m2 };
            let variance = m2 / (count - 1.0).max(0.0);
            let variance = if count == 0.0 { f64::NAN } else { variance };
            let ddof = Ddof::new(1.0);
            for (kind, expected) in [
                (
                    ReduceKind::Sum,
                    if n == 0 || masked || skip_nan {
                        sum + 0.0
                    } else {
                        sum
                    },
                ),
                (ReduceKind::Mean, mean),
                (ReduceKind::Var { ddof }, variance),
                (ReduceKind::Std { ddof }, variance.sqrt()),
            ] {
                for level in Level::available() {
                    let op = ReduceOp { kind, skip_nan };
                    let fold = fold(op, T::DTYPE, masked, level).unwrap();
                    assert_eq!(Some(fold.output()), op.output(T::DTYPE));
                    let mask = masked.then_some(&mask[..]);
                    let got = as_f64(piece(&*fold, &how, &data, mask).unwrap());
                    let expected = as_f64(table::cast(expected.to_scalar(), fold.output()));
                    let what = op.name();
                    assert!(
                        close(got, expected),
                        "{what} {} n {n} masked {masked} {level:?}: {got}, not {expected}",
                        T::DTYPE
                    );
                }
            }
        }
    }
}

#[test]
fn moments_follow_the_order() {
    check_moments::<f64>(false);
    check_moments::<f64>(true);
    check_moments::<f32>(false);
    check_moments::<f32>(true);
    check_moments::<i32>(false);
    check_moments::<u8>(false);
    check_moments::<bool>(false);
}

/// Reductions that do not depend on the order, of any type.
fn check_exact<T: Element + CastToAll>(with_nan: bool) {
    for (how, n) in cases() {
        let data: Vec<T> = values(n)
            .iter()
            .enumerate()
            .map(|(i, &x)| {
                if with_nan && i % 50 == 41 {
                    f64::NAN
                } else {
                    (x * 3.0).round()
                }
            })
            .map(|x| T::from_scalar(table::cast(x.to_scalar(), T::DTYPE)).unwrap())
            .collect();
        let mask: Vec<bool> = (0..n).map(keep).collect();
        for (masked, skip_nan) in [(false, false), (true, false), (false, true), (true, true)] {
            let kept: Vec<(usize, f64)> = data
                .iter()
                .map(|&x| as_f64(x.to_scalar()))
                .enumerate()
                .filter(|&(i, x)| (!masked || keep(i)) && !(skip_nan && x.is_nan()))
                .collect();
            let nan = kept.iter().position(|(_, x)| x.is_nan());
            let least = nan.map(|at| kept[at]).or(kept
                .iter()
                .copied()
                .reduce(|a, b| if b.1 < a.1 { b } else { a }));
            let most = nan.map(|at| kept[at]).or(kept
                .iter()
                .copied()
                .reduce(|a, b| if b.1 > a.1 { b } else { a }));
            let skips = skip_nan && (T::DTYPE.is_float() || T::DTYPE.is_complex());
            let empty = if skips && n > 0 { Some(f64::NAN) } else { None };
            let nonzero = kept.iter().filter(|(_, x)| *x != 0.0).count();
            for (kind, expected) in [
                (ReduceKind::Min, least.map(|x| x.1).or(empty)),
                (ReduceKind::Max, most.map(|x| x.1).or(empty)),
                (ReduceKind::ArgMin, least.map(|x| x.0 as f64)),
                (ReduceKind::ArgMax, most.map(|x| x.0 as f64)),
                (ReduceKind::Any, Some((nonzero > 0) as u8 as f64)),
                (ReduceKind::All, Some((nonzero == kept.len()) as u8 as f64)),
                (ReduceKind::CountNonzero, Some(nonzero as f64)),
            ] {
                for level in Level::available() {
                    let op = ReduceOp { kind, skip_nan };
                    let fold = fold(op, T::DTYPE, masked, level).unwrap();
                    let mask = masked.then_some(&mask[..]);
                    let got = piece(&*fold, &how, &data, mask).ok().map(as_f64);
                    let same = match (got, expected) {
                        (Some(a), Some(b)) => a == b || a.is_nan() && b.is_nan(),
                        (a, b) => a.is_none() && b.is_none(),
                    };
                    assert!(
                        same,
                        "{} {} n {n} masked {masked} {level:?}: {got:?}, not {expected:?}",
                        op.name(),
                        T::DTYPE
                    );
                }
            }
        }
    }
}

#[test]
fn extremes_places_and_counts() {
    check_exact::<f64>(false);
    check_exact::<f64>(true);
    check_exact::<f32>(true);
    check_exact::<i8>(false);
    check_exact::<u16>(false);
    check_exact::<i64>(false);
    check_exact::<bool>(false);
}

#[test]
fn norms_and_products() {
    let data = [3.0f32, -4.0, 0.0];
    for level in Level::available() {
        let get = |kind| {
            let fold = fold(ReduceOp::new(kind), DType::F32, false, level).unwrap();
            piece(&*fold, &Piece::Run, &data, None).unwrap()
        };
        assert_eq!(get(ReduceKind::Norm(Norm::One)), Scalar::F32(7.0));
        assert_eq!(get(ReduceKind::Norm(Norm::Two)), Scalar::F32(5.0));
        assert_eq!(get(ReduceKind::Norm(Norm::Max)), Scalar::F32(4.0));
        assert_eq!(get(ReduceKind::Prod), Scalar::F32(-0.0));
    }
}

/// Against exact integers: with values far from 0, and with a first one far from the others.
#[test]
fn variances_lose_few_bits() {
    let near = |i: usize| (i * 7919 % 101) as i64;
    let far_from_zero = |i: usize| (1 << 40) + near(i);
    let far_first = |i: usize| if i == 0 { 1 << 30 } else { near(i) };
    let far_last = |i: usize| if i == 127 { 1 << 30 } else { near(i) };
    let cases: [(&dyn Fn(usize) -> i64, f64); 4] = [
        (&near, 8.0),
        (&far_from_zero, 8.0),
        (&far_first, 2.0 * RUN as f64),
        (&far_last, 8.0),
    ];
    for (value, most) in cases {
        for (how, n) in [
            (Piece::Run, RUN),
            (Piece::Run, 250),
            (Piece::Rows(3, 3), ROWS),
        ] {
            let values: Vec<i64> = (0..n).map(value).collect();
            let sum: i128 = values.iter().map(|&x| x as i128).sum();
            let squares: i128 = values.iter().map(|&x| (x as i128).pow(2)).sum();
            let count = n as i128;
            let exact = (count * squares - sum * sum) as f64 / (count * (count - 1)) as f64;
            let data: Vec<f64> = values.iter().map(|&x| x as f64).collect();
            for level in Level::available() {
                let ddof = Ddof::new(1.0);
                let op = ReduceOp {
                    kind: ReduceKind::Var { ddof },
                    skip_nan: false,
                };
                let fold = fold(op, DType::F64, false, level).unwrap();
                let got = as_f64(piece(&*fold, &how, &data, None).unwrap());
                let error = (got / exact - 1.0).abs() / f64::EPSILON;
                assert!(error <= most, "{n} values, {level:?}: {got}, not {exact}");
            }
        }
    }
}

/// As NumPy: a spread whose square no number holds is infinite; of infinite values there is none.
#[test]
fn variances_overflow_to_infinity() {
    for how in [Piece::Run, Piece::Rows(3, 3)] {
        for (far, expected) in [(1e200, f64::INFINITY), (f64::INFINITY, f64::NAN)] {
            for place in [0, 1, 77] {
                let mut data = values(100);
                data[place] = far;
                for level in Level::available() {
                    let ddof = Ddof::new(0.0);
                    let op = ReduceOp {
                        kind: ReduceKind::Var { ddof },
                        skip_nan: false,
                    };
                    let fold = fold(op, DType::F64, false, level).unwrap();
                    let got = as_f64(piece(&*fold, &how, &data, None).unwrap());
                    assert!(close(got, expected), "{far} at {place}, {level:?}: {got}");
                }
            }
        }
    }
}

#[test]
fn complex_sums_and_variances() {
    let data = [
        Complex::new(1.0f32, 2.0),
        Complex::new(3.0, -2.0),
        Complex::new(2.0, 3.0),
    ];
    let op = ReduceOp::new(ReduceKind::Mean);
    let fold_of = |op| fold(op, DType::Complex64, false, Level::Portable).unwrap();
    let mean = piece(&*fold_of(op), &Piece::Run, &data, None).unwrap();
    assert_eq!(mean, Scalar::Complex64(Complex::new(2.0, 1.0)));
    let op = ReduceOp::new(ReduceKind::Var {
        ddof: Ddof::new(0.0),
    });
    let variance = piece(&*fold_of(op), &Piece::Rows(3, 3), &data, None).unwrap();
    assert_eq!(variance, Scalar::F32((2.0 + 10.0 + 4.0) / 3.0));
    assert!(
        fold(
            ReduceOp::new(ReduceKind::Max),
            DType::Complex64,
            false,
            Level::Portable
        )
        .is_none()
    );
}

#[test]
fn integers_wrap_in_64_bits() {
    let op = ReduceOp::new(ReduceKind::Sum);
    let sum = fold(op, DType::I64, false, Level::Portable).unwrap();
    let got = piece(&*sum, &Piece::Run, &[i64::MAX, 2], None).unwrap();
    assert_eq!(got, Scalar::I64(i64::MIN + 1));
    let sum = fold(op, DType::U8, false, Level::Portable).unwrap();
    let got = piece(&*sum, &Piece::Rows(3, 3), &[255u8, 255], None).unwrap();
    assert_eq!(got, Scalar::U64(510));
}

#[test]
fn runs_at_once_are_those_one_by_one() {
    let data = values(2 * 5 * RUN);
    let mask: Vec<bool> = (0..data.len()).map(keep).collect();
    let kinds = [
        ReduceKind::Sum,
        ReduceKind::Max,
        ReduceKind::Norm(Norm::Two),
        ReduceKind::Mean,
    ];
    let all: &[&[usize]] = &[
        &[RUN, 2 * RUN, 3 * RUN, 4 * RUN, 4 * RUN + 7],
        &[RUN, 2 * RUN],
        &[100, 200, 300, 301, 401],
        &[3, 6, 9],
        &[0, 0],
        &[70, 140, 210],
    ];
    for kind in kinds {
        for level in Level::available() {
            let fold = fold(ReduceOp::new(kind), DType::F64, false, level).unwrap();
            for (ends, masked) in all.iter().flat_map(|ends| [(ends, false), (ends, true)]) {
                let rows = |first: usize, rows: usize, width: usize| Rows {
                    values: data[first..].as_ptr().cast(),
                    mask: match masked {
                        true => mask[first..].as_ptr().cast(),
                        false => std::ptr::null(),
                    },
                    stride: 5 * RUN as isize,
                    mask_stride: 5 * RUN as isize,
                    rows,
                    width,
                };
                let n = ends.len();
                // Two rows, whose states have one in between.
                let (mut at_once, mut each) = (fold.states(2 * n + 2), fold.states(2 * n + 2));
                // SAFETY: rows of five runs and more, and states for all of them.
                unsafe {
                    fold.runs(&rows(0, 2, ends[n - 1]), ends, 0, &mut at_once, 1, n + 1);
                    for (r, i) in (0..2).flat_map(|r| (0..n).map(move |i| (r, i))) {
                        let start = if i == 0 { 0 } else { ends[i - 1] };
                        let len = ends[i] - start;
                        let run = rows(r * 5 * RUN + start, 1, len);
                        fold.runs(
                            &run,
                            &[len],
                            start as i64,
                            &mut each,
                            1 + r * (n + 1) + i,
                            1,
                        );
                    }
                }
                for at in 0..2 * n + 2 {
                    let value = |states: &States| result(&*fold, states, at, 1).map(as_f64);
                    match (value(&at_once), value(&each)) {
                        (Ok(a), Ok(b)) => {
                            assert_eq!(a.to_bits(), b.to_bits(), "{kind:?} {level:?} {ends:?}");
                        }
                        (a, b) => assert_eq!(a.is_err(), b.is_err()),
                    }
                }
            }
        }
    }
}

#[test]
fn merged_pieces_are_close_to_the_whole() {
    let data = values(4 * RUN);
    for kind in [
        ReduceKind::Mean,
        ReduceKind::Var {
            ddof: Ddof::new(0.0),
        },
        ReduceKind::Max,
        ReduceKind::ArgMin,
    ] {
        let fold = fold(ReduceOp::new(kind), DType::F64, false, Level::Portable).unwrap();
        let mut states = fold.states(4);
        for i in 0..4 {
            // SAFETY: the data has four runs.
            unsafe {
                let run = Rows {
                    values: data.as_ptr().add(i * RUN).cast(),
                    width: RUN,
                    ..Rows::none(1)
                };
                fold.runs(&run, &[RUN], (i * RUN) as i64, &mut states, i, 1);
            }
        }
        // In halves, in a group, and with states of their own.
        let mut halves = fold.states(4);
        fold.copy(&states, 0, &mut halves, 0, 4);
        fold.merge_halves(&mut halves, 2);
        fold.merge_halves(&mut halves, 1);
        let mut group = fold.states(4);
        fold.copy(&states, 0, &mut group, 0, 4);
        fold.merge_groups(&mut group, 1, 4);
        let mut right = fold.states(2);
        fold.copy(&states, 2, &mut right, 0, 2);
        fold.merge(&mut states, &mut right, 2);
        fold.copy(&states, 1, &mut right, 0, 1);
        fold.merge(&mut states, &mut right, 1);
        let value = |states: &States| as_f64(result(&*fold, states, 0, data.len() as u64).unwrap());
        let got = value(&states);
        for other in [value(&halves), value(&group)] {
            assert!(
                (got - other).abs() <= 1e-12 * got.abs(),
                "{kind:?}: {got}, {other}"
            );
        }
        let mean = data.iter().sum::<f64>() / data.len() as f64;
        let expected = match kind {
            ReduceKind::Mean => mean,
            ReduceKind::Var { .. } => {
                data.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / data.len() as f64
            }
            ReduceKind::Max => data.iter().copied().fold(f64::MIN, f64::max),
            _ => (0..data.len())
                .min_by(|&i, &j| data[i].total_cmp(&data[j]))
                .unwrap() as f64,
        };
        assert!(
            (got - expected).abs() <= 1e-12 * expected.abs(),
            "{kind:?}: {got}, not {expected}"
        );
    }
}

#[test]
fn reset_gives_identities_again() {
    let fold = fold(
        ReduceOp::new(ReduceKind::Sum),
        DType::F64,
        false,
        Level::Portable,
    )
    .unwrap();
    assert_eq!(fold.state_bytes(), 8);
    let mut states = fold.states(2);
    let data = [5.0f64; 4];
    let rows = Rows {
        values: data.as_ptr().cast(),
        stride: 2,
        width: 2,
        ..Rows::none(2)
    };
    let numbers = Numbers {
        first: 0,
        step: 1,
        lane: 2,
    };
    // SAFETY: two rows of two values.
    unsafe { fold.rows(&rows, numbers, &mut states, 0) };
    assert_eq!(result(&*fold, &states, 1, 2).unwrap(), Scalar::F64(10.0));
    fold.reset(&mut states, 2);
    assert_eq!(result(&*fold, &states, 1, 0).unwrap(), Scalar::F64(0.0));
}

/// The largest distance between neighbours, which needs first and last values in its state.
struct Jump;

impl Reducer<i32> for Jump {
    type State = Option<(i32, i32, i32)>;
    type Output = i64;

    fn identity(&self) -> Self::State {
        None
    }
    fn step(&self, state: &mut Self::State, value: i32) {
        self.merge(state, &Some((value, value, 0)));
    }
    fn merge(&self, left: &mut Self::State, right: &Self::State) {
        *left = match (*left, *right) {
            (Some((a, b, x)), Some((c, d, y))) => Some((a, d, x.max(y).max((c - b).abs()))),
            (left, right) => left.or(right),
        };
    }
    fn finish(&self, state: &Self::State) -> i64 {
        state.map_or(-1, |(_, _, jump)| jump.into())
    }
}

#[test]
fn custom_reducers_keep_the_order() {
    let fold = custom::<i32, Jump>(Arc::new(Jump));
    let data = [1, 2, 9, 3, 4];
    for how in [Piece::Run, Piece::Rows(4, 2)] {
        assert_eq!(piece(&*fold, &how, &data, None).unwrap(), Scalar::I64(7));
        let mask = [true, true, false, true, true];
        assert_eq!(
            piece(&*fold, &how, &data, Some(&mask)).unwrap(),
            Scalar::I64(1)
        );
    }
    assert_eq!(
        piece::<i32>(&*fold, &Piece::Run, &[], None).unwrap(),
        Scalar::I64(-1)
    );
}

/// Values in which there is what the fast formulas of extremes do not decide.
fn awkward(n: usize) -> Vec<f64> {
    let mut values = values(n);
    for (i, value) in values.iter_mut().enumerate() {
        match i % 97 {
            3 | 40 => *value = 0.0,
            5 | 41 => *value = -0.0,
            11 => *value = f64::INFINITY,
            13 => *value = f64::NEG_INFINITY,
            // Rarely: a column with a NaN keeps it.
            50 if i % 5 == 0 => *value = f64::NAN,
            51 if i % 7 == 0 => *value = -f64::NAN,
            // Columns of which one zero or the other wins.
            20.. if (i / 8) % 3 == 0 => *value = value.abs(),
            20.. if (i / 8) % 3 == 1 => *value = -value.abs(),
            _ => {}
        }
    }
    values
}

#[test]
fn folds_together_are_folds_one_by_one() {
    let kinds = [
        ReduceKind::Mean,
        ReduceKind::Min,
        ReduceKind::Max,
        ReduceKind::Std {
            ddof: Ddof::new(1.0),
        },
    ];
    for level in Level::available() {
        let Some(fold_all) = together(level) else {
            assert_eq!(level, Level::Portable);
            continue;
        };
        for (rows, width, stride) in [
            (1, 1, 1),
            (8, 5, 5),
            (31, 67, 70),
            (64, 4, 9),
            (7, 130, 130),
        ] {
            for chosen in 1u32..16 {
                let fold_of = |i: usize| {
                    let op = ReduceOp {
                        kind: kinds[i],
                        skip_nan: false,
                    };
                    fold(op, DType::F64, false, level).unwrap()
                };
                let is_chosen = |i: &usize| chosen >> i & 1 == 1;
                let folds: Vec<Arc<dyn Fold>> =
                    (0..kinds.len()).filter(is_chosen).map(fold_of).collect();
                let data = awkward(rows * stride);
                let some = |from: usize, rows: usize| Rows {
                    values: data[from * stride..].as_ptr().cast(),
                    stride: stride as isize,
                    rows,
                    width,
                    ..Rows::none(1)
                };
                // In two parts, and not into the first states.
                let parts = [(0, rows / 3), (rows / 3, rows - rows / 3)];
                let states = || folds.iter().map(|fold| fold.states(width + 3));
                let mut at_once: Vec<States> = states().collect();
                let mut single: Vec<States> = states().collect();
                for (from, rows) in parts {
                    let mut columns: Vec<Columns<'_>> = folds
                        .iter()
                        .zip(&mut at_once)
                        .map(|(fold, states)| fold.columns(states).unwrap())
                        .collect();
                    // SAFETY: the rows lie within the data, and there are states for all columns.
                    unsafe { fold_all(&some(from, rows), &mut columns, 2) };
                    for (fold, states) in folds.iter().zip(&mut single) {
                        let numbers = Numbers {
                            first: 0,
                            step: 1,
                            lane: width,
                        };
                        // SAFETY: as above.
                        unsafe { fold.rows(&some(from, rows), numbers, states, 2) };
                    }
                }
                for (fold, mut states) in folds.iter().zip(at_once.into_iter().zip(single)) {
                    let mut results = [vec![0f64; width], vec![0f64; width]];
                    for (states, results) in
                        [&mut states.0, &mut states.1].into_iter().zip(&mut results)
                    {
                        fold.seal(states, width + 3);
                        let out = results.as_mut_ptr().cast();
                        // SAFETY: there is room for the results.
                        unsafe { fold.finish(states, 2, width, rows as u64, out) }.unwrap();
                    }
                    // Which of two NaNs a sum becomes is open.
                    let bits = |x: &f64| if x.is_nan() { u64::MAX } else { x.to_bits() };
                    let results = results.map(|all| all.iter().map(bits).collect::<Vec<u64>>());
                    assert_eq!(results[0], results[1], "{level:?} {rows} {width} {chosen}");
                }
            }
        }
    }
}
