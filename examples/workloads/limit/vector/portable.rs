//! Four f64 in an array: what the compiler makes of it on the target's baseline.

use super::{Register, Vector};

const N: usize = 4;

#[derive(Clone, Copy)]
pub struct Portable([f64; N]);

#[inline(always)]
fn each(f: impl Fn(usize) -> f64) -> Portable {
    Portable(std::array::from_fn(f))
}

#[inline(always)]
fn bits(f: impl Fn(usize) -> u64) -> [u64; N] {
    std::array::from_fn(f)
}

impl Vector for Portable {
    const LANES: usize = N;
    type Bits = [u64; N];

    #[inline(always)]
    unsafe fn load(from: *const f64) -> Portable {
        // SAFETY: the caller's contract.
        Portable(unsafe { from.cast::<[f64; N]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f64) {
        // SAFETY: the caller's contract.
        unsafe { to.cast::<[f64; N]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    fn prefetch(_: *const f64) {}

    #[inline(always)]
    fn prefetch_near(_: *const f64) {}

    #[inline(always)]
    fn splat(value: f64) -> Portable {
        Portable([value; N])
    }

    #[inline(always)]
    fn add(self, other: Portable) -> Portable {
        each(|i| self.0[i] + other.0[i])
    }

    #[inline(always)]
    fn sub(self, other: Portable) -> Portable {
        each(|i| self.0[i] - other.0[i])
    }

    #[inline(always)]
    fn mul(self, other: Portable) -> Portable {
        each(|i| self.0[i] * other.0[i])
    }

    #[inline(always)]
    fn div(self, other: Portable) -> Portable {
        each(|i| self.0[i] / other.0[i])
    }

    #[inline(always)]
    fn min(self, other: Portable) -> Portable {
        each(|i| {
            if self.0[i] < other.0[i] {
                self.0[i]
            } else {
                other.0[i]
            }
        })
    }

    #[inline(always)]
    fn max(self, other: Portable) -> Portable {
        each(|i| {
            if self.0[i] > other.0[i] {
                self.0[i]
            } else {
                other.0[i]
            }
        })
    }

    #[inline(always)]
    fn mul_add(self, b: Portable, c: Portable) -> Portable {
        // Without the instruction, `f64::mul_add` is a call into the C library.
        each(|i| self.0[i] * b.0[i] + c.0[i])
    }

    #[inline(always)]
    fn sqrt(self) -> Portable {
        each(|i| self.0[i].sqrt())
    }

    #[inline(always)]
    fn reduce_add(self) -> f64 {
        self.0.iter().sum()
    }

    #[inline(always)]
    fn to_bits(self) -> [u64; N] {
        bits(|i| self.0[i].to_bits())
    }

    #[inline(always)]
    fn from_bits(bits: [u64; N]) -> Portable {
        each(|i| f64::from_bits(bits[i]))
    }

    #[inline(always)]
    fn from_u53(bits: [u64; N]) -> Portable {
        each(|i| bits[i] as f64)
    }

    #[inline(always)]
    fn bits_splat(value: u64) -> [u64; N] {
        [value; N]
    }

    #[inline(always)]
    fn bits_count(first: u64) -> [u64; N] {
        bits(|i| first.wrapping_add(i as u64))
    }

    #[inline(always)]
    fn bits_add(a: [u64; N], b: [u64; N]) -> [u64; N] {
        bits(|i| a[i].wrapping_add(b[i]))
    }

    #[inline(always)]
    fn bits_sub(a: [u64; N], b: [u64; N]) -> [u64; N] {
        bits(|i| a[i].wrapping_sub(b[i]))
    }

    #[inline(always)]
    fn bits_and(a: [u64; N], b: [u64; N]) -> [u64; N] {
        bits(|i| a[i] & b[i])
    }

    #[inline(always)]
    fn bits_or(a: [u64; N], b: [u64; N]) -> [u64; N] {
        bits(|i| a[i] | b[i])
    }

    #[inline(always)]
    fn bits_xor3(a: [u64; N], b: [u64; N], c: [u64; N]) -> [u64; N] {
        bits(|i| a[i] ^ b[i] ^ c[i])
    }

    #[inline(always)]
    fn bits_shl<const S: u32>(a: [u64; N]) -> [u64; N] {
        bits(|i| a[i] << S)
    }

    #[inline(always)]
    fn bits_shr<const S: u32>(a: [u64; N]) -> [u64; N] {
        bits(|i| a[i] >> S)
    }

    #[inline(always)]
    fn bits_mul32(a: [u64; N], b: [u64; N]) -> [u64; N] {
        bits(|i| (a[i] & 0xffff_ffff) * (b[i] & 0xffff_ffff))
    }

    #[inline(always)]
    fn bits_high(a: [u64; N]) -> [u64; N] {
        bits(|i| a[i] >> 32)
    }

    #[inline(always)]
    fn bits_join(low: [u64; N], high: [u64; N]) -> [u64; N] {
        bits(|i| (low[i] & 0xffff_ffff) | (high[i] << 32))
    }

    #[inline(always)]
    fn select_odd(bits: [u64; N], a: Portable, b: Portable) -> Portable {
        each(|i| if bits[i] & 1 == 0 { a.0[i] } else { b.0[i] })
    }
}

impl Register for Portable {
    #[inline(always)]
    fn interleave(self, other: Portable) -> (Portable, Portable) {
        let at = |i: usize| {
            if i.is_multiple_of(2) {
                self.0[i / 2]
            } else {
                other.0[i / 2]
            }
        };
        (each(at), each(|i| at(i + N)))
    }

    #[inline(always)]
    unsafe fn load_transposed(from: *const f64, stride: usize, to: &mut [Portable; 8]) {
        for (column, to) in to[..N].iter_mut().enumerate() {
            // SAFETY: the caller's contract.
            *to = each(|row| unsafe { *from.add(row * stride + column) });
        }
    }
}
