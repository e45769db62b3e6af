//! Einstein sums: what the subscripts say, and in which order several operands are multiplied.

use foldhash::{HashMap, HashMapExt};

use super::build::At;
use super::layout;
use super::node::Value;
use super::products::{Label, Labelled, product};
use crate::base::index_map::{AxisMap, IndexMap};
use crate::error::{Error, Kind, Result};

/// Up to so many operands the cheapest order is found; of more, a cheap one.
const MOST_OPTIMAL: usize = 6;
/// Labels of the axes that `...` stands for, from the last one on.
const DOTS: Label = char::MAX as Label + 1;

/// A sum of products of all operands over the labels that the output lacks.
pub fn einsum(subscripts: &str, values: &[Value], at: At) -> Result<Value> {
    let fail = |kind, why: String| Error::new(kind, format!("einsum \"{subscripts}\": {why}"));
    let shapes: Vec<&[usize]> = values.iter().map(Value::shape).collect();
    let (labels, out) = parse(subscripts, &shapes).map_err(|(kind, why)| fail(kind, why))?;
    let lens = lengths(&labels, &shapes).map_err(|why| fail(Kind::Shape, why))?;
    for value in values {
        if value.dtype() != values[0].dtype() {
            let why = format!(
                "operands of {} and {}: they have the same element type, cast one of them",
                values[0].dtype(),
                value.dtype()
            );
            return Err(fail(Kind::Dtype, why));
        }
    }
    let operands = values
        .iter()
        .zip(labels)
        .map(|(value, labels)| diagonal(value, &labels, at))
        .collect::<Result<Vec<_>>>()?;
    let path = path(&operands, &out, &lens);
    contract(operands, &path, &out, at)
}

/// Multiplies the pairs of a path: numbers of operands in a list from which both are taken, and at whose end
/// their product is put.
fn contract(
    mut operands: Vec<Labelled>,
    path: &[(usize, usize)],
    out: &[Label],
    at: At,
) -> Result<Value> {
    for &(one, other) in path {
        let second = operands.remove(one.max(other));
        let first = operands.remove(one.min(other));
        let labels = match operands.is_empty() {
            true => out.to_vec(),
            false => {
                let rest: Vec<&[Label]> = operands.iter().map(|own| &own.labels[..]).collect();
                joined(&first.labels, &second.labels, out, &rest)
            }
        };
        let value = product("einsum", first, second, &labels, at)?;
        operands.push(Labelled { value, labels });
    }
    let Some(last) = operands.pop() else {
        return Err(Error::new(Kind::Value, "einsum of no arrays"));
    };
    let mut gone = last.labels.clone();
    gone.retain(|label| !out.contains(label));
    last.sum(&gone, at)?.arranged(out, at)
}

/// The labels of a product that something still needs: common ones first, then the first operand's own.
fn joined(first: &[Label], second: &[Label], out: &[Label], rest: &[&[Label]]) -> Vec<Label> {
    let needed =
        |label: &Label| out.contains(label) || rest.iter().any(|labels| labels.contains(label));
    let common = first.iter().filter(|label| second.contains(label));
    let own = first.iter().filter(|label| !second.contains(label));
    let others = second.iter().filter(|label| !first.contains(label));
    common
        .chain(own)
        .chain(others)
        .filter(|label| needed(label))
        .copied()
        .collect()
}

/// The cost of a pair, its positions, and the labels of its product.
type Candidate = ((f64, f64), (usize, usize), Vec<Label>);

/// The order in which pairs are multiplied.
fn path(operands: &[Labelled], out: &[Label], lens: &HashMap<Label, usize>) -> Vec<(usize, usize)> {
    let labels: Vec<Vec<Label>> = operands.iter().map(|own| own.labels.clone()).collect();
    let size = |labels: &[Label]| {
        labels
            .iter()
            .map(|label| lens[label] as f64)
            .product::<f64>()
    };
    if operands.len() <= MOST_OPTIMAL {
        return optimal_path(&labels, out, &size);
    }
    // The pair whose product is smallest against what it replaces; of equal ones the cheapest, then the first.
    let mut left = labels;
    let mut path = Vec::new();
    while left.len() > 1 {
        let mut best: Option<Candidate> = None;
        for one in 0..left.len() {
            for other in one + 1..left.len() {
                let rest: Vec<&[Label]> = (0..left.len())
                    .filter(|&at| at != one && at != other)
                    .map(|at| &left[at][..])
                    .collect();
                let result = joined(&left[one], &left[other], out, &rest);
                let growth = size(&result) - size(&left[one]) - size(&left[other]);
                let cost = (growth, size(&union(&left[one], &left[other])));
                if best.as_ref().is_none_or(|(least, ..)| cost < *least) {
                    best = Some((cost, (one, other), result));
                }
            }
        }
        let Some((_, (one, other), result)) = best else {
            break;
        };
        left.remove(other);
        left.remove(one);
        left.push(result);
        path.push((one, other));
    }
    path
}

