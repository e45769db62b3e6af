//! Random expressions: a list of steps, each applied to a twin, on a random configuration.
//!
//! Steps hold plain numbers that are taken modulo whatever there is to choose from, so that every list of
//! steps is an expression and the shrunk ones are, too.

use flagstone::{Engine, Pad, Rule, where_};
use ndarray::{Slice, SliceInfoElem};
use proptest::prelude::*;

use crate::configurations::Check;
use crate::data::numbers;
use crate::reductions::Over;
use crate::twin::Twin;
use crate::value::{Value, Wide};

/// Arrays never grow beyond this; those of large expressions fall into many tasks.
const SMALL: usize = 3000;
const LARGE: usize = 120_000;
const MOST_AXES: usize = 4;

#[derive(Clone, Debug)]
enum Step {
    AddScalar(u8),
    Negate,
    Square,
    /// An operation with an array made earlier in the expression, or with a new one that broadcasts.
    WithEarlier(u8, u8),
    WithNew(u8, u8),
    Choose(u8),
    Slice(u8, u8, u8, i8),
    Index(u8, u8),
    NewAxis(u8),
    Squeeze,
    Permute(u8),
    Flip(u8),
    Roll(u8, i8),
    Stretch(u8, u8),
    Reshape(u8),
    Ravel,
    Take(u8, Vec<i8>),
    Diagonal,
    Pad(u8, u8, u8, u8),
    Concatenate(u8, u8),
    Stack(u8, u8),
    Rechunk(u8),
    MapBlocks,
    MinusMean(u8),
    Reduce(u8, u8, bool),
    FilteredSum(u8, u8),
    Persist,
}

fn step() -> impl Strategy<Value = Step> {
    use Step::*;
    let n = any::<u8>;
    prop_oneof![
        2 => n().prop_map(AddScalar),
        1 => Just(Negate),
        1 => Just(Square),
        3 => (n(), n()).prop_map(|(a, b)| WithEarlier(a, b)),
        3 => (n(), n()).prop_map(|(a, b)| WithNew(a, b)),
        1 => n().prop_map(Choose),
        4 => (n(), n(), n(), -4i8..5).prop_map(|(a, b, c, d)| Slice(a, b, c, d)),
        1 => (n(), n()).prop_map(|(a, b)| Index(a, b)),
        1 => n().prop_map(NewAxis),
        1 => Just(Squeeze),
        2 => n().prop_map(Permute),
        2 => n().prop_map(Flip),
        2 => (n(), any::<i8>()).prop_map(|(a, b)| Roll(a, b)),
        1 => (n(), n()).prop_map(|(a, b)| Stretch(a, b)),
        2 => n().prop_map(Reshape),
        1 => Just(Ravel),
        2 => (n(), prop::collection::vec(any::<i8>(), 0..9)).prop_map(|(a, b)| Take(a, b)),
        1 => Just(Diagonal),
        2 => (n(), n(), n(), n()).prop_map(|(a, b, c, d)| Pad(a, b, c, d)),
        2 => (n(), n()).prop_map(|(a, b)| Concatenate(a, b)),
        1 => (n(), n()).prop_map(|(a, b)| Stack(a, b)),
        2 => n().prop_map(Rechunk),
        1 => Just(MapBlocks),
        2 => n().prop_map(MinusMean),
        2 => (n(), n(), any::<bool>()).prop_map(|(a, b, c)| Reduce(a, b, c)),
        1 => (n(), n()).prop_map(|(a, b)| FilteredSum(a, b)),
        1 => Just(Persist),
    ]
}

fn add<T: Value>(a: T, b: T) -> T {
    // Sums and products of two singles are exact in doubles, up to the one rounding back.
    T::narrow(match (a.wide(), b.wide()) {
        (Wide::Integer(a), Wide::Integer(b)) => Wide::Integer(a.wrapping_add(b)),
        (Wide::Float(a), Wide::Float(b)) => Wide::Float(a + b),
        _ => unreachable!("real types"),
    })
}

