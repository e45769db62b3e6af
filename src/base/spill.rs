//! The temporary file of a run, as tasks see it.

use crate::error::Result;

/// Bytes that are put aside while a computation runs; several threads write and read at once.
pub trait SpillStore: Send + Sync {
    /// Writes all of `bytes` from byte `offset` on.
    fn write(&self, bytes: &[u8], offset: u64) -> Result<()>;

    /// Fills `out` with what was written from byte `offset` on.
    fn read(&self, out: &mut [u8], offset: u64) -> Result<()>;
}
