//! Inverse trigonometric functions. As in FDLIBM the argument is brought near 0 by the tangent of a
//! difference, or by halving the angle; leading parts are kept with their errors.

use super::roots::power_of_two;
use super::{fast_two_sum, two_sum};

/// `nπ/4` and what a double lacks of it, for 1, 2 and 4.
const QUARTER_PI: [f64; 2] = [std::f64::consts::FRAC_PI_4, 3.061616997868383e-17];
const HALF_PI: [f64; 2] = [std::f64::consts::FRAC_PI_2, 6.123233995736766e-17];
const PI: [f64; 2] = [std::f64::consts::PI, 1.2246467991473532e-16];
const ATAN_HALF: [f64; 2] = [0.4636476090008061, 2.2698777452961687e-17];

const SIGN: u64 = 1 << 63;

/// All bits of a negative number, else none.
#[inline(always)]
fn negative_mask(x: f64) -> u64 {
    0u64.wrapping_sub(x.to_bits() >> 63)
}

/// `(atan t - t) / t³` of `z = t²` up to 1/16: interpolated at the Chebyshev points, within 2^-59 of
/// `atan t / t`.
#[inline(always)]
fn atan_tail(z: f64) -> f64 {
    const C: [f64; 9] = [
        -0.3333333333333333,
        0.19999999999998921,
        -0.14285714285253562,
        0.11111111035291911,
        -0.09090902827435111,
        0.07692016123431836,
        -0.06658651772903566,
        0.05752619086241913,
        -0.04101828156464053,
    ];
    let z2 = z * z;
    let z4 = z2 * z2;
    let c01 = C[1].mul_add(z, C[0]);
    let c23 = C[3].mul_add(z, C[2]);
    let c45 = C[5].mul_add(z, C[4]);
    let c67 = C[7].mul_add(z, C[6]);
    let low = c23.mul_add(z2, c01);
    let high = c67.mul_add(z2, c45);
    C[8].mul_add(z4, high).mul_add(z4, low)
}

/// `outer ± atan(a / b)`, where `0 <= a <= b`, not both 0; plus if `sign` is 1, minus if it is −1.
///
/// By `atan(a / b) = atan c + atan((a - c b) / (b + c a))`, where `c` is 0, ½ or 1.
#[inline(always)]
fn atan_of_ratio(a: f64, b: f64, sign: f64, outer: [f64; 2]) -> f64 {
    // From ¼ on, not from where both were best, so that the difference is exact.
    let far = 4.0 * a >= b;
    let near_one = a > 0.72 * b;
    let c: f64 = if far { 0.5 } else { 0.0 };
    let c = if near_one { 1.0 } else { c };
    let base = if far { ATAN_HALF } else { [0.0, 0.0] };
    let base = if near_one { QUARTER_PI } else { base };
    let above = (-c).mul_add(b, a);
    let (below, below_error) = fast_two_sum(b, c * a);
    let inverse = 1.0 / below;
    let t = above * inverse;
    let rest = (-t).mul_add(below_error, (-t).mul_add(below, above)) * inverse;
    let z = t * t;
    let rest = (z * t).mul_add(atan_tail(z), rest);
    let (angle, angle_error) = two_sum(outer[0], sign * base[0]);
    // The angle is 0 or the larger one.
    let (sum, error) = fast_two_sum(angle, sign * t);
    sum + (error + (angle_error + sign.mul_add(rest, sign.mul_add(base[1], outer[1]))))
}

#[inline(always)]
pub fn atan(x: f64) -> f64 {
    let magnitude = x.abs();
    let a = if magnitude > 1.0 { 1.0 } else { magnitude };
    let b = if magnitude > 1.0 { magnitude } else { 1.0 };
    // By bits, not by choices: of several by the same condition the compiler would make two copies of the code.
    let large = negative_mask(1.0 - magnitude);
    let sign = f64::from_bits(1f64.to_bits() ^ (large & SIGN));
    let outer = HALF_PI.map(|part| f64::from_bits(part.to_bits() & large));
    let y = atan_of_ratio(a, b, sign, outer);
    // Beyond, infinity would be divided by itself.
    let y = if magnitude > 1e20 { HALF_PI[0] } else { y };
    // Among them the subnormals that would lose bits.
    let y = if magnitude < 1e-9 { magnitude } else { y };
    y.copysign(x)
}

