//! A first look: a large random array, arithmetic and column means on it, and real data from a file.
//!
//! ```text
//! cargo run --release --example quickstart
//! ```

use std::path::Path;
use std::time::Instant;

use flagstone::{Array, Engine, compute, random, s};

fn main() -> flagstone::Result<()> {
    large_random_array()?;
    real_data()
}

fn large_random_array() -> flagstone::Result<()> {
    println!("== 10,000 × 10,000 random numbers in 1,000 × 1,000 chunks ==\n");
    let mut rng = random::Generator::new(42);
    let x = rng.uniform::<f64>([10_000, 10_000], [1_000, 1_000]);
    println!("x = {x}");
    println!(
        "    ({} blocks, {} MB if it were in memory; nothing is computed yet)\n",
        x.num_blocks(),
        x.nbytes() / 1_000_000
    );

    let y = 2.0 * &x + 1.0;
    println!(
        "The plan of the column means of y = 2x + 1:\n\n{}\n",
        y.mean(0).explain()?
    );

    // The first time, much of it is the system finding 800 MB of memory for the result.
    let began = Instant::now();
    drop(y.compute()?);
    let first = ms(began);
    let began = Instant::now();
    let whole = y.compute()?;
    println!(
        "y.compute(): all {} values in {first:.0} ms, and again in {:.0} ms; a corner:",
        whole.len(),
        ms(began)
    );
    println!("{:.4}\n", whole.slice(s![..3, ..4]));

    let began = Instant::now();
    let (means, report) = Engine::global()?.measure(&y.mean(0))?;
    println!(
        "y.mean(0): {} column means in {:.0} ms, holding at most {:.1} MiB:",
        means.len(),
        ms(began),
        report.held_peak_bytes as f64 / f64::from(1 << 20)
    );
    println!("{:.6} …\n", means.slice(s![..5]));

    let (mean, std) = compute((y.mean(..), y.std(..)))?;
    println!("Mean and standard deviation of y in one pass: {mean:.6} and {std:.6}");
    println!(
        "(a uniform y has 2 and 2/√12 = {:.6})\n",
        2.0 / 12.0_f64.sqrt()
    );
    Ok(())
}

fn real_data() -> flagstone::Result<()> {
    println!("== 240 years of air temperature over North America, from a file ==\n");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/air_temperature");
    let temperature = Array::<f32>::from_npy(folder.join("air_temperature.npy"), (60, .., ..))?;
    let latitude = Array::<f32>::from_npy(folder.join("latitude.npy"), ..)?.compute()?;
    println!("t = {temperature}   (year, latitude, longitude; kelvin)\n");

    // The mean of the last 20 years against that of the first 20, per latitude.
    let warming = temperature.slice(s![-20.., .., ..]).mean((0, 2))
        - temperature.slice(s![..20, .., ..]).mean((0, 2));
    let warming = warming.compute()?;
    println!("Warming per latitude, last 20 years against the first 20:");
    for row in (0..warming.len()).step_by(6) {
        let degrees = warming[[row]];
        println!(
            "  {:5.1}° N  {degrees:+.2} K  {}",
            latitude[[row]],
            "#".repeat((degrees * 8.0).max(0.0) as usize)
        );
    }

    // NumPy's answers for the same file, computed in float64, lie beside it.
    let expected = Array::<f64>::from_npy(folder.join("expected/mean_time.npy"), ..)?;
    let ours = temperature.cast::<f64>().mean(0);
    let furthest = (ours - expected).abs().max(..).item()?;
    println!("\nThe mean over time differs from NumPy's by at most {furthest:.1e} K.");
    assert!(furthest < 1e-9, "the mean over time is not NumPy's");
    Ok(())
}

fn ms(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1e3
}
