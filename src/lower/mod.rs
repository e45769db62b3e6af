//! From a plan to a graph of stages: what is materialized, where everything else is inlined, and
//! how each stage is cut into tasks. The only layer that knows plan *and* budget.

mod block_functions;
mod compile;
mod contractions;
mod grid;
mod loads;
mod maps;
mod pairs;
mod reach;
mod rechunk;
mod reductions;
mod spills;
mod stages;

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};

use crate::base::dtype::DType;
use crate::base::lookup::Lookup;
use crate::base::memory::Memory;
use crate::base::scalar::Scalar;
use crate::graph::env::Env;
use crate::graph::stage::{Graph, Place, StageId};
use crate::op::closure::TileMap;
use crate::op::fold::Fold;
use crate::op::generate::Generate;
use crate::plan::node::ValueKey;
use crate::plan::walk::Walk;

pub use spills::touched;

/// What lowering may choose from.
#[derive(Clone, Debug)]
pub struct Options {
    pub threads: usize,
    /// Element-wise nodes are inlined into their readers.
    pub fuse_elementwise: bool,
    /// Element-wise nodes are inlined into reductions.
    pub fuse_reductions: bool,
    /// Outputs over the same reads share a stage.
    pub share_stages: bool,
    /// A load that several stages read is held for all of them, where none waits for another.
    pub share_loads: bool,
    /// What stages of different depths read is read again for each depth, not held.
    pub recompute: bool,
    /// Halvings of the task size, for small budgets.
    pub shrink: u32,
    /// The budget in bytes, which says how large what is written and read at once may be.
    pub memory: u64,
    /// What becomes of values that would be held, where that does not fit.
    pub choices: HashMap<ValueKey, Choice>,
    /// Makes kept and reduced axes' reducers: how the kernel layer's folds are named here.
    pub fold: FoldMaker,
    /// The rows and columns of a product that the kernel layer computes at once.
    pub panel: fn(DType) -> [usize; 2],
}

/// What is done with a value that several tasks read, instead of holding its blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Each reader computes, or loads, for itself what it needs of it.
    Again,
    /// Its blocks are written to the temporary file, and read back from there.
    Spill,
}

/// A value whose blocks are held, and which [`Choice`]s there are.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    pub key: ValueKey,
    pub stage: StageId,
    pub again: bool,
}

/// Gives the fold of a built-in reducer: (reducer, input dtype, whether there is a mask).
pub type FoldMaker =
    fn(crate::op::reducer::ReduceOp, crate::base::dtype::DType, bool) -> Option<Arc<dyn Fold>>;

/// Lowers a walk's roots to a graph that puts root `i` into `places[i]`; and what it holds.
pub fn lower(walk: &Walk<'_>, places: &[Place], options: &Options) -> (Graph, Env, Vec<Kept>) {
    let reach = reach::reach(walk, places, options);
    let mut build = Build {
        options,
        places,
        reach: &reach,
        graph: Graph::with_capacity(reach.made.len()),
        env: Env::default(),
        made: Lookup::new(),
        loads: HashMap::new(),
        spilled: HashMap::new(),
        private: HashMap::new(),
        sole: HashSet::new(),
        memories: Lookup::new(),
        generates: Lookup::new(),
        maps: HashMap::new(),
    };
    build.choose_spills();
    build.stages();
    build.finish_spills();
    let kept = build.kept();
    (build.graph, build.env, kept)
}

/// A graph under construction.
struct Build<'a> {
    options: &'a Options,
    places: &'a [Place],
    reach: &'a reach::Reach,
    graph: Graph,
    env: Env,
    /// By position in `reach.made`.
    made: Lookup<usize, (StageId, usize)>,
    /// By source and depth of the reader.
    loads: HashMap<(ValueKey, usize), StageId>,
    /// By position in `reach.made`.
    spilled: HashMap<usize, spills::Spilled>,
    /// Loads that serve one leaf of one stage.
    private: HashMap<StageId, spills::Private>,
    /// Loads of which a single leaf of a single stage reads, cut in units of storage.
    sole: HashSet<StageId>,
    memories: Lookup<ValueKey, usize>,
    generates: Lookup<ValueKey, usize>,
    maps: HashMap<*const (), u32>,
}

impl Build<'_> {
    fn is_held(&self, key: ValueKey) -> bool {
        self.reach.held.contains_key(&key)
    }

    fn memory(&mut self, key: ValueKey, memory: &Memory) -> usize {
        if let Some(&number) = self.memories.get(&key) {
            return number;
        }
        self.env.memories.push(memory.clone());
        self.memories.insert(key, self.env.memories.len() - 1);
        self.env.memories.len() - 1
    }

    fn generate(&mut self, key: ValueKey, generate: &Generate) -> usize {
        if let Some(&number) = self.generates.get(&key) {
            return number;
        }
        self.env.generates.push(generate.clone());
        self.generates.insert(key, self.env.generates.len() - 1);
        self.env.generates.len() - 1
    }

    fn fill(&mut self, value: Scalar) -> usize {
        self.env.generates.push(Generate::Fill(value));
        self.env.generates.len() - 1
    }

    fn map(&mut self, map: &Arc<dyn TileMap>) -> u32 {
        *self.maps.entry(Arc::as_ptr(map).cast()).or_insert_with(|| {
            self.env.maps.push(map.clone());
            self.env.maps.len() as u32 - 1
        })
    }
}
