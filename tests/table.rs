//! Every row of the table of operations, for every element type, through the public methods: arrays with
//! arrays, scalars on either side, parts of arrays. All forms must give the same bits.

use flagstone::{AnyArray, Array, Complex, Element, Engine, Operand, Rule, s, where_};
use ndarray::ArrayD;

/// Bits in which all NaN are alike.
trait Bits: Element + std::fmt::Debug {
    fn bits(self) -> u128;
    /// Values that show mistakes; the same number for each type, and not a whole number of vectors.
    fn samples() -> Vec<Self>;
}

const N: usize = 75;

/// A number in which every bit of the input matters.
fn scramble(n: u64) -> u64 {
    let mut z = n
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .wrapping_add(0x1234_5678_9ABC_DEF0);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z ^ (z >> 31)
}

macro_rules! integers {
    ($($ty:ty)*) => {$(
        impl Bits for $ty {
            fn bits(self) -> u128 {
                self as u128
            }
            fn samples() -> Vec<$ty> {
                let known = [0, 1, 2, 3, 7, <$ty>::MAX, <$ty>::MIN, <$ty>::MAX - 1, <$ty>::MIN + 1, !0, !1];
                let more = (0..N as u64).map(|n| (scramble(n) >> (n % 64)) as $ty);
                known.into_iter().chain(more).take(N).collect()
            }
        }
    )*};
}
integers!(i8 i16 i32 i64 u8 u16 u32 u64);

impl Bits for bool {
    fn bits(self) -> u128 {
        self.into()
    }
    fn samples() -> Vec<bool> {
        (0..N as u64).map(|n| scramble(n) & 1 == 1).collect()
    }
}

macro_rules! floats {
    ($($ty:ident)*) => {$(
        impl Bits for $ty {
            fn bits(self) -> u128 {
                if self.is_nan() { u128::MAX } else { self.to_bits().into() }
            }
            fn samples() -> Vec<$ty> {
                let known = [
                    0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -3.0, $ty::NAN, $ty::INFINITY, $ty::NEG_INFINITY,
                    $ty::MAX, $ty::MIN, $ty::MIN_POSITIVE, $ty::MIN_POSITIVE / 8.0, $ty::EPSILON, 1e-3, 1e30,
                    std::$ty::consts::PI, -std::$ty::consts::FRAC_PI_2, 88.7, -100.0,
                ];
                let more = (0..N as u64).map(|n| {
                    let unit = (scramble(n) >> 11) as f64 / (1u64 << 53) as f64;
                    ((unit - 0.5) * 10f64.powi((n % 9) as i32 - 3)) as $ty
                });
                known.into_iter().chain(more).take(N).collect()
            }
        }

        impl Bits for Complex<$ty> {
            fn bits(self) -> u128 {
                self.re.bits() ^ self.im.bits() << 64
            }
            fn samples() -> Vec<Complex<$ty>> {
                let parts = $ty::samples();
                (0..N).map(|n| Complex::new(parts[n], parts[(n * 7 + 3) % N])).collect()
            }
        }
    )*};
}
floats!(f32 f64);

fn array<T: Bits>(values: &[T]) -> Array<T> {
    Array::from_ndarray(ndarray::Array1::from(values.to_vec()), ..)
}

#[track_caller]
fn same<T: Bits>(got: &ArrayD<T>, wanted: &ArrayD<T>, what: &str) {
    assert_eq!(got.shape(), wanted.shape(), "{what}");
    for (i, (a, b)) in got.iter().zip(wanted).enumerate() {
        assert_eq!(a.bits(), b.bits(), "{what}: {a:?} instead of {b:?} at {i}");
    }
}

/// An engine on which nothing is folded, fused or shared.
fn plain() -> Engine {
    Rule::ALL
        .iter()
        .fold(Engine::builder().threads(1), |builder, &rule| {
            builder.without(rule)
        })
        .build()
        .unwrap()
}

