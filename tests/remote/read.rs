//! The same bits as from files.

use std::path::Path;
use std::sync::atomic::Ordering;

use flagstone::zarr::{Codec, Create, Remote, ZarrArray};
use flagstone::{Array, Engine, s};

use crate::server::Server;

pub fn data() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

const NAMES: &[&str] = &[
    "zarr/v3/zstd",
    "zarr/v3/dtype_int16",
    "zarr/v3/transpose_zstd",
    "zarr/v3/sharded",
    "zarr/v3/sharded_edge",
    "zarr/v3/sharded_uncompressed",
    "zarr/v3/sharded_missing",
    "zarr/v3/missing",
    "zarr/v3/scalar",
    "zarr/v3/empty",
    "zarr/v3/named",
    "zarr/v2/big_float32",
    "zarr/v2/fortran",
    "zarr/v2/slashes",
    "zarr/v2/missing",
    "air_temperature/first_years/air_temperature_v2.zarr",
    "air_temperature/first_years/air_temperature_v3_sharded.zarr",
];

#[test]
fn every_array_is_what_its_files_are() {
    let server = Server::new(data());
    let remote = Remote::http(&server.address).unwrap();
    for whole in [false, true] {
        // Also from servers that know no ranges.
        server.script.whole.store(whole, Ordering::SeqCst);
        for name in NAMES {
            let file = ZarrArray::open(data().join(name)).unwrap();
            let there = remote.array(name).unwrap();
            assert_eq!((there.dtype(), there.shape()), (file.dtype(), file.shape()));
            assert_eq!(there.attributes(), file.attributes());
            assert_eq!(there.dimension_names(), file.dimension_names());
            let (x, y) = (file.any().cast::<f64>(), there.any().cast::<f64>());
            let expected = x.compute().unwrap();
            assert_eq!(y.compute().unwrap(), expected, "{name}");
            for (threads, memory) in [(1, "2 MiB"), (3, "64 MiB")] {
                let engine = Engine::builder().threads(threads).memory(memory);
                let engine = engine.concurrent_fetches(5).build().unwrap();
                assert_eq!(engine.compute(&y.t()).unwrap(), expected.t(), "{name}");
                let flat = engine.compute(&y.reshape([expected.len()])).unwrap();
                assert!(flat.iter().eq(expected.iter()), "{name}");
            }
        }
    }
}

#[test]
fn only_what_is_needed_is_asked_for() {
    let server = Server::new(data());
    let place = format!("{}/zarr/v3", server.address);
    let remote = Remote::http(place).unwrap();
    let x = remote.array("zstd").unwrap().array::<f64>().unwrap();
    server.log();
    x.slice(s![..2, 7..9]).compute().unwrap();
    let log: Vec<String> = server.log().into_iter().map(|(path, _)| path).collect();
    assert_eq!(log, ["/zarr/v3/zstd/c/0/1"]);
    // Of a shard its index and the inner chunk.
    let x = remote.array("sharded").unwrap().array::<f64>().unwrap();
    server.log();
    x.slice(s![7, 12]).item().unwrap();
    let log = server.log();
    assert_eq!(log.len(), 2, "{log:?}");
    assert!(
        log.iter().all(|(path, _)| path == "/zarr/v3/sharded/c/1/1"),
        "{log:?}"
    );
    assert!(log[0].1.as_ref().unwrap().starts_with('-'), "{log:?}");
}

/// An array in `count` chunks of `len` elements each.
fn chunks(folder: &Path, count: usize, len: usize) -> Array<f64> {
    let x = Array::<f64>::arange(0.0, (count * len) as f64, 1.0, len);
    let options = Create::new().chunks([len]).codec(Codec::None);
    x.to_zarr_with(folder.join("x.zarr"), &options).unwrap();
    x
}

#[test]
fn more_requests_are_under_way_than_there_are_cores() {
    let folder = tempfile::tempdir().unwrap();
    let x = chunks(folder.path(), 64, 10);
    for (fetches, threads) in [(24, 1), (7, 2), (1, 2)] {
        let server = Server::new(folder.path());
        server.script.meet.store(fetches, Ordering::SeqCst);
        let there = Remote::http(&server.address)
            .unwrap()
            .array("x.zarr")
            .unwrap();
        let engine = Engine::builder()
            .threads(threads)
            .concurrent_fetches(fetches);
        let engine = engine.build().unwrap();
        let y = there.array::<f64>().unwrap();
        let explained = engine.explain(&y.sum(..)).unwrap();
        assert_eq!(explained.concurrent_fetches(), fetches);
        let text = explained.to_string();
        let line = format!(
            "fetch  up to {fetches} request{} at once, on threads that",
            if fetches == 1 { "" } else { "s" }
        );
        assert!(
            text.contains(&line) && text.contains(", fetched ahead, holds "),
            "{text}"
        );
        assert_eq!(engine.item(&y.sum(..)).unwrap(), x.sum(..).item().unwrap());
        assert_eq!(server.script.most.load(Ordering::SeqCst), fetches);
        // Of files nothing is fetched; of two chunks two are.
        let local = engine.explain(&x.sum(..)).unwrap();
        assert_eq!(local.concurrent_fetches(), 0);
        assert!(!local.to_string().contains("fetch"), "{local}");
        let two = engine.explain(&y.slice(s![..20]).sum(..)).unwrap();
        assert_eq!(two.concurrent_fetches(), fetches.min(2));
    }
}

#[test]
fn what_is_under_way_is_booked() {
    let folder = tempfile::tempdir().unwrap();
    // A megabyte each: encoded, decoded, and as a block.
    let _ = chunks(folder.path(), 24, 131_072);
    let server = Server::new(folder.path());
    let there = Remote::http(&server.address)
        .unwrap()
        .array("x.zarr")
        .unwrap();
    let y = there.array::<f64>().unwrap();
    let engine = Engine::builder()
        .threads(1)
        .concurrent_fetches(16)
        .memory("20 MiB");
    let engine = engine.build().unwrap();
    let explained = engine.explain(&y.sum(..)).unwrap();
    let planned = explained.planned_peak_bytes();
    assert!(planned <= 20 << 20, "{planned}");
    // What a request books is at least the chunk, encoded and decoded.
    let announced = explained.concurrent_fetches();
    assert!((1..=10).contains(&announced), "{explained}");
    assert!(
        explained.to_string().contains(" MiB booked for each"),
        "{explained}"
    );
    engine.item(&y.sum(..)).unwrap();
    let most = server.script.most.load(Ordering::SeqCst);
    assert!(
        most <= announced,
        "{most} requests, and {announced} were announced"
    );
    let (_, report) = engine.measure(&y.sum(..)).unwrap();
    assert!(report.held_peak_bytes <= planned, "{report:?}");
    let small = Engine::builder()
        .threads(1)
        .memory("1 MiB")
        .build()
        .unwrap();
    assert!(small.item(&y.sum(..)).unwrap_err().is_memory());
}
