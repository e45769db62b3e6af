//! Progress bars of a whole process, on a terminal and on a pipe.

use std::process::{Command, Output};
use std::time::Duration;

use flagstone::{Array, Engine};

/// Set in the processes that draw.
const DRAWS: &str = "FLAGSTONE_TEST_DRAWS";

/// What the other processes run: long enough for a bar.
#[test]
fn slow_job() {
    if std::env::var_os(DRAWS).is_none() {
        return;
    }
    let x = Array::<f64>::ones([20, 20_000], [1, 20_000]).map_blocks(|block| {
        std::thread::sleep(Duration::from_millis(50));
        block.to_owned()
    });
    let engine = Engine::builder().threads(2).build().unwrap();
    assert_eq!(engine.item(&x.max(..)).unwrap(), 1.0);
}

fn arguments() -> [&'static str; 3] {
    ["--exact", "bars::slow_job", "--nocapture"]
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    let all = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&all).into_owned()
}

#[test]
fn nothing_is_drawn_on_a_pipe() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(arguments())
        .env(DRAWS, "1")
        .env("FLAGSTONE_PROGRESS", "1")
        .output()
        .unwrap();
    let text = text(&output);
    assert!(text.contains("1 passed"), "{text}");
    assert!(!text.contains(" tasks"), "{text}");
}

#[cfg(target_os = "linux")]
#[test]
fn bars_on_a_terminal_that_asked_for_them() {
    let program = std::env::current_exe().unwrap();
    let command = format!("'{}' {}", program.display(), arguments().join(" "));
    for asked in ["1", "0"] {
        // Runs a command on a terminal of its own.
        let output = Command::new("script")
            .args(["-qec", &command, "/dev/null"])
            .env(DRAWS, "1")
            .env("FLAGSTONE_PROGRESS", asked)
            .env("TERM", "xterm-256color")
            .output();
        let Ok(output) = output else {
            eprintln!("skipped: there is no `script` to make a terminal");
            return;
        };
        let text = text(&output);
        assert!(text.contains("1 passed"), "{text}");
        assert_eq!(text.contains("max(axes 0 1)"), asked == "1", "{text}");
        assert_eq!(text.contains("/s, done in "), asked == "1", "{text}");
    }
}
