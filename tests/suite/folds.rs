//! The reductions, written down a second time: what a piece is and how two of them merge.

use flagstone::Complex;

use crate::order::{Fold, Item, in_lanes};
use crate::value::{Value, Wide};

/// The elements that are reduced, and which of them take part.
pub struct Elements<'a, T> {
    pub values: &'a [T],
    pub mask: Option<&'a [bool]>,
    pub skip_nan: bool,
}

impl<T: Value> Elements<'_, T> {
    pub fn takes_part(&self, item: Item) -> bool {
        self.mask.is_none_or(|mask| mask[item.at])
            && !(self.skip_nan && self.values[item.at].is_missing())
    }

    pub fn selects(&self) -> bool {
        self.mask.is_some() || self.skip_nan
    }

    fn count(&self, items: &[Item]) -> usize {
        items.iter().filter(|item| self.takes_part(**item)).count()
    }

    /// An element as a pair of floating-point numbers; real ones have −0 for a partner that adds
    /// nothing.
    fn parts(&self, item: Item) -> [f64; 2] {
        match self.values[item.at].wide() {
            Wide::Integer(_) => [<f64 as Value>::narrow(as_float(self.values[item.at])), 0.0],
            Wide::Float(value) => [value, 0.0],
            Wide::Complex(value) => [value.re, value.im],
        }
    }
}

/// Integers of 64 bits without a sign are no negative numbers when they become floats.
fn as_float<T: Value>(value: T) -> Wide {
    match value.wide() {
        Wide::Integer(signed) if T::DTYPE == flagstone::DType::U64 => {
            Wide::Float(signed as u64 as f64)
        }
        Wide::Integer(signed) => Wide::Float(signed as f64),
        other => other,
    }
}

/// Sums: integers wrap in 64 bits, the rest adds up in `f64`, from −0.
pub struct Sum<'a, T>(pub &'a Elements<'a, T>);

/// A sum in both of the forms in which it may be carried.
#[derive(Clone, Copy)]
pub struct Sums {
    pub integer: i64,
    pub parts: [f64; 2],
    pub count: usize,
}

impl<T: Value> Fold for Sum<'_, T> {
    type State = Sums;

    fn identity(&self) -> Sums {
        Sums {
            integer: 0,
            parts: [-0.0; 2],
            count: 0,
        }
    }

    fn piece(&self, lanes: bool, items: &[Item]) -> Sums {
        let step = |state: Sums, item: Item| {
            if !self.0.takes_part(item) {
                return state;
            }
            let integer = match self.0.values[item.at].wide() {
                Wide::Integer(value) => value,
                _ => 0,
            };
            self.merge(
                state,
                Sums {
                    integer,
                    parts: self.0.parts(item),
                    count: 1,
                },
            )
        };
        in_lanes(lanes, items, self.identity(), step, |left, right| {
            self.merge(left, right)
        })
    }

    fn merge(&self, left: Sums, right: Sums) -> Sums {
        Sums {
            integer: left.integer.wrapping_add(right.integer),
            parts: [
                left.parts[0] + right.parts[0],
                left.parts[1] + right.parts[1],
            ],
            count: left.count + right.count,
        }
    }
}

/// Products, from 1.
pub struct Product<'a, T>(pub &'a Elements<'a, T>);

impl<T: Value> Fold for Product<'_, T> {
    type State = Wide;

    fn identity(&self) -> Wide {
        match T::default().wide() {
            Wide::Integer(_) => Wide::Integer(1),
            Wide::Float(_) => Wide::Float(1.0),
            Wide::Complex(_) => Wide::Complex(Complex::new(1.0, 0.0)),
        }
    }

    fn piece(&self, lanes: bool, items: &[Item]) -> Wide {
        let step = |state: Wide, item: Item| {
            if self.0.takes_part(item) {
                self.merge(state, self.0.values[item.at].wide())
            } else {
                state
            }
        };
        in_lanes(lanes, items, self.identity(), step, |left, right| {
            self.merge(left, right)
        })
    }

    fn merge(&self, left: Wide, right: Wide) -> Wide {
        match (left, right) {
            (Wide::Integer(a), Wide::Integer(b)) => Wide::Integer(a.wrapping_mul(b)),
            (Wide::Float(a), Wide::Float(b)) => Wide::Float(a * b),
            (Wide::Complex(a), Wide::Complex(b)) => Wide::Complex(a * b),
            _ => unreachable!("one type"),
        }
    }
}

/// Mean and sum of squared deviations, by the deviations from the first element that takes part; pieces merged by
/// Chan's formula.
pub struct Variance<'a, T>(pub &'a Elements<'a, T>);

#[derive(Clone, Copy)]
pub struct Moments {
    pub n: f64,
    pub mean: [f64; 2],
    pub m2: f64,
}

impl<T: Value> Variance<'_, T> {
    fn square([re, im]: [f64; 2]) -> f64 {
        match T::default().wide() {
            Wide::Complex(_) => re * re + im * im,
            _ => re * re,
        }
    }

    fn deviation(&self, item: Item, center: [f64; 2]) -> [f64; 2] {
        let [re, im] = self.0.parts(item);
        [re - center[0], im - center[1]]
    }
}

