//! Engines: threads, a memory budget, rules and observers.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use ndarray::{ArrayViewMut, Dimension};

use super::blocks::Blocks;
use super::compute::{self, Compute};
use super::explain::{Explain, TaskGraph};
use super::handle::Array;
use crate::base::element::Element;
use crate::error::{Error, Kind, Result};
use crate::exec::{Cancel, Executor, Ledger, Observer, Pool};
use crate::optimize::Rule;

/// Threads and a memory budget, on which computations run.
///
/// An engine is optional: arrays compute on a default one that reads the machine, and the variables
/// `FLAGSTONE_NUM_THREADS` and `FLAGSTONE_MEMORY` (`512MiB`, `2 GB`, a number of bytes). Results do not
/// depend on the engine, not in a single bit. Clones share threads and budget; several computations
/// may run at once.
///
/// ```
/// use flagstone::{Array, Engine};
///
/// let engine = Engine::builder().threads(2).memory("64 MiB").build()?;
/// let x = Array::<f64>::ones([1000, 1000], 100);
/// assert_eq!(engine.compute(&x.sum(..))?.sum(), 1e6);
/// # Ok::<(), flagstone::Error>(())
/// ```
#[derive(Clone)]
pub struct Engine {
    pub(super) executor: Executor,
    pub(super) off: Arc<[Rule]>,
    pub(super) observers: Arc<[Arc<dyn Observer>]>,
    pub(super) cancel: Option<Cancel>,
    pub(super) spill_folder: Arc<Path>,
}

/// What a computation took; see [`Engine::measure`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// Tasks that ran.
    pub tasks: u64,
    /// The bytes that the computation was promised to keep to.
    pub planned_peak_bytes: u64,
    /// The most bytes that it held at once.
    pub held_peak_bytes: u64,
    /// Bytes read from memory and from sources.
    pub bytes_read: u64,
    /// The length of the temporary file to which blocks were spilled; 0 if there was none.
    pub bytes_spilled: u64,
    /// It ran inside a task of another computation, for which the budget had no bytes left, and was not
    /// counted.
    pub outside_promise: bool,
    /// Observers that panicked, and heard nothing more of the computation from then on.
    pub lost_observers: u32,
    /// Wall time, planning included.
    pub seconds: f64,
}

/// Settings of an [`Engine`] to be; made by [`Engine::builder`].
///
/// ```
/// use flagstone::{Engine, Rule};
///
/// let engine = Engine::builder().threads(2).memory("100 MB").without(Rule::ShareStages).build()?;
/// assert_eq!((engine.threads(), engine.memory()), (2, 100_000_000));
/// assert!(Engine::builder().threads(0).build().is_err());
/// # Ok::<(), flagstone::Error>(())
/// ```
#[derive(Default)]
#[must_use = "a builder makes an engine with `build`"]
pub struct EngineBuilder {
    threads: Option<usize>,
    memory: Option<Result<u64>>,
    pool: Option<Arc<rayon::ThreadPool>>,
    off: Vec<Rule>,
    observers: Vec<Arc<dyn Observer>>,
    spill_folder: Option<PathBuf>,
    fetches: Option<usize>,
    #[cfg(feature = "progress")]
    progress: bool,
}

/// A number of bytes: `1 << 30`, `"1 GiB"`, `"500MB"`. Units are `kB`, `MB`, `GB`, `TB` and `KiB` to `TiB`.
pub trait IntoBytes {
    #[doc(hidden)]
    fn into_bytes(self) -> Result<u64>;
}

impl IntoBytes for u64 {
    fn into_bytes(self) -> Result<u64> {
        Ok(self)
    }
}

impl IntoBytes for usize {
    fn into_bytes(self) -> Result<u64> {
        Ok(self as u64)
    }
}

impl IntoBytes for i32 {
    fn into_bytes(self) -> Result<u64> {
        u64::try_from(self)
            .map_err(|_| Error::new(Kind::Value, format!("{self} is no number of bytes")))
    }
}

