//! Floors, borrowing, pinned bytes.

use std::sync::Arc;
use std::sync::mpsc::channel;

use super::*;
use crate::exec::{Cancel, RunOptions};

fn run(
    executor: &Executor,
    tasks: Tasks,
    action: impl Fn(u32) -> Result<()> + Send + Sync + 'static,
) -> Result<crate::exec::drive::RunReport> {
    let (tasks, order) = planned(tasks);
    let work = Checked::new(&tasks, &Meter::new(1 << 40), action);
    let result = executor.run(tasks, order, Arc::clone(&work) as _, &RunOptions::default());
    work.assert_clean();
    result
}

fn side_by_side() -> Tasks {
    uniform(100, 0, 100, |_| vec![])
}

#[test]
fn the_plan_says_what_is_held() {
    let executor = executor(2, 10_000);
    let report = run(&executor, side_by_side(), |_| Ok(())).unwrap();
    assert_eq!(report.planned_peak, 100 + 2 * 2 * 100);
    assert!(report.held_peak <= report.planned_peak && report.held_peak >= 100);
    assert_eq!(report.tasks, 100);
}

#[test]
fn too_little_memory_names_the_task_and_nothing_runs() {
    let executor = executor(2, 99);
    let error = run(&executor, side_by_side(), |_| panic!("ran")).unwrap_err();
    assert!(error.is_memory());
    let text = error.to_string();
    for part in ["100 bytes", "99 bytes", "block [0]"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn pinned_bytes_are_not_waited_for() {
    let executor = executor(2, 250);
    let hold = executor.ledger.hold(151).unwrap();
    let error = run(&executor, side_by_side(), |_| panic!("ran")).unwrap_err();
    assert!(error.is_memory());
    let text = error.to_string();
    for part in ["100 bytes", "250 bytes", "151 by 1 persisted"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(executor.ledger.hold(100).is_err());
    drop(hold);
    run(&executor, side_by_side(), |_| Ok(())).unwrap();
    assert_eq!(executor.ledger.usage(), Default::default());
}

#[test]
fn a_floor_takes_back_what_was_borrowed() {
    // One run borrows all; the other's floor fits only when that is returned.
    let executor = executor(2, 600);
    let (started, starts) = channel();
    std::thread::scope(|scope| {
        let executor = &executor;
        scope.spawn(move || {
            let mut first = Some(started).into_iter();
            let first = std::sync::Mutex::new(move || first.next());
            run(executor, uniform(2000, 0, 100, |_| vec![]), move |_| {
                if let Some(started) = first.lock().unwrap()() {
                    started.send(()).unwrap();
                }
                Ok(())
            })
            .unwrap();
        });
        starts.recv().unwrap();
        let report = run(executor, uniform(5, 0, 500, |_| vec![]), |_| Ok(())).unwrap();
        assert!(!report.outside_promise);
    });
    assert_eq!(executor.ledger.usage(), Default::default());
}

#[test]
fn waiting_for_memory_can_be_cancelled() {
    let executor = executor(2, 100);
    let (started, starts) = channel();
    let (end, ends) = channel::<()>();
    let ends = std::sync::Mutex::new(ends);
    std::thread::scope(|scope| {
        let executor = &executor;
        scope.spawn(move || {
            run(executor, uniform(1, 0, 60, |_| vec![]), move |_| {
                started.send(()).unwrap();
                let _ = ends.lock().unwrap().recv();
                Ok(())
            })
            .unwrap();
        });
        starts.recv().unwrap();
        let cancel = Cancel::new();
        cancel.cancel();
        let (tasks, order) = planned(uniform(1, 0, 60, |_| vec![]));
        let work = Checked::new(&tasks, &Meter::new(60), |_| Ok(()));
        let options = RunOptions {
            cancel: Some(cancel),
            ..RunOptions::default()
        };
        let error = executor
            .run(tasks, order, Arc::clone(&work) as _, &options)
            .unwrap_err();
        assert!(error.is_cancelled());
        assert_eq!(work.count(0), 1);
        end.send(()).unwrap();
    });
    assert_eq!(executor.ledger.usage(), Default::default());
}

#[test]
fn what_is_pinned_while_someone_waits_ends_the_wait() {
    let ledger = Ledger::new(100);
    let executor = Executor::new(Pool::new(1).unwrap(), ledger.clone());
    // Inside a task nobody waits, so this pin goes past the one in the queue.
    let (waiting, waits) = channel();
    let waits = std::sync::Mutex::new(waits);
    let pins = std::sync::Mutex::new(None);
    std::thread::scope(|scope| {
        let (executor, pins, ledger) = (&executor, &pins, &ledger);
        let (started, starts) = channel();
        let waiter = scope.spawn(move || {
            starts.recv().unwrap();
            waiting.send(()).unwrap();
            run(executor, uniform(1, 0, 60, |_| vec![]), |_| Ok(()))
        });
        let inner = ledger.clone();
        let (pinned, pin) = channel();
        run(executor, uniform(1, 0, 50, |_| vec![]), move |_| {
            started.send(()).unwrap();
            waits.lock().unwrap().recv().unwrap();
            pinned.send(inner.hold(45).unwrap()).unwrap();
            Ok(())
        })
        .unwrap();
        *pins.lock().unwrap() = Some(pin.recv().unwrap());
        assert!(waiter.join().unwrap().unwrap_err().is_memory());
    });
}
