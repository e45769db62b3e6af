//! Which values become stages, and what part of each is needed.
//!
//! One pass over the plan, readers before what they read. A value that is not materialized is
//! *inlined*: it hands the maps through which it is seen on to its inputs, composed with its own.

use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::fast::FixedState;
use foldhash::{HashMap, HashMapExt, HashSet};

use super::{Choice, Options};
use crate::base::few::{Few, few};
use crate::base::index_map::IndexMap;
use crate::base::lookup::Lookup;
use crate::base::region::Region;
use crate::graph::expand::{block_input_region, flat_range};
use crate::graph::stage::{Place, flat_hull};
use crate::op::generate::Generate;
use crate::plan::node::{ElementFunc, Node, NodeKind, Value, ValueKey};
use crate::plan::walk::Walk;

/// An iteration space and what is evaluated in it.
pub struct Cone {
    /// The value, and the map from the space to it.
    pub value: Value,
    pub map: IndexMap,
    /// The part of the space that is needed.
    pub region: Region,
    /// Leaves of the plan and materialized values that it reads.
    pub reads: Lookup<ValueKey, ()>,
    /// Whether the value is computed here even though it is held: this is where it is made.
    pub expand: bool,
    /// Whether its elements are computed several times over.
    repeats: bool,
    /// The number of the node of the stage that it belongs to.
    owner: usize,
}

/// A value that becomes the output of a stage.
pub struct Made {
    pub value: Value,
    pub needed: Region,
    /// Read by C-order numbers: its blocks must be consecutive in C order.
    pub flat: bool,
    /// Where it goes, if it is asked for; else it is held.
    pub root: Option<usize>,
    /// The element-wise part of it: one for maps, one per piece, per input of a block function;
    /// the value and the mask of a reduction.
    pub cones: Few<usize, 2>,
    /// Which cone needs which part.
    pub images: Vec<(usize, Region)>,
    /// The longest chain of stages below.
    pub depth: usize,
}

pub struct Reach {
    /// Readers before what they read.
    pub made: Vec<Made>,
    pub cones: Vec<Cone>,
    /// Position in `made` of the held values.
    pub held: HashMap<ValueKey, usize>,
}

/// How others need a value.
#[derive(Clone, Default)]
struct Needs {
    /// The results that it is.
    roots: Few<usize>,
    uses: Vec<Use>,
}

impl Needs {
    fn is_empty(&self) -> bool {
        self.roots.is_empty() && self.uses.is_empty()
    }
}

#[derive(Clone, PartialEq)]
enum Use {
    Direct {
        cone: usize,
        map: IndexMap,
    },
    /// Through a reshape: `map` leads to an array of `shape` with the same elements in C order.
    Flat {
        cone: usize,
        map: IndexMap,
        shape: Few<usize>,
    },
}

impl Use {
    fn cone(&self) -> usize {
        match self {
            Use::Direct { cone, .. } | Use::Flat { cone, .. } => *cone,
        }
    }
}

/// A node seen through so many different maps is computed once and held.
const MAX_MAPS: usize = 2;
/// What costs more nanoseconds per element than a pass over memory is computed once for all stages that
/// read it, if none of them waits for another.
const DEAR: f64 = 5.0;
/// What costs more than the way to the disk and back is computed once for stages that wait for each other,
/// too. Of users' functions nothing is known: they do not count here.
const VERY_DEAR: f64 = 20.0;
/// Operands of a product whose other side is longer are computed once for each of several bands.
const ONE_BAND: usize = 1024;
/// Seen through two, it is inlined twice as long as it is no dearer than this many nanoseconds.
const CHEAP: f64 = 4.0;

pub fn reach(walk: &Walk<'_>, places: &[Place], options: &Options) -> Reach {
    let (facts, n_values) = facts(walk);
    let mut pass = Pass {
        options,
        places,
        needs: few((0..n_values).map(|_| Needs::default())),
        facts,
        walk,
        reach: Reach {
            // Often there are no more, and a list that grows is large from the start.
            made: Vec::with_capacity(1),
            cones: Vec::with_capacity(1),
            held: HashMap::new(),
        },
    };
    for (number, root) in walk.roots.iter().enumerate() {
        pass.needs_of(root).roots.push(number);
    }
    for &node in walk.order.iter().rev() {
        match &node.kind {
            NodeKind::BlockFn(_) => pass.visit_block_fn(node),
            _ => pass.visit(&Value::of(node.clone())),
        }
    }
    let mut reach = pass.reach;
    depths(&mut reach);
    reach
}

