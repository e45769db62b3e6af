//! Operations on constants are computed now; views of constants are constants.

use std::sync::Arc;

use super::instead;
use crate::base::few::Few;
use crate::base::scalar::Scalar;
use crate::op::generate::Generate;
use crate::op::scalar::cast::cast;
use crate::op::table::evaluate;
use crate::plan::node::{ElementFunc, Elementwise, Values, Node, NodeKind, Operand, Value};

pub fn rewrite(node: &Arc<Node>) -> Option<Value> {
    match &node.kind {
        NodeKind::Index(_) | NodeKind::Reshape | NodeKind::Rechunk => {
            let value = constant(&node.inputs[0])?;
            Some(instead(
                node,
                NodeKind::Generate(Generate::Fill(value)),
                Values::new(),
            ))
        }
        NodeKind::Elementwise(elementwise) => {
            let known: Few<Option<Scalar>, 3> = elementwise
                .args
                .iter()
                .map(|arg| match arg {
                    Operand::Const(value) => Some(*value),
                    Operand::Input(input) => constant(&node.inputs[*input]),
                })
                .collect();
            if let Some(args) = known.iter().copied().collect::<Option<Few<Scalar, 3>>>()
                && let Some(value) = compute(elementwise, &args, node)
            {
                return Some(instead(
                    node,
                    NodeKind::Generate(Generate::Fill(value)),
                    Values::new(),
                ));
            }
            absorb(node, elementwise, &known)
        }
        _ => None,
    }
}

fn constant(value: &Value) -> Option<Scalar> {
    match value.node.kind {
        NodeKind::Generate(Generate::Fill(scalar)) => Some(scalar),
        _ => None,
    }
}

fn compute(elementwise: &Elementwise, args: &[Scalar], node: &Node) -> Option<Scalar> {
    match &elementwise.func {
        ElementFunc::Op(op) => evaluate(*op, args),
        ElementFunc::Cast => Some(cast(args[0], node.outputs[0].dtype)),
        ElementFunc::Map(_) => None,
    }
}

/// Constant inputs become constants of the function.
fn absorb(node: &Node, elementwise: &Elementwise, known: &[Option<Scalar>]) -> Option<Value> {
    let absorbs = elementwise
        .args
        .iter()
        .zip(known)
        .any(|(arg, known)| matches!(arg, Operand::Input(_)) && known.is_some());
    if !absorbs || known.iter().all(Option::is_some) {
        return None;
    }
    let mut inputs = Values::new();
    let args = elementwise
        .args
        .iter()
        .zip(known)
        .map(|(arg, known)| match (arg, known) {
            (_, Some(value)) => Operand::Const(*value),
            (Operand::Input(input), None) => {
                inputs.push(node.inputs[*input].clone());
                Operand::Input(inputs.len() - 1)
            }
            (constant, None) => *constant,
        });
    let args = args.collect();
    let kind = NodeKind::Elementwise(Elementwise {
        func: elementwise.func.clone(),
        args,
    });
    Some(instead(node, kind, inputs))
}
