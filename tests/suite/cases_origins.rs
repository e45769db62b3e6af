//! Where arrays come from: functions, blocks, sources, random numbers; block functions, streams, arrays
//! that are persisted, and arrays of nothing.

use flagstone::{Array, BoxError, Chunks, Region, Source, random};
use ndarray::{ArrayD, ArrayViewMutD, IxDyn};

use crate::configurations::{Check, Effort, Grid, Streamed, run_all};
use crate::data::{float, numbers};
use crate::reductions::Over;
use crate::twin::{Twin, from_index};

const SHAPE: [usize; 2] = [53, 91];

fn at(index: &[usize]) -> f64 {
    float(index.iter().fold(7, |number, &i| number * 1000 + i as u64))
}

fn expected() -> ArrayD<f64> {
    from_index(&SHAPE, at)
}

/// A generated array in the usual positions: itself, in arithmetic, sliced, transposed, reduced.
fn used(x: &Twin<f64>, grid: Grid) -> Box<dyn Check> {
    let y = numbers::<f64>(x.shape(), 1, grid.cut(x.shape(), 2));
    let part = x.slice(&[ndarray::Slice::new(3, Some(-2), -4).into(), (10..80).into()]);
    Box::new((
        x.clone(),
        &(x * 2.0) + &y,
        &part.t() - 1.0,
        x.trace(&Over::axes(&[0])),
        (x - &x.mean(&Over::axes(&[0, 1]))).std(&Over::axes(&[1])),
    ))
}

fn from_fn(grid: Grid) -> Box<dyn Check> {
    let lazy = Array::from_fn(SHAPE, grid.cut(&SHAPE, 4), |index| at(&index));
    used(
        &Twin {
            lazy,
            value: expected(),
        },
        grid,
    )
}

fn from_blocks(grid: Grid) -> Box<dyn Check> {
    let lazy = Array::from_blocks(SHAPE, grid.cut(&SHAPE, 4), |region| {
        from_index(region.shape(), |index| {
            at(&[region.start()[0] + index[0], region.start()[1] + index[1]])
        })
    });
    used(
        &Twin {
            lazy,
            value: expected(),
        },
        grid,
    )
}

/// A source whose storage is cut otherwise than its chunks, or not at all.
struct Stored {
    chunks: Chunks,
    storage: Option<Chunks>,
    cost: f64,
}

impl Source for Stored {
    type Elem = f64;
    fn shape(&self) -> &[usize] {
        &SHAPE
    }
    fn chunks(&self) -> Chunks {
        self.chunks.clone()
    }
    fn read(&self, region: &Region, mut out: ArrayViewMutD<'_, f64>) -> Result<(), BoxError> {
        assert_eq!(region.shape(), out.shape());
        for (index, value) in out.indexed_iter_mut() {
            *value = at(&[region.start()[0] + index[0], region.start()[1] + index[1]]);
        }
        Ok(())
    }
    fn storage_grid(&self) -> Option<Chunks> {
        self.storage.clone()
    }
    fn cost(&self) -> f64 {
        self.cost
    }
}

fn from_source(grid: Grid) -> Box<dyn Check> {
    let lazy = Array::from_source(Stored {
        chunks: grid.cut(&SHAPE, 3),
        storage: None,
        cost: 1.0,
    });
    used(
        &Twin {
            lazy,
            value: expected(),
        },
        grid,
    )
}

fn from_storage(grid: Grid) -> Box<dyn Check> {
    let storage = Some(Chunks::regular(&SHAPE, &[10, 33]).unwrap());
    let lazy = Array::from_source(Stored {
        chunks: grid.cut(&SHAPE, 3),
        storage,
        cost: 20.0,
    });
    used(
        &Twin {
            lazy,
            value: expected(),
        },
        grid,
    )
}

fn memory_and_source(grid: Grid) -> Box<dyn Check> {
    let source = Array::from_source(Stored {
        chunks: grid.cut(&SHAPE, 2),
        storage: None,
        cost: 1.0,
    });
    let x = Twin {
        lazy: source,
        value: expected(),
    };
    let y = numbers::<f64>(&SHAPE, 2, grid.cut(&SHAPE, 5));
    Box::new((
        &x + &y,
        &x.flip(&[0]) * &y,
        Twin::concatenate(&[x.clone(), y.clone()], 1),
        x.reshape(&[91, 53]),
    ))
}

