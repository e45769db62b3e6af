//! Worker processes: their crashes harm no other item. It has a `main` of its own, since workers run it too.

use std::collections::HashSet;
use std::time::Duration;

use flagstone::task::process::{self, Function, Pool};

static SQUARE: Function<i64, i64> = Function::new("square", |x| x * x);
static PID: Function<u64, (u64, u32)> = Function::new("pid", |ms| {
    std::thread::sleep(Duration::from_millis(ms));
    (ms, std::process::id())
});
static ODD: Function<i64, i64> = Function::new("odd", |x| match x % 10 {
    3 => panic!("an unlucky number"),
    7 => std::process::abort(),
    9 => std::process::exit(4),
    _ => x,
});
static NOISY: Function<(String, Vec<f64>), (String, Vec<f64>)> =
    Function::new("noisy", |(name, values)| {
        println!("this is not part of the protocol");
        (name.to_uppercase(), values)
    });
static ONCE: Function<String, u32> = Function::new("once", |path| {
    // Dies the first time, answers the second.
    match std::fs::metadata(&path) {
        Ok(_) => 1,
        Err(_) => {
            std::fs::write(&path, "was here").unwrap();
            std::process::abort();
        }
    }
});

fn main() {
    process::init(&[&SQUARE, &PID, &ODD, &NOISY, &ONCE]);
    // What follows would run in workers too, if `init` returned there.
    let tests: &[(&str, fn())] = &[
        (
            "results_keep_the_order_of_items",
            results_keep_the_order_of_items,
        ),
        (
            "everything_that_serde_knows_crosses",
            everything_that_serde_knows_crosses,
        ),
        (
            "a_crash_is_an_error_of_its_item_alone",
            a_crash_is_an_error_of_its_item_alone,
        ),
        (
            "killing_a_worker_loses_no_other_item",
            killing_a_worker_loses_no_other_item,
        ),
        (
            "killing_idle_workers_loses_nothing",
            killing_idle_workers_loses_nothing,
        ),
        ("the_first_error_ends_a_map", the_first_error_ends_a_map),
        (
            "retries_go_to_another_process",
            retries_go_to_another_process,
        ),
        ("no_more_processes_than_said", no_more_processes_than_said),
        ("workers_end_with_their_pool", workers_end_with_their_pool),
    ];
    let filters: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    for (name, test) in tests {
        if filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str())) {
            test();
            println!("test {name} ... ok");
        }
    }
}

fn results_keep_the_order_of_items() {
    let pool = Pool::new(2).unwrap();
    let squares = pool.map(&SQUARE, 0..500).unwrap();
    assert_eq!(squares, (0..500).map(|x| x * x).collect::<Vec<_>>());
    assert!(pool.map(&SQUARE, []).unwrap().is_empty());
    assert_eq!(pool.submit(&SQUARE, 12).get().unwrap(), 144);
    // Endless: only so many are ahead.
    let some: Vec<i64> = pool
        .imap(&SQUARE, 0..)
        .take(10)
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(some[9], 81);
}

fn everything_that_serde_knows_crosses() {
    let pool = Pool::new(1).unwrap();
    let values = vec![f64::NAN, f64::NEG_INFINITY, -0.0, f64::MIN_POSITIVE];
    let (name, back) = pool
        .submit(&NOISY, ("name".to_owned(), values.clone()))
        .get()
        .unwrap();
    assert_eq!(name, "NAME");
    let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&back), bits(&values));
    // Larger than any buffer of a pipe, both ways.
    let large = vec![0.5; 3_000_000];
    let (_, back) = pool
        .submit(&NOISY, (String::new(), large.clone()))
        .get()
        .unwrap();
    assert!(back == large);
}

