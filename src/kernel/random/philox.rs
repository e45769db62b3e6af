//! Philox4x32-10, a counter-based generator: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw,
//! "Parallel random numbers: as easy as 1, 2, 3" (SC 2011); Random123 has the reference code.

use std::mem::MaybeUninit;

use crate::kernel::level::{Level, level_functions};
use crate::kernel::prefetch::Asking;
use crate::op::random::Key;

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
/// What is added to the key from round to round: parts of the golden ratio and of √3 − 1.
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

/// What a key is used for: the same seed gives each use a key of its own.
#[derive(Clone, Copy)]
pub enum Domain {
    /// The elements of an array, one counter per block of elements.
    Blocks,
    /// One stream of draws per element.
    Elements,
}

/// The 64-bit key of a seed: outputs of SplitMix64, one per domain.
pub fn key_of(seed: u64, domain: Domain) -> [u32; 2] {
    let steps = match domain {
        Domain::Blocks => 1u64,
        Domain::Elements => 2,
    };
    let mut z = seed.wrapping_add(steps.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    [z as u32, (z >> 32) as u32]
}

/// The 128 random bits of one counter.
#[inline(always)]
pub fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..ROUNDS {
        let p0 = MULTIPLIERS[0] as u64 * counter[0] as u64;
        let p1 = MULTIPLIERS[1] as u64 * counter[2] as u64;
        counter = [
            (p1 >> 32) as u32 ^ counter[1] ^ key[0],
            p1 as u32,
            (p0 >> 32) as u32 ^ counter[3] ^ key[1],
            p0 as u32,
        ];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counter
}

/// The keys of all rounds, each in the lower half of a word.
type Keys = [[u64; 2]; ROUNDS];

/// A number that is even in an interval: `low + factor * (word >> 11)`.
#[derive(Clone, Copy)]
pub struct Line {
    pub low: f64,
    pub factor: f64,
    /// What the number is multiplied by afterwards, and what is added then.
    pub then: Option<[f64; 2]>,
}

/// Where a value that was drawn goes.
///
/// # Safety
/// It must be laid out as a `T`, and be one if what is put there is added.
pub unsafe trait Place<T>: Copy {
    /// Whether it is added to what is there.
    const ADDS: bool;
    /// Where nothing is.
    const EMPTY: Self;

    fn put(&mut self, value: T);
}

/// Room for it.
// SAFETY: it is transparent.
unsafe impl<T: Copy> Place<T> for MaybeUninit<T> {
    const ADDS: bool = false;
    const EMPTY: MaybeUninit<T> = MaybeUninit::uninit();

    #[inline(always)]
    fn put(&mut self, value: T) {
        self.write(value);
    }
}

/// A sum.
// SAFETY: it is the type itself.
unsafe impl Place<f64> for f64 {
    const ADDS: bool = true;
    const EMPTY: f64 = 0.0;

    #[inline(always)]
    fn put(&mut self, value: f64) {
        *self += value;
    }
}

/// The blocks of one array.
#[derive(Clone, Copy)]
pub struct Blocks {
    key: [u32; 2],
    keys: Keys,
    stream: u32,
}

impl Blocks {
    pub fn new(key: Key) -> Blocks {
        let of_seed = key_of(key.seed, Domain::Blocks);
        Blocks {
            key: of_seed,
            keys: std::array::from_fn(|round| {
                let of = |part: usize| {
                    of_seed[part].wrapping_add(WEYL[part].wrapping_mul(round as u32)) as u64
                };
                [of(0), of(1)]
            }),
            stream: key.stream,
        }
    }

    /// One block, as two words.
    #[inline(always)]
    pub fn block(&self, index: u64) -> [u64; 2] {
        let counter = [index as u32, (index >> 32) as u32, 0, self.stream];
        let [a, b, c, d] = philox(counter, self.key);
        [a as u64 | (b as u64) << 32, c as u64 | (d as u64) << 32]
    }

    /// The words of consecutive blocks, two per block, at the speed of the level.
    ///
    /// # Safety
    /// The machine must have the level.
    pub unsafe fn words<'a>(
        &self,
        first: u64,
        words: &'a mut [MaybeUninit<u64>],
        level: Level,
    ) -> &'a [u64] {
        // SAFETY: the caller's promise; and each level writes all words.
        unsafe {
            match level {
                Level::Portable => words_portable(self, first, words),
                Level::Avx2 => words_avx2(self, first, words),
                Level::Avx512 => words_avx512(self, first, words),
            }
            words.assume_init_ref()
        }
    }

    /// [`Line`]s for the words of consecutive blocks, if the level computes it without
    /// writing the words: gives how many of the numbers it has put into their places, from the first one on; all
    /// of them, or an even number.
    ///
    /// # Safety
    /// The machine must have the level.
    pub unsafe fn uniform<P: Place<f64>>(
        &self,
        first: u64,
        line: Line,
        out: &mut [P],
        asking: &mut Asking<'_>,
        level: Level,
    ) -> usize {
        match level {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the caller's promise.
            Level::Avx512 => unsafe { x86::uniform(self, first, line, out, asking) },
            _ => 0,
        }
    }
}

