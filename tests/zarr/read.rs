//! What zarr-python wrote is read bit by bit, whole and in parts.

use flagstone::zarr::{Codec, Create, ZarrArray, ZarrGroup};
use flagstone::{AnyArray, Array, Complex, DType, Engine, s};
use ndarray::{ArrayD, Axis, IxDyn, Slice};

use crate::for_each_type;
use crate::sample::{Sample, data, values};

/// Whole, in other blocks, and in parts that start and end anywhere.
#[track_caller]
fn is_read_as<T: Sample>(name: &str, expected: &ArrayD<T>) {
    let x = Array::<T>::from_zarr(data(name)).unwrap();
    assert_eq!(x.compute().unwrap(), expected, "{name}");
    let engine = Engine::builder().threads(3).build().unwrap();
    assert_eq!(engine.compute(&x.rechunk(2)).unwrap(), expected, "{name}");
    for round in 0..6 {
        let (mut part, mut wanted) = (x.clone(), expected.view());
        for axis in 0..expected.ndim() {
            let len = expected.shape()[axis];
            let first = (round * (axis + 2)) % len.max(1);
            let end = len.min(first + 1 + (round * 3 + axis) % len.max(1));
            let slice = Slice::from(first as isize..end as isize);
            wanted.slice_axis_inplace(Axis(axis), slice);
            let mut order: Vec<usize> = (0..expected.ndim()).collect();
            order.swap(0, axis);
            part = part.permute(order.clone()).slice(first..end);
            part = part.permute(order);
        }
        assert_eq!(engine.compute(&part).unwrap(), wanted, "{name}, {round}");
    }
    let columns = x.t().compute().unwrap();
    assert_eq!(columns, expected.t(), "{name}");
    let any = AnyArray::from_zarr(data(name)).unwrap();
    assert_eq!(any.typed::<T>().unwrap().compute().unwrap(), expected);
}

fn samples<T: Sample>() {
    let expected = values::<T>(&[7, 10]);
    is_read_as(&format!("v3/dtype_{}", T::NAME), &expected);
    is_read_as(&format!("v2/dtype_{}", T::NAME), &expected);
}

#[test]
fn every_type() {
    for_each_type!(samples);
}

#[test]
fn every_codec() {
    let expected = values::<f64>(&[7, 10]);
    for name in [
        "v3/zstd",
        "v3/zstd_checksum",
        "v3/gzip",
        "v3/blosc_lz4",
        "v3/blosc_lz4hc",
        "v3/blosc_blosclz",
        "v3/blosc_zstd",
        "v3/blosc_zlib",
        "v3/crc32c",
        "v3/big_endian",
        "v3/transpose",
        "v3/dotted",
        "v3/v2_keys",
        "v2/default",
        "v2/blosc_bitshuffle",
        "v2/blosc_noshuffle",
        "v2/zstd",
        "v2/gzip",
        "v2/zlib",
        "v2/fortran",
        "v2/slashes",
        "v2/group/inner/x",
        "v3/group/inner/x",
    ] {
        is_read_as(name, &expected);
    }
    is_read_as("v3/blosc_bitshuffle", &values::<i32>(&[7, 10]));
    is_read_as("v3/big_endian_complex", &values::<Complex<f32>>(&[7, 10]));
    is_read_as("v3/transpose_zstd", &values::<f64>(&[5, 6, 7]));
    is_read_as("v2/fortran_zstd", &values::<i32>(&[5, 6, 7]));
    is_read_as("v2/big_int16", &values::<i16>(&[7, 10]));
    is_read_as("v2/big_uint32", &values::<u32>(&[7, 10]));
    is_read_as("v2/big_float32", &values::<f32>(&[7, 10]));
    is_read_as("v2/big_float64", &values::<f64>(&[7, 10]));
    is_read_as("v2/big_complex128", &values::<Complex<f64>>(&[7, 10]));
    is_read_as("v3/five_axes", &values::<i64>(&[2, 3, 2, 3, 4]));
    is_read_as("v3/one_axis", &values::<u8>(&[11]));
}

