//! What is known to be wrong, as it is now: a case that comes right fails here, and moves to the suite.

use flagstone::{Array, Complex, Engine, Pad};

/// The product of the single complex number ∞ is ∞ (NumPy: `inf+0j`). Lanes that nothing enters hold
/// 1 + 0i, and (∞ + 0i)·(1 + 0i) is ∞ + NaN·i, whose next such product is NaN in both parts. As terms of
/// 1 + 0i also stand for what a selection leaves out, an infinity beside them meets the same end.
#[test]
fn products_of_complex_infinities() {
    let infinity = Complex::new(f64::INFINITY, 0.0);
    let x = Array::from_ndarray(ndarray::arr1(&[infinity]), ..);
    let product = x.prod(..).item().unwrap();
    assert!(
        product.re.is_nan(),
        "this is right now: make it a case of the suite"
    );
}

/// A sum over padded rows, in chunks smaller than the rows, of several tasks of the padding: all of a row but what lies
/// in its last chunk is taken for padding, or lost.
#[test]
fn sums_of_padded_rows_in_small_chunks() {
    let ones = Array::<f64>::ones([11, 1, 1, 4245], [1, 1, 1, 141]);
    let in_memory = Array::from_ndarray(ones.compute().unwrap(), [1, 1, 1, 141]);
    let padded = in_memory.pad([(0, 0), (0, 0), (0, 0), (0, 1)], Pad::Constant(0.0));
    let engine = Engine::builder()
        .threads(1)
        .memory(1 << 30)
        .build()
        .unwrap();
    let sum = engine.compute(&padded.sum([0, 2, 3])).unwrap();
    assert_ne!(
        sum[[0]],
        11.0 * 4245.0,
        "this is right now: make it a case of the suite"
    );
}
