//! Random bits made into the values of a distribution.

use std::f64::consts::TAU;
use std::mem::MaybeUninit;
use std::slice::from_raw_parts_mut;

use super::philox::{Blocks, Line, Place};
use crate::base::dtype::DType;
use crate::kernel::level::{Level, level_functions};
use crate::kernel::prefetch::Asking;
use crate::op::random::{Distribution, Key};
use crate::op::scalar::math;

/// Words that are generated at once: they stay in the first-level cache until they are values.
const WORDS: usize = 1024;
/// Values between two requests for memory.
const ASKED: usize = 64;
/// Blocks whose values are computed side by side, whatever the registers.
const SIDE: usize = 16;
/// So many of them are faster computed side by side with some that nobody wants than one by one.
const WORTH: usize = 4;
const UNIT_53: f64 = 1.0 / (1u64 << 53) as f64;
const UNIT_24: f32 = 1.0 / (1u32 << 24) as f32;

/// Writes `n` values, of which the one at `j` is element `start + j * step` of the array, and asks for memory
/// [so often](asks).
///
/// # Safety
/// `out` must be room for `n` aligned values of the type, which the distribution must admit; the
/// machine must have the level.
#[expect(clippy::too_many_arguments)]
pub unsafe fn fill(
    distribution: &Distribution,
    dtype: DType,
    key: Key,
    start: u64,
    step: i64,
    n: usize,
    out: *mut u8,
    asking: Asking<'_>,
    level: Level,
) {
    let mut run = Run {
        blocks: Blocks::new(key),
        start,
        step,
        asking,
        level,
    };
    // SAFETY: the caller promises room for `n` values of this type and the level.
    unsafe {
        match (*distribution, dtype) {
            (Distribution::Uniform { low, high }, DType::F64) => {
                run.write::<f64, _>(
                    out,
                    n,
                    Uniform {
                        low,
                        width: high - low,
                    },
                );
            }
            (Distribution::Uniform { low, high }, DType::F32) => {
                run.write::<f32, _>(
                    out,
                    n,
                    Uniform {
                        low: low as f32,
                        width: (high - low) as f32,
                    },
                );
            }
            (Distribution::Normal { mean, std }, DType::F64) => {
                run.write::<f64, _>(out, n, Normal { mean, std })
            }
            (Distribution::Normal { mean, std }, DType::F32) => {
                run.write::<f32, _>(out, n, Normal { mean, std })
            }
            (Distribution::Exponential { rate }, DType::F64) => {
                run.write::<f64, _>(out, n, Exponential { mean: 1.0 / rate })
            }
            (Distribution::Exponential { rate }, DType::F32) => {
                run.write::<f32, _>(out, n, Exponential { mean: 1.0 / rate })
            }
            (Distribution::Integers { low, high }, _) => {
                let law = Integers {
                    low: low as u64,
                    range: (high - low) as u64,
                };
                match dtype {
                    DType::I8 | DType::U8 => run.write::<u8, _>(out, n, law),
                    DType::I16 | DType::U16 => run.write::<u16, _>(out, n, law),
                    DType::I32 | DType::U32 => run.write::<u32, _>(out, n, law),
                    DType::I64 | DType::U64 => run.write::<u64, _>(out, n, law),
                    other => unreachable!("no integers of type {other}"),
                }
            }
            (Distribution::Bernoulli { p }, DType::Bool) => {
                run.write::<u8, _>(out, n, Bernoulli { p })
            }
            (distribution, dtype) => unreachable!("no {distribution:?} of type {dtype}"),
        }
    }
}

/// As [`fill`] with uniform `float64` numbers between `low` and `high`, of which each is then multiplied by
/// `scale`, and `shift` is added to it.
///
/// # Safety
/// `out` must be room for `n` aligned values; the machine must have the level.
#[expect(clippy::too_many_arguments)]
pub unsafe fn fill_scaled(
    [low, high]: [f64; 2],
    by: [f64; 2],
    key: Key,
    start: u64,
    n: usize,
    out: *mut u8,
    asking: Asking<'_>,
    level: Level,
) {
    let mut run = Run {
        blocks: Blocks::new(key),
        start,
        step: 1,
        asking,
        level,
    };
    let width = high - low;
    let uniform = Uniform { low, width };
    // SAFETY: the caller's promises.
    unsafe { run.write::<f64, _>(out, n, Scaled { uniform, by }) }
}

