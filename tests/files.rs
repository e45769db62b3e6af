//! Archives, stacks and files without headers.

use std::fs;
use std::path::{Path, PathBuf};

use flagstone::{AnyArray, Array, DType, Element, Engine, Raw, s};
use ndarray::{ArrayD, Axis, IxDyn};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

/// The values of `tests/data/generate.py`.
fn values(shape: &[usize]) -> ArrayD<f64> {
    let elements =
        (0..shape.iter().product::<usize>()).map(|n| ((n * 37 % 101) as f64 - 50.0) / 8.0);
    ArrayD::from_shape_vec(IxDyn(shape), elements.collect()).unwrap()
}

#[cfg(feature = "npz")]
mod npz {
    use flagstone::{Complex, Npz};

    use super::*;

    fn cast<T: Element>(file: &Npz, name: &str) -> ArrayD<T> {
        file.any(name, 3).unwrap().cast::<T>().compute().unwrap()
    }

    #[test]
    fn what_numpy_wrote() {
        for name in ["stored.npz", "compressed.npz"] {
            let file = Npz::open(data(name)).unwrap();
            assert_eq!(file.names().len(), 18, "{:?}", file.names());
            let integers = values(&[7, 10]) * 8.0;
            for dtype in DType::ALL {
                let member = format!("dtype_{dtype}");
                assert_eq!(file.any(&member, ..).unwrap().dtype(), Some(*dtype));
                let found = cast::<f64>(&file, &member);
                let expected = match dtype {
                    DType::Bool => integers.mapv(|x| f64::from((x + 50.0) % 2.0 == 1.0)),
                    DType::U8 | DType::U16 | DType::U32 | DType::U64 => &integers + 50.0,
                    DType::F32 | DType::F64 => values(&[7, 10]),
                    _ => integers.clone(),
                };
                assert_eq!(found, expected, "{name}: {dtype}");
            }
            let complex = file.array::<Complex<f64>>("dtype_complex128", ..).unwrap();
            assert_eq!(complex.compute().unwrap()[[0, 3]].im, 0.75);
            assert_eq!(cast::<f64>(&file, "big"), integers);
            assert_eq!(cast::<f64>(&file, "scalar")[[]], values(&[])[[]]);
            assert_eq!(cast::<f64>(&file, "empty").shape(), [0, 3]);
            assert_eq!(cast::<f64>(&file, "nested/name"), values(&[7, 10]));
            let expected = values(&[5, 6, 7]);
            let x = file.array::<f64>("fortran", (2, .., 3)).unwrap();
            assert_eq!(x.compute().unwrap(), expected);
            for part in [
                s![1..3, 2..4, 3..6],
                s![4..5, 0..6, 6..7],
                s![0..5, 5..6, 0..1],
            ] {
                assert_eq!(
                    x.slice(part).compute().unwrap(),
                    expected.slice(part).into_dyn()
                );
            }
            let x = file.array::<f64>("dtype_float64", 2).unwrap();
            let part = x.slice(s![2..5, 3..9;2]).t().compute().unwrap();
            assert_eq!(
                part,
                values(&[7, 10]).slice(s![2..5, 3..9;2]).t().into_dyn()
            );
        }
    }

    #[test]
    fn mistakes_are_named() {
        let file = Npz::open(data("stored.npz")).unwrap();
        let error = file.array::<f64>("nothing", ..).err().unwrap();
        assert!(error.is_value(), "{error}");
        assert!(
            error.to_string().contains("stored.npz") && error.to_string().contains("dtype_bool")
        );
        let error = file.array::<f32>("dtype_float64", ..).err().unwrap();
        assert!(
            error.is_dtype() && error.to_string().contains("dtype_float64"),
            "{error}"
        );
        assert!(
            Npz::open(data("no.npz"))
                .err()
                .unwrap()
                .to_string()
                .contains("no.npz")
        );
        let error = Npz::open(data("air_temperature/air_temperature.npy"))
            .err()
            .unwrap();
        assert!(
            error.is_io() && error.to_string().contains("air_temperature.npy"),
            "{error}"
        );
    }

