//! A profile as one page of HTML, which loads nothing.

use std::collections::HashMap;
use std::fmt::Write;

use super::json;
use super::palette::strong;
use super::picture::Picture;
use super::profile::{Profile, in_seconds};
use super::units::{bytes, percent, rate, seconds};
use super::xml::{escape, fill};
use crate::exec::Outline;

const REPORT: &str = include_str!("html/report.html");
const STYLE: &str = include_str!("html/style.css");
const SCRIPT: &str = include_str!("html/report.js");

/// Rows of the table of the longest tasks.
const LONGEST: usize = 100;
/// Rows of the table of memory.
const MEMORY_ROWS: usize = 40;
/// Points of the curve of memory; of more, the highest of neighbours stand for them.
const MEMORY_POINTS: usize = 6_000;
/// Computations whose plans are drawn.
const PLANS: usize = 8;

/// A table cell: what is read, and by what it sorts.
struct Cell {
    text: String,
    value: Option<f64>,
    note: String,
}

fn text(text: impl Into<String>) -> Cell {
    Cell {
        text: text.into(),
        value: None,
        note: String::new(),
    }
}

fn number(value: f64, text: impl Into<String>) -> Cell {
    Cell {
        text: text.into(),
        value: Some(value),
        note: String::new(),
    }
}

fn count(n: u64) -> Cell {
    number(n as f64, n.to_string())
}

impl Profile {
    /// The profile as a page: what [`Display`](std::fmt::Display) prints as tables that sort, a timeline with a row for
    /// each thread, memory over time, and the plan. One file, which needs no network and no other file.
    ///
    /// # Cost
    /// Some 15 bytes for each task: 100,000 tasks make a page of about 2 MB, which browsers move and zoom through
    /// without waiting.
    ///
    /// ```
    /// use flagstone::{Array, Engine};
    ///
    /// let (_, profile) = Engine::global()?.profile(&Array::<f64>::ones([100, 100], 10).sum(0))?;
    /// std::fs::write(std::env::temp_dir().join("sum.html"), profile.to_html())?;
    /// # Ok::<(), flagstone::BoxError>(())
    /// ```
    pub fn to_html(&self) -> String {
        let mut facts = String::new();
        for (word, line) in self.summary() {
            let _ = writeln!(
                facts,
                "<div><dt>{}</dt><dd>{}</dd></div>",
                escape(word),
                escape(&line)
            );
        }
        let compared = self.bandwidth.map_or(String::new(), |bandwidth| {
            format!(
                "; this machine reads {} from memory with these threads",
                rate(bandwidth)
            )
        });
        let memory_label = format!(
            "Memory over time: {} held at most, {} planned, budget {}",
            bytes(self.held_peak_bytes()),
            bytes(self.planned_peak_bytes()),
            bytes(self.budget_bytes())
        );
        fill(
            REPORT,
            &[
                ("title", &escape(&self.title())),
                ("style", STYLE),
                ("facts", &facts),
                ("workers", &self.workers_table()),
                ("longest", &self.longest_table()),
                ("longest_count", &self.spans.len().min(LONGEST).to_string()),
                ("memory_label", &escape(&memory_label)),
                ("memory", &self.memory_table()),
                ("compared", &compared),
                ("ops", &self.ops_table()),
                ("stages", &self.stages_table()),
                ("plans", &self.plans()),
                ("version", env!("CARGO_PKG_VERSION")),
                ("data", &self.data()),
                ("script", SCRIPT),
            ],
        )
    }

    fn workers_table(&self) -> String {
        let rows = self.workers.iter().map(|worker| {
            vec![
                text(&*worker.name),
                count(worker.tasks),
                count(worker.stolen),
                time(worker.busy),
                time(worker.idle),
            ]
        });
        table(
            "Threads",
            &["thread", "tasks", "stolen", "busy", "idle"],
            rows.collect(),
        )
    }

