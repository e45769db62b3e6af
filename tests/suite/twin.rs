//! An expression built twice: as a Flagstone array, and as the values that it must have.
//!
//! Each method applies an operation to both. The reference side works on whole ndarrays, element by
//! element, and shares no code with the engine.

use flagstone::{Array, Element, IntoChunks};
use ndarray::{ArrayD, IxDyn, SliceInfo, SliceInfoElem};

use crate::value::Value;

/// What was built, and what it must compute to.
#[derive(Clone)]
pub struct Twin<T> {
    pub lazy: Array<T>,
    pub value: ArrayD<T>,
}

/// Calls `f` for every index of a shape in C order.
pub fn each_index(shape: &[usize], mut f: impl FnMut(&[usize])) {
    for index in ndarray::indices(IxDyn(shape)) {
        f(ndarray::Dimension::slice(&index));
    }
}

/// An ndarray whose elements are a function of their index.
pub fn from_index<T>(shape: &[usize], mut f: impl FnMut(&[usize]) -> T) -> ArrayD<T> {
    let mut elements = Vec::new();
    each_index(shape, |index| elements.push(f(index)));
    ArrayD::from_shape_vec(IxDyn(shape), elements).unwrap()
}

/// NumPy's broadcasting of shapes.
pub fn broadcast(shapes: &[&[usize]]) -> Vec<usize> {
    let ndim = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
    let mut result = vec![1; ndim];
    for shape in shapes {
        for (target, &len) in result[ndim - shape.len()..].iter_mut().zip(*shape) {
            assert!(
                *target == 1 || len == 1 || *target == len,
                "{shapes:?} do not broadcast"
            );
            if *target == 1 {
                *target = len;
            }
        }
    }
    result
}

/// The element of an array that broadcasting puts at an index.
pub fn stretched<T: Copy>(array: &ArrayD<T>, index: &[usize]) -> T {
    let skip = index.len() - array.ndim();
    let at: Vec<usize> = array
        .shape()
        .iter()
        .zip(&index[skip..])
        .map(|(&len, &i)| if len == 1 { 0 } else { i })
        .collect();
    array[IxDyn(&at)]
}

impl<T: Value> Twin<T> {
    /// An array in memory.
    pub fn memory(value: ArrayD<T>, chunks: impl IntoChunks) -> Twin<T> {
        Twin {
            lazy: Array::from_ndarray(value.clone(), chunks),
            value,
        }
    }

    /// An array in memory whose elements are a function of their index.
    pub fn of(shape: &[usize], chunks: impl IntoChunks, f: impl FnMut(&[usize]) -> T) -> Twin<T> {
        Twin::memory(from_index(shape, f), chunks)
    }

    pub fn shape(&self) -> &[usize] {
        self.value.shape()
    }

    /// A function of elements.
    pub fn map<U: Element>(
        &self,
        lazy: impl Fn(&Array<T>) -> Array<U>,
        each: impl Fn(T) -> U,
    ) -> Twin<U> {
        Twin {
            lazy: lazy(&self.lazy),
            value: self.value.mapv(each),
        }
    }

    /// A function of elements whose bits only the kernels know, such as a sine: they must be those of a
    /// single kernel over the values in memory, whatever is fused around it.
    pub fn by_kernel<U: Element>(&self, op: impl Fn(&Array<T>) -> Array<U>) -> Twin<U> {
        let alone = Array::from_ndarray(self.value.clone(), ..);
        Twin {
            lazy: op(&self.lazy),
            value: op(&alone).compute().unwrap(),
        }
    }

    /// A function of pairs of elements, which broadcast.
    pub fn zip<U: Value, V: Element>(
        &self,
        other: &Twin<U>,
        lazy: impl Fn(&Array<T>, &Array<U>) -> Array<V>,
        each: impl Fn(T, U) -> V,
    ) -> Twin<V> {
        let shape = broadcast(&[self.shape(), other.shape()]);
        let value = from_index(&shape, |index| {
            each(
                stretched(&self.value, index),
                stretched(&other.value, index),
            )
        });
        Twin {
            lazy: lazy(&self.lazy, &other.lazy),
            value,
        }
    }

    /// A view: which element of this array is at an index of the result.
    pub fn view(
        &self,
        lazy: impl Fn(&Array<T>) -> Array<T>,
        shape: &[usize],
        source: impl Fn(&[usize]) -> Vec<usize>,
    ) -> Twin<T> {
        let value = from_index(shape, |index| self.value[IxDyn(&source(index))]);
        Twin {
            lazy: lazy(&self.lazy),
            value,
        }
    }

