//! Functions in about 100 bits, as sums of two doubles: T. J. Dekker, "A floating-point technique for
//! extending the available precision" (1971). Plain series, slow, with nothing of the code under test.

use super::huge;
use std::ops::{Add, Div, Mul, Neg, Sub};

#[derive(Clone, Copy, Debug)]
pub struct Dd {
    pub hi: f64,
    pub lo: f64,
}

pub fn sum(a: f64, b: f64) -> Dd {
    let hi = a + b;
    let of_b = hi - a;
    let lo = (a - (hi - of_b)) + (b - of_b);
    Dd { hi, lo }
}

pub fn product(a: f64, b: f64) -> Dd {
    let hi = a * b;
    let lo = a.mul_add(b, -hi);
    Dd { hi, lo }
}

impl From<f64> for Dd {
    fn from(hi: f64) -> Dd {
        Dd { hi, lo: 0.0 }
    }
}

impl Add for Dd {
    type Output = Dd;
    fn add(self, other: Dd) -> Dd {
        let (high, low) = (sum(self.hi, other.hi), sum(self.lo, other.lo));
        let first = sum(high.hi, high.lo + low.hi);
        sum(first.hi, first.lo + low.lo)
    }
}

impl Neg for Dd {
    type Output = Dd;
    fn neg(self) -> Dd {
        let (hi, lo) = (-self.hi, -self.lo);
        Dd { hi, lo }
    }
}

impl Sub for Dd {
    type Output = Dd;
    fn sub(self, other: Dd) -> Dd {
        self + -other
    }
}

impl Mul for Dd {
    type Output = Dd;
    fn mul(self, other: Dd) -> Dd {
        let high = product(self.hi, other.hi);
        sum(high.hi, high.lo + (self.hi * other.lo + self.lo * other.hi))
    }
}

impl Div for Dd {
    type Output = Dd;
    fn div(self, other: Dd) -> Dd {
        let first = self.hi / other.hi;
        let rest = self - other * first.into();
        let second = rest.hi / other.hi;
        let rest = rest - other * second.into();
        sum(first, second) + (rest.hi / other.hi).into()
    }
}

/// `value * 2^exponent`: also of results that no double holds.
#[derive(Clone, Copy, Debug)]
pub struct Scaled {
    pub value: Dd,
    pub exponent: i32,
}

impl From<Dd> for Scaled {
    fn from(value: Dd) -> Scaled {
        Scaled { value, exponent: 0 }
    }
}

pub fn ldexp(x: f64, exponent: i32) -> f64 {
    let half = exponent / 2;
    x * 2f64.powi(half) * 2f64.powi(exponent - half)
}

fn scale(x: Dd, exponent: i32) -> Dd {
    let (hi, lo) = (ldexp(x.hi, exponent), ldexp(x.lo, exponent));
    Dd { hi, lo }
}

pub const LN_2: [f64; 3] = [
    std::f64::consts::LN_2,
    2.3190468138462996e-17,
    5.707708438416212e-34,
];
pub const HALF_PI: [f64; 3] = [
    std::f64::consts::FRAC_PI_2,
    6.123233995736766e-17,
    -1.4973849048591698e-33,
];

/// `x` less `n` times a constant of three parts.
fn less(x: Dd, n: f64, constant: [f64; 3]) -> Dd {
    constant
        .iter()
        .fold(x, |rest, &part| rest - product(n, part))
}

/// The sum of `terms` whose next is `x` times the former over `divisor(i)`.
fn series(first: Dd, x: Dd, divisor: impl Fn(f64) -> f64) -> Dd {
    let (mut term, mut total) = (first, first);
    for i in 1..40 {
        term = term * x / divisor(i as f64).into();
        total = total + term;
        if term.hi.abs() < 1e-34 * total.hi.abs() {
            break;
        }
    }
    total
}

pub fn exp_of(x: Dd) -> Scaled {
    let n = (x.hi / LN_2[0]).round();
    let value = series(1.0.into(), less(x, n, LN_2), |i| i);
    let exponent = n as i32;
    Scaled { value, exponent }
}

pub fn exp(x: f64) -> Scaled {
    exp_of(x.into())
}

pub fn exp2(x: f64) -> Scaled {
    let n = x.round();
    let ln_2 = sum(LN_2[0], LN_2[1]);
    let scaled = exp_of(ln_2 * (x - n).into());
    let exponent = scaled.exponent + n as i32;
    Scaled { exponent, ..scaled }
}

pub fn expm1(x: f64) -> Scaled {
    if x.abs() < 0.25 {
        return series(x.into(), x.into(), |i| i + 1.0).into();
    }
    let Scaled { value, exponent } = exp(x);
    if exponent < -200 {
        return sum(-1.0, 1e-60).into();
    }
    let one = if exponent < 500 {
        ldexp(1.0, -exponent)
    } else {
        0.0
    };
    Scaled {
        value: value - one.into(),
        exponent,
    }
}

pub fn tanh(x: f64) -> Scaled {
    let Scaled { value, exponent } = expm1(2.0 * x);
    let value = scale(value, exponent);
    (value / (value + 2.0.into())).into()
}

