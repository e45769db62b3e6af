//! Measures jobs on chunked arrays, each against the best loop written by hand for the same job.
//!
//! ```text
//! cargo run --release --example workloads -- list
//! cargo run --release --example workloads -- run sum mean0 --repeat 5
//! cargo run --release --example workloads -- compare sum mean0 --pairs 15
//! cargo run --release --example workloads -- scale trig --pairs 15
//! ```
//!
//! `run` prints one JSON object a line; `compare` runs Flagstone and the loop in turn, in one process, and
//! prints both medians and the median of the ratios, pair by pair; `scale` does so with one thread and with all; `serve`
//! answers jobs one by one, for programs that measure other libraries in turn with Flagstone (`benches/peers`); `ooc`
//! runs jobs on a Zarr array that is larger than memory, each in a process of its own. `docs/performance.md` explains the
//! workloads and the figures.

mod args;
mod checksum;
mod engine;
mod files;
mod flagstone;
mod json;
mod limit;
#[cfg(feature = "zarr")]
mod ooc;
mod serve;
mod table;

use std::process::ExitCode;

use args::{Command, EngineName, Options};
use engine::{Engine, Limit, Sample};
use files::Files;
use flagstone::Flagstone;
use limit::Input;
use table::{WORKLOADS, Workload};

fn main() -> ExitCode {
    let command = match args::parse(std::env::args().skip(1)) {
        Ok(command) => command,
        Err(mistake) => {
            eprintln!("{mistake}\n\n{}", args::USAGE);
            return ExitCode::from(2);
        }
    };
    let result = match command {
        Command::List => {
            WORKLOADS
                .iter()
                .for_each(|workload| println!("{:16}{}", workload.name, workload.what));
            #[cfg(feature = "zarr")]
            ooc::JOBS
                .iter()
                .for_each(|job| println!("{:16}{}", job.name, job.what));
            Ok(())
        }
        #[cfg(feature = "zarr")]
        Command::Ooc(options) => ooc::run(&options),
        #[cfg(feature = "zarr")]
        Command::OocChild(options) => ooc::run_child(&options),
        Command::Run(options) => run_all(&options),
        Command::Compare(options) => compare_all(&options),
        Command::Scale(options) => scale_all(&options),
        Command::Serve(options) => serve::serve(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run_all(options: &Options) -> Result<(), Box<dyn std::error::Error>> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .build()?;
    let engine = engine(options, &pool)?;
    let mut files = Files::default();
    for workload in &options.workloads {
        let input = files.input(workload, options, &pool)?;
        println!("{}", run(&*engine, workload, options, &input)?);
    }
    Ok(())
}

/// The engine that was asked for, on as many threads as the pool has.
fn engine<'a>(
    options: &Options,
    pool: &'a rayon::ThreadPool,
) -> Result<Box<dyn Engine + 'a>, Box<dyn std::error::Error>> {
    let threads = pool.current_num_threads();
    Ok(match options.engine {
        EngineName::Flagstone => Box::new(Flagstone::new(threads, options.memory)?),
        EngineName::Limit => Box::new(Limit { pool }),
    })
}

fn compare_all(options: &Options) -> Result<(), Box<dyn std::error::Error>> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .build()?;
    let flagstone = Flagstone::new(options.threads, options.memory)?;
    let limit = Limit { pool: &pool };
    let mut files = Files::default();
    for workload in &options.workloads {
        let input = files.input(workload, options, &pool)?;
        println!(
            "{}",
            compare([&flagstone, &limit], workload, options, &input)?
        );
    }
    Ok(())
}

/// An engine on one thread and on all of them.
fn scale_all(options: &Options) -> Result<(), Box<dyn std::error::Error>> {
    let build = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pools = [build(1)?, build(options.threads)?];
    let engines = [engine(options, &pools[0])?, engine(options, &pools[1])?];
    let mut files = Files::default();
    for workload in &options.workloads {
        let input = files.input(workload, options, &pools[1])?;
        let pairs = in_turn([&*engines[0], &*engines[1]], workload, options, &input)?;
        println!(
            "{}",
            about(workload, options, &input)
                .text("engine", engines[0].name())
                .number("one_thread_seconds", pairs.seconds[0])
                .number("all_threads_seconds", pairs.seconds[1])
                .number("speedup", pairs.ratio)
                .text("checksums", pairs.checksums)
                .finish()
        );
    }
    Ok(())
}

