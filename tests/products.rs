//! Products against loops over the definition, for random subscripts, shapes, chunks, views and engines.

use flagstone::{Array, Complex, DType, Engine, Numeric, einsum};
use ndarray::{ArrayD, IxDyn};
use proptest::prelude::*;

/// A number that is small and whole, so that sums are exact whatever their order.
fn small(i: usize) -> f64 {
    ((i * 2_654_435_761) >> 7) as f64 % 7.0 - 3.0
}

fn whole<T: Numeric>(shape: &[usize], seed: usize, make: impl Fn(f64) -> T) -> ArrayD<T> {
    let mut i = seed;
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        i += 1;
        make(small(i))
    })
}

/// The definition: a loop over all labels.
fn loops(inputs: &[Vec<char>], output: &[char], operands: &[ArrayD<f64>]) -> ArrayD<f64> {
    let mut labels: Vec<char> = inputs.iter().flatten().copied().collect();
    labels.sort_unstable();
    labels.dedup();
    let len = |label: char| -> usize {
        let lens = inputs.iter().zip(operands).flat_map(|(own, operand)| {
            let axes = (0..own.len()).filter(|&axis| own[axis] == label);
            axes.map(|axis| operand.shape()[axis]).collect::<Vec<_>>()
        });
        let lens: Vec<usize> = lens.collect();
        lens.iter().copied().find(|&len| len != 1).unwrap_or(1)
    };
    let lens: Vec<usize> = labels.iter().map(|&label| len(label)).collect();
    let shape: Vec<usize> = output.iter().map(|&label| len(label)).collect();
    let mut result = ArrayD::<f64>::zeros(IxDyn(&shape));
    for index in ndarray::indices(IxDyn(&lens)) {
        let at = |label: &char| index[labels.binary_search(label).unwrap()];
        let product: f64 = inputs
            .iter()
            .zip(operands)
            .map(|(own, operand)| {
                let place: Vec<usize> = own
                    .iter()
                    .enumerate()
                    .map(|(axis, label)| at(label).min(operand.shape()[axis] - 1))
                    .collect();
                operand[IxDyn(&place)]
            })
            .product();
        let place: Vec<usize> = output.iter().map(at).collect();
        result[IxDyn(&place)] += product;
    }
    result
}

#[derive(Clone, Debug)]
struct Case {
    inputs: Vec<Vec<char>>,
    output: Vec<char>,
    shapes: Vec<Vec<usize>>,
    chunk: usize,
    held: bool,
}

/// Lengths on both sides of where products get matrix kernels.
const LENS: [usize; 6] = [1, 2, 3, 5, 9, 17];

fn cases() -> impl Strategy<Value = Case> {
    let labels = prop::collection::vec(prop::collection::vec(0..5_usize, 0..4), 1..4);
    let lens = prop::collection::vec(0..LENS.len(), 5);
    let stretched = prop::collection::vec(prop::bool::weighted(0.1), 12);
    (
        labels,
        lens,
        stretched,
        any::<u64>(),
        1..8_usize,
        any::<bool>(),
    )
        .prop_map(|(labels, lens, stretched, pick, chunk, held)| {
            let mut stretched = stretched.into_iter();
            let letter = |label: usize| char::from(b'a' + label as u8);
            let inputs: Vec<Vec<char>> = labels
                .iter()
                .map(|own| own.iter().map(|&label| letter(label)).collect())
                .collect();
            let shapes = labels
                .iter()
                .map(|own| {
                    let distinct = |label: usize| own.iter().filter(|&&l| l == label).count() == 1;
                    own.iter()
                        .map(|&label| {
                            let one = stretched.next().unwrap_or(false) && distinct(label);
                            if one { 1 } else { LENS[lens[label]] }
                        })
                        .collect()
                })
                .collect();
            let mut used: Vec<char> = inputs.iter().flatten().copied().collect();
            used.sort_unstable();
            used.dedup();
            // Some of the labels, in some order.
            let mut output: Vec<char> = Vec::new();
            let mut pick = pick;
            for label in used {
                if pick & 1 == 1 {
                    let place = (pick >> 1) as usize % (output.len() + 1);
                    output.insert(place, label);
                }
                pick >>= 8;
            }
            Case {
                inputs,
                output,
                shapes,
                chunk,
                held,
            }
        })
}

fn check(case: &Case) {
    let operands: Vec<ArrayD<f64>> = case
        .shapes
        .iter()
        .enumerate()
        .map(|(seed, shape)| whole(shape, seed * 1000, |x| x))
        .collect();
    let lazy = operands.iter().map(|operand| {
        let array = Array::from_ndarray(operand.clone(), case.chunk);
        // Operands that are computed are packed another way than those that lie in memory.
        if case.held { 2.0 * array - 1.0 } else { array }
    });
    let lazy: Vec<Array<f64>> = lazy.collect();
    let operands: Vec<ArrayD<f64>> = match case.held {
        true => operands.iter().map(|x| x * 2.0 - 1.0).collect(),
        false => operands,
    };
    let inputs: Vec<String> = case.inputs.iter().map(|own| own.iter().collect()).collect();
    let output: String = case.output.iter().collect();
    let subscripts = format!("{}->{output}", inputs.join(","));
    let product = einsum(&subscripts, &lazy);
    let got = product
        .compute()
        .unwrap_or_else(|error| panic!("{subscripts}: {error}"));
    assert_eq!(
        got,
        loops(&case.inputs, &case.output, &operands),
        "{subscripts} {:?}",
        case.shapes
    );
    assert_eq!(product.chunks().shape(), got.shape(), "{subscripts}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn random_subscripts_follow_the_definition(case in cases()) {
        check(&case);
    }
}
