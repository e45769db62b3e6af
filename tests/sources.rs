//! What is read: exactly what a result needs, once if that is enough.

use std::sync::{Arc, Mutex};

use flagstone::{Array, BoxError, Chunks, Engine, Region, Rule, Source, keep, s};
use ndarray::{Array2, ArrayViewMutD, Axis};

const SHAPE: [usize; 2] = [400, 300];

/// A source that writes down what is read of it.
#[derive(Clone)]
struct Counting {
    reads: Arc<Mutex<Vec<Region>>>,
    storage: Option<[usize; 2]>,
    chunks: [usize; 2],
    cost: f64,
}

impl Counting {
    fn new(chunks: [usize; 2], storage: Option<[usize; 2]>) -> Counting {
        Counting {
            reads: Arc::default(),
            storage,
            chunks,
            cost: 1.0,
        }
    }

    /// How often each element was read since the last time.
    fn counts(&self) -> Array2<u32> {
        let mut counts = Array2::zeros(SHAPE);
        for region in self.reads.lock().unwrap().drain(..) {
            counts
                .slice_mut(s![region.range(0), region.range(1)])
                .mapv_inplace(|count: u32| count + 1);
        }
        counts
    }

    /// That each element in a part was read so often, and nothing else at all.
    #[track_caller]
    fn was_read(&self, rows: std::ops::Range<usize>, columns: std::ops::Range<usize>, times: u32) {
        let counts = self.counts();
        for ((i, j), &count) in counts.indexed_iter() {
            let expected = if rows.contains(&i) && columns.contains(&j) {
                times
            } else {
                0
            };
            assert_eq!(count, expected, "reads of row {i}, column {j}");
        }
    }
}

fn value(i: usize, j: usize) -> f64 {
    ((i * 7919 + j * 104_729) % 1000) as f64
}

impl Source for Counting {
    type Elem = f64;
    fn shape(&self) -> &[usize] {
        &SHAPE
    }
    fn chunks(&self) -> Chunks {
        Chunks::regular(&SHAPE, &self.chunks).unwrap()
    }
    fn read(&self, region: &Region, mut out: ArrayViewMutD<'_, f64>) -> Result<(), BoxError> {
        self.reads.lock().unwrap().push(region.clone());
        for (index, target) in out.indexed_iter_mut() {
            *target = value(region.start()[0] + index[0], region.start()[1] + index[1]);
        }
        Ok(())
    }
    fn storage_grid(&self) -> Option<Chunks> {
        self.storage
            .map(|sizes| Chunks::regular(&SHAPE, &sizes).unwrap())
    }
    fn cost(&self) -> f64 {
        self.cost
    }
    fn describe(&self) -> String {
        "counting.dat".to_owned()
    }
}

fn values() -> Array2<f64> {
    Array2::from_shape_fn(SHAPE, |(i, j)| value(i, j))
}

/// Engines that must all read the same.
fn engines() -> Vec<Engine> {
    let mut engines: Vec<Engine> = [1, 2, 7]
        .map(|threads| {
            Engine::builder()
                .threads(threads)
                .memory("64 MiB")
                .build()
                .unwrap()
        })
        .into();
    engines.push(
        Engine::builder()
            .threads(2)
            .without(Rule::ComposeViews)
            .without(Rule::PushSlices)
            .build()
            .unwrap(),
    );
    engines
}

#[test]
fn ten_rows() {
    for engine in engines() {
        for chunks in [[100, 300], [64, 64], [400, 300], [7, 11]] {
            let source = Counting::new(chunks, None);
            let x = Array::from_source(source.clone());
            source.was_read(0..0, 0..0, 0); // Building reads nothing.
            let rows = engine.compute(&x.slice(s![..10, ..])).unwrap();
            assert_eq!(rows, values().slice(s![..10, ..]).into_dyn());
            source.was_read(0..10, 0..300, 1);
            engine.explain(&x).unwrap();
            engine.task_graph(&x).unwrap();
            source.was_read(0..0, 0..0, 0);
        }
    }
}

#[test]
fn slices_reach_the_source_through_whatever_stands_between() {
    let source = Counting::new([100, 100], None);
    let x = Array::from_source(source.clone());
    for engine in engines() {
        let y = ((&x * 2.0).t() + 1.0).flip(0).slice(s![.., 20..30]);
        assert_eq!(
            engine.compute(&y).unwrap()[[0, 0]],
            value(20, 299) * 2.0 + 1.0
        );
        source.was_read(20..30, 0..300, 1);
        engine
            .compute(&x.cast::<f32>().rechunk(13).slice(s![5, 50..60]).exp())
            .unwrap();
        source.was_read(5..6, 50..60, 1);
        engine
            .compute(&flagstone::concatenate([&x, &(&x + 1.0)], 0).slice(s![395..400, ..2]))
            .unwrap();
        source.was_read(395..400, 0..2, 1);
        engine
            .compute(
                &x.pad([(5, 5), (0, 0)], flagstone::Pad::Constant(0.0))
                    .slice(s![..8, ..]),
            )
            .unwrap();
        source.was_read(0..3, 0..300, 1);
        engine
            .compute(&x.roll(10, 0).slice(s![10..20, ..]))
            .unwrap();
        source.was_read(0..10, 0..300, 1);
        engine
            .compute(
                &x.expand_dims(0)
                    .broadcast_to([3, 400, 300])
                    .slice(s![1, 7, ..]),
            )
            .unwrap();
        source.was_read(7..8, 0..300, 1);
        engine.compute(&x.sum(1).slice(s![3..5])).unwrap();
        source.was_read(3..5, 0..300, 1);
        engine
            .compute(&x.mean(keep(0)).slice(s![.., 9..12]))
            .unwrap();
        source.was_read(0..400, 9..12, 1);
        engine.compute(&x.slice(s![0..0, ..])).unwrap();
        source.was_read(0..0, 0..0, 0);
    }
}

