//! Where the pipeline is joined: plan, optimize, lower, run.

use std::any::Any;
use std::panic::Location;
use std::sync::Arc;
use std::time::Instant;

use ndarray::{ArrayD, ArrayViewMut, Dimension, IxDyn};
use smallvec::smallvec;

use super::at_once::{self, AtOnce};
use super::blocks::Blocks;
use super::engine::{Engine, Report};
use super::explain::{self, Explain, TaskGraph};
use super::handle::Array;
use super::mixed::{Mixed, is_mixed};
use super::outline::run_options;
use super::planning::{Planned, plan};
use crate::base::aligned::advise_huge;
use crate::base::chunk_spec::ChunkSpec;
use crate::base::element::Element;
use crate::base::few::{Few, few};
use crate::base::memory::Memory;
use crate::base::shape::c_strides;
use crate::base::spill::SpillStore;
use crate::error::{Error, Kind, Result};
use crate::exec::{Hold, RunReport, Work};
use crate::graph::stage::Place;
use crate::io::spill::SpillFile;
use crate::plan::build;
use crate::plan::node::{NodeKind, Value, Values};
use crate::task::{Delayed, DelayedNode, Held};
use crate::work::{self, GraphWork, Host, Places, ResultPlace, Stop};

/// Lets long tasks look whether their run was cancelled, and idle threads help with them.
pub(super) fn host(engine: &Engine) -> Host {
    let cancel = engine.cancel.clone();
    Host {
        stop: cancel.map_or_else(Stop::never, |cancel| {
            Stop::when(move || cancel.is_cancelled())
        }),
        threads: Arc::new(engine.executor.pool.clone()),
    }
}

/// A graph's tasks as the executor sees them.
pub(super) struct Tasked(pub GraphWork);

impl Work for Tasked {
    fn run(&self, task: u32) -> Result<()> {
        self.0.run(task)
    }

    fn release(&self, task: u32) {
        self.0.release(task);
    }

    fn fetch(&self, task: u32) -> Result<()> {
        self.0.fetch(task)
    }

    fn describe(&self, task: u32) -> String {
        format!("in {}", self.0.describe(task))
    }

    fn spilled(&self, task: u32) -> u64 {
        self.0.spilled_bytes(task)
    }
}

/// Work whose delivered blocks can be taken.
pub(super) trait Takes: Work {
    fn take_block(&self, task: u32) -> Option<Arc<work::Block>>;
}

impl Takes for Tasked {
    fn take_block(&self, task: u32) -> Option<Arc<work::Block>> {
        self.0.take_block(task)
    }
}

/// Memory for one result on its way to become an array, or a delayed value.
#[doc(hidden)]
pub struct Pending {
    first: *mut u8,
    shape: Few<usize>,
    /// The `Vec<T>` that owns the memory, or the value.
    owner: Box<dyn Any + Send>,
}

/// One array or delayed value to be computed.
#[doc(hidden)]
pub struct Request(Wanted);

/// Most computations are of one or two.
#[doc(hidden)]
pub type Requests = Few<Request, 2>;

enum Wanted {
    Array {
        value: Value,
        allocate: fn(&[usize]) -> Result<Pending>,
    },
    Delayed(Arc<DelayedNode>),
}

fn allocate<T: Element>(shape: &[usize]) -> Result<Pending> {
    let mut elements = zeros::<T>(shape.iter().product());
    Ok(Pending {
        first: elements.as_mut_ptr().cast(),
        shape: Few::from_slice(shape),
        owner: Box::new(elements),
    })
}

/// Zeros: fresh pages from the system, huge where it has them, untouched until they are written.
fn zeros<T: Element>(n: usize) -> Vec<T> {
    let layout =
        std::alloc::Layout::array::<T>(n).expect("a shape's bytes were checked when it was built");
    if layout.size() == 0 {
        return Vec::new();
    }
    // SAFETY: the layout has bytes; the allocation is a `Vec`'s of `n` elements; and all element types
    // have zero bits as a value.
    unsafe {
        let first = std::alloc::alloc_zeroed(layout);
        if first.is_null() {
            std::alloc::handle_alloc_error(layout);
        }
        advise_huge(first, layout.size());
        Vec::from_raw_parts(first.cast::<T>(), n, n)
    }
}

/// What can be computed: an array or a [`Delayed`] value, a reference to one, and tuples, arrays, slices and `Vec`s of
/// them.
pub trait Compute {
    /// What computing gives: ndarrays, and values of delayed ones, in the same arrangement.
    type Output;

