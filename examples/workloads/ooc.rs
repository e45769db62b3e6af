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

    fn create(&self) -> Create {
        match self.zstd {
            true => Create::new().codec(Codec::Zstd(1)),
            false => Create::new().codec(Codec::None),
        }
    }
}

/// Makes x if it is not there, and runs each job in a new process of this program.
pub fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(&options.folder)?;
    if !options.x().exists() {
        child(options, "generate")?;
    }
    for name in &options.jobs {
        child(options, name)?;
    }
    if !options.keep {
        std::fs::remove_dir_all(options.x())?;
    }
    Ok(())
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
        let out = options.folder.join(format!("{name}-out"));
        std::fs::remove_dir_all(&out).ok();
        std::fs::create_dir_all(&out)?;
        let object = json::Object::new().text("workload", name);
        let Measured { object, value } = match options.engine {
            EngineName::Flagstone => measure(options, job, &out, object)?,
            EngineName::Limit => Measured {
                object: limit(options, job, &out, object)?,
                value: None,
            },
        };
        let object = object
            .text("codec", if options.zstd { "zstd" } else { "none" })
            .integer("threads", options.threads)
            .known("measured_peak_bytes", measured_peak());
        let object = match options.engine {
            EngineName::Flagstone => object.number("check", check(options, &out, value)?),
            EngineName::Limit => object,
        };
        println!("{}", object.finish());
        std::fs::remove_dir_all(&out)?;
    }
    Ok(())
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
    let engine = engine(options)?;
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

/// What a job took, and its result if that is not stored.
struct Measured {
    object: json::Object,
    value: Option<ArrayD<f64>>,
}

fn measure(
    options: &Options,
    job: &Job,
    out: &Path,
    object: json::Object,
) -> Result<Measured, Box<dyn Error>> {
    let engine = engine(options)?;
    let x = Array::<f64>::from_zarr(options.x())?;
    let create = options.create();
    let start = Instant::now();
    let measured =
        |result: &Array<f64>| engine.measure(result).map(|(x, report)| (Some(x), report));
    let stored = |stores: Vec<Store>| engine.store_all(stores).map(|report| (None, report));
    let (value, report) = match job.name {
        "ooc_anomaly" => measured(&(&x - &x.mean(..)).square().mean(..))?,
        "ooc_residual" => measured(&(&x - &x.mean(0)).square().sum(..))?,
        "ooc_std" => measured(&x.std(0))?,
        "ooc_transpose" => {
            let sum = &x + x.t();
            stored(vec![Store::to_zarr(&sum, out.join("sum.zarr"), &create)?])?
        }
        "ooc_rechunk" => {
            let columns = x.rechunk([options.side, options.unit, options.unit]);
            stored(vec![Store::to_zarr(
                &columns,
                out.join("columns.zarr"),
                &create,
            )?])?
        }
        _ => stored(vec![
            Store::to_zarr(&x.mean(0), out.join("mean.zarr"), &create)?,
            Store::to_zarr(&x.std(0), out.join("std.zarr"), &create)?,
        ])?,
    };
    let object = object
        .text("engine", "flagstone")
        .number("seconds", start.elapsed().as_secs_f64())
        .integer("budget_bytes", options.memory)
        .known("planned_peak_bytes", Some(report.planned_peak_bytes))
        .known("held_peak_bytes", Some(report.held_peak_bytes))
        .known("bytes_read", Some(report.bytes_read))
        .known("bytes_spilled", Some(report.bytes_spilled));
    Ok(Measured { object, value })
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
