//! The operations of chains on registers.

use crate::kernel::lanes::{Few, Lanes};
use crate::op::scalar::Elementary;
use crate::op::scalar::math;

/// Registers of floating-point numbers.
pub trait Registers: Lanes {
    fn subtract(self, other: Self) -> Self;
    fn multiply(self, other: Self) -> Self;
    fn divide(self, other: Self) -> Self;
    fn negate(self) -> Self;
    fn absolute(self) -> Self;
    fn square_root(self) -> Self;
    /// Sines and cosines of near angles, as kernels compute them, and their quadrants.
    fn sin_cos<const N: usize>(angles: [Self; N]) -> ([Self; N], [Self; N], [Self; N]);
    /// Sines and cosines of any angles.
    fn sin_cos_of_any(self) -> (Self, Self);
    /// What is known of some quadrants (at first it is zeros), and another.
    fn join(self, quadrant: Self) -> Self;
    /// Of what is known of them: whether one may be of an angle that is far.
    fn may_be_far(self) -> bool;
}

/// Registers that columns can be turned into.
pub trait Turned: Registers<Item = f64> {
    /// Eight rows of as many columns as a register has elements. The first column begins at `first`, the others so many
    /// bytes further on each.
    ///
    /// # Safety
    /// Each column must have eight elements, side by side.
    unsafe fn rows(first: *const f64, step: isize) -> [Self; 8];
}

/// Sine and cosine of an angle that may be far, which is rare.
#[cold]
#[inline(never)]
fn any<T: Elementary>(x: T) -> (T, T) {
    (x.sin::<true>(), x.cos::<true>())
}

