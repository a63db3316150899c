//! Wall time and allocations of the cases in src/typed.rs: `cargo bench -p amop-benches --bench typed`.

use amop_benches::Case;
use divan::AllocProfiler;

/// Counts allocations.
#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

#[divan::bench(args = amop_benches::typed())]
fn typed(bencher: divan::Bencher<'_, '_>, case: &Case) {
    bencher.bench_local(case.start());
}
