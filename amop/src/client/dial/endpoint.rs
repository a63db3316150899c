//! The address of a node.

use std::{fmt, net::Ipv6Addr};

use crate::ConnectError;

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// A name or an address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

impl Endpoint {
    pub(crate) fn parse(text: &str) -> Result<Self, ConnectError> {
        let invalid = |problem| ConnectError::InvalidEndpoint {
            endpoint: text.to_owned(),
            problem,
        };
        let text = text.trim();
        if text.contains("://") {
            return Err(invalid("begins like a URL"));
        }
        let (host, port) = text
            .rsplit_once(':')
            .ok_or_else(|| invalid("has no port"))?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest
                .strip_suffix(']')
                .filter(|address| address.parse::<Ipv6Addr>().is_ok())
                .ok_or_else(|| invalid("has no IPv6 address in its brackets"))?,
            None if host.contains(':') => {
                // An IPv6 address, perhaps with a zone, or something that only looks like one.
                let address = host.split('%').next().unwrap_or(host);
                return Err(invalid(match address.parse::<Ipv6Addr>() {
                    Ok(_) => "has an IPv6 address without brackets",
                    Err(_) => "has several colons, and its host is not an IPv6 address",
                }));
            }
            None => host,
        };
        if host.is_empty() {
            return Err(invalid("has no host"));
        }
        if host.contains(['/', ' ', '@']) {
            return Err(invalid(
                "has characters that are not allowed in a host name",
            ));
        }
        let port = match port.parse() {
            Ok(port) if port != 0 => port,
            _ => return Err(invalid("has a port that is not a number from 1 to 65535")),
        };
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests;
