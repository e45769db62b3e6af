//! Products of two arrays and more.

use flagstone::{AnyArray, Array, einsum};

use crate::cases::{Case, Vectors, with_dtype};
use crate::compare::Tolerance;

/// The result of a case; `None` if it is no product.
pub fn apply(case: &Case, vectors: &Vectors, chunk: usize) -> Option<AnyArray> {
    let operand = |number: usize| vectors.any(&case.inputs[number], chunk);
    Some(match &case.operation[..] {
        "matmul" => operand(0).matmul(&operand(1)),
        "dot" => operand(0).dot(&operand(1)),
        "tensordot" => match case.parameter("count") {
            Some(count) => operand(0).tensordot(&operand(1), count.parse::<usize>().unwrap()),
            None => {
                operand(0).tensordot(&operand(1), (case.numbers("left"), case.numbers("right")))
            }
        },
        "vecdot" => operand(0).vecdot(&operand(1), case.numbers("axis")[0]),
        "einsum" => {
            let subscripts = case.parameter("subscripts").unwrap();
            with_dtype!(case.inputs[0].dtype, T => {
                let operands = case.inputs.iter().map(|input| vectors.typed::<T>(input, chunk));
                einsum::<T, _>(subscripts, operands.collect::<Vec<Array<T>>>()).into()
            })
        }
        _ => return None,
    })
}

/// The order of additions is everybody's own: a few roundings of the largest product.
pub fn tolerance(case: &Case, vectors: &Vectors) -> Tolerance {
    let scales = case.inputs.iter().map(|input| vectors.scale(input));
    Tolerance::Absolute(64.0 * scales.product::<f64>())
}
