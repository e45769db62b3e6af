//! Counts the instructions of small jobs, through the public interface, under Valgrind: what a clock is too coarse for, and
//! what is the same on a busy machine.
//!
//! ```text
//! cargo bench --bench instructions
//! cargo bench --bench instructions -- tiny        # those with this in their names
//! cargo bench --bench instructions -- --save      # makes these counts the ones to compare with
//! ```
//!
//! The program runs itself under `valgrind --tool=callgrind`, once for each job. Everything runs on one thread, and with the
//! kernels of AVX2, since Valgrind knows no AVX-512. Counts are compared with `benches/instructions.json` if that was made by
//! the same compiler, for the same instruction set and under the same Valgrind; a count that is more than a tenth higher is a
//! failure.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::hint::black_box;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use flagstone::{Array, Engine, keep, random, s};

/// A count may be this many times the one of before.
const TOLERANCE: f64 = 1.1;
/// How often a job runs while instructions are counted.
const RUNS: u64 = 10;
/// In the environment of a counted process: the name of its job.
const JOB: &str = "FLAGSTONE_COUNTED_JOB";

/// Prepares a job, whose runs are then counted.
type Prepare = fn(Engine) -> Box<dyn FnMut()>;

const JOBS: &[(&str, &str, Prepare)] = &[
    ("build", "building ((x + 1)·2 − √x).sum()", |_| {
        let x = ones(10, ..);
        Box::new(move || finish(expression(&x)))
    }),
    ("plan", "planning it", |engine| {
        let y = expression(&ones(10, ..));
        Box::new(move || finish(engine.explain(&y).expect("a plan")))
    }),
    (
        "tiny_compute",
        "building, planning and computing ((x + 1)·2).sum() of 10 numbers",
        |engine| {
            let x = held(&engine, 10, ..);
            Box::new(move || {
                let y = ((&x + 1.0) * 2.0).sum(..);
                finish(engine.item(&y).expect("a sum"))
            })
        },
    ),
    (
        "one_block",
        "building, planning and computing ((ones + 1)·2).sum() of one block of 10 × 10 numbers",
        |engine| {
            Box::new(move || {
                let y = ((Array::<f64>::ones([10, 10], [10, 10]) + 1.0) * 2.0).sum(keep(..));
                finish(engine.compute(&y).expect("a sum"))
            })
        },
    ),
    (
        "planned_block",
        "the same of 20 × 20 numbers, which are too many to do without a plan",
        |engine| {
            Box::new(move || {
                let y = ((Array::<f64>::ones([20, 20], [20, 20]) + 1.0) * 2.0).sum(keep(..));
                finish(engine.compute(&y).expect("a sum"))
            })
        },
    ),
    (
        "tile",
        "2x + 1 of 1,000 numbers, into memory that is there",
        |engine| {
            let y = 2.0 * held(&engine, 1000, ..) + 1.0;
            let mut out = vec![0.0; 1000];
            Box::new(move || {
                let out = ndarray::aview_mut1(&mut out).into_dyn();
                engine.compute_into(&y, out).expect("numbers");
            })
        },
    ),
    (
        "small_reduction",
        "x.sum(0) of 10 × 100 numbers",
        |engine| {
            let y = held(&engine, 1000, ..).reshape([10, 100]).sum(0);
            Box::new(move || finish(engine.compute(&y).expect("sums")))
        },
    ),
    (
        "fold",
        "x.sum() of 65,536 numbers that lie side by side",
        |engine| {
            let y = held(&engine, 1 << 16, ..).sum(..);
            Box::new(move || finish(engine.item(&y).expect("a sum")))
        },
    ),
    ("random", "1,024 uniform numbers", |engine| {
        let y = random::Generator::new(1).uniform::<f64>(1024, ..);
        Box::new(move || finish(engine.compute(&y).expect("numbers")))
    }),
    (
        "fused_blocks",
        "((x + 1)·2).sum() of 1,000 blocks of 10 numbers",
        |engine| {
            let y = ((held(&engine, 10_000, 10) + 1.0) * 2.0).sum(..);
            Box::new(move || finish(engine.item(&y).expect("a sum")))
        },
    ),
    (
        "opaque_blocks",
        "a block function on 1,000 blocks of 10 numbers, and the sum",
        |engine| {
            let y = held(&engine, 10_000, 10)
                .map_blocks(|block| block.to_owned())
                .sum(..);
            Box::new(move || finish(engine.item(&y).expect("a sum")))
        },
    ),
    (
        "slice_of_huge",
        "(U + 1)[:10, :10] of 10¹² numbers",
        |engine| {
            let u = random::Generator::new(1).uniform::<f64>([1_000_000, 1_000_000], 1000);
            let y = (u + 1.0).slice(s![..10, ..10]);
            Box::new(move || finish(engine.compute(&y).expect("numbers")))
        },
    ),
];

