//! Jobs on a Zarr array that is larger than the budget, each in a process of its own: what was planned, the peak
//! that the system saw, and the time, beside plain loops that read and write the same chunks with `zarrs` alone.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use ::flagstone::zarr::{Codec, Create};
use ::flagstone::{Array, Engine, Store, random};
use ndarray::ArrayD;
use rayon::prelude::*;
use zarrs::array::{Array as Stored, ArrayBuilder, ArraySubset, data_type};
use zarrs::filesystem::FilesystemStore;

use crate::args::EngineName;
use crate::json;

/// A job, its passes over x, and what it writes.
pub struct Job {
    pub name: &'static str,
    pub what: &'static str,
    passes: usize,
    writes: Writes,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Writes {
    Nothing,
    /// An array of x's shape and chunks.
    Units,
    /// An array of x's shape, in chunks that are whole along the first axis.
    Columns,
    /// Two arrays of x's shape without its first axis.
    Moments,
}

const fn job(name: &'static str, what: &'static str, passes: usize, writes: Writes) -> Job {
    Job {
        name,
        what,
        passes,
        writes,
    }
}

pub const JOBS: &[Job] = &[
    job(
        "ooc_anomaly",
        "((x - x.mean())²).mean()",
        2,
        Writes::Nothing,
    ),
    job(
        "ooc_residual",
        "((x - x.mean(0))²).sum()",
        2,
        Writes::Nothing,
    ),
    job("ooc_std", "x.std(0)", 1, Writes::Nothing),
    job("ooc_transpose", "x + x.t(), stored", 2, Writes::Units),
    job(
        "ooc_rechunk",
        "x in chunks whole along the first axis, stored",
        1,
        Writes::Columns,
    ),
    job(
        "ooc_moments",
        "x.mean(0) and x.std(0), stored together",
        1,
        Writes::Moments,
    ),
];

#[derive(Clone, Debug)]
pub struct Options {
    pub jobs: Vec<&'static str>,
    pub engine: EngineName,
    pub folder: PathBuf,
    pub memory: usize,
    pub threads: usize,
    /// The length of each of x's three axes, and of its chunks.
    pub side: usize,
    pub unit: usize,
    pub zstd: bool,
    /// Whether x stays for the next time.
    pub keep: bool,
    pub seed: u64,
}

impl Options {
    fn x(&self) -> PathBuf {
        let codec = if self.zstd { "zstd" } else { "raw" };
        self.folder
            .join(format!("x-{}-{}-{codec}.zarr", self.side, self.unit))
    }

    /// Where a job writes.
    fn out(&self, job: &str) -> PathBuf {
        self.folder.join(format!("{job}-out"))
    }

    fn create(&self) -> Create {
        match self.zstd {
            true => Create::new().codec(Codec::Zstd(1)),
            false => Create::new().codec(Codec::None),
        }
    }
}

/// Makes x if it is not there, and runs each job in a new process of this program.
///
/// Every job has its turn, whatever becomes of those before it. A refusal is an answer, which the child prints.
pub fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    run_by(options, |what| child(options, what))
}

fn run_by(
    options: &Options,
    child: impl Fn(&str) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(&options.folder)?;
    if !options.x().exists() {
        child("generate")?;
    }
    let mut failures = Vec::new();
    for name in &options.jobs {
        if let Err(error) = child(name) {
            eprintln!("{error}");
            failures.push(*name);
            // Of a process that was killed.
            std::fs::remove_dir_all(options.out(name)).ok();
        }
    }
    if !options.keep {
        std::fs::remove_dir_all(options.x())?;
    }
    match failures.is_empty() {
        true => Ok(()),
        false => Err(format!("failed: {}", failures.join(", ")).into()),
    }
}

fn child(options: &Options, what: &str) -> Result<(), Box<dyn Error>> {
    let engine = match options.engine {
        EngineName::Flagstone => "flagstone",
        EngineName::Limit => "limit",
    };
    let status = Command::new(std::env::current_exe()?)
        .args(["ooc-child", what, "--engine", engine, "--dir"])
        .arg(&options.folder)
        .args(["--memory", &options.memory.to_string()])
        .args(["--threads", &options.threads.to_string()])
        .args(["--side", &options.side.to_string()])
        .args(["--unit", &options.unit.to_string()])
        .args(["--codec", if options.zstd { "zstd" } else { "none" }])
        .args(["--seed", &options.seed.to_string()])
        .status()?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("{what} ended with {status}").into()),
    }
}

