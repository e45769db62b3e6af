//! One computation fails; the next one does not notice.

use std::sync::{Arc, Mutex};

use super::*;
use crate::exec::{Cancel, Event, Observer, RunOptions};

fn watched(observers: Vec<Arc<dyn Observer>>) -> RunOptions {
    RunOptions {
        observers,
        ..RunOptions::default()
    }
}

#[derive(Default)]
struct Diary(Mutex<Vec<Event>>);

impl Observer for Diary {
    fn event(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

/// Panics at the n-th event.
struct Grumpy(AtomicU32);

impl Observer for Grumpy {
    fn event(&self, _: &Event) {
        assert!(self.0.fetch_sub(1, Ordering::SeqCst) != 1, "enough");
    }
}

#[test]
fn events_tell_the_whole_story() {
    let (tasks, order) = planned(uniform(50, 8, 8, |task| {
        task.checked_sub(5).into_iter().collect()
    }));
    let executor = executor(2, 1000);
    let diary = Arc::new(Diary::default());
    let work = Checked::new(&tasks, &Meter::new(1000), |_| Ok(()));
    let report = executor
        .run(tasks, order, work, &watched(vec![Arc::clone(&diary) as _]))
        .unwrap();
    let events = diary.0.lock().unwrap();
    assert!(
        matches!(events[0], Event::Planned { tasks: 50, planned_peak, .. }
        if planned_peak == report.planned_peak)
    );
    assert!(
        matches!(events[events.len() - 1], Event::Ended { ok: true, held_peak, .. }
        if held_peak == report.held_peak)
    );
    for task in 0..50 {
        let at = |event: fn(&Event) -> Option<u32>| {
            let found = events
                .iter()
                .enumerate()
                .filter(|(_, e)| event(e) == Some(task));
            let found: Vec<_> = found.map(|(at, _)| at).collect();
            assert_eq!(found.len(), 1);
            found[0]
        };
        let started = at(|event| match event {
            Event::Started { task, .. } => Some(*task),
            _ => None,
        });
        let finished = at(|event| match event {
            Event::Finished { task, .. } => Some(*task),
            _ => None,
        });
        assert!(started < finished);
    }
}

#[test]
fn an_observer_that_panics_loses_only_itself() {
    // The first event, the next, one in the middle, the last.
    let all = [1, 2].map(|threads| [1, 2, 40, 103].map(|n| (threads, n)));
    for (threads, n) in all.into_iter().flatten() {
        let executor = executor(threads, 1000);
        let (tasks, order) = planned(uniform(50, 8, 8, |_| vec![]));
        let meter = Meter::new(1000);
        let work = Checked::new(&tasks, &meter, |_| Ok(()));
        let diary = Arc::new(Diary::default());
        let grumpy = Arc::new(Grumpy(AtomicU32::new(n)));
        let report = executor
            .run(
                Arc::clone(&tasks),
                Arc::clone(&order),
                Arc::clone(&work) as _,
                &watched(vec![
                    Arc::clone(&diary) as _,
                    Arc::clone(&grumpy) as _,
                    Arc::clone(&diary) as _,
                ]),
            )
            .unwrap();
        work.assert_complete();
        assert_eq!(meter.held(), 0);
        assert_eq!(report.lost_observers, 1);
        // Other threads may call it while one unwinds; nobody calls it after that.
        let after = 0_u32.wrapping_sub(grumpy.0.load(Ordering::SeqCst));
        assert!(threads > 1 || after == 0, "{after} calls after the panic");
        let events = diary.0.lock().unwrap();
        let lost = events.iter().filter_map(|event| match event {
            Event::ObserverLost { message, .. } => Some(message.to_string()),
            _ => None,
        });
        let lost: Vec<String> = lost.collect();
        let told = if n == 103 { 0 } else { 2 };
        assert_eq!(lost, vec!["panicked: enough"; told]);
        assert!(matches!(
            events[events.len() - 1],
            Event::Ended { ok: true, .. }
        ));
        assert_eq!(events.len(), 2 * 103 + told);
    }
}

/// What it throws panics again when it is dropped.
struct Venomous;

struct Sting;

impl Drop for Sting {
    fn drop(&mut self) {
        panic!("stung");
    }
}

impl Observer for Venomous {
    fn event(&self, _: &Event) {
        std::panic::panic_any(Sting);
    }
}

#[test]
fn observers_that_all_panic_with_what_cannot_be_dropped() {
    let executor = executor(2, 1000);
    let (tasks, order) = planned(uniform(50, 8, 8, |_| vec![]));
    let work = Checked::new(&tasks, &Meter::new(1000), |_| Ok(()));
    let observers: Vec<Arc<dyn Observer>> = (0..3).map(|_| Arc::new(Venomous) as _).collect();
    let report = executor
        .run(tasks, order, Arc::clone(&work) as _, &watched(observers))
        .unwrap();
    work.assert_complete();
    assert_eq!(report.lost_observers, 3);
}

#[test]
fn a_task_that_fails_says_so_once() {
    let executor = executor(2, 1000);
    let (tasks, order) = planned(uniform(50, 8, 8, |_| vec![]));
    let work = Checked::new(&tasks, &Meter::new(1000), |task| match task {
        20 => Err(Error::new(Kind::Value, "no")),
        _ => Ok(()),
    });
    let diary = Arc::new(Diary::default());
    let error = executor
        .run(tasks, order, work, &watched(vec![Arc::clone(&diary) as _]))
        .unwrap_err();
    let events = diary.0.lock().unwrap();
    let failed: Vec<&Event> = events
        .iter()
        .filter(|event| matches!(event, Event::Failed { .. }))
        .collect();
    let [
        Event::Failed {
            task: 20, message, ..
        },
    ] = failed[..]
    else {
        panic!("{failed:?}");
    };
    assert_eq!(**message, error.to_string());
    assert!(matches!(
        events[events.len() - 1],
        Event::Ended { ok: false, .. }
    ));
}

#[test]
fn a_panic_ends_one_run_of_several() {
    let executor = executor(2, 100_000);
    std::thread::scope(|scope| {
        for number in 0..6 {
            let executor = &executor;
            scope.spawn(move || {
                for _ in 0..20 {
                    let (tasks, order) = planned(uniform(100, 8, 8, |task| {
                        task.checked_sub(3).into_iter().collect()
                    }));
                    let fails = number % 2 == 0;
                    let work = Checked::new(&tasks, &Meter::new(100_000), move |task| {
                        assert!(!(fails && task == 70), "made to panic");
                        Ok(())
                    });
                    let result =
                        executor.run(tasks, order, Arc::clone(&work) as _, &RunOptions::default());
                    assert_eq!(result.is_err(), fails);
                    work.assert_clean();
                }
            });
        }
    });
    assert_eq!(executor.ledger.usage(), Default::default());
}

/// Panics wherever it is asked to.
struct Broken;

impl Work for Broken {
    fn run(&self, task: u32) -> Result<()> {
        if task == 3 { Err(failure()) } else { Ok(()) }
    }

    fn release(&self, _: u32) {
        panic!("released badly");
    }

    fn describe(&self, _: u32) -> String {
        panic!("no words");
    }
}

#[test]
fn work_that_panics_everywhere_is_an_error() {
    let executor = executor(2, 1000);
    for _ in 0..100 {
        let (tasks, order) = planned(uniform(20, 8, 8, |_| vec![]));
        let result = executor.run(tasks, order, Arc::new(Broken), &RunOptions::default());
        assert!(result.is_err());
        assert_eq!(executor.ledger.usage(), Default::default());
    }
}

#[test]
fn cancelled_from_another_thread() {
    let executor = executor(2, 1000);
    let (tasks, order) = planned(uniform(1_000_000, 8, 8, |_| vec![]));
    let cancel = Cancel::new();
    let (started, starts) = std::sync::mpsc::channel();
    let work = Checked::new(&tasks, &Meter::new(1000), move |_| {
        let _ = started.send(());
        Ok(())
    });
    let canceller = std::thread::spawn({
        let cancel = cancel.clone();
        move || {
            starts.recv().unwrap();
            cancel.cancel();
        }
    });
    let options = RunOptions {
        cancel: Some(cancel),
        ..RunOptions::default()
    };
    let result = executor.run(tasks, order, Arc::clone(&work) as _, &options);
    canceller.join().unwrap();
    assert!(result.unwrap_err().is_cancelled());
    work.assert_clean();
}
