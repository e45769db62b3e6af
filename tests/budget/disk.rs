//! Disks that are full, missing or forbidden.

use std::path::Path;

use flagstone::{Array, Engine};

use crate::source::Units;

const SIDE: usize = 512;
const WHOLE: u64 = (SIDE * SIDE * 8) as u64;

fn engine(folder: &Path) -> Engine {
    Engine::builder()
        .threads(2)
        .memory(WHOLE / 4)
        .spill_dir(folder)
        .build()
        .unwrap()
}

fn job(source: &Units) -> Array<f64> {
    let x = Array::from_source(source.clone());
    let y = x.map_blocks(|block| &block + 1.0);
    (&y - &y.mean(0)).square().sum(..)
}

fn source() -> Units {
    Units::new(&[SIDE, SIDE], &[32, 32])
}

#[test]
fn a_folder_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("nowhere");
    let source = source();
    let engine = engine(&missing);
    let error = engine.compute(&job(&source)).unwrap_err();
    let text = error.to_string();
    assert!(error.is_io(), "{text}");
    for part in [missing.to_str().unwrap(), &WHOLE.to_string()] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(source.take_reads(), (0, 0), "nothing ran");
    // The next run works, on the same engine, once the folder is there.
    std::fs::create_dir(&missing).unwrap();
    engine.compute(&job(&source)).unwrap();
    assert_eq!(std::fs::read_dir(&missing).unwrap().count(), 0);
}

#[test]
fn a_source_that_fails_in_the_middle() {
    let folder = tempfile::tempdir().unwrap();
    let source = source();
    let engine = engine(folder.path());
    let expected = {
        let ample = Engine::builder().memory(WHOLE * 8).build().unwrap();
        ample.compute(&job(&source)).unwrap()
    };
    for reads in [0, 1, 100, 255] {
        source.fail_after(reads);
        let error = engine.compute(&job(&source)).unwrap_err();
        assert!(error.to_string().contains("the source is gone"), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
    source.fail_after(usize::MAX);
    assert_eq!(engine.compute(&job(&source)).unwrap(), expected);
}

/// Runs in a process of its own, in which no file may grow beyond a megabyte.
#[test]
#[ignore = "run by the test below, in a new process"]
fn child_with_a_small_disk() {
    let Some(folder) = std::env::var_os("FLAGSTONE_TEST_DISK") else {
        return;
    };
    let limit = libc::rlimit {
        rlim_cur: 1 << 20,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: a signal's default and a limit of this process, which does nothing else.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &limit), 0);
    }
    let source = source();
    let engine = engine(Path::new(&folder));
    let error = engine.compute(&job(&source)).unwrap_err();
    let text = error.to_string();
    assert!(error.is_io(), "{text}");
    for part in [
        folder.to_str().unwrap(),
        &WHOLE.to_string(),
        "File too large",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(source.take_reads(), (0, 0), "nothing ran");
    // What fits in memory works; and with room on the disk, so does the other.
    let x = Array::from_source(source.clone());
    assert!(engine.item(&x.mean(..)).unwrap() > 0.0);
    let limit = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        ..limit
    };
    // SAFETY: as above.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &limit) }, 0);
    engine.compute(&job(&source)).unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn a_disk_that_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["disk::child_with_a_small_disk", "--exact", "--ignored"])
        .env("FLAGSTONE_TEST_DISK", folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Runs until it is killed: a source that never ends its last unit.
#[test]
#[ignore = "run by the test below, in a new process"]
fn child_that_is_killed() {
    let Some(folder) = std::env::var_os("FLAGSTONE_TEST_DISK") else {
        return;
    };
    let x = Array::from_source(source()).map_blocks(|block| {
        if block[[0, 0]] == crate::source::value(&[480, 480]) {
            println!("spilling");
            std::thread::sleep(std::time::Duration::from_secs(600));
        }
        &block + 1.0
    });
    let job = (&x - &x.mean(0)).square().sum(..);
    engine(Path::new(&folder)).compute(&job).unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn nothing_is_left_behind_by_a_process_that_is_killed() {
    use std::io::{BufRead, BufReader};

    let folder = tempfile::tempdir().unwrap();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "disk::child_that_is_killed",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env("FLAGSTONE_TEST_DISK", folder.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let spilling = lines
        .map_while(Result::ok)
        .any(|line| line.contains("spilling"));
    // The temporary file is open, and has no name.
    let opened: Vec<_> = std::fs::read_dir(format!("/proc/{}/fd", child.id()))
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
        .filter(|path| path.starts_with(folder.path()))
        .collect();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(spilling && opened.len() == 1, "{opened:?}");
    assert!(
        opened[0].to_string_lossy().ends_with("(deleted)"),
        "{opened:?}"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// A folder in which nobody may write.
#[test]
#[cfg(unix)]
fn a_folder_without_permission() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let closed = folder.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o500)).unwrap();
    let source = source();
    let engine = engine(&closed);
    match engine.compute(&job(&source)) {
        // To the superuser no folder is closed.
        // SAFETY: a call without arguments.
        Ok(_) => assert_eq!(unsafe { libc::geteuid() }, 0, "the folder is closed"),
        Err(error) => {
            assert!(
                error.is_io() && error.to_string().contains("closed"),
                "{error}"
            );
            assert_eq!(source.take_reads(), (0, 0), "nothing ran");
        }
    }
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o700)).unwrap();
    engine.compute(&job(&source)).unwrap();
}
