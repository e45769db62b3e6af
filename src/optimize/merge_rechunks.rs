//! Of several rechunks in a row the last one remains: a rechunk moves nothing.

use std::sync::Arc;

use super::instead;
use crate::plan::node::{Node, NodeKind, Value};

pub fn rewrite(node: &Arc<Node>) -> Option<Value> {
    if !matches!(node.kind, NodeKind::Rechunk) {
        return None;
    }
    let input = &node.inputs[0];
    if input.chunks() == &node.outputs[0].chunks {
        return Some(input.clone());
    }
    match &input.node.kind {
        NodeKind::Rechunk => Some(instead(node, NodeKind::Rechunk, input.node.inputs.clone())),
        _ => None,
    }
}
