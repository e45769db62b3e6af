//! Consumers that are slow, that compute, that leave.

use std::sync::Arc;

use super::*;
use crate::exec::{RunOptions, Stream};

/// `n` delivered blocks of 8 bytes, each of a block of its own and of its neighbour's.
fn blocks(n: u32) -> (Arc<Tasks>, Arc<Order>) {
    let stage = |first, delivered| StageTasks {
        first,
        count: n,
        output_bytes: 8,
        scratch_bytes: 8,
        delivered,
        fetches: false,
    };
    let mut starts = vec![0; n as usize + 1];
    let mut inputs = Vec::new();
    for task in 0..n {
        inputs.extend([task, (task + 1).min(n - 1)]);
        starts.push(inputs.len() as u32);
    }
    let tasks = Tasks::new(vec![stage(0, false), stage(n, true)], starts, inputs);
    let roots: Vec<u32> = (n..2 * n).collect();
    let order = order(&tasks, Some(&roots));
    (Arc::new(tasks), Arc::new(order))
}

fn open(executor: &Executor, n: u32) -> (Stream, Arc<Checked>) {
    let (tasks, order) = blocks(n);
    let work = Checked::new(&tasks, &Meter::new(executor.ledger.budget()), |_| Ok(()));
    let stream = executor
        .stream(tasks, order, Arc::clone(&work) as _, &RunOptions::default())
        .unwrap();
    (stream, work)
}

fn compute(executor: &Executor) -> Result<()> {
    let (tasks, order) = planned(uniform(20, 8, 8, |_| vec![]));
    let work = Checked::new(&tasks, &Meter::new(1 << 40), |_| Ok(()));
    executor.run(tasks, order, work, &RunOptions::default())?;
    Ok(())
}

#[test]
fn a_computation_inside_the_loop() {
    for threads in [1, 2, 8] {
        // The stream's floor is 32 bytes, the computation's 16; it takes half of what is left for itself.
        for (budget, fits) in [(64, true), (100, true), (40, false)] {
            let executor = executor(threads, budget);
            let (stream, work) = open(&executor, 100);
            for task in 100..200 {
                stream.wait(task).unwrap();
                stream.take(task);
                match compute(&executor) {
                    Ok(()) => assert!(fits),
                    Err(error) => {
                        assert!(!fits && error.is_memory());
                        assert!(error.to_string().contains("1 open streams"), "{error}");
                    }
                }
            }
            let report = stream.finish().unwrap();
            work.assert_complete();
            assert!(report.held_peak <= report.planned_peak);
            compute(&executor).unwrap();
            assert_eq!(executor.ledger.usage(), Default::default());
        }
    }
}

#[test]
fn an_idle_consumer_holds_what_it_pinned_and_no_more() {
    let executor = executor(2, 10_000);
    let (stream, work) = open(&executor, 1000);
    for task in 1000..1010 {
        stream.wait(task).unwrap();
        stream.take(task);
        stream.take(task);
    }
    compute(&executor).unwrap();
    let usage = executor.ledger.usage();
    assert_eq!((usage.open_streams, usage.runs), (1, 0));
    assert!(work.count(2) as u64 * 8 <= usage.streams);
    // Dropped half consumed.
    drop(stream);
    work.assert_clean();
    assert_eq!(executor.ledger.usage(), Default::default());
}

#[test]
fn an_error_reaches_the_consumer_after_what_came_before() {
    let executor = executor(2, 1000);
    let (tasks, order) = blocks(20);
    let work = Checked::new(&tasks, &Meter::new(1000), |task| match task {
        30 => Err(failure()),
        _ => Ok(()),
    });
    let stream = executor
        .stream(tasks, order, Arc::clone(&work) as _, &RunOptions::default())
        .unwrap();
    let mut seen = None;
    for task in 20..40 {
        if let Err(error) = stream.wait(task) {
            seen = Some((task, error));
            break;
        }
        stream.take(task);
    }
    let (task, error) = seen.unwrap();
    assert!(task <= 30);
    assert_eq!(error.to_string(), "made to fail, block [30]");
    assert!(stream.finish().is_err());
    work.assert_clean();
    assert_eq!(executor.ledger.usage(), Default::default());
}

#[test]
fn waiting_out_of_order_is_an_error_not_a_hang() {
    let executor = executor(2, 1000);
    let (stream, _) = open(&executor, 1000);
    let error = stream.wait(1999).unwrap_err();
    assert!(error.to_string().contains("in order"), "{error}");
}

#[test]
fn streams_inside_tasks_and_on_threads_of_the_pool() {
    for threads in [1, 2] {
        let rayon = Arc::new(
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap(),
        );
        let executor = Executor::new(Pool::shared(Arc::clone(&rayon)), Ledger::new(10_000));
        let consume = |executor: &Executor| {
            let (stream, work) = open(executor, 30);
            for task in 30..60 {
                stream.wait(task).unwrap();
                stream.take(task);
            }
            stream.finish().unwrap();
            work.assert_complete();
        };
        rayon.install(|| consume(&executor));
        let inner = executor.clone();
        let (tasks, order) = planned(uniform(10, 8, 8, |_| vec![]));
        let work = Checked::new(&tasks, &Meter::new(1000), move |_| {
            consume(&inner);
            Ok(())
        });
        executor
            .run(tasks, order, work, &RunOptions::default())
            .unwrap();
        assert_eq!(executor.ledger.usage(), Default::default());
    }
}

#[test]
fn executors_and_streams_can_be_sent() {
    fn sent<T: Send + Sync + 'static>() {}
    sent::<Executor>();
    sent::<Stream>();
    sent::<RunOptions>();
}

#[test]
fn serial_streams_run_when_asked() {
    let executor = executor(1, 1000);
    let (tasks, order) = blocks(50);
    let work = Checked::new(&tasks, &Meter::new(1000), |_| Ok(()));
    let options = RunOptions {
        serial: true,
        ..RunOptions::default()
    };
    let stream = executor
        .stream(tasks, order, Arc::clone(&work) as _, &options)
        .unwrap();
    assert_eq!(work.count(0), 100);
    for task in 50..100 {
        stream.wait(task).unwrap();
        stream.take(task);
    }
    stream.finish().unwrap();
    work.assert_complete();
}
