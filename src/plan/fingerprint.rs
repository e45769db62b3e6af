//! When two nodes are the same computation.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::node::{ElementFunc, Node, NodeKind, Reduction};

/// A hash that equal computations share: the kind, what is printed of it, the inputs by identity.
pub fn fingerprint(node: &Node) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    std::mem::discriminant(&node.kind).hash(&mut hasher);
    node.name().hash(&mut hasher);
    for input in &node.inputs {
        input.key().hash(&mut hasher);
    }
    for spec in node.outputs.iter() {
        (spec.dtype, &spec.shape).hash(&mut hasher);
    }
    match &node.kind {
        NodeKind::Memory(memory) => memory.first().addr().hash(&mut hasher),
        NodeKind::Elementwise(elementwise) => elementwise.args.hash(&mut hasher),
        NodeKind::Index(map) => map.hash(&mut hasher),
        NodeKind::Contract(contract) => contract.contraction.hash(&mut hasher),
        _ => {}
    }
    hasher.finish()
}

/// Whether two nodes give the same values. Functions of users are the same only if they are one
/// object; when in doubt, nodes differ.
pub fn same(one: &Node, other: &Node) -> bool {
    let inputs = one.inputs.len() == other.inputs.len()
        && one
            .inputs
            .iter()
            .zip(&other.inputs)
            .all(|(a, b)| a.key() == b.key());
    inputs && one.outputs == other.outputs && same_kind(&one.kind, &other.kind)
}

fn same_kind(one: &NodeKind, other: &NodeKind) -> bool {
    match (one, other) {
        (NodeKind::Memory(a), NodeKind::Memory(b)) => {
            a.first() == b.first()
                && a.dtype() == b.dtype()
                && a.shape() == b.shape()
                && a.strides() == b.strides()
        }
        (NodeKind::Source(a), NodeKind::Source(b)) => Arc::ptr_eq(a, b),
        (NodeKind::Generate(a), NodeKind::Generate(b)) => a.same(b),
        (NodeKind::Elementwise(a), NodeKind::Elementwise(b)) => {
            let func = match (&a.func, &b.func) {
                (ElementFunc::Op(a), ElementFunc::Op(b)) => a == b,
                (ElementFunc::Cast, ElementFunc::Cast) => true,
                (ElementFunc::Map(a), ElementFunc::Map(b)) => Arc::ptr_eq(a, b),
                _ => false,
            };
            func && a.args == b.args
        }
        (NodeKind::Index(a), NodeKind::Index(b)) => a == b,
        (NodeKind::Reshape, NodeKind::Reshape) | (NodeKind::Rechunk, NodeKind::Rechunk) => true,
        (NodeKind::Reduce(a), NodeKind::Reduce(b)) => {
            let reducer = match (&a.reducer, &b.reducer) {
                (Reduction::Op(a), Reduction::Op(b)) => a == b,
                (Reduction::Custom(a), Reduction::Custom(b)) => Arc::ptr_eq(a, b),
                _ => false,
            };
            reducer && a.tree == b.tree && a.keep == b.keep && a.masked == b.masked
        }
        (NodeKind::Contract(a), NodeKind::Contract(b)) => a.contraction == b.contraction,
        _ => false,
    }
}