fn multiply<T: Value>(a: T, b: T) -> T {
    T::narrow(match (a.wide(), b.wide()) {
        (Wide::Integer(a), Wide::Integer(b)) => Wide::Integer(a.wrapping_mul(b)),
        (Wide::Float(a), Wide::Float(b)) => Wide::Float(a * b),
        _ => unreachable!("real types"),
    })
}

/// NaN if one is NaN; of two zeros the positive one.
fn larger<T: Value>(a: T, b: T) -> T {
    use std::cmp::Ordering::{Equal, Greater, Less};
    match a.order(b) {
        None if a.is_missing() => a,
        None | Some(Less) => b,
        Some(Greater) => a,
        Some(Equal) => match a.wide() {
            Wide::Float(zero) if zero.is_sign_negative() => b,
            _ => a,
        },
    }
}

/// The types whose expressions are tried.
trait Tried:
    Value + flagstone::Arith + flagstone::Ordered + flagstone::Numeric<Sum: Value, Mean: Value>
{
}
impl<T: Value + flagstone::Arith + flagstone::Ordered + flagstone::Numeric<Sum: Value, Mean: Value>>
    Tried for T
{
}

fn combine<T: Tried>(kind: u8, a: &Twin<T>, b: &Twin<T>) -> Twin<T> {
    match kind % 3 {
        0 => a.zip(b, |a, b| a + b, add),
        1 => a.zip(b, |a, b| a * b, multiply),
        _ => a.zip(b, |a, b| a.maximum(b), larger),
    }
}

fn fits(shape: &[usize], most: usize) -> bool {
    shape.len() <= MOST_AXES && shape.iter().product::<usize>() <= most
}

fn chunks_for(shape: &[usize], seed: u8) -> Vec<usize> {
    shape
        .iter()
        .enumerate()
        .map(|(axis, &len)| 1 + (usize::from(seed) * 7 + axis * 13) % len.max(1))
        .collect()
}

/// Shapes that an array can be reshaped to.
fn other_shape(size: usize, seed: u8) -> Vec<usize> {
    let mut left = size;
    let mut shape = Vec::new();
    for turn in 0..3 {
        let divisors: Vec<usize> = (1..=left.min(40))
            .filter(|n| left.is_multiple_of(*n))
            .collect();
        if divisors.is_empty() {
            break;
        }
        let pick = divisors[(usize::from(seed) >> turn) % divisors.len()];
        shape.push(pick);
        left /= pick;
    }
    shape.push(left);
    shape
}

fn axes_of(mask: u8, ndim: usize) -> Vec<usize> {
    (0..ndim).filter(|axis| mask >> axis & 1 == 1).collect()
}

