//! Prints a plan as a tree: op, shape, dtype, chunks. Shared nodes are printed once and named after.

use std::fmt::{self, Write};

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};

use super::node::{Node, NodeKind, Operand, Value};
use super::walk::inputs_first;

/// A longer plan is shortened.
const MOST_LINES: usize = 60;

pub struct PlanDisplay<'a>(pub &'a [Value]);

impl fmt::Display for PlanDisplay<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = inputs_first(self.0);
        let mut readers: HashMap<u64, usize> = HashMap::new();
        for node in &order {
            for input in &node.inputs {
                *readers.entry(input.node.id).or_default() += 1;
            }
        }
        let mut names: HashMap<u64, usize> = HashMap::new();
        let mut printed = HashSet::new();
        let mut open: Vec<(Value, usize)> =
            self.0.iter().rev().map(|root| (root.clone(), 0)).collect();
        let mut lines = 0;
        while let Some((value, depth)) = open.pop() {
            if lines == MOST_LINES {
                let left = order
                    .iter()
                    .filter(|node| !printed.contains(&node.id))
                    .count();
                return writeln!(f, "  … {left} more nodes");
            }
            lines += 1;
            let node = &value.node;
            let indent = "  ".repeat(depth.min(24) + 1);
            let mut line = format!("{indent}{}", describe(node));
            if node.outputs.len() > 1 {
                write!(line, " output {}", value.output)?;
            }
            if readers.get(&node.id).is_some_and(|&count| count > 1) && !node.inputs.is_empty() {
                let next = names.len() + 1;
                let name = *names.entry(node.id).or_insert(next);
                write!(line, "  %{name}")?;
                if !printed.insert(node.id) {
                    writeln!(f, "{line} (see above)")?;
                    continue;
                }
            }
            printed.insert(node.id);
            let spec = value.spec();
            writeln!(
                f,
                "{line:<44} {:?} {} in {}",
                spec.shape, spec.dtype, spec.chunks
            )?;
            open.extend(
                node.inputs
                    .iter()
                    .rev()
                    .map(|input| (input.clone(), depth + 1)),
            );
        }
        Ok(())
    }
}

/// An op with its parameters.
pub fn describe(node: &Node) -> String {
    let name = node.name();
    match &node.kind {
        NodeKind::Elementwise(elementwise) => {
            let constants = elementwise
                .args
                .iter()
                .any(|arg| matches!(arg, Operand::Const(_)));
            if !constants {
                return name.to_owned();
            }
            let args: Vec<String> = elementwise
                .args
                .iter()
                .map(|arg| match arg {
                    Operand::Input(_) => "·".to_owned(),
                    Operand::Const(value) => value.to_string(),
                })
                .collect();
            format!("{name}({})", args.join(", "))
        }
        NodeKind::Generate(generate) => format!("{generate:?}"),
        NodeKind::Source(source) => format!("read {}", source.describe()),
        NodeKind::Reduce(reduce) => {
            let axes: Vec<String> = reduce.tree.axes().iter().map(usize::to_string).collect();
            let keep = if reduce.keep { ", keep" } else { "" };
            format!("{name}(axes {}{keep})", axes.join(" "))
        }
        NodeKind::Contract(contract) => format!("{name}({})", contract.contraction),
        NodeKind::Memory(_) => "in memory".to_owned(),
        _ => name.to_owned(),
    }
}
