//! From a cone of the plan to a program: element-wise nodes become instructions, what they rest on
//! becomes leaves.

use std::rc::Rc;

use smallvec::smallvec;

use super::Build;
use crate::base::dtype::DType;
use crate::base::few::{Few, few};
use crate::base::index_map::IndexMap;
use crate::base::lookup::Lookup;
use crate::base::scalar::Scalar;
use crate::graph::stage::{Fused, Leaf, LeafSource};
use crate::op::generate::Generate;
use crate::op::program::{Arg, Func, ProgramBuilder};
use crate::op::table::Op;
use crate::plan::node::{ElementFunc, Elementwise, NodeKind, Operand, Value, ValueKey};
use crate::plan::walk::USUAL;

/// The nanoseconds that a function takes per element.
pub fn element_cost(func: &ElementFunc) -> f64 {
    match func {
        ElementFunc::Op(op) => op.cost(),
        ElementFunc::Cast => Func::Cast.cost(),
        ElementFunc::Map(_) => Func::Map(0).cost(),
    }
}

/// How an array is addressed below a cone: directly, or by C-order numbers under another shape.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Sight {
    value: ValueKey,
    /// Of most sights that of their reader.
    map: Rc<IndexMap>,
    /// The shape that the map leads to, below a reshape.
    reshaped: Option<Few<usize>>,
}

/// One output of the program to be: a value, the map that leads to it, and whether it is computed
/// here even if it is held.
pub struct Wanted<'a> {
    pub value: &'a Value,
    pub map: &'a IndexMap,
    pub expand: bool,
}

/// Compiles values that are seen from one iteration space into one program.
pub fn compile<'a>(
    build: &mut Build<'_>,
    wanted: impl IntoIterator<Item = Wanted<'a>>,
    depth: usize,
) -> Fused {
    let mut compiler = Compiler {
        build,
        depth,
        program: ProgramBuilder::default(),
        leaves: Vec::new(),
        done: Lookup::new(),
    };
    for one in wanted {
        let arg = compiler.evaluate(one);
        compiler.program.output(arg);
    }
    Fused {
        program: compiler.program.finish(),
        leaves: compiler.leaves,
    }
}

struct Compiler<'a, 'b> {
    build: &'a mut Build<'b>,
    depth: usize,
    program: ProgramBuilder,
    leaves: Vec<Leaf>,
    done: Lookup<Sight, Arg>,
}

impl Compiler<'_, '_> {
    /// Depth first, without recursion: a sight waits on the stack until its operands are done.
    fn evaluate(&mut self, wanted: Wanted<'_>) -> Arg {
        let key = wanted.value.key();
        let is_held = !wanted.expand && self.build.is_held(key);
        if wanted.value.node.inputs.is_empty() && !is_held {
            // Leaves are told apart where they are kept.
            return self.emit(wanted.value, wanted.map, None, &[]);
        }
        let root = Sight {
            value: key,
            map: Rc::new(wanted.map.clone()),
            reshaped: None,
        };
        let mut open: Vec<(Value, Sight, bool)> = Vec::with_capacity(USUAL);
        open.push((wanted.value.clone(), root.clone(), wanted.expand));
        while let Some((value, sight, expand)) = open.pop() {
            if self.done.contains(&sight) {
                continue;
            }
            let held = !expand && self.build.is_held(sight.value);
            let inputs = if held {
                Few::new()
            } else {
                self.inputs(&value, &sight)
            };
            let is_missing = |(_, input): &(Value, Sight)| !self.done.contains(input);
            if inputs.iter().any(is_missing) {
                open.push((value, sight, expand));
                let missing = inputs.into_iter().rev().filter(is_missing);
                open.extend(missing.map(|(value, input)| (value, input, false)));
                continue;
            }
            let arg = if held {
                self.held_leaf(&value, &sight)
            } else {
                self.emit(&value, &sight.map, sight.reshaped.as_deref(), &inputs)
            };
            self.done.insert(sight, arg);
        }
        self.at(&root)
    }

    /// Where a value is that was evaluated.
    fn at(&self, sight: &Sight) -> Arg {
        *self.done.get(sight).expect("inputs are evaluated first")
    }

    /// What must be done before a value can be emitted.
    fn inputs(&self, value: &Value, sight: &Sight) -> Few<(Value, Sight), 2> {
        let through = |input: &Value, map: Rc<IndexMap>, reshaped: Option<Few<usize>>| {
            (
                input.clone(),
                Sight {
                    value: input.key(),
                    map,
                    reshaped,
                },
            )
        };
        let node = &value.node;
        match &node.kind {
            NodeKind::Elementwise(_) | NodeKind::Rechunk => {
                let same =
                    |input: &Value| through(input, sight.map.clone(), sight.reshaped.clone());
                few(node.inputs.iter().map(same))
            }
            NodeKind::Index(view) => {
                let map = sight
                    .map
                    .then(view)
                    .expect("maps that do not compose were materialized");
                smallvec![through(&node.inputs[0], Rc::new(map), None)]
            }
            NodeKind::Reshape => {
                let shape = sight
                    .reshaped
                    .clone()
                    .unwrap_or_else(|| Few::from_slice(value.shape()));
                smallvec![through(&node.inputs[0], sight.map.clone(), Some(shape))]
            }
            _ => Few::new(),
        }
    }

