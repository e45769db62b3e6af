//! Failures while computing: each ends its computation with an error that says where, and the engine
//! computes the next one as if nothing had been.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flagstone::{
    Array, BoxError, Cancel, Chunks, Engine, Error, Event, Observer, Reducer, Region, Source, s,
};
use ndarray::{ArrayD, ArrayViewMutD, IxDyn};

/// Runs a failing computation on engines of 1, 2 and 7 threads, several times, with a sound one after
/// each; gives the error.
fn fails(array: &Array<f64>) -> Error {
    let sound = (Array::<f64>::ones([100, 100], 10) + 1.0).sum(..);
    let mut last = None;
    for threads in [1, 2, 7] {
        let engine = Engine::builder()
            .threads(threads)
            .memory("8 MiB")
            .build()
            .unwrap();
        for _ in 0..3 {
            last = Some(engine.compute(array).expect_err("this fails"));
            assert_eq!(engine.item(&sound).unwrap(), 20_000.0);
            // All memory is back: this needs nearly all of it.
            let most = Array::<f64>::from_blocks([7 << 17], 7 << 17, |region| {
                ArrayD::ones(region.shape())
            });
            assert_eq!(engine.item(&most.sum(..)).unwrap(), (7 << 17) as f64);
        }
        let mut blocks = engine.blocks(array);
        assert!(
            blocks.any(|block| block.is_err()),
            "the stream ends with the error"
        );
        assert!(blocks.next().is_none(), "nothing comes after an error");
        drop(blocks);
        assert!(engine.persist(array).is_err());
        assert_eq!(engine.item(&sound).unwrap(), 20_000.0);
    }
    last.unwrap()
}

fn says(error: &Error, words: &[&str]) {
    for word in words {
        assert!(
            error.to_string().contains(word),
            "{word:?} is not in: {error}"
        );
    }
}

fn x() -> Array<f64> {
    Array::arange(0.0, 10_000.0, 1.0, 1000)
}

#[test]
fn a_panic_in_map() {
    let error = fails(&x().map(|v| {
        if v == 5123.0 {
            panic!("cannot take {v}")
        } else {
            v
        }
    }));
    assert!(error.is_panic(), "{error}");
    says(&error, &["cannot take 5123", "map"]);
}

#[test]
fn a_panic_in_map_under_a_reduction() {
    let y = x().map(|v| {
        if v == 5123.0 {
            panic!("cannot take {v}")
        } else {
            v
        }
    });
    let error = fails(&(y * 2.0).rechunk(70).mean(flagstone::keep(0)));
    assert!(error.is_panic(), "{error}");
    says(&error, &["cannot take 5123"]);
}

#[test]
fn a_panic_in_zip_map() {
    let error = fails(&x().zip_map(
        x(),
        |a: f64, b: f64| if a + b == 400.0 { panic!("no") } else { a },
    ));
    assert!(error.is_panic(), "{error}");
}

#[test]
fn a_panic_in_from_fn() {
    let array = Array::from_fn([100, 100], 10, |[i, j]| {
        if i == 77 && j == 3 {
            panic!("no {i}, {j}")
        } else {
            0.5
        }
    });
    let error = fails(&array);
    assert!(error.is_panic(), "{error}");
    says(&error, &["no 77, 3", "from_fn"]);
    // What is not asked for is not computed.
    assert!(array.slice(s![78.., ..]).compute().is_ok());
}

#[test]
fn a_panic_in_map_blocks() {
    let error = fails(&x().map_blocks(|block| {
        assert!(block[0] != 3000.0, "a bad block");
        block.to_owned()
    }));
    assert!(error.is_panic(), "{error}");
    says(&error, &["a bad block", "block [3] of map_blocks"]);
}

#[test]
fn a_panic_with_something_that_is_no_text() {
    let error = fails(&x().map(|v| {
        if v == 1.0 {
            std::panic::panic_any(17u8)
        } else {
            v
        }
    }));
    assert!(error.is_panic(), "{error}");
}

