//! Delayed values: each call once, in one graph with arrays, within the declared bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

use flagstone::task::{self, Delayed, combine, delayed, try_combine};
use flagstone::{Array, Cancel, Engine, compute};
use ndarray::ArrayD;
use proptest::prelude::*;

use super::{on_every_engine, within};

#[test]
fn shared_parts_run_once() {
    on_every_engine(|engine| {
        let calls = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&calls);
        let root = delayed(move || {
            count.fetch_add(1, SeqCst);
            5_u64
        });
        let many: Vec<Delayed<u64>> = (0..100).map(|i| root.map(move |r| r * i)).collect();
        let sum = combine(&many, |many| many.into_iter().sum::<u64>());
        let pair = combine((&sum, root.clone()), |(sum, root)| (*sum, *root));
        assert_eq!(engine.compute(&pair).unwrap(), (5 * 4950, 5));
        assert_eq!(calls.swap(0, SeqCst), 1);
        // Several at a time, some of them twice.
        let all = engine
            .compute(&(&sum, vec![root.clone(), root.clone()], [&many[3]]))
            .unwrap();
        assert_eq!(all, (5 * 4950, vec![5, 5], [15]));
        assert_eq!(calls.swap(0, SeqCst), 1);
        // What nobody asks for does not run.
        let lazy = root.map(|_| -> u64 { panic!("not asked for") });
        assert!(engine.compute(&lazy.map(|_| 1).map(|_| 2)).is_err());
        engine.compute(&root).unwrap();
    });
}

#[test]
fn values_are_dropped_after_their_last_reader() {
    struct Live(Arc<AtomicUsize>);
    impl Drop for Live {
        fn drop(&mut self) {
            self.0.fetch_sub(1, SeqCst);
        }
    }
    let engine = Engine::builder()
        .threads(1)
        .memory("1 MiB")
        .build()
        .unwrap();
    let (live, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let leaves: Vec<_> = (0..200)
        .map(|_| {
            let (live, most) = (Arc::clone(&live), Arc::clone(&most));
            let leaf = delayed(move || {
                most.fetch_max(live.fetch_add(1, SeqCst) + 1, SeqCst);
                Live(Arc::clone(&live))
            });
            leaf.bytes(300_000).map(|_| 1_u64).bytes(8)
        })
        .collect();
    let sum = combine(&leaves, |leaves| leaves.into_iter().sum::<u64>()).bytes(8);
    let (value, report) = engine.measure(&sum).unwrap();
    assert_eq!((value, live.load(SeqCst)), (200, 0));
    // One megabyte has room for three.
    assert!(most.load(SeqCst) <= 3, "{}", most.load(SeqCst));
    assert!(report.held_peak_bytes <= report.planned_peak_bytes);
    assert!(report.planned_peak_bytes <= 1 << 20);
}

#[test]
fn declared_bytes_keep_the_promise() {
    let held = Arc::new(AtomicU64::new(0));
    let most = Arc::new(AtomicU64::new(0));
    for threads in [1, 2, 4] {
        let engine = Engine::builder()
            .threads(threads)
            .memory(100_000)
            .build()
            .unwrap();
        let leaf = |i: u64| {
            let size = 1000 * (i % 7 + 1);
            let (held, most) = (Arc::clone(&held), Arc::clone(&most));
            let made = delayed(move || {
                let block = Block(size, Arc::clone(&held));
                most.fetch_max(held.fetch_add(size, SeqCst) + size, SeqCst);
                block
            });
            made.bytes(size)
        };
        let pairs: Vec<_> = (0..400)
            .map(|i| combine((leaf(i), leaf(i + 1)), |(a, b)| a.0 + b.0).bytes(8))
            .collect();
        let sum = combine(&pairs, |pairs| pairs.into_iter().sum::<u64>()).bytes(8);
        let explain = engine.explain(&sum).unwrap();
        let (value, report) = engine.measure(&sum).unwrap();
        assert_eq!(
            value,
            (0..400)
                .map(|i| 1000 * (i % 7 + (i + 1) % 7 + 2))
                .sum::<u64>()
        );
        assert_eq!(explain.planned_peak_bytes(), report.planned_peak_bytes);
        assert!(report.planned_peak_bytes <= 100_000);
        assert!(most.swap(0, SeqCst) <= report.held_peak_bytes);
        assert_eq!(held.load(SeqCst), 0);
        assert_eq!((explain.calls(), explain.undeclared_calls()), (1201, 0));
    }
    struct Block(u64, Arc<AtomicU64>);
    impl Drop for Block {
        fn drop(&mut self) {
            self.1.fetch_sub(self.0, SeqCst);
        }
    }
}

#[test]
fn a_budget_that_is_too_small_is_refused_before_anything_runs() {
    let engine = Engine::builder()
        .threads(2)
        .memory("1 MiB")
        .build()
        .unwrap();
    let called = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&called);
    let small = delayed(move || count.fetch_add(1, SeqCst));
    let large = small
        .map(|_| vec![0_u8; 10])
        .bytes(2 << 20)
        .named("the large one");
    let error = engine.compute(&large.map(|bytes| bytes.len())).unwrap_err();
    assert!(
        error.is_memory() && error.to_string().contains("the large one"),
        "{error}"
    );
    assert_eq!(called.load(SeqCst), 0);
    assert!(
        engine
            .explain(&large)
            .unwrap()
            .to_string()
            .contains("1 of undeclared size")
    );
}

