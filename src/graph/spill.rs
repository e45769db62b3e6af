//! Where the blocks of a spilled value lie in the run's temporary file.

use crate::base::chunks::Chunks;
use crate::base::region::Region;

/// The bytes of a buffer in which scattered rows of a block are put together, or taken apart.
pub fn staging(block: usize) -> usize {
    (block / 4).clamp(4 << 10, 256 << 10).min(block)
}

/// A value in the temporary file: the boxes of `layout` follow each other, each in C order.
pub struct Spill {
    pub item: usize,
    /// The part of the value that is stored.
    pub domain: Region,
    /// A partition of the domain, counted from its start.
    pub layout: Chunks,
    /// Where it begins in the file.
    pub offset: u64,
}

impl Spill {
    /// The bytes in the file.
    pub fn bytes(&self) -> u64 {
        (self.domain.size() as u64).saturating_mul(self.item as u64)
    }

    /// Where in the file a box of the layout begins.
    pub fn box_offset(&self, index: &[usize]) -> u64 {
        // Before it lie whole slabs along the first axis, then in its own slab along the second, and so on.
        let mut before = 0u64;
        let mut slab = 1u64;
        for (axis, &number) in index.iter().enumerate() {
            let inner: usize = self.domain.shape()[axis + 1..].iter().product();
            let range = self.layout.0[axis].range(number);
            before += slab * range.start as u64 * inner as u64;
            slab *= range.len() as u64;
        }
        self.offset + before * self.item as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::chunks::unravel;

    #[test]
    fn boxes_follow_each_other() {
        let layout = Chunks::regular(&[7, 5, 3], &[3, 2, 2]).unwrap();
        let spill = Spill {
            item: 8,
            domain: Region::new([10, 20, 30], [7, 5, 3]),
            layout: layout.clone(),
            offset: 1000,
        };
        let mut next = 1000;
        for number in 0..layout.count() {
            let index = unravel(number, &layout.counts());
            assert_eq!(spill.box_offset(&index), next, "box {index:?}");
            next += layout.region(&index).size() as u64 * 8;
        }
        assert_eq!(next, 1000 + spill.bytes());
    }
}
