//! Arrays that lie in memory, without their element type.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use ndarray::{ArcArray, ArrayD, ArrayViewD, ArrayViewMutD, Dimension, IxDyn, ShapeBuilder};

use super::dtype::DType;
use super::element::Element;
use super::few::Few;
use super::shape::c_strides;

/// A strided, read-only array in memory and what keeps it alive.
#[derive(Clone)]
pub struct Memory {
    dtype: DType,
    shape: Few<usize>,
    /// In elements; may be negative or zero.
    strides: Few<isize>,
    /// The element at index 0 along each axis.
    first: *const u8,
    _owner: Arc<dyn Any + Send + Sync>,
}

// SAFETY: `_owner` keeps the elements alive and unchanged, and is itself `Send + Sync`.
unsafe impl Send for Memory {}
// SAFETY: as above; elements are only read.
unsafe impl Sync for Memory {}

impl Memory {
    pub fn from_array<T: Element, D: Dimension>(array: ArcArray<T, D>) -> Memory {
        let array = array.into_dyn();
        Memory {
            dtype: T::DTYPE,
            shape: Few::from_slice(array.shape()),
            strides: Few::from_slice(array.strides()),
            first: array.as_ptr().cast(),
            _owner: Arc::new(array),
        }
    }

    /// A C-order array at the start of a buffer.
    ///
    /// # Safety
    /// `first` must point to an initialized C-order array of this dtype and shape that `owner` keeps
    /// alive and unchanged.
    pub unsafe fn from_raw(
        dtype: DType,
        shape: impl Into<Few<usize>>,
        strides: Option<Few<isize>>,
        first: *const u8,
        owner: Arc<dyn Any + Send + Sync>,
    ) -> Memory {
        let shape = shape.into();
        let strides = strides.unwrap_or_else(|| c_strides(&shape));
        Memory {
            dtype,
            shape,
            strides,
            first,
            _owner: owner,
        }
    }

    pub fn dtype(&self) -> DType {
        self.dtype
    }

    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    pub fn strides(&self) -> &[isize] {
        &self.strides
    }

    pub fn first(&self) -> *const u8 {
        self.first
    }

    /// Whether the elements are consecutive in C order.
    pub fn is_c_order(&self) -> bool {
        let expected = c_strides(&self.shape);
        (0..self.shape.len())
            .all(|axis| self.shape[axis] <= 1 || self.strides[axis] == expected[axis])
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {} in memory", self.shape, self.dtype)
    }
}

/// A strided place in memory that values are written to, without its element type.
///
/// Whoever makes one promises that the elements may be written and that nobody else touches them
/// meanwhile.
pub struct RawViewMut {
    dtype: DType,
    shape: Vec<usize>,
    strides: Vec<isize>,
    first: *mut u8,
}

impl RawViewMut {
    /// # Safety
    /// The elements must be allocated, initialized (any bits that are a value of the dtype), and
    /// touched by nobody else while the view lives. Strides must not overlap elements.
    pub unsafe fn new(
        dtype: DType,
        shape: &[usize],
        strides: &[isize],
        first: *mut u8,
    ) -> RawViewMut {
        RawViewMut {
            dtype,
            shape: shape.to_vec(),
            strides: strides.to_vec(),
            first,
        }
    }

    /// Moves the view to other elements of the same place.
    ///
    /// # Safety
    /// As for [`new`](RawViewMut::new); the strides stay.
    pub unsafe fn aim(&mut self, shape: &[usize], first: *mut u8) {
        self.shape.copy_from_slice(shape);
        self.first = first;
    }

    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The view with its type back.
    ///
    /// # Panics
    /// If `T` is not the element type, which is a mistake of the layer that calls.
    pub fn typed<T: Element>(&mut self) -> ArrayViewMutD<'_, T> {
        assert_eq!(
            T::DTYPE,
            self.dtype,
            "a view of one dtype was asked for another"
        );
        let (first, strides, flipped) =
            positive(self.first, &self.shape, &self.strides, size_of::<T>());
        // SAFETY: the contract of `new`; flipping the negative axes back gives the same elements.
        let mut view = unsafe {
            ArrayViewMutD::from_shape_ptr(IxDyn(&self.shape).strides(strides), first.cast())
        };
        for axis in flipped {
            view.invert_axis(ndarray::Axis(axis));
        }
        view
    }

    /// Copies an array into the place.
    ///
    /// # Panics
    /// If the shapes differ, or `T` is not the element type.
    pub fn assign<T: Element>(&mut self, values: &ArrayD<T>) {
        assert_eq!(self.shape, values.shape(), "the shapes are checked before");
        assert_eq!(T::DTYPE, self.dtype, "the dtype was checked before");
        let (Some(slice), &[rows, columns], &[row_stride, 1]) =
            (values.as_slice(), &self.shape[..], &self.strides[..])
        else {
            self.typed::<T>().assign(values);
            return;
        };
        // The general way costs more than the function of a small block.
        for row in 0..rows {
            // SAFETY: a row of the place, which is ours alone.
            unsafe {
                let from = slice.as_ptr().add(row * columns);
                let to = self.first.cast::<T>().offset(row as isize * row_stride);
                std::ptr::copy_nonoverlapping(from, to, columns);
            }
        }
    }
}

/// A typed view of strided elements.
///
/// # Safety
/// The elements must be initialized values of `T`, and stay so and alive for `'a`.
pub unsafe fn view<'a, T: Element>(
    first: *const u8,
    shape: &[usize],
    strides: &[isize],
) -> ArrayViewD<'a, T> {
    let (first, strides, flipped) = positive(first.cast_mut(), shape, strides, size_of::<T>());
    // SAFETY: the caller's contract; flipping the negative axes back gives the same elements.
    let mut view = unsafe {
        ArrayViewD::from_shape_ptr(IxDyn(shape).strides(strides), first.cast_const().cast())
    };
    for axis in flipped {
        view.invert_axis(ndarray::Axis(axis));
    }
    view
}

/// ndarray wants strides that are not negative: the same elements from the other end, and the axes
/// that must be flipped afterwards.
fn positive(
    first: *mut u8,
    shape: &[usize],
    strides: &[isize],
    item: usize,
) -> (*mut u8, IxDyn, Vec<usize>) {
    let mut first = first;
    let mut flipped = Vec::new();
    let mut result = IxDyn::zeros(shape.len());
    let empty = shape.contains(&0);
    for (axis, (&stride, &len)) in strides.iter().zip(shape).enumerate() {
        if stride < 0 && len > 1 && !empty {
            first = first.wrapping_offset(stride * (len as isize - 1) * item as isize);
            flipped.push(axis);
        }
        result[axis] = if empty { 0 } else { stride.unsigned_abs() };
    }
    (first, result, flipped)
}
