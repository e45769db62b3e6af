//! Regions of arrays that are stored in cells of one shape.

use ndarray::{ArrayViewMutD, Axis, Slice};

use crate::base::chunks::unravel;
use crate::base::region::Region;

/// The cells of a regular grid that meet a region, and what they have in common with it.
pub fn cells(size: &[usize], region: &Region) -> Vec<(Vec<usize>, Region)> {
    let first: Vec<usize> = region
        .start()
        .iter()
        .zip(size)
        .map(|(at, len)| at / len)
        .collect();
    let counts: Vec<usize> = (0..region.ndim())
        .map(|axis| (region.end(axis) - 1) / size[axis] + 1 - first[axis])
        .collect();
    let total = counts.iter().product();
    (0..total)
        .map(|number| {
            let index: Vec<usize> = unravel(number, &counts)
                .iter()
                .zip(&first)
                .map(|(step, first)| first + step)
                .collect();
            let part = full_region(&index, size)
                .intersect(region)
                .expect("only cells that meet the region are listed");
            (index, part)
        })
        .collect()
}

/// A cell of a regular grid, not cut off at the end of the array.
pub fn full_region(index: &[usize], size: &[usize]) -> Region {
    let start: Vec<usize> = index.iter().zip(size).map(|(at, len)| at * len).collect();
    Region::new(start, size)
}
/// The part of a view of `whole` that is `part`.
pub fn sub_view<'a, T>(
    mut out: ArrayViewMutD<'a, T>,
    part: &Region,
    whole: &Region,
) -> ArrayViewMutD<'a, T> {
    for axis in 0..part.ndim() {
        let first = part.start()[axis] - whole.start()[axis];
        out.slice_axis_inplace(Axis(axis), Slice::from(first..first + part.shape()[axis]));
    }
    out
}
