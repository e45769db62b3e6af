//! Sums of the columns of long, narrow tables, which are added up many rows and pieces at a time: the same bits whichever
//! way.

use super::Engines;
use flagstone::Array;

fn table(rows: usize, columns: usize) -> Array<f64> {
    let number =
        |(i, j): (usize, usize)| ((i * 31 + j * 7) as f64 * 0.618).sin() * (1 + i % 97) as f64;
    Array::from_ndarray(ndarray::Array2::from_shape_fn((rows, columns), number), ..)
}

#[test]
fn sums_of_narrow_rows_have_the_same_bits_whichever_way() {
    let engines = Engines::new();
    for (rows, columns) in [
        (70_000, 3),
        (140_001, 4),
        (66_000, 1),
        (20_001, 15),
        (4_095, 2),
        (9_000, 16),
        (3_000, 48),
        (3_000, 300),
    ] {
        for chunk in [rows, 10_000, 4_097] {
            let x = table(rows, columns).rechunk([chunk.min(rows), columns]);
            let row = table(1, columns);
            for y in [&x + &row, &x * 2.0 + 1.0, (&x - &row).square(), x.clone()] {
                engines.assert_agree(&y.sum(0), || format!("{rows} × {columns} in {chunk}"));
            }
        }
    }
}
