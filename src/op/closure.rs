//! The opaque exception: functions that users bring, without their element types.

use crate::base::dtype::DType;
use crate::base::memory::RawViewMut;
use crate::base::region::Region;
use crate::error::Result;

/// A user's function of elements, applied to whole tiles.
pub trait TileMap: Send + Sync {
    /// Computes `n` outputs. Operand `i` advances by `steps[i]` elements (0 for a scalar, 1 for a run).
    ///
    /// # Safety
    /// Operands and output must hold `n` (a scalar: one) elements of the function's types, and the
    /// output must overlap no operand.
    unsafe fn apply(&self, n: usize, args: &[*const u8; 3], steps: [usize; 3], out: *mut u8);
}

/// A function from the C-order number of an element to its value.
pub trait Generator: Send + Sync {
    /// Computes the elements `start`, `start + step`, … (`n` of them).
    ///
    /// # Safety
    /// `out` must have room for `n` elements of the generator's type.
    unsafe fn fill(&self, start: usize, step: isize, n: usize, out: *mut u8);
}

/// A read-only block, strided, without its element type.
pub struct RawBlock {
    pub dtype: DType,
    pub shape: Vec<usize>,
    pub strides: Vec<isize>,
    pub first: *const u8,
}

/// An opaque function of whole blocks.
pub trait BlockFunction: Send + Sync {
    /// Fills the outputs of the block at `index`, which lies at `region` of the first output.
    ///
    /// # Safety
    /// The inputs must hold initialized elements, the outputs have room for theirs, and nobody else
    /// may touch the outputs meanwhile.
    unsafe fn call(
        &self,
        index: &[usize],
        region: &Region,
        inputs: &[RawBlock],
        outputs: &mut [RawViewMut],
    ) -> Result<()>;

    /// The bytes that a call uses beside its inputs and outputs, where that is known.
    fn scratch_bytes(&self) -> usize {
        0
    }
}
