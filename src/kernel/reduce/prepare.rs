//! Makes the terms of a reduction of its values, with the elementwise kernels.

use std::mem::MaybeUninit;
use std::ops::Range;
use std::slice::from_raw_parts;

use num_complex::Complex;
use smallvec::smallvec;

use super::Rows;
use super::lanes::{Loops, PASS};
use super::monoid::{Moment, Monoid};
use crate::base::dtype::DType;
use crate::base::few::Few;
use crate::base::scalar::Scalar;
use crate::kernel::elementwise::{Form, TileFn, cast, elementwise, select};
use crate::kernel::level::{Level, level_functions};
use crate::op::reducer::LANES;
use crate::op::scalar::{Any, with_class};
use crate::op::table::Op;

/// Terms that are prepared at once: they stay in the first-level cache until they are folded.
pub const CHUNK: usize = 256;

/// Room for a chunk of terms of any type.
#[repr(align(64))]
pub struct Buffer(MaybeUninit<[[u64; 2]; CHUNK]>);

impl Buffer {
    pub fn new() -> Buffer {
        Buffer(MaybeUninit::uninit())
    }

    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.0.as_mut_ptr().cast()
    }
}

/// One value of any type, as the kernels want it.
#[repr(align(16))]
pub struct Value([u8; 16]);

impl Value {
    pub fn new(value: impl Into<Scalar>) -> Value {
        Value(value.into().to_bytes())
    }

    pub fn as_ptr(&self) -> *const u8 {
        self.0.as_ptr()
    }
}

enum Step {
    /// A kernel of one operand, or of two which are the same.
    Map(TileFn),
    /// A kernel that replaces NaN by a neutral value.
    ReplaceNan(TileFn, Value),
    /// A choice by the mask between the values and a neutral one.
    Neutralize(TileFn, Value),
    /// The mask and the values, both `bool`.
    AndMask(TileFn),
    /// The mask itself.
    TakeMask,
}

/// How the values of one type become terms.
pub struct Prepare {
    from: DType,
    to: DType,
    /// Most have one, for a mask.
    steps: Few<Step, 1>,
    level: Level,
}

impl Prepare {
    /// The values themselves.
    pub fn new(from: DType, level: Level) -> Prepare {
        Prepare {
            from,
            to: from,
            steps: Few::new(),
            level,
        }
    }

    /// The type of the values.
    pub fn dtype(&self) -> DType {
        self.from
    }

    /// Replaces NaN by a value of the current type.
    pub fn replace_nan(mut self, by: Scalar) -> Prepare {
        let kernel = with_class!(Inexact, self.to, T => pick_replace_nan::<T>(self.level))
            .expect("only floating-point numbers can be NaN");
        self.steps.push(Step::ReplaceNan(kernel, Value::new(by)));
        self
    }

    /// Converts to a type. Unsigned integers of 64 bits count as signed ones: their sums have the
    /// same bits.
    pub fn convert(mut self, to: DType) -> Prepare {
        if self.to != to && (self.to, to) != (DType::U64, DType::I64) {
            self.steps.push(Step::Map(cast(self.to, to, self.level)));
        }
        self.to = to;
        self
    }

    /// Applies an operation of one operand.
    pub fn map(mut self, op: Op) -> Prepare {
        let kernel = elementwise(op, self.to, Form::Vector, self.level);
        self.steps.push(Step::Map(
            kernel.expect("callers know the types of operations"),
        ));
        self.to = op.output(self.to).expect("there is a kernel");
        self
    }

    /// The squares of the moduli of `float64` or `complex128` values.
    pub fn norm_square(mut self) -> Prepare {
        let kernel = match self.to {
            DType::Complex128 => pick_norm_square::<Complex<f64>>(self.level),
            _ => pick_norm_square::<f64>(self.level),
        };
        self.steps.push(Step::Map(kernel));
        self.to = DType::F64;
        self
    }

    /// Puts a neutral term where the mask is false.
    pub fn neutralize(mut self, neutral: impl Into<Scalar>) -> Prepare {
        let kernel = select(self.to, false, true, self.level);
        self.steps
            .push(Step::Neutralize(kernel, Value::new(neutral)));
        self
    }

