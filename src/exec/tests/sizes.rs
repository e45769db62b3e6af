//! Deep and wide.

use std::sync::Arc;

use super::*;
use crate::exec::RunOptions;

const MILLION: u32 = 1_000_000;

fn chain() -> Tasks {
    uniform(MILLION, 8, 8, |task| {
        task.checked_sub(1).into_iter().collect()
    })
}

fn independent(bytes: u64) -> Tasks {
    uniform(MILLION, bytes, bytes, |_| Vec::new())
}

#[test]
fn a_million_in_a_chain() {
    let (tasks, order) = planned(chain());
    let executor = executor(2, order.floor);
    let meter = Meter::new(order.floor);
    let work = Checked::new(&tasks, &meter, |_| Ok(()));
    executor
        .run(tasks, order, Arc::clone(&work) as _, &RunOptions::default())
        .unwrap();
    work.assert_complete();
}

#[test]
fn a_million_side_by_side() {
    for bytes in [0, 8] {
        let (tasks, order) = planned(independent(bytes));
        let executor = executor(2, 1000);
        let meter = Meter::new(executor.plan_peak(&order));
        let work = Checked::new(&tasks, &meter, |_| Ok(()));
        executor
            .run(tasks, order, Arc::clone(&work) as _, &RunOptions::default())
            .unwrap();
        work.assert_complete();
    }
}
