//! Sums of products over axes that two operands share: which axes those are, and the order of the sum.
//!
//! The order is a pure function of the contracted axes' lengths. Their elements, numbered in C order, fall
//! into *parts* of [`PART`] and those into *blocks* of [`BLOCK`]. Within a block products are added one
//! after another; the blocks of a part likewise; parts in a binary tree aligned at powers of two, as a
//! [`Counter`](super::tree::Counter) merges them. Chunks, the task grid, threads and memory are no part of it.

use std::fmt;
use std::ops::Range;

use crate::base::region::Region;
use crate::base::shape::c_strides;

/// So many products are added up one after another before they are added to the rest: what an element's
/// accumulator stays in a register for, and short enough that rounding errors stay small.
pub const BLOCK: usize = 256;
/// Blocks of so many elements are added up in order; beyond that in a tree, so that long sums can be
/// divided among tasks and their errors grow with the logarithm of the length.
pub const PART: usize = 32 * BLOCK;
/// No kernel's panels are wider, on either side.
pub const MAX_PANEL: usize = 64;
/// An operand that is computed is computed in strips of so many elements, which stay in the second-level
/// cache until they are packed.
pub const STRIP: usize = 1 << 14;
/// An operand with so few elements for a task is computed at once.
pub const STAGED: usize = 1 << 14;

/// What an axis of the space is: the result's axes come first in it, then the contracted ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Both operands and the result have it.
    Batch,
    /// The first operand and the result.
    Rows,
    /// The second operand and the result.
    Columns,
    /// Both operands, and it is summed over.
    Depth,
}

/// The axes of a product of two operands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Contraction {
    /// The lengths of the space's axes.
    space: Vec<usize>,
    /// How many of them the result has.
    kept: usize,
    /// For each operand, which axis of the space each of its axes is.
    operands: [Vec<usize>; 2],
}

impl Contraction {
    /// Every axis of the space must be one of at least one operand, a contracted one of both.
    pub fn new(space: Vec<usize>, kept: usize, operands: [Vec<usize>; 2]) -> Contraction {
        debug_assert!((kept..space.len()).all(|axis| operands.iter().all(|of| of.contains(&axis))));
        Contraction {
            space,
            kept,
            operands,
        }
    }

    pub fn role(&self, axis: usize) -> Role {
        let [first, second] = &self.operands;
        match (
            axis < self.kept,
            first.contains(&axis),
            second.contains(&axis),
        ) {
            (false, ..) => Role::Depth,
            (true, true, true) => Role::Batch,
            (true, true, false) => Role::Rows,
            (true, false, _) => Role::Columns,
        }
    }

    /// The result's axes of a role.
    pub fn axes(&self, role: Role) -> Vec<usize> {
        (0..self.kept)
            .filter(|&axis| self.role(axis) == role)
            .collect()
    }

    /// The axes of the space that an operand's axes are.
    pub fn operand(&self, number: usize) -> &[usize] {
        &self.operands[number]
    }

    pub fn depth_shape(&self) -> &[usize] {
        &self.space[self.kept..]
    }

    /// How many axes the result has.
    pub fn kept(&self) -> usize {
        self.kept
    }

    /// The number of products that each element of the result is the sum of.
    pub fn depth(&self) -> usize {
        self.depth_shape().iter().product()
    }

    /// The number of parts that the sum falls into.
    pub fn parts(&self) -> usize {
        self.depth().div_ceil(PART).max(1)
    }

    /// The numbers of the elements of a range of parts.
    pub fn depth_of(&self, parts: &Range<usize>) -> Range<usize> {
        parts.start * PART..(parts.end * PART).min(self.depth())
    }

    /// The box of an operand that a region of the result needs for some of the sum.
    pub fn operand_region(&self, number: usize, kept: &Region, depth: &Range<usize>) -> Region {
        let inner = hull(depth, self.depth_shape());
        let (start, len): (Vec<_>, Vec<_>) = self.operands[number]
            .iter()
            .map(|&axis| match axis.checked_sub(self.kept) {
                None => (kept.start()[axis], kept.shape()[axis]),
                Some(rank) => (inner.start()[rank], inner.shape()[rank]),
            })
            .unzip();
        Region::new(start, len)
    }

    /// The lengths of a region of the result: of its batch, rows and columns.
    pub fn extents(&self, kept: &Region) -> [usize; 3] {
        [Role::Batch, Role::Rows, Role::Columns].map(|role| {
            self.axes(role)
                .iter()
                .map(|&axis| kept.shape()[axis])
                .product()
        })
    }