fn compare(
    engines: [&dyn Engine; 2],
    workload: &Workload,
    options: &Options,
    input: &Input,
) -> Result<String, Box<dyn std::error::Error>> {
    let pairs = in_turn(engines, workload, options, input)?;
    Ok(about(workload, options, input)
        .number("flagstone_seconds", pairs.seconds[0])
        .number("limit_seconds", pairs.seconds[1])
        .number("ratio", pairs.ratio)
        .text("checksums", pairs.checksums)
        .finish())
}

fn about(workload: &Workload, options: &Options, input: &Input) -> json::Object {
    json::Object::new()
        .text("workload", workload.name)
        .integers("shape", &input.shape)
        .integers("chunks", &input.chunks)
        .integer("threads", options.threads)
        .integer("pairs", options.pairs)
}

/// Medians.
struct Pairs {
    seconds: [f64; 2],
    /// The first one's seconds by the second one's, pair by pair.
    ratio: f64,
    checksums: &'static str,
}

/// Two engines in turn, so that a change of the machine's speed meets both.
fn in_turn(
    engines: [&dyn Engine; 2],
    workload: &Workload,
    options: &Options,
    input: &Input,
) -> Result<Pairs, Box<dyn std::error::Error>> {
    let sample = |engine: &dyn Engine| engine.run(workload, input);
    let warm: Vec<Sample> = engines
        .iter()
        .map(|engine| sample(*engine))
        .collect::<Result<_, _>>()?;
    let mut seconds = [Vec::new(), Vec::new()];
    let mut ratios = Vec::with_capacity(options.pairs);
    let mut agrees = warm[0].checksum.agrees(&warm[1].checksum);
    for _ in 0..options.pairs {
        let [a, b] = [sample(engines[0])?, sample(engines[1])?];
        agrees &= a.checksum.agrees(&b.checksum);
        ratios.push(a.seconds / b.seconds);
        seconds[0].push(a.seconds);
        seconds[1].push(b.seconds);
    }
    if !agrees {
        eprintln!(
            "{}: the two checksums differ: {:?} {:?}",
            workload.name,
            warm[0].checksum.brief(),
            warm[1].checksum.brief()
        );
    }
    Ok(Pairs {
        seconds: seconds.each_mut().map(|seconds| median(seconds)),
        ratio: median(&mut ratios),
        checksums: if agrees { "agree" } else { "differ" },
    })
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        (values[middle - 1] + values[middle]) / 2.0
    }
}

fn run(
    engine: &dyn Engine,
    workload: &Workload,
    options: &Options,
    input: &Input,
) -> Result<String, Box<dyn std::error::Error>> {
    // The first run warms up: pages, caches, frequencies, pools.
    let mut sample = engine.run(workload, input)?;
    let mut seconds = Vec::with_capacity(options.repeat);
    for _ in 0..options.repeat {
        let again = engine.run(workload, input)?;
        if !again.checksum.agrees(&sample.checksum) {
            return Err(format!("{} gave two different results", workload.name).into());
        }
        sample = again;
        seconds.push(sample.seconds);
    }
    let facts = sample.facts;
    Ok(json::Object::new()
        .text("workload", workload.name)
        .text("engine", engine.name())
        .integers("shape", &input.shape)
        .integers("chunks", &input.chunks)
        .integer("threads", options.threads)
        .numbers("seconds", &seconds)
        .known("tasks", facts.tasks)
        .known("planned_peak_bytes", facts.planned_peak_bytes)
        .known("held_peak_bytes", facts.held_peak_bytes)
        .known("bytes_read", facts.bytes_read)
        .checksum("checksum", &sample.checksum)
        .finish())
}
