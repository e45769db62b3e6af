//! Values that show mistakes: all different, of many magnitudes, with both zeros, infinities and NaN.

use flagstone::{Complex, IntoChunks};
use ndarray::ArrayD;

use crate::twin::{Twin, from_index};
use crate::value::{Value, Wide};

/// A number in which every bit of the input matters (SplitMix64's finalizer).
pub fn scramble(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Finite floats of magnitudes from 2^-20 to 2^20, whose sums depend on their order.
pub fn float(n: u64) -> f64 {
    let bits = scramble(n);
    let mantissa = 1.0 + (bits >> 12) as f64 / (1u64 << 52) as f64;
    let sign = if bits & 1 == 0 { 1.0 } else { -1.0 };
    sign * mantissa * 2f64.powi((bits >> 1 & 31) as i32 - 20)
}

/// `float`, with now and then a zero of either sign, an infinity or NaN.
pub fn special(n: u64) -> f64 {
    match scramble(n ^ 0xABCD) % 23 {
        0 => f64::NAN,
        1 => 0.0,
        2 => -0.0,
        3 if scramble(n ^ 0x1234).is_multiple_of(5) => f64::INFINITY,
        _ => float(n),
    }
}

/// Numbers of any type, by their place.
pub fn number<T: Value>(n: u64) -> T {
    match T::default().wide() {
        Wide::Integer(_) => T::narrow(Wide::Integer(scramble(n) as i64)),
        Wide::Float(_) => T::narrow(Wide::Float(float(n))),
        Wide::Complex(_) => T::narrow(Wide::Complex(Complex::new(float(n), float(n ^ 1 << 40)))),
    }
}

fn by_place<T>(shape: &[usize], f: impl Fn(u64) -> T) -> ArrayD<T> {
    let mut n = 0;
    from_index(shape, |_| {
        n += 1;
        f(n)
    })
}

/// An array in memory of finite numbers.
pub fn numbers<T: Value>(shape: &[usize], seed: u64, chunks: impl IntoChunks) -> Twin<T> {
    Twin::memory(by_place(shape, |n| number(n + (seed << 32))), chunks)
}

/// An array in memory with missing values.
pub fn specials(shape: &[usize], seed: u64, chunks: impl IntoChunks) -> Twin<f64> {
    Twin::memory(by_place(shape, |n| special(n + (seed << 32))), chunks)
}

/// `true` in about one place of three.
pub fn mask(shape: &[usize], seed: u64, chunks: impl IntoChunks) -> Twin<bool> {
    Twin::memory(
        by_place(shape, |n| scramble(n + (seed << 32)).is_multiple_of(3)),
        chunks,
    )
}