fn union(one: &[Label], other: &[Label]) -> Vec<Label> {
    let more = other.iter().filter(|label| !one.contains(label));
    one.iter().chain(more).copied().collect()
}

/// The path with the fewest multiplications: for every set of operands the best way to split it in two.
fn optimal_path(
    labels: &[Vec<Label>],
    out: &[Label],
    size: &impl Fn(&[Label]) -> f64,
) -> Vec<(usize, usize)> {
    let n = labels.len();
    let all = (1_usize << n) - 1;
    // For each set: what is left of its labels, the cost of its product, and its first half.
    let mut kept: Vec<Vec<Label>> = vec![Vec::new(); all + 1];
    let mut cost = vec![0.0; all + 1];
    let mut split = vec![0; all + 1];
    for set in 1..=all {
        let inside = (0..n).filter(|at| set >> at & 1 == 1);
        let outside: Vec<&Vec<Label>> = (0..n)
            .filter(|at| set >> at & 1 == 0)
            .map(|at| &labels[at])
            .collect();
        let mut own: Vec<Label> = Vec::new();
        for at in inside {
            own = union(&own, &labels[at]);
        }
        own.retain(|label| {
            out.contains(label) || outside.iter().any(|other| other.contains(label))
        });
        kept[set] = own;
        if set.is_power_of_two() {
            continue;
        }
        cost[set] = f64::INFINITY;
        // Halves that hold the first member: each pair once.
        let first = set & set.wrapping_neg();
        let mut half = set;
        while half > 0 {
            let other = set & !half;
            if half & first != 0 && other != 0 {
                let products = size(&union(&kept[half], &kept[other]));
                let total = cost[half] + cost[other] + products;
                if total < cost[set] {
                    cost[set] = total;
                    split[set] = half;
                }
            }
            half = (half - 1) & set;
        }
    }
    // From the splits to positions in a list that shrinks: later splits are multiplied first.
    let mut order = Vec::new();
    let mut open = vec![all];
    while let Some(set) = open.pop() {
        if !set.is_power_of_two() && set != 0 {
            order.push((split[set], set & !split[set]));
            open.extend([split[set], set & !split[set]]);
        }
    }
    let mut list: Vec<usize> = (0..n).map(|at| 1 << at).collect();
    let mut path = Vec::new();
    for (one, other) in order.into_iter().rev() {
        let at = |set: usize| list.iter().position(|&own| own == set);
        if let (Some(first), Some(second)) = (at(one), at(other)) {
            list.remove(first.max(second));
            list.remove(first.min(second));
            list.push(one | other);
            path.push((first, second));
        }
    }
    path
}

/// The array with one axis for each of its labels: of axes with equal labels the elements with equal
/// indices.
fn diagonal(value: &Value, labels: &[Label], at: At) -> Result<Labelled> {
    let mut own: Vec<Label> = Vec::with_capacity(labels.len());
    let mut shape = Vec::with_capacity(labels.len());
    let mut axes = Vec::with_capacity(labels.len());
    for (axis, &label) in labels.iter().enumerate() {
        let place = own.iter().position(|&known| known == label);
        axes.push(AxisMap::identity(place.unwrap_or(own.len())));
        if place.is_none() {
            own.push(label);
            shape.push(value.shape()[axis]);
        }
    }
    Ok(Labelled {
        value: layout::index(value, IndexMap::new(shape, axes), at)?,
        labels: own,
    })
}

/// The length of each label; an axis of length 1 stretches.
fn lengths(labels: &[Vec<Label>], shapes: &[&[usize]]) -> Result<HashMap<Label, usize>, String> {
    let mut lens: HashMap<Label, (usize, usize)> = HashMap::new();
    for (operand, (labels, shape)) in labels.iter().zip(shapes).enumerate() {
        for (axis, (&label, &len)) in labels.iter().zip(*shape).enumerate() {
            if let Some(first) = labels[..axis].iter().position(|&other| other == label)
                && shape[first] != len
            {
                return Err(format!(
                    "label {} names axes of lengths {} and {len} of operand {operand} of shape {shape:?}",
                    name(label),
                    shape[first]
                ));
            }
            let (known, of) = *lens.entry(label).or_insert((len, operand));
            if known == 1 {
                lens.insert(label, (len, operand));
            } else if len != 1 && len != known {
                return Err(format!(
                    "label {} has length {known} in operand {of} of shape {:?} and {len} in operand {operand} of shape {shape:?}",
                    name(label),
                    shapes[of]
                ));
            }
        }
    }
    Ok(lens
        .into_iter()
        .map(|(label, (len, _))| (label, len))
        .collect())
}

