//! Storing: finished blocks go to sinks, from the tasks that make them.

use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;

use ndarray::SliceInfoElem;

use super::compute;
use super::engine::{Engine, Report};
use super::explain::Explain;
use super::handle::Array;
use crate::base::chunk_spec::ChunkSpec;
use crate::base::chunks::{AxisChunks, Chunks, unravel};
use crate::base::dtype::DType;
use crate::base::element::Element;
use crate::base::memory::{RawViewMut, view};
use crate::base::region::Region;
use crate::base::source::Sink;
use crate::error::{BoxError, Error, Kind, Result};
use crate::op::closure::{BlockFunction, RawBlock};
use crate::plan::node::Value;
use crate::plan::{build, layout};

/// An array and where it is to be stored: several of them are stored in one pass by [`store_all`].
///
/// ```
/// use flagstone::{Array, Store, store_all};
///
/// let folder = std::env::temp_dir();
/// let (mean, std) = (folder.join("flagstone-doc-mean.npy"), folder.join("flagstone-doc-std.npy"));
/// let x = Array::<f64>::linspace(0.0, 1.0, 1000, ..).reshape([10, 100]);
/// store_all([Store::to_npy(&x.mean(0), &mean)?, Store::to_npy(&x.std(0), &std)?])?; // reads x once
/// assert_eq!(Array::<f64>::from_npy(&mean, ..)?.shape(), [100]);
/// # std::fs::remove_file(mean).ok();
/// # std::fs::remove_file(std).ok();
/// # Ok::<(), flagstone::Error>(())
/// ```
#[must_use = "nothing is stored before `store_all`"]
pub struct Store {
    /// One element for each block that is still to be written.
    writing: Vec<Array<bool>>,
    finish: Box<dyn FnOnce() -> Result<(), BoxError> + Send>,
    describe: String,
}

impl Store {
    /// An array and a [`Sink`] of your own.
    ///
    /// # Errors
    /// The mistake that the array carries, or a write grid of the sink that has another shape than the array; the
    /// error names both grids.
    #[track_caller]
    pub fn to_sink<T: Element>(
        array: &Array<T>,
        sink: impl Sink<Elem = T> + 'static,
    ) -> Result<Store> {
        let at = Location::caller();
        let value = array.value.clone()?;
        let describe = sink.describe();
        let sink: Arc<dyn Sink<Elem = T>> = Arc::new(sink);
        let writing = writing(&value, &sink, at).map_err(|error| error.at(at))?;
        Ok(Store {
            writing: writing
                .into_iter()
                .map(|value| Array::from_plan(Ok(value), at))
                .collect(),
            finish: Box::new(move || sink.finish()),
            describe,
        })
    }

    /// What storing will do; see [`Array::explain`].
    ///
    /// # Errors
    /// As [`Array::explain`].
    pub fn explain(&self) -> Result<Explain> {
        Explain::new(&Engine::global()?, &self.writing)
    }
}

/// The values that write what is still missing, block by block.
fn writing<T: Element>(
    value: &Value,
    sink: &Arc<dyn Sink<Elem = T>>,
    at: &'static Location<'static>,
) -> Result<Vec<Value>> {
    let grid = sink.write_grid().unwrap_or_else(|| value.chunks().clone());
    if grid.shape() != value.shape() {
        return Err(Error::new(
            Kind::Chunks,
            format!(
                "an array of shape {:?} in chunks {} cannot be stored to {}, which is written in blocks {grid} of the \
                 shape {:?}",
                value.shape(),
                value.chunks(),
                sink.describe(),
                grid.shape()
            ),
        ));
    }
    if value.shape().contains(&0) {
        return Ok(Vec::new());
    }
    let value = build::rechunk(value, ChunkSpec::Grid(grid.clone()), at)?;
    let boxes = missing(&grid, |region| sink.is_written(region));
    let written = boxes.into_iter().map(|blocks| {
        let part = region_of(&grid, &blocks);
        let value = if part.shape() == value.shape() {
            value.clone()
        } else {
            let items: Vec<SliceInfoElem> = (0..part.ndim())
                .map(|axis| SliceInfoElem::from(part.range(axis)))
                .collect();
            layout::slice(&value, &items, at)?
        };
        let axes = (0..grid.ndim()).map(|axis| {
            let range = blocks.range(axis);
            let sizes: Vec<usize> = range.map(|block| grid.0[axis].range(block).len()).collect();
            AxisChunks::from_sizes(&sizes)
        });
        let own = Chunks(axes.collect());
        let value = build::rechunk(&value, ChunkSpec::Grid(own.clone()), at)?;
        let ones = Chunks::regular(blocks.shape(), &vec![1; blocks.ndim()])?;
        let function = Arc::new(Writing {
            sink: sink.clone(),
            grid: own,
            origin: part.start().to_vec(),
            element: PhantomData,
        });
        let inputs = [value];
        let made = build::block_fn(function, "store", &inputs, vec![(DType::Bool, ones)], at)?;
        Ok(made[0].clone())
    });
    written.collect()
}

