//! Calls that are only written down.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;

use crate::error::{BoxError, Error, Kind, Result};

/// A result, whatever its type; several calls may read it.
pub type Held = Arc<dyn Any + Send + Sync>;

type Function = dyn Fn(&[Held]) -> Result<Held> + Send + Sync;

/// What makes a value.
#[derive(Clone)]
pub enum Making {
    /// A call with the values of the inputs.
    Call(Arc<Function>),
    /// It is there.
    Value(Held),
    /// Something that only the layer above knows: a block of an array.
    Foreign(Held),
}

/// A call, not yet made.
pub struct Node {
    pub name: Cow<'static, str>,
    /// What the result holds, if that was declared.
    pub bytes: Option<u64>,
    pub retries: u32,
    pub inputs: Vec<Arc<Node>>,
    pub making: Making,
    pub at: &'static Location<'static>,
}

impl Node {
    /// Makes the value, again if that fails and was asked for.
    pub fn call(&self, function: &Function, inputs: &[Held]) -> Result<Held> {
        let once = || {
            let call = std::panic::AssertUnwindSafe(|| function(inputs));
            std::panic::catch_unwind(call)
                .unwrap_or_else(|payload| Err(Error::from_panic(payload)))
                .map_err(|error| error.at(self.at))
        };
        let mut result = once();
        for _ in 0..self.retries {
            if result.is_ok() {
                break;
            }
            result = once();
        }
        result
    }
}

/// Calls may be a million deep: none is dropped inside of another.
impl Drop for Node {
    fn drop(&mut self) {
        let mut inputs = std::mem::take(&mut self.inputs);
        while let Some(input) = inputs.pop() {
            if let Some(mut last) = Arc::into_inner(input) {
                inputs.append(&mut last.inputs);
            }
        }
    }
}

/// A value that is computed when it is asked for: the result of a call on values and on other delayed values.
///
/// Calls build a graph, as Dask's `dask.delayed`; nothing runs before [`compute`](Delayed::compute), and then each
/// call that is needed runs once, whoever needs it, on all cores and under the engine's budget.
/// [`compute`](crate::compute()) and [`Engine::compute`](crate::Engine::compute) take several, and arrays with them, in one
/// graph: [`Array::to_delayed`](crate::Array::to_delayed) and [`Array::from_delayed`](crate::Array::from_delayed) lead from
/// one to the other.
///
/// Functions get references, since a value may have several readers. What a value holds can be declared
/// ([`bytes`](Delayed::bytes)): then it counts in the budget like a block of an array. What is not declared is outside of
/// the promise, and [`explain`](Delayed::explain) says how many such values there are.
///
/// ```
/// use flagstone::task::{combine, delayed};
///
/// let text = delayed(|| "3 4 5".to_owned()).named("read");
/// let numbers = text.map(|text| text.split(' ').map(|n| n.parse().unwrap()).collect::<Vec<i32>>());
/// let sum = numbers.map(|numbers| numbers.iter().sum::<i32>());
/// let max = numbers.map(|numbers| *numbers.iter().max().unwrap());
/// let both = combine((&sum, &max), |(sum, max)| sum * max);
/// assert_eq!(both.compute()?, 60); // "read" ran once
/// # Ok::<(), flagstone::Error>(())
/// ```
#[must_use = "delayed values are lazy: nothing runs until `compute`"]
pub struct Delayed<T> {
    pub(crate) node: Arc<Node>,
    value: PhantomData<fn() -> T>,
}

impl<T> Clone for Delayed<T> {
    /// The same call: it runs once for all of its clones.
    fn clone(&self) -> Delayed<T> {
        Delayed::from_node(Arc::clone(&self.node))
    }
}

impl<T> fmt::Debug for Delayed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delayed")
            .field("name", &self.node.name)
            .field("bytes", &self.node.bytes)
            .field("inputs", &self.node.inputs.len())
            .finish()
    }
}

impl<T> Delayed<T> {
    pub(crate) fn from_node(node: Arc<Node>) -> Delayed<T> {
        Delayed {
            node,
            value: PhantomData,
        }
    }
}

/// A call of a function without arguments, to be made when its result is asked for.
///
/// ```
/// use flagstone::task::delayed;
///
/// assert_eq!(delayed(|| 6 * 7).compute()?, 42);
/// # Ok::<(), flagstone::Error>(())
/// ```
#[track_caller]
pub fn delayed<T: Send + Sync + 'static>(
    function: impl Fn() -> T + Send + Sync + 'static,
) -> Delayed<T> {
    made("delayed", Vec::new(), Location::caller(), move |_| {
        Ok(Arc::new(function()))
    })
}

