//! A profile as trace events, for Perfetto and Chrome.

use std::fmt::Write;

use super::json;
use super::profile::Profile;

impl Profile {
    /// The profile in the Trace Event Format: open it in <https://ui.perfetto.dev> or `chrome://tracing`.
    ///
    /// Each task is a complete event on its thread's track, with its stage's name; what was held and planned are
    /// counters. Times are microseconds since notes were taken.
    ///
    /// # Cost
    /// Some 150 bytes of text for each task.
    ///
    /// ```
    /// use flagstone::{Array, Engine};
    ///
    /// let (_, profile) = Engine::global()?.profile(&Array::<f64>::ones([100, 100], 10).sum(0))?;
    /// let trace = profile.to_chrome_trace();
    /// assert_eq!(trace.matches("\"ph\":\"X\"").count() as u64, profile.tasks());
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    pub fn to_chrome_trace(&self) -> String {
        let mut trace = String::from(
            "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n\
             {\"ph\":\"M\",\"name\":\"process_name\",\"pid\":1,\"args\":{\"name\":\"Flagstone\"}}",
        );
        for worker in &self.workers {
            let _ = write!(
                trace,
                ",\n{{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":1,\"tid\":{},\"args\":{{\"name\":{}}}}}",
                worker.worker,
                json::string(&worker.name)
            );
        }
        let names: Vec<(String, String)> = self
            .stages
            .iter()
            .map(|stage| (json::string(&stage.name), json::string(&stage.op)))
            .collect();
        for span in &self.spans {
            let at = self.stage_of(span);
            let (name, op) = &names[at];
            let _ = write!(
                trace,
                ",\n{{\"ph\":\"X\",\"name\":{name},\"cat\":{op},\"pid\":1,\"tid\":{},\"ts\":{:.3},\"dur\":{:.3},\
                 \"args\":{{\"run\":{},\"task\":{},\"place\":{},\"stolen\":{},\"failed\":{}}}}}",
                span.worker,
                span.start as f64 / 1e3,
                (span.end - span.start) as f64 / 1e3,
                span.run,
                span.task,
                json::string(&self.outlines[at].place(span.task)),
                span.stolen,
                span.failed,
            );
        }
        for point in &self.memory {
            let _ = write!(
                trace,
                ",\n{{\"ph\":\"C\",\"name\":\"memory\",\"pid\":1,\"ts\":{:.3},\"args\":{{\"held\":{},\"planned\":{}}}}}",
                point.time * 1e6,
                point.held,
                point.planned
            );
        }
        trace.push_str("\n]}\n");
        trace
    }
}
