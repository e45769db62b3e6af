//! Functions of elements that users bring: they fuse like the built-in ones.

use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;

use super::handle::{Array, Operand};
use crate::base::element::Element;
use crate::kernel::level::{Level, level};
use crate::op::closure::TileMap;
use crate::plan::build::{self, Term};
use crate::plan::node::ElementFunc;

impl<T: Element> Array<T> {
    /// A function of each element.
    ///
    /// It is compiled into loops over tiles and fuses with what stands around it; simple arithmetic
    /// is vectorized. It runs on several threads at once, possibly more than once for an element. Same
    /// shape and chunks.
    ///
    /// ```
    /// use flagstone::Array;
    ///
    /// let x = Array::<f64>::arange(0.0, 4.0, 1.0, ..);
    /// let y = x.map(|v| if v > 1.5 { 1u8 } else { 0 });
    /// assert_eq!(y.sum(..).item()?, 2);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn map<U: Element>(&self, function: impl Fn(T) -> U + Send + Sync + 'static) -> Array<U> {
        let at = Location::caller();
        self.then(at, |value| {
            let map = One {
                function,
                elements: PhantomData,
            };
            build::elementwise(
                ElementFunc::Map(Arc::new(map)),
                "map",
                &[Term::Array(value.clone())],
                U::DTYPE,
                at,
            )
        })
    }

    /// A function of pairs of elements, of this array and of `other`; the two broadcast.
    ///
    /// As [`map`](Array::map) otherwise.
    ///
    /// ```
    /// use flagstone::Array;
    ///
    /// let x = Array::<f64>::arange(0.0, 4.0, 1.0, ..);
    /// let y = x.zip_map(&x.cast::<i32>(), |a, b| a * f64::from(b));
    /// assert_eq!(y.sum(..).item()?, 14.0);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn zip_map<U: Element, V: Element>(
        &self,
        other: impl Operand<U>,
        function: impl Fn(T, U) -> V + Send + Sync + 'static,
    ) -> Array<V> {
        let at = Location::caller();
        let other = other.into_term().0;
        self.then(at, |value| {
            let map = Two {
                function,
                elements: PhantomData,
            };
            let terms = [Term::Array(value.clone()), other?];
            build::elementwise(
                ElementFunc::Map(Arc::new(map)),
                "zip_map",
                &terms,
                V::DTYPE,
                at,
            )
        })
    }
}

struct One<T, U, F> {
    function: F,
    elements: PhantomData<fn(T) -> U>,
}

impl<T: Element, U: Element, F: Fn(T) -> U + Send + Sync> One<T, U, F> {
    #[inline(always)]
    unsafe fn each(&self, n: usize, values: *const u8, step: usize, out: *mut u8) {
        let out = out.cast::<U>();
        if step == 0 {
            for i in 0..n {
                // SAFETY: the caller's contract: one element, and room for `n`.
                unsafe { out.add(i).write((self.function)(*values.cast::<T>())) };
            }
            return;
        }
        // SAFETY: the caller's contract: `n` elements.
        let values = unsafe { std::slice::from_raw_parts(values.cast::<T>(), n) };
        for (i, &value) in values.iter().enumerate() {
            // SAFETY: there is room for `n` elements.
            unsafe { out.add(i).write((self.function)(value)) };
        }
    }
}

impl<T: Element, U: Element, F: Fn(T) -> U + Send + Sync> TileMap for One<T, U, F> {
    unsafe fn apply(&self, n: usize, args: &[*const u8; 3], steps: [usize; 3], out: *mut u8) {
        // SAFETY: the caller's contract, and `at_level` runs what the machine has.
        unsafe { at_level(Loop(|| self.each(n, args[0], steps[0], out))) };
    }
}

struct Two<T, U, V, F> {
    function: F,
    elements: PhantomData<fn(T, U) -> V>,
}

impl<T: Element, U: Element, V: Element, F: Fn(T, U) -> V + Send + Sync> Two<T, U, V, F> {
    #[inline(always)]
    unsafe fn each(&self, n: usize, args: &[*const u8; 3], steps: [usize; 3], out: *mut u8) {
        let out = out.cast::<V>();
        let (a, b) = (args[0].cast::<T>(), args[1].cast::<U>());
        for i in 0..n {
            // SAFETY: the caller's contract: operands of `n` elements, or one where the step is 0.
            unsafe {
                out.add(i)
                    .write((self.function)(*a.add(i * steps[0]), *b.add(i * steps[1])))
            };
        }
    }
}

impl<T: Element, U: Element, V: Element, F: Fn(T, U) -> V + Send + Sync> TileMap
    for Two<T, U, V, F>
{
    unsafe fn apply(&self, n: usize, args: &[*const u8; 3], steps: [usize; 3], out: *mut u8) {
        // SAFETY: as above.
        unsafe { at_level(Loop(|| self.each(n, args, steps, out))) };
    }
}

/// A loop to be compiled for each instruction-set level.
struct Loop<F>(F);

impl<F: Fn()> Loop<F> {
    #[inline(always)]
    fn run(&self) {
        (self.0)();
    }
}

/// Runs a loop compiled for the machine's best level.
///
/// # Safety
/// None beyond the loop's own: the level is one that the machine has.
#[inline]
unsafe fn at_level<F: Fn()>(body: Loop<F>) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,fma,bmi1,bmi2")]
        unsafe fn avx2<F: Fn()>(body: Loop<F>) {
            body.run();
        }
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi1,bmi2")]
        unsafe fn avx512<F: Fn()>(body: Loop<F>) {
            body.run();
        }
        // SAFETY: `level` names what the machine has.
        match level() {
            Level::Avx512 => return unsafe { avx512(body) },
            Level::Avx2 => return unsafe { avx2(body) },
            Level::Portable => {}
        }
    }
    body.run();
}
