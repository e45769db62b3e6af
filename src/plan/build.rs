//! Checked constructors of computing nodes: what cannot be computed is refused here, with its values.

use std::panic::Location;
use std::sync::Arc;

use smallvec::smallvec;

use super::chunking;
use super::node::{
    BlockFn, ElementFunc, Elementwise, Node, NodeKind, Operand, Reduce, Reduction, Spec, Value,
    Values,
};
use crate::base::axis::Axes;
use crate::base::chunk_spec::ChunkSpec;
use crate::base::chunks::Chunks;
use crate::base::dtype::DType;
use crate::base::few::Few;
use crate::base::index_map::IndexMap;
use crate::base::memory::Memory;
use crate::base::scalar::Scalar;
use crate::base::shape::{broadcast, check_shape};
use crate::base::source::ErasedSource;
use crate::error::{Error, Kind, Result};
use crate::op::closure::BlockFunction;
use crate::op::generate::Generate;
use crate::op::table::Op;
use crate::op::tree::Tree;

pub type At = &'static Location<'static>;

/// An operand of an elementwise op: an array or one value.
#[derive(Clone)]
pub enum Term {
    Array(Value),
    Scalar(Scalar),
}

pub fn memory(memory: Memory, chunks: ChunkSpec, at: At) -> Result<Value> {
    let chunks = chunks.resolve(memory.shape(), memory.dtype().size())?;
    let spec = Spec {
        dtype: memory.dtype(),
        shape: Few::from_slice(memory.shape()),
        chunks,
    };
    Ok(Value::of(Node::new(
        NodeKind::Memory(memory),
        Values::new(),
        [spec],
        at,
    )))
}

pub fn source(
    source: Arc<dyn ErasedSource>,
    shape: &[usize],
    chunks: Chunks,
    at: At,
) -> Result<Value> {
    let dtype = source.dtype();
    check_shape(shape, dtype.size())?;
    for (what, grid) in [
        ("chunks", Some(&chunks)),
        ("storage grid", source.storage_grid().as_ref()),
    ] {
        if let Some(grid) = grid
            && !grid.fits(shape)
        {
            return Err(Error::new(
                Kind::Chunks,
                format!(
                    "the {what} {grid} of {} cover the shape {:?}, not {shape:?}",
                    source.describe(),
                    grid.shape()
                ),
            ));
        }
    }
    let spec = Spec {
        dtype,
        shape: Few::from_slice(shape),
        chunks,
    };
    Ok(Value::of(Node::new(
        NodeKind::Source(source),
        Values::new(),
        [spec],
        at,
    )))
}

pub fn generate(
    generate: Generate,
    dtype: DType,
    shape: impl Into<Few<usize>>,
    chunks: ChunkSpec,
    at: At,
) -> Result<Value> {
    let shape = shape.into();
    check_shape(&shape, dtype.size())?;
    let chunks = chunks.resolve(&shape, dtype.size())?;
    let spec = Spec {
        dtype,
        shape,
        chunks,
    };
    Ok(Value::of(Node::new(
        NodeKind::Generate(generate),
        Values::new(),
        [spec],
        at,
    )))
}

/// An op of the table on operands that broadcast.
pub fn op(op: Op, terms: &[Term], at: At) -> Result<Value> {
    let operands = if op == Op::Select { &terms[1..] } else { terms };
    let dtype = operands[0].dtype();
    if operands.iter().any(|other| other.dtype() != dtype) {
        return Err(Error::new(
            Kind::Dtype,
            format!(
                "{} of operands of different types, {}: cast one of them first",
                op.name(),
                list(operands)
            ),
        ));
    }
    if op == Op::Select && terms[0].dtype() != DType::Bool {
        return Err(Error::new(
            Kind::Dtype,
            format!(
                "the condition of {} is {}, not bool",
                op.name(),
                terms[0].dtype()
            ),
        ));
    }
    let Some(out) = op.output(dtype) else {
        return Err(Error::new(
            Kind::Dtype,
            format!(
                "{} of {dtype} has no meaning; it takes {}",
                op.name(),
                op.admits()
            ),
        ));
    };
    elementwise(ElementFunc::Op(op), op.name(), terms, out, at)
}

