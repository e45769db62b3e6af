//! Formulas of complex numbers where `num_complex` loses digits, overflows or gives NaN.

use num_complex::Complex;
use num_traits::{Float, FloatConst};

/// The modulus, without overflow of the squares.
#[inline(always)]
pub fn modulus<F: Float>(z: Complex<F>) -> F {
    z.re.hypot(z.im)
}

/// Smith's division, as NumPy's: squares of the divisor neither overflow nor vanish.
#[inline(always)]
pub fn quotient<F: Float>(x: Complex<F>, y: Complex<F>) -> Complex<F> {
    let zero = F::zero();
    if y.re.abs() >= y.im.abs() {
        if y.re == zero && y.im == zero {
            return Complex::new(x.re / y.re.abs(), x.im / y.re.abs());
        }
        let ratio = y.im / y.re;
        let scale = F::one() / (y.re + y.im * ratio);
        Complex::new((x.re + x.im * ratio) * scale, (x.im - x.re * ratio) * scale)
    } else {
        let ratio = y.re / y.im;
        let scale = F::one() / (y.im + y.re * ratio);
        Complex::new((x.re * ratio + x.im) * scale, (x.im * ratio - x.re) * scale)
    }
}

/// As NumPy's: small whole exponents by multiplication, so that `z ** 2` is `z * z`.
#[inline(always)]
pub fn power<F: Float + FloatConst>(base: Complex<F>, exponent: Complex<F>) -> Complex<F> {
    let (zero, one) = (F::zero(), F::one());
    if exponent.re == zero && exponent.im == zero {
        return Complex::new(one, zero);
    }
    if base.re == zero && base.im == zero {
        let defined = exponent.re > zero && exponent.im == zero;
        let part = if defined { zero } else { F::nan() };
        return Complex::new(part, part);
    }
    if exponent.im == zero
        && exponent.re.fract() == zero
        && let Some(whole) = exponent.re.to_i32()
        && whole.unsigned_abs() <= 100
    {
        let mut product = Complex::new(one, zero);
        let (mut factor, mut left) = (base, whole.unsigned_abs());
        loop {
            if left & 1 == 1 {
                product = product * factor;
            }
            left >>= 1;
            if left == 0 {
                break;
            }
            factor = factor * factor;
        }
        return if whole < 0 {
            quotient(Complex::new(one, zero), product)
        } else {
            product
        };
    }
    base.powc(exponent)
}

/// The natural logarithm; the principal branch.
#[inline(always)]
pub fn log<F: Float>(z: Complex<F>) -> Complex<F> {
    Complex::new(modulus(z).ln(), z.im.atan2(z.re))
}

#[inline(always)]
pub fn log2<F: Float + FloatConst>(z: Complex<F>) -> Complex<F> {
    let log = log(z);
    Complex::new(modulus(z).log2(), log.im * F::LOG2_E())
}

#[inline(always)]
pub fn log10<F: Float + FloatConst>(z: Complex<F>) -> Complex<F> {
    let log = log(z);
    Complex::new(modulus(z).log10(), log.im * F::LOG10_E())
}

/// `log(1 + z)`: near 0, `|1 + z|² − 1` is `x(2 + x) + y²`.
#[inline(always)]
pub fn log1p<F: Float>(z: Complex<F>) -> Complex<F> {
    let one = F::one();
    let half = one / (one + one);
    let angle = z.im.atan2(one + z.re);
    if z.re.abs() < half && z.im.abs() < half {
        let excess = z.re * (one + one + z.re) + z.im * z.im;
        return Complex::new(half * excess.ln_1p(), angle);
    }
    Complex::new((one + z.re).hypot(z.im).ln(), angle)
}

/// `exp(z) − 1`: the real part is `expm1(x) cos(y) − 2 sin²(y/2)`.
#[inline(always)]
pub fn expm1<F: Float>(z: Complex<F>) -> Complex<F> {
    let two = F::one() + F::one();
    let half_sine = (z.im / two).sin();
    let re = z.re.exp_m1() * z.im.cos() - two * half_sine * half_sine;
    Complex::new(re, z.re.exp() * z.im.sin())
}

/// The hyperbolic tangent; beyond ±22 (f64) the hyperbolic functions in it would overflow.
#[inline(always)]
pub fn tanh<F: Float>(z: Complex<F>) -> Complex<F> {
    let one = F::one();
    let two = one + one;
    if z.re.abs() > F::from(22.0).expect("a small number") {
        let decay = (-two * z.re.abs()).exp();
        let im = two * two * decay * z.im.sin() * z.im.cos();
        return Complex::new(one.copysign(z.re), im);
    }
    let (re, im) = (two * z.re, two * z.im);
    let scale = re.cosh() + im.cos();
    Complex::new(re.sinh() / scale, im.sin() / scale)
}

/// `tan(z) = −i tanh(iz)`.
#[inline(always)]
pub fn tan<F: Float>(z: Complex<F>) -> Complex<F> {
    let rotated = tanh(Complex::new(-z.im, z.re));
    Complex::new(rotated.im, -rotated.re)
}
