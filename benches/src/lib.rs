//! Benchmarks live beside this file as cargo bench targets.