/// The angle of the point (`x`, `y`).
#[inline(always)]
pub fn atan2(y: f64, x: f64) -> f64 {
    let (height, width) = (y.abs(), x.abs());
    let steep = height > width;
    let (small, large) = if steep {
        (width, height)
    } else {
        (height, width)
    };
    let (_, inverse) = power_of_two(large);
    let (a, b) = (small * inverse, large * inverse);
    // Of two infinities and of two zeros there is no quotient, of an infinity it is 0.
    let infinite = large == f64::INFINITY;
    let a = if infinite { 0.0 } else { a };
    let a = if small == f64::INFINITY { 1.0 } else { a };
    let b = if infinite | (large == 0.0) { 1.0 } else { b };
    let left = x.is_sign_negative();
    let sign = if steep == left { 1.0 } else { -1.0 };
    let outer = if left { PI } else { [0.0, 0.0] };
    let outer = if steep { HALF_PI } else { outer };
    let angle = atan_of_ratio(a, b, sign, outer);
    // Where the angle itself is so small that scaling may lose bits of it.
    let quotient = height / width;
    let angle = if (quotient < 1e-9) & !left {
        quotient
    } else {
        angle
    };
    let angle = if x.is_nan() | y.is_nan() {
        x + y
    } else {
        angle
    };
    angle.copysign(y)
}

/// `(asin s - s) / s³` of `z = s²` up to ¼: interpolated at the Chebyshev points, within 2^-57 of
/// `asin s / s`.
#[inline(always)]
fn asin_tail(z: f64) -> f64 {
    const C: [f64; 13] = [
        0.16666666666666669,
        0.07499999999998433,
        0.04464285714635543,
        0.030381944138531247,
        0.02237217294214989,
        0.017352392720869973,
        0.013971212973552933,
        0.011479177415184906,
        0.01032281435018578,
        0.005457506718640358,
        0.01740087944269402,
        -0.014851887071247204,
        0.028757851367421566,
    ];
    let z2 = z * z;
    let z4 = z2 * z2;
    let c01 = C[1].mul_add(z, C[0]);
    let c23 = C[3].mul_add(z, C[2]);
    let c45 = C[5].mul_add(z, C[4]);
    let c67 = C[7].mul_add(z, C[6]);
    let c89 = C[9].mul_add(z, C[8]);
    let cab = C[11].mul_add(z, C[10]);
    let c0 = c23.mul_add(z2, c01);
    let c4 = c67.mul_add(z2, c45);
    let c8 = cab.mul_add(z2, c89);
    C[12].mul_add(z4, c8).mul_add(z4, c4).mul_add(z4, c0)
}

/// Of a number within ±½ its magnitude, else the sine of half the angle that `acos |x|` is: the sine,
/// and what `asin` adds to it.
#[inline(always)]
fn sine_of_part(magnitude: f64) -> (f64, f64) {
    let far = magnitude > 0.5;
    let z = if far {
        0.5 * (1.0 - magnitude)
    } else {
        magnitude * magnitude
    };
    let root = z.sqrt();
    // The smallest number makes 0 / 0 a 0.
    let lack = (-root).mul_add(root, z) / (2.0 * root + f64::MIN_POSITIVE);
    let s = if far { root } else { magnitude };
    let lack = if far { lack } else { 0.0 };
    (s, (s * z).mul_add(asin_tail(z), lack))
}

/// `π/2 - 2 asin √((1 - x) / 2)` from ½ on.
#[inline(always)]
pub fn asin(x: f64) -> f64 {
    let magnitude = x.abs();
    let (s, rest) = sine_of_part(magnitude);
    let (sum, error) = fast_two_sum(HALF_PI[0], -2.0 * s);
    let far = sum + (error + (-2.0f64).mul_add(rest, HALF_PI[1]));
    let y = if magnitude > 0.5 { far } else { s + rest };
    y.copysign(x)
}

/// `2 asin √((1 - x) / 2)` from ½ on, and by `π - acos(-x)` and `π/2 - asin x` below.
#[inline(always)]
pub fn acos(x: f64) -> f64 {
    let magnitude = x.abs();
    let (s, rest) = sine_of_part(magnitude);
    let far = magnitude > 0.5;
    let negative = x < 0.0;
    let factor: f64 = if far { 2.0 } else { -1.0 };
    let factor = if negative { -factor } else { factor };
    let outer = if negative { PI } else { [0.0, 0.0] };
    let outer = if far { outer } else { HALF_PI };
    let (sum, error) = fast_two_sum(outer[0], factor * s);
    sum + (error + factor.mul_add(rest, outer[1]))
}
