//! Where the elements of cells and operands lie.

use crate::base::region::Region;
use crate::base::shape::c_strides;
use crate::op::contract::{Contraction, Role};

/// The elements of a cell: how far the first of each matrix of the batch, each row and each column lies
/// from the cell's first.
pub struct CellPlaces {
    pub batch: Vec<isize>,
    pub rows: Vec<isize>,
    pub columns: Vec<isize>,
}

impl CellPlaces {
    /// By the strides of the result's axes.
    pub fn new(contraction: &Contraction, region: &Region, strides: &[isize]) -> CellPlaces {
        let of = |role: Role| {
            let axes = contraction.axes(role).into_iter().map(|axis| Walk {
                len: region.shape()[axis],
                stride: strides[axis],
            });
            offsets(&axes.collect::<Vec<_>>())
        };
        CellPlaces {
            batch: of(Role::Batch),
            rows: of(Role::Rows),
            columns: of(Role::Columns),
        }
    }
}

/// One axis of several that are walked in C order.
pub struct Walk {
    pub len: usize,
    pub stride: isize,
}

/// The one stride of axes walked in C order, if there is one.
pub fn even(axes: &[Walk]) -> Option<isize> {
    let mut moving = axes.iter().rev().filter(|axis| axis.len != 1);
    let Some(last) = moving.next() else {
        return Some(1);
    };
    let mut size = last.len as isize;
    for axis in moving {
        if axis.stride != last.stride * size {
            return None;
        }
        size *= axis.len as isize;
    }
    Some(last.stride)
}

/// The distance of each element from the first.
pub fn offsets(axes: &[Walk]) -> Vec<isize> {
    let mut offsets = vec![0];
    for axis in axes {
        let steps = |base: isize| (0..axis.len).map(move |i| base + i as isize * axis.stride);
        offsets = offsets.into_iter().flat_map(steps).collect();
    }
    offsets
}

/// Strides of a buffer in which an operand's box lies matrix after matrix, so that rows (or columns) and steps
/// are evenly spaced whatever the order of its axes; its last axis is the innermost.
pub fn c_strides_by_role(contraction: &Contraction, number: usize, shape: &[usize]) -> Vec<isize> {
    let axes = contraction.operand(number);
    let mut order: Vec<usize> = (0..axes.len()).collect();
    let last = axes.last().map(|&axis| contraction.role(axis));
    let rank = |at: usize| match contraction.role(axes[at]) {
        Role::Batch => 0,
        role if Some(role) == last => 2,
        _ => 1,
    };
    order.sort_by_key(|&at| (rank(at), axes[at]));
    let lens: Vec<usize> = order.iter().map(|&at| shape[at]).collect();
    let mut strides = vec![0; axes.len()];
    for (&at, stride) in order.iter().zip(c_strides(&lens)) {
        strides[at] = stride;
    }
    strides
}
