//! Means of runs and their deviations, one run behind: while one is summed, which waits for memory, the deviations
//! of the one before it are taken, which is still in the first-level cache.

use super::lanes::sum_of_lanes;
use crate::kernel::chain::Registers;
use crate::kernel::level::Level;
use crate::op::reducer::LANES;

/// The sum of `next`, and the sum of the squares of the deviations of `this` from a mean, both in lanes.
///
/// # Safety
/// The machine must have the level that the function was asked for.
pub type StaggeredFn = unsafe fn(next: &[f64], this: &[f64], mean: f64) -> (f64, f64);

/// The function of a level. Without wide registers it would not pay.
pub fn staggered(level: Level) -> Option<StaggeredFn> {
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 | Level::Avx512 => Some(x86::avx2),
        _ => None,
    }
}

/// Lanes of both sums, `L` registers each.
struct Both<V, const L: usize> {
    sums: [V; L],
    squares: [V; L],
}

impl<V: Registers<Item = f64>, const L: usize> Both<V, L> {
    /// # Safety
    /// There must be [`LANES`] elements.
    #[inline(always)]
    unsafe fn add(&mut self, next: *const f64) {
        for (i, sum) in self.sums.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            *sum = sum.add(unsafe { V::load(next.add(i * V::COUNT)) });
        }
    }

    /// # Safety
    /// There must be [`LANES`] elements.
    #[inline(always)]
    unsafe fn deviate(&mut self, this: *const f64, mean: V) {
        for (i, square) in self.squares.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            let deviation = unsafe { V::load(this.add(i * V::COUNT)) }.subtract(mean);
            *square = square.add(deviation.multiply(deviation));
        }
    }
}

#[inline(always)]
fn stored<V: Registers<Item = f64>, const L: usize>(registers: [V; L]) -> [f64; LANES] {
    const { assert!(V::COUNT * L == LANES) };
    let mut lanes = [0.0; LANES];
    for (register, lanes) in registers.into_iter().zip(lanes.chunks_exact_mut(V::COUNT)) {
        // SAFETY: a register's lanes.
        unsafe { register.store(lanes.as_mut_ptr()) };
    }
    lanes
}

/// The elements that fill registers.
#[inline(always)]
fn whole<V: Registers<Item = f64>>(elements: &[f64]) -> usize {
    elements.len() / V::COUNT * V::COUNT
}

/// Where each register's elements begin.
#[inline(always)]
fn registers<V: Registers<Item = f64>>(elements: &[f64]) -> impl Iterator<Item = *const f64> {
    elements.chunks_exact(V::COUNT).map(<[f64]>::as_ptr)
}

/// Where each register's lanes begin.
#[inline(always)]
fn lanes<V: Registers<Item = f64>>(lanes: &mut [f64; LANES]) -> impl Iterator<Item = *mut f64> {
    lanes.chunks_exact_mut(V::COUNT).map(<[f64]>::as_mut_ptr)
}

/// # Safety
/// As for [`StaggeredFn`].
#[inline(always)]
unsafe fn body<V: Registers<Item = f64>, const L: usize>(
    next: &[f64],
    this: &[f64],
    mean: f64,
) -> (f64, f64) {
    let mut both = Both {
        sums: [V::splat(-0.0); L],
        squares: [V::zero(); L],
    };
    let (next, next_rest) = next.as_chunks::<LANES>();
    let (this, this_rest) = this.as_chunks::<LANES>();
    let means = V::splat(mean);
    let common = next.len().min(this.len());
    // SAFETY: chunks have as many elements as there are lanes.
    unsafe {
        for (next, this) in next.iter().zip(this) {
            both.add(next.as_ptr());
            both.deviate(this.as_ptr(), means);
        }
        for next in &next[common..] {
            both.add(next.as_ptr());
        }
        for this in &this[common..] {
            both.deviate(this.as_ptr(), means);
        }
    }
    let (mut sums, mut squares) = (stored(both.sums), stored(both.squares));
    // Whole registers first: what the compiler makes of a loop over single lanes are stores under a mask, which some
    // machines take long for.
    let (next, next_singles) = next_rest.split_at(whole::<V>(next_rest));
    let (this, this_singles) = this_rest.split_at(whole::<V>(this_rest));
    // SAFETY: a register's elements each, of lanes and of what is left.
    unsafe {
        for (next, sums) in registers::<V>(next).zip(lanes::<V>(&mut sums)) {
            V::load(sums).add(V::load(next)).store(sums);
        }
        for (this, squares) in registers::<V>(this).zip(lanes::<V>(&mut squares)) {
            let deviation = V::load(this).subtract(means);
            V::load(squares)
                .add(deviation.multiply(deviation))
                .store(squares);
        }
    }
    for (sum, next) in sums[next.len()..].iter_mut().zip(next_singles) {
        *sum += next;
    }
    for (square, this) in squares[this.len()..].iter_mut().zip(this_singles) {
        let deviation = this - mean;
        *square += deviation * deviation;
    }
    (sum_of_lanes(sums), sum_of_lanes(squares))
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::__m256d;

    use super::*;

    /// # Safety
    /// As for [`StaggeredFn`].
    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn avx2(next: &[f64], this: &[f64], mean: f64) -> (f64, f64) {
        // SAFETY: the caller's promise.
        unsafe { body::<__m256d, 4>(next, this, mean) }
    }
}