/// One step, or nothing where it has no meaning for the array at hand.
fn apply<T: Tried>(x: &Twin<T>, step: &Step, earlier: &[Twin<T>]) -> Option<Twin<T>> {
    let shape = x.shape().to_vec();
    let ndim = shape.len();
    let axis = |n: u8| (ndim > 0).then(|| usize::from(n) % ndim);
    let number = |n: u8| T::narrow(Wide::Integer(i64::from(n) - 100));
    Some(match step {
        Step::AddScalar(n) => {
            let n = number(*n);
            x.map(move |x| x + n, move |v| add(v, n))
        }
        Step::Negate => {
            let one = T::narrow(Wide::Integer(-1));
            x.map(|x| -x, move |v| multiply(v, one))
        }
        Step::Square => x.map(|x| x.square(), |v| multiply(v, v)),
        Step::WithEarlier(which, kind) => {
            let other = &earlier[usize::from(*which) % earlier.len()];
            if other.shape() != shape {
                return None;
            }
            combine(*kind, x, other)
        }
        Step::WithNew(seed, kind) => {
            // Some axes stretch, some leading ones are missing.
            let skip = usize::from(*seed) % (ndim + 1);
            let other: Vec<usize> = shape[skip..]
                .iter()
                .enumerate()
                .map(|(i, &len)| if seed >> i & 1 == 1 { 1 } else { len })
                .collect();
            let chunks = chunks_for(&other, seed.rotate_left(3));
            combine(*kind, x, &numbers(&other, u64::from(*seed), chunks))
        }
        Step::Choose(n) => {
            let n = number(*n);
            let mask = x.map(
                move |x| x.gt(n),
                move |v| n.order(v) == Some(std::cmp::Ordering::Less),
            );
            mask.zip(
                x,
                move |c, x| where_(c, x, n),
                move |c, v| if c { v } else { n },
            )
        }
        Step::Slice(n, start, len, by) => {
            let axis = axis(*n)?;
            let start = usize::from(*start) % (shape[axis] + 1);
            let end = start + usize::from(*len) % (shape[axis] - start + 1);
            let by = if *by == 0 { 1 } else { isize::from(*by) };
            let mut items = vec![SliceInfoElem::from(..); ndim];
            items[axis] = Slice::new(start as isize, Some(end as isize), by).into();
            x.slice(&items)
        }
        Step::Index(n, at) => {
            let axis = axis(*n)?;
            let mut items = vec![SliceInfoElem::from(..); axis];
            items.push(SliceInfoElem::Index(
                (usize::from(*at) % shape[axis].max(1)) as isize,
            ));
            if shape[axis] == 0 {
                return None;
            }
            x.slice(&items)
        }
        Step::NewAxis(n) => x.expand_dims(usize::from(*n) % (ndim + 1)),
        Step::Squeeze => x.squeeze(),
        Step::Permute(seed) => {
            let mut order: Vec<usize> = (0..ndim).collect();
            order.sort_by_key(|&axis| crate::data::scramble(u64::from(*seed) + 1000 * axis as u64));
            x.permute(&order)
        }
        Step::Flip(mask) => x.flip(&axes_of(*mask, ndim)),
        Step::Roll(n, by) => {
            let axis = axis(*n)?;
            if shape[axis] == 0 {
                return None;
            }
            x.roll(isize::from(*by), axis)
        }
        Step::Stretch(mask, len) => {
            let mut to = shape.clone();
            to.iter_mut()
                .enumerate()
                .filter(|(axis, to)| **to == 1 && mask >> axis & 1 == 1)
                .for_each(|(_, to)| *to = usize::from(*len) % 7);
            if mask & 0x80 != 0 {
                to.insert(0, 2);
            }
            x.broadcast_to(&to)
        }
        Step::Reshape(seed) => x.reshape(&other_shape(x.value.len(), *seed)),
        Step::Ravel => x.ravel(),
        Step::Take(n, places) => {
            let axis = axis(*n)?;
            let len = shape[axis] as isize;
            if len == 0 {
                return None;
            }
            let places: Vec<isize> = places
                .iter()
                .map(|&place| isize::from(place) % len)
                .collect();
            x.take(&places, axis)
        }
        Step::Diagonal if ndim >= 2 => x.diagonal(),
        Step::Diagonal => return None,
        Step::Pad(n, before, after, mode) => {
            let axis = axis(*n)?;
            let mut widths = vec![(0, 0); ndim];
            widths[axis] = (usize::from(*before) % 9, usize::from(*after) % 9);
            let mode = match mode % 4 {
                0 => Pad::Constant(number(*mode)),
                _ if shape[axis] == 0 => return None,
                1 => Pad::Edge,
                2 => Pad::Reflect,
                _ => Pad::Wrap,
            };
            x.pad(&widths, mode)
        }
        Step::Concatenate(n, which) => {
            let axis = axis(*n)?;
            let other = &earlier[usize::from(*which) % earlier.len()];
            let fits = other.shape().len() == ndim
                && (0..ndim).all(|i| i == axis || other.shape()[i] == shape[i]);
            let other = if fits { other.clone() } else { x.flip(&[axis]) };
            Twin::concatenate(&[other, x.clone(), x.clone()], axis)
        }
        Step::Stack(n, which) => {
            let other = &earlier[usize::from(*which) % earlier.len()];
            let other = if other.shape() == shape { other } else { x };
            Twin::stack(&[x.clone(), other.clone()], usize::from(*n) % (ndim + 1))
        }
        Step::Rechunk(seed) => x.rechunk(chunks_for(&shape, *seed)),
        Step::MapBlocks => {
            let mark = |block: ndarray::ArrayViewD<'_, T>| {
                let mark = T::narrow(Wide::Integer(
                    block
                        .shape()
                        .iter()
                        .fold(3, |mark, &len| mark * 5 + len as i64),
                ));
                block.mapv(|v| add(v, mark))
            };
            x.blocks(move |x| x.map_blocks(mark), mark)
        }
        // Rounded to the type itself, as a cast does.
        Step::MinusMean(mask) => {
            let mean = x.mean(&Over::axes(&axes_of(*mask, ndim)).keep());
            let mean = mean.map(
                |mean| -mean.cast::<T>(),
                |v| multiply(T::narrow(v.wide()), T::narrow(Wide::Integer(-1))),
            );
            x.zip(&mean, |x, mean| x + mean, add)
        }
        Step::Reduce(kind, mask, keep) => {
            let axes = axes_of(*mask, ndim);
            let over = if *keep {
                Over::axes(&axes).keep()
            } else {
                Over::axes(&axes)
            };
            let empty = axes.iter().any(|&axis| shape[axis] == 0);
            match kind % 4 {
                0 => x
                    .sum(&over)
                    .map(|sum| sum.cast::<T>(), |v| T::narrow(v.wide())),
                1 if !empty => x.max(&over),
                2 if !empty => x
                    .argmin(&over)
                    .map(|place| place.cast::<T>(), |v| T::narrow(v.wide())),
                _ => x
                    .count_nonzero(&over)
                    .map(|count| count.cast::<T>(), |v| T::narrow(v.wide())),
            }
        }
        Step::FilteredSum(n, mask) => {
            let n = number(*n);
            let keep = x.map(
                move |x| x.lt(n),
                move |v| v.order(n) == Some(std::cmp::Ordering::Less),
            );
            let over = Over::axes(&axes_of(*mask, ndim)).keep().filter(&keep);
            x.sum(&over)
                .map(|sum| sum.cast::<T>(), |v| T::narrow(v.wide()))
        }
        Step::Persist => Twin {
            lazy: x.lazy.persist().expect("what was built computes"),
            value: x.value.clone(),
        },
    })
}