/// Adds to `sums` the values of which the one at `j` is element `start + j` of the array, if it is an array of
/// `float64`: the same values that [`fill`] writes.
///
/// # Safety
/// The machine must have the level.
pub unsafe fn add(
    distribution: &Distribution,
    key: Key,
    start: u64,
    sums: &mut [f64],
    level: Level,
) {
    let mut run = Run {
        blocks: Blocks::new(key),
        start,
        step: 1,
        asking: Asking::default(),
        level,
    };
    // SAFETY: the caller's promise.
    unsafe {
        match *distribution {
            Distribution::Uniform { low, high } => {
                let width = high - low;
                run.contiguous(sums, Uniform { low, width });
            }
            Distribution::Normal { mean, std } => run.contiguous(sums, Normal { mean, std }),
            Distribution::Exponential { rate } => {
                run.contiguous(sums, Exponential { mean: 1.0 / rate });
            }
            distribution => unreachable!("no {distribution:?} of type float64"),
        }
    }
}

/// How often [`fill`] asks for memory.
pub fn asks(n: usize) -> usize {
    n.div_ceil(ASKED).max(1)
}

/// Which elements are wanted.
struct Run<'a> {
    blocks: Blocks,
    start: u64,
    step: i64,
    asking: Asking<'a>,
    level: Level,
}

/// How the words of blocks become values of type `T`.
trait Law<T>: Copy {
    /// Values that one block gives: 2 or 4.
    const PER_BLOCK: usize;

    /// The values of whole blocks, whose words they are.
    /// By own functions if `FMA`, else by the system's.
    fn values<const FMA: bool, P: Place<T>>(self, words: &[u64], out: &mut [P]);

    /// The values of blocks without their words, from the first one on; gives how many: all, or so many that whole
    /// blocks are left.
    ///
    /// # Safety
    /// The machine must have the level.
    unsafe fn at_once<P: Place<T>>(
        self,
        _blocks: &Blocks,
        _first: u64,
        _out: &mut [P],
        _asking: &mut Asking<'_>,
        _level: Level,
    ) -> usize {
        0
    }
}

/// The functions of a law for places of a kind.
trait Drawn<T, P: Place<T>>: Law<T> {
    #[inline(always)]
    unsafe fn body<const FMA: bool>(self, words: &[u64], out: &mut [P]) {
        self.values::<FMA, P>(words, out);
    }

    level_functions!(unsafe fn portable, avx2, avx512(law: Self, words: &[u64], out: &mut [P])
        = Self::body::<{ math::IN_BASELINE }>, Self::body::<true>);
}

impl<T, P: Place<T>, L: Law<T>> Drawn<T, P> for L {}

