//! What netCDF4 and h5py wrote, bit by bit.

use std::path::{Path, PathBuf};

use flagstone::netcdf::NetcdfFile;
use flagstone::netcdf::serde_json::json;
use flagstone::{AnyArray, Array, Complex, DType, Engine, s};
use ndarray::ArrayD;

use crate::sample::{Sample, values};

pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/netcdf")
        .join(name)
}

#[track_caller]
fn is_read_as<T: Sample>(file: &str, name: &str, expected: &ArrayD<T>) {
    let x = Array::<T>::from_netcdf(data(file), name).unwrap();
    assert_eq!(x.compute().unwrap(), expected, "{name}");
    let engine = Engine::builder().threads(3).build().unwrap();
    assert_eq!(engine.compute(&x.rechunk(2)).unwrap(), expected, "{name}");
    assert_eq!(engine.compute(&x.t()).unwrap(), expected.t(), "{name}");
    if expected.shape() == [7, 10] {
        for part in [
            s![1..3, 2..9;3],
            s![5..;-2, ..1],
            s![3..4, 9..10],
            s![2..2, ..],
        ] {
            let found = engine.compute(&x.slice(part)).unwrap();
            assert_eq!(found, expected.slice(part).into_dyn(), "{name}");
        }
    }
    let any = AnyArray::from_netcdf(data(file), name).unwrap();
    assert_eq!(any.dtype(), Some(T::DTYPE));
}

fn netcdf4<T: Sample>() {
    for form in ["plain", "chunked", "zlib", "checked", "big", "big_plain"] {
        let name = format!("{form}_{}", T::NAME);
        is_read_as::<T>("netcdf4.nc", &name, &values(&[7, 10]));
    }
}

#[test]
fn what_netcdf4_wrote() {
    netcdf4::<i8>();
    netcdf4::<i16>();
    netcdf4::<i32>();
    netcdf4::<i64>();
    netcdf4::<u8>();
    netcdf4::<u16>();
    netcdf4::<u32>();
    netcdf4::<u64>();
    netcdf4::<f32>();
    netcdf4::<f64>();
    is_read_as::<f64>("netcdf4.nc", "model/run/t", &values(&[3, 10]));
    is_read_as::<f64>("netcdf4.nc", "/model/run/t", &values(&[3, 10]));
    let scalar = Array::<f64>::from_netcdf(data("netcdf4.nc"), "scalar").unwrap();
    assert_eq!(scalar.item().unwrap(), 2.5);
}

fn h5py<T: Sample>() {
    for form in ["plain", "gzip"] {
        let name = format!("{form}_{}", T::NAME);
        is_read_as::<T>("h5py.h5", &name, &values(&[7, 10]));
    }
}

#[test]
fn what_h5py_wrote() {
    h5py::<bool>();
    h5py::<Complex<f32>>();
    h5py::<Complex<f64>>();
    is_read_as::<Complex<f32>>("h5py.h5", "big_complex", &values(&[7, 10]));
    is_read_as::<f64>("h5py.h5", "all_filters", &values(&[7, 10]));
    is_read_as::<f64>("h5py.h5", "compact", &values(&[7, 10]));
    is_read_as::<i64>("h5py.h5", "five/axes", &values(&[2, 3, 2, 3, 4]));
    // A filter that only the library knows.
    is_read_as::<i32>("h5py.h5", "scale_offset", &values(&[7, 10]));
    // Chunks that went through some of the filters, or none.
    is_read_as::<f64>("h5py.h5", "mixed", &values(&[4, 6]));
    let x = Array::<f32>::from_netcdf(data("h5py.h5"), "no_elements").unwrap();
    assert_eq!(x.compute().unwrap().shape(), [0, 5]);
}

#[test]
fn what_was_never_written_is_the_fill_value() {
    let file = NetcdfFile::open(data("netcdf4.nc")).unwrap();
    let record = file.variable("record").unwrap();
    let found = record.array::<f32>().unwrap().compute().unwrap();
    let mut expected = ArrayD::from_elem(vec![6, 10], -1.0f32);
    expected.slice_mut(s![4..6, ..3]).fill(7.0);
    assert_eq!(found, expected);
    for name in ["unwritten", "unwritten_plain"] {
        let x = file.variable(name).unwrap().array::<i32>().unwrap();
        assert!(x.compute().unwrap().iter().all(|&x| x == 9), "{name}");
    }
}

#[test]
fn what_is_said_about_them() {
    let file = NetcdfFile::open(data("netcdf4.nc")).unwrap();
    assert_eq!(
        json!(file.attributes()),
        json!({"title": "written by netCDF4", "numbers": [1, 2, 3]})
    );
    let names = file.names().unwrap();
    assert!(names.contains(&"model/run/t".to_owned()), "{names:?}");
    assert!(names.is_sorted() && names.contains(&"packed".to_owned()));
    let t = file.variable("model/run/t").unwrap();
    assert_eq!(t.name(), "/model/run/t");
    assert_eq!((t.dtype(), t.shape()), (DType::F64, &[3, 10][..]));
    assert_eq!(json!(t.attributes()), json!({"long_name": "tempé"}));
    let named =
        |names: &[&str]| -> Vec<_> { names.iter().map(|x| Some((*x).to_owned())).collect() };
    assert_eq!(t.dimension_names(), named(&["level", "column"]));
    assert_eq!(
        file.variable("row").unwrap().dimension_names(),
        named(&["row"])
    );
    assert!(
        file.variable("scalar")
            .unwrap()
            .dimension_names()
            .is_empty()
    );
    let packed = file.variable("packed").unwrap();
    assert_eq!(
        json!(packed.attributes()),
        json!({"_FillValue": -13, "scale_factor": 0.25, "units": "K"})
    );
    let zlib = file.variable("zlib_float32").unwrap();
    assert_eq!(zlib.chunks().to_string(), "(4, 6)");
    assert_eq!(zlib.array::<f32>().unwrap().chunks(), zlib.chunks());
    assert_eq!(file.variable("plain_float32").unwrap().chunks().count(), 1);

    let file = NetcdfFile::open(data("h5py.h5")).unwrap();
    let names = file.names().unwrap();
    assert!(names.contains(&"five/axes".to_owned()), "{names:?}");
    // A group that is its own member is listed once, and a link to nothing is not.
    assert!(
        !names
            .iter()
            .any(|name| name.contains("loop/") || name == "dangling")
    );
    let labelled = file.variable("labelled").unwrap();
    assert_eq!(labelled.dimension_names(), named(&["row", "column"]));
    assert_eq!(
        json!(labelled.attributes()),
        json!({"nan": ["NaN", "Infinity", 1.5], "empty": []})
    );
}

#[test]
fn only_the_chunks_that_are_needed_are_loaded() {
    let x = Array::<f64>::from_netcdf(data("netcdf4.nc"), "zlib_float64").unwrap();
    let text = x.slice(s![..2, ..3]).explain().unwrap().to_string();
    assert!(text.contains("load /zlib_float64 in "), "{text}");
    let tasks = |x: &Array<f64>| x.explain().unwrap().tasks();
    assert!(tasks(&x.slice(s![..2, ..3])) < tasks(&x.exp()), "{text}");
}
