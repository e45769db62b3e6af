//! The logical DAG: what the user asked for.

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::chunks::Chunks;
use crate::base::dtype::DType;
use crate::base::few::Few;
use crate::base::index_map::IndexMap;
use crate::base::memory::Memory;
use crate::base::region::Region;
use crate::base::scalar::Scalar;
use crate::base::source::ErasedSource;
use crate::op::closure::{BlockFunction, TileMap};
use crate::op::contract::Contraction;
use crate::op::fold::Fold;
use crate::op::generate::Generate;
use crate::op::reducer::ReduceOp;
use crate::op::table::Op;
use crate::op::tree::Tree;

/// One output of a node.
#[derive(Clone)]
pub struct Value {
    pub node: Arc<Node>,
    pub output: usize,
}

/// A list of values; mostly there are one or two.
pub type Values = Few<Value, 2>;

/// What is known of an output before anything runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    pub dtype: DType,
    pub shape: Few<usize>,
    pub chunks: Chunks,
}

pub struct Node {
    pub id: u64,
    pub kind: NodeKind,
    pub inputs: Values,
    /// Nodes with the same outputs share them.
    pub outputs: Arc<[Spec]>,
    /// The user's call.
    pub at: &'static Location<'static>,
}

#[derive(Clone)]
pub enum NodeKind {
    Memory(Memory),
    Source(Arc<dyn ErasedSource>),
    Generate(Generate),
    Elementwise(Elementwise),
    Index(IndexMap),
    /// The same elements in C order under another shape.
    Reshape,
    Pieces(Pieces),
    /// Another chunk grid; the elements stay where they are.
    Rechunk,
    Reduce(Reduce),
    Contract(Contract),
    BlockFn(BlockFn),
}

/// A function of one element of each operand; inputs have the output's shape.
#[derive(Clone)]
pub struct Elementwise {
    pub func: ElementFunc,
    pub args: Few<Operand, 3>,
}

#[derive(Clone)]
pub enum ElementFunc {
    Op(Op),
    Cast,
    Map(Arc<dyn TileMap>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// The number of an input of the node.
    Input(usize),
    Const(Scalar),
}

impl Default for Operand {
    fn default() -> Operand {
        Operand::Input(0)
    }
}

/// An array put together from boxes; what no piece covers is `fill`.
#[derive(Clone)]
pub struct Pieces {
    /// In disjoint places.
    pub pieces: Vec<Piece>,
    pub fill: Option<Scalar>,
    pub name: &'static str,
}

#[derive(Clone)]
pub struct Piece {
    /// Where it lies in the output.
    pub region: Region,
    pub input: usize,
    /// From the piece (its own shape) to the input.
    pub map: IndexMap,
}

#[derive(Clone)]
pub struct Reduce {
    pub reducer: Reduction,
    pub tree: Arc<Tree>,
    /// Whether reduced axes stay with length 1.
    pub keep: bool,
    /// Whether the second input says which elements count.
    pub masked: bool,
}

/// Sums of products of the elements of two inputs.
#[derive(Clone)]
pub struct Contract {
    pub contraction: Arc<Contraction>,
    pub name: &'static str,
}

#[derive(Clone)]
pub enum Reduction {
    Op(ReduceOp),
    /// A user's.
    Custom(Arc<dyn Fold>),
}

/// An opaque function of blocks: block `i` of each output is made from block `i` of each input; a
/// grid with a single block along an axis gives it to all.
#[derive(Clone)]
pub struct BlockFn {
    pub function: Arc<dyn BlockFunction>,
    pub name: &'static str,
}

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

impl Node {
    // A node is large: it is put together where it stays.
    #[inline]
    pub fn new(
        kind: NodeKind,
        inputs: Values,
        outputs: impl Into<Arc<[Spec]>>,
        at: &'static Location<'static>,
    ) -> Arc<Node> {
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        Arc::new(Node {
            id,
            kind,
            inputs,
            outputs: outputs.into(),
            at,
        })
    }

    /// The op's name, as plans print it.
    pub fn name(&self) -> &'static str {
        match &self.kind {
            NodeKind::Memory(_) => "memory",
            NodeKind::Source(_) => "source",
            NodeKind::Generate(generate) => generate.name(),
            NodeKind::Elementwise(elementwise) => match &elementwise.func {
                ElementFunc::Op(op) => op.name(),
                ElementFunc::Cast => "cast",
                ElementFunc::Map(_) => "map",
            },
            NodeKind::Index(_) => "view",
            NodeKind::Reshape => "reshape",
            NodeKind::Pieces(pieces) => pieces.name,
            NodeKind::Rechunk => "rechunk",
            NodeKind::Reduce(reduce) => reduce.reducer.name(),
            NodeKind::Contract(contract) => contract.name,
            NodeKind::BlockFn(block_fn) => block_fn.name,
        }
    }
}

impl Reduction {
    pub fn name(&self) -> &'static str {
        match self {
            Reduction::Op(op) => op.name(),
            Reduction::Custom(_) => "reduce",
        }
    }
}

/// A chain of a million nodes must not overflow the stack when it is dropped.
impl Drop for Node {
    fn drop(&mut self) {
        let mut open = std::mem::take(&mut self.inputs);
        while let Some(value) = open.pop() {
            // Below a node without inputs there is nothing.
            if !value.node.inputs.is_empty()
                && let Some(mut node) = Arc::into_inner(value.node)
            {
                open.append(&mut node.inputs);
            }
        }
    }
}

impl Value {
    pub fn of(node: Arc<Node>) -> Value {
        Value { node, output: 0 }
    }

    pub fn spec(&self) -> &Spec {
        &self.node.outputs[self.output]
    }

    pub fn shape(&self) -> &[usize] {
        &self.spec().shape
    }

    pub fn dtype(&self) -> DType {
        self.spec().dtype
    }

    pub fn chunks(&self) -> &Chunks {
        &self.spec().chunks
    }

    /// What tells this value from all others.
    pub fn key(&self) -> ValueKey {
        (self.node.id, self.output)
    }
}

/// A node's id and an output number.
pub type ValueKey = (u64, usize);
