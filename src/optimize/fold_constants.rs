//! Operations on constants are computed now; views of constants are constants.

use std::sync::Arc;

use super::instead;
use crate::base::few::Few;
use crate::base::scalar::Scalar;
use crate::op::generate::Generate;
use crate::op::scalar::cast::cast;
use crate::op::table::evaluate;
use crate::plan::node::{ElementFunc, Elementwise, Node, NodeKind, Operand, Value, Values};

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
        NodeKind::Elementwise(elementwise) => fold(node, elementwise),
        _ => None,
    }
}

fn fold(node: &Node, elementwise: &Elementwise) -> Option<Value> {
    let is_open = |arg: &Operand| match arg {
        Operand::Const(_) => false,
        Operand::Input(input) => constant(&node.inputs[*input]).is_none(),
    };
    if elementwise.args.iter().any(is_open) {
        let has_constants = node.inputs.iter().any(|input| constant(input).is_some());
        return has_constants.then(|| absorb(node, elementwise));
    }
    let mut args: Few<Scalar, 3> = Few::new();
    for arg in &elementwise.args {
        args.push(match arg {
            Operand::Const(value) => *value,
            Operand::Input(input) => constant(&node.inputs[*input])?,
        });
    }
    let value = compute(elementwise, &args, node)?;
    let kind = NodeKind::Generate(Generate::Fill(value));
    Some(instead(node, kind, Values::new()))
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
fn absorb(node: &Node, elementwise: &Elementwise) -> Value {
    let mut inputs = Values::new();
    let args = elementwise.args.iter().map(|arg| match arg {
        Operand::Const(_) => *arg,
        Operand::Input(input) => {
            let input = &node.inputs[*input];
            match constant(input) {
                Some(value) => Operand::Const(value),
                None => {
                    inputs.push(input.clone());
                    Operand::Input(inputs.len() - 1)
                }
            }
        }
    });
    let args = args.collect();
    let kind = NodeKind::Elementwise(Elementwise {
        func: elementwise.func.clone(),
        args,
    });
    instead(node, kind, inputs)
}
