//! Checked constructors of nodes that move elements and compute nothing.

use std::sync::Arc;

use ndarray::SliceInfoElem;
use smallvec::smallvec;

use super::build::{self, At};
use super::chunking;
use super::node::{Node, NodeKind, Piece, Pieces, Spec, Value};
use crate::base::axis::resolve_axis;
use crate::base::chunk_spec::ChunkSpec;
use crate::base::chunks::{AxisChunks, Chunks};
use crate::base::few::Few;
use crate::base::index_map::{AxisMap, IndexMap};
use crate::base::region::Region;
use crate::base::scalar::Scalar;
use crate::base::shape::{broadcast, check_shape};
use crate::error::{Error, Kind, Result};
use crate::op::generate::Generate;

/// A view through a map; the identity is the array itself.
pub fn index(value: &Value, map: IndexMap, at: At) -> Result<Value> {
    check_shape(map.shape(), value.dtype().size())?;
    if map.is_identity(value.shape()) {
        return Ok(value.clone());
    }
    let chunks = chunking::view(&map, value.chunks(), value.dtype().size());
    let spec = Spec {
        dtype: value.dtype(),
        shape: Few::from_slice(map.shape()),
        chunks,
    };
    Ok(Value::of(Node::new(
        NodeKind::Index(map),
        smallvec![value.clone()],
        [spec],
        at,
    )))
}

/// An array without axes.
pub fn constant(value: Scalar, at: At) -> Result<Value> {
    let chunks = ChunkSpec::Grid(Chunks::whole(&[]));
    build::generate(Generate::Fill(value), value.dtype(), Vec::new(), chunks, at)
}

/// ndarray's slicing: ranges with steps (a negative one walks the range from its end), indices, new
/// axes; missing items are whole axes.
pub fn slice(value: &Value, items: &[SliceInfoElem], at: At) -> Result<Value> {
    let shape = value.shape();
    let needed = items
        .iter()
        .filter(|item| !matches!(item, SliceInfoElem::NewAxis))
        .count();
    if needed > shape.len() {
        return Err(Error::new(
            Kind::Slice,
            format!(
                "a slice of {needed} axes of an array of shape {shape:?}, which has {}",
                shape.len()
            ),
        ));
    }
    let mut axes = Vec::with_capacity(shape.len());
    let mut out = Vec::with_capacity(shape.len());
    for item in items {
        let axis = axes.len();
        match *item {
            SliceInfoElem::NewAxis => out.push(1),
            SliceInfoElem::Index(index) => {
                let len = shape[axis] as isize;
                let resolved = if index < 0 { index + len } else { index };
                if resolved < 0 || resolved >= len {
                    return Err(Error::new(
                        Kind::Slice,
                        format!("index {index} is outside of axis {axis} of length {len}"),
                    ));
                }
                axes.push(AxisMap::constant(resolved as usize));
            }
            SliceInfoElem::Slice { start, end, step } => {
                let (first, len) = range(start, end, step, shape[axis], axis)?;
                axes.push(AxisMap::Affine {
                    start: first,
                    terms: [(out.len(), step)].into(),
                });
                out.push(len);
            }
        }
    }
    for &len in &shape[axes.len()..] {
        axes.push(AxisMap::identity(out.len()));
        out.push(len);
    }
    index_axes(value, out, axes, at)
}

fn index_axes(value: &Value, out: Vec<usize>, axes: Vec<AxisMap>, at: At) -> Result<Value> {
    index(value, IndexMap::new(out, axes), at)
}

/// The first index and the number of indices of a range.
fn range(
    start: isize,
    end: Option<isize>,
    step: isize,
    len: usize,
    axis: usize,
) -> Result<(isize, usize)> {
    let signed = len as isize;
    let bad = |what: String| {
        Error::new(
            Kind::Slice,
            format!("{what} for axis {axis} of length {len}"),
        )
    };
    if step == 0 {
        return Err(bad("a step of 0".to_owned()));
    }
    let resolve = |index: isize| if index < 0 { index + signed } else { index };
    let (low, high) = (resolve(start), end.map_or(signed, resolve));
    if low < 0 || low > signed || high < 0 || high > signed {
        let end = end.map_or(String::new(), |end| end.to_string());
        return Err(bad(format!("a slice {start}..{end} that reaches outside")));
    }
    let span = (high - low).max(0) as usize;
    let count = span.div_ceil(step.unsigned_abs());
    let first = if step > 0 || count == 0 {
        low
    } else {
        high - 1
    };
    Ok((first, count))
}

