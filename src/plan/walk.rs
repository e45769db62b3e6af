//! Walks over the DAG. Plans may be a million nodes deep, so that none of them recurses.

use std::sync::Arc;

use foldhash::{HashSet, HashSetExt};

use super::node::{Node, Value};

/// All nodes that the roots need, each once, inputs before their users.
pub fn inputs_first(roots: &[Value]) -> Vec<Arc<Node>> {
    let mut order = Vec::new();
    let mut seen = HashSet::new();
    // A node is pushed again, marked as done, below its inputs.
    let mut open: Vec<(Arc<Node>, bool)> = roots
        .iter()
        .rev()
        .map(|root| (root.node.clone(), false))
        .collect();
    while let Some((node, inputs_done)) = open.pop() {
        if inputs_done {
            order.push(node);
        } else if seen.insert(node.id) {
            open.push((node.clone(), true));
            for input in node.inputs.iter().rev() {
                if !seen.contains(&input.node.id) {
                    open.push((input.node.clone(), false));
                }
            }
        }
    }
    order
}
