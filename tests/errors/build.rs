//! Mistakes in building: each kind, with the line of the call that made it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use flagstone::{
    AnyArray, Array, Auto, Chunks, Complex, Element, Engine, Error, Pad, concatenate, keep, random,
    s, stack, where_,
};

/// The error of an array, after checking what holds for all of them.
#[track_caller]
fn error_of<T: Element + std::fmt::Debug>(array: &Array<T>, line: u32) -> Error {
    let error = array.check().expect_err("this was a mistake");
    assert_at(&error, line);
    let text = error.to_string();
    assert_eq!(
        format!("{error:?}"),
        text,
        "Debug prints what Display prints"
    );
    assert!(text.len() > 20, "{text}");
    // Every way to compute gives the same error, with the same line.
    let engine = Engine::builder().threads(1).build().unwrap();
    for other in [
        array.compute().unwrap_err(),
        array.explain().unwrap_err(),
        array.task_graph().unwrap_err(),
        array.persist().unwrap_err(),
        engine
            .compute(&(array, Array::<f64>::zeros(3, ..)))
            .unwrap_err(),
        array
            .blocks()
            .next()
            .unwrap()
            .err()
            .expect("a stream of an error begins with it"),
        (array.slice(s![0..1]).expand_dims(0)).check().unwrap_err(),
    ] {
        assert_eq!(other.to_string(), text);
    }
    assert_eq!(array.blocks().count(), 1);
    assert!(array.item().is_err());
    // Showing it never panics; the accessors that cannot return an error do, with its text.
    assert!(format!("{array} {array:?} {:?}", AnyArray::from(array)).contains(&text));
    for access in [
        catch_unwind(AssertUnwindSafe(|| array.shape().len())),
        catch_unwind(AssertUnwindSafe(|| array.ndim())),
        catch_unwind(AssertUnwindSafe(|| array.size())),
        catch_unwind(AssertUnwindSafe(|| array.nbytes())),
        catch_unwind(AssertUnwindSafe(|| array.chunks().count())),
        catch_unwind(AssertUnwindSafe(|| array.num_blocks())),
    ] {
        let panic = access.expect_err("an accessor of an array with an error");
        let message = panic.downcast_ref::<String>().expect("a message");
        assert!(message.contains(&text), "{message}");
    }
    error
}

#[track_caller]
fn assert_at(error: &Error, line: u32) {
    let at = error
        .location()
        .unwrap_or_else(|| panic!("no line in: {error}"));
    assert!(at.file().ends_with("build.rs"), "{at}");
    assert_eq!(at.line(), line, "{error}");
    assert!(
        error.to_string().contains(&format!("build.rs:{line}")),
        "{error}"
    );
}

fn x() -> Array<f64> {
    Array::zeros([3, 4], [2, 2])
}

/// Builds on one line, so that `line!()` is that of the mistake.
macro_rules! mistakes {
    ($is:ident: $($array:expr, [$($word:literal),*];)*) => {$(
        let error = error_of(&$array, line!());
        assert!(error.$is(), "{}: {error}", stringify!($is));
        $(assert!(error.to_string().contains($word), "{:?} is not in: {error}", $word);)*
    )*};
}

#[test]
fn shapes() {
    let (x, other) = (x(), Array::<f64>::zeros([5, 4], ..));
    // Each statement of its own: inside one macro call all lines would be the same.
    mistakes! { is_shape: &x + &other, ["[3, 4]", "[5, 4]", "add"]; }
    mistakes! { is_shape: other.maximum(&x), ["[5, 4]", "[3, 4]", "maximum"]; }
    mistakes! { is_shape: where_(x.gt(0.0), &x, &other), ["[3, 4]", "[5, 4]"]; }
    mistakes! { is_shape: x.clip(&x, &other), ["clip"]; }
    mistakes! { is_shape: x.zip_map(&other, |a, b| a + b), ["zip_map"]; }
    mistakes! { is_shape: x.reshape([5, 3]), ["12", "15", "[5, 3]"]; }
    mistakes! { is_shape: x.broadcast_to([2, 5, 4]), ["[3, 4]", "[2, 5, 4]"]; }
    mistakes! { is_shape: x.squeeze(0), ["axis 0", "3"]; }
    mistakes! { is_shape: concatenate([&x, &other], 1), ["[3, 4]", "[5, 4]"]; }
    mistakes! { is_shape: stack([&x, &other], 0), ["[3, 4]", "[5, 4]"]; }
    mistakes! { is_shape: concatenate::<f64, [Array<f64>; 0]>([], 0), []; }
    mistakes! { is_shape: x.pad([(1, 1)], Pad::Edge), ["[3, 4]"]; }
    mistakes! { is_shape: x.filter(other.gt(0.0)).mean(..), ["[5, 4]", "[3, 4]"]; }
    mistakes! { is_shape: x.sum(..).diagonal(), []; }
    mistakes! { is_shape: Array::<f64>::zeros([usize::MAX, 2], ..), []; }
    mistakes! { is_shape: Array::<f64>::zeros([0, usize::MAX, 2], ..), []; }
    mistakes! { is_shape: x.slice(s![0..0, ..]).pad([(1, 0), (0, 0)], Pad::Wrap), ["empty"]; }
}

