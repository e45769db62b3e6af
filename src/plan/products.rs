//! Checked constructors of products of two arrays: axes have labels, and what a label means follows from who
//! has it.

use std::sync::Arc;

use super::build::{self, At, Term};
use super::layout;
use super::node::{Contract, Node, NodeKind, Reduction, Spec, Value};
use crate::base::axis::{IntoAxes, resolve_axis};
use crate::base::chunk_spec::ChunkSpec;
use crate::base::chunks::Chunks;
use crate::base::dtype::DType;
use crate::base::few::Few;
use crate::base::index_map::{AxisMap, IndexMap};
use crate::base::scalar::Scalar;
use crate::base::shape::{broadcast, check_shape};
use crate::error::{Error, Kind, Result};
use crate::op::contract::Contraction;
use crate::op::generate::Generate;
use crate::op::reducer::{ReduceKind, ReduceOp};
use crate::op::table::Op;

/// A name of an axis: equal ones are walked together.
pub type Label = u32;

/// An array whose axes have labels, each another one.
#[derive(Clone)]
pub struct Labelled {
    pub value: Value,
    pub labels: Vec<Label>,
}

/// With fewer rows or columns a product is a sum of an elementwise product: it reads its operands once,
/// and there is nothing to be gained by keeping them in caches.
const FEW: usize = 4;

impl Labelled {
    pub fn len(&self, label: Label) -> Option<usize> {
        let at = self.labels.iter().position(|&own| own == label)?;
        Some(self.value.shape()[at])
    }

    fn has(&self, label: Label) -> bool {
        self.labels.contains(&label)
    }

    /// The same elements without the axes of some labels.
    fn without(&self, gone: &[Label], value: Value) -> Labelled {
        let labels = self.labels.iter().copied();
        Labelled {
            value,
            labels: labels.filter(|label| !gone.contains(label)).collect(),
        }
    }

    fn axes(&self, labels: &[Label]) -> Vec<usize> {
        (0..self.labels.len())
            .filter(|&axis| labels.contains(&self.labels[axis]))
            .collect()
    }

    /// Adds up along some labels, in the array's own type.
    pub fn sum(&self, labels: &[Label], at: At) -> Result<Labelled> {
        if labels.is_empty() {
            return Ok(self.clone());
        }
        let value = sum(&self.value, &self.axes(labels), at)?;
        Ok(self.without(labels, value))
    }

    /// The array with its axes in the order of `labels`, and with one of length 1 for each that it lacks.
    pub fn arranged(&self, labels: &[Label], at: At) -> Result<Value> {
        let shape = labels.iter().map(|&label| self.len(label).unwrap_or(1));
        let axes = self.labels.iter().map(|label| {
            let place = labels.iter().position(|other| other == label);
            place.map_or(AxisMap::constant(0), AxisMap::identity)
        });
        layout::index(
            &self.value,
            IndexMap::new(shape.collect::<Few<_>>(), axes.collect::<Few<_, 3>>()),
            at,
        )
    }
}

/// Sums in the array's own type: integers wrap, of truth values whether one is true.
fn sum(value: &Value, axes: &[usize], at: At) -> Result<Value> {
    let kind = match value.dtype() {
        DType::Bool => ReduceKind::Any,
        _ => ReduceKind::Sum,
    };
    let op = Reduction::Op(ReduceOp::new(kind));
    let sum = build::reduce(op, value, None, &axes.to_vec().into_axes(), at)?;
    build::cast(&sum, value.dtype(), at)
}

