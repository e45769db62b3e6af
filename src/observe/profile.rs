//! What computations did, and how long it took.

use std::collections::{BTreeMap, HashMap};

use super::recorder::{HeldNote, Notes, RunNotes, Span};
use crate::exec::StageOutline;

/// Where the time and the memory of computations went. [`Engine::profile`](crate::Engine::profile) makes one of a
/// computation, a [`Recorder`](super::Recorder) of all that an engine did.
///
/// Printed, it is a report of some lines. [`to_html`](Profile::to_html) is one page with a timeline, which needs no
/// network; [`to_chrome_trace`](Profile::to_chrome_trace) is for Perfetto and `chrome://tracing`.
///
/// ```
/// use flagstone::{Array, Engine};
///
/// let x = Array::<f64>::ones([1000, 1000], 100);
/// let (mean, profile) = Engine::global()?.profile(&x.mean(0))?;
/// assert_eq!(mean[[0]], 1.0);
/// println!("{profile}");
/// let tasks: u64 = profile.stages().iter().map(|stage| stage.tasks).sum();
/// assert_eq!(tasks, profile.tasks());
/// assert!(profile.held_peak_bytes() <= profile.planned_peak_bytes());
/// # Ok::<(), flagstone::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Profile {
    pub(super) seconds: f64,
    pub(super) bandwidth: Option<f64>,
    pub(super) runs: Vec<RunUse>,
    pub(super) stages: Vec<StageUse>,
    pub(super) workers: Vec<WorkerUse>,
    pub(super) memory: Vec<MemoryPoint>,
    /// By worker, then by start.
    pub(super) spans: Vec<Span>,
    /// Per stage of `stages`: what was planned.
    pub(super) outlines: Vec<StageOutline>,
    /// The stage of a run and a number, in `stages`.
    pub(super) places: HashMap<(u64, u32), usize>,
    pub(super) dropped: u64,
}

/// A computation of a [`Profile`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RunUse {
    /// Its number, as in its events.
    pub run: u64,
    /// What was computed.
    pub name: String,
    /// The tasks that were planned.
    pub tasks: u64,
    /// The threads that could run them.
    pub threads: usize,
    /// When its memory was there, in seconds since notes were taken.
    pub start: f64,
    /// When it was over, or the notes end.
    pub end: f64,
    /// Whether it succeeded; nothing if it was still running.
    pub ok: Option<bool>,
    /// The most bytes that it was to hold.
    pub planned_peak: u64,
    /// The most bytes that it held.
    pub held_peak: u64,
    /// The memory budget of its engine.
    pub budget: u64,
    /// Bytes written to its temporary file.
    pub spilled: u64,
    /// What tasks failed with.
    pub errors: Vec<String>,
    /// What observers panicked with that heard no more of it.
    pub lost_observers: Vec<String>,
}

/// A stage of a computation of a [`Profile`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StageUse {
    /// The computation, as in its events.
    pub run: u64,
    /// The stage's number in that computation, from 0.
    pub stage: usize,
    /// As [`explain`](crate::Array::explain) prints it.
    pub name: String,
    /// The first part of the name, which stages of a kind share.
    pub op: String,
    /// What else `explain` says of it.
    pub detail: String,
    /// The tasks that ran.
    pub tasks: u64,
    /// Of those, the ones that failed.
    pub failed: u64,
    /// Tasks that another thread had in its queue.
    pub stolen: u64,
    /// The time of all tasks together, in seconds.
    pub busy: f64,
    /// The time in which at least one task ran.
    pub active: f64,
    /// The longest task.
    pub longest: f64,
    /// When the first task started, in seconds since notes were taken.
    pub start: f64,
    /// When the last task ended.
    pub end: f64,
    /// Bytes read and written by the tasks that ran, as planned.
    pub bytes: u64,
}

/// Stages of a kind, put together.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OpUse {
    /// As [`StageUse::op`].
    pub op: String,
    /// How many stages.
    pub stages: usize,
    /// The tasks that ran.
    pub tasks: u64,
    /// The time of all tasks together, in seconds.
    pub busy: f64,
    /// The time in which a task of any of these stages ran.
    pub active: f64,
    /// Bytes read and written, as planned.
    pub bytes: u64,
}

