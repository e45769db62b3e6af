//! Tasks whose outputs a consumer takes one after another.

#[cfg(test)]
use super::drive::RunReport;
use super::drive::Running;
use super::job::Job;
use crate::error::Result;

/// A run in the background that stays ahead of its consumer by as many bytes as it pinned.
///
/// For each delivered task, in the order of the run's roots: [`wait`](Stream::wait), move the data
/// out, [`take`](Stream::take). Dropping it ends the run: it waits for tasks that are running, releases
/// every output that was not taken and returns all bytes.
pub struct Stream(Running);

impl Stream {
    pub(super) fn new(run: Running) -> Stream {
        Stream(run)
    }

    /// Returns when the delivered task has finished.
    ///
    /// # Errors
    /// The run's first error, if it ended before that task.
    pub fn wait(&self, task: u32) -> Result<()> {
        let there = |job: &Job| job.is_finished(task);
        self.0.drive(|job| there(job) || job.is_over())?;
        if there(&self.0.job) {
            return Ok(());
        }
        self.0.job.result()
    }

    /// The data of a delivered task has been moved out; its bytes return and further tasks start. Does
    /// nothing for a task that has not finished or is taken already.
    pub fn take(&self, task: u32) {
        self.0.job.take(task);
    }

    /// Ends the stream; an error if a task failed or not all of them finished.
    #[cfg(test)]
    pub fn finish(self) -> Result<RunReport> {
        self.0.end()
    }
}