    /// Wherever an archive is cut off or damaged, there is an error or the right values; a member that is not
    /// compressed has no check but its length.
    #[test]
    fn archives_that_are_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npz");
        let bytes = fs::read(data("compressed.npz")).unwrap();
        let whole = values(&[5, 6, 7]);
        let open = || Npz::open(&path)?.array::<f64>("fortran", ..)?.compute();
        for cut in (0..bytes.len()).step_by(97) {
            fs::write(&path, &bytes[..cut]).unwrap();
            let error = open().unwrap_err();
            assert!(error.to_string().contains("x.npz"), "{error}");
        }
        for at in (0..bytes.len()).step_by(3) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x55;
            fs::write(&path, damaged).unwrap();
            match open() {
                Ok(found) => assert_eq!(found, whole, "damaged at {at}"),
                Err(error) => assert!(error.to_string().contains("x.npz"), "{at}: {error}"),
            }
        }
    }
}

#[test]
fn stacks() {
    let folder = tempfile::tempdir().unwrap();
    let whole = values(&[23, 4, 5]);
    let paths: Vec<PathBuf> = (0..23)
        .map(|n| folder.path().join(format!("{n}.npy")))
        .collect();
    for (path, part) in paths.iter().zip(whole.axis_iter(Axis(0))) {
        Array::from_ndarray(part.to_owned(), ..)
            .to_npy(path)
            .unwrap();
    }
    for chunks in [(1, 4, 5), (10, 3, 2), (23, 4, 5)] {
        let x = Array::<f64>::from_npy_stack(&paths, chunks).unwrap();
        assert_eq!(x.compute().unwrap(), whole);
        let part = x.slice(s![3..20;4, 1..3, ..;2]).compute().unwrap();
        assert_eq!(part, whole.slice(s![3..20;4, 1..3, ..;2]).into_dyn());
        assert_eq!(x.sum(0).compute().unwrap().shape(), [4, 5]);
    }
    let any = AnyArray::from_npy_stack(&paths, ..).unwrap();
    assert_eq!(any.dtype(), Some(DType::F64));
    let error = Array::<f32>::from_npy_stack(&paths, ..).err().unwrap();
    assert!(
        error.is_dtype() && error.to_string().contains("0.npy"),
        "{error}"
    );
    let error = Array::<f32>::from_npy_stack(Vec::<PathBuf>::new(), ..)
        .err()
        .unwrap();
    assert!(error.is_value(), "{error}");

    // Only what is needed is opened, and what is wrong is named.
    let x = Array::<f64>::from_npy_stack(&paths, ..).unwrap();
    Array::<f64>::ones([4, 6], ..).to_npy(&paths[7]).unwrap();
    fs::remove_file(&paths[8]).unwrap();
    fs::write(&paths[9], "no array").unwrap();
    let length = fs::metadata(&paths[10]).unwrap().len();
    fs::File::options()
        .write(true)
        .open(&paths[10])
        .unwrap()
        .set_len(length - 1)
        .unwrap();
    assert_eq!(
        x.slice(..7).compute().unwrap(),
        whole.slice(s![..7, .., ..]).into_dyn()
    );
    for (number, mentions) in [
        (7, "[4, 6]"),
        (8, "opening"),
        (9, "magic"),
        (10, "truncated"),
    ] {
        let error = x.slice(number..number + 1).compute().unwrap_err();
        let text = error.to_string();
        assert!(
            error.is_io() && text.contains(&format!("{number}.npy")),
            "{text}"
        );
        assert!(text.contains(mentions), "{text}");
    }
}

const FILES: usize = 100_000;

/// More files than a process may have open.
#[cfg(target_os = "linux")]
#[test]
fn stacks_keep_no_file_open() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = (0..FILES)
        .map(|n| folder.path().join(format!("{n}.npy")))
        .collect();
    // Names are quicker to make than files; a file has at most 65,000 of them.
    for paths in paths.chunks(50_000) {
        Array::<u8>::arange(0, 8, 1, ..).to_npy(&paths[0]).unwrap();
        for path in &paths[1..] {
            fs::hard_link(&paths[0], path).unwrap();
        }
    }
    let open = || fs::read_dir("/proc/self/fd").unwrap().count();
    let before = open();
    let x = Array::<u8>::from_npy_stack(&paths, (1000, ..)).unwrap();
    assert_eq!(x.sum(..).item().unwrap(), 28 * FILES as u64);
    // Other tests of this process have files open, but not hundreds.
    assert!(open() < before + 200);
}

