//! The loops: one function per operation, operand form and instruction-set level.
//!
//! The functions are provided methods of traits that every formula implements. So each belongs to
//! the formula's module, and the compiler makes one unit of code per family of operations.

use std::mem::MaybeUninit;
use std::slice::{from_raw_parts, from_raw_parts_mut};

use super::{Form, TileFn};
use crate::kernel::level::{Level, level_functions};
use crate::op::scalar::formula::{Binary, Ternary, Unary};
use crate::op::scalar::math;

// Loops write to a parameter, because only of a `&mut` parameter the compiler knows that it overlaps
// nothing else; and they call formulas, not closures, because a closure that is not inlined loses
// the instruction set of its caller.

/// # Safety
/// `pointer` must be `n` aligned elements that nobody writes while the slice lives.
#[inline(always)]
pub(super) unsafe fn vector<'a, T>(pointer: *const u8, n: usize) -> &'a [T] {
    // SAFETY: the caller's promise.
    unsafe { from_raw_parts(pointer.cast(), n) }
}

/// # Safety
/// `pointer` must be room for `n` aligned elements that nothing else refers to while the slice lives.
#[inline(always)]
pub(super) unsafe fn room<'a, T>(pointer: *mut u8, n: usize) -> &'a mut [MaybeUninit<T>] {
    // SAFETY: the caller's promise; the elements need not be initialized.
    unsafe { from_raw_parts_mut(pointer.cast(), n) }
}

/// # Safety
/// `pointer` must be one aligned element.
#[inline(always)]
pub(super) unsafe fn single<T: Copy>(pointer: *const u8) -> T {
    // SAFETY: the caller's promise.
    unsafe { *pointer.cast() }
}

/// Elements that are computed as if they were near before it is seen whether one was far.
pub(super) const SANGUINE: usize = 512;
/// Elements that are computed again if one of them was.
pub(super) const BLOCK: usize = 64;

/// The kernels of an operation of one operand.
pub trait UnaryTile<T: Copy>: Unary<T> {
    /// # Safety
    /// As for [`TileFn`].
    #[inline(always)]
    unsafe fn body<const FMA: bool>(n: usize, args: &[*const u8; 3], out: *mut u8) {
        // SAFETY: the contract of `TileFn`.
        unsafe { Self::run::<FMA>(vector(args[0], n), room(out, n)) }
    }

    #[inline(always)]
    fn run<const FMA: bool>(x: &[T], out: &mut [MaybeUninit<Self::Out>]) {
        let x = &x[..out.len()];
        for i in 0..out.len() {
            out[i].write(Self::apply::<FMA>(x[i]));
        }
    }

    level_functions!(unsafe fn portable, avx2, avx512(n: usize, args: &[*const u8; 3], out: *mut u8)
        = Self::body::<{ math::IN_BASELINE }>, Self::body::<true>);

    /// As if all values were near; whether something was far, and what is in its place is wrong.
    ///
    /// # Safety
    /// As for [`TileFn`].
    #[inline(always)]
    unsafe fn near_body(n: usize, args: &[*const u8; 3], out: *mut u8) -> bool {
        // SAFETY: the contract of `TileFn`.
        unsafe { Self::run_near(vector(args[0], n), room(out, n)) }
    }

    #[inline(always)]
    fn run_near(x: &[T], out: &mut [MaybeUninit<Self::Out>]) -> bool {
        let x = &x[..out.len()];
        let mut far = false;
        for i in 0..out.len() {
            let value = x[i];
            out[i].write(Self::near(value));
            far |= Self::is_far(value);
        }
        far
    }

    level_functions!(unsafe fn near_portable, near_avx2, near_avx512(n: usize, args: &[*const u8; 3], out: *mut u8) -> bool
        = Self::near_body);