pub fn cast(value: &Value, dtype: DType, at: At) -> Result<Value> {
    if value.dtype() == dtype {
        return Ok(value.clone());
    }
    elementwise(
        ElementFunc::Cast,
        "cast",
        &[Term::Array(value.clone())],
        dtype,
        at,
    )
}

fn list(operands: &[Term]) -> String {
    operands
        .iter()
        .map(|term| term.dtype().to_string())
        .collect::<Vec<_>>()
        .join(" and ")
}

impl Term {
    pub fn dtype(&self) -> DType {
        match self {
            Term::Array(value) => value.dtype(),
            Term::Scalar(scalar) => scalar.dtype(),
        }
    }

    fn array(&self) -> Option<&Value> {
        match self {
            Term::Array(value) => Some(value),
            Term::Scalar(_) => None,
        }
    }
}

/// Any function of elements on operands that broadcast.
pub fn elementwise(
    func: ElementFunc,
    name: &str,
    terms: &[Term],
    dtype: DType,
    at: At,
) -> Result<Value> {
    let outputs = match together(terms) {
        Some(first) => like(first, dtype),
        None => {
            let (shape, chunks) = combined(name, terms, dtype)?;
            let spec = Spec {
                dtype,
                shape,
                chunks,
            };
            [spec].into()
        }
    };
    let Spec { shape, chunks, .. } = &outputs[0];
    check_shape(shape, dtype.size())?;
    let mut inputs = Values::new();
    let mut args = Few::new();
    for term in terms {
        args.push(match term {
            Term::Scalar(scalar) => Operand::Const(*scalar),
            Term::Array(value) => {
                inputs.push(stretch(value, shape, chunks, at));
                Operand::Input(inputs.len() - 1)
            }
        });
    }
    Ok(Value::of(Node::new(
        NodeKind::Elementwise(Elementwise { func, args }),
        inputs,
        outputs,
        at,
    )))
}

/// One output with the shape and chunks of a value: its own, if the dtype is the same.
fn like(value: &Value, dtype: DType) -> Arc<[Spec]> {
    match &*value.node.outputs {
        [spec] if spec.dtype == dtype => value.node.outputs.clone(),
        _ => {
            let spec = Spec {
                dtype,
                ..value.spec().clone()
            };
            [spec].into()
        }
    }
}

/// The first array, if all have its shape and chunks: the common case costs nothing.
fn together(terms: &[Term]) -> Option<&Value> {
    let mut arrays = terms.iter().filter_map(Term::array);
    let first = arrays.next()?;
    arrays
        .all(|value| value.shape() == first.shape() && value.chunks() == first.chunks())
        .then_some(first)
}

/// The shape of the result by NumPy's rules, and its chunks.
fn combined(name: &str, terms: &[Term], dtype: DType) -> Result<(Few<usize>, Chunks)> {
    let arrays: Vec<&Value> = terms.iter().filter_map(Term::array).collect();
    let shapes: Vec<&[usize]> = arrays.iter().map(|value| value.shape()).collect();
    let Some(shape) = broadcast(&shapes) else {
        let shapes: Vec<String> = shapes.iter().map(|shape| format!("{shape:?}")).collect();
        return Err(Error::new(
            Kind::Shape,
            format!(
                "shapes {} do not broadcast together in {name}",
                shapes.join(" and ")
            ),
        ));
    };
    check_shape(&shape, dtype.size())?;
    let grids: Vec<&Chunks> = arrays.iter().map(|value| value.chunks()).collect();
    let chunks = match grids[..] {
        [left, right] if left == right => left.clone(),
        _ => chunking::combine(&grids, &shape, dtype.size()),
    };
    Ok((shape, chunks))
}

/// The operand under the result's shape: itself, or a broadcast view.
fn stretch(value: &Value, shape: &[usize], chunks: &Chunks, at: At) -> Value {
    if value.shape() == shape {
        return value.clone();
    }
    let map = IndexMap::broadcast(value.shape(), shape);
    let spec = Spec {
        dtype: value.dtype(),
        shape: Few::from_slice(shape),
        chunks: chunks.clone(),
    };
    Value::of(Node::new(
        NodeKind::Index(map),
        smallvec![value.clone()],
        [spec],
        at,
    ))
}

