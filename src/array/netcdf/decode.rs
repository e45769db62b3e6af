//! From stored elements to the values that they stand for.

use std::panic::Location;

use num_traits::NumCast;

use super::open::value;
use crate::array::any::AnyArray;
use crate::array::elementwise::where_;
use crate::array::handle::Array;
use crate::base::dtype::DType;
use crate::base::element::{Element, Float};
use crate::error::{Error, Kind, Result};
use crate::io::hdf5::{Dataset, Number};

/// Which attributes [`decoded`](super::NetcdfVariable::decoded) applies; all of them, if nothing else is said.
///
/// ```
/// use flagstone::netcdf::Decode;
///
/// let only_missing_values = Decode::new().scale(false);
/// # let _ = only_missing_values;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Decode {
    mask: bool,
    scale: bool,
}

impl Default for Decode {
    fn default() -> Decode {
        Decode::new()
    }
}

impl Decode {
    /// All of them.
    pub fn new() -> Decode {
        Decode {
            mask: true,
            scale: true,
        }
    }

    /// Whether elements that are `_FillValue` or one of `missing_value` become NaN.
    pub fn mask(mut self, mask: bool) -> Decode {
        self.mask = mask;
        self
    }

    /// Whether `scale_factor` and `add_offset` are applied.
    pub fn scale(mut self, scale: bool) -> Decode {
        self.scale = scale;
        self
    }
}

/// What there is to do.
struct Plan {
    missing: Vec<Number>,
    scale: Option<f64>,
    offset: Option<f64>,
    /// The elements' type, once `_Unsigned` is heeded.
    taken: DType,
}

pub(super) fn decoded(
    dataset: &Dataset,
    how: &Decode,
    at: &'static Location<'static>,
) -> Result<AnyArray> {
    let plan = Plan::new(dataset, how)?;
    let stored = dataset.stored.dtype;
    macro_rules! taken {
        ($($variant:ident $ty:ty),*) => {
            match (stored, plan.taken) {
                (DType::I8, DType::U8) => plan.apply(&array::<i8>(dataset, at)?.cast::<u8>()),
                (DType::I16, DType::U16) => plan.apply(&array::<i16>(dataset, at)?.cast::<u16>()),
                (DType::I32, DType::U32) => plan.apply(&array::<i32>(dataset, at)?.cast::<u32>()),
                (DType::I64, DType::U64) => plan.apply(&array::<i64>(dataset, at)?.cast::<u64>()),
                $((DType::$variant, _) => plan.apply(&array::<$ty>(dataset, at)?),)*
                (DType::Bool, _) => plan.untouched::<bool>(dataset, at),
                (DType::Complex64, _) => plan.untouched::<num_complex::Complex<f32>>(dataset, at),
                (DType::Complex128, _) => plan.untouched::<num_complex::Complex<f64>>(dataset, at),
            }
        };
    }
    taken!(I8 i8, I16 i16, I32 i32, I64 i64, U8 u8, U16 u16, U32 u32, U64 u64, F32 f32, F64 f64)
}

fn array<T: Element>(dataset: &Dataset, at: &'static Location<'static>) -> Result<Array<T>> {
    Ok(Array::from_plan(Ok(value::<T>(dataset, at)?), at))
}

impl Plan {
    fn new(dataset: &Dataset, how: &Decode) -> Result<Plan> {
        let mut missing = Vec::new();
        let (mut scale, mut offset) = (None, None);
        if how.mask {
            for name in ["_FillValue", "missing_value"] {
                missing.extend(numbers(dataset, name)?);
            }
        }
        if how.scale {
            scale = one(dataset, "scale_factor")?;
            offset = one(dataset, "add_offset")?;
        }
        let unsigned = dataset
            .attributes
            .json
            .get("_Unsigned")
            .and_then(serde_json::Value::as_str)
            .is_some_and(|word| word.eq_ignore_ascii_case("true"));
        let stored = dataset.stored.dtype;
        let taken = match stored {
            DType::I8 if unsigned => DType::U8,
            DType::I16 if unsigned => DType::U16,
            DType::I32 if unsigned => DType::U32,
            DType::I64 if unsigned => DType::U64,
            other => other,
        };
        Ok(Plan {
            missing,
            scale,
            offset,
            taken,
        })
    }

