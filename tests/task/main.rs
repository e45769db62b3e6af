//! Tasks: loops, futures, delayed values.

mod delayed;
mod futures;
mod loops;

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use flagstone::Engine;

/// Runs a test on engines of one, two and eight threads, on pools of their own and on shared ones. A hang is a
/// failure.
pub fn on_every_engine(test: impl Fn(&Engine) + Send + Sync + Clone + 'static) {
    for threads in [1, 2, 8] {
        for shared in [false, true] {
            let engine = match shared {
                false => Engine::builder().threads(threads).build(),
                true => {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                    Engine::builder()
                        .rayon_pool(Arc::new(pool.unwrap()))
                        .build()
                }
            };
            let engine = engine.unwrap();
            let test = test.clone();
            within(&format!("{threads} threads, shared {shared}"), move || {
                test(&engine)
            });
        }
    }
}

/// Fails if it does not end.
pub fn within<R: Send + 'static>(name: &str, test: impl FnOnce() -> R + Send + 'static) -> R {
    let (done, ends) = mpsc::channel();
    std::thread::spawn(move || done.send(test()));
    match ends.recv_timeout(Duration::from_secs(120)) {
        Ok(result) => result,
        Err(error) => panic!("{name}: {error}"),
    }
}
