//! Reductions of twins, in the documented order.

use flagstone::{Array, Axes, IntoAxes, keep};
use ndarray::{ArrayD, IxDyn};

use crate::folds::{All, Elements, Magnitudes, Product, Sum, Trace, TraceOf, Variance, best};
use crate::order::{Item, Order};
use crate::twin::{Twin, from_index};
use crate::value::{MeanOf, SpreadOf, SumOf, Value, Wide};

/// Which axes, whether they stay, and which elements take part.
#[derive(Clone, Default)]
pub struct Over {
    pub axes: Vec<usize>,
    pub keep: bool,
    pub skip_nan: bool,
    pub mask: Option<Twin<bool>>,
}

impl Over {
    pub fn axes(axes: &[usize]) -> Over {
        Over {
            axes: axes.to_vec(),
            ..Over::default()
        }
    }

    pub fn keep(self) -> Over {
        Over { keep: true, ..self }
    }

    pub fn skip_nan(self) -> Over {
        Over {
            skip_nan: true,
            ..self
        }
    }

    pub fn filter(self, mask: &Twin<bool>) -> Over {
        Over {
            mask: Some(mask.clone()),
            ..self
        }
    }

    fn lazy(&self) -> Axes {
        let axes: Vec<usize> = self.axes.clone();
        if self.keep {
            keep(axes)
        } else {
            axes.into_axes()
        }
    }
}

/// The lazy side: the method or its NaN-skipping form, of the array or of a selection.
macro_rules! lazily {
    ($x:expr, $over:expr, $name:ident, $nan:ident) => {
        match (&$over.mask, $over.skip_nan) {
            (None, false) => $x.lazy.$name($over.lazy()),
            (None, true) => $x.lazy.$nan($over.lazy()),
            (Some(mask), false) => $x.lazy.filter(&mask.lazy).$name($over.lazy()),
            (Some(_), true) => unreachable!("selections have no NaN-skipping forms"),
        }
    };
}

