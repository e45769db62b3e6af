//! Many small graphs at the smallest budget that holds them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::exec::{Cancel, RunOptions};

/// How many graphs: `FLAGSTONE_GRAPHS=100000` for the long run.
fn graphs() -> u64 {
    std::env::var("FLAGSTONE_GRAPHS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1000)
}

/// Runs `count` graphs on each of three pools, each in exactly its floor.
fn at_the_floor(count: u64, mut one: impl FnMut(u64, &mut Dice, Pool)) {
    for threads in [1, 2, 8] {
        let pool = Pool::new(threads).unwrap();
        for seed in 0..count {
            one(seed, &mut Dice(seed), pool.clone());
        }
    }
}

#[test]
fn every_task_runs_once_within_the_floor() {
    at_the_floor(graphs(), |seed, dice, pool| {
        let (tasks, order) = planned(random_tasks(dice));
        let executor = Executor::new(pool, Ledger::new(order.floor));
        let meter = Meter::new(order.floor);
        let work = Checked::new(&tasks, &meter, |_| Ok(()));
        let options = RunOptions {
            serial: dice.below(8) == 0,
            joins: dice.below(2) == 0,
            ..RunOptions::default()
        };
        let report = executor
            .run(
                Arc::clone(&tasks),
                Arc::clone(&order),
                Arc::clone(&work) as _,
                &options,
            )
            .unwrap_or_else(|error| panic!("graph {seed}: {error}"));
        assert_eq!(Arc::strong_count(&work), 1, "someone still has the work");
        work.assert_complete();
        assert_eq!(meter.held(), 0);
        assert!(report.held_peak <= order.floor && !report.outside_promise);
        assert_eq!(executor.ledger.usage(), Default::default());
    });
}

#[test]
fn whatever_fails_leaves_nothing_behind() {
    at_the_floor(graphs(), |seed, dice, pool| {
        let (tasks, order) = planned(random_tasks(dice));
        // Above the floor too, so that more runs at the moment of the failure.
        let budget = order.floor + dice.below(60);
        let executor = Executor::new(pool, Ledger::new(budget));
        let meter = Meter::new(budget);
        let victim = dice.below(tasks.len() as u64) as u32;
        let way = dice.below(3);
        let cancel = Cancel::new();
        let happened = Arc::new(AtomicBool::new(false));
        let work = Checked::new(&tasks, &meter, {
            let (cancel, happened) = (cancel.clone(), Arc::clone(&happened));
            move |task| {
                if task == victim {
                    happened.store(true, Ordering::SeqCst);
                    match way {
                        0 => return Err(failure()),
                        1 => std::panic::panic_any("made to panic"),
                        _ => cancel.cancel(),
                    }
                }
                Ok(())
            }
        });
        let options = RunOptions {
            cancel: Some(cancel),
            joins: dice.below(2) == 0,
            ..RunOptions::default()
        };
        let result = executor.run(tasks, order, Arc::clone(&work) as _, &options);
        assert!(happened.load(Ordering::SeqCst));
        match (way, result) {
            (0, Err(error)) => {
                assert_eq!(error.to_string(), format!("made to fail, block [{victim}]"))
            }
            (1, Err(error)) => {
                assert!(error.is_panic());
                assert_eq!(
                    error.to_string(),
                    format!("panicked: made to panic, block [{victim}]")
                );
            }
            (2, Err(error)) => assert!(error.is_cancelled()),
            // Cancelled by the last task.
            (2, Ok(_)) => work.assert_complete(),
            (_, Ok(_)) => panic!("graph {seed} did not fail"),
            _ => unreachable!(),
        }
        assert_eq!(Arc::strong_count(&work), 1);
        work.assert_clean();
        assert_eq!(meter.held(), 0);
        assert_eq!(executor.ledger.usage(), Default::default());
    });
}

#[test]
fn streams_within_the_floor() {
    at_the_floor(graphs(), |_, dice, pool| {
        let mut tasks = random_tasks(dice);
        for stage in &mut tasks.stages {
            stage.delivered = dice.below(2) == 0;
        }
        let mut delivered: Vec<u32> = (0..tasks.len() as u32)
            .filter(|&task| tasks.delivered(task))
            .collect();
        if dice.below(2) == 0 {
            delivered.reverse();
        }
        let order = Arc::new(crate::graph::tasks::order(&tasks, Some(&delivered)));
        let tasks = Arc::new(tasks);
        let budget = order.floor + dice.below(2) * dice.below(60);
        let executor = Executor::new(pool, Ledger::new(budget));
        let meter = Meter::new(budget);
        let work = Checked::new(&tasks, &meter, |_| Ok(()));
        let options = RunOptions {
            serial: dice.below(8) == 0,
            // Nobody joins a stream.
            joins: dice.below(2) == 0,
            ..RunOptions::default()
        };
        let stream = executor
            .stream(Arc::clone(&tasks), order, Arc::clone(&work) as _, &options)
            .unwrap();
        // Some consumers stop early.
        let taken = match dice.below(2) {
            0 => delivered.len(),
            _ => dice.below(delivered.len() as u64 + 1) as usize,
        };
        for &task in &delivered[..taken] {
            stream.wait(task).unwrap();
            stream.take(task);
        }
        assert_eq!(executor.ledger.usage().open_streams, 1);
        drop(stream);
        work.assert_clean();
        assert_eq!(Arc::strong_count(&work), 1);
        assert_eq!(meter.held(), 0);
        assert_eq!(executor.ledger.usage(), Default::default());
    });
}

#[test]
fn runs_at_once_share_a_budget_that_holds_only_one() {
    for threads in [1, 2, 8] {
        let pool = Pool::new(threads).unwrap();
        for seed in 0..graphs() / 20 {
            let mut dice = Dice(seed);
            let plans: Vec<_> = (0..4).map(|_| planned(random_tasks(&mut dice))).collect();
            let budget = plans.iter().map(|(_, order)| order.floor).max().unwrap();
            let executor = Executor::new(pool.clone(), Ledger::new(budget));
            let meter = Meter::new(budget);
            std::thread::scope(|scope| {
                for (tasks, order) in &plans {
                    let work = Checked::new(tasks, &meter, |_| Ok(()));
                    let executor = &executor;
                    scope.spawn(move || {
                        let report = executor
                            .run(
                                Arc::clone(tasks),
                                Arc::clone(order),
                                Arc::clone(&work) as _,
                                &RunOptions::default(),
                            )
                            .unwrap();
                        assert!(!report.outside_promise);
                        work.assert_complete();
                    });
                }
            });
            assert_eq!(executor.ledger.usage(), Default::default());
        }
    }
}
