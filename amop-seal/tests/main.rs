//! Tests of sealed messages, and of the vectors that describe their format.
#![forbid(unsafe_code)]

mod sealing;
mod vectors;
