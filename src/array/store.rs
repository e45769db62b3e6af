//! Computing into sinks, block by block, from the tasks that make them.

use std::time::Instant;

use super::compute::execute;
use super::engine::{Engine, Report};
use super::explain::Explain;
use super::handle::Array;
use super::planning::plan;
use crate::base::element::Element;
use crate::base::source::{ErasedSink, Sink};
use crate::error::Result;
use crate::graph::stage::Place;
use crate::plan::node::Value;
use crate::work::SinkPlace;

/// An array and where it goes.
pub type Stored<'a, T> = (&'a Array<T>, &'a dyn Sink<Elem = T>);

impl Engine {
    /// Computes several arrays into as many [`Sink`]s, in one pass over what they share.
    ///
    /// Each sink gets exactly the blocks of its array's chunk grid, from the tasks that compute them: several at
    /// once, and in an order of the plan's own.
    ///
    /// # Errors
    /// As [`Array::store`].
    ///
    /// ```
    /// use std::sync::Mutex;
    ///
    /// use flagstone::{Array, BoxError, Engine, Region, Sink};
    ///
    /// /// Adds up what it is given.
    /// struct Total(Mutex<f64>);
    ///
    /// impl Sink for Total {
    ///     type Elem = f64;
    ///     fn write(&self, _: &Region, values: ndarray::ArrayViewD<'_, f64>) -> Result<(), BoxError> {
    ///         *self.0.lock().unwrap() += values.sum();
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let x = Array::<f64>::ones([4, 6], 2);
    /// let [one, two] = [Total(Mutex::default()), Total(Mutex::default())];
    /// let report = Engine::global()?.store_all(&[(&x, &one), (&(&x * 2.0), &two)])?;
    /// assert_eq!((*one.0.lock().unwrap(), *two.0.lock().unwrap()), (24.0, 48.0));
    /// assert!(report.held_peak_bytes <= report.planned_peak_bytes);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    pub fn store_all<T: Element>(&self, stores: &[Stored<'_, T>]) -> Result<Report> {
        let began = Instant::now();
        let (values, places) = requested(stores)?;
        let planned = plan(self, &values, &places);
        let erased: Vec<&dyn Sink<Elem = T>> = stores.iter().map(|&(_, sink)| sink).collect();
        let sinks = erased
            .iter()
            .map(|sink| SinkPlace::new(sink as &dyn ErasedSink))
            .collect();
        // SAFETY: there are no result places; the sinks are borrowed until this returns.
        let mut report = unsafe { execute(self, planned, Vec::new(), sinks) }?;
        report.seconds = began.elapsed().as_secs_f64();
        Ok(report)
    }

    /// What [`store_all`](Engine::store_all) will do.
    ///
    /// # Errors
    /// The mistake that an array carries.
    pub fn explain_stores<T: Element>(&self, stores: &[Stored<'_, T>]) -> Result<Explain> {
        let (values, places) = requested(stores)?;
        Ok(Explain::of(self, &values, &places))
    }
}

fn requested<T: Element>(stores: &[Stored<'_, T>]) -> Result<(Vec<Value>, Vec<Place>)> {
    let mut values = Vec::with_capacity(stores.len());
    let mut places = Vec::with_capacity(stores.len());
    for (number, (array, sink)) in stores.iter().enumerate() {
        values.push(array.value.clone()?);
        places.push(Place::Sink {
            number,
            scratch: sink.scratch_bytes(),
        });
    }
    Ok((values, places))
}
