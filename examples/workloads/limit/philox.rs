//! Random numbers by index: Philox4x32-10 (Salmon et al., SC 2011), as Flagstone defines them.
//!
//! Elements 2k and 2k + 1 come from block k: counter (k's low and high half, draw 0, stream).

use super::vector::wide::Wide;
use super::vector::{Register, Vector};

const M0: u64 = 0xd251_1f53;
const M1: u64 = 0xcd9e_8d57;
const W0: u32 = 0x9e37_79b9;
const W1: u32 = 0xbb67_ae85;
const TWO_53: f64 = 1.0 / (1u64 << 53) as f64;

/// A seed and a stream, ready to be used.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    /// The keys of the ten rounds.
    keys: [[u64; 2]; 10],
    stream: u64,
}

impl Stream {
    pub fn new(seed: u64, stream: u32) -> Stream {
        let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        Stream::with_key(z as u32, (z >> 32) as u32, stream)
    }

    fn with_key(key0: u32, key1: u32, stream: u32) -> Stream {
        let keys = std::array::from_fn(|round| {
            let round = round as u32;
            let key0 = key0.wrapping_add(W0.wrapping_mul(round));
            let key1 = key1.wrapping_add(W1.wrapping_mul(round));
            [u64::from(key0), u64::from(key1)]
        });
        Stream {
            keys,
            stream: u64::from(stream),
        }
    }

    /// The two 64-bit words of a block.
    fn block(&self, block: u64) -> [u64; 2] {
        let w = self.rounds([block & 0xffff_ffff, block >> 32, 0, self.stream]);
        [w[0] | (w[1] << 32), w[2] | (w[3] << 32)]
    }

    fn rounds(&self, counter: [u64; 4]) -> [u64; 4] {
        let [mut c0, mut c1, mut c2, mut c3] = counter;
        for [key0, key1] in self.keys {
            let (p0, p1) = (M0 * c0, M1 * c2);
            (c0, c1, c2, c3) = (
                (p1 >> 32) ^ c1 ^ key0,
                p1 & 0xffff_ffff,
                (p0 >> 32) ^ c3 ^ key1,
                p0 & 0xffff_ffff,
            );
        }
        [c0, c1, c2, c3]
    }

    /// The uniform number of one element.
    pub fn uniform(&self, element: u64) -> f64 {
        (self.block(element / 2)[(element % 2) as usize] >> 11) as f64 * TWO_53
    }

    /// The normal number of one element.
    pub fn normal(&self, element: u64) -> f64 {
        let [a, b] = self.block(element / 2);
        let u1 = ((a >> 11) + 1) as f64 * TWO_53;
        let u2 = (b >> 11) as f64 * TWO_53;
        let r = (-2.0 * u1.ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * u2).sin_cos();
        r * if element.is_multiple_of(2) { cos } else { sin }
    }

    /// The upper 53 bits of both words of `LANES` blocks.
    #[inline(always)]
    pub fn words<V: Vector>(&self, blocks: V::Bits, high: V::Bits) -> [V::Bits; 2] {
        let (m0, m1) = (V::bits_splat(M0), V::bits_splat(M1));
        // Only the low halves of lanes count: products read no more, and the rest is shifted out.
        let (mut c0, mut c1, mut c2, mut c3) =
            (blocks, high, V::bits_splat(0), V::bits_splat(self.stream));
        // Written out: a loop of ten rounds is too long for the compiler to unroll, and would keep the
        // state in memory.
        macro_rules! rounds {
            ($($round:literal)*) => {$({
                let [key0, key1] = self.keys[$round];
                let (p0, p1) = (V::bits_mul32(m0, c0), V::bits_mul32(m1, c2));
                c0 = V::bits_xor3(V::bits_high(p1), c1, V::bits_splat(key0));
                c1 = p1;
                c2 = V::bits_xor3(V::bits_high(p0), c3, V::bits_splat(key1));
                c3 = p0;
            })*};
        }
        rounds!(0 1 2 3 4 5 6 7 8 9);
        [
            V::bits_shr::<11>(V::bits_join(c0, c1)),
            V::bits_shr::<11>(V::bits_join(c2, c3)),
        ]
    }
}

/// Which numbers are made of the words.
pub trait Draw {
    /// The even and the odd elements of the blocks, times `1 / SCALE`.
    fn elements<V: Vector>(words: [V::Bits; 2]) -> (V, V);
    const SCALE: f64;
    fn element(stream: &Stream, element: u64) -> f64;
}

