//! What each layer costs, through the public interface and in sizes that take moments.
//!
//! ```text
//! cargo bench --bench layers -- planning
//! ```
//!
//! `cargo run --release --example workloads` measures large arrays against hand-written loops.

use std::sync::Arc;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use flagstone::{Array, Engine, Explain, random};

fn main() {
    divan::main();
}

/// Building and dropping, optimizing, lowering, ordering: nothing runs.
mod planning {
    use super::*;

    /// A chain of operations that nothing can fold.
    fn chain(n: usize) -> Array<f64> {
        let x = random::Generator::new(1).uniform::<f64>([1000, 1000], 100);
        (0..n).fold(x, |x, i| if i % 2 == 0 { x.sqrt() } else { x.abs() })
    }

    #[divan::bench(args = [1, 10, 100, 1000])]
    fn build(n: usize) -> Array<f64> {
        chain(n)
    }

    #[divan::bench(args = [1, 10, 100, 1000])]
    fn explain(bencher: Bencher, n: usize) {
        let x = chain(n);
        bencher.bench_local(|| -> Explain { x.explain().expect("a plan") });
    }

    #[divan::bench]
    fn two_passes(bencher: Bencher) {
        let x = random::Generator::new(1).uniform::<f64>([10_000, 10_000], 1000);
        let anomaly = (&x - &x.mean(0)).square().sum(..);
        bencher.bench_local(|| anomaly.explain().expect("a plan"));
    }
}

/// The whole way for hardly any elements.
mod tiny {
    use super::*;

    #[divan::bench]
    fn compute(bencher: Bencher) {
        let x = Array::<f64>::ones([10, 10], ..)
            .persist()
            .expect("100 elements");
        let y = ((&x + 1.0) * 2.0).sum(..);
        bencher.bench_local(|| y.item().expect("a sum"));
    }

    #[divan::bench]
    fn build_and_compute(bencher: Bencher) {
        bencher.bench_local(|| {
            let x = Array::<f64>::ones([10, 10], ..);
            ((x + 1.0) * 2.0).sum(..).item().expect("a sum")
        });
    }
}

/// Kernels, a million elements in memory at a time, on one thread.
mod kernels {
    use super::*;

    const N: usize = 1000;

    fn one_thread() -> Engine {
        Engine::builder().threads(1).build().expect("one thread")
    }

    fn input() -> Array<f64> {
        let x = random::Generator::new(1).uniform::<f64>([N, N], ..);
        x.persist().expect("8 MB")
    }

    /// Runs it on one thread and counts elements.
    fn run<T: flagstone::Element>(bencher: Bencher, array: Array<T>) {
        let engine = one_thread();
        let bencher = bencher.counter(ItemsCount::new(N * N));
        bencher.bench_local(|| engine.compute(&array).expect("a result"));
    }

    #[divan::bench]
    fn affine(bencher: Bencher) {
        run(bencher, 2.0 * input() + 1.0);
    }

    #[divan::bench]
    fn map(bencher: Bencher) {
        run(bencher, input().map(|x| 2.0 * x + 1.0));
    }

    #[divan::bench]
    fn exp(bencher: Bencher) {
        run(bencher, input().exp());
    }

    #[divan::bench]
    fn transpose(bencher: Bencher) {
        run(bencher, input().t() + 1.0);
    }

    #[divan::bench(args = [0, 1])]
    fn sum(bencher: Bencher, axis: usize) {
        run(bencher, input().sum(axis));
    }

    #[divan::bench(args = [0, 1])]
    fn std(bencher: Bencher, axis: usize) {
        run(bencher, input().std(axis));
    }

    #[divan::bench(args = [0, 1])]
    fn argmax(bencher: Bencher, axis: usize) {
        run(bencher, input().argmax(axis));
    }

    #[divan::bench]
    fn uniform(bencher: Bencher) {
        run(
            bencher,
            random::Generator::new(1).uniform::<f64>([N, N], ..),
        );
    }

    #[divan::bench]
    fn normal(bencher: Bencher) {
        run(bencher, random::Generator::new(1).normal::<f64>([N, N], ..));
    }
}

