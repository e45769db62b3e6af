//! Straight-line programs over tiles: what a stage does to each element.

use std::collections::HashMap;
use std::fmt;

use super::table::Op;
use super::tree::RUN;
use crate::base::dtype::DType;
use crate::base::scalar::Scalar;

/// What an instruction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Func {
    Op(Op),
    /// To the dtype of the instruction's output.
    Cast,
    /// A user's function, by its number in the environment.
    Map(u32),
}

/// Where an operand comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arg {
    Leaf(u32),
    Slot(u32),
    Const(u32),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instr {
    pub func: Func,
    /// The dtype of the operands (of the last one, for `Select`).
    pub dtype: DType,
    pub args: Vec<Arg>,
    /// The slot that is written.
    pub out: u32,
    pub out_dtype: DType,
}

/// A straight-line program: leaves and constants in, outputs out, temporaries in slots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    pub leaves: Vec<DType>,
    pub consts: Vec<Scalar>,
    pub instrs: Vec<Instr>,
    pub outputs: Vec<Arg>,
    /// The number of slots that are alive at once.
    pub slots: u32,
}

/// A tile's bytes per operand: what the operands of a few instructions share L1 with.
const TILE_BYTES: usize = 8 << 10;

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
                let writer = self.instrs.iter().rfind(|instr| instr.out == n);
                writer.map_or(DType::Bool, |instr| instr.out_dtype)
            }
        }
    }

    /// The elements of a tile: at least a run of a reduction, which is folded at once.
    pub fn tile(&self) -> usize {
        (TILE_BYTES / self.widest()).max(RUN)
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
        tiles * (tile * self.widest()).next_multiple_of(64)
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
        }
    }
}

/// Builds a program in evaluation order; temporaries get slots by linear scan at the end.
#[derive(Debug, Default)]
pub struct ProgramBuilder {
    leaves: Vec<DType>,
    consts: Vec<Scalar>,
    const_numbers: HashMap<Scalar, u32>,
    instrs: Vec<Instr>,
    outputs: Vec<Arg>,
}

impl ProgramBuilder {
    pub fn leaf(&mut self, dtype: DType) -> Arg {
        self.leaves.push(dtype);
        Arg::Leaf(self.leaves.len() as u32 - 1)
    }

    pub fn constant(&mut self, value: Scalar) -> Arg {
        let consts = &mut self.consts;
        Arg::Const(*self.const_numbers.entry(value).or_insert_with(|| {
            consts.push(value);
            consts.len() as u32 - 1
        }))
    }

    pub fn constant_value(&self, number: u32) -> Scalar {
        self.consts[number as usize]
    }

    /// Adds an instruction and gives where its result will be.
    pub fn push(&mut self, func: Func, dtype: DType, args: Vec<Arg>, out_dtype: DType) -> Arg {
        let out = self.instrs.len() as u32;
        self.instrs.push(Instr {
            func,
            dtype,
            args,
            out,
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
        let mut last_use = vec![0usize; instrs.len()];
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
        let mut slot_of = vec![0u32; instrs.len()];
        let mut free: Vec<u32> = Vec::new();
        let mut slots = 0;
        for at in 0..instrs.len() {
            let slot = free.pop().unwrap_or_else(|| {
                slots += 1;
                slots - 1
            });
            slot_of[at] = slot;
            let mut ended: Vec<u32> = Vec::new();
            for arg in &mut instrs[at].args {
                if let Arg::Slot(value) = arg {
                    let value = *value as usize;
                    *arg = Arg::Slot(slot_of[value]);
                    if last_use[value] == at && !ended.contains(&slot_of[value]) {
                        ended.push(slot_of[value]);
                    }
                }
            }
            instrs[at].out = slot;
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

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, instr) in self.instrs.iter().enumerate() {
            let comma = if at == 0 { "" } else { "; " };
            write!(f, "{comma}s{} = {}(", instr.out, instr.func.name())?;
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
        }
    }
}
