//! Who has much to send does not keep others waiting, and what is half received has its bounds. Nothing
//! here is measured by the clock: what counts is which bytes had to move.
#![forbid(unsafe_code)]

mod intake;
mod links;
mod meter;