    fn longest_table(&self) -> String {
        let mut longest: Vec<usize> = (0..self.spans.len()).collect();
        let length = |at: &usize| self.spans[*at].end - self.spans[*at].start;
        if longest.len() > LONGEST {
            longest.select_nth_unstable_by_key(LONGEST, |at| std::cmp::Reverse(length(at)));
            longest.truncate(LONGEST);
        }
        longest.sort_by_key(|at| std::cmp::Reverse(length(at)));
        let rows = longest.into_iter().map(|at| {
            let span = &self.spans[at];
            let stage = self.stage_of(span);
            let place = self.outlines[stage].place(span.task);
            let mut name = text(format!("{} {place}", self.stages[stage].name));
            name.note = match (span.failed, span.stolen) {
                (true, _) => "failed".to_owned(),
                (_, true) => "stolen".to_owned(),
                _ => String::new(),
            };
            vec![
                name,
                count(u64::from(span.task)),
                number(
                    f64::from(span.worker),
                    &*self.workers[span.worker as usize].name,
                ),
                time(in_seconds(span.start)),
                time(in_seconds(span.end - span.start)),
            ]
        });
        table(
            "The longest tasks",
            &["task", "number", "thread", "start", "time"],
            rows.collect(),
        )
    }

    fn memory_table(&self) -> String {
        let step = self.memory.len().div_ceil(MEMORY_ROWS).max(1);
        let rows = self.memory.chunks(step).map(|points| {
            // The highest of those that the row stands for.
            let highest = points.iter().max_by_key(|point| point.held);
            let point = highest.unwrap_or(&points[0]);
            vec![
                number(point.time, seconds(point.time)),
                number(point.held as f64, bytes(point.held)),
                number(point.planned as f64, bytes(point.planned)),
            ]
        });
        table(
            "What was held, at the highest in each interval",
            &["at", "held", "planned at most"],
            rows.collect(),
        )
    }

    fn ops_table(&self) -> String {
        let total: f64 = self.stages.iter().map(|stage| stage.busy).sum();
        let ops = self.ops();
        let rows = ops.iter().map(|op| {
            let mut row = vec![
                text(&*op.op),
                count(op.stages as u64),
                count(op.tasks),
                time(op.busy),
                number(op.busy, percent(op.busy, total)),
                time(op.busy / op.tasks.max(1) as f64),
                number(op.bytes as f64, bytes(op.bytes)),
            ];
            row.extend(self.speed(op.bytes_per_second()));
            row
        });
        let mut heads = vec![
            "operation",
            "stages",
            "tasks",
            "time",
            "share",
            "a task",
            "bytes",
            "speed",
        ];
        if self.bandwidth.is_some() {
            heads.push("of memory’s");
        }
        table("Operations", &heads, rows.collect())
    }

    fn stages_table(&self) -> String {
        let rows = self.stages.iter().enumerate().map(|(number_, stage)| {
            let mut name = text(format!("{}. {}", number_ + 1, stage.name));
            name.note = stage.detail.clone();
            let mut row = vec![
                name,
                count(stage.tasks),
                count(stage.stolen),
                time(stage.busy),
                time(stage.active),
                time(stage.longest),
                number(stage.bytes as f64, bytes(stage.bytes)),
            ];
            row.extend(self.speed(stage.bytes_per_second()));
            row
        });
        let mut heads = vec![
            "stage", "tasks", "stolen", "time", "active", "longest", "bytes", "speed",
        ];
        if self.bandwidth.is_some() {
            heads.push("of memory’s");
        }
        table("Stages", &heads, rows.collect())
    }

    fn speed(&self, speed: f64) -> Vec<Cell> {
        let mut cells = vec![number(speed, rate(speed))];
        if let Some(bandwidth) = self.bandwidth {
            cells.push(number(speed, percent(speed, bandwidth)));
        }
        cells
    }

    /// The stages of the first computations as graphs.
    fn plans(&self) -> String {
        let mut plans = String::new();
        for run in self.runs.iter().take(PLANS) {
            let stages = self.stages.iter().zip(&self.outlines);
            let of_run = stages.filter(|(stage, _)| stage.run == run.run);
            let outlines = of_run.map(|(_, outline)| outline.clone()).collect();
            let svg = Picture::of_stages(&Outline::new(&*run.name, outlines)).to_svg();
            let _ = writeln!(
                plans,
                "<div class=\"graph\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">{svg}</div>",
                escape(&format!("Plan of {}", run.name))
            );
        }
        if self.runs.len() > PLANS {
            let _ = writeln!(
                plans,
                "<p class=\"note\">… and {} further computations.</p>",
                self.runs.len() - PLANS
            );
        }
        plans
    }