    /// Long runs as if nothing were far; of those in which something was, the blocks in which it was
    /// once more, by the code for all values. A function of its own calls both, because the registers of a
    /// loop that shares its function with others do not hold its constants.
    ///
    /// # Safety
    /// As for [`TileFn`]; the machine must have the level.
    unsafe fn sanguine<const LEVEL: usize>(n: usize, args: &[*const u8; 3], out: *mut u8) {
        let size = |len: usize| (len * size_of::<T>(), len * size_of::<Self::Out>());
        let at = |start: usize| {
            let (x, result) = size(start);
            ([args[0].wrapping_add(x); 3], out.wrapping_add(result))
        };
        let near = [Self::near_portable, Self::near_avx2, Self::near_avx512][LEVEL];
        let all = [Self::portable, Self::avx2, Self::avx512][LEVEL];
        for start in (0..n).step_by(SANGUINE) {
            let end = (start + SANGUINE).min(n);
            let (args, out) = at(start);
            // SAFETY: a part of what the caller promised.
            if !unsafe { near(end - start, &args, out) } {
                continue;
            }
            for start in (start..end).step_by(BLOCK) {
                let n = BLOCK.min(end - start);
                let (args, out) = at(start);
                // SAFETY: as above.
                unsafe {
                    if vector::<T>(args[0], n).iter().any(|&x| Self::is_far(x)) {
                        all(n, &args, out);
                    }
                }
            }
        }
    }

    fn pick(form: Form, level: Level) -> Option<TileFn> {
        if form != Form::Vector {
            return None;
        }
        // Apart, so that what has no near values gets no code for them.
        if Self::HAS_NEAR {
            match level {
                Level::Portable if math::IN_BASELINE => return Some(Self::sanguine::<0>),
                Level::Portable => {}
                Level::Avx2 => return Some(Self::sanguine::<1>),
                Level::Avx512 => return Some(Self::sanguine::<2>),
            }
        }
        Some(match level {
            Level::Portable => Self::portable as TileFn,
            Level::Avx2 => Self::avx2,
            Level::Avx512 => Self::avx512,
        })
    }
}
impl<T: Copy, F: Unary<T>> UnaryTile<T> for F {}

/// The kernels of an operation of two operands.
pub trait BinaryTile<T: Copy>: Binary<T> {
    /// # Safety
    /// As for [`TileFn`].
    #[inline(always)]
    unsafe fn vectors<const FMA: bool>(n: usize, args: &[*const u8; 3], out: *mut u8) {
        // SAFETY: the contract of `TileFn`.
        unsafe { Self::run_vectors::<FMA>(vector(args[0], n), vector(args[1], n), room(out, n)) }
    }

    #[inline(always)]
    fn run_vectors<const FMA: bool>(x: &[T], y: &[T], out: &mut [MaybeUninit<Self::Out>]) {
        let (x, y) = (&x[..out.len()], &y[..out.len()]);
        for i in 0..out.len() {
            out[i].write(Self::apply::<FMA>(x[i], y[i]));
        }
    }

    /// # Safety
    /// As for [`TileFn`].
    #[inline(always)]
    unsafe fn vector_scalar<const FMA: bool>(n: usize, args: &[*const u8; 3], out: *mut u8) {
        // SAFETY: the contract of `TileFn`.
        unsafe { Self::run_vector_scalar::<FMA>(vector(args[0], n), single(args[1]), room(out, n)) }
    }

    #[inline(always)]
    fn run_vector_scalar<const FMA: bool>(x: &[T], y: T, out: &mut [MaybeUninit<Self::Out>]) {
        let x = &x[..out.len()];
        for i in 0..out.len() {
            out[i].write(Self::apply::<FMA>(x[i], y));
        }
    }

    /// # Safety
    /// As for [`TileFn`].
    #[inline(always)]
    unsafe fn scalar_vector<const FMA: bool>(n: usize, args: &[*const u8; 3], out: *mut u8) {
        // SAFETY: the contract of `TileFn`.
        unsafe { Self::run_scalar_vector::<FMA>(single(args[0]), vector(args[1], n), room(out, n)) }
    }

    #[inline(always)]
    fn run_scalar_vector<const FMA: bool>(x: T, y: &[T], out: &mut [MaybeUninit<Self::Out>]) {
        let y = &y[..out.len()];
        for i in 0..out.len() {
            out[i].write(Self::apply::<FMA>(x, y[i]));
        }
    }