/// What is known of a node before it is visited.
struct Facts {
    /// What its inlined cone costs per element, capped; with what users' functions may cost.
    cost: f64,
    /// The same without these.
    known_cost: f64,
    /// The longest chain of nodes below that are always stages: of two on the same level neither depends on
    /// the other.
    level: usize,
    /// The number of its first output: outputs are numbered in the order of the walk.
    first_value: usize,
}

/// The facts of all nodes, and how many outputs these have.
fn facts(walk: &Walk) -> (Few<Facts>, usize) {
    let mut facts: Few<Facts> = Few::with_capacity(walk.order.len());
    let mut n_values = 0;
    for node in &walk.order {
        let (mut cost_below, mut known_below, mut level) = (0.0, 0.0, 0);
        for input in &node.inputs {
            let below = &facts[walk.number(&input.node)];
            cost_below += below.cost;
            known_below += below.known_cost;
            level = level.max(below.level);
        }
        let stage = matches!(
            node.kind,
            NodeKind::Reduce(_)
                | NodeKind::Contract(_)
                | NodeKind::Pieces(_)
                | NodeKind::BlockFn(_)
                | NodeKind::Source(_)
        );
        let (cost, known_cost) = match &node.kind {
            NodeKind::Elementwise(elementwise) => {
                let own = super::compile::element_cost(&elementwise.func);
                let is_known = !matches!(elementwise.func, ElementFunc::Map(_));
                let known_own = if is_known { own } else { 0.0 };
                (cost_below + own, known_below + known_own)
            }
            NodeKind::Generate(generate) => {
                let is_known = !matches!(generate, Generate::Closure { .. });
                let cost = generate.cost();
                (cost, if is_known { cost } else { 0.0 })
            }
            NodeKind::Index(_) | NodeKind::Rechunk | NodeKind::Reshape => (cost_below, known_below),
            _ => (0.0, 0.0),
        };
        facts.push(Facts {
            cost: cost.min(1e6),
            known_cost: known_cost.min(1e6),
            level: level + usize::from(stage),
            first_value: n_values,
        });
        n_values += node.outputs.len();
    }
    (facts, n_values)
}

/// What tells stages apart, which cones of one group will share: reductions with one tree share one, and whole
/// results of one shape.
fn group_of(node: &Node) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    match &node.kind {
        NodeKind::Reduce(reduce) => (0, &reduce.tree).hash(&mut hasher),
        NodeKind::Contract(_)
        | NodeKind::Pieces(_)
        | NodeKind::BlockFn(_)
        | NodeKind::Source(_) => (1, node.id).hash(&mut hasher),
        _ => (2, &node.outputs[0].shape).hash(&mut hasher),
    }
    hasher.finish()
}

/// The longest chain of stages below each made value.
fn depths(reach: &mut Reach) {
    for at in (0..reach.made.len()).rev() {
        let below = reach.made[at]
            .cones
            .iter()
            .flat_map(|&cone| reach.cones[cone].reads.keys());
        let deepest = below
            .filter_map(|key| reach.held.get(key))
            .map(|&below| reach.made[below].depth)
            .max();
        let source = matches!(reach.made[at].value.node.kind, NodeKind::Source(_));
        reach.made[at].depth = if source {
            0
        } else {
            deepest.map_or(1, |depth| depth + 1)
        };
    }
}

struct Pass<'a, 'n> {
    options: &'a Options,
    places: &'a [Place],
    walk: &'a Walk<'n>,
    /// By the node's number.
    facts: Few<Facts>,
    /// By the value's number.
    needs: Few<Needs>,
    reach: Reach,
}

