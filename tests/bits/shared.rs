//! Reductions of rows that share an operand, several rows at a time or across rows: the same bits whichever way.

use super::{Engines, numbers};

#[test]
fn sums_of_rows_that_share_have_the_same_bits_whichever_way() {
    let engines = Engines::new();
    // Chunks are narrower than rows: a line of runs is one row then.
    let shapes: [(&[usize], &[usize]); 8] = [
        (&[37, 1000], &[10, 300]),
        (&[400, 700], &[400, 350]),
        (&[8, 64], &[8, 40]),
        (&[129, 65], &[32, 33]),
        (&[33, 4099], &[33, 1000]),
        (&[1000, 100], &[7, 13]),
        (&[5, 40, 200], &[2, 40, 90]),
        (&[20, 3, 500], &[20, 3, 250]),
    ];
    for (shape, chunks) in shapes {
        let columns = shape[shape.len() - 1];
        let (x, y) = (numbers(shape).rechunk(chunks), numbers(shape));
        let row = numbers(&[columns]);
        let made = x.mean(0);
        for (number, terms) in [
            (&x - &row).square(),
            &x + &row,
            (&x - &row) * (&y + &row),
            (&x - &made).square(),
            &y - &row * 2.0,
        ]
        .iter()
        .enumerate()
        {
            let partly = terms.sum((1..shape.len() as isize).collect::<Vec<_>>());
            for sums in [terms.sum(..), partly] {
                engines.assert_agree(&sums, || format!("{shape:?} in {chunks:?}, terms {number}"));
            }
        }
    }
}

#[test]
fn runs_that_span_rows_have_the_same_bits_whichever_way() {
    let engines = Engines::new();
    // Chunks are as wide as rows: a line of runs is all of them. Rows are shorter than runs, as long as some, or end in
    // the middle of one.
    let shapes: [&[usize]; 7] = [
        &[300, 77],
        &[40, 256],
        &[9, 1024],
        &[21, 1000],
        &[3, 4099],
        &[5, 40, 200],
        &[4, 3, 700],
    ];
    for shape in shapes {
        let columns = shape[shape.len() - 1];
        let (x, row) = (numbers(shape), numbers(&[columns]));
        let far = &x * 1e-3 - &row;
        for (number, terms) in [
            (&x - &row).square(),
            &row / &x,
            (&x + &row).sin().square() + &row,
            (&far - &x).exp(),
            row.broadcast_to(shape),
        ]
        .iter()
        .enumerate()
        {
            let partly = || (1..shape.len() as isize).collect::<Vec<_>>();
            let reductions = [
                terms.sum(..),
                terms.max(..),
                terms.std(..),
                terms.sum(partly()),
                terms.min(partly()),
                terms.var(partly()),
            ];
            for (reduction, reduced) in reductions.iter().enumerate() {
                engines.assert_agree(reduced, || {
                    format!("{shape:?}, terms {number}, reduction {reduction}")
                });
            }
            engines.assert_agree(&terms.argmax(..), || format!("{shape:?}, terms {number}"));
        }
    }
}