    level_functions!(unsafe fn vv_portable, vv_avx2, vv_avx512(n: usize, args: &[*const u8; 3], out: *mut u8)
        = Self::vectors::<{ math::IN_BASELINE }>, Self::vectors::<true>);
    level_functions!(unsafe fn vs_portable, vs_avx2, vs_avx512(n: usize, args: &[*const u8; 3], out: *mut u8)
        = Self::vector_scalar::<{ math::IN_BASELINE }>, Self::vector_scalar::<true>);
    level_functions!(unsafe fn sv_portable, sv_avx2, sv_avx512(n: usize, args: &[*const u8; 3], out: *mut u8)
        = Self::scalar_vector::<{ math::IN_BASELINE }>, Self::scalar_vector::<true>);

    fn pick_ordered(form: Form, level: Level) -> Option<TileFn> {
        Some(match (form, level) {
            (Form::ScalarVector, Level::Portable) => Self::sv_portable,
            (Form::ScalarVector, Level::Avx2) => Self::sv_avx2,
            (Form::ScalarVector, Level::Avx512) => Self::sv_avx512,
            _ => return Self::pick_commutative(form, level),
        })
    }

    fn pick_commutative(form: Form, level: Level) -> Option<TileFn> {
        Some(match (form, level) {
            (Form::Vector, Level::Portable) => Self::vv_portable,
            (Form::Vector, Level::Avx2) => Self::vv_avx2,
            (Form::Vector, Level::Avx512) => Self::vv_avx512,
            (Form::VectorScalar, Level::Portable) => Self::vs_portable,
            (Form::VectorScalar, Level::Avx2) => Self::vs_avx2,
            (Form::VectorScalar, Level::Avx512) => Self::vs_avx512,
            (Form::ScalarVector, _) => return None,
        })
    }
}
impl<T: Copy, F: Binary<T>> BinaryTile<T> for F {}

/// The kernels of an operation of three operands.
pub trait TernaryTile<T: Copy>: Ternary<T> {
    /// # Safety
    /// As for [`TileFn`].
    #[inline(always)]
    unsafe fn vectors(n: usize, args: &[*const u8; 3], out: *mut u8) {
        // SAFETY: the contract of `TileFn`.
        unsafe {
            Self::run_vectors(
                vector(args[0], n),
                vector(args[1], n),
                vector(args[2], n),
                room(out, n),
            );
        }
    }

    #[inline(always)]
    fn run_vectors(x: &[T], y: &[T], z: &[T], out: &mut [MaybeUninit<Self::Out>]) {
        let (x, y, z) = (&x[..out.len()], &y[..out.len()], &z[..out.len()]);
        for i in 0..out.len() {
            out[i].write(Self::apply(x[i], y[i], z[i]));
        }
    }

    /// # Safety
    /// As for [`TileFn`].
    #[inline(always)]
    unsafe fn vector_scalars(n: usize, args: &[*const u8; 3], out: *mut u8) {
        // SAFETY: the contract of `TileFn`.
        unsafe {
            Self::run_vector_scalars(
                vector(args[0], n),
                single(args[1]),
                single(args[2]),
                room(out, n),
            );
        }
    }

    #[inline(always)]
    fn run_vector_scalars(x: &[T], y: T, z: T, out: &mut [MaybeUninit<Self::Out>]) {
        let x = &x[..out.len()];
        for i in 0..out.len() {
            out[i].write(Self::apply(x[i], y, z));
        }
    }

    level_functions!(unsafe fn vvv_portable, vvv_avx2, vvv_avx512(n: usize, args: &[*const u8; 3], out: *mut u8) = Self::vectors);
    level_functions!(unsafe fn vss_portable, vss_avx2, vss_avx512(n: usize, args: &[*const u8; 3], out: *mut u8) = Self::vector_scalars);

    fn pick(form: Form, level: Level) -> Option<TileFn> {
        Some(match (form, level) {
            (Form::Vector, Level::Portable) => Self::vvv_portable,
            (Form::Vector, Level::Avx2) => Self::vvv_avx2,
            (Form::Vector, Level::Avx512) => Self::vvv_avx512,
            (Form::VectorScalar, Level::Portable) => Self::vss_portable,
            (Form::VectorScalar, Level::Avx2) => Self::vss_avx2,
            (Form::VectorScalar, Level::Avx512) => Self::vss_avx512,
            (Form::ScalarVector, _) => return None,
        })
    }
}
impl<T: Copy, F: Ternary<T>> TernaryTile<T> for F {}
