//! The arrays of `tests/data/generate.py`, computed again.

use std::path::{Path, PathBuf};

use flagstone::{Complex, Element};
use ndarray::{ArrayD, IxDyn};

pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/zarr")
        .join(name)
}

/// The types of the sample's elements, and how number `n` of them is made.
pub trait Sample: Element + PartialEq + std::fmt::Debug {
    const NAME: &'static str;
    fn sample(n: i64) -> Self;
}

macro_rules! samples {
    ($($ty:ty, $name:literal, $n:ident => $value:expr;)*) => {$(
        impl Sample for $ty {
            const NAME: &'static str = $name;
            fn sample($n: i64) -> $ty {
                $value
            }
        }
    )*};
}

fn unsigned(n: i64) -> i64 {
    n * 37 % 101
}

fn signed(n: i64) -> i64 {
    unsigned(n) - 50
}

samples! {
    bool, "bool", n => unsigned(n) % 2 == 1;
    i8, "int8", n => signed(n) as i8;
    i16, "int16", n => signed(n) as i16;
    i32, "int32", n => signed(n) as i32;
    i64, "int64", n => signed(n);
    u8, "uint8", n => unsigned(n) as u8;
    u16, "uint16", n => unsigned(n) as u16;
    u32, "uint32", n => unsigned(n) as u32;
    u64, "uint64", n => unsigned(n) as u64;
    f32, "float32", n => signed(n) as f32 / 8.0;
    f64, "float64", n => signed(n) as f64 / 8.0;
    Complex<f32>, "complex64", n => Complex::new(signed(n) as f32, n as f32 * 0.25);
    Complex<f64>, "complex128", n => Complex::new(signed(n) as f64, n as f64 * 0.25);
}

pub fn values<T: Sample>(shape: &[usize]) -> ArrayD<T> {
    let elements = (0..shape.iter().product::<usize>() as i64).map(T::sample);
    ArrayD::from_shape_vec(IxDyn(shape), elements.collect()).unwrap()
}

/// Calls a generic function with each type of elements.
#[macro_export]
macro_rules! for_each_type {
    ($function:ident) => {
        $function::<bool>();
        $function::<i8>();
        $function::<i16>();
        $function::<i32>();
        $function::<i64>();
        $function::<u8>();
        $function::<u16>();
        $function::<u32>();
        $function::<u64>();
        $function::<f32>();
        $function::<f64>();
        $function::<flagstone::Complex<f32>>();
        $function::<flagstone::Complex<f64>>();
    };
}