/// The same result for the whole, in small chunks, for parts that begin anywhere, strided and reversed.
fn unary<T: Bits, U: Bits>(
    name: &str,
    any: fn(&AnyArray) -> AnyArray,
    op: fn(&Array<T>) -> Array<U>,
) {
    let what = format!("{name} of {}", T::DTYPE);
    let values = T::samples();
    let x = array(&values);
    let whole = op(&x).compute().unwrap();
    let erased = any(&AnyArray::from(&x)).typed::<U>().unwrap();
    same(&erased.compute().unwrap(), &whole, &what);
    same(&plain().compute(&op(&x.rechunk(7))).unwrap(), &whole, &what);
    for start in [1, 5, 33, N - 1] {
        let part = op(&x.slice(s![start..])).compute().unwrap();
        same(
            &part,
            &whole.slice(s![start..]).to_owned().into_dyn(),
            &what,
        );
    }
    same(
        &op(&x.slice(s![..;-1])).compute().unwrap(),
        &whole.slice(s![..;-1]).to_owned().into_dyn(),
        &what,
    );
    same(
        &op(&x.slice(s![2..;3])).compute().unwrap(),
        &whole.slice(s![2..;3]).to_owned().into_dyn(),
        &what,
    );
    // Constants are folded by the same formula.
    for (i, &value) in values.iter().enumerate().take(24) {
        let folded = op(&Array::full([3], value, ..)).compute().unwrap();
        assert_eq!(
            folded[0].bits(),
            whole[i].bits(),
            "{what}: {value:?} folded"
        );
    }
}

/// Both operands as arrays, as a scalar, as a 0-d array, as an array of equal values, stretched.
fn binary<T: Bits, U: Bits>(
    name: &str,
    any: fn(&AnyArray, &AnyArray) -> AnyArray,
    op: fn(&Array<T>, &Array<T>) -> Array<U>,
    by_value: fn(&Array<T>, T) -> Array<U>,
) {
    let what = format!("{name} of {}", T::DTYPE);
    let values = T::samples();
    // All pairs: rows by columns.
    let (columns, rows) = (array(&values), array(&values).expand_dims(1));
    let all = op(&rows, &columns).compute().unwrap();
    let erased = any(&AnyArray::from(&rows), &AnyArray::from(&columns))
        .typed::<U>()
        .unwrap();
    same(&erased.compute().unwrap(), &all, &what);
    let (tall, wide) = (rows.broadcast_to([N, N]), columns.broadcast_to([N, N]));
    let (tall, wide) = flagstone::compute((&tall, &wide)).unwrap();
    let (tall, wide) = (
        Array::from_ndarray(tall, [9, 40]),
        Array::from_ndarray(wide, ..),
    );
    same(&op(&tall, &wide).compute().unwrap(), &all, &what);
    let turned = op(&tall.t(), &wide.t()).t();
    same(
        &turned.compute().unwrap(),
        &all,
        &format!("{what}, transposed"),
    );
    same(&plain().compute(&op(&tall, &wide)).unwrap(), &all, &what);
    let engine = plain();
    for (i, &value) in values.iter().enumerate().take(24) {
        let right = all.index_axis(ndarray::Axis(1), i).to_owned();
        let left = all.index_axis(ndarray::Axis(0), i).to_owned();
        same(
            &by_value(&columns, value).compute().unwrap(),
            &right,
            &format!("{what} with {value:?}"),
        );
        same(
            &op(&Array::from(value), &columns).compute().unwrap(),
            &left,
            &format!("{value:?} {what}"),
        );
        same(
            &engine.compute(&op(&columns, &Array::from(value))).unwrap(),
            &right,
            &format!("{what} with {value:?}"),
        );
        same(
            &engine.compute(&op(&Array::from(value), &columns)).unwrap(),
            &left,
            &format!("{value:?} {what}"),
        );
        let full = Array::full([N], value, 10);
        same(
            &op(&full, &columns).compute().unwrap(),
            &left,
            &format!("{value:?} {what}"),
        );
        let folded = by_value(&Array::full([2], values[(i * 5) % N], ..), value)
            .compute()
            .unwrap();
        assert_eq!(
            folded[0].bits(),
            all[[(i * 5) % N, i]].bits(),
            "{what}: folded with {value:?}"
        );
    }
    // Odd starts, and one operand backwards.
    let part = op(&columns.slice(s![3..]), &columns.slice(s![..N - 3;-1]))
        .compute()
        .unwrap();
    for (i, value) in part.iter().enumerate() {
        assert_eq!(
            value.bits(),
            all[[i + 3, N - 4 - i]].bits(),
            "{what}, one operand backwards, at {i}"
        );
    }
}

