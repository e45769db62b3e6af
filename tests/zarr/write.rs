//! What we write is read again, by us and, in `python.rs`, by zarr-python.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flagstone::zarr::{
    BloscCompressor, Codec, Create, Shuffle, Update, ZarrArray, ZarrGroup, create_group,
};
use flagstone::{Array, BoxError, Chunks, Complex, Engine, Region, Sink, Store, s, store_all};
use ndarray::{ArrayD, ArrayViewD, IxDyn};
use tempfile::TempDir;

use crate::for_each_type;
use crate::sample::{Sample, values};

pub const CODECS: &[Codec] = &[
    Codec::None,
    Codec::Zstd(1),
    Codec::Zstd(19),
    Codec::Gzip(6),
    Codec::Blosc {
        compressor: BloscCompressor::Lz4,
        level: 5,
        shuffle: Shuffle::Bytes,
    },
    Codec::Blosc {
        compressor: BloscCompressor::Zstd,
        level: 3,
        shuffle: Shuffle::Bits,
    },
    Codec::Blosc {
        compressor: BloscCompressor::BloscLz,
        level: 1,
        shuffle: Shuffle::None,
    },
];

fn temporary() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.zarr");
    (folder, path)
}

pub fn array<T: Sample>(shape: &[usize]) -> Array<T> {
    Array::from_ndarray(values::<T>(shape), ..)
}

