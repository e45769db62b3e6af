//! Eight f64 in a 512-bit register.

use std::arch::x86_64::*;

use super::{Register, Vector};

#[derive(Clone, Copy)]
pub struct Avx512(__m512d);

/// Methods that are one instruction or a few.
macro_rules! instructions {
    ($(fn $name:ident($($arg:ident: $ty:ty),*) -> $ret:ty { $($body:tt)* })*) => {$(
        #[inline(always)]
        fn $name($($arg: $ty),*) -> $ret {
            // SAFETY: `dispatch!` alone calls loops over this type, after it has found AVX-512.
            unsafe { $($body)* }
        }
    )*};
}

impl Vector for Avx512 {
    const LANES: usize = 8;
    type Bits = __m512i;

    #[inline(always)]
    unsafe fn load(from: *const f64) -> Avx512 {
        // SAFETY: the caller's contract.
        Avx512(unsafe { _mm512_loadu_pd(from) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f64) {
        // SAFETY: the caller's contract.
        unsafe { _mm512_storeu_pd(to, self.0) }
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
        fn splat(value: f64) -> Avx512 { Avx512(_mm512_set1_pd(value)) }
        fn add(self: Avx512, other: Avx512) -> Avx512 { Avx512(_mm512_add_pd(self.0, other.0)) }
        fn sub(self: Avx512, other: Avx512) -> Avx512 { Avx512(_mm512_sub_pd(self.0, other.0)) }
        fn mul(self: Avx512, other: Avx512) -> Avx512 { Avx512(_mm512_mul_pd(self.0, other.0)) }
        fn div(self: Avx512, other: Avx512) -> Avx512 { Avx512(_mm512_div_pd(self.0, other.0)) }
        fn min(self: Avx512, other: Avx512) -> Avx512 { Avx512(_mm512_min_pd(self.0, other.0)) }
        fn max(self: Avx512, other: Avx512) -> Avx512 { Avx512(_mm512_max_pd(self.0, other.0)) }
        fn mul_add(self: Avx512, b: Avx512, c: Avx512) -> Avx512 { Avx512(_mm512_fmadd_pd(self.0, b.0, c.0)) }
        fn sqrt(self: Avx512) -> Avx512 { Avx512(_mm512_sqrt_pd(self.0)) }
        fn reduce_add(self: Avx512) -> f64 { _mm512_reduce_add_pd(self.0) }
        fn to_bits(self: Avx512) -> __m512i { _mm512_castpd_si512(self.0) }
        fn from_bits(bits: __m512i) -> Avx512 { Avx512(_mm512_castsi512_pd(bits)) }
        fn from_u53(bits: __m512i) -> Avx512 { Avx512(_mm512_cvtepu64_pd(bits)) }
        fn bits_splat(value: u64) -> __m512i { _mm512_set1_epi64(value as i64) }
        fn bits_count(first: u64) -> __m512i {
            _mm512_add_epi64(_mm512_set1_epi64(first as i64), _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7))
        }
        fn bits_add(a: __m512i, b: __m512i) -> __m512i { _mm512_add_epi64(a, b) }
        fn bits_sub(a: __m512i, b: __m512i) -> __m512i { _mm512_sub_epi64(a, b) }
        fn bits_and(a: __m512i, b: __m512i) -> __m512i { _mm512_and_si512(a, b) }
        fn bits_or(a: __m512i, b: __m512i) -> __m512i { _mm512_or_si512(a, b) }
        fn bits_xor3(a: __m512i, b: __m512i, c: __m512i) -> __m512i { _mm512_ternarylogic_epi64::<0x96>(a, b, c) }
        fn bits_mul32(a: __m512i, b: __m512i) -> __m512i { _mm512_mul_epu32(a, b) }
        fn bits_high(a: __m512i) -> __m512i {
            // A shuffle runs beside the multiplications; a shift would wait for their port.
            _mm512_shuffle_epi32::<0xf5>(a)
        }
        fn bits_join(low: __m512i, high: __m512i) -> __m512i {
            // Not a shift: the compiler would multiply by a shifted factor instead, which takes longer.
            _mm512_mask_shuffle_epi32::<0xa0>(low, 0xaaaa, high)
        }
        fn select_odd(bits: __m512i, a: Avx512, b: Avx512) -> Avx512 {
            let odd = _mm512_test_epi64_mask(bits, _mm512_set1_epi64(1));
            Avx512(_mm512_mask_blend_pd(odd, a.0, b.0))
        }
    }

    #[inline(always)]
    fn bits_shl<const N: u32>(a: __m512i) -> __m512i {
        // SAFETY: as in `instructions!`.
        unsafe { _mm512_slli_epi64::<N>(a) }
    }

    #[inline(always)]
    fn bits_shr<const N: u32>(a: __m512i) -> __m512i {
        // SAFETY: as in `instructions!`.
        unsafe { _mm512_srli_epi64::<N>(a) }
    }
}

impl Register for Avx512 {
    #[inline(always)]
    fn interleave(self, other: Avx512) -> (Avx512, Avx512) {
        // SAFETY: as in `instructions!`.
        unsafe {
            let low = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
            let high = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
            let first = _mm512_permutex2var_pd(self.0, low, other.0);
            let second = _mm512_permutex2var_pd(self.0, high, other.0);
            (Avx512(first), Avx512(second))
        }
    }

    #[inline(always)]
    unsafe fn load_transposed(from: *const f64, stride: usize, to: &mut [Avx512; 8]) {
        // SAFETY: the caller's contract for the loads; as in `instructions!` for the rest.
        unsafe {
            // Rows four apart share a register from the start, so that the loads do a third of the
            // shuffling.
            for side in 0..2 {
                let at = 4 * side;
                let mut rows = [_mm512_setzero_pd(); 4];
                for (r, row) in rows.iter_mut().enumerate() {
                    let upper = _mm256_loadu_pd(from.add(r * stride + at));
                    let lower = _mm256_loadu_pd(from.add((r + 4) * stride + at));
                    *row = _mm512_insertf64x4::<1>(_mm512_castpd256_pd512(upper), lower);
                }
                let [r0, r1, r2, r3] = rows;
                let (t0, t1) = (_mm512_unpacklo_pd(r0, r1), _mm512_unpackhi_pd(r0, r1));
                let (t2, t3) = (_mm512_unpacklo_pd(r2, r3), _mm512_unpackhi_pd(r2, r3));
                // Of each 256-bit half: the even or the odd quarter of both.
                let even = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13);
                let odd = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
                to[at] = Avx512(_mm512_permutex2var_pd(t0, even, t2));
                to[at + 1] = Avx512(_mm512_permutex2var_pd(t1, even, t3));
                to[at + 2] = Avx512(_mm512_permutex2var_pd(t0, odd, t2));
                to[at + 3] = Avx512(_mm512_permutex2var_pd(t1, odd, t3));
            }
        }
    }
}
