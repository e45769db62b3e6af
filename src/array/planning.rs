//! From values to a plan that keeps to the budget.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};

use super::engine::Engine;
use super::refusal::refuse;
use crate::base::dtype::DType;
use crate::base::few::few;
use crate::error::Result;
use crate::graph::env::Env;
use crate::graph::expand::{Numbering, expand};
use crate::graph::stage::{Graph, Place, StageId};
use crate::graph::tasks::{Order, Tasks, held_at_peak, order_delivered};
use crate::kernel::level::level;
use crate::lower::{Choice, Kept, Options, lower};
use crate::op::fold::Fold;
use crate::op::generate::Generate;
use crate::op::reducer::ReduceOp;
use crate::optimize::{Rule, optimize};
use crate::plan::node::{Value, ValueKey, Values};
use crate::plan::walk::Walk;

/// A job so short (in estimated nanoseconds) that waking other threads would not pay.
const SERIAL_COST: f64 = 60_000.0;

/// A plan that is ready to run.
pub(super) struct Planned {
    pub roots: Values,
    pub graph: Graph,
    pub env: Env,
    pub tasks: Tasks,
    pub order: Order,
    pub numbering: Numbering,
    /// Values that are held, and could be spilled or computed again.
    pub kept: Vec<Kept>,
}

/// Optimizes and lowers, so that the floor keeps to the budget if there is a way.
pub(super) fn plan(engine: &Engine, values: &[Value], places: &[Place]) -> Planned {
    let walk = Walk::new(values);
    let optimized = optimize(&walk, &engine.off);
    let mut pairs = optimized.iter().zip(values);
    if pairs.all(|(new, old)| new.key() == old.key()) {
        return plan_optimized(engine, &walk, places);
    }
    plan_optimized(engine, &Walk::new(&optimized), places)
}

/// In this order: tasks of the usual size; smaller ones; and then, of sharing nothing, computing and loading
/// again, and spilling what holds the most bytes, what is estimated to take the least time.
fn plan_optimized(engine: &Engine, walk: &Walk<'_>, places: &[Place]) -> Planned {
    let on = |rule: Rule| !engine.off.contains(&rule);
    let budget = engine.memory();
    let options = Options {
        threads: engine.threads(),
        fuse_elementwise: on(Rule::FuseElementwise),
        fuse_reductions: on(Rule::FuseReductions),
        share_stages: on(Rule::ShareStages),
        share_loads: true,
        recompute: on(Rule::Recompute),
        shrink: 0,
        memory: budget,
        choices: HashMap::new(),
        fold: make_fold,
        panel: product_panel,
    };
    let planner = Planner {
        walk,
        places,
        budget,
        spills: on(Rule::Spill),
    };
    let mut best = planner.attempt(&options);
    for shrink in [1, 2, 3, 4] {
        if best.order.floor <= budget {
            return best;
        }
        best = planner.better(
            best,
            planner.attempt(&Options {
                shrink,
                ..options.clone()
            }),
        );
    }
    if best.order.floor <= budget {
        return best;
    }
    let smaller = |shrink, share_loads| Options {
        shrink,
        share_loads,
        ..options.clone()
    };
    let again = planner.attempt(&smaller(4, false));
    let again = match again.order.floor <= budget {
        true => again,
        false => planner.better(again, planner.attempt(&smaller(6, false))),
    };
    let chosen = planner.choose(&smaller(2, true));
    let chosen = match chosen.order.floor <= budget {
        true => chosen,
        false => planner.better(chosen, planner.choose(&smaller(6, true))),
    };
    planner.better(best, planner.better(again, chosen))
}

/// What stays the same from one attempt to the next.
struct Planner<'a, 'n> {
    walk: &'a Walk<'n>,
    places: &'a [Place],
    budget: u64,
    spills: bool,
}

/// A value is asked about only so often: each attempt costs as much as planning.
const MOST_CHOICES: usize = 12;

impl Planner<'_, '_> {
    fn attempt(&self, options: &Options) -> Planned {
        let (graph, env, kept) = lower(self.walk, self.places, options);
        let (tasks, numbering) = expand(&graph, &env);
        let tasks = tasks.count_own_bytes();
        let order = order_delivered(&tasks);
        Planned {
            roots: few(self.walk.roots.iter().cloned()),
            graph,
            env,
            tasks,
            order,
            numbering,
            kept,
        }
    }

    /// Of two plans the one that fits; of two that fit the faster one; of two that do not the smaller one.
    fn better(&self, one: Planned, other: Planned) -> Planned {
        let fits = |planned: &Planned| planned.order.floor <= self.budget;
        let takes_other = match (fits(&one), fits(&other)) {
            (true, true) => other.cost() < one.cost(),
            (false, false) => other.order.floor < one.order.floor,
            (_, other_fits) => other_fits,
        };
        if takes_other { other } else { one }
    }

