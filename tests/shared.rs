//! Reductions of rows that share an operand, several rows at a time or across rows: the same bits whichever way.

use flagstone::{Array, Engine, Rule};
use ndarray::{ArrayD, IxDyn};

fn numbers(shape: &[usize]) -> Array<f64> {
    let mut at = 0;
    let next = || {
        at += 1;
        (at as f64 * 0.618).sin() * (1 + at % 97) as f64
    };
    let array = ArrayD::from_shape_simple_fn(IxDyn(shape), next);
    Array::from_ndarray(array, ..)
}

fn bits(engine: &Engine, array: &Array<f64>) -> Vec<u64> {
    let sums = engine.compute(array).unwrap();
    sums.iter().map(|sum| sum.to_bits()).collect()
}

fn others() -> [Engine; 3] {
    [
        Engine::builder().threads(1).build().unwrap(),
        // The terms are in memory then, and each row is summed by itself.
        Engine::builder()
            .without(Rule::FuseReductions)
            .build()
            .unwrap(),
        Engine::builder()
            .threads(3)
            .memory("1 MiB")
            .build()
            .unwrap(),
    ]
}

#[test]
fn sums_of_rows_that_share_have_the_same_bits_whichever_way() {
    let usual = Engine::builder().threads(2).build().unwrap();
    let others = others();
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
                let expected = bits(&usual, &sums);
                for other in &others {
                    let what = format!("{shape:?} in {chunks:?}, terms {number}");
                    assert_eq!(bits(other, &sums), expected, "{what}");
                }
            }
        }
    }
}

#[test]
fn runs_that_span_rows_have_the_same_bits_whichever_way() {
    let usual = Engine::builder().threads(2).build().unwrap();
    let others = others();
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
                let expected = bits(&usual, reduced);
                for other in &others {
                    let what = format!("{shape:?}, terms {number}, reduction {reduction}");
                    assert_eq!(bits(other, reduced), expected, "{what}");
                }
            }
            let largest = terms.argmax(..);
            let expected = usual.compute(&largest).unwrap();
            for other in &others {
                assert_eq!(
                    other.compute(&largest).unwrap(),
                    expected,
                    "{shape:?}, terms {number}"
                );
            }
        }
    }
}
