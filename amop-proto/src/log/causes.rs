//! Errors with their causes.

use std::{error::Error, fmt};

/// Shows an error and all its causes, each once, as `what happened: why: why that`.
///
/// The text of an error does not contain its cause, which is its [`source`](Error::source). So a
/// program that shows an error to people shows it in this way, or with a library that does the
/// same, as `{:#}` of `anyhow`.
///
/// ```
/// use amop_proto::{
///     channel::{AmopBodyError, FrameType},
///     client::CloseReason,
///     log::with_causes,
/// };
///
/// let error = CloseReason::Malformed {
///     kind: FrameType::UNICAST,
///     error: AmopBodyError::Empty,
/// };
/// assert_eq!(
///     with_causes(&error).to_string(),
///     "the node sent a malformed message of type 0x30: the AMOP body is empty"
/// );
/// ```
#[must_use]
pub fn with_causes<'a>(error: &'a (dyn Error + 'static)) -> WithCauses<'a> {
    WithCauses(error)
}

/// An error and all its causes; see [`with_causes`].
#[derive(Clone, Copy)]
pub struct WithCauses<'a>(&'a (dyn Error + 'static));

impl fmt::Display for WithCauses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.0, f)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl fmt::Debug for WithCauses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
