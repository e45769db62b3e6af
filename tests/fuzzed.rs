//! What fuzzing starts from, and all that it ever found: each input once more, without a fuzzer.
#![cfg(feature = "zarr")]

use std::fs;
use std::path::Path;

#[path = "../fuzz/targets.rs"]
mod targets;

fn run(target: &str, function: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut count = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let done = std::panic::catch_unwind(|| function(&bytes));
        assert!(done.is_ok(), "{} makes the reader panic", path.display());
        count += 1;
    }
    assert!(count >= 4, "there are seeds in {}", folder.display());
}

/// One after another: the targets have one folder in a process.
#[test]
fn nothing_panics() {
    run("npy", targets::npy);
    run("raw", targets::raw);
    run("zarr_metadata", targets::zarr_metadata);
    run("zarr_chunk", targets::zarr_chunk);
}
