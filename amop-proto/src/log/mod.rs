//! What the shells log: foreign text on one line, and no more lines than a person reads.
//!
//! Whoever can make a program log decides what the operator sees and how full the disk gets, unless
//! the program prevents it. [`OneLine`] shows foreign text so that it cannot imitate lines or steer a
//! terminal; [`LogThrottle`] lets the first lines of a kind through and counts the others.

mod text;
mod throttle;
mod time;

pub use self::{
    text::OneLine,
    throttle::{LogLimits, LogThrottle, Summary},
    time::Utc,
};
