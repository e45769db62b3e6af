//! Progress bars.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::units::{bytes, rate, seconds};
use super::xml::shorten;
use crate::exec::{Event, Observer, Outline};

/// Computations shorter than this show nothing.
const DELAY: Duration = Duration::from_millis(200);
/// From one drawing to the next.
const INTERVAL: Duration = Duration::from_millis(100);
const BAR: usize = 24;
const NAME: usize = 28;

/// Progress bars on standard error, one for each computation: tasks done, bytes, bytes a second, time left. Nothing is
/// drawn if standard error is no terminal.
///
/// All of a process share the terminal, so several engines, and several computations of one, show their bars below
/// each other. Threads that compute only count; a thread of its own draws, ten times a second, while something runs.
/// [`EngineBuilder::progress`](crate::EngineBuilder::progress) and `FLAGSTONE_PROGRESS=1` are the short forms.
///
/// ```
/// use std::sync::Arc;
///
/// use flagstone::observe::Progress;
/// use flagstone::{Array, Engine};
///
/// let engine = Engine::global()?.observed_by(Arc::new(Progress::new()));
/// assert_eq!(engine.item(&Array::<f64>::ones([100, 100], 10).sum(..))?, 1e4);
/// # Ok::<(), flagstone::Error>(())
/// ```
pub struct Progress {
    shared: Arc<Shared>,
}

struct Shared {
    bars: MultiProgress,
    delay: Duration,
    runs: RwLock<HashMap<u64, Arc<Run>>>,
    drawing: Mutex<Drawing>,
    changed: Condvar,
}

#[derive(Default)]
struct Drawing {
    /// There is a thread that draws.
    thread: bool,
}

/// A computation that is running.
struct Run {
    outline: Arc<Outline>,
    /// Bytes that a task of each stage moves.
    bytes_per_task: Vec<u64>,
    began: Instant,
    done: AtomicU64,
    bytes: AtomicU64,
    bar: Mutex<Option<ProgressBar>>,
}

impl Default for Progress {
    fn default() -> Progress {
        Progress::new()
    }
}

impl Progress {
    /// Bars on standard error.
    pub fn new() -> Progress {
        static BARS: OnceLock<MultiProgress> = OnceLock::new();
        let bars = BARS
            .get_or_init(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()))
            .clone();
        Progress::with(bars, DELAY)
    }

    fn with(bars: MultiProgress, delay: Duration) -> Progress {
        Progress {
            shared: Arc::new(Shared {
                bars,
                delay,
                runs: RwLock::default(),
                drawing: Mutex::default(),
                changed: Condvar::new(),
            }),
        }
    }

    fn run(&self, run: u64) -> Option<Arc<Run>> {
        let runs = self
            .shared
            .runs
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        runs.get(&run).cloned()
    }
}

impl Observer for Progress {
    fn event(&self, event: &Event) {
        if self.shared.bars.is_hidden() {
            return;
        }
        match event {
            Event::Planned { run, outline, .. } => self.shared.begin(*run, outline),
            Event::Finished { run, stage, .. } => {
                if let Some(run) = self.run(*run) {
                    let bytes = run.bytes_per_task.get(*stage).copied().unwrap_or(0);
                    run.bytes.fetch_add(bytes, Ordering::Relaxed);
                    run.done.fetch_add(1, Ordering::Relaxed);
                }
            }
            Event::Ended { run, ok, .. } => self.shared.end(*run, *ok),
            _ => {}
        }
    }
}

impl Shared {
    fn begin(self: &Arc<Shared>, number: u64, outline: &Arc<Outline>) {
        let stages = outline.stages.iter();
        let run = Arc::new(Run {
            outline: Arc::clone(outline),
            bytes_per_task: stages
                .map(|stage| stage.bytes_moved() / u64::from(stage.running().max(1)))
                .collect(),
            began: Instant::now(),
            done: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            bar: Mutex::new(None),
        });
        let mut runs = self.runs.write().unwrap_or_else(PoisonError::into_inner);
        runs.insert(number, run);
        drop(runs);
        let mut drawing = lock(&self.drawing);
        if !drawing.thread {
            let shared = Arc::clone(self);
            let thread = std::thread::Builder::new().name("flagstone-progress".to_owned());
            // Without the thread, bars are drawn only when computations end.
            drawing.thread = thread.spawn(move || shared.draw_while_running()).is_ok();
        }
    }

