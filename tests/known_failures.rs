//! What is known to be wrong, as it is now: a case that comes right fails here, and moves to the suite.

use flagstone::{Array, Complex};

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
