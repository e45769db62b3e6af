//! Arrays to delayed values, and back.

use std::any::Any;
use std::borrow::Cow;
use std::panic::Location;
use std::sync::Arc;

use ndarray::{ArrayD, IxDyn};

use super::engine::Engine;
use super::explain::Explain;
use super::handle::Array;
use crate::base::chunk_spec::IntoChunks;
use crate::base::chunks::{Chunks, unravel};
use crate::base::dtype::DType;
use crate::base::element::Element;
use crate::base::memory::{RawViewMut, view};
use crate::base::region::Region;
use crate::base::shape::{IntoShape, c_strides};
use crate::base::source::ErasedSource;
use crate::error::{Error, Kind, Result};
use crate::plan::build;
use crate::plan::node::Value;
use crate::task::{Delayed, DelayedNode, Held, Making};
use crate::work;

/// A block of an array, as what makes a delayed value.
pub(super) struct Block {
    pub value: Value,
    /// In C order of the chunk grid.
    pub number: usize,
    pub copy: fn(&work::Block) -> Held,
}

fn copy<T: Element>(block: &work::Block) -> Held {
    let shape = block.region.shape();
    assert_eq!(
        block.dtype,
        T::DTYPE,
        "a block of one dtype was made for another"
    );
    // SAFETY: a finished block holds its region's elements in C order.
    let values = unsafe { view::<T>(block.first(), shape, &c_strides(shape)) };
    Arc::new(values.to_owned())
}

/// Delayed blocks, as what an array is read from.
pub(super) struct Blocks {
    /// In C order of the chunk grid.
    pub nodes: Vec<Arc<DelayedNode>>,
    pub chunks: Chunks,
    pub dtype: DType,
    /// Writes what a block and a region have in common, given the block's region.
    pub fill: fn(&Held, &Region, &Region, &mut RawViewMut) -> Result<()>,
}

fn fill<T: Element>(
    value: &Held,
    block: &Region,
    region: &Region,
    out: &mut RawViewMut,
) -> Result<()> {
    let values: &ArrayD<T> = value
        .downcast_ref()
        .expect("a delayed value has the type of its handle");
    if values.shape() != block.shape() {
        return Err(Error::new(
            Kind::Shape,
            format!(
                "a delayed block has the shape {:?}, its chunk {:?}",
                values.shape(),
                block.shape()
            ),
        ));
    }
    let Some(inside) = block.intersect(region) else {
        return Ok(());
    };
    let (from, to) = (
        inside.relative_to(block.start()),
        inside.relative_to(region.start()),
    );
    let part = |region: &Region, axis: usize| {
        let range = region.range(axis);
        ndarray::Slice::from(range.start..range.end)
    };
    let mut out = out.typed::<T>();
    let source = values.slice_each_axis(|axis| part(&from, axis.axis.index()));
    out.slice_each_axis_mut(|axis| part(&to, axis.axis.index()))
        .assign(&source);
    Ok(())
}

/// The blocks as a source. A run binds it to the values of its own calls (`mixed.rs`).
struct Unbound(Arc<Blocks>);

impl ErasedSource for Unbound {
    fn dtype(&self) -> DType {
        self.0.dtype
    }

    fn read(&self, _: &Region, _: RawViewMut) -> Result<()> {
        let what = "delayed blocks were read outside of the graph that computes them";
        Err(Error::new(Kind::Internal, what))
    }

    fn storage_grid(&self) -> Option<Chunks> {
        Some(self.0.chunks.clone())
    }

    fn describe(&self) -> String {
        "delayed blocks".to_owned()
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(&self.0)
    }
}