/// The body for each type of a class.
macro_rules! for_types {
    (Any $T:ident $body:block) => { for_types!(@ $T $body bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 C32 C64); };
    (Arith $T:ident $body:block) => { for_types!(@ $T $body i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 C32 C64); };
    (Ordered $T:ident $body:block) => { for_types!(@ $T $body bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64); };
    (Real $T:ident $body:block) => { for_types!(@ $T $body i8 i16 i32 i64 u8 u16 u32 u64 f32 f64); };
    (Bits $T:ident $body:block) => { for_types!(@ $T $body bool i8 i16 i32 i64 u8 u16 u32 u64); };
    (Integer $T:ident $body:block) => { for_types!(@ $T $body i8 i16 i32 i64 u8 u16 u32 u64); };
    (Inexact $T:ident $body:block) => { for_types!(@ $T $body f32 f64 C32 C64); };
    (Float $T:ident $body:block) => { for_types!(@ $T $body f32 f64); };
    (@ $T:ident $body:block $($ty:ident)*) => {$({ type $T = $ty; $body })*};
}
type C32 = Complex<f32>;
type C64 = Complex<f64>;

/// The rows that this file knows: class, operations of one operand, operations of two.
macro_rules! rows {
    ($($test:ident: $class:ident [$($one:ident)*] [$($two:ident)*];)*) => {
        $(#[test]
        fn $test() {
            for_types!($class T {
                $(unary::<T, _>(stringify!($one), |x| x.$one(), |x| x.$one());)*
                $(binary::<T, _>(stringify!($two), |x, y| x.$two(y), |x, y| x.$two(y), |x, y| x.$two(y));)*
            });
        })*

        const KNOWN: &[(&str, &str)] = &[$($((stringify!($one), stringify!($class)),)* $((stringify!($two), stringify!($class)),)*)*];
    };
}
rows! {
    every_type: Any
        [abs logical_not isnan isinf isfinite real imag conj]
        [equal not_equal logical_and logical_or logical_xor];
    numbers: Arith
        [negative positive square sign reciprocal]
        [add subtract multiply divide true_divide power];
    ordered: Ordered [] [maximum minimum fmax fmin less less_equal greater greater_equal];
    real_numbers: Real [floor ceil trunc round signbit] [floor_divide remainder fmod];
    bits: Bits [bitwise_invert] [bitwise_and bitwise_or bitwise_xor];
    integers: Integer [count_ones] [gcd lcm shift_left shift_right];
    inexact: Inexact
        [sqrt exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh angle] [];
    floating: Float
        [isposinf isneginf spacing degrees radians cbrt sinc]
        [copysign nextafter heaviside logaddexp logaddexp2 hypot atan2];
}

