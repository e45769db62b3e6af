use super::*;
use crate::kernel::elementwise::{Form, elementwise, sin_cos};
use crate::kernel::prefetch::Prefetches;
use crate::op::program::BLOCK_BYTES;
use crate::op::tree::RUN;

const NO_TERMS: RowLanes = RowLanes([-0.0; LANES]);

/// Every kind of link, with operands that advance, single ones and scratch.
fn links() -> Vec<Link> {
    let link = |does, of, operand| Link { does, of, operand };
    vec![
        link(Does::Load, Of::Elements, 0),
        link(Does::Subtract, Of::One, 2),
        link(Does::Store, Of::Elements, 4),
        link(Does::Absolute, Of::Elements, 0),
        link(Does::SquareRoot, Of::Elements, 0),
        link(Does::DivideInto, Of::Elements, 1),
        link(Does::Negate, Of::Elements, 0),
        link(Does::Add, Of::Elements, 4),
        link(Does::Store, Of::Elements, 3),
        link(Does::Square, Of::Elements, 0),
        link(Does::Multiply, Of::One, 2),
        link(Does::SubtractFrom, Of::Elements, 1),
        link(Does::Divide, Of::Elements, 3),
        link(Does::DivideInto, Of::One, 2),
        link(Does::Add, Of::One, 2),
        link(Does::AddSquare, Of::Elements, 1),
        link(Does::AddSquare, Of::One, 2),
        link(Does::Store, Of::Elements, 4),
        link(Does::LoadSquare, Of::Elements, 1),
        link(Does::Add, Of::Elements, 4),
    ]
}

/// What the chain stores, and what it leaves in the accumulator.
fn expected(x: f64, y: f64, s: f64) -> (f64, f64) {
    let scratch = x - s;
    let stored = -(y / scratch.abs().sqrt()) + scratch;
    let last = (y - stored * stored * s) / stored;
    (stored, y * y + (s / last + s + y * y + s * s))
}

struct Data {
    x: Vec<f64>,
    y: Vec<f64>,
    s: f64,
    stored: Vec<f64>,
    scratch: Vec<u64>,
}