impl Pass<'_, '_> {
    fn add_use(&mut self, value: &Value, what: Use) {
        let uses = self.uses_of(value);
        if !uses.contains(&what) {
            // Most values have one reader.
            uses.reserve_exact(usize::from(uses.is_empty()));
            uses.push(what);
        }
    }

    /// Adds uses that all differ.
    fn add_uses(&mut self, value: &Value, more: Vec<Use>) {
        let uses = self.uses_of(value);
        if uses.is_empty() {
            *uses = more;
            return;
        }
        for what in more {
            self.add_use(value, what);
        }
    }

    fn uses_of(&mut self, value: &Value) -> &mut Vec<Use> {
        &mut self.needs_of(value).uses
    }

    fn needs_of(&mut self, value: &Value) -> &mut Needs {
        let number = self.facts(&value.node).first_value + value.output;
        &mut self.needs[number]
    }

    fn facts(&self, node: &Node) -> &Facts {
        &self.facts[self.walk.number(node)]
    }

    fn visit(&mut self, value: &Value) {
        let needs = std::mem::take(self.needs_of(value));
        if needs.is_empty() {
            return;
        }
        let Needs { roots, uses } = needs;
        match &value.node.kind {
            NodeKind::Reduce(_) | NodeKind::Contract(_) | NodeKind::Pieces(_)
                if uses.is_empty() && roots.len() == 1 && self.fits_directly(value, roots[0]) =>
            {
                self.make(value, Region::whole(value.shape()), false, Some(roots[0]));
            }
            NodeKind::Reduce(_)
            | NodeKind::Contract(_)
            | NodeKind::Pieces(_)
            | NodeKind::Source(_) => {
                let uses = self.copy_roots(value, &roots, uses);
                self.hold(value, &uses);
            }
            NodeKind::Memory(memory)
                if !memory.is_c_order()
                    && uses.iter().any(|used| matches!(used, Use::Flat { .. })) =>
            {
                let uses = self.copy_roots(value, &roots, uses);
                self.hold(value, &uses);
            }
            NodeKind::Memory(_) | NodeKind::Generate(_) => {
                let uses = self.copy_roots(value, &roots, uses);
                if self.serves_several_stages(&value.node, &uses) {
                    self.hold(value, &uses);
                } else {
                    self.note_reads(value, &uses);
                }
            }
            _ => {
                for &root in &roots {
                    self.make(value, Region::whole(value.shape()), false, Some(root));
                }
                if !uses.is_empty()
                    && let Some(uses) = self.inline(value, uses)
                {
                    self.hold(value, &uses);
                }
            }
        }
    }

    /// Blocks of a reduction lack the axes that it keeps with length 1: streamed, they are copied.
    fn fits_directly(&self, value: &Value, root: usize) -> bool {
        match &value.node.kind {
            NodeKind::Reduce(reduce) => !(reduce.keep && self.places[root] == Place::Stream),
            _ => true,
        }
    }

    /// A root that is a leaf, or that others read as well, is copied into its result.
    fn copy_roots(&mut self, value: &Value, roots: &[usize], mut uses: Vec<Use>) -> Vec<Use> {
        for &root in roots {
            let region = Region::whole(value.shape());
            let map = IndexMap::identity(value.shape());
            let cone = self.add_cone(&value.node, value, map.clone(), region.clone(), false);
            self.reach.made.push(Made {
                value: value.clone(),
                needed: region,
                flat: false,
                root: Some(root),
                cones: smallvec::smallvec![cone],
                images: Vec::new(),
                depth: 0,
            });
            uses.push(Use::Direct { cone, map });
        }
        uses
    }

    fn note_reads(&mut self, value: &Value, uses: &[Use]) {
        for used in uses {
            let cone = &mut self.reach.cones[used.cone()];
            cone.reads.insert(value.key(), ());
        }
    }

    /// `owner` is the node of the stage that the cone belongs to.
    fn add_cone(
        &mut self,
        owner: &Node,
        value: &Value,
        map: IndexMap,
        region: Region,
        expand: bool,
    ) -> usize {
        let owner = self.walk.number(owner);
        self.reach.cones.push(Cone {
            value: value.clone(),
            map,
            region,
            reads: Lookup::new(),
            expand,
            repeats: false,
            owner,
        });
        self.reach.cones.len() - 1
    }