pub fn rechunk(value: &Value, chunks: ChunkSpec, at: At) -> Result<Value> {
    let chunks = chunks.resolve(value.shape(), value.dtype().size())?;
    if chunks == *value.chunks() {
        return Ok(value.clone());
    }
    let spec = Spec {
        chunks,
        ..value.spec().clone()
    };
    Ok(Value::of(Node::new(
        NodeKind::Rechunk,
        smallvec![value.clone()],
        [spec],
        at,
    )))
}

/// A reduction, over a selection if there is a `mask`.
pub fn reduce(
    reducer: Reduction,
    value: &Value,
    mask: Option<&Value>,
    axes: &Axes,
    at: At,
) -> Result<Value> {
    let name = reducer.name();
    let reduced = axes
        .resolve(value.shape().len())
        .map_err(|error| error.context(format!("in {name}")))?;
    let dtype = match &reducer {
        Reduction::Op(op) => op.output(value.dtype()).ok_or_else(|| {
            Error::new(
                Kind::Dtype,
                format!("{name} of {} has no meaning", value.dtype()),
            )
        })?,
        Reduction::Custom(fold) => fold.output(),
    };
    if let Reduction::Op(op) = &reducer
        && !op.empty_ok()
        && reduced.iter().any(|&axis| value.shape()[axis] == 0)
    {
        return Err(Error::new(
            Kind::Value,
            format!(
                "{name} over axes {reduced:?} of an array of shape {:?}: nothing has no {name}",
                value.shape()
            ),
        ));
    }
    let tree = Arc::new(Tree::new(value.chunks(), &reduced));
    let mut inputs: Values = smallvec![value.clone()];
    if let Some(mask) = mask {
        let fits =
            broadcast(&[mask.shape(), value.shape()]).is_some_and(|shape| *shape == *value.shape());
        if !fits {
            return Err(Error::new(
                Kind::Shape,
                format!(
                    "a selection of shape {:?} does not fit an array of shape {:?}",
                    mask.shape(),
                    value.shape()
                ),
            ));
        }
        inputs.push(stretch(mask, value.shape(), value.chunks(), at));
    }
    let chunks = chunking::reduce(value.chunks(), &reduced, axes.keeps());
    let spec = Spec {
        dtype,
        shape: chunks.lens(),
        chunks,
    };
    let kind = Reduce {
        reducer,
        tree,
        keep: axes.keeps(),
        masked: mask.is_some(),
    };
    Ok(Value::of(Node::new(
        NodeKind::Reduce(kind),
        inputs,
        [spec],
        at,
    )))
}

/// An opaque function of blocks, with one or several outputs on grids of the same number of blocks.
pub fn block_fn(
    function: Arc<dyn BlockFunction>,
    name: &'static str,
    inputs: &[Value],
    outputs: Vec<(DType, Chunks)>,
    at: At,
) -> Result<Vec<Value>> {
    let blocks = outputs[0].1.counts();
    for (dtype, chunks) in &outputs {
        check_shape(&chunks.lens(), dtype.size())?;
    }
    for input in inputs {
        let counts = input.chunks().counts();
        let skip = blocks.len().checked_sub(counts.len());
        let fits = skip.is_some_and(|skip| {
            counts
                .iter()
                .zip(&blocks[skip..])
                .all(|(&n, &m)| n == m || n == 1)
        });
        if !fits {
            return Err(Error::new(
                Kind::Chunks,
                format!(
                    "{name} pairs blocks: an input of shape {:?} in chunks {} has {counts:?} blocks, the result {blocks:?}",
                    input.shape(),
                    input.chunks()
                ),
            ));
        }
    }
    let specs = outputs.into_iter().map(|(dtype, chunks)| Spec {
        dtype,
        shape: chunks.lens(),
        chunks,
    });
    let node = Node::new(
        NodeKind::BlockFn(BlockFn { function, name }),
        inputs.iter().cloned().collect(),
        specs.collect::<Vec<_>>(),
        at,
    );
    Ok((0..node.outputs.len())
        .map(|output| Value {
            node: node.clone(),
            output,
        })
        .collect())
}