/// The elements of a box of blocks.
fn region_of(grid: &Chunks, blocks: &Region) -> Region {
    let mut region = Region::whole(&grid.shape());
    for axis in 0..grid.ndim() {
        let range = blocks.range(axis);
        let chunks = &grid.0[axis];
        region.set_range(
            axis,
            chunks.range(range.start).start..chunks.range(range.end - 1).end,
        );
    }
    region
}

/// Boxes of blocks, which cover exactly those that are not there.
///
/// A store that is interrupted has written nearly all blocks up to some point, and a few after it. So rows of
/// missing blocks are put together along the last axis, and then equal rows along the ones before.
fn missing(grid: &Chunks, is_written: impl Fn(&Region) -> bool) -> Vec<Region> {
    let counts = grid.counts();
    let indices = || (0..grid.count()).map(|number| unravel(number, &counts));
    // A new store, perhaps of a million blocks.
    if !indices().any(|index| is_written(&grid.region(&index))) {
        return vec![Region::whole(&counts)];
    }
    let mut boxes: Vec<Region> = indices()
        .filter(|index| !is_written(&grid.region(index)))
        .map(|index| index.iter().map(|&at| at..at + 1).collect())
        .collect();
    for axis in (0..counts.len()).rev() {
        boxes = merge(boxes, axis);
    }
    boxes
}

/// Puts boxes together that lie side by side along an axis, and are equal on all others.
fn merge(mut boxes: Vec<Region>, axis: usize) -> Vec<Region> {
    let key = |region: &Region| {
        let (mut start, mut len) = (region.start().to_vec(), region.shape().to_vec());
        (start[axis], len[axis]) = (0, 0);
        (start, len, region.start()[axis])
    };
    boxes.sort_by_cached_key(key);
    let mut merged: Vec<Region> = Vec::new();
    for next in boxes {
        if let Some(last) = merged.last_mut() {
            let ((start, len, _), (other_start, other_len, first)) = (key(last), key(&next));
            if start == other_start && len == other_len && last.end(axis) == first {
                last.set_range(axis, last.start()[axis]..next.end(axis));
                continue;
            }
        }
        merged.push(next);
    }
    merged
}

/// Gives each block to the sink.
struct Writing<T> {
    sink: Arc<dyn Sink<Elem = T>>,
    /// The blocks, and where the first element of the first one lies in the sink.
    grid: Chunks,
    origin: Vec<usize>,
    element: PhantomData<fn(T)>,
}

impl<T: Element> BlockFunction for Writing<T> {
    unsafe fn call(
        &self,
        index: &[usize],
        _: &Region,
        inputs: &[RawBlock],
        outputs: &mut [RawViewMut],
    ) -> Result<()> {
        let inside = self.grid.region(index);
        let start: Vec<usize> = inside
            .start()
            .iter()
            .zip(&self.origin)
            .map(|(at, origin)| at + origin)
            .collect();
        let region = Region::new(start, inside.shape());
        let block = &inputs[0];
        // SAFETY: the caller's input is an initialized block of the dtype that the plan checked.
        let values = unsafe { view::<T>(block.first, &block.shape, &block.strides) };
        self.sink.write(&region, values).map_err(|error| {
            let what = format!("writing {region} to {}", self.sink.describe());
            Error::wrap(Kind::Io, what, error)
        })?;
        for output in outputs {
            output.typed::<bool>().fill(true);
        }
        Ok(())
    }

    fn scratch_bytes(&self) -> usize {
        self.sink.scratch_bytes()
    }
}

/// Stores several arrays in one pass over what they share.
///
/// Each array becomes visible when all blocks of all arrays have been written.
///
/// # Errors
/// As [`Array::compute`], and if a sink fails; the error names the sink and the region, or the file.
pub fn store_all(stores: impl IntoIterator<Item = Store>) -> Result<()> {
    Engine::global()?.store_all(stores)?;
    Ok(())
}

