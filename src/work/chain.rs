//! Joins neighbouring cheap steps of a program into chains, see [`kernel::chain`](crate::kernel::chain).

use super::prepare::{Call, Cheap, OutputArg, Step, StepArg, Target};
use crate::base::dtype::DType;
use crate::base::few::{Few, few};
use crate::graph::env::Env;
use crate::graph::stage::Job;
use crate::kernel::chain::{ChainFn, Does, Link, Of, Sums, chain, sums, with_functions};
use crate::kernel::level::Level;
use crate::op::program::Arg;
use crate::op::tree::Mode;

pub type Links = Few<Link, 8>;

/// Several steps in one. Its operands are the arguments of its step, then blocks of scratch, then what it
/// stores.
pub struct Chain {
    pub links: Links,
    pub outs: Few<Target, 2>,
    pub scratch: usize,
    pub run: ChainFn,
}

/// The end of a reduction's program, if that is a chain of `float64` that a sum can take from its
/// registers.
pub struct Folded {
    /// The steps that come before it.
    pub before: usize,
    pub args: Few<StepArg, 3>,
    pub scratch: usize,
    /// Leaves what is summed in the accumulator.
    pub links: Links,
    /// Then it is only `sums.runs` that the chain is for.
    pub has_functions: bool,
    pub sums: Sums,
}

/// What takes the results of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Arrays,
    Folds,
    /// One sum of lines, which takes `float64` terms from the registers of a chain.
    Sum,
}

impl End {
    pub fn of(job: &Job, env: &Env) -> End {
        let Job::Reduce(job) = job else {
            return End::Arrays;
        };
        match &job.folds[..] {
            [usage]
                if usage.mask.is_none()
                    && env.folds[usage.fold].has_sums()
                    && matches!(job.tree.mode(), Mode::Lines { .. }) =>
            {
                End::Sum
            }
            _ => End::Folds,
        }
    }
}

/// More operands have no numbers.
const MOST: usize = 48;

/// Replaces two or more neighbouring steps by a chain; or one if it is the last before a fold.
pub fn join(mut steps: Vec<Step>, outputs: &[OutputArg], level: Level, end: End) -> Vec<Step> {
    // From the end on, because what is needed afterwards decides what a chain stores: the last step comes first.
    let mut joined: Vec<Step> = Vec::with_capacity(steps.len());
    let functions = with_functions(level);
    take_functions_out(&mut steps, end == End::Sum && functions.is_some());
    for start in group_starts(&steps, outputs).into_iter().rev() {
        let group = &steps[start..];
        let pays = group.len() > 1 || (end != End::Arrays && joined.is_empty());
        let has_functions = group
            .iter()
            .filter_map(|step| step.cheap)
            .any(|cheap| cheap.is_function());
        let run = group[0]
            .cheap
            .filter(|_| pays)
            .and_then(|cheap| match has_functions {
                true => functions.map(|chains| chains.run),
                false => chain(cheap.dtype, level),
            });
        if let Some(run) = run {
            let needed = |slot: u32| is_needed(slot, joined.iter().rev(), outputs);
            let one = Joining::new(group, needed).finish(group, run);
            steps.truncate(start);
            joined.push(one);
        } else {
            joined.extend(steps.drain(start..).rev());
        }
    }
    joined.reverse();
    joined
}

/// Functions pay where a sum takes them from registers, if it does; elsewhere a tile at a time is as fast. Those of one
/// chain are of one kind.
fn take_functions_out(steps: &mut [Step], sums: bool) {
    let mut ends = sums;
    let mut kind = None;
    for step in steps.iter_mut().rev() {
        let fits = |cheap: &Cheap| {
            let does = cheap.links[0];
            !does.is_function() || (ends && kind.is_none_or(|kind| kind == does.is_exponential()))
        };
        step.cheap = step.cheap.filter(fits);
        if let Some(cheap) = step.cheap.filter(Cheap::is_function) {
            kind = Some(cheap.links[0].is_exponential());
        }
        ends &= step.cheap.is_some_and(|cheap| cheap.dtype == DType::F64);
    }
}

/// Where groups begin: runs of cheap steps of one dtype, and others by themselves.
fn group_starts(steps: &[Step], outputs: &[OutputArg]) -> Few<usize> {
    let mut starts: Few<usize> = Few::new();
    for (at, step) in steps.iter().enumerate() {
        if !starts
            .last()
            .is_some_and(|&start| belongs(step, &steps[start..at], outputs))
        {
            starts.push(at);
        }
    }
    starts
}

fn belongs(step: &Step, group: &[Step], outputs: &[OutputArg]) -> bool {
    let dtype = |step: &Step| step.cheap.map(|cheap| cheap.dtype);
    // A chain reads its scalars for each block: it must not store where they are. What goes to an output does so by way
    // of its slot where the output's columns do not lie side by side.
    let writes = |slot: Arg, target: Target| match target {
        Target::Slot(written) => slot == Arg::Slot(written),
        Target::Output(number) => slot == outputs[number].arg,
    };
    let overwrites = |arg: &StepArg| {
        let mut targets = std::iter::once(step.out).chain(step.second_out);
        arg.scalar && targets.any(|target| writes(arg.arg, target))
    };
    dtype(step).is_some()
        && dtype(&group[0]) == dtype(step)
        && group.len() < MOST
        && !group.iter().flat_map(|step| &step.args).any(overwrites)
}

