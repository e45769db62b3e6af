use super::philox::Stream;
use super::vector::{Vector, dispatch, level};
use super::*;
use crate::table::{self, WORKLOADS};

/// Every workload, as plainly as it can be said.
fn plainly(name: &str, input: &Input) -> Answer {
    let [rows, columns] = [input.shape[0], input.shape[1]];
    let stream = Stream::new(input.seed, 0);
    let uniform: Vec<f64> = (0..(rows * columns) as u64)
        .map(|i| stream.uniform(i))
        .collect();
    if let Some(x) = &input.x {
        assert_eq!(x.as_slice().unwrap(), uniform);
    }
    let x = |i: usize, j: usize| uniform[i * columns + j];
    let column = |f: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
        (0..columns)
            .map(|j| (0..rows).map(|i| f(i, j)).sum())
            .collect()
    };
    let row = |f: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
        (0..rows)
            .map(|i| (0..columns).map(|j| f(i, j)).sum())
            .collect()
    };
    let all = |f: &dyn Fn(usize, usize) -> f64| vec![row(f).iter().sum()];
    let over =
        |n: usize, values: Vec<f64>| values.iter().map(|v| v / n as f64).collect::<Vec<f64>>();
    let size = rows * columns;
    let mean0 = over(rows, column(&x));
    let mean = over(size, all(&x))[0];
    let y = |i: usize, j: usize| input.y.as_ref().unwrap()[i * columns + j];
    Answer::Reduced(match name {
        "affine" | "affine_random" => {
            return Answer::Whole(uniform.iter().map(|x| 2.0 * x + 1.0).collect());
        }
        "task_map" | "task_submit" => {
            return Answer::Whole((0..size).map(calls::trivial).collect());
        }
        "slice_of_huge" => {
            let corner = (0..100).map(|i| stream.uniform((i / 10 * columns + i % 10) as u64) + 1.0);
            return Answer::Whole(corner.collect());
        }
        "mean0_random" | "mean0" => mean0,
        "mean0_normal" => over(
            rows,
            column(&|i, j| stream.normal((i * columns + j) as u64)),
        ),
        "affine_mean0" => over(rows, column(&|i, j| 2.0 * x(i, j) + 1.0)),
        "overhead" => vec![4.0 * size as f64],
        "sum" => all(&x),
        "mean1" => over(columns, row(&x)),
        "rechunk_sum" => row(&x),
        "std" => vec![over(size, all(&|i, j| (x(i, j) - mean).powi(2)))[0].sqrt()],
        "trig" => all(&|i, j| x(i, j).sin().powi(2) + x(i, j).cos().powi(2)),
        "softplus" => over(size, all(&|i, j| (1.0 + x(i, j).exp()).ln())),
        "residual" => all(&|i, j| (x(i, j) - mean0[j]).powi(2)),
        "global_anomaly" => over(size, all(&|i, j| (x(i, j) - mean).powi(2))),
        "transpose_sum" => all(&|i, j| x(i, j) + x(j, i)),
        "mismatched" => all(&|i, j| x(i, j) + y(i, j)),
        "double_diff" => all(&|i, j| {
            if i == 0 || j == 0 {
                0.0
            } else {
                x(i, j) - y(i - 1, j - 1)
            }
        }),
        "matmul" => (0..size)
            .map(|at| {
                let (i, j) = (at / columns, at % columns);
                (0..columns).map(|k| x(i, k) * y(k, j)).sum()
            })
            .collect(),
        "tall" => over(rows, column(&|i, j| x(i, j) + input.y.as_ref().unwrap()[j])),
        "tiny_blocks" => all(&|i, j| (x(i, j) + 1.0) * 2.0),
        "opaque_blocks" => all(&|i, j| x(i, j) + 1.0),
        "moments" => {
            let std = over(rows, column(&|i, j| (x(i, j) - mean0[j]).powi(2)));
            let std: Vec<f64> = std.iter().map(|v| v.sqrt()).collect();
            let extreme = |f: fn(f64, f64) -> f64| -> Vec<f64> {
                (0..columns)
                    .map(|j| (0..rows).map(|i| x(i, j)).reduce(f).unwrap())
                    .collect()
            };
            [mean0, std, extreme(f64::min), extreme(f64::max)].concat()
        }
        _ => panic!("{name} is missing here"),
    })
}

#[test]
fn workloads_agree_with_plain_loops() {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(3)
        .build()
        .unwrap();
    for workload in WORKLOADS {
        let shapes: &[[usize; 2]] = match workload.name {
            "tall" => &[[1, 3], [70_001, 3]],
            "matmul" | "transpose_sum" => &[[1, 1], [17, 17], [300, 300], [531, 531]],
            "slice_of_huge" => &[[12, 1_000], [17, 33]],
            _ => &[[1, 1], [3, 70], [61, 531], [1027, 64], [40, 2301]],
        };
        for shape in shapes {
            let input = Input::new(
                workload,
                shape.to_vec(),
                vec![10, 7],
                7,
                [None, None],
                &pool,
            );
            let plain = checksum(workload.name, &input, &plainly(workload.name, &input));
            let fast = run(workload.name, &input, &pool).checksum;
            assert!(
                fast.agrees(&plain),
                "{} {shape:?} {:?}: {fast:?} {plain:?}",
                workload.name,
                level()
            );
        }
    }
    assert!(table::find("sum").is_some() && table::find("none").is_none());
}

#[inline(always)]
fn functions_body<V: Vector>(x: f64) -> [f64; 6] {
    let v = V::splat(x);
    let (sin, cos) = math::sin_cos(v);
    let (sin_turns, cos_turns) = math::sin_cos_turns(v);
    let all = [math::exp(v), math::log(v), sin, cos, sin_turns, cos_turns];
    all.map(|value| value.reduce_add() / V::LANES as f64)
}

dispatch! {
    fn functions(x: f64) -> [f64; 6] = functions_body;
}

#[test]
fn functions_are_accurate() {
    // Without FMA, the reduced argument of sine and cosine has a rounding more.
    let stream = Stream::new(3, 0);
    for i in 0..200_000 {
        let x = stream.uniform(i) * if i % 2 == 0 { 1.0 } else { 20.0 } + 1e-9;
        let turns = (x * 4.0).fract() / 4.0 * std::f64::consts::TAU;
        let [exp, log, sin, cos, sin_turns, _] = functions(x);
        assert!((exp - x.exp()).abs() <= 4e-16 * x.exp(), "exp {x}");
        assert!((log - x.ln()).abs() <= 4e-16 * x.ln().abs(), "log {x}");
        assert!((sin - x.sin()).abs() <= 3e-16, "sin {x}");
        assert!((cos - x.cos()).abs() <= 3e-16, "cos {x}");
        if x < 0.25 {
            assert!((sin_turns - turns.sin()).abs() <= 4e-16, "sin of {x} turns");
        }
    }
}

#[test]
fn far_counters_are_those_of_single_elements() {
    // Across the point where the low half of the block number runs over.
    let stream = Stream::new(11, 5);
    let first = (1u64 << 33) - 77;
    let values = random::uniform(&stream, 5);
    assert_eq!(
        values,
        (0..5).map(|i| stream.uniform(i)).collect::<Vec<_>>()
    );
    let mut sums = vec![0.0; 200];
    random::add_uniform(&stream, first, &mut sums);
    for (i, sum) in sums.iter().enumerate() {
        assert_eq!(
            sum * (1.0 / (1u64 << 53) as f64),
            stream.uniform(first + i as u64),
            "{i}"
        );
    }
}
