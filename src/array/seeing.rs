//! Profiles and pictures of arrays.

use std::collections::HashMap;
use std::sync::Arc;

use super::compute::{Compute, requested};
use super::engine::Engine;
use super::handle::Array;
use super::mixed::{Mixed, is_mixed};
use super::outline::outline;
use super::planning::plan;
use crate::base::element::Element;
use crate::error::Result;
use crate::exec::{Observer, Outline};
use crate::graph::stage::Place;
use crate::graph::tasks::{Order, Tasks};
use crate::observe::{
    BANDWIDTH_BYTES, Picture, PictureNode, Profile, Recorder, View, grid_svg, memory_bandwidth,
};
use crate::plan::display;
use crate::plan::node::Value;
use crate::plan::walk::inputs_first;
use crate::work::describe;

/// # Seeing what runs
impl Engine {
    /// The same engine, with one more [`Observer`] of the computations that are started by way of it.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use flagstone::observe::Recorder;
    /// use flagstone::{Array, Engine};
    ///
    /// let recorder = Arc::new(Recorder::new());
    /// let watched = Engine::global()?.observed_by(recorder.clone());
    /// watched.compute(&Array::<f64>::ones(10, ..))?;
    /// assert_eq!(recorder.profile().runs().len(), 1);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    pub fn observed_by(&self, observer: Arc<dyn Observer>) -> Engine {
        let observers = self.observers.iter().cloned().chain([observer]);
        Engine {
            observers: observers.collect(),
            ..self.clone()
        }
    }

    /// Computes, and says where time and memory went. See [`Profile`].
    ///
    /// ```
    /// use flagstone::{Array, Engine};
    ///
    /// let x = Array::<f64>::ones([1000, 1000], 100);
    /// let ((mean, std), profile) = Engine::global()?.profile(&(x.mean(0), x.std(0)))?;
    /// assert_eq!((mean[[0]], std[[0]]), (1.0, 0.0));
    /// println!("{profile}");
    /// std::fs::write(std::env::temp_dir().join("profile.html"), profile.to_html())?;
    /// # Ok::<(), flagstone::BoxError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Array::compute`].
    ///
    /// # Cost
    /// That of computing, and some tenths of a microsecond for each task. Once in a process, if the budget has
    /// 64 MiB to spare after the computation, the machine's memory bandwidth is measured, which takes some
    /// hundredths of a second.
    pub fn profile<C: Compute + ?Sized>(&self, what: &C) -> Result<(C::Output, Profile)> {
        let recorder = Arc::new(Recorder::new());
        let output = self.observed_by(recorder.clone()).compute(what)?;
        let profile = recorder.profile();
        Ok(match self.executor.ledger.hold(BANDWIDTH_BYTES as u64) {
            Ok(_hold) => (
                output,
                profile.compared_with(memory_bandwidth(self.threads())),
            ),
            Err(_) => (output, profile),
        })
    }

    /// The plan of a computation as a picture, its stages or its tasks. See [`Picture`].
    ///
    /// # Errors
    /// The mistake that an array carries.
    pub fn visualize<C: Compute + ?Sized>(&self, what: &C, view: View) -> Result<Picture> {
        let (values, calls) = requested(what)?;
        let places: Vec<Place> = (0..values.len()).map(Place::Result).collect();
        let planned = plan(self, &values, &places);
        if view == View::Plan && calls.is_empty() {
            return Ok(picture_of_plan(&outline(&planned).name, &planned.roots));
        }
        if is_mixed(&planned, &calls) {
            let mixed = Mixed::new(self, planned, &calls);
            return Ok(picture(
                view,
                &mixed.outline(),
                &mixed.tasks,
                &mixed.order,
                || mixed.describe(),
            ));
        }
        let (graph, numbering) = (&planned.graph, &planned.numbering);
        let all = 0..planned.tasks.len() as u32;
        let names = || all.map(|task| describe(graph, numbering, task)).collect();
        let outline = outline(&planned);
        Ok(picture(
            view,
            &outline,
            &planned.tasks,
            &planned.order,
            names,
        ))
    }
}

