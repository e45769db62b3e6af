//! A profile as text.

use std::fmt;

use super::profile::Profile;
use super::units::{bytes, percent, rate, seconds};

/// A longer list of stages or computations is cut.
const MOST_ROWS: usize = 30;

impl Profile {
    /// What there is to say in one line each, with a word before it.
    pub(super) fn summary(&self) -> Vec<(&'static str, String)> {
        let threads = self.runs.iter().map(|run| run.threads).max().unwrap_or(0);
        let running = self.run_seconds();
        let busy: f64 = self.workers.iter().map(|worker| worker.busy).sum();
        let first = self.runs.first().map_or(0.0, |run| run.start);
        let mut lines = vec![
            (
                "time",
                format!(
                    "{}, of which {} before the first task",
                    seconds(self.seconds),
                    seconds(first)
                ),
            ),
            (
                "tasks",
                format!(
                    "{}, of which {} were taken from another thread's queue",
                    self.tasks(),
                    self.stolen()
                ),
            ),
            (
                "busy",
                format!(
                    "{} of {threads} threads while computations ran",
                    percent(busy, running * threads.max(1) as f64)
                ),
            ),
            (
                "memory",
                format!(
                    "{} held at most, {} planned, budget {}",
                    bytes(self.held_peak_bytes()),
                    bytes(self.planned_peak_bytes()),
                    bytes(self.budget_bytes())
                ),
            ),
        ];
        let speed = self.bytes() as f64 / running.max(1e-9);
        let compared = self.bandwidth.map_or(String::new(), |bandwidth| {
            format!(
                ", {} of the {} that this machine reads from memory",
                percent(speed, bandwidth),
                rate(bandwidth)
            )
        });
        lines.push((
            "bytes",
            format!(
                "{} read and written: {}{compared}",
                bytes(self.bytes()),
                rate(speed)
            ),
        ));
        if self.spilled_bytes() > 0 {
            let spilled = bytes(self.spilled_bytes());
            lines.push(("spilled", format!("{spilled} to a temporary file")));
        }
        for run in &self.runs {
            for error in &run.errors {
                lines.push(("error", format!("{}: {error}", run.name)));
            }
            for lost in &run.lost_observers {
                lines.push(("observer", format!("lost in {}: {lost}", run.name)));
            }
        }
        if self.dropped > 0 {
            let dropped = self.dropped;
            lines.push(("notes", format!("{dropped} further tasks are not shown")));
        }
        lines
    }

    /// The names of the computations.
    pub(super) fn title(&self) -> String {
        match &self.runs[..] {
            [] => "nothing ran".to_owned(),
            [one] => one.name.clone(),
            [first, ..] => format!("{} and {} more", first.name, self.runs.len() - 1),
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title())?;
        for (word, line) in self.summary() {
            writeln!(f, "{word:<8} {line}")?;
        }
        let total: f64 = self.stages.iter().map(|stage| stage.busy).sum();
        let mut rows = vec![row([
            "op", "tasks", "time", "share", "a task", "bytes", "speed",
        ])];
        for op in self.ops() {
            rows.push(vec![
                op.op.clone(),
                op.tasks.to_string(),
                seconds(op.busy),
                percent(op.busy, total),
                seconds(op.busy / op.tasks.max(1) as f64),
                bytes(op.bytes),
                rate(op.bytes_per_second()),
            ]);
        }
        table(f, rows)?;
        let mut rows = vec![row([
            "stage", "tasks", "time", "active", "longest", "bytes", "speed",
        ])];
        for (number, stage) in self.stages.iter().enumerate() {
            rows.push(vec![
                format!("{}. {}", number + 1, stage.name),
                stage.tasks.to_string(),
                seconds(stage.busy),
                seconds(stage.active),
                seconds(stage.longest),
                bytes(stage.bytes),
                rate(stage.bytes_per_second()),
            ]);
        }
        table(f, rows)?;
        let mut rows = vec![row(["worker", "tasks", "stolen", "busy", "idle"])];
        for worker in &self.workers {
            rows.push(vec![
                worker.name.clone(),
                worker.tasks.to_string(),
                worker.stolen.to_string(),
                seconds(worker.busy),
                seconds(worker.idle),
            ]);
        }
        table(f, rows)
    }
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

/// The first column on the left, the others on the right; the first row is the head.
fn table(f: &mut fmt::Formatter<'_>, mut rows: Vec<Vec<String>>) -> fmt::Result {
    let left = (rows.len() - 1).saturating_sub(MOST_ROWS);
    rows.truncate(MOST_ROWS + 1);
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    writeln!(f)?;
    for row in &rows {
        let mut line = format!("{:<1$}", row[0], widths[0]);
        for (cell, width) in row.iter().zip(&widths).skip(1) {
            line += &format!("  {cell:>width$}");
        }
        writeln!(f, "{}", line.trim_end())?;
    }
    if left > 0 {
        writeln!(f, "… {left} more")?;
    }
    Ok(())
}
