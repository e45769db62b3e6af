//! Stores that are killed, and go on where they were.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use flagstone::zarr::{Codec, Create, Update, ZarrGroup, create_group};
use flagstone::{Array, Engine};
use ndarray::ArrayD;

use crate::sample::values;

const SHAPE: [usize; 2] = [40, 30];
const CHUNK: [usize; 2] = [5, 5];
const BLOCKS: usize = 48;
/// Tells a child what it is to do: a word and a path.
const TASK: &str = "FLAGSTONE_TEST_STORE";

/// The array that is stored, and how many of its blocks were computed.
fn counted(pause: Duration) -> (Array<f64>, Arc<AtomicUsize>) {
    let computed = Arc::new(AtomicUsize::new(0));
    let count = computed.clone();
    let x = Array::from_ndarray(values::<f64>(&SHAPE), CHUNK).map_blocks(move |block| {
        count.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(pause);
        block.mapv(|value| value * 3.0)
    });
    (x, computed)
}

fn expected() -> ArrayD<f64> {
    values::<f64>(&SHAPE) * 3.0
}

fn options() -> Create {
    Create::new().chunks(CHUNK).resumable_with("times three")
}

/// What a child does, if this process is one: it is the test binary itself.
#[test]
fn child() {
    let Ok(task) = std::env::var(TASK) else {
        return;
    };
    let (word, path) = task.split_once(' ').unwrap();
    let engine = Engine::builder().threads(2).build().unwrap();
    // Long enough for the parent to strike in between.
    let (x, _) = counted(Duration::from_millis(3));
    match word {
        "store" => engine.store_zarr(&x, path, &options()).unwrap(),
        "update" => {
            let update = flagstone::Store::update_zarr(&x, path, [2, 2], &Update::new());
            engine.store_all([update.unwrap()]).unwrap();
        }
        other => panic!("an unknown task {other:?}"),
    }
}

