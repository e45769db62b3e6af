//! Real data: every file of a set opens and gives NumPy's answers, and what is computed from it is written so that
//! others read it identically.
//!
//! Committed are the whole array as `.npy` and its first 24 years in all other forms. `FLAGSTONE_TEST_AIR` names a
//! folder with a set of files of the same names, of any number of years, which is then read as well.

#![cfg(all(feature = "npz", feature = "zarr"))]

use std::path::{Path, PathBuf};
use std::process::Command;

use flagstone::zarr::{Codec, Create};
use flagstone::{AnyArray, Array, DType, Element, Engine, Npz, s};
use ndarray::{ArrayD, Axis};

fn air() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/air_temperature")
}

/// The folders of files to read, each with NumPy's array of the same years.
fn sets() -> Vec<(PathBuf, ArrayD<f32>)> {
    let whole = npy::<f32>(&air().join("air_temperature.npy"));
    let first = whole.slice(s![..24, .., ..]).to_owned().into_dyn();
    let mut sets = vec![(air().join("first_years"), first)];
    if let Some(folder) = std::env::var_os("FLAGSTONE_TEST_AIR") {
        sets.push((PathBuf::from(folder), whole));
    }
    sets
}

/// The elements of a `.npy` file of version 1, without Flagstone's reader.
fn npy<T: Element>(path: &Path) -> ArrayD<T> {
    let bytes = std::fs::read(path).unwrap();
    let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]])) + 10;
    let text = std::str::from_utf8(&bytes[10..header]).unwrap();
    assert!(text.contains("'fortran_order': False"), "{text}");
    let shape = text.split("'shape': (").nth(1).unwrap();
    let shape: Vec<usize> = shape[..shape.find(')').unwrap()]
        .split(',')
        .filter_map(|len| len.trim().parse().ok())
        .collect();
    let count = bytes[header..].len() / size_of::<T>();
    let mut elements = vec![T::default(); count];
    // SAFETY: elements have no padding, and floats any pattern of bits.
    unsafe {
        let target = elements.as_mut_ptr().cast::<u8>();
        std::ptr::copy_nonoverlapping(bytes[header..].as_ptr(), target, count * size_of::<T>());
    }
    ArrayD::from_shape_vec(shape, elements).unwrap()
}