#[test]
fn errors_name_the_call_and_its_line() {
    on_every_engine(|engine| {
        let bad = delayed(|| 1)
            .map(|_| -> u8 { panic!("oh") })
            .named("step 2");
        let error = engine.compute(&bad.map(|b| b + 1)).unwrap_err().to_string();
        assert!(error.contains("panicked: oh, in step 2"), "{error}");
        assert!(error.contains("delayed.rs"), "{error}");
        let bad = try_combine([&delayed(|| 1), &delayed(|| 0)], |[a, b]: [&i32; 2]| {
            a.checked_div(*b).ok_or("no quotient")
        });
        let error = engine.compute(&bad).unwrap_err();
        assert!(
            error.is_task() && error.to_string().contains("no quotient"),
            "{error}"
        );
        // The engine goes on.
        assert_eq!(engine.compute(&delayed(|| 3)).unwrap(), 3);
    });
}

#[test]
fn retries_are_of_one_call() {
    let tries = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&tries);
    let unsteady = delayed(|| 10).try_map(move |x| match count.fetch_add(1, SeqCst) {
        0 => Err("an error"),
        1 => panic!("a panic"),
        n => Ok(x + n),
    });
    assert!(
        unsteady
            .clone()
            .retries(1)
            .compute()
            .unwrap_err()
            .is_panic()
    );
    tries.store(0, SeqCst);
    assert_eq!(unsteady.retries(5).compute().unwrap(), 12);
    assert_eq!(tries.load(SeqCst), 3);
}

#[test]
fn cancelled_graphs_end() {
    let cancel = Cancel::new();
    let engine = Engine::builder()
        .threads(2)
        .build()
        .unwrap()
        .cancelled_by(&cancel);
    let pull = cancel.clone();
    let many: Vec<_> = (0..100_000)
        .map(|i| {
            let pull = pull.clone();
            delayed(move || {
                if i == 500 {
                    pull.cancel()
                }
            })
        })
        .collect();
    assert!(engine.compute(&many).unwrap_err().is_cancelled());
}

#[test]
fn a_million_deep_builds_runs_and_drops() {
    within("a deep chain", || {
        let mut chain = delayed(|| 0_u64);
        for _ in 0..1_000_000 {
            chain = chain.map(|n| n + 1);
        }
        assert_eq!(chain.compute().unwrap(), 1_000_000);
        drop(chain);
    });
}

#[test]
fn blocks_of_an_array_and_back() {
    on_every_engine(|engine| {
        let x = Array::<f64>::arange(0.0, 60.0, 1.0, ..)
            .reshape([6, 10])
            .rechunk([4, 3]);
        let blocks = x.to_delayed().unwrap();
        assert_eq!(blocks.shape(), [2, 4]);
        let doubled = blocks.map(|block| block.map(|block| block * 2.0));
        let y = Array::from_delayed(doubled, [6, 10], [4, 3]);
        let expected = engine.compute(&(2.0 * &x)).unwrap();
        assert_eq!(engine.compute(&y).unwrap(), expected);
        // In expressions, reduced, sliced, rechunked, streamed, persisted.
        let z = (&y + 1.0).sum(0);
        assert_eq!(
            engine.compute(&z).unwrap(),
            engine.compute(&(2.0 * &x + 1.0).sum(0)).unwrap()
        );
        let part = y.slice(flagstone::s![1..5, 2..;3]).rechunk(2);
        assert_eq!(
            engine.compute(&part).unwrap(),
            expected.slice(ndarray::s![1..5, 2..;3]).into_dyn()
        );
        let mut streamed = ArrayD::zeros(vec![6, 10]);
        for block in engine.blocks(&y) {
            let block = block.unwrap();
            let at = block.region().start().to_vec();
            for (index, value) in block.values().indexed_iter() {
                streamed[[at[0] + index[0], at[1] + index[1]]] = *value;
            }
        }
        assert_eq!(streamed, expected);
        let kept = engine.persist(&y).unwrap();
        assert_eq!(engine.compute(&kept).unwrap(), expected);
        let mut out = ndarray::Array2::zeros([6, 10]);
        engine.compute_into(&y, &mut out).unwrap();
        assert_eq!(out.into_dyn(), expected);
    });
}

