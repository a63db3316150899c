//! Addresses of peers: the values of `p2p.node.N`.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// A peer to dial: a host name or an IP address, and a port.
///
/// Written `host:port`, with IPv6 addresses in brackets (p2p-v2 section 1). Names
/// are resolved when dialled, not here.
///
/// ```
/// use amop_node::config::PeerAddr;
///
/// let peer: PeerAddr = "[::1]:30300".parse().unwrap();
/// assert_eq!((peer.host(), peer.port()), ("::1", 30300));
/// assert_eq!(peer.to_string(), "[::1]:30300");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerAddr {
    host: String,
    port: u16,
}

/// The text is not an address of a peer.
#[derive(Debug, thiserror::Error)]
#[error("not a peer address; expected host:port or [IPv6]:port with a port of 1 to 65535")]
pub struct ParsePeerError;

/// The longest name DNS knows.
const MAX_HOST: usize = 253;

impl PeerAddr {
    /// Returns `None` for port 0, which cannot be dialled.
    pub(crate) fn from_socket(address: SocketAddr) -> Option<Self> {
        let (host, port) = (address.ip().to_string(), address.port());
        (port != 0).then_some(Self { host, port })
    }

    /// The host name or IP address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns whether the host is an IP address and not a name.
    pub(crate) fn is_address(&self) -> bool {
        self.host.parse::<IpAddr>().is_ok()
    }

    /// The P2P port, never 0.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for PeerAddr {
    type Err = ParsePeerError;

    fn from_str(text: &str) -> Result<Self, ParsePeerError> {
        let (host, port) = text.rsplit_once(':').ok_or(ParsePeerError)?;
        let host = match host.strip_prefix('[') {
            Some(rest) => {
                let inner = rest.strip_suffix(']').ok_or(ParsePeerError)?;
                inner.parse::<Ipv6Addr>().map_err(|_| ParsePeerError)?;
                inner
            }
            None => host,
        };
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        let bracketed = text.starts_with('[');
        if !bracketed && (host.is_empty() || host.len() > MAX_HOST || !host.bytes().all(is_name)) {
            return Err(ParsePeerError);
        }
        let digits = port.bytes().all(|b| b.is_ascii_digit());
        match port.parse() {
            Ok(port) if digits && port != 0 => Ok(Self {
                host: host.to_owned(),
                port,
            }),
            _ => Err(ParsePeerError),
        }
    }
}

impl fmt::Display for PeerAddr {
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
