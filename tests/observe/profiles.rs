//! Profiles: their sums, and the forms in which they are written.

use std::collections::BTreeSet;
use std::sync::Arc;

use flagstone::observe::{Profile, Recorder};
use flagstone::{Array, Engine, random};
use ndarray::ArrayD;
use serde_json::Value;

fn engine(threads: usize) -> Engine {
    let engine = Engine::builder().threads(threads).memory("128 MiB");
    engine.build().unwrap()
}

fn job() -> Array<f64> {
    let x = random::Generator::new(3).uniform::<f64>([600, 500], [70, 110]);
    let x = x.map_blocks(|block| &block * 2.0);
    (&x - &x.mean(0)).square().sum(1)
}

/// Sums over stages, operations, threads and computations are the same.
fn check_sums(profile: &Profile) {
    let tasks = profile.tasks();
    assert_eq!(profile.ops().iter().map(|op| op.tasks).sum::<u64>(), tasks);
    assert_eq!(
        profile.workers().iter().map(|w| w.tasks).sum::<u64>(),
        tasks
    );
    assert_eq!(
        profile.workers().iter().map(|w| w.stolen).sum::<u64>(),
        profile.stolen()
    );
    let close = |a: f64, b: f64| assert!((a - b).abs() <= 1e-9 + 1e-6 * a.abs(), "{a} {b}");
    let busy: f64 = profile.stages().iter().map(|stage| stage.busy).sum();
    close(profile.ops().iter().map(|op| op.busy).sum(), busy);
    for stage in profile.stages() {
        assert!(stage.active <= stage.busy + 1e-9);
        assert!(stage.longest <= stage.busy + 1e-9);
        assert!(stage.start <= stage.end && stage.end <= profile.seconds() + 1e-9);
        assert!(stage.active <= stage.end - stage.start + 1e-9);
    }
    for op in profile.ops() {
        assert!(op.active <= op.busy + 1e-9);
    }
    let mut before = 0.0;
    for point in profile.memory() {
        assert!(point.time >= before);
        before = point.time;
        assert!(point.held <= point.planned, "{point:?}");
    }
    if let Some(last) = profile.memory().last() {
        assert_eq!((last.held, last.planned), (0, 0));
    }
    for worker in profile.workers() {
        assert!(worker.idle >= 0.0 && worker.busy <= profile.seconds() + 1e-9);
    }
}

#[test]
fn sums_agree() {
    for threads in [1, 2, 5] {
        let engine = engine(threads);
        let (expected, report) = engine.measure(&job()).unwrap();
        let (values, profile) = engine.profile(&job()).unwrap();
        assert_eq!(values, expected);
        assert_eq!(profile.tasks(), report.tasks);
        assert_eq!(profile.runs().len(), 1);
        assert_eq!(profile.runs()[0].ok, Some(true));
        assert_eq!(profile.runs()[0].held_peak, profile.held_peak_bytes());
        assert_eq!(profile.planned_peak_bytes(), report.planned_peak_bytes);
        assert_eq!(profile.budget_bytes(), 128 << 20);
        assert!(profile.bandwidth().is_some_and(|bandwidth| bandwidth > 0.0));
        check_sums(&profile);
    }
}

#[test]
fn a_budget_without_room_leaves_the_bandwidth_out() {
    let engine = Engine::builder()
        .threads(2)
        .memory("8 MiB")
        .build()
        .unwrap();
    let (_, profile) = engine.profile(&job()).unwrap();
    assert_eq!(profile.bandwidth(), None);
    assert!(!profile.to_string().contains("reads from memory"));
    check_sums(&profile);
}

#[test]
fn several_computations_and_those_inside_of_tasks() {
    let engine = engine(2);
    let recorder = Arc::new(Recorder::new());
    let watched = engine.observed_by(recorder.clone());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| watched.compute(&job()).unwrap());
        }
    });
    let inner = watched.clone();
    let nested = Array::<f64>::ones([4, 100], [1, 100]).map_blocks(move |block| {
        let sum = inner.item(&Array::from_ndarray(block.to_owned(), 10).sum(..));
        &block * sum.unwrap()
    });
    assert_eq!(watched.item(&nested.sum(..)).unwrap(), 4.0 * 100.0 * 100.0);
    let profile = recorder.profile();
    assert_eq!(profile.runs().len(), 3 + 1 + 4);
    check_sums(&profile);
}

