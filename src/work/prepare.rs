//! Programs made ready to run: every instruction with its kernel looked up.

use std::sync::Arc;

use smallvec::smallvec;

use super::chain::{self, Chain, End, Folded};
use super::scaled::Scaling;
use crate::base::dtype::DType;
use crate::base::few::{Few, few};
use crate::base::index_map::AxisMap;
use crate::graph::env::Env;
use crate::graph::stage::{Fused, Leaf};
use crate::kernel::chain::{Does, links_of};
use crate::kernel::elementwise::{Form, PairFn, TileFn, cast, elementwise, select, sin_cos};
use crate::kernel::level::{Level, level};
use crate::kernel::reduce::{TogetherFn, together};
use crate::op::closure::TileMap;
use crate::op::program::{Arg, Func, Instr};
use crate::op::table::Op;

/// A fused program, ready to run on tiles.
pub struct Prepared {
    pub steps: Vec<Step>,
    /// The end of the steps once more, for sums.
    pub folded: Option<Folded>,
    /// What the program is if it only scales and shifts a leaf.
    pub scaling: Option<Scaling>,
    /// Takes rows of values into the states of several folds.
    pub together: Option<TogetherFn>,
    /// The bytes of the constants, each at the start of its cell.
    pub consts: Few<[u8; 16], 2>,
    pub outputs: Few<OutputArg, 2>,
    pub slots: usize,
    pub widest: usize,
    /// The elements of a tile.
    pub tile: usize,
    pub scalar_leaves: Few<bool, 8>,
}

pub struct Step {
    pub call: Call,
    pub args: Few<StepArg, 3>,
    pub out: Target,
    /// Where the second result goes, of steps that have one.
    pub second_out: Option<Target>,
    pub out_size: usize,
    /// One element for the whole tile: all operands are scalars.
    pub scalar: bool,
    /// The part of the program's time that it takes, roughly, of [`Step::WHOLE`].
    pub share: usize,
    /// What it does as a part of a chain, if it can be one.
    pub cheap: Option<Cheap>,
}

/// A cheap operation: its links with the accumulator as the first operand and as the second.
#[derive(Clone, Copy)]
pub struct Cheap {
    pub dtype: DType,
    pub links: [Does; 2],
}

impl Cheap {
    /// Whether it is not as cheap as the others.
    pub fn is_function(&self) -> bool {
        self.links[0].is_function()
    }
}

impl Step {
    pub const WHOLE: usize = 256;

    pub fn writes(&self, target: Target) -> bool {
        self.out == target || self.second_out == Some(target)
    }

    fn redirect(&mut self, from: Target, to: Target) {
        for out in std::iter::once(&mut self.out).chain(&mut self.second_out) {
            if *out == from {
                *out = to;
            }
        }
    }
}

/// Where a step writes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    Slot(u32),
    /// Straight into an output, which is in no slot.
    Output(usize),
}

pub enum Call {
    Kernel(TileFn),
    Pair(PairFn),
    Chain(Chain),
    Map(Arc<dyn TileMap>),
    /// Spreads a scalar over the tile, for kernels that want a run there.
    Splat,
}

#[derive(Clone, Copy, Debug)]
pub struct StepArg {
    pub arg: Arg,
    pub size: usize,
    pub scalar: bool,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct OutputArg {
    pub arg: Arg,
    pub size: usize,
    pub scalar: bool,
    /// Written by a step in place.
    pub direct: bool,
}

/// Whether a leaf is the same element everywhere.
fn is_scalar(leaf: &Leaf) -> bool {
    let constant =
        |axis: &AxisMap| matches!(axis, AxisMap::Affine { terms, .. } if terms.is_empty());
    leaf.map.axes().iter().all(constant)
}

impl Prepared {
    pub fn new(fused: &Fused, env: &Env) -> Prepared {
        let level = level();
        let program = &fused.program;
        let scalar_leaves: Few<bool, 8> = few(fused.leaves.iter().map(is_scalar));
        let mut slots = program.slots as usize;
        let mut scalar_slot: Few<bool, 8> = Few::from_elem(false, slots);
        let mut size_of_slot: Few<usize> = Few::from_elem(0, slots);
        let cost = program.cost();
        let mut steps: Vec<Step> = Vec::with_capacity(program.instrs.len());
        // Program outputs lie in slots that nothing overwrites after their last writer.
        for instr in &program.instrs {
            let mut args: Few<StepArg, 3> = Few::new();
            for &arg in &instr.args {
                args.push(match arg {
                    Arg::Leaf(n) => StepArg {
                        arg,
                        size: program.leaves[n as usize].size(),
                        scalar: scalar_leaves[n as usize],
                    },
                    Arg::Slot(n) => StepArg {
                        arg,
                        size: size_of_slot[n as usize],
                        scalar: scalar_slot[n as usize],
                    },
                    Arg::Const(n) => StepArg {
                        arg,
                        size: program.consts[n as usize].dtype().size(),
                        scalar: true,
                    },
                });
            }
            let scalar = args.iter().all(|arg| arg.scalar);
            let call = look_up(instr, &mut args, scalar, level, env, &mut |arg: StepArg| {
                slots += 1;
                steps.push(Step {
                    call: Call::Splat,
                    args: smallvec![arg],
                    out: Target::Slot(slots as u32 - 1),
                    second_out: None,
                    out_size: arg.size,
                    scalar: false,
                    share: 0,
                    cheap: None,
                });
                StepArg {
                    arg: Arg::Slot(slots as u32 - 1),
                    size: arg.size,
                    scalar: false,
                }
            });
            let out_size = instr.out_dtype.size();
            scalar_slot.resize(slots, false);
            size_of_slot.resize(slots, 0);
            for out in instr.outs() {
                scalar_slot[out as usize] = scalar;
                size_of_slot[out as usize] = out_size;
            }
            steps.push(Step {
                call,
                args,
                out: Target::Slot(instr.out),
                second_out: instr.second_out.map(Target::Slot),
                out_size,
                scalar,
                share: (instr.func.cost() / cost * Step::WHOLE as f64) as usize,
                cheap: cheap(instr).filter(|_| !scalar),
            });
        }
        let outputs: Few<OutputArg, 2> = few(program.outputs.iter().map(|&arg| match arg {
            Arg::Leaf(n) => OutputArg {
                arg,
                size: program.leaves[n as usize].size(),
                scalar: scalar_leaves[n as usize],
                direct: false,
            },
            Arg::Slot(n) => OutputArg {
                arg,
                size: size_of_slot[n as usize],
                scalar: scalar_slot[n as usize],
                direct: false,
            },
            Arg::Const(n) => OutputArg {
                arg,
                size: program.consts[n as usize].dtype().size(),
                scalar: true,
                direct: false,
            },
        }));
        Prepared {
            steps,
            folded: None,
            scaling: None,
            together: None,
            consts: few(program.consts.iter().map(|scalar| scalar.to_bytes())),
            outputs,
            slots,
            widest: program.widest(),
            tile: program.tile(),
            scalar_leaves,
        }
    }

