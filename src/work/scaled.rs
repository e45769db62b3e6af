//! Programs that do nothing but scale and shift numbers: drawn ones become that in the registers they are drawn in.

use super::prepare::{Call, Prepared, Step, Target};
use crate::base::dtype::DType;
use crate::graph::stage::Fused;
use crate::kernel::chain::{Does, Link, Of};
use crate::op::program::Arg;

/// `x * scale + shift` of a leaf of `float64`, each step rounded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scaling {
    pub leaf: usize,
    pub scale: f64,
    pub shift: f64,
}

impl Scaling {
    /// What the program is, if it has one output and is nothing else.
    pub fn of(prepared: &Prepared, fused: &Fused) -> Option<Scaling> {
        let [step] = &prepared.steps[..] else {
            return None;
        };
        let Call::Chain(chain) = &step.call else {
            return None;
        };
        let (load, links) = chain.links.split_first()?;
        let (store, links) = links.split_last()?;
        let Arg::Leaf(leaf) = step.args.get(usize::from(load.operand))?.arg else {
            return None;
        };
        if (load.does, load.of, store.does) != (Does::Load, Of::Elements, Does::Store)
            || prepared.outputs.len() != 1
            || chain.outs[..] != [Target::Output(0)]
            || fused.leaves[leaf as usize].dtype != DType::F64
        {
            return None;
        }
        let constant = |link: &Link| constant(prepared, step, link);
        let shift_of = |link: &Link| match link.does {
            Does::Add => constant(link),
            // The same bits: a number's negative is exact.
            Does::Subtract => Some(-constant(link)?),
            _ => None,
        };
        let scale_of = |link: &Link| match link.does {
            Does::Multiply => constant(link),
            _ => None,
        };
        // A factor of 1 and a term of -0 change no bit.
        let (scale, shift) = match links {
            [one] => match scale_of(one) {
                Some(scale) => (scale, -0.0),
                None => (1.0, shift_of(one)?),
            },
            [first, second] => (scale_of(first)?, shift_of(second)?),
            _ => return None,
        };
        Some(Scaling {
            leaf: leaf as usize,
            scale,
            shift,
        })
    }
}

/// The constant that a link's operand is.
fn constant(prepared: &Prepared, step: &Step, link: &Link) -> Option<f64> {
    match step.args.get(usize::from(link.operand))?.arg {
        Arg::Const(number) if link.of == Of::One => {
            let [low, _] = prepared.consts[number as usize].as_chunks::<8>().0 else {
                return None;
            };
            Some(f64::from_ne_bytes(*low))
        }
        _ => None,
    }
}