    /// A slice, by ndarray itself.
    pub fn slice(&self, items: &[SliceInfoElem]) -> Twin<T> {
        let mut whole = items.to_vec();
        let named = items
            .iter()
            .filter(|item| !matches!(item, SliceInfoElem::NewAxis))
            .count();
        whole.extend((named..self.value.ndim()).map(|_| SliceInfoElem::from(..)));
        let info: SliceInfo<Vec<SliceInfoElem>, IxDyn, IxDyn> = SliceInfo::try_from(whole).unwrap();
        Twin {
            lazy: self.lazy.slice(items),
            value: self.value.slice(info).to_owned(),
        }
    }

    pub fn permute(&self, order: &[usize]) -> Twin<T> {
        let shape: Vec<usize> = order.iter().map(|&axis| self.shape()[axis]).collect();
        self.view(
            |x| x.permute(order.iter().copied()),
            &shape,
            |index| {
                let mut source = vec![0; index.len()];
                for (to, &from) in order.iter().enumerate() {
                    source[from] = index[to];
                }
                source
            },
        )
    }

    pub fn t(&self) -> Twin<T> {
        let order: Vec<usize> = (0..self.value.ndim()).rev().collect();
        Twin {
            lazy: self.lazy.t(),
            value: self.permute(&order).value,
        }
    }

    pub fn flip(&self, axes: &[usize]) -> Twin<T> {
        let shape = self.shape().to_vec();
        self.view(
            |x| x.flip(axes),
            &shape,
            |index| {
                let flipped = |axis: usize, i: usize| {
                    if axes.contains(&axis) {
                        shape[axis] - 1 - i
                    } else {
                        i
                    }
                };
                index
                    .iter()
                    .enumerate()
                    .map(|(axis, &i)| flipped(axis, i))
                    .collect()
            },
        )
    }

    pub fn roll(&self, shift: isize, axis: usize) -> Twin<T> {
        let shape = self.shape().to_vec();
        self.view(
            |x| x.roll(shift, axis),
            &shape,
            |index| {
                let mut source = index.to_vec();
                source[axis] =
                    (index[axis] as isize - shift).rem_euclid(shape[axis] as isize) as usize;
                source
            },
        )
    }

    pub fn broadcast_to(&self, shape: &[usize]) -> Twin<T> {
        let value = from_index(shape, |index| stretched(&self.value, index));
        Twin {
            lazy: self.lazy.broadcast_to(shape),
            value,
        }
    }

    pub fn expand_dims(&self, axis: usize) -> Twin<T> {
        let mut shape = self.shape().to_vec();
        shape.insert(axis, 1);
        self.same_elements(self.lazy.expand_dims(axis), &shape)
    }

    pub fn squeeze(&self) -> Twin<T> {
        let shape: Vec<usize> = self
            .shape()
            .iter()
            .copied()
            .filter(|&len| len != 1)
            .collect();
        self.same_elements(self.lazy.squeeze(..), &shape)
    }

    pub fn reshape(&self, shape: &[usize]) -> Twin<T> {
        self.same_elements(self.lazy.reshape(shape), shape)
    }

    pub fn ravel(&self) -> Twin<T> {
        self.same_elements(self.lazy.ravel(), &[self.value.len()])
    }

    pub fn rechunk(&self, chunks: impl IntoChunks) -> Twin<T> {
        Twin {
            lazy: self.lazy.rechunk(chunks),
            value: self.value.clone(),
        }
    }

    fn same_elements(&self, lazy: Array<T>, shape: &[usize]) -> Twin<T> {
        let elements = self.value.iter().copied().collect();
        Twin {
            lazy,
            value: ArrayD::from_shape_vec(IxDyn(shape), elements).unwrap(),
        }
    }

    pub fn take(&self, places: &[isize], axis: usize) -> Twin<T> {
        let mut shape = self.shape().to_vec();
        let len = shape[axis] as isize;
        shape[axis] = places.len();
        self.view(
            |x| x.take(places.iter().copied(), axis),
            &shape,
            |index| {
                let mut source = index.to_vec();
                let place = places[index[axis]];
                source[axis] = if place < 0 { place + len } else { place } as usize;
                source
            },
        )
    }

