use rand::{Rng, RngExt};

use std::mem::MaybeUninit;

use super::philox::{Blocks, philox};
use super::*;
use crate::base::dtype::DType;
use crate::kernel::level::Level;
use crate::op::random::{Distribution, Key};

const KEY: Key = Key {
    seed: 42,
    stream: 7,
};

/// From Random123's `kat_vectors`.
#[test]
fn philox_gives_the_known_answers() {
    assert_eq!(
        philox([0; 4], [0; 2]),
        [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]
    );
    assert_eq!(
        philox([!0; 4], [!0; 2]),
        [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]
    );
    assert_eq!(
        philox(
            [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
            [0xa4093822, 0x299f31d0]
        ),
        [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1]
    );
}

#[test]
fn words_are_those_of_single_blocks_at_every_level() {
    let blocks = Blocks::new(KEY);
    // The second start carries into the upper word inside of a group.
    for start in [0, (1 << 32) - 21, u64::MAX / 2] {
        for n in (0..=200).step_by(2) {
            let expected: Vec<u64> = (0..n / 2)
                .flat_map(|i| blocks.block(start + i as u64))
                .collect();
            for level in Level::available() {
                let mut words = vec![MaybeUninit::uninit(); n];
                // SAFETY: the level is available.
                let words = unsafe { blocks.words(start, &mut words, level) };
                assert_eq!(words, expected, "{start} {n} {level:?}");
            }
        }
    }
}

fn bytes(
    distribution: &Distribution,
    dtype: DType,
    start: u64,
    step: i64,
    n: usize,
    level: Level,
) -> Vec<u8> {
    let mut out = vec![0u64; n];
    // SAFETY: room for `n` values of at most 8 bytes, aligned to 8; the level is available.
    unsafe {
        fill(
            distribution,
            dtype,
            KEY,
            start,
            step,
            n,
            out.as_mut_ptr().cast(),
            level,
        )
    };
    out.iter()
        .flat_map(|word| word.to_ne_bytes())
        .take(n * dtype.size())
        .collect()
}

#[test]
fn elements_do_not_depend_on_runs_steps_or_levels_with_fma() {
    let integers = Distribution::Integers { low: -5, high: 100 };
    for (distribution, dtype) in [
        (
            Distribution::Uniform {
                low: -1.0,
                high: 3.0,
            },
            DType::F64,
        ),
        (
            Distribution::Uniform {
                low: -1.0,
                high: 3.0,
            },
            DType::F32,
        ),
        (
            Distribution::Normal {
                mean: 1.0,
                std: 2.0,
            },
            DType::F64,
        ),
        (
            Distribution::Normal {
                mean: 1.0,
                std: 2.0,
            },
            DType::F32,
        ),
        (Distribution::Exponential { rate: 0.5 }, DType::F64),
        (Distribution::Exponential { rate: 0.5 }, DType::F32),
        (integers, DType::I8),
        (integers, DType::I16),
        (integers, DType::I32),
        (integers, DType::I64),
        (
            Distribution::Integers {
                low: i64::MIN.into(),
                high: 1 << 63,
            },
            DType::I64,
        ),
        (Distribution::Bernoulli { p: 0.3 }, DType::Bool),
    ] {
        assert!(distribution.admits(dtype));
        let (total, size) = (2000, dtype.size());
        let by_math = matches!(
            distribution,
            Distribution::Normal { .. } | Distribution::Exponential { .. }
        );
        let wholes: Vec<(Level, Vec<u8>)> = Level::available()
            .map(|level| (level, bytes(&distribution, dtype, 1000, 1, total, level)))
            .collect();
        for (level, whole) in &wholes {
            let level = *level;
            for (other, other_whole) in &wholes {
                if !by_math || level.has_own_math() == other.has_own_math() {
                    assert_eq!(whole, other_whole, "{distribution:?} {level:?} {other:?}");
                }
            }
            for (start, n) in [
                (0, 1),
                (1, 1),
                (1, 2),
                (3, 9),
                (6, 700),
                (1234, 5),
                (1990, 10),
            ] {
                let part = bytes(&distribution, dtype, 1000 + start as u64, 1, n, level);
                assert_eq!(
                    part,
                    whole[start * size..(start + n) * size],
                    "{distribution:?} {start} {n}"
                );
            }
            for (start, step, n) in [(0, 3, 600), (1999, -1, 2000), (5, 0, 3), (1500, -7, 100)] {
                let part = bytes(&distribution, dtype, 1000 + start as u64, step, n, level);
                for j in 0..n {
                    let at = (start + j as i64 * step) as usize * size;
                    assert_eq!(part[j * size..(j + 1) * size], whole[at..at + size]);
                }
            }
        }
    }
}

#[test]
fn values_are_added_as_they_are_written() {
    let doubles = |distribution: &Distribution, start: u64, n: usize, level: Level| -> Vec<f64> {
        let mut out = vec![0.0; n];
        let room = out.as_mut_ptr().cast();
        // SAFETY: room for `n` doubles; the level is available.
        unsafe { fill(distribution, DType::F64, KEY, start, 1, n, room, level) };
        out
    };
    let uniform = |low, high| Distribution::Uniform { low, high };
    let normal = Distribution::Normal {
        mean: 1.0,
        std: 2.0,
    };
    let exponential = Distribution::Exponential { rate: 0.5 };
    // The last of these has so narrow an interval that its factor would be subnormal.
    for distribution in [
        uniform(-1.0, 3.0),
        normal,
        exponential,
        uniform(0.0, 1e-300),
    ] {
        for level in Level::available() {
            // Even and odd starts, and those whose counter carries into the upper word.
            for start in [0, 1, 70, (1 << 33) - 43, (1 << 33) - 42] {
                for n in (0..=140).chain([1000, 4100]) {
                    let values = doubles(&distribution, start, n, level);
                    let each: Vec<f64> = (0..n)
                        .flat_map(|j| doubles(&distribution, start + j as u64, 1, level))
                        .collect();
                    assert_eq!(values, each, "{distribution:?} {level:?} {start} {n}");
                    let mut sums: Vec<f64> = (0..n).map(|j| j as f64 - 7.0).collect();
                    let expected: Vec<f64> = sums.iter().zip(&values).map(|(a, b)| a + b).collect();
                    // SAFETY: the level is available.
                    unsafe { add(&distribution, KEY, start, &mut sums, level) };
                    assert_eq!(sums, expected, "{distribution:?} {level:?} {start} {n}");
                }
            }
        }
    }
}

/// Own functions and the system's, of the same random bits.
#[test]
fn levels_without_fma_differ_in_the_last_bits() {
    let (normal, exponential) = (
        Distribution::Normal {
            mean: 0.0,
            std: 1.0,
        },
        Distribution::Exponential { rate: 1.0 },
    );
    for distribution in [normal, exponential] {
        let doubles = |level| -> Vec<f64> {
            bytes(&distribution, DType::F64, 0, 1, 100_000, level)
                .chunks(8)
                .map(|x| f64::from_ne_bytes(x.try_into().unwrap()))
                .collect()
        };
        let portable = doubles(Level::Portable);
        for level in Level::available() {
            for (a, b) in portable.iter().zip(doubles(level)) {
                assert!((a - b).abs() < 1e-14, "{a} {b}");
            }
        }
    }
}

#[test]
fn distributions_have_their_moments() {
    let doubles = |distribution: Distribution| -> Vec<f64> {
        let bytes = bytes(&distribution, DType::F64, 0, 1, 100_000, Level::Portable);
        bytes
            .chunks(8)
            .map(|x| f64::from_ne_bytes(x.try_into().unwrap()))
            .collect()
    };
    let moments = |values: &[f64]| {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (
            mean,
            values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / values.len() as f64,
        )
    };
    let uniform = doubles(Distribution::Uniform {
        low: 2.0,
        high: 4.0,
    });
    assert!(uniform.iter().all(|x| (2.0..4.0).contains(x)));
    let (mean, variance) = moments(&uniform);
    assert!((mean - 3.0).abs() < 0.01 && (variance - 1.0 / 3.0).abs() < 0.01);
    let (mean, variance) = moments(&doubles(Distribution::Normal {
        mean: -1.0,
        std: 3.0,
    }));
    assert!((mean + 1.0).abs() < 0.05 && (variance - 9.0).abs() < 0.2);
    let (mean, variance) = moments(&doubles(Distribution::Exponential { rate: 0.5 }));
    assert!((mean - 2.0).abs() < 0.05 && (variance - 4.0).abs() < 0.2);
    let integers = bytes(
        &Distribution::Integers {
            low: 250,
            high: 256,
        },
        DType::U8,
        0,
        1,
        6000,
        Level::Portable,
    );
    for value in 250..=255 {
        let count = integers.iter().filter(|&&x| x == value).count();
        assert!((900..1100).contains(&count), "{value}: {count}");
    }
    let coins = bytes(
        &Distribution::Bernoulli { p: 0.25 },
        DType::Bool,
        0,
        1,
        10_000,
        Level::Portable,
    );
    assert!((2300..2700).contains(&coins.iter().filter(|&&x| x == 1).count()));
}

#[test]
fn each_element_has_its_own_generator() {
    let draw = |element| ElementRng::new(KEY, element).random::<[u64; 9]>();
    assert_eq!(draw(3), draw(3));
    assert_ne!(draw(3), draw(4));
    let mut rng = ElementRng::new(KEY, 3);
    rng.next_u32();
    rng.restart(4);
    assert_eq!(rng.random::<[u64; 9]>(), draw(4));
    // Not the numbers of the array with the same key.
    let blocks = Blocks::new(KEY);
    assert!(!draw(3).contains(&blocks.block(3)[0]));
    let sample: f64 = ElementRng::new(KEY, 0).sample(rand_distr::Gamma::new(2.0, 1.0).unwrap());
    assert!(sample > 0.0);
}
