//! Operations of one, two and three operands, and conversions.

use flagstone::{AnyArray, Array};

use crate::cases::{Case, Vectors, dtype_of, with_dtype};
use crate::compare::Tolerance;

/// The result of a case; `None` if it is no elementwise operation.
pub fn apply(case: &Case, vectors: &Vectors, chunk: usize) -> Option<AnyArray> {
    let inputs: Vec<AnyArray> = case
        .inputs
        .iter()
        .map(|input| vectors.any(input, chunk))
        .collect();
    match (&inputs[..], &case.operation[..]) {
        ([x], "astype") => {
            let target = dtype_of(case.parameter("dtype").expect("a dtype"));
            Some(with_dtype!(target, T => x.cast::<T>().into()))
        }
        ([x], "clip") => {
            let limit = |name| case.numbers(name)[0] as f64;
            Some(with_dtype!(case.inputs[0].dtype, T => {
                let scalar = |value| AnyArray::from(Array::<f64>::full((), value, ..)).cast::<T>().into();
                x.clip(&scalar(limit("lower")), &scalar(limit("upper")))
            }))
        }
        ([x], name) => unary(x, name),
        ([x, y], name) => binary(x, y, name),
        ([condition, x, y], "where") => Some(condition.where_(x, y)),
        _ => None,
    }
}

/// NumPy's name, and the array's where it is another one.
macro_rules! by_name {
    ($name:expr, $x:ident $operands:tt; $($numpy:literal $method:ident,)*) => {
        match $name {
            $($numpy => Some($x.$method $operands),)*
            _ => None,
        }
    };
}

fn unary(x: &AnyArray, name: &str) -> Option<AnyArray> {
    by_name! { name, x ();
        "negative" negative,
        "positive" positive,
        "sign" sign,
        "square" square,
        "logical_not" logical_not,
        "isfinite" isfinite,
        "isinf" isinf,
        "isnan" isnan,
        "real" real,
        "imag" imag,
        "floor" floor,
        "ceil" ceil,
        "trunc" trunc,
        "signbit" signbit,
        "spacing" spacing,
        "reciprocal" reciprocal,
        "sqrt" sqrt,
        "cbrt" cbrt,
        "degrees" degrees,
        "radians" radians,
        "exp" exp,
        "exp2" exp2,
        "expm1" expm1,
        "log" log,
        "log2" log2,
        "log10" log10,
        "log1p" log1p,
        "sin" sin,
        "cos" cos,
        "tan" tan,
        "sinh" sinh,
        "cosh" cosh,
        "tanh" tanh,
        "angle" angle,
        "absolute" abs,
        "conjugate" conj,
        "invert" bitwise_invert,
        "rint" round,
        "bitwise_count" count_ones,
        "fabs" abs,
        "arcsin" asin,
        "arccos" acos,
        "arctan" atan,
        "arcsinh" asinh,
        "arccosh" acosh,
        "arctanh" atanh,
    }
}

fn binary(x: &AnyArray, y: &AnyArray, name: &str) -> Option<AnyArray> {
    by_name! { name, x (y);
        "add" add,
        "subtract" subtract,
        "multiply" multiply,
        "floor_divide" floor_divide,
        "remainder" remainder,
        "fmod" fmod,
        "true_divide" true_divide,
        "maximum" maximum,
        "minimum" minimum,
        "fmax" fmax,
        "fmin" fmin,
        "equal" equal,
        "not_equal" not_equal,
        "less" less,
        "less_equal" less_equal,
        "greater" greater,
        "greater_equal" greater_equal,
        "logical_and" logical_and,
        "logical_or" logical_or,
        "logical_xor" logical_xor,
        "bitwise_and" bitwise_and,
        "bitwise_or" bitwise_or,
        "bitwise_xor" bitwise_xor,
        "gcd" gcd,
        "lcm" lcm,
        "power" power,
        "hypot" hypot,
        "copysign" copysign,
        "nextafter" nextafter,
        "heaviside" heaviside,
        "logaddexp" logaddexp,
        "logaddexp2" logaddexp2,
        "arctan2" atan2,
        "left_shift" shift_left,
        "right_shift" shift_right,
    }
}

/// What is no transcendental function is exact.
pub fn tolerance(case: &Case) -> Tolerance {
    let dtype = case.inputs[0].dtype;
    match &case.operation[..] {
        // NumPy's own are within 4 units in the last place.
        "exp" | "exp2" | "expm1" | "log" | "log2" | "log10" | "log1p" | "sin" | "cos" | "tan"
        | "arcsin" | "arccos" | "arctan" | "sinh" | "cosh" | "tanh" | "arcsinh" | "arccosh"
        | "arctanh" | "cbrt" | "power" | "hypot" | "arctan2" | "logaddexp" | "logaddexp2"
        | "angle" => Tolerance::Relative(if dtype.is_complex() { 32.0 } else { 4.0 }),
        "degrees" | "radians" => Tolerance::Relative(2.0),
        "sqrt" | "reciprocal" | "true_divide" | "absolute" | "sign" | "multiply" | "square"
            if dtype.is_complex() =>
        {
            Tolerance::Relative(8.0)
        }
        // Of two zeros that differ in sign, NumPy's loops return now the one, now the other.
        "maximum" | "minimum" | "fmax" | "fmin" => Tolerance::Absolute(0.0),
        _ => Tolerance::Exact,
    }
}