/// The mathematical functions, of operands that fit the cache, on one thread: the costs in the table of
/// operations.
mod functions {
    use super::*;

    const N: usize = 50_000;

    /// A function of one array, and of two.
    type Function = fn(&Array<f64>, &Array<f64>) -> Array<f64>;

    const FUNCTIONS: &[(&str, Function)] = &[
        ("sqrt", |x, _| x.sqrt()),
        ("cbrt", |x, _| x.cbrt()),
        ("exp", |x, _| x.exp()),
        ("exp2", |x, _| x.exp2()),
        ("expm1", |x, _| x.expm1()),
        ("log", |x, _| x.log()),
        ("log2", |x, _| x.log2()),
        ("log10", |x, _| x.log10()),
        ("log1p", |x, _| x.log1p()),
        ("sin", |x, _| x.sin()),
        ("cos", |x, _| x.cos()),
        ("tan", |x, _| x.tan()),
        ("asin", |x, _| x.asin()),
        ("acos", |x, _| x.acos()),
        ("atan", |x, _| x.atan()),
        ("sinh", |x, _| x.sinh()),
        ("cosh", |x, _| x.cosh()),
        ("tanh", |x, _| x.tanh()),
        ("asinh", |x, _| x.asinh()),
        ("acosh", |x, _| (1.0 + x).acosh()),
        ("atanh", |x, _| x.atanh()),
        ("sinc", |x, _| x.sinc()),
        ("power", |x, y| x.power(y)),
        ("hypot", |x, y| x.hypot(y)),
        ("atan2", |x, y| x.atan2(y)),
        ("logaddexp", |x, y| x.logaddexp(y)),
        ("logaddexp2", |x, y| x.logaddexp2(y)),
    ];

    #[divan::bench(args = FUNCTIONS.iter().map(|(name, _)| *name))]
    fn float64(bencher: Bencher, name: &str) {
        let found = FUNCTIONS.iter().find(|(other, _)| *other == name);
        let &(_, function) = found.expect("a name of the list");
        let mut generator = random::Generator::new(1);
        let mut operand = || {
            let x = generator.uniform::<f64>(N, ..);
            x.persist().expect("400 kB")
        };
        let y = function(&operand(), &operand());
        let engine = Engine::builder().threads(1).build().expect("one thread");
        let mut out = vec![0.0; N];
        let bencher = bencher.counter(ItemsCount::new(N));
        bencher.bench_local(|| {
            let out = ndarray::aview_mut1(&mut out).into_dyn();
            engine.compute_into(&y, out).expect("a result")
        });
    }
}

/// What a block of an opaque function costs beside the function, and a task beside its blocks.
mod executor {
    use super::*;

    const BLOCKS: usize = 100_000;

    #[divan::bench(sample_count = 10)]
    fn block_functions(bencher: Bencher) {
        let x = Array::<u8>::zeros(BLOCKS, 1);
        let y = x.map_blocks(|block| block.to_owned()).sum(..);
        let bencher = bencher.counter(ItemsCount::new(BLOCKS));
        bencher.bench_local(|| black_box(&y).item().expect("a sum"));
    }

    /// A stream has a task for each chunk.
    #[divan::bench(sample_count = 10)]
    fn streamed_blocks(bencher: Bencher) {
        let x = Array::<u8>::zeros(BLOCKS / 10, 1);
        let bencher = bencher.counter(ItemsCount::new(BLOCKS / 10));
        bencher.bench_local(|| {
            x.blocks()
                .map(|block| block.expect("a block").index()[0])
                .sum::<usize>()
        });
    }

    #[divan::bench]
    fn observed(bencher: Bencher) {
        struct Nobody;
        impl flagstone::Observer for Nobody {
            fn event(&self, event: &flagstone::Event) {
                black_box(event);
            }
        }
        let engine = Engine::builder()
            .observer(Arc::new(Nobody))
            .build()
            .expect("an engine");
        let y = random::Generator::new(1)
            .uniform::<f32>([1000, 1000], 10)
            .sum(0);
        bencher.bench_local(|| engine.compute(&y).expect("a sum"));
    }
}
