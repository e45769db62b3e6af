//! Random arrays: a function of seed, stream and shape, whatever they are cut into and computed on.

use flagstone::random::{Generator, rand, rand_distr};
use flagstone::{AnyArray, Array, DType, Element, Engine, compute, s};
use ndarray::{ArrayD, SliceInfoElem};
use rand_distr::Distribution;

const SHAPE: [usize; 2] = [131, 257];

/// Chunks, slices, views and threads: the numbers stay.
fn stays<T: Element + PartialEq + std::fmt::Debug>(
    make: impl Fn(&mut Generator, &dyn Fn() -> flagstone::Chunks) -> Array<T>,
) {
    let with = |chunks: &dyn Fn() -> flagstone::Chunks| make(&mut Generator::new(77), chunks);
    let grid = |rows: usize, columns: usize| {
        move || flagstone::Chunks::regular(&SHAPE, &[rows, columns]).unwrap()
    };
    let whole = with(&grid(131, 257)).compute().unwrap();
    for (rows, columns) in [(1, 257), (131, 1), (7, 13), (64, 64), (50, 100)] {
        let x = with(&grid(rows, columns));
        for threads in [1, 2, 7] {
            let engine = Engine::builder().threads(threads).build().unwrap();
            assert_eq!(
                engine.compute(&x).unwrap(),
                whole,
                "chunks of {rows} × {columns}"
            );
        }
        let part = |items: Vec<SliceInfoElem>| {
            let info: ndarray::SliceInfo<_, ndarray::IxDyn, ndarray::IxDyn> =
                items.clone().try_into().unwrap();
            assert_eq!(
                x.slice(items).compute().unwrap(),
                whole.slice(info).to_owned()
            );
        };
        part(vec![(3..9).into(), (250..257).into()]);
        part(vec![
            SliceInfoElem::Slice {
                start: 2,
                end: None,
                step: 17,
            },
            SliceInfoElem::Slice {
                start: 1,
                end: None,
                step: -3,
            },
        ]);
        part(vec![
            SliceInfoElem::Index(130),
            SliceInfoElem::NewAxis,
            (256..257).into(),
        ]);
        assert_eq!(x.t().compute().unwrap(), whole.t().to_owned());
        let taken = x.take([200, 3, 3, -1], 1).compute().unwrap();
        assert_eq!(taken, whole.select(ndarray::Axis(1), &[200, 3, 3, 256]));
        assert_eq!(x.ravel().compute().unwrap().as_slice(), whole.as_slice());
        assert_eq!(
            x.roll(5, 1).slice(s![.., 5..]).compute().unwrap(),
            whole.slice(s![.., ..252]).to_owned().into_dyn()
        );
    }
}

#[test]
fn the_same_whatever_the_chunks_slices_and_threads() {
    stays(|rng, chunks| rng.uniform::<f64>(SHAPE, chunks()));
    stays(|rng, chunks| rng.uniform::<f32>(SHAPE, chunks()));
    stays(|rng, chunks| rng.normal::<f64>(SHAPE, chunks()));
    stays(|rng, chunks| rng.normal::<f32>(SHAPE, chunks()));
    stays(|rng, chunks| rng.exponential::<f64>(SHAPE, chunks()));
    stays(|rng, chunks| rng.exponential::<f32>(SHAPE, chunks()));
    stays(|rng, chunks| rng.integers(-3i8..=3, SHAPE, chunks()));
    stays(|rng, chunks| rng.integers::<u64>(.., SHAPE, chunks()));
    stays(|rng, chunks| rng.bernoulli(0.5, SHAPE, chunks()));
    stays(|rng, chunks| rng.sample(rand_distr::Poisson::new(3.0_f64).unwrap(), SHAPE, chunks()));
    stays(|rng, chunks| {
        rng.sample(
            rand_distr::Gamma::new(0.5_f64, 2.0).unwrap(),
            SHAPE,
            chunks(),
        )
    });
}