impl<T: Value> Fold for Variance<'_, T> {
    type State = Moments;

    fn identity(&self) -> Moments {
        Moments {
            n: 0.0,
            mean: [0.0; 2],
            m2: 0.0,
        }
    }

    fn piece(&self, run: bool, items: &[Item]) -> Moments {
        let n = self.0.count(items) as f64;
        if n == 0.0 {
            return self.identity();
        }
        let takes_part = |item: &&Item| self.0.takes_part(**item);
        let center = self.0.parts(*items.iter().find(takes_part).unwrap());
        let step = |(sum, m2): ([f64; 2], f64), item: Item| {
            if !self.0.takes_part(item) {
                return (sum, m2);
            }
            let deviation = self.deviation(item, center);
            let sum = [sum[0] + deviation[0], sum[1] + deviation[1]];
            (sum, m2 + Self::square(deviation))
        };
        let merge = |left: ([f64; 2], f64), right: ([f64; 2], f64)| {
            let sum = [left.0[0] + right.0[0], left.0[1] + right.0[1]];
            (sum, left.1 + right.1)
        };
        let (sum, m2) = in_lanes(run, items, ([0.0; 2], 0.0), step, merge);
        let shift = [sum[0] / n, sum[1] / n];
        let overflows = m2 == f64::INFINITY && sum.iter().all(|part| part.is_finite());
        let m2 = if overflows {
            m2
        } else {
            m2 - Self::square(shift) * n
        };
        Moments {
            n,
            mean: [center[0] + shift[0], center[1] + shift[1]],
            m2: if m2 < 0.0 { 0.0 } else { m2 },
        }
    }

    fn merge(&self, left: Moments, right: Moments) -> Moments {
        if right.n == 0.0 {
            return left;
        }
        if left.n == 0.0 {
            return right;
        }
        let n = left.n + right.n;
        let delta = [right.mean[0] - left.mean[0], right.mean[1] - left.mean[1]];
        let part = right.n / n;
        let mean = [
            left.mean[0] + delta[0] * part,
            left.mean[1] + delta[1] * part,
        ];
        Moments {
            n,
            mean,
            m2: left.m2 + right.m2 + Self::square(delta) * (left.n * part),
        }
    }
}

/// The sum of magnitudes or of their squares.
pub struct Magnitudes<'a, T> {
    pub elements: &'a Elements<'a, T>,
    pub squares: bool,
}

impl<T: Value> Fold for Magnitudes<'_, T> {
    type State = f64;

    fn identity(&self) -> f64 {
        -0.0
    }

    fn piece(&self, lanes: bool, items: &[Item]) -> f64 {
        let step = |sum: f64, item: Item| {
            if !self.elements.takes_part(item) {
                return sum;
            }
            let [re, im] = self.elements.parts(item);
            let complex = matches!(T::default().wide(), Wide::Complex(_));
            sum + match (self.squares, complex) {
                (true, true) => re * re + im * im,
                (true, false) => re * re,
                (false, true) => re.hypot(im),
                (false, false) => re.abs(),
            }
        };
        in_lanes(lanes, items, -0.0, step, |left, right| left + right)
    }

    fn merge(&self, left: f64, right: f64) -> f64 {
        left + right
    }
}

/// All items in order, for what does not depend on how they are grouped.
pub struct All;

impl Fold for All {
    type State = Vec<Item>;

    fn identity(&self) -> Vec<Item> {
        Vec::new()
    }

    fn piece(&self, _: bool, items: &[Item]) -> Vec<Item> {
        items.to_vec()
    }

    fn merge(&self, mut left: Vec<Item>, right: Vec<Item>) -> Vec<Item> {
        left.extend(right);
        left
    }
}

/// The first of the best elements; NaN is better than anything.
pub fn best<T: Value>(
    elements: &Elements<'_, T>,
    items: &[Item],
    wanted: std::cmp::Ordering,
) -> Option<Item> {
    let mut best: Option<Item> = None;
    // Numbers, not pieces, decide which one is the first.
    let mut items: Vec<Item> = items
        .iter()
        .copied()
        .filter(|item| elements.takes_part(*item))
        .collect();
    items.sort_by_key(|item| item.number);
    for item in items {
        let value = elements.values[item.at];
        let better = match best {
            None => true,
            Some(best) => {
                let other = elements.values[best.at];
                !other.is_missing() && (value.is_missing() || value.order(other) == Some(wanted))
            }
        };
        if better {
            best = Some(item);
        }
    }
    best
}

/// A reducer in whose result the order of every step and merge shows: no two trees agree.
#[derive(Clone, Copy)]
pub struct Trace;

impl Trace {
    pub fn stepped(state: u64, value: f64) -> u64 {
        state.rotate_left(7).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ value.to_bits()
    }

    pub fn merged(left: u64, right: u64) -> u64 {
        left.wrapping_mul(0xD134_2543_DE82_EF95)
            .wrapping_add(right.rotate_left(31))
            ^ 0x5555
    }
}

impl flagstone::Reducer<f64> for Trace {
    type State = u64;
    type Output = u64;

    fn identity(&self) -> u64 {
        1
    }
    fn step(&self, state: &mut u64, value: f64) {
        *state = Trace::stepped(*state, value);
    }
    fn merge(&self, left: &mut u64, right: &u64) {
        *left = Trace::merged(*left, *right);
    }
    fn finish(&self, state: &u64) -> u64 {
        *state
    }
}

/// The same reducer for the reference: a run is folded in order, in one lane.
pub struct TraceOf<'a>(pub &'a [f64]);

impl Fold for TraceOf<'_> {
    type State = u64;

    fn is_sequential(&self) -> bool {
        true
    }

    fn identity(&self) -> u64 {
        1
    }

    fn piece(&self, _: bool, items: &[Item]) -> u64 {
        items
            .iter()
            .fold(1, |state, item| Trace::stepped(state, self.0[item.at]))
    }

    fn merge(&self, left: u64, right: u64) -> u64 {
        Trace::merged(left, right)
    }
}
