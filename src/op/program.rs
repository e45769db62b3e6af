//! Straight-line programs over tiles: what a stage does to each element.

use std::fmt;

use foldhash::{HashMap, HashMapExt};

use super::table::Op;
use super::tree::RUN;
use crate::base::dtype::DType;
use crate::base::few::Few;
use crate::base::lookup::Lookup;
use crate::base::scalar::Scalar;

/// What an instruction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Func {
    Op(Op),
    /// To the dtype of the instruction's output.
    Cast,
    /// A user's function, by its number in the environment.
    Map(u32),
    /// The sine, and in a second slot the cosine, of one real operand: the bits of `Sin` and of `Cos`.
    SinCos,
}

/// Where an operand comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arg {
    Leaf(u32),
    Slot(u32),
    Const(u32),
}

impl Default for Arg {
    fn default() -> Arg {
        Arg::Const(0)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instr {
    pub func: Func,
    /// The dtype of the operands (of the last one, for `Select`).
    pub dtype: DType,
    pub args: Few<Arg, 3>,
    /// The slot that is written.
    pub out: u32,
    /// The slot of the second result, of instructions that have one; its dtype is that of the first.
    pub second_out: Option<u32>,
    pub out_dtype: DType,
}

impl Instr {
    /// The slots that are written.
    pub fn outs(&self) -> impl Iterator<Item = u32> {
        std::iter::once(self.out).chain(self.second_out)
    }
}

/// A straight-line program: leaves and constants in, outputs out, temporaries in slots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    pub leaves: Few<DType, 8>,
    pub consts: Few<Scalar, 2>,
    pub instrs: Vec<Instr>,
    pub outputs: Few<Arg, 2>,
    /// The number of slots that are alive at once.
    pub slots: u32,
}

/// A tile's bytes per operand: what the operands of a few instructions share L1 with.
const TILE_BYTES: usize = 8 << 10;

/// What a chain of cheap instructions works on at once, at most.
pub const BLOCK_BYTES: usize = 512;

impl Program {
    /// The bytes of an element of the widest operand.
    pub fn widest(&self) -> usize {
        let leaves = self.leaves.iter().map(|dtype| dtype.size());
        leaves
            .chain(self.instrs.iter().map(|instr| instr.out_dtype.size()))
            .max()
            .unwrap_or(8)
    }

    pub fn output_dtype(&self, number: usize) -> DType {
        match self.outputs[number] {
            Arg::Leaf(n) => self.leaves[n as usize],
            Arg::Const(n) => self.consts[n as usize].dtype(),
            Arg::Slot(n) => {
                let writer = self
                    .instrs
                    .iter()
                    .rfind(|instr| instr.outs().any(|out| out == n));
                writer.map_or(DType::Bool, |instr| instr.out_dtype)
            }
        }
    }

    /// The elements of a tile: at least a run of a reduction, which is folded at once.
    pub fn tile(&self) -> usize {
        // What is generated and folded as it is shares it with nothing.
        let bytes = if self.instrs.is_empty() {
            2 * TILE_BYTES
        } else {
            TILE_BYTES
        };
        (bytes / self.widest()).max(RUN)
    }

    /// The scratch bytes of one task, with tiles of so many elements: one for each slot and each leaf, and for the scalars that
    /// have to be spread out for a kernel of three operands or a sink.
    pub fn scratch(&self, tile: usize) -> usize {
        let spread: usize = self
            .instrs
            .iter()
            .filter(|instr| instr.args.len() > 2)
            .map(|instr| instr.args.len())
            .sum();
        let tiles = self.slots as usize + self.leaves.len() + spread + self.outputs.len();
        tiles * (tile * self.widest()).next_multiple_of(64) + self.instrs.len() * BLOCK_BYTES
    }

