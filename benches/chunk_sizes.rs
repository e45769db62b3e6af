//! One job over chunk sizes: time should hardly depend on them.
//!
//! ```text
//! cargo bench --bench chunk_sizes
//! ```
//!
//! `cargo run --release --example chunk_sizes` does it for 10,000 × 10,000, and draws a plot.

use divan::Bencher;
use divan::counter::ItemsCount;
use flagstone::{Array, random};

const N: usize = 2000;

fn main() {
    divan::main();
}

fn input() -> Array<f64> {
    let x = random::Generator::new(1).uniform::<f64>([N, N], ..);
    x.persist().expect("32 MB")
}

#[divan::bench(args = [10, 20, 50, 100, 200, 500, 1000, 2000])]
fn mean0(bencher: Bencher, chunk: usize) {
    let mean = input().rechunk(chunk).mean(0);
    bencher
        .counter(ItemsCount::new(N * N))
        .bench_local(|| mean.compute().expect("means"));
}

#[divan::bench(args = [10, 100, 1000])]
fn affine_mean0(bencher: Bencher, chunk: usize) {
    let mean = (2.0 * input().rechunk(chunk) + 1.0).mean(0);
    bencher
        .counter(ItemsCount::new(N * N))
        .bench_local(|| mean.compute().expect("means"));
}

#[divan::bench(args = [10, 100, 1000])]
fn map_blocks_mean0(bencher: Bencher, chunk: usize) {
    let blocks = input().rechunk(chunk).map_blocks(|block| block.to_owned());
    let mean = blocks.mean(0);
    bencher
        .counter(ItemsCount::new(N * N))
        .bench_local(|| mean.compute().expect("means"));
}