/// Everything in a folder, hidden files too.
pub fn listing(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn round_trips<T: Sample>() {
    let (_folder, path) = temporary();
    let expected = values::<T>(&[7, 10]);
    let x = array::<T>(&[7, 10]);
    for codec in CODECS {
        for options in [
            Create::new().chunks([3, 4]),
            Create::new().chunks([2, 3]).shards([4, 6]),
            Create::new().chunks([3, 4]).shards(..),
            Create::new().chunks([3, 4]).version_2(),
            Create::new().chunks(..),
        ] {
            let options = options.codec(*codec).overwrite();
            x.to_zarr_with(&path, &options).unwrap();
            let read = Array::<T>::from_zarr(&path).unwrap();
            assert_eq!(read.compute().unwrap(), expected, "{options:?}");
            let part = read.slice(s![2..6, 3..;2]).compute().unwrap();
            assert_eq!(part, expected.slice(s![2..6, 3..;2]).into_dyn());
        }
    }
}

#[test]
fn every_type_and_codec() {
    for_each_type!(round_trips);
}

/// A store holds its chunks, and of those that are being written no second copy, whatever the shape.
#[test]
fn a_large_chunk_is_held_once() {
    let (_folder, path) = temporary();
    let chunk = 8 << 20;
    let x = Array::<f64>::arange(0.0, 3_000_000.0, 1.0, ..).reshape([3000, 1000]);
    for options in [
        Create::new().codec(Codec::None),
        Create::new().codec(Codec::Zstd(1)),
        Create::new().codec(Codec::Gzip(1)),
        Create::new().codec(Codec::Zstd(1)).version_2(),
        Create::new().codec(Codec::Zstd(1)).sync(),
    ] {
        let options = options.chunks([1024, 1024]).overwrite();
        for threads in [1, 2] {
            // A compressor has up to 4 MiB of its own.
            let budget = threads * (chunk + (5 << 20));
            let engine = Engine::builder()
                .threads(threads)
                .memory(budget as u64)
                .build()
                .unwrap();
            let store = || Store::to_zarr(&x, &path, &options).unwrap();
            let explained = engine.explain_stores(&[store()]).unwrap();
            let floor = explained.floor_bytes() as usize;
            assert!(floor >= 3_000_000 / 3 * 8, "{explained}");
            assert!(floor <= chunk + (5 << 20), "{options:?} {explained}");
            let report = engine.store_all([store()]).unwrap();
            assert!(report.held_peak_bytes <= budget as u64);
        }
        let read = Array::<f64>::from_zarr(&path).unwrap();
        assert_eq!(read.compute().unwrap(), x.compute().unwrap());
    }
}

#[test]
fn any_shape_in_any_blocks() {
    let (_folder, path) = temporary();
    let engine = Engine::builder().threads(4).build().unwrap();
    for shape in [
        vec![],
        vec![1],
        vec![0, 3],
        vec![11],
        vec![5, 6, 7],
        vec![2, 3, 2, 3, 4],
    ] {
        let expected = values::<i32>(&shape);
        for own in [1, 2, 5] {
            for file in [1, 3, 4] {
                let x = Array::from_ndarray(expected.clone(), own);
                let options = Create::new().chunks(file).overwrite();
                engine.store_zarr(&(&x + 1), &path, &options).unwrap();
                let read = Array::<i32>::from_zarr(&path).unwrap();
                assert_eq!(engine.compute(&read).unwrap(), &expected + 1, "{shape:?}");
            }
        }
    }
}

#[test]
fn defaults_are_the_arrays_chunks() {
    let (folder, path) = temporary();
    let x = Array::<f64>::ones([10, 9], ([4, 6], 3));
    x.to_zarr(&path).unwrap();
    let file = ZarrArray::open(&path).unwrap();
    assert_eq!(
        (file.version(), file.chunks().to_string()),
        (3, "(6, 3)".to_owned())
    );
    assert!(file.attributes().is_empty() && file.dimension_names().is_empty());
    assert_eq!(listing(folder.path()), ["x.zarr"]);
    assert_eq!(listing(&path), ["c", "zarr.json"]);
    assert_eq!(listing(&path.join("c/1")), ["0", "1", "2"]);
}

#[test]
fn names_attributes_and_fill_values() {
    let (_folder, path) = temporary();
    let attributes = flagstone::zarr::serde_json::json!({"units": "K", "range": [0.5, null]});
    for options in [Create::new(), Create::new().version_2()] {
        let options = options
            .attributes(attributes.as_object().unwrap().clone())
            .dimension_names(["y", "x"])
            .fill_value(f32::NAN)
            .overwrite();
        array::<f32>(&[4, 6]).to_zarr_with(&path, &options).unwrap();
        let file = ZarrArray::open(&path).unwrap();
        assert_eq!(file.attributes()["range"], attributes["range"]);
        assert_eq!(
            file.dimension_names(),
            ["y", "x"].map(|name| Some(name.to_owned()))
        );
        let chunk = if file.version() == 2 { "0.0" } else { "c/0/0" };
        fs::remove_file(path.join(chunk)).unwrap();
        let read = file.array::<f32>().unwrap().compute().unwrap();
        assert!(read.iter().all(|value| value.is_nan()));
    }
    fn filled<T: Sample>(path: &Path, value: T) {
        for options in [Create::new(), Create::new().version_2()] {
            let options = options.fill_value(value).overwrite();
            let x = Array::<T>::full([3], T::sample(1), 1);
            x.to_zarr_with(path, &options).unwrap();
            let chunk = if path.join("1").exists() { "1" } else { "c/1" };
            fs::remove_file(path.join(chunk)).unwrap();
            let read = Array::<T>::from_zarr(path).unwrap().compute().unwrap();
            assert_eq!(read[1], value);
            assert_eq!(read[2], T::sample(1));
        }
    }
    filled(&path, true);
    filled(&path, i64::MIN);
    filled(&path, u64::MAX);
    filled(&path, -0.1f32);
    filled(&path, f64::NEG_INFINITY);
    filled(&path, Complex::new(0.1, f64::INFINITY));
}

#[test]
fn groups() {
    let (_folder, path) = temporary();
    let title = flagstone::zarr::serde_json::json!({"title": "all"});
    create_group(&path, title.as_object().unwrap().clone()).unwrap();
    create_group(path.join("inner"), Default::default()).unwrap();
    create_group(&path, Default::default()).unwrap();
    array::<u8>(&[5]).to_zarr(path.join("inner/x")).unwrap();
    let group = ZarrGroup::open(&path).unwrap();
    assert_eq!(group.attributes()["title"], "all");
    let x = group.array("inner/x").unwrap().array::<u8>().unwrap();
    assert_eq!(x.compute().unwrap(), values::<u8>(&[5]));
    assert!(create_group(path.join("inner/x"), Default::default()).is_err());
    let error = array::<u8>(&[5])
        .to_zarr_with(&path, &Create::new().overwrite())
        .unwrap_err();
    assert!(error.to_string().contains("group"), "{error}");
}

#[test]
fn nothing_is_overwritten_unasked() {
    let (folder, path) = temporary();
    array::<i16>(&[4, 4]).to_zarr(&path).unwrap();
    let error = array::<i32>(&[2]).to_zarr(&path).unwrap_err();
    assert!(
        error.is_io() && error.to_string().contains("x.zarr"),
        "{error}"
    );
    assert!(
        error.to_string().contains("overwriting was not asked for"),
        "{error}"
    );
    assert!(error.location().unwrap().file().ends_with("write.rs"));
    assert_eq!(
        Array::<i16>::from_zarr(&path).unwrap().compute().unwrap(),
        values::<i16>(&[4, 4])
    );

    // An array that is computed from what it replaces.
    let x = Array::<i16>::from_zarr(&path).unwrap();
    (&x * 2)
        .to_zarr_with(&path, &Create::new().overwrite().sync())
        .unwrap();
    let read = Array::<i16>::from_zarr(&path).unwrap().compute().unwrap();
    assert_eq!(read, values::<i16>(&[4, 4]) * 2);

    // What is no array is never removed.
    for other in ["folder", "file"] {
        let other = folder.path().join(other);
        if other.ends_with("folder") {
            fs::create_dir(&other).unwrap();
            fs::write(other.join("precious"), "data").unwrap();
        } else {
            fs::write(&other, "data").unwrap();
        }
        let error = x
            .to_zarr_with(&other, &Create::new().overwrite())
            .unwrap_err();
        assert!(error.to_string().contains("not overwritten"), "{error}");
    }
    assert_eq!(listing(folder.path()), ["file", "folder", "x.zarr"]);
    assert_eq!(listing(&folder.path().join("folder")), ["precious"]);
}

/// A computation that fails at its last block.
fn failing(shape: [usize; 2]) -> Array<f64> {
    let last = shape[0] * shape[1];
    Array::<f64>::arange(1.0, last as f64 + 1.0, 1.0, ..)
        .reshape(shape)
        .rechunk(2)
        .map_blocks(move |block| {
            assert!(
                block.iter().all(|&value| value != last as f64),
                "the last block"
            );
            block.to_owned()
        })
}

#[test]
fn what_fails_leaves_nothing_behind() {
    let (folder, path) = temporary();
    let error = failing([8, 8]).to_zarr(&path).unwrap_err();
    assert!(error.is_panic(), "{error}");
    assert!(listing(folder.path()).is_empty());
    let error = failing([8, 8])
        .to_npy(folder.path().join("x.npy"))
        .unwrap_err();
    assert!(error.is_panic(), "{error}");
    assert!(listing(folder.path()).is_empty());
    array::<f64>(&[8, 8]).to_zarr(&path).unwrap();
    failing([8, 8])
        .to_zarr_with(&path, &Create::new().overwrite())
        .unwrap_err();
    assert_eq!(
        Array::<f64>::from_zarr(&path).unwrap().compute().unwrap(),
        values::<f64>(&[8, 8])
    );
    assert_eq!(listing(folder.path()), ["x.zarr"]);
}

#[test]
fn what_cannot_be_stored_says_why() {
    let (folder, path) = temporary();
    let x = array::<f64>(&[10, 9]);
    for (options, mentions) in [
        (Create::new().chunks([3]), "2"),
        (Create::new().chunks([3, 0]), "chunk size of 0"),
        (Create::new().chunks(([4, 6], 9)), "one size"),
        (Create::new().chunks([3, 4]).shards([6, 6]), "multiple"),
        (
            Create::new().chunks([3, 4]).shards([6, 8]).version_2(),
            "version 3",
        ),
        (Create::new().dimension_names(["a"]), "1 dimension names"),
        (Create::new().fill_value(1.0f32), "float32"),
        (Create::new().codec(Codec::Gzip(11)), "11"),
        (
            Create::new().codec(Codec::Blosc {
                compressor: BloscCompressor::Lz4,
                level: 10,
                shuffle: Shuffle::Bytes,
            }),
            "10",
        ),
    ] {
        let error = x.to_zarr_with(&path, &options).unwrap_err();
        assert!(error.to_string().contains(mentions), "{error}");
    }
    let error = Store::to_sink(&x, Named(Chunks::regular(&[9, 10], &[3, 4]).unwrap()))
        .err()
        .unwrap();
    assert!(error.is_chunks(), "{error}");
    assert!(
        error.to_string().contains("(10, 9)") && error.to_string().contains("(3, 4)"),
        "{error}"
    );
    assert!(listing(folder.path()).is_empty());
}

struct Named(Chunks);

impl Sink for Named {
    type Elem = f64;
    fn write(&self, _: &Region, _: ArrayViewD<'_, f64>) -> Result<(), BoxError> {
        Ok(())
    }
    fn write_grid(&self) -> Option<Chunks> {
        Some(self.0.clone())
    }
    fn describe(&self) -> String {
        "a table of names".to_owned()
    }
}

#[test]
fn several_arrays_in_one_pass() {
    use std::sync::Mutex;

    /// Counts how often each element is read.
    struct Counting(Arc<Mutex<ArrayD<u32>>>);
    impl flagstone::Source for Counting {
        type Elem = f64;
        fn shape(&self) -> &[usize] {
            &[60, 40]
        }
        fn chunks(&self) -> Chunks {
            Chunks::regular(&[60, 40], &[20, 40]).unwrap()
        }
        fn read(
            &self,
            region: &Region,
            mut out: ndarray::ArrayViewMutD<'_, f64>,
        ) -> Result<(), BoxError> {
            let mut counts = self.0.lock().unwrap();
            for (index, value) in out.indexed_iter_mut() {
                let [row, column] = [region.start()[0] + index[0], region.start()[1] + index[1]];
                *value = (row * 40 + column) as f64;
                counts[[row, column]] += 1;
            }
            Ok(())
        }
        fn storage_grid(&self) -> Option<Chunks> {
            Some(self.chunks())
        }
    }

    let counts = Arc::new(Mutex::new(ArrayD::zeros(IxDyn(&[60, 40]))));
    let x = Array::from_source(Counting(counts.clone()));
    let (folder, mean, std) = {
        let (folder, path) = temporary();
        (folder, path.join("mean"), path.join("std.npy"))
    };
    fs::create_dir(mean.parent().unwrap()).unwrap();
    store_all([
        Store::to_zarr(&x.mean(0), &mean, &Create::new().chunks(7)).unwrap(),
        Store::to_npy(&x.std(0), &std).unwrap(),
    ])
    .unwrap();
    assert!(counts.lock().unwrap().iter().all(|&count| count == 1));
    let read = Array::<f64>::from_zarr(&mean).unwrap().compute().unwrap();
    assert_eq!(read, x.mean(0).compute().unwrap());
    let read = Array::<f64>::from_npy(&std, ..).unwrap().compute().unwrap();
    assert_eq!(read, x.std(0).compute().unwrap());
    drop(folder);
}

#[test]
fn regions() {
    let (_folder, path) = temporary();
    for options in [
        Create::new().chunks([3, 4]),
        Create::new()
            .chunks([3, 4])
            .version_2()
            .codec(Codec::Gzip(1)),
        Create::new().chunks([2, 2]).shards([6, 4]),
        Create::new().chunks([3, 4]).codec(Codec::None),
    ] {
        let options = options.overwrite();
        for (start, shape) in [
            ([0, 0], [10, 9]),
            ([3, 4], [3, 4]),
            ([2, 3], [5, 5]),
            ([9, 8], [1, 1]),
            ([0, 1], [10, 2]),
            ([4, 4], [0, 3]),
        ] {
            let mut expected = values::<f64>(&[10, 9]);
            array::<f64>(&[10, 9])
                .to_zarr_with(&path, &options)
                .unwrap();
            let new = values::<f64>(&shape) + 1000.0;
            let [rows, columns] = [0, 1].map(|axis| start[axis]..start[axis] + shape[axis]);
            expected.slice_mut(s![rows, columns]).assign(&new);
            let x = Array::from_ndarray(new, 2);
            x.update_zarr(&path, start, &Update::new()).unwrap();
            let read = Array::<f64>::from_zarr(&path).unwrap();
            assert_eq!(read.compute().unwrap(), expected, "{start:?}, {shape:?}");
        }
    }
    let before = listing(&path);
    for (start, shape) in [
        ([8, 0], [3, 1]),
        ([0, 9], [1, 1]),
        ([usize::MAX, 0], [2, 1]),
    ] {
        let error = array::<f64>(&shape)
            .update_zarr(&path, start, &Update::new())
            .unwrap_err();
        assert!(error.is_shape(), "{error}");
    }
    let error = array::<f64>(&[2])
        .update_zarr(&path, 0, &Update::new())
        .unwrap_err();
    assert!(error.is_shape(), "{error}");
    let error = array::<i8>(&[2, 2])
        .update_zarr(&path, [0, 0], &Update::new())
        .unwrap_err();
    assert!(error.is_dtype(), "{error}");
    // What is not begun leaves no mark; meanwhile there is one.
    let one = array::<f64>(&[2, 2]);
    let store = Store::update_zarr(&one, &path, [0, 0], &Update::new()).unwrap();
    assert!(Array::<f64>::from_zarr(&path).is_err());
    assert!(Store::update_zarr(&one, &path, [4, 4], &Update::new()).is_err());
    drop(store);
    let engine = Engine::builder().threads(1).memory(1000).build().unwrap();
    let store = Store::update_zarr(&one, &path, [0, 0], &Update::new()).unwrap();
    assert!(engine.store_all([store]).unwrap_err().is_memory());
    assert_eq!(listing(&path), before);
    assert!(Array::<f64>::from_zarr(&path).is_ok());
}

#[test]
fn an_update_that_fails_leaves_a_mark() {
    let (_folder, path) = temporary();
    let old = array::<f64>(&[12, 8]);
    old.to_zarr_with(&path, &Create::new().chunks(2)).unwrap();
    failing([8, 8])
        .update_zarr(&path, [2, 0], &Update::new())
        .unwrap_err();
    let error = Array::<f64>::from_zarr(&path).err().unwrap();
    assert!(error.is_io(), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("x.zarr") && text.contains("[8, 8] elements at [2, 0]"),
        "{text}"
    );
    let half = ZarrArray::open_unfinished(&path)
        .unwrap()
        .array::<f64>()
        .unwrap();
    assert_eq!(
        half.slice(s![..2, ..]).compute().unwrap(),
        values::<f64>(&[12, 8]).slice(s![..2, ..]).into_dyn()
    );
    let new = array::<f64>(&[8, 8]);
    let error = new.update_zarr(&path, [2, 0], &Update::new()).unwrap_err();
    assert!(error.to_string().contains("do the update again"), "{error}");
    new.update_zarr(&path, [2, 0], &Update::new().over_unfinished().sync())
        .unwrap();
    let read = Array::<f64>::from_zarr(&path).unwrap().compute().unwrap();
    assert_eq!(
        read.slice(s![2..10, ..]),
        values::<f64>(&[8, 8])
            .into_dimensionality::<ndarray::Ix2>()
            .unwrap()
    );
}

#[cfg(unix)]
#[test]
fn folders_that_cannot_be_written() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, _) = temporary();
    let closed = folder.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
    if fs::write(closed.join("probe"), "").is_ok() {
        eprintln!("skipped: this user may write everywhere");
        return;
    }
    for result in [
        array::<f64>(&[4]).to_zarr(closed.join("x.zarr")),
        array::<f64>(&[4]).to_npy(closed.join("x.npy")),
    ] {
        let error = result.unwrap_err();
        assert!(
            error.is_io() && error.to_string().contains("closed/x."),
            "{error}"
        );
        assert!(error.to_string().contains("ermission"), "{error}");
    }
}

