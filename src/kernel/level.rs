//! Which instruction sets the machine has.

use std::sync::OnceLock;

#[cfg(test)]
use crate::op::scalar::math;

/// An instruction-set level for which kernels are compiled.
///
/// Every level gives the same bits for `+ − × ÷ √`, casts, reductions and random numbers made of them;
/// every level with fused multiply-add, which on x86-64 the portable one has not, also for the
/// functions of [`math`](crate::op::scalar::math) and the random numbers made of those.
#[derive(Copy, Clone, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum Level {
    /// What the target always has: SSE2 on x86-64, NEON on Arm.
    Portable,
    /// AVX2 with FMA and the bit-manipulation sets (x86-64-v3).
    Avx2,
    /// AVX-512 F, BW, CD, DQ and VL (x86-64-v4).
    Avx512,
}

impl Level {
    const ALL: [Level; 3] = [Level::Portable, Level::Avx2, Level::Avx512];

    /// Whether its kernels use the functions of [`math`] instead of the system's.
    ///
    /// [`math`]: crate::op::scalar::math
    #[cfg(test)]
    pub fn has_own_math(self) -> bool {
        self != Level::Portable || math::IN_BASELINE
    }

    /// The levels that this machine can run, lowest first.
    pub fn available() -> impl Iterator<Item = Level> {
        Level::ALL.into_iter().filter(|level| level.is_supported())
    }

    fn is_supported(self) -> bool {
        match self {
            Level::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("fma")
                    && is_x86_feature_detected!("bmi1")
                    && is_x86_feature_detected!("bmi2")
                    && is_x86_feature_detected!("lzcnt")
                    && is_x86_feature_detected!("popcnt")
            }
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => {
                Level::Avx2.is_supported()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512cd")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
            }
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }

    fn from_name(name: &str) -> Option<Level> {
        match name.to_ascii_lowercase().as_str() {
            "portable" => Some(Level::Portable),
            "avx2" => Some(Level::Avx2),
            "avx512" => Some(Level::Avx512),
            _ => None,
        }
    }
}

/// The best level of this machine, or the lower one that the environment variable `FLAGSTONE_ISA`
/// (`portable`, `avx2` or `avx512`) asks for. Read once.
pub fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| {
        let best = Level::available().last().unwrap_or(Level::Portable);
        let forced = std::env::var("FLAGSTONE_ISA")
            .ok()
            .and_then(|name| Level::from_name(&name));
        forced.map_or(best, |forced| forced.min(best))
    })
}

/// Defines functions of three levels with one body: `$portable`, `$avx2` and `$avx512` take the
/// same arguments and hand them to `$body`, which must be `#[inline(always)]` so that it is compiled
/// with the features of each; or two bodies, of which the first is that of the portable level. Where
/// there are no such features all three are the portable one.
macro_rules! level_functions {
    (unsafe fn $portable:ident, $avx2:ident, $(#[$attribute:meta])* $avx512:ident ($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? = $body:expr) => {
        $crate::kernel::level::level_functions!(
            unsafe fn $portable, $avx2, $(#[$attribute])* $avx512($($arg: $ty),*) $(-> $ret)? = $body, $body
        );
    };
    (unsafe fn $portable:ident, $avx2:ident, $(#[$attribute:meta])* $avx512:ident ($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? = $portable_body:expr, $body:expr) => {
        /// # Safety
        /// As for the body.
        unsafe fn $portable($($arg: $ty),*) $(-> $ret)? {
            // SAFETY: the caller keeps the contract of the body.
            unsafe { $portable_body($($arg),*) }
        }
        /// # Safety
        /// As for the body; and the machine must have the level.
        #[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt,popcnt"))]
        unsafe fn $avx2($($arg: $ty),*) $(-> $ret)? {
            // SAFETY: the caller keeps the contract of the body.
            unsafe { $body($($arg),*) }
        }
        /// # Safety
        /// As for the body; and the machine must have the level.
        #[cfg_attr(
            target_arch = "x86_64",
            target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl")
        )]
        $(#[$attribute])*
        unsafe fn $avx512($($arg: $ty),*) $(-> $ret)? {
            // SAFETY: the caller keeps the contract of the body.
            unsafe { $body($($arg),*) }
        }
    };
}
pub(crate) use level_functions;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_nested() {
        let available: Vec<Level> = Level::available().collect();
        assert_eq!(available[0], Level::Portable);
        assert!(available.is_sorted());
        assert!(available.contains(&level()));
        assert_eq!(level().has_own_math(), math::in_use());
        assert_eq!(Level::from_name("AVX2"), Some(Level::Avx2));
        assert_eq!(Level::from_name("mmx"), None);
    }
}