fn a_crash_is_an_error_of_its_item_alone() {
    let pool = Pool::new(2).unwrap();
    for (x, result) in (0..60).zip(pool.map_each(&ODD, 0..60)) {
        match (x % 10, result) {
            (3, Err(error)) => {
                assert!(error.is_panic(), "{error}");
                let text = error.to_string();
                assert!(
                    text.contains(&format!("an unlucky number, in odd, item {x}")),
                    "{text}"
                );
                assert!(text.contains("main.rs"), "{text}");
            }
            (7, Err(error)) => {
                assert!(
                    error.is_task() && error.to_string().contains("signal 6"),
                    "{error}"
                );
                assert!(error.to_string().contains(&format!("item {x}")), "{error}");
            }
            (9, Err(error)) => {
                assert!(
                    error.is_task() && error.to_string().contains("code 4"),
                    "{error}"
                );
            }
            (_, result) => assert_eq!(result.unwrap(), x),
        }
    }
}

fn kill(id: u32) {
    let status = std::process::Command::new("kill")
        .args(["-9", &id.to_string()])
        .status();
    assert!(status.unwrap().success());
}

/// Twenty times.
fn killing_a_worker_loses_no_other_item() {
    let pool = Pool::new(2).unwrap();
    for round in 0..20 {
        let mut results = Vec::new();
        let mut lost = Vec::new();
        let mut running = pool.imap(&PID, std::iter::repeat_n(5, 12));
        for number in 0..12 {
            if number == round % 6 + 1 {
                // One that lives and, most likely, works.
                let ids = pool.process_ids();
                kill(ids[round % ids.len()]);
            }
            match running.next().unwrap() {
                Ok((5, id)) => results.push(id),
                Ok(other) => panic!("{other:?}"),
                Err(error) => {
                    assert!(error.to_string().contains("signal 9"), "{error}");
                    lost.push(number);
                }
            }
        }
        assert!(running.next().is_none());
        assert!(
            lost.len() <= 1,
            "round {round}: items {lost:?} of one worker were lost"
        );
        assert_eq!(results.len() + lost.len(), 12);
    }
}

fn killing_idle_workers_loses_nothing() {
    let pool = Pool::new(3).unwrap();
    for _ in 0..20 {
        pool.map(&PID, [1; 6]).unwrap();
        pool.process_ids().into_iter().for_each(kill);
        // Not one item: none had started.
        assert_eq!(pool.map(&SQUARE, 0..6).unwrap(), [0, 1, 4, 9, 16, 25]);
    }
}

fn the_first_error_ends_a_map() {
    let pool = Pool::new(2).unwrap();
    let asked = std::cell::Cell::new(0);
    let items = (0..1_000_000).inspect(|_| asked.set(asked.get() + 1));
    let error = pool.map(&ODD, items).unwrap_err();
    assert!(error.to_string().contains("item 3"), "{error}");
    assert!(asked.get() < 20);
    assert_eq!(pool.map(&SQUARE, 0..3).unwrap(), [0, 1, 4]);
}

fn retries_go_to_another_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let pool = Pool::new(1).unwrap();
    assert!(pool.submit(&ONCE, path("a")).get().unwrap_err().is_task());
    assert_eq!(pool.retries(1).submit(&ONCE, path("b")).get().unwrap(), 1);
}

fn no_more_processes_than_said() {
    let pool = Pool::new(2).unwrap();
    let ids: HashSet<u32> = pool
        .map(&PID, [3; 30])
        .unwrap()
        .into_iter()
        .map(|(_, id)| id)
        .collect();
    assert!(ids.len() <= 2, "{ids:?}");
    assert!(!ids.contains(&std::process::id()));
    assert!(Pool::new(0).is_err());
}

fn workers_end_with_their_pool() {
    let pool = Pool::new(2).unwrap();
    pool.map(&PID, [2; 4]).unwrap();
    let ids = pool.process_ids();
    assert!(!ids.is_empty());
    drop(pool);
    for id in ids {
        // The last handle may be a call's, on its way out.
        let mut looks = 0;
        while std::path::Path::new(&format!("/proc/{id}")).exists() {
            std::thread::sleep(Duration::from_millis(5));
            looks += 1;
            assert!(looks < 10_000, "process {id} lives on");
        }
    }
}
