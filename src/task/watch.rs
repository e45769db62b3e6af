//! What a run of calls tells the engine's observers; nothing, and at no cost, if there are none.

use std::sync::Arc;

use super::home::Home;
use crate::exec::{Event, Observer, Observers, Outline, inside, next_run};

/// The observers of an engine.
pub type Watchers = Arc<[Arc<dyn Observer>]>;

/// One run of calls, watched.
pub struct Watch(Option<Box<Watched>>);

struct Watched {
    run: u64,
    observers: Observers,
}

impl Watch {
    /// Tells that `tasks` batches are about to start; 0 if nobody can know how many.
    pub fn start(home: &Home, name: &str, tasks: u64) -> Watch {
        let (observers, watchers) = (home.observers(), home.pool().watchers());
        if observers.is_empty() && watchers.is_empty() {
            return Watch(None);
        }
        let run = next_run();
        let watch = Watch(Some(Box::new(Watched {
            run,
            observers: Observers::new(observers, watchers),
        })));
        watch.tell(|run| Event::Planned {
            run,
            tasks,
            planned_peak: 0,
            outline: Arc::new(Outline::of_calls(name, run, tasks, home.pool().threads())),
        });
        watch
    }

    fn tell(&self, event: impl FnOnce(u64) -> Event) {
        if let Some(watched) = &self.0 {
            let _inside = inside();
            watched.observers.tell(&event(watched.run));
        }
    }

    /// A batch begins.
    pub fn started(&self, batch: u64, worker: usize) {
        self.tell(|run| Event::Started {
            run,
            task: batch as u32,
            stage: 0,
            worker,
            stolen: false,
        });
    }

    /// A batch ended.
    pub fn finished(&self, batch: u64, worker: usize) {
        self.tell(|run| Event::Finished {
            run,
            task: batch as u32,
            stage: 0,
            worker,
            held: 0,
        });
    }

    /// A batch ended with an error, and with it the run.
    pub fn failed(&self, batch: u64, worker: usize, message: impl FnOnce() -> String) {
        self.tell(|run| Event::Failed {
            run,
            task: batch as u32,
            stage: 0,
            worker,
            message: message().into(),
        });
    }

    /// The run is over.
    pub fn ended(&self, ok: bool) {
        self.tell(|run| Event::Ended {
            run,
            ok,
            held_peak: 0,
        });
    }
}
