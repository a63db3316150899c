//! Reasons why a check does not pass, and the comparisons that find them.

use std::{fmt, io};

use amop_proto::{channel::Frame, log::with_causes};

use crate::{WireError, show};

/// The result of a check: passed, perhaps with a remark, or a [`CheckProblem`].
pub(super) type Checked<T = Option<String>> = Result<T, CheckProblem>;

/// A check that did not pass.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CheckProblem {
    /// The node does not do what it should.
    Failed { expected: String, got: String },
    /// The check does not apply, with the reason.
    Skipped(String),
}

/// A required connection failed.
impl From<WireError> for CheckProblem {
    fn from(error: WireError) -> Self {
        Self::Failed {
            expected: "a connection".to_owned(),
            got: with_causes(&error).to_string(),
        }
    }
}

/// Returns the result of a check that passes without a remark.
pub(super) fn passed() -> Checked {
    Ok(None)
}

pub(super) fn failed<T>(expected: impl Into<String>, got: impl Into<String>) -> Checked<T> {
    Err(CheckProblem::Failed {
        expected: expected.into(),
        got: got.into(),
    })
}

/// Reports a connection that failed while `expected` should have happened.
pub(super) fn broken<T>(expected: &str, error: &io::Error) -> Checked<T> {
    failed(expected, format!("the connection failed: {error}"))
}

/// Checks that two values are the same. `what` names them.
pub(super) fn same<T: PartialEq + fmt::Debug>(what: &str, got: T, expected: T) -> Checked<()> {
    if got == expected {
        return Ok(());
    }
    failed(format!("{what}: {expected:?}"), format!("{got:?}"))
}

/// Checks that two frames are the same in every byte.
pub(super) fn same_frame(what: &str, got: &Frame, expected: &Frame) -> Checked<()> {
    if got == expected {
        return Ok(());
    }
    let (mut expected_text, mut got_text) = (show::frame(expected), show::frame(got));
    if expected_text == got_text {
        // They differ beyond the shown part.
        let at = expected.body.iter().zip(&got.body);
        let differ = at.take_while(|(expected, got)| expected == got).count();
        expected_text.push_str(" (as sent)");
        got_text.push_str(&format!(" (differs at byte {differ} of the body)"));
    }
    failed(format!("{what}: {expected_text}"), got_text)
}

/// Checks a condition on what was received.
pub(super) fn holds(condition: bool, expected: &str, got: impl fmt::Display) -> Checked<()> {
    if condition {
        return Ok(());
    }
    failed(expected, got.to_string())
}
