//! Answers one job a line, so that another program can measure other libraries in turn with Flagstone.

use std::error::Error;
use std::io::{BufRead, Write};
use std::time::Instant;

use crate::args::{self, Options};
use crate::files::Files;
use crate::flagstone::Flagstone;
use crate::json;
use crate::limit::Answer;

/// Reads jobs from standard input until it ends. A job that cannot be run ends the program with its error.
///
/// Each is run as often as it says, and answered by one JSON object: the mean seconds of a run, and what
/// the results of different libraries can be compared by.
pub fn serve(options: &Options) -> Result<(), Box<dyn Error>> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .build()?;
    let flagstone = Flagstone::new(options.threads, options.memory)?;
    let mut files = Files::default();
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let job = args::jobs(line.split_whitespace().map(str::to_owned))?;
        for workload in &job.workloads {
            let input = files.input(workload, &job, &pool)?;
            let mut seconds = 0.0;
            let mut answer = None;
            for _ in 0..job.repeat {
                // The last result's memory goes back before the next one is made, and not in its time.
                drop(answer.take());
                let start = Instant::now();
                let (result, _) = flagstone.compute(workload.name, &input)?;
                seconds += start.elapsed().as_secs_f64();
                answer = Some(result);
            }
            let answer = answer.expect("a job is run at least once");
            let (Answer::Whole(values) | Answer::Reduced(values)) = &answer;
            let [sum, weighted, squares] = digest(values);
            let object = json::Object::new()
                .number("seconds", seconds / job.repeat as f64)
                .integer("size", values.len())
                .number("sum", sum)
                .number("weighted", weighted)
                .number("squares", squares);
            writeln!(out, "{}", object.finish())?;
            out.flush()?;
        }
    }
    Ok(())
}

/// The period of the weights: a prime, so that no regular exchange of elements goes unseen.
const PERIOD: usize = 1009;

/// The sum of the values, the same with weights that tell places apart, and the sum of their squares.
///
/// The weight of the value number i in C order is 1 + (i mod 1009) / 1009.
fn digest(values: &[f64]) -> [f64; 3] {
    let mut total = [0.0; 3];
    for part in values.chunks(PERIOD) {
        let mut sums = [0.0; 3];
        for (i, value) in part.iter().enumerate() {
            sums[0] += value;
            sums[1] += value * (1.0 + i as f64 / PERIOD as f64);
            sums[2] += value * value;
        }
        for (total, sum) in total.iter_mut().zip(sums) {
            *total += sum;
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_tell_orders_apart() {
        let values: Vec<f64> = (0..3000).map(f64::from).collect();
        let mut exchanged = values.clone();
        exchanged.swap(5, 1014 + 3);
        let [sum, weighted, squares] = digest(&values);
        assert_eq!([sum, squares], [4_498_500.0, 8_995_500_500.0]);
        let other = digest(&exchanged);
        assert_eq!([sum, squares], [other[0], other[2]]);
        assert!((weighted - other[1]).abs() > 1.0);
    }
}