#[test]
fn a_shape_that_does_not_fit_a_number_of_bytes() {
    let wide = Array::<u8>::zeros([1 << 62], ..);
    assert!(wide.check().is_ok());
    mistakes! { is_shape: wide.cast::<f64>(), []; }
    mistakes! { is_shape: wide.expand_dims(0).broadcast_to([4, 1 << 62]), []; }
    mistakes! { is_shape: wide.pad([(usize::MAX, 1)], Pad::Edge), []; }
    mistakes! { is_shape: wide.pad([(usize::MAX, 0)], Pad::Constant(0)), []; }
    mistakes! { is_shape: concatenate([&wide, &wide, &wide], 0), []; }
    mistakes! { is_shape: wide.map(|_| 0.5f64), []; }
}

#[test]
fn axes() {
    let x = x();
    mistakes! { is_axis: x.sum(2), ["axis 2", "2 axes"]; }
    mistakes! { is_axis: x.mean(-3), ["axis -3"]; }
    mistakes! { is_axis: x.max([0, 0]), ["twice"]; }
    mistakes! { is_axis: x.std(keep((1, -1))), ["twice"]; }
    mistakes! { is_axis: x.sum(usize::MAX), []; }
    mistakes! { is_axis: x.sum(isize::MIN), []; }
    mistakes! { is_axis: x.flip(5), ["axis 5"]; }
    mistakes! { is_axis: x.roll(1, 2), ["axis 2"]; }
    mistakes! { is_axis: x.permute([0, 0]), ["twice"]; }
    mistakes! { is_axis: x.permute([1]), ["[1]"]; }
    mistakes! { is_axis: x.permute([0, 1, 2]), []; }
    mistakes! { is_axis: x.swap_axes(0, 7), ["axis 7"]; }
    mistakes! { is_axis: x.expand_dims(4), []; }
    mistakes! { is_axis: x.squeeze(-9), []; }
    mistakes! { is_axis: x.take([0], 3), []; }
    mistakes! { is_axis: concatenate([&x, &x], 2), []; }
    mistakes! { is_axis: stack([&x, &x], 3), []; }
    mistakes! { is_axis: x.filter(true).sum(9), []; }
    mistakes! { is_axis: x.filter(true).count(9), []; }
}

