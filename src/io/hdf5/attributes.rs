//! What a file says about itself and its datasets.
//!
//! How much is said is bounded before it is read.

use hdf5::types::{FixedAscii, FixedUnicode, TypeDescriptor, VarLenAscii, VarLenUnicode};
use serde_json::{Map, Value};

use super::file::failed;
use crate::error::Result;

/// Attributes with more elements are left out: they are tables, not remarks.
const MOST_ELEMENTS: usize = 1 << 16;
/// Longer texts of a fixed length are left out.
const MOST_TEXT: usize = 4096;
/// More attributes of one thing are left out.
const MOST_ATTRIBUTES: usize = 1 << 12;

/// Attributes that the libraries keep for themselves.
const INTERNAL: &[&str] = &[
    "CLASS",
    "NAME",
    "DIMENSION_LIST",
    "DIMENSION_LABELS",
    "REFERENCE_LIST",
    "_NCProperties",
    "_Netcdf4Coordinates",
    "_Netcdf4Dimid",
    "_nc3_strict",
];

/// A number of an attribute, without loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    Signed(i64),
    Unsigned(u64),
    Float(f64),
}

impl Number {
    pub fn as_f64(self) -> f64 {
        match self {
            Number::Signed(value) => value as f64,
            Number::Unsigned(value) => value as f64,
            Number::Float(value) => value,
        }
    }

    fn json(self) -> Value {
        match self {
            Number::Signed(value) => value.into(),
            Number::Unsigned(value) => value.into(),
            // JSON has no other word for them; Zarr's are these.
            Number::Float(value) if value.is_nan() => "NaN".into(),
            Number::Float(value) if value.is_infinite() => {
                (if value > 0.0 { "Infinity" } else { "-Infinity" }).into()
            }
            Number::Float(value) => value.into(),
        }
    }
}

/// All attributes of a file or dataset.
#[derive(Default)]
pub struct Attributes {
    /// Those that JSON can say.
    pub json: Map<String, Value>,
    numbers: Vec<(String, Vec<Number>)>,
}

enum Read {
    Numbers(Vec<Number>),
    Texts(Vec<String>),
}

impl Attributes {
    /// Reads them; what is neither numbers nor text is left out.
    pub fn of(location: &hdf5::Location) -> Result<Attributes> {
        let names = location
            .attr_names()
            .map_err(|error| failed("its attributes cannot be listed", error))?;
        let mut attributes = Attributes::default();
        for name in names.into_iter().take(MOST_ATTRIBUTES) {
            if INTERNAL.contains(&name.as_str()) {
                continue;
            }
            let what = || format!("its attribute {name:?} cannot be read");
            let found = location
                .attr(&name)
                .map_err(|error| failed(what(), error))?;
            let scalar = found.is_scalar();
            let Some(read) = read(&found).map_err(|error| failed(what(), error))? else {
                continue;
            };
            let mut values: Vec<Value> = match &read {
                Read::Numbers(numbers) => numbers.iter().map(|number| number.json()).collect(),
                Read::Texts(texts) => texts.iter().map(|text| text.as_str().into()).collect(),
            };
            // NetCDF knows no scalars among attributes: one number is a number.
            let single = scalar || values.len() == 1;
            let value = match values.pop() {
                Some(value) if single => value,
                Some(last) => {
                    values.push(last);
                    Value::Array(values)
                }
                None => Value::Array(Vec::new()),
            };
            attributes.json.insert(name.clone(), value);
            if let Read::Numbers(numbers) = read {
                attributes.numbers.push((name, numbers));
            }
        }
        Ok(attributes)
    }

    /// The numbers of an attribute; none if it is missing, or text.
    pub fn numbers(&self, name: &str) -> &[Number] {
        let found = self.numbers.iter().find(|(other, _)| other == name);
        found.map_or(&[], |(_, numbers)| numbers)
    }
}

