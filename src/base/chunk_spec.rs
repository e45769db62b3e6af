//! What users may write where chunks are asked for.

use std::ops::RangeFull;

use super::chunks::{AxisChunks, Chunks};
use super::few::{Few, few};
use crate::error::{Error, Kind, Result};

/// The bytes that [`Auto`] aims at: 128 MiB.
pub const AUTO_BYTES: usize = 128 << 20;

/// Chunks chosen from a byte target of 128 MiB per block, on every machine the same.
///
/// Axes that are given a size keep it; the automatic ones share what is left, as nearly equal as
/// their lengths allow.
///
/// ```
/// use flagstone::{Array, Auto};
///
/// let x = Array::<f64>::zeros([100_000, 100], (Auto, 100));
/// assert_eq!(x.chunks().to_string(), "(100000, 100)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Auto;

/// Chunks chosen so that a block has at most so many bytes.
///
/// ```
/// use flagstone::{Array, Bytes};
///
/// let x = Array::<f64>::zeros([1000, 1000], Bytes(80_000));
/// assert_eq!(x.chunks().to_string(), "(100, 100)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub usize);

/// What is asked of one axis.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[doc(hidden)]
pub enum AxisSpec {
    Size(usize),
    Sizes(Vec<usize>),
    #[default]
    Whole,
    Auto,
}

/// What is asked of all axes, before the shape is known.
#[derive(Clone, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub enum ChunkSpec {
    Same(AxisSpec),
    PerAxis(Few<AxisSpec>),
    Bytes(usize),
    Grid(Chunks),
}

/// A chunk specification.
///
/// | written | means |
/// |---|---|
/// | `1000` | 1000 along every axis |
/// | `[1000, 500]` | one size per axis |
/// | `..` | one chunk for the whole array |
/// | `(1000, ..)` | 1000 along the first axis, the second one whole |
/// | `([300, 700], 500)` | chunks of 300 and 700 along the first axis, of 500 along the second |
/// | [`Auto`], `(Auto, 100)` | chosen from a byte target of 128 MiB |
/// | [`Bytes`]`(1 << 20)` | chosen from a byte target of its own |
/// | a [`Chunks`] | another array's grid |
pub trait IntoChunks {
    #[doc(hidden)]
    fn into_spec(self) -> ChunkSpec;
}

/// What may be written for one axis in a tuple of chunk specifications.
pub trait IntoAxisChunks {
    #[doc(hidden)]
    fn into_axis_spec(self) -> AxisSpec;
}

impl IntoAxisChunks for usize {
    fn into_axis_spec(self) -> AxisSpec {
        AxisSpec::Size(self)
    }
}

impl IntoAxisChunks for RangeFull {
    fn into_axis_spec(self) -> AxisSpec {
        AxisSpec::Whole
    }
}

impl IntoAxisChunks for Auto {
    fn into_axis_spec(self) -> AxisSpec {
        AxisSpec::Auto
    }
}

impl<const N: usize> IntoAxisChunks for [usize; N] {
    fn into_axis_spec(self) -> AxisSpec {
        AxisSpec::Sizes(self.to_vec())
    }
}

impl IntoAxisChunks for Vec<usize> {
    fn into_axis_spec(self) -> AxisSpec {
        AxisSpec::Sizes(self)
    }
}

impl IntoAxisChunks for &[usize] {
    fn into_axis_spec(self) -> AxisSpec {
        AxisSpec::Sizes(self.to_vec())
    }
}

impl IntoChunks for usize {
    fn into_spec(self) -> ChunkSpec {
        ChunkSpec::Same(AxisSpec::Size(self))
    }
}

impl IntoChunks for RangeFull {
    fn into_spec(self) -> ChunkSpec {
        ChunkSpec::Same(AxisSpec::Whole)
    }
}

impl IntoChunks for Auto {
    fn into_spec(self) -> ChunkSpec {
        ChunkSpec::Same(AxisSpec::Auto)
    }
}

impl IntoChunks for Bytes {
    fn into_spec(self) -> ChunkSpec {
        ChunkSpec::Bytes(self.0)
    }
}

impl IntoChunks for Chunks {
    fn into_spec(self) -> ChunkSpec {
        ChunkSpec::Grid(self)
    }
}

impl IntoChunks for &Chunks {
    fn into_spec(self) -> ChunkSpec {
        ChunkSpec::Grid(self.clone())
    }
}

impl IntoChunks for &[usize] {
    fn into_spec(self) -> ChunkSpec {
        ChunkSpec::PerAxis(few(self.iter().map(|&size| AxisSpec::Size(size))))
    }
}

impl IntoChunks for Vec<usize> {
    fn into_spec(self) -> ChunkSpec {
        self.as_slice().into_spec()
    }
}

impl IntoChunks for &Vec<usize> {
    fn into_spec(self) -> ChunkSpec {
        self.as_slice().into_spec()
    }
}

impl<const N: usize> IntoChunks for [usize; N] {
    fn into_spec(self) -> ChunkSpec {
        self.as_slice().into_spec()
    }
}

impl<const N: usize> IntoChunks for &[usize; N] {
    fn into_spec(self) -> ChunkSpec {
        self.as_slice().into_spec()
    }
}

impl IntoChunks for () {
    fn into_spec(self) -> ChunkSpec {
        ChunkSpec::PerAxis(Few::new())
    }
}

impl IntoChunks for ChunkSpec {
    fn into_spec(self) -> ChunkSpec {
        self
    }
}

