//! One job over many chunk sizes: a table, and a plot beside it as `chunk_sizes.svg`.
//!
//! ```text
//! cargo run --release --example chunk_sizes -- [--size 10000] [--out chunk_sizes.svg]
//! ```

use std::fmt::Write;
use std::time::Instant;

use flagstone::{Array, random};

const CHUNKS: [usize; 8] = [50, 100, 250, 500, 1000, 2000, 5000, 10_000];
const REPEATS: usize = 5;

/// The milliseconds of each job, by chunk size.
struct Row {
    chunk: usize,
    mean: f64,
    affine_mean: f64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut size = 10_000;
    let mut out = "chunk_sizes.svg".to_owned();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words
            .next()
            .ok_or_else(|| format!("{word} needs a value"))?;
        match word.as_str() {
            "--size" => size = value.parse()?,
            "--out" => out = value,
            _ => return Err(format!("no flag is named {word}").into()),
        }
    }

    let x = random::Generator::new(42)
        .uniform::<f64>([size, size], Bands(size))
        .persist()?;
    println!("{size} × {size} float64 in memory, milliseconds (median of {REPEATS})\n");
    println!(
        "{:>10} {:>12} {:>10} {:>16}",
        "chunks", "blocks", "x.mean(0)", "(2x+1).mean(0)"
    );
    let sizes = CHUNKS.into_iter().filter(|&chunk| chunk <= size);
    let arrays: Vec<(usize, Array<f64>)> = sizes
        .map(|chunk| (chunk, x.rechunk([chunk, chunk])))
        .collect();
    let mut times = vec![[const { Vec::new() }; 2]; arrays.len()];
    // All sizes in turn, so that a change of the machine's speed meets all of them. The first round warms up.
    for round in 0..=REPEATS {
        for ((_, chunked), times) in arrays.iter().zip(&mut times) {
            let jobs = [chunked.mean(0), (2.0 * chunked + 1.0).mean(0)];
            for (job, times) in jobs.iter().zip(times) {
                let time = milliseconds(job)?;
                if round > 0 {
                    times.push(time);
                }
            }
        }
    }
    let mut rows = Vec::new();
    for ((chunk, chunked), times) in arrays.iter().zip(times) {
        let [mean, affine_mean] = times.map(median);
        println!(
            "{chunk:>10} {:>12} {mean:>10.1} {affine_mean:>16.1}",
            chunked.num_blocks(),
        );
        rows.push(Row {
            chunk: *chunk,
            mean,
            affine_mean,
        });
    }
    std::fs::write(&out, plot(&rows))?;
    println!("\nplot written to {out}");
    Ok(())
}

/// Chunks of whole rows, as a specification.
#[expect(
    non_snake_case,
    reason = "reads like the specifications of the library"
)]
fn Bands(size: usize) -> [usize; 2] {
    [(size / 10).max(1), size]
}

/// Of one run, planning included.
fn milliseconds(job: &Array<f64>) -> flagstone::Result<f64> {
    let began = Instant::now();
    job.compute()?;
    Ok(began.elapsed().as_secs_f64() * 1e3)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Two lines over a logarithmic axis of chunk sizes.
fn plot(rows: &[Row]) -> String {
    const WIDTH: f64 = 640.0;
    const HEIGHT: f64 = 360.0;
    const LEFT: f64 = 60.0;
    const BOTTOM: f64 = 50.0;
    let highest = rows
        .iter()
        .map(|row| row.mean.max(row.affine_mean))
        .fold(1.0, f64::max)
        * 1.1;
    let (first, last) = (rows[0].chunk as f64, rows[rows.len() - 1].chunk as f64);
    let x = |chunk: usize| {
        LEFT + (WIDTH - LEFT - 20.0) * ((chunk as f64 / first).ln() / (last / first).ln().max(1e-9))
    };
    let y = |ms: f64| HEIGHT - BOTTOM - (HEIGHT - BOTTOM - 30.0) * ms / highest;
    let mut svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}' font-family='sans-serif' font-size='12'>\n\
         <title>Time of a column mean over chunk sizes</title>\n\
         <rect width='{WIDTH}' height='{HEIGHT}' fill='white'/>\n"
    );
    for tick in 0..=4 {
        let ms = highest * f64::from(tick) / 4.0;
        let at = y(ms);
        writeln!(
            svg,
            "<line x1='{LEFT}' x2='{}' y1='{at:.1}' y2='{at:.1}' stroke='#ddd'/>",
            WIDTH - 20.0
        )
        .expect("text");
        writeln!(
            svg,
            "<text x='{}' y='{:.1}' text-anchor='end'>{ms:.0} ms</text>",
            LEFT - 6.0,
            at + 4.0
        )
        .expect("text");
    }
    for row in rows {
        let at = x(row.chunk);
        writeln!(
            svg,
            "<text x='{at:.1}' y='{}' text-anchor='middle'>{}</text>",
            HEIGHT - BOTTOM + 18.0,
            row.chunk
        )
        .expect("text");
    }
    writeln!(
        svg,
        "<text x='{}' y='{}' text-anchor='middle'>chunk size (both axes)</text>",
        WIDTH / 2.0,
        HEIGHT - 10.0
    )
    .expect("text");
    for (name, color, at, ms) in [
        (
            "x.mean(0)",
            "#1f77b4",
            16.0,
            (|row: &Row| row.mean) as fn(&Row) -> f64,
        ),
        ("(2x+1).mean(0)", "#d62728", 32.0, |row: &Row| {
            row.affine_mean
        }),
    ] {
        let points: Vec<String> = rows
            .iter()
            .map(|row| format!("{:.1},{:.1}", x(row.chunk), y(ms(row))))
            .collect();
        writeln!(
            svg,
            "<polyline points='{}' fill='none' stroke='{color}' stroke-width='2'/>",
            points.join(" ")
        )
        .expect("text");
        writeln!(
            svg,
            "<text x='{}' y='{at}' fill='{color}' text-anchor='end'>{name}</text>",
            WIDTH - 20.0
        )
        .expect("text");
    }
    svg.push_str("</svg>\n");
    svg
}
