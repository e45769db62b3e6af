//! Products of twins, in the documented order: blocks of 256 steps, one after another within parts of 8,192, and
//! parts in a tree.

use flagstone::{Complex, einsum};
use ndarray::{ArrayD, IxDyn};

use crate::twin::{Twin, from_index};
use crate::value::Value;

const BLOCK: usize = 256;
const PART: usize = 32 * BLOCK;

/// What products are made of. Floats are fused if the machine's kernels do so.
pub trait Multiply: Value {
    fn add_product(self, a: Self, b: Self, fused: bool) -> Self;
    fn plus(self, other: Self) -> Self;
}

macro_rules! integers {
    ($($ty:ty)*) => {$(
        impl Multiply for $ty {
            fn add_product(self, a: $ty, b: $ty, _: bool) -> $ty {
                self.wrapping_add(a.wrapping_mul(b))
            }
            fn plus(self, other: $ty) -> $ty {
                self.wrapping_add(other)
            }
        }
    )*};
}
integers!(i8 i16 i32 i64 u8 u16 u32 u64);

macro_rules! floats {
    ($($ty:ty)*) => {$(
        impl Multiply for $ty {
            fn add_product(self, a: $ty, b: $ty, fused: bool) -> $ty {
                if fused { a.mul_add(b, self) } else { self + a * b }
            }
            fn plus(self, other: $ty) -> $ty {
                self + other
            }
        }
        impl Multiply for Complex<$ty> {
            fn add_product(self, a: Self, b: Self, fused: bool) -> Self {
                let re = self.re.add_product(a.re, b.re, fused).add_product(-a.im, b.im, fused);
                let im = self.im.add_product(a.re, b.im, fused).add_product(a.im, b.re, fused);
                Complex::new(re, im)
            }
            fn plus(self, other: Self) -> Self {
                self + other
            }
        }
    )*};
}
floats!(f32 f64);

impl Multiply for bool {
    fn add_product(self, a: bool, b: bool, _: bool) -> bool {
        self | (a & b)
    }
    fn plus(self, other: bool) -> bool {
        self | other
    }
}

/// Whether products on this machine are fused: not on x86-64 without AVX2 and FMA, or if the portable
/// kernels are asked for.
fn fused() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        let portable = std::env::var("FLAGSTONE_ISA").is_ok_and(|name| name == "portable");
        cfg!(target_feature = "fma")
            || (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && !portable)
    }
    #[cfg(not(target_arch = "x86_64"))]
    cfg!(target_arch = "aarch64")
}

impl<T: Multiply> Twin<T> {
    /// The product by labels, as in `"ij,jk->ik"`: of two arrays without repeated labels, in which at least
    /// four rows meet four columns, and labels of one array alone are the result's.
    pub fn product(&self, other: &Twin<T>, subscripts: &str) -> Twin<T> {
        let (inputs, out) = subscripts.split_once("->").unwrap();
        let (x, y) = inputs.split_once(',').unwrap();
        let out: Vec<char> = out.chars().collect();
        // The result's last axis is one of columns.
        let swap = out.last().is_some_and(|&last| !y.contains(last));
        let (a, a_labels, b, b_labels) = match swap {
            false => (&self.value, x, &other.value, y),
            true => (&other.value, y, &self.value, x),
        };
        let depth: Vec<char> = a_labels
            .chars()
            .filter(|label| !out.contains(label))
            .collect();
        let len = |label: char| {
            let of = |labels: &str, array: &ArrayD<T>| {
                let axis = labels.chars().position(|other| other == label);
                axis.map(|axis| array.shape()[axis])
            };
            of(a_labels, a).or(of(b_labels, b)).unwrap()
        };
        let shape: Vec<usize> = out.iter().map(|&label| len(label)).collect();
        let depth_shape: Vec<usize> = depth.iter().map(|&label| len(label)).collect();
        let mut steps = Vec::new();
        crate::twin::each_index(&depth_shape, |index| steps.push(index.to_vec()));
        let fused = fused();
        let value = from_index(&shape, |index| {
            let element = |array: &ArrayD<T>, labels: &str, step: &[usize]| {
                let place = labels.chars().map(|label| {
                    match out.iter().position(|&other| other == label) {
                        Some(axis) => index[axis],
                        None => step[depth.iter().position(|&other| other == label).unwrap()],
                    }
                });
                array[IxDyn(&place.collect::<Vec<_>>())]
            };
            let parts: Vec<T> = steps
                .chunks(PART)
                .map(|part| {
                    let blocks = part.chunks(BLOCK).map(|block| {
                        block.iter().fold(T::default(), |sum, step| {
                            let a = element(a, a_labels, step);
                            sum.add_product(a, element(b, b_labels, step), fused)
                        })
                    });
                    blocks.reduce(T::plus).unwrap()
                })
                .collect();
            tree(&parts)
        });
        Twin {
            lazy: einsum(subscripts, [&self.lazy, &other.lazy]),
            value,
        }
    }
}

/// A binary tree aligned at powers of two.
fn tree<T: Multiply>(parts: &[T]) -> T {
    match parts {
        [] => T::default(),
        [one] => *one,
        _ => {
            let half = parts.len().next_power_of_two() / 2;
            tree(&parts[..half]).plus(tree(&parts[half..]))
        }
    }
}