/// A thread of a [`Profile`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WorkerUse {
    /// Its number, as in events.
    pub worker: usize,
    /// `thread 0`, or `calling threads`: those that compute work themselves, each in place of one of the pool's, which rests.
    pub name: String,
    /// The tasks that it ran.
    pub tasks: u64,
    /// Of those, the ones that it took from another thread.
    pub stolen: u64,
    /// The time in which it ran tasks, in seconds.
    pub busy: f64,
    /// The time of computations in which it ran none.
    pub idle: f64,
}

/// What was held at a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct MemoryPoint {
    /// In seconds since notes were taken.
    pub time: f64,
    /// What all computations together had booked from then on.
    pub held: u64,
    /// The most that those which ran then were to hold.
    pub planned: u64,
}

impl StageUse {
    /// Bytes a second, while tasks of the stage ran.
    pub fn bytes_per_second(&self) -> f64 {
        per(self.bytes, self.active)
    }
}

impl OpUse {
    /// Bytes a second, while tasks of these stages ran.
    pub fn bytes_per_second(&self) -> f64 {
        per(self.bytes, self.active)
    }
}

fn per(bytes: u64, seconds: f64) -> f64 {
    if seconds > 0.0 {
        bytes as f64 / seconds
    } else {
        0.0
    }
}

/// Nanoseconds in seconds.
pub(super) fn in_seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 * 1e-9
}

impl Profile {
    pub(super) fn new(mut notes: Notes) -> Profile {
        notes.spans.sort_by_key(|span| (span.start, span.end));
        let (mut stages, outlines, places) = stages(&notes.runs);
        // Of tasks whose computation was not seen to be planned nothing is known.
        notes
            .spans
            .retain(|span| places.contains_key(&(span.run, span.stage)));
        let mut ends = vec![0; stages.len()];
        for span in &notes.spans {
            let at = places[&(span.run, span.stage)];
            add(&mut stages[at], span, &mut ends[at]);
        }
        for (stage, outline) in stages.iter_mut().zip(&outlines) {
            // Of calls nobody may know how many there will be; their bytes are not known either.
            let share = stage.tasks as f64 / f64::from(outline.running().max(1));
            stage.bytes = (outline.bytes_moved() as f64 * share.min(1.0)) as u64;
        }
        let end = |run: &RunNotes| run.ended.map_or(notes.now, |(time, _)| time);
        let last = notes.runs.iter().map(end).max().unwrap_or(0);
        let runs = notes.runs.iter().map(|run| run_use(run, end(run)));
        let mut profile = Profile {
            seconds: in_seconds(last),
            bandwidth: None,
            runs: runs.collect(),
            stages,
            workers: workers(&notes, &end),
            memory: memory(&notes.runs, notes.held),
            spans: notes.spans,
            outlines,
            places,
            dropped: notes.dropped,
        };
        profile
            .spans
            .sort_by_key(|span| (span.worker, span.start, std::cmp::Reverse(span.end)));
        profile
    }

    /// Throughputs are then compared with so many bytes a second; see
    /// [`memory_bandwidth`](super::memory_bandwidth).
    ///
    /// ```
    /// use flagstone::observe::{Recorder, memory_bandwidth};
    ///
    /// let profile = Recorder::new().profile().compared_with(memory_bandwidth(2));
    /// assert_eq!(profile.bandwidth(), Some(memory_bandwidth(2)));
    /// ```
    #[must_use]
    pub fn compared_with(mut self, bytes_per_second: f64) -> Profile {
        self.bandwidth = Some(bytes_per_second);
        self
    }

    /// From when notes were taken, planning included, to when the last computation was over, in seconds.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }

    /// The tasks that ran.
    pub fn tasks(&self) -> u64 {
        self.stages.iter().map(|stage| stage.tasks).sum()
    }

    /// The tasks that a thread took from another's queue.
    pub fn stolen(&self) -> u64 {
        self.stages.iter().map(|stage| stage.stolen).sum()
    }

    /// The computations, in the order in which they began.
    pub fn runs(&self) -> &[RunUse] {
        &self.runs
    }

    /// The stages, of one computation after the other.
    pub fn stages(&self) -> &[StageUse] {
        &self.stages
    }

    /// The threads; those that are not the pool's are the last one, and only there if they ran tasks.
    pub fn workers(&self) -> &[WorkerUse] {
        &self.workers
    }

    /// What was held, from change to change.
    pub fn memory(&self) -> &[MemoryPoint] {
        &self.memory
    }

