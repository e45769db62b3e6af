//! Calls of functions are seen as arrays are, and so is what is made of both.

use std::sync::{Arc, Mutex};

use flagstone::observe::{ColorBy, View};
use flagstone::task::{combine, delayed};
use flagstone::{Array, Engine, Event, Observer};
use ndarray::ArrayD;

#[derive(Default)]
struct Diary(Mutex<Vec<Event>>);

impl Observer for Diary {
    fn event(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

fn watched() -> (Engine, Arc<Diary>) {
    let diary = Arc::new(Diary::default());
    let engine = Engine::builder().threads(2).observer(diary.clone());
    (engine.build().unwrap(), diary)
}

/// Of one computation: its name, how many tasks started, finished and failed, and whether it ended well.
fn told(diary: &Diary) -> (String, [usize; 3], bool) {
    let events = diary.0.lock().unwrap();
    let run = events[0].run();
    assert!(events.iter().all(|event| event.run() == run));
    let Event::Planned { outline, .. } = &events[0] else {
        panic!("{:?} comes first", events[0]);
    };
    let Some(Event::Ended { ok, .. }) = events.last() else {
        panic!("{:?} comes last", events.last());
    };
    let mut counts = [0; 3];
    for event in &*events {
        match event {
            Event::Started { .. } => counts[0] += 1,
            Event::Finished { .. } => counts[1] += 1,
            Event::Failed { .. } => counts[2] += 1,
            _ => {}
        }
    }
    (outline.name.clone(), counts, *ok)
}

#[test]
fn loops_tell_of_their_batches() {
    let (engine, diary) = watched();
    let squares = engine.pool().batch(10).map(0..95, |i: i64| i * i).unwrap();
    assert_eq!(squares.len(), 95);
    assert_eq!(told(&diary), ("map".to_owned(), [10, 10, 0], true));

    let (engine, diary) = watched();
    let bad = |i: i64| if i == 40 { Err("no") } else { Ok(i) };
    engine.pool().batch(10).try_map(0..95, bad).unwrap_err();
    let (_, [started, finished, failed], ok) = told(&diary);
    assert_eq!((started, failed, ok), (finished + failed, 1, false));
}

#[test]
fn submitted_calls_tell_how_they_ended() {
    let (engine, diary) = watched();
    assert_eq!(engine.pool().submit(|| 7).get().unwrap(), 7);
    assert_eq!(told(&diary), ("submit".to_owned(), [1, 1, 0], true));

    let (engine, diary) = watched();
    engine
        .pool()
        .submit(|| -> u8 { panic!("made to panic") })
        .get()
        .unwrap_err();
    assert_eq!(told(&diary), ("submit".to_owned(), [1, 0, 1], false));
}

/// Two blocks that are loaded, an array of them, and a call on its blocks.
fn mixed() -> flagstone::task::Delayed<f64> {
    let load = |day: usize| {
        delayed(move || ArrayD::from_elem(vec![4, 6], day as f64))
            .bytes(192)
            .named("load of a day")
    };
    let x = Array::from_delayed((0..2).map(load), [8, 6], [4, 6]);
    let anomaly = &x - &x.mean(0);
    let blocks = anomaly.to_delayed().unwrap();
    let sums: Vec<_> = blocks
        .iter()
        .map(|block| block.map(|block| block.sum()).named("sum of a block"))
        .collect();
    combine(&sums, |sums| sums.into_iter().sum::<f64>()).named("total")
}

#[test]
fn graphs_of_arrays_and_calls_are_profiled() {
    let (engine, diary) = watched();
    let (total, profile) = engine.profile(&mixed()).unwrap();
    assert_eq!(total, 0.0);
    let (name, [started, finished, failed], ok) = told(&diary);
    assert_eq!((name.as_str(), failed, ok), ("total", 0, true));
    assert_eq!(started, finished);
    let text = profile.to_string();
    for part in ["load of a day", "mean", "sum of a block", "total"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let tasks = profile.to_chrome_trace();
    assert!(tasks.matches("sum of a block").count() >= 2);
}

#[test]
fn graphs_of_arrays_and_calls_are_drawn() {
    let engine = Engine::builder().threads(2).build().unwrap();
    let graph = engine.task_graph(&mixed()).unwrap();
    assert_eq!(
        graph.graph().node_count(),
        engine.visualize(&mixed(), View::Tasks).unwrap().nodes()
    );
    let tasks = engine.visualize(&mixed(), View::Tasks).unwrap();
    let svg = tasks.to_svg();
    roxmltree::Document::parse(&svg).unwrap();
    assert_eq!(
        tasks.to_dot().matches("->").count(),
        graph.graph().edge_count()
    );
    for view in [View::Plan, View::Stages, View::Tasks] {
        let svg = engine.visualize(&mixed(), view).unwrap().to_svg();
        assert!(
            svg.contains("load of a day") && svg.contains("total"),
            "{view:?}"
        );
    }
    let coloured = tasks.color_by(ColorBy::Order).to_svg();
    assert_ne!(svg, coloured);
}
