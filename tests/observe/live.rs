//! The live page: what it serves and refuses, and how it looks in a browser.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use flagstone::{Array, Engine};
use ndarray::ArrayD;
use serde_json::{Value, json};

use super::browser::Browser;

fn engine() -> Engine {
    Engine::builder()
        .threads(2)
        .memory("64 MiB")
        .build()
        .unwrap()
}

/// What the server answers to these bytes, until it ends.
fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn get(address: SocketAddr, path: &str) -> String {
    ask(
        address,
        &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n"),
    )
}

fn state(address: SocketAddr) -> Value {
    let answer = get(address, "/state");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

#[test]
fn what_it_serves_and_refuses() {
    let engine = engine();
    let serving = engine.serve("127.0.0.1:0").unwrap();
    let address = serving.address();
    assert!(address.ip().is_loopback());
    assert_eq!(serving.url(), format!("http://{address}/"));
    let page = get(address, "/");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    for header in [
        "Content-Security-Policy: default-src 'none'",
        "X-Content-Type-Options: nosniff",
        "Cache-Control: no-store",
    ] {
        assert!(page.contains(header), "{header}");
    }
    assert!(!page.contains("Access-Control"));
    let host = format!("Host: {address}\r\n");
    let cases = [
        (format!("POST / HTTP/1.1\r\n{host}\r\n"), "405"),
        (format!("DELETE /state HTTP/1.1\r\n{host}\r\n"), "405"),
        (format!("GET /nothing HTTP/1.1\r\n{host}\r\n"), "404"),
        (format!("GET /plan/99999.svg HTTP/1.1\r\n{host}\r\n"), "404"),
        (
            format!("GET /plan/../../etc/passwd HTTP/1.1\r\n{host}\r\n"),
            "404",
        ),
        (
            "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_owned(),
            "403",
        ),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), "400"),
        ("nonsense\r\n\r\n".to_owned(), "400"),
    ];
    for (request, status) in cases {
        let answer = ask(address, &request);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request}: {answer}"
        );
    }
}

#[test]
fn what_runs_is_seen_and_nothing_is_changed() {
    let engine = engine();
    let x = Array::<f64>::ones([40, 100], [1, 100]).map_blocks(|block| &block * 2.0);
    let expected = engine.compute(&x.sum(0)).unwrap();
    let serving = engine.serve("localhost:0").unwrap();
    let address = serving.address();
    // A clone of the engine is watched too.
    assert_eq!(engine.clone().compute(&x.sum(0)).unwrap(), expected);
    let bad = x.map_blocks(|_| -> ArrayD<f64> { panic!("no </script>") });
    engine.compute(&bad).unwrap_err();
    let state = state(address);
    let runs = state["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 2);
    // The latest first.
    assert_eq!(
        (&runs[0]["ok"], &runs[1]["ok"]),
        (&json!(false), &json!(true))
    );
    assert!(runs[0]["error"].as_str().unwrap().contains("no </script>"));
    assert_eq!(runs[1]["done"], runs[1]["tasks"]);
    assert_eq!(runs[1]["name"], "sum(axes 0)");
    let of_stages: u64 = runs[1]["stages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["done"].as_u64().unwrap())
        .sum();
    assert_eq!(json!(of_stages), runs[1]["tasks"]);
    assert_eq!(
        (&state["held"], &state["budget"]),
        (&json!(0), &json!(64 << 20))
    );
    let plan = get(address, &format!("/plan/{}.svg", runs[1]["run"]));
    let (head, svg) = plan.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("image/svg+xml"));
    roxmltree::Document::parse(svg).unwrap();
    drop(serving);
    // Nobody watches, nobody serves.
    assert_eq!(engine.compute(&x.sum(0)).unwrap(), expected);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn it_ends_while_pages_are_open() {
    let engine = engine();
    let serving = engine.serve("127.0.0.1:0").unwrap();
    let address = serving.address();
    // One that listens, one that says nothing, and one that never reads.
    let mut listening = TcpStream::connect(address).unwrap();
    write!(listening, "GET /events HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let mut first = [0; 64];
    listening.read_exact(&mut first).unwrap();
    assert!(first.starts_with(b"HTTP/1.1 200 OK"));
    let _silent = TcpStream::connect(address).unwrap();
    let mut deaf = TcpStream::connect(address).unwrap();
    write!(deaf, "GET /events HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    drop(serving);
    let mut rest = Vec::new();
    // Cut off, or ended: either way there is an end.
    let _ = listening.read_to_end(&mut rest);
}

#[test]
fn more_pages_than_may_look() {
    let engine = engine();
    let serving = engine.serve("127.0.0.1:0").unwrap();
    let address = serving.address();
    let mut open = Vec::new();
    for _ in 0..40 {
        let mut stream = TcpStream::connect(address).unwrap();
        // Refused ones may be closed already.
        let _ = write!(stream, "GET /events HTTP/1.1\r\nHost: {address}\r\n\r\n");
        open.push(stream);
    }
    let answered = open.iter_mut().filter_map(|stream| {
        let mut first = [0; 15];
        stream.read_exact(&mut first).ok()
    });
    assert_eq!(answered.count(), 32);
}

#[test]
fn other_machines_only_when_told() {
    let error = engine().serve("0.0.0.0:0").err().unwrap();
    assert!(error.to_string().contains("serve_to_network"), "{error}");
    let serving = engine().serve_to_network("0.0.0.0:0").unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], serving.address().port()));
    assert!(get(address, "/").starts_with("HTTP/1.1 200 OK"));
    assert!(engine().serve("no such address").is_err());
}

/// Blocks wait until they are let go.
#[derive(Default)]
struct Dam {
    open: Mutex<bool>,
    changed: Condvar,
}

impl Dam {
    fn wait(&self) {
        let open = self.open.lock().unwrap();
        drop(self.changed.wait_while(open, |open| !*open).unwrap());
    }

    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.changed.notify_all();
    }
}

