//! Products against loops over the definition, for random subscripts, shapes, chunks, views and engines.

use flagstone::{AnyArray, Array, Engine, Numeric, einsum, random, s};
use ndarray::{Array2, ArrayD, IxDyn};
use proptest::prelude::*;

/// A number that is small and whole, so that sums are exact whatever their order.
fn small(i: usize) -> f64 {
    ((i * 2_654_435_761) >> 7) as f64 % 7.0 - 3.0
}

fn whole<T: Numeric>(shape: &[usize], seed: usize, make: impl Fn(f64) -> T) -> ArrayD<T> {
    let mut i = seed;
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        i += 1;
        make(small(i))
    })
}

/// The definition: a loop over all labels.
fn loops(inputs: &[Vec<char>], output: &[char], operands: &[ArrayD<f64>]) -> ArrayD<f64> {
    let mut labels: Vec<char> = inputs.iter().flatten().copied().collect();
    labels.sort_unstable();
    labels.dedup();
    let len = |label: char| -> usize {
        let lens = inputs.iter().zip(operands).flat_map(|(own, operand)| {
            let axes = (0..own.len()).filter(|&axis| own[axis] == label);
            axes.map(|axis| operand.shape()[axis]).collect::<Vec<_>>()
        });
        let lens: Vec<usize> = lens.collect();
        lens.iter().copied().find(|&len| len != 1).unwrap_or(1)
    };
    let lens: Vec<usize> = labels.iter().map(|&label| len(label)).collect();
    let shape: Vec<usize> = output.iter().map(|&label| len(label)).collect();
    let mut result = ArrayD::<f64>::zeros(IxDyn(&shape));
    for index in ndarray::indices(IxDyn(&lens)) {
        let at = |label: &char| index[labels.binary_search(label).unwrap()];
        let product: f64 = inputs
            .iter()
            .zip(operands)
            .map(|(own, operand)| {
                let place: Vec<usize> = own
                    .iter()
                    .enumerate()
                    .map(|(axis, label)| at(label).min(operand.shape()[axis] - 1))
                    .collect();
                operand[IxDyn(&place)]
            })
            .product();
        let place: Vec<usize> = output.iter().map(at).collect();
        result[IxDyn(&place)] += product;
    }
    result
}

#[derive(Clone, Debug)]
struct Case {
    inputs: Vec<Vec<char>>,
    output: Vec<char>,
    shapes: Vec<Vec<usize>>,
    chunk: usize,
    held: bool,
}

/// Lengths on both sides of where products get matrix kernels.
const LENS: [usize; 6] = [1, 2, 3, 5, 9, 17];

fn cases() -> impl Strategy<Value = Case> {
    let labels = prop::collection::vec(prop::collection::vec(0..5_usize, 0..4), 1..4);
    let lens = prop::collection::vec(0..LENS.len(), 5);
    let stretched = prop::collection::vec(prop::bool::weighted(0.1), 12);
    (
        labels,
        lens,
        stretched,
        any::<u64>(),
        1..8_usize,
        any::<bool>(),
    )
        .prop_map(|(labels, lens, stretched, pick, chunk, held)| {
            let mut stretched = stretched.into_iter();
            let letter = |label: usize| char::from(b'a' + label as u8);
            let inputs: Vec<Vec<char>> = labels
                .iter()
                .map(|own| own.iter().map(|&label| letter(label)).collect())
                .collect();
            let shapes = labels
                .iter()
                .map(|own| {
                    let distinct = |label: usize| own.iter().filter(|&&l| l == label).count() == 1;
                    own.iter()
                        .map(|&label| {
                            let one = stretched.next().unwrap_or(false) && distinct(label);
                            if one { 1 } else { LENS[lens[label]] }
                        })
                        .collect()
                })
                .collect();
            let mut used: Vec<char> = inputs.iter().flatten().copied().collect();
            used.sort_unstable();
            used.dedup();
            // Some of the labels, in some order.
            let mut output: Vec<char> = Vec::new();
            let mut pick = pick;
            for label in used {
                if pick & 1 == 1 {
                    let place = (pick >> 1) as usize % (output.len() + 1);
                    output.insert(place, label);
                }
                pick >>= 8;
            }
            Case {
                inputs,
                output,
                shapes,
                chunk,
                held,
            }
        })
}