    /// One `bool` per value that says whether it takes part. There must be a mask, or NaN skipped.
    pub fn keep(from: DType, skip_nan: bool, level: Level) -> Prepare {
        let kernel =
            |op, dtype| elementwise(op, dtype, Form::Vector, level).expect("every type has it");
        let steps = if skip_nan {
            // Only NaN differs from itself.
            smallvec![
                Step::Map(kernel(Op::Equal, from)),
                Step::AndMask(kernel(Op::LogicalAnd, DType::Bool)),
            ]
        } else {
            smallvec![Step::TakeMask]
        };
        Prepare {
            from,
            to: DType::Bool,
            steps,
            level,
        }
    }

    /// Makes `n ≤ CHUNK` terms, in `out` or where the values themselves are.
    ///
    /// # Safety
    /// `values` must be `n` values, `mask` null or `n` bytes, of the types promised; the machine must
    /// have the level.
    unsafe fn run(
        &self,
        values: *const u8,
        mask: *const u8,
        n: usize,
        out: &mut Buffer,
    ) -> *const u8 {
        debug_assert!(n <= CHUNK);
        let mut other = Buffer::new();
        let (out, other) = (out.as_mut_ptr(), other.as_mut_ptr());
        let mut current = values;
        let mut left = self.steps.iter().filter(|step| step.applies(mask)).count();
        for step in self.steps.iter().filter(|step| step.applies(mask)) {
            left -= 1;
            // The last step writes to `out`, those before alternate.
            let to = if left.is_multiple_of(2) { out } else { other };
            // SAFETY: the buffers have room for a chunk of any type; operands and result differ.
            unsafe {
                match step {
                    Step::Map(kernel) => kernel(n, &[current; 3], to),
                    Step::ReplaceNan(kernel, neutral) => {
                        kernel(n, &[current, neutral.as_ptr(), current], to);
                    }
                    Step::Neutralize(kernel, neutral) => {
                        kernel(n, &[mask, current, neutral.as_ptr()], to);
                    }
                    Step::AndMask(kernel) => kernel(n, &[mask, current, current], to),
                    Step::TakeMask => {
                        current = mask;
                        continue;
                    }
                }
            }
            current = to;
        }
        current
    }

    /// Whether values of the type are terms without more ado, if there is no mask.
    pub fn takes_as_is(&self, dtype: DType) -> bool {
        self.from == dtype && self.is_direct(std::ptr::null())
    }

    /// Whether the terms are the values.
    pub fn is_direct(&self, mask: *const u8) -> bool {
        !self.steps.iter().any(|step| step.applies(mask))
    }

    /// Folds a run in lanes and merges the lanes.
    ///
    /// # Safety
    /// `values` must be `n` values, `mask` null or `n` bytes; the terms must be of the monoid; the
    /// machine must have the level.
    pub unsafe fn fold_run<M: Monoid>(
        &self,
        monoid: M,
        values: *const u8,
        mask: *const u8,
        n: usize,
    ) -> M::State {
        let part = |start: usize, now: usize, buffer: &mut Buffer| {
            let values = values.wrapping_add(start * self.from.size());
            let mask = if mask.is_null() {
                mask
            } else {
                mask.wrapping_add(start)
            };
            // SAFETY: a part of what the caller promised.
            unsafe { self.run(values, mask, now, buffer).cast::<M::Term>() }
        };
        let mut buffer = Buffer::new();
        // SAFETY: there are as many terms as values, and the caller promised the level.
        unsafe {
            if self.is_direct(mask) {
                return monoid.fold_run(from_raw_parts(values.cast(), n), self.level);
            }
            if n <= CHUNK {
                return monoid.fold_run(from_raw_parts(part(0, n, &mut buffer), n), self.level);
            }
            let mut lanes = [monoid.identity(); LANES];
            for start in (0..n).step_by(CHUNK) {
                let now = CHUNK.min(n - start);
                let terms = from_raw_parts(part(start, now, &mut buffer), now);
                monoid.step_lanes(terms, &mut lanes, self.level);
            }
            monoid.merge_lanes(lanes)
        }
    }