    /// The last drawing, before whoever waits for the computation goes on and prints.
    fn end(&self, number: u64, ok: bool) {
        let mut runs = self.runs.write().unwrap_or_else(PoisonError::into_inner);
        let run = runs.remove(&number);
        drop(runs);
        self.changed.notify_all();
        let Some(run) = run else { return };
        if run.began.elapsed() < self.delay {
            return;
        }
        run.draw(&self.bars);
        if let Some(bar) = lock(&run.bar).take() {
            bar.abandon_with_message(run.last_words(ok));
        }
    }

    fn draw_while_running(&self) {
        let mut drawing = lock(&self.drawing);
        loop {
            let runs: Vec<Arc<Run>> = {
                let runs = self.runs.read().unwrap_or_else(PoisonError::into_inner);
                runs.values().cloned().collect()
            };
            if runs.is_empty() {
                drawing.thread = false;
                return;
            }
            drop(drawing);
            for run in runs {
                if run.began.elapsed() >= self.delay {
                    self.draw_unless_ended(&run);
                }
            }
            drawing = lock(&self.drawing);
            drawing = self
                .changed
                .wait_timeout(drawing, INTERVAL)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// With the list of runs locked, so that nothing is drawn after a run's last drawing.
    fn draw_unless_ended(&self, run: &Run) {
        let runs = self.runs.read().unwrap_or_else(PoisonError::into_inner);
        if runs.contains_key(&run.outline.run) {
            run.draw(&self.bars);
        }
    }
}

impl Run {
    fn draw(&self, bars: &MultiProgress) {
        let mut bar = lock(&self.bar);
        let bar = bar.get_or_insert_with(|| {
            let bar = bars.add(ProgressBar::new(self.outline.tasks.max(1)));
            let style = ProgressStyle::with_template(&format!("{{prefix}} {{bar:{BAR}}} {{msg}}"));
            if let Ok(style) = style {
                bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
            }
            bar.set_prefix(shorten(&self.outline.name, NAME));
            bar
        });
        let done = self.done.load(Ordering::Relaxed);
        bar.set_length(self.total(done).max(1));
        bar.set_position(done);
        bar.set_message(self.message(done));
    }

    /// More tasks may come than were planned.
    fn total(&self, done: u64) -> u64 {
        self.outline.tasks.max(done)
    }

    fn message(&self, done: u64) -> String {
        let total = self.total(done);
        let elapsed = self.began.elapsed().as_secs_f64();
        let mut message = format!("{}{}", self.tasks_done(done), self.bytes_done(elapsed));
        if done > 0 && done < total {
            let left = elapsed * (total - done) as f64 / done as f64;
            message += &format!(", {} left", seconds(left));
        }
        message
    }

    fn tasks_done(&self, done: u64) -> String {
        match self.outline.tasks {
            // Nobody knows how many will come.
            0 => format!("{done} tasks"),
            _ => format!("{done}/{} tasks", self.total(done)),
        }
    }

    /// Bytes and their rate, if the plan says anything of them; else tasks a second.
    fn bytes_done(&self, elapsed: f64) -> String {
        let elapsed = elapsed.max(1e-9);
        if self.bytes_per_task.iter().all(|&bytes| bytes == 0) {
            let done = self.done.load(Ordering::Relaxed) as f64;
            return format!(", {:.1} a second", done / elapsed);
        }
        let moved = self.bytes.load(Ordering::Relaxed);
        format!(", {}, {}", bytes(moved), rate(moved as f64 / elapsed))
    }

    fn last_words(&self, ok: bool) -> String {
        let elapsed = self.began.elapsed().as_secs_f64();
        let done = self.done.load(Ordering::Relaxed);
        let word = if ok { "done" } else { "ended early" };
        format!(
            "{}{}, {word} in {}",
            self.tasks_done(done),
            self.bytes_done(elapsed),
            seconds(elapsed)
        )
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use indicatif::InMemoryTerm;

    use super::*;
    use crate::exec::StageOutline;

    fn on(term: &InMemoryTerm, delay: Duration) -> Progress {
        let target = ProgressDrawTarget::term_like(Box::new(term.clone()));
        Progress::with(MultiProgress::with_draw_target(target), delay)
    }

    fn planned(run: u64, name: &str, tasks: u64, bytes_read: u64) -> Event {
        let stage = StageOutline {
            name: name.to_owned(),
            tasks: tasks as u32,
            bytes_read,
            ..StageOutline::default()
        };
        let outline = Outline {
            run,
            tasks,
            ..Outline::new(name, vec![stage])
        };
        Event::Planned {
            run,
            tasks,
            planned_peak: 0,
            outline: Arc::new(outline),
        }
    }

    fn finish(progress: &Progress, run: u64, tasks: u32) {
        for task in 0..tasks {
            progress.event(&Event::Finished {
                run,
                task,
                stage: 0,
                worker: 0,
                held: 0,
            });
        }
    }

    fn end(progress: &Progress, run: u64, ok: bool) {
        progress.event(&Event::Ended {
            run,
            ok,
            held_peak: 0,
        });
    }

    #[test]
    fn two_computations_at_once() {
        let term = InMemoryTerm::new(10, 120);
        let progress = on(&term, Duration::ZERO);
        progress.event(&planned(1, "sum", 40, 40 << 20));
        progress.event(&planned(2, "tasks", 10, 0));
        finish(&progress, 1, 40);
        finish(&progress, 2, 4);
        end(&progress, 1, true);
        end(&progress, 2, false);
        let screen = term.contents();
        let lines: Vec<&str> = screen.lines().collect();
        let of = |name: &str| {
            let found = lines.iter().find(|line| line.starts_with(name));
            found.unwrap_or_else(|| panic!("{name} in {screen}"))
        };
        assert!(of("sum").contains("40/40 tasks, 40.0 MiB, "), "{screen}");
        assert!(of("sum").contains("done in "), "{screen}");
        assert!(of("tasks").contains("4/10 tasks, "), "{screen}");
        assert!(
            of("tasks").contains(" a second, ended early in "),
            "{screen}"
        );
    }

    #[test]
    fn short_computations_show_nothing() {
        let term = InMemoryTerm::new(10, 120);
        let progress = on(&term, Duration::from_secs(3600));
        progress.event(&planned(1, "sum", 40, 0));
        finish(&progress, 1, 40);
        end(&progress, 1, true);
        assert_eq!(term.contents(), "");
    }

    #[test]
    fn what_is_left_is_estimated() {
        let term = InMemoryTerm::new(10, 120);
        let progress = on(&term, Duration::ZERO);
        progress.event(&planned(7, "sum", 4, 4096));
        let run = progress.run(7).unwrap();
        assert!(!run.message(0).contains("left"), "{}", run.message(0));
        assert!(run.message(1).contains(" left"), "{}", run.message(1));
        assert!(!run.message(4).contains("left"), "{}", run.message(4));
        // More tasks than were planned are no more than all.
        assert!(
            run.message(9).starts_with("9/9 tasks"),
            "{}",
            run.message(9)
        );
        end(&progress, 7, true);
        assert!(progress.run(7).is_none());
    }

    #[test]
    fn calls_whose_number_nobody_knows() {
        let term = InMemoryTerm::new(10, 120);
        let progress = on(&term, Duration::ZERO);
        let outline = Arc::new(Outline::of_calls("imap", 5, 0, 2));
        progress.event(&Event::Planned {
            run: 5,
            tasks: 0,
            planned_peak: 0,
            outline,
        });
        finish(&progress, 5, 3);
        end(&progress, 5, true);
        let screen = term.contents();
        assert!(screen.starts_with("imap"), "{screen}");
        assert!(screen.contains(" 3 tasks, "), "{screen}");
    }

    #[test]
    fn events_of_computations_that_nobody_announced() {
        let term = InMemoryTerm::new(10, 120);
        let progress = on(&term, Duration::ZERO);
        finish(&progress, 3, 2);
        end(&progress, 3, true);
        assert_eq!(term.contents(), "");
    }
}