fn raw<T: Element + PartialEq + std::fmt::Debug>(values: &[T], bytes: impl Fn(&T) -> Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("raw.bin");
    let expected = ArrayD::from_shape_vec(IxDyn(&[3, 4]), values.to_vec()).unwrap();
    for offset in [0, 1, 13] {
        let mut little = vec![7; offset];
        little.extend(values.iter().flat_map(&bytes));
        little.push(9);
        fs::write(&path, &little).unwrap();
        let file = Raw::new(&path, [3, 4]).offset(offset as u64);
        let x = file.array::<T>(2).unwrap();
        assert_eq!(x.compute().unwrap(), expected);
        assert_eq!(
            file.any(T::DTYPE, 2)
                .unwrap()
                .typed::<T>()
                .unwrap()
                .compute()
                .unwrap(),
            expected
        );
        let turned = Raw::new(&path, [4, 3])
            .offset(offset as u64)
            .fortran_order();
        assert_eq!(
            turned.array::<T>(2).unwrap().compute().unwrap(),
            expected.t()
        );
        let mut big = vec![7; offset];
        let part = T::DTYPE.part().size();
        let swapped = values.iter().flat_map(&bytes).collect::<Vec<u8>>();
        big.extend(
            swapped
                .chunks(part)
                .flat_map(|number| number.iter().rev().copied()),
        );
        fs::write(&path, &big).unwrap();
        let file = Raw::new(&path, [3, 4]).offset(offset as u64).big_endian();
        let part = file
            .array::<T>(2)
            .unwrap()
            .slice(s![1.., 2..4])
            .compute()
            .unwrap();
        assert_eq!(part, expected.slice(s![1.., 2..4]).into_dyn());
        let error = Raw::new(&path, [3, 5])
            .offset(offset as u64)
            .array::<T>(..)
            .err()
            .unwrap();
        assert!(
            error.is_io() && error.to_string().contains("raw.bin"),
            "{error}"
        );
    }
}

#[test]
fn files_without_headers() {
    raw(&std::array::from_fn::<u8, 12, _>(|n| n as u8), |x| vec![*x]);
    raw(&std::array::from_fn::<bool, 12, _>(|n| n % 3 == 0), |x| {
        vec![*x as u8]
    });
    raw(
        &std::array::from_fn::<i16, 12, _>(|n| n as i16 * 1000 - 5),
        |x| x.to_le_bytes().into(),
    );
    raw(
        &std::array::from_fn::<f64, 12, _>(|n| n as f64 / 7.0),
        |x| x.to_le_bytes().into(),
    );
    raw(
        &std::array::from_fn::<flagstone::Complex<f32>, 12, _>(|n| {
            flagstone::Complex::new(n as f32, -1.5)
        }),
        |x| [x.re.to_le_bytes(), x.im.to_le_bytes()].concat(),
    );
}

#[test]
fn shapes_that_cannot_be() {
    let path = data("air_temperature/air_temperature.npy");
    for shape in [
        vec![usize::MAX],
        vec![1 << 40, 1 << 40],
        vec![usize::MAX, 0],
    ] {
        let error = Raw::new(&path, shape).array::<f64>(..).err().unwrap();
        assert!(error.is_shape() || error.is_io(), "{error}");
    }
    let error = Raw::new(&path, [1])
        .offset(u64::MAX)
        .array::<f64>(..)
        .err()
        .unwrap();
    assert!(
        error.is_io() && error.to_string().contains("too short"),
        "{error}"
    );
    let error = Raw::new(data("zarr"), [1]).array::<u8>(..).err().unwrap();
    assert!(
        error.is_io() && error.to_string().contains("zarr"),
        "{error}"
    );
    let engine = Engine::builder().threads(1).build().unwrap();
    let none = Raw::new(&path, [0, 1 << 40]).array::<u8>(..).unwrap();
    assert_eq!(engine.compute(&none).unwrap().len(), 0);
}