pub fn permute(value: &Value, order: &[isize], at: At) -> Result<Value> {
    let shape = value.shape();
    let mut axes: Vec<Option<AxisMap>> = vec![None; shape.len()];
    let mut out = Vec::with_capacity(shape.len());
    for &axis in order {
        let axis = resolve_axis(axis, shape.len())?;
        if axes[axis].is_some() {
            return Err(Error::new(
                Kind::Axis,
                format!("axis {axis} is named twice in {order:?}"),
            ));
        }
        axes[axis] = Some(AxisMap::identity(out.len()));
        out.push(shape[axis]);
    }
    let Some(axes) = axes.into_iter().collect::<Option<Vec<_>>>() else {
        return Err(Error::new(
            Kind::Axis,
            format!(
                "a permutation {order:?} of the {} axes of shape {shape:?}: each is needed once",
                shape.len()
            ),
        ));
    };
    index_axes(value, out, axes, at)
}

pub fn flip(value: &Value, flipped: &[usize], at: At) -> Result<Value> {
    let axes = value.shape().iter().enumerate().map(|(axis, &len)| {
        if flipped.contains(&axis) {
            AxisMap::Affine {
                start: len as isize - 1,
                terms: [(axis, -1)].into(),
            }
        } else {
            AxisMap::identity(axis)
        }
    });
    index_axes(value, value.shape().to_vec(), axes.collect(), at)
}

pub fn broadcast_to(value: &Value, shape: Few<usize>, at: At) -> Result<Value> {
    if broadcast(&[value.shape(), &shape]).is_none_or(|together| *together != *shape) {
        return Err(Error::new(
            Kind::Shape,
            format!(
                "an array of shape {:?} cannot be broadcast to {shape:?}",
                value.shape()
            ),
        ));
    }
    index(value, IndexMap::broadcast(value.shape(), &shape), at)
}

pub fn expand_dims(value: &Value, axis: isize, at: At) -> Result<Value> {
    let axis = resolve_axis(axis, value.shape().len() + 1)?;
    let mut out = value.shape().to_vec();
    out.insert(axis, 1);
    let axes =
        (0..value.shape().len()).map(|input| AxisMap::identity(input + usize::from(input >= axis)));
    index_axes(value, out, axes.collect(), at)
}

pub fn squeeze(value: &Value, dropped: &[usize], at: At) -> Result<Value> {
    let mut out = Vec::new();
    let mut axes = Vec::new();
    for (axis, &len) in value.shape().iter().enumerate() {
        if !dropped.contains(&axis) {
            axes.push(AxisMap::identity(out.len()));
            out.push(len);
        } else if len == 1 {
            axes.push(AxisMap::constant(0));
        } else {
            return Err(Error::new(
                Kind::Shape,
                format!(
                    "axis {axis} of shape {:?} has length {len}: only axes of length 1 can be squeezed",
                    value.shape()
                ),
            ));
        }
    }
    index_axes(value, out, axes, at)
}

/// Elements at given places along one axis; negative places count from the end.
pub fn take(value: &Value, places: &[isize], axis: isize, at: At) -> Result<Value> {
    let axis = resolve_axis(axis, value.shape().len())?;
    let len = value.shape()[axis];
    let mut table = Vec::with_capacity(places.len());
    for &place in places {
        let resolved = if place < 0 {
            place + len as isize
        } else {
            place
        };
        if resolved < 0 || resolved >= len as isize {
            return Err(Error::new(
                Kind::Slice,
                format!("index {place} is outside of axis {axis} of length {len}"),
            ));
        }
        table.push(resolved as usize);
    }
    let mut out = value.shape().to_vec();
    out[axis] = table.len();
    let mut axes: Vec<AxisMap> = (0..out.len()).map(AxisMap::identity).collect();
    axes[axis] = AxisMap::Table {
        axis,
        table: table.into(),
    };
    index_axes(value, out, axes, at)
}

