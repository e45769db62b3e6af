//! Bands that several threads take are what one thread makes of them.

use std::sync::atomic::AtomicUsize;

use super::bands::{BandPanels, Bands, Columns, most_threads};
use super::places::CellPlaces;
use crate::base::aligned::AlignedBytes;
use crate::base::dtype::DType;
use crate::base::sharing::Pieces;
use crate::kernel::contract::{Source, kernel, pack};
use crate::kernel::level::level;

const ROWS: usize = 37;
const COLUMNS: usize = 700;
const DEPTH: usize = 21;

/// A product of numbers that are added without rounding, by so many threads.
fn product(threads: usize, are_packed: bool) -> Vec<f64> {
    let a: Vec<f64> = (0..ROWS * DEPTH).map(|i| (i % 97) as f64 - 40.0).collect();
    let b: Vec<f64> = (0..DEPTH * COLUMNS)
        .map(|i| (i % 89) as f64 - 50.0)
        .collect();
    let mut result = vec![1.0; ROWS * COLUMNS];
    let kernel = kernel(DType::F64, level());
    let panels = |width, lanes| AlignedBytes::new(kernel.panel_bytes(width, lanes, DEPTH));
    let rows = panels(kernel.rows, ROWS);
    let all = panels(kernel.columns, COLUMNS);
    let first = Source {
        first: a.as_ptr().cast(),
        lane_stride: DEPTH as isize,
        step_stride: 1,
    };
    let second = Source {
        first: b.as_ptr().cast(),
        lane_stride: 1,
        step_stride: COLUMNS as isize,
    };
    // SAFETY: the matrices have these elements, and the panels room for them.
    unsafe {
        pack(
            &kernel,
            kernel.rows,
            first,
            0..ROWS,
            0..DEPTH,
            DEPTH,
            rows.as_ptr(),
        );
        pack(
            &kernel,
            kernel.columns,
            second,
            0..COLUMNS,
            0..DEPTH,
            DEPTH,
            all.as_ptr(),
        );
    }
    // Bands of two panels, the last one narrower.
    let band = 2 * kernel.columns;
    let band_panels = BandPanels::new(threads, kernel.panel_bytes(kernel.columns, band, DEPTH));
    let bands = Bands {
        kernel,
        depth: DEPTH,
        rows: rows.as_ptr(),
        columns: match are_packed {
            true => Columns::Packed(all.as_ptr()),
            false => Columns::InMemory(second),
        },
        first: result.as_mut_ptr().cast(),
        to: &CellPlaces {
            batch: vec![0],
            rows: (0..ROWS as isize)
                .map(|row| row * COLUMNS as isize)
                .collect(),
            columns: (0..COLUMNS as isize).collect(),
        },
        accumulate: true,
        band,
        next: AtomicUsize::new(0),
        panels: &band_panels,
    };
    match threads {
        1 => bands.alone(panels(kernel.columns, band).as_ptr()),
        _ => std::thread::scope(|scope| {
            // One more than there are panels: it leaves, or comes when another has left.
            for _ in 0..=threads {
                scope.spawn(|| bands.work());
            }
        }),
    }
    assert!(threads == 1 || !bands.any_left());
    for (i, sums) in result.chunks(COLUMNS).enumerate() {
        for (j, &sum) in sums.iter().enumerate() {
            let products = (0..DEPTH).map(|k| a[i * DEPTH + k] * b[k * COLUMNS + j]);
            assert_eq!(
                sum,
                1.0 + products.sum::<f64>(),
                "[{i}, {j}], {threads} threads"
            );
        }
    }
    result
}

#[test]
fn threads_that_share_bands_make_the_same_product() {
    for are_packed in [false, true] {
        let alone = product(1, are_packed);
        for threads in [2, 5] {
            for _ in 0..20 {
                assert_eq!(product(threads, are_packed), alone);
            }
        }
    }
}

#[test]
fn threads_share_long_products_of_several_bands() {
    let most = |cell, threads| most_threads(cell, 256, 120, threads);
    assert_eq!(most([1, 1500, 1500], 2), 2);
    assert_eq!(most([1, 1500, 1500], 64), 12);
    assert_eq!(most([1, 1500, 1500], 1), 1);
    // One band, though not a whole one more.
    assert_eq!(most([1, 1500, 200], 8), 1);
    // Too little to wake a thread for.
    assert_eq!(most([100_000, 10, 1000], 8), 1);
}