#[test]
fn failures_are_part_of_it() {
    let engine = engine(2);
    let recorder = Arc::new(Recorder::new());
    let bad = job().map_blocks(|_| -> ArrayD<f64> { panic!("</script><script>bad('&')</script>") });
    let error = engine
        .observed_by(recorder.clone())
        .compute(&bad)
        .unwrap_err();
    let profile = recorder.profile();
    assert_eq!(profile.runs()[0].ok, Some(false));
    let failed: u64 = profile.stages().iter().map(|stage| stage.failed).sum();
    assert!(failed >= 1);
    assert!(
        profile.runs()[0]
            .errors
            .iter()
            .any(|text| *text == error.to_string())
    );
    check_sums(&profile);
    assert!(profile.to_string().contains("<script>bad"));
    let page = profile.to_html();
    assert!(!page.contains("<script>bad"));
    assert!(page.contains("&lt;script&gt;bad(&#39;&amp;&#39;)"));
    serde_json::from_str::<Value>(&profile.to_chrome_trace()).unwrap();
}

#[test]
fn nothing_ran() {
    let profile = Recorder::new().profile();
    check_sums(&profile);
    assert_eq!(profile.tasks(), 0);
    assert!(profile.to_string().starts_with("nothing ran\n"));
    assert!(profile.to_html().contains("nothing ran"));
    serde_json::from_str::<Value>(&profile.to_chrome_trace()).unwrap();
}

#[test]
fn the_text_has_all_tables() {
    let (_, profile) = engine(2).profile(&job()).unwrap();
    let text = profile.to_string();
    for word in [
        "sum(axes 1)",
        "busy ",
        "memory ",
        "bytes ",
        "op ",
        "stage ",
        "worker ",
        "map_blocks",
        "mean: merge",
        "thread 1",
        "reads from memory",
    ] {
        assert!(text.contains(word), "{word:?} in\n{text}");
    }
}

#[test]
fn the_trace_is_what_perfetto_reads() {
    let (_, profile) = engine(2).profile(&job()).unwrap();
    let trace: Value = serde_json::from_str(&profile.to_chrome_trace()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let of = |phase: &str| {
        events
            .iter()
            .filter(|e| e["ph"] == phase)
            .collect::<Vec<_>>()
    };
    let tasks = of("X");
    assert_eq!(tasks.len() as u64, profile.tasks());
    let numbers: BTreeSet<u64> = tasks
        .iter()
        .map(|e| e["args"]["task"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers.len(), tasks.len());
    for task in &tasks {
        assert!(task["dur"].as_f64().unwrap() >= 0.0 && task["ts"].as_f64().unwrap() >= 0.0);
        assert!(
            task["name"]
                .as_str()
                .unwrap()
                .starts_with(task["cat"].as_str().unwrap())
        );
        assert!(task["tid"].as_u64().unwrap() <= 2);
    }
    assert_eq!(of("C").len(), profile.memory().len());
    let names = of("M");
    assert_eq!(names.len(), 1 + profile.workers().len());
    // A block's place, and the part of a reduction.
    let places: Vec<&str> = tasks
        .iter()
        .map(|e| e["args"]["place"].as_str().unwrap())
        .collect();
    assert!(places.contains(&"[0, 0]"), "{places:?}");
}

#[test]
fn the_page_is_complete_in_itself() {
    let (_, profile) = engine(2).profile(&job()).unwrap();
    let page = profile.to_html();
    assert!(page.starts_with("<!DOCTYPE html>"));
    for outside in ["src=\"http", "href=\"http", "url(http", "@import", "{{"] {
        assert!(!page.contains(outside), "{outside}");
    }
    let start = page.find("id=\"data\">").unwrap() + "id=\"data\">".len();
    let end = page[start..].find("</script>").unwrap() + start;
    let data: Value = serde_json::from_str(&page[start..end]).unwrap();
    let workers = data["workers"].as_array().unwrap();
    let numbers: usize = workers
        .iter()
        .map(|w| w["spans"].as_array().unwrap().len())
        .sum();
    assert_eq!(numbers as u64, 5 * profile.tasks());
    assert_eq!(
        data["stages"].as_array().unwrap().len(),
        profile.stages().len()
    );
}
