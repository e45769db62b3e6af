//! The methods of the table of elementwise operations, `where_` and `cast`.

use std::panic::Location;

use super::handle::{Array, Operand};
use crate::base::element::{Arith, Bits, Element, Float, Inexact, Integer, Numeric, Ordered};
use crate::error::Result;
use crate::op::table::{Op, for_each_op};
use crate::plan::build::{self, Term};

/// An op on operands of which each may carry an error; the leftmost one wins.
pub(crate) fn apply<const N: usize, U: Element>(
    op: Op,
    terms: [Result<Term>; N],
    at: &'static Location<'static>,
) -> Array<U> {
    let error = terms.iter().find_map(|term| term.as_ref().err());
    let value = match error {
        Some(error) => Err(error.clone()),
        None => {
            let terms = terms.map(|term| term.expect("errors were looked for"));
            build::op(op, &terms, at)
        }
    };
    Array::from_plan(value, at)
}

fn term<T: Element>(operand: impl Operand<T>) -> Result<Term> {
    operand.into_term().0
}

macro_rules! result {
    (Same, $T:ident) => {
        $T
    };
    (Bool, $T:ident) => {
        bool
    };
    (Count, $T:ident) => {
        u8
    };
    (Real, $T:ident) => {
        <$T as Numeric>::Real
    };
    (Mean, $T:ident) => {
        <$T as Numeric>::Mean
    };
}

/// The element type that a method's example uses.
macro_rules! example_type {
    (Integer) => {
        "i64"
    };
    (Bits) => {
        "i64"
    };
    ($other:ident) => {
        "f64"
    };
}

macro_rules! example_value {
    (Integer) => {
        "1"
    };
    (Bits) => {
        "1"
    };
    ($other:ident) => {
        "0.5"
    };
}

/// One method per row; bounds are the traits that the table's classes stand for.
macro_rules! method {
    (Unary, $variant:ident, $name:ident, $class:ident, [$($bound:tt)+], $result:ident, $doc:literal) => {
        #[doc = $doc]
        ///
        /// Lazy, element by element: the result has the array's shape and chunks.
        ///
        /// ```
        #[doc = concat!("let x = flagstone::Array::<", example_type!($class), ">::full([2, 3], ",
            example_value!($class), ", ..);")]
        #[doc = concat!("assert_eq!(x.", stringify!($name), "().compute()?.shape(), [2, 3]);")]
        /// # Ok::<(), flagstone::Error>(())
        /// ```
        #[track_caller]
        pub fn $name(&self) -> Array<result!($result, T)>
        where
            T: $($bound)+,
        {
            apply(Op::$variant, [term(self)], Location::caller())
        }
    };
    (Binary, $variant:ident, $name:ident, $class:ident, [$($bound:tt)+], $result:ident, $doc:literal) => {
        #[doc = $doc]
        ///
        /// Here `x` is the array and `y` is `other`. Lazy, element by element; shapes broadcast as
        /// NumPy's do, and per axis the chunk grid with fewer chunks wins.
        ///
        /// ```
        #[doc = concat!("let x = flagstone::Array::<", example_type!($class), ">::full([2, 3], ",
            example_value!($class), ", ..);")]
        #[doc = concat!("assert_eq!(x.", stringify!($name), "(&x).compute()?.shape(), [2, 3]);")]
        /// # Ok::<(), flagstone::Error>(())
        /// ```
        #[track_caller]
        pub fn $name(&self, other: impl Operand<T>) -> Array<result!($result, T)>
        where
            T: $($bound)+,
        {
            apply(Op::$variant, [term(self), term(other)], Location::caller())
        }
    };
    (Ternary, $variant:ident, $name:ident, $class:ident, [$($bound:tt)+], $result:ident, $doc:literal) => {
        #[doc = $doc]
        ///
        /// Lazy, element by element; shapes broadcast as NumPy's do.
        ///
        /// ```
        #[doc = concat!("let x = flagstone::Array::<f64>::full([2, 3], 0.5, ..);")]
        #[doc = concat!("assert_eq!(x.", stringify!($name), "(0.6, 0.7).compute()?.shape(), [2, 3]);")]
        /// # Ok::<(), flagstone::Error>(())
        /// ```
        #[track_caller]
        pub fn $name(&self, low: impl Operand<T>, high: impl Operand<T>) -> Array<result!($result, T)>
        where
            T: $($bound)+,
        {
            apply(Op::$variant, [term(self), term(low), term(high)], Location::caller())
        }
    };
    // `where_` is a function: its first operand is the condition.
    (Choice, $($rest:tt)*) => {};
}

/// A row's class as the bounds that users see.
macro_rules! bounded {
    ($arity:ident, $variant:ident, $name:ident, Any, $result:ident, $doc:literal) => {
        method!($arity, $variant, $name, Any, [Numeric], $result, $doc);
    };
    ($arity:ident, $variant:ident, $name:ident, Real, $result:ident, $doc:literal) => {
        method!(
            $arity,
            $variant,
            $name,
            Real,
            [Arith + Ordered],
            $result,
            $doc
        );
    };
    ($arity:ident, $variant:ident, $name:ident, Elementary, $result:ident, $doc:literal) => {
        method!($arity, $variant, $name, Inexact, [Inexact], $result, $doc);
    };
    ($arity:ident, $variant:ident, $name:ident, RealElementary, $result:ident, $doc:literal) => {
        method!($arity, $variant, $name, Float, [Float], $result, $doc);
    };
    ($arity:ident, $variant:ident, $name:ident, $class:ident, $result:ident, $doc:literal) => {
        method!($arity, $variant, $name, $class, [$class], $result, $doc);
    };
}

