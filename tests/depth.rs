//! Plans of any depth: every walk must be a loop, and what is shared must be done once.
//!
//! Each test takes a second or so; were a walk exponential or recursive, it would not end, or overflow the
//! stack (tests run on threads with 2 MiB of it).

use flagstone::{Array, Engine, Rule, s};

#[test]
fn a_million_operations() {
    const N: usize = 1_000_000;
    let mut y = Array::<f64>::from_ndarray(ndarray::Array1::<f64>::zeros(3), ..);
    for _ in 0..N {
        y += 1.0;
    }
    // Showing it says what it is, not how it was made.
    let shown = format!("{y} {y:?}");
    assert!(shown.len() < 200, "{shown}");
    let explained = y.explain().unwrap().to_string();
    assert!(explained.len() < 100_000, "{} characters", explained.len());
    assert_eq!(
        y.compute().unwrap(),
        ndarray::ArrayD::from_elem(vec![3], N as f64)
    );
    drop(y);
}

#[test]
fn a_million_operations_of_all_kinds() {
    let x = Array::<f64>::from_ndarray(ndarray::Array2::<f64>::zeros((4, 4)), 2);
    let mut y = x.clone();
    for i in 0..200_000 {
        y = match i % 5 {
            0 => y + 1.0,
            1 => y.t(),
            2 => y.flip(0),
            3 => y - &x,
            _ => y.rechunk(1 + i % 4),
        };
    }
    assert_eq!(y.sum(..).item().unwrap(), 40_000.0 * 16.0);
}

#[test]
fn deep_reductions() {
    let mut y = Array::<f64>::from_ndarray(ndarray::Array1::<f64>::ones(8), 4);
    for _ in 0..500 {
        y = &y - &y.mean(0) + 1.0;
    }
    assert_eq!(y.compute().unwrap(), ndarray::ArrayD::<f64>::ones(vec![8]));
}

#[test]
fn a_chain_of_block_functions() {
    let mut y = Array::<f64>::zeros([8], 4);
    for _ in 0..2000 {
        y = y.map_blocks(|block| block.mapv(|v| v + 1.0));
    }
    assert_eq!(
        y.compute().unwrap(),
        ndarray::ArrayD::from_elem(vec![8], 2000.0)
    );
}

/// 2⁶⁴ paths, 65 nodes.
fn doubled(x: &Array<f64>) -> Array<f64> {
    let mut y = x.clone();
    for _ in 0..64 {
        y = &y + &y;
    }
    y
}

#[test]
fn doubling_64_times() {
    let x = Array::<f64>::from_ndarray(ndarray::arr1(&[1.0, 0.5, -2.0]), 2);
    let y = doubled(&x);
    let expected = ndarray::arr1(&[1.0, 0.5, -2.0])
        .mapv(|v: f64| v * 2f64.powi(64))
        .into_dyn();
    for off in [
        &[][..],
        Rule::ALL,
        &[Rule::FuseElementwise],
        &[Rule::ShareSubexpressions],
        &[Rule::ShareStages],
    ] {
        let engine = off
            .iter()
            .fold(Engine::builder().threads(2), |builder, &rule| {
                builder.without(rule)
            })
            .build()
            .unwrap();
        assert_eq!(engine.compute(&y).unwrap(), expected, "without {off:?}");
        assert_eq!(engine.item(&y.sum(..)).unwrap(), -0.5 * 2f64.powi(64));
        assert!(engine.explain(&y).unwrap().to_string().len() < 100_000);
        assert!(engine.task_graph(&y).unwrap().graph().node_count() < 1000);
    }
}

/// The same, built anew each time, so that only their form tells that parts are equal.
#[test]
fn equal_parts_that_are_built_apart() {
    let x = Array::<f64>::from_ndarray(ndarray::arr1(&[1.0, 0.5, -2.0]), 2);
    let terms: Vec<Array<f64>> = (0..200).map(|_| doubled(&x)).collect();
    let mut sum = terms[0].clone();
    for term in &terms[1..] {
        sum += term;
    }
    assert_eq!(sum.compute().unwrap()[0], 200.0 * 2f64.powi(64));
}

#[test]
fn doubling_through_views() {
    let x = Array::<f64>::from_ndarray(ndarray::Array2::<f64>::ones((6, 6)), 4);
    let mut y = x;
    for _ in 0..40 {
        y = &y + &y.t().flip(0);
    }
    assert_eq!(
        y.compute().unwrap(),
        ndarray::ArrayD::from_elem(vec![6, 6], 2f64.powi(40))
    );
}

#[test]
fn doubling_through_reductions() {
    let mut y = Array::<f64>::from_ndarray(ndarray::Array1::<f64>::ones(6), 4);
    for _ in 0..40 {
        y = &y + &y.sum(flagstone::keep(0)) / 6.0;
    }
    assert_eq!(y.sum(..).item().unwrap(), 6.0 * 2f64.powi(40));
}