    /// Folds the runs of a row, one after the other, whose values are terms.
    ///
    /// # Safety
    /// The row must have values up to the last end, which [are terms](Prepare::is_direct) of the monoid; there must be
    /// as many states as ends; the machine must have the level.
    pub unsafe fn fold_runs<M: Monoid>(
        &self,
        monoid: M,
        rows: &Rows,
        r: usize,
        ends: &[usize],
        states: &mut [M::State],
    ) {
        let terms = rows.values(r, 0, self.from).cast();
        // SAFETY: the caller's promise.
        unsafe { monoid.fold_runs(terms, ends, states, self.level) }
    }

    /// Takes rows into the states, one per column.
    ///
    /// # Safety
    /// The rows must be as wide as there are states; the terms must be of the monoid; the machine must
    /// have the level.
    pub unsafe fn fold_rows<M: Monoid>(&self, monoid: M, rows: &Rows, states: &mut [M::State]) {
        debug_assert_eq!(rows.width, states.len());
        let level = self.level;
        // SAFETY: the caller's promise.
        unsafe {
            self.each_pass(rows, |columns, rows| {
                monoid.step_rows(rows, &mut states[columns], level);
            });
        }
    }

    /// Hands on the terms of the rows, a few rows at a time, in order for every column: some columns,
    /// and the first term of each row there.
    ///
    /// # Safety
    /// The rows must be of the values' type; the terms must be of type `T`; the machine must have the
    /// level.
    pub unsafe fn each_pass<T>(
        &self,
        rows: &Rows,
        mut pass: impl FnMut(Range<usize>, &[*const T]),
    ) {
        let width = rows.width;
        let mut pointers: [*const T; PASS] = [std::ptr::null(); PASS];
        let passes = (0..rows.rows)
            .step_by(PASS)
            .map(|r| (r, PASS.min(rows.rows - r)));
        if self.is_direct(rows.mask) {
            for (r, n) in passes {
                for (i, pointer) in pointers[..n].iter_mut().enumerate() {
                    *pointer = rows.values(r + i, 0, self.from).cast();
                }
                pass(0..width, &pointers[..n]);
            }
            return;
        }
        let mut buffers: [Buffer; PASS] = std::array::from_fn(|_| Buffer::new());
        if rows.are_contiguous() && width * PASS <= CHUNK {
            // Short rows without gaps are prepared many at a time.
            for (r, n) in passes {
                // SAFETY: `n` whole rows, which the caller promised, make one run.
                let terms = unsafe { self.run_row(rows, r, 0, n * width, &mut buffers[0]) };
                for (i, pointer) in pointers[..n].iter_mut().enumerate() {
                    *pointer = terms.cast::<T>().wrapping_add(i * width);
                }
                pass(0..width, &pointers[..n]);
            }
            return;
        }
        for (r, n) in passes {
            for column in (0..width).step_by(CHUNK) {
                let columns = column..(column + CHUNK).min(width);
                for (i, buffer) in buffers[..n].iter_mut().enumerate() {
                    // SAFETY: a part of a row that the caller promised.
                    let terms = unsafe { self.run_row(rows, r + i, column, columns.len(), buffer) };
                    pointers[i] = terms.cast();
                }
                pass(columns, &pointers[..n]);
            }
        }
    }

    /// The terms of a part of one row.
    ///
    /// # Safety
    /// The row must have the columns, at most `CHUNK`; the machine must have the level.
    pub unsafe fn run_row(
        &self,
        rows: &Rows,
        r: usize,
        column: usize,
        width: usize,
        buffer: &mut Buffer,
    ) -> *const u8 {
        // SAFETY: the caller's promise.
        unsafe {
            self.run(
                rows.values(r, column, self.from),
                rows.mask(r, column),
                width,
                buffer,
            )
        }
    }
}