#[test]
fn chunks() {
    let x = x();
    mistakes! { is_chunks: Array::<f64>::zeros([3, 4], [2, 0]), ["axis 1", "0"]; }
    mistakes! { is_chunks: Array::<f64>::ones([3, 4], [2]), ["[3, 4]"]; }
    mistakes! { is_chunks: Array::<f64>::full([3, 4], 0.0, ([1, 1], ..)), ["axis 0", "3", "2"]; }
    mistakes! { is_chunks: Array::<f64>::eye(4, ([4, 0], Auto)), ["axis 0"]; }
    mistakes! { is_chunks: Array::<f64>::arange(0.0, 4.0, 1.0, (1, 1)), []; }
    mistakes! { is_chunks: Array::<f64>::linspace(0.0, 4.0, 9, 0), []; }
    mistakes! { is_chunks: Array::from_fn([3, 4], (5, 5, 5), |[i, _]| i as u8), []; }
    mistakes! { is_chunks: Array::from_ndarray(ndarray::Array2::<f64>::zeros((3, 4)), ([9], 1)), []; }
    mistakes! { is_chunks: Array::<f64>::from_blocks([3, 4], 0, |_| unreachable!()), []; }
    mistakes! { is_chunks: x.rechunk(0), ["axis 0", "3"]; }
    mistakes! { is_chunks: x.rechunk(([3, 1], ..)), ["axis 0", "4", "3"]; }
    mistakes! { is_chunks: x.rechunk(Chunks::whole(&[3, 5])), ["[3, 5]", "[3, 4]"]; }
    mistakes! { is_chunks: x.rechunk(([usize::MAX, 5], ..)), []; }
    mistakes! { is_chunks: x.zip_blocks(&x.rechunk(1), |a, _| a.to_owned()), ["zip_blocks"]; }
    mistakes! { is_chunks: x.map_blocks_to([1, 1], 1, |_| unreachable!() as ndarray::ArrayD<f64>), []; }
    mistakes! { is_chunks: random::Generator::new(1).uniform::<f64>([3, 4], [1]), []; }
    assert!(Chunks::regular(&[3, 4], &[1]).unwrap_err().is_chunks());
    assert!(Chunks::regular(&[3, 4], &[1, 0]).unwrap_err().is_chunks());
}

#[test]
fn slices() {
    let x = x();
    mistakes! { is_slice: x.slice(s![5, ..]), ["5", "axis 0", "3"]; }
    mistakes! { is_slice: x.slice(s![-4, ..]), ["-4"]; }
    mistakes! { is_slice: x.slice(s![.., 2..9]), ["axis 1", "4"]; }
    mistakes! { is_slice: x.slice(s![.., -5..]), ["axis 1"]; }
    mistakes! { is_slice: x.slice(s![0, 0, 0]), ["[3, 4]"]; }
    mistakes! { is_slice: x.slice(7), []; }
    mistakes! { is_slice: x.take([0, 3], 0), ["3", "axis 0"]; }
    mistakes! { is_slice: x.take([-4], 0), ["-4"]; }
    let step = ndarray::SliceInfoElem::Slice {
        start: 0,
        end: None,
        step: 0,
    };
    mistakes! { is_slice: x.slice(vec![step]), ["step", "0"]; }
    for (start, end, step) in [
        (isize::MIN, None, 1),
        (isize::MAX, None, 1),
        (0, Some(isize::MIN), -1),
        (1, Some(isize::MAX), isize::MIN),
    ] {
        // Whatever the numbers: an error or a slice, never a panic.
        let _ = x
            .slice(vec![ndarray::SliceInfoElem::Slice { start, end, step }])
            .check();
    }
    let huge = ndarray::SliceInfoElem::Slice {
        start: 0,
        end: None,
        step: isize::MIN,
    };
    assert_eq!(x.slice(vec![huge]).shape(), [1, 4]);
}

#[test]
fn values() {
    let x = x();
    let none = x.slice(s![0..0, ..]);
    mistakes! { is_value: none.min(0), ["min", "[0, 4]"]; }
    mistakes! { is_value: none.argmax(..), ["argmax"]; }
    assert_eq!(none.max(1).shape(), [0]);
    mistakes! { is_value: Array::<i32>::arange(0, 5, 0, ..), ["step"]; }
    mistakes! { is_value: Array::<f64>::arange(0.0, f64::NAN, 1.0, ..), []; }
    mistakes! { is_value: Array::<f64>::arange(0.0, f64::INFINITY, 1.0, ..), []; }
    mistakes! { is_shape: Array::<i64>::arange(i64::MIN, i64::MAX, 1, ..).slice(s![..5]), []; }
    mistakes! { is_value: random::Generator::new(1).integers(5i32..5, 3, ..), ["empty"]; }
    mistakes! { is_value: random::Generator::new(1).bernoulli(1.5, 3, ..), ["1.5"]; }
    mistakes! { is_value: random::Generator::new(1).bernoulli(f64::NAN, 3, ..), []; }
    assert!(x.item().unwrap_err().is_shape());
    assert!(
        Engine::builder()
            .threads(0)
            .build()
            .err()
            .unwrap()
            .is_value()
    );
    assert!(
        Engine::builder()
            .memory("much")
            .build()
            .err()
            .unwrap()
            .is_value()
    );
}