/// Random arrays equal the same ones computed alone in one chunk.
fn random_arrays(grid: Grid) -> Box<dyn Check> {
    let chunks = grid.cut(&SHAPE, 4);
    let make = |chunks: Chunks| {
        let mut rng = random::Generator::new(3);
        let dice: Array<i32> = rng.integers(1..=6, SHAPE, &chunks);
        let heads = rng.bernoulli(0.3, SHAPE, &chunks);
        (
            rng.uniform::<f64>(SHAPE, &chunks),
            rng.normal::<f32>(SHAPE, &chunks),
            rng.exponential::<f64>(SHAPE, &chunks),
            dice,
            heads,
        )
    };
    let (a, b, c, d, e) = make(chunks);
    let whole = make(Chunks::whole(&SHAPE));
    let value = flagstone::compute(&whole).unwrap();
    Box::new((
        Twin {
            lazy: a,
            value: value.0,
        },
        Twin {
            lazy: b,
            value: value.1,
        },
        Twin {
            lazy: c,
            value: value.2,
        },
        Twin {
            lazy: d,
            value: value.3,
        },
        Twin {
            lazy: e,
            value: value.4,
        },
    ))
}

fn random_expressions(grid: Grid) -> Box<dyn Check> {
    let make = |chunks: Chunks| random::Generator::new(5).normal::<f64>(SHAPE, chunks);
    let value = make(Chunks::whole(&SHAPE)).compute().unwrap();
    used(
        &Twin {
            lazy: make(grid.cut(&SHAPE, 4)),
            value,
        },
        grid,
    )
}

fn sequences(grid: Grid) -> Box<dyn Check> {
    let chunks = |n: usize| grid.cut(&[n], 3);
    let integers = Twin {
        lazy: Array::arange(-100i16, 900, 7, chunks(143)),
        value: from_index(&[143], |i| -100 + 7 * i[0] as i16),
    };
    let floats = Twin {
        lazy: Array::arange(0.5, 30.0, 0.3, chunks(99)),
        value: from_index(&[99], |i| 0.5 + 0.3 * i[0] as f64),
    };
    let by = (5.0 - 0.1) / 99.0;
    let even = from_index(&[100], |i| {
        if i[0] == 99 {
            5.0
        } else {
            0.1 + by * i[0] as f64
        }
    });
    let even = Twin {
        lazy: Array::linspace(0.1, 5.0, 100, chunks(100)),
        value: even,
    };
    let eye = from_index(&SHAPE, |i| f64::from(i[1] as isize - i[0] as isize == 20));
    let eye = Twin {
        lazy: Array::<f64>::eye_at(53, 91, 20, grid.cut(&SHAPE, 3)),
        value: eye,
    };
    Box::new((integers.flip(&[0]), floats, even, eye.t(), eye))
}

/// Each block is told by its contents and its shape, so that merged or cut blocks would show.
fn marked(block: ndarray::ArrayViewD<'_, f64>) -> ArrayD<f64> {
    let mark = block.shape()[0] as f64 * 1000.0
        + block.shape()[1] as f64
        + block.first().copied().unwrap_or(0.0);
    block.mapv(|value| value * mark)
}

fn map_blocks(grid: Grid) -> Box<dyn Check> {
    let x = numbers::<f64>(&SHAPE, 4, grid.cut(&SHAPE, 4));
    let y = &x.t().flip(&[0]) + 1.0;
    let of_view = y.blocks(|y| y.map_blocks(marked), marked);
    let twice = of_view.blocks(|y| y.map_blocks(marked), marked);
    Box::new((
        x.blocks(|x| x.map_blocks(marked), marked),
        &twice * &y,
        x.rechunk((20, ..))
            .blocks(|x| x.map_blocks(marked), marked)
            .sum(&Over::axes(&[0])),
        of_view,
    ))
}

fn zip_blocks(grid: Grid) -> Box<dyn Check> {
    let chunks = grid.cut(&SHAPE, 4);
    let (x, y) = (
        numbers::<f64>(&SHAPE, 5, &chunks),
        numbers::<i32>(&SHAPE, 6, &chunks),
    );
    let f = |a: f64, b: i32| a + f64::from(b);
    let zipped = x.zip(
        &y,
        move |x, y| {
            x.zip_blocks(y, move |a, b| {
                assert_eq!(a.shape(), b.shape());
                ndarray::Zip::from(&a).and(&b).map_collect(|&a, &b| f(a, b))
            })
        },
        f,
    );
    Box::new((zipped.mean(&Over::axes(&[1])), zipped))
}

/// One output block per input block, of another shape.
fn map_blocks_to(grid: Grid) -> Box<dyn Check> {
    let x = numbers::<f64>(&SHAPE, 7, grid.cut(&SHAPE, 4));
    let blocks = x.lazy.chunks().num_blocks();
    let sum = |block: ndarray::ArrayViewD<'_, f64>| {
        ArrayD::from_elem(IxDyn(&[1, 1]), block.iter().sum::<f64>())
    };
    let chunks = x.lazy.chunks().clone();
    let value = from_index(&blocks, |index| {
        let region = chunks.region(index);
        x.value
            .slice_each_axis(|axis| region.range(axis.axis.index()).into())
            .iter()
            .sum::<f64>()
    });
    let sums = Twin {
        lazy: x.lazy.map_blocks_to(&blocks, 1, sum),
        value,
    };
    Box::new((&sums - 1.0, sums))
}