#[test]
fn the_same_within_every_expression() {
    let make = || Generator::new(5).normal::<f64>(SHAPE, [40, 100]);
    let values = make().compute().unwrap();
    let held = Array::from_ndarray(values, [40, 100]);
    let (x, y) = (make(), held);
    let job = |x: &Array<f64>| {
        (
            (x * 2.0).mean(0),
            x.std(..),
            (x - &x.t().t().mean(0)).max(1),
            x.flip(0) + x,
        )
    };
    let (a, b) = (compute(job(&x)).unwrap(), compute(job(&y)).unwrap());
    assert_eq!(a, b);
}

#[test]
fn two_arrays_of_one_generator_differ() {
    let mut rng = Generator::new(1);
    let arrays: Vec<Array<f64>> = (0..6).map(|_| rng.uniform([100], 10)).collect();
    let values = compute(&arrays[..]).unwrap();
    for (i, a) in values.iter().enumerate() {
        for b in &values[..i] {
            assert!(
                a.iter().zip(b).all(|(a, b)| a != b),
                "two streams agree somewhere"
            );
        }
        // Within an array, too.
        let mut sorted = a.to_owned().into_raw_vec_and_offset().0;
        sorted.sort_by(f64::total_cmp);
        assert!(sorted.windows(2).all(|pair| pair[0] != pair[1]));
    }
    // Not even equal expressions of two streams become one.
    assert!(
        ((&arrays[0] + 1.0) - (&arrays[1] + 1.0))
            .abs()
            .min(..)
            .item()
            .unwrap()
            > 0.0
    );
    assert_eq!((&arrays[0] - &arrays[0]).abs().max(..).item().unwrap(), 0.0);
}

#[test]
fn seeds_and_streams() {
    let first = |mut rng: Generator| rng.uniform::<f64>([64], 8).compute().unwrap();
    assert_eq!(first(Generator::new(9)), first(Generator::new(9)));
    assert_ne!(first(Generator::new(9)), first(Generator::new(10)));
    assert_ne!(first(Generator::new(1)), first(Generator::new(1 << 32 | 1)));
    assert_ne!(first(Generator::new(1)), first(Generator::new(1 << 63 | 1)));
    let rng = Generator::from_entropy();
    assert_eq!(first(rng.clone()), first(Generator::new(rng.seed())));
    assert_ne!(Generator::default().seed(), Generator::default().seed());
    let mut rng = Generator::new(9);
    for number in 0..4 {
        let next = rng.normal::<f32>([64], 8).compute().unwrap();
        assert_eq!(
            next,
            Generator::new(9)
                .stream(number)
                .normal::<f32>([64], 64)
                .compute()
                .unwrap()
        );
    }
    // A clone goes on from where it was made, on its own.
    let mut copy = rng.clone();
    assert_eq!(
        rng.uniform::<f64>([64], 8).compute().unwrap(),
        first(copy.clone())
    );
    let _ = copy.uniform::<f64>([64], 8);
    assert_eq!(rng.uniform::<f64>([64], 8).compute().unwrap(), first(copy));
}

#[test]
fn elements_are_counted_in_64_bits() {
    let mut rng = Generator::new(3);
    let x = rng.uniform::<f64>([1 << 20, 1 << 20], [1 << 10, 1 << 10]);
    // Far beyond 2³² elements.
    let far = x.slice(s![-1, -8..]).compute().unwrap();
    let near = x.slice(s![0, -8..]).compute().unwrap();
    assert!(far.iter().zip(&near).all(|(a, b)| a != b));
    let row = 1 << 12; // 2¹² rows of 2²⁰: the same low 32 bits.
    let other = x.slice(s![row, ..8]).compute().unwrap();
    assert_ne!(other, x.slice(s![0, ..8]).compute().unwrap());
}

/// Mean and spread of 10⁶ numbers, within five standard errors.
fn moments(values: &ArrayD<f64>, mean: f64, variance: f64, what: &str) {
    let n = values.len() as f64;
    let got = values.sum() / n;
    assert!(
        (got - mean).abs() < 5.0 * (variance / n).sqrt(),
        "the mean of {what} is {got}, not {mean}"
    );
    let spread = values.mapv(|v| (v - mean).powi(2)).sum() / n;
    assert!(
        (spread - variance).abs() < 0.02 * variance,
        "the variance of {what} is {spread}, not {variance}"
    );
}

