//! Loops that read arrays once, in the order in which they lie in memory.

use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::buffer;
use super::math;
use super::vector::wide::Wide;
use super::vector::{Vector, dispatch};

/// The elements that a thread takes at a time.
const PART: usize = 1 << 18;

/// What is added up of each element.
trait Term: Copy {
    fn term<V: Vector>(self, x: V) -> V;
}

/// Adds up the terms of a slice, in several lanes.
#[inline(always)]
fn sum_terms<V: Vector, T: Term, const UNROLL: usize>(x: &[f64], term: T) -> f64 {
    let step = UNROLL * V::LANES;
    let mut sums = [V::splat(0.0); UNROLL];
    let whole = x.len() / step * step;
    let mut at = 0;
    while at < whole {
        for (i, sum) in sums.iter_mut().enumerate() {
            // SAFETY: `at + step` is at most the slice's length.
            let values = unsafe { V::load(x.as_ptr().add(at + i * V::LANES)) };
            *sum = sum.add(term.term(values));
        }
        at += step;
    }
    let mut total = 0.0;
    for &value in &x[whole..] {
        // All lanes hold the one value; their number is a power of two.
        total += term.term(V::splat(value)).reduce_add() / V::LANES as f64;
    }
    for sum in sums {
        total += sum.reduce_add();
    }
    total
}

/// The sum of `f` over parts of a slice.
fn parallel_sum(x: &[f64], f: impl Fn(&[f64]) -> f64 + Sync + Send) -> f64 {
    let parts: Vec<f64> = x.par_chunks(PART).map(f).collect();
    parts.iter().sum()
}

#[derive(Clone, Copy)]
struct Plain;

impl Term for Plain {
    #[inline(always)]
    fn term<V: Vector>(self, x: V) -> V {
        x
    }
}

/// (x + 1) · 2
#[derive(Clone, Copy)]
struct Shifted;

impl Term for Shifted {
    #[inline(always)]
    fn term<V: Vector>(self, x: V) -> V {
        x.add(V::splat(1.0)).mul(V::splat(2.0))
    }
}

/// (x − c)²
#[derive(Clone, Copy)]
struct SquaredDistance(f64);

impl Term for SquaredDistance {
    #[inline(always)]
    fn term<V: Vector>(self, x: V) -> V {
        let d = x.sub(V::splat(self.0));
        d.mul(d)
    }
}

/// sin²x + cos²x
#[derive(Clone, Copy)]
struct Trig;

impl Term for Trig {
    #[inline(always)]
    fn term<V: Vector>(self, x: V) -> V {
        let (sin, cos) = math::sin_cos(x);
        sin.mul_add(sin, cos.mul(cos))
    }
}

/// log(1 + exp x)
#[derive(Clone, Copy)]
struct Softplus;

impl Term for Softplus {
    #[inline(always)]
    fn term<V: Vector>(self, x: V) -> V {
        math::log(math::exp(x).add(V::splat(1.0)))
    }
}

#[inline(always)]
fn plain_body<V: Vector>(x: &[f64]) -> f64 {
    sum_terms::<V, _, 8>(x, Plain)
}

#[inline(always)]
fn shifted_body<V: Vector>(x: &[f64]) -> f64 {
    sum_terms::<V, _, 8>(x, Shifted)
}

#[inline(always)]
fn distance_body<V: Vector>(x: &[f64], center: f64) -> f64 {
    sum_terms::<V, _, 8>(x, SquaredDistance(center))
}

#[inline(always)]
fn trig_body<V: Vector>(x: &[f64]) -> f64 {
    sum_terms::<Wide<V, 4>, _, 1>(x, Trig)
}

#[inline(always)]
fn softplus_body<V: Vector>(x: &[f64]) -> f64 {
    sum_terms::<Wide<V, 4>, _, 1>(x, Softplus)
}

/// The sums of x − c and (x − c)².
#[inline(always)]
fn moments_body<V: Vector>(x: &[f64], center: f64) -> [f64; 2] {
    const UNROLL: usize = 8;
    let step = UNROLL * V::LANES;
    let c = V::splat(center);
    let mut sums = [[V::splat(0.0); 2]; UNROLL];
    let whole = x.len() / step * step;
    let mut at = 0;
    while at < whole {
        for (i, [first, second]) in sums.iter_mut().enumerate() {
            // SAFETY: `at + step` is at most the slice's length.
            let d = unsafe { V::load(x.as_ptr().add(at + i * V::LANES)) }.sub(c);
            *first = first.add(d);
            *second = d.mul_add(d, *second);
        }
        at += step;
    }
    let mut total = [0.0; 2];
    for &value in &x[whole..] {
        total[0] += value - center;
        total[1] += (value - center).powi(2);
    }
    for [first, second] in sums {
        total[0] += first.reduce_add();
        total[1] += second.reduce_add();
    }
    total
}

#[derive(Clone, Copy)]
enum Pair {
    Sum,
    Difference,
}

#[inline(always)]
fn pair_body<V: Vector>(x: &[f64], y: &[f64], pair: Pair) -> f64 {
    // Chosen outside of the loop, which is compiled twice.
    match pair {
        Pair::Sum => pair_loop::<V>(x, y, 1.0),
        Pair::Difference => pair_loop::<V>(x, y, -1.0),
    }
}