    /// Hands the uses on to the inputs; gives them back if the value is better, or has to be, materialized.
    fn inline(&mut self, value: &Value, uses: Vec<Use>) -> Option<Vec<Use>> {
        let node = &value.node;
        match &node.kind {
            NodeKind::Elementwise(_) => {
                if !self.worth_inlining(node, &uses) {
                    return Some(uses);
                }
                if let Some((last, others)) = node.inputs.split_last() {
                    for input in others {
                        self.add_uses(input, uses.clone());
                    }
                    self.add_uses(last, uses);
                }
            }
            NodeKind::Rechunk => self.add_uses(&node.inputs[0], uses),
            NodeKind::Index(view) => {
                let mut composed = Vec::with_capacity(uses.len());
                for used in &uses {
                    let Use::Direct { cone, map } = used else {
                        return Some(uses);
                    };
                    let Some(map) = map.then(view) else {
                        return Some(uses);
                    };
                    composed.push(Use::Direct { cone: *cone, map });
                }
                for used in composed {
                    self.add_use(&node.inputs[0], used);
                }
            }
            NodeKind::Reshape => {
                for used in uses {
                    let flat = match used {
                        Use::Direct { cone, map } => Use::Flat {
                            cone,
                            map,
                            shape: Few::from_slice(value.shape()),
                        },
                        other => other,
                    };
                    self.add_use(&node.inputs[0], flat);
                }
            }
            _ => return Some(uses),
        }
        None
    }

    fn worth_inlining(&self, node: &Node, uses: &[Use]) -> bool {
        // Under a reshape an element-wise function has no index map to hand on.
        if !self.options.fuse_elementwise
            || uses.iter().any(|used| matches!(used, Use::Flat { .. }))
        {
            return false;
        }
        if self.again(node) {
            return true;
        }
        if uses.len() == 1 {
            return !self.serves_several_stages(node, uses);
        }
        let mut by_cone: HashMap<usize, usize> = HashMap::new();
        for used in uses {
            if let Use::Direct { cone, .. } = used {
                *by_cone.entry(*cone).or_default() += 1;
            }
        }
        if (!self.options.recompute && by_cone.len() > 1) || self.serves_several_stages(node, uses)
        {
            return false;
        }
        let maps = by_cone.values().copied().max().unwrap_or(0);
        let cost = self.facts(node).cost;
        maps <= 1 || (maps <= MAX_MAPS && cost <= CHEAP)
    }

    /// Whether a value is dear, and read by several stages of which none waits for another, or several times
    /// by one: then holding a block until all have read it is cheaper than computing it for each.
    fn serves_several_stages(&self, node: &Node, uses: &[Use]) -> bool {
        if !self.options.share_loads || self.again(node) || self.facts(node).cost < DEAR {
            return false;
        }
        let cones = uses.iter().map(|used| &self.reach.cones[used.cone()]);
        if cones.clone().any(|cone| cone.repeats) {
            return true;
        }
        let owners = cones.map(|cone| self.walk.order[cone.owner]);
        let known: HashSet<(usize, u64)> = owners
            .map(|owner| (self.level_below(owner), group_of(owner)))
            .collect();
        let levels: HashSet<usize> = known.iter().map(|&(level, _)| level).collect();
        known.len() > 1
            && (levels.len() == 1
                || !self.options.recompute
                || self.facts(node).known_cost >= VERY_DEAR)
    }

    /// The stages that a stage waits for, one upon the other.
    fn level_below(&self, owner: &Node) -> usize {
        let inputs = owner.inputs.iter();
        let levels = inputs.map(|input| self.facts(&input.node).level);
        levels.max().unwrap_or(0)
    }

    /// Whether each reader is to compute the value for itself.
    fn again(&self, node: &Node) -> bool {
        let key = (node.id, 0);
        self.options.choices.get(&key) == Some(&Choice::Again) && self.facts(node).cost.is_finite()
    }