fn persisted(grid: Grid) -> Box<dyn Check> {
    let x = numbers::<f64>(&SHAPE, 8, grid.cut(&SHAPE, 4));
    let y = &x.t() * 2.0;
    let kept = Twin {
        lazy: y.lazy.persist().unwrap(),
        value: y.value.clone(),
    };
    assert_eq!(kept.lazy.chunks(), y.lazy.chunks());
    used(&kept.t(), grid)
}

fn streamed(grid: Grid) -> Box<dyn Check> {
    let x = numbers::<f64>(&SHAPE, 9, grid.cut(&SHAPE, 4));
    Box::new(Streamed(
        &(&x.flip(&[1]) + 1.0) - &x.mean(&Over::axes(&[0])),
    ))
}

fn streamed_transpose(grid: Grid) -> Box<dyn Check> {
    let x = numbers::<f64>(&SHAPE, 10, grid.cut(&SHAPE, 7));
    Box::new(Streamed(x.t().blocks(|x| x.map_blocks(marked), marked)))
}

fn streamed_sums(grid: Grid) -> Box<dyn Check> {
    let x = numbers::<f64>(&[70, 900], 11, grid.cut(&[70, 900], 5));
    Box::new(Streamed(x.sum(&Over::axes(&[0]))))
}

fn no_axes(_: Grid) -> Box<dyn Check> {
    let x = Twin {
        lazy: Array::from(2.5),
        value: ndarray::arr0(2.5).into_dyn(),
    };
    let all = Over::axes(&[]);
    Box::new((
        &x + &x,
        x.sum(&all),
        x.argmax(&all),
        x.var(&all),
        x.reshape(&[1, 1]).squeeze().broadcast_to(&[3, 2]),
    ))
}

fn nothing(_: Grid) -> Box<dyn Check> {
    let x = numbers::<f64>(&[4, 0, 3], 12, ..);
    let middle = Over::axes(&[1]);
    let sums = (
        x.sum(&middle),
        x.prod(&middle),
        x.mean(&middle),
        x.any(&middle),
        x.all(&middle),
    );
    let views = (
        &x.t() + 1.0,
        Twin::concatenate(&[x.clone(), x.clone()], 1),
        x.sum(&Over::axes(&[0])),
        x.reshape(&[0, 12]),
        x.var(&Over::axes(&[0, 1, 2])),
    );
    Box::new(crate::configurations::Each(vec![
        Box::new(sums),
        Box::new(views),
    ]))
}

fn more_of_nothing(_: Grid) -> Box<dyn Check> {
    let x = numbers::<f64>(&[0, 3], 13, ..);
    let row = numbers::<f64>(&[3], 14, ..);
    Box::new((
        x.blocks(|x| x.map_blocks(marked), marked),
        &x + &row,
        x.pad(&[(2, 1), (0, 1)], flagstone::Pad::Constant(4.0)),
        x.count_nonzero(&Over::axes(&[0]).keep()),
        Twin::concatenate(&[x.clone(), row.reshape(&[1, 3])], 0).max(&Over::axes(&[0])),
    ))
}

/// Reshaped and reduced, with every rule off: the reader of a block that is not there.
fn reshaped_nothing(_: Grid) -> Box<dyn Check> {
    let x = &numbers::<f64>(&[2, 0], 15, ..) + 1.0;
    let y = x.reshape(&[0, 3, 5]).reshape(&[3, 0]);
    Box::new((
        y.sum(&Over::axes(&[1])),
        y.mean(&Over::axes(&[0, 1])),
        x.reshape(&[0]).sum(&Over::axes(&[0])),
        y,
    ))
}

#[test]
fn origins() {
    run_all(
        Effort::Every,
        &[
            ("from_fn", from_fn),
            ("from_blocks", from_blocks),
            ("from_source", from_source),
            ("from storage", from_storage),
            ("memory and source", memory_and_source),
            ("random arrays", random_arrays),
            ("random expressions", random_expressions),
            ("sequences", sequences),
            ("persisted", persisted),
        ],
    );
}

#[test]
fn block_functions_and_streams() {
    run_all(
        Effort::Every,
        &[
            ("map_blocks", map_blocks),
            ("zip_blocks", zip_blocks),
            ("map_blocks_to", map_blocks_to),
            ("streamed", streamed),
            ("streamed transpose", streamed_transpose),
            ("streamed sums", streamed_sums),
        ],
    );
}

#[test]
fn of_nothing() {
    run_all(
        Effort::Every,
        &[
            ("no axes", no_axes),
            ("nothing", nothing),
            ("more of nothing", more_of_nothing),
            ("reshaped nothing", reshaped_nothing),
        ],
    );
}