/// Tuples mix: each member specifies one axis.
macro_rules! tuples {
    ($(($($name:ident)+))*) => {$(
        impl<$($name: IntoAxisChunks),+> IntoChunks for ($($name,)+) {
            #[allow(non_snake_case)]
            fn into_spec(self) -> ChunkSpec {
                let ($($name,)+) = self;
                ChunkSpec::PerAxis([$($name.into_axis_spec()),+].into_iter().collect())
            }
        }
    )*};
}
tuples! { (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H) }

impl ChunkSpec {
    /// The grid for an array of this shape, with elements of `item` bytes.
    pub(crate) fn resolve(self, shape: &[usize], item: usize) -> Result<Chunks> {
        let axes = match self {
            ChunkSpec::Grid(grid) => {
                if grid.fits(shape) {
                    return Ok(grid);
                }
                return Err(Error::new(
                    Kind::Chunks,
                    format!(
                        "chunks {grid} are a grid for the shape {:?}, and the array's is {shape:?}",
                        grid.shape()
                    ),
                ));
            }
            ChunkSpec::Bytes(bytes) => {
                let auto = vec![AxisSpec::Auto; shape.len()];
                return resolve_axes(&auto, shape, item, bytes);
            }
            ChunkSpec::Same(spec) => shape.iter().map(|_| spec.clone()).collect(),
            ChunkSpec::PerAxis(axes) => axes,
        };
        resolve_axes(&axes, shape, item, AUTO_BYTES)
    }
}

fn resolve_axes(specs: &[AxisSpec], shape: &[usize], item: usize, bytes: usize) -> Result<Chunks> {
    if specs.len() != shape.len() {
        return Err(Error::new(
            Kind::Chunks,
            format!(
                "chunks for {} axes were given, and the array of shape {shape:?} has {}; a 1-D array's explicit \
                 chunks are written as a tuple: `([300, 700],)`",
                specs.len(),
                shape.len()
            ),
        ));
    }
    let mut axes: Few<Option<AxisChunks>> = Few::new();
    for (axis, (spec, &len)) in specs.iter().zip(shape).enumerate() {
        axes.push(match spec {
            AxisSpec::Size(0) => {
                return Err(Error::new(
                    Kind::Chunks,
                    format!(
                        "a chunk size of 0 for axis {axis} of length {len}: it must be at least 1"
                    ),
                ));
            }
            AxisSpec::Size(size) => Some(AxisChunks::regular(len, *size)),
            AxisSpec::Sizes(sizes) => Some(explicit(axis, len, sizes)?),
            AxisSpec::Whole => Some(AxisChunks::whole(len)),
            AxisSpec::Auto => None,
        });
    }
    if axes.iter().any(Option::is_none) {
        let sizes = automatic(&axes, shape, item, bytes);
        for ((axis, &len), size) in axes.iter_mut().zip(shape).zip(sizes) {
            axis.get_or_insert_with(|| AxisChunks::regular(len, size));
        }
    }
    let chosen = axes.iter_mut().map(Option::take);
    Ok(Chunks(few(chosen.map(|axis| {
        axis.expect("every axis was given or chosen")
    }))))
}

fn explicit(axis: usize, len: usize, sizes: &[usize]) -> Result<AxisChunks> {
    let total = sizes
        .iter()
        .try_fold(0usize, |sum, &size| sum.checked_add(size));
    if total != Some(len) {
        let total = total.map_or("more than fits a usize".to_owned(), |total| {
            total.to_string()
        });
        return Err(Error::new(
            Kind::Chunks,
            format!("chunks {sizes:?} for axis {axis} add up to {total}, and its length is {len}"),
        ));
    }
    if len > 0 && sizes.contains(&0) {
        return Err(Error::new(
            Kind::Chunks,
            format!(
                "chunks {sizes:?} for axis {axis} of length {len}: every chunk needs at least 1 element"
            ),
        ));
    }
    Ok(if len == 0 {
        AxisChunks::whole(0)
    } else {
        AxisChunks::from_sizes(sizes)
    })
}

/// Sizes for the automatic axes: the largest equal ones with which a block has at most `bytes`.
fn automatic(
    axes: &[Option<AxisChunks>],
    shape: &[usize],
    item: usize,
    bytes: usize,
) -> Vec<usize> {
    let fixed: usize = axes
        .iter()
        .flatten()
        .map(AxisChunks::largest)
        .fold(1, usize::saturating_mul);
    let mut elements = (bytes / item.max(1) / fixed.max(1)).max(1);
    let mut sizes: Vec<usize> = shape.iter().map(|&len| len.max(1)).collect();
    let mut open: Vec<usize> = (0..axes.len())
        .filter(|&axis| axes[axis].is_none())
        .collect();
    // The shortest axes first: what they do not use is shared by the longer ones.
    open.sort_by_key(|&axis| sizes[axis]);
    for (done, &axis) in open.iter().enumerate() {
        let share = root(elements, open.len() - done);
        sizes[axis] = sizes[axis].min(share);
        elements /= sizes[axis];
    }
    sizes
}

/// The largest `r` with `r^n <= value`, at least 1.
fn root(value: usize, n: usize) -> usize {
    let fits = |r: usize| {
        (0..n)
            .try_fold(1usize, |power, _| power.checked_mul(r))
            .is_some_and(|power| power <= value)
    };
    let mut guess = (value as f64).powf(1.0 / n as f64) as usize + 1;
    while guess > 1 && !fits(guess) {
        guess -= 1;
    }
    guess.max(1)
}
