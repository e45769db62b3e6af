//! Held, computed again, or spilled: by what is estimated to be faster.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flagstone::{Array, Engine, Rule, Store, random};

use crate::source::{Units, Whole};

const SIDE: usize = 1024;
const WHOLE: u64 = (SIDE * SIDE * 8) as u64;

fn engine(memory: u64) -> Engine {
    Engine::builder().threads(2).memory(memory).build().unwrap()
}

fn total(engine: &Engine, x: &Array<f64>) -> f64 {
    engine
        .blocks(x)
        .map(|block| block.unwrap().values().sum())
        .sum()
}

fn counted_blocks() -> (Array<f64>, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = calls.clone();
    let x = Array::<f64>::arange(0.0, (SIDE * SIDE) as f64, 1.0, ..)
        .reshape([SIDE, SIDE])
        .rechunk(64)
        .map_blocks(move |block| {
            seen.fetch_add(1, Ordering::Relaxed);
            &block * 2.0
        });
    (x, calls)
}

/// Blocks in order of a matrix and its transpose: half of it waits.
#[test]
fn blocks_of_a_function_are_spilled() {
    let (x, calls) = counted_blocks();
    let job = &x + x.t();
    let expected = total(&engine(WHOLE * 4), &job);
    assert_eq!(calls.swap(0, Ordering::Relaxed), 256);
    assert_eq!(total(&engine(WHOLE / 4), &job), expected);
    assert_eq!(
        calls.swap(0, Ordering::Relaxed),
        256,
        "each block is made once"
    );
}

#[test]
fn a_residual_of_blocks_of_a_function_is_spilled() {
    let (x, calls) = counted_blocks();
    let job = (&x - &x.mean(0)).square().sum(..);
    let ample = engine(WHOLE * 4);
    let expected = ample.item(&job).unwrap();
    assert_eq!(calls.swap(0, Ordering::Relaxed), 256);
    assert_eq!(ample.explain(&job).unwrap().bytes_spilled(), 0);
    let tight = engine(WHOLE / 4);
    let explained = tight.explain(&job).unwrap();
    assert_eq!(explained.bytes_spilled(), WHOLE, "{explained}");
    let text = explained.to_string();
    assert!(
        text.contains("spilled, 8.0 MiB in the temporary file"),
        "{text}"
    );
    assert!(text.contains("read back map_blocks"), "{text}");
    let (sum, report) = tight.measure(&job).unwrap();
    assert_eq!(sum.sum(), expected);
    assert_eq!(report.bytes_spilled, WHOLE);
    assert!(report.held_peak_bytes <= WHOLE / 4);
    assert_eq!(calls.swap(0, Ordering::Relaxed), 256);
}

/// A few nanoseconds an element: twice that is less than the way to the disk.
#[test]
fn a_cheap_generator_is_computed_again() {
    let x = random::Generator::new(7).normal::<f64>([SIDE, SIDE], 64);
    let job = &x + x.t();
    let explain = |memory| {
        let sink = Arc::new(Whole::new(&[SIDE, SIDE]));
        engine(memory)
            .explain_stores(&[Store::to_sink(&job, sink).unwrap()])
            .unwrap()
    };
    assert_eq!(explain(WHOLE * 4).bytes_spilled(), 0);
    assert_eq!(explain(WHOLE / 4).bytes_spilled(), 0);
    assert_eq!(
        total(&engine(WHOLE / 4), &job),
        total(&engine(WHOLE * 4), &job)
    );
}

/// Of a function of places nobody knows what it costs: where it would be held, it is spilled.
#[test]
fn a_function_of_places_is_spilled() {
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = calls.clone();
    let x = Array::from_fn([SIDE, SIDE], 64, move |[i, j]| {
        seen.fetch_add(1, Ordering::Relaxed);
        (i * 3 + j) as f64
    });
    let x = &x + 1.0;
    let job = &x + x.t();
    let expected = total(&engine(WHOLE * 4), &job);
    assert_eq!(calls.swap(0, Ordering::Relaxed), SIDE * SIDE);
    assert_eq!(total(&engine(WHOLE / 2), &job), expected);
    assert_eq!(calls.swap(0, Ordering::Relaxed), SIDE * SIDE);
    // Without the disk it is called again.
    let diskless = Engine::builder()
        .threads(2)
        .memory(WHOLE / 2)
        .without(Rule::Spill)
        .build()
        .unwrap();
    assert_eq!(total(&diskless, &job), expected);
    assert_eq!(calls.swap(0, Ordering::Relaxed), 2 * SIDE * SIDE);
}