#[test]
fn shards_are_read_by_their_inner_chunks() {
    let expected = values::<f64>(&[12, 20]);
    for name in [
        "v3/sharded",
        "v3/sharded_uncompressed",
        "v3/sharded_transpose",
    ] {
        is_read_as(name, &expected);
    }
    is_read_as("v3/sharded_edge", &values::<i16>(&[10, 17]));
    let file = ZarrArray::open(data("v3/sharded")).unwrap();
    assert_eq!(file.chunks().to_string(), "(3, 5)");
    assert_eq!(file.shards().unwrap().to_string(), "(6, 10)");
    let mut missing = ArrayD::from_elem(IxDyn(&[12, 20]), 2.5);
    let part = expected.slice(s![0..3, 5..10]);
    missing.slice_mut(s![0..3, 5..10]).assign(&part);
    is_read_as("v3/sharded_missing", &missing);
}

#[test]
fn missing_chunks_have_the_fill_value() {
    for version in ["v3", "v2"] {
        let mut expected = ArrayD::from_elem(IxDyn(&[7, 10]), -7);
        let written = values::<i32>(&[7, 10]);
        let part = written.slice(s![0..4, 0..6]);
        expected.slice_mut(s![0..4, 0..6]).assign(&part);
        is_read_as(&format!("{version}/missing"), &expected);
        let nan = Array::<f64>::from_zarr(data(&format!("{version}/fill_nan"))).unwrap();
        assert!(nan.compute().unwrap().iter().all(|x| x.is_nan()));
    }
    let shape = IxDyn(&[7, 10]);
    is_read_as(
        "v3/fill_infinity",
        &ArrayD::from_elem(shape.clone(), f32::NEG_INFINITY),
    );
    is_read_as("v3/fill_true", &ArrayD::from_elem(shape.clone(), true));
    is_read_as(
        "v3/fill_complex",
        &ArrayD::from_elem(shape.clone(), Complex::new(1.0, -2.0)),
    );
    is_read_as(
        "v3/fill_uint64",
        &ArrayD::from_elem(shape.clone(), u64::MAX),
    );
    is_read_as("v2/fill_none", &ArrayD::from_elem(shape, 0.0));
}

#[test]
fn arrays_without_axes_or_elements() {
    for version in ["v3", "v2"] {
        let x = Array::<f64>::from_zarr(data(&format!("{version}/scalar"))).unwrap();
        assert_eq!(x.item().unwrap(), f64::sample(0));
        let x = Array::<f64>::from_zarr(data(&format!("{version}/empty"))).unwrap();
        assert_eq!(x.compute().unwrap().shape(), [0, 5]);
        assert_eq!(x.sum(..).item().unwrap(), 0.0);
    }
}

#[test]
fn names_and_attributes() {
    let file = ZarrArray::open(data("v3/named")).unwrap();
    assert_eq!((file.version(), file.dtype()), (3, DType::F32));
    assert_eq!(file.dimension_names(), [Some("time".to_owned()), None]);
    assert_eq!(file.attributes()["units"], "K");
    assert_eq!(file.attributes()["valid"][1], 400.5);
    assert!(file.attributes()["nested"]["a"].is_null());
    assert!(file.shards().is_none());
    assert_eq!(file.any().dtype(), Some(DType::F32));
    let file = ZarrArray::open(data("v2/named")).unwrap();
    assert_eq!((file.version(), file.shape()), (2, &[7, 10][..]));
    let names = ["time", "place"].map(|name| Some(name.to_owned()));
    assert_eq!(file.dimension_names(), names);
    assert_eq!(file.attributes()["units"], "K");
    assert!(
        ZarrArray::open(data("v2/zstd"))
            .unwrap()
            .dimension_names()
            .is_empty()
    );
}