    pub fn diagonal(&self) -> Twin<T> {
        let mut shape = self.shape()[2..].to_vec();
        shape.push(self.shape()[0].min(self.shape()[1]));
        self.view(Array::diagonal, &shape, |index| {
            let (&last, rest) = index.split_last().unwrap();
            [&[last, last], rest].concat()
        })
    }

    pub fn concatenate(twins: &[Twin<T>], axis: usize) -> Twin<T> {
        let mut shape = twins[0].shape().to_vec();
        shape[axis] = twins.iter().map(|twin| twin.shape()[axis]).sum();
        let value = from_index(&shape, |index| {
            let mut source = index.to_vec();
            for twin in twins {
                if source[axis] < twin.shape()[axis] {
                    return twin.value[IxDyn(&source)];
                }
                source[axis] -= twin.shape()[axis];
            }
            unreachable!("the lengths add up")
        });
        Twin {
            lazy: flagstone::concatenate(twins.iter().map(|twin| &twin.lazy), axis),
            value,
        }
    }

    pub fn stack(twins: &[Twin<T>], axis: usize) -> Twin<T> {
        let mut shape = twins[0].shape().to_vec();
        shape.insert(axis, twins.len());
        let value = from_index(&shape, |index| {
            let mut source = index.to_vec();
            let which = source.remove(axis);
            twins[which].value[IxDyn(&source)]
        });
        Twin {
            lazy: flagstone::stack(twins.iter().map(|twin| &twin.lazy), axis),
            value,
        }
    }

    pub fn pad(&self, widths: &[(usize, usize)], with: flagstone::Pad<T>) -> Twin<T> {
        use flagstone::Pad;
        let inner = self.shape();
        let shape: Vec<usize> = inner
            .iter()
            .zip(widths)
            .map(|(&len, &(a, b))| a + len + b)
            .collect();
        let value = from_index(&shape, |index| {
            let mut source = Vec::new();
            for (axis, &i) in index.iter().enumerate() {
                let (place, len) = (i as isize - widths[axis].0 as isize, inner[axis] as isize);
                let inside = match with {
                    Pad::Constant(fill) if place < 0 || place >= len => return fill,
                    Pad::Constant(_) => place,
                    Pad::Edge => place.clamp(0, len - 1),
                    Pad::Wrap => place.rem_euclid(len),
                    // Walk to and fro until the place is inside.
                    Pad::Reflect if len == 1 => 0,
                    Pad::Reflect => {
                        let mut place = place;
                        while place < 0 || place >= len {
                            place = if place < 0 {
                                -place
                            } else {
                                2 * (len - 1) - place
                            };
                        }
                        place
                    }
                };
                source.push(inside as usize);
            }
            self.value[IxDyn(&source)]
        });
        Twin {
            lazy: self.lazy.pad(widths.iter().copied(), with),
            value,
        }
    }

    /// An operation on each block of the chunk grid; `block` gets and returns whole ndarrays.
    pub fn blocks<U: Element>(
        &self,
        lazy: impl Fn(&Array<T>) -> Array<U>,
        block: impl Fn(ndarray::ArrayViewD<'_, T>) -> ArrayD<U>,
    ) -> Twin<U> {
        let mut value = ArrayD::from_elem(self.value.raw_dim(), U::default());
        let chunks = self.lazy.chunks();
        each_index(&chunks.num_blocks(), |index| {
            let region = chunks.region(index);
            let part = |axis: usize| ndarray::Slice::from(region.range(axis));
            let view = self.value.slice_each_axis(|axis| part(axis.axis.index()));
            value
                .slice_each_axis_mut(|axis| part(axis.axis.index()))
                .assign(&block(view));
        });
        Twin {
            lazy: lazy(&self.lazy),
            value,
        }
    }
}

macro_rules! operators {
    ($($trait:ident $method:ident $sign:tt;)*) => {$(
        impl std::ops::$trait for &Twin<f64> {
            type Output = Twin<f64>;

            fn $method(self, other: &Twin<f64>) -> Twin<f64> {
                self.zip(other, |a, b| a $sign b, |a, b| a $sign b)
            }
        }

        impl std::ops::$trait<f64> for &Twin<f64> {
            type Output = Twin<f64>;

            fn $method(self, other: f64) -> Twin<f64> {
                self.map(|a| a $sign other, |a| a $sign other)
            }
        }
    )*};
}
operators! { Add add +; Sub sub -; Mul mul *; Div div /; }