#[test]
fn distributions() {
    let shape = [1000, 1000];
    let of = |x: AnyArray| x.cast::<f64>().compute().unwrap();
    let mut rng = Generator::new(2024);
    let uniform = of(rng.uniform::<f64>(shape, 250).into());
    assert!(uniform.iter().all(|v| (0.0..1.0).contains(v)));
    moments(&uniform, 0.5, 1.0 / 12.0, "uniform");
    let single = rng.uniform::<f32>(shape, 250).compute().unwrap();
    assert!(single.iter().all(|v| (0.0..1.0).contains(v)));
    moments(&single.mapv(f64::from), 0.5, 1.0 / 12.0, "uniform f32");
    moments(
        &of(rng.normal::<f64>(shape, 250).into()),
        0.0,
        1.0,
        "normal",
    );
    moments(
        &of(rng.normal::<f32>(shape, 250).into()),
        0.0,
        1.0,
        "normal f32",
    );
    let exponential = of(rng.exponential::<f64>(shape, 250).into());
    assert!(exponential.iter().all(|&v| v >= 0.0 && v.is_finite()));
    moments(&exponential, 1.0, 1.0, "exponential");
    moments(
        &of(rng.exponential::<f32>(shape, 250).into()),
        1.0,
        1.0,
        "exponential f32",
    );
    let dice = of(rng.integers(1..=6, shape, 250).into());
    moments(&dice, 3.5, 35.0 / 12.0, "dice");
    for face in 1..=6 {
        let count = dice.iter().filter(|&&v| v == f64::from(face)).count() as f64;
        assert!((count - 1e6 / 6.0).abs() < 2000.0, "{count} times {face}");
    }
    moments(
        &of(rng.bernoulli(0.2, shape, 250).into()),
        0.2,
        0.16,
        "bernoulli",
    );
    moments(
        &of(rng
            .sample(rand_distr::Poisson::new(4.0_f64).unwrap(), shape, 250)
            .into()),
        4.0,
        4.0,
        "Poisson",
    );
    moments(
        &of(rng
            .sample::<f64>(rand_distr::StandardNormal, shape, 250)
            .into()),
        0.0,
        1.0,
        "the crate's normal",
    );
}

#[test]
fn neighbours_are_independent() {
    let x = Generator::new(8).normal::<f64>([1000, 1000], 250);
    for shifted in [
        x.slice(s![.., 1..]) * x.slice(s![.., ..-1]),
        x.slice(s![1.., ..]) * x.slice(s![..-1, ..]),
    ] {
        assert!(shifted.mean(..).item().unwrap().abs() < 0.005);
    }
    let y = Generator::new(9).normal::<f64>([1000, 1000], 250);
    assert!((&x * &y).mean(..).item().unwrap().abs() < 0.005);
}

#[test]
fn integers_of_every_range() {
    let mut rng = Generator::new(11);
    let n = 20_000;
    let bounds = |least: i128, greatest: i128, low: i128, high: i128| {
        assert!(
            least >= low && greatest <= high,
            "{least}..={greatest} is not within {low}..={high}"
        );
    };
    let all = rng.integers::<i8>(.., n, 1000).compute().unwrap();
    let mut seen = [false; 256];
    all.iter()
        .for_each(|&v| seen[(i16::from(v) + 128) as usize] = true);
    assert!(seen.iter().all(|&seen| seen), "all 256 bytes come up");
    let wide = rng.integers::<u64>(.., n, 1000).compute().unwrap();
    assert!(wide.iter().any(|&v| v > 1 << 63) && wide.iter().any(|&v| v < 1 << 60));
    let edge = rng
        .integers(u64::MAX - 2..=u64::MAX, n, 1000)
        .compute()
        .unwrap();
    bounds(
        (*edge.iter().min().unwrap()).into(),
        (*edge.iter().max().unwrap()).into(),
        (u64::MAX - 2).into(),
        u64::MAX.into(),
    );
    let low = rng
        .integers(i64::MIN..i64::MIN + 2, n, 1000)
        .compute()
        .unwrap();
    bounds(
        (*low.iter().min().unwrap()).into(),
        (*low.iter().max().unwrap()).into(),
        i64::MIN.into(),
        (i64::MIN + 1).into(),
    );
    let one = rng.integers(7u16..=7, n, 1000).compute().unwrap();
    assert!(one.iter().all(|&v| v == 7));
    let open = rng
        .integers(
            (
                std::ops::Bound::Excluded(0i32),
                std::ops::Bound::Included(2),
            ),
            n,
            1000,
        )
        .compute()
        .unwrap();
    assert!(open.iter().all(|&v| v == 1 || v == 2));
    assert!(
        rng.bernoulli(0.0, n, 1000)
            .compute()
            .unwrap()
            .iter()
            .all(|&v| !v)
    );
    assert!(
        rng.bernoulli(1.0, n, 1000)
            .compute()
            .unwrap()
            .iter()
            .all(|&v| v)
    );
}

