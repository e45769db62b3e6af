//! What a workload works on: numbers that are made, or those of files.

use std::collections::HashMap;
use std::error::Error;
use std::path::{Path, PathBuf};

use flagstone::Array;
use ndarray::ArcArray1;

use crate::args::Options;
use crate::limit::Input;
use crate::table::{Second, Workload};

/// A matrix and its shape.
type Matrix = (Vec<usize>, ArcArray1<f64>);

/// The files that were read so far, in memory.
#[derive(Default)]
pub struct Files {
    read: HashMap<PathBuf, Matrix>,
}

impl Files {
    /// What the workload works on, in the shape that was asked for; of a file, in the file's.
    pub fn input(
        &mut self,
        workload: &Workload,
        options: &Options,
        pool: &rayon::ThreadPool,
    ) -> Result<Input, Box<dyn Error>> {
        let shape = options.shape.clone();
        let chunks = options.chunks.clone();
        let mut shape = shape.unwrap_or_else(|| workload.shape.to_vec());
        let chunks = chunks.unwrap_or_else(|| workload.chunks.to_vec());
        let given_x = match &options.x {
            Some(path) if workload.reads_x => Some(self.read(path, &options.shape)?),
            _ => None,
        };
        let given_y = match &options.y {
            Some(path) if workload.second != Second::None => Some(self.read(path, &None)?),
            _ => None,
        };
        if let Some((of_file, _)) = &given_x {
            shape.clone_from(of_file);
        }
        if let Some((of_file, y)) = &given_y {
            let wanted = match workload.second {
                Second::Row => shape[1],
                _ => shape.iter().product(),
            };
            if y.len() != wanted {
                return Err(format!("y has the shape {of_file:?} beside x of {shape:?}").into());
            }
        }
        if shape.len() != 2 || chunks.len() != 2 {
            return Err(
                format!("workloads are of two axes: shape {shape:?}, chunks {chunks:?}").into(),
            );
        }
        let given = [given_x, given_y].map(|given| given.map(|(_, values)| values));
        Ok(Input::new(
            workload,
            shape,
            chunks,
            options.seed,
            given,
            pool,
        ))
    }

    /// The file's shape and numbers; from the second time on, the same memory.
    fn read(&mut self, path: &Path, wanted: &Option<Vec<usize>>) -> Result<Matrix, Box<dyn Error>> {
        if !self.read.contains_key(path) {
            let array = Array::<f64>::from_npy(path, ..)?.compute()?;
            let shape = array.shape().to_vec();
            let values = ArcArray1::from_vec(array.into_raw_vec_and_offset().0);
            self.read.insert(path.to_owned(), (shape, values));
        }
        let (shape, values) = &self.read[path];
        if wanted.as_ref().is_some_and(|wanted| wanted != shape) {
            return Err(format!(
                "{} has the shape {shape:?}, and {wanted:?} was asked for",
                path.display()
            )
            .into());
        }
        Ok((shape.clone(), values.clone()))
    }
}
