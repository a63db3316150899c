//! Procedural macros of the `amop` crate.