/// What a process of its own does: one job.
pub fn run_child(options: &Options) -> Result<(), Box<dyn Error>> {
    for &name in &options.jobs {
        if name == "generate" {
            generate(options)?;
            continue;
        }
        let job = JOBS
            .iter()
            .find(|job| job.name == name)
            .ok_or("no such job")?;
        let out = options.out(name);
        std::fs::remove_dir_all(&out).ok();
        std::fs::create_dir_all(&out)?;
        let line = run_job(options, job, &out);
        std::fs::remove_dir_all(&out)?;
        println!("{}", line?);
    }
    Ok(())
}

/// One job's line: what it took, or why it was refused.
fn run_job(options: &Options, job: &Job, out: &Path) -> Result<String, Box<dyn Error>> {
    let object = json::Object::new().text("workload", job.name);
    let measured = match options.engine {
        EngineName::Flagstone => measure(options, job, out, object)?,
        EngineName::Limit => Outcome::Done {
            object: limit(options, job, out, object)?,
            value: None,
        },
    };
    let of_all = |object: json::Object| {
        object
            .text("codec", if options.zstd { "zstd" } else { "none" })
            .integer("threads", options.threads)
    };
    let object = match measured {
        Outcome::Refused(object) => of_all(object),
        Outcome::Done { object, value } => {
            let object = of_all(object).known("measured_peak_bytes", measured_peak());
            match options.engine {
                EngineName::Flagstone => object.number("check", check(options, out, value)?),
                EngineName::Limit => object,
            }
        }
    };
    Ok(object.finish())
}

/// The peak of this process's resident bytes, where the system tells.
fn measured_peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

fn generate(options: &Options) -> Result<(), Box<dyn Error>> {
    let engine = engine(options)?;
    let x = random::Generator::new(options.seed).uniform::<f64>([options.side; 3], options.unit);
    // Some bits that repeat, so that compression has something to find.
    let x = (x * 65_536.0).floor() / 65_536.0;
    engine.store_zarr(&x, options.x(), &options.create())?;
    Ok(())
}

fn engine(options: &Options) -> ::flagstone::Result<Engine> {
    Engine::builder()
        .threads(options.threads)
        .memory(options.memory)
        .spill_dir(&options.folder)
        .build()
}

/// What other libraries' results are compared with (`benches/peers/ooc.py`): the result, if it is a number, else the sum of
/// all elements, each times its index along the first axis.
fn check(options: &Options, out: &Path, value: Option<ArrayD<f64>>) -> Result<f64, Box<dyn Error>> {
    // What a job fits in need not be enough to read its result.
    let engine = engine(&Options {
        memory: options.memory.max(1 << 30),
        ..options.clone()
    })?;
    let weighted = |x: Array<f64>| {
        let mut shape = vec![1; x.shape().len()];
        shape[0] = options.side;
        let index = Array::<f64>::arange(0.0, options.side as f64, 1.0, ..).reshape(shape);
        engine.item(&(x * index).sum(..))
    };
    match value {
        Some(value) if value.ndim() == 0 => Ok(value.sum()),
        Some(value) => Ok(weighted(Array::from_ndarray(value, ..))?),
        None => {
            let mut sum = 0.0;
            for entry in std::fs::read_dir(out)? {
                sum += weighted(Array::from_zarr(entry?.path())?)?;
            }
            Ok(sum)
        }
    }
}

/// What became of a job.
enum Outcome {
    /// What it took, and its result if that is not stored.
    Done {
        object: json::Object,
        value: Option<ArrayD<f64>>,
    },
    /// It does not fit in the budget.
    Refused(json::Object),
}

/// A result that is handed back, or results that go to files.
enum What {
    Value(Array<f64>),
    Stores(Vec<Store>),
}

impl What {
    fn new(options: &Options, job: &Job, out: &Path) -> ::flagstone::Result<What> {
        let x = Array::<f64>::from_zarr(options.x())?;
        let create = options.create();
        let store = |x: &Array<f64>, name: &str| Store::to_zarr(x, out.join(name), &create);
        Ok(match job.name {
            "ooc_anomaly" => What::Value((&x - &x.mean(..)).square().mean(..)),
            "ooc_residual" => What::Value((&x - &x.mean(0)).square().sum(..)),
            "ooc_std" => What::Value(x.std(0)),
            "ooc_transpose" => What::Stores(vec![store(&(&x + x.t()), "sum.zarr")?]),
            "ooc_rechunk" => {
                let columns = x.rechunk([options.side, options.unit, options.unit]);
                What::Stores(vec![store(&columns, "columns.zarr")?])
            }
            _ => What::Stores(vec![
                store(&x.mean(0), "mean.zarr")?,
                store(&x.std(0), "std.zarr")?,
            ]),
        })
    }

    /// The fewest bytes with which it runs.
    fn floor(&self, engine: &Engine) -> ::flagstone::Result<u64> {
        let explained = match self {
            What::Value(x) => engine.explain(x),
            What::Stores(stores) => engine.explain_stores(stores),
        };
        Ok(explained?.floor_bytes())
    }
}