/// # Delayed values
impl<T: Element> Array<T> {
    /// The blocks as delayed values, one per block of the chunk grid and arranged as the grid.
    ///
    /// Computing some of them computes what they need, and what they share once; their bytes count in the budget.
    ///
    /// # Errors
    /// The mistake that the array carries.
    ///
    /// ```
    /// use flagstone::Array;
    ///
    /// let x = Array::<f64>::arange(0.0, 12.0, 1.0, ..).reshape([4, 3]).rechunk([2, 3]);
    /// let blocks = x.to_delayed()?;
    /// assert_eq!(blocks.shape(), [2, 1]);
    /// let last = blocks[[1, 0]].map(|block| block.sum());
    /// assert_eq!(last.compute()?, (6..12).sum::<i32>() as f64);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn to_delayed(&self) -> Result<ArrayD<Delayed<ArrayD<T>>>> {
        let at = Location::caller();
        let value = self.value.clone()?;
        let counts = value.chunks().counts();
        let block = |number: usize| {
            let index = unravel(number, &counts);
            let elements = value.chunks().region(&index).size();
            Delayed::from_node(Arc::new(DelayedNode {
                name: Cow::Borrowed("block"),
                bytes: Some((elements * size_of::<T>()) as u64),
                retries: 0,
                inputs: Vec::new(),
                making: Making::Foreign(Arc::new(Block {
                    value: value.clone(),
                    number,
                    copy: copy::<T>,
                })),
                at,
            }))
        };
        let blocks = (0..value.chunks().count()).map(block).collect();
        Ok(ArrayD::from_shape_vec(IxDyn(&counts), blocks).expect("one value for each block"))
    }

    /// An array of delayed blocks, given in C order of the chunk grid (as [`to_delayed`](Array::to_delayed) gives
    /// them).
    ///
    /// Each call runs at most once in a computation, and only if its block is needed. Declare what blocks hold
    /// ([`Delayed::bytes`]), or they are outside of the promised memory.
    ///
    /// # Errors
    /// When computed: a block whose shape is not its chunk's, whose number is named.
    ///
    /// ```
    /// use flagstone::{Array, task::delayed};
    /// use ndarray::ArrayD;
    ///
    /// let load = |day: usize| {
    ///     delayed(move || ArrayD::from_elem(vec![1, 3], day as f64)).bytes(24).named("load")
    /// };
    /// let x = Array::from_delayed((0..4).map(load), [4, 3], [1, 3]);
    /// assert_eq!(x.sum(0).compute()?, ndarray::arr1(&[6.0, 6.0, 6.0]).into_dyn());
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn from_delayed(
        blocks: impl IntoIterator<Item = Delayed<ArrayD<T>>>,
        shape: impl IntoShape,
        chunks: impl IntoChunks,
    ) -> Array<T> {
        let at = Location::caller();
        let shape = shape.into_shape();
        let nodes: Vec<_> = blocks
            .into_iter()
            .map(|block| Arc::clone(&block.node))
            .collect();
        let value = chunks
            .into_spec()
            .resolve(&shape, size_of::<T>())
            .and_then(|chunks| {
                if chunks.count() != nodes.len() {
                    return Err(Error::new(
                        Kind::Chunks,
                        format!(
                            "from_delayed: {} blocks for the {} chunks {chunks}",
                            nodes.len(),
                            chunks.count()
                        ),
                    ));
                }
                let blocks = Blocks {
                    nodes,
                    chunks: chunks.clone(),
                    dtype: T::DTYPE,
                    fill: fill::<T>,
                };
                build::source(Arc::new(Unbound(Arc::new(blocks))), &shape, chunks, at)
            });
        Array::from_plan(value, at)
    }
}

/// # Computing
impl<T: Clone + Send + Sync + 'static> Delayed<T> {
    /// Makes the calls that the value needs, each once, on the global engine; [`Engine::compute`] takes
    /// another engine.
    ///
    /// # Errors
    /// The first panic or error of a call, with its name and the line that built it; before anything runs, a budget that
    /// is too small for what was declared.
    ///
    /// ```
    /// use flagstone::{compute, task::delayed};
    ///
    /// let a = delayed(|| 6);
    /// let b = a.map(|a| a + 1);
    /// assert_eq!(b.compute()?, 7);
    /// assert_eq!(compute((&a, &b))?, (6, 7)); // `a` ran once
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    pub fn compute(&self) -> Result<T> {
        Engine::global()?.compute(self)
    }

    /// What computing will do: its tasks, the bytes that it keeps to, and how many values' bytes are not known.
    ///
    /// # Errors
    /// An engine that cannot be made.
    ///
    /// ```
    /// let x = flagstone::task::delayed(|| vec![0_u8; 1000]).bytes(1000).map(|bytes| bytes.len());
    /// let explain = x.explain()?;
    /// assert_eq!((explain.calls(), explain.undeclared_calls()), (2, 1));
    /// println!("{explain}");
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    pub fn explain(&self) -> Result<Explain> {
        Explain::new(&Engine::global()?, self)
    }
}