fn check(case: &Case) {
    let operands: Vec<ArrayD<f64>> = case
        .shapes
        .iter()
        .enumerate()
        .map(|(seed, shape)| whole(shape, seed * 1000, |x| x))
        .collect();
    let lazy = operands.iter().map(|operand| {
        let array = Array::from_ndarray(operand.clone(), case.chunk);
        // Operands that are computed are packed another way than those that lie in memory.
        if case.held { 2.0 * array - 1.0 } else { array }
    });
    let lazy: Vec<Array<f64>> = lazy.collect();
    let operands: Vec<ArrayD<f64>> = match case.held {
        true => operands.iter().map(|x| x * 2.0 - 1.0).collect(),
        false => operands,
    };
    let inputs: Vec<String> = case.inputs.iter().map(|own| own.iter().collect()).collect();
    let output: String = case.output.iter().collect();
    let subscripts = format!("{}->{output}", inputs.join(","));
    let product = einsum(&subscripts, &lazy);
    let got = product
        .compute()
        .unwrap_or_else(|error| panic!("{subscripts}: {error}"));
    assert_eq!(
        got,
        loops(&case.inputs, &case.output, &operands),
        "{subscripts} {:?}",
        case.shapes
    );
    assert_eq!(product.chunks().shape(), got.shape(), "{subscripts}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn random_subscripts_follow_the_definition(case in cases()) {
        check(&case);
    }
}

/// A matrix of small whole numbers.
fn matrix(rows: usize, columns: usize) -> Array2<f64> {
    let values = whole(&[rows, columns], rows * 31 + columns, |x| x);
    values.into_dimensionality().unwrap()
}

#[test]
fn results_go_wherever_they_are_wanted() {
    let (x, y) = (matrix(70, 300), matrix(300, 90));
    let product = Array::from_ndarray(x.clone(), 20).matmul(Array::from_ndarray(y.clone(), 50));
    let wanted = x.dot(&y);
    // Columns beside each other, apart, and from right to left.
    let mut out = Array2::zeros((70, 90));
    product.compute_into(&mut out).unwrap();
    assert_eq!(out, wanted);
    let mut out = Array2::zeros((90, 70));
    product
        .compute_into(out.view_mut().reversed_axes())
        .unwrap();
    assert_eq!(out.t(), wanted);
    let mut out = Array2::zeros((140, 180));
    product
        .compute_into(out.slice_mut(s![..;-2, ..;2]))
        .unwrap();
    assert_eq!(out.slice(s![..;-2, ..;2]), wanted);
}

/// Several blocks of the sum, of which the last is shorter; several bands of columns; and panels that are not filled.
#[test]
fn long_sums_of_many_columns() {
    let (x, y) = (matrix(61, 700), matrix(700, 1003));
    let wanted = x.dot(&y);
    let engines = [1, 3].map(|threads| Engine::builder().threads(threads).build().unwrap());
    macro_rules! check {
        ($($ty:ty, $make:expr;)*) => {$(
            let make: fn(f64) -> $ty = $make;
            let lazy = |m: &Array2<f64>| Array::from_ndarray(m.mapv(make).into_shared(), 256);
            let (a, b) = (lazy(&x), lazy(&y));
            // As they lie, turned, and computed.
            let (turned_a, turned_b) = (lazy(&x.t().to_owned()), lazy(&y.t().to_owned()));
            let zero = make(0.0);
            for product in [
                a.matmul(&b),
                turned_a.t().matmul(turned_b.t()),
                (&a + zero).matmul(&b + zero),
            ] {
                for engine in &engines {
                    let got = engine.compute(&product).unwrap();
                    assert_eq!(got, wanted.mapv(make).into_dyn(), "{}", stringify!($ty));
                }
            }
        )*};
    }
    check! {
        f64, |v| v;
        f32, |v| v as f32;
        i32, |v| v as i32;
        num_complex::Complex<f64>, |v| num_complex::Complex::new(v, 0.0);
    }
}

