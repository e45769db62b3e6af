//! What we write is read by zarr-python, where it is there.
//!
//! `FLAGSTONE_TEST_PYTHON` names the Python; by default `python3` is asked whether it has zarr.

use std::path::Path;
use std::process::Command;

use flagstone::Array;
use flagstone::zarr::{Create, create_group};

use crate::sample::Sample;
use crate::write::{CODECS, array};

/// Reads every array of a folder with zarr-python, and compares bits with what the names say they hold.
const SCRIPT: &str = r#"
import sys
from pathlib import Path
import numpy as np
import zarr

def values(dtype, shape):
    n = np.arange(int(np.prod(shape)), dtype=np.int64)
    x = n * 37 % 101
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        x = x % 2 == 1
    elif dtype.kind in "ifc":
        x = x - 50
    x = x.astype(dtype)
    if dtype.kind == "f":
        x = x / dtype.type(8)
    if dtype.kind == "c":
        x = x + (n * 0.25j).astype(dtype)
    return x.astype(dtype).reshape(shape)

count = 0
for path in sorted(Path(sys.argv[1]).iterdir()):
    if path.name == "zarr.json":
        continue
    x = zarr.open_array(str(path), mode="r")
    expected = values(path.name.split("-")[0], x.shape)
    found = x[...]
    assert found.dtype == expected.dtype, (path, found.dtype)
    assert found.tobytes() == expected.tobytes(), path
    assert x.attrs["units"] == "K", path
    if x.metadata.zarr_format == 3:
        assert x.metadata.dimension_names == ("row", "column"), path
    count += 1
group = zarr.open_group(sys.argv[1], mode="r")
assert len(list(group.array_keys())) == count * 2 // 3, "of version 3"
assert group.attrs["title"] == "ours"
print("read", count)
"#;

fn python() -> Option<String> {
    let python = std::env::var("FLAGSTONE_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let asked = Command::new(&python)
        .args([
            "-c",
            "import zarr, sys; sys.exit(int(zarr.__version__.split('.')[0]) < 3)",
        ])
        .output();
    match asked {
        Ok(output) if output.status.success() => Some(python),
        _ => {
            eprintln!("skipped: {python} has no zarr-python of version 3");
            None
        }
    }
}

fn store_all_kinds<T: Sample>(folder: &Path) {
    let units = flagstone::zarr::serde_json::json!({"units": "K"});
    let units = units.as_object().unwrap();
    let x: Array<T> = array(&[7, 10]);
    for (number, codec) in CODECS.iter().enumerate() {
        for (name, options) in [
            ("v3", Create::new().chunks([3, 4])),
            ("v2", Create::new().chunks([3, 4]).version_2()),
            ("sharded", Create::new().chunks([2, 3]).shards([4, 6])),
        ] {
            let options = options
                .codec(*codec)
                .attributes(units.clone())
                .dimension_names(["row", "column"]);
            let path = folder.join(format!("{}-{name}-{number}", T::NAME));
            x.to_zarr_with(path, &options).unwrap();
        }
    }
}

#[test]
fn zarr_python_reads_what_we_write() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let title = flagstone::zarr::serde_json::json!({"title": "ours"});
    create_group(folder.path(), title.as_object().unwrap().clone()).unwrap();
    macro_rules! all {
        ($($ty:ty)*) => {$(store_all_kinds::<$ty>(folder.path());)*};
    }
    all!(bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 flagstone::Complex<f32> flagstone::Complex<f64>);
    let output = Command::new(python)
        .args(["-W", "ignore", "-c", SCRIPT])
        .arg(folder.path())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let expected = format!("read {}", 13 * 3 * CODECS.len());
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), expected);
}