/// As [`delayed`], of a function that may fail: its error ends the computation.
///
/// ```
/// use flagstone::task::try_delayed;
///
/// let missing = try_delayed(|| std::fs::read_to_string("no/such/file")).named("read");
/// let error = missing.compute().unwrap_err();
/// assert!(error.is_task() && error.to_string().contains("in read"));
/// ```
#[track_caller]
pub fn try_delayed<T: Send + Sync + 'static, E: Into<BoxError>>(
    function: impl Fn() -> Result<T, E> + Send + Sync + 'static,
) -> Delayed<T> {
    made("delayed", Vec::new(), Location::caller(), move |_| {
        held(function())
    })
}

/// A call of a function with several delayed values: a tuple, array, slice or `Vec` of them, or of references to them.
///
/// ```
/// use flagstone::task::{Delayed, combine, delayed};
///
/// let many: Vec<Delayed<i32>> = (0..10).map(|i| delayed(move || i * i)).collect();
/// let sum = combine(&many, |squares| squares.into_iter().sum::<i32>());
/// let text = combine((&sum, Delayed::of("squares")), |(sum, of)| format!("{sum} {of}"));
/// assert_eq!(text.compute()?, "285 squares");
/// # Ok::<(), flagstone::Error>(())
/// ```
#[track_caller]
pub fn combine<J: Join, R: Send + Sync + 'static>(
    values: J,
    function: impl for<'a> Fn(J::Values<'a>) -> R + Send + Sync + 'static,
) -> Delayed<R> {
    let (inputs, shape) = joined(&values);
    made("combine", inputs, Location::caller(), move |inputs| {
        Ok(Arc::new(function(J::taken(
            &mut shape.iter(),
            &mut inputs.iter(),
        ))))
    })
}

/// As [`combine`], of a function that may fail: its error ends the computation.
///
/// ```
/// use flagstone::task::{Delayed, try_combine};
///
/// let quotient = try_combine((Delayed::of(1_u32), Delayed::of(0)), |(a, b)| {
///     a.checked_div(*b).ok_or("division by zero")
/// });
/// assert!(quotient.compute().unwrap_err().to_string().contains("division by zero"));
/// ```
#[track_caller]
pub fn try_combine<J: Join, R: Send + Sync + 'static, E: Into<BoxError>>(
    values: J,
    function: impl for<'a> Fn(J::Values<'a>) -> Result<R, E> + Send + Sync + 'static,
) -> Delayed<R> {
    let (inputs, shape) = joined(&values);
    made("combine", inputs, Location::caller(), move |inputs| {
        held(function(J::taken(&mut shape.iter(), &mut inputs.iter())))
    })
}

fn joined<J: Join>(values: &J) -> (Vec<Arc<Node>>, Vec<usize>) {
    let (mut inputs, mut shape) = (Vec::new(), Vec::new());
    values.nodes(&mut inputs, &mut shape);
    (inputs, shape)
}

fn held<T: Send + Sync + 'static, E: Into<BoxError>>(result: Result<T, E>) -> Result<Held> {
    match result {
        Ok(value) => Ok(Arc::new(value)),
        Err(error) => Err(Error::wrap(Kind::Task, "a function failed", error.into())),
    }
}

fn made<T>(
    name: &'static str,
    inputs: Vec<Arc<Node>>,
    at: &'static Location<'static>,
    call: impl Fn(&[Held]) -> Result<Held> + Send + Sync + 'static,
) -> Delayed<T> {
    Delayed::from_node(Arc::new(Node {
        name: Cow::Borrowed(name),
        bytes: None,
        retries: 0,
        inputs,
        making: Making::Call(Arc::new(call)),
        at,
    }))
}

fn typed<T: 'static>(value: &Held) -> &T {
    value
        .downcast_ref()
        .expect("a delayed value has the type of its handle")
}

