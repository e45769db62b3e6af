//! Chunks that cannot be written to the end.

use std::path::Path;
use std::process::Command;

use flagstone::zarr::{BloscCompressor, Codec, Create, Shuffle};
use flagstone::{Array, Engine};

use crate::write::listing;

/// Runs in a process of its own, in which no file may grow beyond a megabyte.
#[test]
#[ignore = "run by the test below, in a new process"]
fn child_with_small_files() {
    let Some(folder) = std::env::var_os("FLAGSTONE_TEST_SMALL_FILES") else {
        return;
    };
    let folder = Path::new(&folder);
    let limit = |bytes| {
        let limit = libc::rlimit {
            rlim_cur: bytes,
            rlim_max: libc::RLIM_INFINITY,
        };
        // SAFETY: a signal's default and a limit of this process, which does nothing else.
        unsafe {
            libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
            assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &limit), 0);
        }
    };
    let engine = Engine::builder().threads(2).build().unwrap();
    // Chunks of 2 MiB that no codec makes smaller than 1 MiB, and one that is short.
    let x = flagstone::random::Generator::new(1).uniform::<f64>([513, 512], 512);
    let blosc = Codec::Blosc {
        compressor: BloscCompressor::Lz4,
        level: 1,
        shuffle: Shuffle::Bytes,
    };
    for codec in [Codec::None, Codec::Zstd(1), Codec::Gzip(1), blosc] {
        let whole = Create::new().codec(codec);
        let resumable = whole.clone().resumable_with("numbers");
        for options in [whole.clone(), whole.clone().sync(), resumable.clone()] {
            let path = folder.join("x.zarr");
            let is_resumable = format!("{options:?}").contains("resumable: true");
            limit(1 << 20);
            let error = engine.store_zarr(&x, &path, &options).unwrap_err();
            let text = error.to_string();
            assert!(error.is_io(), "{text}");
            // Without a codec the last one has fill values to its end, and may be the first to fail.
            for part in ["chunk [", "x.zarr", "/c/", "File too large"] {
                assert!(text.contains(part), "{codec:?}: {text}");
            }
            limit(libc::RLIM_INFINITY);
            if is_resumable {
                let staging = folder.join(".x.zarr.resumable");
                assert_eq!(listing(folder), [".x.zarr.resumable"]);
                // The other chunk may have been written before.
                assert!(!staging.join("c/0/0").exists());
                for rest in ["c/0", "c/1"].map(|part| staging.join(part)) {
                    if rest.exists() {
                        let names = listing(&rest);
                        assert!(names.iter().all(|name| name == "0"), "{names:?}");
                    }
                }
            } else {
                assert!(listing(folder).is_empty(), "{:?}", listing(folder));
            }
            // With room it is written, and resumed.
            engine.store_zarr(&x, &path, &options).unwrap();
            let read = Array::<f64>::from_zarr(&path).unwrap();
            assert_eq!(engine.compute(&read).unwrap(), engine.compute(&x).unwrap());
            std::fs::remove_dir_all(&path).unwrap();
            assert!(listing(folder).is_empty());
        }
    }
}

#[test]
fn a_chunk_that_is_half_written_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["failing::child_with_small_files", "--exact", "--ignored"])
        .env("FLAGSTONE_TEST_SMALL_FILES", folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{errors}"
    );
}
