//! What a run of calls tells the engine's observers; nothing, and at no cost, if there are none.

use std::sync::Arc;

use crate::error::Error;
use crate::exec::{Event, Observer, Observers, inside, next_run};

pub type Watchers = Arc<[Arc<dyn Observer>]>;

/// One run of calls, watched.
pub struct Watch(Option<Box<Watched>>);

struct Watched {
    run: u64,
    observers: Observers,
}

impl Watch {
    /// Tells that `tasks` batches are about to start; 0 if nobody can know how many.
    pub fn start(observers: &Watchers, tasks: u64) -> Watch {
        if observers.is_empty() {
            return Watch(None);
        }
        let watch = Watch(Some(Box::new(Watched {
            run: next_run(),
            observers: Observers::new(observers),
        })));
        // One that panics is not called again, and harms nothing here: nothing has started.
        let _ = watch.tell(|run| Event::Planned {
            run,
            tasks,
            planned_peak: 0,
        });
        watch
    }

    fn tell(&self, event: impl FnOnce(u64) -> Event) -> Result<(), Error> {
        match &self.0 {
            None => Ok(()),
            Some(watched) => {
                let _inside = inside();
                watched.observers.tell(&event(watched.run))
            }
        }
    }

    /// A batch begins.
    pub fn started(&self, batch: u64, worker: usize) -> Result<(), Error> {
        self.tell(|run| Event::Started {
            run,
            task: batch as u32,
            stage: 0,
            worker,
        })
    }

    /// A batch ended.
    pub fn finished(&self, batch: u64, worker: usize) -> Result<(), Error> {
        self.tell(|run| Event::Finished {
            run,
            task: batch as u32,
            stage: 0,
            worker,
            held: 0,
        })
    }

    /// The run is over.
    pub fn ended(&self, ok: bool) {
        let _ = self.tell(|run| Event::Ended {
            run,
            ok,
            held_peak: 0,
        });
    }
}