#[track_caller]
fn close(found: &ArrayD<f64>, expected: &ArrayD<f64>, what: &str) {
    assert_eq!(found.shape(), expected.shape(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        // Sums in another order than NumPy's.
        assert!(
            (found - expected).abs() <= 1e-12 * expected.abs().max(1.0),
            "{what}: {found} and {expected}"
        );
    }
}

/// The same bits whole and in parts, and NumPy's answers.
fn answers(x: &AnyArray, set: &Path, whole: &ArrayD<f32>, what: &str) {
    assert_eq!(x.dtype(), Some(DType::F32), "{what}");
    let x = x.typed::<f32>().unwrap();
    assert_eq!(x.compute().unwrap(), whole, "{what}");
    let part = s![3..20;4, 30..5;-3, 7..48];
    let found = x.slice(part).compute().unwrap();
    assert_eq!(found, whole.slice(part).into_dyn(), "{what}");

    let numpy = Npz::open(set.join("air_temperature_expected.npz")).unwrap();
    let expected = |name: &str| {
        let values = numpy.any(name, ..).unwrap().cast::<f64>();
        values.compute().unwrap()
    };
    let y = x.cast::<f64>();
    for threads in [1, 3] {
        let engine = Engine::builder()
            .threads(threads)
            .memory("8 MiB")
            .build()
            .unwrap();
        let (mean, std, all, area) = engine
            .compute(&(y.mean(0), y.std(0), y.mean(..), y.mean((1, 2))))
            .unwrap();
        close(&mean, &expected("mean_time"), what);
        close(&std, &expected("std_time"), what);
        close(&all, &expected("mean_all"), what);
        close(&area, &expected("annual_mean_of_area"), what);
        let (min, max) = engine.compute(&(x.min(0), x.max(0))).unwrap();
        assert_eq!(min.mapv(f64::from), expected("min_time"), "{what}");
        assert_eq!(max.mapv(f64::from), expected("max_time"), "{what}");
        let affine = engine.compute(&(2.0 * x.slice(..2) + 1.0)).unwrap();
        assert_eq!(affine.mapv(f64::from), expected("affine"), "{what}");
    }
}

#[test]
fn every_file_gives_the_answers_of_numpy() {
    for (set, whole) in sets() {
        for name in [
            "air_temperature_v2.zarr",
            "air_temperature_v2_blosc_big_endian.zarr",
            "air_temperature_v3.zarr",
            "air_temperature_v3_sharded.zarr",
        ] {
            let x = AnyArray::from_zarr(set.join(name)).unwrap();
            answers(&x, &set, &whole, name);
        }
        #[cfg(feature = "netcdf")]
        {
            let path = set.join("air_temperature.nc");
            let x = AnyArray::from_netcdf(&path, "air_temperature").unwrap();
            answers(&x, &set, &whole, "air_temperature.nc");
            let file = flagstone::netcdf::NetcdfFile::open(&path).unwrap();
            assert_eq!(file.attributes()["Conventions"], "CF-1.5");
            let variable = file.variable("air_temperature").unwrap();
            assert_eq!(variable.attributes()["units"], "K");
            let names = ["time", "latitude", "longitude"].map(|name| Some(name.to_owned()));
            assert_eq!(variable.dimension_names(), names);
            let latitude = AnyArray::from_netcdf(&path, "latitude").unwrap();
            let expected = npy::<f32>(&air().join("latitude.npy"));
            assert_eq!(latitude.cast::<f32>().compute().unwrap(), expected);
        }
        // One file and another that have the same values are one array.
        let [a, b] = ["v2", "v3_sharded"].map(|name| {
            Array::<f32>::from_zarr(set.join(format!("air_temperature_{name}.zarr"))).unwrap()
        });
        assert_eq!((&a - &b).abs().max(..).item().unwrap(), 0.0);
    }
}

#[test]
fn the_whole_array_from_npy() {
    let whole = npy::<f32>(&air().join("air_temperature.npy"));
    for chunks in [(60, 37, 49), (7, 20, 11)] {
        let x = Array::<f32>::from_npy(air().join("air_temperature.npy"), chunks).unwrap();
        assert_eq!(x.compute().unwrap(), whole);
        let y = x.cast::<f64>();
        let (mean, std, all, area) =
            flagstone::compute((y.mean(0), y.std(0), y.mean(..), y.mean((1, 2)))).unwrap();
        for (found, name) in [
            (mean, "mean_time"),
            (std, "std_time"),
            (all, "mean_all"),
            (area, "annual_mean_of_area"),
        ] {
            let expected = npy::<f64>(&air().join(format!("expected/{name}.npy")));
            close(&found, &expected, name);
        }
        let (min, max) = flagstone::compute((x.min(0), x.max(0))).unwrap();
        assert_eq!(min, npy::<f32>(&air().join("expected/min_time.npy")));
        assert_eq!(max, npy::<f32>(&air().join("expected/max_time.npy")));
        let affine = (2.0 * x.slice(..2) + 1.0).compute().unwrap();
        assert_eq!(affine, npy::<f32>(&air().join("expected/affine.npy")));
    }
    let fortran =
        Array::<f32>::from_npy(air().join("air_temperature_fortran.npy"), (5, .., ..)).unwrap();
    assert_eq!(
        fortran.compute().unwrap(),
        whole.slice(s![..24, .., ..]).into_dyn()
    );
    for (name, len, first) in [("latitude", 37, 15.0), ("longitude", 49, 225.0)] {
        let path = air().join(format!("{name}.npy"));
        let degrees = AnyArray::from_npy(&path, ..)
            .unwrap()
            .cast::<f64>()
            .compute();
        let degrees = degrees.unwrap();
        assert_eq!((degrees.len(), degrees[[0]]), (len, first), "{name}");
        assert_eq!(degrees, npy::<f32>(&path).mapv(f64::from), "{name}");
    }
}

/// The anomaly, as NumPy computes it from the mean that the file was written with.
#[test]
fn an_anomaly_is_written_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let x = Array::<f32>::from_npy(air().join("air_temperature.npy"), (60, .., ..)).unwrap();
    let (path, mean) = (
        folder.path().join("anomaly.zarr"),
        folder.path().join("mean.npy"),
    );
    let options = Create::new()
        .chunks([24, 37, 20])
        .codec(Codec::Zstd(5))
        .dimension_names(["time", "latitude", "longitude"]);
    let anomaly = &x - &x.mean(0);
    anomaly.to_zarr_with(&path, &options).unwrap();
    x.mean(0).to_npy(&mean).unwrap();

    let expected = npy::<f32>(&air().join("air_temperature.npy")) - &npy::<f32>(&mean);
    let back = Array::<f32>::from_zarr(&path).unwrap();
    assert_eq!(back.compute().unwrap(), expected);
    let left = back.cast::<f64>().mean(0).abs().max(..).item().unwrap();
    assert!(left < 1e-4, "the mean of an anomaly is nothing: {left}");
    // The mean itself is the correctly rounded one, or its neighbour.
    let numpy = npy::<f64>(&air().join("expected/mean_time.npy"));
    for (found, expected) in npy::<f32>(&mean).iter().zip(&numpy) {
        assert!((f64::from(*found) - expected).abs() <= f64::from(f32::EPSILON) * expected);
    }
    assert_eq!(expected.len_of(Axis(0)), 240);

    let python = std::env::var("FLAGSTONE_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = r#"
import sys
try:
    import numpy as np, zarr
    if int(zarr.__version__.split(".")[0]) < 3: raise ImportError
except ImportError:
    print("no zarr"); sys.exit()
x, mean, anomaly = np.load(sys.argv[1]), np.load(sys.argv[2]), zarr.open_array(sys.argv[3], mode="r")
assert anomaly.metadata.dimension_names == ("time", "latitude", "longitude")
assert anomaly.dtype == x.dtype and anomaly[...].tobytes() == (x - mean).tobytes()
assert np.abs(mean - x.mean(0, dtype="f8")).max() < 2e-5
print("identical")
"#;
    let output = Command::new(&python)
        .args(["-W", "ignore", "-c", script])
        .args([air().join("air_temperature.npy"), mean, path])
        .output();
    match output {
        Ok(output) if output.status.success() => {
            let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            if said != "identical" {
                eprintln!("skipped: {python} has no zarr-python of version 3");
            }
        }
        Ok(output) => panic!("{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => eprintln!("skipped: {python}: {error}"),
    }
}
