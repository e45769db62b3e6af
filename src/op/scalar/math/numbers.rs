//! Numbers for which some functions are written once: one, or a register of them.

use super::log;

/// A `float64`, or a register of them.
pub trait Numbers: Copy {
    fn splat(x: f64) -> Self;
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
    fn over(self, other: Self) -> Self;
    /// `self * a + b`, rounded once.
    fn fused(self, a: Self, b: Self) -> Self;
    /// Sine and cosine of an angle so many quadrants from one. The quadrant is the lowest two bits.
    fn turned(one: SinCos<Self>, quadrant: Self) -> (Self, Self);
    /// Times a power of two, whose exponent is the lowest bits; the result must be normal.
    fn times_power(self, exponent: Self) -> Self;
    /// `k` and `f` of `2^k (1 + f)`, a positive normal number, with `1 + f` from √½ to √2.
    fn split(self) -> (Self, Self);
}

/// A sine and a cosine.
#[derive(Clone, Copy)]
pub struct SinCos<N> {
    /// The sine is the difference of these: where subtractions cost least, so does its opposite.
    pub sine: [N; 2],
    pub cosine: N,
}

impl Numbers for f64 {
    #[inline(always)]
    fn splat(x: f64) -> f64 {
        x
    }

    #[inline(always)]
    fn plus(self, other: f64) -> f64 {
        self + other
    }

    #[inline(always)]
    fn minus(self, other: f64) -> f64 {
        self - other
    }

    #[inline(always)]
    fn times(self, other: f64) -> f64 {
        self * other
    }

    #[inline(always)]
    fn over(self, other: f64) -> f64 {
        self / other
    }

    #[inline(always)]
    fn fused(self, a: f64, b: f64) -> f64 {
        self.mul_add(a, b)
    }

    #[inline(always)]
    fn turned(one: SinCos<f64>, quadrant: f64) -> (f64, f64) {
        let SinCos {
            sine: [hi, loss],
            cosine,
        } = one;
        let quadrant = quadrant.to_bits();
        let sine = hi - loss;
        let (y, x) = match quadrant & 1 == 0 {
            true => (sine, cosine),
            false => (cosine, -sine),
        };
        let sign = (quadrant & 2) << 62;
        (
            f64::from_bits(y.to_bits() ^ sign),
            f64::from_bits(x.to_bits() ^ sign),
        )
    }

    #[inline(always)]
    fn times_power(self, exponent: f64) -> f64 {
        f64::from_bits(self.to_bits().wrapping_add(exponent.to_bits() << 52))
    }

    #[inline(always)]
    fn split(self) -> (f64, f64) {
        let log::Reduced { k, f, .. } = log::reduce(self);
        (k, f)
    }
}
