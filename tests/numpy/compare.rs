//! Whether a result is NumPy's.

use flagstone::{AnyArray, Complex, Element};
use ndarray::{ArrayD, Dimension};

use crate::cases::{Case, Vectors, with_dtype};

/// How far a float may be from NumPy's.
#[derive(Clone, Copy, Debug)]
pub enum Tolerance {
    /// Not at all: bits are compared, except those of NaN.
    Exact,
    /// Relative to the value, in epsilons of its type; the signs of zeros must agree.
    Relative(f64),
    /// Absolute, in epsilons of its type.
    Absolute(f64),
}

pub trait Value: Element {
    fn agrees(self, expected: Self, tolerance: Tolerance) -> bool;
}

macro_rules! exact {
    ($($ty:ty)*) => {$(
        impl Value for $ty {
            fn agrees(self, expected: $ty, _: Tolerance) -> bool {
                self == expected
            }
        }
    )*};
}
exact!(bool i8 i16 i32 i64 u8 u16 u32 u64);

macro_rules! floats {
    ($($ty:ident)*) => {$(
        impl Value for $ty {
            fn agrees(self, expected: $ty, tolerance: Tolerance) -> bool {
                if self.to_bits() == expected.to_bits() || (self.is_nan() && expected.is_nan()) {
                    return true;
                }
                let distance = (f64::from(self) - f64::from(expected)).abs();
                let epsilon = f64::from($ty::EPSILON);
                match tolerance {
                    Tolerance::Exact => false,
                    Tolerance::Relative(n) => {
                        // Below the normal numbers, steps are of one size.
                        let size = f64::from(expected.abs().max($ty::MIN_POSITIVE));
                        let signs = self.is_sign_negative() == expected.is_sign_negative();
                        distance <= n * epsilon * size && (signs || expected != 0.0)
                    }
                    Tolerance::Absolute(n) => distance <= n * epsilon,
                }
            }
        }

        impl Value for Complex<$ty> {
            fn agrees(self, expected: Self, tolerance: Tolerance) -> bool {
                let parts = |tolerance| {
                    self.re.agrees(expected.re, tolerance) && self.im.agrees(expected.im, tolerance)
                };
                match tolerance {
                    Tolerance::Exact => parts(Tolerance::Exact),
                    // One part may be a small difference of large numbers.
                    Tolerance::Relative(n) => parts(Tolerance::Absolute(n * f64::from(expected.norm()).max(1e-30))),
                    Tolerance::Absolute(n) => parts(Tolerance::Absolute(n)),
                }
            }
        }
    )*};
}
floats!(f32 f64);

/// What is wrong with a result, if anything.
pub fn difference(
    case: &Case,
    vectors: &Vectors,
    result: &AnyArray,
    tolerance: Tolerance,
) -> Option<String> {
    let Some(answer) = &case.answer else {
        let failed = match result.dtype() {
            None => true,
            Some(dtype) => {
                with_dtype!(dtype, T => result.typed::<T>().and_then(|x| x.compute()).is_err())
            }
        };
        return (!failed).then(|| "NumPy raises an exception, and there is no error".to_owned());
    };
    let dtype = match result.check() {
        Ok(_) => result.dtype().expect("it carries no error"),
        Err(error) => return Some(format!("an error: {error}")),
    };
    if dtype != answer.dtype {
        return Some(format!(
            "the result is {dtype}, and NumPy's {}",
            answer.dtype
        ));
    }
    with_dtype!(dtype, T => match result.typed::<T>().and_then(|x| x.compute()) {
        Ok(values) => compare(&values, &vectors.get::<T>(answer), tolerance),
        Err(error) => Some(format!("an error: {error}")),
    })
}

fn compare<T: Value>(
    values: &ArrayD<T>,
    expected: &ArrayD<T>,
    tolerance: Tolerance,
) -> Option<String> {
    if values.shape() != expected.shape() {
        return Some(format!(
            "the shape is {:?}, and NumPy's {:?}",
            values.shape(),
            expected.shape()
        ));
    }
    let wrong: Vec<String> = values
        .indexed_iter()
        .filter(|(index, value)| !value.agrees(expected[index], tolerance))
        .map(|(index, value)| {
            format!(
                "{:?}: {value:?}, and NumPy's {:?}",
                index.slice(),
                expected[&index]
            )
        })
        .collect();
    let count = wrong.len();
    (count > 0).then(|| {
        format!(
            "{count} of {} differ; {}",
            values.len(),
            wrong[..count.min(4)].join("; ")
        )
    })
}