/// Whether a slot is read by later steps, or is an output.
fn is_needed<'a>(slot: u32, later: impl Iterator<Item = &'a Step>, outputs: &[OutputArg]) -> bool {
    for step in later {
        if step.args.iter().any(|arg| arg.arg == Arg::Slot(slot)) {
            return true;
        }
        if step.writes(Target::Slot(slot)) {
            return false;
        }
    }
    // What is written in place is in no slot.
    let mut slots = outputs.iter().filter(|output| !output.direct);
    slots.any(|output| output.arg == Arg::Slot(slot))
}

/// An operand of a step of a group.
#[derive(Clone, Copy, PartialEq)]
enum Source {
    /// The result of a step of the group.
    Step(usize),
    /// The second result of one, which is always stored.
    Second(usize),
    /// An argument of the chain.
    Arg(usize),
}

/// Where an operand's elements are kept.
#[derive(Clone, Copy)]
enum Place {
    Arg(usize),
    Out(usize),
    Scratch(usize),
}

/// A chain in the making.
struct Joining {
    args: Few<StepArg, 3>,
    outs: Few<Target, 2>,
    scratch: usize,
    /// By step, its operands.
    sources: Few<Few<Source, 2>>,
    /// By step, where its result is stored, if it is, and its second one, if there is one.
    places: Few<[Option<Place>; 2]>,
}

impl Joining {
    fn new(steps: &[Step], needed: impl Fn(u32) -> bool) -> Joining {
        let mut joining = Joining {
            args: Few::new(),
            outs: Few::new(),
            scratch: 0,
            sources: Few::new(),
            places: Few::new(),
        };
        for (at, step) in steps.iter().enumerate() {
            let sources = step.args.iter().map(|&arg| {
                let Arg::Slot(slot) = arg.arg else {
                    return joining.arg(arg);
                };
                let slot = Target::Slot(slot);
                match steps[..at].iter().rposition(|step| step.writes(slot)) {
                    Some(writer) if steps[writer].out == slot => Source::Step(writer),
                    Some(writer) => Source::Second(writer),
                    None => joining.arg(arg),
                }
            });
            let sources = few(sources);
            joining.sources.push(sources);
        }
        for (at, step) in steps.iter().enumerate() {
            let is_kept = |out: Target| match out {
                Target::Slot(slot) => {
                    !steps[at + 1..].iter().any(|later| later.writes(out)) && needed(slot)
                }
                Target::Output(_) => true,
            };
            let is_read = joining.is_read_from_memory(at);
            let first = joining.keep(step.out, is_kept(step.out), is_read);
            let second = step.second_out;
            let second = second.and_then(|out| joining.keep(out, is_kept(out), true));
            joining.places.push([first, second]);
        }
        joining
    }

    /// A place for a result that is needed after the chain, or read from memory in it.
    fn keep(&mut self, out: Target, is_kept: bool, is_read: bool) -> Option<Place> {
        if is_kept {
            self.outs.push(out);
            Some(Place::Out(self.outs.len() - 1))
        } else if is_read {
            self.scratch += 1;
            Some(Place::Scratch(self.scratch - 1))
        } else {
            None
        }
    }

    fn arg(&mut self, arg: StepArg) -> Source {
        let known = self.args.iter().position(|known| known.arg == arg.arg);
        Source::Arg(known.unwrap_or_else(|| {
            self.args.push(arg);
            self.args.len() - 1
        }))
    }

    /// Whether a step's result is read otherwise than once and from the accumulator, by the next step.
    fn is_read_from_memory(&self, at: usize) -> bool {
        let reads = |sources: &[Source]| {
            let of_this = |source: &&Source| **source == Source::Step(at);
            sources.iter().filter(of_this).count()
        };
        self.sources[at + 1..]
            .iter()
            .enumerate()
            .any(|(after, sources)| reads(sources) > usize::from(after == 0))
    }

    fn place(&self, source: Source) -> Place {
        match source {
            Source::Arg(number) => Place::Arg(number),
            Source::Step(at) => self.places[at][0].expect("what is read from memory is stored"),
            Source::Second(at) => self.places[at][1].expect("second results are stored"),
        }
    }

    fn link(&self, does: Does, place: Place) -> Link {
        let args = self.args.len();
        let (operand, of) = match place {
            Place::Arg(number) if self.args[number].scalar => (number, Of::One),
            Place::Arg(number) => (number, Of::Elements),
            Place::Scratch(number) => (args + number, Of::Elements),
            Place::Out(number) => (args + self.scratch + number, Of::Elements),
        };
        Link {
            does,
            of,
            operand: operand.try_into().expect("groups are small"),
        }
    }