pub fn diagonal(value: &Value, at: At) -> Result<Value> {
    let shape = value.shape();
    if shape.len() < 2 {
        return Err(Error::new(
            Kind::Shape,
            format!("a diagonal of an array of shape {shape:?}: 2 axes are needed"),
        ));
    }
    let last = shape.len() - 2;
    let mut out = shape[2..].to_vec();
    out.push(shape[0].min(shape[1]));
    let mut axes = vec![AxisMap::identity(last), AxisMap::identity(last)];
    axes.extend((0..last).map(AxisMap::identity));
    index_axes(value, out, axes, at)
}

pub fn reshape(value: &Value, shape: Few<usize>, at: At) -> Result<Value> {
    check_shape(&shape, value.dtype().size())?;
    let (from, to): (usize, usize) = (value.shape().iter().product(), shape.iter().product());
    if from != to {
        return Err(Error::new(
            Kind::Shape,
            format!(
                "an array of shape {:?} has {from} elements; the shape {shape:?} needs {to}",
                value.shape()
            ),
        ));
    }
    if *shape == *value.shape() {
        return Ok(value.clone());
    }
    let chunks = chunking::reshape(value.chunks(), &shape);
    let spec = Spec {
        dtype: value.dtype(),
        shape,
        chunks,
    };
    Ok(Value::of(Node::new(
        NodeKind::Reshape,
        smallvec![value.clone()],
        [spec],
        at,
    )))
}

pub fn concatenate(values: &[Value], axis: isize, at: At) -> Result<Value> {
    let Some(first) = values.first() else {
        return Err(Error::new(Kind::Shape, "a concatenation of no arrays"));
    };
    let ndim = first.shape().len();
    let axis = resolve_axis(axis, ndim)?;
    let mut pieces = Vec::with_capacity(values.len());
    let mut length = 0usize;
    for (input, value) in values.iter().enumerate() {
        let fits = value.shape().len() == ndim
            && (0..ndim).all(|other| other == axis || value.shape()[other] == first.shape()[other]);
        if !fits {
            return Err(Error::new(
                Kind::Shape,
                format!(
                    "shapes {:?} and {:?} differ beside axis {axis} in concatenate",
                    first.shape(),
                    value.shape()
                ),
            ));
        }
        same_dtype(first, value, "concatenate")?;
        let mut start = vec![0; ndim];
        start[axis] = length;
        length = length.saturating_add(value.shape()[axis]);
        let region = Region::new(start, value.shape());
        pieces.push(Piece {
            region,
            input,
            map: IndexMap::identity(value.shape()),
        });
    }
    let grids: Vec<&Chunks> = values.iter().map(Value::chunks).collect();
    let chunks = chunking::concatenate(&grids, axis);
    join(
        values.to_vec(),
        Pieces {
            pieces,
            fill: None,
            name: "concatenate",
        },
        chunks,
        at,
    )
}

fn same_dtype(first: &Value, other: &Value, name: &str) -> Result<()> {
    if first.dtype() == other.dtype() {
        return Ok(());
    }
    Err(Error::new(
        Kind::Dtype,
        format!(
            "{name} of arrays of different types, {} and {}: cast one of them first",
            first.dtype(),
            other.dtype()
        ),
    ))
}

fn join(inputs: Vec<Value>, mut pieces: Pieces, chunks: Chunks, at: At) -> Result<Value> {
    let dtype = inputs[0].dtype();
    let shape = chunks.lens();
    check_shape(&shape, dtype.size())?;
    pieces.pieces.retain(|piece| !piece.region.is_empty());
    let spec = Spec {
        dtype,
        shape,
        chunks,
    };
    Ok(Value::of(Node::new(
        NodeKind::Pieces(pieces),
        inputs.into(),
        [spec],
        at,
    )))
}

pub fn stack(values: &[Value], axis: isize, at: At) -> Result<Value> {
    let Some(first) = values.first() else {
        return Err(Error::new(Kind::Shape, "a stack of no arrays"));
    };
    for value in values {
        if value.shape() != first.shape() {
            return Err(Error::new(
                Kind::Shape,
                format!(
                    "shapes {:?} and {:?} differ in stack",
                    first.shape(),
                    value.shape()
                ),
            ));
        }
    }
    let expanded = values
        .iter()
        .map(|value| expand_dims(value, axis, at))
        .collect::<Result<Vec<_>>>()?;
    let axis = resolve_axis(axis, first.shape().len() + 1)?;
    concatenate(&expanded, axis as isize, at)
}

