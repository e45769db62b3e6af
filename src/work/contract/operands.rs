//! Where the elements of an operand come from: from memory, or from a program.

use std::ops::Range;

use super::Task;
use super::places::{Walk, c_strides_by_role, even, offsets};
use crate::base::aligned::AlignedBytes;
use crate::base::few::Few;
use crate::base::region::Region;
use crate::base::shape::c_strides;
use crate::error::Result;
use crate::kernel::contract::Source;
use crate::op::contract::{Role, STAGED};
use crate::op::program::Arg;
use crate::work::bind::{Bound, bind};
use crate::work::map::{Destination, write};

/// Where an operand's elements come from.
pub enum Side {
    /// They lie evenly in memory.
    Placed(Placed),
    /// They are computed, or put together, strip by strip.
    Computed,
}

pub struct Placed {
    /// The first row or column of the first matrix, at the step with the number `origin`.
    first: *const u8,
    origin: usize,
    batch: Vec<isize>,
    lane_stride: isize,
    step_stride: isize,
    _keep: Keep,
}

impl Placed {
    /// From one step of a matrix on.
    pub fn source(&self, matrix: usize, step: usize, item: usize) -> Source {
        let steps = (step - self.origin) as isize * self.step_stride;
        let elements = self.batch[matrix] + steps;
        Source {
            first: self.first.wrapping_offset(elements * item as isize),
            lane_stride: self.lane_stride,
            step_stride: self.step_stride,
        }
    }
}

/// What keeps an operand's elements alive.
#[derive(Default)]
struct Keep {
    _leaf: Option<Bound>,
    _buffer: Option<AlignedBytes>,
}

/// The axes that only one of the operands and the result have.
pub const LANES: [Role; 2] = [Role::Rows, Role::Columns];

impl Task<'_> {
    /// Lengths and strides of an operand's axes of one role, in the order of the space.
    fn walk(&self, number: usize, role: Role, region: &Region, strides: &[isize]) -> Vec<Walk> {
        let axes = self.contraction.operand(number);
        let total = self.contraction.kept() + self.contraction.depth_shape().len();
        (0..total)
            .filter(|&axis| self.contraction.role(axis) == role)
            .filter_map(|axis| axes.iter().position(|&own| own == axis))
            .map(|at| Walk {
                len: region.shape()[at],
                stride: strides[at],
            })
            .collect()
    }

    pub fn side(&self, number: usize, depth: &Range<usize>) -> Result<Side> {
        let region = self.contraction.operand_region(number, &self.region, depth);
        if let Some(placed) = self.in_memory(number, &region) {
            return Ok(Side::Placed(placed));
        }
        if region.size() > STAGED {
            return Ok(Side::Computed);
        }
        // So little is computed at once.
        let buffer = AlignedBytes::new(region.size() * self.kernel.item);
        let strides = c_strides_by_role(self.contraction, number, region.shape());
        self.compute(number, &region, buffer.as_ptr(), &strides)?;
        let first = buffer.as_ptr().cast_const();
        let placed = self.placed(
            number,
            &region,
            &strides,
            first,
            Keep {
                _buffer: Some(buffer),
                ..Keep::default()
            },
        );
        Ok(placed.map_or(Side::Computed, Side::Placed))
    }

    /// The operand where it lies, if it does.
    fn in_memory(&self, number: usize, region: &Region) -> Option<Placed> {
        let fused = &self.job.fused[number];
        let ([_], [Arg::Leaf(0)], []) = (
            &fused.leaves[..],
            &fused.program.outputs[..],
            &fused.program.instrs[..],
        ) else {
            return None;
        };
        let axes: Vec<Range<usize>> = (0..region.ndim()).map(|axis| axis..axis + 1).collect();
        let work = self.work;
        let inputs = work.inputs();
        let mut binding = bind(
            inputs.graph,
            &work.env,
            &inputs,
            fused,
            region,
            &axes,
            Few::new(),
        );
        let leaf = binding.leaves.pop()?;
        let Bound::Place { first, linear, .. } = &leaf else {
            return None;
        };
        let strides: Option<Vec<isize>> = linear.terms.iter().map(|term| term.stride()).collect();
        let first = first.wrapping_offset(linear.base * self.kernel.item as isize);
        self.placed(
            number,
            region,
            &strides?,
            first,
            Keep {
                _leaf: Some(leaf),
                ..Keep::default()
            },
        )
    }

    fn placed(
        &self,
        number: usize,
        region: &Region,
        strides: &[isize],
        first: *const u8,
        keep: Keep,
    ) -> Option<Placed> {
        let depth = self.walk(number, Role::Depth, region, strides);
        let corner = self.walk_starts(number, region);
        Some(Placed {
            first,
            origin: corner,
            batch: offsets(&self.walk(number, Role::Batch, region, strides)),
            lane_stride: even(&self.walk(number, LANES[number], region, strides))?,
            step_stride: even(&depth)?,
            _keep: keep,
        })
    }

    /// The number, among all steps of the sum, of a region's first one.
    fn walk_starts(&self, number: usize, region: &Region) -> usize {
        let kept = self.contraction.kept();
        let strides = c_strides(self.contraction.depth_shape());
        let axes = self.contraction.operand(number).iter().enumerate();
        axes.filter(|&(_, &axis)| axis >= kept)
            .map(|(at, &axis)| region.start()[at] * strides[axis - kept] as usize)
            .sum()
    }

    /// Evaluates a box of an operand into a buffer.
    pub fn compute(
        &self,
        number: usize,
        region: &Region,
        first: *mut u8,
        strides: &[isize],
    ) -> Result<()> {
        let work = self.work;
        let destination = Destination {
            first,
            strides: Few::from_slice(strides),
            size: self.kernel.item,
        };
        // SAFETY: callers' buffers have room for the region at these strides.
        unsafe {
            write(
                &work.inputs(),
                &work.env,
                &self.job.fused[number],
                &self.prepared[number],
                region,
                &[destination],
            )
        }
    }
}