level_functions!(unsafe fn words_portable, words_avx2,
    #[cfg_attr(target_arch = "x86_64", expect(dead_code, reason = "there, this level is written by hand"))]
    words_autovectorized(
    blocks: &Blocks, first: u64, words: &mut [MaybeUninit<u64>]) = words_body);

/// Blocks that are computed side by side.
const GROUP: usize = 16;

#[inline(always)]
unsafe fn words_body(blocks: &Blocks, first: u64, words: &mut [MaybeUninit<u64>]) {
    let (groups, rest) = words.as_chunks_mut::<{ 2 * GROUP }>();
    let mut index = first;
    for group in groups {
        group_body(blocks, index, group);
        index = index.wrapping_add(GROUP as u64);
    }
    for pair in rest.chunks_mut(2) {
        for (out, word) in pair.iter_mut().zip(blocks.block(index)) {
            out.write(word);
        }
        index = index.wrapping_add(1);
    }
}

/// The counters of a group as arrays of 64-bit lanes, of which the upper halves may hold anything: so
/// a product of 32 bits by 32 is one vector instruction, and no lane is ever masked or moved.
#[inline(always)]
fn group_body(blocks: &Blocks, first: u64, out: &mut [MaybeUninit<u64>; 2 * GROUP]) {
    const LOW: u64 = 0xFFFF_FFFF;
    let (m0, m1) = (MULTIPLIERS[0] as u64, MULTIPLIERS[1] as u64);
    let mut c0 = [0u64; GROUP];
    let mut c1 = [0u64; GROUP];
    let mut c2 = [0u64; GROUP];
    let mut c3 = [blocks.stream as u64; GROUP];
    for i in 0..GROUP {
        c0[i] = first.wrapping_add(i as u64);
        c1[i] = c0[i] >> 32;
        c2[i] = 0;
    }
    for [k0, k1] in blocks.keys {
        for i in 0..GROUP {
            let p0 = (c0[i] & LOW) * m0;
            let p1 = (c2[i] & LOW) * m1;
            c0[i] = (p1 >> 32) ^ c1[i] ^ k0;
            c2[i] = (p0 >> 32) ^ c3[i] ^ k1;
            c1[i] = p1;
            c3[i] = p0;
        }
    }
    for i in 0..GROUP {
        out[2 * i].write((c0[i] & LOW) | (c1[i] << 32));
        out[2 * i + 1].write((c2[i] & LOW) | (c3[i] << 32));
    }
}

