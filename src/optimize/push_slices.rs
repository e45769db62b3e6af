//! A slice of pieces (a concatenation, a stack, a padded array) that lies within one of them is a
//! slice of that piece's input: the others are never looked at, and nothing is put together.
//!
//! Through element-wise functions no slice needs to be pushed: lowering inlines them under the
//! composed map of each reader.

use std::sync::Arc;

use smallvec::smallvec;

use super::instead;
use crate::base::few::Few;
use crate::base::index_map::IndexMap;
use crate::base::region::Region;
use crate::plan::node::{Node, NodeKind, Value};

pub fn rewrite(node: &Arc<Node>) -> Option<Value> {
    let NodeKind::Index(map) = &node.kind else {
        return None;
    };
    let below = &node.inputs[0].node;
    let NodeKind::Pieces(pieces) = &below.kind else {
        return None;
    };
    let wanted = map.image(&Region::whole(map.shape()));
    if wanted.is_empty() {
        return None;
    }
    let piece = pieces
        .pieces
        .iter()
        .find(|piece| piece.region.contains(&wanted))?;
    // From the joined array into the piece: the same place, counted from the piece's corner.
    let origin = piece
        .region
        .start()
        .iter()
        .enumerate()
        .map(|(axis, &start)| crate::base::index_map::AxisMap::Affine {
            start: -(start as isize),
            terms: [(axis, 1)].into(),
        });
    let into_piece = IndexMap::new(
        below.outputs[0].shape.clone(),
        origin.collect::<Few<_, 3>>(),
    );
    let map = map.then(&into_piece)?.then(&piece.map)?;
    Some(instead(
        node,
        NodeKind::Index(map),
        smallvec![below.inputs[piece.input].clone()],
    ))
}