    /// Materializes a value that others read.
    fn hold(&mut self, value: &Value, uses: &[Use]) {
        let mut needed: Option<Region> = None;
        let mut flat = false;
        let mut images = Vec::with_capacity(uses.len());
        for used in uses {
            let image = match used {
                Use::Direct { cone, map } => map.image(&self.reach.cones[*cone].region),
                Use::Flat { cone, map, shape } => {
                    flat = true;
                    let image = map.image(&self.reach.cones[*cone].region);
                    flat_image(&image, shape, value.shape())
                }
            };
            images.push((used.cone(), image.clone()));
            needed = Some(match needed {
                Some(region) => region.hull(&image),
                None => image,
            });
        }
        let mut needed = needed.unwrap_or_else(|| Region::whole(value.shape()));
        if flat {
            needed = consecutive(&needed, value.shape());
        }
        self.note_reads(value, uses);
        let at = self.make(value, needed, flat, None);
        self.reach.made[at].images = images;
        self.reach.held.insert(value.key(), at);
    }

    /// A new stage output, and the cones that compute it.
    fn make(&mut self, value: &Value, needed: Region, flat: bool, root: Option<usize>) -> usize {
        let node = value.node.clone();
        let mut cones = Few::new();
        match &node.kind {
            NodeKind::Reduce(reduce) => {
                let mut region = Region::whole(reduce.tree.shape());
                for (rank, &axis) in reduce.tree.kept().iter().enumerate() {
                    let place = if reduce.keep { axis } else { rank };
                    region.set_range(axis, needed.range(place));
                }
                for input in &node.inputs {
                    cones.push(self.start_cone(
                        &node,
                        input,
                        IndexMap::identity(input.shape()),
                        region.clone(),
                    ));
                }
                if !self.options.fuse_reductions {
                    // The rule is off: what is reduced becomes a stage of its own, if it computes.
                    for input in &node.inputs {
                        if matches!(input.node.kind, NodeKind::Elementwise(_)) {
                            self.force_hold(input);
                        }
                    }
                }
            }
            NodeKind::Contract(contract) => {
                let contraction = &contract.contraction;
                let [_, rows, columns] = contraction.extents(&needed);
                for (number, input) in node.inputs.iter().enumerate() {
                    let depth = 0..contraction.depth();
                    let region = contraction.operand_region(number, &needed, &depth);
                    let map = IndexMap::identity(input.shape());
                    let cone = self.start_cone(&node, input, map, region);
                    // Each band of the other operand's axis needs all of this one.
                    self.reach.cones[cone].repeats = [columns, rows][number] > ONE_BAND;
                    cones.push(cone);
                }
            }
            NodeKind::Pieces(pieces) => {
                for piece in &pieces.pieces {
                    let inside = needed.intersect(&piece.region);
                    let region = inside.map_or_else(
                        || Region::empty(needed.ndim()),
                        |inside| inside.relative_to(piece.region.start()),
                    );
                    cones.push(self.start_cone(
                        &node,
                        &node.inputs[piece.input],
                        piece.map.clone(),
                        region,
                    ));
                }
            }
            NodeKind::Source(_) => {}
            _ => {
                let map = IndexMap::identity(value.shape());
                let cone = self.add_cone(&node, value, map.clone(), needed.clone(), true);
                cones.push(cone);
                self.enter(value, cone, map);
            }
        }
        let images = Vec::new();
        self.reach.made.push(Made {
            value: value.clone(),
            needed,
            flat,
            root,
            cones,
            images,
            depth: 0,
        });
        self.reach.made.len() - 1
    }

    fn start_cone(&mut self, owner: &Node, input: &Value, map: IndexMap, region: Region) -> usize {
        let cone = self.add_cone(owner, input, map.clone(), region, false);
        self.add_use(input, Use::Direct { cone, map });
        cone
    }

    /// The inputs of a materialized value, as seen from its own space.
    fn enter(&mut self, value: &Value, cone: usize, map: IndexMap) {
        let node = value.node.clone();
        match &node.kind {
            NodeKind::Index(view) => self.add_use(
                &node.inputs[0],
                Use::Direct {
                    cone,
                    map: view.clone(),
                },
            ),
            NodeKind::Reshape => {
                let shape = Few::from_slice(value.shape());
                self.add_use(&node.inputs[0], Use::Flat { cone, map, shape });
            }
            _ => {
                for input in &node.inputs {
                    self.add_use(
                        input,
                        Use::Direct {
                            cone,
                            map: map.clone(),
                        },
                    );
                }
            }
        }
    }

