//! Four f64 in a 256-bit register.

use std::arch::x86_64::*;

use super::{Register, Vector};

#[derive(Clone, Copy)]
pub struct Avx2(__m256d);

/// Methods that are one instruction or a few.
macro_rules! instructions {
    ($(fn $name:ident($($arg:ident: $ty:ty),*) -> $ret:ty { $($body:tt)* })*) => {$(
        #[inline(always)]
        fn $name($($arg: $ty),*) -> $ret {
            // SAFETY: `dispatch!` alone calls loops over this type, after it has found AVX2 and FMA.
            unsafe { $($body)* }
        }
    )*};
}

impl Vector for Avx2 {
    const LANES: usize = 4;
    type Bits = __m256i;

    #[inline(always)]
    unsafe fn load(from: *const f64) -> Avx2 {
        // SAFETY: the caller's contract.
        Avx2(unsafe { _mm256_loadu_pd(from) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f64) {
        // SAFETY: the caller's contract.
        unsafe { _mm256_storeu_pd(to, self.0) }
    }

    #[inline(always)]
    fn prefetch(from: *const f64) {
        // SAFETY: as in `instructions!`; a prefetch of any address is harmless.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(from.cast()) }
    }

    #[inline(always)]
    fn prefetch_near(from: *const f64) {
        // SAFETY: as in `instructions!`; a prefetch of any address is harmless.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }

    instructions! {
        fn splat(value: f64) -> Avx2 { Avx2(_mm256_set1_pd(value)) }
        fn add(self: Avx2, other: Avx2) -> Avx2 { Avx2(_mm256_add_pd(self.0, other.0)) }
        fn sub(self: Avx2, other: Avx2) -> Avx2 { Avx2(_mm256_sub_pd(self.0, other.0)) }
        fn mul(self: Avx2, other: Avx2) -> Avx2 { Avx2(_mm256_mul_pd(self.0, other.0)) }
        fn div(self: Avx2, other: Avx2) -> Avx2 { Avx2(_mm256_div_pd(self.0, other.0)) }
        fn min(self: Avx2, other: Avx2) -> Avx2 { Avx2(_mm256_min_pd(self.0, other.0)) }
        fn max(self: Avx2, other: Avx2) -> Avx2 { Avx2(_mm256_max_pd(self.0, other.0)) }
        fn mul_add(self: Avx2, b: Avx2, c: Avx2) -> Avx2 { Avx2(_mm256_fmadd_pd(self.0, b.0, c.0)) }
        fn sqrt(self: Avx2) -> Avx2 { Avx2(_mm256_sqrt_pd(self.0)) }
        fn to_bits(self: Avx2) -> __m256i { _mm256_castpd_si256(self.0) }
        fn from_bits(bits: __m256i) -> Avx2 { Avx2(_mm256_castsi256_pd(bits)) }
        fn bits_splat(value: u64) -> __m256i { _mm256_set1_epi64x(value as i64) }
        fn bits_count(first: u64) -> __m256i {
            _mm256_add_epi64(_mm256_set1_epi64x(first as i64), _mm256_setr_epi64x(0, 1, 2, 3))
        }
        fn bits_add(a: __m256i, b: __m256i) -> __m256i { _mm256_add_epi64(a, b) }
        fn bits_sub(a: __m256i, b: __m256i) -> __m256i { _mm256_sub_epi64(a, b) }
        fn bits_and(a: __m256i, b: __m256i) -> __m256i { _mm256_and_si256(a, b) }
        fn bits_or(a: __m256i, b: __m256i) -> __m256i { _mm256_or_si256(a, b) }
        fn bits_xor3(a: __m256i, b: __m256i, c: __m256i) -> __m256i { _mm256_xor_si256(_mm256_xor_si256(a, b), c) }
        fn bits_mul32(a: __m256i, b: __m256i) -> __m256i { _mm256_mul_epu32(a, b) }
        fn bits_high(a: __m256i) -> __m256i { _mm256_shuffle_epi32::<0xf5>(a) }
        fn bits_join(low: __m256i, high: __m256i) -> __m256i {
            _mm256_blend_epi32::<0xaa>(low, _mm256_shuffle_epi32::<0xa0>(high))
        }
        fn select_odd(bits: __m256i, a: Avx2, b: Avx2) -> Avx2 {
            let odd = _mm256_castsi256_pd(_mm256_slli_epi64::<63>(bits));
            Avx2(_mm256_blendv_pd(a.0, b.0, odd))
        }
        fn from_u53(bits: __m256i) -> Avx2 {
            // Both halves as the low bits of a large power of two, which is then subtracted.
            let high = _mm256_or_si256(
                _mm256_srli_epi64::<32>(bits),
                _mm256_castpd_si256(_mm256_set1_pd(19342813113834066795298816.0)), // 2⁸⁴
            );
            let low = _mm256_blend_epi32::<0xaa>(
                bits,
                _mm256_castpd_si256(_mm256_set1_pd(4503599627370496.0)), // 2⁵²
            );
            let both = _mm256_set1_pd(19342813118337666422669312.0); // 2⁸⁴ + 2⁵²
            let high = _mm256_sub_pd(_mm256_castsi256_pd(high), both);
            Avx2(_mm256_add_pd(high, _mm256_castsi256_pd(low)))
        }
        fn reduce_add(self: Avx2) -> f64 {
            let pairs = _mm_add_pd(_mm256_castpd256_pd128(self.0), _mm256_extractf128_pd::<1>(self.0));
            _mm_cvtsd_f64(_mm_add_sd(pairs, _mm_unpackhi_pd(pairs, pairs)))
        }
    }

    #[inline(always)]
    fn bits_shl<const N: u32>(a: __m256i) -> __m256i {
        // SAFETY: as in `instructions!`. The count is a constant once this is inlined.
        unsafe { _mm256_sll_epi64(a, _mm_cvtsi32_si128(N as i32)) }
    }

    #[inline(always)]
    fn bits_shr<const N: u32>(a: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_srl_epi64(a, _mm_cvtsi32_si128(N as i32)) }
    }
}

impl Register for Avx2 {
    instructions! {
        fn interleave(self: Avx2, other: Avx2) -> (Avx2, Avx2) {
            let low = _mm256_unpacklo_pd(self.0, other.0);
            let high = _mm256_unpackhi_pd(self.0, other.0);
            let first = _mm256_permute2f128_pd::<0x20>(low, high);
            let second = _mm256_permute2f128_pd::<0x31>(low, high);
            (Avx2(first), Avx2(second))
        }
    }

    #[inline(always)]
    unsafe fn load_transposed(from: *const f64, stride: usize, to: &mut [Avx2; 8]) {
        // SAFETY: the caller's contract for the loads; as in `instructions!` for the rest.
        unsafe {
            let (r0, r1) = (_mm256_loadu_pd(from), _mm256_loadu_pd(from.add(stride)));
            let (r2, r3) = (
                _mm256_loadu_pd(from.add(2 * stride)),
                _mm256_loadu_pd(from.add(3 * stride)),
            );
            let (t0, t1) = (_mm256_unpacklo_pd(r0, r1), _mm256_unpackhi_pd(r0, r1));
            let (t2, t3) = (_mm256_unpacklo_pd(r2, r3), _mm256_unpackhi_pd(r2, r3));
            to[0] = Avx2(_mm256_permute2f128_pd::<0x20>(t0, t2));
            to[1] = Avx2(_mm256_permute2f128_pd::<0x20>(t1, t3));
            to[2] = Avx2(_mm256_permute2f128_pd::<0x31>(t0, t2));
            to[3] = Avx2(_mm256_permute2f128_pd::<0x31>(t1, t3));
        }
    }
}
