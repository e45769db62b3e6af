//! Leaves bound to the region of a task: addresses and strides instead of maps.

use std::sync::Arc;

use super::blocks::{Block, Inputs};
use super::pieced::Pieced;
use crate::base::few::{Few, few};
use crate::base::index_map::{AxisMap, IndexMap};
use crate::base::region::Region;
use crate::base::shape::c_strides;
use crate::graph::env::Env;
use crate::graph::expand::{each_cell, flat_range};
use crate::graph::stage::{Fused, Graph, Leaf, LeafSource};

/// What one step along a dimension adds to an element number.
#[derive(Clone, Debug)]
pub enum Term {
    Stride(isize),
    /// By the index along the dimension.
    Table(Arc<[isize]>),
}

impl Default for Term {
    fn default() -> Term {
        Term::Stride(0)
    }
}

impl Term {
    pub fn at(&self, index: usize) -> isize {
        match self {
            Term::Stride(stride) => stride * index as isize,
            Term::Table(table) => table[index],
        }
    }

    pub fn stride(&self) -> Option<isize> {
        match self {
            Term::Stride(stride) => Some(*stride),
            Term::Table(_) => None,
        }
    }

    pub fn is_zero(&self) -> bool {
        matches!(self, Term::Stride(0))
    }
}

/// A leaf whose elements are numbered by a sum of terms, one per dimension of the task's region.
#[derive(Clone, Debug)]
pub struct Linear {
    pub base: isize,
    pub terms: Few<Term>,
}

pub enum Bound {
    /// Elements in memory, at `first + number`.
    Place {
        first: *const u8,
        linear: Linear,
        _keep: Option<Arc<Block>>,
    },
    /// Elements made from their C-order number.
    Made { number: usize, linear: Linear },
    /// Elements that lie in several blocks.
    Pieced(Pieced),
}

/// One dimension of a task's iteration: neighbouring axes that every leaf walks evenly are one.
#[derive(Clone, Debug, Default)]
pub struct Dim {
    pub len: usize,
    /// The first axis in it.
    pub axis: usize,
    /// The number of axes in it.
    pub axes: usize,
}

pub struct Binding {
    pub dims: Few<Dim>,
    pub leaves: Vec<Bound>,
    /// Strides of the outputs along the dimensions.
    pub outs: Few<Few<isize>, 1>,
}

impl Binding {
    /// How many elements the region has.
    pub fn elements(&self) -> usize {
        self.dims.iter().map(|dim| dim.len).product()
    }
}

/// Binds the leaves to `region` of the iteration space. Axes are merged within the `groups` only.
pub fn bind(
    graph: &Graph,
    env: &Env,
    inputs: &Inputs<'_>,
    fused: &Fused,
    region: &Region,
    groups: &[std::ops::Range<usize>],
    mut outs: Few<Few<isize>, 1>,
) -> Binding {
    let mut leaves: Vec<Bound> = fused
        .leaves
        .iter()
        .map(|leaf| bind_leaf(graph, env, inputs, leaf, region))
        .collect();
    let pieced = leaves.iter().any(|leaf| matches!(leaf, Bound::Pieced(_)));
    let mut dims: Few<Dim> = Few::new();
    let shape = region.shape();
    for group in groups {
        let mut open: Option<usize> = None;
        for axis in group.clone() {
            let merges = match open {
                Some(last) if !pieced => {
                    let even = |outer: &Term, inner: &Term| match (outer, inner) {
                        (Term::Stride(outer), Term::Stride(inner)) => {
                            *outer == inner * shape[axis] as isize
                        }
                        _ => false,
                    };
                    let previous = dims[last].axis + dims[last].axes - 1;
                    let trivial = shape[axis] == 1 || dims[last].len == 1;
                    trivial
                        || (leaves.iter().all(|leaf| match leaf {
                            Bound::Place { linear, .. } | Bound::Made { linear, .. } => {
                                even(&linear.terms[previous], &linear.terms[axis])
                            }
                            Bound::Pieced(_) => false,
                        }) && outs
                            .iter()
                            .all(|out| out[previous] == out[axis] * shape[axis] as isize))
                }
                _ => false,
            };
            if merges {
                let last = dims.len() - 1;
                // Where one of the two has length 1, the other's terms are the dimension's; they are
                // stored at its last axis.
                if shape[axis] == 1 && dims[last].len > 1 {
                    let previous = dims[last].axis + dims[last].axes - 1;
                    for leaf in &mut leaves {
                        if let Bound::Place { linear, .. } | Bound::Made { linear, .. } = leaf {
                            linear.terms[axis] = linear.terms[previous].clone();
                        }
                    }
                    for out in &mut outs {
                        out[axis] = out[previous];
                    }
                }
                dims[last].len *= shape[axis];
                dims[last].axes += 1;
            } else {
                dims.push(Dim {
                    len: shape[axis],
                    axis,
                    axes: 1,
                });
            }
            open = Some(dims.len() - 1);
        }
    }
    // A dimension's terms are those of its last axis.
    for leaf in &mut leaves {
        let pick = |linear: &mut Linear| {
            let terms = dims.iter();
            linear.terms = few(terms.map(|dim| linear.terms[dim.axis + dim.axes - 1].clone()));
        };
        match leaf {
            Bound::Place { linear, .. } | Bound::Made { linear, .. } => pick(linear),
            Bound::Pieced(pieced) => pieced.axes.iter_mut().for_each(pick),
        }
    }
    for out in &mut outs {
        *out = dims
            .iter()
            .map(|dim| out[dim.axis + dim.axes - 1])
            .collect();
    }
    Binding { dims, leaves, outs }
}