/// Jacobi's method: each step reads the one before through four shifted slices.
#[test]
fn a_hundred_jacobi_steps() {
    let (rows, columns) = (24, 30);
    let start =
        ndarray::Array2::from_shape_fn((rows, columns), |(i, j)| ((i * 31 + j * 17) % 23) as f64);
    let mut expected = start.clone();
    let mut x = Array::<f64>::from_ndarray(start, [10, 13]);
    for _ in 0..100 {
        let before = expected.clone();
        for i in 1..rows - 1 {
            for j in 1..columns - 1 {
                let sum = before[[i - 1, j]]
                    + before[[i + 1, j]]
                    + before[[i, j - 1]]
                    + before[[i, j + 1]];
                expected[[i, j]] = 0.25 * sum;
            }
        }
        let inner = 0.25
            * (x.slice(s![..-2, 1..-1])
                + x.slice(s![2.., 1..-1])
                + x.slice(s![1..-1, ..-2])
                + x.slice(s![1..-1, 2..]));
        let sides = [x.slice(s![1..-1, ..1]), inner, x.slice(s![1..-1, -1..])];
        let middle = flagstone::concatenate(&sides, 1);
        x = flagstone::concatenate([&x.slice(s![..1, ..]), &middle, &x.slice(s![-1.., ..])], 0);
    }
    for threads in [1, 7] {
        let engine = Engine::builder().threads(threads).build().unwrap();
        assert_eq!(engine.compute(&x).unwrap(), expected.clone().into_dyn());
        // A corner needs less than everything, and is the same.
        let corner = engine.compute(&x.slice(s![..3, ..4])).unwrap();
        assert_eq!(corner, expected.slice(s![..3, ..4]).into_dyn());
    }
}

/// The same with `roll`, on a torus, and without fusion.
#[test]
fn a_hundred_steps_on_a_torus() {
    let n = 20;
    let start = ndarray::Array2::from_shape_fn((n, n), |(i, j)| ((i * 7 + j * 3) % 11) as f64);
    let mut expected = start.clone();
    let mut x = Array::<f64>::from_ndarray(start, 7);
    for _ in 0..100 {
        let before = expected.clone();
        expected = ndarray::Array2::from_shape_fn((n, n), |(i, j)| {
            0.5 * before[[i, j]]
                + 0.25 * before[[(i + n - 1) % n, j]]
                + 0.25 * before[[i, (j + 1) % n]]
        });
        x = 0.5 * &x + 0.25 * x.roll(1, 0) + 0.25 * x.roll(-1, 1);
    }
    for off in [&[][..], Rule::ALL] {
        let engine = off
            .iter()
            .fold(Engine::builder().threads(2), |builder, &rule| {
                builder.without(rule)
            })
            .build()
            .unwrap();
        assert_eq!(
            engine.compute(&x).unwrap(),
            expected.clone().into_dyn(),
            "without {off:?}"
        );
    }
}

/// Sums of many arrays: wide plans, as trees and as chains.
#[test]
fn wide_plans() {
    let terms: Vec<Array<f64>> = (0..3000)
        .map(|k| Array::from_ndarray(ndarray::Array1::from_elem(5, f64::from(k)), 2))
        .collect();
    let mut level = terms.clone();
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| {
                if let [a, b] = pair {
                    a + b
                } else {
                    pair[0].clone()
                }
            })
            .collect();
    }
    let chain = terms
        .iter()
        .skip(1)
        .fold(terms[0].clone(), |sum, term| sum + term);
    let total = 3000.0 * 2999.0 / 2.0;
    let (tree, chain) = flagstone::compute((&level[0], &chain)).unwrap();
    assert_eq!(tree, ndarray::ArrayD::from_elem(vec![5], total));
    assert_eq!(chain, tree);
    let long = flagstone::concatenate(&terms, 0);
    assert_eq!(long.sum(..).item().unwrap(), 5.0 * total);
    let results = flagstone::compute(&terms[..]).unwrap();
    assert_eq!(results.len(), 3000);
    assert_eq!(results[2999][4], 2999.0);
}

/// Slices of something enormous cost what they show.
#[test]
fn a_corner_of_something_enormous() {
    let x =
        flagstone::random::Generator::new(1).uniform::<f64>([1_000_000, 1_000_000], [1000, 1000]);
    let y = (&x + 1.0) * 2.0;
    let corner = y.slice(s![-10.., ..10]).compute().unwrap();
    assert_eq!(corner.shape(), [10, 10]);
    assert!(corner.iter().all(|&v| (2.0..4.0).contains(&v)));
    assert!(y.slice(s![..10, ..10]).explain().unwrap().floor_bytes() < 1 << 20);
}

/// Of nothing there is one task, however long its other axes are, and wherever the empty one stands.
#[test]
fn nothing_of_a_long_axis() {
    const LONG: usize = 99_999_999_999;
    for shape in [[LONG, 0, 9], [0, LONG, 9], [9, LONG, 0], [LONG, 9, 0]] {
        let x = Array::<f64>::zeros(shape, ..);
        let y = (&x + 1.0).permute([1, 2, 0]).cast::<f32>();
        assert_eq!(y.compute().unwrap().len(), 0);
        assert!(y.explain().unwrap().tasks() <= 1);
        assert_eq!(x.sum(..).item().unwrap(), 0.0);
    }
}