impl Run<'_> {
    /// # Safety
    /// As for [`fill`].
    unsafe fn write<T: Copy, L: Law<T>>(&mut self, out: *mut u8, n: usize, law: L) {
        // SAFETY: the caller promises the room; it need not be initialized.
        let out: &mut [MaybeUninit<T>] = unsafe { from_raw_parts_mut(out.cast(), n) };
        if self.step == 1 {
            // SAFETY: the caller promises the level.
            unsafe { self.contiguous(out, law) };
        } else {
            // SAFETY: the caller promises the level.
            unsafe { self.strided(out, law) };
        }
    }

    /// # Safety
    /// The machine must have the level.
    unsafe fn contiguous<T: Copy, L: Law<T>, P: Place<T>>(&mut self, out: &mut [P], law: L) {
        let put_all = |places: &mut [P], values: &[MaybeUninit<T>]| {
            for (place, value) in places.iter_mut().zip(values) {
                // SAFETY: the values of a block were written.
                place.put(unsafe { value.assume_init() });
            }
        };
        let per_block = L::PER_BLOCK as u64;
        let mut block = self.start / per_block;
        // A first block that is only partly wanted.
        let skipped = (self.start % per_block) as usize;
        let head = match skipped {
            0 => 0,
            _ => out.len().min(L::PER_BLOCK - skipped),
        };
        let (head, mut rest) = out.split_at_mut(head);
        if skipped > 0 {
            // SAFETY: the caller promises the level.
            let values = unsafe { self.one_block(block, law) };
            put_all(head, &values[skipped..skipped + head.len()]);
            block += 1;
        }
        // SAFETY: the caller promises the level.
        let done = unsafe { law.at_once(&self.blocks, block, rest, &mut self.asking, self.level) };
        rest = &mut rest[done..];
        block += done as u64 / per_block;
        let mut words = [MaybeUninit::uninit(); WORDS];
        while rest.len() >= L::PER_BLOCK {
            let most = (rest.len() / L::PER_BLOCK).min(WORDS / 2);
            // What is left of a loop over registers would be computed one by one.
            let whole = match most % SIDE {
                1..WORTH => most,
                _ if self.level == Level::Portable => most,
                few if few == most => break,
                few => most - few,
            };
            let (now, later) = rest.split_at_mut(whole * L::PER_BLOCK);
            let words = &mut words[..2 * whole];
            for _ in 0..now.len().div_ceil(ASKED) {
                self.asking.ask();
            }
            // SAFETY: the caller promises the level.
            unsafe {
                let words = self.blocks.words(block, words, self.level);
                self.values(law, words, now);
            }
            rest = later;
            block += whole as u64;
        }
        if rest.len() > L::PER_BLOCK {
            let mut values = [MaybeUninit::uninit(); 4 * SIDE];
            // SAFETY: the caller promises the level.
            unsafe {
                let words = (self.blocks).words(block, &mut words[..2 * SIDE], self.level);
                self.values(law, words, &mut values[..SIDE * L::PER_BLOCK]);
            }
            put_all(rest, &values[..rest.len()]);
        } else if !rest.is_empty() {
            // SAFETY: the caller promises the level.
            let values = unsafe { self.one_block(block, law) };
            put_all(rest, &values[..rest.len()]);
        }
    }

    /// # Safety
    /// The machine must have the level.
    unsafe fn strided<T: Copy, L: Law<T>>(&self, out: &mut [MaybeUninit<T>], law: L) {
        let per_block = L::PER_BLOCK as u64;
        let mut last = None;
        for (j, out) in out.iter_mut().enumerate() {
            let index = self
                .start
                .wrapping_add_signed((j as i64).wrapping_mul(self.step));
            let block = index / per_block;
            let values = match last {
                Some((of, values)) if of == block => values,
                // SAFETY: the caller promises the level.
                _ => unsafe { self.one_block(block, law) },
            };
            last = Some((block, values));
            *out = values[(index % per_block) as usize];
        }
    }

    /// # Safety
    /// The machine must have the level.
    unsafe fn values<T, L: Law<T>, P: Place<T>>(&self, law: L, words: &[u64], out: &mut [P]) {
        // SAFETY: the caller promises the level.
        unsafe {
            match self.level {
                Level::Portable => L::portable(law, words, out),
                Level::Avx2 => L::avx2(law, words, out),
                Level::Avx512 => L::avx512(law, words, out),
            }
        }
    }

    /// The values of one block; those past `PER_BLOCK` are not there.
    ///
    /// # Safety
    /// The machine must have the level.
    unsafe fn one_block<T: Copy, L: Law<T>>(&self, block: u64, law: L) -> [MaybeUninit<T>; 4] {
        let mut values = [MaybeUninit::uninit(); 4];
        // By the code of whole runs: the same bits, and no function call for each `mul_add`.
        // SAFETY: the caller promises the level.
        unsafe { self.values(law, &self.blocks.block(block), &mut values[..L::PER_BLOCK]) };
        values
    }
}

/// Uniform in an interval: `low + width * u`.
#[derive(Clone, Copy)]
struct Uniform<F> {
    low: F,
    width: F,
}