/// Rolls along one axis: what leaves at the end comes back at the start.
pub fn roll(value: &Value, shift: isize, axis: usize, at: At) -> Result<Value> {
    let len = value.shape()[axis];
    if len == 0 || shift.rem_euclid(len as isize) == 0 {
        return Ok(value.clone());
    }
    let shift = shift.rem_euclid(len as isize) as usize;
    let whole = Region::whole(value.shape());
    let part = |to: std::ops::Range<usize>, from: usize| {
        let region = whole.with_range(axis, to.clone());
        let map = IndexMap::window(&whole.with_range(axis, from..from + to.len()));
        Piece {
            region,
            input: 0,
            map,
        }
    };
    let pieces = vec![part(0..shift, len - shift), part(shift..len, 0)];
    join(
        vec![value.clone()],
        Pieces {
            pieces,
            fill: None,
            name: "roll",
        },
        value.chunks().clone(),
        at,
    )
}

/// What is put around an array.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Padding {
    Constant(Scalar),
    Edge,
    /// Mirrored, without repeating the edge.
    Reflect,
    Wrap,
}

/// Pads each axis by (before, after) elements.
pub fn pad(value: &Value, widths: &[(usize, usize)], padding: Padding, at: At) -> Result<Value> {
    let shape = value.shape();
    if widths.len() != shape.len() {
        return Err(Error::new(
            Kind::Shape,
            format!(
                "pad widths {widths:?} for an array of shape {shape:?}: one pair per axis is needed"
            ),
        ));
    }
    let mut result = value.clone();
    for (axis, &(before, after)) in widths.iter().enumerate() {
        // Not by their sum, which may overflow.
        if before > 0 || after > 0 {
            result = pad_axis(&result, axis, before, after, padding, at)?;
        }
    }
    Ok(result)
}

fn pad_axis(
    value: &Value,
    axis: usize,
    before: usize,
    after: usize,
    padding: Padding,
    at: At,
) -> Result<Value> {
    let len = value.shape()[axis];
    let mut out = value.shape().to_vec();
    out[axis] = len
        .checked_add(before)
        .and_then(|sum| sum.checked_add(after))
        .ok_or_else(|| {
            Error::new(
                Kind::Shape,
                format!("pad widths ({before}, {after}) for axis {axis} overflow"),
            )
        })?;
    check_shape(&out, value.dtype().size())?;
    if let Padding::Constant(fill) = padding {
        if fill.dtype() != value.dtype() {
            return Err(Error::new(
                Kind::Dtype,
                format!(
                    "padding an array of {} with a value of {}",
                    value.dtype(),
                    fill.dtype()
                ),
            ));
        }
        let region = Region::whole(&out).with_range(axis, before..before + len);
        let piece = Piece {
            region,
            input: 0,
            map: IndexMap::identity(value.shape()),
        };
        let mut sizes: Vec<usize> = value.chunks().sizes(axis).collect();
        if let Some(first) = sizes.first_mut() {
            *first += before;
        }
        if let Some(last) = sizes.last_mut() {
            *last += after;
        }
        let mut chunks = value.chunks().clone();
        chunks.0[axis] = AxisChunks::from_sizes(&sizes);
        let pieces = Pieces {
            pieces: vec![piece],
            fill: Some(fill),
            name: "pad",
        };
        return join(vec![value.clone()], pieces, chunks, at);
    }
    if len == 0 {
        return Err(Error::new(
            Kind::Shape,
            format!(
                "axis {axis} of shape {:?} is empty: there is no element to pad it with",
                value.shape()
            ),
        ));
    }
    // The other modes are look-ups along the axis.
    let source = |place: isize| -> usize {
        let n = len as isize;
        match padding {
            Padding::Edge => place.clamp(0, n - 1) as usize,
            Padding::Wrap => place.rem_euclid(n) as usize,
            _ if n == 1 => 0,
            _ => {
                let period = 2 * (n - 1);
                let folded = place.rem_euclid(period);
                folded.min(period - folded) as usize
            }
        }
    };
    let table: Arc<[usize]> = (0..out[axis])
        .map(|i| source(i as isize - before as isize))
        .collect();
    let mut axes: Vec<AxisMap> = (0..out.len()).map(AxisMap::identity).collect();
    axes[axis] = AxisMap::Table { axis, table };
    index(value, IndexMap::new(out, axes), at)
}
