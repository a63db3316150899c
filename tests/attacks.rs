//! Attacks, floods and long messages, while others exchange messages. They use much of the processor and thousands of
//! file descriptors, so they are a program of their own: they delay only each other.
#![forbid(unsafe_code)]

mod fairness;
mod floods;
mod hostile;
