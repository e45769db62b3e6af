//! What a live page shows: computations as they are now, and what happened lately. Everything is bounded.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::super::json;
use super::super::palette::strong;
use super::super::picture::Picture;
use crate::exec::{Event, Observer, Outline};

/// Computations that are remembered; those that ended first are forgotten first.
const MOST_RUNS: usize = 24;
/// Of these, the ones that are shown.
const SHOWN_RUNS: usize = 12;
/// Tasks that ended lately.
const MOST_SPANS: usize = 4_096;
/// Stages of a computation that a message lists.
const SHOWN_STAGES: usize = 100;
/// Tasks that have started and not ended; more than run at once.
const MOST_OPEN: usize = 65_536;
/// Of these, the ones that a message lists.
const MOST_SHOWN_OPEN: usize = 256;

/// Follows all computations of an engine.
pub struct Live {
    began: Instant,
    budget: u64,
    threads: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    runs: VecDeque<Run>,
    /// Tasks that are running, by computation and number.
    open: HashMap<(u64, u32), Open>,
    spans: VecDeque<Span>,
    /// The number of the next span.
    next_span: u64,
    ops: Vec<String>,
}

struct Run {
    outline: Arc<Outline>,
    began: f64,
    ended: Option<(f64, bool)>,
    done: u64,
    failed: u64,
    stage_done: Vec<u64>,
    /// By stage, the number of its operation.
    stage_op: Vec<usize>,
    held: u64,
    spilled: u64,
    error: Option<String>,
}

#[derive(Clone, Copy)]
struct Span {
    op: usize,
    worker: usize,
    start: f64,
    end: f64,
    failed: bool,
}

/// A task that is running.
#[derive(Clone, Copy)]
struct Open {
    op: usize,
    worker: usize,
    start: f64,
}

/// What a page has seen already.
#[derive(Default)]
pub struct Seen {
    spans: u64,
    ops: usize,
}