/// The red of a pixel of the tasks' chart; of a copy, which may be read often.
const IDLE: &str = r"(() => {
  const chart = document.getElementById('stream'), copy = document.createElement('canvas');
  copy.width = chart.width; copy.height = chart.height;
  const g = copy.getContext('2d', { willReadFrequently: true });
  g.drawImage(chart, 0, 0);
  return g.getImageData(200, 12, 1, 1).data[0];
})()";

#[test]
fn the_page_in_a_browser() {
    let Some(mut browser) = Browser::open() else {
        return;
    };
    let engine = engine();
    let serving = engine.serve("127.0.0.1:0").unwrap();
    let dam = Arc::new(Dam::default());
    let passed = Arc::new(AtomicBool::new(false));
    browser.go(&serving.url());
    browser.wait_for("document.getElementById('connection').dataset.state === 'open'");
    assert_eq!(
        browser.evaluate("document.getElementById('headline').textContent"),
        json!("Nothing is running")
    );

    // Half of the blocks run, the others wait: the page shows that it is half done.
    let slow = {
        let (dam, passed) = (Arc::clone(&dam), Arc::clone(&passed));
        let count = Mutex::new(0);
        Array::<f64>::ones([40, 20_000], [1, 20_000]).map_blocks(move |block| {
            let number = {
                let mut count = count.lock().unwrap();
                *count += 1;
                *count
            };
            std::thread::sleep(std::time::Duration::from_millis(20));
            if number > 20 {
                dam.wait();
                passed.store(true, Ordering::SeqCst);
            }
            &block * 2.0
        })
    };
    let running = std::thread::spawn({
        let engine = engine.clone();
        move || engine.item(&slow.sum(..)).unwrap()
    });
    browser.wait_for("/^[1-9]\\d* of/.test(document.querySelector('.run h3 span').textContent)");
    assert!(!passed.load(Ordering::SeqCst));
    assert_eq!(
        browser.evaluate("document.getElementById('headline').textContent"),
        json!("sum(axes 0 1)")
    );
    browser.wait_for("document.getElementById('plan').complete && document.getElementById('plan').naturalWidth > 50");
    // When all threads wait, nothing changes any more: what is shown is what is.
    let ended = |state: &Value| {
        let run = &state["runs"][0];
        let done = |value: &Value| value.as_u64().unwrap();
        (done(&run["stages"][0]["done"]), done(&run["done"]))
    };
    let (of_stage, of_run) = loop {
        let before = ended(&state(serving.address()));
        std::thread::sleep(std::time::Duration::from_millis(500));
        if before.0 > 0 && ended(&state(serving.address())) == before {
            break before;
        }
    };
    assert!(of_stage <= 20);
    browser.wait_for(&format!(
        "document.getElementById('stages').rows[0].cells[2].textContent === '{of_stage}'"
    ));
    browser.wait_for(&format!(
        "document.querySelector('.run h3 span').textContent.startsWith('{of_run} of ')"
    ));
    browser.wait_for(
        "/^[\\d.]+ [KM]iB held/.test(document.getElementById('fact-memory').textContent)",
    );
    browser.wait_for("document.querySelectorAll('#legend li').length >= 1");
    browser.assert_accessible();
    for scheme in ["light", "dark"] {
        browser.prefer(scheme);
        // The empty part of a row, in the colour of the scheme.
        let idle = browser.evaluate(IDLE);
        assert_eq!(
            idle.as_u64().unwrap() > 128,
            scheme == "light",
            "{idle} in {scheme}"
        );
        browser.assert_contrast();
        browser.screenshot(&format!("live-{scheme}.png"));
    }
    // The keyboard reaches what can be operated.
    browser.evaluate("document.body.focus()");
    let mut reached = Vec::new();
    for _ in 0..4 {
        browser.press("Tab");
        reached.push(
            browser.evaluate("document.activeElement.id || document.activeElement.className"),
        );
    }
    assert!(
        reached.contains(&json!("skip")) && reached.contains(&json!("span")),
        "{reached:?}"
    );

    dam.open();
    assert_eq!(running.join().unwrap(), 2.0 * 40.0 * 20_000.0);
    browser.wait_for("document.querySelector('.run h3 span').textContent.includes('done')");
    browser.wait_for("document.getElementById('headline').textContent === 'Nothing is running'");
    browser.assert_quiet();

    // When the process is gone, the page says so.
    drop(serving);
    browser.wait_for("document.getElementById('connection').dataset.state === 'lost'");
}