/// A chunk's folder that is none: the error names chunk and path.
#[cfg(unix)]
#[test]
fn a_chunk_that_cannot_be_written() {
    let (_folder, path) = temporary();
    let options = Create::new().chunks(2);
    array::<f64>(&[4, 4]).to_zarr_with(&path, &options).unwrap();
    fs::remove_dir_all(path.join("c/0")).unwrap();
    fs::write(path.join("c/0"), "no folder").unwrap();
    let error = array::<f64>(&[4, 4])
        .update_zarr(&path, [0, 0], &Update::new())
        .unwrap_err();
    let text = error.to_string();
    assert!(
        error.is_io() && text.contains("chunk [0, ") && text.contains("x.zarr/c/0"),
        "{text}"
    );
}

/// A file system that is too small, where one can be had: mounting one is not for everybody.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk() {
    use std::process::Command;
    let folder = tempfile::tempdir().unwrap();
    let mount = |args: &[&str]| {
        Command::new(args[0])
            .args(&args[1..])
            .arg(folder.path())
            .output()
    };
    let small = mount(&["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs"]);
    if !small.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: this user cannot mount a small file system");
        return;
    }
    let mut rng = flagstone::random::Generator::new(1);
    let x = rng.uniform::<f64>([200, 200], 50);
    let stores = [
        x.to_zarr(folder.path().join("x.zarr")),
        x.to_npy(folder.path().join("x.npy")),
    ];
    let left = listing(folder.path());
    array::<f64>(&[10])
        .to_zarr(folder.path().join("small.zarr"))
        .unwrap();
    mount(&["umount"]).unwrap();
    for (result, name) in stores.into_iter().zip(["x.zarr", "x.npy"]) {
        let error = result.unwrap_err();
        assert!(error.is_io() && error.to_string().contains(name), "{error}");
        assert!(error.to_string().contains("No space left"), "{error}");
    }
    assert!(left.is_empty(), "nothing is left behind: {left:?}");
}
