//! From any grid to any other, in whatever memory there is.

use std::sync::Arc;

use flagstone::{Array, Engine, Rule, Store};
use proptest::prelude::*;

use crate::source::{Units, Whole};

fn engine(threads: usize, memory: u64) -> Engine {
    Engine::builder()
        .threads(threads)
        .memory(memory)
        .build()
        .unwrap()
}

/// Stores `x` in a budget; the units that were read altogether, and the most for one. `None` if it is refused.
fn store(engine: &Engine, source: &Units, x: &Array<f64>) -> Option<(usize, usize)> {
    source.take_reads();
    let sink = Arc::new(Whole::new(x.shape()));
    let stored = || Store::to_sink(x, sink.clone()).unwrap();
    let explained = engine.explain_stores(&[stored()]).unwrap();
    match engine.store_all([stored()]) {
        Err(error) => {
            assert!(error.is_memory(), "{error}");
            assert!(explained.floor_bytes() > engine.memory());
            assert_eq!(source.take_reads(), (0, 0), "it is refused before it runs");
            return None;
        }
        Ok(report) => {
            assert!(explained.planned_peak_bytes() <= engine.memory());
            assert!(report.planned_peak_bytes <= engine.memory());
            assert!(report.held_peak_bytes <= report.planned_peak_bytes);
            assert_eq!(report.bytes_spilled, explained.bytes_spilled());
        }
    }
    let (total, most) = source.take_reads();
    // What is announced is what happens: in elements, as units differ in size.
    let announced = explained.passes()[0].1;
    if most == 1 {
        assert_eq!(announced, 1.0, "{explained}");
    } else {
        assert!(announced > 1.0, "{explained}");
    }
    assert_eq!(sink.values(), source.values());
    Some((total, most))
}

fn axis() -> impl Strategy<Value = (usize, usize, usize)> {
    (1..70usize).prop_flat_map(|len| (Just(len), 1..=len, 1..=len))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// As a plain copy, whatever fits; each unit is decoded once, or as often as the plan says.
    #[test]
    fn any_grid_to_any_grid(
        axes in prop::collection::vec(axis(), 1..=3),
        threads in 1..4usize,
        cost in prop::sample::select(vec![0.5, 8.0, 200.0]),
    ) {
        let shape: Vec<usize> = axes.iter().map(|&(len, _, _)| len).collect();
        let units: Vec<usize> = axes.iter().map(|&(_, unit, _)| unit).collect();
        let target: Vec<usize> = axes.iter().map(|&(_, _, chunk)| chunk).collect();
        let source = Units::new(&shape, &units).cost(cost);
        prop_assume!(source.count() < 3000);
        let chunks: usize = shape.iter().zip(&target).map(|(len, size)| len.div_ceil(*size)).product();
        prop_assume!(chunks < 3000);
        let x = Array::from_source(source.clone()).rechunk(&target[..]);
        let ample = engine(threads, 1 << 30);
        prop_assert_eq!(store(&ample, &source, &x), Some((source.count(), 1)));
        let sink = Arc::new(Whole::new(&shape));
        let floor = ample.explain_stores(&[Store::to_sink(&x, sink.clone()).unwrap()]).unwrap().floor_bytes();
        for share in [8, 6, 4, 3, 2, 1] {
            let budget = engine(threads, floor * share / 8);
            let spilled = budget.explain_stores(&[Store::to_sink(&x, sink.clone()).unwrap()]).unwrap().bytes_spilled() > 0;
            if let Some((total, _)) = store(&budget, &source, &x)
                && spilled
            {
                prop_assert_eq!(total, source.count(), "what is spilled was decoded once");
            }
        }
    }
}

/// Rows to columns: every chunk of the result needs every unit, and memory holds a sixteenth.
#[test]
fn rows_become_columns() {
    let source = Units::new(&[512, 1024], &[4, 1024]).cost(50.0);
    let x = Array::from_source(source.clone()).rechunk([512, 8]);
    let whole = 512 * 1024 * 8;
    let ample = engine(2, whole * 4);
    assert_eq!(store(&ample, &source, &x), Some((128, 1)));
    let sink = Arc::new(Whole::new(&[512, 1024]));
    assert_eq!(
        ample
            .explain_stores(&[Store::to_sink(&x, sink.clone()).unwrap()])
            .unwrap()
            .bytes_spilled(),
        0
    );
    let tight = engine(2, whole / 8);
    let explained = tight
        .explain_stores(&[Store::to_sink(&x, sink.clone()).unwrap()])
        .unwrap();
    let spilled = explained.bytes_spilled();
    assert!(spilled > 0 && spilled.is_multiple_of(whole), "{explained}");
    let text = explained.to_string();
    assert!(text.contains("spilled, 4.0 MiB"), "{text}");
    assert!(text.contains("units: 1 pass\n"), "{text}");
    assert_eq!(store(&tight, &source, &x), Some((128, 1)));
}