#[test]
fn operands_are_read_where_they_lie() {
    let x = matrix(200, 300);
    let flipped = x.slice(s![..;-1, ..;3]).to_owned();
    let lazy = Array::from_ndarray(x.clone().into_shared(), 64);
    let view = lazy.slice(s![..;-1, ..;3]);
    assert_eq!(
        view.matmul(view.t()).compute().unwrap(),
        flipped.dot(&flipped.t()).into_dyn()
    );
    // Every row the same.
    let row = lazy.slice(s![..1, ..]).broadcast_to([9, 300]);
    let wanted = x
        .slice(s![..1, ..])
        .broadcast((9, 300))
        .unwrap()
        .dot(&x.t());
    assert_eq!(row.matmul(lazy.t()).compute().unwrap(), wanted.into_dyn());
}

#[test]
fn empty_sums_are_zeros_and_empty_sides_give_nothing() {
    let zeros = |shape: [usize; 2]| Array::<f64>::zeros(shape, ..);
    let product = zeros([5, 0]).matmul(zeros([0, 7]));
    assert_eq!(
        product.compute().unwrap(),
        ArrayD::<f64>::zeros(IxDyn(&[5, 7]))
    );
    assert_eq!(
        zeros([0, 5])
            .matmul(zeros([5, 7]))
            .compute()
            .unwrap()
            .shape(),
        [0, 7]
    );
    assert_eq!(
        zeros([5, 7])
            .matmul(zeros([7, 0]))
            .compute()
            .unwrap()
            .shape(),
        [5, 0]
    );
    let stack = Array::<i32>::ones([0, 5, 6], ..).matmul(Array::<i32>::ones([6, 8], ..));
    assert_eq!(stack.compute().unwrap().shape(), [0, 5, 8]);
}

#[test]
fn errors_name_shapes_labels_and_the_line() {
    let (x, y) = (
        Array::<f64>::zeros([3, 4], ..),
        Array::<f64>::zeros([5, 6], ..),
    );
    let line = line!() + 1;
    let error = x.matmul(&y).compute().unwrap_err();
    assert!(error.is_shape(), "{error}");
    assert_eq!(error.location().unwrap().line(), line);
    for text in ["matmul", "[3, 4]", "[5, 6]", "length 4", "length 5"] {
        assert!(error.to_string().contains(text), "{text}: {error}");
    }
    let message = |array: Array<f64>| array.check().unwrap_err().to_string();
    assert!(message(x.matmul(2.0)).contains("1 axis"));
    assert!(message(x.dot(&y)).contains("dot of shapes [3, 4] and [5, 6]"));
    assert!(message(x.tensordot(&y, 1)).contains("axis 1 of the first, of length 4"));
    assert!(message(x.tensordot(&y, 3)).contains("no 3 axes"));
    assert!(message(x.tensordot(&y, ([0, 1], [0]))).contains("not pairs"));
    assert!(message(x.tensordot(&x, ([0, 0], [0, 1]))).contains("named twice"));
    assert!(x.tensordot(&y, (2, 0)).check().unwrap_err().is_axis());
    assert!(message(x.vecdot(&y, -1)).contains("length 4"));
    let stack = Array::<f64>::zeros([2, 3, 4], ..);
    let other = Array::<f64>::zeros([3, 4, 5], ..);
    assert!(message(stack.matmul(&other)).contains("leading axes [2] and [3]"));
    for (subscripts, text) in [
        (
            "ij,jk->ik",
            "label j has length 4 in operand 0 of shape [3, 4] and 5 in operand 1",
        ),
        ("ij,kl->im", "label m, which no operand has"),
        ("ij,kl->ii", "label i twice"),
        (
            "ij,k->i",
            "\"k\" names 1 axes, operand 1 of shape [5, 6] has 2",
        ),
        ("ij", "1 operands for 2 arrays"),
        ("i2,kl->ik", "'2' in \"i2\""),
        ("i...,k...->ik", "the output needs \"...\""),
        (
            "ii,kl->ik",
            "label i names axes of lengths 3 and 4 of operand 0",
        ),
    ] {
        let error = message(einsum(subscripts, [&x, &y]));
        assert!(
            error.contains(text) && error.contains(subscripts),
            "{subscripts}: {error}"
        );
    }
    let any: AnyArray = Array::<i64>::zeros([4, 4], ..).into();
    let wrong = any.matmul(&x.t().into());
    assert!(wrong.check().unwrap_err().is_dtype());
    // The left operand's error wins.
    let (left, right) = (x.matmul(&y), x.sum(7));
    assert!(message(left.matmul(&right)).contains("matmul"));
}

