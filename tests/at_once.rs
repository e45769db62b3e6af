//! Computations that are too small to be planned: the same bits, the same errors, and nothing that was promised is left
//! out.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flagstone::{Array, Cancel, Element, Engine, Event, Observer, Rule, keep, s};

/// Plans everything.
fn planning() -> Engine {
    Engine::builder()
        .without(Rule::ComposeViews)
        .build()
        .unwrap()
}

/// The same with and without a plan, by the shortest digits that tell numbers apart.
fn same<T: Element + Debug>(what: &str, array: &Array<T>) {
    let text = |engine: &Engine| match engine.compute(array) {
        Ok(values) => format!(
            "{:?} {:?}",
            values.shape(),
            values.iter().collect::<Vec<_>>()
        ),
        Err(error) => error.to_string(),
    };
    assert_eq!(
        text(&Engine::global().unwrap()),
        text(&planning()),
        "{what}"
    );
}

fn vector(numbers: Vec<f64>) -> Array<f64> {
    Array::from_ndarray(ndarray::Array1::from(numbers), ..)
}

fn floats(n: usize) -> Array<f64> {
    let numbers = (0..n).map(|i| match i % 11 {
        3 => f64::NAN,
        5 => -0.0,
        7 => f64::INFINITY,
        _ => (i as f64 * 1.37).sin() * 1e3 / (1 + i % 5) as f64,
    });
    vector(numbers.collect::<Vec<f64>>())
}

#[test]
fn operations_of_any_operands_have_the_bits_of_planned_ones() {
    for n in [1, 2, 7, 64, 100, 255, 256, 257] {
        let x = floats(n);
        let y = vector((0..n).map(|i| 0.3 + i as f64).collect());
        same("forms", &((&x - 1.5) * &y / (2.0 - &x) + (3.0 / &y)));
        same("functions", &(x.sin() + y.exp().sqrt() - y.power(&x)));
        same("compared", &x.lt(&y));
        same("cast", &(x.cast::<f32>() * 2.0_f32).cast::<i64>());
        same("constants", &((Array::<f64>::ones([n], ..) + 0.1) * 3.0));
        same("centered", &(&y - &y.mean(..)).square());
        same("a mean alone", &(y.mean(..) * 2.0));
        same(
            "a constant beside",
            &(&y + Array::<f64>::full([n], 0.7, ..)),
        );
    }
}

#[test]
fn reductions_have_the_bits_of_planned_ones() {
    for shape in [
        [1, 1],
        [1, 9],
        [10, 10],
        [16, 16],
        [2, 100],
        [256, 1],
        [257, 1],
        [20, 20],
    ] {
        let n = shape[0] * shape[1];
        let numbers = (0..n).map(|i| (i as f64 * 0.77).sin() / 3.0);
        let x = vector(numbers.collect::<Vec<f64>>()).reshape(shape);
        for x in [x.clone(), x.rechunk([3, 4]), floats(n).reshape(shape)] {
            same("sum", &x.sum(..));
            same("kept", &x.mean(keep(..)));
            same("std", &(&x + 1.0).std(..));
            same("least", &x.min(..));
            same("where", &x.argmax(..));
            same("rows", &x.sum(1));
            same("columns", &x.max(0));
            same("without NaN", &x.nansum(..));
            same("integers", &(x.floor().cast::<i32>().sum(..)));
            same(
                "constant",
                &(Array::<f64>::full(shape, 0.1, ..) * 1.0).sum(..),
            );
            same("then more", &(x.sum(..) / x.std(..) + &x));
        }
    }
}

#[test]
fn views_are_what_they_show() {
    let x = floats(60).reshape([6, 10]);
    same("turned", &(x.t() + 1.0));
    same("sliced", &(x.slice(s![1..4, ..;2]) * 2.0));
    same("broadcast", &(&x + &x.slice(s![0, ..])));
    same("one element for all", &(&x + &x.slice(s![2, 3])));
    same(
        "a view of constants",
        &Array::<f64>::full([6, 10], 0.3, ..).t(),
    );
    let turned =
        ndarray::Array2::from_shape_fn((5, 7), |(i, j)| (i * 7 + j) as f64).reversed_axes();
    same(
        "memory in another order",
        &(Array::from_ndarray(turned, ..) + 0.5),
    );
}

#[test]
fn errors_are_those_of_plans() {
    let none = Array::<f64>::ones([0], ..);
    same("the least of none", &none.min(..));
    same(
        "the least of no numbers",
        &vector(vec![f64::NAN; 3]).nanmin(..),
    );
    same("shapes", &(floats(3) + floats(4)));
}

#[test]
fn small_ones_are_one_task_unless_somebody_looks() {
    let y = (vector(vec![1.0, 2.0, 3.0]) + 1.0).sum(..);
    let (sum, report) = Engine::global().unwrap().measure(&y).unwrap();
    assert_eq!((sum.sum(), report.tasks, report.bytes_read), (9.0, 1, 24));
    assert!(report.held_peak_bytes <= report.planned_peak_bytes);

    struct Tasks(AtomicUsize);
    impl Observer for Tasks {
        fn event(&self, event: &Event) {
            if matches!(event, Event::Finished { .. }) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    let seen = Arc::new(Tasks(AtomicUsize::new(0)));
    let observed = Engine::builder().observer(seen.clone()).build().unwrap();
    assert_eq!(observed.item(&y).unwrap(), 9.0);
    assert_ne!(seen.0.load(Ordering::Relaxed), 0);

    let cancel = Cancel::new();
    let cancelled = Engine::global().unwrap().cancelled_by(&cancel);
    cancel.cancel();
    assert!(cancelled.compute(&y).unwrap_err().is_cancelled());
}

#[test]
fn budgets_that_are_too_small_are_refused_as_before() {
    let engine = Engine::builder().memory(1_u64).build().unwrap();
    assert!(engine.compute(&floats(100).square()).is_err());
}