/// What any region can be read of at no price is not copied to the disk.
#[test]
fn cheap_units_are_read_again() {
    let source = Units::new(&[512, 1024], &[256, 1024]).cost(0.05);
    let x = Array::from_source(source.clone()).rechunk([512, 8]);
    let tight = engine(1, 512 * 1024 * 8 / 2);
    let sink = Arc::new(Whole::new(&[512, 1024]));
    let explained = tight
        .explain_stores(&[Store::to_sink(&x, sink.clone()).unwrap()])
        .unwrap();
    assert_eq!(explained.bytes_spilled(), 0, "{explained}");
    assert_eq!(store(&tight, &source, &x), Some((256, 128)));
}

/// What a store takes of a source is loaded as one block, which is not put together from units: it is held once.
#[test]
fn a_block_of_several_units_is_held_once() {
    let source = Units::new(&[2048, 256], &[64, 64]).cost(5.0);
    let x = Array::from_source(source.clone()).rechunk([512, 64]);
    let block = 512 * 64 * 8;
    let sink = || Store::to_sink(&x, Arc::new(Whole::new(&[2048, 256]))).unwrap();
    for (threads, once) in [(1, true), (2, true), (3, false)] {
        let ample = engine(threads, 1 << 30);
        let explained = ample.explain_stores(&[sink()]).unwrap();
        let floor = explained.floor_bytes();
        // 16 blocks are enough for two threads; three of them load units side by side, unless memory is short.
        assert_eq!(floor < block * 5 / 4, once, "{explained}");
        assert_eq!(floor > block * 2, !once, "{explained}");
        assert_eq!(store(&ample, &source, &x), Some((128, 1)));
        let tight = engine(threads, block * 5 / 4);
        assert_eq!(store(&tight, &source, &x), Some((128, 1)));
        assert_eq!(tight.explain_stores(&[sink()]).unwrap().bytes_spilled(), 0);
    }
    // Blocks that share units are put together as before.
    let across = Array::from_source(source.clone()).rechunk([100, 64]);
    assert_eq!(store(&engine(1, 1 << 30), &source, &across), Some((128, 1)));
    // Of a part that does not begin with a unit, too, and of what somebody else reads as well.
    let part = across
        .slice(flagstone::s![32..1056, 64..192])
        .rechunk([256, 64]);
    let expected = source
        .values()
        .slice(ndarray::s![32..1056, 64..192])
        .into_dyn()
        .to_owned();
    let double = part.map_blocks(|block| &block * 2.0);
    let ample = engine(1, 1 << 30);
    assert_eq!(ample.compute(&double).unwrap(), &expected * 2.0);
    let (sum, double) = ample.compute(&(part.sum(..), &double)).unwrap();
    assert_eq!(double, &expected * 2.0);
    assert!((sum.sum() - expected.sum()).abs() < 1e-6 * expected.sum().abs());
}

/// Boxes that would be tiny are avoided by grids between.
#[test]
fn some_grids_are_passed_through() {
    let source = Units::new(&[2048, 2048], &[1, 2048]).cost(50.0);
    let x = Array::from_source(source.clone()).rechunk([2048, 1]);
    let tight = engine(1, 1 << 20);
    let sink = Arc::new(Whole::new(&[2048, 2048]));
    let explained = tight
        .explain_stores(&[Store::to_sink(&x, sink.clone()).unwrap()])
        .unwrap();
    assert!(explained.to_string().contains("pass on"), "{explained}");
    assert_eq!(store(&tight, &source, &x), Some((2048, 1)));
}

/// Without the disk, the plan reads again or is refused.
#[test]
fn the_disk_can_be_ruled_out() {
    let source = Units::new(&[512, 1024], &[4, 1024]).cost(50.0);
    let x = Array::from_source(source.clone()).rechunk([512, 8]);
    let diskless = Engine::builder()
        .threads(1)
        .memory(512 * 1024)
        .without(Rule::Spill)
        .build()
        .unwrap();
    let sink = Arc::new(Whole::new(&[512, 1024]));
    let explained = diskless
        .explain_stores(&[Store::to_sink(&x, sink.clone()).unwrap()])
        .unwrap();
    assert_eq!(explained.bytes_spilled(), 0);
    assert_eq!(store(&diskless, &source, &x), Some((128 * 128, 128)));
}
