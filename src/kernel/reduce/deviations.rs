//! Deviations of a run's terms from a center, in lanes.

use super::lanes::Loops;
use super::monoid::{Carry, Moment, SumOf};
use crate::op::reducer::LANES;

/// Sums of deviations and of their squares: term `i` of a run enters lane `i mod 16`.
///
/// Registers of lanes are stored whole, without crossing cache lines.
#[repr(align(64))]
pub struct Deviations<M> {
    sums: [M; LANES],
    squares: [f64; LANES],
}

impl<M: Moment> Deviations<M> {
    #[inline(always)]
    pub fn none() -> Deviations<M> {
        Deviations {
            sums: [M::ZERO; LANES],
            squares: [0.0; LANES],
        }
    }

    #[inline(always)]
    fn step(&mut self, lane: usize, deviation: M) {
        self.sums[lane] = self.sums[lane].add(deviation);
        self.squares[lane] += deviation.norm_square();
    }

    /// Takes a part of a run. All parts but the last are whole numbers of lanes.
    #[inline(always)]
    pub fn take(&mut self, terms: &[M], center: M) {
        // A copy, which the compiler can keep in registers.
        let mut lanes = Deviations { ..*self };
        let (chunks, rest) = terms.as_chunks::<LANES>();
        for chunk in chunks {
            for (j, term) in chunk.iter().enumerate() {
                lanes.step(j, term.subtract(center));
            }
        }
        let (half, rest) = rest.as_chunks::<{ LANES / 2 }>();
        for half in half {
            for (j, term) in half.iter().enumerate() {
                lanes.step(j, term.subtract(center));
            }
        }
        *self = lanes;
        for (j, term) in rest.iter().enumerate() {
            self.step(half.len() * (LANES / 2) + j, term.subtract(center));
        }
    }

    /// As [`take`](Deviations::take), of terms that only enter where there is not 0 in `keep`.
    ///
    /// # Safety
    /// None: it has the form of the functions of a level.
    #[inline(always)]
    pub unsafe fn take_kept(&mut self, terms: &[M], keep: &[u8], center: M) {
        let deviation = |term: M, keep: u8| {
            let deviation = term.subtract(center);
            if keep != 0 { deviation } else { M::ZERO }
        };
        let mut lanes = Deviations { ..*self };
        let (chunks, rest) = terms.as_chunks::<LANES>();
        let (keep_chunks, keep_rest) = keep.as_chunks::<LANES>();
        for (chunk, keep) in chunks.iter().zip(keep_chunks) {
            for j in 0..LANES {
                lanes.step(j, deviation(chunk[j], keep[j]));
            }
        }
        *self = lanes;
        for (j, (&term, &keep)) in rest.iter().zip(keep_rest).enumerate() {
            self.step(j, deviation(term, keep));
        }
    }

    /// The lanes merged pairwise.
    #[inline(always)]
    pub fn sums(&self) -> (M, f64) {
        (merged(&self.sums), merged(&self.squares))
    }
}

/// Not inlined: where the compiler sees how lanes are merged, it takes registers of two lanes for all loops before, too,
/// and where it sees both sums, it interleaves them.
#[inline(never)]
fn merged<T: Carry>(lanes: &[T; LANES]) -> T {
    SumOf::<T>::new().merge_lanes(*lanes)
}
