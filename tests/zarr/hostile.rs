//! Files that are damaged, cut off, or made to do harm: each is an error that says where.

use std::fs;
use std::path::{Path, PathBuf};

use flagstone::zarr::ZarrGroup;
use flagstone::zarr::serde_json::{Value, json};
use flagstone::{AnyArray, Array, Engine, Error};
use ndarray::ArrayD;
use tempfile::TempDir;

use crate::sample::data;

/// A copy that may be damaged.
fn copy_of(name: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.zarr");
    copy(&data(name), &path);
    (folder, path)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// What computing gives.
fn values_of(path: &Path) -> Result<ArrayD<f64>, Error> {
    let engine = Engine::builder().threads(2).memory("256 MiB").build()?;
    let x = AnyArray::from_zarr(path)?.cast::<f64>();
    // Damaged shapes are too large to be held: a sum is not.
    engine.item(&x.sum(..))?;
    engine.compute(&x)
}

/// The error of opening, or of computing.
fn failure(path: &Path) -> Option<Error> {
    values_of(path).err()
}

const COMPRESSED: &[&str] = &[
    "v3/zstd",
    "v3/zstd_checksum",
    "v3/gzip",
    "v3/blosc_lz4",
    "v3/blosc_zstd",
    "v3/crc32c",
    "v3/transpose_zstd",
    "v2/zlib",
    "v2/gzip",
    "v2/default",
    "v2/fortran_zstd",
];

fn first_chunk(path: &Path) -> PathBuf {
    let candidates = ["c/0/0", "0.0", "c/0/0/0", "0.0.0"].map(|key| path.join(key));
    candidates.into_iter().find(|path| path.is_file()).unwrap()
}

#[test]
fn chunks_that_are_cut_off() {
    let names =
        COMPRESSED
            .iter()
            .chain(&["v3/dtype_float64", "v3/sharded", "v3/sharded_uncompressed"]);
    for name in names {
        let (_folder, path) = copy_of(name);
        let chunk = first_chunk(&path);
        let bytes = fs::read(&chunk).unwrap();
        for cut in 0..bytes.len() {
            fs::write(&chunk, &bytes[..cut]).unwrap();
            let error = failure(&path).unwrap_or_else(|| panic!("{name}, cut off at {cut}"));
            let text = error.to_string();
            assert!(error.is_io(), "{name}, cut off at {cut}: {text}");
            assert!(text.contains(&*chunk.to_string_lossy()), "{text}");
            assert!(text.contains("chunk [0, 0"), "{text}");
        }
    }
}

/// Without check sums a damaged chunk may decode to other values; it must not do anything else.
#[test]
fn chunks_that_are_damaged() {
    let sure = [
        "v3/crc32c",
        "v3/zstd_checksum",
        "v3/gzip",
        "v2/zlib",
        "v2/gzip",
    ];
    for name in COMPRESSED.iter().chain(&["v3/sharded", "v3/sharded_edge"]) {
        let (_folder, path) = copy_of(name);
        let chunk = first_chunk(&path);
        let bytes = fs::read(&chunk).unwrap();
        let whole = values_of(&path).unwrap();
        for at in 0..bytes.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                fs::write(&chunk, &damaged).unwrap();
                match values_of(&path) {
                    Err(error) => {
                        let text = error.to_string();
                        assert!(!error.is_memory(), "{name}, byte {at}: {text}");
                        assert!(text.contains(&*chunk.to_string_lossy()), "{text}");
                    }
                    // Some bytes mean nothing, in headers and at the end of a stream of bits.
                    Ok(values) => assert!(
                        !sure.contains(name) || values == whole,
                        "{name}, byte {at} ^ {flip:#x} was not noticed"
                    ),
                }
            }
        }
        let mut longer = bytes.clone();
        longer.extend([0; 1 << 20]);
        fs::write(&chunk, &longer).unwrap();
        let noticed = failure(&path);
        assert!(noticed.is_some(), "{name}: a megabyte follows the chunk");
    }
}

