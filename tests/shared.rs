//! Sums of rows that share an operand, which are added up several rows at a time: the same bits whichever way.

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

#[test]
fn sums_of_rows_that_share_have_the_same_bits_whichever_way() {
    let usual = Engine::builder().threads(2).build().unwrap();
    let others = [
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
    ];
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