    /// Lets the last step of each output that nobody else reads write in place. For stages that
    /// write arrays; reductions read their outputs from slots.
    pub fn write_in_place(&mut self) {
        for number in 0..self.outputs.len() {
            let OutputArg {
                arg: Arg::Slot(slot),
                scalar: false,
                ..
            } = self.outputs[number]
            else {
                continue;
            };
            if self
                .outputs
                .iter()
                .filter(|output| output.arg == Arg::Slot(slot))
                .count()
                > 1
            {
                continue;
            }
            let Some(writer) = self
                .steps
                .iter()
                .rposition(|step| step.writes(Target::Slot(slot)))
            else {
                continue;
            };
            let read_later = self.steps[writer + 1..]
                .iter()
                .any(|step| step.args.iter().any(|arg| arg.arg == Arg::Slot(slot)));
            if !read_later {
                self.steps[writer].redirect(Target::Slot(slot), Target::Output(number));
                self.outputs[number].direct = true;
            }
        }
    }

    /// Whether there is nothing but a chain: memory is read while it computes.
    pub fn is_chain(&self) -> bool {
        matches!(
            self.steps[..],
            [] | [Step {
                call: Call::Chain(_),
                ..
            }]
        )
    }

    /// Joins cheap steps into chains; the program must not be changed any more.
    pub fn join(&mut self, fused: &Fused, end: End) {
        let level = level();
        let steps = std::mem::take(&mut self.steps);
        self.steps = chain::join(steps, &self.outputs, level, end);
        if end != End::Arrays && !self.outputs.is_empty() {
            let dtype = fused.program.output_dtype(0);
            self.together = together(level);
            self.folded = chain::folded(&self.steps, &self.outputs, dtype, level);
        }
        self.scaling = Scaling::of(self, fused);
    }
}

fn cheap(instr: &Instr) -> Option<Cheap> {
    let links = match instr.func {
        Func::Op(op) => links_of(op)?,
        Func::SinCos => [Does::SinCos; 2],
        _ => return None,
    };
    let dtype = instr.dtype;
    matches!(dtype, DType::F32 | DType::F64).then_some(Cheap { dtype, links })
}

/// The kernel for the forms that the operands have; operands that no kernel takes as they are get
/// `splat`.
fn look_up(
    instr: &Instr,
    args: &mut [StepArg],
    scalar: bool,
    level: Level,
    env: &Env,
    splat: &mut dyn FnMut(StepArg) -> StepArg,
) -> Call {
    match instr.func {
        Func::Map(number) => Call::Map(env.maps[number as usize].clone()),
        Func::Cast => Call::Kernel(cast(instr.dtype, instr.out_dtype, level)),
        Func::SinCos => Call::Pair(
            sin_cos(instr.dtype, level).expect("only instructions of real operands are joined"),
        ),
        Func::Op(Op::Select) => {
            if args[0].scalar && !scalar {
                args[0] = splat(args[0]);
            }
            Call::Kernel(select(
                instr.dtype,
                args[1].scalar && !scalar,
                args[2].scalar && !scalar,
                level,
            ))
        }
        Func::Op(op) => {
            let form = form(args, scalar);
            let found = form.and_then(|form| elementwise(op, instr.dtype, form, level));
            if let Some(kernel) = found {
                return Call::Kernel(kernel);
            }
            // A commutative op has no scalar·vector form of its own.
            if form == Some(Form::ScalarVector) && op.is_commutative() {
                args.swap(0, 1);
                if let Some(kernel) = elementwise(op, instr.dtype, Form::VectorScalar, level) {
                    return Call::Kernel(kernel);
                }
            }
            for arg in args.iter_mut().filter(|arg| arg.scalar && !scalar) {
                *arg = splat(*arg);
            }
            Call::Kernel(
                elementwise(op, instr.dtype, Form::Vector, level)
                    .expect("an op without a meaning for its dtype was refused when it was built"),
            )
        }
    }
}

fn form(args: &[StepArg], scalar: bool) -> Option<Form> {
    let pattern: Few<bool, 8> = few(args.iter().map(|arg| arg.scalar && !scalar));
    match pattern[..] {
        [_] | [false, false] | [false, false, false] => Some(Form::Vector),
        [false, true] | [false, true, true] => Some(Form::VectorScalar),
        [true, false] => Some(Form::ScalarVector),
        _ => None,
    }
}
