//! The command line.

use std::path::PathBuf;

use crate::table::{self, WORKLOADS, Workload};

pub const USAGE: &str = "\
workloads list
workloads run NAME… [--engine flagstone|limit] [--shape 10000x10000] [--chunks 1000x1000]
    [--threads N] [--memory 1GiB] [--repeat 5] [--seed 42]
    [--x FILE.npy] [--y FILE.npy]
workloads compare NAME… [--pairs 15] [the same flags]
workloads scale NAME… [--pairs 15] [the same flags]
workloads ooc [JOB…] [--dir FOLDER] [--memory 512MiB] [--side 1024] [--unit 128] [--codec none|zstd]
    [--engine flagstone|limit] [--threads N] [--keep] [--seed 42]
workloads serve [--threads N] [--memory 1GiB]
    and on each line of standard input: NAME [--repeat 1] [--chunks …] [--shape …] [--x …] [--y …]";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineName {
    Flagstone,
    Limit,
}

#[derive(Clone, Debug)]
pub enum Command {
    List,
    Run(Options),
    Compare(Options),
    /// On one thread and on all.
    Scale(Options),
    Serve(Options),
    /// Jobs on files that are larger than memory.
    #[cfg(feature = "zarr")]
    Ooc(crate::ooc::Options),
    /// One of them, in a process of its own.
    #[cfg(feature = "zarr")]
    OocChild(crate::ooc::Options),
}

#[derive(Clone, Debug)]
pub struct Options {
    pub workloads: Vec<&'static Workload>,
    pub engine: EngineName,
    /// Where not given, the workload's own.
    pub shape: Option<Vec<usize>>,
    pub chunks: Option<Vec<usize>>,
    pub threads: usize,
    /// The budget of engines that have one; the loops written by hand have none.
    pub memory: Option<usize>,
    pub repeat: usize,
    pub pairs: usize,
    pub seed: u64,
    /// Files that hold x and y, which else are uniform numbers.
    pub x: Option<PathBuf>,
    pub y: Option<PathBuf>,
}

pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Command, String> {
    match words.next().as_deref() {
        Some("list") => Ok(Command::List),
        Some("run") => jobs(words).map(Command::Run),
        Some("compare") => jobs(words).map(Command::Compare),
        Some("scale") => jobs(words).map(Command::Scale),
        Some("serve") => options(words).map(Command::Serve),
        #[cfg(feature = "zarr")]
        Some("ooc") => crate::ooc::parse(words).map(Command::Ooc),
        #[cfg(feature = "zarr")]
        Some("ooc-child") => crate::ooc::parse(words).map(Command::OocChild),
        Some(other) => Err(format!("no command is named {other:?}")),
        None => Err("a command is needed".to_owned()),
    }
}

/// Flags, and at least one workload.
pub fn jobs(words: impl Iterator<Item = String>) -> Result<Options, String> {
    let options = options(words)?;
    if options.workloads.is_empty() {
        return Err("the name of a workload is needed".to_owned());
    }
    Ok(options)
}

fn options(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        workloads: Vec::new(),
        engine: EngineName::Flagstone,
        shape: None,
        chunks: None,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        memory: None,
        repeat: 5,
        pairs: 15,
        seed: 42,
        x: None,
        y: None,
    };
    while let Some(word) = words.next() {
        let Some(flag) = word.strip_prefix("--") else {
            let workload = table::find(&word).ok_or_else(|| unknown_workload(&word))?;
            options.workloads.push(workload);
            continue;
        };
        let value = words
            .next()
            .ok_or_else(|| format!("--{flag} needs a value"))?;
        let wrong = |what: &str| format!("--{flag} needs {what}, and {value:?} is none");
        match flag {
            "engine" => options.engine = engine(&value).ok_or_else(|| wrong("an engine"))?,
            "shape" => {
                options.shape = Some(lengths(&value).ok_or_else(|| wrong("a shape, as 300x200"))?)
            }
            "chunks" => {
                options.chunks = Some(lengths(&value).ok_or_else(|| wrong("sizes, as 30x20"))?)
            }
            "threads" => {
                options.threads = positive(&value).ok_or_else(|| wrong("a positive number"))?
            }
            "memory" => {
                options.memory = Some(bytes(&value).ok_or_else(|| wrong("a size, as 1GiB"))?)
            }
            "repeat" => {
                options.repeat = positive(&value).ok_or_else(|| wrong("a positive number"))?
            }
            "pairs" => {
                options.pairs = positive(&value).ok_or_else(|| wrong("a positive number"))?
            }
            "seed" => options.seed = value.parse().map_err(|_| wrong("a number"))?,
            "x" => options.x = Some(value.into()),
            "y" => options.y = Some(value.into()),
            _ => return Err(format!("no flag is named --{flag}")),
        }
    }
    Ok(options)
}

fn unknown_workload(name: &str) -> String {
    let names: Vec<&str> = WORKLOADS.iter().map(|workload| workload.name).collect();
    format!(
        "no workload is named {name:?}; there are {}",
        names.join(", ")
    )
}

pub fn engine(value: &str) -> Option<EngineName> {
    match value {
        "flagstone" => Some(EngineName::Flagstone),
        "limit" => Some(EngineName::Limit),
        _ => None,
    }
}

fn positive(value: &str) -> Option<usize> {
    value.parse().ok().filter(|&number| number > 0)
}

fn lengths(value: &str) -> Option<Vec<usize>> {
    value.split('x').map(positive).collect()
}

pub fn bytes(value: &str) -> Option<usize> {
    let digits = value
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(value.len());
    let unit = match &value[digits..] {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return None,
    };
    value[..digits].parse::<usize>().ok()?.checked_mul(unit)
}
