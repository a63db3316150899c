//! What the shells log: text from other programs on one line, and not more lines than a person can
//! read.
//!
//! A peer that makes a program log decides what the operator sees and how full the disk gets,
//! unless the program prevents it. [`OneLine`] shows text from others so that it cannot imitate log
//! lines or control a terminal; [`LogThrottle`] lets the first lines of a kind through and counts
//! the others. [`with_causes`] shows an error with its causes, [`ShortId`] an ID, and [`Utc`] a time.

mod causes;
mod short_id;
mod text;
mod throttle;
mod time;

pub use self::{
    causes::{WithCauses, with_causes},
    short_id::ShortId,
    text::OneLine,
    throttle::{LogLimits, LogThrottle, Summary},
    time::Utc,
};
