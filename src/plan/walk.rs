//! Walks over the DAG. Plans may be a million nodes deep, so that none of them recurses.

use std::sync::Arc;

use super::node::{Node, Value};
use crate::base::few::Few;
use crate::base::lookup::Lookup;

/// All nodes that some values need, each once, inputs before their users; they are numbered in this order.
pub struct Walk<'a> {
    pub roots: &'a [Value],
    pub order: Few<&'a Arc<Node>, USUAL>,
    /// By the node's id.
    numbers: Lookup<u64, usize>,
}

/// A node that has been seen, whose inputs have not all been listed.
const OPEN: usize = usize::MAX;
/// A node that has not been seen.
const NEW: usize = usize::MAX - 1;

/// Room for the nodes of most small plans.
pub const USUAL: usize = 8;

impl Walk<'_> {
    pub fn new(roots: &[Value]) -> Walk<'_> {
        let mut order: Few<&Arc<Node>, USUAL> = Few::new();
        let mut numbers = Lookup::new();
        // A node is pushed again, marked as done, below its inputs.
        let mut open: Few<(&Arc<Node>, bool), USUAL> = Few::new();
        for root in roots.iter().rev() {
            open.push((&root.node, false));
        }
        while let Some((node, inputs_done)) = open.pop() {
            let number = numbers.or_insert_with(node.id, || NEW);
            if inputs_done || (*number == NEW && node.inputs.is_empty()) {
                *number = order.len();
                order.push(node);
            } else if *number == NEW {
                *number = OPEN;
                open.push((node, true));
                for input in node.inputs.iter().rev() {
                    open.push((&input.node, false));
                }
            }
        }
        Walk {
            roots,
            order,
            numbers,
        }
    }

    /// The number of a node that was met.
    pub fn number(&self, node: &Node) -> usize {
        *self.numbers.get(&node.id).expect("a node of the walk")
    }
}

/// All nodes that the roots need, each once, inputs before their users.
pub fn inputs_first(roots: &[Value]) -> Few<&Arc<Node>, USUAL> {
    Walk::new(roots).order
}
