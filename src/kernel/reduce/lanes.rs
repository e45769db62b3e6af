//! The order in a run: 16 lanes, then a binary tree.

use super::accumulate::Accumulate;
use crate::op::reducer::LANES;
use crate::op::scalar::Any;

/// Folds a run. With `SKIP` NaN do not take part; nor do, if there is a mask, values whose byte is 0.
#[inline(always)]
pub fn fold_run<T: Any, A: Accumulate<T>, const SKIP: bool>(
    acc: A,
    values: &[T],
    mask: Option<&[u8]>,
) -> A::State {
    let mut lanes = [acc.identity(); LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    match mask {
        None => {
            for chunk in chunks {
                for j in 0..LANES {
                    lanes[j] = step_if(acc, lanes[j], chunk[j], keeps::<T, SKIP>(chunk[j]));
                }
            }
            for (j, &value) in rest.iter().enumerate() {
                lanes[j] = step_if(acc, lanes[j], value, keeps::<T, SKIP>(value));
            }
        }
        Some(mask) => {
            let (mask_chunks, mask_rest) = mask.as_chunks::<LANES>();
            for (chunk, mask) in chunks.iter().zip(mask_chunks) {
                for j in 0..LANES {
                    let keep = (mask[j] != 0) & keeps::<T, SKIP>(chunk[j]);
                    lanes[j] = step_if(acc, lanes[j], chunk[j], keep);
                }
            }
            for (j, (&value, &mask)) in rest.iter().zip(mask_rest).enumerate() {
                let keep = (mask != 0) & keeps::<T, SKIP>(value);
                lanes[j] = step_if(acc, lanes[j], value, keep);
            }
        }
    }
    merge_lanes(acc, lanes)
}

#[inline(always)]
fn merge_lanes<T, A: Accumulate<T>>(acc: A, mut lanes: [A::State; LANES]) -> A::State {
    let mut half = LANES / 2;
    while half > 0 {
        for j in 0..half {
            lanes[j] = acc.merge(lanes[j], lanes[j + half]);
        }
        half /= 2;
    }
    lanes[0]
}

/// How many values of a run take part. Counts are exact, whatever their order.
#[inline(always)]
pub fn count_run<T: Any, const SKIP: bool>(values: &[T], mask: Option<&[u8]>) -> u64 {
    let mut count = 0;
    match mask {
        None if !SKIP => count = values.len() as u64,
        None => {
            for &value in values {
                count += keeps::<T, SKIP>(value) as u64;
            }
        }
        Some(mask) => {
            for (&value, &mask) in values.iter().zip(mask) {
                count += ((mask != 0) & keeps::<T, SKIP>(value)) as u64;
            }
        }
    }
    count
}

#[inline(always)]
pub fn keeps<T: Any, const SKIP: bool>(value: T) -> bool {
    !SKIP || !value.isnan()
}

#[inline(always)]
pub fn step_if<T, A: Accumulate<T>>(acc: A, state: A::State, value: T, keep: bool) -> A::State {
    let stepped = acc.step(state, value);
    if keep { stepped } else { state }
}
