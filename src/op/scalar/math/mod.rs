//! Own powers, roots and transcendental functions, for machines with fused multiply-add.
//!
//! Every function is straight-line code of `+ − × ÷ √`, `mul_add`, comparisons and integer operations
//! on the bits, so that a loop over it becomes vector code under any instruction set, and every lane of
//! every set gives the bits of the single element. Without an instruction for it `mul_add` is a slow
//! library call: kernels for such machines use the functions of the system instead ([`in_use`]).
//! Only the remainders of huge angles are computed one element at a time.
//!
//! The error is at most 1 ULP (`docs/accuracy.md` has measurements): results are made of a leading
//! part and a small one, which are only added at the end. The techniques are those of the textbook (J.-M.
//! Muller et al., "Handbook of Floating-Point Arithmetic") and of FDLIBM (Sun Microsystems, 1993).

mod exp;
mod far;
mod hyperbolic;
mod inverse;
mod inverse_hyperbolic;
mod log;
mod log_of_powers;
mod numbers;
mod pow;
mod precise_log;
mod roots;
mod trig;

use std::sync::OnceLock;

pub use exp::{MODERATE, exp, exp_is_special, exp_of_moderate, exp2, expm1};
pub use far::{cos_of_far, sin_of_far, tan_of_far};
pub use hyperbolic::{cosh, cosh_of_large, sinh, sinh_is_far, sinh_of_large, tanh};
pub use inverse::{acos, asin, atan, atan2};
pub use inverse_hyperbolic::{acosh, acosh_f32, asinh, asinh_f32, atanh, atanh_f32};
pub use log::{
    NORMAL, SQRT_HALF, log, log_is_special, log_of_normal, log_of_unit, log1p, log2, log10,
};
pub use log_of_powers::{logaddexp, logaddexp_f32, logaddexp2, logaddexp2_f32};
pub use numbers::{Numbers, SinCos};
pub use pow::{pow, pow_f32};
pub use roots::{cbrt, hypot, hypot_f32};
pub use trig::{
    Quadrants, Reduced, cos, cos_f32, is_far, reduce, sin, sin_cos, sin_cos_f32, sin_cos_of,
    sin_cos_of_turns, sin_f32, tan, tan_is_far,
};

/// Whether every machine of the target has fused multiply-add.
pub const IN_BASELINE: bool = cfg!(any(
    target_arch = "aarch64",
    target_feature = "fma",
    target_feature = "relaxed-simd"
));

/// Whether this process uses the functions of this module rather than the system's: if the machine
/// has AVX2 and FMA and `FLAGSTONE_ISA` does not ask for `portable`. Read once.
pub fn in_use() -> bool {
    static IN_USE: OnceLock<bool> = OnceLock::new();
    *IN_USE.get_or_init(|| IN_BASELINE || (has_fma() && !portable_is_forced()))
}

fn has_fma() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

fn portable_is_forced() -> bool {
    std::env::var("FLAGSTONE_ISA").is_ok_and(|name| name.eq_ignore_ascii_case("portable"))
}

/// Adding and subtracting it rounds to the nearest whole number; in between, the lowest bits are that
/// number in two's complement.
const ROUND: f64 = 6755399441055744.0;
const TWO_54: f64 = (1u64 << 54) as f64;
const LN_2: [f64; 2] = [std::f64::consts::LN_2, 2.3190468138462996e-17];

/// The exact sum of two numbers, as the rounded sum and its error (Knuth's TwoSum).
#[inline(always)]
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let of_b = sum - a;
    (sum, (a - (sum - of_b)) + (b - of_b))
}

/// As [`two_sum`], if `a` is 0 or not the smaller one (Dekker's Fast2Sum).
#[inline(always)]
fn fast_two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    (sum, b - (sum - a))
}

/// The exact product of two numbers, as the rounded product and its error.
#[inline(always)]
fn two_product(a: f64, b: f64) -> (f64, f64) {
    let product = a * b;
    (product, a.mul_add(b, -product))
}

/// The quotient of two normalized sums, and about what it lacks.
#[inline(always)]
fn quotient(numerator: (f64, f64), denominator: (f64, f64)) -> (f64, f64) {
    let inverse = 1.0 / denominator.0;
    let quotient = numerator.0 * inverse;
    let rest = (-quotient).mul_add(denominator.0, numerator.0);
    let rest = rest + (-quotient).mul_add(denominator.1, numerator.1);
    (quotient, rest * inverse)
}
