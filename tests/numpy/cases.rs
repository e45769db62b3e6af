//! The cases of `index.txt`, and the vectors that they refer to. `generate.py` explains the format.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use flagstone::{AnyArray, Array, Complex, DType, Element};
use ndarray::{ArrayD, IxDyn};

/// Runs `$body` with `$T` bound to the Rust type of a dtype.
macro_rules! with_dtype {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            flagstone::DType::Bool => {
                type $T = bool;
                $body
            }
            flagstone::DType::I8 => {
                type $T = i8;
                $body
            }
            flagstone::DType::I16 => {
                type $T = i16;
                $body
            }
            flagstone::DType::I32 => {
                type $T = i32;
                $body
            }
            flagstone::DType::I64 => {
                type $T = i64;
                $body
            }
            flagstone::DType::U8 => {
                type $T = u8;
                $body
            }
            flagstone::DType::U16 => {
                type $T = u16;
                $body
            }
            flagstone::DType::U32 => {
                type $T = u32;
                $body
            }
            flagstone::DType::U64 => {
                type $T = u64;
                $body
            }
            flagstone::DType::F32 => {
                type $T = f32;
                $body
            }
            flagstone::DType::F64 => {
                type $T = f64;
                $body
            }
            flagstone::DType::Complex64 => {
                type $T = flagstone::Complex<f32>;
                $body
            }
            flagstone::DType::Complex128 => {
                type $T = flagstone::Complex<f64>;
                $body
            }
        }
    };
}
pub(crate) use with_dtype;

/// A stretch of a vector, with a shape.
#[derive(Clone, Debug)]
pub struct Reference {
    pub dtype: DType,
    offset: usize,
    pub shape: Vec<usize>,
}

#[derive(Clone, Debug)]
pub struct Case {
    /// The line itself, for messages.
    pub line: String,
    pub operation: String,
    parameters: HashMap<String, String>,
    pub inputs: Vec<Reference>,
    /// `None` where NumPy raises an exception.
    pub answer: Option<Reference>,
}

impl Case {
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// A list of numbers, as `2,0,1`.
    pub fn numbers(&self, name: &str) -> Vec<isize> {
        let text = self
            .parameter(name)
            .unwrap_or_else(|| panic!("{name} is missing: {}", self.line));
        text.split(',')
            .filter(|word| !word.is_empty())
            .map(|word| word.parse().unwrap())
            .collect()
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/numpy/data")
}

pub fn dtype_of(name: &str) -> DType {
    let found = DType::ALL.iter().find(|dtype| dtype.name() == name);
    *found.unwrap_or_else(|| panic!("no dtype is named {name}"))
}

fn reference(text: &str) -> Reference {
    let fields: Vec<&str> = text.split(':').collect();
    let shape = match fields[2] {
        "()" => Vec::new(),
        lengths => lengths
            .split('x')
            .map(|length| length.parse().unwrap())
            .collect(),
    };
    Reference {
        dtype: dtype_of(fields[0]),
        offset: fields[1].parse().unwrap(),
        shape,
    }
}

pub fn all() -> Vec<Case> {
    let text = fs::read_to_string(folder().join("index.txt")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(case).collect()
}

fn case(line: &str) -> Case {
    let fields: Vec<&str> = line.split('\t').collect();
    let pairs = fields[1].split(' ').filter_map(|word| word.split_once('='));
    Case {
        line: line.to_owned(),
        operation: fields[0].to_owned(),
        parameters: pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        inputs: fields[2].split(' ').map(reference).collect(),
        answer: (fields[3] != "error").then(|| reference(fields[3])),
    }
}

/// The vectors, read by Flagstone itself.
pub struct Vectors(HashMap<DType, Box<dyn std::any::Any + Send + Sync>>);

impl Vectors {
    pub fn read() -> Vectors {
        let read = |&dtype: &DType| {
            let file = AnyArray::from_npy(folder().join(format!("{dtype}.npy")), ..).unwrap();
            with_dtype!(dtype, T => {
                let values = file.typed::<T>().unwrap().compute().unwrap();
                let values: Box<dyn std::any::Any + Send + Sync> = Box::new(values.into_raw_vec_and_offset().0);
                (dtype, values)
            })
        };
        Vectors(DType::ALL.iter().map(read).collect())
    }

    pub fn get<T: Element>(&self, reference: &Reference) -> ArrayD<T> {
        let all = self.0[&reference.dtype]
            .downcast_ref::<Vec<T>>()
            .expect("the reference has the dtype T");
        let len: usize = reference.shape.iter().product();
        let values = all[reference.offset..][..len].to_vec();
        ArrayD::from_shape_vec(IxDyn(&reference.shape), values).unwrap()
    }

    /// An input in chunks of `chunk` along every axis.
    pub fn typed<T: Element>(&self, reference: &Reference, chunk: usize) -> Array<T> {
        Array::from_ndarray(self.get::<T>(reference), chunk)
    }

    pub fn any(&self, reference: &Reference, chunk: usize) -> AnyArray {
        with_dtype!(reference.dtype, T => self.typed::<T>(reference, chunk).into())
    }

    /// The largest finite magnitude of an input, and 1.
    pub fn scale(&self, reference: &Reference) -> f64 {
        let magnitudes: Vec<f64> = match reference.dtype {
            DType::Complex64 => self
                .get::<Complex<f32>>(reference)
                .iter()
                .map(|v| f64::from(v.norm()))
                .collect(),
            DType::Complex128 => self
                .get::<Complex<f64>>(reference)
                .iter()
                .map(|v| v.norm())
                .collect(),
            _ => {
                let values = self.any(reference, 1000).cast::<f64>().compute().unwrap();
                values.iter().map(|v| v.abs()).collect()
            }
        };
        magnitudes
            .into_iter()
            .filter(|v| v.is_finite())
            .fold(1.0, f64::max)
    }
}
