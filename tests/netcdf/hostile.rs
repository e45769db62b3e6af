//! Files that are damaged, cut off, or none at all.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use flagstone::netcdf::NetcdfFile;
use flagstone::{AnyArray, Array, Engine, Error};

use crate::read::data;

fn whole(path: &Path) -> Result<Vec<f64>, Error> {
    let engine = Engine::builder().threads(2).memory("64 MiB").build()?;
    let file = NetcdfFile::open(path)?;
    let mut sums = Vec::new();
    for name in ["zlib_float64", "checked_int32", "plain_float32", "record"] {
        let x = file.variable(name)?.any().cast::<f64>();
        sums.push(engine.item(&x.sum(..))?);
    }
    Ok(sums)
}

fn copy() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.nc");
    (folder, path)
}

#[test]
fn files_that_are_cut_off() {
    let bytes = fs::read(data("netcdf4.nc")).unwrap();
    let (_folder, path) = copy();
    for cut in (0..bytes.len()).step_by(1999).chain([1, 4, 8, 90, 511]) {
        fs::write(&path, &bytes[..cut]).unwrap();
        let error = whole(&path).unwrap_err();
        assert!(error.is_io(), "{error}");
        assert!(error.to_string().contains("x.nc"), "{error}");
    }
}

/// Chunks are damaged, not what the library reads: it was not made for that.
#[test]
fn chunks_that_are_damaged() {
    let (_folder, path) = copy();
    let bytes = fs::read(data("h5py.h5")).unwrap();
    let expected = Array::<f64>::from_netcdf(data("h5py.h5"), "all_filters").unwrap();
    let expected = expected.compute().unwrap();
    // Zlib's first two bytes, at the default level, begin each stored chunk.
    let starts: Vec<usize> = (0..bytes.len() - 1)
        .filter(|&at| bytes[at] == 0x78 && bytes[at + 1] == 0x5e)
        .collect();
    assert!(starts.len() >= 10, "{starts:?}");
    let mut noticed = 0;
    for start in starts {
        for flip in [1, 0x40, 0xff] {
            let mut damaged = bytes.clone();
            damaged[start + 9] ^= flip;
            fs::write(&path, &damaged).unwrap();
            let x = Array::<f64>::from_netcdf(&path, "all_filters").unwrap();
            match x.compute() {
                // The damage is in another dataset.
                Ok(found) => assert_eq!(found, expected),
                Err(error) => {
                    let text = error.to_string();
                    assert!(error.is_io() && text.contains("x.nc"), "{text}");
                    assert!(
                        text.contains("chunk [") && text.contains("all_filters"),
                        "{text}"
                    );
                    noticed += 1;
                }
            }
        }
    }
    assert_eq!(noticed, 4 * 3, "four chunks");
}

#[test]
fn what_is_no_such_file() {
    let error = NetcdfFile::open(data("classic.nc")).err().unwrap();
    let text = error.to_string();
    assert!(
        error.is_io() && text.contains("classic") && text.contains("nccopy"),
        "{text}"
    );
    let error = NetcdfFile::open(data("nothing.nc")).err().unwrap();
    assert!(
        error.is_io() && error.to_string().contains("nothing.nc"),
        "{error}"
    );
    let error = NetcdfFile::open(data("")).err().unwrap();
    assert!(
        error.is_io() && error.to_string().contains("folder"),
        "{error}"
    );
    let (_folder, path) = copy();
    for text in ["", "no file of HDF5", "\u{89}HDF\r\n\u{1a}\n"] {
        fs::write(&path, text).unwrap();
        let error = NetcdfFile::open(&path).err().unwrap();
        assert!(
            error.is_io() && error.to_string().contains("x.nc"),
            "{error}"
        );
    }
}

#[test]
fn what_arrays_cannot_hold() {
    let file = NetcdfFile::open(data("h5py.h5")).unwrap();
    for (name, mentions) in [
        ("half", "not known"),
        ("strings", "var len"),
        ("structured", "a"),
    ] {
        let error = file.variable(name).err().unwrap();
        let text = error.to_string();
        assert!(error.is_dtype() && text.contains("h5py.h5"), "{text}");
        assert!(
            text.contains(mentions) && text.contains("float64"),
            "{text}"
        );
    }
    let error = file.variable("nothing").err().unwrap();
    assert!(
        error.is_io() && error.to_string().contains("no shape"),
        "{error}"
    );
    for name in ["missing", "dangling", "five", ""] {
        let error = file.variable(name).err().unwrap();
        assert!(
            error.is_io() && error.to_string().contains("h5py.h5"),
            "{error}"
        );
    }
    // The filter is not there, and the library says which one.
    let x = file.variable("lzf").unwrap().array::<f64>().unwrap();
    let error = x.compute().unwrap_err();
    assert!(
        error.is_io() && error.to_string().contains("lzf"),
        "{error}"
    );
    let error = Array::<f32>::from_netcdf(data("netcdf4.nc"), "scalar")
        .err()
        .unwrap();
    assert!(
        error.is_dtype() && error.to_string().contains("f64"),
        "{error}"
    );
    let error = NetcdfFile::open(data("netcdf4.nc"))
        .unwrap()
        .variable("text");
    assert!(error.err().unwrap().is_dtype());
}

#[test]
fn a_file_that_vanishes() {
    let (_folder, path) = copy();
    fs::copy(data("netcdf4.nc"), &path).unwrap();
    let x = AnyArray::from_netcdf(&path, "zlib_float64").unwrap();
    let plain = AnyArray::from_netcdf(&path, "plain_float64").unwrap();
    // It is open: what has no name any more is still there.
    fs::remove_file(&path).unwrap();
    assert_eq!(
        x.cast::<f64>().compute().unwrap(),
        plain.cast::<f64>().compute().unwrap()
    );
}

/// Headers with any byte changed: an error, or values; where the C library itself gives up, that is its own process.
#[test]
fn headers_that_are_damaged() {
    const VARIABLE: &str = "FLAGSTONE_TEST_DAMAGED";
    if let Some(path) = std::env::var_os(VARIABLE) {
        let Err(error) = whole(Path::new(&path)) else {
            return;
        };
        assert!(!error.to_string().is_empty());
        return;
    }
    let (_folder, path) = copy();
    let bytes = fs::read(data("netcdf4.nc")).unwrap();
    let test = std::env::current_exe().unwrap();
    let mut crashed = 0;
    for round in 0..40usize {
        let mut damaged = bytes.clone();
        let at = round * 7919 % 20_000;
        damaged[at] ^= 0xff;
        fs::write(&path, &damaged).unwrap();
        let status = Command::new(&test)
            .args(["--exact", "hostile::headers_that_are_damaged"])
            .env(VARIABLE, &path)
            .output()
            .unwrap()
            .status;
        // Panics of ours end with a code; signals are the library's.
        match status.code() {
            Some(code) => assert_eq!(code, 0, "byte {at}"),
            None => crashed += 1,
        }
    }
    assert!(crashed <= 2, "{crashed} of 40 crashed in the library");
}
