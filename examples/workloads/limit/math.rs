//! exp, log, sine and cosine of vectors, to about 1 ULP, for ordinary arguments.
//!
//! log, sin and cos follow FreeBSD's msun (`e_log.c`, `k_sin.c`, `k_cos.c`), with its coefficients;
//! exp's are a Chebyshev fit. Left out is what the workloads never meet: NaN, infinities,
//! subnormals, zero and negative numbers for log, |x| > 700 for exp, |x| > 10⁵ for sine and cosine.

// The digits are those of the sources, which give more than a double holds.
#![allow(clippy::excessive_precision)]

use super::vector::Vector;

/// Adding it to a number below 2⁵¹ rounds the number and leaves its integer in the low bits.
const ROUNDER: f64 = 6755399441055744.0;

#[inline(always)]
fn polynomial<V: Vector, const N: usize>(x: V, coefficients: &[f64; N]) -> V {
    let mut sum = V::splat(coefficients[N - 1]);
    for i in (0..N - 1).rev() {
        sum = sum.mul_add(x, V::splat(coefficients[i]));
    }
    sum
}

#[inline(always)]
pub fn exp<V: Vector>(x: V) -> V {
    const P: [f64; 10] = [
        0.5000000000000001,
        0.16666666666666669,
        0.04166666666662413,
        0.008333333333330062,
        0.0013888888917213717,
        0.00019841269863053618,
        2.4801521295954376e-05,
        2.7557268459997064e-06,
        2.7620088445409746e-07,
        2.510038549551032e-08,
    ];
    let shifted = x.mul_add(V::splat(std::f64::consts::LOG2_E), V::splat(ROUNDER));
    let n = shifted.sub(V::splat(ROUNDER));
    let r = n.mul_add(V::splat(-LN2_HIGH), x);
    let r = n.mul_add(V::splat(-LN2_LOW), r);
    let tail = polynomial(r, &P).mul(r).mul_add(r, r);
    let value = tail.add(V::splat(1.0));
    V::from_bits(V::bits_add(
        value.to_bits(),
        V::bits_shl::<52>(shifted.to_bits()),
    ))
}

const LN2_HIGH: f64 = 6.93147180369123816490e-01;
const LN2_LOW: f64 = 1.90821492927058770002e-10;

#[inline(always)]
pub fn log<V: Vector>(x: V) -> V {
    const L: [f64; 7] = [
        6.666666666666735130e-01,
        3.999999999940941908e-01,
        2.857142874366239149e-01,
        2.222219843214978396e-01,
        1.818357216161805012e-01,
        1.531383769920937332e-01,
        1.479819860511658591e-01,
    ];
    // x = 2ᵏ · m with m from √½ to √2; the exponent is kept positive until it is a float.
    const BIAS: u64 = 1 << 62;
    const ROOT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
    let bits = x.to_bits();
    let above = V::bits_add(bits, V::bits_splat(BIAS.wrapping_sub(ROOT_HALF)));
    let exponent = V::bits_or(
        V::bits_shr::<52>(above),
        V::bits_splat(4503599627370496f64.to_bits()),
    );
    let k = V::from_bits(exponent).sub(V::splat(4503599627370496.0 + 1024.0));
    let power = V::bits_and(above, V::bits_splat(0xfff << 52));
    let m = V::from_bits(V::bits_sub(bits, V::bits_sub(power, V::bits_splat(BIAS))));

    let f = m.sub(V::splat(1.0));
    let s = f.div(f.add(V::splat(2.0)));
    let z = s.mul(s);
    let r = z.mul(polynomial(z, &L));
    let half_square = f.mul(f).mul(V::splat(0.5));
    let small = s.mul_add(half_square.add(r), k.mul(V::splat(LN2_LOW)));
    k.mul_add(V::splat(LN2_HIGH), f.sub(half_square.sub(small)))
}

#[inline(always)]
pub fn sin_cos<V: Vector>(x: V) -> (V, V) {
    let shifted = x.mul_add(V::splat(std::f64::consts::FRAC_2_PI), V::splat(ROUNDER));
    let n = shifted.sub(V::splat(ROUNDER));
    let r = n.mul_add(V::splat(-1.57079632673412561417e+00), x);
    let r = n.mul_add(V::splat(-6.07710050650619224932e-11), r);
    sin_cos_quadrant(r, shifted.to_bits())
}

/// The sine and cosine of 2π·x.
#[inline(always)]
pub fn sin_cos_turns<V: Vector>(x: V) -> (V, V) {
    let shifted = x.mul_add(V::splat(4.0), V::splat(ROUNDER));
    let n = shifted.sub(V::splat(ROUNDER));
    let r = x
        .mul_add(V::splat(4.0), n.mul(V::splat(-1.0)))
        .mul(V::splat(std::f64::consts::FRAC_PI_2));
    sin_cos_quadrant(r, shifted.to_bits())
}

#[inline(always)]
fn sin_cos_quadrant<V: Vector>(r: V, quadrant: V::Bits) -> (V, V) {
    const S: [f64; 6] = [
        -1.66666666666666324348e-01,
        8.33333333332248946124e-03,
        -1.98412698298579493134e-04,
        2.75573137070700676789e-06,
        -2.50507602534068634195e-08,
        1.58969099521155010221e-10,
    ];
    const C: [f64; 6] = [
        4.16666666666666019037e-02,
        -1.38888888888741095749e-03,
        2.48015872894767294178e-05,
        -2.75573143513906633035e-07,
        2.08757232129817482790e-09,
        -1.13596475577881948265e-11,
    ];
    let z = r.mul(r);
    let sin = z.mul(r).mul_add(polynomial(z, &S), r);
    let half = z.mul(V::splat(0.5));
    let whole = V::splat(1.0).sub(half);
    // What `1 - half` has rounded away.
    let lost = V::splat(1.0).sub(whole).sub(half);
    let cos = whole.add(z.mul(z).mul_add(polynomial(z, &C), lost));

    let next = V::bits_add(quadrant, V::bits_splat(1));
    let (a, b) = (
        V::select_odd(quadrant, sin, cos),
        V::select_odd(quadrant, cos, sin),
    );
    (negate_upper(a, quadrant), negate_upper(b, next))
}

/// `-value` in the third and fourth quadrant.
#[inline(always)]
fn negate_upper<V: Vector>(value: V, quadrant: V::Bits) -> V {
    let sign = V::bits_and(V::bits_shl::<62>(quadrant), V::bits_splat(1 << 63));
    V::from_bits(V::bits_xor3(value.to_bits(), sign, V::bits_splat(0)))
}
