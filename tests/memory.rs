//! What a process holds at its peak, against what the plan promised: each case in a process of its own.
//!
//! The promise: the process's peak (`VmHWM`) is at most the planned peak, the results, and 24 MiB + 4 MiB for
//! each thread, which is what code, stacks, allocators' leftovers and libraries take.
#![cfg(target_os = "linux")]

use std::process::Command;

use flagstone::{Array, BoxError, Chunks, Engine, Region, Sink, Source, Store, random};
use ndarray::{ArrayViewD, ArrayViewMutD};

/// The process's peak of resident bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        * 1024
}

fn constant(threads: usize) -> u64 {
    (24 << 20) + threads as u64 * (4 << 20)
}

/// A source in units that decodes into a buffer of its own, as compressed ones do.
struct Units {
    shape: Vec<usize>,
    unit: Vec<usize>,
}

impl Source for Units {
    type Elem = f64;

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn chunks(&self) -> Chunks {
        Chunks::regular(&self.shape, &self.unit).unwrap()
    }

    fn read(&self, region: &Region, mut out: ArrayViewMutD<'_, f64>) -> Result<(), BoxError> {
        let decoded = vec![region.start()[0] as f64; self.unit.iter().product()];
        for (number, target) in out.iter_mut().enumerate() {
            *target = decoded[number % decoded.len()];
        }
        Ok(())
    }

    fn storage_grid(&self) -> Option<Chunks> {
        Some(self.chunks())
    }

    fn cost(&self) -> f64 {
        20.0
    }

    fn scratch_bytes(&self) -> usize {
        self.unit.iter().product::<usize>() * 8
    }
}

/// Takes what it is given nowhere.
struct Nowhere;

impl Sink for Nowhere {
    type Elem = f64;

    fn write(&self, _: &Region, values: ArrayViewD<'_, f64>) -> Result<(), BoxError> {
        std::hint::black_box(values.sum());
        Ok(())
    }
}

/// A number from 0 to `most`, from a seed.
fn pick(seed: &mut u64, most: usize) -> usize {
    *seed = seed
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) as usize % most
}

/// A computation of some hundred megabytes, whose result is small or goes to a sink.
fn job(seed: &mut u64) -> (Array<f64>, bool) {
    let sides = [1024, 2048, 4096];
    let shape = [sides[pick(seed, 3)], 4096];
    let chunks = [128 << pick(seed, 3), 256 << pick(seed, 3)];
    let x = match pick(seed, 4) {
        0 => random::Generator::new(*seed).normal::<f64>(shape, chunks),
        1 => Array::<f64>::ones(shape, chunks).map_blocks(|block| &block * 2.0),
        _ => Array::from_source(Units {
            shape: shape.to_vec(),
            unit: chunks.to_vec(),
        }),
    };
    match pick(seed, 8) {
        0 => ((&x - &x.mean(..)).square().mean(..), false),
        1 => ((&x - &x.mean(0)).square().sum(..), false),
        2 => (x.std(0), false),
        3 => (x.rechunk([shape[0], 32]), true),
        4 => (x.rechunk([16, shape[1]]).t(), true),
        5 => (x.flip(0) + &x, true),
        6 => ((&x * 2.0).reshape([shape[1], shape[0]]) + 1.0, true),
        _ => (&x - &x.mean(1).expand_dims(1), true),
    }
}

/// Runs in a process of its own: which job, and with which share of what it would like to have.
#[test]
#[ignore = "run by the others, each time in a new process"]
fn child() {
    let Ok(text) = std::env::var("FLAGSTONE_TEST_MEMORY") else {
        return;
    };
    let numbers: Vec<u64> = text.split(' ').map(|n| n.parse().unwrap()).collect();
    let [seed, threads, share] = numbers[..] else {
        panic!("{text}")
    };
    let (x, stored) = job(&mut seed.clone());
    let engine = |memory: u64| {
        Engine::builder()
            .threads(threads as usize)
            .memory(memory)
            .build()
            .unwrap()
    };
    let store = || [Store::to_sink(&x, Nowhere).unwrap()];
    let explain = |engine: &Engine| match stored {
        true => engine.explain_stores(&store()).unwrap(),
        false => engine.explain(&x).unwrap(),
    };
    // The smallest budget that is enough, by halving.
    let ample = explain(&engine(1 << 40));
    let mut least = ample.floor_bytes();
    let mut budget = least;
    while budget > 1 << 16 {
        let explained = explain(&engine(budget));
        if explained.floor_bytes() > budget {
            break;
        }
        least = explained.floor_bytes();
        budget = least * 3 / 4;
    }
    let budget = match share {
        0 => least,
        1 => 2 * least,
        _ => ample.planned_peak_bytes(),
    };
    let engine = engine(budget);
    let explained = explain(&engine);
    let before = peak();
    let planned = match stored {
        true => engine.store_all(store()).unwrap().planned_peak_bytes,
        false => engine.measure(&x).unwrap().1.planned_peak_bytes,
    };
    assert!(planned <= budget, "{explained}");
    let (peak, promised) = (peak(), planned + constant(threads as usize));
    println!(
        "planned {planned} peak {peak} before {before} spilled {}",
        explained.bytes_spilled()
    );
    assert!(
        peak <= promised,
        "peak {peak}, promised {promised}, before {before}\n{explained}"
    );
}

fn run(seed: u64, threads: usize, share: u32) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--ignored", "--nocapture"])
        .env("FLAGSTONE_TEST_MEMORY", format!("{seed} {threads} {share}"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "seed {seed}, {threads} threads, share {share}:\n{text}\n{errors}"
    );
    if let Some(line) = text.lines().find(|line| line.contains("planned ")) {
        println!("seed {seed}, {threads} threads, share {share}: {line}");
    }
}

#[test]
fn the_smallest_budgets() {
    for seed in 0..12 {
        run(seed, 1 + seed as usize % 3, 0);
    }
}

#[test]
fn twice_the_smallest() {
    for seed in 100..106 {
        run(seed, 2, 1);
    }
}

#[test]
fn as_much_as_wanted() {
    for seed in 200..204 {
        run(seed, 1 + seed as usize % 4, 2);
    }
}
