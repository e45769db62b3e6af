//! Random arrays: the same for the same seed, whatever the chunks, slices and threads.
//!
//! Values come from Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2,
//! 3", SC11), counted by the C-order number of the element in its array. So an array is a function of
//! its seed, its stream and its shape; a slice of it computes only what it shows.
//!
//! ```
//! use flagstone::{random, s};
//!
//! let x = random::Generator::new(42).uniform::<f64>([1000, 1000], [100, 100]);
//! let y = random::Generator::new(42).uniform::<f64>([1000, 1000], ..);
//! assert_eq!(x.slice(s![..3, -2..]).compute()?, y.slice(s![..3, -2..]).compute()?);
//! # Ok::<(), flagstone::Error>(())
//! ```

use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;

pub use {rand, rand_distr};

use super::create::generated;
use super::handle::Array;
use crate::base::chunk_spec::IntoChunks;
use crate::base::element::{Element, Float, Integer};
use crate::base::scalar::Scalar;
use crate::base::shape::IntoShape;
use crate::error::{Error, Kind};
use crate::kernel::random::ElementRng;
use crate::op::closure;
use crate::op::generate::Generate;
use crate::op::random::{Distribution, Key};

/// A source of random arrays. Each array takes the next stream of the generator's seed, so that two
/// arrays of one generator differ, and a program gives the same arrays each time it runs.
#[derive(Clone, Debug)]
pub struct Generator {
    seed: u64,
    stream: u32,
}

impl Default for Generator {
    /// A generator with a seed from the system's entropy; [`seed`](Generator::seed) says which.
    fn default() -> Generator {
        Generator::from_entropy()
    }
}

impl Generator {
    /// A generator with a seed.
    pub fn new(seed: u64) -> Generator {
        Generator { seed, stream: 0 }
    }

    /// A generator with a seed from the system's entropy, fixed now.
    ///
    /// ```
    /// use flagstone::random::Generator;
    ///
    /// let mut rng = Generator::from_entropy();
    /// let again = Generator::new(rng.seed()).uniform::<f64>(10, ..);
    /// assert_eq!(rng.uniform::<f64>(10, ..).compute()?, again.compute()?);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    pub fn from_entropy() -> Generator {
        Generator::new(rand::random())
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The generator whose next array takes stream `number`: any array of a seed can be made alone.
    ///
    /// ```
    /// use flagstone::random::Generator;
    ///
    /// let mut rng = Generator::new(1);
    /// let (_, second) = (rng.uniform::<f64>(4, ..), rng.uniform::<f64>(4, ..));
    /// let alone = Generator::new(1).stream(1).uniform::<f64>(4, ..);
    /// assert_eq!(second.compute()?, alone.compute()?);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[must_use]
    pub fn stream(&self, number: u32) -> Generator {
        Generator {
            seed: self.seed,
            stream: number,
        }
    }

    fn next_key(&mut self) -> Key {
        let key = Key {
            seed: self.seed,
            stream: self.stream,
        };
        self.stream = self.stream.wrapping_add(1);
        key
    }

    fn next<T: Element>(
        &mut self,
        distribution: Distribution,
        shape: impl IntoShape,
        chunks: impl IntoChunks,
        at: &'static Location<'static>,
    ) -> Array<T> {
        let key = self.next_key();
        generated(
            Generate::Random { distribution, key },
            shape.into_shape(),
            chunks.into_spec(),
            at,
        )
    }

