//! Chains that are known when this crate is compiled: the short ones that are met most. Asking for each block what to
//! do would take as long as doing it.

use super::functions::FunctionsOf;
use super::machine::sums_of;
use super::program::{Program, Results, View};
use super::registers::Registers;
use super::{Does, Link, Of, Operand, Sums};
use crate::kernel::level::Level;

macro_rules! known {
    ($($name:ident: $($does:ident $of:ident),*;)*) => {
        $(
            struct $name;

            impl Program for $name {
                const KNOWN: bool = true;

                #[inline(always)]
                unsafe fn block<V: Registers, const W: usize, F: FunctionsOf<V>>(
                    links: &[Link],
                    operands: &[Operand],
                    view: impl View<V, W>,
                    functions: &mut F,
                ) -> [V; W] {
                    let mut results = Results::new();
                    let mut links = links.iter();
                    $(
                        // SAFETY: the caller's promise: the chain has these links.
                        unsafe {
                            let operand = links.next().unwrap_unchecked().operand;
                            let link = Link { does: Does::$does, of: Of::$of, operand };
                            results.step(link, operands, view, functions);
                        }
                    )*
                    results.a
                }
            }
        )*

        /// What the links of each of them do.
        #[cfg(test)]
        pub const ALL: &[&[(Does, Of)]] = &[$(&[$((Does::$does, Of::$of)),*]),*];

        /// Its sums, if the chain is known.
        pub fn sums(links: &[Link], level: Level) -> Option<Sums> {
            $(
                if is(links, &[$((Does::$does, Of::$of)),*]) {
                    return sums_of::<$name>(level);
                }
            )*
            None
        }
    };
}

// Of what is summed; each of them is compiled for all levels and orders of its operands.
known! {
    Sum: Load Elements, Add Elements;
    Difference: Load Elements, Subtract Elements;
    Product: Load Elements, Multiply Elements;
    Distance: Load Elements, Subtract Elements, Square Elements;
    Shifted: Load Elements, Add One;
    DistanceToOne: Load Elements, Subtract One, Square Elements;
    ShiftedScaled: Load Elements, Add One, Multiply One;
    Affine: Load One, Multiply Elements, Add One;
}

fn is(links: &[Link], known: &[(Does, Of)]) -> bool {
    links.len() == known.len()
        && links
            .iter()
            .zip(known)
            .all(|(link, known)| (link.does, link.of) == *known)
}