    fn emit(
        &mut self,
        value: &Value,
        map: &IndexMap,
        reshaped: Option<&[usize]>,
        inputs: &[(Value, Sight)],
    ) -> Arg {
        match &value.node.kind {
            NodeKind::Elementwise(elementwise) => self.emit_elementwise(value, elementwise, inputs),
            NodeKind::Generate(Generate::Fill(scalar)) => self.program.constant(*scalar),
            NodeKind::Generate(generate) => {
                let number = self.build.generate(value.key(), generate);
                self.leaf(LeafSource::Generate { number }, value, map, reshaped)
            }
            NodeKind::Memory(memory) => {
                let number = self.build.memory(value.key(), memory);
                let c_order = reshaped.is_some();
                self.leaf(LeafSource::Memory { number, c_order }, value, map, reshaped)
            }
            // Views and reshapes are their input, differently seen.
            _ => self.at(&inputs[0].1),
        }
    }

    fn emit_elementwise(
        &mut self,
        value: &Value,
        elementwise: &Elementwise,
        inputs: &[(Value, Sight)],
    ) -> Arg {
        let mut args: Few<Arg, 3> = Few::new();
        for operand in &elementwise.args {
            args.push(match operand {
                Operand::Const(scalar) => self.program.constant(*scalar),
                Operand::Input(number) => self.at(&inputs[*number].1),
            });
        }
        let dtype_of = |operand: usize| match elementwise.args[operand] {
            Operand::Const(scalar) => scalar.dtype(),
            Operand::Input(number) => inputs[number].0.dtype(),
        };
        let select = matches!(elementwise.func, ElementFunc::Op(Op::Select));
        // Kernels want one operand that is no constant (a condition always).
        if select && matches!(args[0], Arg::Const(_))
            || args.iter().all(|arg| matches!(arg, Arg::Const(_)))
        {
            args[0] = self.splat(args[0], dtype_of(0), value);
        }
        let dtype = dtype_of(usize::from(select));
        let func = match &elementwise.func {
            ElementFunc::Op(op) => Func::Op(*op),
            ElementFunc::Cast => Func::Cast,
            ElementFunc::Map(map) => Func::Map(self.build.map(map)),
        };
        self.program.push(func, dtype, args, value.dtype())
    }

    /// A constant as a generated leaf.
    fn splat(&mut self, arg: Arg, dtype: DType, value: &Value) -> Arg {
        let scalar = match arg {
            Arg::Const(number) => self.program.constant_value(number),
            _ => Scalar::zero(dtype),
        };
        let number = self.build.fill(scalar);
        let arg = self.program.leaf(dtype);
        self.leaves.push(Leaf {
            source: LeafSource::Generate { number },
            map: IndexMap::new(value.shape(), Few::new()),
            shape: Few::new(),
            dtype,
        });
        arg
    }

    fn held_leaf(&mut self, value: &Value, sight: &Sight) -> Arg {
        let (stage, output) = self.build.held(sight.value, self.depth);
        let source = LeafSource::Held {
            stage,
            output,
            flat: sight.reshaped.is_some(),
        };
        // Blocks of a reduction lie in the space of the kept axes.
        if let NodeKind::Reduce(reduce) = &value.node.kind
            && reduce.keep
            && sight.reshaped.is_none()
        {
            let kept = reduce.tree.kept().iter();
            let (axes, shape): (Few<_, 3>, Few<_>) = kept
                .map(|&axis| (sight.map.axes()[axis].clone(), value.shape()[axis]))
                .unzip();
            let map = IndexMap::new(sight.map.shape(), axes);
            return self.leaf(source, value, &map, Some(&shape));
        }
        self.leaf(source, value, &sight.map, sight.reshaped.as_deref())
    }

    /// `shape` is what the map leads to, if that is not the value's own.
    fn leaf(
        &mut self,
        source: LeafSource,
        value: &Value,
        map: &IndexMap,
        shape: Option<&[usize]>,
    ) -> Arg {
        let shape = shape.unwrap_or_else(|| value.shape());
        let same = |leaf: &Leaf| leaf.source == source && leaf.map == *map && *leaf.shape == *shape;
        if let Some(number) = self.leaves.iter().position(same) {
            return Arg::Leaf(number as u32);
        }
        self.leaves.push(Leaf {
            source,
            map: map.clone(),
            shape: Few::from_slice(shape),
            dtype: value.dtype(),
        });
        self.program.leaf(value.dtype())
    }
}
