//! The engine's side of tasks.

use std::sync::OnceLock;

use super::engine::Engine;
use crate::error::Result;
use crate::task::Pool;

impl Engine {
    /// The engine's threads, for calls of any function; see [`task`](crate::task).
    ///
    /// ```
    /// use flagstone::Engine;
    ///
    /// let pool = Engine::builder().threads(2).build()?.pool();
    /// assert_eq!(pool.map(0..3, |i| i * i)?, [0, 1, 4]);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    pub fn pool(&self) -> Pool {
        Pool::new(&self.executor.pool, &self.observers, self.cancel.clone())
    }
}

impl Pool {
    /// The threads of the [global](Engine::global) engine.
    ///
    /// # Errors
    /// As [`Engine::global`].
    pub fn global() -> Result<Pool> {
        static GLOBAL: OnceLock<Result<Pool>> = OnceLock::new();
        GLOBAL.get_or_init(|| Ok(Engine::global()?.pool())).clone()
    }
}
