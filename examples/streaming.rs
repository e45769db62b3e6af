//! A result larger than memory, consumed block by block.
//!
//! ```text
//! cargo run --release --example streaming
//! ```

use flagstone::{Engine, random};

fn main() -> flagstone::Result<()> {
    // 8 GB of numbers, and 64 MiB to compute them in.
    let engine = Engine::builder().memory("64 MiB").build()?;
    let x = random::Generator::new(1).normal::<f32>([200_000, 10_000], [2_000, 1_000]);
    let y = x.square() + 1.0;
    println!("y = {y}: {:.1} GB", y.nbytes() as f64 / 1e9);

    // Blocks come in index order, computed ahead as far as the memory allows. Here, only the first 25.
    let mut largest = f32::NEG_INFINITY;
    for block in engine.blocks(&y).take(25) {
        let block = block?;
        largest = block
            .values()
            .fold(largest, |largest, &value| largest.max(value));
        if block.index()[1] == 4 {
            println!(
                "block {:?} at {}: largest so far {largest:.3}",
                block.index(),
                block.region()
            );
        }
    }
    // Dropping the iterator has cancelled the rest.
    println!("enough seen");
    Ok(())
}
