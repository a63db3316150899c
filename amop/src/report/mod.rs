//! Reports that are limited in rate: events and log lines about what may be frequent.

mod counters;
mod interval;
mod later;
mod losses;
mod warnings;

pub(crate) use counters::{ClientCounters, Count};
pub(crate) use interval::WarningInterval;
pub(crate) use later::Later;
pub(crate) use losses::Losses;
pub(crate) use warnings::Warnings;
