//! Where the time and the memory of a computation went: as text, as a page of HTML, and as a trace for Perfetto.
//!
//! ```text
//! cargo run --release --example profile [FOLDER]
//! ```
//!
//! In Python:
//!
//! ```python
//! from dask.distributed import performance_report
//!
//! with performance_report(filename="profile.html"):
//!     ((x - x.mean(axis=0)) ** 2).sum(axis=1).compute()
//! ```

use std::path::PathBuf;

use flagstone::{Array, BoxError, Engine};

fn main() -> Result<(), BoxError> {
    let folder = std::env::args().nth(1).map(PathBuf::from);
    let folder = folder.unwrap_or_else(std::env::temp_dir);

    let x = Array::from_fn([4_000, 4_000], 500, |[i, j]| (i * j) as f64 % 1000.0);
    let rows = (&x - &x.mean(0)).square().sum(1);
    let (sums, profile) = Engine::global()?.profile(&rows)?;
    println!("{} sums of squares\n", sums.len());
    println!("{profile}");

    let page = folder.join("flagstone-profile.html");
    std::fs::write(&page, profile.to_html())?;
    let trace = folder.join("flagstone-trace.json");
    std::fs::write(&trace, profile.to_chrome_trace())?;
    println!("page:  {}", page.display());
    println!("trace: {} (for https://ui.perfetto.dev)", trace.display());
    Ok(())
}
