//! How often things are computed and read, counted in functions and sources.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flagstone::{Array, Engine, Rule, compute};

const SHAPE: [usize; 2] = [300, 400];
const SIZE: usize = SHAPE[0] * SHAPE[1];

/// An array whose elements are counted as they are computed.
fn counted() -> (Array<f64>, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = calls.clone();
    let x = Array::from_fn(SHAPE, [64, 100], move |[i, j]| {
        seen.fetch_add(1, Ordering::Relaxed);
        (i * 3 + j) as f64
    });
    (x, calls)
}

#[test]
fn several_results_share_what_is_dear() {
    let (x, calls) = counted();
    // Different axes: two stages, which no single pass can feed without holding blocks.
    compute((x.mean(0), x.std(1), x.sum(..))).unwrap();
    assert_eq!(calls.swap(0, Ordering::Relaxed), SIZE);
    compute((&x, x.mean(0))).unwrap();
    assert_eq!(calls.swap(0, Ordering::Relaxed), SIZE);
    compute((x.mean(0), x.std(0), x.min(0), x.max(0))).unwrap();
    assert_eq!(calls.swap(0, Ordering::Relaxed), SIZE);
    // A function of it, used twice.
    let y = &x * 2.0 + 1.0;
    compute((y.mean(0), y.mean(1))).unwrap();
    assert_eq!(calls.swap(0, Ordering::Relaxed), SIZE);
}

#[test]
fn what_waits_for_a_reduction_is_computed_again_unless_told_otherwise() {
    let (x, calls) = counted();
    let residual = (&x - &x.mean(0)).square().sum(..);
    residual.compute().unwrap();
    assert_eq!(calls.swap(0, Ordering::Relaxed), 2 * SIZE);
    let holding = Engine::builder().without(Rule::Recompute).build().unwrap();
    holding.compute(&residual).unwrap();
    assert_eq!(calls.swap(0, Ordering::Relaxed), SIZE);
}

#[test]
fn a_slice_computes_what_it_shows() {
    let (x, calls) = counted();
    (&x + 1.0)
        .slice(flagstone::s![..10, ..10])
        .compute()
        .unwrap();
    assert_eq!(calls.swap(0, Ordering::Relaxed), 100);
    x.mean(0).slice(flagstone::s![..5]).compute().unwrap();
    assert_eq!(calls.swap(0, Ordering::Relaxed), 5 * SHAPE[0]);
}

#[test]
fn a_matrix_beside_its_transpose_needs_no_more_memory_than_beside_another() {
    let matrix = |shift: f64| {
        let values =
            ndarray::Array2::from_shape_fn((2048, 2048), |(i, j)| (i * 7 + j) as f64 + shift);
        Array::from_ndarray(values, [512, 512])
    };
    let (x, y) = (matrix(0.0), matrix(0.5));
    let least = |sum: &Array<f64>| {
        (12..26).map(|bits| 1u64 << bits).find(|&bytes| {
            let engine = Engine::builder().threads(1).memory(bytes).build().unwrap();
            engine.compute(sum).is_ok()
        })
    };
    let mirrored = least(&(&x + x.t()).sum(..));
    assert!(mirrored.is_some());
    assert!(mirrored <= least(&(&x + y.t()).sum(..)));
}