    fn finish(self, steps: &[Step], run: ChainFn) -> Step {
        let mut links = Links::new();
        let mut accumulator = None;
        for (at, step) in steps.iter().enumerate() {
            let [first, second] = step.cheap.expect("all steps of the group are cheap").links;
            match self.sources[at][..] {
                [x] => {
                    if accumulator != Some(x) {
                        links.push(self.link(Does::Load, self.place(x)));
                    }
                    let second = self.places[at][1];
                    links
                        .push(second.map_or_else(|| Link::alone(first), |to| self.link(first, to)));
                }
                [x, y] if accumulator == Some(x) => links.push(self.link(first, self.place(y))),
                [x, y] if accumulator == Some(y) => links.push(self.link(second, self.place(x))),
                [x, y] => {
                    links.push(self.link(Does::Load, self.place(x)));
                    links.push(self.link(first, self.place(y)));
                }
                _ => unreachable!("no cheap operation has more operands"),
            }
            accumulator = Some(Source::Step(at));
            if let Some(place) = self.places[at][0] {
                links.push(self.link(Does::Store, place));
            }
        }
        let scratch = self.args.len()..self.args.len() + self.scratch;
        let is_scratch = |operand: u8| scratch.contains(&usize::from(operand));
        let links = with_second(with_squares(&links, is_scratch), is_scratch);
        Step {
            out: *self.outs.first().expect("the last result is needed"),
            second_out: self.outs.get(1).copied(),
            out_size: steps[0].out_size,
            scalar: false,
            share: steps.iter().map(|step| step.share).sum(),
            cheap: None,
            args: self.args,
            call: Call::Chain(Chain {
                links,
                outs: self.outs,
                scratch: self.scratch,
                run,
            }),
        }
    }
}

/// Squares of operands are taken as these are loaded, and added to what is in the accumulator: what was stored in
/// `scratch` for that, and is not read again, stays where it is.
fn with_squares(links: &[Link], is_scratch: impl Fn(u8) -> bool) -> Links {
    let reads = |of: u8| {
        let reads = |link: &&Link| link.reads() && link.operand == of;
        links.iter().filter(reads).count()
    };
    let mut shorter = Links::new();
    for &link in links {
        match shorter.last_mut() {
            Some(load) if (load.does, link.does) == (Does::Load, Does::Square) => {
                load.does = Does::LoadSquare;
            }
            _ => shorter.push(link),
        }
        if let [.., store, square, add] = shorter[..]
            && (store.does, square.does, add.does) == (Does::Store, Does::LoadSquare, Does::Add)
            && store.operand == add.operand
            && is_scratch(store.operand)
            && reads(store.operand) == 1
        {
            shorter.truncate(shorter.len() - 3);
            shorter.push(Link {
                does: Does::AddSquare,
                ..square
            });
        }
    }
    shorter
}

/// The second result of the only function that has two stays in registers, if nobody else asked for it.
fn with_second(mut links: Links, is_scratch: impl Fn(u8) -> bool) -> Links {
    let mut functions = links.iter().filter(|link| link.does == Does::SinCos);
    if let (Some(&only), None) = (functions.next(), functions.next())
        && is_scratch(only.operand)
    {
        let of_it = |link: &&mut Link| link.has_operand() && link.operand == only.operand;
        for link in links.iter_mut().filter(of_it) {
            link.of = Of::Second;
        }
    }
    links
}

/// What a sum of the only output can take from registers.
pub fn folded(steps: &[Step], outputs: &[OutputArg], dtype: DType, level: Level) -> Option<Folded> {
    let (DType::F64, [output]) = (dtype, outputs) else {
        return None;
    };
    let (Arg::Slot(slot), Some(step)) = (output.arg, steps.last()) else {
        return None;
    };
    let Call::Chain(chain) = &step.call else {
        return None;
    };
    let (last, links) = chain.links.split_last()?;
    let mut sums = sums(links, level)?;
    if step
        .args
        .iter()
        .all(|arg| arg.scalar || matches!(arg.arg, Arg::Slot(_)))
    {
        sums.runs = sums.near_runs;
    }
    let mut links = Links::from_slice(links);
    let has_functions = links.iter().any(|link| link.does.is_function());
    if has_functions {
        sums.runs = with_functions(level)?.sum(&links);
        for link in &mut links {
            let is_leaf = |arg: &StepArg| matches!(arg.arg, Arg::Leaf(_)) && !arg.scalar;
            let operand = step.args.get(usize::from(link.operand));
            if link.does == Does::Load && operand.is_some_and(is_leaf) {
                link.does = Does::LoadAhead;
            }
        }
    }
    (chain.outs[..] == [Target::Slot(slot)] && last.does == Does::Store).then(|| Folded {
        before: steps.len() - 1,
        args: step.args.clone(),
        scratch: chain.scratch,
        links,
        has_functions,
        sums,
    })
}