impl IntoBytes for &str {
    fn into_bytes(self) -> Result<u64> {
        let bad = || {
            Error::new(
                Kind::Value,
                format!(
                    "{self:?} is no number of bytes: write 1073741824, \"1 GiB\" or \"500 MB\""
                ),
            )
        };
        let text = self.trim();
        let digits = text
            .find(|c: char| !(c.is_ascii_digit() || c == '.'))
            .unwrap_or(text.len());
        let number: f64 = text[..digits].parse().map_err(|_| bad())?;
        let unit = match text[digits..].trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1.0,
            "k" | "kb" => 1e3,
            "m" | "mb" => 1e6,
            "g" | "gb" => 1e9,
            "t" | "tb" => 1e12,
            "kib" => 1024.0,
            "mib" => 1024.0 * 1024.0,
            "gib" => 1024.0 * 1024.0 * 1024.0,
            "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
            _ => return Err(bad()),
        };
        Ok((number * unit) as u64)
    }
}

impl EngineBuilder {
    /// The number of threads that compute; by default `FLAGSTONE_NUM_THREADS`, else one per core.
    ///
    /// The thread that asks for a short computation works in place of one of them. Functions of yours are called on the
    /// engine's own threads, where Rayon's `par_iter` and `join` use these, unless there is only one short task.
    pub fn threads(mut self, threads: usize) -> EngineBuilder {
        self.threads = Some(threads);
        self
    }

    /// The memory budget, `1 << 30` or `"1 GiB"`; by default `FLAGSTONE_MEMORY`, else half of what the machine
    /// or its container has.
    ///
    /// A computation whose plan needs more is an error before anything runs. Before that, tasks are made smaller,
    /// and values that would be held are computed or loaded again, or spilled to a temporary file (see
    /// [`spill_dir`](EngineBuilder::spill_dir)), whichever is estimated to be faster.
    ///
    /// Counted are blocks held between tasks, tasks' scratch, what sources and sinks say that they use, the run's
    /// own bookkeeping, streams in progress and [persisted](Array::persist) arrays. Results, arrays that the user
    /// gave and what closures allocate are not; nor is what a process has anyway, at most 24 MiB and 4 MiB for
    /// each thread.
    pub fn memory(mut self, bytes: impl IntoBytes) -> EngineBuilder {
        self.memory = Some(bytes.into_bytes());
        self
    }

    /// The folder of temporary files for what does not fit in memory; by default [`std::env::temp_dir`].
    ///
    /// A file there has no name: nothing is left behind, however the process ends. It is made before a
    /// computation that needs it starts, with all of its room on the disk where the file system can promise that,
    /// and gone when the computation ends. [`Engine::explain`] says how many bytes it will have.
    ///
    /// ```
    /// use flagstone::{Array, Engine, Rule};
    ///
    /// // A matrix of blocks by a function, and its transpose: block by block in order, half of it has to wait.
    /// let x = Array::<f64>::ones([1024, 1024], 64).map_blocks(|block| &block * 2.0);
    /// let engine = Engine::builder().threads(1).memory("2 MiB").spill_dir(std::env::temp_dir()).build()?;
    /// for block in engine.blocks(&(&x + x.t())) {
    ///     assert_eq!(block?.values().sum(), 4.0 * 64.0 * 64.0);
    /// }
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    pub fn spill_dir(mut self, folder: impl Into<PathBuf>) -> EngineBuilder {
        self.spill_folder = Some(folder.into());
        self
    }

    /// How many requests to servers may be under way at once, whatever the number of threads; 32 by default.
    ///
    /// They are for sources that [fetch](crate::Source::fetches), such as Zarr over HTTP, and are made ahead of the
    /// computation, as far as the memory budget allows: the bytes of what is under way are booked. Threads for
    /// waiting are started when they are needed.
    pub fn concurrent_fetches(mut self, most: usize) -> EngineBuilder {
        self.fetches = Some(most);
        self
    }

    /// Computes on an existing Rayon pool, shared with other code; [`threads`](EngineBuilder::threads) is then
    /// ignored.
    pub fn rayon_pool(mut self, pool: Arc<rayon::ThreadPool>) -> EngineBuilder {
        self.pool = Some(pool);
        self
    }