/// Few elements, for what is left of a run.
macro_rules! few {
    ($($ty:ident $sin_cos:ident)*) => {$(
        impl<const N: usize> Registers for Few<$ty, N> {
            #[inline(always)]
            fn sin_cos<const M: usize>(angles: [Self; M]) -> ([Self; M], [Self; M], [Self; M]) {
                let (mut sines, mut cosines) = (angles, angles);
                for i in 0..M {
                    (sines[i], cosines[i]) = angles[i].sin_cos_of_any();
                }
                (sines, cosines, [Self::zero(); M])
            }
            #[inline(always)]
            fn sin_cos_of_any(self) -> (Self, Self) {
                let (mut sines, mut cosines) = (self, self);
                for i in 0..N {
                    let (sine, cosine, quadrant) = math::$sin_cos(self.0[i]);
                    (sines.0[i], cosines.0[i]) = match quadrant.may_be_far() {
                        false => (sine, cosine),
                        true => any(self.0[i]),
                    };
                }
                (sines, cosines)
            }
            #[inline(always)]
            fn join(self, _: Self) -> Self {
                self
            }
            #[inline(always)]
            fn may_be_far(self) -> bool {
                false
            }
            #[inline(always)]
            fn subtract(self, other: Self) -> Self {
                Few(std::array::from_fn(|i| self.0[i] - other.0[i]))
            }
            #[inline(always)]
            fn multiply(self, other: Self) -> Self {
                Few(std::array::from_fn(|i| self.0[i] * other.0[i]))
            }
            #[inline(always)]
            fn divide(self, other: Self) -> Self {
                Few(std::array::from_fn(|i| self.0[i] / other.0[i]))
            }
            #[inline(always)]
            fn negate(self) -> Self {
                Few(self.0.map(|x| -x))
            }
            #[inline(always)]
            fn absolute(self) -> Self {
                Few(self.0.map(|x| x.abs()))
            }
            #[inline(always)]
            fn square_root(self) -> Self {
                Few(self.0.map(|x| x.sqrt()))
            }
        }
    )*};
}
few!(f32 sin_cos_f32 f64 sin_cos);

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Lanes, Registers, Turned, any};
    use crate::op::scalar::math::{Numbers, Quadrants, sin_cos_of};

    /// They are called from functions that were compiled for, and are only called on, machines that
    /// have the instructions.
    macro_rules! registers {
        ($(($register:ident, $subtract:ident, $multiply:ident, $divide:ident, $root:ident, $xor:ident, $andnot:ident,
            $splat:ident, $join:path, $sin_cos:path, $may_be_far:path))*) => {$(
            impl Registers for $register {
                #[inline(always)]
                fn sin_cos<const N: usize>(angles: [Self; N]) -> ([Self; N], [Self; N], [Self; N]) {
                    $sin_cos(angles)
                }
                fn sin_cos_of_any(self) -> (Self, Self) {
                    let (mut sines, mut cosines) = (self, self);
                    for i in 0..Self::COUNT {
                        // SAFETY: registers have so many elements.
                        unsafe {
                            let x = (&raw const self).cast::<<Self as Lanes>::Item>().add(i).read();
                            let (sine, cosine) = any(x);
                            (&raw mut sines).cast::<<Self as Lanes>::Item>().add(i).write(sine);
                            (&raw mut cosines).cast::<<Self as Lanes>::Item>().add(i).write(cosine);
                        }
                    }
                    (sines, cosines)
                }
                #[inline(always)]
                fn join(self, quadrant: Self) -> Self {
                    $join(self, quadrant)
                }
                #[inline(always)]
                fn may_be_far(self) -> bool {
                    $may_be_far(self)
                }
                #[inline(always)]
                fn subtract(self, other: Self) -> Self {
                    // SAFETY: the machine has the instruction, as said above.
                    unsafe { $subtract(self, other) }
                }
                #[inline(always)]
                fn multiply(self, other: Self) -> Self {
                    // SAFETY: as above.
                    unsafe { $multiply(self, other) }
                }
                #[inline(always)]
                fn divide(self, other: Self) -> Self {
                    // SAFETY: as above.
                    unsafe { $divide(self, other) }
                }
                #[inline(always)]
                fn negate(self) -> Self {
                    // SAFETY: as above.
                    unsafe { $xor($splat(-0.0), self) }
                }
                #[inline(always)]
                fn absolute(self) -> Self {
                    // SAFETY: as above.
                    unsafe { $andnot($splat(-0.0), self) }
                }
                #[inline(always)]
                fn square_root(self) -> Self {
                    // SAFETY: as above.
                    unsafe { $root(self) }
                }
            }
        )*};
    }
    registers! {
        (__m256d, _mm256_sub_pd, _mm256_mul_pd, _mm256_div_pd, _mm256_sqrt_pd, _mm256_xor_pd, _mm256_andnot_pd,
            _mm256_set1_pd, four::join, side_by_side, four::may_be_far)
        (__m512d, _mm512_sub_pd, _mm512_mul_pd, _mm512_div_pd, _mm512_sqrt_pd, _mm512_xor_pd, _mm512_andnot_pd,
            _mm512_set1_pd, eight::join, side_by_side, eight::may_be_far)
        (__m256, _mm256_sub_ps, _mm256_mul_ps, _mm256_div_ps, _mm256_sqrt_ps, _mm256_xor_ps, _mm256_andnot_ps,
            _mm256_set1_ps, singles::join, singles::sin_cos, singles::may_be_far)
    }

    mod four {
        use super::*;

        #[inline(always)]
        pub fn join(quadrants: __m256d, other: __m256d) -> __m256d {
            // SAFETY: the machine has the instructions, as said above.
            unsafe {
                let origin = _mm256_set1_pd(f64::from_bits(Quadrants::ORIGIN));
                _mm256_or_pd(quadrants, _mm256_xor_pd(other, origin))
            }
        }

        #[inline(always)]
        pub fn may_be_far(quadrants: __m256d) -> bool {
            // SAFETY: as above.
            unsafe {
                let counts = _mm256_set1_epi64x(!0 << Quadrants::BITS);
                _mm256_testz_si256(_mm256_castpd_si256(quadrants), counts) == 0
            }
        }
    }

    mod eight {
        use super::*;

        #[inline(always)]
        pub fn join(quadrants: __m512d, other: __m512d) -> __m512d {
            // SAFETY: the machine has the instructions, as said above.
            unsafe {
                let [quadrants, other] = [quadrants, other].map(|x| _mm512_castpd_si512(x));
                let origin = _mm512_set1_epi64(Quadrants::ORIGIN as i64);
                // a | (b ^ c)
                let joined = _mm512_ternarylogic_epi64::<0xF6>(quadrants, other, origin);
                _mm512_castsi512_pd(joined)
            }
        }

        #[inline(always)]
        pub fn may_be_far(quadrants: __m512d) -> bool {
            // SAFETY: as above.
            unsafe {
                let counts = _mm512_set1_epi64(!0 << Quadrants::BITS);
                _mm512_test_epi64_mask(_mm512_castpd_si512(quadrants), counts) != 0
            }
        }
    }

    /// No chain of single precision has functions that would have to be fast.
    mod singles {
        use super::*;

        #[inline(always)]
        pub fn sin_cos<const N: usize>(
            angles: [__m256; N],
        ) -> ([__m256; N], [__m256; N], [__m256; N]) {
            let (mut sines, mut cosines) = (angles, angles);
            for i in 0..N {
                (sines[i], cosines[i]) = angles[i].sin_cos_of_any();
            }
            (sines, cosines, [__m256::zero(); N])
        }

        #[inline(always)]
        pub fn join(quadrants: __m256, _: __m256) -> __m256 {
            quadrants
        }

        #[inline(always)]
        pub fn may_be_far(_: __m256) -> bool {
            false
        }
    }

    /// Several registers, step by step: one by one they would fill what a processor looks ahead.
    #[derive(Clone, Copy)]
    struct Together<V, const N: usize>([V; N]);

    #[inline(always)]
    fn side_by_side<V: Numbers, const N: usize>(angles: [V; N]) -> ([V; N], [V; N], [V; N]) {
        let (sines, cosines, quadrants) = sin_cos_of(Together(angles));
        (sines.0, cosines.0, quadrants.0)
    }

    impl<V: Numbers, const N: usize> Numbers for Together<V, N> {
        #[inline(always)]
        fn splat(x: f64) -> Self {
            Together([V::splat(x); N])
        }
        #[inline(always)]
        fn plus(mut self, other: Self) -> Self {
            for i in 0..N {
                self.0[i] = self.0[i].plus(other.0[i]);
            }
            self
        }
        #[inline(always)]
        fn minus(mut self, other: Self) -> Self {
            for i in 0..N {
                self.0[i] = self.0[i].minus(other.0[i]);
            }
            self
        }
        #[inline(always)]
        fn times(mut self, other: Self) -> Self {
            for i in 0..N {
                self.0[i] = self.0[i].times(other.0[i]);
            }
            self
        }
        #[inline(always)]
        fn fused(mut self, a: Self, b: Self) -> Self {
            for i in 0..N {
                self.0[i] = self.0[i].fused(a.0[i], b.0[i]);
            }
            self
        }
        #[inline(always)]
        fn turned(mut sine: Self, mut cosine: Self, quadrant: Self) -> (Self, Self) {
            for i in 0..N {
                (sine.0[i], cosine.0[i]) = V::turned(sine.0[i], cosine.0[i], quadrant.0[i]);
            }
            (sine, cosine)
        }
    }

    impl Numbers for __m256d {
        #[inline(always)]
        fn splat(x: f64) -> Self {
            Lanes::splat(x)
        }
        #[inline(always)]
        fn plus(self, other: Self) -> Self {
            self.add(other)
        }
        #[inline(always)]
        fn minus(self, other: Self) -> Self {
            self.subtract(other)
        }
        #[inline(always)]
        fn times(self, other: Self) -> Self {
            self.multiply(other)
        }
        #[inline(always)]
        fn fused(self, a: Self, b: Self) -> Self {
            b.add_product(self, a)
        }
        #[inline(always)]
        fn turned(sine: Self, cosine: Self, quadrant: Self) -> (Self, Self) {
            // SAFETY: the machine has the instructions, as said above.
            unsafe {
                let quadrant = _mm256_castpd_si256(quadrant);
                let odd = _mm256_castsi256_pd(_mm256_slli_epi64::<63>(quadrant));
                let minus = _mm256_set1_pd(-0.0);
                let second = _mm256_castsi256_pd(_mm256_slli_epi64::<62>(quadrant));
                let sign = _mm256_and_pd(second, minus);
                let y = _mm256_blendv_pd(sine, cosine, odd);
                let x = _mm256_blendv_pd(cosine, _mm256_xor_pd(sine, minus), odd);
                (_mm256_xor_pd(y, sign), _mm256_xor_pd(x, sign))
            }
        }
    }

    impl Numbers for __m512d {
        #[inline(always)]
        fn splat(x: f64) -> Self {
            Lanes::splat(x)
        }
        #[inline(always)]
        fn plus(self, other: Self) -> Self {
            self.add(other)
        }
        #[inline(always)]
        fn minus(self, other: Self) -> Self {
            self.subtract(other)
        }
        #[inline(always)]
        fn times(self, other: Self) -> Self {
            self.multiply(other)
        }
        #[inline(always)]
        fn fused(self, a: Self, b: Self) -> Self {
            b.add_product(self, a)
        }
        #[inline(always)]
        fn turned(sine: Self, cosine: Self, quadrant: Self) -> (Self, Self) {
            // SAFETY: the machine has the instructions, as said above.
            unsafe {
                let quadrant = _mm512_castpd_si512(quadrant);
                let odd = _mm512_test_epi64_mask(quadrant, _mm512_set1_epi64(1));
                let minus = _mm512_set1_pd(-0.0);
                let second = _mm512_slli_epi64::<62>(quadrant);
                let y = _mm512_mask_blend_pd(odd, sine, cosine);
                let x = _mm512_mask_xor_pd(cosine, odd, sine, minus);
                // a ^ (b & c)
                let signed = |a: __m512d| {
                    let a = _mm512_castpd_si512(a);
                    let sign = _mm512_castpd_si512(minus);
                    _mm512_castsi512_pd(_mm512_ternarylogic_epi64::<0x78>(a, second, sign))
                };
                (signed(y), signed(x))
            }
        }
    }

    impl Turned for __m256d {
        #[inline(always)]
        unsafe fn rows(first: *const f64, step: isize) -> [__m256d; 8] {
            // SAFETY: the caller's promise; the machine has the instructions, as said above.
            unsafe {
                let half = |column: isize, row: usize| {
                    _mm_loadu_pd(first.byte_offset(column * step).add(row))
                };
                // Columns 0 and 2, and 1 and 3, side by side: two rows in each.
                let pair = |first: isize, row: usize| {
                    let low = _mm256_castpd128_pd256(half(first, row));
                    _mm256_insertf128_pd::<1>(low, half(first + 2, row))
                };
                let two = |row: usize| {
                    let (a, b) = (pair(0, row), pair(1, row));
                    [_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b)]
                };
                let [[a, b], [c, d], [e, f], [g, h]] = [two(0), two(2), two(4), two(6)];
                [a, b, c, d, e, f, g, h]
            }
        }
    }

    impl Turned for __m512d {
        #[inline(always)]
        unsafe fn rows(first: *const f64, step: isize) -> [__m512d; 8] {
            // SAFETY: the caller's promise; the machine has the instructions, as said above.
            unsafe {
                let column = |i: isize| _mm512_loadu_pd(first.byte_offset(i * step));
                // Of two columns the even rows and the odd ones: of each row two elements side by side.
                let pair = |i: isize| {
                    let (a, b) = (column(i), column(i + 1));
                    [_mm512_unpacklo_pd(a, b), _mm512_unpackhi_pd(a, b)]
                };
                let pairs = [pair(0), pair(2), pair(4), pair(6)];
                // Of rows 0, 2, 4, 6 or 1, 3, 5, 7 each.
                let four = |odd: usize| {
                    let [a, b, c, d] = pairs.map(|pair| pair[odd]);
                    let (left, right) = (
                        _mm512_shuffle_f64x2::<0b10_00_10_00>(a, b),
                        _mm512_shuffle_f64x2::<0b10_00_10_00>(c, d),
                    );
                    let (left_next, right_next) = (
                        _mm512_shuffle_f64x2::<0b11_01_11_01>(a, b),
                        _mm512_shuffle_f64x2::<0b11_01_11_01>(c, d),
                    );
                    [
                        _mm512_shuffle_f64x2::<0b10_00_10_00>(left, right),
                        _mm512_shuffle_f64x2::<0b10_00_10_00>(left_next, right_next),
                        _mm512_shuffle_f64x2::<0b11_01_11_01>(left, right),
                        _mm512_shuffle_f64x2::<0b11_01_11_01>(left_next, right_next),
                    ]
                };
                let ([a, c, e, g], [b, d, f, h]) = (four(0), four(1));
                [a, b, c, d, e, f, g, h]
            }
        }
    }
}
