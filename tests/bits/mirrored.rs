//! Reductions of a matrix beside its transpose, which are taken square by square in pairs.

use super::{Engines, numbers};

#[test]
fn matrices_beside_their_transposes_have_the_same_bits_whichever_way() {
    let engines = Engines::new();
    // Chunks of one run and of several, whole and begun, with rows of one leaf and of several; a last chunk of a few rows,
    // or of one.
    let sizes = [
        (1000, 128),
        (1000, 200),
        (1000, 250),
        (900, 256),
        (1000, 300),
        (1000, 333),
        (600, 100),
        (700, 50),
        (1201, 600),
        (1500, 700),
        (1025, 512),
        (1400, 1000),
        // Several cells in a band, several bands in a cell, and a single line.
        (3100, 100),
        (2100, 128),
        (2100, 1050),
        (1300, 1300),
    ];
    for (side, chunk) in sizes {
        let x = numbers(&[side, side]).rechunk([chunk, chunk]);
        let t = x.t();
        for (number, terms) in [&x + &t, (&x - &t).square(), &x * 2.0 * &t + 1.0]
            .iter()
            .enumerate()
        {
            let what =
                |reduction: &str| format!("{reduction} of terms {number}, {side} in {chunk}");
            engines.assert_agree(&terms.sum(..), || what("sum"));
            engines.assert_agree(&terms.max(..), || what("max"));
            // Of one chunk it needs more memory than the smallest engine has.
            if chunk < side {
                engines.assert_agree(&terms.std(..), || what("std"));
            }
            engines.assert_agree(&terms.argmin(..), || what("argmin"));
        }
    }
}
