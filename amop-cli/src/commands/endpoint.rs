//! A node's address on the command line.

use amop_node::config::PeerAddr;

/// Parses a node's address on the command line.
pub(super) fn endpoint(text: &str) -> Result<String, String> {
    match text.trim().parse::<PeerAddr>() {
        Ok(address) => Ok(address.to_string()),
        Err(_) => Err(
            "write host:port, for example 127.0.0.1:20200 or [::1]:20200, with nothing before or after it"
                .to_owned(),
        ),
    }
}