#[test]
fn chunks_that_decode_to_too_much() {
    let bomb = vec![0u8; 64 << 20];
    let zstd = zstd_of(&bomb);
    let (_folder, path) = copy_of("v3/zstd");
    fs::write(first_chunk(&path), zstd).unwrap();
    let error = failure(&path).unwrap();
    assert!(
        error.is_io() && error.to_string().contains("c/0/0"),
        "{error}"
    );
    // A Blosc header that claims nearly 4 GiB.
    let (_folder, path) = copy_of("v3/blosc_lz4");
    let mut bytes = fs::read(first_chunk(&path)).unwrap();
    bytes[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    fs::write(first_chunk(&path), bytes).unwrap();
    let error = failure(&path).unwrap();
    assert!(error.to_string().contains("4294967295 bytes"), "{error}");
}

/// Zeros, compressed by our own store.
fn zstd_of(bytes: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("zeros");
    let x = Array::<u8>::zeros([bytes.len()], ..);
    x.to_zarr(&path).unwrap();
    fs::read(path.join("c/0")).unwrap()
}

#[test]
fn shards_whose_index_lies() {
    let (_folder, path) = copy_of("v3/sharded");
    let shard = first_chunk(&path);
    let bytes = fs::read(&shard).unwrap();
    // The index: four inner chunks, their offsets and lengths, and a check sum.
    let index = bytes.len() - 4 * 16 - 4;
    for (offset, length) in [
        (u64::MAX - 1, 10),
        (10, u64::MAX - 5),
        (1 << 62, 1 << 62),
        (bytes.len() as u64, 1),
        (0, 1 << 40),
    ] {
        let mut lying = bytes.clone();
        lying[index..index + 8].copy_from_slice(&offset.to_le_bytes());
        lying[index + 8..index + 16].copy_from_slice(&length.to_le_bytes());
        let sum = crc32c(&lying[index..index + 64]);
        let end = lying.len();
        lying[end - 4..].copy_from_slice(&sum.to_le_bytes());
        fs::write(&shard, &lying).unwrap();
        let error = failure(&path).unwrap();
        let text = error.to_string();
        assert!(
            text.contains("inner chunk [0, 0]") && text.contains("c/0/0"),
            "{text}"
        );
        lying[end - 1] ^= 1;
        fs::write(&shard, &lying).unwrap();
        let text = failure(&path).unwrap().to_string();
        assert!(text.contains("the shard's index"), "{text}");
    }
}

fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg())
        })
    })
}

/// Opens, and if that works computes, an array with changed metadata.
fn with_metadata(name: &str, change: impl Fn(&mut Value)) -> Option<Error> {
    let (_folder, path) = copy_of(name);
    let file = ["zarr.json", ".zarray"].map(|name| path.join(name));
    let file = file.iter().find(|path| path.is_file()).unwrap();
    let mut document: Value =
        flagstone::zarr::serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    change(&mut document);
    fs::write(file, document.to_string()).unwrap();
    let error = failure(&path);
    if let Some(error) = &error {
        assert!(
            error.to_string().contains("x.zarr") || error.is_memory(),
            "{error}"
        );
    }
    error
}

#[test]
fn metadata_that_lie() {
    let huge = json!([1u64 << 40, 1u64 << 40]);
    for shape in [
        huge.clone(),
        json!([u64::MAX, 1]),
        json!([-1, 10]),
        json!([1.5, 10]),
        json!([7]),
        json!([7, 10, 1]),
        json!("seven"),
        json!(vec![1; 1000]),
    ] {
        for name in ["v3/zstd", "v2/zstd"] {
            let error = with_metadata(name, |document| document["shape"] = shape.clone());
            assert!(error.is_some(), "{name}: {shape}");
        }
    }
    for chunks in [
        huge,
        json!([0, 6]),
        json!([4]),
        json!([u64::MAX, u64::MAX]),
        json!([1u64 << 31, 1u64 << 26]),
    ] {
        let error = with_metadata("v3/zstd", |document| {
            document["chunk_grid"]["configuration"]["chunk_shape"] = chunks.clone();
        });
        assert!(error.is_some(), "{chunks}");
        let error = with_metadata("v2/zstd", |document| document["chunks"] = chunks.clone());
        assert!(error.is_some(), "{chunks}");
    }
    for (key, value) in [
        ("zarr_format", json!(4)),
        ("node_type", json!("table")),
        ("data_type", json!("float128")),
        (
            "data_type",
            json!({"name": "float64", "configuration": {"a": 1}}),
        ),
        ("data_type", json!(7)),
        ("fill_value", json!("seven")),
        ("fill_value", json!([1, 2, 3])),
        ("codecs", json!([])),
        ("codecs", json!([{"name": "bytes"}])),
        (
            "codecs",
            json!([{"name": "zstd", "configuration": {"level": 1, "checksum": false}}]),
        ),
        ("codecs", json!([{"name": "unheard-of"}])),
        ("chunk_grid", json!({"name": "irregular"})),
        ("chunk_key_encoding", json!({"name": "hashed"})),
        (
            "chunk_key_encoding",
            json!({"name": "default", "configuration": {"separator": "../"}}),
        ),
        ("storage_transformers", json!([{"name": "unheard-of"}])),
        ("dimension_names", json!(["one"])),
        ("something_new", json!({"must_understand": true})),
        ("something_new", json!(1)),
    ] {
        let error = with_metadata("v3/zstd", |document| document[key] = value.clone());
        assert!(error.is_some(), "{key}: {value}");
    }
    let known = with_metadata("v3/zstd", |document| {
        document["something_new"] = json!({"must_understand": false});
    });
    assert!(known.is_none());
    for (key, value) in [
        ("dtype", json!("<f16")),
        ("dtype", json!("float64")),
        ("compressor", json!({"id": "unheard-of"})),
        ("filters", json!([{"id": "unheard-of"}])),
        ("order", json!("X")),
        ("fill_value", json!({})),
        ("dimension_separator", json!("../../")),
    ] {
        let error = with_metadata("v2/zstd", |document| document[key] = value.clone());
        assert!(error.is_some(), "{key}: {value}");
    }
}