impl Data {
    fn new(n: usize) -> Data {
        let numbers = |seed: u64| {
            let number = move |i: u64| {
                let bits = (i + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                (bits >> 11) as f64 / (1u64 << 53) as f64 - 0.3
            };
            (0..n as u64).map(number).collect::<Vec<f64>>()
        };
        Data {
            x: numbers(1),
            y: numbers(77),
            s: 0.7,
            stored: vec![f64::NAN; n],
            scratch: vec![0; BLOCK_BYTES / 8],
        }
    }

    /// From an element on, with so many of them from a row to the next.
    fn operands(&mut self, from: usize, row: usize) -> Vec<Operand> {
        let row = (row * size_of::<f64>()) as isize;
        let vector = |slice: &[f64]| Operand::vector(slice[from..].as_ptr().cast()).rows(row);
        let s: *const f64 = &self.s;
        vec![
            vector(&self.x),
            vector(&self.y),
            Operand::single(s.cast()),
            Operand::vector(self.stored[from..].as_mut_ptr().cast::<u8>()).rows(row),
            Operand::scratch(self.scratch.as_mut_ptr().cast()),
        ]
    }

    fn expected(&self, i: usize) -> (f64, f64) {
        expected(self.x[i], self.y[i], self.s)
    }
}

fn levels() -> impl Iterator<Item = Level> {
    Level::available().filter(|level| *level != Level::Portable)
}

#[test]
fn every_link_is_computed_at_every_length_and_alignment() {
    for level in levels() {
        let run = chain(DType::F64, level).unwrap();
        for n in (0..140).chain([1000]) {
            let from = n % 5;
            let mut data = Data::new(n + 8);
            let operands = data.operands(from, 0);
            // SAFETY: the operands have `n` elements from there on.
            unsafe { run(&links(), &operands, n) };
            for i in 0..data.x.len() {
                let (stored, _) = data.expected(i);
                if (from..from + n).contains(&i) {
                    assert_eq!(
                        data.stored[i].to_bits(),
                        stored.to_bits(),
                        "{level:?} {n} {i}"
                    );
                } else {
                    assert!(data.stored[i].is_nan(), "{level:?} {n}: {i} was written");
                }
            }
        }
    }
}

#[test]
fn single_precision_is_computed_in_single_precision() {
    let links = [
        (Does::Load, 0),
        (Does::Multiply, 1),
        (Does::Add, 0),
        (Does::Store, 2),
    ];
    let links = links.map(|(does, operand)| Link {
        does,
        of: Of::Elements,
        operand,
    });
    for level in levels() {
        let run = chain(DType::F32, level).unwrap();
        for n in [0, 1, 7, 8, 9, 64, 71, 200] {
            let x: Vec<f32> = (0..n).map(|i| 0.1 + i as f32).collect();
            let y: Vec<f32> = (0..n).map(|i| 1.0 / (1 + i) as f32).collect();
            let mut out = vec![0f32; n];
            let operands = [
                Operand::vector(x.as_ptr().cast()),
                Operand::vector(y.as_ptr().cast()),
                Operand::vector(out.as_mut_ptr().cast::<u8>()),
            ];
            // SAFETY: the operands have `n` elements.
            unsafe { run(&links, &operands, n) };
            let expected: Vec<f32> = x.iter().zip(&y).map(|(x, y)| x * y + x).collect();
            assert_eq!(out, expected, "{level:?} {n}");
        }
    }
}

/// A run's sum in the order of the contract, slowly.
fn sum_of(terms: &[f64]) -> f64 {
    let mut lanes = vec![-0.0; 16];
    for (i, term) in terms.iter().enumerate() {
        lanes[i % 16] += term;
    }
    while lanes.len() > 1 {
        let half = lanes.len() / 2;
        lanes = (0..half).map(|j| lanes[j] + lanes[j + half]).collect();
    }
    lanes[0]
}

#[test]
fn runs_are_summed_in_lanes() {
    for (level, near) in levels().flat_map(|level| [(level, false), (level, true)]) {
        let sums = sums(&links(), level).unwrap();
        let sum = if near { sums.near_runs } else { sums.runs };
        for lens in [
            vec![0],
            vec![1],
            vec![15, 16, 17],
            vec![RUN, RUN, 100],
            vec![33, 0, 31, 129],
        ] {
            let ends: Vec<usize> = (1..=lens.len())
                .map(|runs| lens[..runs].iter().sum())
                .collect();
            let n = *ends.last().unwrap();
            let mut data = Data::new(n + 1);
            let operands = data.operands(1, 0);
            let mut sums = vec![f64::NAN; ends.len()];
            // SAFETY: the operands have `n` elements, and there are as many sums as ends.
            unsafe { sum(&links(), &operands, &ends, &mut sums) };
            let mut start = 0;
            for (run, &end) in ends.iter().enumerate() {
                let terms: Vec<f64> = (start..end).map(|i| data.expected(i + 1).1).collect();
                assert_eq!(
                    sums[run].to_bits(),
                    sum_of(&terms).to_bits(),
                    "{level:?} {lens:?} {run}"
                );
                start = end;
            }
        }
    }
}

#[test]
fn rows_are_added_one_after_the_other() {
    for level in levels() {
        let add_rows = sums(&links(), level).unwrap().add_rows;
        for (rows, n, apart) in [(0, 5, 5), (1, 1, 1), (7, 3, 4), (8, 64, 64), (19, 77, 90)] {
            let mut data = Data::new(rows * apart + n);
            let operands = data.operands(0, apart);
            let mut sums: Vec<f64> = (0..n).map(|column| column as f64).collect();
            // SAFETY: the operands have the rows, and there are `n` sums.
            unsafe { add_rows(&links(), &operands, rows, n, sums.as_mut_ptr()) };
            for (column, sum) in sums.iter().enumerate() {
                let terms = (0..rows).map(|row| data.expected(row * apart + column).1);
                let expected = terms.fold(column as f64, |sum, term| sum + term);
                assert_eq!(
                    sum.to_bits(),
                    expected.to_bits(),
                    "{level:?} {rows} {n} {column}"
                );
            }
        }
    }
}

#[test]
fn operands_across_are_turned() {
    const ROWS: usize = 19;
    const SIZE: isize = size_of::<f64>() as isize;
    for level in levels() {
        let crossed = sums(&links(), level).unwrap().crossed;
        for n in (0..40).chain([100, RUN]) {
            let mut data = Data::new(ROWS * (n + 3) + (n + 1) * (ROWS + 5));
            // x row after row, y column after column.
            let (row, column) = (n + 3, ROWS + 5);
            let mut operands = data.operands(0, 0);
            operands[0] = operands[0].rows(row as isize * SIZE).columns(SIZE);
            operands[1] = operands[1].rows(SIZE).columns(column as isize * SIZE);
            // A sum stores nothing but scratch.
            let mut more = vec![0u64; BLOCK_BYTES / 8];
            operands[3] = Operand::scratch(more.as_mut_ptr().cast());
            let mut upcoming = Prefetches::default();
            upcoming.add(data.x.as_ptr().cast(), 200);
            let mut lanes = [NO_TERMS; ROWS];
            let asking = Asking::new(&mut upcoming, 1);
            let mut part = Crossed {
                operands: &operands,
                n,
                lanes: &mut lanes,
            };
            // SAFETY: the operands have the rows and the columns.
            unsafe { crossed(&links(), &mut part, None, asking) };
            for (r, RowLanes(lanes)) in lanes.into_iter().enumerate() {
                let term = |c: usize| {
                    let (x, y) = (data.x[r * row + c], data.y[c * column + r]);
                    expected(x, y, data.s).1
                };
                let terms: Vec<f64> = (0..n).map(term).collect();
                let sum = crate::kernel::reduce::sum_of_lanes(lanes);
                assert_eq!(sum.to_bits(), sum_of(&terms).to_bits(), "{level:?} {n} {r}");
            }
            // For every whole block.
            let asks = ROWS / 8 * (n / 8);
            assert_eq!(upcoming.lines(), 4usize.saturating_sub(asks));
        }
    }
}

/// The same sums as of each part alone: where both load the same two operands, where one of them has another one, and of a
/// chain that stores some of what it computes.
#[test]
fn two_parts_across_each_other_are_turned_together() {
    const SIZE: isize = size_of::<f64>() as isize;
    let binary = |first, second, does| {
        let of = Of::Elements;
        let link = |does, operand| Link { does, of, operand };
        vec![
            link(Does::Load, first),
            link(does, second),
            Link::alone(Does::Square),
        ]
    };
    let programs = [
        links().to_vec(),
        binary(0, 1, Does::Subtract),
        binary(1, 0, Does::SubtractFrom),
        binary(0, 0, Does::Add),
        binary(0, 2, Does::AddSquare),
    ];
    let sides = [
        [0, 9],
        [5, 7],
        [8, 8],
        [16, 3],
        [19, 40],
        [40, 19],
        [67, 128],
    ];
    let cases = programs
        .iter()
        .flat_map(|links| sides.map(|sides| (links, sides)));
    for (level, (links, [rows, n])) in levels().flat_map(|l| cases.clone().map(move |c| (l, c))) {
        let crossed = sums(links, level).unwrap().crossed;
        // x is a matrix of as many rows as columns, of which each part reads a corner, straight and across.
        let row = rows.max(n) + 3;
        let mut data = Data::new(row * row);
        let (mut more, mut other) = ([0u64; BLOCK_BYTES / 8], [0u64; BLOCK_BYTES / 8]);
        let mut operands = data.operands(0, 0);
        operands[0] = operands[0].rows(row as isize * SIZE).columns(SIZE);
        operands[1] = Operand::vector(data.x.as_ptr().cast());
        operands[1] = operands[1].rows(SIZE).columns(row as isize * SIZE);
        operands[2] = Operand::vector(data.y.as_ptr().cast());
        operands[2] = operands[2].rows(SIZE).columns(row as isize * SIZE);
        operands[3] = Operand::scratch(more.as_mut_ptr().cast());
        let mut opposite = operands.clone();
        opposite[3] = Operand::scratch(other.as_mut_ptr().cast());
        let [mut first, mut alone] = [(); 2].map(|()| vec![NO_TERMS; rows]);
        let mut also_alone = vec![NO_TERMS; n];
        let mut turned = [(); 2].map(|()| vec![TurnedLanes([[-0.0; 8]; 8]); n.div_ceil(8)]);
        let part = |operands, n, lanes| Crossed { operands, n, lanes };
        // SAFETY: the operands have the rows and the columns of both.
        unsafe {
            let mut one = part(&operands, n, &mut first);
            let mut two = Opposite {
                operands: &opposite,
                shape: [n, rows],
                lanes: turned.each_mut().map(|lanes| &mut lanes[..]),
            };
            crossed(links, &mut one, Some(&mut two), Asking::default());
            let mut one = part(&operands, n, &mut alone);
            crossed(links, &mut one, None, Asking::default());
            let mut one = part(&opposite, rows, &mut also_alone);
            crossed(links, &mut one, None, Asking::default());
        }
        let second: Vec<_> = (0..n)
            .map(|row| {
                RowLanes(std::array::from_fn(|lane| {
                    turned[lane / 8][row / 8].0[lane % 8][row % 8]
                }))
            })
            .collect();
        let bits = |lanes: &[RowLanes]| {
            lanes
                .iter()
                .flat_map(|lanes| lanes.0.map(f64::to_bits))
                .collect::<Vec<_>>()
        };
        assert_eq!(bits(&first), bits(&alone), "{level:?} {links:?} {rows} {n}");
        assert_eq!(
            bits(&second),
            bits(&also_alone),
            "{level:?} {links:?} {rows} {n}"
        );
    }
}

#[test]
fn there_are_no_chains_without_wide_registers() {
    assert!(chain(DType::F64, Level::Portable).is_none());
    assert!(chain(DType::I64, Level::Avx2).is_none());
    assert!(sums(&links(), Level::Portable).is_none());
}

/// Angles of all kinds: near ones, now and then one that is far, no number or a zero.
fn angles(n: usize, far: bool) -> Vec<f64> {
    let special = [
        1e6,
        -0.0,
        1e22,
        f64::NAN,
        210_000.5,
        f64::INFINITY,
        -2e5,
        0.0,
    ];
    let angle = |i: usize| match i % 13 {
        5 if far => special[i / 13 % special.len()],
        _ => (i as f64 * 0.77).exp2().fract() * 400.0 - i as f64,
    };
    (0..n).map(angle).collect()
}

#[test]
fn sines_and_cosines_are_those_of_their_kernels() {
    let link = |does, operand| Link {
        does,
        of: Of::Elements,
        operand,
    };
    let links = [
        link(Does::LoadAhead, 0),
        link(Does::SinCos, 1),
        link(Does::Multiply, 2),
        link(Does::Store, 2),
        link(Does::Add, 1),
    ];
    for (level, far) in levels().flat_map(|level| [(level, false), (level, true)]) {
        let Some(chains) = with_functions(level) else {
            continue;
        };
        let run = chains.run;
        for n in (0..140).chain([1000]) {
            let x = angles(n, far);
            let mut both = [vec![0f64; n], vec![0f64; n]];
            let outs = both.each_mut().map(|out| out.as_mut_ptr().cast());
            let kernel = sin_cos(DType::F64, level).unwrap();
            // SAFETY: all have `n` elements.
            unsafe { kernel(n, x.as_ptr().cast(), outs) };
            let [sines, cosines] = both;
            let factor = |i: usize| 1.0 + i as f64;
            let mut stored: Vec<f64> = (0..n).map(factor).collect();
            let mut result = vec![f64::NAN; n];
            let operands = [
                Operand::vector(x.as_ptr().cast()),
                Operand::vector(result.as_mut_ptr().cast::<u8>()),
                Operand::vector(stored.as_mut_ptr().cast::<u8>()),
            ];
            // SAFETY: as above.
            unsafe { run(&links, &operands, n) };
            for i in 0..n {
                assert_eq!(
                    result[i].to_bits(),
                    cosines[i].to_bits(),
                    "{level:?} {n} {i}"
                );
                let product = sines[i] * factor(i);
                assert_eq!(stored[i].to_bits(), product.to_bits(), "{level:?} {n} {i}");
            }
            let terms: Vec<f64> = (0..n).map(|i| sines[i] + cosines[i]).collect();
            let links = [links[0], links[1], link(Does::Add, 1)];
            let in_registers = links.map(|link| match link.does {
                Does::LoadAhead => link,
                _ => Link {
                    of: Of::Second,
                    ..link
                },
            });
            let mut scratch = [0u64; BLOCK_BYTES / 8];
            let operands = [
                Operand::vector(x.as_ptr().cast()),
                Operand::scratch(scratch.as_mut_ptr().cast()),
            ];
            // Runs that end within blocks, with them, and at once.
            let ends = [n / 9, n / 9, n / 4, n / 3, n];
            for links in [links, in_registers] {
                let mut sums = [0.0; 5];
                // SAFETY: as above, and there are as many sums as ends.
                unsafe { chains.sum(&links)(&links, &operands, &ends, &mut sums) };
                let mut start = 0;
                for (sum, end) in sums.into_iter().zip(ends) {
                    let expected = sum_of(&terms[start..end]);
                    start = end;
                    assert_eq!(
                        sum.to_bits(),
                        expected.to_bits(),
                        "{level:?} {n} {far} {links:?} up to {end}"
                    );
                }
            }
        }
    }
}

/// Numbers on both sides of those whose exponentials are normal, and of those that are normal themselves; now and then
/// one of each kind that is not.
fn exponents(n: usize, special: bool) -> Vec<f64> {
    let specials = [
        709.5,
        -746.0,
        f64::NAN,
        f64::INFINITY,
        -0.0,
        f64::NEG_INFINITY,
        1e-310,
        0.0,
        -1e300,
    ];
    let number = |i: usize| match i % 11 {
        4 if special => specials[i / 11 % specials.len()],
        7 => 708.0,
        8 => f64::MIN_POSITIVE,
        _ => (i as f64 * 0.77).exp2().fract() * 1400.0 - 690.0,
    };
    (0..n).map(number).collect()
}

#[test]
fn exponentials_and_logarithms_are_those_of_their_kernels() {
    let load = Link {
        does: Does::LoadAhead,
        of: Of::Elements,
        operand: 0,
    };
    let add = Link {
        does: Does::Add,
        of: Of::One,
        operand: 1,
    };
    let alone = Link::alone;
    let (exp, log) = (alone(Does::Exp), alone(Does::Log));
    let sequences: [&[Link]; 5] = [
        &[load, exp],
        &[load, log],
        &[load, exp, add, log],
        &[load, exp, log, exp],
        &[load, alone(Does::Absolute), log, add, exp],
    ];
    let by_kernel = |op: Op, level: Level, x: &[f64]| {
        let mut y = vec![0f64; x.len()];
        let kernel = elementwise(op, DType::F64, Form::Vector, level).unwrap();
        // SAFETY: both have as many elements.
        unsafe { kernel(x.len(), &[x.as_ptr().cast(); 3], y.as_mut_ptr().cast()) };
        y
    };
    for (level, special) in levels().flat_map(|level| [(level, false), (level, true)]) {
        let Some(chains) = with_functions(level) else {
            continue;
        };
        for (n, links) in (0..140)
            .chain([1000])
            .flat_map(|n| sequences.map(|links| (n, links)))
        {
            let (x, one) = (exponents(n, special), 1f64);
            let mut terms = x.clone();
            for link in &links[1..] {
                terms = match link.does {
                    Does::Exp => by_kernel(Op::Exp, level, &terms),
                    Does::Log => by_kernel(Op::Log, level, &terms),
                    Does::Absolute => terms.iter().map(|x| x.abs()).collect(),
                    _ => terms.iter().map(|x| x + 1.0).collect(),
                };
            }
            let operands = [
                Operand::vector(x.as_ptr().cast()),
                Operand::single((&raw const one).cast()),
            ];
            // Some runs are short, so that not every one has a NaN.
            let ends = [n / 9, n / 7, n / 5, n / 4, n / 3, n];
            let mut sums = [0.0; 6];
            // SAFETY: there are as many elements as the last end, and as many sums as ends.
            unsafe { chains.sum(links)(links, &operands, &ends, &mut sums) };
            let mut start = 0;
            for (sum, end) in sums.into_iter().zip(ends) {
                let expected = sum_of(&terms[start..end]);
                start = end;
                assert!(
                    sum.to_bits() == expected.to_bits() || sum.is_nan() && expected.is_nan(),
                    "{level:?} {n} {special} {links:?}: {sum}, not {expected}"
                );
            }
        }
    }
}

/// Links that do this to operands 0 and 1, in turn, and to the single operand 2.
fn links_to(does: &[(Does, Of)]) -> Vec<Link> {
    let mut advancing = 0;
    let link = |&(does, of)| {
        let operand = match of {
            Of::One => 2,
            _ => advancing,
        };
        let link = Link { does, of, operand };
        advancing += u8::from(link.has_operand() && of != Of::One);
        link
    };
    does.iter().map(link).collect()
}

#[test]
fn known_chains_have_the_bits_of_interpreted_ones() {
    let bits = |sums: &[f64]| sums.iter().map(|sum| sum.to_bits()).collect::<Vec<_>>();
    for (level, does) in levels().flat_map(|level| known::ALL.iter().map(move |does| (level, does)))
    {
        let links = links_to(does);
        let (known, any) = (
            known::sums(&links, level).unwrap(),
            machine::sums(level).unwrap(),
        );
        for len in (0..70).chain([RUN, 300]) {
            let mut data = Data::new(2 * len + 3);
            let ends = [len / 3, len, 2 * len];
            let sum_runs = |sum: SumFn, operands: &[Operand]| {
                let mut sums = [f64::NAN; 3];
                // SAFETY: the operands have as many elements, and there are as many sums as ends.
                unsafe { sum(&links, operands, &ends, &mut sums) };
                bits(&sums)
            };
            let operands = data.operands(3, 0);
            let expected = sum_runs(any.runs, &operands);
            assert_eq!(sum_runs(known.runs, &operands), expected, "{does:?} {len}");
            assert_eq!(
                sum_runs(known.near_runs, &operands),
                expected,
                "{does:?} {len}"
            );
        }
        // Rows that follow one another, of all numbers of registers, and rows that do not.
        for (rows, n, apart) in [
            (19, 48, 48),
            (9, 64, 64),
            (8, 96, 96),
            (21, 5, 5),
            (17, 77, 80),
        ] {
            let mut data = Data::new(rows * apart + n);
            let operands = data.operands(0, apart);
            let add_rows = |add: AddRowsFn| {
                let mut sums: Vec<f64> = (0..n).map(|column| column as f64).collect();
                // SAFETY: the operands have the rows, and there are `n` sums.
                unsafe { add(&links, &operands, rows, n, sums.as_mut_ptr()) };
                bits(&sums)
            };
            assert_eq!(
                add_rows(known.add_rows),
                add_rows(any.add_rows),
                "{does:?} {rows} {n}"
            );
        }
        for n in [0, 3, 16, 29, 128] {
            let mut data = Data::new(24 * n + 24);
            let mut operands = data.operands(0, n);
            operands[0] = operands[0].columns(8);
            operands[1] = operands[1].rows(8).columns(24 * 8);
            let crossed = |add: CrossedFn| {
                let mut lanes = [NO_TERMS; 19];
                let mut part = Crossed {
                    operands: &operands,
                    n,
                    lanes: &mut lanes,
                };
                // SAFETY: the operands have the rows and the columns.
                unsafe { add(&links, &mut part, None, Asking::default()) };
                bits(lanes.map(|lanes| lanes.0).as_flattened())
            };
            assert_eq!(crossed(known.crossed), crossed(any.crossed), "{does:?} {n}");
        }
    }
}