impl Law<f64> for Uniform<f64> {
    const PER_BLOCK: usize = 2;

    unsafe fn at_once<P: Place<f64>>(
        self,
        blocks: &Blocks,
        first: u64,
        out: &mut [P],
        asking: &mut Asking<'_>,
        level: Level,
    ) -> usize {
        // SAFETY: the caller's promise.
        unsafe { self.line_at_once(None, blocks, first, out, asking, level) }
    }

    #[inline(always)]
    fn values<const FMA: bool, P: Place<f64>>(self, words: &[u64], out: &mut [P]) {
        self.lines(|value| value, words, out);
    }
}

impl Uniform<f64> {
    /// # Safety
    /// The machine must have the level.
    unsafe fn line_at_once<P: Place<f64>>(
        self,
        then: Option<[f64; 2]>,
        blocks: &Blocks,
        first: u64,
        out: &mut [P],
        asking: &mut Asking<'_>,
        level: Level,
    ) -> usize {
        let Uniform { low, width } = self;
        let factor = width * UNIT_53;
        if !factor.is_normal() {
            return 0;
        }
        let line = Line { low, factor, then };
        // SAFETY: the caller's promise.
        unsafe { blocks.uniform(first, line, out, asking, level) }
    }

    #[inline(always)]
    fn lines<P: Place<f64>>(self, then: impl Fn(f64) -> f64, words: &[u64], out: &mut [P]) {
        let factor = self.width * UNIT_53;
        if factor.is_normal() {
            // The factors' order makes no difference, as one is a power of two.
            for (out, &word) in out.iter_mut().zip(words) {
                out.put(then(self.low + factor * (word >> 11) as f64));
            }
        } else {
            for (out, &word) in out.iter_mut().zip(words) {
                out.put(then(self.low + self.width * unit(word)));
            }
        }
    }
}

/// Uniform numbers that are scaled and shifted once they are rounded: `value * scale + shift`.
#[derive(Clone, Copy)]
struct Scaled {
    uniform: Uniform<f64>,
    by: [f64; 2],
}

impl Law<f64> for Scaled {
    const PER_BLOCK: usize = 2;

    unsafe fn at_once<P: Place<f64>>(
        self,
        blocks: &Blocks,
        first: u64,
        out: &mut [P],
        asking: &mut Asking<'_>,
        level: Level,
    ) -> usize {
        let Scaled { uniform, by } = self;
        // SAFETY: the caller's promise.
        unsafe { uniform.line_at_once(Some(by), blocks, first, out, asking, level) }
    }

    #[inline(always)]
    fn values<const FMA: bool, P: Place<f64>>(self, words: &[u64], out: &mut [P]) {
        let [scale, shift] = self.by;
        self.uniform.lines(
            #[inline(always)]
            |value| value * scale + shift,
            words,
            out,
        );
    }
}

impl Law<f32> for Uniform<f32> {
    const PER_BLOCK: usize = 4;

    #[inline(always)]
    fn values<const FMA: bool, P: Place<f32>>(self, words: &[u64], out: &mut [P]) {
        let (pairs, _) = out.as_chunks_mut::<2>();
        for (pair, &word) in pairs.iter_mut().zip(words) {
            pair[0].put(self.low + self.width * (((word as u32) >> 8) as f32 * UNIT_24));
            pair[1].put(self.low + self.width * ((word >> 40) as u32 as f32 * UNIT_24));
        }
    }
}

/// A double in [0, 1) of the upper 53 bits.
#[inline(always)]
fn unit(word: u64) -> f64 {
    (word >> 11) as f64 * UNIT_53
}

/// The logarithm of `x` 2⁻⁵³, where `x` is from 1 to 2⁵³.
#[inline(always)]
fn log_of_unit<const FMA: bool>(x: u64) -> f64 {
    if FMA {
        math::log_of_unit(x as f64)
    } else {
        (x as f64 * UNIT_53).ln()
    }
}

/// A type to which computed doubles are rounded.
trait FromF64 {
    fn from_f64(value: f64) -> Self;
}

