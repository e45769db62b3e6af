//! Deep, wide, and the cost of a task.

use std::sync::Arc;
use std::time::Instant;

use super::*;
use crate::exec::RunOptions;

struct Empty;

impl Work for Empty {
    fn run(&self, _: u32) -> Result<()> {
        Ok(())
    }

    fn release(&self, _: u32) {}

    fn describe(&self, task: u32) -> String {
        task.to_string()
    }
}

const MILLION: u32 = 1_000_000;

fn chain() -> Tasks {
    uniform(MILLION, 8, 8, |task| {
        task.checked_sub(1).into_iter().collect()
    })
}

fn independent(bytes: u64) -> Tasks {
    uniform(MILLION, bytes, bytes, |_| Vec::new())
}

#[test]
fn a_million_in_a_chain() {
    let (tasks, order) = planned(chain());
    let executor = executor(2, order.floor);
    let meter = Meter::new(order.floor);
    let work = Checked::new(&tasks, &meter, |_| Ok(()));
    executor
        .run(tasks, order, Arc::clone(&work) as _, &RunOptions::default())
        .unwrap();
    work.assert_complete();
}

#[test]
fn a_million_side_by_side() {
    for bytes in [0, 8] {
        let (tasks, order) = planned(independent(bytes));
        let executor = executor(2, 1000);
        let meter = Meter::new(executor.plan_peak(&order));
        let work = Checked::new(&tasks, &meter, |_| Ok(()));
        executor
            .run(tasks, order, Arc::clone(&work) as _, &RunOptions::default())
            .unwrap();
        work.assert_complete();
    }
}

/// By hand: `cargo test --release overhead -- --ignored --nocapture`.
#[test]
#[ignore = "prints times"]
fn overhead() {
    let tree = || {
        uniform(MILLION, 8, 8, |task| match task {
            0..500_000 => vec![],
            _ if task < MILLION - 1 => vec![2 * (task - 500_000), 2 * (task - 500_000) + 1],
            _ => vec![],
        })
    };
    let named: [(&str, Tasks); 4] = [
        ("chain", chain()),
        ("independent, no bytes", independent(0)),
        ("independent", independent(8)),
        ("pairs", tree()),
    ];
    for (name, tasks) in named {
        let start = Instant::now();
        let (tasks, order) = planned(tasks);
        println!("{name}: order {:?}", start.elapsed());
        for threads in [1, 2] {
            for serial in [true, false] {
                let executor = executor(threads, u64::MAX);
                let options = RunOptions {
                    serial,
                    ..RunOptions::default()
                };
                let report = executor
                    .run(
                        Arc::clone(&tasks),
                        Arc::clone(&order),
                        Arc::new(Empty),
                        &options,
                    )
                    .unwrap();
                println!(
                    "{name}: {threads} threads, serial {serial}: {:.0} ns a task",
                    report.seconds * 1e9 / f64::from(MILLION)
                );
            }
        }
    }
    let (tasks, order) = planned(uniform(8, 8, 8, |_| Vec::new()));
    for threads in [1, 2] {
        for serial in [true, false] {
            let executor = executor(threads, u64::MAX);
            let options = RunOptions {
                serial,
                ..RunOptions::default()
            };
            let start = Instant::now();
            for _ in 0..10_000 {
                executor
                    .run(
                        Arc::clone(&tasks),
                        Arc::clone(&order),
                        Arc::new(Empty),
                        &options,
                    )
                    .unwrap();
            }
            println!(
                "8 tasks: {threads} threads, serial {serial}: {:?} a run",
                start.elapsed() / 10_000
            );
        }
    }
}