    /// The arithmetic of one element, in nanoseconds.
    pub fn cost(&self) -> f64 {
        self.instrs.iter().map(|instr| instr.func.cost()).sum()
    }
}

impl Func {
    pub fn cost(self) -> f64 {
        match self {
            Func::Op(op) => op.cost(),
            Func::Cast => 0.1,
            // Nobody knows: enough that a function is not inlined twice.
            Func::Map(_) => 50.0,
            Func::SinCos => 1.2,
        }
    }
}

/// Builds a program in evaluation order; temporaries get slots by linear scan at the end.
#[derive(Default)]
pub struct ProgramBuilder {
    leaves: Few<DType, 8>,
    consts: Few<Scalar, 2>,
    const_numbers: Lookup<Scalar, u32>,
    instrs: Vec<Instr>,
    outputs: Few<Arg, 2>,
}

impl ProgramBuilder {
    pub fn leaf(&mut self, dtype: DType) -> Arg {
        self.leaves.push(dtype);
        Arg::Leaf(self.leaves.len() as u32 - 1)
    }

    pub fn constant(&mut self, value: Scalar) -> Arg {
        if let Some(&number) = self.const_numbers.get(&value) {
            return Arg::Const(number);
        }
        let number = self.consts.len() as u32;
        self.consts.push(value);
        self.const_numbers.insert(value, number);
        Arg::Const(number)
    }

    pub fn constant_value(&self, number: u32) -> Scalar {
        self.consts[number as usize]
    }

    /// Adds an instruction and gives where its result will be.
    pub fn push(
        &mut self,
        func: Func,
        dtype: DType,
        args: impl Into<Few<Arg, 3>>,
        out_dtype: DType,
    ) -> Arg {
        let out = self.instrs.len() as u32;
        self.instrs.push(Instr {
            func,
            dtype,
            args: args.into(),
            out,
            second_out: None,
            out_dtype,
        });
        Arg::Slot(out)
    }

    pub fn output(&mut self, arg: Arg) {
        self.outputs.push(arg);
    }

    /// Until here every instruction has a slot of its own; now temporaries whose last reader has
    /// run give theirs on. A result never shares a slot with an operand of its own instruction.
    pub fn finish(self) -> Program {
        let ProgramBuilder {
            leaves,
            consts,
            mut instrs,
            mut outputs,
            ..
        } = self;
        let values = instrs.len();
        join_sin_cos(&mut instrs);
        let mut last_use: Few<usize> = Few::from_elem(0, values);
        for (at, instr) in instrs.iter().enumerate() {
            for arg in &instr.args {
                if let Arg::Slot(value) = arg {
                    last_use[*value as usize] = at;
                }
            }
        }
        for output in &outputs {
            if let Arg::Slot(value) = output {
                last_use[*value as usize] = usize::MAX;
            }
        }
        let mut slot_of: Few<u32> = Few::from_elem(0, values);
        let mut free: Few<u32> = Few::new();
        let mut slots = 0;
        for (at, instr) in instrs.iter_mut().enumerate() {
            for out in std::iter::once(&mut instr.out).chain(&mut instr.second_out) {
                let slot = free.pop().unwrap_or_else(|| {
                    slots += 1;
                    slots - 1
                });
                slot_of[*out as usize] = slot;
                *out = slot;
            }
            let mut ended: Few<u32> = Few::new();
            for arg in &mut instr.args {
                if let Arg::Slot(value) = arg {
                    let value = *value as usize;
                    *arg = Arg::Slot(slot_of[value]);
                    if last_use[value] == at && !ended.contains(&slot_of[value]) {
                        ended.push(slot_of[value]);
                    }
                }
            }
            free.extend(ended);
        }
        for output in &mut outputs {
            if let Arg::Slot(value) = output {
                *output = Arg::Slot(slot_of[*value as usize]);
            }
        }
        Program {
            leaves,
            consts,
            instrs,
            outputs,
            slots,
        }
    }
}

/// Makes one instruction of the sine and the cosine of the same real operand, at the place of the first.
fn join_sin_cos(instrs: &mut Vec<Instr>) {
    let is_sine = |instr: &Instr| match instr.func {
        Func::Op(Op::Sin) => Some(true),
        Func::Op(Op::Cos) => Some(false),
        _ => None,
    };
    if !instrs.iter().any(|instr| is_sine(instr) == Some(true)) {
        return;
    }
    let mut firsts: HashMap<(Arg, bool), usize> = HashMap::new();
    let mut joined = vec![false; instrs.len()];
    for at in 0..instrs.len() {
        let instr = &instrs[at];
        let Some(is_sine) = is_sine(instr) else {
            continue;
        };
        if !matches!(instr.dtype, DType::F32 | DType::F64) {
            continue;
        }
        let (operand, out) = (instr.args[0], instr.out);
        match firsts.remove(&(operand, !is_sine)) {
            Some(other) => {
                let first = &mut instrs[other];
                let (sine, cosine) = if is_sine {
                    (out, first.out)
                } else {
                    (first.out, out)
                };
                first.func = Func::SinCos;
                (first.out, first.second_out) = (sine, Some(cosine));
                joined[at] = true;
            }
            None => {
                firsts.insert((operand, is_sine), at);
            }
        }
    }
    let mut joined = joined.into_iter();
    instrs.retain(|_| !joined.next().unwrap_or(false));
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, instr) in self.instrs.iter().enumerate() {
            let comma = if at == 0 { "" } else { "; " };
            f.write_str(comma)?;
            for (i, out) in instr.outs().enumerate() {
                let comma = if i == 0 { "" } else { ", " };
                write!(f, "{comma}s{out}")?;
            }
            write!(f, " = {}(", instr.func.name())?;
            for (i, arg) in instr.args.iter().enumerate() {
                let comma = if i == 0 { "" } else { ", " };
                match arg {
                    Arg::Leaf(n) => write!(f, "{comma}x{n}")?,
                    Arg::Slot(n) => write!(f, "{comma}s{n}")?,
                    Arg::Const(n) => write!(f, "{comma}{}", self.consts[*n as usize])?,
                }
            }
            f.write_str(")")?;
        }
        Ok(())
    }
}