#[test]
fn computed_operands_are_never_held_and_the_budget_is_kept() {
    let mut rng = random::Generator::new(3);
    let (x, y) = (
        rng.uniform::<f64>([900, 1100], 300),
        rng.uniform::<f64>([1100, 800], 400),
    );
    let product = (2.0 * &x + 1.0).matmul(&y);
    let wanted = product.compute().unwrap();
    // A sixth of what either operand would take.
    let small = Engine::builder()
        .threads(2)
        .memory(1_100_000)
        .build()
        .unwrap();
    let explain = small.explain(&product).unwrap();
    assert!(explain.planned_peak_bytes() <= 1_100_000, "{explain}");
    let (result, report) = small.measure(&product).unwrap();
    assert!(report.held_peak_bytes <= explain.planned_peak_bytes());
    assert_eq!(result, wanted);
    assert!(
        explain.to_string().contains("matmul(ik,kj->ij)"),
        "{explain}"
    );
}

#[test]
fn dear_operands_are_computed_once_if_there_is_room() {
    let mut rng = random::Generator::new(5);
    let x = rng.normal::<f64>([1500, 64], 300);
    let product = x.matmul(x.t());
    let stages = |engine: &Engine| engine.explain(&product).unwrap().to_string();
    let ample = Engine::builder()
        .threads(2)
        .memory(1 << 30)
        .build()
        .unwrap();
    assert!(
        stages(&ample).contains("from stage 1"),
        "{}",
        stages(&ample)
    );
    let small = Engine::builder()
        .threads(2)
        .memory(700_000)
        .build()
        .unwrap();
    assert!(!stages(&small).contains("from stage"), "{}", stages(&small));
    assert_eq!(
        ample.compute(&product).unwrap(),
        small.compute(&product).unwrap()
    );
}

#[test]
fn long_sums_are_shared_by_the_cores() {
    let x = Array::from_ndarray(matrix(5, 100_000), (.., 1000));
    let product = x.matmul(x.t());
    let engine = Engine::builder().threads(4).build().unwrap();
    let explain = engine.explain(&product).unwrap();
    assert!(
        explain.tasks() > 4 && explain.to_string().contains("matmul: merge"),
        "{explain}"
    );
    let wanted = matrix(5, 100_000);
    assert_eq!(
        engine.compute(&product).unwrap(),
        wanted.dot(&wanted.t()).into_dyn()
    );
}

/// Cells of so many products that threads which find no other task help with them.
#[test]
fn long_tasks_are_shared_by_idle_threads() {
    let (x, y) = (matrix(480, 520), matrix(520, 1500));
    let wanted = x.dot(&y).into_dyn();
    let lazy = |m: &Array2<f64>| Array::from_ndarray(m.to_shared(), 256);
    let (a, b, turned) = (lazy(&x), lazy(&y), lazy(&y.t().to_owned()));
    let products = [
        a.matmul(&b),
        a.matmul(turned.t()),
        (&a + 0.0).matmul(&b + 0.0),
    ];
    for threads in [2, 3, 5] {
        let engine = Engine::builder().threads(threads).build().unwrap();
        for product in products.iter().cycle().take(12) {
            assert_eq!(
                engine.compute(product).unwrap(),
                wanted,
                "{threads} threads"
            );
        }
    }
}

#[test]
fn the_cheapest_order_is_found() {
    // A chain whose product from the left costs a hundred times as much.
    let big = Array::<f64>::ones([1000, 1000], ..);
    let thin = Array::<f64>::ones([1000, 5], ..);
    let chain = einsum("ab,bc,cd->ad", [&big, &big, &thin]);
    let explain = chain.explain().unwrap().to_string();
    assert!(
        !explain.contains("[1000, 1000] float64 in (1000, 1000)\n      einsum"),
        "{explain}"
    );
    assert!(explain.matches("[1000, 5]").count() >= 3, "{explain}");
    assert_eq!(chain.compute().unwrap()[[3, 2]], 1e6);
    // More operands than are tried exhaustively.
    let many = [&thin.t(), &big, &big, &big, &big, &big, &thin].map(Array::clone);
    let product = einsum("ab,bc,cd,de,ef,fg,gh", many);
    assert_eq!(product.compute().unwrap()[[0, 0]], 1e18);
}