    /// Numbers evenly distributed from 0 up to, but without, 1; 53 (`f32`: 24) random bits each.
    ///
    /// ```
    /// let x = flagstone::random::Generator::new(42).uniform::<f64>([1000, 1000], 250);
    /// assert!((x.mean(..).item()? - 0.5).abs() < 0.001);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn uniform<T: Float>(
        &mut self,
        shape: impl IntoShape,
        chunks: impl IntoChunks,
    ) -> Array<T> {
        self.next(
            Distribution::Uniform {
                low: 0.0,
                high: 1.0,
            },
            shape,
            chunks,
            Location::caller(),
        )
    }

    /// Normally distributed numbers with mean 0 and standard deviation 1, by the transform of Box and
    /// Muller ("A note on the generation of random normal deviates", 1958).
    ///
    /// ```
    /// let x = flagstone::random::Generator::new(42).normal::<f64>([1000, 1000], 250);
    /// assert!((x.std(..).item()? - 1.0).abs() < 0.01);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn normal<T: Float>(&mut self, shape: impl IntoShape, chunks: impl IntoChunks) -> Array<T> {
        self.next(
            Distribution::Normal {
                mean: 0.0,
                std: 1.0,
            },
            shape,
            chunks,
            Location::caller(),
        )
    }

    /// Exponentially distributed numbers with mean 1.
    ///
    /// ```
    /// let x = flagstone::random::Generator::new(42).exponential::<f64>([1000, 1000], 250);
    /// assert!((x.mean(..).item()? - 1.0).abs() < 0.01);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn exponential<T: Float>(
        &mut self,
        shape: impl IntoShape,
        chunks: impl IntoChunks,
    ) -> Array<T> {
        self.next(
            Distribution::Exponential { rate: 1.0 },
            shape,
            chunks,
            Location::caller(),
        )
    }

    /// Integers evenly distributed over a range, `0..6` or `1..=6`.
    ///
    /// An empty range is an error. Of a 64-bit draw the high bits decide; a range of `n` values is even
    /// to within `n / 2⁶⁴`.
    ///
    /// ```
    /// let dice = flagstone::random::Generator::new(42).integers(1..=6, [1000, 1000], 250);
    /// assert_eq!((dice.min(..).item()?, dice.max(..).item()?), (1, 6));
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn integers<T: Integer>(
        &mut self,
        range: impl std::ops::RangeBounds<T>,
        shape: impl IntoShape,
        chunks: impl IntoChunks,
    ) -> Array<T> {
        use std::ops::Bound;
        let at = Location::caller();
        let (least, greatest) = limits::<T>();
        let low = match range.start_bound() {
            Bound::Included(&low) => wide(low),
            Bound::Excluded(&low) => wide(low) + 1,
            Bound::Unbounded => least,
        };
        let high = match range.end_bound() {
            Bound::Included(&high) => wide(high) + 1,
            Bound::Excluded(&high) => wide(high),
            Bound::Unbounded => greatest + 1,
        };
        if low >= high {
            let error = Error::new(
                Kind::Value,
                format!("random integers of an empty range, from {low} up to {high}"),
            );
            return Array::from_plan(Err(error), at);
        }
        self.next(Distribution::Integers { low, high }, shape, chunks, at)
    }

    /// `true` with probability `p`.
    ///
    /// ```
    /// let x = flagstone::random::Generator::new(42).bernoulli(0.25, [1000, 1000], 250);
    /// assert!((x.mean(..).item()? - 0.25).abs() < 0.01);
    /// # Ok::<(), flagstone::Error>(())
    /// ```
    #[track_caller]
    pub fn bernoulli(
        &mut self,
        p: f64,
        shape: impl IntoShape,
        chunks: impl IntoChunks,
    ) -> Array<bool> {
        let at = Location::caller();
        if !(0.0..=1.0).contains(&p) {
            let error = Error::new(
                Kind::Value,
                format!("a probability of {p}: it must be from 0 to 1"),
            );
            return Array::from_plan(Err(error), at);
        }
        self.next(Distribution::Bernoulli { p }, shape, chunks, at)
    }

    /// Any distribution of [`rand_distr`], each element drawn from a stream of its own.
    ///
    /// ```
    /// use flagstone::random::{self, rand_distr};
    ///
    /// let poisson = rand_distr::Poisson::new(3.0_f64)?;
    /// let x = random::Generator::new(42).sample(poisson, [100, 100], 50);
    /// assert!((x.mean(..).item()? - 3.0).abs() < 0.1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn sample<T: Element>(
        &mut self,
        distribution: impl rand_distr::Distribution<T> + Send + Sync + 'static,
        shape: impl IntoShape,
        chunks: impl IntoChunks,
    ) -> Array<T> {
        let at = Location::caller();
        let function = Arc::new(Sample {
            key: self.next_key(),
            distribution,
            element: PhantomData,
        });
        generated(
            Generate::Closure {
                function,
                name: "sample",
            },
            shape.into_shape(),
            chunks.into_spec(),
            at,
        )
    }
}

/// Draws elements of any distribution, each from its own stream.
struct Sample<T, D> {
    key: Key,
    distribution: D,
    element: PhantomData<fn() -> T>,
}

impl<T: Element, D: rand_distr::Distribution<T> + Send + Sync> closure::Generator for Sample<T, D> {
    unsafe fn fill(&self, start: usize, step: isize, n: usize, out: *mut u8) {
        let mut rng = ElementRng::new(self.key, start as u64);
        for j in 0..n {
            rng.restart((start as isize + step * j as isize) as u64);
            let value = self.distribution.sample(&mut rng);
            // SAFETY: the caller has room for `n` elements of `T`.
            unsafe { out.cast::<T>().add(j).write_unaligned(value) };
        }
    }
}

/// An integer of any width.
fn wide<T: Integer>(value: T) -> i128 {
    match value.to_scalar() {
        Scalar::I8(v) => v.into(),
        Scalar::I16(v) => v.into(),
        Scalar::I32(v) => v.into(),
        Scalar::I64(v) => v.into(),
        Scalar::U8(v) => v.into(),
        Scalar::U16(v) => v.into(),
        Scalar::U32(v) => v.into(),
        Scalar::U64(v) => v.into(),
        _ => 0,
    }
}

/// The smallest and the largest integer of a type.
fn limits<T: Integer>() -> (i128, i128) {
    let bits = 8 * size_of::<T>() as u32;
    let signed = matches!(T::DTYPE.name().as_bytes()[0], b'i');
    if signed {
        (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1)
    } else {
        (0, (1i128 << bits) - 1)
    }
}