    /// Uses under more maps than are ever inlined.
    fn force_hold(&mut self, value: &Value) {
        let number = self.walk.number(&value.node);
        self.facts[number].cost = f64::INFINITY;
        let uses = self.uses_of(value);
        if let Some(Use::Direct { cone, map }) = uses.first().cloned() {
            // The same map twice counts as two, and nothing so dear is seen through two.
            uses.push(Use::Direct { cone, map });
        }
    }

    fn visit_block_fn(&mut self, node: &std::sync::Arc<Node>) {
        let outputs: Vec<Value> = (0..node.outputs.len())
            .map(|output| Value {
                node: node.clone(),
                output,
            })
            .collect();
        let all: Vec<Needs> = outputs
            .iter()
            .map(|value| std::mem::take(self.needs_of(value)))
            .collect();
        if all.iter().all(Needs::is_empty) {
            return;
        }
        // One root and no other reader: blocks go straight into the result.
        let mut cones: Option<Few<usize, 2>> = None;
        for (value, needs) in outputs.iter().zip(all) {
            if needs.is_empty() {
                continue;
            }
            let Needs { roots, uses } = needs;
            let direct = uses.is_empty() && roots.len() == 1;
            let uses = if direct {
                uses
            } else {
                self.copy_roots(value, &roots, uses)
            };
            let mut needed = Region::whole(value.shape());
            let mut flat = false;
            if !direct && outputs.len() == 1 {
                let images = uses.iter().map(|used| match used {
                    Use::Direct { cone, map } => map.image(&self.reach.cones[*cone].region),
                    Use::Flat { .. } => {
                        flat = true;
                        Region::whole(value.shape())
                    }
                });
                needed = images.reduce(|a, b| a.hull(&b)).unwrap_or(needed);
                needed = whole_blocks(&needed, value);
            }
            self.note_reads(value, &uses);
            if cones.is_none() {
                let mut made = Few::new();
                for input in &node.inputs {
                    let region = block_input_region(value.chunks(), input.chunks(), &needed);
                    let map = IndexMap::identity(input.shape());
                    made.push(self.add_cone(node, input, map, region, false));
                }
                cones = Some(made);
            }
            self.reach.made.push(Made {
                value: value.clone(),
                needed,
                flat,
                root: direct.then(|| roots[0]),
                cones: cones.clone().unwrap_or_default(),
                images: Vec::new(),
                depth: 0,
            });
            if !direct {
                self.reach
                    .held
                    .insert(value.key(), self.reach.made.len() - 1);
            }
        }
        for (input, cone) in node.inputs.iter().zip(cones.unwrap_or_default()) {
            self.add_use(
                input,
                Use::Direct {
                    cone,
                    map: IndexMap::identity(input.shape()),
                },
            );
        }
    }
}

/// The box of whole blocks around a region.
fn whole_blocks(region: &Region, value: &Value) -> Region {
    let mut result = region.clone();
    for (axis, chunks) in value.chunks().0.iter().enumerate() {
        let blocks = chunks.meeting(&region.range(axis));
        if !blocks.is_empty() {
            result.set_range(
                axis,
                chunks.range(blocks.start).start..chunks.range(blocks.end - 1).end,
            );
        }
    }
    result
}

/// The box of an array that holds the elements of `image`, a box of the same elements under `shape`.
fn flat_image(image: &Region, shape: &[usize], target: &[usize]) -> Region {
    if image.is_empty() {
        return Region::empty(target.len());
    }
    flat_hull(&flat_range(image, shape), target)
}

/// Widens a box until its elements are consecutive in C order.
fn consecutive(region: &Region, shape: &[usize]) -> Region {
    let mut result = region.clone();
    let mut whole = false;
    for (axis, &len) in shape.iter().enumerate() {
        if whole {
            result.set_range(axis, 0..len);
        }
        whole |= region.shape()[axis] != 1;
    }
    result
}
