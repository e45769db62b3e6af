//! Plans, stages and tasks as pictures, and the chunks of arrays; no other program is needed to draw them.
//!
//! ```text
//! cargo run --release --example visualize [FOLDER]
//! ```
//!
//! In Python:
//!
//! ```python
//! y.visualize("tasks.svg")                        # needs Graphviz
//! y.visualize("order.svg", color="order")
//! x.to_svg()                                      # as notebooks show an array
//! ```

use std::path::{Path, PathBuf};

use flagstone::observe::{ColorBy, View};
use flagstone::{Array, BoxError, Engine};

fn main() -> Result<(), BoxError> {
    let folder = std::env::args().nth(1).map(PathBuf::from);
    let folder = folder.unwrap_or_else(std::env::temp_dir);

    let x = Array::from_fn([1_200, 800], [300, 200], |[i, j]| (i * j) as f64);
    let blurred = x.map_blocks(|block| block.to_owned() / 2.0);
    let y = (&blurred - &blurred.mean(0)).square().sum(1);

    save(&folder, "plan.svg", &y.visualize(View::Plan)?.to_svg())?;
    save(&folder, "stages.svg", &y.visualize(View::Stages)?.to_svg())?;
    let tasks = y.visualize(View::Tasks)?;
    save(&folder, "tasks.svg", &tasks.to_svg())?;
    save(&folder, "tasks.dot", &tasks.to_dot())?;
    let by_order = tasks.clone().color_by(ColorBy::Order);
    save(&folder, "order.svg", &by_order.to_svg())?;

    // Which thread ran what.
    let (_, profile) = Engine::global()?.profile(&y)?;
    let by_worker = tasks.color_by(ColorBy::Worker(Box::new(profile)));
    save(&folder, "workers.svg", &by_worker.to_svg())?;

    // Chunk grids of one axis to five.
    let shapes: [(&str, &[usize], &[usize]); 4] = [
        ("chunks-1.svg", &[10_000], &[1_000]),
        ("chunks-2.svg", &[1_200, 800], &[300, 200]),
        ("chunks-3.svg", &[365, 180, 360], &[73, 90, 90]),
        ("chunks-5.svg", &[4, 12, 365, 180, 360], &[1, 6, 73, 90, 90]),
    ];
    for (name, shape, chunks) in shapes {
        let x = Array::<f32>::zeros(shape, chunks);
        save(&folder, name, &x.grid_svg()?)?;
    }
    Ok(())
}

fn save(folder: &Path, name: &str, text: &str) -> std::io::Result<()> {
    let path = folder.join(format!("flagstone-{name}"));
    std::fs::write(&path, text)?;
    println!("{}", path.display());
    Ok(())
}