/// The products of two arrays' elements, summed over the labels that `out` lacks; `out` has only labels of
/// the two. Equal labels have equal lengths, or one of them has length 1.
pub fn product(
    name: &'static str,
    first: Labelled,
    second: Labelled,
    out: &[Label],
    at: At,
) -> Result<Value> {
    same_dtype(name, &first.value, &second.value)?;
    // Where one operand repeats its only element, the label is the other's alone.
    let stretched = |one: &Labelled, other: &Labelled| -> Vec<Label> {
        let labels = one.labels.iter().copied();
        labels
            .filter(|&label| {
                one.len(label) == Some(1) && other.len(label).is_some_and(|len| len != 1)
            })
            .collect()
    };
    let squeezed = |one: &Labelled, gone: &[Label]| -> Result<Labelled> {
        let value = layout::squeeze(&one.value, &one.axes(gone), at)?;
        Ok(one.without(gone, value))
    };
    let first_gone = stretched(&first, &second);
    let second_gone = stretched(&second, &first);
    let mut first = squeezed(&first, &first_gone)?;
    let mut second = squeezed(&second, &second_gone)?;
    // What only one operand has and the result has not is summed before.
    let lone = |one: &Labelled, other: &Labelled| -> Vec<Label> {
        let labels = one.labels.iter().copied();
        labels
            .filter(|label| !other.has(*label) && !out.contains(label))
            .collect()
    };
    let (first_lone, second_lone) = (lone(&first, &second), lone(&second, &first));
    first = first.sum(&first_lone, at)?;
    second = second.sum(&second_lone, at)?;
    // The columns of the product are neighbours in the result.
    if out
        .last()
        .is_some_and(|label| first.has(*label) && !second.has(*label))
    {
        std::mem::swap(&mut first, &mut second);
    }
    let depth: Vec<Label> = first
        .labels
        .iter()
        .copied()
        .filter(|label| !out.contains(label))
        .collect();
    let len = |label: Label| first.len(label).or(second.len(label)).unwrap_or(1);
    let count = |one: &Labelled, other: &Labelled| -> usize {
        let own = out
            .iter()
            .filter(|&&label| one.has(label) && !other.has(label));
        own.map(|&label| len(label)).product()
    };
    let (rows, columns) = (count(&first, &second), count(&second, &first));
    if depth.is_empty() || rows.min(columns) < FEW {
        return few(&first, &second, out, &depth, at);
    }
    let dtype = first.value.dtype();
    let shape: Vec<usize> = out.iter().map(|&label| len(label)).collect();
    check_shape(&shape, dtype.size())?;
    let chunks = result_chunks(&first, &second, out);
    if depth.iter().any(|&label| len(label) == 0) {
        let zeros = Generate::Fill(Scalar::zero(dtype));
        return build::generate(zeros, dtype, shape, ChunkSpec::Grid(chunks), at);
    }
    let space: Vec<Label> = out.iter().chain(&depth).copied().collect();
    let place = |label: &Label| space.iter().position(|other| other == label);
    let axes = |one: &Labelled| one.labels.iter().filter_map(place).collect();
    let contraction = Contraction::new(
        space.iter().map(|&label| len(label)).collect(),
        out.len(),
        [axes(&first), axes(&second)],
    );
    let kind = Contract {
        contraction: Arc::new(contraction),
        name,
    };
    let spec = Spec {
        dtype,
        shape: shape.into(),
        chunks,
    };
    Ok(Value::of(Node::new(
        NodeKind::Contract(kind),
        [first.value, second.value].into(),
        [spec],
        at,
    )))
}

/// A product without matrix structure: elementwise, and then a sum.
fn few(
    first: &Labelled,
    second: &Labelled,
    out: &[Label],
    depth: &[Label],
    at: At,
) -> Result<Value> {
    // Summed axes lie where the larger operand has them: last, or before its last one.
    let size = |one: &Labelled| one.value.shape().iter().product::<usize>();
    let larger = if size(first) >= size(second) {
        first
    } else {
        second
    };
    let inside = larger
        .labels
        .last()
        .is_some_and(|label| depth.contains(label));
    let before = if inside {
        out.len()
    } else {
        out.len().saturating_sub(1)
    };
    let space: Vec<Label> = out[..before]
        .iter()
        .chain(depth)
        .chain(&out[before..])
        .copied()
        .collect();
    let terms = [
        Term::Array(first.arranged(&space, at)?),
        Term::Array(second.arranged(&space, at)?),
    ];
    let multiply = match first.value.dtype() {
        DType::Bool => Op::BitwiseAnd,
        _ => Op::Multiply,
    };
    let products = build::op(multiply, &terms, at)?;
    if depth.is_empty() {
        return Ok(products);
    }
    let axes: Vec<usize> = (before..before + depth.len()).collect();
    sum(&products, &axes, at)
}

/// Kept axes keep their chunks; of those that both operands have, the ones that are fewer.
fn result_chunks(first: &Labelled, second: &Labelled, out: &[Label]) -> Chunks {
    let of = |one: &Labelled, label: Label| {
        let at = one.labels.iter().position(|&own| own == label)?;
        Some(one.value.chunks().0[at].clone())
    };
    let axes = out
        .iter()
        .filter_map(|&label| match (of(first, label), of(second, label)) {
            (Some(one), Some(other)) if other.count() < one.count() => Some(other),
            (one, other) => one.or(other),
        });
    Chunks(axes.collect())
}