#[test]
fn a_panic_in_a_reducer() {
    struct Bad(&'static str);
    impl Reducer<f64> for Bad {
        type State = f64;
        type Output = f64;
        fn identity(&self) -> f64 {
            0.0
        }
        fn step(&self, state: &mut f64, value: f64) {
            assert!(self.0 != "step" || value != 4321.0, "bad step");
            *state += value;
        }
        fn merge(&self, left: &mut f64, right: &f64) {
            assert!(self.0 != "merge", "bad merge");
            *left += right;
        }
        fn finish(&self, state: &f64) -> f64 {
            assert!(self.0 != "finish", "bad finish");
            *state
        }
    }
    for what in ["step", "merge", "finish"] {
        let error = fails(&x().reduce(Bad(what), flagstone::keep(0)));
        assert!(error.is_panic(), "{error}");
        says(&error, &["bad", what]);
    }
}

/// A source that fails, or panics, from some row on.
struct Broken {
    panics: bool,
}

impl Source for Broken {
    type Elem = f64;
    fn shape(&self) -> &[usize] {
        &[100, 10]
    }
    fn chunks(&self) -> Chunks {
        Chunks::regular(self.shape(), &[10, 10]).unwrap()
    }
    fn read(&self, region: &Region, mut out: ArrayViewMutD<'_, f64>) -> Result<(), BoxError> {
        if region.range(0).contains(&55) {
            assert!(!self.panics, "the disk is on fire");
            return Err(std::io::Error::other("the disk is full of holes").into());
        }
        out.fill(1.0);
        Ok(())
    }
    fn describe(&self) -> String {
        "holes.dat".to_owned()
    }
}

#[test]
fn a_source_that_fails() {
    let error = fails(&(Array::from_source(Broken { panics: false }) + 1.0));
    assert!(error.is_io(), "{error}");
    says(&error, &["holes.dat", "full of holes", "50..60"]);
    assert!(error.source().is_some());
    let sum = Array::from_source(Broken { panics: false }).sum(flagstone::keep(0));
    assert!(fails(&sum).is_io());
    let top = Array::from_source(Broken { panics: false }).slice(s![..50, ..]);
    assert_eq!(top.sum(..).item().unwrap(), 500.0);
}

#[test]
fn a_source_that_panics() {
    let error = fails(&(Array::from_source(Broken { panics: true }) + 1.0));
    assert!(error.is_panic(), "{error}");
    says(&error, &["on fire", "holes.dat"]);
}

#[test]
fn blocks_of_the_wrong_shape() {
    let error = fails(&x().map_blocks(|block| {
        if block[0] == 2000.0 {
            ArrayD::zeros(IxDyn(&[7]))
        } else {
            block.to_owned()
        }
    }));
    assert!(error.is_shape(), "{error}");
    says(&error, &["[7]", "[1000]", "block [2] of map_blocks"]);
    let error = fails(&Array::from_blocks([10, 10], 5, |_| {
        ArrayD::zeros(IxDyn(&[5]))
    }));
    assert!(error.is_shape(), "{error}");
    // All four blocks are wrong, and any of them may be the first.
    says(&error, &["[5]", "[5, 5]", "] of from_blocks"]);
    let error = fails(&x().zip_blocks(&x(), |_, _| ArrayD::zeros(IxDyn(&[]))));
    assert!(error.is_shape(), "{error}");
    let error = fails(&x().map_blocks_to([20], 2, |block| block.to_owned()));
    assert!(error.is_shape(), "{error}");
}

#[test]
fn a_block_function_that_fails() {
    let error = fails(&Array::try_from_blocks([10], 5, |region| {
        if region.start()[0] == 5 {
            Err("no data".into())
        } else {
            Ok(ArrayD::zeros(region.shape()))
        }
    }));
    assert!(error.is_io(), "{error}");
    says(&error, &["no data", "block [1] of from_blocks"]);
}

#[test]
fn an_extreme_of_a_selection_of_nothing() {
    let x = x();
    for reduced in [
        x.filter(x.lt(0.0)).min(flagstone::keep(0)),
        x.filter(false).max(flagstone::keep(0)),
    ] {
        let error = fails(&reduced);
        assert!(error.is_value(), "{error}");
    }
    let place = x.filter(x.lt(0.0)).argmin(0);
    assert!(place.compute().unwrap_err().is_value());
    let nan = x.map(|_| f64::NAN);
    assert!(nan.nanmin(0).item().unwrap().is_nan());
    assert!(nan.nanargmax(0).item().unwrap_err().is_value());
}

struct Clumsy(AtomicUsize);

impl Observer for Clumsy {
    fn event(&self, event: &Event) {
        self.0.fetch_add(1, Ordering::Relaxed);
        if matches!(event, Event::Finished { .. }) {
            panic!("the observer slipped");
        }
    }
}

#[test]
fn an_observer_that_panics() {
    for threads in [1, 2, 7] {
        let observer = Arc::new(Clumsy(AtomicUsize::new(0)));
        let engine = Engine::builder()
            .threads(threads)
            .observer(observer.clone())
            .build()
            .unwrap();
        let y = (x().map(|v| v + 1.0)).map_blocks(|block| block.to_owned());
        let expected = Engine::global().unwrap().compute(&y).unwrap();
        for _ in 0..3 {
            let (values, report) = engine.measure(&y).unwrap();
            assert_eq!(values, expected);
            assert_eq!(report.lost_observers, 1);
        }
        // Called again in each new computation.
        assert!(observer.0.load(Ordering::Relaxed) >= 3);
    }
}

/// Counts the events of each kind.
#[derive(Default)]
struct Counting {
    planned: AtomicUsize,
    started: AtomicUsize,
    finished: AtomicUsize,
    good_ends: AtomicUsize,
    bad_ends: AtomicUsize,
}

impl Observer for Counting {
    fn event(&self, event: &Event) {
        let counter = match event {
            Event::Planned { .. } => &self.planned,
            Event::Started { .. } => &self.started,
            Event::Finished { .. } => &self.finished,
            Event::Ended { ok: true, .. } => &self.good_ends,
            Event::Ended { ok: false, .. } => &self.bad_ends,
            _ => return,
        };
        counter.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn observers_see_every_task_once_and_every_end() {
    let observer = Arc::new(Counting::default());
    let engine = Engine::builder()
        .threads(2)
        .observer(observer.clone())
        .build()
        .unwrap();
    let (_, report) = engine
        .measure(&x().map_blocks(|block| block.to_owned()))
        .unwrap();
    let count = |counter: &AtomicUsize| counter.load(Ordering::SeqCst) as u64;
    assert_eq!(count(&observer.planned), 1);
    assert_eq!(count(&observer.started), report.tasks);
    assert_eq!(count(&observer.finished), report.tasks);
    assert_eq!(
        (count(&observer.good_ends), count(&observer.bad_ends)),
        (1, 0)
    );
    engine
        .compute(&x().map_blocks(|_| -> ArrayD<f64> { panic!() }))
        .unwrap_err();
    assert_eq!(
        (count(&observer.good_ends), count(&observer.bad_ends)),
        (1, 1)
    );
}

#[test]
fn cancelled_before() {
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = calls.clone();
    let y = x().map_blocks(move |block| {
        seen.fetch_add(1, Ordering::SeqCst);
        block.to_owned()
    });
    let engine = Engine::builder().threads(2).build().unwrap();
    let cancel = Cancel::new();
    let bound = engine.cancelled_by(&cancel);
    assert!(bound.compute(&y).is_ok());
    assert_eq!(calls.swap(0, Ordering::SeqCst), 10);
    cancel.cancel();
    assert!(bound.compute(&y).unwrap_err().is_cancelled());
    assert!(
        bound
            .blocks(&y)
            .next()
            .unwrap()
            .err()
            .unwrap()
            .is_cancelled()
    );
    assert!(bound.persist(&y).unwrap_err().is_cancelled());
    assert_eq!(calls.load(Ordering::SeqCst), 0, "nothing ran");
    assert!(
        engine.compute(&y).is_ok(),
        "the engine itself is not cancelled"
    );
}

#[test]
fn cancelled_during() {
    for threads in [1, 2, 7] {
        let engine = Engine::builder().threads(threads).build().unwrap();
        let cancel = Cancel::new();
        let calls = Arc::new(AtomicUsize::new(0));
        let (trigger, seen) = (cancel.clone(), calls.clone());
        let y = Array::<f64>::from_blocks([10_000_000], 5_000, move |region| {
            // Another thread cancels while this one is in the middle of its work.
            let number = seen.fetch_add(1, Ordering::SeqCst);
            if number == 20 {
                let trigger = trigger.clone();
                std::thread::spawn(move || trigger.cancel()).join().unwrap();
            }
            // Calls that began meanwhile wait for it, however long the other thread takes to start.
            while number > 20 && !trigger.is_cancelled() {
                std::thread::yield_now();
            }
            ArrayD::ones(region.shape())
        });
        let bound = engine.cancelled_by(&cancel);
        let error = bound.compute(&y.sum(..)).unwrap_err();
        assert!(error.is_cancelled(), "{error}");
        let ran = calls.load(Ordering::SeqCst);
        assert!(ran < 1000, "{ran} of 2000 blocks were made in spite of it");
        assert_eq!(
            engine.item(&Array::<f64>::ones(1000, 10).sum(..)).unwrap(),
            1000.0
        );
    }
}

#[test]
fn a_cancelled_stream() {
    let engine = Engine::builder().threads(2).build().unwrap();
    let cancel = Cancel::new();
    let y = Array::<f64>::from_blocks([100_000], 10, |region| ArrayD::ones(region.shape()));
    let mut blocks = engine.cancelled_by(&cancel).blocks(&y).take(10_000);
    assert!(blocks.next().unwrap().is_ok());
    cancel.cancel();
    let error = blocks
        .find_map(Result::err)
        .expect("the stream was cancelled");
    assert!(error.is_cancelled(), "{error}");
    assert!(blocks.next().is_none());
}

#[test]
fn too_little_memory() {
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = calls.clone();
    let y = Array::<f64>::from_blocks([4, 1 << 17], (1, ..), move |region| {
        seen.fetch_add(1, Ordering::SeqCst);
        ArrayD::ones(region.shape())
    });
    let small = Engine::builder()
        .threads(2)
        .memory(600_000)
        .build()
        .unwrap();
    let error = small.compute(&y.sum(..)).unwrap_err();
    assert!(error.is_memory(), "{error}");
    says(&error, &["from_blocks"]);
    let error = small.blocks(&y).next().unwrap().err().unwrap();
    assert!(error.is_memory(), "{error}");
    assert!(small.persist(&y).unwrap_err().is_memory());
    assert_eq!(
        calls.load(Ordering::SeqCst),
        0,
        "an error before anything runs"
    );
    // What fits still runs.
    assert_eq!(
        small.item(&Array::<f64>::ones(1000, 10).sum(..)).unwrap(),
        1000.0
    );
}

#[test]
fn persisted_arrays_take_memory_as_long_as_they_live() {
    let engine = Engine::builder()
        .threads(2)
        .memory("8 MiB")
        .build()
        .unwrap();
    let ones = || Array::<f64>::ones([600_000], 100_000).map(|v| v);
    let kept = engine.persist(&ones()).unwrap();
    let error = engine.persist(&ones()).unwrap_err();
    assert!(error.is_memory(), "{error}");
    let view = kept.slice(s![..10]);
    drop(kept);
    assert!(
        engine.persist(&ones()).unwrap_err().is_memory(),
        "a view keeps it alive"
    );
    drop(view);
    assert_eq!(
        engine
            .item(&engine.persist(&ones()).unwrap().sum(..))
            .unwrap(),
        600_000.0
    );
}
