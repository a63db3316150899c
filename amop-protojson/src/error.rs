//! Errors and their places.

use std::fmt;

/// A value has no form in JSON, or a text is not a message of its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtoJsonError {
    /// The parts of the path, from the innermost outwards.
    path: Vec<String>,
    reason: String,
}

impl ProtoJsonError {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self {
            path: Vec::new(),
            reason: reason.into(),
        }
    }

    /// Adds the field in which the error happened, as seen from the enclosing message.
    pub(crate) fn field(mut self, name: &str) -> Self {
        let dot = matches!(self.path.last(), Some(inner) if !inner.starts_with('['));
        if dot {
            self.path.push(".".to_owned());
        }
        self.path.push(name.to_owned());
        self
    }

    /// Adds the list element or map value in which the error happened.
    pub(crate) fn element(mut self, at: impl fmt::Display) -> Self {
        if matches!(self.path.last(), Some(inner) if !inner.starts_with('[')) {
            self.path.push(".".to_owned());
        }
        self.path.push(format!("[{at}]"));
        self
    }

    /// Returns the place, such as `orders[2].price`; empty for the message itself.
    pub fn path(&self) -> String {
        self.path.iter().rev().map(String::as_str).collect()
    }

    /// Returns the reason, without the place.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for ProtoJsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "`{}`: ", self.path())?;
        }
        f.write_str(&self.reason)
    }
}

impl std::error::Error for ProtoJsonError {}

/// The files cannot be used for a mapping.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MappingError(String);

impl MappingError {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}