fn build<T: Tried>(shape: &[usize], seed: u8, steps: &[Step], most: usize) -> Twin<T> {
    let mut x = numbers::<T>(shape, u64::from(seed), chunks_for(shape, seed));
    let mut earlier = vec![x.clone()];
    for step in steps {
        let Some(next) = apply(&x, step, &earlier) else {
            continue;
        };
        if fits(next.shape(), most) {
            let lazy = next
                .lazy
                .check()
                .unwrap_or_else(|error| panic!("{step:?}: {error}"));
            assert_eq!(lazy.shape(), next.shape(), "{step:?}");
            x = next;
            earlier.push(x.clone());
        }
    }
    x
}

#[derive(Clone, Debug)]
struct Setting {
    threads: usize,
    /// One bit for each rule that is left out.
    without: u16,
    tight: bool,
}

fn engine(setting: &Setting, memory: u64) -> Engine {
    let off = Rule::ALL
        .iter()
        .enumerate()
        .filter(|(bit, _)| setting.without >> bit & 1 == 1);
    let builder = Engine::builder().threads(setting.threads).memory(memory);
    off.fold(builder, |builder, (_, &rule)| builder.without(rule))
        .build()
        .unwrap()
}

fn agrees<T: Tried>(shape: &[usize], seed: u8, steps: &[Step], setting: &Setting, most: usize) {
    let twin = build::<T>(shape, seed, steps, most);
    let ample = engine(setting, 1 << 30);
    let floor = twin.floor(&ample).unwrap();
    // At its floor it must run; with less in smaller tasks, or not at all.
    for memory in if setting.tight {
        vec![floor, floor / 2]
    } else {
        vec![1 << 30]
    } {
        match twin.run(&engine(setting, memory)) {
            Ok((difference, report)) => {
                assert_eq!(difference, None, "{}", twin.lazy.explain().unwrap());
                assert!(report.held_peak_bytes <= report.planned_peak_bytes);
                assert!(report.planned_peak_bytes <= memory);
            }
            Err(error) => assert!(
                error.is_memory() && memory < floor,
                "{error} with {memory} of {floor}"
            ),
        }
    }
}

