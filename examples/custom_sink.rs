//! A sink of one's own: finished blocks become files of text, one for each band of rows.
//!
//! ```text
//! cargo run --release --example custom_sink
//! ```

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use flagstone::{Array, BoxError, Chunks, Region, Sink};
use ndarray::ArrayViewD;

/// A folder of tables with comma-separated values.
struct Tables {
    folder: PathBuf,
    shape: [usize; 2],
    rows: usize,
}

impl Sink for Tables {
    type Elem = f64;

    /// Called from several threads at once, each time with another band.
    fn write(&self, region: &Region, values: ArrayViewD<'_, f64>) -> Result<(), BoxError> {
        let mut text = String::new();
        for row in values.rows() {
            for value in row {
                write!(text, "{value:.3},")?;
            }
            text.push('\n');
        }
        let name = format!("rows_{:05}.csv", region.start()[0]);
        Ok(fs::write(self.folder.join(name), text)?)
    }

    /// A table has whole rows: whatever the array's chunks are, these are the blocks that arrive.
    fn write_grid(&self) -> Option<Chunks> {
        Chunks::regular(&self.shape, &[self.rows, self.shape[1]]).ok()
    }

    /// The text of one band, which counts as memory of the computation.
    fn scratch_bytes(&self) -> usize {
        self.rows * self.shape[1] * 12
    }

    /// Only now does a reader find what it looks for.
    fn finish(&self) -> Result<(), BoxError> {
        Ok(fs::write(self.folder.join("complete"), "")?)
    }

    fn describe(&self) -> String {
        self.folder.display().to_string()
    }
}

fn main() -> Result<(), BoxError> {
    let folder = std::env::temp_dir().join("flagstone-tables");
    fs::create_dir_all(&folder)?;
    let x = Array::<f64>::linspace(0.0, 1.0, 1_000_000, ..).reshape([1000, 1000]);
    let tables = Arc::new(Tables {
        folder: folder.clone(),
        shape: [1000, 1000],
        rows: 100,
    });
    // The array has square chunks; the plan cuts it into the sink's bands.
    (&x - &x.mean(0)).rechunk(250).store(tables)?;

    let mut names: Vec<_> = fs::read_dir(&folder)?
        .map(|entry| Ok(entry?.file_name()))
        .collect::<Result<_, std::io::Error>>()?;
    names.sort();
    println!("{} holds {names:?}", folder.display());
    fs::remove_dir_all(folder)?;
    Ok(())
}