    fn is_nothing(&self) -> bool {
        self.missing.is_empty() && self.scale.is_none() && self.offset.is_none()
    }

    fn untouched<T: Element>(
        &self,
        dataset: &Dataset,
        at: &'static Location<'static>,
    ) -> Result<AnyArray> {
        if self.is_nothing() {
            return Ok(array::<T>(dataset, at)?.into());
        }
        Err(Error::new(
            Kind::Dtype,
            format!(
                "elements of {} have no scale and no missing values",
                T::DTYPE
            ),
        ))
    }

    fn apply<T: Real>(&self, x: &Array<T>) -> Result<AnyArray> {
        if self.is_nothing() {
            return Ok(x.into());
        }
        let short = T::DTYPE.is_integer() && T::DTYPE.size() <= 2 && self.offset.is_none();
        Ok(if short || T::DTYPE == DType::F32 {
            self.apply_as::<T, f32>(x).into()
        } else {
            self.apply_as::<T, f64>(x).into()
        })
    }

    fn apply_as<T: Real, F: Float>(&self, x: &Array<T>) -> Array<F> {
        let number = |value: f64| <F as NumCast>::from(value).unwrap_or_else(F::nan);
        let mut values = x.cast::<F>();
        if let Some(scale) = self.scale {
            values = values.multiply(number(scale));
        }
        if let Some(offset) = self.offset {
            values = values.add(number(offset));
        }
        let masks = self
            .missing
            .iter()
            .filter_map(|&missing| T::exactly(missing));
        let mask = masks
            .map(|missing| x.equal(missing))
            .reduce(|a, b| a.logical_or(&b));
        match mask {
            Some(mask) => where_(&mask, F::nan(), &values),
            None => values,
        }
    }
}

/// The element types that can be scaled.
trait Real: crate::base::element::Numeric + NumCast {
    /// The element that a number of an attribute is; `None` if no element is, so that none is missing. NaN is none
    /// either: it stays NaN.
    fn exactly(number: Number) -> Option<Self>;
}

macro_rules! real_integers {
    ($($ty:ty)*) => {$(
        impl Real for $ty {
            fn exactly(number: Number) -> Option<$ty> {
                match number {
                    Number::Signed(value) => {
                        // A fill value of a type that `_Unsigned` makes another has the bits, not the value.
                        let wrapped = value as $ty;
                        let bits = value < 0 && <$ty>::MIN == 0 && value >= i64::MIN >> (64 - <$ty>::BITS);
                        (bits || <$ty as NumCast>::from(value).is_some()).then_some(wrapped)
                    }
                    Number::Unsigned(value) => <$ty as NumCast>::from(value),
                    Number::Float(value) => {
                        <$ty as NumCast>::from(value).filter(|&found| found as f64 == value)
                    }
                }
            }
        }
    )*};
}

macro_rules! real_floats {
    ($($ty:ty)*) => {$(
        impl Real for $ty {
            fn exactly(number: Number) -> Option<$ty> {
                // A missing value of f64 stands for the nearest element.
                let value = number.as_f64() as $ty;
                (!value.is_nan()).then_some(value)
            }
        }
    )*};
}

real_integers!(i8 i16 i32 i64 u8 u16 u32 u64);
real_floats!(f32 f64);

/// The numbers of an attribute; none if it is missing.
fn numbers<'a>(dataset: &'a Dataset, name: &str) -> Result<&'a [Number]> {
    let found = dataset.attributes.numbers(name);
    match dataset.attributes.json.get(name) {
        Some(other) if found.is_empty() => {
            let why = format!("its attribute {name} is {other}, which is no number");
            Err(Error::new(Kind::Value, why))
        }
        _ => Ok(found),
    }
}

fn one(dataset: &Dataset, name: &str) -> Result<Option<f64>> {
    match numbers(dataset, name)? {
        [] => Ok(None),
        [number] => Ok(Some(number.as_f64())),
        several => {
            let why = format!("its attribute {name} has {} numbers", several.len());
            Err(Error::new(Kind::Value, why))
        }
    }
}