impl<T: Send + Sync + 'static> Delayed<T> {
    /// A value that is there already; what it holds is the caller's, not the budget's.
    ///
    /// ```
    /// let x = flagstone::task::Delayed::of(20).map(|x| x + 1);
    /// assert_eq!(x.compute()?, 21);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn of(value: T) -> Delayed<T> {
        Delayed::from_node(Arc::new(Node {
            name: Cow::Borrowed("value"),
            bytes: Some(0),
            retries: 0,
            inputs: Vec::new(),
            making: Making::Value(Arc::new(value)),
            at: Location::caller(),
        }))
    }

    /// A call of a function with this value.
    ///
    /// ```
    /// let x = flagstone::task::delayed(|| 20).map(|x| x + 1);
    /// assert_eq!(x.compute()?, 21);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn map<R: Send + Sync + 'static>(
        &self,
        function: impl Fn(&T) -> R + Send + Sync + 'static,
    ) -> Delayed<R> {
        let inputs = vec![Arc::clone(&self.node)];
        made("map", inputs, Location::caller(), move |inputs| {
            Ok(Arc::new(function(typed(&inputs[0]))))
        })
    }

    /// As [`map`](Delayed::map), of a function that may fail: its error ends the computation.
    ///
    /// ```
    /// let number = flagstone::task::Delayed::of("x1").try_map(|text| text.parse::<i32>());
    /// assert!(number.compute().unwrap_err().is_task());
    /// ```
    #[track_caller]
    pub fn try_map<R: Send + Sync + 'static, E: Into<BoxError>>(
        &self,
        function: impl Fn(&T) -> Result<R, E> + Send + Sync + 'static,
    ) -> Delayed<R> {
        let inputs = vec![Arc::clone(&self.node)];
        made("map", inputs, Location::caller(), move |inputs| {
            held(function(typed(&inputs[0])))
        })
    }

    /// The same value behind an [`Arc`], not copied: for types that cannot be cloned, which `compute` could not hand
    /// out.
    ///
    /// ```
    /// struct Large([u8; 1000]);
    /// let large = flagstone::task::delayed(|| Large([1; 1000]));
    /// assert_eq!(large.shared().compute()?.0[999], 1);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn shared(&self) -> Delayed<Arc<T>> {
        let inputs = vec![Arc::clone(&self.node)];
        let shared = made("shared", inputs, Location::caller(), |inputs| {
            let value = Arc::clone(&inputs[0]).downcast::<T>();
            Ok(Arc::new(
                value.expect("a delayed value has the type of its handle"),
            ))
        });
        match self.node.bytes {
            Some(bytes) => shared.bytes(bytes),
            None => shared,
        }
    }
}

/// # Settings
///
/// They are the call's: set them before others are built on it, who keep the one they were built on.
impl<T> Delayed<T> {
    /// What the call is called in errors, and in what observers show.
    ///
    /// ```
    /// let bad = flagstone::task::delayed(|| -> i32 { panic!("no") }).named("load of file 3");
    /// assert!(bad.compute().unwrap_err().to_string().contains("in load of file 3"));
    /// ```
    pub fn named(self, name: impl Into<Cow<'static, str>>) -> Delayed<T> {
        self.with(|node| node.name = name.into())
    }

    /// Declares that the value holds so many bytes, from the call's start until the last reader has run. They count in
    /// the budget: a computation waits with calls for which there is no room, and is refused before anything runs if
    /// there never will be.
    ///
    /// ```
    /// use flagstone::{Engine, task::delayed};
    ///
    /// let engine = Engine::builder().memory("1 MiB").build()?;
    /// let large = delayed(|| vec![0_u8; 2 << 20]).bytes(2 << 20).map(|bytes| bytes.len());
    /// assert!(engine.compute(&large).unwrap_err().is_memory());
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    pub fn bytes(self, bytes: u64) -> Delayed<T> {
        self.with(|node| node.bytes = Some(bytes))
    }

    /// Calls again, so many times at most, if the function panics or returns an error.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    ///
    /// let tries = AtomicU32::new(0);
    /// let unsteady = flagstone::task::delayed(move || assert!(tries.fetch_add(1, Relaxed) == 2));
    /// assert!(unsteady.clone().compute().is_err());
    /// assert!(unsteady.retries(2).compute().is_ok());
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    pub fn retries(self, times: u32) -> Delayed<T> {
        self.with(|node| node.retries = times)
    }

    fn with(mut self, set: impl FnOnce(&mut Node)) -> Delayed<T> {
        match Arc::get_mut(&mut self.node) {
            Some(node) => {
                set(node);
                self
            }
            None => {
                let mut node = Node {
                    name: self.node.name.clone(),
                    bytes: self.node.bytes,
                    retries: self.node.retries,
                    inputs: self.node.inputs.clone(),
                    making: self.node.making.clone(),
                    at: self.node.at,
                };
                set(&mut node);
                Delayed::from_node(Arc::new(node))
            }
        }
    }
}

