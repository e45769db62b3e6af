//! A generator of its own for each element, for distributions that draw an unknown number of times.

use std::convert::Infallible;

use rand::TryRng;

use super::philox::{Domain, key_of, philox};
use crate::op::random::Key;

/// The random stream of one element: of one key, the same element always draws the same numbers.
///
/// Its blocks are counted by the draw word, so that 2³² blocks are the element's own; the key is of
/// another domain than that of whole arrays.
#[derive(Clone, Debug)]
pub struct ElementRng {
    key: [u32; 2],
    element: u64,
    stream: u32,
    /// The next block.
    draw: u32,
    block: [u32; 4],
    /// Words of the block that are used up.
    used: usize,
}

impl ElementRng {
    pub fn new(key: Key, element: u64) -> ElementRng {
        ElementRng {
            key: key_of(key.seed, Domain::Elements),
            element,
            stream: key.stream,
            draw: 0,
            block: [0; 4],
            used: 4,
        }
    }

    /// Goes to the start of another element's stream, cheaper than a new generator.
    pub fn restart(&mut self, element: u64) {
        (self.element, self.draw, self.used) = (element, 0, 4);
    }

    #[inline]
    fn word(&mut self) -> u32 {
        if self.used == 4 {
            let (low, high) = (self.element as u32, (self.element >> 32) as u32);
            self.block = philox([low, high, self.draw, self.stream], self.key);
            self.draw = self.draw.wrapping_add(1);
            self.used = 0;
        }
        let word = self.block[self.used];
        self.used += 1;
        word
    }
}

impl TryRng for ElementRng {
    type Error = Infallible;

    #[inline]
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.word())
    }

    #[inline]
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let low = self.word() as u64;
        Ok(low | (self.word() as u64) << 32)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(4) {
            chunk.copy_from_slice(&self.word().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}
