//! Runs on the calling thread alone, for jobs that are shorter than waking another one: no queues, nobody to wake, one
//! task after the other in the order for which the floor was computed.

use super::cancel::Cancel;
use super::events::{Event, Observers};
use super::{Work, calls, inside, next_run};
use crate::error::{Error, Kind, Result};
use crate::graph::tasks::{Order, Tasks};

/// A run in which nobody else takes part.
pub struct Alone<'a> {
    pub id: u64,
    pub tasks: &'a Tasks,
    pub order: &'a Order,
    pub work: &'a dyn Work,
    pub observers: &'a Observers,
    pub cancel: Option<&'a Cancel>,
    /// What the thread is called in events.
    pub worker: usize,
    /// Per task, the readers that have not finished; empty if no task reads what another one makes.
    readers_left: Vec<u32>,
    /// Tasks that have run: so many of the first ones.
    pub finished: u64,
    held: u64,
    /// The most bytes that were held.
    pub peak: u64,
}

impl<'a> Alone<'a> {
    pub fn new(
        tasks: &'a Tasks,
        order: &'a Order,
        work: &'a dyn Work,
        observers: &'a Observers,
        cancel: Option<&'a Cancel>,
        worker: usize,
    ) -> Alone<'a> {
        let n_counted = if tasks.inputs.is_empty() {
            0
        } else {
            tasks.len() as u32
        };
        Alone {
            id: next_run(),
            tasks,
            order,
            work,
            observers,
            cancel,
            worker,
            readers_left: (0..n_counted).map(|task| tasks.readers(task)).collect(),
            finished: 0,
            held: 0,
            peak: 0,
        }
    }

    /// Runs all tasks; after an error nothing is held any more.
    pub fn run(&mut self) -> Result<()> {
        let _inside = inside();
        self.hold(self.tasks.own_bytes);
        self.hold_next(0);
        if self.is_observed() {
            let (run, held) = (self.id, self.held);
            self.observers.tell(&Event::Held { run, held });
        }
        for position in 0..self.order.sequence.len() {
            if let Err(error) = self.check().and_then(|()| self.execute(position)) {
                self.release_all(&self.order.sequence[..self.finished as usize]);
                return Err(error);
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        match self.cancel.is_some_and(Cancel::is_cancelled) {
            true => Err(Error::new(Kind::Cancelled, "the computation was cancelled")),
            false => Ok(()),
        }
    }

    fn execute(&mut self, position: usize) -> Result<()> {
        let task = self.order.sequence[position];
        let observed = self.is_observed();
        if observed {
            self.observers.tell(&Event::Started {
                run: self.id,
                task,
                stage: self.tasks.stage_of(task),
                worker: self.worker,
                stolen: false,
            });
        }
        if let Err(error) = calls::run(self.work, task) {
            if observed {
                self.observers.tell(&Event::Failed {
                    run: self.id,
                    task,
                    stage: self.tasks.stage_of(task),
                    worker: self.worker,
                    message: error.to_string().into(),
                });
            }
            return Err(error);
        }
        if observed {
            let bytes = calls::spilled(self.work, task);
            if bytes > 0 {
                let run = self.id;
                self.observers.tell(&Event::Spilled { run, task, bytes });
            }
        }
        let released = self.finish(task);
        self.hold_next(position + 1);
        if observed {
            self.observers.tell(&Event::Finished {
                run: self.id,
                task,
                stage: self.tasks.stage_of(task),
                worker: self.worker,
                held: self.held,
            });
        }
        released
    }

    /// Releases what nobody reads any more.
    fn finish(&mut self, task: u32) -> Result<()> {
        self.finished += 1;
        self.held -= self.tasks.scratch_bytes(task);
        let mut released = Ok(());
        for &input in self.tasks.inputs(task) {
            let left = &mut self.readers_left[input as usize];
            *left -= 1;
            if *left == 0 {
                released = released.and(self.release(input));
            }
        }
        if self.tasks.readers(task) == 0 {
            released = released.and(self.release(task));
        }
        released
    }

    fn release(&mut self, task: u32) -> Result<()> {
        self.held -= self.tasks.output_bytes(task);
        calls::release(self.work, task)
    }

    /// Releases what of these tasks, which have run, is still held. There was an error already.
    fn release_all(&mut self, tasks: &[u32]) {
        for &task in tasks {
            let left = self.readers_left.get(task as usize);
            if left.is_some_and(|&left| left > 0) {
                let _ = self.release(task);
            }
        }
    }

    /// Takes what a task needs to run.
    fn hold_next(&mut self, position: usize) {
        if let Some(&task) = self.order.sequence.get(position) {
            self.hold(self.tasks.running_bytes(task));
        }
    }

    fn hold(&mut self, bytes: u64) {
        self.held = self.held.saturating_add(bytes);
        self.peak = self.peak.max(self.held);
    }

    fn is_observed(&self) -> bool {
        !self.observers.is_empty()
    }
}
