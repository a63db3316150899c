//! How a connection ends.

use std::{error::Error, io};

use crate::{receive::Patience, supervise::PanicReport};

/// How a connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkEnd<R: Error + 'static> {
    #[error("the other side closed it")]
    Closed,
    #[error(transparent)]
    Io(io::Error),
    #[error("{0}")]
    BadFrame(String),
    #[error(transparent)]
    ByMachine(R),
    #[error(
        "a frame took longer to arrive than {} s, plus one second for each {} bytes received",
        .0.grace.as_secs(), .0.rate
    )]
    SlowFrame(Patience),
    #[error(
        "no room for a frame of {len} bytes: too many bytes of half-received frames are held for \
         its key, its agency or all connections (limit {limit}); the sender may send it again later"
    )]
    NoRoom { len: usize, limit: usize },
    #[error("the node stops")]
    Shutdown,
    #[error(transparent)]
    Fault(PanicReport),
}

impl<R: Error + 'static> LinkEnd<R> {
    /// Treats a connection that the peer closed without an error as closed, not as an error.
    pub(crate) fn of(error: io::Error) -> Self {
        if amop_tls::is_end(&error) {
            Self::Closed
        } else {
            Self::Io(error)
        }
    }
}
