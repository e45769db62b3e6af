//! What does not fit is an error before anything runs, which says what would.

use std::sync::Arc;

use flagstone::{Array, Engine};

use crate::source::{Units, Whole};

fn engine(memory: u64) -> Engine {
    Engine::builder().threads(1).memory(memory).build().unwrap()
}

/// The chunks that an error advises.
fn advised(text: &str) -> Vec<usize> {
    let rest = text
        .split("chunks of at most [")
        .nth(1)
        .unwrap_or_else(|| panic!("no advice in {text}"));
    let list = rest.split(']').next().unwrap();
    list.split(", ").map(|n| n.parse().unwrap()).collect()
}

#[test]
fn blocks_of_a_function_that_are_too_large() {
    let job = |chunks: &[usize]| {
        Array::<f64>::ones([2048, 2048], chunks)
            .map_blocks(|block| &block + 1.0)
            .sum(..)
    };
    let small = engine(4 << 20);
    let error = small.compute(&job(&[1024, 1024])).unwrap_err();
    let text = error.to_string();
    assert!(error.is_memory());
    for part in [
        "map_blocks at [0..1024, 0..1024]",
        "4194304 bytes",
        "largest task",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let fitting = advised(&text);
    assert_eq!(
        small.item(&job(&fitting)).unwrap(),
        2.0 * 2048.0 * 2048.0,
        "{fitting:?}"
    );
}

#[test]
fn chunks_of_a_store_that_are_too_large() {
    let source = Units::new(&[1024, 1024], &[128, 128]);
    let x = Array::from_source(source.clone());
    let small = engine(3 << 20);
    let sink = Arc::new(Whole::new(&[1024, 1024]));
    let error = small
        .store(&x.rechunk([1024, 512]), sink.clone())
        .unwrap_err();
    let text = error.to_string();
    assert!(
        error.is_memory() && text.contains("3145728 bytes"),
        "{text}"
    );
    assert_eq!(source.take_reads(), (0, 0));
    let fitting = advised(&text);
    small.store(&x.rechunk(&fitting[..]), sink.clone()).unwrap();
    assert_eq!(sink.values(), source.values());
}

#[test]
fn units_that_are_too_large() {
    let source = Units::new(&[1024, 1024], &[1024, 512]);
    let x = Array::from_source(source.clone());
    let text = engine(2 << 20).item(&x.sum(..)).unwrap_err().to_string();
    for part in ["load units", "stored in units of [1024, 512]"] {
        assert!(text.contains(part), "{text}");
    }
    let fitting = advised(&text);
    let x = Array::from_source(Units::new(&[1024, 1024], &fitting));
    assert_eq!(
        engine(2 << 20).item(&x.sum(..)).unwrap(),
        source.values().sum()
    );
}

/// An error comes before a result is allocated: this one would not fit any machine.
#[test]
fn results_are_not_allocated_before() {
    let x = Array::<f64>::ones([1 << 20, 1 << 20], [1 << 14, 1 << 14])
        .map_blocks(|block| block.to_owned());
    let error = engine(1 << 20).compute(&x).unwrap_err();
    assert!(error.is_memory(), "{error}");
}