macro_rules! methods {
    ($($family:ident { $(($variant:ident, $name:ident, $arity:ident, $class:ident, $result:ident,
        $cost:literal, $symmetry:ident, $share:ident, $doc:literal),)* })*) => {
        /// # Element by element
        impl<T: Element> Array<T> {
            $($(bounded!($arity, $variant, $name, $class, $result, $doc);)*)*
        }
    };
}
for_each_op!(methods);

/// The short names of comparisons.
macro_rules! comparisons {
    ($($short:ident $variant:ident $bound:ident $sign:literal;)*) => {
        /// # Comparisons
        ///
        /// Arrays have no `==` and `<`: a comparison is an array, not a `bool`.
        impl<T: Element> Array<T> {$(
            #[doc = concat!("`x ", $sign, " y`, element by element: an array of `bool`.")]
            ///
            /// ```
            #[doc = concat!("let x = flagstone::Array::<f64>::ones([2, 3], ..);")]
            #[doc = concat!("assert_eq!(x.", stringify!($short), "(1.0).all(..).item()?, 1.0 ", $sign, " 1.0);")]
            /// # Ok::<(), flagstone::Error>(())
            /// ```
            #[track_caller]
            pub fn $short(&self, other: impl Operand<T>) -> Array<bool>
            where
                T: $bound,
            {
                apply(Op::$variant, [term(self), term(other)], Location::caller())
            }
        )*}
    };
}
comparisons! {
    eq Equal Numeric "==";
    ne NotEqual Numeric "!=";
    lt Less Ordered "<";
    le LessEqual Ordered "<=";
    gt Greater Ordered ">";
    ge GreaterEqual Ordered ">=";
}

impl<T: Element> Array<T> {
    /// The elements as another type.
    ///
    /// Converts as Rust's `as`: floats to integers truncate and saturate, NaN becomes 0; to `bool` is
    /// `!= 0`; complex to real takes the real part. Same shape and chunks; free if the type is the same.
    ///
    /// ```
    /// use flagstone::Array;
    ///
    /// let x = Array::<f64>::full([2], 2.7, ..);
    /// assert_eq!(x.cast::<i32>().compute()?, ndarray::arr1(&[2, 2]).into_dyn());
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn cast<U: Element>(&self) -> Array<U> {
        let at = Location::caller();
        self.then(at, |value| build::cast(value, U::DTYPE, at))
    }

    /// To a small integer power, by multiplication.
    ///
    /// Negative powers are reciprocals (of integers: 0, except of 1 and −1). Same shape and chunks.
    ///
    /// ```
    /// let x = flagstone::Array::<f64>::full([2], 3.0, ..);
    /// assert_eq!(x.powi(3).compute()?, ndarray::arr1(&[27.0, 27.0]).into_dyn());
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn powi(&self, power: i32) -> Array<T>
    where
        T: Arith,
    {
        let at = Location::caller();
        let one = || self.then(at, |value| unit(value, at));
        // Squares and multiplications; sharing makes each square one instruction.
        let mut result: Option<Array<T>> = None;
        // Of integers the reciprocal comes first: a power that has wrapped to 1 has one, too.
        let whole = T::DTYPE.is_integer() && power < 0;
        let mut square = if whole {
            apply(Op::Reciprocal, [term(self)], at)
        } else {
            self.clone()
        };
        let mut left = power.unsigned_abs();
        while left > 0 {
            if left & 1 == 1 {
                result = Some(match result {
                    Some(product) => apply(Op::Multiply, [term(&product), term(&square)], at),
                    None => square.clone(),
                });
            }
            left >>= 1;
            if left > 0 {
                square = apply(Op::Square, [term(&square)], at);
            }
        }
        let result = result.unwrap_or_else(one);
        if power < 0 && !whole {
            apply(Op::Reciprocal, [term(&result)], at)
        } else {
            result
        }
    }
}

/// Ones of an array's shape, dtype and chunks.
fn unit(
    value: &crate::plan::node::Value,
    at: &'static Location<'static>,
) -> Result<crate::plan::node::Value> {
    let one = crate::op::scalar::cast::cast(crate::base::scalar::Scalar::Bool(true), value.dtype());
    let chunks = crate::base::chunk_spec::ChunkSpec::Grid(value.chunks().clone());
    build::generate(
        crate::op::generate::Generate::Fill(one),
        value.dtype(),
        value.shape().to_vec(),
        chunks,
        at,
    )
}

/// Elements of `a` where the condition holds, of `b` elsewhere.
///
/// All three broadcast. Both sides are computed everywhere; as integers divided by 0 are 0, not a
/// panic, `where_(d.ne(0), &n / &d, 0)` is safe.
///
/// ```
/// use flagstone::{Array, where_};
///
/// let x = Array::<i32>::arange(-2, 3, 1, ..);
/// let positive = where_(x.gt(0), &x, 0);
/// assert_eq!(positive.compute()?, ndarray::arr1(&[0, 0, 0, 1, 2]).into_dyn());
/// # Ok::<(), flagstone::Error>(())
/// ```
#[track_caller]
pub fn where_<T: Element>(
    condition: impl Operand<bool>,
    a: impl Operand<T>,
    b: impl Operand<T>,
) -> Array<T> {
    apply(
        Op::Select,
        [condition.into_term().0, a.into_term().0, b.into_term().0],
        Location::caller(),
    )
}
