//! The functions of chains: what takes so many registers that it has an interpreter of its own.

use super::registers::Registers;

/// What an interpreter of chains knows of functions, and of those that it has computed so far.
pub trait Functions: Default {
    /// Whether it computes any.
    const SOME: bool;

    /// Whether a result may be wrong.
    fn may_be_wrong(&self) -> bool {
        false
    }
}

/// Functions of registers, with the bits of their kernels unless they [may be wrong](Functions::may_be_wrong).
pub trait FunctionsOf<V>: Functions {
    fn sin_cos<const W: usize>(&mut self, angles: [V; W]) -> ([V; W], [V; W]);
    fn exp<const W: usize>(&mut self, x: [V; W]) -> [V; W];
    fn log<const W: usize>(&mut self, x: [V; W]) -> [V; W];
}

/// None at all.
#[derive(Default)]
pub struct Without;

impl Functions for Without {
    const SOME: bool = false;
}

impl<V> FunctionsOf<V> for Without {
    #[inline(always)]
    fn sin_cos<const W: usize>(&mut self, _: [V; W]) -> ([V; W], [V; W]) {
        unreachable!("{NONE}")
    }

    #[inline(always)]
    fn exp<const W: usize>(&mut self, _: [V; W]) -> [V; W] {
        unreachable!("{NONE}")
    }

    #[inline(always)]
    fn log<const W: usize>(&mut self, _: [V; W]) -> [V; W] {
        unreachable!("{NONE}")
    }
}

const NONE: &str = "a chain with functions has an interpreter with them";