fn start(word: &str, path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "resume::child", "--nocapture"])
        .env(TASK, format!("{word} {}", path.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        // The child renames and removes meanwhile.
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn is_chunk(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_string_lossy();
    name.chars().all(|c| c.is_ascii_digit())
}

/// Kills a child, `kill -9`, once it has written so many chunks.
fn kill_after(mut child: Child, folder: &Path, chunks: usize) {
    while files(folder).iter().filter(|path| is_chunk(path)).count() < chunks {
        if child.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The chunks in a folder, and which files they are: one that is written again is another file.
fn identities(folder: &Path) -> Vec<(PathBuf, u64)> {
    use std::os::unix::fs::MetadataExt;
    files(folder)
        .into_iter()
        .filter(|path| is_chunk(path))
        .map(|path| {
            let number = fs::metadata(&path).unwrap().ino();
            (path.strip_prefix(folder).unwrap().to_owned(), number)
        })
        .collect()
}

/// The lines of the journal, which are about finished chunks.
fn noted(staging: &Path) -> usize {
    let text = fs::read_to_string(staging.join(".flagstone-journal")).unwrap_or_default();
    text.matches('\n').count().saturating_sub(1)
}

#[test]
fn a_store_that_is_killed_anywhere_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    create_group(folder.path(), Default::default()).unwrap();
    let (path, staging) = (folder.path().join("x"), folder.path().join(".x.resumable"));
    for round in 0..20 {
        let point = round * 7919 % BLOCKS;
        // Some are killed twice.
        for part in 0..=usize::from(round % 4 == 0) {
            kill_after(start("store", &path), &staging, point + part);
        }
        let unfinished = !path.exists();
        if unfinished {
            // Nobody takes what is there for the array.
            let error = Array::<f64>::from_zarr(&path).err().unwrap();
            assert!(error.is_io() && error.to_string().contains("/x"), "{error}");
            assert!(
                ZarrGroup::open(folder.path())
                    .unwrap()
                    .members()
                    .unwrap()
                    .is_empty()
            );
            // Only when all chunks are there the folder gets its metadata, before it gets its name.
            let complete = noted(&staging) == BLOCKS;
            assert!(complete || Array::<f64>::from_zarr(&staging).is_err());
        } else {
            fs::remove_dir_all(&path).unwrap();
        }
        let kept = noted(&staging);
        let chunks: Vec<PathBuf> = files(&staging.join("c"))
            .into_iter()
            .filter(|path| is_chunk(path))
            .collect();
        assert!(chunks.len() >= kept, "what the journal says is there");
        let mut damaged = 0;
        if round % 3 == 1 && kept == chunks.len() && kept > 0 {
            // A damaged chunk is not kept.
            let victim = &chunks[round % kept];
            let mut bytes = fs::read(victim).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x10;
            fs::write(victim, bytes).unwrap();
            damaged = 1;
        }
        let before = identities(&staging);
        let (x, computed) = counted(Duration::ZERO);
        x.to_zarr_with(&path, &options()).unwrap();
        let after = identities(&path);
        let same = before.iter().filter(|file| after.contains(file)).count();
        let expected_same = kept - damaged;
        // A chunk may have got its name and not its line when the process died: it is written again.
        assert_eq!(
            same, expected_same,
            "round {round}: finished chunks are kept"
        );
        // Blocks as small as these are computed several at a time, and only the missing ones are written.
        let computed = computed.load(Ordering::Relaxed);
        assert!(computed >= BLOCKS - same && computed <= BLOCKS);
        if same == BLOCKS {
            assert_eq!(computed, 0);
        }
        let read = Array::<f64>::from_zarr(&path).unwrap().compute().unwrap();
        assert_eq!(read, expected(), "round {round}");
        assert!(files(&path).iter().all(|path| {
            is_chunk(path)
                || path.ends_with("zarr.json")
                || path.extension().is_some_and(|end| end == "tmp")
        }));
        assert!(!staging.exists());
        fs::remove_dir_all(&path).unwrap();
    }
}

/// Chunks that are missing here and there are computed, and what they need, and nothing else.
#[test]
fn gaps_are_filled_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (path, staging) = (folder.path().join("x"), folder.path().join(".x.resumable"));
    let from = folder.path().join("from");
    // Large enough for each to be a task of its own.
    let options = Create::new().chunks([200, 200]).codec(Codec::Zstd(1));
    let numbers = Array::<f64>::arange(0.0, 640_000.0, 1.0, ..).reshape([800, 800]);
    numbers.to_zarr_with(&from, &options).unwrap();
    let computed = Arc::new(AtomicUsize::new(0));
    let (count, squatted) = (computed.clone(), path.clone());
    let x = Array::<f64>::from_zarr(&from).unwrap();
    let y = x.map_blocks(move |block| {
        count.fetch_add(1, Ordering::Relaxed);
        block.mapv(|value| value * 3.0)
    });
    let options = options.resumable_with("times three");
    for gaps in [
        vec![[0, 0], [3, 3]],
        vec![[3, 0], [1, 1], [0, 3]],
        vec![[0, 0], [1, 1], [2, 2], [3, 3]],
        vec![[2, 1], [2, 2]],
        vec![],
    ] {
        for threads in [1, 2] {
            let engine = Engine::builder().threads(threads).build().unwrap();
            // All chunks are written, and the name is taken.
            let store = flagstone::Store::to_zarr(&y, &path, &options).unwrap();
            fs::create_dir(&squatted).unwrap();
            engine.store_all([store]).unwrap_err();
            fs::remove_dir(&squatted).unwrap();
            assert_eq!(computed.swap(0, Ordering::Relaxed), 16);
            assert_eq!(noted(&staging), 16);
            for [row, column] in &gaps {
                fs::remove_file(staging.join(format!("c/{row}/{column}"))).unwrap();
            }
            let before = identities(&staging);
            let store = flagstone::Store::to_zarr(&y, &path, &options).unwrap();
            let explained = engine.explain_stores(std::slice::from_ref(&store)).unwrap();
            let read: f64 = explained.passes().iter().map(|(_, part)| part).sum();
            assert_eq!(read, gaps.len() as f64 / 16.0, "{explained}");
            let report = engine.store_all([store]).unwrap();
            assert_eq!(report.tasks, explained.tasks());
            assert_eq!(computed.swap(0, Ordering::Relaxed), gaps.len(), "{gaps:?}");
            let after = identities(&path);
            assert!(before.iter().all(|file| after.contains(file)));
            assert_eq!(after.len(), 16);
            let read = Array::<f64>::from_zarr(&path).unwrap();
            let same = read.eq(&(&numbers * 3.0)).all(..).item().unwrap();
            assert!(same, "{gaps:?}");
            fs::remove_dir_all(&path).unwrap();
        }
    }
}

#[test]
fn an_update_that_is_killed_leaves_a_mark() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    let old = Array::<f64>::zeros([45, 35], 5);
    for point in [1, 20] {
        old.to_zarr_with(&path, &Create::new().overwrite()).unwrap();
        let before = files(&path).len();
        let child = start("update", &path);
        let marked = || path.join(".flagstone-unfinished").exists();
        let mut child = child;
        while !marked() && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        // Chunks are replaced: how many cannot be counted, so that some reads of the mark serve as a clock.
        for _ in 0..point * 50 {
            std::hint::black_box(marked());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(before > 0);
        if marked() {
            let error = Array::<f64>::from_zarr(&path).err().unwrap();
            // The process may have died before it had written into the mark.
            let expected = match fs::read(path.join(".flagstone-unfinished"))
                .unwrap()
                .is_empty()
            {
                true => "which elements is not known",
                false => "[40, 30] elements at [2, 2]",
            };
            assert!(error.to_string().contains(expected), "{error}");
        }
        let (x, _) = counted(Duration::ZERO);
        x.update_zarr(&path, [2, 2], &Update::new().over_unfinished())
            .unwrap();
        let read = Array::<f64>::from_zarr(&path).unwrap();
        let inside = read.slice(flagstone::s![2..42, 2..32]).compute().unwrap();
        assert_eq!(inside, expected());
        assert_eq!(read.sum(..).item().unwrap(), expected().sum());
    }
}

#[test]
fn only_the_same_store_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (path, staging) = (folder.path().join("x"), folder.path().join(".x.resumable"));
    let fails = Array::<f64>::arange(0.0, 100.0, 1.0, 10).map_blocks(|block| {
        assert!(block[[0]] < 90.0, "the last block");
        block.to_owned()
    });
    let options = Create::new().chunks(10);
    let with = |token: &str| options.clone().resumable_with(token);
    fails.to_zarr_with(&path, &with("one")).unwrap_err();
    assert!(staging.exists() && !path.exists());
    let whole = Array::<f64>::arange(0.0, 100.0, 1.0, 10);
    // Another word, another plan, other chunks.
    for other in [
        fails.to_zarr_with(&path, &with("two")),
        whole.to_zarr_with(&path, &with("one")),
        fails.to_zarr_with(&path, &with("one").chunks(20)),
    ] {
        let error = other.unwrap_err();
        assert!(error.to_string().contains("something else"), "{error}");
        assert!(error.to_string().contains(".x.resumable"), "{error}");
    }
    // What cannot be recognized needs a word.
    for unknown in [
        fails.clone(),
        whole.map(|x| x + 1.0),
        Array::from_ndarray(values::<f64>(&[100]), 10),
    ] {
        let error = unknown
            .to_zarr_with(&path, &options.clone().resumable())
            .unwrap_err();
        assert!(
            error.is_value() && error.to_string().contains("resumable_with"),
            "{error}"
        );
    }
    fs::remove_dir_all(&staging).unwrap();
    // What can be recognized does not: files, numbers, random numbers.
    let file = folder.path().join("file.npy");
    whole.to_npy(&file).unwrap();
    let mut rng = flagstone::random::Generator::new(7);
    let known = Array::<f64>::from_npy(&file, 10).unwrap() + rng.uniform::<f64>([100], 10);
    known
        .to_zarr_with(&path, &options.clone().resumable())
        .unwrap();
    let read = Array::<f64>::from_zarr(&path).unwrap().compute().unwrap();
    assert_eq!(read, known.compute().unwrap());
    assert!(!staging.exists());
}

/// A Zarr array of which a chunk was changed is another source, though its metadata are the same.
#[test]
fn a_source_that_changed_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let (from, path) = (
        folder.path().join("from.zarr"),
        folder.path().join("x.zarr"),
    );
    let options = Create::new().chunks(10).codec(flagstone::zarr::Codec::None);
    let x = Array::<f64>::arange(0.0, 100.0, 1.0, 10);
    x.to_zarr_with(&from, &options).unwrap();
    let stored = Array::<f64>::from_zarr(&from).unwrap() * 2.0;
    let resumable = options.resumable();
    // It fails while its last chunk is not what it should be.
    let last = from.join("c/9");
    let bytes = fs::read(&last).unwrap();
    let time = fs::metadata(&last).unwrap().modified().unwrap();
    let put = |bytes: &[u8], time: std::time::SystemTime| {
        fs::write(&last, bytes).unwrap();
        fs::File::options()
            .write(true)
            .open(&last)
            .unwrap()
            .set_modified(time)
            .unwrap();
    };
    put(&bytes[..79], time);
    stored.to_zarr_with(&path, &resumable).unwrap_err();
    let staging = folder.path().join(".x.zarr.resumable");
    assert!(staging.exists());
    stored.to_zarr_with(&path, &resumable).unwrap_err();
    put(&bytes, time + Duration::from_secs(1));
    let error = stored.to_zarr_with(&path, &resumable).unwrap_err();
    assert!(error.to_string().contains("something else"), "{error}");
    fs::remove_dir_all(&staging).unwrap();
    stored.to_zarr_with(&path, &resumable).unwrap();
    assert_eq!(
        Array::<f64>::from_zarr(&path).unwrap().compute().unwrap(),
        (x * 2.0).compute().unwrap()
    );
}