impl Engine {
    /// Stores several arrays in one pass over what they share, and says what it took; see [`store_all`].
    ///
    /// # Errors
    /// As [`store_all`].
    pub fn store_all(&self, stores: impl IntoIterator<Item = Store>) -> Result<Report> {
        let stores: Vec<Store> = stores.into_iter().collect();
        let writing: Vec<&Array<bool>> = stores.iter().flat_map(|store| &store.writing).collect();
        let (_, report) = compute::measure(self, &writing)?;
        for store in stores {
            (store.finish)().map_err(|error| {
                Error::wrap(Kind::Io, format!("storing to {}", store.describe), error)
            })?;
        }
        Ok(report)
    }

    /// What [`store_all`](Engine::store_all) will do.
    ///
    /// # Errors
    /// As [`Array::explain`].
    pub fn explain_stores(&self, stores: &[Store]) -> Result<Explain> {
        let writing: Vec<&Array<bool>> = stores.iter().flat_map(|store| &store.writing).collect();
        self.explain(&writing)
    }

    /// Computes an array into a [`Sink`]; see [`Array::store`].
    ///
    /// # Errors
    /// As [`Array::store`].
    #[track_caller]
    pub fn store<T: Element>(
        &self,
        array: &Array<T>,
        sink: impl Sink<Elem = T> + 'static,
    ) -> Result<()> {
        self.store_all([Store::to_sink(array, sink)?])?;
        Ok(())
    }
}

/// # Storing
impl<T: Element> Array<T> {
    /// Computes the array into a [`Sink`] of your own, block by block, on all cores.
    ///
    /// Streams: the sink gets the blocks of its [`write_grid`](Sink::write_grid), or else exactly those of the chunk
    /// grid, as they are finished, in any order; the array is never put together.
    ///
    /// # Errors
    /// As [`compute`](Array::compute), and if the sink fails; that error names the region.
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    ///
    /// use flagstone::{Array, BoxError, Region, Sink};
    ///
    /// /// Remembers where it was written to.
    /// struct Log(Mutex<Vec<String>>);
    ///
    /// impl Sink for Log {
    ///     type Elem = f64;
    ///     fn write(&self, region: &Region, _: ndarray::ArrayViewD<'_, f64>) -> Result<(), BoxError> {
    ///         self.0.lock().unwrap().push(region.to_string());
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let log = Arc::new(Log(Mutex::default()));
    /// Array::<f64>::ones([4, 3], [2, 3]).store(log.clone())?;
    /// let mut regions = log.0.lock().unwrap().clone();
    /// regions.sort();
    /// assert_eq!(regions, ["[0..2, 0..3]", "[2..4, 0..3]"]);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn store(&self, sink: impl Sink<Elem = T> + 'static) -> Result<()> {
        Engine::global()?.store(self, sink)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The boxes cover what is missing, each block once, and nothing else.
    #[test]
    fn missing_blocks_are_covered_once() {
        let grid = Chunks::regular(&[10, 9, 4], &[3, 2, 4]).unwrap();
        let counts = grid.counts();
        let total = grid.count();
        for seed in 0..40usize {
            let there = |number: usize| match seed {
                0 => false,
                1 => true,
                _ if seed % 2 == 0 => number < seed * total / 40,
                _ => (number * seed * 7919 + seed) % 5 < 3,
            };
            let number_of = |region: &Region| {
                (0..total)
                    .find(|&number| grid.region(&unravel(number, &counts)) == *region)
                    .unwrap()
            };
            let boxes = missing(&grid, |region| there(number_of(region)));
            let mut covered = vec![0; total];
            for blocks in &boxes {
                for (number, count) in covered.iter_mut().enumerate() {
                    let index = unravel(number, &counts);
                    let one = Region::new(index.into_vec(), vec![1; 3]);
                    *count += usize::from(blocks.contains(&one));
                }
            }
            for (number, &count) in covered.iter().enumerate() {
                assert_eq!(count, usize::from(!there(number)), "block {number}");
            }
            if seed == 0 {
                assert_eq!(boxes.len(), 1);
                assert_eq!(region_of(&grid, &boxes[0]), Region::whole(&[10, 9, 4]));
            }
        }
    }
}