/// Delayed values that are arguments of one function, which gets references in the same arrangement: tuples, arrays,
/// slices and `Vec`s of them, and references to those.
pub trait Join {
    /// What the function gets.
    type Values<'a>;

    #[doc(hidden)]
    fn nodes(&self, inputs: &mut Vec<Arc<Node>>, lengths: &mut Vec<usize>);

    #[doc(hidden)]
    fn taken<'a>(
        lengths: &mut std::slice::Iter<'_, usize>,
        values: &mut std::slice::Iter<'a, Held>,
    ) -> Self::Values<'a>;
}

impl<T: Send + Sync + 'static> Join for Delayed<T> {
    type Values<'a> = &'a T;

    fn nodes(&self, inputs: &mut Vec<Arc<Node>>, _: &mut Vec<usize>) {
        inputs.push(Arc::clone(&self.node));
    }

    fn taken<'a>(
        _: &mut std::slice::Iter<'_, usize>,
        values: &mut std::slice::Iter<'a, Held>,
    ) -> &'a T {
        typed(values.next().expect("a value for each input"))
    }
}

impl<J: Join + ?Sized> Join for &J {
    type Values<'a> = J::Values<'a>;

    fn nodes(&self, inputs: &mut Vec<Arc<Node>>, lengths: &mut Vec<usize>) {
        (**self).nodes(inputs, lengths);
    }

    fn taken<'a>(
        lengths: &mut std::slice::Iter<'_, usize>,
        values: &mut std::slice::Iter<'a, Held>,
    ) -> J::Values<'a> {
        J::taken(lengths, values)
    }
}

impl<J: Join> Join for [J] {
    type Values<'a> = Vec<J::Values<'a>>;

    fn nodes(&self, inputs: &mut Vec<Arc<Node>>, lengths: &mut Vec<usize>) {
        lengths.push(self.len());
        self.iter().for_each(|one| one.nodes(inputs, lengths));
    }

    fn taken<'a>(
        lengths: &mut std::slice::Iter<'_, usize>,
        values: &mut std::slice::Iter<'a, Held>,
    ) -> Vec<J::Values<'a>> {
        let n = *lengths.next().expect("a length for each list");
        (0..n).map(|_| J::taken(lengths, values)).collect()
    }
}

impl<J: Join> Join for Vec<J> {
    type Values<'a> = Vec<J::Values<'a>>;

    fn nodes(&self, inputs: &mut Vec<Arc<Node>>, lengths: &mut Vec<usize>) {
        self.as_slice().nodes(inputs, lengths);
    }

    fn taken<'a>(
        lengths: &mut std::slice::Iter<'_, usize>,
        values: &mut std::slice::Iter<'a, Held>,
    ) -> Vec<J::Values<'a>> {
        <[J]>::taken(lengths, values)
    }
}

impl<J: Join, const N: usize> Join for [J; N] {
    type Values<'a> = [J::Values<'a>; N];

    fn nodes(&self, inputs: &mut Vec<Arc<Node>>, lengths: &mut Vec<usize>) {
        self.iter().for_each(|one| one.nodes(inputs, lengths));
    }

    fn taken<'a>(
        lengths: &mut std::slice::Iter<'_, usize>,
        values: &mut std::slice::Iter<'a, Held>,
    ) -> [J::Values<'a>; N] {
        std::array::from_fn(|_| J::taken(lengths, values))
    }
}

/// One row per number of values.
macro_rules! tuples {
    ($(($($name:ident $at:tt)+))*) => {$(
        impl<$($name: Join),+> Join for ($($name,)+) {
            type Values<'a> = ($($name::Values<'a>,)+);

            fn nodes(&self, inputs: &mut Vec<Arc<Node>>, lengths: &mut Vec<usize>) {
                $(self.$at.nodes(inputs, lengths);)+
            }

            fn taken<'a>(
                lengths: &mut std::slice::Iter<'_, usize>,
                values: &mut std::slice::Iter<'a, Held>,
            ) -> Self::Values<'a> {
                ($($name::taken(lengths, values),)+)
            }
        }
    )*};
}
tuples! {
    (A 0)
    (A 0 B 1)
    (A 0 B 1 C 2)
    (A 0 B 1 C 2 D 3)
    (A 0 B 1 C 2 D 3 E 4)
    (A 0 B 1 C 2 D 3 E 4 F 5)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7)
}
