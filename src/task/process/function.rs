//! Functions that have names.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::wire;
use crate::error::Result;

/// A function that worker processes can run: a name, and a function of one argument (a tuple, if it needs more) that
/// captures nothing.
///
/// ```
/// use flagstone::task::process::Function;
///
/// static POWER: Function<(f64, i32), f64> = Function::new("power", |(base, exponent)| base.powi(exponent));
/// assert_eq!(POWER.call((2.0, 3)), 8.0);
/// ```
#[derive(Debug)]
pub struct Function<A, R> {
    name: &'static str,
    function: fn(A) -> R,
}

impl<A, R> Function<A, R> {
    /// A function and the name by which worker processes know it; no two of a program may share one.
    pub const fn new(name: &'static str, function: fn(A) -> R) -> Function<A, R> {
        Function { name, function }
    }

    /// The name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Calls it here.
    pub fn call(&self, argument: A) -> R {
        (self.function)(argument)
    }
}

/// A [`Function`] of whatever types.
pub trait Registered: Sync {
    #[doc(hidden)]
    fn name(&self) -> &'static str;

    /// Calls it with an argument as it came from another process.
    #[doc(hidden)]
    fn call_encoded(&self, argument: &[u8]) -> Result<Vec<u8>>;
}

impl<A: DeserializeOwned, R: Serialize> Registered for Function<A, R> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn call_encoded(&self, argument: &[u8]) -> Result<Vec<u8>> {
        let argument = wire::decode(argument, "the argument")?;
        wire::encode(&self.call(argument), "the result")
    }
}