/// Files and folders that this user may not read, or write in. Root may do everything, so that a child does it as nobody.
#[cfg(target_os = "linux")]
mod permissions {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    use std::path::Path;
    use std::process::Command;

    use flagstone::{Array, Error, Raw};

    const FOLDER: &str = "FLAGSTONE_TEST_FORBIDDEN";
    /// The user and the group of those who may do nothing.
    const NOBODY: u32 = 65_534;

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[track_caller]
    fn denied<T>(done: Result<T, Error>, path: &str) {
        let error = done.err().expect("it is forbidden");
        let text = error.to_string();
        assert!(error.is_io() && text.contains("denied"), "{text}");
        assert!(text.contains(path), "{text}");
    }

    /// What may not be done, done by one who may not.
    #[test]
    fn child() {
        let Some(folder) = std::env::var_os(FOLDER) else {
            return;
        };
        let folder = Path::new(&folder);
        let x = Array::<f64>::ones(10, 5);
        denied(Array::<f64>::from_npy(folder.join("x.npy"), ..), "x.npy");
        denied(Raw::new(folder.join("x.npy"), [1]).array::<u8>(..), "x.npy");
        let stack = [folder.join("open.npy"), folder.join("x.npy")];
        let stack = Array::<f64>::from_npy_stack(stack, ..).unwrap();
        denied(stack.compute(), "x.npy");
        denied(x.to_npy(folder.join("closed/y.npy")), "y.npy");
        assert_eq!(fs::read_dir(folder.join("closed")).unwrap().count(), 0);
        #[cfg(feature = "npz")]
        denied(flagstone::Npz::open(folder.join("x.npy")), "x.npy");
        #[cfg(feature = "zarr")]
        {
            denied(x.to_zarr(folder.join("closed/y.zarr")), "y.zarr");
            denied(
                Array::<f64>::from_zarr(folder.join("hidden/x.zarr")),
                "hidden",
            );
            let read = Array::<f64>::from_zarr(folder.join("x.zarr")).unwrap();
            assert_eq!(read.slice(..5).sum(..).item().unwrap(), 5.0);
            denied(read.compute(), "c/1");
            let update = flagstone::zarr::Update::new();
            denied(x.update_zarr(folder.join("x.zarr"), [0], &update), "x.zarr");
        }
    }

    #[test]
    fn what_is_forbidden_is_an_error_that_says_what() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        mode(path, 0o755);
        let x = Array::<f64>::ones(10, 5);
        for name in ["x.npy", "open.npy"] {
            x.to_npy(path.join(name)).unwrap();
            mode(&path.join(name), 0o644);
        }
        mode(&path.join("x.npy"), 0o000);
        #[cfg(feature = "zarr")]
        {
            x.to_zarr(path.join("x.zarr")).unwrap();
            x.to_zarr(path.join("hidden/x.zarr")).unwrap();
            mode(&path.join("x.zarr/c/1"), 0o000);
            mode(&path.join("x.zarr"), 0o555);
            mode(&path.join("hidden"), 0o000);
        }
        fs::create_dir(path.join("closed")).unwrap();
        mode(&path.join("closed"), 0o555);
        // Where the tests are built, nobody else may look.
        let program = path.join("program");
        fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        mode(&program, 0o755);
        let mut child = Command::new(&program);
        child
            .args(["--exact", "permissions::child"])
            .env(FOLDER, path)
            .current_dir(path);
        // SAFETY: asks only who this is.
        if unsafe { libc::geteuid() } == 0 {
            child.uid(NOBODY).gid(NOBODY);
        }
        let output = child.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        // So that the folder can be removed by whoever made it.
        for name in ["hidden", "closed", "x.zarr"] {
            if path.join(name).exists() {
                mode(&path.join(name), 0o755);
            }
        }
        assert!(output.status.success(), "{said}");
        assert!(said.contains("1 passed"), "{said}");
    }
}
