//! A view of a view is one view; a view of everything is the array itself. Reshapes likewise.

use std::sync::Arc;

use super::instead;
use crate::plan::node::{Node, NodeKind, Value};

pub fn rewrite(node: &Arc<Node>) -> Option<Value> {
    match &node.kind {
        NodeKind::Index(outer) => {
            let input = &node.inputs[0];
            match &input.node.kind {
                NodeKind::Index(inner) => {
                    let map = outer.then(inner)?;
                    Some(instead(
                        node,
                        NodeKind::Index(map),
                        input.node.inputs.clone(),
                    ))
                }
                // The chunk grid below a view is of no use to anyone.
                NodeKind::Rechunk => {
                    Some(instead(node, node.kind.clone(), input.node.inputs.clone()))
                }
                _ if outer.is_identity(input.shape())
                    && *input.chunks() == node.outputs[0].chunks =>
                {
                    Some(input.clone())
                }
                _ => None,
            }
        }
        NodeKind::Reshape => {
            let input = &node.inputs[0];
            match &input.node.kind {
                NodeKind::Reshape | NodeKind::Rechunk => {
                    Some(instead(node, NodeKind::Reshape, input.node.inputs.clone()))
                }
                _ => None,
            }
        }
        _ => None,
    }
}