    /// Stages of the same kind together, the ones that took longest first.
    pub fn ops(&self) -> Vec<OpUse> {
        let mut ops: Vec<OpUse> = Vec::new();
        let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
        for stage in &self.stages {
            let at = *numbers.entry(&stage.op).or_insert_with(|| {
                ops.push(OpUse {
                    op: stage.op.clone(),
                    stages: 0,
                    tasks: 0,
                    busy: 0.0,
                    active: 0.0,
                    bytes: 0,
                });
                ops.len() - 1
            });
            ops[at].stages += 1;
            ops[at].tasks += stage.tasks;
            ops[at].busy += stage.busy;
            ops[at].bytes += stage.bytes;
        }
        let mut by_start: Vec<&Span> = self.spans.iter().collect();
        by_start.sort_by_key(|span| span.start);
        let mut ends = vec![0; ops.len()];
        for span in by_start {
            let op = &self.stages[self.stage_of(span)].op;
            let at = numbers[op.as_str()];
            ops[at].active += in_seconds(beyond(span, &mut ends[at]));
        }
        ops.sort_by(|a, b| b.busy.total_cmp(&a.busy));
        ops
    }

    /// The bytes a second that the machine reads from memory, if they were measured.
    pub fn bandwidth(&self) -> Option<f64> {
        self.bandwidth
    }

    /// The most bytes that the computations which ran at the same time were to hold.
    pub fn planned_peak_bytes(&self) -> u64 {
        self.memory
            .iter()
            .map(|point| point.planned)
            .max()
            .unwrap_or(0)
    }

    /// The most bytes that were held at once.
    pub fn held_peak_bytes(&self) -> u64 {
        self.memory
            .iter()
            .map(|point| point.held)
            .max()
            .unwrap_or(0)
    }

    /// The memory budget; of several engines the largest.
    pub fn budget_bytes(&self) -> u64 {
        self.runs.iter().map(|run| run.budget).max().unwrap_or(0)
    }

    /// Bytes read and written, as planned.
    pub fn bytes(&self) -> u64 {
        self.stages.iter().map(|stage| stage.bytes).sum()
    }

    /// Bytes written to temporary files.
    pub fn spilled_bytes(&self) -> u64 {
        self.runs.iter().map(|run| run.spilled).sum()
    }

    /// Tasks that ran and are not part of the profile, because there were too many.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The threads that ran the tasks of a computation.
    pub(super) fn workers_of(&self, run: u64) -> HashMap<u32, usize> {
        let spans = self.spans.iter().filter(|span| span.run == run);
        spans
            .map(|span| (span.task, span.worker as usize))
            .collect()
    }

    pub(super) fn stage_of(&self, span: &Span) -> usize {
        self.places[&(span.run, span.stage)]
    }

    /// The time in which computations ran.
    pub(super) fn run_seconds(&self) -> f64 {
        let mut runs: Vec<(f64, f64)> = self.runs.iter().map(|run| (run.start, run.end)).collect();
        runs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut end = 0.0;
        let mut sum = 0.0;
        for (start, stop) in runs {
            sum += (stop - start.max(end)).max(0.0);
            end = stop.max(end);
        }
        sum
    }
}

type Stages = (Vec<StageUse>, Vec<StageOutline>, HashMap<(u64, u32), usize>);

/// All stages of all computations, nothing of which has run.
fn stages(runs: &[RunNotes]) -> Stages {
    let mut stages = Vec::new();
    let mut outlines = Vec::new();
    let mut places = HashMap::new();
    for run in runs {
        let outline = &run.outline;
        for (number, stage) in outline.stages.iter().enumerate() {
            places.insert((outline.run, number as u32), stages.len());
            stages.push(StageUse {
                run: outline.run,
                stage: number,
                name: stage.name.clone(),
                op: stage.op().to_owned(),
                detail: stage.detail.clone(),
                tasks: 0,
                failed: 0,
                stolen: 0,
                busy: 0.0,
                active: 0.0,
                longest: 0.0,
                start: 0.0,
                end: 0.0,
                bytes: 0,
            });
            outlines.push(stage.clone());
        }
    }
    (stages, outlines, places)
}

/// The part of a span that lies behind all before it; spans come by their starts.
fn beyond(span: &Span, end: &mut u64) -> u64 {
    let more = span.end.saturating_sub(span.start.max(*end));
    *end = span.end.max(*end);
    more
}

