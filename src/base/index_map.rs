//! Views as index arithmetic: which element of its input an output element is.

use std::ops::Range;
use std::sync::Arc;

use super::few::{Few, few};
use super::region::Region;

/// Where an index along one input axis comes from.
#[derive(Debug, PartialEq, Eq, Hash)]
pub enum AxisMap {
    /// A constant plus multiples of output indices, as (output axis, multiple).
    Affine {
        start: isize,
        terms: Few<(usize, isize), 1>,
    },
    /// A look-up by the index along one output axis.
    Table { axis: usize, table: Arc<[usize]> },
}

impl Clone for AxisMap {
    fn clone(&self) -> AxisMap {
        match self {
            // Numbers are copied all at once, which a clone of a list does not know.
            AxisMap::Affine { start, terms } => AxisMap::Affine {
                start: *start,
                terms: Few::from_slice(terms),
            },
            AxisMap::Table { axis, table } => AxisMap::Table {
                axis: *axis,
                table: table.clone(),
            },
        }
    }
}

impl Default for AxisMap {
    fn default() -> AxisMap {
        AxisMap::constant(0)
    }
}

impl AxisMap {
    pub fn identity(axis: usize) -> AxisMap {
        AxisMap::Affine {
            start: 0,
            terms: [(axis, 1)].into(),
        }
    }

    pub fn constant(index: usize) -> AxisMap {
        AxisMap::Affine {
            start: index as isize,
            terms: Few::new(),
        }
    }
}

/// For each axis of the input, how its index follows from the output's: slices with any step,
/// transposes, flips, broadcasts, dropped and new axes, diagonals and static `take` are all of this
/// form, and compose.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub struct IndexMap {
    shape: Few<usize>,
    axes: Few<AxisMap, 3>,
}

impl Clone for IndexMap {
    fn clone(&self) -> IndexMap {
        IndexMap {
            shape: Few::from_slice(&self.shape),
            axes: few(self.axes.iter().cloned()),
        }
    }
}

impl IndexMap {
    /// A map from an output of this shape to an input with one `AxisMap` per axis.
    pub fn new(shape: impl Into<Few<usize>>, axes: impl Into<Few<AxisMap, 3>>) -> IndexMap {
        IndexMap {
            shape: shape.into(),
            axes: axes.into(),
        }
    }

    pub fn identity(shape: &[usize]) -> IndexMap {
        IndexMap {
            shape: Few::from_slice(shape),
            axes: few((0..shape.len()).map(AxisMap::identity)),
        }
    }

    /// NumPy's broadcast of an array of shape `from` to `to`.
    pub fn broadcast(from: &[usize], to: &[usize]) -> IndexMap {
        let skip = to.len() - from.len();
        let axes = from.iter().enumerate().map(|(axis, &len)| {
            if len == 1 && to[axis + skip] != 1 {
                AxisMap::constant(0)
            } else {
                AxisMap::identity(axis + skip)
            }
        });
        IndexMap {
            shape: Few::from_slice(to),
            axes: axes.collect(),
        }
    }

    /// The part of an array that is a box.
    pub fn window(region: &Region) -> IndexMap {
        let axes = region.start().iter().enumerate();
        let axes = axes.map(|(axis, &start)| AxisMap::Affine {
            start: start as isize,
            terms: [(axis, 1)].into(),
        });
        IndexMap {
            shape: Few::from_slice(region.shape()),
            axes: axes.collect(),
        }
    }

    /// The output's shape.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// One rule per axis of the input.
    pub fn axes(&self) -> &[AxisMap] {
        &self.axes
    }

    /// Whether every element maps to itself.
    pub fn is_identity(&self, input: &[usize]) -> bool {
        *self.shape == *input
            && self
                .axes
                .iter()
                .enumerate()
                .all(|(axis, map)| *map == AxisMap::identity(axis))
    }

    /// First this map, then `inner` on what it gives: the map of a view of a view.
    ///
    /// `None` where the result has no such form (a diagonal of a `take`).
    pub fn then(&self, inner: &IndexMap) -> Option<IndexMap> {
        let axes = inner
            .axes
            .iter()
            .map(|axis| self.compose_axis(axis))
            .collect::<Option<Few<_, 3>>>()?;
        Some(IndexMap {
            shape: self.shape.clone(),
            axes,
        })
    }

    fn compose_axis(&self, inner: &AxisMap) -> Option<AxisMap> {
        match inner {
            AxisMap::Affine { start, terms } => {
                if let [(mid, step)] = terms[..]
                    && let AxisMap::Table { axis, table } = &self.axes[mid]
                {
                    let table = table
                        .iter()
                        .map(|&index| (start + step * index as isize) as usize);
                    return Some(AxisMap::Table {
                        axis: *axis,
                        table: table.collect(),
                    });
                }
                let mut start = *start;
                let mut result: Few<(usize, isize), 1> = Few::new();
                for &(mid, step) in terms {
                    let AxisMap::Affine {
                        start: first,
                        terms,
                    } = &self.axes[mid]
                    else {
                        return None;
                    };
                    start += step * first;
                    for &(axis, inner_step) in terms {
                        match result.iter_mut().find(|(other, _)| *other == axis) {
                            Some((_, total)) => *total += step * inner_step,
                            None => result.push((axis, step * inner_step)),
                        }
                    }
                }
                if result.iter().any(|&(_, step)| step == 0) {
                    let kept = result.iter().copied().filter(|&(_, step)| step != 0);
                    result = kept.collect();
                }
                result.sort_unstable();
                Some(AxisMap::Affine {
                    start,
                    terms: result,
                })
            }
            AxisMap::Table { axis: mid, table } => match &self.axes[*mid] {
                AxisMap::Affine { start, terms } => match terms[..] {
                    [] => table
                        .get(*start as usize)
                        .map(|&index| AxisMap::constant(index)),
                    [(axis, step)] => {
                        let indices = (0..self.shape[axis])
                            .map(|i| table[(start + step * i as isize) as usize]);
                        Some(AxisMap::Table {
                            axis,
                            table: indices.collect(),
                        })
                    }
                    _ => None,
                },
                AxisMap::Table { axis, table: outer } => {
                    let indices = outer.iter().map(|&index| table[index]);
                    Some(AxisMap::Table {
                        axis: *axis,
                        table: indices.collect(),
                    })
                }
            },
        }
    }

    /// The smallest box of the input that holds all that a box of the output needs.
    pub fn image(&self, region: &Region) -> Region {
        if region.is_empty() {
            return Region::empty(self.axes.len());
        }
        let ranges = self.axes.iter().map(|axis| image_of_axis(axis, region));
        ranges.collect()
    }
}

fn image_of_axis(map: &AxisMap, region: &Region) -> Range<usize> {
    match map {
        AxisMap::Affine { start, terms } => {
            let (mut low, mut high) = (*start, *start);
            for &(axis, step) in terms {
                let first = step * region.start()[axis] as isize;
                let last = step * (region.end(axis) - 1) as isize;
                low += first.min(last);
                high += first.max(last);
            }
            low as usize..high as usize + 1
        }
        AxisMap::Table { axis, table } => {
            let part = &table[region.range(*axis)];
            let low = part.iter().copied().min().unwrap_or(0);
            let high = part.iter().copied().max().unwrap_or(0);
            low..high + 1
        }
    }
}
