//! Tasks of element-wise stages: every tile of a region, written where it belongs.

use super::bind::{Dim, bind};
use super::blocks::Inputs;
use super::prepare::Prepared;
use super::tile::{Evaluator, OutPlace, TileShape};
use crate::base::few::{Few, few};
use crate::base::region::Region;
use crate::error::Result;
use crate::graph::env::Env;
use crate::graph::stage::Fused;

/// Where one output of a region goes: the address of its first element, and strides in elements.
#[derive(Clone)]
pub struct Destination {
    pub first: *mut u8,
    pub strides: Few<isize>,
    pub size: usize,
}

/// Evaluates a program over a region and writes its outputs; an error if the run is cancelled meanwhile.
///
/// # Safety
/// Destinations must have room for the region, and nobody else may touch it meanwhile.
pub unsafe fn write(
    inputs: &Inputs<'_>,
    env: &Env,
    fused: &Fused,
    prepared: &Prepared,
    region: &Region,
    destinations: &[Destination],
) -> Result<()> {
    if region.is_empty() {
        return Ok(());
    }
    let outs: Few<Few<isize>, 1> = few(destinations
        .iter()
        .map(|destination| Few::from_slice(&destination.strides)));
    let all = 0..region.ndim();
    let binding = bind(
        inputs.graph,
        env,
        inputs,
        fused,
        region,
        std::slice::from_ref(&all),
        outs,
    );
    let mut evaluator = Evaluator::new(binding, prepared, fused, env, prepared.tile);
    let dims = evaluator.binding.dims.clone();
    let strides = evaluator.binding.outs.clone();
    let column_dim = dims.len().checked_sub(1);
    // A chain goes from memory to memory, of whatever length.
    evaluator.in_place = !prepared.steps.is_empty()
        && prepared.is_chain()
        && evaluator.reads_in_place(column_dim)
        && prepared.outputs.iter().all(|output| output.direct)
        && column_dim.is_some_and(|dim| strides.iter().all(|out| out[dim] == 1));
    let drawn = evaluator.draws_scaled(column_dim);
    let shape = if evaluator.in_place {
        long_tile(&dims)
    } else {
        tile_shape(&evaluator, &dims, prepared.tile)
    };
    let at = |index: &[usize], places: &mut Few<OutPlace, 1>| {
        let tile = TileShape {
            rows: shape
                .row_dim
                .map_or(1, |dim| shape.rows.min(dims[dim].len - index[dim])),
            columns: shape
                .column_dim
                .map_or(1, |dim| shape.columns.min(dims[dim].len - index[dim])),
            ..shape
        };
        places.clear();
        for (destination, strides) in destinations.iter().zip(&strides) {
            let offset: isize = strides
                .iter()
                .zip(index)
                .map(|(stride, &i)| stride * i as isize)
                .sum();
            places.push(OutPlace {
                first: destination
                    .first
                    .wrapping_offset(offset * destination.size as isize),
                row_stride: shape.row_dim.map_or(0, |dim| strides[dim]),
                column_stride: if tile.columns == 1 {
                    1
                } else {
                    shape.column_dim.map_or(1, |dim| strides[dim])
                },
            });
        }
        tile
    };
    let mut index: Few<usize> = Few::from_elem(0, dims.len());
    let mut next = index.clone();
    let mut places: Few<OutPlace, 1> = Few::new();
    let mut next_places = places.clone();
    let mut tile = at(&index, &mut places);
    loop {
        let mut next_tile = tile;
        let more = advance(&mut next, &dims, shape);
        if more {
            next_tile = at(&next, &mut next_places);
            // Writing waits for memory as reading does: a cache line is fetched before it is written.
            evaluator.prefetch(&next, next_tile);
            if !evaluator.in_place {
                evaluator.prefetch_places(&next_places, next_tile);
            }
        }
        // SAFETY: the tile lies within the region, for which the caller vouches.
        unsafe {
            if drawn {
                evaluator.draw_scaled(&index, tile, places[0]);
            } else {
                evaluator.run(&index, tile, &places);
            }
        }
        if !more {
            return Ok(());
        }
        inputs.stop.check()?;
        index.copy_from_slice(&next);
        std::mem::swap(&mut places, &mut next_places);
        tile = next_tile;
    }
}

/// Elements between two looks at whether the run is cancelled.
const LONG: usize = 1 << 16;

fn long_tile(dims: &[Dim]) -> TileShape {
    let column_dim = dims.len().checked_sub(1);
    let columns = column_dim.map_or(1, |dim| dims[dim].len.min(LONG));
    TileShape {
        row_dim: column_dim.and_then(|dim| dim.checked_sub(1)),
        column_dim,
        rows: (LONG / columns.max(1)).max(1),
        columns,
    }
}

/// Rows of a run of elements; squares where a leaf's elements lie along another dimension than the
/// output's, so that both sides use whole cache lines.
fn tile_shape(evaluator: &Evaluator<'_>, dims: &[Dim], most: usize) -> TileShape {
    const SQUARE: usize = 32;
    let Some(column_dim) = dims.len().checked_sub(1) else {
        return TileShape {
            row_dim: None,
            column_dim: None,
            rows: 1,
            columns: 1,
        };
    };
    let crossed = |dim: usize| {
        evaluator.binding.leaves.iter().any(|leaf| match leaf {
            super::bind::Bound::Place { linear, .. } => {
                linear.terms[dim]
                    .stride()
                    .is_some_and(|stride| stride.abs() == 1)
                    && linear.terms[column_dim].stride() != Some(0)
            }
            _ => false,
        })
    };
    let row_dim = (0..column_dim)
        .rev()
        .find(|&dim| dims[dim].len > 1 && crossed(dim));
    match row_dim {
        Some(dim) => {
            let columns = dims[column_dim]
                .len
                .min(SQUARE.max(most / dims[dim].len.max(1)));
            TileShape {
                row_dim,
                column_dim: Some(column_dim),
                rows: (most / columns).max(1),
                columns,
            }
        }
        None => {
            let columns = dims[column_dim].len.min(most);
            TileShape {
                row_dim: column_dim.checked_sub(1),
                column_dim: Some(column_dim),
                rows: (most / columns.max(1)).max(1),
                columns,
            }
        }
    }
}

/// The next tile in C order; `false` after the last one.
fn advance(index: &mut [usize], dims: &[Dim], shape: TileShape) -> bool {
    for dim in (0..dims.len()).rev() {
        let step = if Some(dim) == shape.column_dim {
            shape.columns
        } else if Some(dim) == shape.row_dim {
            shape.rows
        } else {
            1
        };
        index[dim] += step;
        if index[dim] < dims[dim].len {
            return true;
        }
        index[dim] = 0;
    }
    false
}