    #[doc(hidden)]
    fn requests(&self, requests: &mut Requests) -> Result<()>;

    #[doc(hidden)]
    fn assemble(&self, results: &mut dyn Iterator<Item = Pending>) -> Self::Output;
}

impl<T: Element> Compute for Array<T> {
    type Output = ArrayD<T>;

    fn requests(&self, requests: &mut Requests) -> Result<()> {
        requests.push(Request(Wanted::Array {
            value: self.value.clone()?,
            allocate: allocate::<T>,
        }));
        Ok(())
    }

    fn assemble(&self, results: &mut dyn Iterator<Item = Pending>) -> ArrayD<T> {
        let pending = results.next().expect("one result for each request");
        let elements = *pending
            .owner
            .downcast::<Vec<T>>()
            .expect("a result of the requested type");
        ArrayD::from_shape_vec(IxDyn(&pending.shape), elements)
            .expect("a result of the requested shape")
    }
}

impl<T: Clone + Send + Sync + 'static> Compute for Delayed<T> {
    type Output = T;

    fn requests(&self, requests: &mut Requests) -> Result<()> {
        requests.push(Request(Wanted::Delayed(Arc::clone(&self.node))));
        Ok(())
    }

    fn assemble(&self, results: &mut dyn Iterator<Item = Pending>) -> T {
        let pending = results.next().expect("one result for each request");
        let value = pending.owner.downcast::<Held>().ok();
        let value = value.and_then(|value| (*value).downcast::<T>().ok());
        let value = value.expect("a delayed value has the type of its handle");
        // It may be a value that was there before, or be asked for twice.
        Arc::try_unwrap(value).unwrap_or_else(|shared| (*shared).clone())
    }
}

impl<C: Compute + ?Sized> Compute for &C {
    type Output = C::Output;

    fn requests(&self, requests: &mut Requests) -> Result<()> {
        (**self).requests(requests)
    }

    fn assemble(&self, results: &mut dyn Iterator<Item = Pending>) -> C::Output {
        (**self).assemble(results)
    }
}

impl<C: Compute> Compute for [C] {
    type Output = Vec<C::Output>;

    fn requests(&self, requests: &mut Requests) -> Result<()> {
        self.iter().try_for_each(|one| one.requests(requests))
    }

    fn assemble(&self, results: &mut dyn Iterator<Item = Pending>) -> Vec<C::Output> {
        self.iter().map(|one| one.assemble(results)).collect()
    }
}

impl<C: Compute> Compute for Vec<C> {
    type Output = Vec<C::Output>;

    fn requests(&self, requests: &mut Requests) -> Result<()> {
        self.as_slice().requests(requests)
    }

    fn assemble(&self, results: &mut dyn Iterator<Item = Pending>) -> Vec<C::Output> {
        self.as_slice().assemble(results)
    }
}

impl<C: Compute, const N: usize> Compute for [C; N] {
    type Output = [C::Output; N];

    fn requests(&self, requests: &mut Requests) -> Result<()> {
        self.as_slice().requests(requests)
    }

    fn assemble(&self, results: &mut dyn Iterator<Item = Pending>) -> [C::Output; N] {
        std::array::from_fn(|i| self[i].assemble(results))
    }
}

macro_rules! tuples {
    ($(($($name:ident $at:tt)+))*) => {$(
        impl<$($name: Compute),+> Compute for ($($name,)+) {
            type Output = ($($name::Output,)+);

            fn requests(&self, requests: &mut Requests) -> Result<()> {
                $(self.$at.requests(requests)?;)+
                Ok(())
            }

            fn assemble(&self, results: &mut dyn Iterator<Item = Pending>) -> Self::Output {
                ($(self.$at.assemble(results),)+)
            }
        }
    )*};
}
tuples! {
    (A 0)
    (A 0 B 1)
    (A 0 B 1 C 2)
    (A 0 B 1 C 2 D 3)
    (A 0 B 1 C 2 D 3 E 4)
    (A 0 B 1 C 2 D 3 E 4 F 5)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11)
}

/// Computes several arrays and [`Delayed`] values in one pass over what they share.
///
/// Takes a tuple, an array, a slice or a `Vec` of them, and gives ndarrays, and values, in the same arrangement.
///
/// # Errors
/// As [`Array::compute`].
///
/// ```
/// use flagstone::{Array, compute};
///
/// let x = Array::<f64>::linspace(0.0, 1.0, 5, ..);
/// let (mean, largest) = compute((x.mean(..), x.max(..)))?;
/// assert_eq!((mean.sum(), largest.sum()), (0.5, 1.0));
/// # Ok::<(), flagstone::Error>(())
/// ```
pub fn compute<C: Compute>(what: C) -> Result<C::Output> {
    Engine::global()?.compute(&what)
}