    /// What the script draws.
    fn data(&self) -> String {
        let mut op_numbers: HashMap<&str, usize> = HashMap::new();
        let mut ops = Vec::new();
        let mut stages = Vec::new();
        for (stage, outline) in self.stages.iter().zip(&self.outlines) {
            let next = ops.len();
            let op = *op_numbers.entry(&stage.op).or_insert_with(|| {
                ops.push(format!(
                    "{{\"name\":{},\"color\":\"{}\"}}",
                    json::string(&stage.op),
                    strong(next)
                ));
                next
            });
            stages.push(format!(
                "{{\"name\":{},\"op\":{op},\"first\":{},\"parts\":{},\"grid\":{}}}",
                json::string(&stage.name),
                outline.first_task,
                outline.parts.max(1),
                json::list(outline.grid.iter().map(usize::to_string))
            ));
        }
        format!(
            "{{\"seconds\":{},\"budget\":{},\"tick\":1e-8,\"ops\":{},\"stages\":{},\"workers\":{},\"memory\":{}}}",
            json::number(self.seconds),
            self.budget_bytes(),
            json::list(ops),
            json::list(stages),
            self.worker_data(),
            json::list(self.memory_data())
        )
    }

    /// Per thread five numbers for each task: from the start of the one before to its own, its time, both in ticks,
    /// stage, number, and whether it was stolen (1) or failed (2).
    fn worker_data(&self) -> String {
        const TICK: u64 = 10;
        let workers = self.workers.iter().map(|worker| {
            let mut spans = String::new();
            let mut before = 0;
            let of_worker = self
                .spans
                .iter()
                .filter(|span| span.worker as usize == worker.worker);
            for span in of_worker {
                let start = span.start / TICK;
                let comma = if spans.is_empty() { "" } else { "," };
                let _ = write!(
                    spans,
                    "{comma}{},{},{},{},{}",
                    start - before,
                    (span.end / TICK).saturating_sub(start),
                    self.stage_of(span),
                    span.task,
                    u8::from(span.stolen) + 2 * u8::from(span.failed)
                );
                before = start;
            }
            format!(
                "{{\"name\":{},\"spans\":[{spans}]}}",
                json::string(&worker.name)
            )
        });
        json::list(workers)
    }

    /// Three numbers for each point.
    fn memory_data(&self) -> Vec<String> {
        let step = self.memory.len().div_ceil(MEMORY_POINTS).max(1);
        let mut data: Vec<String> = self
            .memory
            .chunks(step)
            .filter_map(|points| {
                let held = points.iter().map(|point| point.held).max()?;
                let planned = points.iter().map(|point| point.planned).max()?;
                Some(format!("{:.9},{held},{planned}", points[0].time))
            })
            .collect();
        // What is left at the end is no maximum.
        if let Some(last) = self.memory.last() {
            data.push(format!("{:.9},{},{}", last.time, last.held, last.planned));
        }
        data
    }
}

fn time(value: f64) -> Cell {
    number(value, seconds(value))
}

/// A table whose columns sort.
fn table(caption: &str, heads: &[&str], rows: Vec<Vec<Cell>>) -> String {
    let mut table = format!(
        "<table class=\"sorts\"><caption>{}</caption><thead><tr>",
        escape(caption)
    );
    for head in heads {
        let _ = write!(
            table,
            "<th scope=\"col\"><button type=\"button\">{}</button></th>",
            escape(head)
        );
    }
    table.push_str("</tr></thead><tbody>\n");
    for row in rows {
        table.push_str("<tr>");
        for cell in row {
            let value = cell
                .value
                .map_or(String::new(), |value| format!(" data-value=\"{value}\""));
            let note = match cell.note.is_empty() {
                true => String::new(),
                false => format!("<small>{}</small>", escape(&cell.note)),
            };
            let _ = write!(table, "<td{value}>{}{note}</td>", escape(&cell.text));
        }
        table.push_str("</tr>\n");
    }
    table.push_str("</tbody></table>");
    table
}