#[test]
fn what_blocks_share_is_computed_once() {
    on_every_engine(|engine| {
        let calls = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&calls);
        let x = Array::<f64>::ones([8, 4], [2, 4]).map_blocks(move |block| {
            count.fetch_add(1, SeqCst);
            block.to_owned()
        });
        // The mean is of all blocks; every block of the difference needs it, and a block of x.
        let y = &x - &x.mean(0);
        let blocks = y.to_delayed().unwrap();
        let sums: Vec<_> = blocks
            .iter()
            .map(|block| block.map(|block| block.sum()))
            .collect();
        let z = Array::from_delayed(
            blocks.iter().map(|block| block.map(|block| block + 1.0)),
            [8, 4],
            [2, 4],
        );
        let (sums, total) = engine.compute(&(&sums, z.sum(..))).unwrap();
        assert_eq!((sums, total.sum()), (vec![0.0; 4], 32.0));
        let alone = Arc::clone(&calls);
        let once = alone.swap(0, SeqCst);
        engine.compute(&y).unwrap();
        assert_eq!(
            once,
            alone.swap(0, SeqCst),
            "as many calls as the array alone takes"
        );
        // One block of several needs only its own.
        engine.compute(&x.to_delayed().unwrap()[[2, 0]]).unwrap();
        assert_eq!(alone.load(SeqCst), 1);
    });
}

#[test]
fn only_needed_blocks_are_made() {
    let made = Arc::new(AtomicUsize::new(0));
    let block = |i: usize| {
        let made = Arc::clone(&made);
        delayed(move || {
            made.fetch_add(1, SeqCst);
            ArrayD::from_elem(vec![2], i as i64)
        })
    };
    let x = Array::from_delayed((0..5).map(block), 10, 2);
    assert_eq!(x.slice(flagstone::s![5]).item().unwrap(), 2);
    assert_eq!(made.load(SeqCst), 1);
}

#[test]
fn wrong_blocks_are_named() {
    let block = |i: usize| delayed(move || ArrayD::from_elem(vec![2 + i / 3], 1.0));
    let x = Array::from_delayed((0..4).map(block), [8], 2);
    let error = x.sum(..).compute().unwrap_err();
    assert!(error.is_shape(), "{error}");
    assert!(
        error.to_string().contains("[3]") && error.to_string().contains("block [3]"),
        "{error}"
    );
    let few = Array::from_delayed((0..3).map(block), [8], 2);
    assert!(few.compute().unwrap_err().is_chunks());
    let broken = Array::<f64>::ones(3, ..) + Array::<f64>::ones(4, ..);
    assert!(broken.to_delayed().unwrap_err().is_shape());
}

#[test]
fn arrays_and_delayed_values_in_turn() {
    // Five rounds of array -> delayed -> array in one graph.
    on_every_engine(|engine| {
        let calls = Arc::new(AtomicUsize::new(0));
        let mut x = Array::<f64>::ones([6, 6], 2);
        for _ in 0..5 {
            let blocks = (&x + &x.t()).to_delayed().unwrap();
            let halved = blocks.map(|block| {
                let calls = Arc::clone(&calls);
                block.map(move |block| {
                    calls.fetch_add(1, SeqCst);
                    block / 2.0
                })
            });
            x = Array::from_delayed(halved, [6, 6], 2);
        }
        let scalar = delayed(|| 4.0);
        let (x, scalar) = engine.compute(&(&x, &scalar)).unwrap();
        assert_eq!((x.sum(), scalar), (36.0, 4.0));
        assert_eq!(calls.load(SeqCst), 45);
    });
}