#[cfg(target_arch = "x86_64")]
pub use x86::{Angles, Exponentials, Surely};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Functions, FunctionsOf, NONE, Registers};
    use crate::base::dtype::DType;
    use crate::kernel::elementwise::{Form, elementwise, sin_cos};
    use crate::kernel::lanes::Lanes;
    use crate::kernel::level::Level;
    use crate::op::scalar::math::{
        MODERATE, NORMAL, Numbers, Quadrants, Reduced, SQRT_HALF, SinCos, exp_of_moderate,
        log_of_normal, reduce, sin_cos_of,
    };
    use crate::op::table::Op;

    /// The functions of near angles with AVX-512. With fewer or narrower registers so much would have to be stored in
    /// between that their kernels are faster.
    pub struct Angles {
        /// What is known of them: at first zeros.
        quadrants: __m512i,
    }

    impl Default for Angles {
        #[inline(always)]
        fn default() -> Angles {
            Angles { quadrants: zeros() }
        }
    }

    #[inline(always)]
    fn zeros() -> __m512i {
        // SAFETY: the machine has the instructions: this is only called from functions that were compiled for them.
        unsafe { _mm512_setzero_si512() }
    }

    impl Functions for Angles {
        const SOME: bool = true;

        /// An angle may be far. To ask once for many costs less, and leaves the compiler the order of what is in
        /// between.
        #[inline(always)]
        fn may_be_wrong(&self) -> bool {
            // SAFETY: as above.
            unsafe {
                let counts = _mm512_set1_epi64(!0 << Quadrants::BITS);
                _mm512_test_epi64_mask(self.quadrants, counts) != 0
            }
        }
    }

    /// Registers whose angles are reduced side by side: one by one they would fill what a processor looks ahead.
    const TOGETHER: usize = 4;

    impl FunctionsOf<__m512d> for Angles {
        #[inline(always)]
        fn sin_cos<const W: usize>(
            &mut self,
            angles: [__m512d; W],
        ) -> ([__m512d; W], [__m512d; W]) {
            let (mut sines, mut cosines) = (angles, angles);
            let mut at = 0;
            macro_rules! series {
                ($reduced:expr) => {
                    let reduced = $reduced;
                    let (sine, cosine) = sin_cos_of(reduced);
                    for i in 0..sine.0.len() {
                        sines[at + i] = sine.0[i];
                        cosines[at + i] = cosine.0[i];
                        self.quadrants = join(self.quadrants, reduced.quadrant.0[i]);
                    }
                    at += sine.0.len();
                };
            }
            let (some, rest) = angles.as_chunks::<TOGETHER>();
            for &angles in some {
                // Series are long enough that a processor sees those of the next two meanwhile.
                for two in halves(reduce(Together(angles))) {
                    series!(two);
                }
            }
            let (pairs, rest) = rest.as_chunks::<2>();
            for &pair in pairs {
                series!(reduce(Together(pair)));
            }
            for &angle in rest {
                series!(reduce(Together([angle])));
            }
            debug_assert!(at == W);
            (sines, cosines)
        }

        #[inline(always)]
        fn exp<const W: usize>(&mut self, _: [__m512d; W]) -> [__m512d; W] {
            unreachable!("{NONE}")
        }

        #[inline(always)]
        fn log<const W: usize>(&mut self, _: [__m512d; W]) -> [__m512d; W] {
            unreachable!("{NONE}")
        }
    }

    /// Exponentials of moderate numbers and logarithms of normal ones, with AVX-512.
    pub struct Exponentials {
        /// The largest bits of exponents, without their signs.
        exponents: __m512i,
        /// The largest bits of what logarithms are taken of, counted from those of the least normal number.
        normals: __m512i,
    }

    impl Default for Exponentials {
        #[inline(always)]
        fn default() -> Exponentials {
            Exponentials {
                exponents: zeros(),
                normals: zeros(),
            }
        }
    }

    impl Functions for Exponentials {
        const SOME: bool = true;

        #[inline(always)]
        fn may_be_wrong(&self) -> bool {
            // SAFETY: as above.
            unsafe {
                let moderate = _mm512_set1_epi64(MODERATE.to_bits() as i64);
                let large = _mm512_cmpgt_epu64_mask(self.exponents, moderate);
                let normals = _mm512_set1_epi64((NORMAL.end - NORMAL.start) as i64);
                let special = _mm512_cmpge_epu64_mask(self.normals, normals);
                (large | special) != 0
            }
        }
    }

    impl FunctionsOf<__m512d> for Exponentials {
        #[inline(always)]
        fn sin_cos<const W: usize>(&mut self, _: [__m512d; W]) -> ([__m512d; W], [__m512d; W]) {
            unreachable!("{NONE}")
        }

        // One register after the other: these functions are so short that a processor sees several of them at once.
        #[inline(always)]
        fn exp<const W: usize>(&mut self, mut x: [__m512d; W]) -> [__m512d; W] {
            for x in &mut x {
                // SAFETY: as above.
                self.exponents = unsafe {
                    let bits = _mm512_castpd_si512(x.absolute());
                    _mm512_max_epu64(self.exponents, bits)
                };
                [*x] = exp_of_moderate(Together([*x])).0;
            }
            x
        }

        #[inline(always)]
        fn log<const W: usize>(&mut self, mut x: [__m512d; W]) -> [__m512d; W] {
            for x in &mut x {
                // SAFETY: as above.
                self.normals = unsafe {
                    let least = _mm512_set1_epi64(NORMAL.start as i64);
                    let bits = _mm512_sub_epi64(_mm512_castpd_si512(*x), least);
                    _mm512_max_epu64(self.normals, bits)
                };
                [*x] = log_of_normal(Together([*x])).0;
            }
            x
        }
    }

    /// The functions of any numbers, by their kernels.
    #[derive(Default)]
    pub struct Surely;

    impl Functions for Surely {
        const SOME: bool = true;
    }

    impl<V: Registers<Item = f64>> FunctionsOf<V> for Surely {
        #[inline(always)]
        fn sin_cos<const W: usize>(&mut self, angles: [V; W]) -> ([V; W], [V; W]) {
            both_by_kernel(angles)
        }
        #[inline(always)]
        fn exp<const W: usize>(&mut self, x: [V; W]) -> [V; W] {
            by_kernel(Op::Exp, x)
        }
        #[inline(always)]
        fn log<const W: usize>(&mut self, x: [V; W]) -> [V; W] {
            by_kernel(Op::Log, x)
        }
    }

    #[inline(always)]
    fn by_kernel<V: Registers<Item = f64>, const W: usize>(op: Op, x: [V; W]) -> [V; W] {
        let mut y = x;
        let kernel = elementwise(op, DType::F64, Form::Vector, Level::Avx512);
        let kernel = kernel.expect("floats have them");
        // SAFETY: registers are their elements, one after the other; the machine has the level, as above.
        unsafe {
            kernel(
                W * V::COUNT,
                &[(&raw const x).cast(); 3],
                (&raw mut y).cast(),
            )
        };
        y
    }

    #[inline(always)]
    fn both_by_kernel<V: Registers<Item = f64>, const W: usize>(
        angles: [V; W],
    ) -> ([V; W], [V; W]) {
        let (mut sines, mut cosines) = (angles, angles);
        let outs = [(&raw mut sines).cast(), (&raw mut cosines).cast()];
        let kernel = sin_cos(DType::F64, Level::Avx512).expect("floats have sines");
        // SAFETY: registers are their elements, one after the other; the machine has the level, as above.
        unsafe { kernel(W * V::COUNT, (&raw const angles).cast(), outs) };
        (sines, cosines)
    }

    #[inline(always)]
    fn halves(angles: Reduced<Together<4>>) -> [Reduced<Together<2>>; 2] {
        let Reduced {
            hi: Together([hi0, hi1, hi2, hi3]),
            excess: Together([excess0, excess1, excess2, excess3]),
            quadrant: Together([quadrant0, quadrant1, quadrant2, quadrant3]),
        } = angles;
        let left = Reduced {
            hi: Together([hi0, hi1]),
            excess: Together([excess0, excess1]),
            quadrant: Together([quadrant0, quadrant1]),
        };
        let right = Reduced {
            hi: Together([hi2, hi3]),
            excess: Together([excess2, excess3]),
            quadrant: Together([quadrant2, quadrant3]),
        };
        [left, right]
    }

    /// The quadrants of what was joined before and of more.
    #[inline(always)]
    fn join(quadrants: __m512i, more: __m512d) -> __m512i {
        // SAFETY: the machine has the instructions, as everywhere here.
        unsafe {
            let more = _mm512_castpd_si512(more);
            let counts = _mm512_sub_epi64(more, _mm512_set1_epi64(Quadrants::ORIGIN as i64));
            let joined = _mm512_castsi512_pd(_mm512_or_si512(quadrants, counts));
            // One at a time: an operation of three operands waits for the units of multiplications.
            _mm512_castpd_si512(in_order(joined))
        }
    }

    /// Several registers, step by step.
    #[derive(Clone, Copy)]
    struct Together<const N: usize>([__m512d; N]);

    impl<const N: usize> Together<N> {
        /// Keeps the order in which the registers' steps are written: what comes later waits for no more than what is
        /// computed here. Left to itself, the compiler puts the series of the registers one after the other.
        #[inline(always)]
        fn before_more(mut self) -> Self {
            if N == 1 {
                return self;
            }
            for register in &mut self.0 {
                // SAFETY: the machine has the registers, as everywhere here.
                *register = unsafe { in_order(*register) };
            }
            self
        }
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    fn in_order(mut register: __m512d) -> __m512d {
        // SAFETY: no instruction at all.
        unsafe {
            std::arch::asm!("/* {0} */", inout(zmm_reg) register, options(nomem, nostack, preserves_flags));
        }
        register
    }

    impl<const N: usize> Numbers for Together<N> {
        #[inline(always)]
        fn splat(x: f64) -> Self {
            Together([__m512d::splat(x); N])
        }
        #[inline(always)]
        fn plus(mut self, other: Self) -> Self {
            for i in 0..N {
                self.0[i] = self.0[i].add(other.0[i]);
            }
            self.before_more()
        }
        #[inline(always)]
        fn minus(mut self, other: Self) -> Self {
            for i in 0..N {
                self.0[i] = self.0[i].subtract(other.0[i]);
            }
            self.before_more()
        }
        #[inline(always)]
        fn times(mut self, other: Self) -> Self {
            for i in 0..N {
                self.0[i] = self.0[i].multiply(other.0[i]);
            }
            self.before_more()
        }
        #[inline(always)]
        fn fused(mut self, a: Self, b: Self) -> Self {
            for i in 0..N {
                self.0[i] = b.0[i].add_product(self.0[i], a.0[i]);
            }
            self.before_more()
        }
        #[inline(always)]
        fn over(mut self, other: Self) -> Self {
            for i in 0..N {
                self.0[i] = self.0[i].divide(other.0[i]);
            }
            self.before_more()
        }
        #[inline(always)]
        fn times_power(mut self, exponent: Self) -> Self {
            for i in 0..N {
                self.0[i] = times_power(self.0[i], exponent.0[i]);
            }
            self
        }
        #[inline(always)]
        fn split(mut self) -> (Self, Self) {
            let mut exponents = self;
            for i in 0..N {
                (exponents.0[i], self.0[i]) = split(self.0[i]);
            }
            (exponents.before_more(), self.before_more())
        }
        #[inline(always)]
        fn turned(one: SinCos<Self>, quadrant: Self) -> (Self, Self) {
            let SinCos {
                sine: [mut hi, loss],
                mut cosine,
            } = one;
            for i in 0..N {
                let sine = [hi.0[i], loss.0[i]];
                (hi.0[i], cosine.0[i]) = turned(sine, cosine.0[i], quadrant.0[i]);
            }
            (hi, cosine)
        }
    }

    /// In few instructions that multiplications have to wait for: masks are made by the same units, and so are
    /// operations of three operands.
    #[inline(always)]
    fn turned([hi, loss]: [__m512d; 2], cosine: __m512d, quadrant: __m512d) -> (__m512d, __m512d) {
        // SAFETY: the machine has the instructions, as everywhere here.
        unsafe {
            let quadrant = _mm512_castpd_si512(quadrant);
            let odd = _mm512_test_epi64_mask(quadrant, _mm512_set1_epi64(1));
            let y = _mm512_mask_sub_pd(cosine, !odd, hi, loss);
            let x = _mm512_mask_sub_pd(cosine, odd, loss, hi);
            let second = _mm512_slli_epi64::<62>(quadrant);
            let sign = _mm512_castsi512_pd(_mm512_and_si512(second, _mm512_set1_epi64(i64::MIN)));
            (_mm512_xor_pd(y, sign), _mm512_xor_pd(x, sign))
        }
    }

    #[inline(always)]
    fn times_power(x: __m512d, exponent: __m512d) -> __m512d {
        // SAFETY: the machine has the instructions, as everywhere here.
        unsafe {
            let power = _mm512_slli_epi64::<52>(_mm512_castpd_si512(exponent));
            _mm512_castsi512_pd(_mm512_add_epi64(_mm512_castpd_si512(x), power))
        }
    }

    /// As that of a single number.
    #[inline(always)]
    fn split(x: __m512d) -> (__m512d, __m512d) {
        const ONE: i64 = 1f64.to_bits() as i64;
        const MANTISSA: i64 = (1 << 52) - 1;
        const TWO_52: f64 = (1u64 << 52) as f64;
        // SAFETY: the machine has the instructions, as everywhere here.
        unsafe {
            let add = |x: __m512i, y: i64| _mm512_add_epi64(x, _mm512_set1_epi64(y));
            let bits = add(_mm512_castpd_si512(x), ONE - SQRT_HALF as i64);
            let mantissa = _mm512_and_si512(bits, _mm512_set1_epi64(MANTISSA));
            let mantissa = _mm512_castsi512_pd(add(mantissa, SQRT_HALF as i64));
            let exponent = _mm512_or_si512(
                _mm512_srli_epi64::<52>(bits),
                _mm512_set1_epi64(TWO_52.to_bits() as i64),
            );
            (
                _mm512_castsi512_pd(exponent).subtract(__m512d::splat(TWO_52 + 1023.0)),
                mantissa.subtract(__m512d::splat(1.0)),
            )
        }
    }
}
