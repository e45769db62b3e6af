//! Groups of states against the tree of their order, merge by merge.

use num_complex::Complex;

use super::*;
use crate::base::dtype::DType;
use crate::kernel::level::Level;
use crate::op::reducer::{Ddof, ReduceKind, ReduceOp};
use crate::op::tree::{Counter, Spare};

/// Values of many magnitudes, so that the order of merges shows.
fn values(n: usize) -> Vec<Complex<f64>> {
    let part = |i: usize| (0.7 * i as f64).sin() * 4f64.powi((i * 7 % 11) as i32 - 5);
    (0..n)
        .map(|i| Complex::new(part(i), part(2 * i + 1)))
        .collect()
}

/// States of runs of one to three of the values; some of none.
fn states(fold: &dyn Fold, values: *const u8, size: usize, n: usize) -> States {
    let mut states = fold.states(n);
    for at in 0..n {
        let run = Rows {
            values: values.wrapping_add(at * size),
            width: at * 5 % 4,
            ..Rows::none(1)
        };
        // SAFETY: there are three more values than states.
        unsafe { fold.runs(&run, &[run.width], at as i64, &mut states, at, 1) };
    }
    states
}

/// The bytes of the results of some states.
fn results(fold: &dyn Fold, states: &States, n: usize) -> Vec<u8> {
    let mut out = vec![0; n * fold.output().size()];
    // SAFETY: there is room for the results.
    unsafe { fold.finish(states, 0, n, 9, out.as_mut_ptr()) }.unwrap();
    out
}

#[test]
fn a_group_is_merged_in_the_trees_order() {
    let kinds = [
        ReduceKind::Sum,
        ReduceKind::Prod,
        ReduceKind::Var {
            ddof: Ddof::new(0.0),
        },
    ];
    let complex = values(200);
    let real: Vec<f64> = complex.iter().map(|value| value.re).collect();
    for level in Level::available() {
        for kind in kinds {
            for (dtype, values) in [
                (DType::F64, real.as_ptr().cast()),
                (DType::Complex128, complex.as_ptr().cast()),
            ] {
                let fold = fold(ReduceOp::new(kind), dtype, false, level).unwrap();
                for n in 1..60 {
                    let groups = 1 + n % 3;
                    let mut got = states(&*fold, values, dtype.size(), groups * n);
                    let mut expected = fold.states(groups);
                    for group in 0..groups {
                        let (mut counter, mut spare) = (Counter::default(), Spare::new());
                        let mut merge =
                            |left: &mut States, right: &mut States| fold.merge(left, right, 1);
                        for at in 0..n {
                            let mut one = fold.states(1);
                            fold.copy(&got, group * n + at, &mut one, 0, 1);
                            counter.push(one, &mut spare, &mut merge);
                        }
                        let all = counter.finish(&mut spare, merge).unwrap();
                        fold.copy(&all, 0, &mut expected, group, 1);
                    }
                    fold.merge_groups(&mut got, groups, n);
                    assert_eq!(
                        results(&*fold, &got, groups),
                        results(&*fold, &expected, groups),
                        "{groups} groups of {n} states of {kind:?}, {dtype:?}, {level:?}"
                    );
                }
            }
        }
    }
}
