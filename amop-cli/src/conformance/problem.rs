//! Why a check does not pass, and the comparisons that find it out.

use std::{fmt, io};

use amop_proto::channel::Frame;

use crate::{ConnectError, show};

/// How a check ends: well, perhaps with a remark, or with a [`Problem`].
pub(super) type Checked<T = Option<String>> = Result<T, Problem>;

/// A check that did not pass.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// The node does something else than it should.
    Failed { expected: String, got: String },
    /// The check does not apply, and why.
    Skipped(String),
}

/// No connection where there must be one.
impl From<ConnectError> for Problem {
    fn from(error: ConnectError) -> Self {
        Self::Failed {
            expected: "a connection".to_owned(),
            got: error.to_string(),
        }
    }
}

/// A check that passes without a remark.
pub(super) fn passed() -> Checked {
    Ok(None)
}

pub(super) fn failed<T>(expected: impl Into<String>, got: impl Into<String>) -> Checked<T> {
    Err(Problem::Failed {
        expected: expected.into(),
        got: got.into(),
    })
}

/// A failure of the connection while `expected` was to happen.
pub(super) fn broken<T>(expected: &str, error: &io::Error) -> Checked<T> {
    failed(expected, format!("the connection failed: {error}"))
}

/// Two values that should be the same. `what` says what they are.
pub(super) fn same<T: PartialEq + fmt::Debug>(what: &str, got: T, expected: T) -> Checked<()> {
    if got == expected {
        return Ok(());
    }
    failed(format!("{what}: {expected:?}"), format!("{got:?}"))
}

/// Two frames that should be the same in every byte.
pub(super) fn same_frame(what: &str, got: &Frame, expected: &Frame) -> Checked<()> {
    if got == expected {
        return Ok(());
    }
    let (mut expected_text, mut got_text) = (show::frame(expected), show::frame(got));
    if expected_text == got_text {
        // They differ beyond what is shown.
        let at = expected.body.iter().zip(&got.body);
        let differ = at.take_while(|(expected, got)| expected == got).count();
        expected_text.push_str(" (as sent)");
        got_text.push_str(&format!(" (differs at byte {differ} of the body)"));
    }
    failed(format!("{what}: {expected_text}"), got_text)
}

/// Something that must hold of what came.
pub(super) fn holds(condition: bool, expected: &str, got: impl fmt::Display) -> Checked<()> {
    if condition {
        return Ok(());
    }
    failed(expected, got.to_string())
}