impl Func {
    pub fn name(self) -> &'static str {
        match self {
            Func::Op(op) => op.name(),
            Func::Cast => "cast",
            Func::Map(_) => "map",
            Func::SinCos => "sin_cos",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(build: impl FnOnce(&mut ProgramBuilder)) -> String {
        let mut builder = ProgramBuilder::default();
        build(&mut builder);
        builder.finish().to_string()
    }

    fn unary(builder: &mut ProgramBuilder, op: Op, dtype: DType, x: Arg) -> Arg {
        builder.push(Func::Op(op), dtype, vec![x], dtype)
    }

    #[test]
    fn sine_and_cosine_of_the_same_operand_are_one_instruction() {
        let both = |dtype| {
            text(|builder| {
                let (x, y) = (builder.leaf(dtype), builder.leaf(dtype));
                let cosine = unary(builder, Op::Cos, dtype, x);
                let other = unary(builder, Op::Sin, dtype, y);
                let square = unary(builder, Op::Square, dtype, cosine);
                let sine = unary(builder, Op::Sin, dtype, x);
                let sum = builder.push(Func::Op(Op::Add), dtype, vec![square, sine], dtype);
                let sum = builder.push(Func::Op(Op::Add), dtype, vec![sum, other], dtype);
                builder.output(sum);
            })
        };
        assert_eq!(
            both(DType::F64),
            "s0, s1 = sin_cos(x0); s2 = sin(x1); s3 = square(s1); s1 = add(s3, s0); s0 = add(s1, s2)"
        );
        // Complex numbers have no such kernel.
        assert_eq!(
            both(DType::Complex128),
            "s0 = cos(x0); s1 = sin(x1); s2 = square(s0); s0 = sin(x0); s3 = add(s2, s0); s0 = add(s3, s1)"
        );
    }

    #[test]
    fn both_results_may_be_outputs() {
        let mut builder = ProgramBuilder::default();
        let x = builder.leaf(DType::F32);
        let sine = unary(&mut builder, Op::Sin, DType::F32, x);
        let cosine = unary(&mut builder, Op::Cos, DType::F32, x);
        builder.output(cosine);
        builder.output(sine);
        let program = builder.finish();
        assert_eq!(*program.outputs, [Arg::Slot(1), Arg::Slot(0)]);
        assert_eq!(program.output_dtype(0), DType::F32);
        assert_eq!((program.slots, program.instrs.len()), (2, 1));
    }
}
