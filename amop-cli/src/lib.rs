//! What the `amop` command does, for programs that want it without the command.
#![forbid(unsafe_code)]

pub mod generate;
pub mod schema;
