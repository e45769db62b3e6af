//! Vectors of f64 in three widths, so that every loop is written once.
//!
//! All methods are inlined into the functions that [`dispatch!`] makes, which are compiled for the
//! instruction set; a method called from elsewhere would be correct only by luck, and slow.

#[cfg(target_arch = "x86_64")]
pub mod avx2;
#[cfg(target_arch = "x86_64")]
pub mod avx512;
pub mod portable;
pub mod wide;

use std::sync::OnceLock;

/// Some f64, as many as a register of the instruction set holds.
pub trait Vector: Copy {
    const LANES: usize;
    /// As many u64.
    type Bits: Copy;

    /// # Safety
    /// `from` must be readable for `LANES` elements; no alignment is needed.
    unsafe fn load(from: *const f64) -> Self;
    /// # Safety
    /// `to` must be writable for `LANES` elements; no alignment is needed.
    unsafe fn store(self, to: *mut f64);
    /// Asks for a cache line that will be read soon; any address will do.
    fn prefetch(from: *const f64);
    /// The same, into the first-level cache.
    fn prefetch_near(from: *const f64);

    fn splat(value: f64) -> Self;
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    fn div(self, other: Self) -> Self;
    fn min(self, other: Self) -> Self;
    fn max(self, other: Self) -> Self;
    /// `self * b + c`, rounded once where the machine can.
    fn mul_add(self, b: Self, c: Self) -> Self;
    fn sqrt(self) -> Self;
    fn reduce_add(self) -> f64;

    fn to_bits(self) -> Self::Bits;
    fn from_bits(bits: Self::Bits) -> Self;
    /// The value of integers below 2⁵³, exactly.
    fn from_u53(bits: Self::Bits) -> Self;
    fn bits_splat(value: u64) -> Self::Bits;
    /// `first`, `first + 1`, …
    fn bits_count(first: u64) -> Self::Bits;
    fn bits_add(a: Self::Bits, b: Self::Bits) -> Self::Bits;
    fn bits_sub(a: Self::Bits, b: Self::Bits) -> Self::Bits;
    fn bits_and(a: Self::Bits, b: Self::Bits) -> Self::Bits;
    fn bits_or(a: Self::Bits, b: Self::Bits) -> Self::Bits;
    fn bits_xor3(a: Self::Bits, b: Self::Bits, c: Self::Bits) -> Self::Bits;
    fn bits_shl<const N: u32>(a: Self::Bits) -> Self::Bits;
    fn bits_shr<const N: u32>(a: Self::Bits) -> Self::Bits;
    /// The 64-bit product of the low 32 bits.
    fn bits_mul32(a: Self::Bits, b: Self::Bits) -> Self::Bits;
    /// The high 32 bits, below whatever the machine likes.
    fn bits_high(a: Self::Bits) -> Self::Bits;
    /// The low 32 bits of both, `low`'s below `high`'s.
    fn bits_join(low: Self::Bits, high: Self::Bits) -> Self::Bits;
    /// `a` where the lowest bit is 0, else `b`.
    fn select_odd(bits: Self::Bits, a: Self, b: Self) -> Self;
}

/// What moves elements between the lanes of a register.
pub trait Register: Vector {
    /// Lanes of both, alternating: the first and the second half.
    fn interleave(self, other: Self) -> (Self, Self);
    /// The columns of a square of `LANES` × `LANES` elements, into the first `LANES` places of `to`.
    ///
    /// # Safety
    /// `from` must be readable for `LANES` rows, `stride` elements apart.
    unsafe fn load_transposed(from: *const f64, stride: usize, to: &mut [Self; 8]);
}

/// The instruction sets that the loops are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Portable,
    Avx2,
    Avx512,
}

/// The best level of this machine, or a lower one named by `WORKLOADS_SIMD`.
pub fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| {
        let wanted = match std::env::var("WORKLOADS_SIMD").as_deref() {
            Ok("portable") => Level::Portable,
            Ok("avx2") => Level::Avx2,
            _ => Level::Avx512,
        };
        best().min(wanted)
    })
}

fn best() -> Level {
    #[cfg(target_arch = "x86_64")]
    {
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl");
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return if avx512 { Level::Avx512 } else { Level::Avx2 };
        }
    }
    Level::Portable
}

/// Makes a function of a loop that is generic over [`Vector`]: it runs the loop at the machine's level.
macro_rules! dispatch {
    ($($(#[$doc:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? = $body:ident;)*) => {$(
        $(#[$doc])*
        $vis fn $name($($arg: $ty),*) $(-> $ret)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")]
                fn avx512($($arg: $ty),*) $(-> $ret)? {
                    $body::<$crate::limit::vector::avx512::Avx512>($($arg),*)
                }
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($arg: $ty),*) $(-> $ret)? {
                    $body::<$crate::limit::vector::avx2::Avx2>($($arg),*)
                }
                match $crate::limit::vector::level() {
                    // SAFETY: the level says that the machine has these features.
                    $crate::limit::vector::Level::Avx512 => return unsafe { avx512($($arg),*) },
                    // SAFETY: as above.
                    $crate::limit::vector::Level::Avx2 => return unsafe { avx2($($arg),*) },
                    $crate::limit::vector::Level::Portable => {}
                }
            }
            $body::<$crate::limit::vector::portable::Portable>($($arg),*)
        }
    )*};
}
pub(crate) use dispatch;
