//! How often things are computed and read, counted in functions and sources.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flagstone::{Array, Engine, Rule, compute};

const SHAPE: [usize; 2] = [300, 400];
const SIZE: usize = SHAPE[0] * SHAPE[1];

/// An array whose elements are counted as they are computed.
fn counted() -> (Array<f64>, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = calls.clone();
    let x = Array::from_fn(SHAPE, [64, 100], move |[i, j]| {
        seen.fetch_add(1, Ordering::Relaxed);
        (i * 3 + j) as f64
    });
    (x, calls)
}

#[test]
fn several_results_share_what_is_dear() {
    let (x, calls) = counted();
    // Different axes: two stages, which no single pass can feed without holding blocks.
    compute((x.mean(0), x.std(1), x.sum(..))).unwrap();
    assert_eq!(calls.swap(0, Ordering::Relaxed), SIZE);
    compute((&x, x.mean(0))).unwrap();
    assert_eq!(calls.swap(0, Ordering::Relaxed), SIZE);
    compute((x.mean(0), x.std(0), x.min(0), x.max(0))).unwrap();
    assert_eq!(calls.swap(0, Ordering::Relaxed), SIZE);
    // A function of it, used twice.
    let y = &x * 2.0 + 1.0;
    compute((y.mean(0), y.mean(1))).unwrap();
    assert_eq!(calls.swap(0, Ordering::Relaxed), SIZE);
}

#[test]
fn what_waits_for_a_reduction_is_computed_again_unless_told_otherwise() {
    let (x, calls) = counted();
    let residual = (&x - &x.mean(0)).square().sum(..);
    residual.compute().unwrap();
    assert_eq!(calls.swap(0, Ordering::Relaxed), 2 * SIZE);
    let holding = Engine::builder().without(Rule::Recompute).build().unwrap();
    holding.compute(&residual).unwrap();
    assert_eq!(calls.swap(0, Ordering::Relaxed), SIZE);
}

#[test]
fn a_slice_computes_what_it_shows() {
    let (x, calls) = counted();
    (&x + 1.0)
        .slice(flagstone::s![..10, ..10])
        .compute()
        .unwrap();
    assert_eq!(calls.swap(0, Ordering::Relaxed), 100);
    x.mean(0).slice(flagstone::s![..5]).compute().unwrap();
    assert_eq!(calls.swap(0, Ordering::Relaxed), 5 * SHAPE[0]);
}

/// What lies between parts that are wanted is neither loaded nor computed, though one stage makes all of it.
#[test]
fn what_lies_between_is_left_out() {
    let loads = Arc::new(AtomicUsize::new(0));
    struct Counting(Arc<AtomicUsize>);
    impl flagstone::Source for Counting {
        type Elem = f64;
        fn shape(&self) -> &[usize] {
            &[2000, 2000]
        }
        fn chunks(&self) -> flagstone::Chunks {
            flagstone::Chunks::regular(&[2000, 2000], &[200, 200]).unwrap()
        }
        fn storage_grid(&self) -> Option<flagstone::Chunks> {
            Some(self.chunks())
        }
        fn read(
            &self,
            region: &flagstone::Region,
            mut out: ndarray::ArrayViewMutD<'_, f64>,
        ) -> Result<(), flagstone::BoxError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            out.indexed_iter_mut().for_each(|(index, value)| {
                let [i, j] = [region.start()[0] + index[0], region.start()[1] + index[1]];
                *value = (i * 2000 + j) as f64;
            });
            Ok(())
        }
    }
    let x = Array::from_source(Counting(loads.clone()));
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = calls.clone();
    let y = x.map_blocks(move |block| {
        seen.fetch_add(1, Ordering::Relaxed);
        &block + 1.0
    });
    let corner = |x: &Array<f64>, at: usize| x.slice(flagstone::s![at..at + 200, at..at + 200]);
    let passes =
        |explained: &flagstone::Explain, part: f64| (explained.passes()[0].1 - part).abs() < 1e-9;
    for threads in [1, 3] {
        let engine = Engine::builder().threads(threads).build().unwrap();
        let both = (corner(&x, 0).sum(..), corner(&x, 1800).sum(..));
        let explained = engine.explain(&both).unwrap();
        assert!(passes(&explained, 0.02), "{explained}");
        let read = explained.bytes_read();
        assert_eq!(read, 2 * 200 * 200 * 8, "{explained}");
        let (first, last) = engine.compute(&both).unwrap();
        assert!(first[[]] < last[[]]);
        assert_eq!(loads.swap(0, Ordering::Relaxed), 2);
        // Three blocks of a function of it, each of which needs one unit.
        let three = (corner(&y, 0), corner(&y, 400), corner(&y, 1800).sum(..));
        let explained = engine.explain(&three).unwrap();
        assert!(passes(&explained, 0.03), "{explained}");
        let report = engine.measure(&three).unwrap().1;
        assert_eq!(report.tasks, explained.tasks(), "{explained}");
        assert_eq!(loads.swap(0, Ordering::Relaxed), 3);
        assert_eq!(calls.swap(0, Ordering::Relaxed), 3);
        let (_, profile) = engine.profile(&three).unwrap();
        assert_eq!(profile.tasks(), explained.tasks());
        let load = &profile.stages()[0];
        assert_eq!((load.tasks, load.bytes), (3, 2 * 3 * 200 * 200 * 8));
        loads.store(0, Ordering::Relaxed);
        calls.store(0, Ordering::Relaxed);
        let graph = engine.task_graph(&three).unwrap();
        assert_eq!(graph.graph().node_count() as u64, explained.tasks());
        let picture = engine
            .visualize(&three, flagstone::observe::View::Tasks)
            .unwrap();
        assert!(picture.to_svg().contains("<svg"));
    }
}

