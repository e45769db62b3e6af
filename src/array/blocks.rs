//! Results as a stream of blocks.

use std::sync::Arc;

use ndarray::{ArrayD, ArrayViewD};

use super::compute::{Takes, Tasked, host, spill_file};
use super::engine::Engine;
use super::handle::Array;
use super::mixed::{Mixed, is_mixed};
use super::outline::run_options;
use super::planning::plan;
use crate::base::chunks::{Chunks, unravel};
use crate::base::element::Element;
use crate::base::few::Few;
use crate::base::memory::view;
use crate::base::region::Region;
use crate::base::shape::c_strides;
use crate::error::{Error, Result};
use crate::exec::{Stream, Work};
use crate::graph::stage::Place;
use crate::work::{self, GraphWork, Places};

/// One finished block of an array, as [`Array::blocks`] gives it.
///
/// ```
/// let x = flagstone::Array::<f64>::ones([4, 6], [2, 3]);
/// let last = x.blocks().last().unwrap()?;
/// assert_eq!(last.index(), [1, 1]);
/// assert_eq!(last.region().start(), [2, 3]);
/// assert_eq!(last.values().shape(), [2, 3]);
/// # Ok::<(), flagstone::Error>(())
/// ```
pub struct Block<T> {
    index: Vec<usize>,
    block: Arc<work::Block>,
    element: std::marker::PhantomData<T>,
}

impl<T: Element> Block<T> {
    /// Which block of the chunk grid it is.
    pub fn index(&self) -> &[usize] {
        &self.index
    }

    /// Where it lies in the array.
    pub fn region(&self) -> &Region {
        &self.block.region
    }

    /// The elements.
    pub fn values(&self) -> ArrayViewD<'_, T> {
        let shape = self.block.region.shape();
        assert_eq!(
            self.block.dtype,
            T::DTYPE,
            "a block of one dtype was made for another"
        );
        // SAFETY: a finished block holds its region's elements in C order.
        unsafe { view(self.block.first(), shape, &c_strides(shape)) }
    }

    /// The elements as an array of their own; copies them.
    pub fn into_array(self) -> ArrayD<T> {
        self.values().to_owned()
    }
}

/// The finished blocks of an array, in C order of its chunk grid. See [`Array::blocks`].
///
/// The bytes of a block return to the budget when it is handed out: from then on it is the caller's.
pub struct Blocks<T> {
    state: State,
    element: std::marker::PhantomData<fn() -> T>,
}

enum State {
    Running {
        stream: Stream,
        work: Arc<dyn Takes>,
        first: u32,
        next: usize,
        chunks: Chunks,
    },
    Failed(Error),
    Done,
}

impl<T: Element> Blocks<T> {
    pub(super) fn failed(error: Error) -> Blocks<T> {
        Blocks {
            state: State::Failed(error),
            element: std::marker::PhantomData,
        }
    }

    pub(super) fn start(engine: &Engine, array: &Array<T>) -> Blocks<T> {
        match Blocks::<T>::open(engine, array) {
            Ok(state) => Blocks {
                state,
                element: std::marker::PhantomData,
            },
            Err(error) => Blocks::failed(error),
        }
    }

    fn open(engine: &Engine, array: &Array<T>) -> Result<State> {
        let value = array.value.clone()?;
        let planned = plan(engine, std::slice::from_ref(&value), &[Place::Stream]);
        planned.check(engine)?;
        let first = planned
            .tasks
            .stages
            .iter()
            .find(|stage| stage.delivered)
            .map_or(0, |stage| stage.first);
        let mut options = run_options(engine, &planned, false);
        let (tasks, order, work): (_, _, Arc<dyn Takes>) = if is_mixed(&planned, &[]) {
            let mixed = Mixed::new(engine, planned, &[]);
            // Tasks have other numbers than the plan's.
            options.outline = engine.is_observed().then(|| mixed.outline());
            let (tasks, order) = (Arc::clone(&mixed.tasks), Arc::clone(&mixed.order));
            // SAFETY: there are no result places.
            (tasks, order, unsafe { mixed.work(engine, Few::new()) }?)
        } else {
            let places = Places {
                spill: spill_file(engine, planned.env.spilled_bytes())?,
                ..Places::default()
            };
            let n_tasks = planned.tasks.len();
            // SAFETY: there are no result places.
            let work = unsafe {
                GraphWork::new(
                    planned.graph,
                    planned.env,
                    planned.numbering,
                    n_tasks,
                    places,
                    host(engine),
                )
            };
            let (tasks, order) = (Arc::new(planned.tasks), Arc::new(planned.order));
            (tasks, order, Arc::new(Tasked(work)))
        };
        let stream =
            engine
                .executor
                .stream(tasks, order, Arc::clone(&work) as Arc<dyn Work>, &options)?;
        Ok(State::Running {
            stream,
            work,
            first,
            next: 0,
            chunks: value.chunks().clone(),
        })
    }
}

impl<T: Element> Iterator for Blocks<T> {
    type Item = Result<Block<T>>;

    fn next(&mut self) -> Option<Result<Block<T>>> {
        let (result, over) = match &mut self.state {
            State::Done => return None,
            State::Failed(error) => (Err(error.clone()), true),
            State::Running {
                stream,
                work,
                first,
                next,
                chunks,
            } => {
                if *next == chunks.count() {
                    self.state = State::Done;
                    return None;
                }
                let task = *first + *next as u32;
                match stream.wait(task) {
                    Err(error) => (Err(error), true),
                    Ok(()) => {
                        let block = work
                            .take_block(task)
                            .expect("a finished task has made its block");
                        stream.take(task);
                        let index = unravel(*next, &chunks.counts());
                        *next += 1;
                        (
                            Ok(Block {
                                index: index.into_vec(),
                                block,
                                element: std::marker::PhantomData,
                            }),
                            false,
                        )
                    }
                }
            }
        };
        if over {
            self.state = State::Done;
        }
        Some(result)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.state {
            State::Running { next, chunks, .. } => (0, Some(chunks.count() - next)),
            State::Failed(_) => (1, Some(1)),
            State::Done => (0, Some(0)),
        }
    }
}
