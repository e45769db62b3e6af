//! Inverse trigonometric and hyperbolic functions, where those of the standard library and of
//! `num_complex` overflow, lose digits, or take the wrong side of a branch cut.
//!
//! Real ones follow FreeBSD's msun (`s_asinh.c`, `e_acosh.c`, `e_atanh.c`), complex ones W. Kahan, "Branch
//! cuts for complex elementary functions" (1987): the sign of a zero says on which side of a cut a
//! number lies.

use num_complex::Complex;
use num_traits::{Float, FloatConst};

/// From here on the square of a number hides 1 beside it, in `f64` and in `f32`.
#[inline(always)]
fn large<F: Float>() -> F {
    F::from(1u32 << 28).expect("a power of two")
}

#[inline(always)]
pub fn asinh<F: Float + FloatConst>(x: F) -> F {
    let one = F::one();
    let two = one + one;
    let size = x.abs();
    let square = size * size;
    let result = if size > large() {
        size.ln() + F::LN_2()
    } else if size > two {
        (two * size + one / ((square + one).sqrt() + size)).ln()
    } else {
        (size + square / (one + (one + square).sqrt())).ln_1p()
    };
    result.copysign(x)
}

#[inline(always)]
pub fn acosh<F: Float + FloatConst>(x: F) -> F {
    let one = F::one();
    let two = one + one;
    if x < one {
        F::nan()
    } else if x > large() {
        x.ln() + F::LN_2()
    } else if x > two {
        (two * x - one / (x + (x * x - one).sqrt())).ln()
    } else {
        let above = x - one;
        (above + (two * above + above * above).sqrt()).ln_1p()
    }
}

#[inline(always)]
pub fn atanh<F: Float>(x: F) -> F {
    let one = F::one();
    let two = one + one;
    let size = x.abs();
    let double = two * size;
    let argument = if size < one / two {
        double + double * size / (one - size)
    } else {
        double / (one - size)
    };
    (argument.ln_1p() / two).copysign(x)
}

/// The square roots of 1 − z and 1 + z, with the signs of zeros kept.
#[inline(always)]
fn roots<F: Float>(z: Complex<F>) -> (Complex<F>, Complex<F>) {
    let one = F::one();
    (
        Complex::new(one - z.re, -z.im).sqrt(),
        Complex::new(one + z.re, z.im).sqrt(),
    )
}

#[inline(always)]
pub fn complex_asin<F: Float + FloatConst>(z: Complex<F>) -> Complex<F> {
    let (minus, plus) = roots(z);
    let re = z.re.atan2(minus.re * plus.re - minus.im * plus.im);
    Complex::new(re, asinh(minus.re * plus.im - minus.im * plus.re))
}

#[inline(always)]
pub fn complex_acos<F: Float + FloatConst>(z: Complex<F>) -> Complex<F> {
    let two = F::one() + F::one();
    let (minus, plus) = roots(z);
    Complex::new(
        two * minus.re.atan2(plus.re),
        asinh(plus.re * minus.im - plus.im * minus.re),
    )
}

#[inline(always)]
pub fn complex_acosh<F: Float + FloatConst>(z: Complex<F>) -> Complex<F> {
    let one = F::one();
    let minus = Complex::new(z.re - one, z.im).sqrt();
    let plus = Complex::new(z.re + one, z.im).sqrt();
    let re = asinh(minus.re * plus.re + minus.im * plus.im);
    Complex::new(re, (one + one) * minus.im.atan2(plus.re))
}

#[inline(always)]
pub fn complex_atanh<F: Float>(z: Complex<F>) -> Complex<F> {
    let one = F::one();
    let two = one + one;
    // On the right half; the left one is its mirror image through 0.
    let size = z.re.abs();
    let square = z.im * z.im;
    let re = (two * two * size / ((one - size) * (one - size) + square)).ln_1p() / (two * two);
    let im = (two * z.im).atan2((one - size) * (one + size) - square) / two;
    Complex::new(re.copysign(z.re), im)
}

/// `asinh(z) = −i asin(iz)`.
#[inline(always)]
pub fn complex_asinh<F: Float + FloatConst>(z: Complex<F>) -> Complex<F> {
    let rotated = complex_asin(Complex::new(-z.im, z.re));
    Complex::new(rotated.im, -rotated.re)
}

/// `atan(z) = −i atanh(iz)`.
#[inline(always)]
pub fn complex_atan<F: Float>(z: Complex<F>) -> Complex<F> {
    let rotated = complex_atanh(Complex::new(-z.im, z.re));
    Complex::new(rotated.im, -rotated.re)
}
