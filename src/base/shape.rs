//! What users may write where a shape is asked for, and NumPy's broadcasting.

use smallvec::smallvec;

use super::few::Few;
use crate::error::{Error, Kind, Result};

/// A shape: `5`, `[3, 4]`, `(3, 4)`, `()` for a 0-d array, a slice or a `Vec` of `usize`.
pub trait IntoShape {
    /// The index of an element, as [`from_fn`](crate::Array::from_fn) passes it: `[i, j]` for `[3, 4]`.
    type Index: 'static;

    #[doc(hidden)]
    fn into_shape(self) -> Few<usize>;

    #[doc(hidden)]
    fn index(index: &[usize]) -> Self::Index;
}

impl IntoShape for usize {
    type Index = usize;

    fn into_shape(self) -> Few<usize> {
        smallvec![self]
    }

    fn index(index: &[usize]) -> usize {
        index[0]
    }
}

impl IntoShape for () {
    type Index = ();

    fn into_shape(self) -> Few<usize> {
        Few::new()
    }

    fn index(_: &[usize]) {}
}

impl<const N: usize> IntoShape for [usize; N] {
    type Index = [usize; N];

    fn into_shape(self) -> Few<usize> {
        Few::from_slice(&self)
    }

    fn index(index: &[usize]) -> [usize; N] {
        std::array::from_fn(|axis| index[axis])
    }
}

impl<const N: usize> IntoShape for &[usize; N] {
    type Index = [usize; N];

    fn into_shape(self) -> Few<usize> {
        Few::from_slice(self)
    }

    fn index(index: &[usize]) -> [usize; N] {
        std::array::from_fn(|axis| index[axis])
    }
}

macro_rules! dynamic {
    ($($ty:ty)*) => {$(
        impl IntoShape for $ty {
            type Index = Vec<usize>;

            fn into_shape(self) -> Few<usize> {
                Few::from_slice(&self)
            }

            fn index(index: &[usize]) -> Vec<usize> {
                index.to_vec()
            }
        }
    )*};
}
dynamic!(Vec<usize> &Vec<usize> &[usize]);

macro_rules! tuples {
    ($(($($name:ident $ty:ident)+) $n:literal;)*) => {$(
        impl IntoShape for ($($ty,)+) {
            type Index = [usize; $n];

            fn into_shape(self) -> Few<usize> {
                let ($($name,)+) = self;
                smallvec![$($name),+]
            }

            fn index(index: &[usize]) -> [usize; $n] {
                std::array::from_fn(|axis| index[axis])
            }
        }
    )*};
}
tuples! {
    (a usize) 1;
    (a usize b usize) 2;
    (a usize b usize c usize) 3;
    (a usize b usize c usize d usize) 4;
    (a usize b usize c usize d usize e usize) 5;
    (a usize b usize c usize d usize e usize f usize) 6;
}

/// Checks that an array of this shape can exist: its bytes must fit an `isize`.
pub(crate) fn check_shape(shape: &[usize], item: usize) -> Result<()> {
    // Zero-length axes do not excuse the others: a slice of the array could not be counted either.
    let size = shape
        .iter()
        .filter(|&&len| len > 0)
        .try_fold(item, |size, &len| size.checked_mul(len));
    match size {
        Some(size) if isize::try_from(size).is_ok() => Ok(()),
        _ => Err(Error::new(
            Kind::Shape,
            format!(
                "an array of shape {shape:?} with {item} bytes an element has more bytes than can be counted"
            ),
        )),
    }
}

/// The shape of operands combined by NumPy's rules: axes are matched from the last one, and an
/// axis of length 1 stretches.
pub(crate) fn broadcast(shapes: &[&[usize]]) -> Option<Few<usize>> {
    let ndim = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
    let mut result = Few::from_elem(1, ndim);
    for shape in shapes {
        for (target, &len) in result[ndim - shape.len()..].iter_mut().zip(*shape) {
            if *target == 1 {
                *target = len;
            } else if len != 1 && len != *target {
                return None;
            }
        }
    }
    Some(result)
}

/// The number of the element at an index of an array with these strides, counted from the one at 0.
pub(crate) fn element(index: &[usize], strides: &[isize]) -> isize {
    let terms = index.iter().zip(strides);
    terms.map(|(&i, stride)| i as isize * stride).sum()
}

/// The distance in elements between neighbours along each axis of a C-order array.
pub(crate) fn c_strides(shape: &[usize]) -> Few<isize> {
    let mut strides = Few::from_elem(1, shape.len());
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis].max(1) as isize;
    }
    strides
}
