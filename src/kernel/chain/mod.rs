//! Chains: several cheap operations in one pass over memory, with what is between them in registers.
//!
//! A kernel per operation reads and writes the first-level cache once for each of them, and while it does, nothing
//! is fetched from memory. A chain is a small program for one accumulator of a few registers. Its
//! interpreter decides once per block of some dozen elements what to do, which costs less than storing
//! and loading them, and the processor fetches the operands of the next blocks meanwhile.

mod crossed;
mod functions;
mod known;
mod machine;
mod program;
mod registers;
#[cfg(target_arch = "x86_64")]
mod terms;
#[cfg(test)]
mod tests;

pub(in crate::kernel) use registers::Registers;

use crate::base::dtype::DType;
use crate::kernel::level::Level;
use crate::kernel::prefetch::Asking;
use crate::op::reducer::LANES;
use crate::op::table::Op;

/// What a link does to the accumulator `a`, with an operand `x` of as many elements or of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// `a = x`
    Load,
    /// `a = x`, and the same elements of the next row are asked of memory: while functions are computed, a processor
    /// does not see the next blocks
    LoadAhead,
    /// `a = x * x`
    LoadSquare,
    /// `x = a`
    Store,
    /// `a = a + x`
    Add,
    /// `a = a + x * x`, rounded twice
    AddSquare,
    /// `a = a - x`
    Subtract,
    /// `a = x - a`
    SubtractFrom,
    /// `a = a * x`
    Multiply,
    /// `a = a / x`
    Divide,
    /// `a = x / a`
    DivideInto,
    /// `a = -a`
    Negate,
    /// `a = |a|`
    Absolute,
    /// `a = a * a`
    Square,
    /// `a = √a`
    SquareRoot,
    /// `x = cos a`, and then `a = sin a`, as the kernel of both computes them
    SinCos,
    /// `a = e^a`
    Exp,
    /// `a = log a`
    Log,
}

impl Does {
    /// Whether it has an operand, that it reads.
    fn has_operand(self) -> bool {
        use Does::*;
        match self {
            Load | LoadAhead | LoadSquare | Add | AddSquare | Subtract | SubtractFrom => true,
            Multiply | Divide | DivideInto => true,
            Store | Negate | Absolute | Square | SquareRoot | SinCos | Exp | Log => false,
        }
    }

    /// Whether it needs no accumulator before it.
    #[cfg(target_arch = "x86_64")]
    fn loads(self) -> bool {
        matches!(self, Does::Load | Does::LoadAhead | Does::LoadSquare)
    }

    /// Whether it is a function, which only some chains have.
    pub fn is_function(self) -> bool {
        self == Does::SinCos || self.is_exponential()
    }

    /// Whether it is an exponential or a logarithm.
    pub fn is_exponential(self) -> bool {
        matches!(self, Does::Exp | Does::Log)
    }
}

/// What the operand of a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// As many elements as the chain is run for, or a block of scratch.
    Elements,
    /// One element.
    One,
    /// The second result of the last function, which is still in registers: nothing is read or stored.
    Second,
}

/// The links for an operation whose operands are the accumulator and, if it has two, another one:
/// with the accumulator as the first of them and as the second.
pub fn links_of(op: Op) -> Option<[Does; 2]> {
    Some(match op {
        Op::Add => [Does::Add; 2],
        Op::Subtract => [Does::Subtract, Does::SubtractFrom],
        Op::Multiply => [Does::Multiply; 2],
        Op::Divide => [Does::Divide, Does::DivideInto],
        Op::Negative => [Does::Negate; 2],
        Op::Abs => [Does::Absolute; 2],
        Op::Square => [Does::Square; 2],
        Op::Sqrt => [Does::SquareRoot; 2],
        Op::Exp => [Does::Exp; 2],
        Op::Log => [Does::Log; 2],
        _ => return None,
    })
}

/// One link of a chain. The operand is given by its number; links without one ignore it.
///
/// Interpreters read it at once, as a number of four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(4))]
pub struct Link {
    pub does: Does,
    pub of: Of,
    pub operand: u8,
}

impl Link {
    /// Without an operand.
    pub fn alone(does: Does) -> Link {
        Link {
            does,
            of: Of::Elements,
            operand: 0,
        }
    }

    /// Whether there is an operand besides the accumulator.
    pub fn has_operand(&self) -> bool {
        !matches!(
            self.does,
            Does::Negate | Does::Absolute | Does::Square | Does::SquareRoot | Does::Exp | Does::Log
        )
    }

    /// Whether the operand is read.
    pub fn reads(&self) -> bool {
        self.has_operand() && !matches!(self.does, Does::Store | Does::SinCos)
    }
}

/// Where an operand's elements are.
#[derive(Clone, Copy, Debug)]
pub struct Operand {
    first: *mut u8,
    /// All ones if it advances from block to block, else 0.
    mask: usize,
    /// The bytes from a row to the next, of what is run over rows.
    row: isize,
    /// The bytes from a column to the next, of what is [crossed](CrossedFn).
    column: isize,
}

impl Operand {
    /// As many elements as the chain is run for.
    pub fn vector(first: *const u8) -> Operand {
        Operand {
            first: first.cast_mut(),
            mask: usize::MAX,
            row: 0,
            column: 0,
        }
    }

    /// One element.
    pub fn single(first: *const u8) -> Operand {
        Operand {
            first: first.cast_mut(),
            mask: 0,
            row: 0,
            column: 0,
        }
    }

