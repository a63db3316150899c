//! Addresses that users write as `host:port`.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

/// A host name or an IP address, and a port.
///
/// Written `host:port`, with IPv6 addresses in brackets. Names are resolved when they are dialled,
/// not here.
///
/// ```
/// use amop_proto::HostPort;
///
/// let node: HostPort = "[::1]:20200".parse()?;
/// assert_eq!((node.host(), node.port()), ("::1", 20200));
/// assert_eq!(node.to_string(), "[::1]:20200");
/// # Ok::<(), amop_proto::HostPortError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostPort {
    host: String,
    port: u16,
}

/// Why a text is not a [`HostPort`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the address {problem}; write host:port, with an IPv6 address in brackets")]
pub struct HostPortError {
    problem: &'static str,
}

impl HostPortError {
    /// Returns the problem without its subject, such as "has no port".
    pub fn problem(self) -> &'static str {
        self.problem
    }
}

impl HostPort {
    /// Returns the host name or IP address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port, never 0.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns whether the host is an IP address and not a name.
    pub fn is_address(&self) -> bool {
        self.host.parse::<IpAddr>().is_ok()
    }
}

impl FromStr for HostPort {
    type Err = HostPortError;

    fn from_str(text: &str) -> Result<Self, HostPortError> {
        let wrong = |problem| HostPortError { problem };
        let (host, port) = text.rsplit_once(':').ok_or(wrong("has no port"))?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest
                .strip_suffix(']')
                .filter(|address| address.parse::<Ipv6Addr>().is_ok())
                .ok_or(wrong("has no IPv6 address in its brackets"))?,
            None if host.contains(':') => {
                // An IPv6 address, perhaps with a zone, or something that only looks like one.
                let address = host.split('%').next().unwrap_or(host);
                return Err(wrong(match address.parse::<Ipv6Addr>() {
                    Ok(_) => "has an IPv6 address without brackets",
                    Err(_) => "has several colons, and its host is not an IPv6 address",
                }));
            }
            None => host,
        };
        if host.is_empty() {
            return Err(wrong("has no host"));
        }
        if host.contains(['/', ' ', '@']) {
            return Err(wrong("has characters that are not allowed in a host name"));
        }
        let digits = port.bytes().all(|digit| digit.is_ascii_digit());
        match port.parse() {
            Ok(port) if digits && port != 0 => Ok(Self {
                host: host.to_owned(),
                port,
            }),
            _ => Err(wrong("has a port that is not a number from 1 to 65535")),
        }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}