fn measure(
    options: &Options,
    job: &Job,
    out: &Path,
    object: json::Object,
) -> Result<Outcome, Box<dyn Error>> {
    let engine = engine(options)?;
    let object = object.text("engine", "flagstone");
    let budget = |object: json::Object| object.integer("budget_bytes", options.memory);
    let start = Instant::now();
    let done = match What::new(options, job, out)? {
        What::Value(x) => engine.measure(&x).map(|(x, report)| (Some(x), report)),
        What::Stores(stores) => engine.store_all(stores).map(|report| (None, report)),
    };
    match done {
        Err(error) if error.is_memory() => {
            let needed = What::new(options, job, out)?.floor(&engine).ok();
            Ok(Outcome::Refused(
                budget(object)
                    .any_text("refused", &error.to_string())
                    .known("needed_bytes", needed),
            ))
        }
        Err(error) => Err(error.into()),
        Ok((value, report)) => {
            let object = object.number("seconds", start.elapsed().as_secs_f64());
            let object = budget(object)
                .known("planned_peak_bytes", Some(report.planned_peak_bytes))
                .known("held_peak_bytes", Some(report.held_peak_bytes))
                .known("bytes_read", Some(report.bytes_read))
                .known("bytes_spilled", Some(report.bytes_spilled));
            Ok(Outcome::Done { object, value })
        }
    }
}

/// Reads x as often as the job passes over it, and writes as much as it writes, with `zarrs` alone.
fn limit(
    options: &Options,
    job: &Job,
    out: &Path,
    object: json::Object,
) -> Result<json::Object, Box<dyn Error>> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .build()?;
    let x = Stored::open(Arc::new(FilesystemStore::new(options.x())?), "/")?;
    let start = Instant::now();
    pool.install(|| -> Result<(), Box<dyn Error + Send + Sync>> {
        for _ in 0..job.passes {
            indices(x.chunk_grid_shape()).into_par_iter().try_for_each(
                |index| -> Result<(), Box<dyn Error + Send + Sync>> {
                    std::hint::black_box(x.retrieve_chunk::<Vec<f64>>(&index)?);
                    Ok(())
                },
            )?;
        }
        let (side, unit) = (options.side as u64, options.unit as u64);
        match job.writes {
            Writes::Nothing => Ok(()),
            Writes::Units => write(options, &x, &out.join("o"), &[side; 3], &[unit; 3]),
            Writes::Columns => write(options, &x, &out.join("o"), &[side; 3], &[side, unit, unit]),
            Writes::Moments => ["mean", "std"]
                .iter()
                .try_for_each(|name| write(options, &x, &out.join(name), &[side; 2], &[unit; 2])),
        }
    })
    .map_err(|error| error.to_string())?;
    Ok(object
        .text("engine", "zarrs")
        .integer("passes", job.passes)
        .number("seconds", start.elapsed().as_secs_f64()))
}

/// Writes numbers like those of x: all of a chunk are the first unit's, again and again.
fn write(
    options: &Options,
    x: &Stored<FilesystemStore>,
    path: &Path,
    shape: &[u64],
    chunks: &[u64],
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let store = Arc::new(FilesystemStore::new(path)?);
    let mut builder = ArrayBuilder::new(
        shape.to_vec(),
        chunks.to_vec(),
        data_type::float64(),
        0.0f64,
    );
    if options.zstd {
        builder.bytes_to_bytes_codecs(vec![Arc::new(zarrs::array::codec::ZstdCodec::new(
            1, false,
        ))]);
    }
    let array = builder.build(store, "/")?;
    array.store_metadata()?;
    let unit: Vec<f64> = x.retrieve_array_subset(&ArraySubset::new_with_start_shape(
        vec![0; 3],
        vec![options.unit as u64; 3],
    )?)?;
    let n = chunks.iter().product::<u64>() as usize;
    let values: Vec<f64> = unit.iter().copied().cycle().take(n).collect();
    indices(array.chunk_grid_shape())
        .into_par_iter()
        .try_for_each(|index| Ok(array.store_chunk(&index, &values[..])?))
}

/// All indices of a grid, in C order.
fn indices(counts: &[u64]) -> Vec<Vec<u64>> {
    let mut indices = vec![Vec::new()];
    for &count in counts {
        indices = indices
            .into_iter()
            .flat_map(|index| (0..count).map(move |next| [index.clone(), vec![next]].concat()))
            .collect();
    }
    indices
}

