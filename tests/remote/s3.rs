//! Buckets: paths, signatures, and who asks.

use flagstone::zarr::S3;

use crate::read::data;
use crate::server::{Fault, Server};

#[test]
fn a_bucket_is_a_folder() {
    let server = Server::new(data());
    let store = S3::new(&server.address, "eu-west-3");
    // Nobody in particular asks: nothing is signed.
    let remote = store.remote("zarr", "/v3/").unwrap();
    let x = remote.array("zstd").unwrap().array::<f64>().unwrap();
    let expected = x.compute().unwrap();
    assert!(
        server
            .log()
            .iter()
            .all(|(path, _)| path.starts_with("/zarr/v3/zstd/") && !path.contains('?'))
    );

    let store = store.credentials("somebody", "hidden secret");
    let remote = store.remote("zarr", "v3").unwrap();
    let y = remote.array("sharded").unwrap().array::<f64>().unwrap();
    server.log();
    let part = y.slice(..3).compute().unwrap();
    assert_eq!(part.shape(), [3, 20]);
    for (path, _) in server.log() {
        assert!(
            path.contains("X-Amz-Signature=") && path.contains("somebody"),
            "{path}"
        );
        assert!(
            path.contains("eu-west-3") && !path.contains("hidden"),
            "{path}"
        );
    }
    let z = remote.array("zstd").unwrap().array::<f64>().unwrap();
    assert_eq!(z.compute().unwrap(), expected);

    // Errors name the file, and no signature.
    server.fault("zstd/c/1/1", 1, Fault::Status(403));
    let error = z.compute().unwrap_err().to_string();
    assert!(
        error.contains("/zarr/v3/zstd/c/1/1") && error.contains("403"),
        "{error}"
    );
    assert!(!error.contains("Signature"), "{error}");

    let session = S3::new(&server.address, "r").session("a", "b", "the token");
    server.log();
    session.remote("zarr", "v3").unwrap().array("gzip").unwrap();
    assert!(
        server.log()[0]
            .0
            .contains("X-Amz-Security-Token=the%20token")
    );

    assert!(
        S3::new("no address", "r")
            .remote("b", "")
            .err()
            .unwrap()
            .is_value()
    );
    assert!(
        S3::new(&server.address, "r")
            .remote("", "")
            .err()
            .unwrap()
            .is_value()
    );
}
