//! Several registers as one vector.
//!
//! Each operation is done for all of them before the next one begins. A polynomial is a chain in which
//! every step waits for the one before; a core that finds several chains side by side has something to
//! do meanwhile, and it does not look far enough ahead to find them one after the other.

use super::Vector;

#[derive(Clone, Copy)]
pub struct Wide<V, const N: usize>(pub [V; N]);

/// `$result[i] = $value` for all registers, as a loop over an array that starts as a copy.
///
/// Not `map` or `from_fn`, which are functions of their own and not compiled for the instruction set.
macro_rules! each {
    ($start:expr, $i:ident => $value:expr) => {{
        let mut result = $start;
        for $i in 0..N {
            result[$i] = $value;
        }
        result
    }};
}

impl<V: Vector, const N: usize> Vector for Wide<V, N> {
    const LANES: usize = N * V::LANES;
    type Bits = [V::Bits; N];

    #[inline(always)]
    unsafe fn load(from: *const f64) -> Self {
        // SAFETY: the caller's contract.
        Wide(each!([V::splat(0.0); N], i => unsafe { V::load(from.add(i * V::LANES)) }))
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f64) {
        for i in 0..N {
            // SAFETY: the caller's contract.
            unsafe { self.0[i].store(to.add(i * V::LANES)) };
        }
    }

    #[inline(always)]
    fn prefetch(from: *const f64) {
        V::prefetch(from);
    }

    #[inline(always)]
    fn prefetch_near(from: *const f64) {
        V::prefetch_near(from);
    }

    #[inline(always)]
    fn splat(value: f64) -> Self {
        Wide([V::splat(value); N])
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Wide(each!(self.0, i => self.0[i].add(other.0[i])))
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Wide(each!(self.0, i => self.0[i].sub(other.0[i])))
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Wide(each!(self.0, i => self.0[i].mul(other.0[i])))
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        Wide(each!(self.0, i => self.0[i].div(other.0[i])))
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        Wide(each!(self.0, i => self.0[i].min(other.0[i])))
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Wide(each!(self.0, i => self.0[i].max(other.0[i])))
    }

    #[inline(always)]
    fn mul_add(self, b: Self, c: Self) -> Self {
        Wide(each!(self.0, i => self.0[i].mul_add(b.0[i], c.0[i])))
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        Wide(each!(self.0, i => self.0[i].sqrt()))
    }

    #[inline(always)]
    fn reduce_add(self) -> f64 {
        let mut sum = self.0[0];
        for i in 1..N {
            sum = sum.add(self.0[i]);
        }
        sum.reduce_add()
    }

    #[inline(always)]
    fn to_bits(self) -> Self::Bits {
        each!([V::bits_splat(0); N], i => self.0[i].to_bits())
    }

    #[inline(always)]
    fn from_bits(bits: Self::Bits) -> Self {
        Wide(each!([V::splat(0.0); N], i => V::from_bits(bits[i])))
    }

    #[inline(always)]
    fn from_u53(bits: Self::Bits) -> Self {
        Wide(each!([V::splat(0.0); N], i => V::from_u53(bits[i])))
    }

    #[inline(always)]
    fn bits_splat(value: u64) -> Self::Bits {
        [V::bits_splat(value); N]
    }

    #[inline(always)]
    fn bits_count(first: u64) -> Self::Bits {
        each!([V::bits_splat(0); N], i => V::bits_count(first.wrapping_add((i * V::LANES) as u64)))
    }

    #[inline(always)]
    fn bits_add(a: Self::Bits, b: Self::Bits) -> Self::Bits {
        each!(a, i => V::bits_add(a[i], b[i]))
    }

    #[inline(always)]
    fn bits_sub(a: Self::Bits, b: Self::Bits) -> Self::Bits {
        each!(a, i => V::bits_sub(a[i], b[i]))
    }

    #[inline(always)]
    fn bits_and(a: Self::Bits, b: Self::Bits) -> Self::Bits {
        each!(a, i => V::bits_and(a[i], b[i]))
    }

    #[inline(always)]
    fn bits_or(a: Self::Bits, b: Self::Bits) -> Self::Bits {
        each!(a, i => V::bits_or(a[i], b[i]))
    }

    #[inline(always)]
    fn bits_mul32(a: Self::Bits, b: Self::Bits) -> Self::Bits {
        each!(a, i => V::bits_mul32(a[i], b[i]))
    }

    #[inline(always)]
    fn bits_join(low: Self::Bits, high: Self::Bits) -> Self::Bits {
        each!(low, i => V::bits_join(low[i], high[i]))
    }

    #[inline(always)]
    fn bits_xor3(a: Self::Bits, b: Self::Bits, c: Self::Bits) -> Self::Bits {
        each!(a, i => V::bits_xor3(a[i], b[i], c[i]))
    }

    #[inline(always)]
    fn bits_shl<const S: u32>(a: Self::Bits) -> Self::Bits {
        each!(a, i => V::bits_shl::<S>(a[i]))
    }

    #[inline(always)]
    fn bits_shr<const S: u32>(a: Self::Bits) -> Self::Bits {
        each!(a, i => V::bits_shr::<S>(a[i]))
    }

    #[inline(always)]
    fn bits_high(a: Self::Bits) -> Self::Bits {
        each!(a, i => V::bits_high(a[i]))
    }

    #[inline(always)]
    fn select_odd(bits: Self::Bits, a: Self, b: Self) -> Self {
        Wide(each!(a.0, i => V::select_odd(bits[i], a.0[i], b.0[i])))
    }
}