/// Flags and jobs of the command line.
pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        jobs: Vec::new(),
        engine: EngineName::Flagstone,
        folder: std::env::temp_dir().join("flagstone-ooc"),
        memory: 512 << 20,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        side: 1024,
        unit: 128,
        zstd: false,
        keep: false,
        seed: 42,
    };
    while let Some(word) = words.next() {
        let Some(flag) = word.strip_prefix("--") else {
            let known = JOBS.iter().map(|job| job.name).chain(["generate"]);
            let name = known.clone().find(|&name| name == word);
            options
                .jobs
                .push(name.ok_or(format!("no job is named {word:?}"))?);
            continue;
        };
        if flag == "keep" {
            options.keep = true;
            continue;
        }
        let value = words.next().ok_or(format!("--{flag} needs a value"))?;
        let wrong = || format!("--{flag} cannot be {value:?}");
        let number = || {
            value
                .parse::<usize>()
                .ok()
                .filter(|&n| n > 0)
                .ok_or_else(wrong)
        };
        match flag {
            "engine" => options.engine = crate::args::engine(&value).ok_or_else(wrong)?,
            "dir" => options.folder = value.into(),
            "memory" => options.memory = crate::args::bytes(&value).ok_or_else(wrong)?,
            "threads" => options.threads = number()?,
            "side" => options.side = number()?,
            "unit" => options.unit = number()?,
            "seed" => options.seed = number()? as u64,
            "codec" => {
                options.zstd = match &value[..] {
                    "zstd" => true,
                    "none" => false,
                    _ => return Err(wrong()),
                }
            }
            _ => return Err(format!("no flag is named --{flag}")),
        }
    }
    if options.jobs.is_empty() {
        options.jobs = JOBS.iter().map(|job| job.name).collect();
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn options(folder: &Path, memory: usize) -> Options {
        Options {
            jobs: JOBS.iter().map(|job| job.name).collect(),
            engine: EngineName::Flagstone,
            folder: folder.to_path_buf(),
            memory,
            threads: 2,
            side: 32,
            unit: 8,
            zstd: true,
            keep: true,
            seed: 1,
        }
    }

    fn line(options: &Options, name: &str) -> Value {
        let job = JOBS.iter().find(|job| job.name == name).unwrap();
        let out = options.out(name);
        std::fs::create_dir_all(&out).unwrap();
        let line = run_job(options, job, &out).unwrap();
        std::fs::remove_dir_all(out).unwrap();
        assert!(!line.contains('\n'));
        serde_json::from_str(&line).unwrap()
    }

    #[test]
    fn a_refusal_is_a_line_that_says_what_would_do() {
        let folder = tempfile::tempdir().unwrap();
        let ample = options(folder.path(), 64 << 20);
        generate(&ample).unwrap();
        for job in JOBS {
            let measured = line(&ample, job.name);
            assert!(measured["check"].is_number(), "{measured}");
            assert!(measured.get("refused").is_none(), "{measured}");

            let refused = line(&options(folder.path(), 10_000), job.name);
            assert_eq!(refused["workload"], job.name);
            let needed = refused["needed_bytes"].as_u64().unwrap();
            let message = refused["refused"].as_str().unwrap();
            assert!(
                needed > 10_000 && message.contains(&needed.to_string()),
                "{refused}"
            );
            assert!(refused.get("seconds").is_none(), "{refused}");

            let enough = line(&options(folder.path(), needed as usize), job.name);
            assert_eq!(enough["check"], measured["check"], "{enough}");
        }
    }

    #[test]
    fn jobs_that_fail_stop_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let options = options(folder.path(), 1);
        let ran = std::cell::RefCell::new(Vec::new());
        let child = |fails: &'static [&'static str]| {
            let (ran, options) = (&ran, options.clone());
            move |what: &str| {
                ran.borrow_mut().push(what.to_owned());
                let out = if what == "generate" {
                    options.x()
                } else {
                    options.out(what)
                };
                std::fs::create_dir_all(out)?;
                match fails.contains(&what) {
                    true => Err(format!("{what} was killed").into()),
                    false => Ok(()),
                }
            }
        };
        run_by(&options, child(&["generate"])).unwrap_err();
        assert_eq!(ran.take(), ["generate"]);
        let all: Vec<&str> = JOBS.iter().map(|job| job.name).collect();
        let fails: &[&str] = &["ooc_anomaly", "ooc_rechunk"];
        let error = run_by(&options, child(fails)).unwrap_err();
        assert_eq!(error.to_string(), "failed: ooc_anomaly, ooc_rechunk");
        assert_eq!(ran.take(), all);
        for name in fails {
            assert!(!options.out(name).exists(), "what it left is removed");
        }
        assert!(options.x().exists());
        let options = Options {
            keep: false,
            ..options.clone()
        };
        run_by(&options, child(fails)).unwrap_err();
        assert!(!options.x().exists());
        run_by(&options, child(&[])).unwrap();
    }
}