/// Uniform from 0 to 1. The power of two is left to the caller, who can often apply it to a sum.
pub struct Uniform;

impl Draw for Uniform {
    const SCALE: f64 = TWO_53;

    #[inline(always)]
    fn elements<V: Vector>([a, b]: [V::Bits; 2]) -> (V, V) {
        (V::from_u53(a), V::from_u53(b))
    }

    fn element(stream: &Stream, element: u64) -> f64 {
        stream.uniform(element)
    }
}

/// Standard normal, by Box and Muller.
pub struct Normal;

impl Draw for Normal {
    const SCALE: f64 = 1.0;

    #[inline(always)]
    fn elements<V: Vector>([a, b]: [V::Bits; 2]) -> (V, V) {
        let u1 = V::from_u53(V::bits_add(a, V::bits_splat(1))).mul(V::splat(TWO_53));
        let u2 = V::from_u53(b).mul(V::splat(TWO_53));
        let r = super::math::log(u1).mul(V::splat(-2.0)).sqrt();
        let (sin, cos) = super::math::sin_cos_turns(u2);
        (r.mul(cos), r.mul(sin))
    }

    fn element(stream: &Stream, element: u64) -> f64 {
        stream.normal(element)
    }
}

/// Takes the elements that [`for_each`] makes.
///
/// A trait and not a closure, since a closure is a function that is not compiled for the instruction set,
/// unless the compiler happens to inline it.
pub trait Consume {
    /// The elements `i ..` of two vectors, before they are interleaved, not yet scaled.
    fn group<V: Register>(&mut self, i: usize, even: V, odd: V);

    /// One element, made by [`Draw::element`].
    fn single(&mut self, i: usize, value: f64);
}

/// How many vectors of blocks are made side by side.
const UNROLL: usize = 4;

/// Makes `len` elements from `first` on: in groups of two vectors, except a few at the ends.
#[inline(always)]
pub fn for_each<V: Register, D: Draw>(
    stream: &Stream,
    first: u64,
    len: usize,
    consumer: &mut impl Consume,
) {
    let group = 2 * V::LANES;
    // Blocks are pairs of elements: an odd start takes half of one.
    let odd = ((first % 2) as usize).min(len);
    if odd == 1 {
        consumer.single(0, D::element(stream, first));
    }
    let start = (first + odd as u64) / 2;
    let groups = (len - odd) / group;
    let blocks = (groups * V::LANES) as u64;
    // In runs over which the high half of the counter is the same, so that much of the first two rounds
    // is, too: nearly always one run.
    let mut done = 0;
    while done < blocks {
        let block = start + done;
        let at = odd + 2 * done as usize;
        let run = (blocks - done).min((1 << 32) - (block & 0xffff_ffff)) / V::LANES as u64;
        let high = V::bits_splat(block >> 32);
        let wide = run / UNROLL as u64 * UNROLL as u64;
        for i in (0..wide).step_by(UNROLL) {
            let first = block + i * V::LANES as u64;
            let words = stream
                .words::<Wide<V, UNROLL>>(<Wide<V, UNROLL>>::bits_count(first), [high; UNROLL]);
            let (even, odds) = D::elements::<Wide<V, UNROLL>>(words);
            for k in 0..UNROLL {
                consumer.group(at + (i as usize + k) * group, even.0[k], odds.0[k]);
            }
        }
        for i in wide..run.max(1) {
            let block_lanes = V::bits_count(block + i * V::LANES as u64);
            let high = if run == 0 {
                V::bits_shr::<32>(block_lanes)
            } else {
                high
            };
            let words = stream.words::<V>(block_lanes, high);
            let (even, odds) = D::elements::<V>(words);
            consumer.group(at + i as usize * group, even, odds);
        }
        done += run.max(1) * V::LANES as u64;
    }
    for i in odd + groups * group..len {
        consumer.single(i, D::element(stream, first + i as u64));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers_of_random123() {
        let rounds = |counter: [u32; 4], key: [u32; 2]| {
            Stream::with_key(key[0], key[1], 0).rounds(counter.map(u64::from))
        };
        assert_eq!(
            rounds([0; 4], [0; 2]),
            [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]
        );
        assert_eq!(
            rounds([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]
        );
        assert_eq!(
            rounds(
                [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
                [0xa4093822, 0x299f31d0]
            ),
            [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1]
        );
    }
}