    /// The scratch bytes of a task that makes [batch, rows, columns] elements from `parts` parts of the sum,
    /// beyond those of the operands' programs: packed panels, what operands are computed into, and sums
    /// that wait for their neighbours.
    pub fn scratch(&self, cell: [usize; 3], parts: usize, item: usize) -> usize {
        let [batch, rows, columns] = cell;
        let depth = self.depth().min(BLOCK);
        let panels = (rows + columns + 2 * MAX_PANEL) * depth;
        // A strip is at least one panel deep and wide.
        let computed = 2 * STAGED.max(STRIP + MAX_PANEL * depth);
        let sums = if parts > 1 {
            (parts.ilog2() as usize + 2) * batch * rows * columns
        } else {
            0
        };
        // Places of the result's elements along each side.
        let places = (batch + rows + columns) * 3 * size_of::<isize>();
        (panels + computed + sums) * item + places
    }
}

/// In the notation of `einsum`: the result's axes are i, j, …, the contracted ones follow.
impl fmt::Display for Contraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = |axes: &mut dyn Iterator<Item = usize>| -> String {
            axes.map(|axis| match u8::try_from(axis) {
                Ok(axis @ ..18) => char::from(b'i' + axis),
                Ok(axis @ 18..26) => char::from(b'a' + axis - 18),
                _ => '…',
            })
            .collect()
        };
        let [a, b] = &self.operands;
        let a = letters(&mut a.iter().copied());
        let b = letters(&mut b.iter().copied());
        write!(f, "{a},{b}->{}", letters(&mut (0..self.kept)))
    }
}

/// The smallest box known to hold the elements with these C-order numbers.
fn hull(range: &Range<usize>, shape: &[usize]) -> Region {
    let mut hull = Region::whole(shape);
    if range.is_empty() {
        return hull;
    }
    let strides = c_strides(shape);
    let (mut first, mut last) = (range.start, range.end - 1);
    for (axis, &stride) in strides.iter().enumerate() {
        let stride = stride as usize;
        let (from, to) = (first / stride, last / stride);
        hull = hull.with_range(axis, from..to + 1);
        if from != to {
            break;
        }
        (first, last) = (first % stride, last % stride);
    }
    hull
}

/// Calls `f` with disjoint boxes that together hold the elements with these C-order numbers, in order, and
/// with the number of each box's first element. A box's elements are consecutive.
pub fn boxes(range: Range<usize>, shape: &[usize], f: &mut impl FnMut(usize, Region)) {
    let strides: Vec<usize> = c_strides(shape).iter().map(|&s| s as usize).collect();
    let mut at = range.start;
    while at < range.end {
        let left = range.end - at;
        // The outermost axis along which a whole step can be taken from here.
        let axis = strides
            .iter()
            .position(|&step| at.is_multiple_of(step) && step <= left);
        let mut start = Vec::with_capacity(shape.len());
        let mut rest = at;
        for &stride in &strides {
            start.push(rest / stride);
            rest %= stride;
        }
        let mut len = vec![1; shape.len()];
        let mut size = 1;
        if let Some(axis) = axis {
            len[axis] = (left / strides[axis]).min(shape[axis] - start[axis]);
            len[axis + 1..].copy_from_slice(&shape[axis + 1..]);
            size = len[axis] * strides[axis];
        }
        f(at, Region::new(start, len));
        at += size;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_hold_every_element_once_and_in_order() {
        for shape in [vec![], vec![7], vec![3, 4], vec![2, 3, 4], vec![3, 1, 2, 2]] {
            let size: usize = shape.iter().product();
            let strides = c_strides(&shape);
            for start in 0..size {
                for end in start + 1..=size {
                    let mut next = start;
                    boxes(start..end, &shape, &mut |first, region| {
                        assert_eq!(first, next, "{shape:?} {start}..{end}");
                        let corner: usize = region
                            .start()
                            .iter()
                            .zip(&strides)
                            .map(|(&i, &s)| i * s as usize)
                            .sum();
                        assert_eq!(corner, first);
                        // Consecutive: the last element is as far from the first as there are elements.
                        let last: usize = (0..shape.len())
                            .map(|axis| (region.end(axis) - 1) * strides[axis] as usize)
                            .sum();
                        assert_eq!(last + 1 - first, region.size());
                        next += region.size();
                        let whole = hull(&(start..end), &shape);
                        assert!(whole.contains(&region));
                    });
                    assert_eq!(next, end, "{shape:?} {start}..{end}");
                }
            }
        }
    }

    #[test]
    fn roles_and_regions() {
        // ij,jk->ki
        let product = Contraction::new(vec![5, 2, 3], 2, [vec![1, 2], vec![2, 0]]);
        assert_eq!(product.axes(Role::Rows), [1]);
        assert_eq!(product.axes(Role::Columns), [0]);
        assert_eq!((product.depth(), product.parts()), (3, 1));
        let kept = Region::new([1, 0], [2, 2]);
        assert_eq!(product.extents(&kept), [1, 2, 2]);
        assert_eq!(product.to_string(), "jk,ki->ij");
        assert_eq!(
            product.operand_region(1, &kept, &(0..3)),
            Region::new([0, 1], [3, 2])
        );
    }
}