fn same_dtype(name: &str, first: &Value, second: &Value) -> Result<()> {
    if first.dtype() == second.dtype() {
        return Ok(());
    }
    Err(Error::new(
        Kind::Dtype,
        format!(
            "{name} of {} and {}: operands have the same element type, cast one of them",
            first.dtype(),
            second.dtype()
        ),
    ))
}

fn labelled(value: &Value, labels: impl IntoIterator<Item = Label>) -> Labelled {
    Labelled {
        value: value.clone(),
        labels: labels.into_iter().collect(),
    }
}

/// Labels for the axes that broadcast: equal ones are as far from the last.
fn batch_labels(count: usize) -> impl DoubleEndedIterator<Item = Label> {
    (0..count as Label).rev()
}

const ROW: Label = Label::MAX;
const COLUMN: Label = Label::MAX - 1;
const DEPTH: Label = Label::MAX - 2;

fn shapes_do_not_fit(name: &str, first: &Value, second: &Value, why: String) -> Error {
    Error::new(
        Kind::Shape,
        format!(
            "{name} of shapes {:?} and {:?}: {why}",
            first.shape(),
            second.shape()
        ),
    )
}

/// Matrix products; axes before the last two broadcast.
pub fn matmul(first: &Value, second: &Value, at: At) -> Result<Value> {
    let (one, two) = (first.shape(), second.shape());
    let wrong = |why| shapes_do_not_fit("matmul", first, second, why);
    if one.is_empty() || two.is_empty() {
        return Err(wrong(
            "each needs at least 1 axis; `*` multiplies by a single number".to_owned(),
        ));
    }
    let (depth, others) = (one[one.len() - 1], two[two.len().saturating_sub(2)]);
    if depth != others {
        return Err(wrong(format!(
            "the last axis of the first, of length {depth}, is summed with the {} of the second, of length {others}",
            if two.len() == 1 {
                "only one"
            } else {
                "last but one"
            }
        )));
    }
    let (one_batch, two_batch) = (one.len().saturating_sub(2), two.len().saturating_sub(2));
    if broadcast(&[&one[..one_batch], &two[..two_batch]]).is_none() {
        return Err(wrong(format!(
            "their leading axes {:?} and {:?} do not broadcast together",
            &one[..one_batch],
            &two[..two_batch]
        )));
    }
    let rows = (one.len() > 1).then_some(ROW);
    let columns = (two.len() > 1).then_some(COLUMN);
    let out = batch_labels(one_batch.max(two_batch))
        .chain(rows)
        .chain(columns);
    let one = batch_labels(one_batch).chain(rows).chain([DEPTH]);
    let two = batch_labels(two_batch).chain([DEPTH]).chain(columns);
    let (one, two) = (labelled(first, one), labelled(second, two));
    product("matmul", one, two, &out.collect::<Vec<_>>(), at)
}

/// NumPy's `dot`: the last axis of the first with the last but one of the second, for all pairs of the others.
pub fn dot(first: &Value, second: &Value, at: At) -> Result<Value> {
    let (one, two) = (first.shape(), second.shape());
    if one.is_empty() || two.is_empty() {
        let (one, two) = (0..one.len() as Label, 0..two.len() as Label);
        let out: Vec<Label> = one.clone().chain(two.clone()).collect();
        return product("dot", labelled(first, one), labelled(second, two), &out, at);
    }
    let (depth, others) = (one[one.len() - 1], two[two.len().saturating_sub(2)]);
    if depth != others {
        return Err(shapes_do_not_fit(
            "dot",
            first,
            second,
            format!(
                "the last axis of the first, of length {depth}, is summed with the {} of the second, of length {others}",
                if two.len() == 1 {
                    "only one"
                } else {
                    "last but one"
                }
            ),
        ));
    }
    let axis = two.len().saturating_sub(2);
    pairs("dot", first, second, &[one.len() - 1], &[axis], at)
}

/// Which axes a tensor product sums over.
#[derive(Clone, Debug)]
pub enum Pairs {
    /// The last ones of the first operand with as many first ones of the second.
    Count(usize),
    Axes(Vec<isize>, Vec<isize>),
}

