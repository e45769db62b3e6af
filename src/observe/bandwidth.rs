//! How fast this machine reads memory.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// What is read: more than the caches of most machines hold.
pub const BANDWIDTH_BYTES: usize = 64 << 20;

/// The best of so many passes: other programs may get in the way of one.
const PASSES: usize = 4;

/// The bytes a second that so many threads together read from memory, by adding up 64 MiB of numbers.
///
/// Measured when it is first asked for, which takes some hundredths of a second and 64 MiB; later calls with the
/// same number of threads give the same answer.
///
/// ```
/// let bandwidth = flagstone::observe::memory_bandwidth(2);
/// assert!(bandwidth > 1e6);
/// assert_eq!(bandwidth, flagstone::observe::memory_bandwidth(2));
/// ```
pub fn memory_bandwidth(threads: usize) -> f64 {
    static KNOWN: Mutex<BTreeMap<usize, f64>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    *known
        .entry(threads)
        .or_insert_with(|| measure(threads.max(1)))
}

fn measure(threads: usize) -> f64 {
    // Written, so that each page is one of its own.
    let numbers = vec![1_u64; BANDWIDTH_BYTES / 8];
    let part = numbers.len().div_ceil(threads);
    let mut best = f64::INFINITY;
    for _ in 0..PASSES {
        let start = Instant::now();
        std::thread::scope(|scope| {
            for part in numbers.chunks(part) {
                scope.spawn(move || {
                    // Eight sums at a time: one alone would wait for its own additions.
                    let mut sums = [0_u64; 8];
                    for eight in part.chunks_exact(8) {
                        for (sum, number) in sums.iter_mut().zip(eight) {
                            *sum = sum.wrapping_add(*number);
                        }
                    }
                    black_box(sums);
                });
            }
        });
        best = best.min(start.elapsed().as_secs_f64());
    }
    BANDWIDTH_BYTES as f64 / best.max(1e-9)
}
