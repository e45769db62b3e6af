//! The workloads written with Flagstone, as a user would write them.

use std::error::Error;
use std::time::Instant;

use ::flagstone::{Array, Compute, Engine, Report, keep, random, s};
use ndarray::ArrayD;

use crate::engine::{Facts, Sample};
use crate::limit::calls::trivial;
use crate::limit::{Answer, Input, checksum};
use crate::table::Workload;

pub struct Flagstone {
    engine: Engine,
}

impl Flagstone {
    pub fn new(threads: usize, memory: Option<usize>) -> ::flagstone::Result<Flagstone> {
        let mut builder = Engine::builder().threads(threads);
        if let Some(bytes) = memory {
            builder = builder.memory(bytes);
        }
        Ok(Flagstone {
            engine: builder.build()?,
        })
    }

    fn one<C: Compute<Output = ArrayD<f64>>>(
        &self,
        what: C,
    ) -> ::flagstone::Result<(Answer, Report)> {
        let (result, report) = self.engine.measure(&what)?;
        Ok((Answer::Reduced(result.into_raw_vec_and_offset().0), report))
    }

    fn whole(&self, what: Array<f64>) -> ::flagstone::Result<(Answer, Report)> {
        let (result, report) = self.engine.measure(&what)?;
        Ok((Answer::Whole(result.into_raw_vec_and_offset().0), report))
    }

    /// The timed part.
    pub fn compute(
        &self,
        name: &str,
        input: &Input,
    ) -> Result<(Answer, Option<Report>), Box<dyn Error>> {
        let shape = [input.shape[0], input.shape[1]];
        let chunks = [input.chunks[0], input.chunks[1]];
        let mut rng = random::Generator::new(input.seed);
        let mut uniform = || rng.uniform::<f64>(shape, chunks);
        let strips = [(shape[0] / 100).max(1), shape[1]];
        let x = || matrix(&input.x, shape, chunks);
        let y = || matrix(&input.y, shape, chunks);
        if let Some(answer) = self.call(name, shape)? {
            return Ok((answer, None));
        }
        let (answer, report) = match name {
            "affine_random" => self.whole(2.0 * uniform() + 1.0)?,
            "mean0_random" => self.one(uniform().mean(0))?,
            "mean0_normal" => self.one(rng.normal::<f64>(shape, chunks).mean(0))?,
            "affine" => self.whole(2.0 * x() + 1.0)?,
            "sum" => self.one(x().sum(..))?,
            "mean0" => self.one(x().mean(0))?,
            "mean1" => self.one(x().mean(1))?,
            "std" => self.one(x().std(..))?,
            "trig" => self.one((x().sin().square() + x().cos().square()).sum(..))?,
            "softplus" => self.one((1.0 + x().exp()).log().mean(..))?,
            "residual" => self.one((x() - x().mean(0)).square().sum(..))?,
            "global_anomaly" => self.one((x() - x().mean(..)).square().mean(..))?,
            "transpose_sum" => self.one((x() + x().t()).sum(..))?,
            "matmul" => self.one(x().matmul(y()))?,
            "rechunk_sum" => self.one(x().rechunk(strips).sum(1))?,
            "mismatched" => {
                let rows = matrix(&input.x, shape, [strips[0], shape[1]]);
                let columns = matrix(&input.y, shape, [shape[0], (shape[1] / 100).max(1)]);
                self.one((rows + columns).sum(..))?
            }
            "moments" => {
                let x = x();
                let ((mean, std, min, max), report) =
                    self.engine
                        .measure(&(x.mean(0), x.std(0), x.min(0), x.max(0)))?;
                (
                    Answer::Reduced([mean, std, min, max].into_iter().flatten().collect()),
                    report,
                )
            }
            "double_diff" => {
                self.one((x().slice(s![1.., 1..]) - y().slice(s![..-1, ..-1])).sum(..))?
            }
            "tall" => {
                let row = array(&input.y).rechunk(chunks[1]);
                self.one((x() + row).mean(0))?
            }
            "tiny_blocks" => self.one(((x() + 1.0) * 2.0).sum(keep(..)))?,
            "opaque_blocks" => self.one(x().map_blocks(|block| &block + 1.0).sum(..))?,
            "affine_mean0" => self.one((2.0 * x() + 1.0).mean(0))?,
            "overhead" => {
                self.one(((Array::<f64>::ones(shape, chunks) + 1.0) * 2.0).sum(keep(..)))?
            }
            "slice_of_huge" => self.whole((uniform() + 1.0).slice(s![..10, ..10]))?,
            _ => return Err(format!("Flagstone has no workload {name}").into()),
        };
        Ok((answer, Some(report)))
    }

    /// The workloads that are calls of a function, not arrays.
    fn call(&self, name: &str, shape: [usize; 2]) -> ::flagstone::Result<Option<Answer>> {
        let pool = self.engine.pool();
        let numbers = 0..shape[0] * shape[1];
        let values = match name {
            "task_map" => pool.map(numbers, trivial)?,
            "task_submit" => {
                let futures = numbers.map(|i| pool.submit(move || trivial(i)));
                let futures: Vec<_> = futures.collect();
                let values = futures.into_iter().map(::flagstone::task::Future::get);
                values.collect::<::flagstone::Result<_>>()?
            }
            _ => return Ok(None),
        };
        Ok(Some(Answer::Whole(values)))
    }
}

fn array(values: &Option<ndarray::ArcArray1<f64>>) -> Array<f64> {
    let values = values
        .clone()
        .expect("the workload's row in the table says what it reads");
    Array::from_ndarray(values, ..)
}

/// The same memory as a matrix: nothing is copied.
fn matrix(
    values: &Option<ndarray::ArcArray1<f64>>,
    shape: [usize; 2],
    chunks: [usize; 2],
) -> Array<f64> {
    array(values).reshape(shape).rechunk(chunks)
}

impl crate::engine::Engine for Flagstone {
    fn name(&self) -> &'static str {
        "flagstone"
    }

    fn run(&self, workload: &Workload, input: &Input) -> Result<Sample, Box<dyn Error>> {
        let start = Instant::now();
        let (answer, report) = self.compute(workload.name, input)?;
        let seconds = start.elapsed().as_secs_f64();
        Ok(Sample {
            seconds,
            checksum: checksum(workload.name, input, &answer),
            facts: report.map_or_else(Facts::default, |report| Facts {
                tasks: Some(report.tasks),
                planned_peak_bytes: Some(report.planned_peak_bytes),
                held_peak_bytes: Some(report.held_peak_bytes),
                bytes_read: Some(report.bytes_read),
            }),
        })
    }
}