#[test]
fn conditions() {
    for_types!(Any T {
        let values = T::samples();
        let mask: Vec<bool> = (0..N).map(|n| n % 3 == 1).collect();
        let backwards: Vec<T> = values.iter().rev().copied().collect();
        let (condition, a, b) = (array(&mask), array(&values), array(&backwards));
        let picked: Vec<T> = (0..N).map(|n| if mask[n] { values[n] } else { backwards[n] }).collect();
        let wanted = ndarray::Array1::from(picked.clone()).into_dyn();
        let name = format!("where_ of {}", T::DTYPE);
        same(&where_(&condition, &a, &b).compute().unwrap(), &wanted, &name);
        let erased = AnyArray::from(&condition).where_(&AnyArray::from(&a), &AnyArray::from(&b));
        same(&erased.typed::<T>().unwrap().compute().unwrap(), &wanted, &name);
        let either = |x: &dyn Fn(usize) -> T, y: &dyn Fn(usize) -> T| -> ArrayD<T> {
            ndarray::Array1::from_iter((0..N).map(|n| if mask[n] { x(n) } else { y(n) })).into_dyn()
        };
        for (&p, &q) in values.iter().zip(&backwards).take(12) {
            same(&where_(&condition, p, &b).compute().unwrap(), &either(&|_| p, &|n| backwards[n]), &name);
            same(&where_(&condition, &a, q).compute().unwrap(), &either(&|n| values[n], &|_| q), &name);
            same(&where_(&condition, p, q).compute().unwrap(), &either(&|_| p, &|_| q), &name);
        }
        same(&where_(true, &a, &b).compute().unwrap(), &a.compute().unwrap(), &name);
        same(&where_(Array::full([N], false, 4), &a, &b).compute().unwrap(), &b.compute().unwrap(), &name);
    });
}

#[test]
fn clips() {
    for_types!(Ordered T {
        let values = T::samples();
        let x = array(&values);
        let name = format!("clip of {}", T::DTYPE);
        for (&low, &high) in values.iter().zip(values.iter().skip(3)).take(20) {
            let wanted = x.maximum(low).minimum(high).compute().unwrap();
            same(&x.clip(low, high).compute().unwrap(), &wanted, &name);
            let (lows, highs) = (Array::full([N], low, 10), array(&[high; N]));
            same(&x.clip(&lows, &highs).compute().unwrap(), &wanted, &name);
            same(&x.clip(low, &highs).compute().unwrap(), &wanted, &name);
            same(&plain().compute(&x.clip(&lows, high)).unwrap(), &wanted, &name);
            let erased = AnyArray::from(&x).clip(&AnyArray::from(&lows), &AnyArray::from(&highs));
            same(&erased.typed::<T>().unwrap().compute().unwrap(), &wanted, &name);
        }
    });
}

/// From every type to every type: the whole, parts, constants, through `AnyArray`.
#[test]
fn casts() {
    for_types!(Any T {
        let x = array(&T::samples());
        for_types!(Any U {
            let name = format!("cast of {} to {}", T::DTYPE, U::DTYPE);
            let whole = x.cast::<U>().compute().unwrap();
            same(&AnyArray::from(&x).cast::<U>().compute().unwrap(), &whole, &name);
            same(&x.rechunk(7).slice(s![..;-1]).cast::<U>().compute().unwrap(), &whole.slice(s![..;-1]).to_owned().into_dyn(), &name);
            for (i, value) in T::samples().into_iter().enumerate().take(24) {
                let folded = Array::full([2], value, ..).cast::<U>().compute().unwrap();
                assert_eq!(folded[0].bits(), whole[i].bits(), "{name}: {value:?}");
            }
        });
    });
}

#[test]
fn casts_are_rusts() {
    macro_rules! check {
        ($($T:ident: $($U:ident)*;)*) => {$($({
            let wanted: Vec<$U> = $T::samples().into_iter().map(|value| value as $U).collect();
            let got = array(&$T::samples()).cast::<$U>().compute().unwrap();
            same(&got, &ndarray::Array1::from(wanted).into_dyn(), concat!(stringify!($T), " as ", stringify!($U)));
        })*)*};
    }
    check! {
        f64: i8 i16 i32 i64 u8 u16 u32 u64 f32;
        f32: i8 i16 i32 i64 u8 u16 u32 u64 f64;
        i64: i8 i16 i32 u8 u16 u32 u64 f32 f64;
        u64: i8 i16 i32 i64 u8 u16 u32 f32 f64;
        i8: i16 i32 i64 u8 u16 u32 u64 f32 f64;
        u8: i8 i16 i32 i64 u16 u32 u64 f32 f64;
    }
}

