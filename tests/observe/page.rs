//! The page of a profile, in a browser.

use std::sync::Arc;

use flagstone::observe::{Profile, Recorder};
use flagstone::{Array, Engine};
use serde_json::json;

use super::browser::Browser;

fn engine() -> Engine {
    Engine::builder()
        .threads(2)
        .memory("256 MiB")
        .build()
        .unwrap()
}

/// A file with the page of a profile, and its address.
fn written(profile: &Profile) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("profile.html");
    std::fs::write(&path, profile.to_html()).unwrap();
    let url = format!("file://{}", path.display());
    (folder, url)
}

/// Whether something other than idle rows is drawn: pixels of the operations' colours.
const COLOURED: &str = r"(() => {
  const c = document.getElementById('timeline'), copy = document.createElement('canvas');
  copy.width = c.width; copy.height = c.height;
  const g = copy.getContext('2d', { willReadFrequently: true });
  g.drawImage(c, 0, 0);
  const d = g.getImageData(0, 0, c.width, c.height).data;
  let n = 0;
  for (let i = 0; i < d.length; i += 4) if (d[i + 3] === 255 && Math.max(d[i], d[i + 1], d[i + 2]) - Math.min(d[i], d[i + 1], d[i + 2]) > 60) n++;
  return n;
})()";

#[test]
fn a_page_of_ten_tasks() {
    let Some(mut browser) = Browser::open() else {
        return;
    };
    let x = Array::<f64>::ones([9, 1000], [1, 1000]).map_blocks(|block| {
        std::thread::sleep(std::time::Duration::from_millis(5));
        &block * 2.0
    });
    let (_, profile) = engine().profile(&x.max(..)).unwrap();
    let (_folder, url) = written(&profile);
    browser.go(&url);
    browser.wait_for("document.documentElement.dataset.ready === 'yes'");

    // Content: what was computed, its threads, its operations, its plan.
    assert_eq!(
        browser.evaluate("document.querySelector('h1').lastChild.textContent"),
        json!("max(axes 0 1)")
    );
    let text = browser.evaluate("document.body.innerText");
    let text = text.as_str().unwrap();
    for word in [
        "Timeline",
        "Memory",
        "Operations",
        "Stages",
        "Plan",
        "map_blocks",
        "max",
        "budget 256.0 MiB",
    ] {
        assert!(text.contains(word), "{word} in {text}");
    }
    let nodes = browser.evaluate("document.querySelectorAll('svg.picture g g rect').length");
    assert_eq!(nodes, json!(profile.stages().len()));
    assert!(browser.evaluate(COLOURED).as_u64().unwrap() > 1000);

    // Sorting, with the keyboard: the second column of the table of operations, down and then up.
    browser.evaluate("document.querySelectorAll('#ops-title ~ .scroll th button')[2].focus()");
    let column = r"[...document.querySelectorAll('#ops-title ~ .scroll tbody tr')].map(r => +r.cells[2].dataset.value)";
    let sorted = |values: serde_json::Value| -> Vec<u64> {
        values
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v.as_u64().unwrap())
            .collect()
    };
    browser.press("Enter");
    let down = sorted(browser.evaluate(column));
    assert!(down.is_sorted_by(|a, b| a >= b), "{down:?}");
    let state = "document.activeElement.closest('th').getAttribute('aria-sort')";
    assert_eq!(browser.evaluate(state), json!("descending"));
    browser.press("Enter");
    let up = sorted(browser.evaluate(column));
    assert!(up.is_sorted() && up.len() == down.len(), "{up:?}");
    assert_eq!(browser.evaluate(state), json!("ascending"));

    // Zooming and stepping, with the keyboard; each step is said aloud.
    let range = "document.getElementById('range').textContent";
    browser.evaluate("document.getElementById('timeline').focus()");
    let outline = browser.evaluate("getComputedStyle(document.activeElement).outlineStyle");
    assert_ne!(outline, json!("none"));
    let whole = browser.evaluate(range);
    browser.press("+");
    browser.wait_for(&format!("{range} !== {whole}"));
    browser.press("0");
    browser.wait_for(&format!("{range} === {whole}"));
    let said = "document.getElementById('said').textContent";
    browser.press("n");
    let first = browser.evaluate(said);
    assert!(first.as_str().unwrap().contains(": task "), "{first}");
    browser.press("n");
    assert_ne!(browser.evaluate(said), first);
    browser.press("p");
    assert_eq!(browser.evaluate(said), first);

    // Pointing at a task tells the same.
    let at = browser.evaluate("(() => { const b = document.getElementById('timeline').getBoundingClientRect(); return [b.left + b.width / 2, b.top + 15]; })()");
    browser.mouse(
        "mouseMoved",
        at[0].as_f64().unwrap(),
        at[1].as_f64().unwrap(),
    );
    browser.wait_for("/: task \\d/.test(document.getElementById('tip').textContent)");

    browser.assert_accessible();
    browser.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)");
    for scheme in ["light", "dark"] {
        browser.prefer(scheme);
        browser.assert_contrast();
        browser.screenshot(&format!("profile-10-{scheme}.png"));
    }
    browser.assert_quiet();
}

#[test]
fn a_page_of_a_hundred_thousand_tasks() {
    let Some(mut browser) = Browser::open() else {
        return;
    };
    // A stream has a task for each chunk.
    let recorder = Arc::new(Recorder::new());
    let x = Array::<u8>::zeros(100_000, 1);
    let blocks = engine().observed_by(recorder.clone()).blocks(&x);
    assert_eq!(blocks.filter(|block| block.is_ok()).count(), 100_000);
    let profile = recorder.profile();
    assert!(profile.tasks() == 100_000);
    let page = profile.to_html();
    assert!(page.len() < 4_000_000, "{} bytes", page.len());
    let (_folder, url) = written(&profile);
    browser.go(&url);
    browser.wait_for("document.documentElement.dataset.ready === 'yes'");
    assert!(browser.evaluate(COLOURED).as_u64().unwrap() > 1000);
    let drawn = "document.getElementById('range').textContent";
    browser.evaluate("document.getElementById('timeline').focus()");
    // Into the middle until single tasks are seen, then through them.
    for _ in 0..17 {
        let before = browser.evaluate(drawn);
        browser.press("+");
        browser.wait_for(&format!("{drawn} !== {before}"));
    }
    browser.press("n");
    let said = browser.evaluate("document.getElementById('said').textContent");
    assert!(said.as_str().unwrap().contains("block ["), "{said}");
    // Drawn with the next frame.
    browser.wait_for(&format!("{COLOURED} > 100"));
    browser.press("0");
    browser.assert_accessible();
    browser.screenshot("profile-100000.png");
    browser.assert_quiet();
}
