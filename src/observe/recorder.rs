//! An observer that takes notes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::profile::Profile;
use crate::exec::{Event, Observer, Outline};

/// Notes of what each thread did are kept apart, so that threads do not wait for each other.
const SHARDS: usize = 64;

/// Tasks of a thread beyond so many are counted and not noted: notes take 48 bytes each.
const MOST_SPANS: usize = 4_000_000;

/// Takes notes of all computations of an engine, for a [`Profile`] of them: arrays, stores, streams and tasks alike.
///
/// [`Engine::profile`](crate::Engine::profile) is the short form for one computation.
///
/// ```
/// use std::sync::Arc;
///
/// use flagstone::observe::Recorder;
/// use flagstone::{Array, Engine};
///
/// let recorder = Arc::new(Recorder::new());
/// let engine = Engine::builder().threads(2).observer(recorder.clone()).build()?;
/// let x = Array::<f64>::ones([100, 100], 10);
/// engine.compute(&x.sum(0))?;
/// for block in engine.blocks(&x) {
///     block?;
/// }
/// let profile = recorder.profile();
/// assert_eq!(profile.runs().len(), 2);
/// println!("{profile}");
/// # Ok::<(), flagstone::Error>(())
/// ```
pub struct Recorder {
    began: Instant,
    shards: Vec<Mutex<Shard>>,
    runs: Mutex<Vec<RunNotes>>,
}

/// What one thread did, or several whose numbers meet here.
#[derive(Default)]
struct Shard {
    open: Vec<Span>,
    spans: Vec<Span>,
    held: Vec<HeldNote>,
    dropped: u64,
}

/// A task, from when to when. Times are nanoseconds since the recorder was made.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub run: u64,
    pub task: u32,
    pub stage: u32,
    pub worker: u32,
    pub start: u64,
    pub end: u64,
    pub stolen: bool,
    pub failed: bool,
}

#[derive(Clone, Copy)]
pub struct HeldNote {
    pub time: u64,
    pub run: u64,
    pub held: u64,
}

/// A computation as its events told of it.
#[derive(Clone)]
pub struct RunNotes {
    pub outline: Arc<Outline>,
    pub planned: u64,
    /// When it was over, and whether it succeeded.
    pub ended: Option<(u64, bool)>,
    pub held_peak: u64,
    pub spilled: u64,
    pub lost_observers: Vec<String>,
    pub errors: Vec<String>,
}

/// Everything that was noted until now.
pub struct Notes {
    pub now: u64,
    pub runs: Vec<RunNotes>,
    pub spans: Vec<Span>,
    pub held: Vec<HeldNote>,
    pub dropped: u64,
}

impl Default for Recorder {
    fn default() -> Recorder {
        Recorder::new()
    }
}

impl Recorder {
    /// One that has noted nothing yet. Its clock starts now.
    pub fn new() -> Recorder {
        Recorder {
            began: Instant::now(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            runs: Mutex::default(),
        }
    }

    /// What was noted until now. Tasks that are still running are not part of it.
    ///
    /// # Cost
    /// Copies and sorts the notes, which take 48 bytes for each task.
    pub fn profile(&self) -> Profile {
        Profile::new(self.notes())
    }

    fn notes(&self) -> Notes {
        let mut notes = Notes {
            now: self.now(),
            runs: lock(&self.runs).clone(),
            spans: Vec::new(),
            held: Vec::new(),
            dropped: 0,
        };
        for shard in &self.shards {
            let shard = lock(shard);
            notes.spans.extend_from_slice(&shard.spans);
            notes.held.extend_from_slice(&shard.held);
            notes.dropped += shard.dropped;
        }
        notes
    }

    fn now(&self) -> u64 {
        self.began.elapsed().as_nanos() as u64
    }

    fn shard(&self, worker: usize) -> MutexGuard<'_, Shard> {
        lock(&self.shards[worker % SHARDS])
    }

    fn end(&self, worker: usize, run: u64, task: u32, end: u64, held: Option<u64>) {
        let mut shard = self.shard(worker);
        let shard = &mut *shard;
        // The newest first: a task inside of a task ends before it.
        let open = shard
            .open
            .iter()
            .rposition(|span| (span.run, span.task) == (run, task));
        if let Some(at) = open {
            let span = shard.open.remove(at);
            if shard.spans.len() < MOST_SPANS {
                shard.spans.push(Span {
                    end,
                    failed: held.is_none(),
                    ..span
                });
            } else {
                shard.dropped += 1;
            }
        }
        if let Some(held) = held {
            shard.note_held(end, run, held);
        }
    }

    fn with_run(&self, run: u64, note: impl FnOnce(&mut RunNotes)) {
        let mut runs = lock(&self.runs);
        if let Some(notes) = runs.iter_mut().rfind(|notes| notes.outline.run == run) {
            note(notes);
        }
    }
}

impl Shard {
    fn note_held(&mut self, time: u64, run: u64, held: u64) {
        if self.held.len() < MOST_SPANS {
            self.held.push(HeldNote { time, run, held });
        }
    }
}

impl Observer for Recorder {
    fn event(&self, event: &Event) {
        let now = self.now();
        match event {
            Event::Planned { outline, .. } => lock(&self.runs).push(RunNotes {
                outline: Arc::clone(outline),
                planned: now,
                ended: None,
                held_peak: 0,
                spilled: 0,
                lost_observers: Vec::new(),
                errors: Vec::new(),
            }),
            Event::Started {
                run,
                task,
                stage,
                worker,
                stolen,
            } => self.shard(*worker).open.push(Span {
                run: *run,
                task: *task,
                stage: *stage as u32,
                worker: *worker as u32,
                start: now,
                end: now,
                stolen: *stolen,
                failed: false,
            }),
            Event::Finished {
                run,
                task,
                worker,
                held,
                ..
            } => self.end(*worker, *run, *task, now, Some(*held)),
            Event::Failed {
                run,
                task,
                worker,
                message,
                ..
            } => {
                self.end(*worker, *run, *task, now, None);
                self.with_run(*run, |notes| notes.errors.push(message.to_string()));
            }
            Event::Held { run, held } => {
                self.shard(*run as usize).note_held(now, *run, *held);
            }
            Event::Spilled { run, bytes, .. } => {
                self.with_run(*run, |notes| notes.spilled += bytes);
            }
            Event::ObserverLost { run, message } => {
                self.with_run(*run, |notes| notes.lost_observers.push(message.to_string()));
            }
            Event::Ended { run, ok, held_peak } => {
                self.with_run(*run, |notes| {
                    notes.ended = Some((now, *ok));
                    notes.held_peak = *held_peak;
                });
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