/// Storage is read in its units, but for what lies outside.
#[test]
fn storage_is_read_in_units() {
    for engine in engines() {
        let source = Counting::new([100, 300], Some([50, 60]));
        let x = Array::from_source(source.clone());
        engine.compute(&x.slice(s![..10, 70..80])).unwrap();
        for region in source.reads.lock().unwrap().iter() {
            assert!(Region::new([0, 60], [50, 60]).contains(region), "{region}");
        }
        source.reads.lock().unwrap().clear();
        assert_eq!(engine.item(&x.sum(..)).unwrap(), values().sum());
        for region in source.reads.lock().unwrap().iter() {
            let inside = (0..2).all(|axis| {
                region.start()[axis] / [50, 60][axis] == (region.end(axis) - 1) / [50, 60][axis]
            });
            assert!(inside, "{region} is not in one unit");
        }
        source.was_read(0..400, 0..300, 1);
    }
}

/// Passes that `explain` announces, and the reads of the whole array that there were.
#[track_caller]
fn passes<C: flagstone::Compute>(engine: &Engine, source: &Counting, what: &C, expected: u32) {
    let explained = engine.explain(what).unwrap();
    let announced = explained
        .passes()
        .iter()
        .find(|(name, _)| name.contains("counting.dat"))
        .expect("the source is named");
    assert_eq!(announced.1, f64::from(expected), "{explained}");
    let (_, report) = engine.measure(what).unwrap();
    source.was_read(0..400, 0..300, expected);
    assert_eq!(report.bytes_read, explained.bytes_read());
    assert_eq!(explained.bytes_read(), u64::from(expected) * 400 * 300 * 8);
}

#[test]
fn passes_over_a_source() {
    for engine in engines() {
        let source = Counting::new([100, 75], None);
        let x = Array::from_source(source.clone());
        passes(&engine, &source, &x.mean(0), 1);
        passes(&engine, &source, &(&x * 2.0 + &x), 1);
        passes(&engine, &source, &x.std(..), 1);
        passes(&engine, &source, &(x.mean(0), x.std(0)), 1);
        passes(
            &engine,
            &source,
            &(x.mean(0), x.std(0), x.min(0), x.max(0)),
            1,
        );
        passes(&engine, &source, &(&x - &x.mean(0)).square().sum(..), 2);
        passes(&engine, &source, &(&x - &x.mean(..)).square().mean(..), 2);
        passes(&engine, &source, &(x.sum(0) + x.max(0)), 1);
        passes(&engine, &source, &(&x + 1.0, &x * 2.0), 1);
    }
}

#[test]
fn a_source_larger_than_memory_is_read_twice_rather_than_held() {
    // 960 kB on much less.
    let source = Counting::new([20, 300], None);
    let x = Array::from_source(source.clone());
    let job = (&x - &x.mean(0)).square().sum(..);
    let ample = Engine::builder().threads(2).build().unwrap();
    let floor = ample.explain(&job).unwrap().floor_bytes();
    assert!(floor < 700_000, "{floor}");
    let tight = Engine::builder().threads(2).memory(floor).build().unwrap();
    passes(&tight, &source, &job, 2);
    let mean = values().mean_axis(Axis(0)).unwrap();
    let expected = (values() - &mean).mapv(|v| v * v).sum();
    let got = tight.item(&job).unwrap();
    assert!((got - expected).abs() < 1e-9 * expected, "{got} {expected}");
}

/// A region is read in one piece by each pass, never element by element.
#[test]
fn reads_are_few() {
    let source = Counting::new([100, 75], None);
    let x = Array::from_source(source.clone());
    let engine = Engine::builder().threads(2).build().unwrap();
    engine.compute(&x.mean(0)).unwrap();
    let reads = source.reads.lock().unwrap().len();
    assert!(reads <= 32, "{reads} reads of 16 chunks");
    source.reads.lock().unwrap().clear();
    // What is taken with a step is read with what lies between, but not more often.
    engine.compute(&x.slice(s![..;40, ..;30])).unwrap();
    let counts = source.counts();
    assert!(counts.iter().all(|&count| count <= 1));
    assert!(
        counts
            .slice(s![..;40, ..;30])
            .iter()
            .all(|&count| count == 1)
    );
}

/// Block functions are called once for each of their blocks, with the shapes of the chunks.
#[test]
fn block_functions_are_called_once_for_each_block() {
    for engine in engines() {
        let calls: Arc<Mutex<Vec<Vec<usize>>>> = Arc::default();
        let seen = calls.clone();
        let x = Array::<f64>::ones([400, 300], ([100, 250, 50], 140));
        let y = x.map_blocks(move |block| {
            seen.lock().unwrap().push(block.shape().to_vec());
            block.to_owned()
        });
        let take = || {
            let mut shapes = std::mem::take(&mut *calls.lock().unwrap());
            shapes.sort();
            shapes
        };
        engine.compute(&(y.sum(0), &y + 1.0, y.max(..))).unwrap();
        let all: Vec<Vec<usize>> = [50, 100, 250]
            .iter()
            .flat_map(|&rows| [20, 140, 140].map(|columns| vec![rows, columns]))
            .collect();
        assert_eq!(take(), all);
        engine.compute(&y.slice(s![..5, 130..150])).unwrap();
        assert_eq!(take(), [[100, 140], [100, 140]]);
        assert_eq!(engine.blocks(&y).count(), 9);
        assert_eq!(take(), all);
    }
}
