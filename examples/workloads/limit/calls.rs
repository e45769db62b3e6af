//! Calls of a function: a plain Rayon loop.

use rayon::prelude::*;

/// Some nanoseconds of work that no compiler leaves out: the last step of SplitMix64.
pub fn trivial(i: usize) -> f64 {
    let mut bits = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (bits ^ (bits >> 31)) as f64
}

pub fn all(n: usize) -> Vec<f64> {
    (0..n).into_par_iter().map(trivial).collect()
}