/// The leaf's index along one of its axes, from the region's start.
fn axis_linear(map: &AxisMap, region: &Region) -> Linear {
    let mut terms = still(region.ndim());
    let mut base = 0;
    match map {
        AxisMap::Affine {
            start,
            terms: steps,
        } => {
            base = *start;
            for &(axis, step) in steps {
                base += step * region.start()[axis] as isize;
                terms[axis] = Term::Stride(step);
            }
        }
        AxisMap::Table { axis, table } => match table[region.range(*axis)] {
            // Terms of axes of length 1 are dropped when dimensions are merged: a place must not be in one.
            [index] => base = index as isize,
            ref indices => {
                terms[*axis] = Term::Table(indices.iter().map(|&index| index as isize).collect());
            }
        },
    }
    Linear { base, terms }
}

/// Terms of an index that is the same everywhere.
fn still(ndim: usize) -> Few<Term> {
    few((0..ndim).map(|_| Term::Stride(0)))
}

/// The sum of index × stride over the axes of a leaf.
fn number(map: &IndexMap, strides: &[isize], region: &Region) -> Linear {
    let mut result = Linear {
        base: 0,
        terms: still(region.ndim()),
    };
    for (axis, &stride) in map.axes().iter().zip(strides) {
        let axis = axis_linear(axis, region);
        result.base += axis.base * stride;
        for (dim, term) in axis.terms.iter().enumerate() {
            if term.is_zero() {
                continue;
            }
            let before = std::mem::replace(&mut result.terms[dim], Term::Stride(0));
            result.terms[dim] = match (before, term) {
                (Term::Stride(sum), Term::Stride(step)) => Term::Stride(sum + step * stride),
                (before, term) => {
                    let len = region.shape()[dim];
                    Term::Table(
                        (0..len)
                            .map(|i| before.at(i) + term.at(i) * stride)
                            .collect(),
                    )
                }
            };
        }
    }
    result
}

fn bind_leaf(graph: &Graph, env: &Env, inputs: &Inputs<'_>, leaf: &Leaf, region: &Region) -> Bound {
    match leaf.source {
        LeafSource::Memory {
            number: entry,
            c_order,
        } => {
            let memory = &env.memories[entry];
            let strides = if c_order {
                c_strides(&leaf.shape)
            } else {
                Few::from_slice(memory.strides())
            };
            Bound::Place {
                first: memory.first(),
                linear: number(&leaf.map, &strides, region),
                _keep: None,
            }
        }
        LeafSource::Generate { number: entry } => {
            let strides = c_strides(&leaf.shape);
            Bound::Made {
                number: entry,
                linear: number(&leaf.map, &strides, region),
            }
        }
        LeafSource::Held {
            stage,
            output,
            flat,
        } => {
            let made = &graph.dag[stage].outputs[output];
            let image = leaf.map.image(region);
            let counts = made.grid.counts();
            let mut blocks = Vec::new();
            // A region without elements has no first and last one.
            if !image.is_empty() {
                let ranges = if flat {
                    made.meeting_flat(&flat_range(&image, &leaf.shape))
                } else {
                    made.meeting(&image)
                };
                each_cell(&ranges, &counts, |cell| {
                    blocks.push(inputs.block(stage, cell, output))
                });
            }
            bind_blocks(leaf, region, blocks, flat)
        }
    }
}

fn bind_blocks(leaf: &Leaf, region: &Region, blocks: Vec<Arc<Block>>, flat: bool) -> Bound {
    if let [block] = &blocks[..] {
        let (strides, origin) = block.addressing(flat.then_some(&*leaf.shape));
        let mut linear = number(&leaf.map, &strides, region);
        linear.base -= origin;
        return Bound::Place {
            first: block.first(),
            linear,
            _keep: Some(block.clone()),
        };
    }
    let axes = leaf.map.axes().iter();
    let axes = axes.map(|axis| axis_linear(axis, region)).collect();
    let pieced = Pieced::new(blocks, axes, flat.then(|| c_strides(&leaf.shape)));
    match pieced.together(leaf.dtype, region) {
        Some((block, linear)) => Bound::Place {
            first: block.first(),
            linear,
            _keep: Some(Arc::new(block)),
        },
        None => Bound::Pieced(pieced),
    }
}