/// Dear functions one on another: once, and then to the disk.
#[test]
fn a_dear_function_is_spilled() {
    let mut x = Array::<f64>::linspace(0.1, 1.0, SIDE * SIDE, ..)
        .reshape([SIDE, SIDE])
        .rechunk(64);
    for _ in 0..20 {
        x = (x.sin() + 1.0).log().tan().atan();
    }
    let job = (&x - &x.mean(0)).square().sum(..);
    let ample = engine(WHOLE * 4);
    let explained = ample.explain(&job).unwrap();
    assert_eq!(explained.bytes_spilled(), 0);
    let tight = engine(WHOLE / 2);
    let explained = tight.explain(&job).unwrap();
    assert_eq!(explained.bytes_spilled(), WHOLE, "{explained}");
    assert_eq!(
        tight.item(&job).unwrap().to_bits(),
        ample.item(&job).unwrap().to_bits()
    );
}

/// Reductions of a source: as many passes as there must be, in any memory.
#[test]
fn passes_over_units() {
    let source = Units::new(&[SIDE, SIDE], &[64, 64]).cost(20.0);
    let x = Array::from_source(source.clone());
    for memory in [WHOLE * 4, WHOLE / 4] {
        let engine = engine(memory);
        engine
            .compute(&(&x - &x.mean(..)).square().mean(..))
            .unwrap();
        assert_eq!(source.take_reads(), (512, 2), "anomaly");
        engine.compute(&(&x - &x.mean(0)).square().sum(..)).unwrap();
        assert_eq!(source.take_reads(), (512, 2), "residual");
        engine.compute(&x.std(0)).unwrap();
        assert_eq!(source.take_reads(), (256, 1), "std");
        engine.compute(&(x.mean(0), x.std(0))).unwrap();
        assert_eq!(source.take_reads(), (256, 1), "moments");
        let (mean, std) = (x.mean(0), x.std(0));
        let sinks = [(); 2].map(|()| Arc::new(Whole::new(&[SIDE])));
        engine
            .store_all([
                Store::to_sink(&mean, sinks[0].clone()).unwrap(),
                Store::to_sink(&std, sinks[1].clone()).unwrap(),
            ])
            .unwrap();
        assert_eq!(source.take_reads(), (256, 1), "moments, stored");
        let sum = &x + x.t();
        let sink = Arc::new(Whole::new(&[SIDE, SIDE]));
        engine.store(&sum, sink.clone()).unwrap();
        assert_eq!(source.take_reads(), (256, 1), "beside its transpose");
        let values = source.values();
        assert_eq!(sink.values(), &values + &values.t());
        engine.compute(&sum).unwrap();
        assert_eq!(
            source.take_reads(),
            (256, 1),
            "beside its transpose, computed"
        );
    }
}

/// In order, the blocks of a matrix and its transpose need half of it at once, or the disk.
#[test]
fn blocks_in_order_of_a_matrix_and_its_transpose() {
    let source = Units::new(&[SIDE, SIDE], &[64, 64]).cost(50.0);
    let x = Array::from_source(source.clone());
    let job = &x + x.t();
    let values = source.values();
    let expected = 2.0 * values.sum();
    for memory in [WHOLE * 4, WHOLE / 8] {
        assert_eq!(total(&engine(memory), &job), expected);
        assert_eq!(source.take_reads(), (256, 1));
    }
}

/// Shifted views, slices and mirrored ones of what was spilled.
#[test]
fn spilled_values_are_seen_through_any_view() {
    use flagstone::s;

    let (x, calls) = counted_blocks();
    let jobs = [
        x.flip(0) + x.t(),
        x.slice(s![1.., ..]) - x.slice(s![..-1, ..]).flip(1),
        x.slice(s![..;2, ..]) + x.slice(s![..;-2, ..]),
        x.take([5, 1000, 7, 3], 0) * x.mean(..),
        flagstone::concatenate([&x, &x.t()], 0) - x.mean(..),
        x.reshape([SIDE * SIDE / 512, 512]) - x.mean(..),
    ];
    for (number, job) in jobs.iter().enumerate() {
        let whole = engine(1 << 30).compute(job).unwrap();
        calls.swap(0, Ordering::Relaxed);
        let mut spilled = 0;
        for share in [8, 4, 2] {
            let tight = engine(WHOLE / share);
            match tight.measure(job) {
                Ok((values, report)) => {
                    assert_eq!(values, whole, "job {number}");
                    assert!(calls.swap(0, Ordering::Relaxed) <= 256);
                    spilled = spilled.max(report.bytes_spilled);
                }
                Err(error) => assert!(error.is_memory(), "{error}"),
            }
        }
        println!("job {number} spilled {spilled} bytes");
    }
}