#[test]
fn a_matrix_beside_its_transpose_needs_no_more_memory_than_beside_another() {
    let matrix = |shift: f64| {
        let values =
            ndarray::Array2::from_shape_fn((2048, 2048), |(i, j)| (i * 7 + j) as f64 + shift);
        Array::from_ndarray(values, [512, 512])
    };
    let (x, y) = (matrix(0.0), matrix(0.5));
    let least = |sum: &Array<f64>| {
        (12..26).map(|bits| 1u64 << bits).find(|&bytes| {
            let engine = Engine::builder().threads(1).memory(bytes).build().unwrap();
            engine.compute(sum).is_ok()
        })
    };
    let mirrored = least(&(&x + x.t()).sum(..));
    assert!(mirrored.is_some());
    assert!(mirrored <= least(&(&x + y.t()).sum(..)));
}

/// A part whose first digit has a single value has all rows: its runs are merged.
#[test]
fn runs_of_rows_in_small_chunks_are_merged() {
    let ones = ndarray::ArrayD::from_elem(ndarray::IxDyn(&[11, 1, 1, 4245]), 1.0);
    let x = Array::from_ndarray(ones, [1, 1, 1, 141]);
    let padded = x.pad(
        [(0, 0), (0, 0), (0, 0), (0, 1)],
        flagstone::Pad::Constant(5.0),
    );
    for threads in [1, 2] {
        let engine = Engine::builder().threads(threads).build().unwrap();
        let sum = engine.compute(&padded.sum([0, 2, 3])).unwrap();
        assert_eq!(sum[[0]], 11.0 * 4250.0);
    }
}

/// Sums of what lies in several blocks are made block by block, unless they are read as one row.
#[test]
fn sums_of_blocks_are_read_as_one_row() {
    let numbers =
        ndarray::Array3::from_shape_fn((3, 30, 50), |(i, j, k)| (i * 1500 + j * 50 + k) as f64);
    for axes in [vec![], vec![0]] {
        let expected = axes.iter().fold(numbers.clone(), |sum, &axis: &isize| {
            sum.sum_axis(ndarray::Axis(axis as usize))
                .insert_axis(ndarray::Axis(0))
        });
        let blocks =
            Array::from_ndarray(numbers.clone(), [1, 14, 27]).map_blocks(|block| block.to_owned());
        let row = blocks.sum(&axes[..]).ravel();
        for threads in [1, 2] {
            let engine = Engine::builder().threads(threads).build().unwrap();
            let row = engine.compute(&row).unwrap();
            assert!(row.iter().eq(expected.iter()), "axes {axes:?}");
        }
    }
}

/// What is stored over every second element of the result is made beside it, but not where a scalar lies that is read
/// for each of them.
#[test]
fn scalars_outlast_the_chain_that_reads_them() {
    let numbers =
        ndarray::Array2::from_shape_fn((5000, 3), |(i, j)| if j == 1 { 3.0 } else { i as f64 });
    let x = Array::from_ndarray(numbers.clone(), [1, 2]);
    // A scalar that is computed: the negative of the least element, which is 0.
    let scalar = -(&x + 1.0).min(..);
    let shifted = &x + scalar + 100.0;
    for axis in [0, 1, 2] {
        for threads in [1, 2] {
            let engine = Engine::builder().threads(threads).build().unwrap();
            let stacked = flagstone::stack([&shifted, &x], axis);
            let stacked = engine.compute(&stacked).unwrap();
            let first = stacked.index_axis(ndarray::Axis(axis), 0);
            assert!(
                first.iter().eq((&numbers + 99.0).iter()),
                "stacked along axis {axis}: {first:?}"
            );
        }
    }
}

/// Parts of columns would jump from row to row.
#[test]
fn parts_of_a_sum_are_whole_rows() {
    let x = Array::from_ndarray(ndarray::Array2::<f64>::zeros((2000, 2000)), [250, 250]);
    for threads in [1, 2, 8] {
        let engine = Engine::builder().threads(threads).build().unwrap();
        let plan = engine.explain(&x.sum(..)).unwrap().to_string();
        // A partial sum for each of the eight runs of a row.
        assert!(plan.contains("holds 64 bytes a task"), "{plan}");
    }
    // A single row has nothing but columns.
    let x = Array::from_ndarray(ndarray::Array2::<f64>::zeros((1, 4_000_000)), [1, 250]);
    let engine = Engine::builder().threads(2).build().unwrap();
    let plan = engine.explain(&x.sum(..)).unwrap().to_string();
    assert!(plan.contains(" parts, from memory"), "{plan}");
}
