//! A source of one's own: only the regions that a computation needs are asked for.
//!
//! ```text
//! cargo run --release --example custom_source
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flagstone::{Array, BoxError, Chunks, Region, Source, s};
use ndarray::ArrayViewMutD;

/// A digital elevation model that is too large to be stored: hills made from sines.
struct Hills {
    shape: [usize; 2],
    /// How many elements were asked for, to show it.
    read: Arc<AtomicUsize>,
}

impl Source for Hills {
    type Elem = f32;

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn chunks(&self) -> Chunks {
        Chunks::regular(&self.shape, &[1000, 1000]).expect("two sizes for two axes")
    }

    fn read(&self, region: &Region, mut out: ArrayViewMutD<'_, f32>) -> Result<(), BoxError> {
        self.read.fetch_add(region.size(), Ordering::Relaxed);
        let (row, column) = (region.start()[0], region.start()[1]);
        for (index, height) in out.indexed_iter_mut() {
            let (y, x) = ((row + index[0]) as f32, (column + index[1]) as f32);
            *height = 400.0 + 300.0 * (x / 700.0).sin() * (y / 900.0).cos();
        }
        Ok(())
    }

    fn describe(&self) -> String {
        "hills".to_owned()
    }
}

fn main() -> flagstone::Result<()> {
    let read = Arc::new(AtomicUsize::new(0));
    let heights = Array::from_source(Hills {
        shape: [200_000, 200_000],
        read: read.clone(),
    });
    println!(
        "{heights}: {} GB if it were stored",
        heights.nbytes() / 1_000_000_000
    );

    let profile = heights.slice(s![50_000, ..;100]).compute()?;
    println!(
        "a profile of {} points read {} elements",
        profile.len(),
        read.swap(0, Ordering::Relaxed)
    );

    let valley = heights.slice(s![..2000, ..3000]);
    let (low, mean) = flagstone::compute((valley.min(..), valley.mean(..)))?;
    println!(
        "a valley: lowest {low:.1} m, mean {mean:.1} m, from {} elements, each read once",
        read.load(Ordering::Relaxed)
    );
    Ok(())
}
