//! Computations of few elements, without a plan: node after node, on the calling thread. Planning them takes several
//! times as long as doing them.
//!
//! The kernels are those of tasks, so that the bits are, too. What is not as simple as that is planned.

use std::mem::MaybeUninit;

use super::engine::Engine;
use crate::base::few::Few;
use crate::base::scalar::Scalar;
use crate::error::Result;
use crate::exec::RunReport;
use crate::kernel::elementwise::{Form, cast as cast_tile, elementwise};
use crate::kernel::level::level;
use crate::kernel::reduce;
use crate::op::fold::Rows;
use crate::op::generate::Generate;
use crate::op::scalar::cast::cast;
use crate::op::table::{Op, evaluate};
use crate::op::tree::{Mode, Tree};
use crate::plan::node::{
    ElementFunc, Elementwise, Node, NodeKind, Operand, Reduce, Reduction, Value,
};
use crate::plan::walk::Walk;

/// The elements of any value at most.
const MOST: usize = 256;
/// The nodes at most.
const NODES: usize = 12;
/// Room for all values, in words of 16 bytes: the largest elements' size.
const ROOM: usize = 512;
/// A plan needs less of an engine that has as much. Whether one that has less may compute is a question for planning.
const LEAST_MEMORY: u64 = 16 << 20;

/// Computes nodes into room on the stack.
struct Evaluator {
    /// Of [`ROOM`] words, which outlives this and is touched by nobody else.
    room: *mut u128,
    /// The words that have been given away.
    used: usize,
    bytes_read: u64,
}

/// A value of a node: C order, or a single element for all.
#[derive(Clone, Copy)]
enum Held {
    One(Scalar),
    /// The only element, which is in memory.
    Same(*const u8),
    Each(*const u8),
}

/// What the computation was.
pub(super) struct AtOnce {
    pub report: RunReport,
    pub bytes_read: u64,
}

/// Computes a value, if it is made of few elements in simple ways; `place` is then asked once for room for its elements
/// in C order.
///
/// # Safety
/// The room must be there, and touched by nobody else meanwhile.
pub(super) unsafe fn compute(
    engine: &Engine,
    value: &Value,
    place: impl FnOnce() -> Result<*mut u8>,
) -> Result<Option<AtOnce>> {
    let few = |value: &Value| (1..=MOST).contains(&value.shape().iter().product());
    if !few(value)
        || !value.node.inputs.iter().all(few)
        || engine.memory() < LEAST_MEMORY
        || engine.cancel.is_some()
        || !engine.off.is_empty()
        || engine.is_observed()
        || is_deep(value)
    {
        return Ok(None);
    }
    let walk = Walk::new(std::slice::from_ref(value));
    if walk.order.len() > NODES {
        return Ok(None);
    }
    let mut room = [const { MaybeUninit::<u128>::uninit() }; ROOM];
    let mut evaluator = Evaluator {
        room: room.as_mut_ptr().cast(),
        used: 0,
        bytes_read: 0,
    };
    let mut held: Few<Held, NODES> = Few::new();
    for node in &walk.order {
        let Some(one) = evaluator.node(node, |input| held[walk.number(&input.node)]) else {
            return Ok(None);
        };
        held.push(one);
    }
    let to = place()?;
    let n = value.shape().iter().product();
    let from = held[walk.number(&value.node)];
    // SAFETY: the value has `n` elements, and the caller promised room for them.
    unsafe { spread(from, n, value.dtype().size(), to) };
    let bytes = (evaluator.used * size_of::<u128>()) as u64;
    Ok(Some(AtOnce {
        report: RunReport {
            tasks: 1,
            planned_peak: bytes,
            held_peak: bytes,
            outside_promise: false,
            lost_observers: 0,
        },
        bytes_read: evaluator.bytes_read,
    }))
}

/// Whether there are more nodes than are computed here already on the way along first inputs: a plan may be a million
/// nodes deep, and whoever plans it walks over it again.
fn is_deep(value: &Value) -> bool {
    let way = std::iter::successors(Some(value), |value| value.node.inputs.first());
    way.take(NODES + 1).count() > NODES
}

/// Writes `n` elements of a value, of `size` bytes each.
///
/// # Safety
/// The value must have as many, and `to` room for them.
unsafe fn spread(from: Held, n: usize, size: usize, to: *mut u8) {
    let bytes;
    let one = match from {
        Held::One(scalar) => {
            bytes = scalar.to_bytes();
            bytes.as_ptr()
        }
        Held::Same(one) => one,
        // SAFETY: the caller's promise.
        Held::Each(first) => return unsafe { first.copy_to_nonoverlapping(to, n * size) },
    };
    for i in 0..n {
        // SAFETY: as above.
        unsafe { one.copy_to_nonoverlapping(to.add(i * size), size) };
    }
}

impl Evaluator {
    /// Room for some bytes.
    fn take(&mut self, bytes: usize) -> Option<*mut u8> {
        let first = self.room.wrapping_add(self.used);
        self.used += bytes.div_ceil(size_of::<u128>());
        (self.used <= ROOM).then_some(first.cast())
    }

