//! Reductions over all, one and several axes.

use flagstone::{AnyArray, Array, Axes, DType, Element, Float, IntoAxes, Numeric, keep};

use crate::cases::{Case, Vectors, with_dtype};
use crate::compare::Tolerance;

fn axes(case: &Case) -> Axes {
    let axes = match case.parameter("axis") {
        None | Some("all") => (..).into_axes(),
        Some(_) => case.numbers("axis").into_axes(),
    };
    if case.parameter("keepdims").is_some() {
        keep(axes)
    } else {
        axes
    }
}

/// The result of a case; `None` if it is no reduction.
pub fn apply(case: &Case, vectors: &Vectors, chunk: usize) -> Option<AnyArray> {
    let input = case.inputs.first()?;
    let x = vectors.any(input, chunk);
    let axes = axes(case);
    if let Some(ddof) = case.parameter("ddof") {
        let ddof = ddof.parse().unwrap();
        return with_dtype!(input.dtype, T => sample(&vectors.typed::<T>(input, chunk), &case.operation, axes, ddof));
    }
    Some(match &case.operation[..] {
        "sum" => x.sum(axes),
        "prod" => x.prod(axes),
        "mean" => x.mean(axes),
        "var" => x.var(axes),
        "std" => x.std(axes),
        "min" => x.min(axes),
        "max" => x.max(axes),
        "argmin" => x.argmin(axes),
        "argmax" => x.argmax(axes),
        "any" => x.any(axes),
        "all" => x.all(axes),
        "count_nonzero" => x.count_nonzero(axes),
        "norm" => x.norm(axes),
        name if name.starts_with("nan") => match input.dtype {
            DType::F32 => return skipping(&vectors.typed::<f32>(input, chunk), name, axes),
            DType::F64 => return skipping(&vectors.typed::<f64>(input, chunk), name, axes),
            _ => return None,
        },
        _ => return None,
    })
}

fn sample<T: Element + Numeric>(
    x: &Array<T>,
    name: &str,
    axes: Axes,
    ddof: f64,
) -> Option<AnyArray> {
    match name {
        "var" => Some(x.var_ddof(axes, ddof).into()),
        "std" => Some(x.std_ddof(axes, ddof).into()),
        // There is no form with both.
        _ => None,
    }
}

fn skipping<T: Float>(x: &Array<T>, name: &str, axes: Axes) -> Option<AnyArray> {
    Some(match name {
        "nansum" => x.nansum(axes).into(),
        "nanprod" => x.nanprod(axes).into(),
        "nanmean" => x.nanmean(axes).into(),
        "nanvar" => x.nanvar(axes).into(),
        "nanstd" => x.nanstd(axes).into(),
        "nanmin" => x.nanmin(axes).into(),
        "nanmax" => x.nanmax(axes).into(),
        "nanargmin" => x.nanargmin(axes).into(),
        "nanargmax" => x.nanargmax(axes).into(),
        _ => return None,
    })
}

/// The order of additions is everybody's own: a few roundings of the largest terms.
pub fn tolerance(case: &Case, vectors: &Vectors) -> Tolerance {
    let scale = vectors.scale(&case.inputs[0]);
    match case.operation.trim_start_matches("nan") {
        "sum" | "norm" => Tolerance::Absolute(64.0 * scale),
        "mean" | "std" => Tolerance::Absolute(16.0 * scale),
        "var" => Tolerance::Absolute(16.0 * scale * scale),
        "prod" => Tolerance::Relative(64.0),
        _ => Tolerance::Exact,
    }
}
