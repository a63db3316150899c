//! A sender of many or long messages does not keep others waiting, and half-received frames have
//! limits. These tests do not measure time: they check which bytes had to move.

mod intake;
mod links;
mod meter;