    fn node(&mut self, node: &Node, of: impl Fn(&Value) -> Held) -> Option<Held> {
        let [spec] = &node.outputs[..] else {
            return None;
        };
        let n: usize = spec.shape.iter().product();
        if !(1..=MOST).contains(&n) {
            return None;
        }
        match &node.kind {
            NodeKind::Generate(Generate::Fill(scalar)) => Some(Held::One(*scalar)),
            NodeKind::Memory(memory) => {
                let size = spec.dtype.size();
                let is_aligned = memory.first().addr().is_multiple_of(size.min(8));
                self.bytes_read += (n * size) as u64;
                (memory.is_c_order() && is_aligned).then(|| Held::Each(memory.first()))
            }
            // The same elements in the same order.
            NodeKind::Reshape | NodeKind::Rechunk => Some(of(&node.inputs[0])),
            NodeKind::Index(_) => match of(&node.inputs[0]) {
                Held::Each(first) => (node.inputs[0].shape().iter().product::<usize>() == 1)
                    .then_some(Held::Same(first)),
                same => Some(same),
            },
            NodeKind::Elementwise(function) => self.elementwise(node, function, n, of),
            NodeKind::Reduce(reduce) => self.reduce(node, reduce, n, of),
            _ => None,
        }
    }

    fn elementwise(
        &mut self,
        node: &Node,
        function: &Elementwise,
        n: usize,
        of: impl Fn(&Value) -> Held,
    ) -> Option<Held> {
        let to = node.outputs[0].dtype;
        let mut args: Few<Held, 3> = Few::new();
        let mut dtypes = Few::<_, 3>::new();
        for arg in &function.args {
            let (arg, dtype) = match *arg {
                Operand::Const(scalar) => (Held::One(scalar), scalar.dtype()),
                Operand::Input(input) => {
                    let input = &node.inputs[input];
                    (of(input), input.dtype())
                }
            };
            args.push(arg);
            dtypes.push(dtype);
        }
        if dtypes.iter().any(|&dtype| dtype != dtypes[0]) {
            return None;
        }
        let constants: Option<Few<Scalar, 3>> = args
            .iter()
            .map(|arg| match arg {
                Held::One(scalar) => Some(*scalar),
                _ => None,
            })
            .collect();
        if let Some(constants) = constants {
            return match &function.func {
                ElementFunc::Op(op) => evaluate(*op, &constants).map(Held::One),
                ElementFunc::Cast => Some(Held::One(cast(constants[0], to))),
                ElementFunc::Map(_) => None,
            };
        }
        let is_each = |held: &Held| matches!(held, Held::Each(_));
        let n = if args.iter().any(is_each) { n } else { 1 };
        let (kernel, swaps) = match function.func {
            ElementFunc::Op(Op::Select) | ElementFunc::Map(_) => return None,
            ElementFunc::Cast => (cast_tile(dtypes[0], to, level()), false),
            ElementFunc::Op(op) => {
                let single: Few<bool, 3> = args.iter().map(|arg| n > 1 && !is_each(arg)).collect();
                let (form, swaps) = match single[..] {
                    [_] | [false, false] => (Form::Vector, false),
                    [false, true] => (Form::VectorScalar, false),
                    [true, false] if op.is_commutative() => (Form::VectorScalar, true),
                    [true, false] => (Form::ScalarVector, false),
                    _ => return None,
                };
                (elementwise(op, dtypes[0], form, level())?, swaps)
            }
        };
        if swaps {
            args.swap(0, 1);
        }
        let mut places = [std::ptr::null(); 3];
        for (place, arg) in places.iter_mut().zip(&args) {
            *place = match *arg {
                Held::One(_) => {
                    let one = self.take(size_of::<u128>())?;
                    // SAFETY: there is room for an element of any type.
                    unsafe { spread(*arg, 1, dtypes[0].size(), one) };
                    one
                }
                Held::Same(first) | Held::Each(first) => first,
            };
        }
        let out = self.take(n * to.size())?;
        // SAFETY: every operand has `n` elements, or one as the form says; so has the room, which is apart from them. All
        // is aligned, and the machine has the level.
        unsafe { kernel(n, &places, out) };
        Some(if n > 1 || args.iter().any(is_each) {
            Held::Each(out)
        } else {
            Held::Same(out)
        })
    }

    /// Reductions of a single run to a single element.
    fn reduce(
        &mut self,
        node: &Node,
        reduce: &Reduce,
        n: usize,
        of: impl Fn(&Value) -> Held,
    ) -> Option<Held> {
        let Reduction::Op(op) = reduce.reducer else {
            return None;
        };
        let [input] = &node.inputs[..] else {
            return None;
        };
        if n != 1 || reduce.masked || !is_one_run(&reduce.tree) {
            return None;
        }
        let (count, dtype) = (reduce.tree.count(), input.dtype());
        let values = match of(input) {
            Held::Each(first) => first,
            one => {
                let all = self.take(count * dtype.size())?;
                // SAFETY: there is room for so many.
                unsafe { spread(one, count, dtype.size(), all) };
                all
            }
        };
        let fold = reduce::fold(op, dtype, false, level())?;
        let out = self.take(fold.output().size())?;
        let mut states = fold.states(1);
        let rows = Rows {
            values,
            rows: 1,
            width: count,
            stride: count as isize,
            ..Rows::none(1)
        };
        // SAFETY: the row has `count` values of the fold's type, and there is room for a result. An error is found, and
        // said, by whoever plans it.
        unsafe {
            fold.runs(&rows, &[count], 0, &mut states, 0, 1);
            fold.finish(&states, 0, 1, count as u64, out).ok()?;
        }
        Some(Held::Same(out))
    }
}

/// Whether all elements are folded as one run of a line.
fn is_one_run(tree: &Tree) -> bool {
    let shape = |&axis: &usize| tree.shape()[axis];
    matches!(tree.mode(), Mode::Lines { .. })
        && tree.runs().count() == 1
        && tree.outer_axes().iter().map(shape).product::<usize>() == 1
}
