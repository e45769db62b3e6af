use crate::base::dtype::DType;
use crate::kernel::level::Level;
use crate::kernel::reduce::fold;
use crate::kernel::{copy, elementwise, random};
use crate::op::random::{Distribution, Key};
use crate::op::reducer::*;
use crate::op::table::Op;
use std::time::Instant;

fn best(mut f: impl FnMut()) -> f64 {
    f();
    (0..7).map(|_| { let t = Instant::now(); f(); t.elapsed().as_secs_f64() }).fold(f64::MAX, f64::min)
}

#[test]
#[ignore]
fn bench() {
    let n = 1 << 20;
    let data: Vec<f64> = (0..n).map(|i| (i * 37 % 1001) as f64).collect();
    let mask: Vec<u8> = (0..n).map(|i| (i % 3 != 0) as u8).collect();
    for dtype in [DType::F64, DType::F32, DType::U8, DType::I32, DType::Complex64] {
        let n = 8 * n / dtype.size() / 2;
        for kind in [ReduceKind::Sum, ReduceKind::Mean, ReduceKind::Var { ddof: Ddof::new(0.) }, ReduceKind::Min, ReduceKind::ArgMax, ReduceKind::CountNonzero, ReduceKind::Any, ReduceKind::Norm(Norm::Two), ReduceKind::Prod] {
            for (masked, skip_nan) in [(false, false), (true, false), (false, true)] {
                if skip_nan && !dtype.is_float() { continue }
                let op = ReduceOp { kind, skip_nan };
                if op.output(dtype).is_none() { continue }
                print!("{dtype} {} masked {masked}: ", op.name());
                for level in Level::available() {
                    let f = fold(op, dtype, masked, level).unwrap();
                    let m = if masked { mask.as_ptr() } else { std::ptr::null() };
                    let mut s = f.states(1024);
                    let t = best(|| unsafe {
                        for i in 0..(n / RUN).min(512) {
                            let m = if masked { m.add(i * RUN % (1 << 19)) } else { m };
                            f.run(data.as_ptr().cast::<u8>().add(i * RUN * dtype.size()), m, RUN, 0, &mut s, 0);
                        }
                    }) / (RUN * (n / RUN).min(512)) as f64;
                    let t2 = best(|| unsafe {
                        for _ in 0..8 {
                        f.reset(&mut s, 1000);
                        f.rows(data.as_ptr().cast(), 1024, m, 1024, 128, 1000, 0, 1, &mut s);
                        }
                    }) / (8 * 128 * 1000) as f64;
                    let t3 = best(|| unsafe {
                        for _ in 0..100 {
                        f.reset(&mut s, 3);
                        f.rows(data.as_ptr().cast(), 3, m, 3, 128, 3, 0, 1, &mut s);
                        }
                    }) / (100 * 128 * 3) as f64;
                    print!("  {level:?} run {:.3} rows {:.3} tiny {:.3}", t * 1e9, t2 * 1e9, t3 * 1e9);
                }
                println!();
            }
        }
    }
    let f = fold(ReduceOp::new(ReduceKind::Sum), DType::F64, false, Level::Avx512).unwrap();
    let mut s = f.states(1024);
    let t = best(|| unsafe {
        for i in 0..1000 { f.run(data.as_ptr().cast::<u8>().add(i * 80), std::ptr::null(), 10, 0, &mut s, 0); }
    });
    println!("short runs of 10: {:.1} ns each", t * 1e6);
    let mut out = vec![0f64; n];
    for (name, d, dtype) in [("uniform", Distribution::Uniform { low: 0., high: 1. }, DType::F64), ("uniform", Distribution::Uniform { low: 0., high: 1. }, DType::F32), ("normal", Distribution::Normal { mean: 0., std: 1. }, DType::F64), ("integers", Distribution::Integers { low: 0, high: 100 }, DType::I64), ("integers", Distribution::Integers { low: 0, high: 100 }, DType::I32), ("bernoulli", Distribution::Bernoulli { p: 0.3 }, DType::Bool), ("exp", Distribution::Exponential { rate: 1.0 }, DType::F64)] {
        print!("{name} {dtype}:");
        for level in Level::available() {
            let t = best(|| unsafe { for i in 0..64 { random::fill(&d, dtype, Key { seed: 1, stream: 0 }, i * 2048, 1, 2048, out.as_mut_ptr().cast(), level) } });
            print!("  {level:?} {:.3}", t / 64. / 2048. * 1e9);
        }
        println!();
    }
    for (op, form, dtype) in [(Op::Add, elementwise::Form::Vector, DType::F64), (Op::Multiply, elementwise::Form::VectorScalar, DType::F64), (Op::Maximum, elementwise::Form::Vector, DType::F64), (Op::Sqrt, elementwise::Form::Vector, DType::F64), (Op::Floor, elementwise::Form::Vector, DType::F64), (Op::Less, elementwise::Form::VectorScalar, DType::F64), (Op::Divide, elementwise::Form::Vector, DType::F64), (Op::Divide, elementwise::Form::Vector, DType::I32), (Op::Multiply, elementwise::Form::Vector, DType::Complex128), (Op::Divide, elementwise::Form::Vector, DType::Complex128), (Op::FloorDivide, elementwise::Form::Vector, DType::F64), (Op::Remainder, elementwise::Form::VectorScalar, DType::F64), (Op::Power, elementwise::Form::VectorScalar, DType::F64), (Op::Exp, elementwise::Form::Vector, DType::F64), (Op::LogicalAnd, elementwise::Form::Vector, DType::Bool), (Op::Clip, elementwise::Form::VectorScalar, DType::F64), (Op::Sign, elementwise::Form::Vector, DType::F64),(Op::Copysign, elementwise::Form::Vector, DType::F64),(Op::Isnan, elementwise::Form::Vector, DType::F64),(Op::Heaviside, elementwise::Form::VectorScalar, DType::F64),(Op::CountOnes, elementwise::Form::Vector, DType::I64)] {
        print!("{op:?} {dtype}:");
        for level in Level::available() {
            let k = elementwise::elementwise(op, dtype, form, level).unwrap();
            let (a, b) = (data.as_ptr().cast::<u8>(), data[4096..].as_ptr().cast::<u8>());
            let t = best(|| unsafe { for _ in 0..200 { k(1000, &[a, b, b], out.as_mut_ptr().cast()) } });
            print!("  {level:?} {:.1} ps", t / 200. / 1000. * 1e12);
        }
        println!();
    }
    for (from, to) in [(DType::F64, DType::F32), (DType::I32, DType::F64), (DType::F64, DType::I32), (DType::F64, DType::I64), (DType::U8, DType::F64), (DType::F64, DType::Bool)] {
        print!("cast {from} {to}:");
        for level in Level::available() {
            let k = elementwise::cast(from, to, level);
            let a = data.as_ptr().cast::<u8>();
            let t = best(|| unsafe { for _ in 0..200 { k(1000, &[a, a, a], out.as_mut_ptr().cast()) } });
            print!("  {level:?} {:.1} ps", t / 200. / 1000. * 1e12);
        }
        println!();
    }
    print!("select f64:");
    for level in Level::available() {
        let k = elementwise::select(DType::F64, false, true, level);
        let a = data.as_ptr().cast::<u8>();
        let t = best(|| unsafe { for _ in 0..200 { k(1000, &[mask.as_ptr(), a, a], out.as_mut_ptr().cast()) } });
        print!("  {level:?} {:.1} ps", t / 200. / 1000. * 1e12);
    }
    println!();
    for item in [1, 2, 4, 8, 16] {
        let (r, c) = (200, 200);
        let t = best(|| unsafe { for _ in 0..10 { copy::copy_2d(item, r, c, data.as_ptr().cast(), [1, 1000], out.as_mut_ptr().cast(), [200, 1]) } });
        println!("transpose item {item}: {:.3} ns", t / 10. / (r * c) as f64 * 1e9);
    }
}