#[test]
fn groups() {
    for (version, members) in [("v3", 2), ("v2", 1)] {
        let group = ZarrGroup::open(data(&format!("{version}/group"))).unwrap();
        assert_eq!(group.attributes()["title"], "a group");
        let found = group.members().unwrap();
        assert_eq!(found.len(), members);
        assert_eq!((found[0].name(), found[0].is_group()), ("inner", true));
        let x = group.array("inner/x").unwrap().array::<f64>().unwrap();
        assert_eq!(x.compute().unwrap(), values::<f64>(&[7, 10]));
        let inner = group.group("inner").unwrap().members().unwrap();
        assert_eq!((inner[0].name(), inner[0].is_group()), ("x", false));
        let error = ZarrArray::open(group.path()).err().unwrap();
        assert!(
            error.is_io() && error.to_string().contains("group"),
            "{error}"
        );
        let error = ZarrGroup::open(data(&format!("{version}/zstd")))
            .err()
            .unwrap();
        assert!(
            error.to_string().contains("an array, not a group"),
            "{error}"
        );
    }
}

#[test]
fn what_cannot_be_held_says_so() {
    for (name, mentions) in [
        ("v2/structured", "structure"),
        ("v2/text", "bool, int8"),
        ("v2/half", "float16"),
        ("v2/lz4", "lz4"),
        ("v2/filtered_delta", "delta"),
    ] {
        let error = AnyArray::from_zarr(data(name)).err().unwrap();
        let text = error.to_string();
        assert!(text.contains(mentions) && text.contains(name), "{error}");
        assert!(error.location().unwrap().file().ends_with("read.rs"));
    }
    let error = Array::<f64>::from_zarr(data("v3/named")).err().unwrap();
    assert!(error.is_dtype(), "{error}");
    assert!(error.to_string().contains("float32"), "{error}");
}

/// Everything but what a region needs is made unreadable.
#[test]
fn only_what_is_needed_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.zarr");
    let expected = values::<f64>(&[12, 20]);
    let x = Array::from_ndarray(expected.clone(), ..);
    for (codec, sharded) in [
        (Codec::Zstd(1), false),
        (Codec::None, false),
        (Codec::Zstd(1), true),
        (Codec::None, true),
    ] {
        let mut options = Create::new().chunks([3, 5]).codec(codec).overwrite();
        if sharded {
            options = options.shards([6, 10]);
        }
        x.to_zarr_with(&path, &options).unwrap();
        // One chunk stays: rows 3..6, columns 5..10.
        let keep = if sharded { "c/0/0" } else { "c/1/1" };
        for row in std::fs::read_dir(path.join("c")).unwrap() {
            for file in std::fs::read_dir(row.unwrap().path()).unwrap() {
                let file = file.unwrap().path();
                if !file.ends_with(keep) {
                    std::fs::write(&file, "damaged").unwrap();
                } else if sharded {
                    spoil_all_but(&file, 3);
                }
            }
        }
        let x = Array::<f64>::from_zarr(&path).unwrap();
        for part in [s![3..6, 5..10], s![4..5, 6..9], s![3..6;2, 9..10]] {
            let found = x.slice(part).compute().unwrap();
            assert_eq!(
                found,
                expected.slice(part).into_dyn(),
                "{codec:?}, {sharded}"
            );
        }
        assert_eq!(
            x.slice(s![3..6, 5..10]).sum(..).item().unwrap(),
            expected.slice(s![3..6, 5..10]).sum()
        );
        let spoiled = x.slice(s![2..4, 5..10]).compute();
        if codec == Codec::None && sharded {
            // Nothing says that these bytes are not values.
            assert_ne!(spoiled.unwrap(), expected.slice(s![2..4, 5..10]).into_dyn());
        } else {
            assert!(spoiled.unwrap_err().is_io());
        }
    }
}

/// Overwrites the inner chunks of a shard of four, except one.
fn spoil_all_but(shard: &std::path::Path, kept: usize) {
    let mut bytes = std::fs::read(shard).unwrap();
    let index = bytes.len() - 4 * 16 - 4;
    let number = |at: usize, bytes: &[u8]| {
        u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize
    };
    for inner in (0..4).filter(|&inner| inner != kept) {
        let (offset, length) = (
            number(index + inner * 16, &bytes),
            number(index + inner * 16 + 8, &bytes),
        );
        bytes[offset..offset + length].fill(0xa5);
    }
    std::fs::write(shard, bytes).unwrap();
}