/// # Seeing what runs
impl<T: Element> Array<T> {
    /// Computes the array, and says where time and memory went; see [`Engine::profile`].
    ///
    /// ```
    /// let x = flagstone::Array::<f64>::ones([100, 100], 10);
    /// let (sum, profile) = x.sum(0).profile()?;
    /// assert_eq!(sum[[0]], 100.0);
    /// assert!(profile.to_html().starts_with("<!DOCTYPE html>"));
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`compute`](Array::compute).
    pub fn profile(&self) -> Result<(ndarray::ArrayD<T>, Profile)> {
        Engine::global()?.profile(self)
    }

    /// The plan of computing this array as a picture, its stages or its tasks. See [`Picture`].
    ///
    /// ```
    /// use flagstone::Array;
    /// use flagstone::observe::View;
    ///
    /// let x = Array::<f64>::linspace(0.0, 1.0, 1000, 100);
    /// let svg = (2.0 * x + 1.0).mean(0).visualize(View::Plan)?.to_svg();
    /// assert!(svg.contains("multiply"));
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    ///
    /// # Errors
    /// The mistake that the array carries.
    pub fn visualize(&self, view: View) -> Result<Picture> {
        Engine::global()?.visualize(self, view)
    }

    /// The array's chunks as a small SVG; see [`grid_svg`].
    ///
    /// ```
    /// let x = flagstone::Array::<f64>::zeros([100, 100, 100], [50, 50, 25]);
    /// assert!(x.grid_svg()?.starts_with("<svg"));
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    ///
    /// # Errors
    /// The mistake that the array carries.
    pub fn grid_svg(&self) -> Result<String> {
        Ok(grid_svg(self.value.clone()?.chunks()))
    }
}

/// A node for each operation.
fn picture_of_plan(title: &str, roots: &[Value]) -> Picture {
    let order = inputs_first(roots);
    let numbers: HashMap<u64, usize> = order
        .iter()
        .enumerate()
        .map(|(number, node)| (node.id, number))
        .collect();
    let last = order.len().max(2) - 1;
    let mut edges = Vec::new();
    let nodes = order.iter().enumerate().map(|(number, node)| {
        for input in &node.inputs {
            edges.push((numbers[&input.node.id], number));
        }
        let spec = &node.outputs[0];
        let name = display::describe(node);
        PictureNode {
            op: node.name().to_owned(),
            lines: vec![name.clone(), format!("{:?} {}", spec.shape, spec.dtype)],
            detail: format!(
                "{name}: {:?} {} in {}, from {}",
                spec.shape, spec.dtype, spec.chunks, node.at
            ),
            order: number as f64 / last as f64,
            ..PictureNode::default()
        }
    });
    let nodes = nodes.collect();
    Picture::new(title, nodes, edges)
}

/// The stages, or the tasks if they are not too many, of which `names` says what each does.
fn picture(
    view: View,
    outline: &Outline,
    tasks: &Tasks,
    order: &Order,
    names: impl FnOnce() -> Vec<String>,
) -> Picture {
    if view != View::Tasks {
        return Picture::of_stages(outline);
    }
    let n = tasks.len();
    if n > Picture::MOST_NODES || tasks.inputs.len() > Picture::MOST_EDGES {
        return Picture::of_stages(outline).summarized();
    }
    let mut place = vec![0.0; n];
    for (at, &task) in order.sequence.iter().enumerate() {
        place[task as usize] = at as f64 / (n.max(2) - 1) as f64;
    }
    let mut edges = Vec::new();
    let mut number = vec![0; n];
    let running = || (0..n as u32).filter(|&task| !tasks.is_idle(task));
    for (at, task) in running().enumerate() {
        number[task as usize] = at;
    }
    for (at, task) in running().enumerate() {
        let inputs = tasks.inputs(task).iter();
        edges.extend(inputs.map(|&input| (number[input as usize], at)));
    }
    let named = (0..n as u32).zip(names());
    let nodes = named.filter(|&(task, _)| !tasks.is_idle(task));
    let nodes = nodes.map(|(task, what)| {
        let stage = &outline.stages[tasks.stage_of(task)];
        PictureNode {
            op: stage.op().to_owned(),
            lines: vec![format!("{} {}", stage.name, stage.place(task))],
            detail: format!("task {task}: {what}"),
            order: place[task as usize],
            first_task: task,
            tasks: 1,
        }
    });
    let nodes = nodes.collect();
    Picture::new(&*outline.name, nodes, edges)
}
