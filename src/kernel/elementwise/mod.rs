//! Elementwise kernels: one tile in, one tile out.

#[cfg(test)]
mod accuracy;
mod cast;
mod pair;
mod select;
mod table;
#[cfg(test)]
mod tests;
mod tile;

pub use cast::cast;
pub use pair::{PairFn, sin_cos};
pub use select::select;
pub use table::elementwise;

/// A kernel over `n` contiguous elements.
///
/// # Safety
/// Each operand that the operation has must be `n` elements, or one where the [`Form`] says so, and
/// `out` room for `n` results; all aligned to their element type; `out` overlaps no operand. The
/// machine must have the level that the kernel was asked for.
pub type TileFn = unsafe fn(n: usize, args: &[*const u8; 3], out: *mut u8);

/// Which operands of a kernel are a single value.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Form {
    /// None: all operands are vectors.
    Vector,
    /// All but the first.
    VectorScalar,
    /// The first of two. Commutative operations have no such form: swap the operands.
    ScalarVector,
}