/// Numbers or texts; `None` for anything else, and for what is too much.
fn read(attribute: &hdf5::Attribute) -> hdf5::Result<Option<Read>> {
    if attribute.size() > MOST_ELEMENTS {
        return Ok(None);
    }
    // What has no elements at all is no text either.
    if attribute.space()?.is_null() {
        return Ok(Some(Read::Texts(Vec::new())));
    }
    let Ok(kind) = attribute.dtype()?.to_descriptor() else {
        return Ok(None);
    };
    Ok(Some(match kind {
        TypeDescriptor::Integer(_) => Read::Numbers(
            attribute
                .read_raw::<i64>()?
                .into_iter()
                .map(Number::Signed)
                .collect(),
        ),
        TypeDescriptor::Unsigned(_) => Read::Numbers(
            attribute
                .read_raw::<u64>()?
                .into_iter()
                .map(Number::Unsigned)
                .collect(),
        ),
        TypeDescriptor::Float(_) => Read::Numbers(
            attribute
                .read_raw::<f64>()?
                .into_iter()
                .map(Number::Float)
                .collect(),
        ),
        TypeDescriptor::VarLenAscii => texts(attribute.read_raw::<VarLenAscii>()?),
        TypeDescriptor::VarLenUnicode => texts(attribute.read_raw::<VarLenUnicode>()?),
        TypeDescriptor::FixedAscii(len) if len <= MOST_TEXT => {
            texts(attribute.read_raw::<FixedAscii<MOST_TEXT>>()?)
        }
        TypeDescriptor::FixedUnicode(len) if len <= MOST_TEXT => {
            texts(attribute.read_raw::<FixedUnicode<MOST_TEXT>>()?)
        }
        _ => return Ok(None),
    }))
}

fn texts<T: std::ops::Deref<Target = str>>(found: Vec<T>) -> Read {
    Read::Texts(found.iter().map(|text| text.to_string()).collect())
}

/// The names of a dataset's axes; empty if none has one.
///
/// Each axis refers to the datasets that are its scales, of which the name is the axis's, or has a label. A scale
/// is its own axis.
pub fn dimension_names(dataset: &hdf5::Dataset) -> Vec<Option<String>> {
    let ndim = dataset.ndim();
    let scales = dataset
        .attr("DIMENSION_LIST")
        .and_then(|list| {
            if list.size() != ndim {
                return Ok(Vec::new());
            }
            list.read_raw::<hdf5::types::VarLenArray<hdf5::ObjectReference1>>()
        })
        .unwrap_or_default();
    let labels = dataset
        .attr("DIMENSION_LABELS")
        .and_then(|labels| {
            if labels.size() != ndim {
                return Ok(Vec::new());
            }
            labels.read_raw::<VarLenUnicode>().or_else(|_| {
                let ascii = labels.read_raw::<VarLenAscii>()?;
                Ok(ascii
                    .iter()
                    .filter_map(|text| text.as_str().parse().ok())
                    .collect())
            })
        })
        .unwrap_or_default();
    let mut names: Vec<Option<String>> = vec![None; ndim];
    for (axis, name) in names.iter_mut().enumerate() {
        let scale = scales.get(axis).and_then(|scales| scales.first());
        *name = scale
            .and_then(|scale| match dataset.dereference(scale) {
                Ok(hdf5::ReferencedObject::Dataset(scale)) => Some(scale.name()),
                _ => None,
            })
            .and_then(|path| path.rsplit('/').next().map(str::to_owned))
            .or_else(|| labels.get(axis).map(|label| label.to_string()))
            .filter(|name| !name.is_empty());
    }
    let is_scale = dataset.attr("CLASS").is_ok_and(|class| {
        class.read_raw::<FixedAscii<32>>().is_ok_and(|class| {
            class
                .first()
                .is_some_and(|class| &**class == "DIMENSION_SCALE")
        })
    });
    if is_scale && ndim == 1 && names[0].is_none() {
        names[0] = dataset.name().rsplit('/').next().map(str::to_owned);
    }
    if names.iter().all(Option::is_none) {
        names.clear();
    }
    names
}