fn name(label: Label) -> String {
    match char::from_u32(label) {
        Some(letter) => letter.to_string(),
        None => "...".to_owned(),
    }
}

/// The labels of each operand's axes, and of the output's.
type Subscripts = (Vec<Vec<Label>>, Vec<Label>);

/// What the subscripts say of operands of these shapes.
fn parse(subscripts: &str, shapes: &[&[usize]]) -> Result<Subscripts, (Kind, String)> {
    let value = |why: String| (Kind::Value, why);
    let text: String = subscripts.chars().filter(|c| !c.is_whitespace()).collect();
    let (inputs, output) = match text.split_once("->") {
        Some((inputs, output)) => (inputs, Some(output)),
        None => (&text[..], None),
    };
    let terms: Vec<&str> = inputs.split(',').collect();
    if shapes.is_empty() || terms.len() != shapes.len() {
        let s = if shapes.len() == 1 { "" } else { "s" };
        return Err(value(format!(
            "subscripts of {} operands for {} array{s}",
            terms.len(),
            shapes.len()
        )));
    }
    let mut most_dots = 0;
    let mut labels = Vec::with_capacity(terms.len());
    for (operand, (term, shape)) in terms.iter().zip(shapes).enumerate() {
        let (before, dots, after) = letters(term).map_err(value)?;
        let named = before.len() + after.len();
        if named > shape.len() || (!dots && named < shape.len()) {
            return Err((
                Kind::Shape,
                format!(
                    "\"{term}\" names {named} axes, operand {operand} of shape {shape:?} has {}",
                    shape.len()
                ),
            ));
        }
        let hidden = shape.len() - named;
        most_dots = most_dots.max(hidden);
        let hidden = (0..hidden as Label).rev().map(|place| DOTS + place);
        labels.push(
            before
                .into_iter()
                .chain(hidden)
                .chain(after)
                .collect::<Vec<Label>>(),
        );
    }
    let all_dots = || (0..most_dots as Label).rev().map(|place| DOTS + place);
    let out: Vec<Label> = match output {
        Some(output) => {
            let (before, dots, after) = letters(output).map_err(value)?;
            if !dots && most_dots > 0 {
                return Err(value(format!(
                    "the output needs \"...\" for the {most_dots} axes that it stands for in the operands"
                )));
            }
            let dots = if dots { most_dots } else { 0 };
            let hidden = all_dots().take(dots);
            before.into_iter().chain(hidden).chain(after).collect()
        }
        None => {
            // Labels that occur once, in alphabetical order.
            let mut once: Vec<Label> = labels.iter().flatten().copied().collect();
            once.sort_unstable();
            let unique = once.chunk_by(|a, b| a == b).filter(|run| run.len() == 1);
            let unique = unique.map(|run| run[0]).filter(|&label| label < DOTS);
            all_dots().chain(unique).collect()
        }
    };
    for (at, &label) in out.iter().enumerate() {
        if out[..at].contains(&label) {
            return Err(value(format!("the output has label {} twice", name(label))));
        }
        if !labels.iter().any(|own| own.contains(&label)) {
            return Err(value(format!(
                "the output has label {}, which no operand has",
                name(label)
            )));
        }
    }
    Ok((labels, out))
}

/// The letters before and after an ellipsis, and whether there is one.
fn letters(term: &str) -> Result<(Vec<Label>, bool, Vec<Label>), String> {
    let (before, after) = match term.split_once("...") {
        Some((before, after)) => (before, Some(after)),
        None => (term, None),
    };
    let labels = |text: &str| -> Result<Vec<Label>, String> {
        text.chars()
            .map(|c| match c.is_alphabetic() {
                true => Ok(c as Label),
                false => Err(format!(
                    "'{c}' in \"{term}\" is no label: labels are letters"
                )),
            })
            .collect()
    };
    Ok((
        labels(before)?,
        after.is_some(),
        labels(after.unwrap_or(""))?,
    ))
}
