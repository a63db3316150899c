//! The `amop` command and its library, as users run them. The tests are one program because most of them wait for other
//! programs: they wait at the same time.
#![forbid(unsafe_code)]

mod chaos;
mod conformance;
mod devnet;
mod generate;
mod schema;
mod tap;