/// The arrays and the delayed values that are asked for.
pub(super) fn requested<C: Compute + ?Sized>(what: &C) -> Result<(Values, Vec<Arc<DelayedNode>>)> {
    let mut requests = Requests::new();
    what.requests(&mut requests)?;
    let (mut values, mut calls) = (Values::new(), Vec::new());
    for Request(wanted) in requests {
        match wanted {
            Wanted::Array { value, .. } => values.push(value),
            Wanted::Delayed(call) => calls.push(call),
        }
    }
    Ok((values, calls))
}

/// Computes, and says what it took.
pub(super) fn measure<C: Compute + ?Sized>(
    engine: &Engine,
    what: &C,
) -> Result<(C::Output, Report)> {
    let began = Instant::now();
    let (mut bytes_read, mut bytes_spilled) = (0, 0);
    let (output, report) = run(engine, what, |way| match way {
        Way::Planned(planned) => {
            bytes_read = explain::bytes_read(planned);
            bytes_spilled = planned.env.spilled_bytes();
        }
        Way::AtOnce { bytes_read: bytes } => bytes_read = bytes,
    })?;
    let report = Report {
        tasks: report.tasks,
        planned_peak_bytes: report.planned_peak,
        held_peak_bytes: report.held_peak,
        bytes_read,
        bytes_spilled,
        outside_promise: report.outside_promise,
        lost_observers: report.lost_observers,
        seconds: began.elapsed().as_secs_f64(),
    };
    Ok((output, report))
}

/// How something is computed.
pub(super) enum Way<'a> {
    Planned(&'a Planned),
    /// Without a plan.
    AtOnce {
        bytes_read: u64,
    },
}

