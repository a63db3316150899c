//! Many runs on all cores, their results in the order of their seeds.

use std::{
    ops::Range,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use crate::{
    scenario::{Plan, run},
    summary::Summary,
};

/// Makes the runs of many seeds; `plan` returns the plan for each seed. Returns the summaries in
/// the order of the seeds, whichever thread made them.
pub fn run_many(seeds: Range<u64>, plan: impl Fn(u64) -> Plan + Sync) -> Vec<Summary> {
    run_each(seeds, |seed| run(&plan(seed)))
}

/// Makes the runs of many seeds; `run` makes the run of each seed. Returns the summaries in the
/// order of the seeds, whichever thread made them.
pub fn run_each(seeds: Range<u64>, run: impl Fn(u64) -> Summary + Sync) -> Vec<Summary> {
    let next = AtomicU64::new(seeds.start);
    let done = Mutex::new(Vec::new());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if !seeds.contains(&seed) {
                        return;
                    }
                    let summary = run(seed);
                    done.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(summary);
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|summary| summary.seed);
    done
}
