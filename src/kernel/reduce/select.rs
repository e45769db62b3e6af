//! From a reduction and a type to its fold.

use std::sync::Arc;

use num_complex::Complex;

use super::Fold;
use super::arg::Arg;
use super::counted::{Counted, Keep};
use super::monoid::{
    Carry, CountOf, Extremes, MaxOf, MinOf, Moment, Monoid, NanMaxOf, NanMinOf, ProductOf, SumOf,
};
use super::prepare::Prepare;
use super::simple::{Conclude, Simple, nothing};
use super::variance::Variance;
use crate::base::dtype::DType;
use crate::base::element::Element;
use crate::base::scalar::Scalar;
use crate::kernel::level::Level;
use crate::op::reducer::{Norm, ReduceKind, ReduceOp};
use crate::op::scalar::{Ordered, with_class};
use crate::op::table::{self, Op};

/// The fold of a reduction of elements of type `dtype`; `None` if it has no meaning for the type.
///
/// `masked` says whether masks may be given.
pub fn fold(op: ReduceOp, dtype: DType, masked: bool, level: Level) -> Option<Arc<dyn Fold>> {
    let request = Request {
        dtype,
        output: op.output(dtype)?,
        masked,
        // Only floating-point numbers can be NaN.
        skip_nan: op.skip_nan && (dtype.is_float() || dtype.is_complex()),
        level,
    };
    Some(match op.kind {
        ReduceKind::Sum | ReduceKind::Prod | ReduceKind::Mean => request.linear(op.kind),
        ReduceKind::Var { ddof } => request.variance(ddof.get(), false),
        ReduceKind::Std { ddof } => request.variance(ddof.get(), true),
        ReduceKind::Any | ReduceKind::All | ReduceKind::CountNonzero => request.logical(op.kind),
        ReduceKind::Norm(norm) => request.norm(norm),
        ReduceKind::Min | ReduceKind::Max | ReduceKind::ArgMin | ReduceKind::ArgMax => {
            if request.skip_nan {
                with_class!(Float, dtype, T => request.extreme_number::<T>(op.kind))?
            } else {
                with_class!(Ordered, dtype, T => request.extreme::<T>(op.kind))?
            }
        }
    })
}

#[derive(Clone, Copy)]
struct Request {
    dtype: DType,
    output: DType,
    masked: bool,
    skip_nan: bool,
    level: Level,
}

impl Request {
    fn selects(self) -> bool {
        self.masked || self.skip_nan
    }

    /// The values, with a neutral one, given by its parts, for NaN that are skipped.
    fn without_nan(self, re: f64, im: f64) -> Prepare {
        let prepare = Prepare::new(self.dtype, self.level);
        if !self.skip_nan {
            return prepare;
        }
        let neutral = Scalar::Complex128(Complex::new(re, im));
        prepare.replace_nan(table::cast(neutral, self.dtype))
    }

    fn simple<M: Monoid<State: Element>>(
        self,
        monoid: M,
        prepare: Prepare,
        conclude: Conclude<M::State>,
    ) -> Simple<M> {
        Simple::new(monoid, prepare, self.selects(), conclude, self.output)
    }

    fn counted<M: Monoid<State: Element>>(self, simple: Simple<M>) -> Arc<dyn Fold> {
        let keep = Keep::new(self.dtype, self.skip_nan, self.level);
        Arc::new(Counted { simple, keep })
    }

    /// Sums, products and means.
    fn linear(self, kind: ReduceKind) -> Arc<dyn Fold> {
        let carried = match self.dtype {
            complex if complex.is_complex() => DType::Complex128,
            float if float.is_float() => DType::F64,
            _ if kind == ReduceKind::Mean => DType::F64,
            _ => DType::I64,
        };
        match (carried, kind) {
            (DType::I64, ReduceKind::Sum) => self.sum::<i64>(),
            (DType::F64, ReduceKind::Sum) => self.sum::<f64>(),
            (_, ReduceKind::Sum) => self.sum::<Complex<f64>>(),
            (DType::I64, _) => self.product::<i64>(),
            (DType::F64, ReduceKind::Prod) => self.product::<f64>(),
            (_, ReduceKind::Prod) => self.product::<Complex<f64>>(),
            (DType::F64, _) => self.mean::<f64>(),
            (_, _) => self.mean::<Complex<f64>>(),
        }
    }

    /// Integers wrap in 64 bits; floating-point numbers are added in `f64`.
    fn sum<T: Carry>(self) -> Arc<dyn Fold> {
        let prepare = self
            .without_nan(-0.0, -0.0)
            .convert(T::DTYPE)
            .neutralize(T::NOTHING);
        // The sum of nothing is +0. After a selection nobody knows whether −0 is the sum of nothing:
        // it becomes +0 then, too.
        Arc::new(
            self.simple(SumOf::<T>::new(), prepare, |sum, count, selects| {
                Ok(if selects || count == 0 {
                    sum.add(T::ZERO)
                } else {
                    sum
                })
            }),
        )
    }

    /// Integers wrap in 64 bits; floating-point numbers are multiplied in `f64`.
    fn product<T: Carry>(self) -> Arc<dyn Fold> {
        let prepare = self
            .without_nan(1.0, 0.0)
            .convert(T::DTYPE)
            .neutralize(T::ONE);
        Arc::new(self.simple(ProductOf::<T>::new(), prepare, |product, _, _| Ok(product)))
    }

