//! Addresses of peers: the values of `p2p.node.N`.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use amop_proto::HostPort;

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
pub struct PeerAddr(HostPort);

/// The text is not an address of a peer.
#[derive(Debug, thiserror::Error)]
#[error("not a peer address; expected host:port or [IPv6]:port with a port of 1 to 65535")]
pub struct ParsePeerError;

/// The longest name DNS knows.
const MAX_HOST: usize = 253;

impl PeerAddr {
    /// Returns `None` for port 0, which cannot be dialled.
    pub(crate) fn from_socket(address: SocketAddr) -> Option<Self> {
        let plain = SocketAddr::new(address.ip(), address.port());
        plain.to_string().parse().ok().map(Self)
    }

    /// The host name or IP address, without brackets.
    pub fn host(&self) -> &str {
        self.0.host()
    }

    /// Returns whether the host is an IP address and not a name.
    pub(crate) fn is_address(&self) -> bool {
        self.0.is_address()
    }

    /// The P2P port, never 0.
    pub fn port(&self) -> u16 {
        self.0.port()
    }
}

impl FromStr for PeerAddr {
    type Err = ParsePeerError;

    fn from_str(text: &str) -> Result<Self, ParsePeerError> {
        let address: HostPort = text.parse().map_err(|_| ParsePeerError)?;
        let host = address.host();
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        if address.is_address() || host.len() <= MAX_HOST && host.bytes().all(is_name) {
            Ok(Self(address))
        } else {
            Err(ParsePeerError)
        }
    }
}

impl fmt::Display for PeerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests;
