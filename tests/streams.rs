//! Every kind of result as a stream of blocks, in existing arrays of any strides, and several at once.

use flagstone::{Array, compute, concatenate, keep};
use ndarray::{Array2, ArrayD, Axis, Slice, s};

fn numbers() -> Array<f64> {
    Array::<f64>::arange(0.0, 60.0, 1.0, ..)
        .reshape([6, 10])
        .rechunk([4, 3])
}

/// The blocks put together must be what `compute` gives.
fn check_stream(array: &Array<f64>) {
    let mut whole = ArrayD::from_elem(array.shape(), f64::NAN);
    let mut count = 0;
    for block in array.blocks() {
        let block = block.unwrap();
        let mut place = whole.view_mut();
        for axis in 0..block.region().ndim() {
            place.slice_axis_inplace(Axis(axis), Slice::from(block.region().range(axis)));
        }
        place.assign(&block.values());
        count += 1;
    }
    assert_eq!(count, array.num_blocks());
    assert_eq!(whole, array.compute().unwrap(), "the blocks of {array}");
}

#[test]
fn blocks_of_every_kind_of_result_make_the_whole() {
    let x = numbers();
    check_stream(&x);
    check_stream(&x.t());
    check_stream(&x.roll(2, 1));
    check_stream(&concatenate([&x, &x], 1));
    check_stream(&x.map_blocks(|block| &block * 2.0));
    check_stream(&(&x - &x.mean(0)));
    check_stream(&x.mean(0));
    check_stream(&x.mean(keep(0)));
    check_stream(&x.std(1));
    check_stream(&x.sum(..));
    check_stream(&Array::full((), 3.0, ()));
    check_stream(&Array::zeros([0, 3], ..));
}

#[test]
fn results_go_into_arrays_of_any_strides() {
    let x = numbers();
    let mut transposed = Array2::zeros((10, 6)).reversed_axes();
    (&x + 1.0).compute_into(&mut transposed).unwrap();
    assert_eq!(transposed.into_dyn(), (&x + 1.0).compute().unwrap());

    let mut column = Array2::zeros((1, 10)).reversed_axes();
    x.t().mean(keep(1)).compute_into(&mut column).unwrap();
    assert_eq!(column.into_dyn(), x.t().mean(keep(1)).compute().unwrap());

    let mut large = Array2::zeros((12, 20));
    x.compute_into(large.slice_mut(s![..;-2, ..;2])).unwrap();
    assert_eq!(large[[11, 2]], 1.0);
    assert_eq!(large.sum(), 1770.0);

    let error = x.compute_into(&mut Array2::zeros((6, 9))).unwrap_err();
    assert!(
        error.is_shape() && error.to_string().contains("[6, 10]"),
        "{error}"
    );
}

#[test]
fn a_result_may_be_part_of_another() {
    let x = numbers();
    let mean = x.mean(keep(1));
    let (kept, anomaly, again) = compute((&mean, &x - &mean, &mean)).unwrap();
    assert_eq!((kept[[0, 0]], anomaly[[0, 0]]), (4.5, -4.5));
    assert_eq!(kept, again);
}
