//! Who runs a workload.

use crate::checksum::Checksum;
use crate::limit::{self, Input};
use crate::table::Workload;

/// One run.
pub struct Sample {
    /// Without making the input, and without the checksum.
    pub seconds: f64,
    pub checksum: Checksum,
    pub facts: Facts,
}

/// What an engine knows about its run, beside the time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts {
    pub tasks: Option<u64>,
    pub planned_peak_bytes: Option<u64>,
    pub held_peak_bytes: Option<u64>,
    pub bytes_read: Option<u64>,
}

pub trait Engine {
    fn name(&self) -> &'static str;

    fn run(&self, workload: &Workload, input: &Input)
    -> Result<Sample, Box<dyn std::error::Error>>;
}

/// The loops written by hand; see [`limit`].
pub struct Limit<'a> {
    pub pool: &'a rayon::ThreadPool,
}

impl Engine for Limit<'_> {
    fn name(&self) -> &'static str {
        "limit"
    }

    fn run(
        &self,
        workload: &Workload,
        input: &Input,
    ) -> Result<Sample, Box<dyn std::error::Error>> {
        let outcome = limit::run(workload.name, input, self.pool);
        Ok(Sample {
            seconds: outcome.seconds,
            checksum: outcome.checksum,
            facts: Facts::default(),
        })
    }
}
