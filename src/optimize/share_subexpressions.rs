//! Equal computations on equal inputs become one node.

use std::sync::Arc;

use foldhash::HashMap;

use crate::plan::fingerprint::{fingerprint, same};
use crate::plan::node::{Node, NodeKind};

/// The nodes seen so far, by fingerprint.
#[derive(Default)]
pub struct Shared {
    seen: HashMap<u64, Vec<Arc<Node>>>,
}

impl Shared {
    /// The first node that computes the same, or this one. Inputs must have been unified before.
    pub fn unify(&mut self, node: Arc<Node>) -> Arc<Node> {
        // What is opaque may differ from call to call, as far as anyone can tell.
        if matches!(node.kind, NodeKind::BlockFn(_) | NodeKind::Pieces(_)) {
            return node;
        }
        let candidates = self.seen.entry(fingerprint(&node)).or_default();
        if let Some(known) = candidates.iter().find(|known| same(known, &node)) {
            return known.clone();
        }
        candidates.push(node.clone());
        node
    }
}
