//! The address of a node.

use amop_proto::{HostPort, HostPortError};

use crate::ConnectError;

/// Reads an endpoint as users write it.
pub(crate) fn parse(text: &str) -> Result<HostPort, ConnectError> {
    let invalid = |problem| ConnectError::InvalidEndpoint {
        endpoint: text.to_owned(),
        problem,
    };
    let address = text.trim();
    if address.contains("://") {
        return Err(invalid("begins like a URL"));
    }
    let parsed = address.parse();
    parsed.map_err(|error: HostPortError| invalid(error.problem()))
}

#[cfg(test)]
mod tests;
