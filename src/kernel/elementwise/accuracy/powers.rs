//! References of powers, roots and sums of exponentials.

use super::reference::{Dd, Scaled, exp_of, ldexp, log_of, log_of_one_and, product, sum};

/// Of a positive base.
pub fn pow(x: f64, y: f64) -> Scaled {
    // Halves, so that the larger product does not overflow; beyond them there is nothing to compare.
    exp_of(log_of(x.into()) * y.into())
}

pub fn square_root(x: Dd) -> Dd {
    if x.hi == 0.0 {
        return x;
    }
    let near = x.hi.sqrt();
    // From about 52 bits to about 104.
    Dd::from(near) + (x - product(near, near)) / (2.0 * near).into()
}

pub fn cbrt(x: f64) -> Scaled {
    let exponent = (x.abs().log2() / 3.0).round() as i32;
    let x = ldexp(ldexp(x, -exponent), -2 * exponent);
    let mut root = Dd::from(x.cbrt());
    for _ in 0..2 {
        let square = root * root;
        root = root - (square * root - x.into()) / (square * 3.0.into());
    }
    Scaled {
        value: root,
        exponent,
    }
}

pub fn hypot(x: f64, y: f64) -> Scaled {
    let exponent = x.abs().max(y.abs()).log2().round() as i32;
    let (x, y) = (ldexp(x, -exponent), ldexp(y, -exponent));
    Scaled {
        value: square_root(product(x, x) + product(y, y)),
        exponent,
    }
}

/// `log(1 + e)` of a positive number up to 1.
fn log_of_one_and_scaled(e: Scaled) -> Scaled {
    let Scaled { value, exponent } = e;
    // e - e²/2: the rest is beyond all bits.
    if exponent < -120 {
        return e;
    }
    log_of_one_and(Dd {
        hi: ldexp(value.hi, exponent),
        lo: ldexp(value.lo, exponent),
    })
    .into()
}

/// `larger` and a number that is not negative.
fn above(larger: f64, rest: Scaled) -> Scaled {
    let Scaled { value, exponent } = rest;
    if larger == 0.0 {
        return rest;
    }
    // Upwards, so that nothing is lost below the smallest number.
    let up = if larger.abs() < 1e-100 { 400 } else { 0 };
    if exponent < -900 && up == 0 {
        return Dd::from(larger).into();
    }
    let rest = Dd {
        hi: ldexp(value.hi, exponent + up),
        lo: ldexp(value.lo, exponent + up),
    };
    Scaled {
        value: rest + ldexp(larger, up).into(),
        exponent: -up,
    }
}

/// The smaller number less the larger one, unless its power is nothing beside every number.
fn difference(x: f64, y: f64) -> Option<Dd> {
    let rough = x.min(y) - x.max(y);
    (rough > -2000.0).then(|| sum(x.min(y), -x.max(y)))
}

pub fn logaddexp(x: f64, y: f64) -> Scaled {
    let Some(difference) = difference(x, y) else {
        return Dd::from(x.max(y)).into();
    };
    above(x.max(y), log_of_one_and_scaled(exp_of(difference)))
}

pub fn logaddexp2(x: f64, y: f64) -> Scaled {
    let Some(difference) = difference(x, y) else {
        return Dd::from(x.max(y)).into();
    };
    let n = difference.hi.round();
    let fraction = exp_of((difference - n.into()) * log_of(2.0.into()));
    let power = Scaled {
        exponent: fraction.exponent + n as i32,
        ..fraction
    };
    let log = log_of_one_and_scaled(power);
    let log = Scaled {
        value: log.value / log_of(2.0.into()),
        ..log
    };
    above(x.max(y), log)
}