/// Of both `e^|x| - 1` and its inverse.
fn hyperbolic(x: f64, sign: f64) -> Scaled {
    if x.abs() > 300.0 {
        // The other power is beyond all bits.
        let Scaled { value, exponent } = exp(x.abs());
        return Scaled {
            value: if sign < 0.0 && x < 0.0 { -value } else { value },
            exponent: exponent - 1,
        };
    }
    let Scaled { value, exponent } = expm1(x.abs());
    // In quarters, so that nothing overflows.
    let quarter = scale(value, exponent - 2);
    let power = quarter + 0.25.into();
    let inverse = Dd::from(0.0625) / power;
    let value = if sign < 0.0 {
        // e - 1 - (1 / e - 1), where both are small.
        quarter + quarter * Dd::from(0.25) / power
    } else {
        power + inverse
    };
    let exponent = 1;
    Scaled {
        value: if sign < 0.0 && x < 0.0 { -value } else { value },
        exponent,
    }
}

pub fn sinh(x: f64) -> Scaled {
    hyperbolic(x, -1.0)
}

pub fn cosh(x: f64) -> Scaled {
    hyperbolic(x, 1.0)
}

/// The logarithm of `1 + f`.
pub fn log_of_one_and(f: Dd) -> Dd {
    if f.hi.abs() < 0.01 {
        let s = f / (f + 2.0.into());
        let z = s * s;
        let (mut power, mut total) = (s, s);
        for i in 1..12 {
            power = power * z;
            total = total + power / (2.0 * i as f64 + 1.0).into();
        }
        return total + total;
    }
    // One step of Newton's method from a double.
    let x = f + 1.0.into();
    let near = x.hi.ln();
    let Scaled { value, exponent } = exp(-near);
    let t = x * scale(value, exponent) - 1.0.into();
    Dd::from(near) + t - t * t / 2.0.into()
}

/// The logarithm of `2^k (1 + f)`, as `k` and that of `1 + f`.
fn parts(x: Dd) -> (f64, Dd) {
    let (x, offset) = if x.hi < 1e-300 {
        (scale(x, 100), 100.0)
    } else {
        (x, 0.0)
    };
    let k = x.hi.log2().round();
    (k - offset, log_of_one_and(scale(x, -k as i32) - 1.0.into()))
}

pub fn log_of(x: Dd) -> Dd {
    let (k, log) = parts(x);
    product(k, LN_2[0]) + product(k, LN_2[1]) + log
}

pub fn log(x: f64) -> Scaled {
    log_of(x.into()).into()
}

pub fn log2(x: f64) -> Scaled {
    let (k, log) = parts(x.into());
    (log / sum(LN_2[0], LN_2[1]) + k.into()).into()
}

pub fn log10(x: f64) -> Scaled {
    let ln_10 = sum(std::f64::consts::LN_10, -2.1707562233822494e-16);
    (log_of(x.into()) / ln_10).into()
}

pub fn log1p(x: f64) -> Scaled {
    if x > 1e18 {
        return log(x);
    }
    if x.abs() < 0.01 {
        return log_of_one_and(x.into()).into();
    }
    let sum = sum(1.0, x);
    let k = sum.hi.log2().round();
    let log = log_of_one_and(scale(sum, -k as i32) - 1.0.into());
    (product(k, LN_2[0]) + product(k, LN_2[1]) + log).into()
}

pub fn sin_cos(x: f64) -> (Dd, Dd) {
    if x.abs() > 1e6 {
        let (quadrant, rest) = huge::reduce(x);
        return sin_cos_of(quadrant, rest);
    }
    let n = (x / HALF_PI[0]).round();
    sin_cos_of(n.rem_euclid(4.0) as u64, less(x.into(), n, HALF_PI))
}

/// Of `r` and so many quadrants.
fn sin_cos_of(quadrant: u64, r: Dd) -> (Dd, Dd) {
    let square = -(r * r);
    let sine = series(r, square, |i| 2.0 * i * (2.0 * i + 1.0));
    let cosine = series(1.0.into(), square, |i| (2.0 * i - 1.0) * (2.0 * i));
    match quadrant {
        0 => (sine, cosine),
        1 => (cosine, -sine),
        2 => (-sine, -cosine),
        _ => (-cosine, sine),
    }
}

pub fn sin(x: f64) -> Scaled {
    sin_cos(x).0.into()
}

pub fn cos(x: f64) -> Scaled {
    sin_cos(x).1.into()
}

pub fn tan(x: f64) -> Scaled {
    let (sine, cosine) = sin_cos(x);
    (sine / cosine).into()
}

/// How far `got` is from the reference, in units of the last place there of a type whose numbers have
/// `digits` bits, down to `2^smallest`.
pub fn ulps(got: f64, reference: Scaled, digits: i32, smallest: i32) -> f64 {
    let Scaled { value, exponent } = reference;
    let magnitude = ((value.hi.to_bits() >> 52) & 2047) as i32 - 1023;
    let largest = if digits == 53 { 1024 } else { 128 };
    if got.is_infinite() && magnitude + exponent >= largest && (got > 0.0) == (value.hi > 0.0) {
        return 0.0;
    }
    // Nearer, an infinity stands for the power of two above the largest number.
    let got = if got.is_infinite() {
        ldexp(1f64.copysign(got), largest - exponent)
    } else {
        ldexp(got, -exponent)
    };
    let ulp = (magnitude - digits + 1).max(smallest - exponent);
    ldexp((got - value.hi) - value.lo, -ulp).abs()
}
