//! A headless Chromium, by the protocol of its developer tools, over two pipes.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

/// For an answer: long, since the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Browser {
    child: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    next: u64,
    session: Option<String>,
    /// What the pages complained about.
    pub complaints: Vec<String>,
    _profile: tempfile::TempDir,
}

/// The program, if there is one: `FLAGSTONE_TEST_BROWSER`, or what is usual.
fn program() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("FLAGSTONE_TEST_BROWSER") {
        return Some(path.into());
    }
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    std::env::split_paths(&path)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|program| program.is_file())
}

impl Browser {
    /// A browser with an empty page; nothing, and a word about it, if there is none.
    pub fn open() -> Option<Browser> {
        let Some(program) = program() else {
            eprintln!("skipped: no Chromium; install one, or set FLAGSTONE_TEST_BROWSER");
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        // It reads commands from descriptor 3 and answers on 4.
        let mut child = Command::new("sh")
            .arg("-c")
            .arg("exec \"$0\" \"$@\" 3<&0 4>&1 0</dev/null 1>&2 2>/dev/null")
            .arg(program)
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
            ])
            .args([
                "--no-first-run",
                "--disable-background-networking",
                "--mute-audio",
            ])
            .args(["--remote-debugging-pipe", "--window-size=1200,1400"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            loop {
                let mut message = Vec::new();
                match output.read_until(0, &mut message) {
                    Ok(n) if n > 0 => message.pop(),
                    _ => return,
                };
                let message = serde_json::from_slice(&message).expect("JSON of the browser");
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let mut browser = Browser {
            child,
            input,
            messages,
            next: 0,
            session: None,
            complaints: Vec::new(),
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let attached = browser.call(
            "Target.attachToTarget",
            json!({"targetId": target["targetId"], "flatten": true}),
        );
        browser.session = Some(attached["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    /// Sends a command; its answer. What happens meanwhile is noted.
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.next += 1;
        let id = self.next;
        let mut message = json!({"id": id, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.input.write_all(&bytes).unwrap();
        loop {
            let message = self
                .messages
                .recv_timeout(PATIENCE)
                .expect("an answer of the browser");
            if message["id"] == json!(id) {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
            self.note(&message);
        }
    }

    fn note(&mut self, message: &Value) {
        let parameters = &message["params"];
        let complaint = match message["method"].as_str() {
            Some("Runtime.exceptionThrown") => Some(parameters["exceptionDetails"].to_string()),
            Some("Runtime.consoleAPICalled") => Some(parameters.to_string()),
            Some("Log.entryAdded") => Some(parameters["entry"].to_string()),
            Some("Network.requestWillBeSent") => {
                let url = parameters["request"]["url"].as_str().unwrap_or("");
                let known = ["file:", "about:", "data:", "http://127.0.0.1:"];
                let foreign = !known.iter().any(|start| url.starts_with(start));
                foreign.then(|| format!("asks for {url}"))
            }
            _ => None,
        };
        self.complaints.extend(complaint);
    }

    pub fn go(&mut self, url: &str) {
        self.call("Page.navigate", json!({"url": url}));
    }

    /// The value of an expression of the page; of a promise, what it promises.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let result = self.call(
            "Runtime.evaluate",
            json!({"expression": expression, "returnByValue": true, "awaitPromise": true}),
        );
        assert!(
            result["exceptionDetails"].is_null(),
            "{expression}: {result}"
        );
        result["result"]["value"].clone()
    }

    /// Asks until it is so.
    pub fn wait_for(&mut self, expression: &str) {
        let deadline = std::time::Instant::now() + PATIENCE;
        // The page may not be there yet.
        let tried =
            format!("(() => {{ try {{ return {expression}; }} catch {{ return false; }} }})()");
        while self.evaluate(&tried) != json!(true) {
            assert!(std::time::Instant::now() < deadline, "never: {expression}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Presses and releases a key.
    pub fn press(&mut self, key: &str) {
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            "Home" => 36,
            "ArrowLeft" => 37,
            "ArrowRight" => 39,
            _ => 0,
        };
        let text = match key {
            "Enter" => "\r",
            key if key.chars().count() == 1 => key,
            _ => "",
        };
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({"type": kind, "key": key, "windowsVirtualKeyCode": code});
            if kind == "keyDown" && !text.is_empty() {
                event["text"] = json!(text);
            }
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    pub fn mouse(&mut self, kind: &str, x: f64, y: f64) {
        self.call(
            "Input.dispatchMouseEvent",
            json!({"type": kind, "x": x, "y": y, "button": "none"}),
        );
    }

    /// Light or dark, as the user's system asks for.
    pub fn prefer(&mut self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call("Emulation.setEmulatedMedia", json!({"features": features}));
        // What is drawn is drawn again with the next frame.
        self.evaluate(
            "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))",
        );
    }

    /// A picture of the whole page, in the folder of the tests' files, for people to look at.
    pub fn screenshot(&mut self, name: &str) {
        let shot = self.call(
            "Page.captureScreenshot",
            json!({"format": "png", "captureBeyondViewport": true}),
        );
        let bytes = base64(shot["data"].as_str().unwrap());
        assert!(bytes.starts_with(b"\x89PNG"));
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&path, bytes).unwrap();
        eprintln!("see {}", path.display());
    }

    /// Fails if the page complained: errors, warnings, messages, requests elsewhere.
    pub fn assert_quiet(&mut self) {
        // What was said until now has arrived when this is answered.
        self.evaluate("1");
        assert!(self.complaints.is_empty(), "{:#?}", self.complaints);
    }

    /// Every text against what is behind it has a contrast of at least 4.5 (WCAG, level AA).
    pub fn assert_contrast(&mut self) {
        let bad = self.evaluate(CONTRAST);
        assert_eq!(bad, json!([]), "too little contrast");
    }

    /// Everything that can be operated has a name, charts and tables too; there is one main heading and no gap below
    /// it; what has the focus is seen to have it.
    pub fn assert_accessible(&mut self) {
        assert_eq!(self.evaluate(UNNAMED), json!([]), "without a name");
        let headings =
            self.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])");
        let levels: Vec<u64> = headings
            .as_array()
            .unwrap()
            .iter()
            .map(|h| h.as_u64().unwrap())
            .collect();
        assert_eq!(levels[0], 1);
        assert!(
            levels
                .windows(2)
                .all(|pair| pair[1] > 1 && pair[1] <= pair[0] + 1),
            "{levels:?}"
        );
        assert_eq!(self.evaluate("document.documentElement.lang"), json!("en"));
        assert_eq!(
            self.evaluate("document.querySelectorAll('main').length"),
            json!(1)
        );
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const CONTRAST: &str = r"(() => {
  const parse = (c) => { const m = c.match(/[\d.]+/g).map(Number); return { rgb: m.slice(0, 3), a: m.length > 3 ? m[3] : 1 }; };
  const light = ({ rgb }) => { const [r, g, b] = rgb.map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.a === 1) return c; } return { rgb: [255, 255, 255] }; };
  const bad = [];
  for (const e of document.querySelectorAll('body *:not(script):not(style):not(svg):not(svg *)')) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
    if (!e.checkVisibility()) continue;
    const a = light(parse(getComputedStyle(e).color)), b = light(behind(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) bad.push(`${e.tagName} ${e.textContent.trim().slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return bad;
})()";

const UNNAMED: &str = r"(() => {
  const name = (e) => e.getAttribute('aria-label') || e.getAttribute('alt') || e.getAttribute('title') || e.textContent.trim()
    || (e.closest('label') && e.closest('label').textContent.trim()) || (e.querySelector('title') || {}).textContent;
  const bad = [];
  for (const e of document.querySelectorAll('button, a, summary, select, canvas, img, progress, svg[role=img], [tabindex=\'0\']'))
    if (!name(e)) bad.push(e.outerHTML.slice(0, 80));
  for (const t of document.querySelectorAll('table')) if (!t.caption) bad.push('table');
  for (const t of document.querySelectorAll('th')) if (!t.scope) bad.push('th');
  return bad;
})()";

fn base64(text: &str) -> Vec<u8> {
    let value = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut n) = (0_u32, 0);
    for c in text.bytes().filter(|&c| c != b'=') {
        bits = bits << 6 | u32::from(value(c));
        n += 6;
        if n >= 8 {
            n -= 8;
            bytes.push((bits >> n) as u8);
        }
    }
    bytes
}