/// Computes; `inspect` is told how, before a plan runs.
pub(super) fn run<C: Compute + ?Sized>(
    engine: &Engine,
    what: &C,
    inspect: impl FnOnce(Way<'_>),
) -> Result<(C::Output, RunReport)> {
    let mut requests = Requests::new();
    what.requests(&mut requests)?;
    if let [Request(Wanted::Array { value, allocate })] = &requests[..] {
        let mut pending = None;
        let place = || Ok(pending.insert(allocate(value.shape())?).first);
        // SAFETY: the memory is allocated with the value's shape, and nobody else has it.
        let done = unsafe { at_once::compute(engine, value, place) }?;
        if let Some(AtOnce { report, bytes_read }) = done {
            inspect(Way::AtOnce { bytes_read });
            return Ok((what.assemble(&mut pending.into_iter()), report));
        }
    }
    let (mut values, mut calls) = (Values::new(), Vec::new());
    for Request(wanted) in &requests {
        match wanted {
            Wanted::Array { value, .. } => values.push(value.clone()),
            Wanted::Delayed(call) => calls.push(Arc::clone(call)),
        }
    }
    let places: Few<Place> = few((0..values.len()).map(Place::Result));
    let planned = plan(engine, &values, &places);
    planned.check(engine)?;
    inspect(Way::Planned(&planned));
    let mut pending: Few<Pending, 1> = Few::new();
    for Request(wanted) in &requests {
        if let Wanted::Array { value, allocate } = wanted {
            pending.push(allocate(value.shape())?);
        }
    }
    let results = few(pending.iter().map(|one| ResultPlace {
        first: one.first,
        strides: c_strides(&one.shape),
    }));
    // SAFETY: the memory was just allocated with each value's shape, and is not touched before the run
    // has ended.
    let (made, report) = unsafe { execute(engine, planned, results, &calls) }?;
    let (mut pending, mut made) = (pending.into_iter(), made.into_iter());
    let mut results = requests
        .into_iter()
        .filter_map(|Request(wanted)| match wanted {
            Wanted::Array { .. } => pending.next(),
            Wanted::Delayed(_) => made.next().map(|value| Pending {
                first: std::ptr::null_mut(),
                shape: Few::new(),
                owner: Box::new(value),
            }),
        });
    Ok((what.assemble(&mut results), report))
}

/// Runs a plan whose values go to `results`, strided as the values' own axes, and delayed `calls`, whose values it
/// gives.
///
/// # Safety
/// Each place must have room for its value, and be touched by nobody else before this returns.
unsafe fn execute(
    engine: &Engine,
    planned: Planned,
    mut results: Few<ResultPlace, 1>,
    calls: &[Arc<DelayedNode>],
) -> Result<(Vec<Held>, RunReport)> {
    planned.check(engine)?;
    let mixed = is_mixed(&planned, calls);
    let mut options = run_options(engine, &planned, !mixed && planned.is_tiny());
    // Reductions write in the space of their kept axes.
    for stage in planned.graph.dag.node_weights() {
        for output in &stage.outputs {
            if let Place::Result(number) = output.place
                && let NodeKind::Reduce(reduce) = &planned.roots[number].node.kind
                && results[number].strides.len() > output.shape.len()
            {
                let strides = &results[number].strides;
                results[number].strides = few(reduce.tree.kept().iter().map(|&axis| strides[axis]));
            }
        }
    }
    if mixed {
        let mixed = Mixed::new(engine, planned, calls);
        options.joins = false;
        // Tasks have other numbers than the plan's.
        options.outline = engine.is_observed().then(|| mixed.outline());
        let (tasks, order) = (Arc::clone(&mixed.tasks), Arc::clone(&mixed.order));
        // SAFETY: the caller's contract; `run` returns when no task touches the work any more.
        let work = unsafe { mixed.work(engine, results) }?;
        let report =
            engine
                .executor
                .run(tasks, order, Arc::clone(&work) as Arc<dyn Work>, &options)?;
        Ok((work.into_results(), report))
    } else {
        let Planned {
            graph,
            env,
            tasks,
            order,
            numbering,
            ..
        } = planned;
        let places = Places {
            results,
            spill: spill_file(engine, env.spilled_bytes())?,
        };
        // SAFETY: as above.
        let work =
            unsafe { GraphWork::new(graph, env, numbering, tasks.len(), places, host(engine)) };
        let (executor, work) = (&engine.executor, Tasked(work));
        let report = if options.serial && !order.fetches {
            executor.run_alone(&tasks, &order, &work, &options)?
        } else {
            let (tasks, order) = (Arc::new(tasks), Arc::new(order));
            executor.run(tasks, order, Arc::new(work), &options)?
        };
        Ok((Vec::new(), report))
    }
}

/// The temporary file of a run that spills so many bytes.
pub(super) fn spill_file(engine: &Engine, bytes: u64) -> Result<Option<Box<dyn SpillStore>>> {
    if bytes == 0 {
        return Ok(None);
    }
    let file = SpillFile::create(&engine.spill_folder, bytes)?;
    Ok(Some(Box::new(file)))
}

pub(super) fn item<T: Element>(engine: &Engine, array: &Array<T>) -> Result<T> {
    let value = array.value.clone()?;
    if value.shape().iter().product::<usize>() != 1 {
        return Err(Error::new(
            Kind::Shape,
            format!(
                "item of an array of shape {:?}: it must have exactly 1 element",
                value.shape()
            ),
        ));
    }
    let (elements, _) = engine.compute(array)?.into_raw_vec_and_offset();
    Ok(elements.first().copied().unwrap_or_default())
}

pub(super) fn into<T: Element, D: Dimension>(
    engine: &Engine,
    array: &Array<T>,
    mut out: ArrayViewMut<'_, T, D>,
) -> Result<()> {
    let value = array.value.clone()?;
    if out.shape() != value.shape() {
        return Err(Error::new(
            Kind::Shape,
            format!(
                "computing an array of shape {:?} into one of shape {:?}",
                value.shape(),
                out.shape()
            ),
        ));
    }
    let planned = plan(engine, &[value], &[Place::Result(0)]);
    let place = ResultPlace {
        first: out.as_mut_ptr().cast(),
        strides: Few::from_slice(out.strides()),
    };
    // SAFETY: the view is borrowed until this returns, and has the value's shape.
    unsafe { execute(engine, planned, smallvec![place], &[]) }?;
    Ok(())
}

/// A persisted array's elements, and the bytes booked for them as long as they live.
struct Persisted<T> {
    elements: Vec<T>,
    _hold: Hold,
}

pub(super) fn persist<T: Element>(
    engine: &Engine,
    array: &Array<T>,
    at: &'static Location<'static>,
) -> Result<Array<T>> {
    let value = array.value.clone()?;
    let bytes = value.shape().iter().product::<usize>() * size_of::<T>();
    let hold = engine.executor.ledger.hold(bytes as u64).map_err(|error| {
        error
            .context(format!(
                "to persist an array of shape {:?} and {}",
                value.shape(),
                value.dtype()
            ))
            .at(at)
    })?;
    let chunks = ChunkSpec::Grid(value.chunks().clone());
    let shape = value.shape().to_vec();
    let (elements, _) = engine.compute(array)?.into_raw_vec_and_offset();
    let owner = Arc::new(Persisted {
        elements,
        _hold: hold,
    });
    let first = owner.elements.as_ptr().cast();
    // SAFETY: a computed array is in C order and starts at its first element; `owner` keeps it.
    let memory = unsafe { Memory::from_raw(T::DTYPE, shape, None, first, owner) };
    Ok(Array::from_plan(build::memory(memory, chunks, at), at))
}

/// # Computing
impl<T: Element> Array<T> {
    /// Computes the array, on all cores and within the memory budget.
    ///
    /// # Errors
    /// The mistake that the array carries; a failure of a source; a panic in a function of yours; and,
    /// before anything runs, a budget that is too small.
    ///
    /// # Cost
    /// One result, allocated once and written in place; beyond that no more bytes than
    /// [`explain`](Array::explain) says.
    ///
    /// ```
    /// let x = flagstone::Array::<f64>::ones([2, 3], ..);
    /// assert_eq!((2.0 * x + 1.0).compute()?, ndarray::ArrayD::from_elem(vec![2, 3], 3.0));
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    pub fn compute(&self) -> Result<ArrayD<T>> {
        Engine::global()?.compute(self)
    }

    /// The element of an array that has one, of whatever number of axes.
    ///
    /// # Errors
    /// As [`compute`](Array::compute), and if there is not exactly one element.
    ///
    /// ```
    /// assert_eq!(flagstone::Array::<i64>::ones([2, 3], ..).sum(..).item()?, 6);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    pub fn item(&self) -> Result<T> {
        item(&Engine::global()?, self)
    }

    /// Computes into an existing ndarray, of any strides.
    ///
    /// # Errors
    /// As [`compute`](Array::compute), and if the shapes differ. After an error the contents of `out`
    /// are unspecified.
    ///
    /// ```
    /// let x = flagstone::Array::<f64>::ones([2, 3], ..);
    /// let mut out = ndarray::Array2::zeros([2, 3]);
    /// x.compute_into(&mut out)?;
    /// assert_eq!(out.sum(), 6.0);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    pub fn compute_into<'a, D: Dimension + 'a>(
        &self,
        out: impl Into<ArrayViewMut<'a, T, D>>,
    ) -> Result<()> {
        Engine::global()?.compute_into(self, out)
    }

    /// Computes now, and gives an array that holds the result in memory, in the same chunks.
    ///
    /// Its bytes count against the budget until the last handle is dropped.
    ///
    /// # Errors
    /// As [`compute`](Array::compute), and if the result does not fit beside what is held already.
    ///
    /// ```
    /// let x = flagstone::Array::<f64>::ones([2, 3], ..).persist()?;
    /// assert_eq!(x.sum(..).item()?, 6.0);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn persist(&self) -> Result<Array<T>> {
        persist(&Engine::global()?, self, Location::caller())
    }

    /// The finished blocks, in C order of the chunk grid, with a bounded number in flight: a result
    /// larger than memory can be consumed as a stream.
    ///
    /// Starts at once in the background, as far ahead of the consumer as the budget allows. Errors come
    /// as the first item. Dropping the iterator cancels the rest.
    ///
    /// ```
    /// let x = flagstone::Array::<f64>::ones([4, 6], [2, 3]);
    /// for block in x.blocks() {
    ///     let block = block?;
    ///     assert_eq!(block.values().sum(), 6.0);
    /// }
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    pub fn blocks(&self) -> Blocks<T> {
        match Engine::global() {
            Ok(engine) => Blocks::start(&engine, self),
            Err(error) => Blocks::failed(error),
        }
    }

    /// What computing this array will do: the optimized plan, stages and tasks, passes over each source,
    /// bytes, and the peak memory that it will keep to.
    ///
    /// # Errors
    /// The mistake that the array carries.
    ///
    /// ```
    /// let x = flagstone::Array::<f64>::ones([1000, 1000], 100);
    /// println!("{}", x.mean(0).explain()?);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    pub fn explain(&self) -> Result<Explain> {
        Explain::new(&Engine::global()?, self)
    }

    /// The tasks of computing this array as a petgraph value, with text and DOT output.
    ///
    /// # Errors
    /// The mistake that the array carries.
    ///
    /// ```
    /// let x = flagstone::Array::<f64>::ones([1000, 1000], 100);
    /// assert!(x.sum(..).task_graph()?.to_dot().starts_with("digraph"));
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    pub fn task_graph(&self) -> Result<TaskGraph> {
        TaskGraph::new(&Engine::global()?, self)
    }
}