#[test]
fn shards_that_lie() {
    for inner in [
        json!([1, 1, 1]),
        json!([4, 5]),
        json!([0, 5]),
        json!([12, 20]),
        json!([u64::MAX, 1]),
    ] {
        let error = with_metadata("v3/sharded", |document| {
            document["codecs"][0]["configuration"]["chunk_shape"] = inner.clone();
        });
        assert!(error.is_some(), "{inner}");
    }
    // More inner chunks than an index could list in memory.
    let error = with_metadata("v3/sharded", |document| {
        let shard = json!([1u64 << 30, 1u64 << 26]);
        document["chunk_grid"]["configuration"]["chunk_shape"] = shard;
        document["codecs"][0]["configuration"]["chunk_shape"] = json!([1, 1]);
    });
    assert!(error.is_some());
}

#[test]
fn documents_that_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.zarr");
    fs::create_dir(&path).unwrap();
    let nested = "[".repeat(100_000);
    for text in [
        "",
        "{",
        "[]",
        "7",
        "null",
        &nested,
        "{\"node_type\": \"array\"}",
        "\u{0}",
    ] {
        fs::write(path.join("zarr.json"), text).unwrap();
        let error = failure(&path).unwrap();
        assert!(
            error.is_io() && error.to_string().contains("x.zarr"),
            "{error}"
        );
    }
    fs::write(path.join("zarr.json"), vec![b' '; 33 << 20]).unwrap();
    let error = failure(&path).unwrap();
    assert!(error.to_string().contains("longer than"), "{error}");
    fs::remove_file(path.join("zarr.json")).unwrap();
    fs::write(path.join(".zarray"), "{}").unwrap();
    assert!(failure(&path).unwrap().to_string().contains("dtype"));
    fs::write(
        path.join(".zarray"),
        fs::read(data("v2/zstd/.zarray")).unwrap(),
    )
    .unwrap();
    fs::write(path.join(".zattrs"), "[]").unwrap();
    assert!(failure(&path).unwrap().to_string().contains("attributes"));
}

#[test]
fn nothing_there() {
    let folder = tempfile::tempdir().unwrap();
    let error = failure(&folder.path().join("no.zarr")).unwrap();
    assert!(
        error.is_io() && error.to_string().contains("no.zarr"),
        "{error}"
    );
    let error = failure(folder.path()).unwrap();
    assert!(error.to_string().contains("no zarr.json"), "{error}");
    let file = folder.path().join("file");
    fs::write(&file, "text").unwrap();
    let error = failure(&file).unwrap();
    assert!(error.to_string().contains("this is a file"), "{error}");
    let error = ZarrGroup::open(&file).err().unwrap();
    assert!(error.to_string().contains("/file"), "{error}");
}

/// A chunk that cannot be read is not one that is missing.
#[cfg(unix)]
#[test]
fn chunks_that_are_folders_or_links_to_nowhere() {
    let (_folder, path) = copy_of("v3/zstd");
    let chunk = first_chunk(&path);
    fs::remove_file(&chunk).unwrap();
    assert!(
        failure(&path).is_none(),
        "a missing chunk has the fill value"
    );
    fs::create_dir(&chunk).unwrap();
    let error = failure(&path).unwrap();
    assert!(
        error.is_io() && error.to_string().contains("c/0/0"),
        "{error}"
    );
    fs::remove_dir(&chunk).unwrap();
    std::os::unix::fs::symlink(&chunk, &chunk).unwrap();
    let error = failure(&path).unwrap();
    assert!(
        error.is_io() && error.to_string().contains("chunk [0, 0]"),
        "{error}"
    );
}
