//! Operands that are computed: strip by strip, each packed while it is in a near cache.

use std::ops::Range;

use super::Task;
use super::operands::LANES;
use crate::base::aligned::AlignedBytes;
use crate::base::chunks::unravel;
use crate::base::region::Region;
use crate::base::shape::c_strides;
use crate::error::Result;
use crate::kernel::contract::{Source, pack};
use crate::op::contract::{Role, STRIP, boxes};

impl Task<'_> {
    /// Computes all rows, or columns, of one block of a matrix in strips that are long along its own last axis, and packs each.
    pub fn pack_strips(
        &mut self,
        number: usize,
        matrix: usize,
        block: &Range<usize>,
    ) -> Result<()> {
        let lanes = self.extents[number + 1];
        let width = [self.kernel.rows, self.kernel.columns][number];
        let depth = block.len();
        let last = self.contraction.operand(number).last();
        let lanes_inside = last.is_some_and(|&axis| self.contraction.role(axis) == LANES[number]);
        let (wide, deep) = match lanes_inside {
            true => {
                let wide = lanes.min(STRIP / width * width);
                (wide, (STRIP / wide).clamp(1, depth))
            }
            false => (lanes.min((STRIP / depth / width).max(1) * width), depth),
        };
        let (lane_stride, step_stride) = match lanes_inside {
            true => (1, wide as isize),
            false => (deep as isize, 1),
        };
        let strip = match self.strip.take() {
            Some(strip) if strip.len() >= wide * deep * self.kernel.item => strip,
            _ => AlignedBytes::new(wide * deep * self.kernel.item),
        };
        for step in (0..depth).step_by(deep) {
            let steps = step..(step + deep).min(depth);
            for lane in (0..lanes).step_by(wide) {
                let lanes = lane..(lane + wide).min(lanes);
                let wanted = Strip {
                    number,
                    matrix,
                    lanes: lanes.clone(),
                    steps: block.start + steps.start..block.start + steps.end,
                    lane_stride,
                    step_stride,
                };
                self.compute_strip(&wanted, strip.as_ptr())?;
                let source = Source {
                    first: strip.as_ptr(),
                    lane_stride,
                    step_stride,
                };
                let to = self.panels[number].as_ptr();
                // SAFETY: the strip holds these elements, and the panels have room for all lanes.
                unsafe { pack(&self.kernel, width, source, lanes, steps.clone(), depth, to) };
            }
        }
        self.strip = Some(strip);
        Ok(())
    }

    /// Evaluates some lanes and steps of a matrix: in boxes, where either runs over several axes.
    fn compute_strip(&self, strip: &Strip, to: *mut u8) -> Result<()> {
        let (contraction, number) = (self.contraction, strip.number);
        let kept = contraction.kept();
        let axes = contraction.operand(number);
        let lane_axes = contraction.axes(LANES[number]);
        let lane_shape: Vec<usize> = lane_axes
            .iter()
            .map(|&axis| self.region.shape()[axis])
            .collect();
        let batch_axes = contraction.axes(Role::Batch);
        let batch_shape: Vec<usize> = batch_axes
            .iter()
            .map(|&axis| self.region.shape()[axis])
            .collect();
        let matrix = unravel(strip.matrix, &batch_shape);
        let lane_strides = c_strides(&lane_shape);
        let step_strides = c_strides(contraction.depth_shape());
        let mut result = Ok(());
        boxes(strip.lanes.clone(), &lane_shape, &mut |lane, lane_box| {
            boxes(
                strip.steps.clone(),
                contraction.depth_shape(),
                &mut |step, step_box| {
                    if result.is_err() {
                        return;
                    }
                    let mut start = Vec::with_capacity(axes.len());
                    let mut len = Vec::with_capacity(axes.len());
                    let mut strides = Vec::with_capacity(axes.len());
                    for &axis in axes {
                        if axis >= kept {
                            start.push(step_box.start()[axis - kept]);
                            len.push(step_box.shape()[axis - kept]);
                            strides.push(step_strides[axis - kept] * strip.step_stride);
                        } else if let Some(rank) = lane_axes.iter().position(|&own| own == axis) {
                            start.push(self.region.start()[axis] + lane_box.start()[rank]);
                            len.push(lane_box.shape()[rank]);
                            strides.push(lane_strides[rank] * strip.lane_stride);
                        } else {
                            let rank = batch_axes.iter().position(|&own| own == axis);
                            let at = rank.map_or(0, |rank| matrix[rank]);
                            start.push(self.region.start()[axis] + at);
                            len.push(1);
                            strides.push(0);
                        }
                    }
                    let offset = (lane - strip.lanes.start) as isize * strip.lane_stride
                        + (step - strip.steps.start) as isize * strip.step_stride;
                    let first = to.wrapping_offset(offset * self.kernel.item as isize);
                    result = self.compute(number, &Region::new(start, len), first, &strides);
                },
            );
        });
        result
    }
}

/// Some lanes and steps of one matrix of an operand, and the strides of the buffer that they go to.
struct Strip {
    number: usize,
    matrix: usize,
    lanes: Range<usize>,
    steps: Range<usize>,
    lane_stride: isize,
    step_stride: isize,
}
