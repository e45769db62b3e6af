//! Views and layout; the inputs are of `int32`.

use flagstone::{AnyArray, Array, Pad, concatenate, stack};
use ndarray::SliceInfoElem;

use crate::cases::{Case, Vectors};

/// The result of a case; `None` if it is about something else.
pub fn apply(case: &Case, vectors: &Vectors, chunk: usize) -> Option<AnyArray> {
    if case.inputs[0].dtype != flagstone::DType::I32 {
        return None;
    }
    let inputs: Vec<Array<i32>> = case
        .inputs
        .iter()
        .map(|input| vectors.typed(input, chunk))
        .collect();
    let x = &inputs[0];
    let axis = || case.numbers("axis")[0];
    let everything = case.parameter("axis") == Some("all");
    let result = match &case.operation[..] {
        "slice" => x.slice(slices(case.parameter("slice").expect("a slice"))),
        "flip" if everything => x.flip(..),
        "flip" => x.flip(axis()),
        "roll" => x.roll(case.numbers("shift")[0], axis()),
        "transpose" => x.permute(case.numbers("axes")),
        "reshape" => x.reshape(shape(case, x.size())?),
        "broadcast_to" => x.broadcast_to(shape(case, 0)?),
        "ravel" => x.ravel(),
        "expand_dims" => x.expand_dims(axis()),
        "squeeze" if everything => {
            // NumPy's `squeeze()` takes all axes of length 1; ours takes those that it is told.
            let ones: Vec<isize> = (0..x.ndim())
                .filter(|&a| x.shape()[a] == 1)
                .map(|a| a as isize)
                .collect();
            x.squeeze(ones)
        }
        "squeeze" => x.squeeze(axis()),
        "take" => x.take(case.numbers("indices"), axis()),
        "pad" => pad(case, x),
        "concatenate" => concatenate(&inputs, axis()),
        "stack" => stack(&inputs, axis()),
        _ => return None,
    };
    Some(result.into())
}

/// What `1:5:2,::-1,3,new` means.
fn slices(text: &str) -> Vec<SliceInfoElem> {
    text.split(',').map(item).collect()
}

fn item(word: &str) -> SliceInfoElem {
    if word == "new" {
        return SliceInfoElem::NewAxis;
    }
    let parts: Vec<Option<isize>> = word.split(':').map(|part| part.parse().ok()).collect();
    match parts[..] {
        [index] => SliceInfoElem::Index(index.expect("an index")),
        [start, end] => SliceInfoElem::Slice {
            start: start.unwrap_or(0),
            end,
            step: 1,
        },
        [start, end, step] => reversed(start, end, step.unwrap_or(1)),
        _ => panic!("{word} is no slice"),
    }
}

/// A slice with a step. ndarray's negative steps take the same elements from the other end:
/// what Python writes `[start:end:-1]` is `[end + 1 ..= start; -1]`.
fn reversed(start: Option<isize>, end: Option<isize>, step: isize) -> SliceInfoElem {
    if step > 0 {
        return SliceInfoElem::Slice {
            start: start.unwrap_or(0),
            end,
            step,
        };
    }
    let after = |index: isize| if index == -1 { None } else { Some(index + 1) };
    SliceInfoElem::Slice {
        start: end.map_or(0, |end| end + 1),
        end: start.and_then(after),
        step,
    }
}

/// A shape of which one length may be −1: what is left of the size.
fn shape(case: &Case, size: usize) -> Option<Vec<usize>> {
    let text = case.parameter("shape")?;
    let lengths: Vec<isize> = text
        .split('x')
        .map(|length| length.parse().unwrap())
        .collect();
    let known: usize = lengths
        .iter()
        .filter(|&&length| length >= 0)
        .map(|&length| length as usize)
        .product();
    Some(
        lengths
            .iter()
            .map(|&length| {
                if length < 0 {
                    size / known
                } else {
                    length as usize
                }
            })
            .collect(),
    )
}

fn pad(case: &Case, x: &Array<i32>) -> Array<i32> {
    let with = match case.parameter("mode").expect("a mode") {
        "constant" => Pad::Constant(case.numbers("value")[0] as i32),
        "edge" => Pad::Edge,
        "reflect" => Pad::Reflect,
        "wrap" => Pad::Wrap,
        other => panic!("no padding is named {other}"),
    };
    let (before, after) = (case.numbers("before"), case.numbers("after"));
    x.pad(
        before
            .iter()
            .zip(&after)
            .map(|(&b, &a)| (b as usize, a as usize)),
        with,
    )
}