impl<T: Value> Twin<T> {
    /// The reference side: `each` gets the order, the elements and where an output's elements begin.
    pub fn reduced<U: Copy>(
        &self,
        over: &Over,
        each: impl Fn(&Order, &Elements<'_, T>, usize) -> U,
    ) -> ArrayD<U> {
        let shape = self.shape();
        let order = Order::new(self.lazy.chunks(), &over.axes);
        let values: Vec<T> = self.value.iter().copied().collect();
        let mask: Option<Vec<bool>> = over
            .mask
            .as_ref()
            .map(|mask| mask.broadcast_to(shape).value.iter().copied().collect());
        let elements = Elements {
            values: &values,
            mask: mask.as_deref(),
            skip_nan: over.skip_nan,
        };
        let kept: Vec<usize> = (0..shape.len())
            .filter(|axis| !over.axes.contains(axis))
            .collect();
        let kept_shape: Vec<usize> = kept.iter().map(|&axis| shape[axis]).collect();
        let result = from_index(&kept_shape, |index| {
            let stride = |axis: usize| shape[axis + 1..].iter().product::<usize>();
            let base = kept
                .iter()
                .zip(index)
                .map(|(&axis, &i)| i * stride(axis))
                .sum();
            each(&order, &elements, base)
        });
        if !over.keep {
            return result;
        }
        let long = |axis: usize| {
            if over.axes.contains(&axis) {
                1
            } else {
                shape[axis]
            }
        };
        let shape: Vec<usize> = (0..shape.len()).map(long).collect();
        result.into_shape_with_order(IxDyn(&shape)).unwrap()
    }

    pub fn sum(&self, over: &Over) -> Twin<SumOf<T>>
    where
        SumOf<T>: Value,
    {
        let value = self.reduced(over, |order, elements, base| {
            let sums = order.fold(&Sum(elements), base);
            // The sum of nothing is +0, and so is a sum of −0 after a selection.
            let zero = |sum: f64| {
                if sums.count == 0 || elements.selects() {
                    sum + 0.0
                } else {
                    sum
                }
            };
            SumOf::<T>::narrow(match T::default().wide() {
                Wide::Integer(_) => Wide::Integer(sums.integer),
                Wide::Float(_) => Wide::Float(zero(sums.parts[0])),
                Wide::Complex(_) => Wide::Complex(flagstone::Complex::new(
                    zero(sums.parts[0]),
                    zero(sums.parts[1]),
                )),
            })
        });
        Twin {
            lazy: lazily!(self, over, sum, nansum),
            value,
        }
    }

    pub fn prod(&self, over: &Over) -> Twin<SumOf<T>>
    where
        SumOf<T>: Value,
    {
        let value = self.reduced(over, |order, elements, base| {
            SumOf::<T>::narrow(order.fold(&Product(elements), base))
        });
        Twin {
            lazy: lazily!(self, over, prod, nanprod),
            value,
        }
    }

    pub fn mean(&self, over: &Over) -> Twin<MeanOf<T>>
    where
        MeanOf<T>: Value,
    {
        let value = self.reduced(over, |order, elements, base| {
            let sums = order.fold(&Sum(elements), base);
            let [re, im] = sums.parts.map(|part| part / sums.count as f64);
            MeanOf::<T>::narrow(match T::default().wide() {
                Wide::Complex(_) => Wide::Complex(flagstone::Complex::new(re, im)),
                _ => Wide::Float(re),
            })
        });
        Twin {
            lazy: lazily!(self, over, mean, nanmean),
            value,
        }
    }

    fn variances(&self, over: &Over, ddof: f64, root: bool) -> ArrayD<SpreadOf<T>>
    where
        SpreadOf<T>: Value,
    {
        self.reduced(over, |order, elements, base| {
            let moments = order.fold(&Variance(elements), base);
            let left = moments.n - ddof;
            let variance = if moments.n == 0.0 {
                f64::NAN
            } else {
                moments.m2 / if left > 0.0 { left } else { 0.0 }
            };
            SpreadOf::<T>::narrow(Wide::Float(if root { variance.sqrt() } else { variance }))
        })
    }

    pub fn var(&self, over: &Over) -> Twin<SpreadOf<T>>
    where
        SpreadOf<T>: Value,
    {
        Twin {
            lazy: lazily!(self, over, var, nanvar),
            value: self.variances(over, 0.0, false),
        }
    }

    pub fn std(&self, over: &Over) -> Twin<SpreadOf<T>>
    where
        SpreadOf<T>: Value,
    {
        Twin {
            lazy: lazily!(self, over, std, nanstd),
            value: self.variances(over, 0.0, true),
        }
    }

    /// The variance of a sample; no selection.
    pub fn var_ddof(&self, over: &Over, ddof: f64) -> Twin<SpreadOf<T>>
    where
        SpreadOf<T>: Value,
    {
        Twin {
            lazy: self.lazy.var_ddof(over.lazy(), ddof),
            value: self.variances(over, ddof, false),
        }
    }

    pub fn norm(&self, over: &Over) -> Twin<SpreadOf<T>>
    where
        SpreadOf<T>: Value,
    {
        let value = self.reduced(over, |order, elements, base| {
            let squares = order.fold(
                &Magnitudes {
                    elements,
                    squares: true,
                },
                base,
            );
            SpreadOf::<T>::narrow(Wide::Float(squares.abs().sqrt()))
        });
        Twin {
            lazy: lazily!(self, over, norm, nannorm),
            value,
        }
    }

    pub fn norm_one(&self, over: &Over) -> Twin<SpreadOf<T>>
    where
        SpreadOf<T>: Value,
    {
        let value = self.reduced(over, |order, elements, base| {
            let sum = order.fold(
                &Magnitudes {
                    elements,
                    squares: false,
                },
                base,
            );
            SpreadOf::<T>::narrow(Wide::Float(sum.abs()))
        });
        Twin {
            lazy: lazily!(self, over, norm_one, nannorm_one),
            value,
        }
    }

    fn items(order: &Order, base: usize) -> Vec<Item> {
        order.fold(&All, base)
    }

    pub fn any(&self, over: &Over) -> Twin<bool> {
        let value = self.reduced(over, |order, elements, base| {
            Self::items(order, base)
                .iter()
                .any(|&item| elements.takes_part(item) && elements.values[item.at].is_true())
        });
        Twin {
            lazy: lazily!(self, over, any, nanany),
            value,
        }
    }

    pub fn all(&self, over: &Over) -> Twin<bool> {
        let value = self.reduced(over, |order, elements, base| {
            Self::items(order, base)
                .iter()
                .all(|&item| !elements.takes_part(item) || elements.values[item.at].is_true())
        });
        Twin {
            lazy: lazily!(self, over, all, nanall),
            value,
        }
    }

    pub fn count_nonzero(&self, over: &Over) -> Twin<i64> {
        let value = self.reduced(over, |order, elements, base| {
            let counts =
                |item: &&Item| elements.takes_part(**item) && elements.values[item.at].is_true();
            Self::items(order, base).iter().filter(counts).count() as i64
        });
        Twin {
            lazy: lazily!(self, over, count_nonzero, nancount_nonzero),
            value,
        }
    }
}

/// Reductions that need an order among elements.
macro_rules! ordered {
    ($($name:ident $nan:ident $arg:ident $nan_arg:ident $wanted:ident;)*) => {
        impl<T: Value + flagstone::Ordered> Twin<T> {$(
            /// Of all missing elements only the NaN-skipping form knows nothing: NaN.
            pub fn $name(&self, over: &Over) -> Twin<T> {
                let value = self.reduced(over, |order, elements, base| {
                    let items = Self::items(order, base);
                    let wanted = std::cmp::Ordering::$wanted;
                    match best(elements, &items, wanted) {
                        // Of two zeros the result has the sign that is further on its side.
                        Some(item) if !elements.values[item.at].is_true() => items
                            .iter()
                            .filter(|item| elements.takes_part(**item))
                            .map(|item| elements.values[item.at])
                            .filter(|value| !value.is_true())
                            .find(|value| has_sign(*value) == (wanted == std::cmp::Ordering::Less))
                            .unwrap_or(elements.values[item.at]),
                        Some(item) => elements.values[item.at],
                        None => T::narrow(Wide::Float(f64::NAN)),
                    }
                });
                Twin { lazy: lazily!(self, over, $name, $nan), value }
            }

            pub fn $arg(&self, over: &Over) -> Twin<i64> {
                let value = self.reduced(over, |order, elements, base| {
                    let items = Self::items(order, base);
                    let item = best(elements, &items, std::cmp::Ordering::$wanted);
                    item.expect("something takes part").number as i64
                });
                Twin { lazy: lazily!(self, over, $arg, $nan_arg), value }
            }
        )*}
    };
}
ordered! {
    min nanmin argmin nanargmin Less;
    max nanmax argmax nanargmax Greater;
}

fn has_sign<T: Value>(value: T) -> bool {
    matches!(value.wide(), Wide::Float(value) if value.is_sign_negative())
}

impl Twin<f64> {
    /// A reducer in whose result every step and merge shows.
    pub fn trace(&self, over: &Over) -> Twin<u64> {
        let value = self.reduced(over, |order, elements, base| {
            order.fold(&TraceOf(elements.values), base)
        });
        let lazy: Array<u64> = self.lazy.reduce(Trace, over.lazy());
        Twin { lazy, value }
    }
}
