//! A source that counts how often its units are read, and a sink that remembers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use flagstone::{BoxError, Chunks, Region, Sink, Source};
use ndarray::{ArrayD, ArrayViewD, ArrayViewMutD, IxDyn, SliceInfoElem};

/// Numbers by place, stored in units.
#[derive(Clone)]
pub struct Units {
    shape: Vec<usize>,
    units: Chunks,
    cost: f64,
    /// How often each unit was opened.
    reads: Arc<Mutex<HashMap<Vec<usize>, usize>>>,
    /// The read that fails, if one does.
    fails: Arc<Mutex<Option<usize>>>,
}

pub fn value(index: &[usize]) -> f64 {
    index
        .iter()
        .fold(1.0, |sum, &i| (sum * 31.0 + i as f64) % 65_521.0)
}

impl Units {
    pub fn new(shape: &[usize], unit: &[usize]) -> Units {
        Units {
            shape: shape.to_vec(),
            units: Chunks::regular(shape, unit).unwrap(),
            cost: 8.0,
            reads: Arc::default(),
            fails: Arc::default(),
        }
    }

    /// The nanoseconds that an element is said to take.
    pub fn cost(mut self, cost: f64) -> Units {
        self.cost = cost;
        self
    }

    pub fn fail_after(&self, reads: usize) {
        *self.fails.lock().unwrap() = Some(reads);
    }

    /// How often units were opened since the last time, altogether, and the most for one.
    pub fn take_reads(&self) -> (usize, usize) {
        let reads = std::mem::take(&mut *self.reads.lock().unwrap());
        (
            reads.values().sum(),
            reads.values().copied().max().unwrap_or(0),
        )
    }

    pub fn count(&self) -> usize {
        self.units.count()
    }

    pub fn values(&self) -> ArrayD<f64> {
        ArrayD::from_shape_fn(IxDyn(&self.shape), |index| {
            value(ndarray::Dimension::slice(&index))
        })
    }
}

impl Source for Units {
    type Elem = f64;

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn chunks(&self) -> Chunks {
        self.units.clone()
    }

    fn read(&self, region: &Region, mut out: ArrayViewMutD<'_, f64>) -> Result<(), BoxError> {
        if let Some(left) = &mut *self.fails.lock().unwrap() {
            if *left == 0 {
                return Err("the source is gone".into());
            }
            *left -= 1;
        }
        let mut reads = self.reads.lock().unwrap();
        let counts = self.units.num_blocks();
        for number in 0..self.units.count() {
            let mut rest = number;
            let mut index = vec![0; counts.len()];
            for axis in (0..counts.len()).rev() {
                index[axis] = rest % counts[axis];
                rest /= counts[axis];
            }
            if self.units.region(&index).intersect(region).is_some() {
                *reads.entry(index).or_default() += 1;
            }
        }
        drop(reads);
        for (index, target) in out.indexed_iter_mut() {
            let inside = ndarray::Dimension::slice(&index);
            let at: Vec<usize> = inside
                .iter()
                .zip(region.start())
                .map(|(a, b)| a + b)
                .collect();
            *target = value(&at);
        }
        Ok(())
    }

    fn storage_grid(&self) -> Option<Chunks> {
        Some(self.units.clone())
    }

    fn cost(&self) -> f64 {
        self.cost
    }

    fn describe(&self) -> String {
        "units".to_owned()
    }
}

/// A sink in memory; each element may be written once.
pub struct Whole(Mutex<(ArrayD<f64>, usize)>);

impl Whole {
    pub fn new(shape: &[usize]) -> Whole {
        Whole(Mutex::new((ArrayD::from_elem(shape, f64::NAN), 0)))
    }

    /// The array, if all of it was written.
    pub fn values(&self) -> ArrayD<f64> {
        let (values, written) = &*self.0.lock().unwrap();
        assert_eq!(*written, values.len(), "elements that were written");
        values.clone()
    }
}

impl Sink for Whole {
    type Elem = f64;

    fn write(&self, region: &Region, values: ArrayViewD<'_, f64>) -> Result<(), BoxError> {
        let mut guard = self.0.lock().unwrap();
        let (whole, written) = &mut *guard;
        let slices: Vec<SliceInfoElem> = (0..region.ndim())
            .map(|axis| SliceInfoElem::from(region.range(axis)))
            .collect();
        let mut place = whole.slice_mut(&slices[..]);
        assert!(
            place.iter().all(|old| old.is_nan()),
            "{region} is written twice"
        );
        place.assign(&values);
        *written += values.len();
        Ok(())
    }
}