#[inline(always)]
fn pair_loop<V: Vector>(x: &[f64], y: &[f64], sign: f64) -> f64 {
    assert_eq!(x.len(), y.len());
    const UNROLL: usize = 8;
    let step = UNROLL * V::LANES;
    let mut sums = [V::splat(0.0); UNROLL];
    let whole = x.len() / step * step;
    let mut at = 0;
    while at < whole {
        for (i, sum) in sums.iter_mut().enumerate() {
            let from = at + i * V::LANES;
            // SAFETY: `at + step` is at most the length of both slices.
            let (a, b) = unsafe { (V::load(x.as_ptr().add(from)), V::load(y.as_ptr().add(from))) };
            let both = if sign > 0.0 { a.add(b) } else { a.sub(b) };
            *sum = sum.add(both);
        }
        at += step;
    }
    let mut total = 0.0;
    for (a, b) in x[whole..].iter().zip(&y[whole..]) {
        total += a + sign * b;
    }
    for sum in sums {
        total += sum.reduce_add();
    }
    total
}

#[inline(always)]
fn affine_body<V: Vector>(x: &[f64], out: &mut [MaybeUninit<f64>]) {
    assert_eq!(x.len(), out.len());
    let (two, one) = (V::splat(2.0), V::splat(1.0));
    let to = out.as_mut_ptr().cast::<f64>();
    let whole = x.len() / V::LANES * V::LANES;
    let mut at = 0;
    // Ordinary stores: fresh pages are still in the cache from being cleared.
    while at < whole {
        // SAFETY: `at + LANES` is at most the length of both. Two times a number is exact, so that
        // rounding once or twice is the same.
        unsafe {
            V::load(x.as_ptr().add(at))
                .mul_add(two, one)
                .store(to.add(at))
        };
        at += V::LANES;
    }
    for i in whole..x.len() {
        out[i].write(2.0 * x[i] + 1.0);
    }
}

dispatch! {
    fn plain(x: &[f64]) -> f64 = plain_body;
    fn shifted(x: &[f64]) -> f64 = shifted_body;
    fn distance(x: &[f64], center: f64) -> f64 = distance_body;
    fn trig_part(x: &[f64]) -> f64 = trig_body;
    fn softplus_part(x: &[f64]) -> f64 = softplus_body;
    fn moments(x: &[f64], center: f64) -> [f64; 2] = moments_body;
    fn pair(x: &[f64], y: &[f64], which: Pair) -> f64 = pair_body;
    fn affine_part(x: &[f64], out: &mut [MaybeUninit<f64>]) = affine_body;
}

/// 2x + 1, in memory of its own.
pub fn affine(x: &[f64]) -> Vec<f64> {
    buffer::build(x.len(), |first, part| {
        affine_part(&x[first..first + part.len()], part)
    })
}

pub fn sum(x: &[f64]) -> f64 {
    parallel_sum(x, plain)
}

/// The sum of (x + 1) · 2.
pub fn sum_shifted(x: &[f64]) -> f64 {
    parallel_sum(x, shifted)
}

/// The sum of sin²x + cos²x.
pub fn trig(x: &[f64]) -> f64 {
    parallel_sum(x, trig_part)
}

/// The mean of log(1 + exp x).
pub fn softplus(x: &[f64]) -> f64 {
    parallel_sum(x, softplus_part) / x.len() as f64
}

/// The standard deviation, in one pass: of the distances to a number near the mean.
pub fn std(x: &[f64]) -> f64 {
    let near = &x[..x.len().min(4096)];
    let center = plain(near) / near.len() as f64;
    let parts: Vec<[f64; 2]> = x
        .par_chunks(PART)
        .map(|part| moments(part, center))
        .collect();
    let [first, second] = parts
        .iter()
        .fold([0.0; 2], |sum, part| [sum[0] + part[0], sum[1] + part[1]]);
    let n = x.len() as f64;
    ((second - first * first / n) / n).sqrt()
}

/// The mean of (x − mean x)², in two passes.
///
/// The second one goes backwards, so that it finds in the caches what the first one has read last.
pub fn global_anomaly(x: &[f64]) -> f64 {
    let mean = sum(x) / x.len() as f64;
    let parts: Vec<f64> = x
        .par_chunks(PART)
        .rev()
        .map(|part| distance(part, mean))
        .collect();
    parts.iter().sum::<f64>() / x.len() as f64
}

/// The sum of x + y.
pub fn sum_of_sums(x: &[f64], y: &[f64]) -> f64 {
    let parts: Vec<f64> = x
        .par_chunks(PART)
        .zip(y.par_chunks(PART))
        .map(|(x, y)| pair(x, y, Pair::Sum))
        .collect();
    parts.iter().sum()
}

/// The sum of a[1:, 1:] − b[:−1, :−1].
pub fn double_diff(a: &[f64], b: &[f64], columns: usize) -> f64 {
    let rows = a.len() / columns;
    let parts: Vec<f64> = (1..rows)
        .into_par_iter()
        .with_min_len(8)
        .map(|row| {
            let from = &a[row * columns..][1..columns];
            let minus = &b[(row - 1) * columns..][..columns - 1];
            pair(from, minus, Pair::Difference)
        })
        .collect();
    parts.iter().sum()
}

/// The sum of each row.
pub fn row_sums(x: &[f64], columns: usize) -> Vec<f64> {
    x.par_chunks(columns).with_min_len(8).map(plain).collect()
}