impl FromF64 for f64 {
    #[inline(always)]
    fn from_f64(value: f64) -> f64 {
        value
    }
}

impl FromF64 for f32 {
    #[inline(always)]
    fn from_f64(value: f64) -> f32 {
        value as f32
    }
}

/// Box and Muller's transform: the two words of a block are two independent normal values.
#[derive(Clone, Copy)]
struct Normal {
    mean: f64,
    std: f64,
}

impl Normal {
    /// `STANDARD` if the standard deviation is 1, by which nothing need be multiplied.
    #[inline(always)]
    fn pairs<T: FromF64, const FMA: bool, const STANDARD: bool, P: Place<T>>(
        self,
        words: &[u64],
        out: &mut [P],
    ) {
        let Normal { mean, std } = self;
        let ((pairs, _), (words, _)) = (out.as_chunks_mut::<2>(), words.as_chunks::<2>());
        for (pair, word) in pairs.iter_mut().zip(words) {
            // In (0, 1], so that the logarithm is finite.
            let log = log_of_unit::<FMA>((word[0] >> 11) + 1);
            let radius = (-2.0 * log).sqrt();
            let (sine, cosine) = if FMA {
                math::sin_cos_of_turns(word[1])
            } else {
                (TAU * unit(word[1])).sin_cos()
            };
            let (mut x, mut y) = (radius * cosine, radius * sine);
            if !STANDARD {
                (x, y) = (std * x, std * y);
            }
            pair[0].put(T::from_f64(mean + x));
            pair[1].put(T::from_f64(mean + y));
        }
    }
}

impl<T: FromF64> Law<T> for Normal {
    const PER_BLOCK: usize = 2;

    #[inline(always)]
    fn values<const FMA: bool, P: Place<T>>(self, words: &[u64], out: &mut [P]) {
        if self.std == 1.0 {
            self.pairs::<T, FMA, true, P>(words, out);
        } else {
            self.pairs::<T, FMA, false, P>(words, out);
        }
    }
}

/// By inversion: `−ln(1 − u)` times the mean.
#[derive(Clone, Copy)]
struct Exponential {
    mean: f64,
}

impl<T: FromF64> Law<T> for Exponential {
    const PER_BLOCK: usize = 2;

    #[inline(always)]
    fn values<const FMA: bool, P: Place<T>>(self, words: &[u64], out: &mut [P]) {
        for (out, &word) in out.iter_mut().zip(words) {
            out.put(T::from_f64(
                -log_of_unit::<FMA>((1 << 53) - (word >> 11)) * self.mean,
            ));
        }
    }
}

/// The upper half of the product of 64 random bits and the size of the range: no value is more than
/// range / 2⁶⁴ likelier than another.
#[derive(Clone, Copy)]
struct Integers {
    /// Modulo 2⁶⁴.
    low: u64,
    /// 0 for all 2⁶⁴ values.
    range: u64,
}

macro_rules! integers {
    ($($ty:ty)*) => {$(
        impl Law<$ty> for Integers {
            const PER_BLOCK: usize = 2;

            #[inline(always)]
            fn values<const FMA: bool, P: Place<$ty>>(self, words: &[u64], out: &mut [P]) {
                if self.range == 0 {
                    for (out, &word) in out.iter_mut().zip(words) {
                        out.put(self.low.wrapping_add(word) as $ty);
                    }
                    return;
                }
                for (out, &word) in out.iter_mut().zip(words) {
                    let scaled = ((word as u128 * self.range as u128) >> 64) as u64;
                    out.put(self.low.wrapping_add(scaled) as $ty);
                }
            }
        }
    )*};
}
integers!(u8 u16 u32 u64);

/// `u < p`.
#[derive(Clone, Copy)]
struct Bernoulli {
    p: f64,
}

impl Law<u8> for Bernoulli {
    const PER_BLOCK: usize = 2;

    #[inline(always)]
    fn values<const FMA: bool, P: Place<u8>>(self, words: &[u64], out: &mut [P]) {
        for (out, &word) in out.iter_mut().zip(words) {
            out.put((unit(word) < self.p) as u8);
        }
    }
}
