//! The `amop` command.
fn main() {}
