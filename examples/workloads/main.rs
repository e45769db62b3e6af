//! Measures jobs on chunked arrays, each against the best loop written by hand for the same job.
//!
//! ```text
//! cargo run --release --example workloads -- list
//! cargo run --release --example workloads -- run sum mean0 --repeat 5
//! ```
//!
//! `run` prints one JSON object a line. `docs/performance.md` explains the workloads and the figures.

mod args;
mod checksum;
mod engine;
mod json;
mod limit;
mod table;

use std::process::ExitCode;

use args::{Command, EngineName, Options};
use engine::{Engine, Limit};
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
            Ok(())
        }
        Command::Run(options) => run_all(&options),
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
    for workload in &options.workloads {
        let engine = match options.engine {
            EngineName::Limit => Limit { pool: &pool },
        };
        println!("{}", run(&engine, workload, options, &pool)?);
    }
    Ok(())
}

fn run(
    engine: &dyn Engine,
    workload: &Workload,
    options: &Options,
    pool: &rayon::ThreadPool,
) -> Result<String, Box<dyn std::error::Error>> {
    let shape = options
        .shape
        .clone()
        .unwrap_or_else(|| workload.shape.to_vec());
    let chunks = options
        .chunks
        .clone()
        .unwrap_or_else(|| workload.chunks.to_vec());
    if shape.len() != 2 || chunks.len() != 2 {
        return Err(
            format!("workloads are of two axes: shape {shape:?}, chunks {chunks:?}").into(),
        );
    }
    let input = Input::new(workload, shape, chunks, options.seed, pool);
    // The first run warms up: pages, caches, frequencies, pools.
    let mut sample = engine.run(workload, &input)?;
    let mut seconds = Vec::with_capacity(options.repeat);
    for _ in 0..options.repeat {
        let again = engine.run(workload, &input)?;
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
