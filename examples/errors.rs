//! How mistakes show: building never panics, an array carries its error to where it is computed.
//!
//! ```text
//! cargo run --release --example errors
//! ```

use flagstone::{Array, Engine, random, s};

fn main() -> flagstone::Result<()> {
    let a = Array::<f64>::zeros([3, 4], ..);
    let b = Array::<f64>::zeros([5, 4], ..);

    // The line of the addition is in the message, not that of `compute`.
    let sum = &a + &b;
    let later = sum.mean(0);
    show("shapes", later.compute());

    show("axis", a.sum(2).compute());
    show("slice", a.slice(s![.., 7]).compute());
    show(
        "chunks",
        Array::<f64>::zeros([10, 10], ([3, 3], 10)).compute(),
    );
    show(
        "panic",
        a.map(|value| {
            if value == 0.0 {
                panic!("no zeros, please")
            } else {
                value
            }
        })
        .compute(),
    );
    show(
        "block",
        a.map_blocks(|_| ndarray::ArrayD::<f64>::zeros(vec![1]))
            .compute(),
    );

    let small = Engine::builder().memory("1 KiB").build()?;
    let x = random::Generator::new(1).normal::<f64>([1000, 1000], 100);
    show("memory", small.compute(&x.std(0)));

    // After all that, the same threads go on working.
    println!("and still: {}", a.sum(..).item()?);
    Ok(())
}

fn show<T>(what: &str, result: flagstone::Result<T>) {
    match result {
        Ok(_) => println!("{what}: no error?"),
        Err(error) => println!("{what}: {error}\n"),
    }
}
