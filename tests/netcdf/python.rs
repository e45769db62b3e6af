//! What netCDF4 writes now, where it is there, is read.
//!
//! `FLAGSTONE_TEST_PYTHON` names the Python; by default `python3` is asked.

use std::process::Command;

use flagstone::netcdf::{Decode, NetcdfFile};

const SCRIPT: &str = r#"
import sys
try:
    import netCDF4, numpy as np
except ImportError:
    print("no netCDF4"); sys.exit()
rng = np.random.default_rng(7)
with netCDF4.Dataset(sys.argv[1] + "/x.nc", "w") as file:
    for name, len in [("time", None), ("y", 31), ("x", 17)]:
        file.createDimension(name, len)
    n = 0
    for chunks in [(1, 31, 17), (5, 8, 8), (20, 1, 3)]:
        for level in [0, 1, 9]:
            for shuffle in [False, True]:
                for dtype in ["i2", "f4", "f8", ">i4", "u1"]:
                    x = rng.integers(0, 200, (20, 31, 17)).astype(dtype)
                    v = file.createVariable(f"v{n}", dtype, ["time", "y", "x"], zlib=level > 0, complevel=max(level, 1),
                                            shuffle=shuffle, chunksizes=chunks, fletcher32=n % 3 == 0)
                    v[:] = x
                    np.save(f"{sys.argv[1]}/v{n}.npy", x.astype("f8"))
                    n += 1
    v = file.createVariable("packed", "i2", ["time", "y", "x"], zlib=True, fill_value=-999)
    v.scale_factor, v.add_offset = 0.01, 273.15
    x = np.ma.masked_greater(rng.uniform(200, 320, (20, 31, 17)), 300)
    v[:] = x
with netCDF4.Dataset(sys.argv[1] + "/x.nc") as file:
    np.save(sys.argv[1] + "/packed.npy", file["packed"][:].filled(np.nan).astype("f8"))
print(n)
"#;

#[test]
fn netcdf4_writes_and_we_read() {
    let python = std::env::var("FLAGSTONE_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(&python)
        .args(["-W", "ignore", "-c", SCRIPT])
        .arg(folder.path())
        .output();
    let Ok(output) = output else {
        eprintln!("skipped: there is no {python}");
        return;
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if said == "no netCDF4" {
        eprintln!("skipped: {python} has no netCDF4");
        return;
    }
    let count: usize = said.parse().unwrap();
    assert_eq!(count, 90);
    let file = NetcdfFile::open(folder.path().join("x.nc")).unwrap();
    let npy = |name: &str| {
        let path = folder.path().join(format!("{name}.npy"));
        flagstone::Array::<f64>::from_npy(path, ..)
            .unwrap()
            .compute()
            .unwrap()
    };
    for number in 0..count {
        let name = format!("v{number}");
        let found = file.variable(&name).unwrap().any().cast::<f64>();
        assert_eq!(found.compute().unwrap(), npy(&name), "{name}");
    }
    let packed = file
        .variable("packed")
        .unwrap()
        .decoded(&Decode::new())
        .unwrap();
    let found = packed.typed::<f64>().unwrap().compute().unwrap();
    let expected = npy("packed");
    for (found, expected) in found.iter().zip(&expected) {
        assert!(
            found == expected || found.is_nan() && expected.is_nan(),
            "{found} {expected}"
        );
    }
    assert!(expected.iter().any(|x| x.is_nan()));
}