/// A distribution of one's own, of any element type, that draws as often as it likes.
struct Walk;

impl Distribution<i32> for Walk {
    fn sample<R: rand::Rng + ?Sized>(&self, rng: &mut R) -> i32 {
        let steps = rng.next_u32() % 50;
        (0..steps)
            .map(|_| if rng.next_u64() & 1 == 0 { 1 } else { -1 })
            .sum()
    }
}

#[test]
fn any_distribution() {
    stays(|rng, chunks| rng.sample(Walk, SHAPE, chunks()));
    let x: Array<i32> = Generator::new(4).sample(Walk, SHAPE, ..);
    assert_eq!(x.dtype(), DType::I32);
    assert!(x.std(..).item().unwrap() > 1.0);
    let mut rng = Generator::new(4);
    let (a, b) = (
        rng.sample::<i32>(Walk, SHAPE, ..),
        rng.sample::<i32>(Walk, SHAPE, ..),
    );
    assert!(a.ne(&b).any(..).item().unwrap());
    // A panic in it is an error that says so.
    struct Bad;
    impl Distribution<f64> for Bad {
        fn sample<R: rand::Rng + ?Sized>(&self, _: &mut R) -> f64 {
            panic!("no luck")
        }
    }
    let error = rng.sample::<f64>(Bad, 10, ..).compute().unwrap_err();
    assert!(
        error.is_panic() && error.to_string().contains("no luck"),
        "{error}"
    );
}

type Case = fn(&Array<f64>) -> Array<f64>;

/// What is done to numbers in the registers that they are drawn in, is what is done to numbers in memory.
#[test]
fn scaled_and_summed_as_if_they_lay_in_memory() {
    for chunks in [[131, 257], [50, 100], [7, 13], [1, 257], [131, 1]] {
        let drawn = |seed: u64| {
            let chunks = || flagstone::Chunks::regular(&SHAPE, &chunks).unwrap();
            [
                Generator::new(seed).uniform::<f64>(SHAPE, chunks()),
                Generator::new(seed).normal(SHAPE, chunks()),
                Generator::new(seed).exponential(SHAPE, chunks()),
            ]
        };
        for (which, x) in drawn(5).into_iter().enumerate() {
            let in_memory = Array::from_ndarray(x.compute().unwrap(), x.chunks().clone());
            let each: [Case; 12] = [
                |x| x * 2.0,
                |x| x * -3.1,
                |x| x + 0.25,
                |x| x - 0.25,
                |x| 2.0 * x + 1.0,
                |x| 0.1 - 3.0 * x,
                |x| x * 7.0 - 1.0,
                |x| (x + 1.0) * 7.0,
                |x| (x * 7.0 - 1.0).t(),
                |x| (x * 7.0 - 1.0).slice(s![3.., ..;2]),
                |x| x.sum(0),
                |x| x.mean(1) + x.sum(0).sum(..),
            ];
            for (number, f) in each.iter().enumerate() {
                let bits = |x: Array<f64>| x.compute().unwrap().mapv(f64::to_bits);
                let what = format!("distribution {which}, case {number}, chunks {chunks:?}");
                assert_eq!(bits(f(&x)), bits(f(&in_memory)), "{what}");
            }
        }
    }
}
