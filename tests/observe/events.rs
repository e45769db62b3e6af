//! What observers are told, whatever is computed and however it ends.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use flagstone::{Array, Cancel, Engine, EngineBuilder, Event, Observer, Outline, random};
use ndarray::ArrayD;

#[derive(Default)]
struct Diary(Mutex<Vec<Event>>);

impl Observer for Diary {
    fn event(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

/// Panics at one of the events.
struct Clumsy {
    at: u32,
    calls: AtomicU32,
}

impl Observer for Clumsy {
    fn event(&self, _: &Event) {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        assert!(call != self.at, "slipped");
    }
}

/// What one computation told.
struct Story {
    outline: Arc<Outline>,
    finished: u64,
    failed: u64,
    spilled: u64,
    ok: bool,
    held_peak: u64,
}

/// Takes a diary apart by computation, and checks each one's order, its counts and its bytes.
fn stories(diary: &Diary) -> Vec<Story> {
    let events = diary.0.lock().unwrap();
    let mut runs: Vec<(u64, Vec<&Event>)> = Vec::new();
    for event in events.iter() {
        let number = event.run();
        match runs.iter_mut().find(|(known, _)| *known == number) {
            Some((_, events)) => events.push(event),
            None => runs.push((number, vec![event])),
        }
    }
    runs.iter().map(|(_, events)| story(events)).collect()
}

fn story(events: &[&Event]) -> Story {
    let Event::Planned {
        tasks,
        planned_peak,
        outline,
        run,
    } = events[0]
    else {
        panic!("the first event is {:?}", events[0]);
    };
    assert_eq!((outline.run, outline.tasks), (*run, *tasks));
    assert_eq!(outline.planned_peak, *planned_peak);
    let listed: u64 = outline.stages.iter().map(|s| u64::from(s.tasks)).sum();
    assert_eq!(listed, *tasks);
    let mut open: HashMap<u32, (usize, usize)> = HashMap::new();
    let mut most_held = 0;
    let mut story = Story {
        outline: Arc::clone(outline),
        finished: 0,
        failed: 0,
        spilled: 0,
        ok: false,
        held_peak: 0,
    };
    for (at, event) in events.iter().enumerate().skip(1) {
        match event {
            Event::Planned { .. } => panic!("planned twice"),
            Event::Started {
                task,
                stage,
                worker,
                ..
            } => {
                let planned = &outline.stages[*stage];
                assert!((planned.first_task..planned.first_task + planned.tasks).contains(task));
                assert!(*worker <= outline.threads);
                assert!(open.insert(*task, (*stage, *worker)).is_none());
            }
            Event::Finished {
                task,
                stage,
                worker,
                held,
                ..
            } => {
                assert_eq!(open.remove(task), Some((*stage, *worker)));
                story.finished += 1;
                most_held = most_held.max(*held);
            }
            Event::Failed {
                task,
                stage,
                worker,
                message,
                ..
            } => {
                assert_eq!(open.remove(task), Some((*stage, *worker)));
                assert!(!message.is_empty());
                story.failed += 1;
            }
            Event::Held { held, .. } => most_held = most_held.max(*held),
            Event::Spilled { task, bytes, .. } => {
                assert!(open.contains_key(task));
                story.spilled += bytes;
            }
            Event::Ended { ok, held_peak, .. } => {
                assert_eq!(at, events.len() - 1, "something follows the end");
                story.ok = *ok;
                story.held_peak = *held_peak;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(events[events.len() - 1], Event::Ended { .. }));
    assert!(open.is_empty(), "tasks without an end: {open:?}");
    assert_eq!(most_held, story.held_peak, "the highest that was told");
    assert!(story.held_peak <= *planned_peak);
    if story.ok {
        assert_eq!((story.finished, story.failed), (*tasks, 0));
    }
    story
}

fn x() -> Array<f64> {
    random::Generator::new(3).uniform::<f64>([400, 300], [70, 110])
}

type Job = fn(&Engine) -> String;

/// Computations of all kinds; what they gave, as text.
const JOBS: &[(&str, Job)] = &[
    ("fused", |engine| {
        let y = (2.0 * &x() + 1.0).mean(0);
        format!("{:?}", engine.compute(&y))
    }),
    ("two passes", |engine| {
        let y = (&x() - &x().mean(0)).square().sum(..);
        format!("{:?}", engine.item(&y))
    }),
    ("several at once", |engine| {
        format!("{:?}", engine.compute(&(x().mean(0), x().std(1))))
    }),
    ("products", |engine| {
        format!("{:?}", engine.compute(&x().matmul(x().t())))
    }),
    ("block functions", |engine| {
        let y = x().map_blocks(|block| &block * 2.0);
        format!("{:?}", engine.compute(&y))
    }),
    ("nothing", |engine| {
        format!("{:?}", engine.compute(&Array::<f64>::zeros([0, 3], 1)))
    }),
    ("stream", |engine| {
        let blocks = engine.blocks(&(&x() + 1.0));
        let sums = blocks.map(|block| block.map(|block| block.values().sum()));
        format!("{:?}", sums.collect::<Vec<_>>())
    }),
    ("abandoned stream", |engine| {
        let mut blocks = engine.blocks(&x());
        let first = blocks
            .next()
            .map(|block| block.map(|block| block.values().sum()));
        format!("{first:?}")
    }),
    ("persisted", |engine| {
        let kept = engine.persist(&x()).unwrap();
        format!("{:?}", engine.item(&kept.sum(..)))
    }),
    ("a panic", |engine| {
        let y = x().map_blocks(|_| -> ArrayD<f64> { panic!("no <data>") });
        let error = engine.compute(&y).unwrap_err();
        // Which block fails first is not the same every time.
        format!("{}", error.is_panic())
    }),
    ("cancelled", |engine| {
        let cancel = Cancel::new();
        let inside = cancel.clone();
        let y = x().map_blocks(move |block| {
            inside.cancel();
            block.to_owned()
        });
        let error = engine.cancelled_by(&cancel).compute(&y).unwrap_err();
        format!("{}", error.is_cancelled())
    }),
    ("computing inside", |engine| {
        let inner = engine.clone();
        let y = x().map_blocks(move |block| {
            let sum = inner.item(&Array::from_ndarray(block.to_owned(), 50).sum(..));
            &block * sum.unwrap()
        });
        format!("{:?}", engine.compute(&y))
    }),
];

fn engine(threads: usize) -> EngineBuilder {
    Engine::builder().threads(threads).memory("32 MiB")
}

#[test]
fn every_computation_tells_a_whole_story() {
    for threads in [1, 2, 5] {
        let plain = engine(threads).build().unwrap();
        for (name, job) in JOBS {
            let diary = Arc::new(Diary::default());
            let watched = plain.observed_by(diary.clone());
            assert_eq!(job(&watched), job(&plain), "{name}");
            let stories = stories(&diary);
            assert!(!stories.is_empty(), "{name}");
            let ends_well = !matches!(*name, "a panic" | "cancelled" | "abandoned stream");
            for story in &stories {
                assert!(story.ok || !ends_well, "{name}");
                assert_eq!(story.outline.threads, threads);
                assert_eq!(story.outline.budget, 32 << 20);
            }
            if *name == "a panic" {
                assert!(stories[0].failed >= 1 && !stories[0].ok);
            }
            if *name == "computing inside" {
                assert_eq!(stories.len(), 1 + x().num_blocks());
            }
        }
    }
}

#[test]
fn observers_that_panic_change_nothing() {
    for threads in [1, 2] {
        let plain = engine(threads).build().unwrap();
        for (name, job) in JOBS {
            let expected = job(&plain);
            for at in [0, 1, 2, 3, 7, 20, 50] {
                let clumsy = Arc::new(Clumsy {
                    at,
                    calls: AtomicU32::new(0),
                });
                let diary = Arc::new(Diary::default());
                let watched = plain.observed_by(clumsy.clone());
                let watched = watched.observed_by(diary.clone());
                assert_eq!(job(&watched), expected, "{name}, at {at}");
                let events = diary.0.lock().unwrap();
                let lost = events.iter().filter(|event| {
                    matches!(event, Event::ObserverLost { message, .. } if **message == *"panicked: slipped")
                });
                let slipped = clumsy.calls.load(Ordering::SeqCst) > at;
                // At an end there is nobody left to tell.
                assert!(lost.count() <= usize::from(slipped), "{name}, at {at}");
            }
        }
    }
}

#[test]
fn the_report_counts_observers_that_panicked() {
    let clumsy = |at| {
        Arc::new(Clumsy {
            at,
            calls: AtomicU32::new(0),
        })
    };
    let engine = engine(2).observer(clumsy(0)).observer(clumsy(3));
    let engine = engine.observer(clumsy(u32::MAX)).build().unwrap();
    let y = x().map_blocks(|block| block.to_owned());
    let (_, report) = engine.measure(&y).unwrap();
    assert_eq!(report.lost_observers, 2);
}

#[test]
fn what_is_spilled_is_told() {
    // A matrix of blocks by a function, and its transpose: half of it has to wait.
    let x = Array::<f64>::ones([512, 512], 64).map_blocks(|block| &block * 2.0);
    let y = &x + x.t();
    let engine = Engine::builder()
        .threads(1)
        .memory("768 KiB")
        .build()
        .unwrap();
    let diary = Arc::new(Diary::default());
    let explained = engine.explain(&y).unwrap();
    for block in engine.observed_by(diary.clone()).blocks(&y) {
        assert_eq!(block.unwrap().values().sum(), 4.0 * 64.0 * 64.0);
    }
    let stories = stories(&diary);
    assert_eq!(stories.len(), 1);
    assert!(stories[0].spilled > 0, "nothing was spilled:\n{explained}");
    let planned: u64 = stories[0]
        .outline
        .stages
        .iter()
        .map(|s| s.bytes_written)
        .sum();
    assert!(stories[0].spilled <= planned);
}

#[test]
fn one_thread_steals_nothing() {
    let diary = Arc::new(Diary::default());
    let engine = engine(1).observer(diary.clone()).build().unwrap();
    engine
        .compute(&x().map_blocks(|block| block.to_owned()))
        .unwrap();
    let events = diary.0.lock().unwrap();
    let stolen = events
        .iter()
        .filter(|event| matches!(event, Event::Started { stolen: true, .. }));
    assert_eq!(stolen.count(), 0);
}

#[test]
fn what_the_caller_computes_itself_is_no_thread_of_the_pool() {
    let diary = Arc::new(Diary::default());
    let engine = engine(4).observer(diary.clone()).build().unwrap();
    // Too little to wake another thread.
    engine.compute(&(Array::<f64>::ones(10, ..) + 1.0)).unwrap();
    let events = diary.0.lock().unwrap();
    let workers = events.iter().filter_map(|event| match event {
        Event::Started { worker, .. } => Some(*worker),
        _ => None,
    });
    assert_eq!(workers.collect::<Vec<_>>(), [4]);
}

#[test]
fn the_outline_says_what_explain_says() {
    let x = Array::from_ndarray(ndarray::Array2::<f64>::ones((1000, 1000)), 100);
    let y = (&x - &x.mean(0)).square().sum(..);
    let diary = Arc::new(Diary::default());
    let engine = engine(2).observer(diary.clone()).build().unwrap();
    let explain = engine.explain(&y).unwrap();
    engine.compute(&y).unwrap();
    let outline = Arc::clone(&stories(&diary)[0].outline);
    let read: u64 = outline.stages.iter().map(|stage| stage.bytes_read).sum();
    assert_eq!(read, explain.bytes_read());
    assert_eq!(outline.tasks, explain.tasks());
    assert_eq!(outline.floor, explain.floor_bytes());
    let printed = explain.to_string();
    for (number, stage) in outline.stages.iter().enumerate() {
        let line = format!("  {}. {}: {}\n", number + 1, stage.name, stage.detail);
        assert!(printed.contains(&line), "{line} in {printed}");
        assert!(stage.inputs.iter().all(|&input| input < number));
    }
    // The squares read the mean.
    assert!(outline.stages.iter().any(|stage| !stage.inputs.is_empty()));
    assert_eq!(outline.name, "sum(axes 0 1)");
}
