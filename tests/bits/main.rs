//! Sums that have loops of their own: the same bits whichever way they are taken.

mod mirrored;
mod narrow;
mod shared;

use flagstone::{Array, Element, Engine, Rule};
use ndarray::{ArrayD, IxDyn};

/// Numbers of many sizes and both signs.
fn numbers(shape: &[usize]) -> Array<f64> {
    let mut at = 0;
    let next = || {
        at += 1;
        (at as f64 * 0.618).sin() * (1 + at % 97) as f64
    };
    let array = ArrayD::from_shape_simple_fn(IxDyn(shape), next);
    Array::from_ndarray(array, ..)
}

/// The usual engine, and others that take another way.
struct Engines {
    usual: Engine,
    others: [Engine; 3],
}

impl Engines {
    fn new() -> Engines {
        let built = |builder: flagstone::EngineBuilder| builder.build().unwrap();
        Engines {
            usual: built(Engine::builder().threads(2)),
            others: [
                built(Engine::builder().threads(1)),
                // The terms are in memory then, and their folds have other loops.
                built(Engine::builder().without(Rule::FuseReductions)),
                built(Engine::builder().threads(3).memory("1 MiB")),
            ],
        }
    }

    /// All give the same; zeros have signs, and no element is NaN.
    fn assert_agree<T: Element>(&self, array: &Array<T>, what: impl Fn() -> String) {
        let bits = |engine: &Engine| {
            let elements = engine.compute(array).unwrap();
            elements
                .iter()
                .map(|x| format!("{x:?}"))
                .collect::<Vec<_>>()
        };
        let expected = bits(&self.usual);
        for other in &self.others {
            assert_eq!(bits(other), expected, "{}", what());
        }
    }
}
