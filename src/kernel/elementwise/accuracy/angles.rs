//! References of inverse functions.

use super::powers::square_root;
use super::reference::{
    Dd, HALF_PI, LN_2, Scaled, cosh, ldexp, log_of, product, sin_cos, sinh, sum,
};

/// The angle of the point (`x`, `y`), which is not 0.
fn angle(y: Dd, x: Dd) -> Dd {
    let near = y.hi.atan2(x.hi);
    let (sine, cosine) = sin_cos(near);
    // The tangent of what is left, which is about that itself.
    let rest = (y * cosine - x * sine) / (x * cosine + y * sine);
    Dd::from(near) + rest - rest * rest * rest / 3.0.into()
}

pub fn atan2(y: f64, x: f64) -> Scaled {
    let exponent = x.abs().max(y.abs()).log2().round() as i32;
    let (small, large) = (y.abs().min(x.abs()), y.abs().max(x.abs()));
    // Where the scaled one would underflow.
    if small / large < 1e-200 {
        if x > 0.0 && y.abs() < x {
            // The quotient of two doubles, with its own exponent.
            let (a, b) = (y.abs().log2().round() as i32, x.log2().round() as i32);
            let value = Dd::from(ldexp(y, -a)) / Dd::from(ldexp(x, -b));
            return Scaled {
                value,
                exponent: a - b,
            };
        }
        let multiple = if y.abs() < -x { 2.0 } else { 1.0 };
        let (hi, lo) = (multiple * HALF_PI[0], multiple * HALF_PI[1]);
        let value = Dd { hi, lo };
        return if y.is_sign_negative() { -value } else { value }.into();
    }
    angle(ldexp(y, -exponent).into(), ldexp(x, -exponent).into()).into()
}

pub fn atan(x: f64) -> Scaled {
    atan2(x, 1.0)
}

/// `√(1 - x²)`.
fn other_side(x: f64) -> Dd {
    square_root(sum(1.0, x) * sum(1.0, -x))
}

pub fn asin(x: f64) -> Scaled {
    angle(x.into(), other_side(x)).into()
}

pub fn acos(x: f64) -> Scaled {
    angle(other_side(x), x.into()).into()
}

fn whole(scaled: Scaled) -> Dd {
    let Scaled { value, exponent } = scaled;
    let (hi, lo) = (ldexp(value.hi, exponent), ldexp(value.lo, exponent));
    Dd { hi, lo }
}

/// The logarithm of twice a large number.
fn log_of_twice(x: f64) -> Scaled {
    (log_of(x.into()) + sum(LN_2[0], LN_2[1])).into()
}

pub fn asinh(x: f64) -> Scaled {
    if x.abs() > 1e17 {
        let log = log_of_twice(x.abs());
        return Scaled {
            value: if x < 0.0 { -log.value } else { log.value },
            ..log
        };
    }
    // Newton's method.
    let mut near = x.asinh();
    let mut rest = Dd::from(0.0);
    for _ in 0..3 {
        near = (Dd::from(near) + rest).hi;
        rest = (Dd::from(x) - whole(sinh(near))) / whole(cosh(near));
    }
    (Dd::from(near) + rest).into()
}

/// Of a number above 1.
pub fn acosh(x: f64) -> Scaled {
    if x > 1e17 {
        return log_of_twice(x);
    }
    let mut near = (2.0 * (x - 1.0)).sqrt().min(x.ln() + 0.7);
    let mut rest = Dd::from(0.0);
    for _ in 0..8 {
        near = (Dd::from(near) + rest).hi;
        // cosh t - 1 = 2 sinh² (t / 2)
        let half = whole(sinh(0.5 * near));
        let short = Dd::from(x - 1.0) - half * half * 2.0.into();
        rest = short / whole(sinh(near));
    }
    (Dd::from(near) + rest).into()
}

/// Of a number within ±1.
pub fn atanh(x: f64) -> Scaled {
    if x.abs() < 0.004 {
        // As of `log((1 + x) / (1 - x)) / 2`, whose series it is.
        let square = product(x, x);
        let (mut power, mut total) = (Dd::from(x), Dd::from(x));
        for i in 1..12 {
            power = power * square;
            total = total + power / (2.0 * i as f64 + 1.0).into();
        }
        return total.into();
    }
    (log_of(sum(1.0, x) / sum(1.0, -x)) * 0.5.into()).into()
}
