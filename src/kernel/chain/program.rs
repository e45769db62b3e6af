//! What is done to each block of a chain's operands.

// Registers of a block are indexed alike.
#![allow(clippy::needless_range_loop)]

use super::functions::FunctionsOf;
use super::registers::Registers;
use super::{Does, Link, Of, Operand};
use crate::op::program::BLOCK_BYTES;

/// How the registers of a block are found in the operands.
pub(super) trait View<V: Registers, const W: usize>: Copy {
    /// # Safety
    /// The operand must hold the block.
    unsafe fn load(self, operand: &Operand) -> [V; W];

    /// # Safety
    /// As for `load`, and the operand may be written.
    unsafe fn store(self, operand: &Operand, registers: [V; W]);

    /// Asks for what is loaded of the next row, unless the caller does.
    #[inline(always)]
    fn ask(self, _: &Operand) {}
}

/// What becomes of a block.
pub(super) trait Program {
    /// Whether the links are known to the compiler, and blocks of many widths are not much code.
    const KNOWN: bool;

    /// The accumulator of `W` registers after all links.
    ///
    /// # Safety
    /// As for [`ChainFn`](super::ChainFn); the block must lie within the operands, and the links be those of the program.
    unsafe fn block<V: Registers, const W: usize, F: FunctionsOf<V>>(
        links: &[Link],
        operands: &[Operand],
        view: impl View<V, W>,
        functions: &mut F,
    ) -> [V; W];
}

/// Any links: what they do is asked for each block.
///
/// Functions take so many registers that, where they are compiled in, others have to be stored: chains without them
/// have an interpreter without them.
pub(super) struct Interpreted;

impl Program for Interpreted {
    const KNOWN: bool = false;

    #[inline(always)]
    unsafe fn block<V: Registers, const W: usize, F: FunctionsOf<V>>(
        links: &[Link],
        operands: &[Operand],
        view: impl View<V, W>,
        functions: &mut F,
    ) -> [V; W] {
        let mut results = Results::new();
        // SAFETY: the caller's promise.
        unsafe { results.steps(links, operands, view, functions) };
        results.a
    }
}

/// What is in registers between the links of a block.
pub(super) struct Results<V, const W: usize> {
    /// The accumulator.
    pub a: [V; W],
    /// The second result of the last function.
    second: [V; W],
}

impl<V: Registers, const W: usize> Results<V, W> {
    #[inline(always)]
    pub fn new() -> Results<V, W> {
        Results {
            a: [V::zero(); W],
            second: [V::zero(); W],
        }
    }

    /// Does what the links say, one after the other; the first one loads.
    ///
    /// # Safety
    /// As for [`Program::block`].
    #[inline(always)]
    pub unsafe fn steps<F: FunctionsOf<V>>(
        &mut self,
        links: &[Link],
        operands: &[Operand],
        view: impl View<V, W>,
        functions: &mut F,
    ) {
        for &link in links {
            // SAFETY: the caller's promise.
            unsafe { self.step(link, operands, view, functions) };
        }
    }

    /// Does what one link says.
    ///
    /// # Safety
    /// As for [`Program::block`].
    #[inline(always)]
    pub unsafe fn step<F: FunctionsOf<V>>(
        &mut self,
        link: Link,
        operands: &[Operand],
        view: impl View<V, W>,
        functions: &mut F,
    ) {
        let Results { a, second } = self;
        // Blocks of scratch have no more room.
        const { assert!(W * size_of::<V>() <= BLOCK_BYTES) };
        // SAFETY: links name operands that there are, and these hold the block.
        unsafe {
            let operand = operands.get_unchecked(usize::from(link.operand));
            macro_rules! all {
                (|$a:ident| $result:expr) => {
                    for i in 0..W {
                        let $a = a[i];
                        a[i] = $result;
                    }
                };
                (|$a:ident, $x:ident| $result:expr) => {
                    if link.of == Of::One {
                        let $x = V::splat(operand.first.cast::<V::Item>().read());
                        all!(|$a| $result);
                    } else {
                        let x = match link.of {
                            Of::Second if F::SOME => *second,
                            _ => view.load(operand),
                        };
                        for i in 0..W {
                            let ($a, $x) = (a[i], x[i]);
                            a[i] = $result;
                        }
                    }
                };
            }
            match link.does {
                Does::Load => all!(|_a, x| x),
                Does::LoadAhead | Does::SinCos | Does::Exp | Does::Log if !F::SOME => {
                    unreachable!("a chain with functions has an interpreter with functions")
                }
                Does::LoadAhead => {
                    view.ask(operand);
                    all!(|_a, x| x);
                }
                Does::LoadSquare => all!(|_a, x| x.multiply(x)),
                Does::Store => view.store(operand, *a),
                Does::Add => all!(|a, x| a.add(x)),
                Does::AddSquare => all!(|a, x| a.add(x.multiply(x))),
                Does::Subtract => all!(|a, x| a.subtract(x)),
                Does::SubtractFrom => all!(|a, x| x.subtract(a)),
                Does::Multiply => all!(|a, x| a.multiply(x)),
                Does::Divide => all!(|a, x| a.divide(x)),
                Does::DivideInto => all!(|a, x| x.divide(a)),
                Does::Negate => all!(|a| a.negate()),
                Does::Absolute => all!(|a| a.absolute()),
                Does::Square => all!(|a| a.multiply(a)),
                Does::SquareRoot => all!(|a| a.square_root()),
                Does::Exp => *a = functions.exp(*a),
                Does::Log => *a = functions.log(*a),
                Does::SinCos => {
                    (*a, *second) = functions.sin_cos(*a);
                    if link.of != Of::Second {
                        view.store(operand, *second);
                    }
                }
            }
        }
    }
}