    /// Sums in `f64`, whatever the type; the mean of nothing is NaN.
    fn mean<T: Moment>(self) -> Arc<dyn Fold> {
        let prepare = self
            .without_nan(-0.0, -0.0)
            .convert(T::DTYPE)
            .neutralize(T::NOTHING);
        let simple = self.simple(SumOf::<T>::new(), prepare, |sum, count, _| {
            Ok(sum.over(count as f64))
        });
        if self.selects() {
            self.counted(simple)
        } else {
            Arc::new(simple)
        }
    }

    fn variance(self, ddof: f64, root: bool) -> Arc<dyn Fold> {
        let Request {
            dtype,
            skip_nan,
            level,
            ..
        } = self;
        if dtype.is_complex() {
            Arc::new(Variance::<Complex<f64>>::new(
                dtype, skip_nan, ddof, root, level,
            ))
        } else {
            Arc::new(Variance::<f64>::new(dtype, skip_nan, ddof, root, level))
        }
    }

    /// Reductions of the truth of elements.
    fn logical(self, kind: ReduceKind) -> Arc<dyn Fold> {
        // Bytes of `bool` are 0 and 1, whose larger is "or" and whose smaller is "and".
        let neutral = kind == ReduceKind::All;
        let prepare = self
            .without_nan(neutral as u8 as f64, 0.0)
            .convert(DType::Bool)
            .neutralize(neutral);
        match kind {
            ReduceKind::Any => {
                Arc::new(self.simple(MaxOf::<bool>::new(), prepare, |any, _, _| Ok(any)))
            }
            ReduceKind::All => {
                Arc::new(self.simple(MinOf::<bool>::new(), prepare, |all, _, _| Ok(all)))
            }
            _ => Arc::new(self.simple(CountOf, prepare, |n, _, _| Ok(n))),
        }
    }

    /// Norms, carried in `f64`.
    fn norm(self, norm: Norm) -> Arc<dyn Fold> {
        let carried = if self.dtype.is_complex() {
            DType::Complex128
        } else {
            DType::F64
        };
        let values = self.without_nan(0.0, 0.0).convert(carried);
        let terms = match norm {
            Norm::One | Norm::Max => values.map(Op::Abs),
            Norm::Two => values.norm_square(),
        };
        // No term is negative: +0 changes nothing, and is what nothing has.
        let prepare = terms.neutralize(0.0);
        let sum = SumOf::<f64>::new();
        match norm {
            Norm::One => Arc::new(self.simple(sum, prepare, |sum, _, _| Ok(sum.abs()))),
            Norm::Two => Arc::new(self.simple(sum, prepare, |sum, _, _| Ok(sum.abs().sqrt()))),
            Norm::Max => Arc::new(self.simple(MaxOf::<f64>::new(), prepare, |most, _, _| {
                Ok(Ordered::maximum(most, 0.0))
            })),
        }
    }

    /// The smallest and largest elements, and where they are.
    fn extreme<T: Extremes>(self, kind: ReduceKind) -> Arc<dyn Fold> {
        let values = Prepare::new(self.dtype, self.level);
        match kind {
            ReduceKind::ArgMin => Arg::<T, false, false>::shared(self.level),
            ReduceKind::ArgMax => Arg::<T, true, false>::shared(self.level),
            // Whether a mask selects anything is only known by counting.
            ReduceKind::Min => {
                let prepare = values.neutralize(T::HIGHEST);
                let simple = self.simple(MinOf::<T>::new(), prepare, |least, count, _| {
                    some(least, count, "min")
                });
                if self.masked {
                    self.counted(simple)
                } else {
                    Arc::new(simple)
                }
            }
            _ => {
                let prepare = values.neutralize(T::LOWEST);
                let simple = self.simple(MaxOf::<T>::new(), prepare, |most, count, _| {
                    some(most, count, "max")
                });
                if self.masked {
                    self.counted(simple)
                } else {
                    Arc::new(simple)
                }
            }
        }
    }

    /// As `extreme`, but NaN do not take part. The identity is NaN, which is also the result where
    /// nothing takes part.
    fn extreme_number<T: Extremes>(self, kind: ReduceKind) -> Arc<dyn Fold> {
        let prepare = Prepare::new(self.dtype, self.level).neutralize(T::UNKNOWN);
        match kind {
            ReduceKind::ArgMin => Arg::<T, false, true>::shared(self.level),
            ReduceKind::ArgMax => Arg::<T, true, true>::shared(self.level),
            ReduceKind::Min => Arc::new(self.simple(
                NanMinOf::<T>::new(),
                prepare,
                |least, count, _| some(least, count, "nanmin"),
            )),
            _ => Arc::new(
                self.simple(NanMaxOf::<T>::new(), prepare, |most, count, _| {
                    some(most, count, "nanmax")
                }),
            ),
        }
    }
}

/// The value, if there were elements.
fn some<T>(value: T, count: u64, name: &str) -> crate::error::Result<T> {
    if count == 0 {
        Err(nothing(name))
    } else {
        Ok(value)
    }
}