/// Operators mean what they mean on Rust scalars.
#[test]
fn operators() {
    fn check<T: Bits + Operand<T>>(got: Array<T>, wanted: impl Fn(T) -> T) {
        let wanted: Vec<T> = T::samples().into_iter().map(wanted).collect();
        same(
            &got.compute().unwrap(),
            &ndarray::Array1::from(wanted).into_dyn(),
            "an operator",
        );
    }
    let x = array(&i32::samples());
    check(&x + 7, |v| v.wrapping_add(7));
    check(7 - &x, |v| 7i32.wrapping_sub(v));
    check(x.clone() * &x, |v| v.wrapping_mul(v));
    check(&x / 3, |v| v.wrapping_div(3));
    check(&x / -1, |v| v.wrapping_div(-1));
    check(&x / 0, |_| 0);
    check(
        100 / &x,
        |v| if v == 0 { 0 } else { 100i32.wrapping_div(v) },
    );
    check(&x % 7, |v| v.wrapping_rem(7));
    check(&x % 0, |_| 0);
    check(-&x, i32::wrapping_neg);
    check(!x.clone(), |v| !v);
    check(&x & 12 | 3 ^ &x, |v| v & 12 | 3 ^ v);
    check(&x << 3 >> 1, |v| v.wrapping_shl(3) >> 1);
    check(&x << 40, |_| 0);
    check(&x >> 40, |v| if v < 0 { -1 } else { 0 });
    let y = array(&f64::samples());
    check(2.0 * &y + 1.0, |v| 2.0 * v + 1.0);
    check(1.0 / (&y - 3.0), |v| 1.0 / (v - 3.0));
    check(&y % 0.7, |v| v % 0.7);
    let mut z = y.clone();
    z += &y;
    z -= 1.0;
    z *= 3.0;
    z /= &y;
    check(z, |v| (v + v - 1.0) * 3.0 / v);
    let b = array(&bool::samples());
    check(&b & true ^ !&b | false, |v| v & true ^ !v);
    for power in [-2, -1, 0, 1, 2, 3, 7] {
        check(x.powi(power), |v| match (power, v) {
            (0.., _) => (0..power).fold(1i32, |product, _| product.wrapping_mul(v)),
            (_, 1) => 1,
            (_, -1) => {
                if power % 2 == 0 {
                    1
                } else {
                    -1
                }
            }
            _ => 0,
        });
    }
    check(y.powi(2), |v| v * v);
    check(y.powi(-1), |v| 1.0 / v);
}

/// The table in the sources has no row that is not tested here, and no other class.
#[test]
fn every_row_is_known() {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/op/table.rs")).unwrap();
    let mut rows = 0;
    for line in text.lines().map(str::trim) {
        let mut columns = line.trim_start_matches('(').split(", ");
        let (Some(variant), Some(name), Some(arity), Some(class)) = (
            columns.next(),
            columns.next(),
            columns.next(),
            columns.next(),
        ) else {
            continue;
        };
        if !line.starts_with('(') || !matches!(arity, "Unary" | "Binary" | "Ternary" | "Choice") {
            continue;
        }
        rows += 1;
        // Those with vector code of their own have the same types as the others.
        let class = match class {
            "Elementary" => "Inexact",
            "RealElementary" => "Float",
            class => class,
        };
        let known = KNOWN.contains(&(name, class)) || matches!(name, "clip" | "where_");
        assert!(known, "{variant}: {name} of {class} is not tested");
    }
    assert_eq!(rows, KNOWN.len() + 2, "as many rows as the table has");
}