    /// Adds an [`Observer`] of all computations of the engine.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> EngineBuilder {
        self.observers.push(observer);
        self
    }

    /// Shows a progress bar on standard error for each computation that takes more than a moment; nothing if that
    /// is no terminal. The variable `FLAGSTONE_PROGRESS=1` does so for all engines.
    ///
    /// ```
    /// use flagstone::{Array, Engine};
    ///
    /// let engine = Engine::builder().threads(2).progress().build()?;
    /// assert_eq!(engine.item(&Array::<f64>::ones([100, 100], 10).sum(..))?, 1e4);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[cfg(feature = "progress")]
    pub fn progress(mut self) -> EngineBuilder {
        self.progress = true;
        self
    }

    /// Leaves an optimization out. Results stay the same.
    pub fn without(mut self, rule: Rule) -> EngineBuilder {
        self.off.push(rule);
        self
    }

    /// The engine.
    ///
    /// # Errors
    /// If there are no threads, the memory is no number of bytes, an environment variable cannot be
    /// read, or the system gives no threads.
    pub fn build(self) -> Result<Engine> {
        #[cfg(feature = "progress")]
        let bars = (self.progress || wants_progress())
            .then(|| Arc::new(crate::observe::Progress::new()) as Arc<dyn Observer>);
        #[cfg(not(feature = "progress"))]
        let bars: Option<Arc<dyn Observer>> = None;
        let pool = match (self.pool, self.threads) {
            (Some(pool), _) => Pool::shared(pool),
            (None, Some(0)) => {
                return Err(Error::new(
                    Kind::Value,
                    "an engine with 0 threads: at least 1 is needed",
                ));
            }
            (None, Some(threads)) => Pool::new(threads)?,
            (None, None) => Pool::new(default_threads()?)?,
        };
        let memory = match self.memory {
            Some(memory) => memory?,
            None => default_memory()?,
        };
        let mut executor = Executor::new(pool, Ledger::new(memory));
        if let Some(most) = self.fetches {
            executor = executor.with_fetches(most);
        }
        Ok(Engine {
            executor,
            off: self.off.into(),
            observers: self.observers.into_iter().chain(bars).collect(),
            cancel: None,
            spill_folder: self.spill_folder.unwrap_or_else(std::env::temp_dir).into(),
        })
    }
}

/// Whether the user of the program asks for bars.
#[cfg(feature = "progress")]
fn wants_progress() -> bool {
    std::env::var("FLAGSTONE_PROGRESS").is_ok_and(|value| !matches!(value.trim(), "" | "0"))
}

fn default_threads() -> Result<usize> {
    match std::env::var("FLAGSTONE_NUM_THREADS") {
        Ok(text) => match text.trim().parse() {
            Ok(threads) if threads > 0 => Ok(threads),
            _ => Err(Error::new(
                Kind::Value,
                format!("FLAGSTONE_NUM_THREADS is {text:?}, not a number of threads"),
            )),
        },
        Err(_) => Ok(std::thread::available_parallelism().map_or(1, usize::from)),
    }
}

fn default_memory() -> Result<u64> {
    if let Ok(text) = std::env::var("FLAGSTONE_MEMORY") {
        return text
            .as_str()
            .into_bytes()
            .map_err(|error| error.context("in FLAGSTONE_MEMORY"));
    }
    const UNKNOWN: u64 = 4 << 30;
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let machine = read("/proc/meminfo").and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
        line.split_whitespace()
            .nth(1)?
            .parse::<u64>()
            .ok()
            .map(|kib| kib * 1024)
    });
    let container = [
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ]
    .iter()
    .find_map(|path| read(path)?.trim().parse::<u64>().ok());
    let total = [machine, container].into_iter().flatten().min();
    Ok(total.map_or(UNKNOWN, |total| total / 2))
}

impl Engine {
    /// Settings for a new engine, all at their defaults.
    pub fn builder() -> EngineBuilder {
        EngineBuilder::default()
    }

    /// The engine of [`Array::compute`] and its like, made when it is first used.
    ///
    /// # Errors
    /// If an environment variable that it reads cannot be understood.
    pub fn global() -> Result<Engine> {
        static GLOBAL: OnceLock<Result<Engine>> = OnceLock::new();
        GLOBAL.get_or_init(|| Engine::builder().build()).clone()
    }

