//! The live page of an engine.

use std::net::ToSocketAddrs;

use super::engine::Engine;
use crate::error::Result;
use crate::observe::{Serving, serve};

/// # Live view
impl Engine {
    /// Serves a page that shows what this engine computes, while it does: progress, tasks by thread, memory against the
    /// budget, the running plan. It is there as long as what is returned is kept; all clones of the engine are shown.
    ///
    /// Port 0 lets the system choose one; [`Serving::url`] has it. Whoever can open the page can look, and nothing
    /// else: it answers GET only. The address must be of this machine alone (`127.0.0.1`, `::1`, `localhost`);
    /// [`serve_to_network`](Engine::serve_to_network) takes others. Requests under a foreign host name are refused,
    /// so that pages of other sites in the same browser cannot read it.
    ///
    /// What is remembered is bounded, and readers that are too slow are dropped.
    ///
    /// ```
    /// use flagstone::{Array, Engine};
    ///
    /// let engine = Engine::builder().threads(2).build()?;
    /// let serving = engine.serve("127.0.0.1:0")?;
    /// println!("open {}", serving.url());
    /// engine.compute(&Array::<f64>::ones([100, 100], 10).sum(..))?;
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the address is not of this machine alone, or is taken.
    pub fn serve(&self, address: impl ToSocketAddrs) -> Result<Serving> {
        self.serve_on(address, true)
    }

    /// As [`serve`](Engine::serve), on an address that other machines may reach: `0.0.0.0:8787`. There is no password:
    /// names of operations, errors of tasks and sizes of arrays can be read by all who can connect.
    ///
    /// ```no_run
    /// let engine = flagstone::Engine::global()?;
    /// let serving = engine.serve_to_network("0.0.0.0:8787")?;
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the address is taken.
    pub fn serve_to_network(&self, address: impl ToSocketAddrs) -> Result<Serving> {
        self.serve_on(address, false)
    }

    fn serve_on(&self, address: impl ToSocketAddrs, loopback_only: bool) -> Result<Serving> {
        let (serving, observer) = serve(address, loopback_only, self.memory(), self.threads())?;
        self.executor.pool.watchers().add(&observer);
        Ok(serving)
    }
}
