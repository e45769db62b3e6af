//! Cheaper plans with the same values: one rule per file, one list with the reasons for its order.
//!
//! A rule looks at one node whose inputs are already optimized and may give another value for it.
//! It never changes a value, shape, dtype or reduction tree. The driver walks and rebuilds.

mod compose_views;
mod fold_constants;
mod merge_rechunks;
mod push_slices;
mod share_subexpressions;

use std::sync::Arc;

use crate::base::few::Few;
use crate::plan::node::{Node, NodeKind, Value, Values};
use crate::plan::walk::{USUAL, Walk};

/// An optimization that an engine can leave out, to look for the one at fault or to measure it.
///
/// Results are the same with and without any of them, bit for bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// Operations on constants are computed when the plan is optimized.
    FoldConstants,
    /// Equal computations become one.
    ShareSubexpressions,
    /// A view of a view becomes one view.
    ComposeViews,
    /// A slice of a concatenation that lies in one member is taken of that member.
    PushSlices,
    /// Of several rechunks in a row, the last one remains.
    MergeRechunks,
    /// Element-wise functions are computed where they are read, tile by tile.
    FuseElementwise,
    /// What is reduced is computed inside of the reduction.
    FuseReductions,
    /// Outputs over the same reads share a pass.
    ShareStages,
    /// What a computation needs again after it had to wait for a reduction of it is read, or computed,
    /// again instead of being held: `x - x.mean(0)` passes over `x` twice and never holds it.
    Recompute,
    /// What does not fit in memory, and is dear to compute again, is written to a temporary file.
    Spill,
}

impl Rule {
    /// All rules.
    pub const ALL: &'static [Rule] = &[
        Rule::FoldConstants,
        Rule::ShareSubexpressions,
        Rule::ComposeViews,
        Rule::PushSlices,
        Rule::MergeRechunks,
        Rule::FuseElementwise,
        Rule::FuseReductions,
        Rule::ShareStages,
        Rule::Recompute,
        Rule::Spill,
    ];
}

/// A rewriting rule: another value for a node, or `None`.
type Rewrite = fn(&Arc<Node>) -> Option<Value>;

/// The rewriting rules in the order in which they are tried on each node.
const REWRITES: &[(Rule, Rewrite)] = &[
    // First, so that views of constants vanish before they are composed.
    (Rule::FoldConstants, fold_constants::rewrite),
    (Rule::MergeRechunks, merge_rechunks::rewrite),
    // Views become one before a slice is pushed: a slice of a slice is pushed once.
    (Rule::ComposeViews, compose_views::rewrite),
    (Rule::PushSlices, push_slices::rewrite),
];

/// A node may be rewritten so often; more would be two rules that undo each other.
const MOST_REWRITES: usize = 16;

/// The roots of a walk after all rules but those switched off.
pub fn optimize(walk: &Walk<'_>, off: &[Rule]) -> Values {
    let on = |rule: Rule| !off.contains(&rule);
    let roots = walk.roots;
    let mut done: Few<Became, USUAL> = Few::with_capacity(walk.order.len());
    let mut shared = share_subexpressions::Shared::default();
    // In a chain there are no two nodes with the same inputs.
    let branches = roots.len() > 1 || walk.order.iter().any(|node| node.inputs.len() > 1);
    let shares = branches && on(Rule::ShareSubexpressions);
    for &node in &walk.order {
        let became = |input: &Value| &done[walk.number(&input.node)];
        let unchanged = node.inputs.iter().all(|input| became(input).is(input));
        let mut rebuilt = match unchanged {
            true => node.clone(),
            false => {
                let mut inputs = Values::new();
                for input in &node.inputs {
                    inputs.push(became(input).value(input));
                }
                Node::new(node.kind.clone(), inputs, node.outputs.clone(), node.at)
            }
        };
        let mut replaced = None;
        for _ in 0..MOST_REWRITES {
            // What is made of nothing is as simple as can be.
            if rebuilt.inputs.is_empty() {
                break;
            }
            let rewritten = REWRITES
                .iter()
                .find_map(|&(rule, rewrite)| on(rule).then(|| rewrite(&rebuilt)).flatten());
            match rewritten {
                None => break,
                Some(value) if value.output == 0 && value.node.outputs.len() == 1 => {
                    rebuilt = value.node
                }
                Some(value) => {
                    replaced = Some(value);
                    break;
                }
            }
        }
        if shares {
            rebuilt = shared.unify(rebuilt);
        }
        done.push(match replaced {
            Some(value) => Became::Output(value),
            None => Became::Node(rebuilt),
        });
    }
    let current = |root: &Value| done[walk.number(&root.node)].value(root);
    roots.iter().map(current).collect()
}

/// What a node is after optimizing.
enum Became {
    /// Itself, or another one with the same outputs.
    Node(Arc<Node>),
    /// An output of another one; such a node has only one output.
    Output(Value),
}

impl Became {
    /// What an output of the node is now.
    fn value(&self, before: &Value) -> Value {
        match self {
            Became::Node(node) => Value {
                node: node.clone(),
                output: before.output,
            },
            Became::Output(value) => value.clone(),
        }
    }

    /// Whether that is what it was.
    fn is(&self, before: &Value) -> bool {
        match self {
            Became::Node(node) => node.id == before.node.id,
            Became::Output(value) => value.key() == before.key(),
        }
    }
}

/// A node like another, with another kind and inputs, and the same shape, dtype and chunks.
fn instead(node: &Node, kind: NodeKind, inputs: Values) -> Value {
    Value::of(Node::new(kind, inputs, node.outputs.clone(), node.at))
}