    /// Whether anybody is told of computations.
    pub(super) fn is_observed(&self) -> bool {
        !self.observers.is_empty() || !self.executor.pool.watchers().is_empty()
    }

    /// The number of threads that compute.
    pub fn threads(&self) -> usize {
        self.executor.pool.threads()
    }

    /// The memory budget in bytes.
    pub fn memory(&self) -> u64 {
        self.executor.ledger.budget()
    }

    /// The same engine, whose computations end with an error once `cancel` is cancelled.
    ///
    /// ```
    /// use flagstone::{Array, Cancel, Engine};
    ///
    /// let cancel = Cancel::new();
    /// let engine = Engine::global()?.cancelled_by(&cancel);
    /// cancel.cancel(); // from another thread, usually
    /// let error = engine.compute(&Array::<f64>::ones(10, ..)).unwrap_err();
    /// assert!(error.is_cancelled());
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    pub fn cancelled_by(&self, cancel: &Cancel) -> Engine {
        Engine {
            cancel: Some(cancel.clone()),
            ..self.clone()
        }
    }

    /// Computes one array, or several in one pass over what they share. See [`compute`](crate::compute()).
    ///
    /// # Errors
    /// As [`Array::compute`].
    pub fn compute<C: Compute + ?Sized>(&self, what: &C) -> Result<C::Output> {
        Ok(compute::run(self, what, |_| ())?.0)
    }

    /// Computes, and says what it took.
    ///
    /// ```
    /// use flagstone::{Array, Engine};
    ///
    /// let x = Array::<f64>::ones([1000, 1000], 100);
    /// let (sum, report) = Engine::global()?.measure(&x.sum(..))?;
    /// assert_eq!(sum.sum(), 1e6);
    /// assert!(report.held_peak_bytes <= report.planned_peak_bytes);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Array::compute`].
    pub fn measure<C: Compute + ?Sized>(&self, what: &C) -> Result<(C::Output, Report)> {
        compute::measure(self, what)
    }

    /// The single element of an array; see [`Array::item`].
    ///
    /// # Errors
    /// As [`Array::item`].
    pub fn item<T: Element>(&self, array: &Array<T>) -> Result<T> {
        compute::item(self, array)
    }

    /// Computes into an existing ndarray; see [`Array::compute_into`].
    ///
    /// # Errors
    /// As [`Array::compute_into`].
    pub fn compute_into<'a, T: Element, D: Dimension + 'a>(
        &self,
        array: &Array<T>,
        out: impl Into<ArrayViewMut<'a, T, D>>,
    ) -> Result<()> {
        compute::into(self, array, out.into())
    }

    /// Finished blocks in order; see [`Array::blocks`].
    ///
    /// ```
    /// use flagstone::{Array, Engine};
    ///
    /// let engine = Engine::builder().threads(2).memory("1 MiB").build()?;
    /// let x = Array::<f64>::ones([4, 6], [2, 3]);
    /// for block in engine.blocks(&x) {
    ///     assert_eq!(block?.values().sum(), 6.0);
    /// }
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    pub fn blocks<T: Element>(&self, array: &Array<T>) -> Blocks<T> {
        Blocks::start(self, array)
    }

    /// Computes and keeps; see [`Array::persist`].
    ///
    /// # Errors
    /// As [`Array::persist`].
    #[track_caller]
    pub fn persist<T: Element>(&self, array: &Array<T>) -> Result<Array<T>> {
        compute::persist(self, array, std::panic::Location::caller())
    }

    /// What a computation will do; see [`Array::explain`].
    ///
    /// # Errors
    /// As [`Array::explain`].
    pub fn explain<C: Compute + ?Sized>(&self, what: &C) -> Result<Explain> {
        Explain::new(self, what)
    }

    /// The tasks of a computation; see [`Array::task_graph`].
    ///
    /// # Errors
    /// As [`Array::task_graph`].
    pub fn task_graph<C: Compute + ?Sized>(&self, what: &C) -> Result<TaskGraph> {
        TaskGraph::new(self, what)
    }
}