#[test]
fn mixed_graphs_keep_to_the_budget() {
    let engine = Engine::builder()
        .threads(2)
        .memory("2 MiB")
        .build()
        .unwrap();
    let x = Array::<f64>::ones([1024, 1024], 64);
    let y = (&x + &x.mean(0)).to_delayed().unwrap();
    let sums: Vec<_> = y
        .iter()
        .map(|block| block.map(|block| block.sum()).bytes(8))
        .collect();
    let total = combine(&sums, |sums| sums.into_iter().sum::<f64>()).bytes(8);
    let (value, report) = engine.measure(&total).unwrap();
    assert_eq!(value, 2.0 * 1024.0 * 1024.0);
    assert!(report.held_peak_bytes <= report.planned_peak_bytes);
    assert!(report.planned_peak_bytes <= 2 << 20);
    let graph = engine.task_graph(&total).unwrap();
    assert!(!graph.is_summarized() && graph.to_dot().contains("combine"));
}

#[test]
fn loops_and_computations_inside_of_calls() {
    on_every_engine(|engine| {
        let inner = engine.clone();
        let sum = delayed(move || {
            let squares = inner.pool().map(0..100, |i| i * i).unwrap();
            let ones = inner
                .compute(&Array::<f64>::ones([10, 10], 3).sum(..))
                .unwrap()
                .sum();
            let deeper = inner.compute(&delayed(|| 1).map(|x| x + 1)).unwrap();
            squares.into_iter().sum::<i32>() + ones as i32 + deeper
        });
        assert_eq!(engine.compute(&sum).unwrap(), 328_350 + 100 + 2);
    });
}

#[test]
fn values_that_cannot_be_cloned() {
    struct Lone(u8);
    let lone = delayed(|| Lone(7));
    assert_eq!(lone.shared().compute().unwrap().0, 7);
    let taken = lone.map(|lone| lone.0);
    assert_eq!(compute((&taken, &lone.shared())).unwrap().1.0, 7);
    assert_eq!(
        task::Delayed::of(Lone(3))
            .map(|lone| lone.0)
            .compute()
            .unwrap(),
        3
    );
}

/// A node of a random graph: what it adds, what it reads, the bytes that it declares.
type Spec = (u64, Vec<prop::sample::Index>, Option<u16>);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Random graphs against a plain evaluator; every call that is needed runs exactly once.
    #[test]
    fn as_a_plain_evaluator(
        specs in prop::collection::vec(
            (0_u64..1000, prop::collection::vec(any::<prop::sample::Index>(), 0..4),
             prop::option::of(0_u16..1000)),
            1..60,
        ),
        asked in prop::collection::vec(any::<prop::sample::Index>(), 1..5),
        threads in 1_usize..4,
    ) {
        let specs: Vec<Spec> = specs;
        let engine = Engine::builder().threads(threads).memory(1_000_000).build().unwrap();
        let ran: Vec<Arc<AtomicUsize>> = specs.iter().map(|_| Arc::default()).collect();
        let (mut values, mut needs) = (Vec::<u64>::new(), Vec::new());
        let mut nodes: Vec<Delayed<u64>> = Vec::new();
        for (number, (own, reads, bytes)) in specs.iter().enumerate() {
            let reads: Vec<usize> = match number {
                0 => Vec::new(),
                _ => reads.iter().map(|read| read.index(number)).collect(),
            };
            let own = *own;
            let count = Arc::clone(&ran[number]);
            let inputs: Vec<Delayed<u64>> = reads.iter().map(|&read| nodes[read].clone()).collect();
            let mut node = combine(inputs, move |inputs| {
                count.fetch_add(1, SeqCst);
                inputs.into_iter().fold(own, |sum, input| sum.wrapping_mul(31).wrapping_add(*input))
            });
            if let Some(bytes) = bytes {
                node = node.bytes(u64::from(*bytes));
            }
            let value = reads.iter().fold(own, |sum, &read| {
                sum.wrapping_mul(31).wrapping_add(values[read])
            });
            nodes.push(node);
            values.push(value);
            needs.push(reads);
        }
        let asked: Vec<usize> = asked.iter().map(|one| one.index(specs.len())).collect();
        let wanted: Vec<&Delayed<u64>> = asked.iter().map(|&one| &nodes[one]).collect();
        let (results, report) = engine.measure(&wanted).unwrap();
        let expected: Vec<u64> = asked.iter().map(|&one| values[one]).collect();
        prop_assert_eq!(results, expected);
        let mut needed = vec![false; specs.len()];
        let mut stack = asked;
        while let Some(one) = stack.pop() {
            if !std::mem::replace(&mut needed[one], true) {
                stack.extend(&needs[one]);
            }
        }
        for (number, needed) in needed.iter().enumerate() {
            prop_assert_eq!(ran[number].load(SeqCst), usize::from(*needed));
        }
        prop_assert!(report.held_peak_bytes <= report.planned_peak_bytes);
    }
}
