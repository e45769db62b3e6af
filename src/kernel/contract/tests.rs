//! Kernels against the definition, on every level.

use super::{Places, Source, kernel, pack};
use crate::base::aligned::AlignedBytes;
use crate::base::dtype::DType;
use crate::kernel::level::Level;
use crate::kernel::prefetch::Prefetches;
use crate::op::contract::MAX_PANEL;

/// Packs, multiplies and adds; `a` is rows × depth, `b` depth × columns, both in C order.
fn product<T: Copy>(
    dtype: DType,
    level: Level,
    [rows, depth, columns]: [usize; 3],
    [a, b]: [&[T]; 2],
    column_step: usize,
    sums: &mut [T],
    accumulate: bool,
) {
    let kernel = kernel(dtype, level);
    assert_eq!(kernel.item, size_of::<T>());
    assert!(kernel.rows <= MAX_PANEL && kernel.columns <= MAX_PANEL);
    let packed_a = AlignedBytes::new(kernel.panel_bytes(kernel.rows, rows, depth));
    let packed_b = AlignedBytes::new(kernel.panel_bytes(kernel.columns, columns, depth));
    let row_places: Vec<isize> = (0..rows)
        .map(|i| (i * columns * column_step) as isize)
        .collect();
    let column_places: Vec<isize> = (0..columns).map(|j| (j * column_step) as isize).collect();
    // SAFETY: the matrices have these sizes, and the machine the level.
    unsafe {
        let from = Source {
            first: a.as_ptr().cast(),
            lane_stride: depth as isize,
            step_stride: 1,
        };
        pack(
            &kernel,
            kernel.rows,
            from,
            0..rows,
            0..depth,
            depth,
            packed_a.as_ptr(),
        );
        // In two strips, as operands that are computed are packed.
        let cut = depth / 3;
        for steps in [0..cut, cut..depth] {
            let from = Source {
                first: b[steps.start * columns..].as_ptr().cast(),
                lane_stride: 1,
                step_stride: columns as isize,
            };
            pack(
                &kernel,
                kernel.columns,
                from,
                0..columns,
                steps,
                depth,
                packed_b.as_ptr(),
            );
        }
        let to = Places {
            first: sums.as_mut_ptr().cast(),
            rows: &row_places,
            columns: &column_places,
        };
        let (a, b) = (packed_a.as_ptr(), packed_b.as_ptr());
        kernel.multiply(depth, a, b, to, accumulate, &mut Prefetches::default());
    }
}

const SIZES: [[usize; 3]; 7] = [
    [1, 1, 1],
    [8, 5, 24],
    [9, 7, 25],
    [3, 40, 5],
    [17, 3, 130],
    [24, 16, 96],
    [65, 2, 66],
];

/// Every size and level, stored and added, with neighbouring columns and others.
fn check<T: Copy + Default + PartialEq + std::fmt::Debug>(
    dtype: DType,
    make: impl Fn(usize) -> T,
    add_product: impl Fn(Level, T, T, T) -> T,
    add: impl Fn(T, T) -> T,
) {
    for level in Level::available() {
        for size @ [rows, depth, columns] in SIZES {
            let a: Vec<T> = (0..rows * depth).map(|i| make(i * 7 + 3)).collect();
            let b: Vec<T> = (0..depth * columns).map(|i| make(i * 5 + 1)).collect();
            for step in [1, 2] {
                let mut got = vec![T::default(); rows * columns * step];
                product(dtype, level, size, [&a, &b], step, &mut got, false);
                let mut twice = got.clone();
                product(dtype, level, size, [&a, &b], step, &mut twice, true);
                for row in 0..rows {
                    for column in 0..columns {
                        let want = (0..depth).fold(T::default(), |sum, k| {
                            add_product(level, sum, a[row * depth + k], b[k * columns + column])
                        });
                        let at = (row * columns + column) * step;
                        assert_eq!(
                            got[at], want,
                            "{dtype} {level:?} {size:?} at {row}, {column}"
                        );
                        assert_eq!(twice[at], add(want, want), "{dtype} {level:?} {size:?}");
                    }
                }
            }
        }
    }
}

fn fused(level: Level) -> bool {
    level != Level::Portable || crate::op::scalar::math::IN_BASELINE
}

#[test]
fn floats_are_fused_where_the_level_can() {
    let make = |i: usize| ((i * 37 % 101) as f64 / 7.0 - 5.0) * (1.0 + i as f64 * 1e-3);
    check(
        DType::F64,
        make,
        |level, sum, a: f64, b| match fused(level) {
            true => a.mul_add(b, sum),
            false => sum + a * b,
        },
        |a, b| a + b,
    );
    check(
        DType::F32,
        |i| make(i) as f32,
        |level, sum, a: f32, b| match fused(level) {
            true => a.mul_add(b, sum),
            false => sum + a * b,
        },
        |a, b| a + b,
    );
}

#[test]
fn complex_numbers() {
    let make = |i: usize| [(i % 13) as f64 - 6.25, (i * 3 % 17) as f64 / 3.0];
    let add_product = |level, [re, im]: [f64; 2], a: [f64; 2], b: [f64; 2]| match fused(level) {
        true => [
            (-a[1]).mul_add(b[1], a[0].mul_add(b[0], re)),
            a[1].mul_add(b[0], a[0].mul_add(b[1], im)),
        ],
        false => [
            re + a[0] * b[0] - a[1] * b[1],
            im + a[0] * b[1] + a[1] * b[0],
        ],
    };
    check(DType::Complex128, make, add_product, |a, b| {
        [a[0] + b[0], a[1] + b[1]]
    });
    // Small whole numbers have exact sums.
    let whole = |i: usize| [(i % 5) as f32 - 2.0, (i % 3) as f32];
    check(
        DType::Complex64,
        whole,
        |_, [re, im], a, b| {
            [
                re + a[0] * b[0] - a[1] * b[1],
                im + a[0] * b[1] + a[1] * b[0],
            ]
        },
        |a, b| [a[0] + b[0], a[1] + b[1]],
    );
}

#[test]
fn integers_wrap() {
    macro_rules! check_integer {
        ($($ty:ident $dtype:ident)*) => {$(
            check(
                DType::$dtype,
                |i| (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_shr(7) as $ty,
                |_, sum: $ty, a, b| sum.wrapping_add(a.wrapping_mul(b)),
                |a: $ty, b| a.wrapping_add(b),
            );
        )*};
    }
    check_integer!(i8 I8 u8 U8 i16 I16 u16 U16 i32 I32 u32 U32 i64 I64 u64 U64);
}

#[test]
fn truths_are_or_of_and() {
    check(
        DType::Bool,
        |i| i % 11 == 3,
        |_, sum, a, b| sum | (a & b),
        |a, b| a | b,
    );
}
