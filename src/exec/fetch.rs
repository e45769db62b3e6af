//! Tasks whose inputs come from afar: requests to servers, for example.
//!
//! Such a task is *fetched* first, as soon as it is activated, and ready when that is done. Its bytes are booked by then,
//! so what is under way is part of the promise. How many fetches run at once is a number of its own, which has
//! nothing to do with cores: that of the threads of the executor's [`Lane`](super::Lane).

use std::sync::{Arc, Weak};

use super::bag::Call;
use super::crew::Crew;
use super::gate::Gate;
use super::job::Job;

/// Where fetches of a run come in. Weak: a run that is over takes its fetches with it.
#[derive(Clone)]
pub struct Door {
    gate: Weak<Gate<dyn Crew>>,
    job: Weak<Job>,
}

impl Door {
    pub fn new(gate: &Arc<Gate<dyn Crew>>, job: &Arc<Job>) -> Door {
        Door {
            gate: Arc::downgrade(gate),
            job: Arc::downgrade(job),
        }
    }
}

/// One task that is to be fetched.
pub struct Fetch {
    pub door: Door,
    pub task: u32,
}

impl Call for Fetch {
    fn run(self: Arc<Self>, _worker: usize) {
        // The visit keeps the run from ending while something is fetched for it.
        if let Some(gate) = self.door.gate.upgrade()
            && let Some(_visit) = gate.enter()
            && let Some(job) = self.door.job.upgrade()
        {
            job.fetch(self.task);
        }
    }
}