    /// Goes on from one value to the next that holds the most bytes when memory is shortest, and decides
    /// whether it is computed again or spilled, until the plan fits.
    fn choose(&self, options: &Options) -> Planned {
        let mut options = options.clone();
        let mut best = self.attempt(&options);
        let mut asked: Vec<ValueKey> = Vec::new();
        for _ in 0..MOST_CHOICES {
            if best.order.floor <= self.budget {
                break;
            }
            let Some(one) = self.largest_kept(&best, &asked) else {
                break;
            };
            asked.push(one.key);
            let mut tried: Vec<(Choice, Planned)> = Vec::new();
            let choices = [(Choice::Again, one.again), (Choice::Spill, self.spills)];
            for (choice, possible) in choices {
                if possible {
                    options.choices.insert(one.key, choice);
                    tried.push((choice, self.attempt(&options)));
                }
            }
            // What does not make the plan smaller is no choice; of the others the faster one.
            tried.retain(|(_, planned)| planned.order.floor < best.order.floor);
            let all_fit = |planned: &Planned| planned.order.floor <= self.budget;
            if tried.iter().any(|(_, planned)| all_fit(planned)) {
                tried.retain(|(_, planned)| all_fit(planned));
            }
            tried.sort_by(|(_, a), (_, b)| a.cost().total_cmp(&b.cost()));
            options.choices.remove(&one.key);
            if let Some((choice, planned)) = tried.into_iter().next() {
                options.choices.insert(one.key, choice);
                best = planned;
            }
        }
        best
    }

    /// The value whose blocks take the most bytes when the most are held, of those not `asked` about.
    fn largest_kept(&self, planned: &Planned, asked: &[ValueKey]) -> Option<Kept> {
        let held = held_at_peak(&planned.tasks, &planned.order);
        let position = |kept: &Kept| {
            let order = &planned.graph.order;
            order.iter().position(|&id| id == kept.stage)
        };
        let bytes = |kept: &Kept| position(kept).map_or(0, |at| held[at]);
        planned
            .kept
            .iter()
            .filter(|kept| !asked.contains(&kept.key) && bytes(kept) > 0)
            .max_by_key(|kept| bytes(kept))
            .copied()
    }
}

fn make_fold(op: ReduceOp, dtype: DType, masked: bool) -> Option<Arc<dyn Fold>> {
    crate::kernel::reduce::fold(op, dtype, masked, level())
}

fn product_panel(dtype: DType) -> [usize; 2] {
    let kernel = crate::kernel::contract::kernel(dtype, level());
    [kernel.rows, kernel.columns]
}

impl Planned {
    /// Whether the job is shorter than waking a thread. With functions of users nobody can tell.
    pub fn is_tiny(&self) -> bool {
        if self.maps_by_users() && self.tasks.len() > 1 {
            return false;
        }
        self.cost() < SERIAL_COST
    }

    /// Whether tasks call functions of users for elements or blocks.
    fn maps_by_users(&self) -> bool {
        let env = &self.env;
        let generates = |generate: &Generate| matches!(generate, Generate::Closure { .. });
        !env.maps.is_empty()
            || !env.block_fns.is_empty()
            || !env.sources.is_empty()
            || env.generates.iter().any(generates)
    }

    /// Whether tasks call any code of users.
    pub fn calls_users(&self) -> bool {
        self.maps_by_users() || self.env.folds.iter().any(|fold| fold.is_users())
    }

    /// The nanoseconds that all tasks take together, roughly.
    pub fn cost(&self) -> f64 {
        let stages = self.graph.dag.node_indices();
        stages
            .map(|id| self.graph.dag[id].cost * self.running_in(id) as f64)
            .sum()
    }

    /// The tasks of a stage that run: those that somebody needs.
    pub fn running_in(&self, id: StageId) -> usize {
        let first = self.numbering.task(&self.graph, id, 0, 0);
        match self.graph.dag[id].tasks() {
            0 => 0,
            _ => self.tasks.running_in(self.tasks.stage_of(first)),
        }
    }

    /// The part of a stage's elements that is made, by tasks that run.
    pub fn share_of(&self, id: StageId) -> f64 {
        let stage = &self.graph.dag[id];
        let tasks = stage.tasks();
        if self.running_in(id) == tasks {
            return 1.0;
        }
        let (output, parts) = (&stage.outputs[0], stage.parts());
        let first = self.numbering.task(&self.graph, id, 0, 0);
        let running = (0..tasks).filter(|&task| !self.tasks.is_idle(first + task as u32));
        let elements = running.map(|task| output.region(&stage.cell_index(task / parts)).size());
        elements.sum::<usize>() as f64 / (output.domain.size() * parts).max(1) as f64
    }

    /// An error if the plan does not fit the engine's budget: nothing has run then, and nothing is allocated.
    pub fn check(&self, engine: &Engine) -> Result<()> {
        if self.order.floor <= engine.memory() {
            return Ok(());
        }
        Err(refuse(self, engine.memory()))
    }
}