#[cfg(not(target_arch = "x86_64"))]
use words_autovectorized as words_avx512;
#[cfg(target_arch = "x86_64")]
use x86::words as words_avx512;

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;
    use std::mem::MaybeUninit;

    use super::{Blocks, Line, MULTIPLIERS, Place, ROUNDS, words_body};
    use crate::kernel::prefetch::Asking;

    /// Registers of eight counters each that are computed side by side, to hide their latencies.
    const SIDE: usize = 4;
    const GROUP: usize = 8 * SIDE;

    /// The loop of `words_body` by hand: the two rounds in which half of the counter is the same in
    /// all lanes are cut short, and the halves of the last products go to their places in one rotation.
    ///
    /// Words of part of a group from which on it is faster to compute the whole of it.
    const WORTH: usize = GROUP / 4;

    /// Whether the upper word of the counter is the same in all lanes of the group: it does not carry.
    fn is_even(index: u64) -> bool {
        (index as u32).checked_add(GROUP as u32).is_some()
    }

    /// # Safety
    /// The machine must have AVX-512 F.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn words(blocks: &Blocks, first: u64, words: &mut [MaybeUninit<u64>]) {
        let mut index = first;
        for part in words.chunks_mut(2 * GROUP) {
            if !is_even(index) || part.len() < WORTH {
                // SAFETY: the body is safe code.
                unsafe { words_body(blocks, index, part) };
            } else if let Ok(group) = <&mut [_; 2 * GROUP]>::try_from(&mut *part) {
                group_words(blocks, index, group);
            } else {
                let mut group = [MaybeUninit::uninit(); 2 * GROUP];
                group_words(blocks, index, &mut group);
                part.copy_from_slice(&group[..part.len()]);
            }
            index = index.wrapping_add(GROUP as u64);
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn group_words(blocks: &Blocks, first: u64, group: &mut [MaybeUninit<u64>; 2 * GROUP]) {
        // SAFETY: room for a group; the stores are unaligned ones.
        group_512(blocks, first, |at, words| unsafe {
            _mm512_storeu_si512(group[at..].as_mut_ptr().cast(), words);
        });
    }

    /// # Safety
    /// The machine must have AVX-512 F and DQ.
    #[target_feature(enable = "avx512f,avx512dq")]
    pub unsafe fn uniform<P: Place<f64>>(
        blocks: &Blocks,
        first: u64,
        line: Line,
        out: &mut [P],
        asking: &mut Asking<'_>,
    ) -> usize {
        let Line { low, factor, then } = line;
        let (low_of, factor_of) = (_mm512_set1_pd(low), _mm512_set1_pd(factor));
        let exact = |number| _mm512_fmadd_pd(factor_of, number, low_of);
        let rounded = |number| _mm512_add_pd(low_of, _mm512_mul_pd(factor_of, number));
        let add = |sum, value| match P::ADDS {
            true => _mm512_add_pd(sum, value),
            false => value,
        };
        // A power of two: the product is exact, and may be part of the addition.
        let is_exact = factor.to_bits().trailing_zeros() >= f64::MANTISSA_DIGITS - 1;
        if let Some([scale, shift]) = then {
            let (scale, shift) = (_mm512_set1_pd(scale), _mm512_set1_pd(shift));
            let scaled = |value| _mm512_add_pd(_mm512_mul_pd(value, scale), shift);
            return match is_exact {
                true => fill_uniform(blocks, first, out, asking, |number, sum| {
                    add(sum, scaled(exact(number)))
                }),
                false => fill_uniform(blocks, first, out, asking, |number, sum| {
                    add(sum, scaled(rounded(number)))
                }),
            };
        }
        if !is_exact {
            fill_uniform(blocks, first, out, asking, |number, sum| {
                add(sum, rounded(number))
            })
        } else if P::ADDS && low == 0.0 {
            fill_uniform(blocks, first, out, asking, |number, sum| {
                _mm512_fmadd_pd(factor_of, number, sum)
            })
        } else {
            fill_uniform(blocks, first, out, asking, |number, sum| {
                add(sum, exact(number))
            })
        }
    }

    /// What becomes of `word >> 11` as a number and, if it is added, the sum that is there.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    fn fill_uniform<P: Place<f64>>(
        blocks: &Blocks,
        first: u64,
        out: &mut [P],
        asking: &mut Asking<'_>,
        value: impl Fn(__m512d, __m512d) -> __m512d,
    ) -> usize {
        // SAFETY: eight places of the group, which are laid out as doubles, and are some if they are added to; the
        // loads and stores are unaligned.
        let put = |place: &mut [P], words| unsafe {
            let place = place[..8].as_mut_ptr().cast();
            let number = _mm512_cvtepu64_pd(_mm512_srli_epi64::<11>(words));
            let sum = if P::ADDS {
                _mm512_loadu_pd(place)
            } else {
                _mm512_setzero_pd()
            };
            _mm512_storeu_pd(place, value(number, sum));
        };
        let mut index = first;
        let mut done = 0;
        while done < out.len() {
            let part = &mut out[done..];
            asking.ask();
            if !is_even(index) || part.len() < WORTH {
                break;
            }
            if let Some(group) = part.first_chunk_mut::<{ 2 * GROUP }>() {
                group_512(blocks, index, |at, words| put(&mut group[at..], words));
                done += group.len();
            } else {
                // Room beyond the end, whose sums nobody wants.
                let mut group = [P::EMPTY; 2 * GROUP];
                group[..part.len()].copy_from_slice(part);
                group_512(blocks, index, |at, words| put(&mut group[at..], words));
                done += part.len();
                part.copy_from_slice(&group[..part.len()]);
            }
            index = index.wrapping_add(GROUP as u64);
        }
        done
    }

    /// Gives the words of a group, eight at a time, with the number of the first.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn group_512(blocks: &Blocks, first: u64, mut give: impl FnMut(usize, __m512i)) {
        let broadcast = |x: u32| _mm512_set1_epi64(x as i64);
        // Products have a port of their own, which shifts would share: shuffles run beside them. What is
        // in the upper halves does not matter.
        let high = |p| _mm512_shuffle_epi32::<0xf5>(p);
        let swapped = |p| _mm512_shuffle_epi32::<0xb1>(p);
        let xor3 = |a, b, c| _mm512_ternarylogic_epi64::<0x96>(a, b, c);
        let (m0, m1) = (broadcast(MULTIPLIERS[0]), broadcast(MULTIPLIERS[1]));
        let low = broadcast(u32::MAX);
        let zero = _mm512_setzero_si512();
        let (mut c0, mut c1, mut c2, mut c3) =
            ([zero; SIDE], [zero; SIDE], [zero; SIDE], [zero; SIDE]);

        // Round 0: words 1 to 3 of the counter are (upper half, 0, stream) in all lanes.
        let keys = &blocks.keys;
        let [k0, k1] = blocks.key;
        let same0 = (first >> 32) as u32 ^ k0;
        // Round 1: its word 0 is the same in all lanes, and its word 1 is 0.
        let product = MULTIPLIERS[0] as u64 * same0 as u64;
        let [l0, l1] = keys[1];
        let same2 = broadcast((product >> 32) as u32 ^ l1 as u32);
        let l0 = _mm512_set1_epi64(l0 as i64);
        let first_keys = broadcast(blocks.stream ^ k1);
        let lanes = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
        for s in 0..SIDE {
            let counter = _mm512_add_epi64(_mm512_set1_epi64(first as i64 + 8 * s as i64), lanes);
            let p0 = _mm512_mul_epu32(counter, m0);
            let word2 = _mm512_xor_si512(high(p0), first_keys);
            let p1 = _mm512_mul_epu32(word2, m1);
            c0[s] = _mm512_xor_si512(high(p1), l0);
            c1[s] = p1;
            c2[s] = _mm512_xor_si512(p0, same2);
            c3[s] = _mm512_set1_epi64(product as i64);
        }
        // Written out: a loop of so long rounds is not unrolled, and would keep the state in memory.
        macro_rules! rounds {
            ($($round:literal)*) => {$({
                let k0 = _mm512_set1_epi64(keys[$round][0] as i64);
                let k1 = _mm512_set1_epi64(keys[$round][1] as i64);
                for s in 0..SIDE {
                    let p0 = _mm512_mul_epu32(c0[s], m0);
                    let p1 = _mm512_mul_epu32(c2[s], m1);
                    c0[s] = xor3(high(p1), c1[s], k0);
                    c2[s] = xor3(high(p0), c3[s], k1);
                    c1[s] = p1;
                    c3[s] = p0;
                }
            })*};
        }
        rounds!(2 3 4 5 6 7 8);
        let k0 = _mm512_set1_epi64(keys[ROUNDS - 1][0] as i64);
        let k1 = _mm512_set1_epi64(keys[ROUNDS - 1][1] as i64);
        for s in 0..SIDE {
            let p0 = _mm512_mul_epu32(c0[s], m0);
            let p1 = _mm512_mul_epu32(c2[s], m1);
            // (a ^ b) & c
            let w0 = _mm512_ternarylogic_epi64::<0x28>(c1[s], k0, low);
            let w1 = _mm512_ternarylogic_epi64::<0x28>(c3[s], k1, low);
            let w0 = _mm512_xor_si512(swapped(p1), w0);
            let w1 = _mm512_xor_si512(swapped(p0), w1);
            let front = _mm512_set_epi64(11, 3, 10, 2, 9, 1, 8, 0);
            let back = _mm512_set_epi64(15, 7, 14, 6, 13, 5, 12, 4);
            give(16 * s, _mm512_permutex2var_epi64(w0, front, w1));
            give(16 * s + 8, _mm512_permutex2var_epi64(w0, back, w1));
        }
    }
}