    /// Room for one block, of [`BLOCK_BYTES`](crate::op::program::BLOCK_BYTES), for what a chain stores only to load it again.
    pub fn scratch(first: *mut u8) -> Operand {
        Operand {
            first,
            mask: 0,
            row: 0,
            column: 0,
        }
    }

    /// So many bytes further on.
    pub fn advanced(self, bytes: usize) -> Operand {
        Operand {
            first: self.first.wrapping_add(bytes),
            ..self
        }
    }

    /// With so many bytes from a row to the next.
    pub fn rows(self, row: isize) -> Operand {
        Operand { row, ..self }
    }

    /// With so many bytes from a column to the next.
    pub fn columns(self, column: isize) -> Operand {
        Operand { column, ..self }
    }
}

/// Runs a chain, without functions unless it is one of [`ChainsWithFunctions`], over `n` elements.
///
/// # Safety
/// Every operand must be what it was said to be, aligned to the element type; an operand that is stored
/// to may overlap no other, unless it is the same; the machine must have the level that the function was
/// asked for.
pub type ChainFn = unsafe fn(links: &[Link], operands: &[Operand], n: usize);

/// Runs a chain and sums what is in the accumulator in the end: the elements up to the first of `ends`, from
/// there to the second, and so on, each run as [`Loops::fold_run`](super::reduce) sums it.
///
/// # Safety
/// As for [`ChainFn`], with as many elements as the last of `ends`; there must be as many sums as ends.
pub type SumFn = unsafe fn(links: &[Link], operands: &[Operand], ends: &[usize], sums: &mut [f64]);

/// Runs a chain over rows of `n` elements, and adds what is in the accumulator to `sums`, one per column, row after
/// row.
///
/// # Safety
/// As for [`ChainFn`], for each row; there must be `n` sums.
pub type AddRowsFn =
    unsafe fn(links: &[Link], operands: &[Operand], rows: usize, n: usize, sums: *mut f64);

/// The terms of a run that have been added so far. Registers of them do not cross cache lines.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub struct RowLanes(pub [f64; LANES]);

/// Rows of which sums are taken, whose operands lie row after row or column after column.
pub struct Crossed<'a> {
    pub operands: &'a [Operand],
    /// The elements of a row.
    pub n: usize,
    /// Those of each row.
    pub lanes: &'a mut [RowLanes],
}

/// Eight lanes of the runs of eight rows, lane after lane.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub struct TurnedLanes(pub [[f64; 8]; 8]);

/// Rows that lie opposite of some [`Crossed`] ones: as many as these have elements, with an element for each of these.
pub struct Opposite<'a> {
    /// As those of rows that are crossed alone.
    pub operands: &'a [Operand],
    /// How many rows there are, and the elements of one.
    pub shape: [usize; 2],
    /// The first eight lanes of every eight rows, and the other eight.
    pub lanes: [&'a mut [TurnedLanes]; 2],
}

/// Runs a chain over the rows of a part, and adds what is in the accumulator to the lanes of each row, as [`SumFn`] adds
/// up one run; and over those of the part opposite, if there is one: what both of them read, one straight and one across,
/// is read at the same time.
///
/// It asks for the memory that is needed later [so often](crossed_asks).
///
/// # Safety
/// As for [`ChainFn`], for as many rows as there are lanes: an operand's rows or its columns must lie side by side. Opposite
/// there must be lanes for as many rows as the others have elements.
pub type CrossedFn = unsafe fn(
    links: &[Link],
    part: &mut Crossed<'_>,
    opposite: Option<&mut Opposite<'_>>,
    asking: Asking<'_>,
);

/// How often a [`CrossedFn`] asks for memory: once for each whole block of the first part.
pub fn crossed_asks(rows: usize, n: usize) -> usize {
    (rows / crossed::ROWS * (n / crossed::COLUMNS)).max(1)
}

/// The sums of chains.
#[derive(Clone, Copy)]
pub struct Sums {
    pub runs: SumFn,
    /// The same for operands that lie in the first-level cache.
    pub near_runs: SumFn,
    pub add_rows: AddRowsFn,
    pub crossed: CrossedFn,
}

/// Chains of `float64` with functions.
#[derive(Clone, Copy)]
pub struct ChainsWithFunctions {
    pub run: ChainFn,
    sum_angles: SumFn,
    sum_exponentials: SumFn,
    sum_both: SumFn,
}

impl ChainsWithFunctions {
    /// The sums of a chain: faster if it has not functions of both kinds.
    pub fn sum(&self, links: &[Link]) -> SumFn {
        let any = |kind: fn(Does) -> bool| links.iter().any(|link| kind(link.does));
        match (any(|does| does == Does::SinCos), any(Does::is_exponential)) {
            (true, true) => self.sum_both,
            (true, false) => self.sum_angles,
            (false, _) => self.sum_exponentials,
        }
    }
}

/// Chains with functions, at the levels at which they pay.
pub fn with_functions(level: Level) -> Option<ChainsWithFunctions> {
    machine::with_functions(level)
}

/// The chains of a dtype at a level, if there are any. Without wide registers they would not pay.
pub fn chain(dtype: DType, level: Level) -> Option<ChainFn> {
    machine::chain(dtype, level)
}

/// The sums of a `float64` chain at a level, of runs and of rows.
pub fn sums(links: &[Link], level: Level) -> Option<Sums> {
    known::sums(links, level).or_else(|| machine::sums(level))
}