#[test]
fn dtypes_known_at_run_time() {
    let real: AnyArray = x().into();
    let whole: AnyArray = Array::<i32>::ones([3, 4], ..).into();
    let complex: AnyArray = Array::<Complex<f64>>::ones([3, 4], ..).into();
    let truth: AnyArray = Array::<bool>::ones([3, 4], ..).into();
    for (array, line, words) in [
        (&real + &whole, line!(), ["float64", "int32"]),
        (whole.sqrt(), line!(), ["int32", "cast"]),
        (real.bitwise_and(&real), line!(), ["float64", "integers"]),
        (complex.less(&complex), line!(), ["complex128", "less"]),
        (complex.max(0), line!(), ["complex128", "max"]),
        (truth.add(&truth), line!(), ["bool", "add"]),
        (real.where_(&real, &real), line!(), ["float64", "bool"]),
        (whole.clip(&whole, &real), line!(), ["int32", "float64"]),
    ] {
        let error = array.check().unwrap_err();
        assert!(error.is_dtype(), "{error}");
        assert_at(&error, line);
        for word in words {
            assert!(
                error.to_string().contains(word),
                "{word:?} is not in: {error}"
            );
        }
        let _ = format!("{array} {array:?} {:?}", array.dtype());
    }
    let error = whole.typed::<f64>().unwrap_err();
    assert!(error.is_dtype());
    assert_at(&error, line!() - 2);
    assert!(truth.where_(&real, &real).check().is_ok());
    assert_eq!(whole.cast::<f64>().sum(..).item().unwrap(), 12.0);
}

#[test]
fn the_left_operands_error_wins() {
    let bad = x().sum(7);
    let worse = x().reshape([9, 9]);
    assert!((&bad + &worse).check().unwrap_err().is_axis());
    assert!((&worse + &bad).check().unwrap_err().is_shape());
    assert!(
        where_(bad.gt(0.0), &worse, 0.0)
            .check()
            .unwrap_err()
            .is_axis()
    );
    assert!(where_(true, &worse, &bad).check().unwrap_err().is_shape());
    assert!(worse.clip(0.0, &bad).check().unwrap_err().is_shape());
    assert!(
        concatenate([&x(), &bad, &worse], 0)
            .check()
            .unwrap_err()
            .is_axis()
    );
    assert!(
        bad.filter(worse.gt(0.0))
            .sum(..)
            .check()
            .unwrap_err()
            .is_axis()
    );
    assert!(
        x().filter(worse.gt(0.0))
            .sum(..)
            .check()
            .unwrap_err()
            .is_shape()
    );
    assert!(
        bad.zip_map(&worse, |a: f64, _: f64| a)
            .check()
            .unwrap_err()
            .is_axis()
    );
    assert!((2.0 - bad).check().unwrap_err().is_axis());
    let first = flagstone::compute((&worse, x().sum(7))).unwrap_err();
    assert!(first.is_shape());
}

#[test]
fn the_line_is_found_through_operators_and_closures() {
    let (x, y) = (x(), Array::<f64>::zeros([5], ..));
    let mut sum = x.clone();
    sum += &y; // The mistake.
    assert_at(&sum.check().unwrap_err(), line!() - 1);
    let negated = -(&x * &y).exp();
    assert_at(&negated.check().unwrap_err(), line!() - 1);
    let through = |a: &Array<f64>| a - &y;
    assert_at(&through(&x).check().unwrap_err(), line!() - 1);
    let scalar = 1.0 / x.slice(s![9, 9]);
    assert_at(&scalar.check().unwrap_err(), line!() - 1);
    let whole = Array::<f64>::zeros([2, 2], ..);
    let copied = whole.rechunk(0).zeros_like().full_like(2.0);
    assert_at(&copied.check().unwrap_err(), line!() - 1);
    let power = x.slice(s![9, 9]).powi(3);
    assert_at(&power.check().unwrap_err(), line!() - 1);
}

#[test]
fn results_that_do_not_fit() {
    let x = x();
    let mut out = ndarray::Array2::<f64>::zeros((4, 3));
    assert!(x.compute_into(&mut out).unwrap_err().is_shape());
    assert!(x.t().compute_into(&mut out).is_ok());
}
