//! What the fuzz targets do with their bytes. The tests of the library do the same with all that is in `corpus`.
//!
//! Nothing may panic, hang, or allocate what a header only claims; errors are fine. What opens and is small is computed.

#![allow(dead_code, reason = "each fuzz target calls one of the functions")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use flagstone::{AnyArray, DType, Engine, Raw};

/// Larger arrays are opened but not computed: time would go into zeros.
const MOST_ELEMENTS: usize = 1 << 14;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let engine = Engine::builder().threads(1).memory("32 MiB");
    engine.build().expect("one thread can be had")
});

/// A folder of this process, in memory where there is such a place.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() {
        memory.to_path_buf()
    } else {
        std::env::temp_dir()
    };
    let folder = tempfile::Builder::new()
        .prefix("flagstone-fuzz-")
        .tempdir_in(parent);
    folder.expect("a folder can be made").keep()
});

fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = FOLDER.join(name);
    fs::write(&path, bytes).expect("a small file can be written");
    path
}

fn compute(x: &AnyArray) {
    if x.check().is_err() {
        return;
    }
    let count = x
        .shape()
        .iter()
        .try_fold(1usize, |count, &len| count.checked_mul(len));
    if count.is_some_and(|count| count <= MOST_ELEMENTS) {
        let values = x.cast::<f64>();
        let _ = ENGINE.compute(&values.sum(..));
        let _ = ENGINE.compute(&values);
    }
}

/// A `.npy` file.
pub fn npy(data: &[u8]) {
    let path = file("x.npy", data);
    if let Ok(x) = AnyArray::from_npy(&path, ..) {
        compute(&x);
    }
}

/// A file without a header: the first bytes say how it is to be read.
pub fn raw(data: &[u8]) {
    let Some((&[kind, flags, offset, axes], rest)) = data.split_first_chunk() else {
        return;
    };
    let axes = usize::from(axes % 8);
    let Some((lengths, rest)) = rest.split_at_checked(axes * 8) else {
        return;
    };
    let shape: Vec<usize> = lengths
        .as_chunks::<8>()
        .0
        .iter()
        .map(|len| usize::from_le_bytes(*len))
        .collect();
    let path = file("x.raw", rest);
    let mut raw = Raw::new(&path, shape);
    raw = raw.offset(match offset {
        255 => u64::MAX,
        254 => u64::MAX / 2,
        offset => offset.into(),
    });
    if flags & 1 == 1 {
        raw = raw.big_endian();
    }
    if flags & 2 == 2 {
        raw = raw.fortran_order();
    }
    let dtype = DType::ALL[usize::from(kind) % DType::ALL.len()];
    if let Ok(x) = raw.any(dtype, ..) {
        compute(&x);
    }
}

/// The metadata of an array, of version 2 or 3, and behind a zero byte that of its first chunk.
pub fn zarr_metadata(data: &[u8]) {
    let Some((&version, data)) = data.split_first() else {
        return;
    };
    let end = data
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(data.len());
    let (text, chunk) = (&data[..end], data.get(end + 1..).unwrap_or_default());
    let (name, other, key) = match version {
        b'2' => (".zarray", "zarr.json", "0.0"),
        _ => ("zarr.json", ".zarray", "c/0/0"),
    };
    let folder = FOLDER.join("metadata.zarr");
    fs::create_dir_all(folder.join("c/0")).expect("a folder can be made");
    let _ = fs::remove_file(folder.join(other));
    file(&format!("metadata.zarr/{name}"), text);
    file(&format!("metadata.zarr/{key}"), chunk);
    if let Ok(x) = AnyArray::from_zarr(&folder) {
        compute(&x);
    }
}

/// How the chunks of the next target are encoded.
const CODECS: &[&str] = &[
    r#"[{"name":"bytes","configuration":{"endian":"little"}},{"name":"zstd","configuration":{"level":1,"checksum":false}}]"#,
    r#"[{"name":"bytes","configuration":{"endian":"big"}},{"name":"gzip","configuration":{"level":1}}]"#,
    r#"[{"name":"bytes","configuration":{"endian":"little"}},{"name":"blosc","configuration":{"cname":"lz4","clevel":1,"shuffle":"shuffle","typesize":4,"blocksize":0}}]"#,
    r#"[{"name":"bytes","configuration":{"endian":"little"}},{"name":"crc32c"}]"#,
    r#"[{"name":"sharding_indexed","configuration":{"chunk_shape":[4,4],"codecs":[{"name":"bytes","configuration":{"endian":"little"}}],"index_codecs":[{"name":"bytes","configuration":{"endian":"little"}}],"index_location":"end"}}]"#,
    r#"[{"name":"transpose","configuration":{"order":[1,0]}},{"name":"bytes","configuration":{"endian":"little"}},{"name":"zstd","configuration":{"level":1,"checksum":true}},{"name":"crc32c"}]"#,
];

/// The bytes of a chunk; the first one chooses the codecs.
pub fn zarr_chunk(data: &[u8]) {
    let Some((&codec, chunk)) = data.split_first() else {
        return;
    };
    let codecs = CODECS[usize::from(codec) % CODECS.len()];
    let metadata = format!(
        r#"{{"zarr_format":3,"node_type":"array","shape":[8,8],"data_type":"float32","fill_value":0,
        "chunk_grid":{{"name":"regular","configuration":{{"chunk_shape":[8,8]}}}},
        "chunk_key_encoding":{{"name":"default"}},"codecs":{codecs}}}"#
    );
    let folder = FOLDER.join("chunk.zarr");
    fs::create_dir_all(folder.join("c/0")).expect("a folder can be made");
    file("chunk.zarr/zarr.json", metadata.as_bytes());
    file("chunk.zarr/c/0/0", chunk);
    let x = AnyArray::from_zarr(&folder).expect("these metadata are valid");
    compute(&x);
}