fn shapes() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        6 => prop::collection::vec(1usize..12, 1..4),
        1 => prop::collection::vec(0usize..4, 0..4),
        1 => (20usize..300).prop_map(|len| vec![len, 7]),
        1 => (20usize..300).prop_map(|len| vec![7, len]),
    ]
}

fn settings() -> impl Strategy<Value = Setting> {
    let without = prop_oneof![Just(0u16), Just(u16::MAX), any::<u16>()];
    (
        prop_oneof![Just(1usize), Just(2), Just(7)],
        without,
        any::<bool>(),
    )
        .prop_map(|(threads, without, tight)| Setting {
            threads,
            without,
            tight,
        })
}

fn large_shapes() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        (100usize..300, 100usize..300).prop_map(|(rows, columns)| vec![rows, columns]),
        (20_000usize..50_000).prop_map(|len| vec![len]),
        (5000usize..20_000).prop_map(|len| vec![len, 3]),
        (3usize..9, 30usize..60, 50usize..90).prop_map(|(a, b, c)| vec![a, b, c]),
    ]
}

/// Enough to find what is easy to find; `PROPTEST_CASES` asks for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(400)
}

/// What was found: a value that is spilled and of which some reader needs nothing.
#[test]
fn nothing_is_read_back() {
    let steps = [
        Step::Slice(126, 157, 0, 0),
        Step::WithNew(0, 0),
        Step::Pad(14, 194, 62, 180),
        Step::Slice(56, 42, 108, 3),
        Step::MinusMean(0),
        Step::Concatenate(89, 4),
        Step::Diagonal,
        Step::Slice(0, 157, 52, 0),
    ];
    let setting = Setting {
        threads: 1,
        without: 9380,
        tight: true,
    };
    agrees::<i32>(&[1, 3], 0, &steps, &setting, SMALL);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn of_f64(shape in shapes(), seed: u8, steps in prop::collection::vec(step(), 0..12), setting in settings()) {
        agrees::<f64>(&shape, seed, &steps, &setting, SMALL);
    }

    #[test]
    fn of_f32(shape in shapes(), seed: u8, steps in prop::collection::vec(step(), 0..12), setting in settings()) {
        agrees::<f32>(&shape, seed, &steps, &setting, SMALL);
    }

    #[test]
    fn of_i32(shape in shapes(), seed: u8, steps in prop::collection::vec(step(), 0..12), setting in settings()) {
        agrees::<i32>(&shape, seed, &steps, &setting, SMALL);
    }

    #[test]
    fn of_i8(shape in shapes(), seed: u8, steps in prop::collection::vec(step(), 0..12), setting in settings()) {
        agrees::<i8>(&shape, seed, &steps, &setting, SMALL);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases() / 10, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn of_large_arrays(shape in large_shapes(), seed: u8, steps in prop::collection::vec(step(), 0..8), setting in settings()) {
        agrees::<f64>(&shape, seed, &steps, &setting, LARGE);
    }
}