fn add(stage: &mut StageUse, span: &Span, end: &mut u64) {
    let seconds = in_seconds(span.end - span.start);
    if stage.tasks == 0 {
        stage.start = in_seconds(span.start);
    }
    stage.end = stage.end.max(in_seconds(span.end));
    stage.tasks += 1;
    stage.failed += u64::from(span.failed);
    stage.stolen += u64::from(span.stolen);
    stage.busy += seconds;
    stage.longest = stage.longest.max(seconds);
    stage.active += in_seconds(beyond(span, end));
}

fn run_use(run: &RunNotes, end: u64) -> RunUse {
    let outline = &run.outline;
    RunUse {
        run: outline.run,
        name: outline.name.clone(),
        tasks: outline.tasks,
        threads: outline.threads,
        start: in_seconds(run.planned),
        end: in_seconds(end),
        ok: run.ended.map(|(_, ok)| ok),
        planned_peak: outline.planned_peak,
        held_peak: run.held_peak,
        budget: outline.budget,
        spilled: run.spilled,
        errors: run.errors.clone(),
        lost_observers: run.lost_observers.clone(),
    }
}

/// The pool's threads, and the others if they ran tasks. Spans come by their starts.
fn workers(notes: &Notes, end: &impl Fn(&RunNotes) -> u64) -> Vec<WorkerUse> {
    let threads = notes.runs.iter().map(|run| run.outline.threads).max();
    let threads = threads.unwrap_or(0);
    let seen = notes
        .spans
        .iter()
        .map(|span| span.worker as usize + 1)
        .max();
    let n = threads.max(seen.unwrap_or(0));
    let mut workers: Vec<WorkerUse> = (0..n)
        .map(|worker| WorkerUse {
            worker,
            name: match worker < threads {
                true => format!("thread {worker}"),
                false => "calling threads".to_owned(),
            },
            tasks: 0,
            stolen: 0,
            busy: 0.0,
            idle: 0.0,
        })
        .collect();
    let mut ends = vec![0; n];
    for span in &notes.spans {
        let worker = &mut workers[span.worker as usize];
        worker.tasks += 1;
        worker.stolen += u64::from(span.stolen);
        worker.busy += in_seconds(beyond(span, &mut ends[span.worker as usize]));
    }
    let mut intervals: Vec<(u64, u64)> = notes
        .runs
        .iter()
        .map(|run| (run.planned, end(run)))
        .collect();
    intervals.sort_unstable();
    let mut running = 0;
    let mut last = 0;
    for (start, end) in intervals {
        running += end.saturating_sub(start.max(last));
        last = end.max(last);
    }
    for worker in &mut workers {
        worker.idle = (in_seconds(running) - worker.busy).max(0.0);
    }
    workers
}

/// Sums over all computations, at each change of one of them.
fn memory(runs: &[RunNotes], mut held: Vec<HeldNote>) -> Vec<MemoryPoint> {
    // What each computation holds and was to hold, at its beginning, its end, and between.
    let mut changes: Vec<(u64, u64, u64, Option<u64>)> = Vec::new();
    held.sort_by_key(|note| note.time);
    for run in runs {
        let number = run.outline.run;
        changes.push((run.planned, number, 0, Some(run.outline.planned_peak)));
        if let Some((time, _)) = run.ended {
            changes.push((time, number, 0, Some(0)));
        }
    }
    let known: HashMap<u64, u64> = runs
        .iter()
        .map(|run| {
            (
                run.outline.run,
                run.ended.map_or(u64::MAX, |(time, _)| time),
            )
        })
        .collect();
    changes.extend(
        held.iter()
            .filter(|note| known.get(&note.run).is_some_and(|&end| note.time <= end))
            .map(|note| (note.time, note.run, note.held, None)),
    );
    // A beginning first, an end last, of changes at the same moment.
    changes.sort_by_key(|&(time, _, _, planned)| {
        let rank = match planned {
            Some(0) => 2,
            Some(_) => 0,
            None => 1,
        };
        (time, rank)
    });
    let mut now: HashMap<u64, (u64, u64)> = HashMap::new();
    let mut points: Vec<MemoryPoint> = Vec::with_capacity(changes.len());
    let (mut sum, mut sum_planned) = (0_u64, 0_u64);
    for (time, run, held, planned) in changes {
        let entry = now.entry(run).or_default();
        sum = sum - entry.0 + held;
        entry.0 = held;
        if let Some(planned) = planned {
            sum_planned = sum_planned - entry.1 + planned;
            entry.1 = planned;
        }
        points.push(MemoryPoint {
            time: in_seconds(time),
            held: sum,
            planned: sum_planned,
        });
    }
    points
}