impl Step {
    fn applies(&self, mask: *const u8) -> bool {
        match self {
            Step::Map(_) | Step::ReplaceNan(..) => true,
            Step::Neutralize(..) | Step::AndMask(_) | Step::TakeMask => !mask.is_null(),
        }
    }
}

/// Calls `fold(row, number of the run, the run)` for all runs of all rows; a run is a single row.
///
pub fn each_run(
    rows: &Rows,
    ends: &[usize],
    dtype: DType,
    mut fold: impl FnMut(usize, usize, &Rows),
) {
    for r in 0..rows.rows {
        for i in 0..ends.len() {
            fold(r, i, &run(rows, r, ends, i, dtype));
        }
    }
}

/// One of the runs that end at `ends`, of row `r`, as a single row.
pub fn run(rows: &Rows, r: usize, ends: &[usize], i: usize, dtype: DType) -> Rows {
    let start = if i == 0 { 0 } else { ends[i - 1] };
    Rows {
        values: rows.values(r, start, dtype),
        mask: rows.mask(r, start),
        rows: 1,
        width: ends[i] - start,
        ..*rows
    }
}

impl Rows {
    /// Some columns of the rows.
    pub fn columns(&self, columns: Range<usize>, dtype: DType) -> Rows {
        Rows {
            values: self.values(0, columns.start, dtype),
            mask: self.mask(0, columns.start),
            width: columns.len(),
            ..*self
        }
    }

    /// Whether rows follow one another without gaps.
    fn are_contiguous(&self) -> bool {
        let width = self.width as isize;
        self.stride == width && (self.mask.is_null() || self.mask_stride == width)
    }

    pub fn values(&self, r: usize, column: usize, dtype: DType) -> *const u8 {
        let elements = r as isize * self.stride + column as isize;
        self.values
            .wrapping_offset(elements * dtype.size() as isize)
    }

    /// Null if there is no mask.
    pub fn mask(&self, r: usize, column: usize) -> *const u8 {
        if self.mask.is_null() {
            return self.mask;
        }
        self.mask
            .wrapping_offset(r as isize * self.mask_stride + column as isize)
    }
}

struct ReplaceNan<T>(std::marker::PhantomData<T>);

fn pick_replace_nan<T: Any>(level: Level) -> TileFn {
    match level {
        Level::Portable => ReplaceNan::<T>::portable,
        Level::Avx2 => ReplaceNan::<T>::avx2,
        Level::Avx512 => ReplaceNan::<T>::avx512,
    }
}

impl<T: Any> ReplaceNan<T> {
    level_functions!(unsafe fn portable, avx2, avx512(n: usize, args: &[*const u8; 3], out: *mut u8) = Self::body);

    /// # Safety
    /// As for [`TileFn`]; the second operand is one value.
    #[inline(always)]
    unsafe fn body(n: usize, args: &[*const u8; 3], out: *mut u8) {
        let (values, out): (*const T, *mut T) = (args[0].cast(), out.cast());
        // SAFETY: the contract of `TileFn`.
        unsafe {
            let by: T = args[1].cast::<T>().read();
            for i in 0..n {
                let value = values.add(i).read();
                out.add(i).write(if value.isnan() { by } else { value });
            }
        }
    }
}

struct NormSquare<T>(std::marker::PhantomData<T>);

fn pick_norm_square<T: Moment>(level: Level) -> TileFn {
    match level {
        Level::Portable => NormSquare::<T>::portable,
        Level::Avx2 => NormSquare::<T>::avx2,
        Level::Avx512 => NormSquare::<T>::avx512,
    }
}

impl<T: Moment> NormSquare<T> {
    level_functions!(unsafe fn portable, avx2, avx512(n: usize, args: &[*const u8; 3], out: *mut u8) = Self::body);

    /// # Safety
    /// As for [`TileFn`].
    #[inline(always)]
    unsafe fn body(n: usize, args: &[*const u8; 3], out: *mut u8) {
        let (values, out): (*const T, *mut f64) = (args[0].cast(), out.cast());
        for i in 0..n {
            // SAFETY: the contract of `TileFn`.
            unsafe { out.add(i).write(values.add(i).read().norm_square()) };
        }
    }
}
