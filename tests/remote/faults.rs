//! Servers that refuse, break off, and do not answer.

use std::time::Duration;

use flagstone::zarr::Remote;
use flagstone::{Error, s};

use crate::read::data;
use crate::server::{Fault, Server};

fn sum(remote: &Remote, name: &str) -> Result<f64, Error> {
    let x = remote.array(name)?.any().cast::<f64>();
    x.sum(..).item()
}

fn server() -> (Server, Remote) {
    let server = Server::new(data());
    let remote = Remote::http(format!("{}/zarr/v3", server.address)).unwrap();
    (server, remote.retries(2).timeout(Duration::from_secs(30)))
}

#[test]
fn what_passes_is_tried_again() {
    let (server, remote) = server();
    let expected = sum(&remote, "zstd").unwrap();
    for fault in [
        Fault::Status(500),
        Fault::Status(503),
        Fault::Status(429),
        Fault::Status(408),
        Fault::CutOff,
        Fault::Closes,
    ] {
        for file in ["zarr.json", "c/1/1"] {
            server.log();
            server.fault(&format!("zstd/{file}"), 2, fault);
            assert_eq!(
                sum(&remote, "zstd").unwrap(),
                expected,
                "{fault:?} of {file}"
            );
            assert_eq!(
                server.count(&format!("zstd/{file}")),
                3,
                "{fault:?} of {file}"
            );
        }
    }
    let expected = sum(&remote, "sharded").unwrap();
    server.fault("sharded/c/0/0", 2, Fault::CutOff);
    assert_eq!(sum(&remote, "sharded").unwrap(), expected);
}

#[test]
fn what_does_not_pass_is_an_error_that_says_where() {
    let (server, remote) = server();
    for (fault, mentions, tries) in [
        (Fault::Status(500), "500", 3),
        (Fault::CutOff, "", 3),
        (Fault::Closes, "", 3),
        (Fault::Status(403), "403", 1),
        (Fault::Status(418), "418", 1),
    ] {
        server.log();
        server.fault("zstd/c/1/1", 3, fault);
        let error = sum(&remote, "zstd").unwrap_err();
        let text = error.to_string();
        assert!(error.is_io(), "{text}");
        assert!(
            text.contains("/zarr/v3/zstd/c/1/1") && text.contains("http://127"),
            "{text}"
        );
        assert!(
            text.contains("chunk [1, 1]") && text.contains(mentions),
            "{text}"
        );
        assert_eq!(server.count("zstd/c/1/1"), tries, "{text}");
        assert_eq!(text.contains("tried 3 times"), tries == 3, "{text}");
        server.fault("zstd/c/1/1", 0, fault);
        // The next computation does not suffer.
        sum(&remote, "zstd").unwrap();
    }
}

#[test]
fn a_server_that_does_not_answer() {
    let (server, remote) = server();
    // Long enough for every other request, on a machine that is busy.
    let remote = remote.timeout(Duration::from_secs(3)).retries(1);
    let x = remote.array("zstd").unwrap().array::<f64>().unwrap();
    server.fault("zstd/c/0/1", 2, Fault::Hangs);
    let error = x.slice(s![..2, 7..9]).compute().unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("c/0/1") && text.contains("within 3s"),
        "{text}"
    );
    drop(server);
    let error = Remote::http("http://127.0.0.1:1/x.zarr")
        .unwrap()
        .retries(0)
        .array("")
        .err()
        .unwrap();
    assert!(
        error.is_io() && error.to_string().contains("http://127.0.0.1:1/x.zarr"),
        "{error}"
    );
}

#[test]
fn what_is_no_array() {
    let (_server, remote) = server();
    for name in ["nothing", "group", "../data"] {
        let error = remote.array(name).err().unwrap();
        assert!(
            error.is_io() && error.to_string().contains("http://127"),
            "{error}"
        );
    }
    for url in ["ftp://x/y", "x.zarr", "http://", "http://x/y?z"] {
        assert!(Remote::http(url).err().unwrap().is_value(), "{url}");
    }
}

/// What a server sends is no better than what a disk has.
#[test]
fn chunks_that_are_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let from = data().join("zarr/v3/zstd");
    std::fs::create_dir_all(folder.path().join("c/0")).unwrap();
    std::fs::copy(from.join("zarr.json"), folder.path().join("zarr.json")).unwrap();
    let server = Server::new(folder.path());
    let remote = Remote::http(&server.address).unwrap();
    let chunk = std::fs::read(from.join("c/0/0")).unwrap();
    let long = [&chunk[..], &vec![0; 1 << 20]].concat();
    for bytes in [&chunk[..7], b"", &long] {
        std::fs::write(folder.path().join("c/0/0"), bytes).unwrap();
        let error = sum(&remote, "").unwrap_err();
        let text = error.to_string();
        assert!(
            error.is_io() && text.contains("chunk [0, 0]") && text.contains("c/0/0"),
            "{text}"
        );
    }
    std::fs::write(folder.path().join(".flagstone-unfinished"), "").unwrap();
    let error = remote.array("").err().unwrap();
    assert!(error.to_string().contains("unfinished"), "{error}");
}
