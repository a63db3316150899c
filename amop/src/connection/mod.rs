//! One connection to one endpoint: the state that other tasks share with the driver of its stream.
//!
//! The structure is that of quinn: one driver task owns the stream; other tasks change the state
//! behind a mutex and wake the driver. An outgoing message passes through no channel and no other
//! task.

mod context;
mod driver;
mod events;
mod exchange;
mod handle;
mod inner;
mod notices;
mod settings;
mod start;
mod state;
mod stream;
mod topics;

pub(crate) use handle::Connection;
pub(crate) use settings::{ConnectionSettings, Hello, NewConnection};
pub(crate) use stream::FrameStream;
pub(crate) use topics::Settling;
