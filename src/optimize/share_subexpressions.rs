//! Equal computations on equal inputs become one node.

use std::sync::Arc;

use crate::base::lookup::Lookup;
use crate::plan::fingerprint::{fingerprint, same};
use crate::plan::node::{Node, NodeKind};

/// The nodes seen so far.
#[derive(Default)]
pub struct Shared {
    /// Each with the number of the one before it that has the same fingerprint.
    seen: Vec<(Arc<Node>, Option<usize>)>,
    /// By fingerprint, the last one.
    last: Lookup<u64, usize>,
}

impl Shared {
    /// The first node that computes the same, or this one. Inputs must have been unified before.
    pub fn unify(&mut self, node: Arc<Node>) -> Arc<Node> {
        // What is opaque may differ from call to call, as far as anyone can tell.
        if matches!(node.kind, NodeKind::BlockFn(_) | NodeKind::Pieces(_)) {
            return node;
        }
        let fingerprint = fingerprint(&node);
        let last = self.last.get(&fingerprint).copied();
        let mut candidate = last;
        while let Some(number) = candidate {
            let (known, before) = &self.seen[number];
            if same(known, &node) {
                return known.clone();
            }
            candidate = *before;
        }
        self.last.insert(fingerprint, self.seen.len());
        self.seen.push((node.clone(), last));
        node
    }
}
