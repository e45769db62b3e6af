//! What observers are told of a computation before it starts.

use crate::graph::tasks::Tasks;

/// What a computation is about to do; see [`Event::Planned`](crate::Event::Planned).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Outline {
    /// Tells computations apart that run at the same time.
    pub run: u64,
    /// What is computed, for people: `mean(axes 0)`.
    pub name: String,
    /// The number of tasks; 0 if nobody can know, and then one comes after the other.
    pub tasks: u64,
    /// The fewest bytes with which it could run.
    pub floor: u64,
    /// The most bytes that it will hold at once.
    pub planned_peak: u64,
    /// The memory budget of the engine, which all its computations share.
    pub budget: u64,
    /// The threads that compute; in events, a worker of this number stands for all threads that called for a computation.
    pub threads: usize,
    /// The stages in the order in which their tasks are numbered.
    pub stages: Vec<StageOutline>,
}

/// Tasks that do the same to different data. Bytes are what the plan expects, of all tasks of the stage together
/// where nothing else is said.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct StageOutline {
    /// As [`explain`](crate::Array::explain) prints it: `mean: parts`.
    pub name: String,
    /// What else `explain` says: where it reads from, what it fuses, what becomes of its values.
    pub detail: String,
    /// The number of the first task; the others follow.
    pub first_task: u32,
    /// The number of tasks.
    pub tasks: u32,
    /// How many of them do not run, because nobody needs what they would make.
    pub idle: u32,
    /// The number of cells along each axis; empty if tasks have no such places.
    pub grid: Vec<usize>,
    /// Tasks of each cell, which follow each other.
    pub parts: usize,
    /// The stages that it reads, by their place in [`Outline::stages`].
    pub inputs: Vec<usize>,
    /// Held by each task's result until its last reader has run.
    pub output_bytes: u64,
    /// Used by each task while it runs.
    pub scratch_bytes: u64,
    /// Read from memory and from sources.
    pub bytes_read: u64,
    /// Read from blocks of other stages.
    pub bytes_taken: u64,
    /// Written: to results, to blocks that are held, to the temporary file.
    pub bytes_written: u64,
}

impl StageOutline {
    /// The number of tasks that run.
    ///
    /// ```
    /// assert_eq!(flagstone::Outline::of_calls("map", 7, 100, 2).stages[0].running(), 100);
    /// ```
    pub fn running(&self) -> u32 {
        self.tasks - self.idle
    }
}

impl Outline {
    /// A name and stages; an engine adds the rest. For observers that are tried out on their own.
    ///
    /// ```
    /// let outline = flagstone::Outline::new("mean", vec![]);
    /// assert_eq!((outline.name.as_str(), outline.tasks), ("mean", 0));
    /// ```
    pub fn new(name: impl Into<String>, stages: Vec<StageOutline>) -> Outline {
        Outline {
            name: name.into(),
            stages,
            ..Outline::default()
        }
    }

    /// For tasks that nobody described: they have numbers and bytes.
    pub(crate) fn of_tasks(tasks: &Tasks) -> Outline {
        let stages = tasks.stages.iter().enumerate();
        let stages = stages.map(|(number, stage)| StageOutline {
            name: "tasks".to_owned(),
            first_task: stage.first,
            tasks: stage.count,
            idle: stage.count - tasks.running_in(number) as u32,
            parts: 1,
            output_bytes: stage.output_bytes,
            scratch_bytes: stage.scratch_bytes,
            ..StageOutline::default()
        });
        Outline::new("tasks", stages.collect())
    }
}

impl Outline {
    /// For calls of functions: `tasks` of one kind, 0 if nobody can know how many, on so many threads.
    ///
    /// ```
    /// let outline = flagstone::Outline::of_calls("map", 7, 100, 2);
    /// assert_eq!((outline.run, outline.stages[0].tasks), (7, 100));
    /// ```
    pub fn of_calls(name: impl Into<String>, run: u64, tasks: u64, threads: usize) -> Outline {
        let name = name.into();
        let stage = StageOutline {
            name: name.clone(),
            tasks: u32::try_from(tasks).unwrap_or(u32::MAX),
            parts: 1,
            ..StageOutline::default()
        };
        Outline {
            run,
            tasks,
            threads,
            ..Outline::new(name, vec![stage])
        }
    }
}

impl StageOutline {
    /// The first word or two of the name, which stages of the same kind share: `mean` of `mean: parts`.
    pub fn op(&self) -> &str {
        self.name.split(':').next().unwrap_or(&self.name)
    }

    /// All bytes that the tasks are expected to read and write.
    pub fn bytes_moved(&self) -> u64 {
        self.bytes_read + self.bytes_taken + self.bytes_written
    }

    /// Which block a task makes, and which part of it: `[3, 4]`, `[3, 4] part 2 of 10`. Nothing if tasks have no
    /// such places.
    pub fn place(&self, task: u32) -> String {
        let number = task.saturating_sub(self.first_task) as usize;
        let parts = self.parts.max(1);
        if self.grid.is_empty() {
            return match parts {
                1 => String::new(),
                _ => format!("part {} of {parts}", number % parts + 1),
            };
        }
        let index = crate::base::chunks::unravel(number / parts, &self.grid);
        match parts {
            1 => format!("{index:?}"),
            _ => format!("{index:?} part {} of {parts}", number % parts + 1),
        }
    }
}
