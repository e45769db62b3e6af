//! NumPy's answers about every operation and element type, at the values where implementations differ.
//!
//! `generate.py` has written them; nothing here needs Python.

mod cases;
mod compare;
mod elementwise;
mod layout;
mod products;
mod reductions;

use cases::{Case, Vectors};
use compare::{Tolerance, difference};
use flagstone::AnyArray;

/// Blocks of everything, and blocks of nearly nothing.
const CHUNKS: [usize; 2] = [1000, 2];

/// Runs the cases that `apply` knows; the others belong to another test.
fn check(
    at_least: usize,
    apply: impl Fn(&Case, &Vectors, usize) -> Option<AnyArray>,
    tolerance: impl Fn(&Case, &Vectors) -> Tolerance,
) {
    let vectors = Vectors::read();
    let mut count = 0;
    let mut wrong = Vec::new();
    for case in cases::all() {
        for chunk in CHUNKS {
            let Some(result) = apply(&case, &vectors, chunk) else {
                continue;
            };
            count += 1;
            if let Some(what) = difference(&case, &vectors, &result, tolerance(&case, &vectors)) {
                wrong.push(format!("{}\n    in chunks of {chunk}: {what}", case.line));
            }
        }
    }
    assert!(count >= at_least, "only {count} cases were found");
    assert!(
        wrong.is_empty(),
        "{} of {count} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn elementwise_operations() {
    check(1_000, elementwise::apply, |case, _| {
        elementwise::tolerance(case)
    });
}

#[test]
fn reductions_over_axes() {
    check(3_500, reductions::apply, reductions::tolerance);
}

#[test]
fn views_and_layout() {
    check(200, layout::apply, |_, _| Tolerance::Exact);
}

#[test]
fn products_of_arrays() {
    check(1_500, products::apply, products::tolerance);
}

#[test]
fn every_case_is_checked() {
    let vectors = Vectors::read();
    let unknown: Vec<String> = cases::all()
        .into_iter()
        .filter(|case| {
            elementwise::apply(case, &vectors, 1000).is_none()
                && reductions::apply(case, &vectors, 1000).is_none()
                && layout::apply(case, &vectors, 1000).is_none()
                && products::apply(case, &vectors, 1000).is_none()
                // There is no form that both skips NaN and takes `ddof`.
                && !(case.operation.starts_with("nan") && case.parameter("ddof").is_some())
        })
        .map(|case| case.line)
        .collect();
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
}
