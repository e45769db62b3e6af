//! A page that shows computations while they run.
//!
//! ```text
//! cargo run --release --features serve --example live [ADDRESS] [SECONDS]
//! ```
//!
//! In Python:
//!
//! ```python
//! from dask.distributed import Client
//!
//! client = Client()
//! print(client.dashboard_link)
//! ```

use std::thread::sleep;
use std::time::{Duration, Instant};

use flagstone::{Array, BoxError, Engine};

fn main() -> Result<(), BoxError> {
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let seconds: f64 = args.next().map_or(Ok(60.0), |text| text.parse())?;

    let engine = Engine::builder().memory("64 MiB").build()?;
    let serving = engine.serve(address.as_str())?;
    println!("open {} (for {seconds} s)", serving.url());

    let began = Instant::now();
    let mut round = 0;
    while began.elapsed().as_secs_f64() < seconds {
        round += 1;
        let x = Array::from_fn([2_000, 2_000], 250, |[i, j]| (i * j) as f64 % 100.0);
        let x = x.map_blocks(|block| {
            sleep(Duration::from_millis(30));
            block.to_owned()
        });
        let spread = (&x - &x.mean(0)).square().sum(1);
        let sums = engine.compute(&spread)?;
        println!("round {round}: {}", sums.sum());
    }
    Ok(())
}