/// Drops what a job made, so that its memory's return counts too; the compiler must take it for used.
fn finish<T>(made: T) {
    black_box(made);
}

fn ones(len: usize, chunks: impl flagstone::IntoChunks) -> Array<f64> {
    Array::ones([len], chunks)
}

/// Numbers in memory: of ones that are made on the way, a sum would be known beforehand.
fn held(engine: &Engine, len: usize, chunks: impl flagstone::IntoChunks) -> Array<f64> {
    engine.persist(&ones(len, chunks)).expect("memory")
}

fn expression(x: &Array<f64>) -> Array<f64> {
    ((x + 1.0) * 2.0 - x.sqrt()).sum(..)
}

fn main() -> ExitCode {
    if let Ok(name) = std::env::var(JOB) {
        run(&name);
        return ExitCode::SUCCESS;
    }
    match count_all() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// In the counted process: the job, first to warm up, then counted.
fn run(name: &str) {
    // The calling thread is the pool's only one, so that no other one searches for work while instructions are counted.
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .use_current_thread()
        .build()
        .expect("a pool");
    let engine = Engine::builder()
        .rayon_pool(std::sync::Arc::new(pool))
        .build()
        .expect("an engine");
    let found = JOBS.iter().find(|(other, ..)| *other == name);
    let (_, _, prepare) = found.expect("a name of the list");
    let mut job = prepare(engine);
    job();
    counted_runs(&mut *job);
}

/// Valgrind counts what runs between entering and leaving this function, which it knows by its name.
#[inline(never)]
fn counted_runs(job: &mut dyn FnMut()) {
    for _ in 0..RUNS {
        black_box(&mut *job)();
    }
}

/// What counts depend on beside Flagstone's code, and the counts.
#[derive(Default, PartialEq)]
struct Counts {
    facts: BTreeMap<String, String>,
    instructions: BTreeMap<String, u64>,
}

/// Counts, compares and prints; whether all is well.
fn count_all() -> Result<bool, Box<dyn std::error::Error>> {
    // Cargo adds `--bench` by itself.
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let save = words.iter().any(|word| word == "--save");
    let filters: Vec<&String> = words.iter().filter(|word| *word != "--save").collect();
    if let Some(flag) = filters.iter().find(|word| word.starts_with('-')) {
        return Err(format!("no flag is named {flag}").into());
    }
    let Some(valgrind) = version("valgrind") else {
        println!("no instructions are counted: there is no `valgrind` that could be run");
        return Ok(true);
    };
    let mut now = Counts::default();
    let compiler = version("rustc").unwrap_or_else(|| "unknown".to_owned());
    let isa = if std::env::consts::ARCH == "x86_64" {
        "avx2"
    } else {
        "portable"
    };
    for (name, value) in [
        ("architecture", std::env::consts::ARCH),
        ("compiler", &compiler),
        ("isa", isa),
        ("valgrind", &valgrind),
    ] {
        now.facts.insert(name.to_owned(), value.to_owned());
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.json");
    let before = if path.exists() {
        parse(&std::fs::read_to_string(&path)?)
    } else {
        Counts::default()
    };
    let comparable = before.facts == now.facts;
    if !comparable {
        let made_by = if path.exists() {
            format!("is of {:?}", before.facts)
        } else {
            "is not there".to_owned()
        };
        println!(
            "not compared: {} {made_by}; this is {:?}",
            path.display(),
            now.facts
        );
    }

    let mut good = true;
    println!(
        "{:16} {:>12} {:>12} {:>7}  job",
        "", "instructions", "before", "ratio"
    );
    for (name, what, _) in JOBS {
        if !filters.is_empty() && !filters.iter().any(|filter| name.contains(filter.as_str())) {
            continue;
        }
        let count = count(name, isa)?;
        now.instructions.insert((*name).to_owned(), count);
        let old = before.instructions.get(*name).filter(|_| comparable);
        let (old, ratio) = old.map_or((None, None), |&old| {
            (Some(old), Some(count as f64 / old as f64))
        });
        let text = |value: Option<String>| value.unwrap_or_default();
        let worse = ratio.is_some_and(|ratio| ratio > TOLERANCE);
        good &= !worse || save;
        println!(
            "{name:16} {count:>12} {:>12} {:>7}  {what}{}",
            text(old.map(|old| old.to_string())),
            text(ratio.map(|ratio| format!("{ratio:.3}"))),
            if worse { "  <-- more than before" } else { "" },
        );
    }
    if save {
        if comparable {
            // Those that a filter left out stay.
            let kept = before
                .instructions
                .into_iter()
                .filter(|(name, _)| JOBS.iter().any(|job| job.0 == name));
            now.instructions = kept.chain(now.instructions).collect();
        }
        std::fs::write(&path, print(&now))?;
        println!("saved as {}", path.display());
    }
    Ok(good)
}

/// The first line that the program prints about itself; None if it cannot be run.
fn version(program: &str) -> Option<String> {
    let output = Command::new(program)
        .arg("--version")
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output
        .status
        .success()
        .then(|| text.lines().next().unwrap_or("").to_owned())
}

/// Instructions of one run of the job.
fn count(name: &str, isa: &str) -> Result<u64, Box<dyn std::error::Error>> {
    let output = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--callgrind-out-file=/dev/null",
            "--toggle-collect=*counted_runs*",
        ])
        .arg(std::env::current_exe()?)
        .env(JOB, name)
        .env("FLAGSTONE_ISA", isa)
        // The plan and the executor's books depend on it, and Valgrind's machine has all of the real one's memory.
        .env("FLAGSTONE_MEMORY", "1 GiB")
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said
        .lines()
        .find_map(|line| line.split_once("Collected :"))
        .and_then(|(_, number)| number.trim().parse::<u64>().ok());
    match collected {
        Some(collected) if output.status.success() && collected > 0 => Ok(collected / RUNS),
        _ => Err(format!("{name}: nothing could be counted, and valgrind said:\n{said}").into()),
    }
}

/// JSON with one entry a line, which is all that [`parse`] reads.
fn print(counts: &Counts) -> String {
    let mut text = "{\n".to_owned();
    for (name, value) in &counts.facts {
        writeln!(text, "  \"{name}\": \"{value}\",").expect("a string takes all that is written");
    }
    text.push_str("  \"instructions\": {\n");
    let lines: Vec<String> = counts
        .instructions
        .iter()
        .map(|(name, count)| format!("    \"{name}\": {count}"))
        .collect();
    text + &lines.join(",\n") + "\n  }\n}\n"
}

fn parse(text: &str) -> Counts {
    let mut counts = Counts::default();
    for line in text.lines() {
        let Some((name, value)) = line.trim().trim_end_matches(',').split_once(": ") else {
            continue;
        };
        let name = name.trim_matches('"').to_owned();
        if let Ok(count) = value.parse() {
            counts.instructions.insert(name, count);
        } else if value.starts_with('"') {
            counts
                .facts
                .insert(name, value.trim_matches('"').to_owned());
        }
    }
    counts
}