/// Products of all pairs of elements, summed over pairs of axes.
pub fn tensordot(first: &Value, second: &Value, axes: &Pairs, at: At) -> Result<Value> {
    let (one, two) = (first.shape(), second.shape());
    let wrong = |why| shapes_do_not_fit("tensordot", first, second, why);
    let (left, right) = match axes {
        Pairs::Count(count) => {
            if *count > one.len() || *count > two.len() {
                return Err(wrong(format!("they have no {count} axes to sum over")));
            }
            let left: Vec<usize> = (one.len() - count..one.len()).collect();
            (left, (0..*count).collect::<Vec<usize>>())
        }
        Pairs::Axes(left, right) => {
            if left.len() != right.len() {
                return Err(wrong(format!(
                    "axes {left:?} of the first and {right:?} of the second are not pairs"
                )));
            }
            let resolve = |axes: &[isize], ndim| -> Result<Vec<usize>> {
                let mut found = Vec::with_capacity(axes.len());
                for &axis in axes {
                    let resolved = resolve_axis(axis, ndim)?;
                    if found.contains(&resolved) {
                        return Err(Error::new(
                            Kind::Axis,
                            format!("axis {axis} is named twice in {axes:?}"),
                        ));
                    }
                    found.push(resolved);
                }
                Ok(found)
            };
            let named = |error: Error| error.context("in tensordot");
            (
                resolve(left, one.len()).map_err(named)?,
                resolve(right, two.len()).map_err(named)?,
            )
        }
    };
    for (&left, &right) in left.iter().zip(&right) {
        if one[left] != two[right] {
            return Err(wrong(format!(
                "axis {left} of the first, of length {}, is summed with axis {right} of the second, of length {}",
                one[left], two[right]
            )));
        }
    }
    pairs("tensordot", first, second, &left, &right, at)
}

/// Sums over pairs of axes of equal lengths; the others of the first come first.
fn pairs(
    name: &'static str,
    first: &Value,
    second: &Value,
    left: &[usize],
    right: &[usize],
    at: At,
) -> Result<Value> {
    let n = first.shape().len() as Label;
    let one: Vec<Label> = (0..n).collect();
    let two: Vec<Label> = (0..second.shape().len())
        .map(|axis| match right.iter().position(|&other| other == axis) {
            Some(pair) => left[pair] as Label,
            None => n + axis as Label,
        })
        .collect();
    let out: Vec<Label> = one
        .iter()
        .filter(|&&label| !left.contains(&(label as usize)))
        .chain(two.iter().filter(|&&label| label >= n))
        .copied()
        .collect();
    product(name, labelled(first, one), labelled(second, two), &out, at)
}

/// Sums along one axis of products with the conjugate of the first; other axes broadcast.
pub fn vecdot(first: &Value, second: &Value, axis: isize, at: At) -> Result<Value> {
    let named = |error: Error| error.context("in vecdot");
    let (one, two) = (first.shape(), second.shape());
    let left = resolve_axis(axis, one.len()).map_err(named)?;
    let right = resolve_axis(axis, two.len()).map_err(named)?;
    let wrong = |why| shapes_do_not_fit("vecdot", first, second, why);
    if one[left] != two[right] {
        return Err(wrong(format!(
            "axis {left} of the first has length {}, axis {right} of the second {}",
            one[left], two[right]
        )));
    }
    let others = |shape: &[usize], gone: usize| -> Vec<usize> {
        let axes = (0..shape.len()).filter(|&axis| axis != gone);
        axes.map(|axis| shape[axis]).collect()
    };
    let (one, two) = (others(one, left), others(two, right));
    if broadcast(&[&one, &two]).is_none() {
        return Err(wrong(format!(
            "their other axes {one:?} and {two:?} do not broadcast together"
        )));
    }
    let labels = |count: usize, place: usize| -> Vec<Label> {
        let mut labels: Vec<Label> = batch_labels(count).collect();
        labels.insert(place, DEPTH);
        labels
    };
    let out: Vec<Label> = batch_labels(one.len().max(two.len())).collect();
    let first = match first.dtype().is_complex() {
        true => build::op(Op::Conj, &[Term::Array(first.clone())], at)?,
        false => first.clone(),
    };
    let one = labelled(&first, labels(one.len(), left));
    let two = labelled(second, labels(two.len(), right));
    product("vecdot", one, two, &out, at)
}