impl Live {
    pub fn new(budget: u64, threads: usize) -> Live {
        Live {
            began: Instant::now(),
            budget,
            threads,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// How it is now, and what happened since `seen`, as JSON.
    pub fn message(&self, seen: &mut Seen) -> String {
        let state = self.state();
        let now = self.now();
        let active = || state.runs.iter().filter(|run| run.ended.is_none());
        let held: u64 = active().map(|run| run.held).sum();
        let planned: u64 = active().map(|run| run.outline.planned_peak).sum();
        let oldest = state.next_span - state.spans.len() as u64;
        let from = seen.spans.clamp(oldest, state.next_span);
        let missed = from - seen.spans.min(from);
        let skip = (from - oldest) as usize;
        // What there is much of is copied here and written below: those who compute wait for this lock.
        let spans: Vec<Span> = state.spans.iter().skip(skip).copied().collect();
        let open: Vec<Open> = state.open.values().take(MOST_SHOWN_OPEN).copied().collect();
        let runs = json::list(state.runs.iter().rev().take(SHOWN_RUNS).map(Run::to_json));
        let ops = state.ops[seen.ops..].iter().enumerate().map(|(at, op)| {
            format!(
                "{{\"name\":{},\"color\":\"{}\"}}",
                json::string(op),
                strong(seen.ops + at)
            )
        });
        let ops = json::list(ops);
        seen.spans = state.next_span;
        seen.ops = state.ops.len();
        drop(state);
        let spans = spans.iter().map(|span| {
            format!(
                "{},{},{:.6},{:.6},{}",
                span.worker,
                span.op,
                span.start,
                span.end - span.start,
                u8::from(span.failed)
            )
        });
        let open = open
            .iter()
            .map(|task| format!("{},{},{:.6}", task.worker, task.op, task.start));
        format!(
            "{{\"time\":{now:.6},\"budget\":{},\"threads\":{},\"held\":{held},\"planned\":{planned},\"missed\":{missed},\
             \"ops\":{ops},\"runs\":{runs},\"open\":{},\"spans\":{}}}",
            self.budget,
            self.threads,
            json::list(open),
            json::list(spans)
        )
    }

    /// The stages of a computation that is remembered, as a picture.
    pub fn plan(&self, run: u64) -> Option<String> {
        let outline = {
            let state = self.state();
            let found = state.runs.iter().find(|known| known.outline.run == run)?;
            Arc::clone(&found.outline)
        };
        Some(Picture::of_stages(&outline).to_svg())
    }
}

impl State {
    fn begin(&mut self, outline: &Arc<Outline>, now: f64) {
        if self.runs.len() == MOST_RUNS {
            let over = self.runs.iter().position(|run| run.ended.is_some());
            self.runs.remove(over.unwrap_or(0));
        }
        let stage_op = outline.stages.iter().map(|stage| {
            let op = stage.op();
            let known = self.ops.iter().position(|known| known == op);
            known.unwrap_or_else(|| {
                // Names come from programs, not from data, so there are few; but nothing grows for ever.
                if self.ops.len() < 256 {
                    self.ops.push(op.to_owned());
                }
                self.ops.len() - 1
            })
        });
        let stage_op = stage_op.collect();
        self.runs.push_back(Run {
            stage_done: vec![0; outline.stages.len()],
            stage_op,
            outline: Arc::clone(outline),
            began: now,
            ended: None,
            done: 0,
            failed: 0,
            held: 0,
            spilled: 0,
            error: None,
        });
    }

    fn run(&mut self, run: u64) -> Option<&mut Run> {
        self.runs.iter_mut().rfind(|known| known.outline.run == run)
    }

    /// The number of a stage's operation.
    fn op_of(&mut self, run: u64, stage: usize) -> usize {
        let op = self
            .run(run)
            .and_then(|run| run.stage_op.get(stage).copied());
        op.unwrap_or(0)
    }

    fn end_task(
        &mut self,
        run: u64,
        task: u32,
        stage: usize,
        worker: usize,
        now: f64,
        failed: bool,
    ) {
        let start = self
            .open
            .remove(&(run, task))
            .map_or(now, |open| open.start);
        let Some(known) = self.run(run) else { return };
        known.done += u64::from(!failed);
        known.failed += u64::from(failed);
        if let Some(done) = known.stage_done.get_mut(stage) {
            *done += 1;
        }
        let op = self.op_of(run, stage);
        if self.spans.len() == MOST_SPANS {
            self.spans.pop_front();
        }
        self.next_span += 1;
        self.spans.push_back(Span {
            op,
            worker,
            start,
            end: now,
            failed,
        });
    }
}

impl Run {
    fn to_json(&self) -> String {
        let outline = &self.outline;
        let mut stages = String::new();
        let listed = outline.stages.iter().zip(&self.stage_done);
        for (at, (stage, done)) in listed.take(SHOWN_STAGES).enumerate() {
            let comma = if at == 0 { "" } else { "," };
            let _ = write!(
                stages,
                "{comma}{{\"name\":{},\"tasks\":{},\"done\":{done}}}",
                json::string(&stage.name),
                stage.running()
            );
        }
        format!(
            "{{\"run\":{},\"name\":{},\"tasks\":{},\"done\":{},\"failed\":{},\"began\":{:.6},\"ended\":{},\"ok\":{},\
             \"held\":{},\"planned\":{},\"spilled\":{},\"error\":{},\"stages\":[{stages}]}}",
            outline.run,
            json::string(&outline.name),
            outline.tasks,
            self.done,
            self.failed,
            self.began,
            self.ended
                .map_or("null".to_owned(), |(time, _)| json::number(time)),
            self.ended.is_none_or(|(_, ok)| ok),
            self.held,
            outline.planned_peak,
            self.spilled,
            self.error
                .as_deref()
                .map_or("null".to_owned(), json::string)
        )
    }
}

impl Observer for Live {
    fn event(&self, event: &Event) {
        let now = self.now();
        let mut state = self.state();
        match event {
            Event::Planned { outline, .. } => state.begin(outline, now),
            Event::Started {
                run,
                task,
                stage,
                worker,
                ..
            } => {
                if state.open.len() < MOST_OPEN {
                    let op = state.op_of(*run, *stage);
                    let (worker, start) = (*worker, now);
                    state.open.insert((*run, *task), Open { op, worker, start });
                }
            }
            Event::Finished {
                run,
                task,
                stage,
                worker,
                held,
            } => {
                state.end_task(*run, *task, *stage, *worker, now, false);
                if let Some(run) = state.run(*run) {
                    run.held = *held;
                }
            }
            Event::Failed {
                run,
                task,
                stage,
                worker,
                message,
            } => {
                state.end_task(*run, *task, *stage, *worker, now, true);
                if let Some(run) = state.run(*run) {
                    run.error.get_or_insert_with(|| message.to_string());
                }
            }
            Event::Held { run, held } => {
                if let Some(run) = state.run(*run) {
                    run.held = *held;
                }
            }
            Event::Spilled { run, bytes, .. } => {
                if let Some(run) = state.run(*run) {
                    run.spilled += bytes;
                }
            }
            Event::Ended { run, ok, .. } => {
                state.open.retain(|(other, _), _| other != run);
                if let Some(run) = state.run(*run) {
                    run.ended = Some((now, *ok));
                    run.held = 0;
                }
            }
            Event::ObserverLost { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::StageOutline;

    fn planned(run: u64, tasks: u32) -> Event {
        let stage = StageOutline {
            name: "sum: parts".to_owned(),
            tasks,
            ..StageOutline::default()
        };
        let outline = Outline {
            run,
            tasks: u64::from(tasks),
            ..Outline::new("sum", vec![stage])
        };
        Event::Planned {
            run,
            tasks: u64::from(tasks),
            planned_peak: 0,
            outline: Arc::new(outline),
        }
    }

    fn run_all(live: &Live, run: u64, tasks: u32) {
        live.event(&planned(run, tasks));
        for task in 0..tasks {
            live.event(&Event::Started {
                run,
                task,
                stage: 0,
                worker: 0,
                stolen: false,
            });
            live.event(&Event::Finished {
                run,
                task,
                stage: 0,
                worker: 0,
                held: 1,
            });
        }
        live.event(&Event::Ended {
            run,
            ok: true,
            held_peak: 1,
        });
    }

    #[test]
    fn what_was_seen_is_not_said_again() {
        let live = Live::new(1 << 30, 2);
        let mut seen = Seen::default();
        run_all(&live, 1, 3);
        let parse = |text: String| serde_json::from_str::<serde_json::Value>(&text).unwrap();
        let first = parse(live.message(&mut seen));
        assert_eq!(first["runs"][0]["done"], 3);
        assert_eq!(first["spans"].as_array().unwrap().len(), 15);
        assert_eq!(first["ops"][0]["name"], "sum");
        let second = parse(live.message(&mut seen));
        assert!(second["spans"].as_array().unwrap().is_empty());
        assert!(second["ops"].as_array().unwrap().is_empty());
        assert_eq!(second["missed"], 0);
        // A task that runs is shown until it ends.
        live.event(&planned(2, 1));
        live.event(&Event::Started {
            run: 2,
            task: 0,
            stage: 0,
            worker: 1,
            stolen: false,
        });
        let running = parse(live.message(&mut seen));
        assert_eq!(running["open"].as_array().unwrap().len(), 3);
        assert_eq!(running["open"][0], 1);
        live.event(&Event::Ended {
            run: 2,
            ok: false,
            held_peak: 0,
        });
        let over = parse(live.message(&mut seen));
        assert!(over["open"].as_array().unwrap().is_empty());
    }

    #[test]
    fn nothing_grows_for_ever() {
        let live = Live::new(1 << 30, 2);
        let mut seen = Seen::default();
        live.event(&planned(1_000_000, 1));
        for run in 0..100 {
            run_all(&live, run, 100);
        }
        let state = live.state();
        assert_eq!(state.runs.len(), MOST_RUNS);
        // The one that is still running is not forgotten.
        assert!(state.runs.iter().any(|run| run.outline.run == 1_000_000));
        assert_eq!(state.spans.len(), MOST_SPANS);
        assert!(state.open.is_empty());
        drop(state);
        let message = live.message(&mut seen);
        let message: serde_json::Value = serde_json::from_str(&message).unwrap();
        assert_eq!(message["missed"], 100 * 100 - MOST_SPANS);
        assert_eq!(message["runs"].as_array().unwrap().len(), SHOWN_RUNS);
        assert!(live.plan(99).unwrap().starts_with("<svg"));
        assert!(live.plan(3).is_none());
    }
}
